//! Writes whose outcome is unknown: whom they hold back, until when, and what follows.

use super::*;
use ifmatch_gateway::state::{NotBegun, Phase};

#[test]
fn an_exclusive_doubt_holds_back_every_write_of_its_key_and_no_other() {
    let (_dir, state) = fresh();
    let write = exclusive(&state, "/a");
    assert!(!is_held(&state, "/a", Kind::Exclusive), "a write under way holds its turn, nothing else");
    let id = write.id();
    write.doubt(LONG);
    for kind in [Kind::Exclusive, Kind::Shared] {
        let held = state.held(state.key("/a"), kind).unwrap();
        assert_eq!((held.id, held.kind), (id, Kind::Exclusive));
        assert!(held.remaining <= LONG && held.remaining > LONG / 2);
        assert!(!is_held(&state, "/b", kind));
    }
    let doubts = state.doubts();
    assert_eq!(doubts.len(), 1);
    let doubt = &doubts[0];
    assert_eq!((doubt.id, &*doubt.method, &*doubt.target), (id, "PUT", "/a"));
    assert_eq!((doubt.kind, doubt.phase), (Kind::Exclusive, Phase::InDoubt));
    assert!(doubt.until_ms.unwrap() >= doubt.since_ms + 600_000);
    assert_eq!(count(&state, "/a"), 0);
}

#[test]
fn a_shared_doubt_holds_back_exclusive_writes_only() {
    let (_dir, state) = fresh();
    shared(&state, "/a").doubt(LONG);
    assert!(is_held(&state, "/a", Kind::Exclusive));
    assert!(!is_held(&state, "/a", Kind::Shared));
}

#[test]
fn a_doubt_ends_in_time_and_the_count_is_another_before_anybody_may_go_on() {
    let (_dir, state) = fresh();
    for (kind, key) in [(Kind::Exclusive, "/a"), (Kind::Shared, "/b")] {
        let before = count(&state, key);
        begin(&state, key, kind).doubt(SHORT);
        until("it is released", || !is_held(&state, key, Kind::Exclusive));
        assert!(count(&state, key) > before);
    }
    assert!(state.doubts().is_empty());
    assert_eq!(state.in_use(), 0);
}

#[test]
fn a_doubt_does_not_end_before_nobody_waits_for_its_answer_any_more() {
    let (_dir, state) = fresh();
    let awaited = exclusive(&state, "/a").doubt_awaited(Duration::ZERO);
    // One that began later has ended.
    exclusive(&state, "/b").doubt(Duration::ZERO);
    until("the other one is released", || !is_held(&state, "/b", Kind::Exclusive));
    assert!(is_held(&state, "/a", Kind::Exclusive));
    drop(awaited);
    until("it is released", || !is_held(&state, "/a", Kind::Exclusive));
    let awaited = exclusive(&state, "/a").doubt_awaited(LONG);
    awaited.settle();
    assert!(!is_held(&state, "/a", Kind::Exclusive));
}

#[test]
fn doubts_of_one_key_end_one_by_one() {
    let (_dir, state) = fresh();
    let (one, two, three) = (shared(&state, "/a"), shared(&state, "/a"), shared(&state, "/a"));
    let ids = [one.id(), three.id()];
    one.doubt(LONG);
    two.doubt(SHORT);
    three.doubt(LONG * 2);
    until("the short one ends", || state.doubts().len() == 2);
    assert_eq!(state.doubts().iter().map(|doubt| doubt.id).collect::<Vec<_>>(), ids);
    assert_eq!(state.held(state.key("/a"), Kind::Exclusive).unwrap().id, ids[1], "the longest counts");
}

#[test]
fn a_write_that_is_dropped_is_in_doubt() {
    let (_dir, state) = fresh();
    drop(exclusive(&state, "/a"));
    assert!(is_held(&state, "/a", Kind::Shared));
    drop(shared(&state, "/b"));
    assert!(is_held(&state, "/b", Kind::Exclusive) && !is_held(&state, "/b", Kind::Shared));
    let panicking = Arc::clone(&state);
    let panicked = std::thread::spawn(move || {
        let _write = exclusive(&panicking, "/c");
        panic!("as a task might");
    });
    assert!(panicked.join().is_err());
    assert!(is_held(&state, "/c", Kind::Exclusive));
}

