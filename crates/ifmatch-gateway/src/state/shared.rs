//! One slot for all appends of a key that are under way at a time, kept for a moment after the last of them ended.
//!
//! So a stream of appends writes a slot when it begins and clears it when it has ended, and nothing in between.

use super::record::{Kind, Label, Write, encode_under_way};
use super::slots::{FreeSlots, SlotFile};
use crate::hashed::ByHash;
use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often idle slots are looked for. One that was idle twice in a row is cleared: it is kept for at most 50 ms.
pub(super) const SWEEP: Duration = Duration::from_millis(25);

const SHARDS: usize = 64;

/// By the hash of the key, of which the lowest bits choose the part.
type Shard = Mutex<ByHash<u128, Open>>;

/// Slots of appends under way.
pub(super) struct SharedSlots {
    shards: [Shard; SHARDS],
    /// Some slot may be idle; somebody comes to look.
    idle: AtomicBool,
}

struct Open {
    slot: u32,
    under_way: u32,
    /// As the slot says it.
    hold_ms: u64,
    /// It was found idle by the last look.
    seen_idle: bool,
}

/// Why an append could not begin.
pub(super) enum Refused {
    Full,
    Failed(io::Error),
}

impl SharedSlots {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), idle: AtomicBool::new(false) }
    }

    /// An append begins: there is a slot for its key in the file when this returns.
    ///
    /// A slot with appends under way stands for the first of them; each further one reserves another. It says the longest
    /// time for which one of them is to be held.
    pub(super) fn enter(
        &self,
        write: &Write,
        hold_ms: u64,
        label: &Label,
        file: &SlotFile,
        free: &FreeSlots,
    ) -> Result<(), Refused> {
        let mut shard = self.shard(write.key).lock();
        let fill = |slot: u32| {
            // The slot outlives this append, and must not be taken for the doubt that this one may become.
            let of_slot = Write { id: free.draw_id(), kind: Kind::Shared, ..*write };
            file.fill(slot, &encode_under_way(&of_slot, false, hold_ms, label)).map_err(Refused::Failed)
        };
        if let Some(open) = shard.get_mut(&write.key) {
            if open.under_way > 0 && !free.reserve() {
                return Err(Refused::Full);
            }
            if hold_ms > open.hold_ms {
                fill(open.slot)?;
                open.hold_ms = hold_ms;
            }
            open.under_way += 1;
            open.seen_idle = false;
            return Ok(());
        }
        let slot = free.take().ok_or(Refused::Full)?;
        fill(slot)?;
        shard.insert(write.key, Open { slot, under_way: 1, hold_ms, seen_idle: false });
        Ok(())
    }

    /// An append ended. True: somebody should come and look for idle slots.
    pub(super) fn leave(&self, key: u128, free: &FreeSlots) -> bool {
        let mut shard = self.shard(key).lock();
        let Some(open) = shard.get_mut(&key) else { return false };
        open.under_way = open.under_way.saturating_sub(1);
        if open.under_way > 0 {
            free.unreserve();
            return false;
        }
        drop(shard);
        !self.idle.load(Ordering::Acquire) && !self.idle.swap(true, Ordering::AcqRel)
    }

    /// An append is put in doubt: `write_down` is given the slot that is its own from now on. The last one gets the
    /// shared slot itself. On failure nothing is given back.
    pub(super) fn part(
        &self,
        key: u128,
        free: &FreeSlots,
        write_down: impl FnOnce(u32) -> io::Result<()>,
    ) -> io::Result<Option<u32>> {
        let mut shard = self.shard(key).lock();
        let Some(open) = shard.get_mut(&key) else { return Ok(None) };
        let own = if open.under_way == 1 { Some(open.slot) } else { free.take_reserved() };
        let Some(slot) = own else { return Ok(None) };
        write_down(slot)?;
        open.under_way -= 1;
        if open.under_way == 0 {
            shard.remove(&key);
        }
        Ok(Some(slot))
    }

    /// Clears slots that have been idle for long enough; with `all`, those that are idle at all. True: some are left
    /// that a later look may find idle.
    pub(super) fn sweep(&self, all: bool, file: &SlotFile, free: &FreeSlots) -> io::Result<bool> {
        self.idle.store(false, Ordering::Release);
        let mut idle = false;
        for shard in &self.shards {
            let mut shard = shard.lock();
            let mut result = Ok(());
            shard.retain(|_, open| {
                if open.under_way > 0 || result.is_err() {
                    return true;
                }
                if !open.seen_idle && !all {
                    open.seen_idle = true;
                    idle = true;
                    return true;
                }
                result = file.clear(open.slot);
                if result.is_ok() {
                    free.give(open.slot);
                }
                result.is_err()
            });
            result?;
        }
        if idle {
            self.idle.store(true, Ordering::Release);
        }
        Ok(idle)
    }

    fn shard(&self, key: u128) -> &Shard {
        &self.shards[usize::try_from(key % SHARDS as u128).unwrap_or(0)]
    }
}
