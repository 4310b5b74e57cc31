//! What is forgotten is not counted.

use super::{KEY, PUT, Put, Told, told, user};
use ifmatch_gateway::watch::{Limits, Watch};
use std::sync::Arc;
use std::time::Instant;

/// Keys that fall into the same part of the table.
fn neighbour(number: u64) -> u64 {
    KEY + (number << 40)
}

#[test]
fn a_key_that_was_forgotten_counts_nothing_and_makes_others_careful() {
    let mut told = Told::new(Limits { keys_max: 1, ..Limits::default() });
    told.read(user(1), 0, 5);
    told.read(user(2), 0, 5);
    told.wrote(user(2), 10, 20);
    assert!(told.wrote(user(1), 21, 22).lost.is_some(), "nothing was forgotten yet");
    told.wrote(user(2), 23, 24);
    told.wrote_to(neighbour(1), user(3), 25, 30, PUT);
    assert_eq!(told.wrote(user(1), 31, 32).lost, None, "the write was forgotten");
    assert!(told.watch.stats().keys_evicted >= 2);
    assert_eq!(told.watch.stats().keys, 1);

    // A read of the state that user 3 wrote may have been forgotten with the key.
    let mut told = Told::new(Limits { keys_max: 1, ..Limits::default() });
    told.read(user(1), 12, 14);
    told.read_of(neighbour(1), user(1), 15, 16, None);
    told.wrote(user(3), 10, 20);
    assert_eq!(told.wrote(user(1), 31, 32).lost, None);
    told.wrote(user(3), 40, 50);
    assert!(told.wrote(user(1), 60, 70).lost.is_some());
}

#[test]
fn a_client_that_was_forgotten_may_have_read() {
    let mut told = Told::new(Limits { readers_max: 2, ..Limits::default() });
    told.wrote(user(2), 10, 20);
    told.read(user(1), 21, 22);
    told.read(user(3), 23, 24);
    told.read(user(4), 25, 26);
    assert_eq!(told.wrote(user(1), 30, 40).lost, None);
    // What began after everything that was forgotten is certain again.
    told.wrote(user(2), 50, 60);
    assert!(told.wrote(user(5), 70, 80).lost.is_some());
}

#[test]
fn a_write_that_was_forgotten_is_not_lost() {
    let mut told = Told::new(Limits { writes_max: 1, ..Limits::default() });
    told.read(user(1), 0, 5);
    told.wrote(user(2), 10, 20);
    told.wrote_so(user(3), 21, 22, Put { kind: ifmatch_gateway::watch::Kind::Append, ..PUT });
    assert_eq!(told.wrote(user(1), 30, 40).lost, None);
}

#[test]
fn no_bound_is_passed() {
    let limits = Limits { keys_max: 128, readers_max: 4, writes_max: 2, records_max: 512 };
    let mut told = Told::new(limits);
    for step in 0..20_000u64 {
        let key = (step % 1009) << 32 | (step % 7) << 50;
        told.read_of(key, user(step % 13), step, step, Some(step));
        told.wrote_to(key, user(step % 11), step, step, PUT);
        if step % 500 == 0 {
            let stats = told.watch.stats();
            assert!(stats.keys <= 128 && stats.records <= 512, "{stats:?}");
        }
    }
}

#[test]
fn the_records_of_all_keys_are_bounded_together() {
    let limits = Limits { keys_max: 64 * 100, readers_max: 8, writes_max: 1, records_max: 64 * 16 };
    let told = Told::new(limits);
    for key in 0..100 {
        for who in 0..8 {
            told.read_of(neighbour(key), user(who), key, key, None);
        }
        assert!(told.watch.stats().records <= 16);
    }
    assert_eq!(told.watch.stats().keys, 2);
}

#[test]
fn a_long_tag_or_name_is_not_kept_whole() {
    let mut told = told();
    let tag = http::HeaderValue::from_str(&format!("\"{}\"", "x".repeat(200))).unwrap();
    let read = ifmatch_gateway::watch::Read {
        client: user(1),
        target: 1,
        began: told.at(0),
        ended: told.at(1),
        digest: None,
        tag: Some(&tag),
    };
    told.watch.read(KEY, &read);
    assert_eq!(told.wrote(user(1), 2, 3).last_read.unwrap().tag.as_bytes(), b"");
}

#[test]
fn it_is_used_by_all_cores() {
    let start = Instant::now();
    let watch = Arc::new(Watch::new(Limits { keys_max: 256, ..Limits::default() }, start));
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let watch = Arc::clone(&watch);
            scope.spawn(move || {
                for step in 0..5000u64 {
                    let key = ((step * 31 + thread) % 400).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let read = ifmatch_gateway::watch::Read {
                        client: user(thread),
                        target: 1,
                        began: start,
                        ended: start,
                        digest: None,
                        tag: None,
                    };
                    watch.read(key, &read);
                }
            });
        }
    });
    assert!(watch.stats().keys <= 256);
}