#[test]
fn a_move_holds_both_keys_and_advances_both_counts() {
    let (dir, state) = fresh();
    let also = state.key("/to");
    let entry = Entry { method: "MOVE", also: Some(also), ..entry(&state, "/from", Kind::Exclusive) };
    assert_eq!(state.begin(&entry).unwrap().end(true), 1);
    assert_eq!((count(&state, "/from"), count(&state, "/to")), (1, 1));
    assert_eq!(state.begin(&entry).unwrap().end(false), 1);
    assert_eq!(count(&state, "/to"), 1);
    assert!(open(killed(dir.path()).path()).doubts().is_empty());

    let write = state.begin(&entry).unwrap();
    let next = open(killed(dir.path()).path());
    assert!(is_held(&next, "/from", Kind::Exclusive) && is_held(&next, "/to", Kind::Exclusive));
    write.doubt(SHORT);
    assert!(is_held(&state, "/from", Kind::Shared) || count(&state, "/from") > 1);
    until("both are released", || state.doubts().is_empty());
    assert!(!is_held(&state, "/to", Kind::Exclusive) && !is_held(&state, "/from", Kind::Exclusive));
    assert_eq!((count(&state, "/from"), count(&state, "/to")), (2, 2));
}

#[test]
fn no_more_writes_than_there_may_be_and_each_can_be_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let state = open_with(dir.path(), &Options { in_flight_max: 3, ..options() });
    let full = |key: &str, kind| state.begin(&entry(&state, key, kind)).err() == Some(NotBegun::Full);
    // Three appends of one key have one slot, and are entitled to three.
    let appends = [shared(&state, "/a"), shared(&state, "/a"), shared(&state, "/a")];
    assert!(full("/a", Kind::Shared) && full("/b", Kind::Shared) && full("/b", Kind::Exclusive));
    assert_eq!(state.in_use(), 3);
    appends.into_iter().for_each(|append| append.doubt(LONG));
    assert!(full("/b", Kind::Exclusive));
    assert_eq!(state.doubts().len(), 3);
    assert_eq!(open(killed(dir.path()).path()).doubts().len(), 3);
    drop(state);

    let dir = tempfile::tempdir().unwrap();
    let state = open_with(dir.path(), &Options { in_flight_max: 3, ..options() });
    for _ in 0..10 {
        let writes = [exclusive(&state, "/a"), exclusive(&state, "/b"), shared(&state, "/c")];
        assert_eq!(state.begin(&entry(&state, "/d", Kind::Exclusive)).err(), Some(NotBegun::Full));
        writes.into_iter().for_each(|write| _ = write.end(true));
    }
    // A slot that is kept for further appends makes room for whoever needs it.
    shared(&state, "/c").end(true);
    let writes = [exclusive(&state, "/a"), exclusive(&state, "/b"), exclusive(&state, "/d")];
    writes.into_iter().for_each(|write| _ = write.end(true));
    assert!(state.doubts().is_empty());
}

#[test]
fn keys_that_collide_never_lose_a_hold() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { counters: 2, ..options() };
    let state = open_with(dir.path(), &options);
    let (one, two) = colliding(&state);
    let later = [true, false];
    for (first_ends, advance) in later.into_iter().flat_map(|a| later.map(|b| (a, b))) {
        let (first, second) = (exclusive(&state, &one), exclusive(&state, &two));
        let (ends, stays, left) = if first_ends { (first, second, &two) } else { (second, first, &one) };
        ends.end(advance);
        // Somebody killed it now: whoever is still under way must be held.
        let copy = killed(dir.path());
        let next = open_with(copy.path(), &options);
        assert!(is_held(&next, left, Kind::Exclusive), "lost a hold: {first_ends} {advance}");
        stays.end(advance);
        let copy = killed(dir.path());
        assert!(open_with(copy.path(), &options).doubts().is_empty());
    }
    // A doubt of one does not make the other's end unknown, nor the other way round.
    let (first, second) = (exclusive(&state, &one), exclusive(&state, &two));
    first.doubt(LONG);
    second.end(true);
    exclusive(&state, &two).end(true);
    assert!(is_held(&state, &one, Kind::Exclusive) && !is_held(&state, &two, Kind::Exclusive));
    let copy = killed(dir.path());
    let next = open_with(copy.path(), &options);
    assert!(is_held(&next, &one, Kind::Exclusive) && !is_held(&next, &two, Kind::Exclusive));
}
