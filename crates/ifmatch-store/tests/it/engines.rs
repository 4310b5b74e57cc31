//! Both engines pass the same suite and, given the same transactions, come to the same results.

use std::cell::Cell;
use std::path::Path;

use ifmatch_core::{Expected, Revision};
use ifmatch_store::conformance::{self, Time, block_on};
use ifmatch_store::{Committed, Document, Memory, Options, Sqlite, Store, TimeSource, Transaction};
use proptest::prelude::*;

fn sqlite(folder: &Path, source: TimeSource) -> Sqlite {
    Sqlite::open(folder, Options::default().with_time(source)).expect("the store opens")
}

#[test]
fn memory_conforms() {
    conformance::run(Memory::with_time);
}

#[test]
fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let count = Cell::new(0);
    conformance::run(|source| {
        count.set(count.get() + 1);
        sqlite(&folder.path().join(count.get().to_string()), source)
    });
}

const KEYS: [&str; 8] = ["/a", "/b", "/c/a", "/c/b", "/c/d/a", "/c/d/b", "/c", "/c0"];
const COLLECTIONS: [&str; 4] = ["/", "/c/", "/c/d/", "/none/"];

/// What a writer claims to have seen: how many revisions before the last one, or nothing, or nothing in particular.
type Seen = (u8, u64);

fn seen() -> impl Strategy<Value = Seen> {
    (0..4u8, 0..12u64)
}

#[derive(Clone, Debug)]
enum Step {
    Commit { checks: Vec<(usize, Seen)>, changes: Vec<(usize, Seen, Option<Vec<u8>>)> },
    Pass(i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let content = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        1 => (0..9000usize).prop_map(|length| Some(vec![7; length])),
        1 => Just(None),
    ];
    let checks = prop::collection::vec((0..KEYS.len() + COLLECTIONS.len(), seen()), 0..2);
    let changes = prop::collection::vec((0..KEYS.len(), seen(), content), 0..4);
    prop_oneof![
        20 => (checks, changes).prop_map(|(checks, changes)| Step::Commit { checks, changes }),
        2 => (-3..20i64).prop_map(Step::Pass),
        1 => Just(Step::Reopen),
    ]
}

fn transaction(step: &Step, last: u64) -> Transaction {
    let Step::Commit { checks, changes } = step else { return Transaction::new() };
    let expected = |(kind, back): Seen| match kind {
        0 => Expected::Absent,
        1 => Expected::Any,
        _ => Expected::Exactly(Revision(last.saturating_sub(back))),
    };
    let key = |at: usize| KEYS.get(at).copied().unwrap_or_else(|| COLLECTIONS[at - KEYS.len()]);
    let with_checks =
        checks.iter().fold(Transaction::new(), |t, (at, seen)| t.check(key(*at), expected(*seen)));
    changes.iter().fold(with_checks, |t, (at, seen, content)| match content {
        Some(content) => t.put(key(*at), expected(*seen), Document::new(content.clone())),
        None => t.delete(key(*at), expected(*seen)),
    })
}

fn agree(memory: &Memory, sqlite: &Sqlite) {
    for key in KEYS {
        assert_eq!(memory.read(key), sqlite.read(key));
        assert_eq!(memory.stamp(key), sqlite.stamp(key));
    }
    for collection in COLLECTIONS {
        assert_eq!(memory.collection(collection), sqlite.collection(collection));
        for (after, limit) in
            [(None, 1), (None, 100), (Some("/b"), 2), (Some("/c/d/a"), 1), (Some("/c/a"), 3)]
        {
            assert_eq!(memory.list(collection, after, limit), sqlite.list(collection, after, limit));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_engines_agree(steps in prop::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let time = Time::default();
        let memory = Memory::with_time(time.source());
        let mut durable = sqlite(folder.path(), time.source());
        let mut last = 0;
        for step in &steps {
            match step {
                Step::Pass(seconds) => time.pass(*seconds),
                Step::Reopen => {
                    let incarnation = durable.incarnation().to_owned();
                    drop(durable);
                    durable = sqlite(folder.path(), time.source());
                    prop_assert_eq!(durable.incarnation(), incarnation);
                }
                Step::Commit { .. } => {
                    let (one, other) = (transaction(step, last), transaction(step, last));
                    let (one, other) = (block_on(memory.commit(one)), block_on(durable.commit(other)));
                    prop_assert_eq!(&one, &other);
                    if let Ok(Committed::Done(stamps)) = one {
                        last = stamps.last().map_or(last, |stamp| stamp.revision.0);
                    }
                }
            }
            prop_assert_eq!(memory.now(), durable.now());
        }
        agree(&memory, &durable);
    }
}
