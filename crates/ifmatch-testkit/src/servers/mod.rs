//! Real servers that nobody here wrote, each a process of its own on a free port of loopback: what people run, with
//! what it does and does not do about lost updates.
//!
//! - [`Server`]: one that documents are read from and written to; [`Kind`] says which, and how a document looks there.
//! - [`Proxy`]: one that stands in front of another server and changes what it says.
//! - [`Files`]: one that shows the files of a folder and nothing else.
//!
//! Each has a folder of its own, is one process without children, and dies when it is dropped. `cargo xtask upstreams`
//! installs the programs (Debian's nginx, apache2 and lighttpd as root; packages of Python and Node into
//! `target/upstreams`); an error of a program that is missing says so.
//!
//! ```no_run
//! use ifmatch_testkit::servers::{Kind, Server};
//!
//! let server = Server::start(Kind::Django)?;
//! server.place().create("note", 7)?;
//! println!("{} holds {}", server.kind().name(), server.place().url("note"));
//! # Ok::<(), ifmatch_testkit::servers::Error>(())
//! ```

mod commands;
mod files;
mod folder;
mod kind;
mod launch;
mod packages;
mod place;
mod proxy;
mod web;

pub use files::{Files, FilesKind};
pub use kind::Kind;
pub use place::Place;
pub use proxy::{Proxy, ProxyKind};

use crate::process;
use launch::{Launched, launch};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The bound on everything that is waited for. Far more than anything takes, even on a busy machine.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Field lines of a request.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

/// A server that could not be started or did not do what its kind does, in words.
#[derive(Debug, Clone)]
pub struct Error(String);

impl Error {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// A running server that holds documents. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    place: Place,
    launched: Launched,
}

impl Server {
    /// Starts one that has no documents yet, and waits until it answers.
    ///
    /// # Errors
    /// [`Error`], with what it said: its program is missing, it ended, or it does not answer within [`WAIT_MAX`].
    pub fn start(kind: Kind) -> Result<Self, Error> {
        let is_ready = |status| status == 404;
        let command = |port, folder: &_| commands::command(kind, port, folder);
        let launched = launch(kind.name(), &kind.target("nothing"), is_ready, command)?;
        Ok(Self { place: Place { kind, address: launched.address() }, launched })
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        self.place.kind
    }

    /// Which one, and where.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// The process, for whoever wants to know what it says or to stop it.
    pub fn process(&mut self) -> &mut process::Server {
        self.launched.process()
    }
}
