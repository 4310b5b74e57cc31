//! Starting a process and waiting until it, and not another one, answers.

use super::folder::Folder;
use super::packages::MISSING;
use super::{Error, WAIT_MAX};
use crate::process;
use crate::raw;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often a port is looked for: another process may take one before the server has it.
const PORTS_MAX: usize = 5;

/// Between two looks at whether it answers.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a listening socket is in the kernel's table.
const LISTENS: &str = "0A";

/// A running process with a folder of its own. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Launched {
    process: process::Server,
    address: SocketAddr,
    /// After the process, so that the folder outlives it.
    folder: Folder,
}

/// Starts what `command` makes of a port and a folder, and waits until a GET of `target` has a status that `is_ready`
/// agrees with.
pub(super) fn launch(
    name: &str,
    target: &str,
    is_ready: impl Fn(u16) -> bool,
    command: impl Fn(u16, &Path) -> Result<Command, Error>,
) -> Result<Launched, Error> {
    for _ in 0..PORTS_MAX {
        let folder = Folder::create()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let address = listener.and_then(|listener| listener.local_addr());
        let address = address.map_err(|error| Error::new(format!("no free port: {error}")))?;
        let mut command = command(address.port(), folder.path())?;
        // Whatever it looks for or leaves where it is started is not the project's.
        command.current_dir(folder.path());
        let process = process::Server::spawn(&mut command);
        let process = process.map_err(|error| Error::new(format!("{name}: {error}; {MISSING}")))?;
        let mut launched = Launched { process, address, folder };
        if launched.answers(name, target, &is_ready)? {
            return Ok(launched);
        }
    }
    Err(Error::new(format!("{name} found no port")))
}

impl Launched {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn process(&mut self) -> &mut process::Server {
        &mut self.process
    }

    /// Whether it came to answer. If it ended because its port was taken it did not.
    fn answers(&mut self, name: &str, target: &str, is_ready: impl Fn(u16) -> bool) -> Result<bool, Error> {
        let end = Instant::now() + WAIT_MAX;
        loop {
            let none: &[(&str, &str)] = &[];
            let answer = raw::exchange(self.address, WAIT_MAX, ("GET", target), none, None);
            // Whoever took the port may answer as well.
            if answer.is_ok_and(|response| is_ready(response.status)) && self.listens() {
                return Ok(true);
            }
            match self.process.wait(LOOK_AGAIN) {
                Err(error) if error.kind() == process::ErrorKind::Timeout => {
                    if Instant::now() > end {
                        return Err(Error::new(format!("{name} does not answer: {error}")));
                    }
                }
                _ => {
                    let said = self.process.stderr().text() + &self.process.stdout().text();
                    return match said.to_ascii_lowercase().contains("in use") {
                        true => Ok(false),
                        false => Err(Error::new(format!("{name} ended: {said}\n{MISSING}"))),
                    };
                }
            }
        }
    }

    /// Whether the socket that listens at the address is one of the process, as the kernel has it.
    fn listens(&self) -> bool {
        let port = format!("0100007F:{:04X}", self.address.port());
        let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let inode = table.lines().find_map(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            (columns.get(1) == Some(&port.as_str()) && columns.get(3) == Some(&LISTENS))
                .then(|| columns.get(9).map(|inode| format!("socket:[{inode}]")))
                .flatten()
        });
        let open = fs::read_dir(format!("/proc/{}/fd", self.process.id()));
        inode.zip(open.ok()).is_some_and(|(inode, open)| {
            open.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|link| link == Path::new(&inode)))
        })
    }
}
