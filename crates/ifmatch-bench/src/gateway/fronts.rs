//! The proxies, each a process of its own on the servers' core, in front of the same upstream.

use super::clients::{Clients, Tally, Work};
use crate::cpu::{self, Cores};
use ifmatch_testkit::process::Server;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(20);
/// Between two looks at whether a proxy listens.
const START_PAUSE: Duration = Duration::from_millis(10);

/// What stands in front of the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Front {
    Nginx,
    Haproxy,
    Gateway(Setting),
}

/// How `ifmatch serve` is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Setting {
    /// Judges nothing and watches nothing: a transparent proxy made of the same parts.
    Off,
    Observe,
    /// Enforces, as a route is that sets nothing else: the digest is of the content.
    Content,
    /// Enforces; nobody writes around the gateway.
    GatewayOnly,
    /// Enforces that there is a condition; the upstream evaluates it.
    Upstream,
}

impl Front {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Gateway(Setting::Off) => "ifmatch, off",
            Self::Gateway(Setting::Observe) => "ifmatch, observe",
            Self::Gateway(Setting::Content) => "ifmatch, content digest",
            Self::Gateway(Setting::GatewayOnly) => "ifmatch, gateway-only",
            Self::Gateway(Setting::Upstream) => "ifmatch, upstream evaluates",
        }
    }
}

/// The programs there are.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    nginx: PathBuf,
    haproxy: PathBuf,
}

impl Programs {
    /// # Errors
    /// What is missing, and how it is installed.
    pub(super) fn find() -> Result<Self, String> {
        let (nginx, haproxy) = (found("nginx"), found("haproxy"));
        match (nginx, haproxy) {
            (Some(nginx), Some(haproxy)) => Ok(Self { nginx, haproxy }),
            (nginx, haproxy) => {
                let missing: Vec<&str> = [("nginx", nginx), ("haproxy", haproxy)]
                    .into_iter()
                    .filter_map(|(name, program)| program.is_none().then_some(name))
                    .collect();
                Err(format!(
                    "there is no {}: the gateway is measured beside both. On Debian: apt-get install nginx-light haproxy \
                     (they need not run as services)",
                    missing.join(" and no ")
                ))
            }
        }
    }

    /// What they call themselves.
    pub(super) fn versions(&self) -> Vec<String> {
        [&self.nginx, &self.haproxy].into_iter().map(|program| version(program)).collect()
    }
}

/// A program of the path, or of where Debian keeps servers.
fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(servers).map(|folder| folder.join(name)).find(|file| file.is_file())
}

