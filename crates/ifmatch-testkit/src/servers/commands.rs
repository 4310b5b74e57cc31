//! How each kind that holds documents is started.

use super::folder::{create_open, write};
use super::packages::{node, python, python_app};
use super::{Error, Kind, web};
use std::path::Path;
use std::process::Command;

/// The command that serves on a port of loopback out of an empty folder.
pub(super) fn command(kind: Kind, port: u16, folder: &Path) -> Result<Command, Error> {
    let text = port.to_string();
    let own = folder.display().to_string();
    match kind {
        Kind::NginxDav => {
            let location = "location / { dav_methods PUT DELETE; }";
            web::nginx(port, folder, "", location)
        }
        Kind::ApacheDav => apache_dav(port, folder),
        Kind::Lighttpd => web::lighttpd_dav(port, folder),
        Kind::WsgiDav => wsgidav(port, folder),
        Kind::Radicale => radicale(port, folder),
        Kind::Kinto => python_app("kinto_memory.py", &[text]),
        Kind::Django => python_app("django_documents.py", &[text, format!("{own}/documents.sqlite")]),
        Kind::FlaskSmorest => python_app("smorest_documents.py", &[text, own]),
        Kind::Flask => python_app("flask_documents.py", &[text]),
        Kind::JsonServer => json_server(&text, folder),
        Kind::HttpServer => python_app("naive_files.py", &[text, own]),
    }
}

fn apache_dav(port: u16, folder: &Path) -> Result<Command, Error> {
    let root = folder.display();
    let configuration = format!(
        "DavLockDB {root}/locks\n<Directory {root}/files>\nRequire all granted\nDav On\n</Directory>\n"
    );
    web::apache(port, folder, &["dav", "dav_fs"], &configuration)
}

fn wsgidav(port: u16, folder: &Path) -> Result<Command, Error> {
    let files = folder.join("files");
    create_open(&files)?;
    let file = folder.join("wsgidav.json");
    // The timeout is in seconds. A read of a file that is just being written is short of what it announced, and it takes
    // so long until the connection is closed; the default is ten.
    let configuration = format!(
        "{{\"host\": \"127.0.0.1\", \"port\": {port}, \"provider_mapping\": {{\"/\": {:?}}},
          \"simple_dc\": {{\"user_mapping\": {{\"*\": true}}}}, \"server_args\": {{\"timeout\": 1}}}}",
        files.display().to_string()
    );
    write(&file, configuration)?;
    let mut command = python()?;
    command.args(["-m", "wsgidav.server.server_cli", "--config"]).arg(file);
    Ok(command)
}

fn radicale(port: u16, folder: &Path) -> Result<Command, Error> {
    let root = folder.display();
    let book = folder.join("collection-root/tried/cards");
    create_open(&book)?;
    write(&book.join(".Radicale.props"), "{\"tag\": \"VADDRESSBOOK\"}")?;
    let rights = folder.join("rights");
    write(&rights, "[everybody]\nuser: .*\ncollection: .*\npermissions: RrWw\n")?;
    let file = folder.join("radicale.ini");
    let configuration = format!(
        "[server]\nhosts = 127.0.0.1:{port}\nmax_connections = 100\n[auth]\ntype = none\n\
         [rights]\ntype = from_file\nfile = {root}/rights\n[storage]\nfilesystem_folder = {root}\n\
         [logging]\nlevel = warning\n"
    );
    write(&file, configuration)?;
    let mut command = python()?;
    command.args(["-m", "radicale", "--config"]).arg(file);
    Ok(command)
}

fn json_server(port: &str, folder: &Path) -> Result<Command, Error> {
    let database = folder.join("db.json");
    write(&database, "{\"documents\":[]}")?;
    let mut command = node("json-server/lib/cli/bin.js")?;
    command.args(["--quiet", "--host", "127.0.0.1", "--port", port]).arg(database);
    Ok(command)
}
