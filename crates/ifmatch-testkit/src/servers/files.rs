//! Servers that show the files of a folder, with tags from their time and size, and know no other method.

use super::folder::write;
use super::launch::{Launched, launch};
use super::{Error, web};
use crate::process;
use std::net::SocketAddr;

/// Which server of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilesKind {
    /// nginx: a tag is `"time-size"`, both hexadecimal, the time in seconds.
    Nginx,
    /// Apache: a tag is `"size-time"`, both hexadecimal, the time in microseconds.
    Apache,
}

/// A running server of files. Dropping it kills it.
#[derive(Debug)]
pub struct Files {
    kind: FilesKind,
    launched: Launched,
}

impl FilesKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Nginx, Self::Apache];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx files",
            Self::Apache => "Apache files",
        }
    }
}

impl Files {
    /// Starts one that has no files yet, and waits until it answers.
    ///
    /// # Errors
    /// As [`super::Server::start`].
    pub fn start(kind: FilesKind) -> Result<Self, Error> {
        let launched = launch(
            kind.name(),
            "/nothing",
            |status| status == 404,
            |port, folder| match kind {
                FilesKind::Nginx => web::nginx(port, folder, "", ""),
                FilesKind::Apache => {
                    let configuration = format!(
                        "<Directory {}/files>\nRequire all granted\n</Directory>\n",
                        folder.display()
                    );
                    web::apache(port, folder, &[], &configuration)
                }
            },
        )?;
        Ok(Self { kind, launched })
    }

    /// Which one it is.
    pub fn kind(&self) -> FilesKind {
        self.kind
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.launched.address()
    }

    /// The process, for whoever wants to know what it says or to stop it.
    pub fn process(&mut self) -> &mut process::Server {
        self.launched.process()
    }

    /// The address of a file.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address())
    }

    /// Puts a file there, or replaces it.
    ///
    /// # Errors
    /// [`Error`] if it cannot be written.
    pub fn put(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        write(&self.launched.folder().join("files").join(name), content)
    }
}
