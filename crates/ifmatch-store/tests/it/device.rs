//! A device that fails: what is told about the outcome is true, and nothing is acknowledged afterwards.

use std::fs;
use std::path::Path;
use std::process::Command;

use ifmatch_core::Expected;
use ifmatch_store::conformance::block_on;
use ifmatch_store::{Committed, Document, Options, Snapshot, Sqlite, Store, StoreError, Transaction};

use crate::child::{self, Running};

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(folder, Options::default()).expect("it opens")
}

fn put(store: &Sqlite, key: &str, content: &str) -> Result<Committed, StoreError> {
    block_on(store.commit(Transaction::new().put(key, Expected::Any, Document::new(content.to_owned()))))
}

fn content(store: &Sqlite, key: &str) -> String {
    match store.read(key).expect("reads go on") {
        Snapshot::Present { document, .. } => String::from_utf8_lossy(&document.content).into_owned(),
        Snapshot::Absent | Snapshot::Deleted(_) => String::new(),
    }
}

/// Everything that holds for a store after its device has failed.
fn refuses_writes_and_reads_on(store: &Sqlite, last: &str) {
    for _ in 0..3 {
        let refused = put(store, "/a", "later").expect_err("nothing is accepted any more");
        assert!(matches!(refused, StoreError::Poisoned { .. }), "{refused}");
        assert_eq!(refused.applied(), Some(false));
        assert!(refused.to_string().contains("restarted"), "{refused}");
    }
    assert_eq!(content(store, "/a"), last);
    assert!(store.list("/", None, 10).is_ok());
    let stats = store.stats();
    assert!(stats.poisoned && stats.last_error.is_some(), "{stats:?}");
}

/// Makes `fsync` and `fdatasync` fail while a file exists, and counts how often they were called meanwhile.
const FAILING_FLUSH: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int fails(void) {
    const char *trigger = getenv("IFMATCH_STORE_TEST_TRIGGER");
    int file;
    if (trigger == NULL || (file = open(trigger, O_WRONLY | O_APPEND)) < 0) return 0;
    if (write(file, "x", 1) != 1) abort();
    close(file);
    errno = EIO;
    return 1;
}

static int flush(const char *name, int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return fails() ? -1 : real(file);
}

int fsync(int file) { return flush("fsync", file); }
int fdatasync(int file) { return flush("fdatasync", file); }
"#;

const TRIGGER: &str = "IFMATCH_STORE_TEST_TRIGGER";

/// Run as a child, whose flushes can be made to fail.
#[test]
fn child_with_failing_flushes() {
    let Some(folder) = child::folder() else { return };
    let trigger = std::env::var(TRIGGER).expect("the parent names it");
    let store = open(&folder);
    for count in ["1", "2"] {
        assert!(matches!(put(&store, "/a", count), Ok(Committed::Done(_))));
    }
    fs::write(&trigger, "").expect("writable");
    let unknown = put(&store, "/a", "3").expect_err("it was not flushed");
    assert!(matches!(unknown, StoreError::Unknown { .. }), "{unknown}");
    assert_eq!(unknown.applied(), None);
    assert!(unknown.to_string().contains("unknown whether"), "{unknown}");
    // Even if the device says that it is well again: it may say so because it has forgotten what was not written.
    fs::rename(&trigger, format!("{trigger}.calls")).expect("writable");
    refuses_writes_and_reads_on(&store, "2");
    fs::write(&trigger, "").expect("writable");
    drop(store);
    child::tell("done");
}

#[test]
fn a_failed_flush_is_unknown_and_final() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (source, shim) = (folder.path().join("flush.c"), folder.path().join("flush.so"));
    fs::write(&source, FAILING_FLUSH).expect("writable");
    // SQLite itself was built with the C compiler, so there is one.
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(&source).arg("-ldl").status();
    assert!(built.expect("there is a C compiler").success());
    let (data, trigger) = (folder.path().join("data"), folder.path().join("trigger"));
    let mut command = child::command("device::child_with_failing_flushes", &data);
    command.env("LD_PRELOAD", &shim).env(TRIGGER, &trigger);
    assert_eq!(Running::start(command).finish(), ["done"]);
    let calls = |name: &str| fs::metadata(folder.path().join(name)).expect("it was made").len();
    assert_eq!(calls("trigger.calls"), 1, "the failed flush was not tried again");
    assert_eq!(calls("trigger"), 0, "nor when the store was closed");
    // The next start finds out what became of it.
    let store = open(&data);
    let there = content(&store, "/a");
    assert!(there == "2" || there == "3", "{there}");
    assert!(matches!(put(&store, "/a", "4"), Ok(Committed::Done(_))));
}

/// Run as a child, whose files may not grow past a limit: then the system refuses to write.
#[test]
fn child_whose_files_may_not_grow() {
    let Some(folder) = child::folder() else { return };
    let store = open(&folder);
    for count in 0.. {
        let now = format!("{count} {}", "x".repeat(9000));
        match put(&store, "/a", &now) {
            Ok(committed) => {
                assert!(matches!(committed, Committed::Done(_)));
                child::tell(&count.to_string());
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
                let before = format!("{} {}", count - 1, "x".repeat(9000));
                refuses_writes_and_reads_on(&store, &before);
                return child::tell("failed");
            }
        }
    }
}

#[test]
fn a_refused_write_is_unknown_and_final() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    // In blocks of 512 bytes; ignoring the signal makes the call fail instead of ending the process.
    let limit = "trap '' XFSZ; ulimit -f 1024";
    let test = "device::child_whose_files_may_not_grow";
    let told = Running::start(child::command_through(limit, test, folder.path())).finish();
    let [.., last, failed] = &told[..] else { unreachable!("{told:?}") };
    assert_eq!(failed, "failed");
    let last: u64 = last.parse().expect("a number");
    let store = open(folder.path());
    let there = content(&store, "/a");
    let there: u64 = there.split(' ').next().and_then(|count| count.parse().ok()).expect("a number");
    assert!(there == last || there == last + 1, "{there}, acknowledged {last}");
    assert!(matches!(put(&store, "/a", "5"), Ok(Committed::Done(_))));
}
