//! The variants that are known, in memory.

use super::variant_file::{HEAD_BYTES, frame_bytes};
use super::variants::Fields;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// All sets that have a number.
#[derive(Default)]
pub(super) struct Known {
    pub(super) ring: Vec<Entry>,
    /// The place in the ring, by content.
    places: HashMap<Arc<[u8]>, usize>,
    /// The same, by number.
    numbered: HashMap<u32, usize>,
}

/// One set.
pub(super) struct Entry {
    pub(super) number: u32,
    pub(super) content: Arc<[u8]>,
    pub(super) fields: Fields,
    /// Since the hand last passed.
    pub(super) used: AtomicBool,
}

impl Entry {
    fn mark(&self) {
        // Most of the time it is marked already; then nobody's cache is disturbed.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn frame_bytes(&self) -> u64 {
        frame_bytes(&self.content)
    }
}

impl Known {
    pub(super) fn find(&self, content: &[u8]) -> Option<u32> {
        let entry = &self.ring[*self.places.get(content)?];
        entry.mark();
        Some(entry.number)
    }

    pub(super) fn fields(&self, number: u32) -> Option<Fields> {
        let entry = &self.ring[*self.numbered.get(&number)?];
        entry.mark();
        Some(Arc::clone(&entry.fields))
    }

    /// At that place, which is one of the ring or the one after its last.
    pub(super) fn put(&mut self, place: usize, entry: Entry) {
        if let Some(gone) = self.ring.get(place) {
            // Another one may have its content, if the file could not be written anew when the table became smaller.
            if self.places.get(&gone.content) == Some(&place) {
                self.places.remove(&gone.content);
            }
            self.numbered.remove(&gone.number);
        }
        self.places.insert(Arc::clone(&entry.content), place);
        self.numbered.insert(entry.number, place);
        match self.ring.get_mut(place) {
            None => self.ring.push(entry),
            Some(at) => *at = entry,
        }
    }

    pub(super) fn live_bytes(&self) -> u64 {
        HEAD_BYTES as u64 + self.ring.iter().map(Entry::frame_bytes).sum::<u64>()
    }

    /// Moves the hand on to a place that was not used since it last passed. `None`: there is no place at all.
    pub(super) fn unused(&self, hand: &mut usize) -> Option<usize> {
        let places = self.ring.len();
        // The first round takes all marks away. Those set meanwhile do not keep it going.
        for _ in 0..=places {
            let place = *hand;
            let entry = self.ring.get(place)?;
            *hand = (place + 1) % places;
            if !entry.used.swap(false, Ordering::Relaxed) {
                return Some(place);
            }
        }
        Some(*hand)
    }
}
