//! A store in memory: for tests, and as the second implementation that keeps the first one honest.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use ifmatch_core::{Expected, HttpDate, Revision};
use parking_lot::Mutex;

use crate::clock::{Clock, TimeSource, system_time};
use crate::error::StoreError;
use crate::limits::{
    CONTENT_BYTES_MAX, LIST_ITEMS_MAX, LIST_SCAN_MAX, behind_deeper, check_collection_key,
    check_document_key, check_transaction, is_collection, parent,
};
use crate::model::{
    Action, Committed, Document, Head, Item, Listing, Mismatch, Snapshot, Stamp, Transaction,
};
use crate::store::Store;

/// Revisions whose owners are remembered for [`Store::owner`].
const OWNERS_MAX: usize = 1024;

/// A [`Store`] that keeps everything in one map under one lock and forgets it when dropped. No group commit, no
/// queue: what [`Sqlite`](crate::Sqlite) does must come out the same.
pub struct Memory {
    incarnation: String,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sequence: u64,
    documents: BTreeMap<String, (Stamp, Option<Document>)>,
    collections: BTreeMap<String, Stamp>,
    owners: VecDeque<(Revision, String)>,
}

impl Memory {
    /// An empty store with the system's time.
    pub fn new() -> Self {
        Self::with_time(system_time())
    }

    /// An empty store with a time of its own.
    pub fn with_time(source: TimeSource) -> Self {
        Self {
            incarnation: crate::sqlite::draw_incarnation(),
            clock: Clock::new(source, HttpDate::from_unix(0), None),
            state: Mutex::default(),
        }
    }

    fn apply(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        check_transaction(&transaction, CONTENT_BYTES_MAX)?;
        let mut state = self.state.lock();
        let now = self.clock.hold();
        let committed = state.apply(transaction, now);
        self.clock.release(None);
        Ok(committed)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn current(&self, key: &str) -> Option<Stamp> {
        if is_collection(key) {
            let nothing_below = Stamp { revision: Revision(0), last_modified: HttpDate::from_unix(0) };
            return Some(self.collections.get(key).copied().unwrap_or(nothing_below));
        }
        self.documents.get(key).filter(|(_, document)| document.is_some()).map(|(stamp, _)| *stamp)
    }

    fn mismatch(&self, key: &str, expected: &Expected, deletes: bool) -> Option<Mismatch> {
        let current = self.current(key);
        let holds = expected.holds(current.map(|stamp| stamp.revision).as_ref());
        let nothing_to_delete = deletes && current.is_none();
        (!holds || nothing_to_delete).then(|| Mismatch { key: key.to_owned(), current })
    }

    fn apply(&mut self, Transaction { checks, changes }: Transaction, now: HttpDate) -> Committed {
        let of_checks = checks.iter().map(|check| (&check.key, &check.expected, false));
        let of_changes =
            changes.iter().map(|change| (&change.key, &change.expected, change.action == Action::Delete));
        let mismatch = of_checks
            .chain(of_changes)
            .find_map(|(key, expected, deletes)| self.mismatch(key, expected, deletes));
        if let Some(mismatch) = mismatch {
            return Committed::Mismatch(mismatch);
        }
        let stamps = changes.into_iter().map(|change| {
            self.sequence += 1;
            let revision = Revision(self.sequence);
            let earliest = now.plus_seconds(1);
            let previous =
                self.documents.get(&change.key).map(|(stamp, _)| stamp.last_modified.plus_seconds(1));
            let stamp =
                Stamp { revision, last_modified: previous.map_or(earliest, |date| date.max(earliest)) };
            let above = Stamp { revision, last_modified: earliest };
            self.collections.insert(parent(&change.key).to_owned(), above);
            if self.owners.len() == OWNERS_MAX {
                self.owners.pop_front();
            }
            self.owners.push_back((revision, change.key.clone()));
            let document = match change.action {
                Action::Put(document) => Some(document),
                Action::Delete => None,
            };
            self.documents.insert(change.key, (stamp, document));
            stamp
        });
        Committed::Done(stamps.collect())
    }

    fn list(&self, collection: &str, after: Option<&str>, limit: usize) -> Listing {
        let revision = self.collections.get(collection).map_or(Revision(0), |stamp| stamp.revision);
        let limit = limit.clamp(1, LIST_ITEMS_MAX);
        let mut items: Vec<Item> = Vec::new();
        let mut from = match after {
            Some(after) if after >= collection => Bound::Excluded(after.to_owned()),
            _ => Bound::Included(collection.to_owned()),
        };
        let mut scanned = 0;
        let mut last = None;
        loop {
            let next = self.documents.range((from, Bound::Unbounded)).next();
            let Some((key, (stamp, document))) = next.filter(|(key, _)| key.starts_with(collection)) else {
                return Listing { revision, items, next: None };
            };
            if items.len() == limit || scanned == LIST_SCAN_MAX {
                return Listing { revision, items, next: last };
            }
            if let Some(behind) = behind_deeper(collection, key) {
                scanned += 1;
                last = Some(key.clone());
                from = Bound::Included(behind);
                continue;
            }
            last = Some(key.clone());
            from = Bound::Excluded(key.clone());
            match document {
                None => scanned += 1,
                Some(document) => items.push(Item {
                    key: key.clone(),
                    revision: stamp.revision,
                    content_type: document.media.content_type.clone(),
                    content_bytes: document.content.len() as u64,
                }),
            }
        }
    }
}

impl Store for Memory {
    fn incarnation(&self) -> &str {
        &self.incarnation
    }

    fn now(&self) -> HttpDate {
        self.clock.now()
    }

    fn read(&self, key: &str) -> Result<Snapshot, StoreError> {
        check_document_key(key)?;
        Ok(match self.state.lock().documents.get(key) {
            None => Snapshot::Absent,
            Some((stamp, None)) => Snapshot::Deleted(*stamp),
            Some((stamp, Some(document))) => Snapshot::Present { stamp: *stamp, document: document.clone() },
        })
    }

    fn stamp(&self, key: &str) -> Result<Head, StoreError> {
        self.read(key).map(|snapshot| snapshot.head())
    }

    fn collection(&self, key: &str) -> Result<Revision, StoreError> {
        check_collection_key(key)?;
        Ok(self.state.lock().collections.get(key).map_or(Revision(0), |stamp| stamp.revision))
    }

    fn list(&self, collection: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        check_collection_key(collection)?;
        Ok(self.state.lock().list(collection, after, limit))
    }

    fn owner(&self, revision: Revision) -> Result<Option<String>, StoreError> {
        let state = self.state.lock();
        let owner = state.owners.iter().rev().find(|(owned, _)| *owned == revision).map(|(_, key)| key);
        Ok(owner.filter(|key| state.current(key).is_some_and(|stamp| stamp.revision == revision)).cloned())
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        self.apply(transaction)
    }
}
