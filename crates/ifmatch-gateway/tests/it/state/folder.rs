//! Whose a folder is.

use super::*;
use ifmatch_gateway::state::{StateError, list};
use std::os::unix::fs::PermissionsExt;

fn refusal(dir: &Path, upstream: &str, options: &Options) -> String {
    State::open(dir, upstream, options).err().expect("it is refused").to_string()
}

#[test]
fn one_process_has_it_and_is_named() {
    let (dir, state) = fresh();
    let refused = refusal(dir.path(), UPSTREAM, &options());
    let holder = format!("another gateway for this upstream runs (pid {})", std::process::id());
    assert!(
        refused.starts_with(&holder) && refused.contains("one process per upstream; stop it first"),
        "{refused}"
    );
    drop(state);
    drop(open(dir.path()));
}

#[test]
fn it_stays_with_its_upstream_and_its_number_of_counters() {
    let (dir, state) = fresh();
    drop(state);
    let refused = refusal(dir.path(), "other.example:80", &options());
    assert!(refused.contains("belongs to the upstream api.example:80, not to other.example:80"), "{refused}");
    let refused = refusal(dir.path(), UPSTREAM, &Options { counters: 1 << 10, ..options() });
    assert!(refused.contains("has 65536 counters, but 1024 are set; set `counters` to 65536"), "{refused}");
    drop(open(dir.path()));
}

#[test]
fn what_cannot_be_set_is_said() {
    let dir = tempfile::tempdir().unwrap();
    for options in [
        Options { counters: 0, ..options() },
        Options { counters: 1000, ..options() },
        Options { in_flight_max: 0, ..options() },
        Options { in_flight_max: 1 << 21, ..options() },
    ] {
        assert!(matches!(State::open(dir.path(), UPSTREAM, &options), Err(StateError::Setting(_))));
    }
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "something was made all the same");
}

#[test]
fn what_cannot_be_made_or_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = refusal(&file.join("state"), UPSTREAM, &options());
    assert!(
        refused.starts_with("cannot make the state folder ") && refused.contains("file/state"),
        "{refused}"
    );
    assert!(matches!(list(dir.path()), Err(StateError::NoState { .. })));
}

#[test]
fn nobody_else_may_read_the_secret() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deep/er");
    drop(open(&folder));
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o077, 0);
    for file in fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
}

#[test]
fn the_thread_ends_with_the_state() {
    let threads = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim() == "ifmatch-doubts").count()
    };
    let (_dir, state) = fresh();
    let inner = Arc::downgrade(&state);
    exclusive(&state, "/a").doubt(LONG);
    until("the thread has its name", || threads() > 0);
    drop(state);
    // Other tests have theirs; this one has ended, because dropping waits for it.
    assert!(inner.upgrade().is_none());
}
