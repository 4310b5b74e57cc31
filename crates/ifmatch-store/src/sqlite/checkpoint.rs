//! Copying the write-ahead log into the database file, out of the writer's way.
//!
//! A checkpoint by the writer stops every writer for as long as the device takes. So a thread of its own copies while
//! the writer goes on writing, flushes the file itself, and does so again until little is left; then it asks the
//! writer to finish, which takes about as long as one group. Only if the log has grown to its bound all the same does
//! the writer stop and do all of it.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::schema::PAGE_BYTES;
use super::stats::Counters;
use super::writer::{Shared, is_fatal};

/// Pages of log not yet in the database file at which a checkpoint begins (8 MiB).
const CHECKPOINT_PAGES: u32 = (8 << 20) / PAGE_BYTES;

/// Pages left at which the writer is asked to finish.
const LEFT_PAGES_MAX: u32 = 256;

/// How often the checkpointer goes over what was added meanwhile before it asks the writer all the same.
const ROUNDS_MAX: u32 = 4;

/// Pages of log at which the writer stops until all of it is in the database file (128 MiB).
const WAL_PAGES_MAX: u32 = (128 << 20) / PAGE_BYTES;

/// Length to which the log's file is cut when it begins anew. What is kept is overwritten in place, which a device
/// flushes faster than a file that grows.
pub(super) const WAL_BYTES_KEPT: u32 = 64 << 20;

/// A log that nobody adds to for this long is copied, so that the next start has nothing to do.
const IDLE: Duration = Duration::from_secs(1);

/// How long the writer waits for readers of the log before it begins it anew. A reader takes microseconds.
const READERS_PATIENCE: Duration = Duration::from_millis(20);

/// Length of a log with so many pages (SQLite's file format, Section 4.1).
pub(super) fn wal_bytes(pages: u32) -> u64 {
    const HEADER_BYTES: u64 = 32;
    const FRAME_HEADER_BYTES: u64 = 24;
    if pages == 0 {
        0
    } else {
        HEADER_BYTES + u64::from(pages) * (FRAME_HEADER_BYTES + u64::from(PAGE_BYTES))
    }
}

#[derive(Default)]
pub(super) struct Checkpointer {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    wanted: bool,
    stopped: bool,
}

impl Checkpointer {
    /// Called by the writer after every group, with the length of the log.
    pub(super) fn log_has(&self, counters: &Counters, pages: u32) {
        let before = counters.wal_pages.swap(pages, Ordering::AcqRel);
        if pages < before {
            counters.wal_pages_copied.store(0, Ordering::Release);
        }
        let copied = counters.wal_pages_copied.load(Ordering::Acquire);
        if before == copied || pages.saturating_sub(copied) >= CHECKPOINT_PAGES {
            let mut state = self.state.lock();
            if !state.wanted {
                state.wanted = true;
                self.wake.notify_one();
            }
        }
    }

    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.wake.notify_one();
    }

    /// Waits until there is a log worth copying, or one that nobody adds to; `false` when it is time to end.
    fn wait(&self, counters: &Counters) -> bool {
        let left = || {
            let pages = counters.wal_pages.load(Ordering::Acquire);
            (pages, pages.saturating_sub(counters.wal_pages_copied.load(Ordering::Acquire)))
        };
        let mut state = self.state.lock();
        let mut idle_at = None;
        while !state.stopped {
            let (pages, uncopied) = left();
            if uncopied >= CHECKPOINT_PAGES || (uncopied > 0 && idle_at == Some(pages)) {
                return true;
            }
            state.wanted = false;
            if uncopied == 0 {
                self.wake.wait(&mut state);
            } else {
                let timed_out = self.wake.wait_for(&mut state, IDLE).timed_out();
                idle_at = timed_out.then_some(pages);
            }
        }
        false
    }
}

/// Runs until the checkpointer is stopped or the store poisoned. `file` is the database file, for flushing it; it must
/// stay open as long as any connection does, because closing it would drop SQLite's locks.
pub(super) fn run(db: &Connection, file: &File, shared: &Arc<Shared>) {
    while shared.checkpointer.wait(&shared.counters) {
        if shared.counters.poisoned().is_some() {
            return;
        }
        if let Err(error) = beside_the_writer(db, file, &shared.counters) {
            shared.counters.note_error(&error.cause);
            if error.fatal {
                shared.counters.poison(&error.cause.into());
                return;
            }
            // No space, or someone else's lock. The log goes on growing up to its bound.
        } else {
            shared.counters.restart_wanted.store(true, Ordering::Release);
            shared.queue.nudge();
        }
    }
}

struct Failure {
    cause: String,
    fatal: bool,
}

fn beside_the_writer(db: &Connection, file: &File, counters: &Counters) -> Result<(), Failure> {
    for _ in 0..ROUNDS_MAX {
        let (_, copied) = pragma(db, "PASSIVE")
            .map_err(|error| Failure { fatal: is_fatal(&error), cause: error.to_string() })?;
        // SQLite flushes the file only when it has caught up with the writer. Flushing it here leaves the writer
        // little to flush. A failure here is one that SQLite will not see again.
        file.sync_data().map_err(|error| Failure { fatal: true, cause: error.to_string() })?;
        counters.wal_pages_copied.store(copied, Ordering::Release);
        if counters.wal_pages.load(Ordering::Acquire).saturating_sub(copied) <= LEFT_PAGES_MAX {
            break;
        }
    }
    Counters::add(&counters.checkpoints, 1);
    Ok(())
}

/// The writer's part, between two groups.
pub(super) fn by_writer(db: &Connection, shared: &Shared) {
    let counters = &shared.counters;
    let pages = counters.wal_pages.load(Ordering::Acquire);
    let wanted = counters.restart_wanted.swap(false, Ordering::AcqRel);
    let forced = pages >= WAL_PAGES_MAX;
    if !wanted && !forced {
        return;
    }
    match restart_log(db) {
        Ok(true) => {
            counters.wal_pages_copied.store(0, Ordering::Release);
            counters.wal_pages.store(0, Ordering::Release);
            if forced {
                Counters::add(&counters.checkpoints_forced, 1);
            }
        }
        Ok(false) => {}
        Err(error) if is_fatal(&error) => counters.poison(&error.to_string().into()),
        Err(error) => counters.note_error(&error.to_string()),
    }
}

/// Copies what is left and makes the next group begin the log anew; `false` if a reader was in the way.
fn restart_log(db: &Connection) -> rusqlite::Result<bool> {
    let patience = db.query_row("PRAGMA busy_timeout", (), |row| row.get::<_, u32>(0))?;
    db.busy_timeout(READERS_PATIENCE)?;
    let result = db.query_row("PRAGMA wal_checkpoint(RESTART)", (), |row| row.get::<_, i64>(0));
    db.busy_timeout(Duration::from_millis(patience.into()))?;
    Ok(result? == 0)
}

/// Copies all of the log and cuts its file to nothing.
pub(super) fn empty_log(db: &Connection) -> rusqlite::Result<()> {
    pragma(db, "TRUNCATE").map(|_| ())
}

/// Pages in the log, and how many of them are in the database file.
fn pragma(db: &Connection, mode: &str) -> rusqlite::Result<(u32, u32)> {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), (), |row| {
        // -1 if there is no log.
        Ok((row.get::<_, u32>(1).unwrap_or(0), row.get::<_, u32>(2).unwrap_or(0)))
    })
}
