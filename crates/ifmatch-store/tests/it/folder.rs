//! The data folder: what is kept in it, who may use it, and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use ifmatch_core::{Expected, HttpDate};
use ifmatch_store::conformance::{Time, block_on};
use ifmatch_store::{Committed, Document, OpenError, Options, Snapshot, Sqlite, Stamp, Store, Transaction};

use crate::child::{self, Running};

fn open(folder: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::open(folder, Options::default())
}

fn put(store: &Sqlite, key: &str, content: &str) -> Stamp {
    let put = Transaction::new().put(key, Expected::Any, Document::new(content.to_owned()));
    match block_on(store.commit(put)) {
        Ok(Committed::Done(stamps)) => stamps[0],
        other => unreachable!("{other:?}"),
    }
}

fn refused(folder: &Path) -> OpenError {
    open(folder).err().expect("it must not open")
}

/// Every file and its octets, but for the note in the lock file and SQLite's shared memory, which hold no data.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable"));
    entries
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("readable"))
        })
        .filter(|(name, _)| !name.ends_with(".lock") && !name.ends_with("-shm"))
        .collect()
}

#[test]
fn reopening_keeps_everything() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let folder = folder.path().join("made/on/the/way");
    let store = open(&folder).expect("it opens");
    let incarnation = store.incarnation().to_owned();
    let kept = put(&store, "/c/kept", &"x".repeat(10_000));
    put(&store, "/c/gone", "x");
    let gone = match block_on(store.commit(Transaction::new().delete("/c/gone", Expected::Any))) {
        Ok(Committed::Done(stamps)) => stamps[0],
        other => unreachable!("{other:?}"),
    };
    drop(store);
    assert_eq!(fs::metadata(folder.join("ifmatch.db-wal")).map_or(0, |log| log.len()), 0, "a clean end");
    let store = open(&folder).expect("it opens again");
    assert_eq!(store.incarnation(), incarnation);
    let document = Document::new("x".repeat(10_000));
    assert_eq!(store.read("/c/kept"), Ok(Snapshot::Present { stamp: kept, document }));
    assert_eq!(store.read("/c/gone"), Ok(Snapshot::Deleted(gone)));
    assert_eq!(store.collection("/c/"), Ok(gone.revision));
    assert!(put(&store, "/c/gone", "y").revision > gone.revision);
    drop(store);
    let mut restored = Options::default();
    restored.restored = true;
    let store = Sqlite::open(&folder, restored).expect("it opens");
    assert_ne!(store.incarnation(), incarnation, "a restored store has a new name");
}

#[test]
fn time_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let time = Time::default();
    let start = time.now();
    let open = || Sqlite::open(folder.path(), Options::default().with_time(time.source())).expect("it opens");
    let store = open();
    time.pass(1000);
    // Given out, with nothing written at that time.
    assert_eq!(store.now(), start.plus_seconds(1000));
    // A document that is changed often gets dates far ahead of time; they do not drag the time along.
    for _ in 0..50 {
        put(&store, "/hot", "x");
    }
    drop(store);
    time.pass(-600);
    let store = open();
    assert_eq!(store.now(), start.plus_seconds(1000), "not before what was given out, and not after it");
    assert_eq!(put(&store, "/a", "x").last_modified, start.plus_seconds(1001));
    assert_eq!(put(&store, "/hot", "x").last_modified, start.plus_seconds(1051));
    assert_eq!(store.stats().ahead_seconds, 600);
}

/// Run as a child: gives out the time, far from the last write, and waits to be killed.
#[test]
fn child_tells_the_time() {
    let Some(folder) = child::folder() else { return };
    let store = open(&folder).expect("it opens");
    child::tell(&store.now().unix().to_string());
    std::thread::park();
}

#[test]
fn after_a_crash_time_begins_past_what_was_given_out() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut child = Running::start(child::command("folder::child_tells_the_time", folder.path()));
    let told: i64 = child.next().and_then(|line| line.parse().ok()).expect("it tells the time");
    child.kill();
    // The machine's clock is set back before the next start.
    let mut options = Options::default();
    options.time = Some(std::sync::Arc::new(|| HttpDate::from_unix(1_000_000_000)));
    let store = Sqlite::open(folder.path(), options).expect("it opens");
    assert!(store.now().unix() >= told, "{} after {told}", store.now());
    assert!(put(&store, "/a", "x").last_modified.unix() > told);
}

#[test]
fn a_used_folder_names_who_uses_it() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut child = Running::start(child::command("folder::child_tells_the_time", folder.path()));
    child.next().expect("it has opened the store");
    let error = refused(folder.path());
    let OpenError::InUse { holder, .. } = &error else { unreachable!("{error}") };
    let message = error.to_string();
    assert!(message.contains(&format!("process id {}", holder.pid.expect("it left a note"))), "{message}");
    assert!(message.contains("stop that one first"), "{message}");
    assert_ne!(holder.pid, Some(std::process::id()));
    child.kill();
    assert!(open(folder.path()).is_ok(), "a killed process holds nothing");
    let store = open(folder.path()).expect("it opens");
    assert!(matches!(refused(folder.path()), OpenError::InUse { .. }), "nor may this process open it twice");
    drop(store);
}

