//! The one thread that writes: it takes whatever waits and makes it durable as one group.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ifmatch_core::HttpDate;
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode};

use super::cache::Cache;
use super::checkpoint::{self, Checkpointer};
use super::group::{self, Ended, Statements};
use super::queue::{Answer, Job, Queue, Woken};
use super::stats::Counters;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::model::{Action, Committed, Snapshot};

/// Revisions whose owners are remembered, newest last (see [`Store::owner`](crate::Store::owner)).
const OWNERS_MAX: usize = 16_384;

/// What the writer shares with the rest of the engine.
pub(super) struct Shared {
    /// The data folder, for messages.
    pub(super) place: Arc<str>,
    pub(super) queue: Queue,
    pub(super) cache: Cache,
    pub(super) clock: Clock,
    /// How far ahead the clock's ceiling is kept.
    pub(super) reserve_seconds: i64,
    pub(super) counters: Counters,
    /// In the order of revisions.
    pub(super) owners: Mutex<VecDeque<(u64, String)>>,
    pub(super) checkpointer: Checkpointer,
}

impl Shared {
    pub(super) fn refuse_if_poisoned(&self) -> Result<(), StoreError> {
        self.counters.poisoned().map_or(Ok(()), |cause| Err(self.poisoned(cause)))
    }

    fn poisoned(&self, cause: &Arc<str>) -> StoreError {
        StoreError::Poisoned { place: Arc::clone(&self.place), cause: Arc::clone(cause) }
    }

    /// What an error of SQLite's that changed nothing is to the caller.
    pub(super) fn not_applied(&self, what: &'static str, error: &rusqlite::Error) -> StoreError {
        let place = Arc::clone(&self.place);
        if group::is_full(error) {
            return StoreError::Full { place };
        }
        let cause = error.to_string().into();
        if is_damage(error) {
            StoreError::Damaged { place, cause }
        } else {
            StoreError::Failed { place, what, cause }
        }
    }
}

/// Runs until the queue is closed and empty. The connection is for writing and used by nobody else.
pub(super) fn run(db: &Connection, shared: &Arc<Shared>) {
    // If this thread ends in any other way than by being told to, nobody must wait for it.
    let _last_words = LastWords(shared);
    let statements = match Statements::prepare(db) {
        Ok(statements) => statements,
        Err(error) => return shared.counters.poison(&error.to_string().into()),
    };
    // Often enough to keep the clock's ceiling ahead.
    let patience = Duration::from_secs((shared.reserve_seconds.unsigned_abs() / 3).clamp(1, 3600));
    let mut writer = Writer { db, statements, shared, group: Vec::new() };
    loop {
        match shared.queue.take(&mut writer.group, patience) {
            Woken::Jobs => writer.commit_group(),
            Woken::Nothing => {}
            Woken::Closed => break,
        }
        if shared.counters.poisoned().is_none() {
            writer.keep_house();
        }
    }
    if shared.counters.poisoned().is_none() {
        writer.finish();
    }
}

struct LastWords<'a>(&'a Shared);

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        let queue = &self.0.queue;
        queue.close();
        if std::thread::panicking() {
            self.0.counters.poison(&"the writing thread panicked".into());
        }
        // What still waits was not looked at, so it was certainly not applied.
        let mut rest = Vec::new();
        while queue.take(&mut rest, Duration::ZERO) == Woken::Jobs {
            rest.drain(..).for_each(|job| answer(job, Err(StoreError::Closed)));
        }
    }
}

fn answer(job: Job, with: Answer) {
    // Whoever asked may have gone; the transaction is as durable as if it had stayed.
    drop(job.answer.send(with));
}

struct Writer<'db> {
    db: &'db Connection,
    statements: Statements<'db>,
    shared: &'db Shared,
    group: Vec<Job>,
}

