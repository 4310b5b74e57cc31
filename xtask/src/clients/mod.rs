//! `cargo xtask clients`: programs that people really use, against the real server.
//!
//! Each goes through the whole cycle of a write on a document of its own, asserts every step and prints it. The
//! programs are files in `xtask/clients/`.

mod browser;
mod curl;

use crate::Result;
use crate::run::run;
use crate::server::{Profile, Serving, build};
use crate::tools::{Tool, need};
use crate::workspace::root;
use std::process::Command;

/// Runs all of them.
pub(crate) fn task(profile: Profile) -> Result {
    let [curl, python, node, chromium] =
        need([Tool::Curl, Tool::PythonRequests, Tool::Node, Tool::Chromium])?;
    let binary = build(profile)?;
    let server = Serving::start(&binary, &[])?;
    let document = |name: &str| format!("{}/clients/{name}", server.url());

    println!("\n-- curl");
    curl::cycle(curl, &document("curl"))?;
    println!("\n-- Python requests");
    script(python, "cycle.py", &document("python"))?;
    println!("\n-- Node fetch");
    script(node, "cycle.mjs", &document("node"))?;
    browser::cycles(chromium, &binary, &server)?;
    server.stop()?;
    println!("\nreal clients: curl, Python requests, Node fetch and Chromium went through the whole cycle");
    Ok(())
}

fn script(program: &str, file: &str, document: &str) -> Result {
    // What people have set for their own use is not for a server on loopback.
    let mut command = Command::new(program);
    for proxy in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    run(command.arg(format!("xtask/clients/{file}")).arg(document).current_dir(root()))
}
