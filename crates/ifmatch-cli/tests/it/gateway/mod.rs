//! The gateway, as a process of its own, in front of servers that know nothing of it.

mod alone;
mod audit;
mod kill;
mod real;
mod stop;

use crate::support::{TIMEOUT, ifmatch, listening};
use ifmatch_testkit::process;
use std::net::SocketAddr;
use std::thread;
use tempfile::TempDir;

/// A running gateway in enforce mode. Dropping it kills it, and fails the test if it ever panicked.
struct Gateway {
    process: process::Server,
    address: SocketAddr,
    /// After the process, so that the folder outlives it.
    folder: TempDir,
}

impl Gateway {
    fn start(upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--output", "json", "--mode", "enforce", "--upstream"]);
        command.arg(format!("http://{upstream}")).arg("--state").arg(folder.path().join("state"));
        let process = process::Server::spawn(&mut command).unwrap();
        let address = process.wait_for_line(TIMEOUT, listening).unwrap();
        Self { process, address, folder }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !thread::panicking() {
            let log = self.process.stderr().text();
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}
