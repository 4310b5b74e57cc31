//! The durable engine: SQLite with a write-ahead log, one writing thread, readers inline.
//!
//! **Invariant:** a commit is answered only after the log was flushed. **Invariant:** a failed flush is never tried
//! again; the store refuses writes from then on.

mod cache;
mod checkpoint;
mod folder;
mod group;
mod open;
mod queue;
mod reader;
mod schema;
mod stats;
mod wal;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use ifmatch_core::{HttpDate, Revision};
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::limits::{check_collection_key, check_document_key, check_transaction};
use crate::model::{Committed, Head, Listing, Snapshot, Transaction};
use crate::store::Store;
use folder::Folder;
use queue::{Job, NotAdmitted};
use reader::Readers;
use stats::Counters;
use writer::Shared;

pub use folder::Holder;
pub(crate) use open::draw_incarnation;
pub use open::{CLOCK_RESERVE_SECONDS, OpenError, Options};
pub use stats::Stats;

/// The durable [`Store`]: one file `ifmatch.db` (and its log) in a data folder that one process uses at a time.
///
/// Commits that arrive together are made durable together by one thread; reads run on the caller's thread and wait for
/// nobody. Dropping the store writes what was accepted, copies the log into the file and ends the threads.
pub struct Sqlite {
    incarnation: String,
    content_bytes_max: usize,
    shared: Arc<Shared>,
    readers: Readers,
    writer: Option<JoinHandle<()>>,
    checkpointer: Option<JoinHandle<()>>,
    /// The database file, for flushing it. Declared after everything that has a connection: see [`checkpoint::run`].
    _file: Arc<File>,
    /// Last, so that the lock is held until everything else has ended.
    _folder: Folder,
}

impl Sqlite {
    /// Opens the store in the folder `data`, which is made if it is missing.
    ///
    /// Takes milliseconds, after a crash up to a second: what the log holds is made durable in the file before
    /// anything is shown, because a process that was killed may have written it without flushing it.
    ///
    /// # Errors
    /// See [`OpenError`]. Whatever it is, existing data is left as it was.
    pub fn open(data: &Path, options: Options) -> Result<Self, OpenError> {
        open::open(data, options)
    }

    /// What the engine did since it was opened.
    pub fn stats(&self) -> Stats {
        self.shared.counters.stats(self.shared.queue.len(), self.shared.clock.ahead_seconds())
    }

    fn reading<T>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.readers.with(&self.shared.counters, read).map_err(|error| {
            self.shared.counters.note_error(&error.to_string());
            self.shared.not_applied("read", &error)
        })
    }

    fn enqueue(&self, transaction: Transaction) -> Result<oneshot::Receiver<queue::Answer>, StoreError> {
        check_transaction(&transaction, self.content_bytes_max)?;
        self.shared.refuse_if_poisoned()?;
        let (answer, answered) = oneshot::channel();
        let bytes = transaction.bytes();
        self.shared.queue.push(Job { transaction, bytes, answer }).map_err(|refused| match refused {
            NotAdmitted::Busy { waiting } => {
                Counters::add(&self.shared.counters.turned_away, 1);
                StoreError::Busy { waiting }
            }
            NotAdmitted::Closed => self.shared.refuse_if_poisoned().err().unwrap_or(StoreError::Closed),
        })?;
        Ok(answered)
    }

    /// The answer channel was dropped with the transaction in the writer's hands.
    fn unanswered(&self) -> StoreError {
        let cause = "the writing thread ended without an answer".into();
        StoreError::Unknown { place: Arc::clone(&self.shared.place), cause }
    }
}

impl Store for Sqlite {
    fn incarnation(&self) -> &str {
        &self.incarnation
    }

    fn now(&self) -> HttpDate {
        self.shared.clock.now()
    }

    fn read(&self, key: &str) -> Result<Snapshot, StoreError> {
        check_document_key(key)?;
        let cache = &self.shared.cache;
        if let Some(snapshot) = cache.find(key, Snapshot::clone) {
            return Ok(snapshot);
        }
        let before = cache.before_reading();
        let snapshot = self.reading(|db| reader::read(db, key))?;
        cache.found(before, key, &snapshot);
        Ok(snapshot)
    }

    fn stamp(&self, key: &str) -> Result<Head, StoreError> {
        check_document_key(key)?;
        match self.shared.cache.find(key, Snapshot::head) {
            Some(head) => Ok(head),
            None => self.reading(|db| reader::head(db, key)),
        }
    }

    fn collection(&self, key: &str) -> Result<Revision, StoreError> {
        check_collection_key(key)?;
        self.reading(|db| reader::collection(db, key))
    }

    fn list(&self, collection: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        check_collection_key(collection)?;
        self.reading(|db| reader::list(db, collection, after, limit))
    }

    fn owner(&self, revision: Revision) -> Result<Option<String>, StoreError> {
        let remembered = {
            let owners = self.shared.owners.lock();
            let found = owners.binary_search_by_key(&revision.0, |(revision, _)| *revision);
            found.ok().map(|index| owners[index].1.clone())
        };
        let Some(key) = remembered else { return Ok(None) };
        let current = self.stamp(&key)?.current();
        Ok(current.filter(|stamp| stamp.revision == revision).map(|_| key))
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        let answered = self.enqueue(transaction)?;
        answered.await.unwrap_or_else(|_| Err(self.unanswered()))
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        let join = |thread: &mut Option<JoinHandle<()>>| {
            // A thread that panicked has poisoned the store; there is nothing else to do about it here.
            drop(thread.take().map(JoinHandle::join));
        };
        // The writer's last checkpoint wants the log for itself.
        self.shared.checkpointer.stop();
        join(&mut self.checkpointer);
        self.readers.close();
        self.shared.queue.close();
        join(&mut self.writer);
    }
}
