//! Documents in memory, so that what is read often is not looked up each time.
//!
//! A hit must never show less than another read has shown before it, whichever way that one went. So the writer takes
//! everything a group changes out *before* the group becomes visible, and puts the new states in after; and a reader
//! puts in what it found in the database only if no group was being committed from before it looked until after
//! ([`Cache::generation`] is odd meanwhile).

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use crate::model::Snapshot;

/// Independent parts, so that readers on several cores seldom meet.
const SHARDS: usize = 16;

/// Largest document kept, in bytes (64 KiB): a few large ones must not push out all small ones.
const CONTENT_BYTES_MAX: usize = 64 << 10;

/// What an entry needs besides its octets, in bytes, roughly.
const ENTRY_BYTES: usize = 200;

pub(super) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    shard_bytes_max: usize,
    /// Even: what is visible in the database is what it was when the number was last seen. Odd: a group is being
    /// committed.
    generation: AtomicU64,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Arc<str>, Entry>,
    /// In the order in which they are looked at when there is no room: an entry that was used since goes to the back.
    /// Keys that were taken out meanwhile are skipped.
    order: VecDeque<Arc<str>>,
    bytes: usize,
}

struct Entry {
    snapshot: Snapshot,
    used: bool,
}

/// What a reader saw before it looked into the database.
#[derive(Clone, Copy)]
pub(super) struct Before(u64);

impl Cache {
    /// A cache for so many bytes; 0: none.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            shard_bytes_max: bytes_max / SHARDS,
            generation: AtomicU64::new(0),
        }
    }

    /// What is remembered under a key, as `view` of it.
    pub(super) fn find<T>(&self, key: &str, view: impl FnOnce(&Snapshot) -> T) -> Option<T> {
        let mut shard = self.shard(key);
        let entry = shard.entries.get_mut(key)?;
        entry.used = true;
        Some(view(&entry.snapshot))
    }

    /// To be called before looking into the database for what may be put in.
    pub(super) fn before_reading(&self) -> Before {
        Before(self.generation.load(Ordering::SeqCst))
    }

    /// Remembers what a reader found, unless a group was committed meanwhile.
    pub(super) fn found(&self, before: Before, key: &str, snapshot: &Snapshot) {
        if !before.0.is_multiple_of(2) || *snapshot == Snapshot::Absent {
            return;
        }
        // A group that begins after the comparison takes its keys out after this has put its key in.
        let mut shard = self.shard(key);
        if self.generation.load(Ordering::SeqCst) == before.0 {
            shard.put(key, snapshot.clone(), self.shard_bytes_max);
        }
    }

    /// Called by the writer before a group becomes visible, with the keys it may change.
    pub(super) fn begin_group<'a>(&self, keys: impl Iterator<Item = &'a str>) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        keys.for_each(|key| self.shard(key).take(key));
    }

    /// A document as it is since a group became visible; between [`Cache::begin_group`] and [`Cache::end_group`].
    pub(super) fn changed(&self, key: &str, snapshot: Snapshot) {
        self.shard(key).put(key, snapshot, self.shard_bytes_max);
    }

    /// Called by the writer when a group is visible, or will never be.
    pub(super) fn end_group(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(key);
        self.shards[usize::try_from(hash % SHARDS as u64).expect("invariant: below SHARDS")].lock()
    }
}

impl Shard {
    fn put(&mut self, key: &str, snapshot: Snapshot, bytes_max: usize) {
        self.take(key);
        let bytes = bytes(key, &snapshot);
        if bytes > bytes_max.min(CONTENT_BYTES_MAX) {
            return;
        }
        while self.bytes + bytes > bytes_max && self.evict() {}
        // Keys of entries that were taken out stay in the order until their turn; there must not be many.
        if self.order.len() > self.entries.len() * 2 + 16 {
            let entries = &self.entries;
            self.order
                .retain(|key| entries.get_key_value(key).is_some_and(|(kept, _)| Arc::ptr_eq(kept, key)));
        }
        let key: Arc<str> = key.into();
        self.order.push_back(Arc::clone(&key));
        self.bytes += bytes;
        self.entries.insert(key, Entry { snapshot: unshared(snapshot), used: false });
    }

