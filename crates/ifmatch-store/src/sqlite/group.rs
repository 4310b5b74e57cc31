//! One group of transactions: judged and applied one after the other, made durable together.

use std::collections::HashMap;

use ifmatch_core::{Expected, HttpDate, Revision};
use rusqlite::{Connection, OptionalExtension, Statement};

use super::queue::Job;
use crate::limits::{is_collection, parent};
use crate::model::{Action, Change, Committed, Document, Mismatch, Stamp, Transaction};

/// The statements of the writer, prepared once.
pub(super) struct Statements<'db> {
    begin: Statement<'db>,
    commit: Statement<'db>,
    rollback: Statement<'db>,
    sequence: Statement<'db>,
    set_sequence: Statement<'db>,
    find: Statement<'db>,
    insert: Statement<'db>,
    update: Statement<'db>,
    collection: Statement<'db>,
    set_collection: Statement<'db>,
}

impl<'db> Statements<'db> {
    pub(super) fn prepare(db: &'db Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            // The lock is taken now: a transaction that began by reading could not be made to write later.
            begin: db.prepare("BEGIN IMMEDIATE")?,
            commit: db.prepare("COMMIT")?,
            rollback: db.prepare("ROLLBACK")?,
            sequence: db.prepare("SELECT sequence, clock FROM store WHERE id = 1")?,
            set_sequence: db.prepare("UPDATE store SET sequence = ?1, clock = ?2 WHERE id = 1")?,
            find: db.prepare(
                "SELECT id, revision, last_modified, content IS NOT NULL FROM documents WHERE key = ?1",
            )?,
            insert: db.prepare(
                "INSERT INTO documents (key, revision, last_modified, content_type, content_encoding, \
                 content_language, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            update: db.prepare(
                "UPDATE documents SET revision = ?2, last_modified = ?3, content_type = ?4, \
                 content_encoding = ?5, content_language = ?6, content = ?7 WHERE id = ?1",
            )?,
            collection: db.prepare("SELECT revision, last_modified FROM collections WHERE key = ?1")?,
            set_collection: db.prepare(
                "INSERT INTO collections VALUES (?1, ?2, ?3) \
                 ON CONFLICT (key) DO UPDATE SET revision = ?2, last_modified = ?3",
            )?,
        })
    }
}

/// How a group ended.
pub(super) enum Ended {
    /// All of it is durable; one result per transaction.
    Durable(Vec<Committed>),
    /// None of it was applied.
    NotApplied(rusqlite::Error),
    /// Whether it was applied is unknown. What each transaction would have come to.
    Unknown(rusqlite::Error, Vec<Committed>),
}

/// Commits the transactions of `jobs` as one group that began at `now`, with the ceiling of the clock. An empty group
/// makes only the ceiling durable.
pub(super) fn commit(
    db: &Connection,
    statements: &mut Statements<'_>,
    jobs: &[Job],
    now: HttpDate,
    ceiling: HttpDate,
) -> Ended {
    let applied = apply(statements, jobs, now, ceiling);
    let error = match applied {
        Err(error) => error,
        Ok(results) => match statements.commit.execute(()) {
            Ok(_) => return Ended::Durable(results),
            // SQLite found no room for the log's next frames: the group's last one was not written, so none counts.
            Err(error) if is_full(&error) => error,
            // Someone holds a lock; the transaction is still open.
            Err(error) if is_busy(&error) && !db.is_autocommit() => error,
            Err(error) => {
                roll_back(db, statements);
                return Ended::Unknown(error, results);
            }
        },
    };
    if roll_back(db, statements) { Ended::NotApplied(error) } else { Ended::Unknown(error, Vec::new()) }
}

/// Whether no transaction is open any more. (On some errors SQLite has rolled back by itself.)
fn roll_back(db: &Connection, statements: &mut Statements<'_>) -> bool {
    db.is_autocommit() || statements.rollback.execute(()).is_ok()
}

fn apply(
    statements: &mut Statements<'_>,
    jobs: &[Job],
    now: HttpDate,
    ceiling: HttpDate,
) -> rusqlite::Result<Vec<Committed>> {
    statements.begin.execute(())?;
    // Read again each time rather than remembered: after a rollback, and whatever else happened to the file, the
    // sequence is the one that is in it.
    let (sequence, clock): (i64, i64) =
        statements.sequence.query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut group = Group { statements, sequence, now, collections: HashMap::new() };
    let results =
        jobs.iter().map(|job| group.apply(&job.transaction)).collect::<rusqlite::Result<Vec<_>>>()?;
    let Group { sequence: last, collections, .. } = group;
    let changed = last != sequence;
    for (key, revision) in collections {
        statements.set_collection.execute((key, revision, now.plus_seconds(1).unix()))?;
    }
    if changed || (jobs.is_empty() && clock < ceiling.unix()) {
        statements.set_sequence.execute((last, clock.max(ceiling.unix())))?;
    }
    Ok(results)
}

