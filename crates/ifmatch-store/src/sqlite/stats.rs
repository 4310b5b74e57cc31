//! What the engine did, in plain counters.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::checkpoint;

/// What a [`Sqlite`](super::Sqlite) engine did since it was opened.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Transactions that were applied.
    pub commits: u64,
    /// Transactions that were not, because an expectation did not hold.
    pub mismatches: u64,
    /// Transactions that failed, in any way.
    pub failures: u64,
    /// Groups of transactions made durable, one flush each.
    pub groups: u64,
    /// Bytes of keys, content and metadata in applied transactions.
    pub bytes: u64,
    /// Transactions that were turned away because too many waited.
    pub turned_away: u64,
    /// Transactions that wait now.
    pub waiting: u64,
    /// Bytes in the write-ahead log that its next frame goes behind.
    pub wal_bytes: u64,
    /// Checkpoints completed, beside the writer and by it.
    pub checkpoints: u64,
    /// Checkpoints for which the writer stopped with all its work, because the log had reached its bound.
    pub checkpoints_forced: u64,
    /// Read connections opened.
    pub readers: u64,
    /// How far the store's time is ahead of the system's clock, in seconds: the system's clock was set back, or the
    /// store crashed less than half a minute ago.
    pub ahead_seconds: u64,
    /// Whether writes are refused until the store is opened again.
    pub poisoned: bool,
    /// The last failure of the device or the database, if any.
    pub last_error: Option<String>,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) mismatches: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) groups: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) turned_away: AtomicU64,
    pub(super) checkpoints: AtomicU64,
    pub(super) checkpoints_forced: AtomicU64,
    pub(super) readers: AtomicU64,
    /// Pages in the write-ahead log.
    pub(super) wal_pages: AtomicU32,
    /// How many of them are in the database file too.
    pub(super) wal_pages_copied: AtomicU32,
    /// The checkpointer asks the writer to finish a checkpoint and begin the log anew.
    pub(super) restart_wanted: AtomicBool,
    poison: OnceLock<Arc<str>>,
    last_error: Mutex<Option<String>>,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Refuses all later writes. The first cause is kept.
    pub(super) fn poison(&self, cause: &Arc<str>) {
        self.note_error(cause);
        // Someone else's cause came first: that one is reported.
        drop(self.poison.set(Arc::clone(cause)));
    }

    pub(super) fn poisoned(&self) -> Option<&Arc<str>> {
        self.poison.get()
    }

    pub(super) fn note_error(&self, cause: &str) {
        *self.last_error.lock() = Some(cause.to_owned());
    }

    pub(super) fn stats(&self, waiting: usize, ahead_seconds: i64) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: read(&self.commits),
            mismatches: read(&self.mismatches),
            failures: read(&self.failures),
            groups: read(&self.groups),
            bytes: read(&self.bytes),
            turned_away: read(&self.turned_away),
            waiting: waiting as u64,
            wal_bytes: checkpoint::wal_bytes(self.wal_pages.load(Ordering::Relaxed)),
            checkpoints: read(&self.checkpoints),
            checkpoints_forced: read(&self.checkpoints_forced),
            readers: read(&self.readers),
            ahead_seconds: u64::try_from(ahead_seconds).unwrap_or(0),
            poisoned: self.poisoned().is_some(),
            last_error: self.last_error.lock().clone(),
        }
    }
}
