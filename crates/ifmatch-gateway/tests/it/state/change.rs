//! Runs that name resources otherwise than the one before, or note other writes.

use super::*;
use ifmatch_gateway::state::{Began, RESTART};

const OTHER: Naming = Naming { keys: [2; 16], unnoted: [0; 16] };
/// The same keys, but some writes pass without a slot.
const OPEN: Naming = Naming { keys: [1; 16], unnoted: [3; 16] };

fn open_as(dir: &Path, naming: Naming) -> Arc<State> {
    open_with(dir, &Options { naming, ..options() })
}

/// Opens a folder, and leaves one behind as it is after an orderly end.
fn ended(dir: &Path, naming: Naming, live: impl FnOnce(&Arc<State>)) -> u64 {
    let state = open_as(dir, naming);
    live(&state);
    state.close();
    state.epoch()
}

fn reason(state: &State) -> Option<&str> {
    match state.began() {
        Began::Anew { reason } => Some(reason),
        Began::Fresh | Began::Kept => None,
    }
}

fn held_by(state: &State, key: &str, kind: Kind) -> Option<u64> {
    state.held(state.key(key), kind).map(|held| held.id)
}

#[test]
fn the_same_names_keep_the_epoch_and_others_begin_a_new_one() {
    for is_orderly in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let state = open(dir.path());
        exclusive(&state, "/a").end(true);
        if is_orderly {
            state.close();
        }
        let (left, epoch) = (killed(dir.path()), state.epoch());
        let same = open(left.path());
        assert_eq!((same.began(), same.epoch(), count(&same, "/a")), (&Began::Kept, epoch, 1));
        drop(same);
        let other = open_as(killed(dir.path()).path(), OTHER);
        assert!(reason(&other).unwrap().contains("settings that name resources have changed"));
        assert!(other.epoch() != epoch && other.doubts().is_empty(), "{is_orderly}");
        assert_eq!(other.secret(), state.secret(), "names in the audit stay");
    }
    // The next start with these names is one of many.
    let dir = tempfile::tempdir().unwrap();
    ended(dir.path(), NAMING, |_| {});
    let epoch = ended(dir.path(), OTHER, |_| {});
    assert_eq!(ended(dir.path(), OTHER, |state| assert_eq!(state.began(), &Began::Kept)), epoch);
    assert_ne!(
        ended(dir.path(), NAMING, |_| {}),
        epoch,
        "back again: what was written meanwhile may not be counted here"
    );
}

#[test]
fn under_other_names_what_is_in_doubt_holds_everything() {
    for is_orderly in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let state = open(dir.path());
        if is_orderly {
            exclusive(&state, "/a").doubt(LONG * 2);
            state.close();
        }
        let under_way = (!is_orderly).then(|| {
            state.begin(&Entry { late_write_max: LONG * 2, ..entry(&state, "/a", Kind::Exclusive) }).unwrap()
        });
        let left = killed(dir.path());
        let next = open_as(left.path(), OTHER);
        for kind in [Kind::Exclusive, Kind::Shared] {
            assert_eq!(held_by(&next, "/another key", kind), Some(RESTART), "{is_orderly}");
        }
        assert!(next.held(next.key("/x"), Kind::Exclusive).unwrap().remaining > LONG);
        // It is still to be seen which one it is; and the next start holds on.
        assert_eq!(next.doubts().iter().filter(|doubt| doubt.target == "/a").count(), 1);
        let again = open_as(killed(left.path()).path(), OTHER);
        assert_eq!((again.began(), again.epoch()), (&Began::Kept, next.epoch()));
        assert_eq!(held_by(&again, "/another key", Kind::Shared), Some(RESTART));
        drop(under_way);
    }
    // An append keeps only those waiting that may overwrite.
    let dir = tempfile::tempdir().unwrap();
    ended(dir.path(), NAMING, |state| shared(state, "/a").doubt(LONG));
    let next = open_as(dir.path(), OTHER);
    assert_eq!(held_by(&next, "/b", Kind::Exclusive), Some(RESTART));
    assert_eq!(held_by(&next, "/b", Kind::Shared), None);
}