    fn take(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= bytes(key, &entry.snapshot);
        }
    }

    /// Makes room by one entry; `false` if there is none.
    fn evict(&mut self) -> bool {
        while let Some(key) = self.order.pop_front() {
            let current = self.entries.get_key_value(&key).is_some_and(|(kept, _)| Arc::ptr_eq(kept, &key));
            let Some(entry) = self.entries.get_mut(&key).filter(|_| current) else { continue };
            if std::mem::take(&mut entry.used) {
                self.order.push_back(key);
            } else {
                self.take(&key);
                return true;
            }
        }
        false
    }
}

/// Content of its own: what came from a connection may be a small part of a large buffer.
fn unshared(mut snapshot: Snapshot) -> Snapshot {
    if let Snapshot::Present { document, .. } = &mut snapshot {
        document.content = Bytes::copy_from_slice(&document.content);
    }
    snapshot
}

fn bytes(key: &str, snapshot: &Snapshot) -> usize {
    let document = match snapshot {
        Snapshot::Present { document, .. } => document.content.len() + document.media.bytes(),
        Snapshot::Absent | Snapshot::Deleted(_) => 0,
    };
    ENTRY_BYTES + key.len() + document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Document, Stamp};
    use ifmatch_core::{HttpDate, Revision};

    fn snapshot(revision: u64, content: &'static str) -> Snapshot {
        let stamp = Stamp { revision: Revision(revision), last_modified: HttpDate::from_unix(0) };
        Snapshot::Present { stamp, document: Document::new(content) }
    }

    fn revision(cache: &Cache, key: &str) -> Option<u64> {
        cache.find(key, Snapshot::current).flatten().map(|stamp| stamp.revision.0)
    }

    #[test]
    fn readers_fill_it_only_when_no_group_came_between() {
        let cache = Cache::new(1 << 20);
        let before = cache.before_reading();
        cache.found(before, "/a", &snapshot(1, "x"));
        assert_eq!(revision(&cache, "/a"), Some(1));

        let late = cache.before_reading();
        cache.begin_group(["/a"].into_iter());
        assert_eq!(revision(&cache, "/a"), None, "taken out before the group is visible");
        cache.found(late, "/a", &snapshot(1, "x"));
        let during = cache.before_reading();
        cache.found(during, "/a", &snapshot(1, "x"));
        assert_eq!(revision(&cache, "/a"), None, "the group may become visible at any moment");
        cache.changed("/a", snapshot(2, "y"));
        cache.end_group();
        cache.found(late, "/a", &snapshot(1, "x"));
        cache.found(during, "/a", &snapshot(1, "x"));
        assert_eq!(revision(&cache, "/a"), Some(2));
    }

    #[test]
    fn keeps_within_its_bytes_and_keeps_what_is_used() {
        const BYTES_MAX: usize = SHARDS * 10 * (ENTRY_BYTES + 8);
        let cache = Cache::new(BYTES_MAX);
        let held = |cache: &Cache| cache.shards.iter().map(|shard| shard.lock().bytes).sum::<usize>();
        cache.changed("/hot", snapshot(1, "x"));
        for at in 0..10_000 {
            cache.changed(&format!("/{at}"), snapshot(at, "x"));
            assert_eq!(revision(&cache, "/hot"), Some(1), "used all the time");
        }
        assert!(held(&cache) <= BYTES_MAX && held(&cache) > BYTES_MAX / 2);
        for _ in 0..10_000 {
            cache.changed("/hot", snapshot(2, "y"));
        }
        let (entries, order) = cache.shards.iter().fold((0, 0), |(entries, order), shard| {
            let shard = shard.lock();
            (entries + shard.entries.len(), order + shard.order.len())
        });
        assert!(order <= entries * 2 + SHARDS * 17, "{order} keys for {entries} entries");
        cache.begin_group((0..10_000).map(|at| format!("/{at}").leak() as &str).chain(["/hot"]));
        assert_eq!(held(&cache), 0, "every byte is accounted for");
    }

    #[test]
    fn large_documents_are_not_kept_nor_anything_without_room() {
        let cache = Cache::new(1 << 24);
        cache.changed("/a", snapshot(1, "x".repeat(CONTENT_BYTES_MAX + 1).leak()));
        assert_eq!(revision(&cache, "/a"), None);
        let none = Cache::new(0);
        none.changed("/a", snapshot(1, "x"));
        assert_eq!(revision(&none, "/a"), None);
    }
}