impl Writer<'_> {
    fn commit_group(&mut self) {
        if let Some(cause) = self.shared.counters.poisoned() {
            let jobs = self.group.drain(..);
            Counters::add(&self.shared.counters.failures, jobs.len());
            jobs.for_each(|job| answer(job, Err(self.shared.poisoned(cause))));
            return;
        }
        let now = self.shared.clock.hold();
        let ceiling = now.plus_seconds(self.shared.reserve_seconds);
        let changes = self.group.iter().flat_map(|job| &job.transaction.changes);
        self.shared.cache.begin_group(changes.map(|change| change.key.as_str()));
        let ended = group::commit(self.db, &mut self.statements, &self.group, now, ceiling);
        // A group without a change made no ceiling durable either.
        let changed = match &ended {
            Ended::Durable(results) => {
                results.is_empty()
                    || results
                        .iter()
                        .any(|result| matches!(result, Committed::Done(done) if !done.is_empty()))
            }
            Ended::NotApplied(_) | Ended::Unknown(..) => false,
        };
        self.shared.clock.release(changed.then_some(ceiling));
        match ended {
            Ended::Durable(results) => self.durable(results, changed),
            Ended::NotApplied(error) => {
                self.shared.cache.end_group();
                self.not_applied(&error);
            }
            Ended::Unknown(error, results) => {
                self.shared.cache.end_group();
                self.unknown(&error, &results);
            }
        }
    }

    fn durable(&mut self, results: Vec<Committed>, changed: bool) {
        let counters = &self.shared.counters;
        if changed {
            Counters::add(&counters.groups, 1);
        }
        let (mut commits, mut mismatches, mut bytes) = (0, 0, 0);
        let mut owners = self.shared.owners.lock();
        for (job, result) in self.group.iter_mut().zip(&results) {
            let Committed::Done(stamps) = result else {
                mismatches += 1;
                continue;
            };
            commits += 1;
            bytes += job.bytes;
            for (change, stamp) in job.transaction.changes.drain(..).zip(stamps) {
                let snapshot = match change.action {
                    Action::Put(document) => Snapshot::Present { stamp: *stamp, document },
                    Action::Delete => Snapshot::Deleted(*stamp),
                };
                self.shared.cache.changed(&change.key, snapshot);
                if owners.len() == OWNERS_MAX {
                    owners.pop_front();
                }
                owners.push_back((stamp.revision.0, change.key));
            }
        }
        drop(owners);
        self.shared.cache.end_group();
        self.group.drain(..).zip(results).for_each(|(job, result)| answer(job, Ok(result)));
        Counters::add(&counters.commits, commits);
        Counters::add(&counters.mismatches, mismatches);
        Counters::add(&counters.bytes, bytes);
    }

    fn not_applied(&mut self, error: &rusqlite::Error) {
        let counters = &self.shared.counters;
        if is_fatal(error) {
            counters.poison(&error.to_string().into());
        } else {
            counters.note_error(&error.to_string());
        }
        Counters::add(&counters.failures, self.group.len());
        let answered = self.shared.not_applied("write", error);
        self.group.drain(..).for_each(|job| answer(job, Err(answered.clone())));
    }

    /// The device failed while the group was made durable. What it says from now on about the same data proves
    /// nothing (a second flush may succeed because the system has given the data up): nothing is tried again.
    fn unknown(&mut self, error: &rusqlite::Error, results: &[Committed]) {
        let cause: Arc<str> = error.to_string().into();
        self.shared.counters.poison(&cause);
        Counters::add(&self.shared.counters.failures, self.group.len());
        let unknown =
            StoreError::Unknown { place: Arc::clone(&self.shared.place), cause: Arc::clone(&cause) };
        for (index, job) in self.group.drain(..).enumerate() {
            // A transaction whose expectations did not hold would have changed nothing either way. What it was held
            // against may not be durable, so that is not told.
            let certain = matches!(results.get(index), Some(Committed::Mismatch(_)));
            answer(job, Err(if certain { self.shared.poisoned(&cause) } else { unknown.clone() }));
        }
    }

    /// What is done between groups: the ceiling of the clock, and the log's length.
    fn keep_house(&mut self) {
        if self.shared.clock.ceiling_within(self.shared.reserve_seconds / 2) {
            self.commit_group();
        }
        checkpoint::by_writer(self.db, self.shared);
    }

    /// A clean end: the clock's ceiling comes down to what was given out, and the log becomes empty.
    fn finish(&mut self) {
        let now: HttpDate = self.shared.clock.now();
        let lowered = self.db.execute("UPDATE store SET clock = ?1 WHERE id = 1", (now.unix(),));
        let emptied = lowered.and_then(|_| checkpoint::empty_log(self.db));
        if let Err(error) = emptied {
            // Nothing is lost by it: the next start does the same.
            self.shared.counters.note_error(&error.to_string());
        }
    }
}

/// The data makes no sense.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(error, E::InvalidColumnType(..) | E::FromSqlConversionFailure(..) | E::Utf8Error(..))
}

/// After which nothing more is written.
pub(super) fn is_fatal(error: &rusqlite::Error) -> bool {
    is_damage(error)
        || matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly)
        )
}
