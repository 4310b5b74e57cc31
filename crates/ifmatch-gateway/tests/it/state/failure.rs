//! Files that can no longer be written. A child of ours may not write past a certain size, from some moment on.

use super::*;
use crate::state::child::Running;
use ifmatch_gateway::state::{NoNumber, NotBegun};
use rustix::process::{Resource, Rlimit, setrlimit};

/// From now on no file of this process may be written.
fn break_disk() {
    let none = Rlimit { current: Some(0), maximum: None };
    let limits = rustix::process::getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { maximum: limits.maximum, ..none }).expect("it can be lowered");
}

fn mend_disk() {
    let limits = rustix::process::getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: limits.maximum, maximum: limits.maximum })
        .expect("it can be raised");
}

fn run(test: &str) -> (TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let told = Running::start(&format!("state::failure::{test}"), dir.path()).finish();
    (dir, told)
}

#[test]
fn a_write_that_cannot_be_noted_must_not_be_forwarded() {
    if let Some(folder) = child::folder() {
        let state = State::open(&folder, UPSTREAM, &options()).unwrap();
        exclusive(&state, "/a").end(true);
        break_disk();
        for kind in [Kind::Exclusive, Kind::Shared] {
            let failed = state.begin(&entry(&state, "/b", kind)).err();
            assert!(matches!(failed, Some(NotBegun::Failed(_))), "{failed:?}");
        }
        child::tell(&state.failure().expect("it has failed"));
        mend_disk();
        assert!(state.begin(&entry(&state, "/c", Kind::Exclusive)).is_err(), "only a restart helps");
        // Not noted, but not forwarded either.
        assert!(!is_held(&state, "/b", Kind::Exclusive));
        return;
    }
    let (dir, told) = run("a_write_that_cannot_be_noted_must_not_be_forwarded");
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("slots can no longer be written: "), "{told:?}");
    let next = State::open(dir.path(), UPSTREAM, &options()).unwrap();
    assert_eq!((next.failure(), count(&next, "/a")), (None, 1));
    exclusive(&next, "/b").end(true);
}

#[test]
fn an_end_that_cannot_be_noted_is_held_by_the_next_run() {
    if let Some(folder) = child::folder() {
        let state = State::open(&folder, UPSTREAM, &options()).unwrap();
        let before = count(&state, "/a");
        let (one, other, append) = (exclusive(&state, "/a"), exclusive(&state, "/b"), shared(&state, "/c"));
        break_disk();
        let after = one.end(true);
        assert_ne!(after, before);
        assert_eq!(count(&state, "/a"), after, "in memory it goes on");
        other.end(false);
        append.end(true);
        assert!(state.begin(&entry(&state, "/d", Kind::Exclusive)).is_err());
        mend_disk();
        child::tell(&after.to_string());
        return;
    }
    let (dir, told) = run("an_end_that_cannot_be_noted_is_held_by_the_next_run");
    let next = State::open(dir.path(), UPSTREAM, &options()).unwrap();
    for key in ["/a", "/b", "/c"] {
        assert!(is_held(&next, key, Kind::Exclusive), "{key} is forgotten");
    }
    // What was told after the failure is not valid now, and will not be.
    let told: u64 = told[0].parse().unwrap();
    assert!(told > 1 << 62 && count(&next, "/a") < 1000, "{told}");
}

#[test]
fn a_doubt_that_cannot_be_noted_is_held_all_the_same() {
    if let Some(folder) = child::folder() {
        let state = State::open(&folder, UPSTREAM, &options()).unwrap();
        let (one, append) = (exclusive(&state, "/a"), shared(&state, "/b"));
        break_disk();
        one.doubt(Duration::ZERO);
        append.doubt(Duration::ZERO);
        for key in ["/a", "/b"] {
            assert!(is_held(&state, key, Kind::Exclusive));
        }
        assert!(state.failure().is_some());
        child::tell("held");
        return;
    }
    let (dir, told) = run("a_doubt_that_cannot_be_noted_is_held_all_the_same");
    assert_eq!(told, ["held"]);
    let next = State::open(dir.path(), UPSTREAM, &options()).unwrap();
    assert!(is_held(&next, "/a", Kind::Shared) && is_held(&next, "/b", Kind::Exclusive));
}

#[test]
fn an_advance_that_cannot_be_noted_is_not_lost_if_anything_can() {
    if let Some(folder) = child::folder() {
        let state = State::open(&folder, UPSTREAM, &options()).unwrap();
        let counter = state.counter("/a");
        state.advance(counter);
        child::tell(&state.count(counter).to_string());
        // The head can still be written, the table cannot.
        let limits = rustix::process::getrlimit(Resource::Fsize);
        setrlimit(Resource::Fsize, Rlimit { current: Some(4096), maximum: limits.maximum }).unwrap();
        state.advance(counter);
        assert!(state.failure().is_some());
        mend_disk();
        return;
    }
    let (dir, told) = run("an_advance_that_cannot_be_noted_is_not_lost_if_anything_can");
    let told: u64 = told[0].parse().unwrap();
    let next = State::open(dir.path(), UPSTREAM, &options()).unwrap();
    assert!(count(&next, "/a") > told, "a tag from before the change is taken for a current one");
}

#[test]
fn a_variant_that_cannot_be_stored_is_not_given_out() {
    use http::header::{ACCEPT, HeaderValue};
    if let Some(folder) = child::folder() {
        let state = State::open(&folder, UPSTREAM, &options()).unwrap();
        let set = [(ACCEPT, Some(HeaderValue::from_static("a/b")))];
        break_disk();
        assert_eq!(state.variants().intern(&set), Err(NoNumber::NotStored));
        mend_disk();
        assert_eq!(state.variants().intern(&set), Ok(0));
        assert_eq!((state.variants().refused(), state.failure()), (1, None));
        child::tell("done");
        return;
    }
    assert_eq!(run("a_variant_that_cannot_be_stored_is_not_given_out").1, ["done"]);
}
