//! The real server, built and running.

use crate::Result;
use crate::run::{cargo, run};
use crate::workspace::Workspace;
use ifmatch_testkit::process::Server;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(30);

/// How the server is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Builds `ifmatch` and says where it is.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    let mut command = cargo(["build", "--package", "ifmatch-cli", "--bin", "ifmatch"]);
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            command.arg("--release");
            "release"
        }
    };
    run(&mut command)?;
    Ok(Workspace::read()?.target.join(folder).join("ifmatch"))
}

/// `ifmatch serve` on ports of the system's choice, with a folder of its own that goes away with it.
pub(crate) struct Serving {
    process: Server,
    listen: String,
    _data: TempDir,
}

impl Serving {
    /// Starts the server, with more arguments if wanted, and waits for the address. With `--upstream` it is a gateway.
    pub(crate) fn start(binary: &Path, arguments: &[&str]) -> Result<Self> {
        let data = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        let mut command = Command::new(binary);
        command.args(["serve", "--output", "json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let folder = if arguments.contains(&"--upstream") { "--state" } else { "--data" };
        command.arg(folder).arg(data.path().join("folder")).args(arguments);
        let process = Server::spawn(&mut command).map_err(|error| error.to_string())?;
        let listen = process.wait_for_line(START_MAX, address).map_err(|error| error.to_string())?;
        Ok(Self { process, listen, _data: data })
    }

    /// Where it listens: `http://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.listen
    }

    /// Stops it politely; it has to end well.
    pub(crate) fn stop(mut self) -> Result {
        let status = self.process.terminate(STOP_MAX).map_err(|error| error.to_string())?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the server ended with {status} when it was told to stop"))
        }
    }
}

/// The address in the line that the server prints when it is ready.
fn address(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(value.get("listen")?.as_str()?.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line() {
        let line = r#"{"listen":"http://127.0.0.1:4428/","admin":"http://127.0.0.1:4429/"}"#;
        assert_eq!(address(line).as_deref(), Some("http://127.0.0.1:4428"));
        assert_eq!(address("ready"), None);
    }
}
