//! Many writers at once: nothing is lost, nothing is half done, one wins.

use std::sync::Arc;

use ifmatch_core::Expected;
use ifmatch_store::{Committed, Document, Memory, Options, Snapshot, Sqlite, Store, Transaction};
use tokio::sync::Barrier;

const TASKS: u64 = 64;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("a runtime can be built")
}

/// Runs the same test with both engines.
fn with_each<F: Future<Output = ()>, G: Future<Output = ()>>(
    durable: impl FnOnce(Arc<Sqlite>) -> F,
    memory: impl FnOnce(Arc<Memory>) -> G,
) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let sqlite = Arc::new(Sqlite::open(folder.path(), Options::default()).expect("the store opens"));
    runtime().block_on(durable(sqlite));
    runtime().block_on(memory(Arc::new(Memory::new())));
}

async fn each_task<F: Future<Output = u64> + Send + 'static>(task: impl Fn(u64) -> F) -> u64 {
    let tasks: Vec<_> = (0..TASKS).map(|index| tokio::spawn(task(index))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("no task panics");
    }
    sum
}

fn number(snapshot: &Snapshot) -> u64 {
    match snapshot {
        Snapshot::Present { document, .. } => {
            std::str::from_utf8(&document.content).expect("digits").parse().expect("a number")
        }
        Snapshot::Absent | Snapshot::Deleted(_) => 0,
    }
}

fn seen(snapshot: &Snapshot) -> Expected {
    snapshot.current().map_or(Expected::Absent, |stamp| Expected::Exactly(stamp.revision))
}

async fn committed<S: Store>(store: &S, transaction: Transaction) -> bool {
    match store.commit(transaction).await.expect("commits do not fail") {
        Committed::Done(_) => true,
        Committed::Mismatch(mismatch) => {
            // What a mismatch reveals is durable: it can be read.
            let now = store.stamp(&mismatch.key).expect("it can be read").current();
            assert!(now.map(|stamp| stamp.revision) >= mismatch.current.map(|stamp| stamp.revision));
            false
        }
    }
}

async fn increments<S: Store>(store: Arc<S>) {
    const EACH: u64 = 10;
    let acknowledged = each_task(|_| {
        let store = Arc::clone(&store);
        async move {
            let mut done = 0;
            while done < EACH {
                let snapshot = store.read("/n").expect("it can be read");
                let next = Document::new((number(&snapshot) + 1).to_string());
                done +=
                    u64::from(committed(&*store, Transaction::new().put("/n", seen(&snapshot), next)).await);
            }
            done
        }
    })
    .await;
    assert_eq!(acknowledged, TASKS * EACH);
    assert_eq!(number(&store.read("/n").expect("it can be read")), acknowledged);
}

#[test]
fn no_acknowledged_increment_is_lost() {
    with_each(increments, increments);
}

/// The same without an expectation does lose updates: the test above would notice.
async fn blind_increments<S: Store>(store: Arc<S>) {
    const ROUNDS: u64 = 3;
    let barrier = Arc::new(Barrier::new(usize::try_from(TASKS).expect("it is small")));
    let acknowledged = each_task(|_| {
        let (store, barrier) = (Arc::clone(&store), Arc::clone(&barrier));
        async move {
            for _ in 0..ROUNDS {
                let next = number(&store.read("/n").expect("it can be read")) + 1;
                barrier.wait().await;
                assert!(
                    committed(
                        &*store,
                        Transaction::new().put("/n", Expected::Any, Document::new(next.to_string()))
                    )
                    .await
                );
                barrier.wait().await;
            }
            ROUNDS
        }
    })
    .await;
    assert_eq!(acknowledged, TASKS * ROUNDS);
    assert_eq!(number(&store.read("/n").expect("it can be read")), ROUNDS, "every round loses all but one");
}

#[test]
fn without_an_expectation_updates_are_lost() {
    with_each(blind_increments, blind_increments);
}

async fn creators<S: Store>(store: Arc<S>) {
    for round in 0..20 {
        let winners = each_task(|index| {
            let store = Arc::clone(&store);
            let create = Transaction::new().put(
                format!("/c/{round}"),
                Expected::Absent,
                Document::new(index.to_string()),
            );
            async move { u64::from(committed(&*store, create).await) }
        })
        .await;
        assert_eq!(winners, 1, "round {round}");
    }
}

#[test]
fn one_creator_wins() {
    with_each(creators, creators);
}

async fn delete_against_put<S: Store>(store: Arc<S>) {
    for round in 0..20 {
        let key = format!("/c/{round}");
        assert!(committed(&*store, Transaction::new().put(&key, Expected::Absent, Document::new("1"))).await);
        let there = seen(&store.read(&key).expect("it can be read"));
        let winners = each_task(|index| {
            let (store, all) = (Arc::clone(&store), Transaction::new());
            let one = if index % 2 == 0 {
                all.delete(&key, there)
            } else {
                all.put(&key, there, Document::new("2"))
            };
            async move { u64::from(committed(&*store, one).await) << (index % 2 * 8) }
        })
        .await;
        match store.read(&key).expect("it can be read") {
            Snapshot::Deleted(_) => assert_eq!(winners, 1, "a delete won alone"),
            Snapshot::Present { .. } => assert_eq!(winners, 1 << 8, "a put won alone"),
            Snapshot::Absent => unreachable!("it was created"),
        }
    }
}

