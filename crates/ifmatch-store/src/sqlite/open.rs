//! Opening a store: nothing is trusted, nothing is destroyed.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use ifmatch_core::HttpDate;
use rusqlite::Connection;

use super::Sqlite;
use super::cache::Cache;
use super::checkpoint::{self, Checkpointer, WAL_BYTES_KEPT};
use super::folder::{Folder, Holder};
use super::group::{self, is_busy, is_full};
use super::queue::Queue;
use super::reader::Readers;
use super::schema::{self, PAGE_BYTES, Role};
use super::stats::Counters;
use super::wal;
use super::writer::{self, Shared, is_damage};
use crate::clock::{Clock, TimeSource, system_time};
use crate::limits::CONTENT_BYTES_MAX;

/// Largest database that is checked from end to end when it is opened, in bytes (16 MiB). A larger one would delay the
/// start; of that the header, the schema and the row of the store are checked.
const CHECKED_BYTES_MAX: u64 = 16 << 20;

/// Page cache of the writer, in bytes (64 MiB).
const WRITER_CACHE_BYTES: usize = 64 << 20;

/// Page cache of each reader, in bytes (16 MiB). SQLite empties it with every commit by the writer.
const READER_CACHE_BYTES: usize = 16 << 20;

/// Memory for documents that are read or written often, in bytes (64 MiB). See [`Options::cache_bytes`].
const DOCUMENT_CACHE_BYTES: usize = 64 << 20;

/// See [`Options::clock_reserve_seconds`].
pub const CLOCK_RESERVE_SECONDS: u32 = 30;

/// How a [`Sqlite`] store is opened.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Largest content of one document, in bytes. `None`: [`CONTENT_BYTES_MAX`].
    pub content_bytes_max: Option<usize>,
    /// Largest size of the database file, in bytes, in whole pages of 4096; past it commits fail with
    /// [`StoreError::Full`](crate::StoreError::Full). `None`: what the device holds.
    pub file_bytes_max: Option<u64>,
    /// Memory for documents that are read or written often, in bytes, besides what SQLite uses (up to 64 MiB for
    /// writing and 16 MiB for each thread that reads at the same time). `None`: 64 MiB; 0: none.
    pub cache_bytes: Option<usize>,
    /// Where the time comes from. `None`: the system's clock.
    pub time: Option<TimeSource>,
    /// How far ahead of the time given out its durable ceiling is kept, in seconds: no time past it is given out, so
    /// that a later process, whatever its clock says, can begin where this one may have been. After a crash and an
    /// immediate restart the time stands still for up to that long. `None`: [`CLOCK_RESERVE_SECONDS`].
    pub clock_reserve_seconds: Option<u32>,
    /// Draws a new incarnation: to be set when the data folder was restored from a copy, because revisions that were
    /// given out after the copy was made will be given out again.
    pub restored: bool,
}

impl Options {
    /// With a time of its own that may leap ahead by years, as in tests.
    #[must_use]
    pub fn with_time(mut self, source: TimeSource) -> Self {
        const TEN_YEARS_SECONDS: u32 = 315_360_000;
        self.time = Some(source);
        self.clock_reserve_seconds = Some(TEN_YEARS_SECONDS);
        self
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process uses the data folder.
    #[error(
        "the data folder {} is used by {holder}; stop that one first, or use another folder",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Who it is.
        holder: Holder,
    },
    /// The data folder, or something in it, must not be written to by this process.
    #[error("cannot {what} {}: {cause}; the data folder must be writable for the user ifmatch runs as", path.display())]
    NotWritable {
        /// What could not be written.
        path: PathBuf,
        /// What was tried, as a verb phrase.
        what: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// The data is damaged. It was left as it is.
    #[error(
        "{} is damaged: {problem}; it was left as it is: restore the data folder from a copy, or move it away to begin anew",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// The database was made by another program.
    #[error("{} is a database, but not one of ifmatch; use another folder", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "{} has format {found}, this version of ifmatch knows formats up to {known}; use a newer one",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// Anything else that the system refused.
    #[error("cannot {what} {}: {cause}", path.display())]
    Failed {
        /// Which file or folder.
        path: PathBuf,
        /// What was tried, as a verb phrase.
        what: &'static str,
        /// What the system or SQLite said.
        cause: String,
    },
}

impl OpenError {
    pub(super) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }

