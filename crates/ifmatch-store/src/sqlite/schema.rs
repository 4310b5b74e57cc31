//! What is in the database, and how a connection to it is set up.
//!
//! - `documents`: one row per name ever used. A row without content is a tombstone. Rows live in a table by number
//!   and are found through the index of names: a change of an existing document then touches one page of the table
//!   and none of the index, whatever its size, and the index stays dense.
//! - `collections`: one row per collection that ever had a direct member.
//! - `store`: one row: the incarnation, the last revision used, and the ceiling of the clock.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// `ifma` in ASCII: tells our databases from others.
pub(super) const APPLICATION_ID: u32 = 0x6966_6d61;

/// Raised with every change of the schema that an older program would not understand.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// Size of a page: that of the device's and the system's, so that a small change writes little.
pub(super) const PAGE_BYTES: u32 = 4096;

/// How long someone else's lock on the database is waited for. Only a foreign program could hold one.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

const SCHEMA: &str = "
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    last_modified INTEGER NOT NULL,
    content_type TEXT,
    content_encoding TEXT,
    content_language TEXT,
    content BLOB
) STRICT;
CREATE TABLE collections (
    key TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    last_modified INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    incarnation TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    clock INTEGER NOT NULL
) STRICT;
";

/// Builds an empty database under a name that nothing reads; the caller gives it its own once it is complete, so that
/// a crash in the middle leaves no half database behind.
pub(super) fn create(path: &Path, incarnation: &str, clock: i64) -> rusqlite::Result<()> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "page_size", PAGE_BYTES)?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    db.pragma_update(None, "synchronous", "EXTRA")?;
    db.execute_batch(SCHEMA)?;
    db.execute("INSERT INTO store VALUES (1, ?1, 0, ?2)", (incarnation, clock))?;
    // The last close copies everything out of the log and removes it.
    db.pragma_update(None, "journal_mode", "wal")?;
    db.close().map_err(|(_, cause)| cause)
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
    Checkpointer,
}

/// Opens a connection. Nothing is created, nothing is checkpointed behind our back when it is closed.
pub(super) fn connect(path: &Path, role: Role, cache_bytes: usize) -> rusqlite::Result<Connection> {
    let access = match role {
        Role::Reader => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Writer | Role::Checkpointer => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let db = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(LOCK_PATIENCE)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    // Negative: in KiB instead of pages.
    db.pragma_update(None, "cache_size", -i64::try_from(cache_bytes / 1024).unwrap_or(i64::MAX))?;
    if role == Role::Writer {
        db.pragma_update(None, "cell_size_check", true)?;
    }
    db.set_prepared_statement_cache_capacity(16);
    Ok(db)
}

/// The row of `store`.
pub(super) struct StoreRow {
    pub(super) incarnation: String,
    pub(super) clock: i64,
}

pub(super) fn store_row(db: &Connection) -> rusqlite::Result<StoreRow> {
    db.query_row("SELECT incarnation, clock FROM store WHERE id = 1", (), |row| {
        Ok(StoreRow { incarnation: row.get(0)?, clock: row.get(1)? })
    })
}
