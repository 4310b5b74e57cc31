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

/// How long one look may take: whoever took the port may never answer.
const LOOK_MAX: Duration = Duration::from_secs(5);

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
        if let Some(launched) = launch_on(free_port()?, name, target, &is_ready, &command)? {
            return Ok(launched);
        }
    }
    Err(Error::new(format!("{name} found no port")))
}

/// A port that was free just now.
fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| Error::new(format!("no free port: {error}")))
}

/// Nothing if the port is somebody else's.
fn launch_on(
    port: u16,
    name: &str,
    target: &str,
    is_ready: impl Fn(u16) -> bool,
    command: impl Fn(u16, &Path) -> Result<Command, Error>,
) -> Result<Option<Launched>, Error> {
    let folder = Folder::create()?;
    let mut command = command(port, folder.path())?;
    // Whatever it looks for or leaves where it is started is not the project's.
    command.current_dir(folder.path());
    let process = process::Server::spawn(&mut command);
    let process = process.map_err(|error| Error::new(format!("{name}: {error}; {MISSING}")))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut launched = Launched { process, address, folder };
    Ok(launched.answers(name, target, is_ready)?.then_some(launched))
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
            let answer = raw::exchange(self.address, LOOK_MAX, ("GET", target), none, None);
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
                    // Not everybody says why it ended.
                    let is_taken = said.to_ascii_lowercase().contains("in use") || self.listener().is_some();
                    return match is_taken {
                        true => Ok(false),
                        false => Err(Error::new(format!("{name} ended: {said}\n{MISSING}"))),
                    };
                }
            }
        }
    }

    /// The socket that listens at the address, as the kernel has it.
    fn listener(&self) -> Option<String> {
        let address = format!("0100007F:{:04X}", self.address.port());
        let table = fs::read_to_string("/proc/net/tcp").ok()?;
        table.lines().find_map(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            let is_it = columns.get(1) == Some(&address.as_str()) && columns.get(3) == Some(&LISTENS);
            let inode = columns.get(9).filter(|_| is_it)?;
            Some(format!("socket:[{inode}]"))
        })
    }

    /// Whether that socket is one of the process.
    fn listens(&self) -> bool {
        let open = fs::read_dir(format!("/proc/{}/fd", self.process.id()));
        self.listener().zip(open.ok()).is_some_and(|(listener, open)| {
            open.flatten()
                .any(|file| fs::read_link(file.path()).is_ok_and(|link| link == Path::new(&listener)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::{Kind, Server, commands};

    /// One that answers already has the port, and what it answers is just what is waited for.
    #[test]
    fn a_port_of_another_is_given_up() {
        for kind in Kind::ALL {
            let other = Server::start(kind).unwrap();
            let command = |port, folder: &_| commands::command(kind, port, folder);
            let is_ready = |status| status == 404;
            let target = kind.target("nothing");
            let launched = launch_on(other.address().port(), kind.name(), &target, is_ready, command);
            assert!(launched.unwrap().is_none(), "{}", kind.name());
        }
    }

    #[test]
    fn what_ended_is_told_with_what_it_said() {
        let command = |_, _: &Path| {
            let mut command = Command::new("sh");
            command.args(["-c", "echo no such setting >&2; exit 1"]);
            Ok(command)
        };
        let error = launch("a shell", "/", |_| true, command).unwrap_err().to_string();
        assert!(error.contains("a shell ended: no such setting"), "{error}");
        let error =
            launch("nobody", "/", |_| true, |_, _| Ok(Command::new("/nobody"))).unwrap_err().to_string();
        assert!(error.contains("cargo xtask upstreams"), "{error}");
    }
}