    pub(super) fn from_io(path: &Path, what: &'static str, cause: io::Error) -> Self {
        let path = path.to_owned();
        match cause.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { path, what, cause }
            }
            _ => Self::Failed { path, what, cause: cause.to_string() },
        }
    }

    fn from_sqlite(path: &Path, what: &'static str, cause: &rusqlite::Error) -> Self {
        if is_damage(cause) {
            return Self::damaged(path, cause.to_string());
        }
        Self::Failed { path: path.to_owned(), what, cause: cause.to_string() }
    }
}

pub(super) fn open(data: &Path, options: Options) -> Result<Sqlite, OpenError> {
    let time = options.time.unwrap_or_else(system_time);
    let folder = Folder::open(data)?;
    if !folder.has_database()? {
        create(&folder, time())?;
    }
    let path = folder.database();
    let fail = |cause: &rusqlite::Error| OpenError::from_sqlite(&path, "open", cause);
    check_log(&folder)?;
    sync_log(&folder)?;
    // Before any connection, and kept until all are closed: closing any handle of a file drops its locks.
    let file = File::open(&path).map_err(|cause| OpenError::from_io(&path, "open", cause))?;
    let mut writer_db = schema::connect(&path, Role::Writer, WRITER_CACHE_BYTES).map_err(|e| fail(&e))?;
    check(&path, &writer_db)?;
    set_up(&writer_db, options.file_bytes_max).map_err(|e| fail(&e))?;
    if options.restored {
        renew_incarnation(&writer_db).map_err(|e| fail(&e))?;
    }
    let row = schema::store_row(&writer_db).map_err(|e| fail(&e))?;
    let reserve_seconds = i64::from(options.clock_reserve_seconds.unwrap_or(CLOCK_RESERVE_SECONDS));
    let stored = HttpDate::from_unix(row.clock);
    let clock = start_clock(&writer_db, time, stored, reserve_seconds).map_err(|e| fail(&e))?;
    let shared = Arc::new(Shared {
        place: folder.path().display().to_string().into(),
        queue: Queue::default(),
        cache: Cache::new(options.cache_bytes.unwrap_or(DOCUMENT_CACHE_BYTES)),
        clock,
        reserve_seconds,
        counters: Counters::default(),
        owners: parking_lot::Mutex::default(),
        checkpointer: Checkpointer::default(),
    });
    watch_log(&mut writer_db, &shared).map_err(|e| fail(&e))?;
    let checkpoint_db = schema::connect(&path, Role::Checkpointer, 0).map_err(|e| fail(&e))?;
    let file = Arc::new(file);
    let mut store = Sqlite {
        incarnation: row.incarnation,
        content_bytes_max: options.content_bytes_max.unwrap_or(CONTENT_BYTES_MAX),
        readers: Readers::new(path.clone(), READER_CACHE_BYTES),
        writer: None,
        checkpointer: None,
        shared,
        _file: Arc::clone(&file),
        _folder: folder,
    };
    let (shared, flushed) = (Arc::clone(&store.shared), Arc::clone(&file));
    store.checkpointer =
        Some(spawn(&path, "store-checkpoint", move || checkpoint::run(&checkpoint_db, &flushed, &shared))?);
    let shared = Arc::clone(&store.shared);
    store.writer = Some(spawn(&path, "store-writer", move || writer::run(&writer_db, &shared))?);
    Ok(store)
}

fn spawn(
    path: &Path,
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, OpenError> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|cause| OpenError::from_io(path, "start a thread for", cause))
}

/// Makes an empty database, complete before it has its name.
fn create(folder: &Folder, now: HttpDate) -> Result<(), OpenError> {
    let (unfinished, path) = (folder.unfinished(), folder.database());
    match fs::remove_file(&unfinished) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            return Err(OpenError::from_io(&unfinished, "remove", cause));
        }
        _ => {}
    }
    schema::create(&unfinished, &draw_incarnation(), now.unix())
        .map_err(|cause| OpenError::from_sqlite(&unfinished, "create", &cause))?;
    File::open(&unfinished)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&unfinished, &path))
        .map_err(|cause| OpenError::from_io(&path, "create", cause))?;
    folder.sync()
}

fn check_log(folder: &Folder) -> Result<(), OpenError> {
    let path = folder.wal();
    match wal::damage(&path) {
        Ok(None) => Ok(()),
        Ok(Some(problem)) => Err(OpenError::damaged(&path, problem)),
        Err(cause) => Err(OpenError::from_io(&path, "read", cause)),
    }
}

