//! Where a server is, and how its documents are read and written around everybody.

use super::{Error, Fields, Kind, WAIT_MAX};
use crate::raw::{self, Connection, Response};
use std::net::SocketAddr;

/// Which server, and where.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Which server.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Place {
    /// The address of a document.
    pub fn url(self, name: &str) -> String {
        format!("http://{}{}", self.address, self.kind.target(name))
    }

    /// Puts a document there that was not there, around everybody.
    ///
    /// # Errors
    /// [`Error`] if it does not answer or refuses.
    pub fn create(self, name: &str, number: u64) -> Result<(), Error> {
        let (method, target, content) = match self.kind {
            Kind::JsonServer => ("POST", "/documents", format!("{{\"id\":\"{name}\",\"number\":{number}}}")),
            Kind::FlaskSmorest => {
                ("POST", "/documents/", format!("{{\"name\":\"{name}\",\"number\":{number}}}"))
            }
            kind => {
                let status = self.write("PUT", &kind.target(name), &[], &kind.content(name, number))?;
                return self.accepted(name, status);
            }
        };
        self.accepted(name, self.write(method, target, &[], content.as_bytes())?)
    }

    fn accepted(self, name: &str, status: u16) -> Result<(), Error> {
        match status {
            200..300 => Ok(()),
            _ => Err(Error::new(format!("{}: {name} was not created: {status}", self.kind.name()))),
        }
    }

    /// Reads a document on a connection of its own.
    ///
    /// # Errors
    /// [`Error`] if there is no answer, or none that is well formed.
    pub fn read(self, name: &str) -> Result<Response, Error> {
        let target = self.kind.target(name);
        raw::exchange(self.address, WAIT_MAX, ("GET", &target), self.kind.read_fields(), None)
            .map_err(|error| self.failed("GET", &target, &error.to_string()))
    }

    /// Replaces a document, on a connection of its own; the status.
    ///
    /// # Errors
    /// As [`Place::write`].
    pub fn put(self, name: &str, condition: Fields<'_>, number: u64) -> Result<u16, Error> {
        self.write("PUT", &self.kind.target(name), condition, &self.kind.content(name, number))
    }

    /// One write around everybody; its status. Of the answer no more is looked at: `WsgiDAV` frames content of a 204,
    /// which is malformed.
    ///
    /// # Errors
    /// [`Error`] if there is no answer, or none that begins as one.
    pub fn write(
        self,
        method: &str,
        target: &str,
        condition: Fields<'_>,
        content: &[u8],
    ) -> Result<u16, Error> {
        let fields = [self.kind.write_fields(), &[("Connection", "close")], condition].concat();
        let exchange = || {
            let mut connection = Connection::open(self.address, WAIT_MAX)?;
            connection.send(&raw::request(method, target, &fields, Some(content)))?;
            connection.rest()
        };
        let answer = exchange().map_err(|error| self.failed(method, target, &error.to_string()))?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| self.failed(method, target, &format!("answered {answer:?}")))
    }

    fn failed(self, method: &str, target: &str, what: &str) -> Error {
        Error::new(format!("{}: {method} {target}: {what}", self.kind.name()))
    }
}
