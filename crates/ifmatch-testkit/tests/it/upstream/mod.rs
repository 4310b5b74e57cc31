//! The scripted origin: it does what it is told, tells what it did, and ends.

mod courses;
mod habits;

use ifmatch_testkit::raw::{Connection, Error, Response, request};
use ifmatch_testkit::upstream::Scripted;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

type Fields<'a> = &'a [(&'a str, &'a str)];

fn start() -> Scripted {
    Scripted::start().expect("a server")
}

fn connect(upstream: &Scripted) -> Connection {
    Connection::open(upstream.address(), LONG).expect("a connection")
}

/// One request on a connection of its own.
fn ask(upstream: &Scripted, method: &str, path: &str, fields: Fields<'_>, content: &[u8]) -> Response {
    try_ask(upstream, method, path, fields, content).expect("an answer")
}

fn try_ask(
    upstream: &Scripted,
    method: &str,
    path: &str,
    fields: Fields<'_>,
    content: &[u8],
) -> Result<Response, Error> {
    let mut connection = connect(upstream);
    connection.send(&request(method, path, fields, Some(content)))?;
    connection.final_response(method)
}

fn get(upstream: &Scripted, path: &str, fields: Fields<'_>) -> Response {
    ask(upstream, "GET", path, fields, b"")
}

fn put(upstream: &Scripted, path: &str, content: &[u8]) -> Response {
    ask(upstream, "PUT", path, &[], content)
}
