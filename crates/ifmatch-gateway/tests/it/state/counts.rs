//! Counts: exactly as handed out after a kill, never going back, cheap for streams of appends.

use super::*;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

fn counters_file(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("counters")).unwrap()
}

fn slots_file(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("slots")).unwrap()
}

#[test]
fn a_count_advances_with_what_may_have_changed_something_only() {
    let (_dir, state) = fresh();
    assert_eq!(count(&state, "/a"), 0);
    assert_eq!(exclusive(&state, "/a").end(true), 1);
    assert_eq!(exclusive(&state, "/a").end(false), 1);
    assert_eq!((count(&state, "/a"), count(&state, "/b")), (1, 0));
    assert!(shared(&state, "/a").end(true) > 1);
    let after = count(&state, "/a");
    assert!(after > 1);
    shared(&state, "/a").end(false);
    assert_eq!(count(&state, "/a"), after);
    state.advance(state.counter("/a"));
    assert!(count(&state, "/a") > after);
}

#[test]
fn a_count_that_was_handed_out_is_still_the_count_after_a_kill() {
    let (dir, state) = fresh();
    // Every mix of kinds, with and without a count handed out in between.
    let counter = state.counter("/a");
    for round in 0u32..300 {
        match round % 7 {
            0 | 3 => _ = exclusive(&state, "/a").end(round % 2 == 0),
            1 | 2 | 5 => _ = shared(&state, "/a").end(true),
            _ => _ = state.advance(counter),
        }
        if round % 3 == 0 {
            let handed_out = state.count(counter);
            let copy = killed(dir.path());
            let next = open(copy.path());
            assert_eq!(next.count(next.counter("/a")), handed_out, "round {round}");
            assert_eq!(next.epoch(), state.epoch());
        }
    }
}

#[test]
fn no_count_is_ever_handed_out_twice_around_a_kill() {
    let (dir, state) = fresh();
    let counter = state.counter("/a");
    let mut handed_out = HashSet::from([state.count(counter)]);
    for _ in 0..100 {
        assert!(handed_out.insert(shared(&state, "/a").end(true)));
        assert!(handed_out.insert(state.advance(counter)));
    }
    let copy = killed(dir.path());
    let next = open(copy.path());
    let most = handed_out.iter().max().unwrap();
    assert!(next.count(counter) >= *most, "the next run is behind what was told");
}

#[test]
fn a_stream_of_appends_writes_neither_slots_nor_counts() {
    let (dir, state) = fresh();
    let outer = shared(&state, "/a");
    shared(&state, "/a").end(true);
    let (slots, counters) = (slots_file(dir.path()), counters_file(dir.path()));
    for _ in 0..50 {
        shared(&state, "/a").end(true);
    }
    assert!(slots_file(dir.path()) == slots && counters_file(dir.path()) == counters);
    assert!(state.count(state.counter("/a")) > 50);
    assert!(counters_file(dir.path()) == counters, "asking for a count wrote");
    outer.end(true);
    until("the slot of the appends is cleared", || state.in_use() == 0);
    assert!(slots_file(dir.path())[512..].iter().all(|byte| *byte == 0));
}

#[test]
fn an_exclusive_write_is_written_down_twice_and_its_slot_is_not_cleared() {
    let (dir, state) = fresh();
    let before = slots_file(dir.path());
    let write = exclusive(&state, "/a");
    let begun = slots_file(dir.path());
    assert!(begun != before);
    assert_eq!(write.end(true), 1);
    assert!(slots_file(dir.path()) == begun, "the slot was cleared: one write too many");
    let next = killed(dir.path());
    let next = open(next.path());
    assert!(next.doubts().is_empty() && !is_held(&next, "/a", Kind::Exclusive));
}

#[test]
fn under_threads_counts_only_rise_and_each_write_makes_a_new_one() {
    const WRITERS: u64 = 4;
    const ROUNDS: u64 = 2000;
    let (dir, state) = fresh();
    let counter = state.counter("/a");
    let (stop, most) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = 0;
            while !stop.load(Ordering::Relaxed) {
                let seen = state.count(counter);
                assert!(seen >= last, "{seen} after {last}");
                last = seen;
                most.fetch_max(seen, Ordering::Relaxed);
            }
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (state, most) = (&state, &most);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let before = if round % 16 == 0 { state.count(counter) } else { 0 };
                        let after = match (writer + round) % 3 {
                            0 => exclusive(state, "/a").end(true),
                            1 => shared(state, "/a").end(true),
                            _ => state.advance(counter),
                        };
                        assert!(after > before, "{after} is not after {before}");
                        most.fetch_max(after, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let results: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        assert!(results.iter().all(Result::is_ok));
    });
    let end = state.count(counter);
    assert!(end >= most.into_inner() && end >= WRITERS * ROUNDS, "{end}: advances were lost");
    let copy = killed(dir.path());
    let next = open(copy.path());
    assert_eq!(next.count(counter), end);
}

#[test]
fn a_write_that_ends_beside_appends_does_not_bring_the_count_back() {
    let (_dir, state) = fresh();
    let counter = state.counter("/a");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = 0;
            while !stop.load(Ordering::Relaxed) {
                let seen = state.count(counter);
                assert!(seen >= last, "{seen} after {last}");
                last = seen;
            }
        });
        // The file is ahead when the write ends, and the reader goes up to it while the end is being written.
        for _ in 0..20_000 {
            let write = exclusive(&state, "/a");
            state.advance(counter);
            write.end(true);
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn counters_depend_on_a_secret() {
    let (_one, a) = fresh();
    let (_two, b) = fresh();
    assert!(a.epoch() != b.epoch() && a.secret() != b.secret());
    let same = (0..100).filter(|key| a.counter(&key.to_string()) == b.counter(&key.to_string())).count();
    assert!(same < 5, "{same} of 100 keys have the same counter in two folders");
}
