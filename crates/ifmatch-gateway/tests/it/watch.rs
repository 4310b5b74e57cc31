//! What is counted of what really happened.

mod bounds;
mod digests;
mod model;

use http::HeaderValue;
use ifmatch_gateway::watch::{
    ClientId, Credentials, Kind, Limits, Met, Outcome, Read, Refusal, Seen, Watch, Write,
};
use std::time::{Duration, Instant};

const KEY: u64 = 42;

/// A watch, told of times in milliseconds.
struct Told {
    watch: Watch,
    start: Instant,
    writes: u128,
}

/// One write, to be changed where it differs.
#[derive(Clone, Copy, Debug)]
struct Put {
    kind: Kind,
    content: Option<u64>,
    tag: Option<&'static str>,
    conditional: bool,
    outcome: Option<u64>,
    applied: bool,
    target: u64,
}

const PUT: Put = Put {
    kind: Kind::Replace,
    content: None,
    tag: None,
    conditional: false,
    outcome: None,
    applied: true,
    target: 1,
};

impl Told {
    fn new(limits: Limits) -> Self {
        let start = Instant::now();
        Self { watch: Watch::new(limits, start), start, writes: 0 }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn read(&self, client: ClientId, began: u64, ended: u64) {
        self.read_of(KEY, client, began, ended, None);
    }

    fn read_of(&self, key: u64, client: ClientId, began: u64, ended: u64, digest: Option<u64>) {
        let tag = HeaderValue::from_static("\"7\"");
        let (began, ended) = (self.at(began), self.at(ended));
        self.watch.read(key, &Read { client, target: 1, began, ended, digest, tag: Some(&tag) });
    }

    fn wrote(&mut self, client: ClientId, began: u64, ended: u64) -> Seen {
        self.wrote_so(client, began, ended, PUT)
    }

    fn wrote_so(&mut self, client: ClientId, began: u64, ended: u64, put: Put) -> Seen {
        self.wrote_to(KEY, client, began, ended, put)
    }

    fn wrote_to(&mut self, key: u64, client: ClientId, began: u64, ended: u64, put: Put) -> Seen {
        self.writes += 1;
        let tag = put.tag.map(HeaderValue::from_static);
        let outcome = match put.outcome {
            Some(until) => Outcome::Unknown { until: self.at(until) },
            None if put.applied => Outcome::Applied,
            None => Outcome::NotApplied,
        };
        let write = Write {
            client,
            name: "writer",
            target: put.target,
            began: self.at(began),
            ended: self.at(ended),
            outcome,
            kind: put.kind,
            conditional: put.conditional,
            tag: tag.as_ref(),
            content: put.content,
            event_id: self.writes,
        };
        *self.watch.wrote(key, &write)
    }

    fn refused(&self, client: ClientId, at: u64, tag: Option<&'static str>, content: u64) -> Met {
        let tag = tag.map(HeaderValue::from_static);
        let refusal = Refusal { client, at: self.at(at), tag: tag.as_ref(), content: Some(content) };
        *self.watch.refused(KEY, &refusal)
    }
}

fn told() -> Told {
    Told::new(Limits::default())
}

/// Somebody with lasting credentials.
fn user(number: u64) -> ClientId {
    let credentials = Some(Credentials { hash: number, lasting: true });
    ClientId { credentials, place: 1000 + number, connection: Some(2000 + number) }
}

/// Somebody without credentials.
fn anonymous(place: u64, connection: u64) -> ClientId {
    ClientId { credentials: None, place, connection: Some(connection) }
}

#[test]
fn a_write_over_an_unseen_one_is_lost_and_names_it() {
    let mut told = told();
    told.read(user(1), 0, 10);
    told.read(user(2), 0, 10);
    let first = told.wrote(user(2), 20, 30);
    assert_eq!(first.lost, None);
    assert_eq!(first.previous_write, None);
    let seen = told.wrote(user(1), 40, 50);
    let lost = seen.lost.unwrap();
    assert_eq!((lost.write.event_id, lost.write.client, lost.write.name.as_str()), (1, user(2), "writer"));
    assert_eq!(lost.write.at, told.at(30));
    assert_eq!(lost.setback, Some(1));
    assert_eq!(seen.previous_write, Some(lost.write));
    let read = seen.last_read.unwrap();
    assert_eq!((read.at, read.tag.as_str()), (told.at(10), "\"7\""));
}

#[test]
fn a_write_over_one_that_was_read_is_not_lost() {
    let mut told = told();
    told.read(user(1), 0, 10);
    told.wrote(user(2), 20, 30);
    told.read(user(1), 31, 35);
    assert_eq!(told.wrote(user(1), 40, 50).lost, None);
    // Its own write it knows as well.
    assert_eq!(told.wrote(user(1), 60, 70).lost, None);
}

#[test]
fn each_overwritten_write_counts_once() {
    let mut told = told();
    for who in 1..=3 {
        told.read(user(who), 0, 10);
    }
    told.wrote(user(1), 20, 30);
    assert!(told.wrote(user(2), 40, 50).lost.is_some());
    assert_eq!(told.wrote(user(2), 60, 70).lost, None);
    let third = told.wrote(user(3), 80, 90).lost.unwrap();
    assert_eq!(third.write.event_id, 3);
    // Writes 2 and 3 were built on one another; write 1 had gone before.
    assert_eq!(third.setback, Some(2));
}

#[test]
fn what_names_a_version_or_replaces_nothing_is_not_lost() {
    let conditional = Put { conditional: true, tag: Some("\"7\""), ..PUT };
    let kinds = [
        ("conditional", conditional, false),
        ("PATCH", Put { kind: Kind::Modify, ..PUT }, false),
        ("POST", Put { kind: Kind::Append, ..PUT }, false),
        ("not applied", Put { applied: false, ..PUT }, false),
        ("unknown", Put { outcome: Some(60_000), ..PUT }, false),
        ("another target of the same turn", Put { target: 2, ..PUT }, false),
        ("PUT", PUT, true),
        ("DELETE", Put { kind: Kind::Delete, ..PUT }, true),
    ];
    for (name, put, lost) in kinds {
        let mut told = told();
        told.read(user(1), 0, 10);
        told.wrote(user(2), 20, 30);
        assert_eq!(told.wrote_so(user(1), 40, 50, put).lost.is_some(), lost, "{name}");
    }
}

#[test]
fn what_was_overwritten_can_be_a_patch_or_a_deletion_but_not_a_post() {
    for (kind, lost) in
        [(Kind::Replace, true), (Kind::Modify, true), (Kind::Delete, true), (Kind::Append, false)]
    {
        let mut told = told();
        told.read(user(1), 0, 10);
        told.wrote_so(user(2), 20, 30, Put { kind, ..PUT });
        assert_eq!(told.wrote(user(1), 40, 50).lost.is_some(), lost, "{kind:?}");
    }
    let mut told = told();
    told.read(user(1), 0, 10);
    told.wrote_so(user(2), 20, 30, Put { kind: Kind::Delete, ..PUT });
    assert_eq!(told.wrote_so(user(1), 40, 50, Put { kind: Kind::Delete, ..PUT }).lost, None);
}

#[test]
fn of_overlapping_writes_all_but_one_are_lost() {
    for writers in 2..=32u64 {
        let mut told = told();
        for who in 1..=writers {
            told.read(user(who), 0, 10);
        }
        let lost = (1..=writers).filter(|&who| told.wrote(user(who), 20 + who, 200 + who).lost.is_some());
        assert_eq!(lost.count() as u64, writers - 1);
    }
}

#[test]
fn overlapping_writes_of_which_one_may_have_been_seen_are_not_counted() {
    let mut told = told();
    told.read(user(1), 0, 10);
    told.read(user(2), 0, 25); // may have seen the first write
    told.wrote(user(1), 20, 40);
    assert_eq!(told.wrote(user(2), 30, 50).lost, None);

    let mut told = self::told();
    told.read(user(1), 0, 10);
    told.read(user(2), 0, 25);
    told.wrote(user(2), 30, 40);
    assert_eq!(told.wrote(user(1), 20, 50).lost, None, "told in the other order");
}

#[test]
fn a_read_that_overlaps_a_write_is_decided_by_its_digest() {
    for (digest, lost) in [(Some(100), true), (Some(200), false), (Some(999), false), (None, false)] {
        let mut told = told();
        told.wrote_so(user(3), 0, 5, Put { content: Some(100), ..PUT });
        told.wrote_so(user(2), 20, 30, Put { content: Some(200), conditional: true, ..PUT });
        // Read while the second write was under way; it is told of afterwards.
        let mut told_after = self::told();
        told_after.wrote_so(user(3), 0, 5, Put { content: Some(100), ..PUT });
        told_after.read_of(KEY, user(1), 21, 29, digest);
        told_after.wrote_so(user(2), 20, 30, Put { content: Some(200), conditional: true, ..PUT });
        told.read_of(KEY, user(1), 25, 35, digest);
        for mut told in [told, told_after] {
            let seen = told.wrote_so(user(1), 40, 50, Put { content: Some(300), ..PUT });
            assert_eq!(seen.lost.is_some(), lost, "{digest:?}");
        }
    }
}

#[test]
fn a_content_that_comes_again_decides_nothing() {
    let mut told = told();
    told.wrote_so(user(3), 0, 5, Put { content: Some(100), ..PUT });
    told.wrote_so(user(3), 6, 8, Put { content: Some(200), ..PUT });
    told.wrote_so(user(2), 20, 30, Put { content: Some(100), conditional: true, ..PUT });
    told.read_of(KEY, user(1), 25, 35, Some(100));
    assert_eq!(told.wrote_so(user(1), 40, 50, Put { content: Some(300), ..PUT }).lost, None);
}

#[test]
fn writes_upon_one_state_told_by_its_digest_are_all_lost_but_one() {
    let mut told = told();
    told.wrote_so(user(9), 0, 5, Put { content: Some(100), ..PUT });
    let content = |n| Put { content: Some(n), ..PUT };
    // The reads overlap each other's writes: time alone decides nothing.
    told.read_of(KEY, user(1), 6, 10, Some(100));
    told.read_of(KEY, user(2), 9, 14, Some(100));
    assert_eq!(told.wrote_so(user(1), 11, 20, content(101)).lost, None);
    assert!(told.wrote_so(user(2), 15, 21, content(102)).lost.is_some());
}

#[test]
fn a_client_without_a_read_counts_only_if_one_would_be_on_record() {
    let renewed = ClientId { credentials: Some(Credentials { hash: 1, lasting: false }), ..user(1) };
    for (client, lost) in [(user(1), true), (anonymous(1, 1), true), (renewed, false)] {
        let mut told = told();
        told.wrote(user(2), 20, 30);
        assert_eq!(told.wrote(client, 40, 50).lost.is_some(), lost, "{client:?}");
    }
    // Once it was seen, a later write is another client's for certain.
    let mut told = told();
    told.read(renewed, 0, 10);
    told.wrote(user(2), 20, 30);
    assert!(told.wrote(renewed, 40, 50).lost.is_some());
}

#[test]
fn a_client_that_reads_without_credentials_and_writes_with_them_has_read() {
    let mut told = told();
    let public = ClientId { credentials: None, ..user(1) };
    told.read(user(1), 0, 5);
    told.wrote(user(2), 20, 30);
    told.read(public, 31, 35);
    assert_eq!(told.wrote(user(1), 40, 50).lost, None);
}

#[test]
fn connections_tell_clients_of_one_place_apart_if_each_reads_for_itself() {
    let mut told = told();
    told.read(anonymous(1, 1), 0, 10);
    told.read(anonymous(1, 2), 0, 10);
    told.wrote(anonymous(1, 2), 20, 30);
    assert!(told.wrote(anonymous(1, 1), 40, 50).lost.is_some());
}

#[test]
fn a_client_with_two_connections_is_one() {
    let mut told = told();
    told.read(anonymous(1, 1), 0, 10);
    told.wrote(anonymous(1, 2), 20, 30);
    assert_eq!(told.wrote(anonymous(1, 1), 40, 50).lost, None);
    // And stays one.
    told.read(anonymous(1, 1), 60, 61);
    told.read(anonymous(1, 2), 62, 63);
    told.wrote(anonymous(1, 2), 70, 80);
    assert_eq!(told.wrote(anonymous(1, 1), 90, 91).lost, None);
    // To somebody elsewhere it is another, on whichever connection it reads.
    told.read(anonymous(2, 9), 92, 93);
    told.wrote(anonymous(1, 1), 94, 95);
    assert!(told.wrote(anonymous(2, 9), 96, 97).lost.is_some());
}

#[test]
fn connections_that_are_used_in_turns_or_once_are_one_client() {
    for connections in [2, 3, 5, 1000] {
        let mut told = told();
        for request in 0..40 {
            let client = anonymous(1, request % connections);
            let lost = if request % 2 == 0 {
                told.read(client, 10 * request, 10 * request + 5);
                None
            } else {
                told.wrote(client, 10 * request, 10 * request + 5).lost
            };
            assert_eq!(lost, None, "{connections} connections, request {request}");
        }
    }
}

#[test]
fn a_client_of_new_connections_is_known_by_its_place() {
    let mut told = told();
    told.read(anonymous(1, 1), 0, 5);
    told.read(anonymous(2, 2), 6, 9);
    told.wrote(anonymous(1, 3), 10, 15);
    assert!(told.wrote(anonymous(2, 4), 20, 25).lost.is_some());
    told.read(anonymous(1, 5), 30, 35);
    assert_eq!(told.wrote(anonymous(1, 6), 40, 45).lost, None);
}

#[test]
fn a_write_in_doubt_may_land_and_its_writer_knows_of_nothing_else_till_then() {
    let mut told = told();
    told.read(user(1), 0, 5);
    told.wrote_so(user(1), 10, 20, Put { outcome: Some(100), ..PUT });
    told.wrote(user(2), 30, 40);
    assert_eq!(told.wrote(user(1), 50, 60).lost, None);
    told.wrote(user(2), 110, 120);
    assert!(told.wrote(user(1), 130, 140).lost.is_some());
}

#[test]
fn a_blind_retry_is_the_same_content_under_another_tag_without_a_read() {
    let accepted = Put { conditional: true, content: Some(5), tag: Some("\"8\""), ..PUT };
    let retry = |read: bool, put: Put| {
        let mut told = told();
        told.read(user(1), 0, 10);
        told.wrote(user(2), 20, 30);
        told.refused(user(1), 40, Some("\"7\""), 5);
        if read {
            told.read(user(1), 41, 45);
        }
        let first = told.wrote_so(user(1), 50, 60, put).blind_retry;
        let second = told.wrote_so(user(1), 70, 80, Put { tag: Some("\"9\""), ..put }).blind_retry;
        assert!(!second || !first, "one refusal, two retries");
        first
    };
    assert!(retry(false, accepted));
    assert!(!retry(true, accepted));
    assert!(!retry(false, Put { content: Some(6), ..accepted }));
    assert!(!retry(false, Put { tag: Some("\"7\""), ..accepted }));
    assert!(!retry(false, Put { conditional: false, tag: None, ..accepted }));
    assert!(!retry(false, Put { applied: false, ..accepted }));
}

#[test]
fn a_self_conflict_is_a_refusal_behind_ones_own_write() {
    let mut told = told();
    told.read(user(1), 0, 10);
    told.wrote(user(1), 20, 30);
    let met = told.refused(user(1), 40, Some("\"7\""), 5);
    assert!(met.self_conflict);
    assert_eq!(met.previous_write.unwrap().event_id, 1);
    assert_eq!(met.last_read.unwrap().at, told.at(10));
    assert!(!told.refused(user(2), 40, Some("\"7\""), 5).self_conflict);
    assert!(!told.refused(user(1), 41, None, 5).self_conflict, "nothing was sent that could be in conflict");
    told.wrote(user(2), 50, 60);
    assert!(!told.refused(user(1), 70, Some("\"7\""), 5).self_conflict);
}

#[test]
fn a_self_conflict_is_known_by_the_connection_or_the_place() {
    let mut told = told();
    told.read(anonymous(1, 1), 0, 10);
    told.read(anonymous(1, 2), 0, 10);
    told.wrote(anonymous(1, 1), 20, 30);
    assert!(told.refused(anonymous(1, 1), 40, Some("\"7\""), 5).self_conflict);
    assert!(!told.refused(anonymous(1, 2), 40, Some("\"7\""), 6).self_conflict, "another client");
    assert!(told.refused(anonymous(1, 3), 40, Some("\"7\""), 7).self_conflict, "a new connection");
    assert!(!told.refused(anonymous(2, 4), 40, Some("\"7\""), 8).self_conflict, "from elsewhere");
}
