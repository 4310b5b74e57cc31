//! A part of the table: keys, in the order in which they were used.

use super::history::History;
use super::record::Moment;
use super::{Limits, Stats};
use crate::hashed::ByHash;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Shard {
    index: ByHash<u64, u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Used last, and least recently.
    newest: u32,
    oldest: u32,
    limits: Limits,
    records: usize,
    /// Something of a key that was forgotten may have happened up to here.
    forgotten_until: Moment,
    keys_evicted: u64,
}

#[derive(Debug)]
struct Slot {
    key: u64,
    newer: u32,
    older: u32,
    history: History,
}

impl Shard {
    /// One of so many.
    pub(super) fn new(limits: Limits, shards: usize) -> Self {
        let share = |all: usize, least: usize| all.div_ceil(shards).max(least);
        // The slots are numbered with 32 bits.
        let keys_max = share(limits.keys_max, 1).min(NONE as usize - 1);
        let (readers_max, writes_max) = (limits.readers_max.max(1), limits.writes_max.max(1));
        let records_max = share(limits.records_max, readers_max + writes_max);
        Self {
            index: ByHash::default(),
            slots: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            limits: Limits { keys_max, readers_max, writes_max, records_max },
            records: 0,
            forgotten_until: Moment::NEVER,
            keys_evicted: 0,
        }
    }

    /// Does something to the history of a key, which becomes the one used last.
    pub(super) fn with<T>(&mut self, key: u64, act: impl FnOnce(&mut History, &Limits) -> T) -> T {
        let slot = self.enter(key);
        let history = &mut self.slots[slot as usize].history;
        let before = history.records();
        let result = act(history, &self.limits);
        self.records = self.records + history.records() - before;
        while self.records > self.limits.records_max && self.oldest != slot {
            self.forget_oldest();
        }
        result
    }

    /// The history of a key, if there is one. It does not count as used.
    pub(super) fn look(&self, key: u64) -> Option<&History> {
        self.index.get(&key).map(|slot| &self.slots[*slot as usize].history)
    }

    pub(super) fn stats(&self) -> Stats {
        Stats { keys: self.index.len(), records: self.records, keys_evicted: self.keys_evicted }
    }

    fn enter(&mut self, key: u64) -> u32 {
        if let Some(&slot) = self.index.get(&key) {
            if slot != self.newest {
                self.unlink(slot);
                self.link_newest(slot);
            }
            return slot;
        }
        if self.index.len() >= self.limits.keys_max {
            self.forget_oldest();
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { key, newer: NONE, older: NONE, history: History::default() });
            u32::try_from(self.slots.len() - 1).unwrap_or(0)
        });
        self.slots[slot as usize].key = key;
        self.slots[slot as usize].history.begin(self.forgotten_until);
        self.index.insert(key, slot);
        self.link_newest(slot);
        slot
    }

    fn forget_oldest(&mut self) {
        let slot = self.oldest;
        if slot == NONE {
            return;
        }
        self.unlink(slot);
        let Slot { key, history, .. } = &mut self.slots[slot as usize];
        self.index.remove(key);
        self.records -= history.records();
        self.forgotten_until = self.forgotten_until.max(history.latest());
        history.begin(Moment::NEVER);
        self.free.push(slot);
        self.keys_evicted += 1;
    }

    fn unlink(&mut self, slot: u32) {
        let Slot { newer, older, .. } = self.slots[slot as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
    }

    fn link_newest(&mut self, slot: u32) {
        let before = self.newest;
        self.slots[slot as usize].newer = NONE;
        self.slots[slot as usize].older = before;
        match before {
            NONE => self.oldest = slot,
            before => self.slots[before as usize].newer = slot,
        }
        self.newest = slot;
    }
}
