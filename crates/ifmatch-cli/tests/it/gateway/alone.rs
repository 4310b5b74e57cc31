//! What servers that people run lose without the gateway.

#![allow(clippy::print_stdout, reason = "figures for whoever asks for them with --nocapture")]

use super::real::WRITERS;
use ifmatch_testkit::history::counter::{Counter, Miscount};
use ifmatch_testkit::raw::Response;
use ifmatch_testkit::servers::{Kind, Place, Server};
use std::thread;

/// Rounds without the gateway, in each of which every client reads before any writes.
const ROUNDS: u64 = 5;

/// Rounds without the gateway: all read, then all write at the same time. What was acknowledged, and what is there in
/// the end.
fn without(upstream: Place, name: &str, sends_tags: bool) -> Counter {
    let kind = upstream.kind;
    upstream.create(name, 0).unwrap();
    let read = || {
        let response = upstream.read(name).unwrap();
        let number = kind.number(&response.content);
        (number.unwrap_or_else(|| panic!("{kind:?}: {}", response.text())), response)
    };
    let write = |(number, seen): (u64, Response)| {
        let own_tag = seen.value("etag").filter(|_| sends_tags).map(|tag| ("If-Match", tag));
        let condition: Vec<_> = own_tag.into_iter().collect();
        upstream.put(name, &condition, number + 1).unwrap() < 300
    };
    let mut acknowledged = 0;
    for _ in 0..ROUNDS {
        let seen: Vec<_> = (0..WRITERS).map(|_| read()).collect();
        acknowledged += thread::scope(|scope| {
            let threads: Vec<_> = seen.into_iter().map(|seen| scope.spawn(|| write(seen))).collect();
            threads.into_iter().map(|thread| u64::from(thread.join().unwrap())).sum::<u64>()
        });
    }
    Counter { start: 0, acknowledged, unknown: 0, end: read().0 }
}

/// All of a round are acknowledged, and one counts; or none, where a condition is asked for.
pub(super) fn loses_without(kind: Kind) {
    let server = Server::start(kind).unwrap();
    let plain = without(server.place(), "plain", false);
    let tagged = without(server.place(), "tagged", true);
    println!("{kind:?}, unconditional: {plain:?}; with its own tags: {tagged:?}");
    if kind.requires_conditions() {
        assert_eq!(plain, Counter { start: 0, acknowledged: 0, unknown: 0, end: 0 });
        return;
    }
    let all_but_one = Counter { start: 0, acknowledged: WRITERS * ROUNDS, unknown: 0, end: ROUNDS };
    assert_eq!(plain, all_but_one);
    assert_eq!(plain.check(), Err(Miscount::Lost((WRITERS - 1) * ROUNDS)));
    if kind.ignores_conditions() {
        assert_eq!(tagged, all_but_one);
    }
    if kind.is_atomic() {
        assert_eq!(tagged, Counter { start: 0, acknowledged: ROUNDS, unknown: 0, end: ROUNDS });
    }
}