pub(super) fn version(program: &Path) -> String {
    let flag = if program.ends_with("nginx") || program.ends_with("haproxy") { "-v" } else { "--version" };
    let told = Command::new(program).arg(flag).output();
    let said = told.map(|told| [told.stdout, told.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned()
}

/// A proxy that runs.
pub(super) struct Running {
    pub(super) name: String,
    address: SocketAddr,
    clients: Option<Clients>,
    server: Server,
    _folder: TempDir,
}

/// What is needed to start one.
pub(super) struct Start<'a> {
    pub(super) programs: &'a Programs,
    pub(super) upstream: SocketAddr,
    /// Where state, audit and spools are kept.
    pub(super) data: &'a Path,
    pub(super) cores: Option<Cores>,
}

impl Start<'_> {
    pub(super) fn front(&self, name: &str, front: Front, ifmatch: &Path) -> io::Result<Running> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(self.data)?;
        let mut command = match front {
            Front::Nginx => self.nginx(folder.path())?,
            Front::Haproxy => self.haproxy(folder.path())?,
            Front::Gateway(setting) => self.gateway(setting, folder.path(), ifmatch)?,
        };
        let mut spawn = || Server::spawn(&mut command.command);
        let server = match self.cores {
            Some(cores) => cores.for_server(spawn)?,
            None => spawn(),
        };
        let mut server = server.map_err(io::Error::other)?;
        let address = match command.address {
            Some(address) => listens(&mut server, address)?,
            None => server.wait_for_line(START_MAX, crate::contender::address).map_err(io::Error::other)?,
        };
        Ok(Running { name: name.to_owned(), address, clients: None, server, _folder: folder })
    }

    /// One process without a master: what is killed is then all there is. Nothing is logged.
    fn nginx(&self, folder: &Path) -> io::Result<Starting> {
        let address = free_address()?;
        let upstream = self.upstream;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("    {name}_temp_path {name};\n"))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr error;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n{temporary}    access_log off;\n    keepalive_requests 1000000000;\n    keepalive_timeout 3600s;\n\
             \x20   client_body_buffer_size 16k;\n\
             \x20   upstream measured {{\n        server {upstream};\n        keepalive 256;\n        \
             keepalive_requests 1000000000;\n        keepalive_timeout 3600s;\n    }}\n\
             \x20   server {{\n        listen {address};\n        location / {{\n            proxy_pass http://measured;\n\
             \x20           proxy_http_version 1.1;\n            proxy_set_header Connection \"\";\n        }}\n    }}\n}}\n"
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config)?;
        let mut command = Command::new(&self.programs.nginx);
        command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(file);
        Ok(Starting { command, address: Some(address) })
    }

    fn haproxy(&self, folder: &Path) -> io::Result<Starting> {
        let address = free_address()?;
        let upstream = self.upstream;
        let config = format!(
            "global\n    nbthread 1\n    maxconn 4096\n\
             defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n    \
             http-reuse always\n\
             listen measured\n    bind {address}\n    server upstream {upstream}\n"
        );
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, config)?;
        let mut command = Command::new(&self.programs.haproxy);
        command.args(["-db", "-f"]).arg(file);
        Ok(Starting { command, address: Some(address) })
    }

    /// With its audit and its metrics.
    fn gateway(&self, setting: Setting, folder: &Path, program: &Path) -> io::Result<Starting> {
        let upstream = self.upstream;
        let route = match setting {
            Setting::Off => "mode = \"off\"",
            Setting::Observe => "mode = \"observe\"",
            Setting::Content => "mode = \"enforce\"",
            Setting::GatewayOnly => "mode = \"enforce\"\nwriters = \"gateway-only\"",
            Setting::Upstream => "mode = \"enforce\"\nevaluate = \"upstream\"",
        };
        let config = format!(
            "version = 1\n\n[gateway]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nworkers = 1\n\
             upstream = \"http://{upstream}\"\nstate = {:?}\n\n[audit]\nenabled = true\npath = {:?}\nfiles_max = 2\n\n\
             [[route]]\nname = \"all\"\nmatch = \"/{{*path}}\"\n{route}\n",
            folder.join("state"),
            folder.join("audit"),
        );
        let file = folder.join("ifmatch.toml");
        std::fs::write(&file, config)?;
        let mut command = Command::new(program);
        command.args(["serve", "--output", "json", "--config"]).arg(file);
        Ok(Starting { command, address: None })
    }
}

struct Starting {
    command: Command,
    /// `None`: it says itself where it listens.
    address: Option<SocketAddr>,
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

fn listens(server: &mut Server, address: SocketAddr) -> io::Result<SocketAddr> {
    let ends = Instant::now() + START_MAX;
    while TcpStream::connect(address).is_err() {
        if let Ok(status) = server.wait(START_PAUSE) {
            return Err(io::Error::other(format!("it ended ({status}): {}", server.stderr().text())));
        }
        if Instant::now() > ends {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not listen"));
        }
    }
    Ok(address)
}

impl Running {
    /// Opens so many connections in place of those before.
    pub(super) fn connect(&mut self, count: u32) -> io::Result<()> {
        self.clients = None;
        self.clients = Some(Clients::connect(self.address, count)?);
        Ok(())
    }

    /// One run, and what the proxy used for it.
    pub(super) fn measure(&mut self, work: Work, time: Duration) -> io::Result<(Tally, Duration)> {
        let process = self.server.id();
        let Some(clients) = &mut self.clients else { return Err(io::Error::other("nobody is connected")) };
        let before = cpu::used(process)?;
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.name));
        let tally = clients.run(work, time).map_err(named)?;
        Ok((tally, cpu::used(process)?.saturating_sub(before)))
    }
}