struct Group<'s, 'db, 'j> {
    statements: &'s mut Statements<'db>,
    /// The last revision used.
    sequence: i64,
    now: HttpDate,
    /// Collections that this group changes, written once at its end.
    collections: HashMap<&'j str, i64>,
}

/// A document's row, without its data.
struct Row {
    id: i64,
    stamp: Stamp,
    present: bool,
}

impl<'j> Group<'_, '_, 'j> {
    /// Judges all expectations, and only then changes anything: a transaction whose expectations do not hold leaves
    /// no trace, without a savepoint.
    fn apply(&mut self, transaction: &'j Transaction) -> rusqlite::Result<Committed> {
        for check in &transaction.checks {
            let current = if is_collection(&check.key) {
                Some(self.collection(&check.key)?)
            } else {
                self.find(&check.key)?.filter(|row| row.present).map(|row| row.stamp)
            };
            if let Some(mismatch) = mismatch(&check.key, &check.expected, current) {
                return Ok(Committed::Mismatch(mismatch));
            }
        }
        let mut rows = Vec::with_capacity(transaction.changes.len());
        for change in &transaction.changes {
            let row = self.find(&change.key)?;
            let current = row.as_ref().filter(|row| row.present).map(|row| row.stamp);
            if let Some(mismatch) = mismatch(&change.key, &change.expected, current) {
                return Ok(Committed::Mismatch(mismatch));
            }
            if current.is_none() && change.action == Action::Delete {
                return Ok(Committed::Mismatch(Mismatch { key: change.key.clone(), current }));
            }
            rows.push(row);
        }
        let stamps =
            transaction.changes.iter().zip(rows).map(|(change, row)| self.change(change, row.as_ref()));
        Ok(Committed::Done(stamps.collect::<rusqlite::Result<Vec<_>>>()?))
    }

    fn find(&mut self, key: &str) -> rusqlite::Result<Option<Row>> {
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Row { id: row.get(0)?, stamp: stamp(row.get(1)?, row.get(2)?), present: row.get(3)? })
        };
        self.statements.find.query_row((key,), row).optional()
    }

    fn collection(&mut self, key: &str) -> rusqlite::Result<Stamp> {
        if let Some(revision) = self.collections.get(key) {
            return Ok(stamp(*revision, self.now.plus_seconds(1).unix()));
        }
        let row = |row: &rusqlite::Row<'_>| Ok(stamp(row.get(0)?, row.get(1)?));
        Ok(self.statements.collection.query_row((key,), row).optional()?.unwrap_or(stamp(0, 0)))
    }

    fn change(&mut self, change: &'j Change, row: Option<&Row>) -> rusqlite::Result<Stamp> {
        self.sequence += 1;
        let earliest = self.now.plus_seconds(1);
        let last_modified = row.map_or(earliest, |row| earliest.max(row.stamp.last_modified.plus_seconds(1)));
        let (revision, date) = (self.sequence, last_modified.unix());
        let document = match &change.action {
            Action::Put(document) => Some(document),
            Action::Delete => None,
        };
        let [content_type, encoding, language] =
            document.map_or([None; 3], |Document { media, .. }| media.fields());
        let content = document.map(|document| &document.content[..]);
        match row {
            Some(Row { id, .. }) => {
                let row = (*id, revision, date, content_type, encoding, language, content);
                self.statements.update.execute(row)?;
            }
            None => {
                let row = (&change.key, revision, date, content_type, encoding, language, content);
                self.statements.insert.execute(row)?;
            }
        }
        self.collections.insert(parent(&change.key), revision);
        Ok(stamp(revision, date))
    }
}

fn mismatch(key: &str, expected: &Expected, current: Option<Stamp>) -> Option<Mismatch> {
    let holds = expected.holds(current.map(|stamp| stamp.revision).as_ref());
    (!holds).then(|| Mismatch { key: key.to_owned(), current })
}

/// Stored numbers are SQLite's signed ones; a sequence of one per change does not get past 2^63.
pub(super) fn stamp(revision: i64, last_modified: i64) -> Stamp {
    Stamp { revision: Revision(revision.unsigned_abs()), last_modified: HttpDate::from_unix(last_modified) }
}

pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}
