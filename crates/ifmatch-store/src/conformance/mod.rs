//! What every engine must do: a suite to be run against any [`Store`].
//!
//! ```
//! ifmatch_store::conformance::run(ifmatch_store::Memory::with_time);
//! ```

mod cases;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use ifmatch_core::{Expected, HttpDate, Revision};

use crate::{Committed, Document, Mismatch, Stamp, Store, TimeSource, Transaction};

/// Runs every case against an engine of its own.
///
/// `open` makes an empty one that takes its time from the source given.
///
/// # Panics
/// If the engine does not do as it should; the message begins with the name of the case.
pub fn run<S: Store>(open: impl Fn(TimeSource) -> S) {
    for (name, case) in cases::all::<S>() {
        let time = Time::default();
        let bench = Bench { name, store: open(time.source()), time };
        case(&bench);
    }
}

/// Runs a future to its end on this thread, with no runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A time that passes when it is told to.
#[derive(Clone)]
pub struct Time(Arc<AtomicI64>);

impl Default for Time {
    fn default() -> Self {
        const START: i64 = 1_795_000_000;
        Self(Arc::new(AtomicI64::new(START)))
    }
}

impl Time {
    /// To open an engine with.
    pub fn source(&self) -> TimeSource {
        let seconds = Arc::clone(&self.0);
        Arc::new(move || HttpDate::from_unix(seconds.load(Ordering::SeqCst)))
    }

    /// Lets time pass, or go back.
    pub fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// What the source says.
    pub fn now(&self) -> HttpDate {
        HttpDate::from_unix(self.0.load(Ordering::SeqCst))
    }
}

/// One engine under test, and short words for what is done to it.
struct Bench<S> {
    name: &'static str,
    store: S,
    time: Time,
}

impl<S: Store> Bench<S> {
    fn commit(&self, transaction: Transaction) -> Committed {
        let committed = block_on(self.store.commit(transaction));
        committed.unwrap_or_else(|error| self.fail(&format!("a commit failed: {error}")))
    }

    #[track_caller]
    fn done(&self, transaction: Transaction) -> Vec<Stamp> {
        match self.commit(transaction) {
            Committed::Done(stamps) => stamps,
            Committed::Mismatch(mismatch) => self.fail(&format!("unexpected {mismatch:?}")),
        }
    }

    #[track_caller]
    fn put(&self, key: &str, expected: Expected) -> Stamp {
        self.done(Transaction::new().put(key, expected, Document::new(key.to_owned())))[0]
    }

    #[track_caller]
    fn delete(&self, key: &str, expected: Expected) -> Stamp {
        self.done(Transaction::new().delete(key, expected))[0]
    }

    /// Asserts that a transaction is refused and changes nothing.
    #[track_caller]
    fn refused(&self, transaction: Transaction, key: &str, current: Option<Stamp>) {
        match self.commit(transaction) {
            Committed::Mismatch(found) => {
                assert_eq!(found, Mismatch { key: key.to_owned(), current }, "{}", self.name);
            }
            Committed::Done(stamps) => self.fail(&format!("{key}: a mismatch was committed as {stamps:?}")),
        }
    }

    #[track_caller]
    fn current(&self, key: &str) -> Option<Stamp> {
        let snapshot = self.ok(self.store.read(key));
        let head = self.ok(self.store.stamp(key));
        assert_eq!(snapshot.head(), head, "{}: read and stamp agree", self.name);
        head.current()
    }

    #[track_caller]
    fn collection(&self, key: &str) -> Revision {
        let revision = self.ok(self.store.collection(key));
        assert_eq!(
            self.ok(self.store.list(key, None, 1)).revision,
            revision,
            "{}: list and collection agree",
            self.name
        );
        revision
    }

    /// All keys of a collection, read in pages.
    #[track_caller]
    fn listed(&self, collection: &str, page: usize) -> Vec<String> {
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let listing = self.ok(self.store.list(collection, after.as_deref(), page));
            assert!(listing.items.len() <= page, "{}: more than asked for", self.name);
            keys.extend(listing.items.into_iter().map(|item| item.key));
            after = listing.next;
            if after.is_none() {
                return keys;
            }
        }
    }

    #[track_caller]
    fn ok<T>(&self, result: Result<T, crate::StoreError>) -> T {
        result.unwrap_or_else(|error| self.fail(&error.to_string()))
    }

    #[track_caller]
    #[allow(clippy::panic, reason = "failing is what a suite of tests is for")]
    fn fail(&self, message: &str) -> ! {
        panic!("{}: {message}", self.name)
    }
}
