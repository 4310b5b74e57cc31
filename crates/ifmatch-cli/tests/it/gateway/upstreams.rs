//! Servers that know nothing of the gateway, each on a free port of loopback, with a folder of its own.

use crate::support::{Fields, NONE, TIMEOUT, connect};
use ifmatch_testkit::process;
use ifmatch_testkit::raw::{self, Response};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Where Debian has the modules of Apache.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";

/// How often a port is looked for: another process may take one before the server has it.
const PORTS_MAX: usize = 5;

/// Between two looks at whether it answers.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// nginx with its DAV module: files; tags from time and size, conditions of PUT ignored.
    NginxDav,
    /// Apache with `mod_dav_fs`: files; looks at conditions first and writes later.
    ApacheDav,
    /// json-server: one JSON file, weak tags, conditions of PUT ignored; PUT does not create.
    JsonServer,
    /// An app of a few lines in Flask: closes each connection, adds to what is sent, no tags.
    Flask,
    /// `WsgiDAV`: files; looks at conditions first and writes later, shows files half written, tags from time and size.
    WsgiDav,
    /// A few lines on Python's own server: files, no tags.
    HttpServer,
}

impl Kind {
    /// Whether a PUT to where nothing is creates.
    pub(super) fn creates(self) -> bool {
        self != Self::JsonServer
    }

    /// Whether it is known not to look at If-Match of a PUT.
    pub(super) fn ignores_conditions(self) -> bool {
        matches!(self, Self::NginxDav | Self::JsonServer | Self::Flask | Self::HttpServer)
    }

    /// The target of a document.
    pub(super) fn target(self, name: &str) -> String {
        match self {
            Self::JsonServer | Self::Flask => format!("/documents/{name}"),
            _ => format!("/{name}"),
        }
    }

    /// A document that holds a number.
    pub(super) fn content(self, number: u64) -> Vec<u8> {
        match self {
            Self::JsonServer | Self::Flask => format!("{{\"number\":{number}}}"),
            _ => number.to_string(),
        }
        .into_bytes()
    }

    /// The number of a document; nothing for one that was read while it was being written.
    pub(super) fn number(self, response: &Response) -> Option<u64> {
        match self {
            Self::JsonServer | Self::Flask => {
                serde_json::from_slice::<Value>(&response.content).ok()?["number"].as_u64()
            }
            _ => response.text().parse().ok(),
        }
    }

    /// The field lines of a write, before others.
    pub(super) fn content_type(self) -> (&'static str, &'static str) {
        match self {
            Self::JsonServer | Self::Flask => ("Content-Type", "application/json"),
            _ => ("Content-Type", "text/plain"),
        }
    }

    fn command(self, port: u16, folder: &Path) -> Command {
        let port_text = port.to_string();
        match self {
            Self::NginxDav => nginx(port, folder),
            Self::ApacheDav => apache(port, folder),
            Self::JsonServer => json_server(&port_text, folder),
            Self::Flask => python("flask", &[app("flask_documents.py"), port_text.into()]),
            Self::WsgiDav => wsgidav(port, folder),
            Self::HttpServer => {
                let arguments = [app("naive_files.py"), port_text.into(), folder.into()];
                python("http.server", &arguments)
            }
        }
    }
}

/// Which one, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
}

/// A running one. Dropping it kills it.
pub(super) struct Upstream {
    pub(super) place: Place,
    process: process::Server,
    /// After the process, so that the folder outlives it.
    _folder: TempDir,
}

impl Upstream {
    /// Starts one that has nothing yet, and waits until it answers.
    pub(super) fn start(kind: Kind) -> Self {
        for _ in 0..PORTS_MAX {
            let folder = tempfile::tempdir().unwrap();
            // Apache serves as another user.
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let process = process::Server::spawn(&mut kind.command(port, folder.path()));
            let process = process.unwrap_or_else(|error| panic!("{kind:?}: {error}; {}", missing()));
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut upstream = Self { place: Place { kind, address }, process, _folder: folder };
            if upstream.answers() {
                return upstream;
            }
        }
        panic!("{kind:?} found no port");
    }

    /// Whether it came to answer. If it ended because its port was taken it did not.
    fn answers(&mut self) -> bool {
        let Place { kind, address } = self.place;
        let end = std::time::Instant::now() + TIMEOUT;
        loop {
            let target = kind.target("nothing");
            let answer = raw::exchange(address, TIMEOUT, ("GET", &target), NONE, None);
            if answer.is_ok_and(|response| response.status == 404) {
                return true;
            }
            match self.process.wait(LOOK_AGAIN) {
                Err(error) if error.kind() == process::ErrorKind::Timeout => {
                    assert!(std::time::Instant::now() < end, "{kind:?} does not answer: {error}");
                }
                _ => {
                    let said = self.process.stderr().text() + &self.process.stdout().text();
                    let is_taken = said.contains("in use");
                    assert!(is_taken, "{kind:?} ended: {said}\n{}", missing());
                    return false;
                }
            }
        }
    }
}

impl Place {
    /// Puts a number there, around everybody.
    pub(super) fn set(self, name: &str, number: u64) {
        let (method, target, content) = if self.kind.creates() {
            ("PUT", self.kind.target(name), self.kind.content(number))
        } else {
            let content = format!("{{\"id\":\"{name}\",\"number\":{number}}}");
            ("POST", "/documents".to_owned(), content.into_bytes())
        };
        let status = self.write(method, &target, &[], &content);
        assert!(status < 300, "{:?}: {status}", self.kind);
    }