/// A process that was killed may have written a group to the log without having flushed it. It will be found there and
/// shown, so it has to be flushed first: otherwise a power failure could take back what was shown.
fn sync_log(folder: &Folder) -> Result<(), OpenError> {
    match File::open(folder.wal()).and_then(|log| log.sync_all()) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(OpenError::from_io(&folder.wal(), "flush", cause))
        }
        _ => folder.sync(),
    }
}

/// Whether the database is one of ours and whole, as far as that can be told in a bounded time. Changes nothing.
fn check(path: &Path, db: &Connection) -> Result<(), OpenError> {
    let fail = |cause: &rusqlite::Error| OpenError::from_sqlite(path, "read", cause);
    let number =
        |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(|e| fail(&e));
    let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(|e| fail(&e))?;
    if mode != "wal" {
        return Err(OpenError::damaged(path, format!("its journal mode is {mode}, it should be wal")));
    }
    let page_bytes = number("page_size")?;
    let bytes = number("page_count")?.saturating_mul(page_bytes);
    if page_bytes != i64::from(PAGE_BYTES) {
        return Err(OpenError::damaged(path, format!("its pages have {page_bytes} bytes, not {PAGE_BYTES}")));
    }
    if bytes.unsigned_abs() <= CHECKED_BYTES_MAX {
        let found: String =
            db.query_row("PRAGMA quick_check(1)", (), |row| row.get(0)).map_err(|e| fail(&e))?;
        if found != "ok" {
            return Err(OpenError::damaged(path, found));
        }
    }
    let prepared = group::Statements::prepare(db).map(drop);
    prepared.map_err(|cause| OpenError::damaged(path, format!("its tables are not ours ({cause})")))?;
    match schema::store_row(db) {
        Ok(_) => Ok(()),
        Err(rusqlite::Error::QueryReturnedNoRows) => {
            Err(OpenError::damaged(path, "the row of the store is missing"))
        }
        Err(cause) => Err(fail(&cause)),
    }
}

fn set_up(db: &Connection, file_bytes_max: Option<u64>) -> rusqlite::Result<()> {
    let pages = file_bytes_max.map_or(i64::from(u32::MAX), |bytes| {
        i64::try_from(bytes / u64::from(PAGE_BYTES)).unwrap_or(i64::MAX)
    });
    db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))?;
    match checkpoint::empty_log(db) {
        // Without space for it the log stays: it was flushed. So it does while someone looks at it.
        Err(error) if is_full(&error) || is_busy(&error) => Ok(()),
        other => other,
    }
}

/// See the `clock` module. Without space for the new ceiling the clock stands still until there is some.
fn start_clock(
    db: &Connection,
    time: TimeSource,
    stored: HttpDate,
    reserve_seconds: i64,
) -> rusqlite::Result<Clock> {
    let ceiling = time().max(stored).plus_seconds(reserve_seconds);
    match db.execute("UPDATE store SET clock = ?1 WHERE id = 1", (ceiling.unix(),)) {
        Ok(_) => Ok(Clock::new(time, stored, Some(ceiling))),
        Err(error) if is_full(&error) => Ok(Clock::new(time, stored, Some(stored))),
        Err(error) => Err(error),
    }
}

fn watch_log(db: &mut Connection, shared: &Arc<Shared>) -> rusqlite::Result<()> {
    let watched = Arc::downgrade(shared);
    db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
        if let Some(shared) = watched.upgrade() {
            shared.checkpointer.log_has(&shared.counters, pages.unsigned_abs());
        }
        Ok(())
    }))
}

fn renew_incarnation(db: &Connection) -> rusqlite::Result<()> {
    db.execute("UPDATE store SET incarnation = ?1 WHERE id = 1", (draw_incarnation(),)).map(drop)
}

/// 64 random bits as 13 characters of lower-case base32 (RFC 4648, Section 6), most significant first.
pub(crate) fn draw_incarnation() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    const CHARACTERS: usize = 13;
    let bits = getrandom::u64().expect("invariant: the operating system has a source of randomness");
    (0..CHARACTERS)
        .rev()
        .map(|at| char::from(ALPHABET[usize::try_from(bits >> (5 * at) & 31).expect("invariant: below 32")]))
        .collect()
}