#[test]
fn the_hold_under_other_names_ends_with_the_last_doubt_and_every_count_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let short = Options { late_write_max: SHORT, ..options() };
    let state = open_with(dir.path(), &short);
    exclusive(&state, "/a").doubt(SHORT * 10);
    state.close();
    drop(state);
    let next = open_with(dir.path(), &Options { naming: OTHER, ..short });
    let before = count(&next, "/b");
    until("all is released", || next.doubts().is_empty());
    assert!(count(&next, "/b") > before && !is_held(&next, "/b", Kind::Exclusive));
}

#[test]
fn a_kill_in_the_middle_of_the_change_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    ended(dir.path(), NAMING, |state| exclusive(state, "/a").doubt(LONG * 2));
    let old_slots = fs::read(dir.path().join("slots")).unwrap();
    let left = killed(dir.path());
    let epoch = open_as(left.path(), OTHER).epoch();
    // The head of the counters says it already, the slots do not.
    fs::write(left.path().join("slots"), old_slots).unwrap();
    let next = open_as(left.path(), OTHER);
    assert_eq!(next.epoch(), epoch);
    assert!(next.held(next.key("/b"), Kind::Shared).unwrap().remaining > LONG);
}

#[test]
fn writes_that_nobody_noted_are_minded_when_others_begin_to_be() {
    let killed_as = |naming| {
        let dir = tempfile::tempdir().unwrap();
        ended(dir.path(), NAMING, |_| {});
        let _running = open_as(dir.path(), naming);
        killed(dir.path())
    };
    // Killed with who knows what under way: it may have been applied uncounted, or may still be.
    let next = open(killed_as(OPEN).path());
    assert!(reason(&next).unwrap().contains("may have been applied unseen"));
    assert_eq!(held_by(&next, "/a", Kind::Exclusive), Some(RESTART));
    assert_eq!(held_by(&next, "/a", Kind::Shared), None);
    // As long as nothing changes, that is nobody's business.
    let same = open_as(killed_as(OPEN).path(), OPEN);
    assert_eq!((same.began(), same.doubts().len()), (&Began::Kept, 0));
    assert_eq!(open_as(killed_as(NAMING).path(), OPEN).began(), &Began::Kept, "all was noted");
    // It is not forgotten by a run that ends well.
    let left = killed_as(OPEN);
    ended(left.path(), OPEN, |_| {});
    let next = open(left.path());
    assert!(reason(&next).is_some() && held_by(&next, "/a", Kind::Exclusive) == Some(RESTART));
    // Not even when nothing can land any more: then nobody waits, but counts are not what they should be.
    let dir = tempfile::tempdir().unwrap();
    let quick = Options { late_write_max: Duration::ZERO, naming: OPEN, ..options() };
    drop(open_with(dir.path(), &quick));
    let state = open_with(dir.path(), &quick);
    state.close();
    let epoch = state.epoch();
    drop(state);
    let next = open_with(dir.path(), &Options { naming: NAMING, ..quick });
    assert!(reason(&next).is_some() && next.epoch() != epoch && next.doubts().is_empty());
    // Once that is done with, it is done with.
    next.close();
    drop(next);
    open_with(dir.path(), &quick).close();
    assert_eq!(open_with(dir.path(), &Options { naming: NAMING, ..quick }).began(), &Began::Kept);
}

#[test]
fn after_an_orderly_end_only_lost_answers_are_minded() {
    let next_after = |live: fn(&Arc<State>)| {
        let dir = tempfile::tempdir().unwrap();
        ended(dir.path(), OPEN, live);
        let next = open(dir.path());
        (reason(&next).is_some(), held_by(&next, "/a", Kind::Exclusive))
    };
    assert_eq!(next_after(|_| {}), (false, None));
    assert_eq!(next_after(|state| state.unsure(Duration::ZERO)), (false, None));
    assert_eq!(next_after(|state| state.unsure(LONG)), (true, Some(RESTART)));
    // In another boot nobody knows how much of the time is over.
    let dir = tempfile::tempdir().unwrap();
    ended(dir.path(), OPEN, |state| state.unsure(SHORT));
    let next = State::open_in_boot(dir.path(), UPSTREAM, &options(), "two").unwrap();
    assert!(reason(&next).is_some() && held_by(&next, "/a", Kind::Exclusive) == Some(RESTART));
}
