//! Starts: in the same boot and in another, after an orderly end and without, with damaged files.

use super::*;
use ifmatch_gateway::state::{Began, RESTART};
use std::os::unix::fs::FileExt;

fn open_in(dir: &Path, boot: &str) -> Arc<State> {
    State::open_in_boot(dir, UPSTREAM, &options(), boot).unwrap()
}

/// What is done to a file, in words and in deed.
type Damage = (&'static str, fn(&Path));

fn is_anew(state: &State) -> bool {
    matches!(state.began(), Began::Anew { .. })
}

fn change(path: &Path, at: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

#[test]
fn a_fresh_folder_holds_nothing() {
    let (_dir, state) = fresh();
    assert_eq!(state.began(), &Began::Fresh);
    assert!(!is_held(&state, "/a", Kind::Exclusive) && state.doubts().is_empty());
}

#[test]
fn an_orderly_end_keeps_counts_and_doubts_across_a_reboot() {
    let (dir, state) = fresh();
    exclusive(&state, "/a").end(true);
    shared(&state, "/s").end(true);
    exclusive(&state, "/b").doubt(LONG);
    let under_way = exclusive(&state, "/c");
    let (epoch, secret, of_s) = (state.epoch(), *state.secret(), count(&state, "/s"));
    state.close();
    let refused = state.begin(&entry(&state, "/d", Kind::Exclusive)).err().unwrap();
    assert_eq!(refused.to_string(), "the write could not be noted: the state was closed");
    let copy = killed(dir.path());
    drop((under_way, state));

    let next = open_in(copy.path(), "two");
    assert_eq!((next.epoch(), *next.secret(), next.began()), (epoch, secret, &Began::Kept));
    assert_eq!((count(&next, "/a"), count(&next, "/s")), (1, of_s));
    assert!(is_held(&next, "/b", Kind::Exclusive) && is_held(&next, "/c", Kind::Exclusive));
    assert!(!is_held(&next, "/a", Kind::Exclusive));
    // The mark is gone as soon as it is open.
    let unclean = open_in(killed(copy.path()).path(), "three");
    assert!(is_anew(&unclean) && unclean.epoch() != epoch);
}

#[test]
fn what_ends_after_the_orderly_end_takes_the_mark_away() {
    let (dir, state) = fresh();
    let write = exclusive(&state, "/a");
    state.close();
    assert_eq!(write.end(true), 1);
    assert!(is_anew(&open_in(killed(dir.path()).path(), "two")));
    assert_eq!(count(&open(killed(dir.path()).path()), "/a"), 1);
}

#[test]
fn a_reboot_without_orderly_end_begins_a_new_epoch_and_holds_exclusive_writes_once() {
    let (dir, state) = fresh();
    exclusive(&state, "/a").end(true);
    let _under_way = exclusive(&state, "/b");
    let copy = killed(dir.path());
    let next = open_in(copy.path(), "two");
    assert!(is_anew(&next));
    assert!(next.epoch() != state.epoch() && next.secret() != state.secret());
    assert_eq!(count(&next, "/a"), 0);
    for key in ["/a", "/b", "/never seen"] {
        assert_eq!(next.held(next.key(key), Kind::Exclusive).unwrap().id, RESTART);
        assert!(!is_held(&next, key, Kind::Shared));
    }
    let doubts = next.doubts();
    assert_eq!((doubts.len(), doubts[0].id, &*doubts[0].method), (1, RESTART, "restart"));
    // Killed while it holds: it holds again, from then on, in the same epoch.
    let again = open_in(killed(copy.path()).path(), "two");
    assert_eq!((again.epoch(), is_held(&again, "/a", Kind::Exclusive)), (next.epoch(), true));
    // And through a further reboot, without forgetting how long.
    let short = Options { late_write_max: SHORT, ..options() };
    let third = State::open_in_boot(killed(copy.path()).path(), UPSTREAM, &short, "three").unwrap();
    assert!(third.held(third.key("/a"), Kind::Exclusive).unwrap().remaining > LONG / 2);
}

#[test]
fn the_hold_after_a_reboot_ends_in_time_and_every_count_is_another() {
    let (dir, state) = fresh();
    let copy = killed(dir.path());
    drop(state);
    let options = Options { late_write_max: SHORT, ..options() };
    let next = State::open_in_boot(copy.path(), UPSTREAM, &options, "two").unwrap();
    until("the hold ends", || !is_held(&next, "/a", Kind::Exclusive));
    let after = count(&next, "/a");
    assert!(after > 0, "a tag made during the hold may name a state before a late write");
    let kept = State::open_in_boot(killed(copy.path()).path(), UPSTREAM, &options, "two").unwrap();
    assert_eq!((count(&kept, "/a"), is_held(&kept, "/a", Kind::Exclusive)), (after, false));
    assert_eq!(exclusive(&next, "/a").end(true), after + 1);
}

#[test]
fn damaged_counters_begin_a_new_epoch() {
    let (dir, state) = fresh();
    exclusive(&state, "/a").end(true);
    let damages: [Damage; 6] = [
        ("a changed head", |path| change(path, 33, b"!")),
        ("a foreign file", |path| fs::write(path, "something else").unwrap()),
        ("an empty file", |path| fs::write(path, "").unwrap()),
        ("a missing file", |path| fs::remove_file(path).unwrap()),
        ("a short table", |path| {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(8000).unwrap();
        }),
        ("a count nobody counted to", |path| change(path, 4096 + 160, &[0xff; 8])),
    ];
    for (what, damage) in damages {
        let copy = killed(dir.path());
        damage(&copy.path().join("counters"));
        let next = open(copy.path());
        assert!(is_anew(&next), "{what}");
        assert_ne!(next.epoch(), state.epoch(), "{what}");
        assert!(is_held(&next, "/a", Kind::Exclusive) && !is_held(&next, "/a", Kind::Shared), "{what}");
        drop(next);
        assert_eq!(open(copy.path()).began(), &Began::Kept, "{what}");
    }
}

#[test]
fn damaged_slots_hold_all_writes_once_and_keep_the_counts() {
    let (dir, state) = fresh();
    exclusive(&state, "/a").end(true);
    let _under_way = exclusive(&state, "/b");
    let damages: [Damage; 5] = [
        ("a record", |path| change(path, 512 + 40, b"!")),
        ("the head", |path| change(path, 12, b"!")),
        ("a short file", |path| {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(900).unwrap();
        }),
        ("an empty file", |path| fs::write(path, "").unwrap()),
        ("no file", |path| fs::remove_file(path).unwrap()),
    ];
    for (what, damage) in damages {
        let copy = killed(dir.path());
        damage(&copy.path().join("slots"));
        let next = open(copy.path());
        assert_eq!((next.epoch(), count(&next, "/a")), (state.epoch(), 1), "{what}");
        assert!(is_held(&next, "/any", Kind::Exclusive) && is_held(&next, "/any", Kind::Shared), "{what}");
        drop(next);
        let again = open(copy.path());
        assert!(is_held(&again, "/any", Kind::Shared), "{what}: forgotten by the next start");
    }
}

#[test]
fn doubts_are_held_again_for_as_long_as_they_were_to_be() {
    let (dir, state) = fresh();
    exclusive(&state, "/a").doubt(LONG * 3);
    let short = Options { late_write_max: SHORT, ..options() };
    let copy = killed(dir.path());
    let next = open_with(copy.path(), &short);
    assert!(next.held(next.key("/a"), Kind::Exclusive).unwrap().remaining > LONG * 2);
    let third = open_with(killed(copy.path()).path(), &short);
    assert!(third.held(third.key("/a"), Kind::Exclusive).unwrap().remaining > LONG * 2);
}

#[test]
fn time_that_is_over_is_not_held_again() {
    let (dir, state) = fresh();
    exclusive(&state, "/a").doubt(LONG);
    let remaining = |state: &State| state.held(state.key("/a"), Kind::Exclusive).unwrap().remaining;
    let over = Duration::from_millis(200);
    until("some of the time is over", || remaining(&state) < LONG - over);
    // To the millisecond, each time.
    let slack = Duration::from_millis(2);
    let left = killed(dir.path());
    let next = open(left.path());
    assert!(remaining(&next) < LONG - over + slack);
    // However often it is started, by a kill or in good order; and longer only if it is to be longer.
    next.close();
    drop(next);
    assert!(remaining(&open(left.path())) < LONG - over + slack);
    let longer = Options { late_write_max: LONG * 2, ..options() };
    let third = remaining(&open_with(left.path(), &longer));
    assert!(third > LONG && third < LONG * 2 - over + slack);
    // What is held for everybody goes on in the same way.
    let reboot = killed(dir.path());
    let all = open_in(reboot.path(), "two");
    until("some of the time is over", || remaining(&all) < LONG - over);
    assert!(remaining(&open_in(killed(reboot.path()).path(), "two")) < LONG - over + slack);
}

#[test]
fn where_no_clock_tells_what_is_left_all_of_it_is_held_again() {
    let (dir, state) = fresh();
    exclusive(&state, "/a").doubt(LONG * 2);
    until("some of the time is over", || {
        state.held(state.key("/a"), Kind::Exclusive).unwrap().remaining < LONG * 2 - SHORT * 10
    });
    state.close();
    let left = killed(dir.path());
    drop(state);
    let next = open_in(left.path(), "two");
    assert!(next.held(next.key("/a"), Kind::Exclusive).unwrap().remaining > LONG * 2 - SHORT * 10);
}

#[test]
fn what_was_under_way_is_held_from_the_start_for_as_long_as_it_was_begun_with() {
    let (dir, state) = fresh();
    let long = |key, kind| Entry { late_write_max: LONG, ..entry(&state, key, kind) };
    let writes = [
        state.begin(&long("/a", Kind::Exclusive)).unwrap(),
        // The slot they share says the longest.
        shared(&state, "/s"),
        state.begin(&long("/s", Kind::Shared)).unwrap(),
        shared(&state, "/s"),
        exclusive(&state, "/short"),
    ];
    let short = Options { late_write_max: SHORT, ..options() };
    let left = killed(dir.path());
    let next = open_with(left.path(), &short);
    let remaining = |state: &State, key| state.held(state.key(key), Kind::Exclusive).unwrap().remaining;
    for key in ["/a", "/s"] {
        assert!(remaining(&next, key) > LONG / 2, "{key}");
    }
    until("what was to be short is", || !is_held(&next, "/short", Kind::Exclusive));
    // From then on the time runs.
    until("some of it is over", || remaining(&next, "/a") < LONG - SHORT * 10);
    let again = open_with(killed(left.path()).path(), &short);
    assert!(remaining(&again, "/a") < LONG - SHORT * 9);
    writes.into_iter().for_each(|write| _ = write.end(false));
}

#[test]
fn ids_rise_from_run_to_run_even_if_the_clock_does_not() {
    let (dir, state) = fresh();
    let write = exclusive(&state, "/a");
    let first = write.id();
    write.end(true);
    let copy = killed(dir.path());
    drop(state);
    // As if written by a run with a clock a hundred years ahead: no later write may look as if it had finished.
    let counter = open(copy.path()).counter("/a");
    let index: u64 = format!("{counter:?}").trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    let ahead = first + 3_000_000_000_000_000;
    change(&copy.path().join("counters"), 4096 + index * 16 + 8, &ahead.to_le_bytes());
    let next = open(copy.path());
    let write = exclusive(&next, "/a");
    assert!(write.id() > ahead);
    let after = open(killed(copy.path()).path());
    assert!(is_held(&after, "/a", Kind::Exclusive), "the write under way was taken for a finished one");
    write.end(true);
}

#[test]
fn more_and_fewer_slots_than_before() {
    let (dir, state) = fresh();
    let writes: Vec<_> = (0..32).map(|index| exclusive(&state, &format!("/{index}"))).collect();
    let copy = killed(dir.path());
    writes.into_iter().for_each(|write| _ = write.end(false));
    let few = open_with(copy.path(), &Options { in_flight_max: 4, ..options() });
    assert_eq!(few.doubts().len(), 32);
    assert!(few.begin(&entry(&few, "/x", Kind::Exclusive)).is_err());
    drop(few);
    let many = open_with(copy.path(), &Options { in_flight_max: 64, ..options() });
    assert_eq!((many.doubts().len(), many.in_use()), (32, 32));
    let writes: Vec<_> = (0..32).map(|index| exclusive(&many, &format!("/new/{index}"))).collect();
    assert_eq!(
        open_with(killed(copy.path()).path(), &Options { in_flight_max: 8, ..options() }).doubts().len(),
        64
    );
    writes.into_iter().for_each(|write| _ = write.end(false));
}
