//! nginx, Apache and lighttpd, as one process each.

use super::Error;
use super::folder::{create_open, write};
use super::packages::program;
use std::path::Path;
use std::process::Command;

/// Where Debian has the modules of Apache.
const APACHE_MODULES: &str = "/usr/lib/apache2/modules";

/// nginx with `files` in its folder as root; `http` stands beside the server and `server` in it.
pub(super) fn nginx(port: u16, folder: &Path, http: &str, server: &str) -> Result<Command, Error> {
    let root = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {root}/{name};"))
        .concat();
    let configuration = format!(
        "daemon off; master_process off; pid {root}/pid; error_log stderr warn;
         events {{ worker_connections 512; }}
         http {{
             access_log off; {temporary} {http}
             server {{ listen 127.0.0.1:{port}; root {root}/files; {server} }}
         }}"
    );
    create_open(&folder.join("files"))?;
    let file = folder.join("nginx.conf");
    write(&file, configuration)?;
    let mut command = program(["nginx", "/usr/sbin/nginx"], "-v")?;
    command.arg("-p").arg(folder).args(["-e", "stderr", "-c"]).arg(file);
    Ok(command)
}

/// Apache with `files` in its folder as root, in one process, which serves with threads.
pub(super) fn apache(
    port: u16,
    folder: &Path,
    modules: &[&str],
    configuration: &str,
) -> Result<Command, Error> {
    let root = folder.display();
    let modules: String = ["mpm_event", "authz_core"]
        .iter()
        .chain(modules)
        .map(|name| format!("LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n"))
        .collect();
    let configuration = format!(
        "ServerName 127.0.0.1\nServerRoot {root}\nPidFile {root}/pid\nListen 127.0.0.1:{port}\n\
         ErrorLog /dev/stderr\nLogLevel warn\n{modules}\
         <IfModule unixd_module>\nUser www-data\nGroup www-data\n</IfModule>\n\
         DocumentRoot {root}/files\n{configuration}"
    );
    create_open(&folder.join("files"))?;
    let file = folder.join("httpd.conf");
    write(&file, configuration)?;
    let mut command = program(["apache2", "/usr/sbin/apache2"], "-v")?;
    command.arg("-X").arg("-f").arg(file);
    Ok(command)
}

/// lighttpd with its DAV module.
pub(super) fn lighttpd_dav(port: u16, folder: &Path) -> Result<Command, Error> {
    let root = folder.display();
    let configuration = format!(
        "server.modules = (\"mod_webdav\")\n\
         server.document-root = \"{root}/files\"\nserver.upload-dirs = (\"{root}\")\n\
         server.bind = \"127.0.0.1\"\nserver.port = {port}\nserver.errorlog = \"/dev/stderr\"\n\
         webdav.activate = \"enable\"\nmimetype.assign = (\"\" => \"text/plain\")\n"
    );
    create_open(&folder.join("files"))?;
    let file = folder.join("lighttpd.conf");
    write(&file, configuration)?;
    let mut command = program(["lighttpd", "/usr/sbin/lighttpd"], "-v")?;
    command.arg("-D").arg("-f").arg(file);
    Ok(command)
}
