//! Reads that overlap writes, decided by digests; and where these decide nothing.

use super::{ClientId, KEY, Kind, PUT, Put, Told, told, user};

fn content(digest: u64) -> Put {
    Put { content: Some(digest), ..PUT }
}

/// User 1 read the first state while the second was written over it, as its digest shows.
fn read_meanwhile(told: &mut Told) {
    told.wrote_so(user(3), 0, 5, content(100));
    told.wrote_so(user(2), 20, 30, content(200));
    told.read_of(KEY, user(1), 25, 35, Some(100));
}

fn is_lost(mut told: Told) -> bool {
    told.wrote_so(user(1), 60, 70, content(300)).lost.is_some()
}

#[test]
fn a_digest_shows_that_a_write_was_not_seen() {
    let mut told = told();
    read_meanwhile(&mut told);
    assert!(is_lost(told));
}

#[test]
fn a_patch_may_have_brought_the_content_back() {
    let patch = Put { kind: Kind::Modify, content: Some(7), ..PUT };
    let mut before = told();
    before.wrote_so(user(3), 0, 5, content(100));
    before.wrote_so(user(2), 20, 30, content(200));
    before.wrote_so(user(4), 22, 33, patch);
    before.read_of(KEY, user(1), 25, 35, Some(100));
    assert!(!is_lost(before));
    let mut after = told();
    read_meanwhile(&mut after);
    after.wrote_so(user(4), 22, 36, patch);
    assert!(!is_lost(after));
}

#[test]
fn a_write_in_doubt_may_have_brought_the_content_back() {
    let mut told = told();
    read_meanwhile(&mut told);
    told.wrote_so(user(4), 22, 36, Put { outcome: Some(50), ..content(100) });
    assert!(!is_lost(told));
}

#[test]
fn of_reads_that_overlap_nobody_can_tell_the_newer() {
    let mut told = told();
    told.wrote_so(user(3), 0, 5, content(100));
    told.wrote_so(user(2), 20, 30, content(200));
    told.read_of(KEY, user(1), 31, 35, Some(200));
    told.read_of(KEY, user(1), 10, 50, Some(100));
    assert!(!is_lost(told));
}

#[test]
fn somebody_who_may_be_the_same_client_may_have_read_later() {
    let mut told = told();
    read_meanwhile(&mut told);
    told.read_of(KEY, ClientId { credentials: None, ..user(1) }, 36, 37, Some(200));
    assert!(!is_lost(told));
}

#[test]
fn digests_decide_nothing_where_old_states_are_shown() {
    let mut told = told();
    read_meanwhile(&mut told);
    told.read_of(KEY, user(4), 40, 45, Some(100));
    assert!(!is_lost(told));
}

#[test]
fn another_target_of_the_same_turn_has_contents_of_its_own() {
    let mut told = told();
    told.wrote_so(user(3), 0, 5, Put { target: 2, ..content(100) });
    told.wrote_so(user(2), 20, 30, content(200));
    told.read_of(KEY, user(1), 25, 35, Some(100));
    assert!(!is_lost(told));
}
