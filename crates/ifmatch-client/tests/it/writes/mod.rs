//! Reads keep a version, writes need one, and nothing is written over unseen.

mod outcomes;
mod updates;
mod versions;

use ifmatch_client::Client;
use ifmatch_testkit::upstream::{Habits, Scripted, Shows, Tags};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A server that does all right.
pub(crate) fn right() -> Habits {
    Habits { evaluates: true, shows: Shows::Tag, tags: Tags::Revision, ..Habits::default() }
}

pub(crate) fn start(habits: Habits) -> (Scripted, Client) {
    let upstream = Scripted::start_with(habits).unwrap();
    let client = Client::new(&upstream.url()).unwrap();
    (upstream, client)
}

/// It does not know all that the server has.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) status: String,
    pub(crate) count: u64,
}

pub(crate) fn order(status: &str, count: u64) -> Order {
    Order { status: status.to_owned(), count }
}

/// Somebody else writes.
pub(crate) fn write(upstream: &Scripted, path: &str, json: &Value) {
    upstream.set(path, json.to_string().as_bytes());
}

pub(crate) fn stored(upstream: &Scripted, path: &str) -> Value {
    serde_json::from_slice(&upstream.content(path).unwrap()).unwrap()
}
