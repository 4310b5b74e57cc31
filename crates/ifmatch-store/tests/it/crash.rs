//! A process that is killed while it commits: what it acknowledged is there, whole, and no revision is used again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use ifmatch_core::{Expected, Revision};
use ifmatch_store::conformance::block_on;
use ifmatch_store::{Committed, Document, Head, Options, Snapshot, Sqlite, Stamp, Store, Transaction};

use crate::child::{self, Running};

const WRITERS: usize = 12;
const ROUNDS: u64 = 15;

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(folder, Options::default()).expect("the store opens")
}

fn keys(writer: usize) -> (String, String) {
    (format!("/c/{writer}/a"), format!("/c/{writer}/b"))
}

/// One writer's two documents, changed together: `a` holds the count, `b` as well if it is odd, else it is deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Pair {
    count: u64,
    revision: u64,
}

fn pair(store: &Sqlite, writer: usize) -> (Pair, Expected, Expected) {
    let (a, b) = keys(writer);
    let (a, b) = (store.read(&a).expect("readable"), store.read(&b).expect("readable"));
    let Snapshot::Present { stamp, document } = a else {
        assert_eq!(
            (a, b),
            (Snapshot::Absent, Snapshot::Absent),
            "nothing is there before the first transaction"
        );
        return (Pair::default(), Expected::Absent, Expected::Absent);
    };
    let text = |document: &Document| String::from_utf8_lossy(&document.content).into_owned();
    let count: u64 = text(&document).split(' ').next().and_then(|count| count.parse().ok()).expect("a count");
    match &b {
        Snapshot::Present { stamp: other, document: same } if count % 2 == 1 => {
            assert_eq!(
                (text(same), other.revision.0),
                (text(&document), stamp.revision.0 + 1),
                "half a transaction"
            );
        }
        Snapshot::Deleted(other) if count.is_multiple_of(2) => {
            assert_eq!(other.revision.0, stamp.revision.0 + 1, "half a transaction");
        }
        other => unreachable!("half a transaction: {count} and {other:?}"),
    }
    let seen =
        |stamp: Option<Stamp>| stamp.map_or(Expected::Absent, |stamp| Expected::Exactly(stamp.revision));
    (Pair { count, revision: stamp.revision.0 }, seen(Some(stamp)), seen(b.current()))
}

fn step(store: &Sqlite, writer: usize) -> Pair {
    let (before, seen_a, seen_b) = pair(store, writer);
    let count = before.count + 1;
    let (a, b) = keys(writer);
    // Sizes that fit a page, and such that do not.
    let content = format!("{count} {}", "x".repeat(usize::try_from(count * 997 % 9000).expect("small")));
    let put = Transaction::new().put(a, seen_a, Document::new(content.clone()));
    let both =
        if count % 2 == 1 { put.put(b, seen_b, Document::new(content)) } else { put.delete(b, seen_b) };
    match block_on(store.commit(both)) {
        Ok(Committed::Done(stamps)) => Pair { count, revision: stamps[0].revision.0 },
        other => unreachable!("nobody else writes here: {other:?}"),
    }
}

/// Run as a child: commits from several threads until it is killed.
#[test]
fn child_writes() {
    let Some(folder) = child::folder() else { return };
    let store = Arc::new(open(&folder));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                loop {
                    let Pair { count, revision } = step(&store, writer);
                    child::tell(&format!("{writer} {count} {revision}"));
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().expect("it never ends"));
}

#[test]
fn killed_while_committing() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    // What every revision that was ever acknowledged named.
    let mut named: HashMap<u64, (u64, u64)> = HashMap::new();
    let mut acknowledged = [Pair::default(); WRITERS];
    let mut incarnation = None;
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut child = Running::start(child::command("crash::child_writes", folder.path()));
        let mut told: Vec<String> = (0..20 + (random >> 33) % 1500).map_while(|_| child.next()).collect();
        told.extend(child.kill());
        for line in told {
            let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().expect("a number")).collect();
            let &[writer, count, revision] = &numbers[..] else { unreachable!("{line}") };
            let last = &mut acknowledged[usize::try_from(writer).expect("small")];
            assert!(count > last.count && revision > last.revision, "{line} after {last:?}");
            *last = Pair { count, revision };
            for (revision, document) in [(revision, 0), (revision + 1, 1)] {
                let name = (writer * 2 + document, count);
                let before = named.insert(revision, name);
                assert!(before.is_none(), "revision {revision} named {before:?}, now {name:?}");
            }
        }
        let store = open(folder.path());
        let lasting = incarnation.get_or_insert_with(|| store.incarnation().to_owned());
        assert_eq!(lasting, store.incarnation());
        for (writer, last) in acknowledged.into_iter().enumerate() {
            let there = pair(&store, writer).0;
            // One more may have become durable whose acknowledgement did not get out.
            assert!(
                there == last || there.count == last.count + 1,
                "round {round}: {there:?}, acknowledged {last:?}"
            );
            let collection = store.collection(&format!("/c/{writer}/")).expect("readable");
            let newest = if there.count == 0 { 0 } else { there.revision + 1 };
            assert_eq!(collection, Revision(newest));
        }
        // Nor is a revision used again by what comes after.
        let stamp =
            match block_on(store.commit(Transaction::new().put("/x", Expected::Any, Document::new("")))) {
                Ok(Committed::Done(stamps)) => stamps[0],
                other => unreachable!("{other:?}"),
            };
        assert!(named.keys().all(|revision| *revision < stamp.revision.0));
        assert_eq!(store.stamp("/x").map(|head: Head| head.current()), Ok(Some(stamp)));
    }
    assert!(named.len() > 1000, "the children did commit");
}
