//! The durable state of a gateway. What a killed process leaves behind is a copy of its folder at that moment; some tests
//! take such a copy, and some do kill a process.

mod change;
mod child;
mod counts;
mod crash;
mod doubts;
mod failure;
mod folder;
mod model;
mod restart;
mod settle;
mod variants;

use ifmatch_gateway::state::{Counter, Entry, InFlight, Kind, Naming, Options, State};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const UPSTREAM: &str = "api.example:80";
const LONG: Duration = Duration::from_secs(600);
/// All writes are noted.
const NAMING: Naming = Naming { keys: [1; 16], unnoted: [0; 16] };
const SHORT: Duration = Duration::from_millis(20);

fn options() -> Options {
    Options { counters: 1 << 16, in_flight_max: 32, variants_max: 8, late_write_max: LONG, naming: NAMING }
}

/// As if in boot "one".
fn open_with(dir: &Path, options: &Options) -> Arc<State> {
    State::open_in_boot(dir, UPSTREAM, options, "one").expect("the state opens")
}

fn open(dir: &Path) -> Arc<State> {
    open_with(dir, &options())
}

fn fresh() -> (TempDir, Arc<State>) {
    let dir = tempfile::tempdir().expect("a folder");
    let state = open(dir.path());
    (dir, state)
}

/// What a process leaves behind if it is killed now.
fn killed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(dir).expect("it is there") {
        let entry = entry.expect("it can be read");
        fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("it can be copied");
    }
    copy
}

fn entry<'a>(state: &State, key: &'a str, kind: Kind) -> Entry<'a> {
    Entry { key: state.key(key), kind, method: "PUT", target: key, also: None, late_write_max: SHORT }
}

fn begin(state: &Arc<State>, key: &str, kind: Kind) -> InFlight {
    state.begin(&entry(state, key, kind)).expect("it begins")
}

fn exclusive(state: &Arc<State>, key: &str) -> InFlight {
    begin(state, key, Kind::Exclusive)
}

fn shared(state: &Arc<State>, key: &str) -> InFlight {
    begin(state, key, Kind::Shared)
}

fn count(state: &State, key: &str) -> u64 {
    state.count(state.counter(key))
}

fn is_held(state: &State, key: &str, kind: Kind) -> bool {
    state.held(state.key(key), kind).is_some()
}

/// Waits until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "still not so: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Two keys of one counter.
fn colliding(state: &State) -> (String, String) {
    let mut seen = std::collections::HashMap::<Counter, String>::new();
    for index in 0.. {
        let key = format!("/collides/{index}");
        if let Some(other) = seen.insert(state.counter(&key), key.clone()) {
            return (other, key);
        }
    }
    unreachable!("there are fewer counters than keys");
}
