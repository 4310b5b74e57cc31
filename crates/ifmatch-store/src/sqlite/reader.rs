//! Reads: on a connection of a pool, inline on the thread that asks.
//!
//! Memory-mapped reading is left off: SQLite drops the whole mapping with every commit by another connection, and
//! mapping it again costs more (30 us per read at 1 000 000 documents) than reading the pages that are needed. And an
//! unreadable page would be a signal that ends the process instead of an error.

use std::path::PathBuf;

use bytes::Bytes;
use ifmatch_core::Revision;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row};

use super::group::stamp;
use super::schema::{self, Role};
use super::stats::Counters;
use crate::limits::{LIST_ITEMS_MAX, LIST_SCAN_MAX, behind_deeper};
use crate::model::{Document, Head, Item, Listing, Media, Snapshot};

/// Connections kept open for the next read. More are opened when more threads read at once, and closed again.
const READERS_KEPT_MAX: usize = 32;

pub(super) struct Readers {
    database: PathBuf,
    cache_bytes: usize,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(database: PathBuf, cache_bytes: usize) -> Self {
        Self { database, cache_bytes, idle: Mutex::default() }
    }

    pub(super) fn with<T>(
        &self,
        counters: &Counters,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self.idle.lock().pop();
        let db = idle.map_or_else(|| self.connect(counters), Ok)?;
        // A connection that failed is not used again.
        let value = read(&db)?;
        let mut idle = self.idle.lock();
        if idle.len() < READERS_KEPT_MAX {
            idle.push(db);
        }
        Ok(value)
    }

    pub(super) fn close(&self) {
        self.idle.lock().clear();
    }

    fn connect(&self, counters: &Counters) -> rusqlite::Result<Connection> {
        let db = schema::connect(&self.database, Role::Reader, self.cache_bytes)?;
        Counters::add(&counters.readers, 1);
        Ok(db)
    }
}

pub(super) fn read(db: &Connection, key: &str) -> rusqlite::Result<Snapshot> {
    let mut statement = db.prepare_cached(
        "SELECT revision, last_modified, content, content_type, content_encoding, content_language \
         FROM documents WHERE key = ?1",
    )?;
    let snapshot = |row: &Row<'_>| {
        let stamp = stamp(row.get(0)?, row.get(1)?);
        Ok(match row.get_ref(2)?.as_blob_or_null()? {
            None => Snapshot::Deleted(stamp),
            Some(content) => {
                let document = Document { content: Bytes::copy_from_slice(content), media: media(row)? };
                Snapshot::Present { stamp, document }
            }
        })
    };
    Ok(statement.query_row((key,), snapshot).optional()?.unwrap_or(Snapshot::Absent))
}

pub(super) fn head(db: &Connection, key: &str) -> rusqlite::Result<Head> {
    // The length is in the row's header: the content is not loaded for it.
    let mut statement = db.prepare_cached(
        "SELECT revision, last_modified, length(content), content_type, content_encoding, content_language \
         FROM documents WHERE key = ?1",
    )?;
    let head = |row: &Row<'_>| {
        let stamp = stamp(row.get(0)?, row.get(1)?);
        Ok(match row.get::<_, Option<i64>>(2)? {
            None => Head::Deleted(stamp),
            Some(length) => Head::Present { stamp, media: media(row)?, content_bytes: length.unsigned_abs() },
        })
    };
    Ok(statement.query_row((key,), head).optional()?.unwrap_or(Head::Absent))
}

fn media(row: &Row<'_>) -> rusqlite::Result<Media> {
    Ok(Media { content_type: row.get(3)?, content_encoding: row.get(4)?, content_language: row.get(5)? })
}

pub(super) fn collection(db: &Connection, key: &str) -> rusqlite::Result<Revision> {
    let mut statement =
        db.prepare_cached("SELECT revision, last_modified FROM collections WHERE key = ?1")?;
    let revision = |row: &Row<'_>| Ok(stamp(row.get(0)?, row.get(1)?).revision);
    Ok(statement.query_row((key,), revision).optional()?.unwrap_or(Revision(0)))
}

pub(super) fn list(
    db: &Connection,
    collection_key: &str,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Listing> {
    // One read transaction: the revision and the members are of the same moment.
    let moment = db.unchecked_transaction()?;
    let revision = collection(&moment, collection_key)?;
    let mut listing = Listing { revision, items: Vec::new(), next: None };
    let limit = limit.clamp(1, LIST_ITEMS_MAX);
    let mut scan = Scan { from: collection_key.to_owned(), beyond: false, looked_at: 0, last: None };
    if let Some(after) = after.filter(|after| *after >= collection_key) {
        after.clone_into(&mut scan.from);
        scan.beyond = true;
    }
    while scan.run(&moment, collection_key, limit, &mut listing)? {}
    moment.finish()?;
    Ok(listing)
}

/// A walk over the index of names that steps over everything deeper by seeking behind it.
struct Scan {
    from: String,
    /// Begin behind `from` rather than at it.
    beyond: bool,
    looked_at: usize,
    last: Option<String>,
}

impl Scan {
    /// Walks to the end, to a limit (then `listing.next` is set), or to something deeper (then there is more).
    fn run(
        &mut self,
        db: &Connection,
        collection: &str,
        limit: usize,
        listing: &mut Listing,
    ) -> rusqlite::Result<bool> {
        let mut statement = db.prepare_cached(if self.beyond {
            "SELECT key, revision, last_modified, length(content), content_type FROM documents WHERE key > ?1 ORDER BY key"
        } else {
            "SELECT key, revision, last_modified, length(content), content_type FROM documents WHERE key >= ?1 ORDER BY key"
        })?;
        let mut rows = statement.query((&self.from,))?;
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_str()?;
            if !key.starts_with(collection) {
                return Ok(false);
            }
            if listing.items.len() == limit || self.looked_at == LIST_SCAN_MAX {
                listing.next = self.last.take();
                return Ok(false);
            }
            self.last = Some(key.to_owned());
            if let Some(behind) = behind_deeper(collection, key) {
                self.looked_at += 1;
                (self.from, self.beyond) = (behind, false);
                return Ok(true);
            }
            match row.get::<_, Option<i64>>(3)? {
                None => self.looked_at += 1,
                Some(length) => listing.items.push(Item {
                    key: key.to_owned(),
                    revision: stamp(row.get(1)?, row.get(2)?).revision,
                    content_type: row.get(4)?,
                    content_bytes: length.unsigned_abs(),
                }),
            }
        }
        Ok(false)
    }
}