#[test]
fn a_delete_and_a_put_do_not_both_win() {
    with_each(delete_against_put, delete_against_put);
}

/// Money moves between accounts, in transactions of two keys, while others read the sum under a check of both.
async fn transfers<S: Store>(store: Arc<S>) {
    const ACCOUNTS: u64 = 5;
    const EACH: u64 = 1000;
    let account = |index: u64| format!("/accounts/{}", index % ACCOUNTS);
    let open = (0..ACCOUNTS).fold(Transaction::new(), |t, index| {
        t.put(account(index), Expected::Absent, Document::new(EACH.to_string()))
    });
    assert!(committed(&*store, open).await);
    let sums = each_task(|index| {
        let store = Arc::clone(&store);
        async move {
            let read = |index: u64| store.read(&account(index)).expect("it can be read");
            for step in 0..10 {
                let (from, to) = (index + step, index + step * 3 + 1);
                if from % ACCOUNTS == to % ACCOUNTS {
                    continue;
                }
                let (one, other) = (read(from), read(to));
                let document = |number: u64| Document::new(number.to_string());
                let transfer = Transaction::new()
                    .put(account(from), seen(&one), document(number(&one) - 1))
                    .put(account(to), seen(&other), document(number(&other) + 1));
                committed(&*store, transfer).await;
            }
            // All accounts at one moment: read them, and make sure by checking all at once that none moved meanwhile.
            loop {
                let all: Vec<Snapshot> = (0..ACCOUNTS).map(read).collect();
                let checks = all
                    .iter()
                    .zip(0..)
                    .fold(Transaction::new(), |t, (snapshot, index)| t.check(account(index), seen(snapshot)));
                if committed(&*store, checks).await {
                    assert_eq!(all.iter().map(number).sum::<u64>(), ACCOUNTS * EACH);
                    return 1;
                }
            }
        }
    })
    .await;
    assert_eq!(sums, TASKS);
}

#[test]
fn transactions_of_several_keys_are_atomic() {
    with_each(transfers, transfers);
}

/// Dropping a commit's future takes nothing back and breaks nothing.
#[test]
fn a_commit_that_nobody_waits_for_is_whole() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Sqlite::open(folder.path(), Options::default()).expect("the store opens");
    let rt = runtime();
    for round in 0..200 {
        let pair = Transaction::new().put(format!("/a/{round}"), Expected::Absent, Document::new("1")).put(
            format!("/b/{round}"),
            Expected::Absent,
            Document::new("1"),
        );
        rt.block_on(async {
            tokio::select! {
                biased;
                committed = store.commit(pair) => assert!(matches!(committed, Ok(Committed::Done(_)))),
                () = async {} => {}
            }
        });
    }
    // Whoever comes after is answered after them.
    rt.block_on(async {
        assert!(store.commit(Transaction::new().check("/x", Expected::Absent)).await.is_ok());
    });
    for round in 0..200 {
        let there = |key: String| store.stamp(&key).expect("it can be read").current();
        let (one, other) = (there(format!("/a/{round}")), there(format!("/b/{round}")));
        assert_eq!(one.map(|stamp| stamp.revision.0 + 1), other.map(|stamp| stamp.revision.0));
        assert!(one.is_some(), "it had been queued");
    }
}

/// Whichever way a reader looks, what it has seen is not taken back: not by a cache, not by an older snapshot.
#[test]
fn reads_never_go_back() {
    const KEYS: u64 = 4;
    const CHANGES: u64 = 500;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut options = Options::default();
    // Room for few, so that they come and go.
    options.cache_bytes = Some(16 * 600);
    let store = Sqlite::open(folder.path(), options).expect("the store opens");
    let done = std::sync::atomic::AtomicBool::new(false);
    let key = |index: u64| format!("/c/{}", index % KEYS);
    std::thread::scope(|threads| {
        for reader in 0..3 {
            let (store, done) = (&store, &done);
            threads.spawn(move || {
                let mut newest = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    // All keys change in one transaction, so that each revision says how many there have been.
                    let seen = [
                        store.read(&key(reader)).expect("readable").current(),
                        store.stamp(&key(reader + 1)).expect("readable").current(),
                        store.read(&key(reader + 2)).expect("readable").current(),
                    ];
                    let listed = store.list("/c/", None, 1).expect("readable").items;
                    let seen = seen.into_iter().flatten().map(|stamp| stamp.revision);
                    for revision in seen.chain(listed.into_iter().map(|item| item.revision)) {
                        let transaction = revision.0.div_ceil(KEYS);
                        assert!(transaction >= newest, "{transaction} after {newest}");
                        newest = transaction;
                    }
                }
            });
        }
        for _ in 0..CHANGES {
            let all = (0..KEYS).fold(Transaction::new(), |t, index| {
                t.put(key(index), Expected::Any, Document::new("x".repeat(100)))
            });
            let committed = ifmatch_store::conformance::block_on(store.commit(all));
            assert!(matches!(committed, Ok(Committed::Done(_))));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