    /// One write around everybody; its status. Of the answer no more is looked at: `WsgiDAV` frames content of a 204,
    /// which is malformed.
    pub(super) fn write(self, method: &str, target: &str, condition: Fields<'_>, content: &[u8]) -> u16 {
        let fields = [&[self.kind.content_type(), ("Connection", "close")], condition].concat();
        let mut connection = connect(self.address);
        connection.send(&raw::request(method, target, &fields, Some(content))).unwrap();
        let answer = String::from_utf8_lossy(&connection.rest().unwrap()).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("{:?}: {answer}", self.kind))
    }
}

/// What to do if a server cannot be run.
fn missing() -> String {
    "the servers that the gateway is tried with are installed by `cargo xtask test --quick` (Debian packages nginx and \
     apache2 as root; Python and Node packages into target/upstreams)"
        .to_owned()
}

/// Where packages are that are not the system's.
fn packages() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("crates/ifmatch-cli is two below the root").join("target/upstreams")
}

fn app(name: &str) -> OsString {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/gateway/apps").join(name).into_os_string()
}

/// Python that can import these.
fn python<S: AsRef<OsStr>>(modules: &str, arguments: &[S]) -> Command {
    let with_packages = |name: &str| {
        let mut command = Command::new(name);
        command.env("PYTHONPATH", packages().join("python")).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let can_import = |name: &&&str| {
        let mut command = with_packages(name);
        command.args(["-c", &format!("import {modules}")]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let names = ["python3", "/usr/bin/python3"];
    let found = names.iter().find(can_import);
    let name = found.unwrap_or_else(|| panic!("no Python that can import {modules}; {}", missing()));
    let mut command = with_packages(name);
    command.args(arguments);
    command
}

fn wsgidav(port: u16, folder: &Path) -> Command {
    let files = folder.join("files");
    fs::create_dir(&files).unwrap();
    let configuration = serde_json::json!({
        "host": "127.0.0.1",
        "port": port,
        "provider_mapping": { "/": files },
        "simple_dc": { "user_mapping": { "*": true } },
        // In seconds. A read of a file that is just being written is short of what it announced, and it takes so long
        // until the connection is closed; the default is ten.
        "server_args": { "timeout": 1 },
    });
    let file = folder.join("wsgidav.json");
    fs::write(&file, configuration.to_string()).unwrap();
    let mut command = python("wsgidav, cheroot", &["-m", "wsgidav.server.server_cli", "--config"]);
    command.arg(file);
    command
}

fn json_server(port: &str, folder: &Path) -> Command {
    let program = packages().join("npm/node_modules/json-server/lib/cli/bin.js");
    assert!(program.exists(), "no json-server; {}", missing());
    let database = folder.join("db.json");
    fs::write(&database, "{\"documents\":[]}").unwrap();
    let mut command = Command::new("node");
    command.arg(program).args(["--quiet", "--host", "127.0.0.1", "--port", port]).arg(database);
    command
}

fn nginx(port: u16, folder: &Path) -> Command {
    let root = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {root}/{name};"))
        .concat();
    let configuration = format!(
        "daemon off; master_process off; pid {root}/pid; error_log stderr warn;
         events {{ worker_connections 512; }}
         http {{
             access_log off; {temporary}
             server {{
                 listen 127.0.0.1:{port}; root {root}/files;
                 location / {{ dav_methods PUT DELETE; }}
             }}
         }}"
    );
    fs::create_dir(folder.join("files")).unwrap();
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new(program(&["nginx", "/usr/sbin/nginx"], "-v"));
    command.arg("-p").arg(folder).args(["-e", "stderr", "-c"]).arg(file);
    command
}

/// In one process, which serves with threads.
fn apache(port: u16, folder: &Path) -> Command {
    let root = folder.display();
    let modules: String = ["mpm_event", "authz_core", "dav", "dav_fs"]
        .map(|name| format!("LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n"))
        .concat();
    let configuration = format!(
        "ServerName 127.0.0.1\nServerRoot {root}\nPidFile {root}/pid\nListen 127.0.0.1:{port}\n\
         ErrorLog /dev/stderr\nLogLevel warn\n{modules}\
         <IfModule unixd_module>\nUser www-data\nGroup www-data\n</IfModule>\n\
         DavLockDB {root}/locks\nDocumentRoot {root}/files\n\
         <Directory {root}/files>\nRequire all granted\nDav On\n</Directory>\n"
    );
    let files = folder.join("files");
    fs::create_dir(&files).unwrap();
    fs::set_permissions(&files, fs::Permissions::from_mode(0o777)).unwrap();
    let file = folder.join("httpd.conf");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new(program(&["apache2", "/usr/sbin/apache2"], "-v"));
    command.arg("-X").arg("-f").arg(file);
    command
}

/// The first of these that can be run.
fn program(names: &[&'static str], probe: &str) -> &'static str {
    let works = |name: &&&'static str| {
        let mut command = Command::new(name);
        command.arg(probe).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    names.iter().find(works).unwrap_or_else(|| panic!("no {}; {}", names[0], missing()))
}
