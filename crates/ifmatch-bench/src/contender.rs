//! The servers that are measured, each a process of its own with a data folder of its own.

use crate::cpu::{self, Cores};
use crate::load::{Clients, Keys, Kind, Sample};
use ifmatch_testkit::process::Server;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(20);
/// Clients that load a server before it is measured.
const LOADERS: u32 = 64;

/// What kind of server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// `ifmatch serve` of this program.
    Ifmatch(PathBuf),
    /// The physical limit, with its log.
    Limit,
    /// The physical limit of what forgets.
    LimitMemory,
}

/// A server that runs.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) is_ifmatch: bool,
    /// How many resources there are.
    pub(crate) keys: u64,
    address: SocketAddr,
    clients: Option<Clients>,
    server: Server,
    _data: TempDir,
}

impl Contender {
    pub(crate) fn start(name: &str, what: &What, data: &Path, cores: Option<Cores>) -> io::Result<Self> {
        let data = tempfile::Builder::new().prefix("bench-").tempdir_in(data)?;
        let own = std::env::current_exe()?;
        let mut command = match what {
            What::Ifmatch(program) => {
                let mut command = Command::new(program);
                command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--output", "json"]);
                command.arg("--data").arg(data.path());
                command
            }
            What::Limit => {
                let mut command = Command::new(own);
                command.arg("limit").arg("--data").arg(data.path());
                command
            }
            What::LimitMemory => {
                let mut command = Command::new(own);
                command.arg("limit");
                command
            }
        };
        // One core, one worker.
        command.args(["--workers", "1"]);
        let mut start = || Server::spawn(&mut command);
        let server = match cores {
            Some(cores) => cores.for_server(start)?,
            None => start(),
        };
        let server = server.map_err(io::Error::other)?;
        let address = server.wait_for_line(START_MAX, address).map_err(io::Error::other)?;
        let clients = Some(Clients::connect(address, LOADERS)?);
        let is_ifmatch = matches!(what, What::Ifmatch(_));
        Ok(Self { name: name.to_owned(), is_ifmatch, keys: 0, address, clients, server, _data: data })
    }

    /// Creates resources until there are so many or the time is over.
    pub(crate) fn fill(&mut self, keys: u64, time_max: Duration) -> io::Result<(Sample, Duration)> {
        self.connect(LOADERS)?;
        let filled = self.measure(Kind::Create, Keys::Each(self.keys..keys), time_max)?;
        self.keys += filled.0.done;
        Ok(filled)
    }

    /// Opens so many connections in place of those before.
    pub(crate) fn connect(&mut self, count: u32) -> io::Result<()> {
        let before = self.clients.take();
        self.clients = Some(match before {
            Some(before) => before.reconnect(self.address, count)?,
            None => Clients::connect(self.address, count)?,
        });
        Ok(())
    }

    /// One run, and what the server used for it.
    pub(crate) fn measure(
        &mut self,
        kind: Kind,
        keys: Keys,
        time: Duration,
    ) -> io::Result<(Sample, Duration)> {
        let process = self.server.id();
        let Some(clients) = &mut self.clients else { return Err(io::Error::other("nobody is connected")) };
        let before = cpu::used(process)?;
        let sample = clients.run(kind, keys, time)?;
        Ok((sample, cpu::used(process)?.saturating_sub(before)))
    }

    /// How many acknowledged increments are gone.
    pub(crate) fn lost(&mut self) -> io::Result<u64> {
        self.connect(LOADERS)?;
        self.clients.as_mut().map_or(Ok(0), Clients::lost)
    }
}

/// The address in the line that a server says it serves with.
pub(crate) fn address(line: &str) -> Option<SocketAddr> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    value.get("listen")?.as_str()?.strip_prefix("http://")?.trim_end_matches('/').parse().ok()
}
