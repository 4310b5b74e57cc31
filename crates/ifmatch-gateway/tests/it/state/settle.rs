//! Doubts listed and settled by another process, while the gateway runs and while it does not.

use super::*;
use crate::state::child::Running;
use ifmatch_gateway::state::{Began, Phase, RESTART, StateError, list, settle};

/// In a process of its own: settles whatever is in doubt, and tells it.
#[test]
fn settles_all_in_a_process_of_its_own() {
    let Some(folder) = child::folder() else { return };
    for doubt in list(&folder).unwrap() {
        let settled = settle(&folder, doubt.id).map(|settled| settled.by.is_some());
        child::tell(&format!("{} {} {settled:?}", doubt.id, doubt.target));
    }
}

fn settle_elsewhere(dir: &Path) -> Vec<String> {
    Running::start("state::settle::settles_all_in_a_process_of_its_own", dir).finish()
}

#[test]
fn a_running_gateway_releases_what_another_process_settled() {
    let (dir, state) = fresh();
    let write = exclusive(&state, "/a");
    let id = write.id();
    write.doubt(LONG);
    shared(&state, "/b").doubt(LONG);
    assert_eq!(settle_elsewhere(dir.path()).len(), 2);
    until("it is released", || state.doubts().is_empty());
    assert!(!is_held(&state, "/a", Kind::Exclusive) && !is_held(&state, "/b", Kind::Exclusive));
    assert_eq!((count(&state, "/a"), count(&state, "/b")), (1, 1));
    assert!(list(dir.path()).unwrap().is_empty());
    let gone = settle(dir.path(), id).unwrap_err().to_string();
    assert!(gone.contains(&format!("no write {id} is in doubt")) && gone.ends_with("; none is"), "{gone}");
    assert!(open(killed(dir.path()).path()).doubts().is_empty());
}

#[test]
fn the_gateway_itself_can_settle_at_once() {
    let (dir, state) = fresh();
    let (write, other) = (exclusive(&state, "/a"), exclusive(&state, "/b"));
    let (id, other_id) = (write.id(), other.id());
    write.doubt(LONG);
    assert!(!state.settle(other_id), "it is not in doubt");
    assert!(state.settle(id) && !state.settle(id));
    assert!(!is_held(&state, "/a", Kind::Shared) && count(&state, "/a") == 1);
    other.end(true);
    assert!(open(killed(dir.path()).path()).doubts().is_empty());
}

#[test]
fn what_is_under_way_is_listed_and_cannot_be_settled() {
    let (dir, state) = fresh();
    exclusive(&state, "/done").end(true);
    exclusive(&state, "/refused").end(false);
    let write = exclusive(&state, "/a");
    let doubt = exclusive(&state, "/b");
    let in_doubt = doubt.id();
    doubt.doubt(LONG);
    let listed = list(dir.path()).unwrap();
    let told: Vec<_> = listed.iter().map(|view| (view.id, &*view.target, view.phase)).collect();
    assert_eq!(told, [(write.id(), "/a", Phase::UnderWay), (in_doubt, "/b", Phase::InDoubt)]);
    assert!(listed[0].until_ms.is_none() && listed[1].until_ms.is_some());
    let refused = settle(dir.path(), write.id()).unwrap_err();
    assert!(matches!(refused, StateError::UnderWay { id, .. } if id == write.id()), "{refused}");
    assert_eq!(settle_elsewhere(dir.path()).len(), 2);
    until("the other one is released", || !is_held(&state, "/b", Kind::Exclusive));
    write.doubt(LONG);
    assert!(is_held(&state, "/a", Kind::Exclusive), "it was settled before it was in doubt");
    let other = settle(dir.path(), 7).unwrap_err().to_string();
    assert!(other.contains("no write 7 is in doubt") && other.contains("; in doubt: "), "{other}");
}

#[test]
fn a_stopped_gateway_honors_it_when_it_starts() {
    let (dir, state) = fresh();
    exclusive(&state, "/a").doubt(LONG);
    let _under_way = (exclusive(&state, "/b"), exclusive(&state, "/c"));
    let copy = killed(dir.path());
    let listed = list(copy.path()).unwrap();
    assert!(listed.iter().all(|view| view.phase == Phase::InDoubt && view.until_ms.is_none()));
    assert_eq!(listed.len(), 3, "nobody awaits their answers any more");
    for view in listed.iter().filter(|view| view.target != "/c") {
        assert_eq!(settle(copy.path(), view.id).unwrap().by, None);
    }
    assert_eq!(list(copy.path()).unwrap().len(), 1);
    let next = open(copy.path());
    assert!(!is_held(&next, "/a", Kind::Exclusive) && !is_held(&next, "/b", Kind::Exclusive));
    assert!(is_held(&next, "/c", Kind::Exclusive));
    assert_eq!((count(&next, "/a"), count(&next, "/b")), (1, 1));
}

#[test]
fn the_hold_after_a_reboot_can_be_settled() {
    let (dir, state) = fresh();
    let copy = killed(dir.path());
    assert!(matches!(settle(copy.path(), RESTART), Err(StateError::NoSuchDoubt { .. })));
    drop(state);
    let next = State::open_in_boot(copy.path(), UPSTREAM, &options(), "two").unwrap();
    assert!(matches!(next.began(), Began::Anew { .. }));
    let listed = list(copy.path()).unwrap();
    assert_eq!((listed.len(), listed[0].id, &*listed[0].target), (1, RESTART, "*"));
    let stopped = killed(copy.path());
    assert_eq!(settle_elsewhere(copy.path()), ["0 * Ok(true)"]);
    until("it is released", || !is_held(&next, "/a", Kind::Exclusive));
    assert_eq!(count(&next, "/a"), 1);

    settle(stopped.path(), RESTART).unwrap();
    assert!(list(stopped.path()).unwrap().is_empty());
    let third = State::open_in_boot(stopped.path(), UPSTREAM, &options(), "two").unwrap();
    assert_eq!((third.doubts().len(), count(&third, "/a")), (0, 1));
}

#[test]
fn a_mark_on_a_slot_that_was_used_again_settles_nothing() {
    use std::os::unix::fs::FileExt;
    let (dir, state) = fresh();
    let first = exclusive(&state, "/a");
    let id = first.id();
    first.doubt(SHORT);
    until("it is released", || state.doubts().is_empty());
    let second = exclusive(&state, "/b");
    let slots = fs::OpenOptions::new().write(true).open(dir.path().join("slots")).unwrap();
    // As a process would that looked before the release and wrote after it.
    slots.write_all_at(&id.to_le_bytes(), 512 + 504).unwrap();
    let next = open(killed(dir.path()).path());
    assert!(is_held(&next, "/b", Kind::Exclusive));
    second.end(true);
}
