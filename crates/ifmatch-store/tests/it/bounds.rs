//! What is bounded: the size of the store, of documents, and of what may wait.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ifmatch_core::{Expected, Revision};
use ifmatch_store::conformance::block_on;
use ifmatch_store::{Committed, Document, Options, Snapshot, Sqlite, Store, StoreError, Transaction};

fn small(folder: &Path) -> Sqlite {
    const FILE_BYTES_MAX: u64 = 60 * 4096;
    let mut options = Options::default();
    options.file_bytes_max = Some(FILE_BYTES_MAX);
    Sqlite::open(folder, options).expect("it opens")
}

fn large(octet: u8) -> Document {
    Document::new(vec![octet; 10_000])
}

#[test]
fn a_full_store_changes_nothing_reads_on_and_recovers() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut store = small(folder.path());
    for reopened in [false, true] {
        let mut kept = Vec::new();
        let refused = loop {
            // Two documents each, so that half a transaction would show.
            let name = |half: u8| format!("/c/{}-{half}-{reopened}", kept.len());
            let two = Transaction::new().put(name(0), Expected::Absent, large(0)).put(
                name(1),
                Expected::Absent,
                large(1),
            );
            match block_on(store.commit(two)) {
                Ok(Committed::Done(stamps)) => kept.extend([(name(0), stamps[0]), (name(1), stamps[1])]),
                Ok(other) => unreachable!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        assert_eq!(refused.applied(), Some(false));
        assert!(refused.to_string().contains(&folder.path().display().to_string()), "{refused}");
        let last = kept.last().expect("something fits").1;
        for half in [0, 1] {
            let absent = store.read(&format!("/c/{}-{half}-{reopened}", kept.len()));
            assert_eq!(absent, Ok(Snapshot::Absent), "half a transaction");
        }
        assert_eq!(store.collection("/c/"), Ok(last.revision));
        assert!(!store.stats().poisoned);
        assert!(store.now() >= ifmatch_core::HttpDate::from_unix(1_600_000_000));
        // A full store opens, and is still full.
        drop(store);
        store = small(folder.path());
        for (key, stamp) in &kept {
            assert_eq!(store.read(key).map(|snapshot| snapshot.current()), Ok(Some(*stamp)), "{key}");
        }
        assert!(
            block_on(store.commit(Transaction::new().put("/x", Expected::Absent, large(0)).put(
                "/y",
                Expected::Absent,
                large(0)
            )))
            .is_err()
        );
        // Deleting makes room; the revision that was refused is the next one, and was never shown.
        let every = kept
            .iter()
            .fold(Transaction::new(), |t, (key, stamp)| t.delete(key, Expected::Exactly(stamp.revision)));
        let Ok(Committed::Done(stamps)) = block_on(store.commit(every)) else {
            unreachable!("deletes need no room")
        };
        assert_eq!(stamps[0].revision, Revision(last.revision.0 + 1));
    }
}

#[test]
fn an_engine_keeps_the_limit_it_was_told() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut options = Options::default();
    options.content_bytes_max = Some(10);
    let store = Sqlite::open(folder.path(), options).expect("it opens");
    let put = |length: usize| {
        block_on(store.commit(Transaction::new().put("/a", Expected::Any, Document::new(vec![0; length]))))
    };
    assert!(matches!(put(11), Err(StoreError::ContentTooLarge { bytes: 11, bytes_max: 10, .. })));
    assert!(put(10).is_ok());
}

/// More transactions than may wait are turned away at once, and nothing else happens to them.
#[test]
fn what_waits_is_bounded() {
    const LARGE: usize = 15 << 20;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Sqlite::open(folder.path(), Options::default()).expect("it opens");
    let mut waker = Context::from_waker(Waker::noop());
    let (mut busy, mut queued) = (Vec::new(), Vec::new());
    let content = Document::new(vec![7; LARGE]);
    for at in 0..400 {
        let put = Transaction::new().put(format!("/{at}"), Expected::Absent, content.clone());
        match pin!(store.commit(put)).poll(&mut waker) {
            Poll::Ready(Err(StoreError::Busy { waiting })) => {
                assert!(waiting > 0);
                busy.push(at);
            }
            Poll::Ready(other) => assert!(other.is_ok(), "{other:?}"),
            Poll::Pending => queued.push(at),
        }
        if busy.len() > 2 {
            break;
        }
    }
    assert!(!busy.is_empty(), "the writer cannot flush {LARGE} bytes faster than they are queued");
    assert_eq!(store.stats().turned_away, busy.len() as u64);
    // A small one is let in as soon as there is room, and comes after those that wait.
    while let Err(StoreError::Busy { .. }) =
        block_on(store.commit(Transaction::new().check("/x", Expected::Absent)))
    {
        std::thread::yield_now();
    }
    for at in busy {
        assert_eq!(store.read(&format!("/{at}")), Ok(Snapshot::Absent));
    }
    for at in queued {
        assert!(store.stamp(&format!("/{at}")).is_ok_and(|head| head.current().is_some()));
    }
}

/// A collection of many tombstones is listed in bounded steps.
#[test]
fn a_listing_does_bounded_work() {
    use ifmatch_store::{CHANGES_MAX, LIST_SCAN_MAX};
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Sqlite::open(folder.path(), Options::default()).expect("it opens");
    let total = LIST_SCAN_MAX + CHANGES_MAX;
    let every = |change: fn(Transaction, String) -> Transaction| {
        for first in (0..total).step_by(CHANGES_MAX) {
            let some = (first..first + CHANGES_MAX)
                .fold(Transaction::new(), |t, at| change(t, format!("/c/{at:06}")));
            assert!(matches!(block_on(store.commit(some)), Ok(Committed::Done(_))));
        }
    };
    every(|t, key| t.put(key, Expected::Absent, Document::new("")));
    every(|t, key| t.delete(key, Expected::Any));
    let last = Transaction::new().put("/c/x", Expected::Absent, Document::new(""));
    assert!(block_on(store.commit(last)).is_ok());
    let first = store.list("/c/", None, 10).expect("it lists");
    assert!(first.items.is_empty());
    let next = first.next.expect("there is more");
    let second = store.list("/c/", Some(&next), 10).expect("it lists");
    assert_eq!(second.items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), ["/c/x"]);
    assert_eq!(second.next, None);
}
