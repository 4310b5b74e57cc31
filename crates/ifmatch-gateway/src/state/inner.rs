//! What the state and its thread have in common.

use super::clock::{Boot, Deadline};
use super::counters::Counters;
use super::doubts::{Doubt, Doubts};
use super::failure::Failure;
use super::folder::Folder;
use super::keeper::Signal;
use super::record::{Label, Write, encode_in_doubt};
use super::shared::SharedSlots;
use super::slots::{FreeSlots, Head, SlotFile};
use super::variants::Variants;
use super::{Began, Counter, Key, Place};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::bytes::{array_at, millis, u32_at, unix_ms};

/// Nothing is held for longer than a year.
pub(super) const HOLD_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

pub(super) struct Inner {
    /// First to be made, last to go.
    pub(super) folder: Folder,
    pub(super) began: Began,
    pub(super) boot: Boot,
    pub(super) epoch: u64,
    pub(super) secret: [u8; 32],
    /// Keys the hash of turn keys.
    pub(super) turn_secret: [u8; 32],
    pub(super) late_write_max: Duration,
    pub(super) failure: Arc<Failure>,
    pub(super) counters: Counters,
    pub(super) slots: SlotFile,
    pub(super) head: Mutex<Head>,
    pub(super) free: FreeSlots,
    pub(super) shared: SharedSlots,
    pub(super) doubts: Doubts,
    /// One at a time releases: a slot is given back once.
    pub(super) releasing: Mutex<()>,
    pub(super) variants: Variants,
    /// Until when a write may still land of which nothing was noted.
    pub(super) unsure: Mutex<Deadline>,
    pub(super) closed: AtomicBool,
    pub(super) signal: Signal,
}

impl Inner {
    /// A turn key.
    pub(super) fn key(&self, key: &str) -> Key {
        let hash = blake3::keyed_hash(&self.turn_secret, key.as_bytes());
        let bytes = hash.as_bytes();
        // The table has a power of two entries.
        let mask = u32::try_from(self.counters.len() - 1).unwrap_or(u32::MAX);
        Key { hash: u128::from_le_bytes(array_at(bytes, 16)), counter: Counter(u32_at(bytes, 0) & mask) }
    }

    /// Whether writes may begin: no file has failed, and nothing was closed.
    pub(super) fn is_usable(&self) -> bool {
        !self.failure.happened() && !self.closed.load(Ordering::SeqCst)
    }

    pub(super) fn fail(&self, cause: &io::Error) {
        self.failure.note(self.slots.path(), cause);
    }

    /// A write ended and its outcome is unknown. When this returns it is held; if it could not be written down, until
    /// this process ends, and its slot is found under way by the next one.
    pub(super) fn put_in_doubt(
        &self,
        write: &Write,
        label: Label,
        place: Place,
        hold: Duration,
        awaited: bool,
    ) {
        let hold = hold.min(HOLD_MAX);
        let (now, hold_ms) = (Instant::now(), millis(hold));
        let until_ms = unix_ms().saturating_add(hold_ms);
        let times = (until_ms, hold_ms, Deadline::after(self.boot, hold_ms));
        let record = encode_in_doubt(write, times, &label);
        let written = match place {
            Place::Own { slot, .. } => self.slots.rewrite(slot, &record).map(|()| Some(slot)),
            Place::Shared => self.shared.part(write.key, &self.free, |slot| self.slots.fill(slot, &record)),
        };
        match &written {
            // From here on its slot is cleared in the end, whoever else has the counter.
            Ok(_) if matches!(place, Place::Own { marked: true, .. }) => self.counters.unmark(write.counter),
            Ok(_) => {}
            Err(cause) => self.fail(cause),
        }
        let slot = written.ok().flatten();
        let until = now.checked_add(hold).unwrap_or(now);
        tracing::warn!(
            id = write.id,
            method = label.method(),
            target = label.target(),
            held_ms = hold_ms,
            "a write is in doubt"
        );
        self.doubts.insert(Doubt { write: *write, label, slot, until, until_ms, awaited });
        self.signal.look();
    }

    /// A write of which nothing was noted has lost its answer.
    pub(super) fn note_unsure(&self, hold: Duration) {
        let until = Deadline::after(self.boot, millis(hold.min(HOLD_MAX)));
        let mut unsure = self.unsure.lock();
        *unsure = unsure.later(until);
    }

    /// The doubt is over: whatever happened has happened, so the count advances, and only then others may go on.
    /// False: there is none of that id, or it cannot be noted that it is over.
    pub(super) fn release(&self, id: u64, why: &'static str) -> bool {
        let _alone = self.releasing.lock();
        let Some((write, label, slot)) = self.doubts.find(id) else { return false };
        self.counters.advance_exactly(write.counter, None);
        if let Some((_, counter)) = write.also {
            self.counters.advance_exactly(counter, None);
        }
        if self.failure.happened() {
            return false;
        }
        if let Err(cause) = self.slots.clear(slot) {
            self.fail(&cause);
            return false;
        }
        self.doubts.remove(id);
        self.free.give(slot);
        let (method, target) = (label.method(), label.target());
        tracing::info!(id, method, target, why, "a write is no longer in doubt");
        true
    }

    /// The same for the hold on everything: every count advances.
    pub(super) fn release_hold(&self, why: &'static str) {
        let _alone = self.releasing.lock();
        self.counters.advance_all();
        if self.failure.happened() {
            return;
        }
        let mut head = self.head.lock();
        head.hold = None;
        if let Err(cause) = self.slots.write_head(&head) {
            return self.fail(&cause);
        }
        drop(head);
        self.doubts.set_hold(None);
        tracing::info!(why, "writes are no longer held back after the restart");
    }

    /// Clears idle slots. True: there may be more in a moment.
    pub(super) fn sweep(&self, all: bool) -> bool {
        match self.shared.sweep(all, &self.slots, &self.free) {
            Ok(idle) => idle,
            Err(cause) => {
                self.fail(&cause);
                false
            }
        }
    }

    /// Flushes everything, and says so in the end.
    pub(super) fn close(&self) {
        // Those that begin look at this after they have written their slot, so that each is refused or flushed.
        if self.closed.swap(true, Ordering::SeqCst) || self.failure.happened() {
            return;
        }
        self.sweep(true);
        if let Err(cause) = self.slots.sync().and_then(|()| self.variants.sync()) {
            return self.fail(&cause);
        }
        if let Err(cause) = self.counters.close(*self.unsure.lock()) {
            self.failure.note(self.folder.path(), &cause);
        }
    }
}