/// Opens a damaged copy of a good folder: it must be refused, with a message that says what, and left as it is.
fn damaged(what: &str, damage: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = open(folder.path()).expect("it opens");
    for at in 0..200 {
        put(&store, &format!("/c/{at}"), &"x".repeat(at * 7));
    }
    drop(store);
    damage(folder.path());
    let before = contents(folder.path());
    let error = refused(folder.path());
    let message = error.to_string();
    assert!(message.contains(what), "{message}");
    assert!(message.contains("ifmatch.db"), "{message}");
    assert!(contents(folder.path()) == before, "{message}: it was touched");
}

fn overwrite(folder: &Path, at: usize, octets: &[u8]) {
    let path = folder.join("ifmatch.db");
    let mut file = fs::read(&path).expect("readable");
    file[at..at + octets.len()].copy_from_slice(octets);
    fs::write(path, file).expect("writable");
}

#[test]
fn damaged_data_is_refused_and_left_alone() {
    let database = |folder: &Path| folder.join("ifmatch.db");
    damaged("it is empty", |folder| fs::write(database(folder), "").expect("writable"));
    damaged("does not begin as a database", |folder| fs::write(database(folder), "hello").expect("writable"));
    damaged("does not begin as a database", |folder| overwrite(folder, 3, b"\0"));
    damaged("but says that it has", |folder| {
        let file = fs::OpenOptions::new().write(true).open(database(folder)).expect("writable");
        file.set_len(8192).expect("it can be cut");
    });
    damaged("not one of ifmatch", |folder| overwrite(folder, 68, b"else"));
    damaged("use a newer one", |folder| overwrite(folder, 60, &[0, 0, 0, 9]));
    damaged("page size", |folder| overwrite(folder, 16, &[3, 0]));
    damaged("is damaged", |folder| overwrite(folder, 100, &[0xff; 300]));
    damaged("is damaged", |folder| overwrite(folder, 4096, &[0xff; 4096]));
    damaged("is damaged", |folder| overwrite(folder, 9 * 4096, &[0; 4096]));
    damaged("its log ifmatch.db-wal is there", |folder| {
        fs::rename(database(folder), folder.join("elsewhere")).expect("writable");
        fs::write(folder.join("ifmatch.db-wal"), [7; 4152]).expect("writable");
    });
}

#[test]
fn someone_elses_files_are_no_data_folder() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("writable");
    assert!(matches!(refused(&file), OpenError::Failed { .. }));
    assert!(matches!(refused(&file.join("below")), OpenError::Failed { .. }));
    assert_eq!(fs::read(&file).expect("readable"), b"x");
}

/// A crash while the database was being made leaves nothing that is taken for one.
#[test]
fn a_half_made_database_is_made_anew() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    fs::write(folder.path().join("ifmatch.db.new"), "half").expect("writable");
    put(&open(folder.path()).expect("it opens"), "/a", "x");
    assert!(!folder.path().join("ifmatch.db.new").exists());
}

/// Run as a child, as a user who may not write.
#[test]
fn child_may_not_write() {
    let Some(folder) = child::folder() else { return };
    let error = refused(&folder);
    child::tell(&format!("{} {error}", matches!(error, OpenError::NotWritable { .. })));
}

#[test]
fn a_folder_that_is_not_writable() {
    const NOBODY: u32 = 65534;
    // The child is this binary under another user: both need a place that user can get to.
    let folder = tempfile::tempdir().expect("a folder can be made");
    let data = folder.path().join("data");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    let binary = folder.path().join("tests");
    fs::copy(std::env::current_exe().expect("this binary has a path"), &binary).expect("it can be copied");
    drop(open(&data).expect("it opens"));
    fs::set_permissions(&data, fs::Permissions::from_mode(0o555)).expect("ours");
    fs::set_permissions(data.join("ifmatch.lock"), fs::Permissions::from_mode(0o444)).expect("ours");
    let before = contents(&data);
    let mut command = child::command_of(&binary, "folder::child_may_not_write", &data);
    // Root may write anywhere, so root's tests run the child as someone else.
    if fs::metadata(&binary).is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0) {
        command.uid(NOBODY).gid(NOBODY);
    }
    let told = Running::start(command).finish();
    let [line] = &told[..] else { unreachable!("{told:?}") };
    assert!(line.starts_with("true ") && line.contains("must be writable"), "{line}");
    assert!(contents(&data) == before);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("ours");
}
