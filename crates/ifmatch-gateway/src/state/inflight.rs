//! Writes under way: begun before their first byte is forwarded, and ended exactly once.

use super::counters::Counter;
use super::record::{Kind, Label, Write, encode_under_way};
use super::shared::Refused;
use super::{Inner, State};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::bytes::{millis, unix_ms};

/// A write that is about to be forwarded.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its turn key.
    pub key: Key,
    /// Whether it excludes others.
    pub kind: Kind,
    /// For people.
    pub method: &'a str,
    /// For people; shortened to some 380 bytes.
    pub target: &'a str,
    /// The second key of COPY and MOVE.
    pub also: Option<Key>,
    /// How long it may still be applied after its answer was lost: what the next process goes by if this one is killed.
    pub late_write_max: Duration,
}

/// A turn key as the state knows it. See [`State::key`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    pub(super) hash: u128,
    /// Its counter.
    pub counter: Counter,
}

impl Key {
    /// A part of its hash, which is keyed.
    pub(crate) fn short(self) -> u64 {
        u64::try_from(self.hash >> 64).unwrap_or(0)
    }
}

/// Why a write must not be forwarded. Nothing of it was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotBegun {
    /// As many writes as there may be are under way or in doubt.
    #[error("as many writes as there may be are under way or in doubt")]
    Full,
    /// The state cannot be written any more, or was closed.
    #[error("the write could not be noted: {0}")]
    Failed(String),
}

/// Where a write is written down.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// In a slot of its own. Marked: its end is told by the counter's entry.
    Own { slot: u32, marked: bool },
    /// In the slot of all appends of its key.
    Shared,
}

/// A write under way. Dropped without an end it is in doubt, for as long as [`super::Options`] say.
#[must_use = "a write that is dropped is in doubt"]
pub struct InFlight {
    state: Arc<State>,
    write: Write,
    /// Taken at the end.
    label: Option<Label>,
    place: Place,
}

impl InFlight {
    pub(super) fn begin(state: &Arc<State>, entry: &Entry<'_>) -> Result<Self, NotBegun> {
        let inner = &state.inner;
        refuse_if_unusable(inner)?;
        let label = Label::new(entry.method, entry.target);
        let hold_ms = millis(entry.late_write_max);
        let mut write = Write {
            id: 0,
            kind: entry.kind,
            key: entry.key.hash,
            counter: entry.key.counter,
            also: entry.also.map(|key| (key.hash, key.counter)),
            began_ms: unix_ms(),
        };
        let place = match (entry.kind, entry.also) {
            (Kind::Shared, None) => {
                write.id = inner.free.draw_id();
                enter(inner, &write, hold_ms, &label)?
            }
            _ => fill(inner, &mut write, hold_ms, &label)?,
        };
        let begun = Self { state: Arc::clone(state), write, label: Some(label), place };
        // Closed meanwhile: the slot may not have been flushed with the others.
        if let Err(refused) = refuse_if_unusable(inner) {
            begun.take_back();
            return Err(refused);
        }
        Ok(begun)
    }

    /// Names this write in the audit and, should it come to that, among the doubts.
    pub fn id(&self) -> u64 {
        self.write.id
    }

    /// The answer is known. `advance`: something may have changed.
    ///
    /// The result is the count right after this write: of an exclusive one a tag may be made of it. Of a shared one
    /// only that it is greater than all before; ask [`State::count`] for a tag.
    pub fn end(mut self, advance: bool) -> u64 {
        self.label = None;
        let (inner, write) = (&self.state.inner, &self.write);
        match self.place {
            Place::Shared => {
                let count = if advance {
                    inner.counters.advance(write.counter)
                } else {
                    inner.counters.count(write.counter)
                };
                if inner.shared.leave(write.key, &inner.free) {
                    inner.signal.look();
                }
                count
            }
            Place::Own { slot, marked } => end_own(inner, write, slot, marked, advance),
        }
    }

    /// The outcome is unknown. For `late_write_max` it may still be applied, and other writes of its key are held back;
    /// then the count advances.
    pub fn doubt(mut self, late_write_max: Duration) {
        self.put_in_doubt(late_write_max, false);
    }

    /// The same, and somebody goes on waiting for the answer: it is not over before they have stopped.
    pub fn doubt_awaited(mut self, late_write_max: Duration) -> Awaited {
        self.put_in_doubt(late_write_max, true);
        Awaited { state: Arc::clone(&self.state), id: self.write.id }
    }

    fn put_in_doubt(&mut self, hold: Duration, awaited: bool) {
        if let Some(label) = self.label.take() {
            self.state.inner.put_in_doubt(&self.write, label, self.place, hold, awaited);
        }
    }

    /// Nothing was forwarded, and nothing will be.
    fn take_back(mut self) {
        self.label = None;
        let inner = &self.state.inner;
        match self.place {
            Place::Shared => drop(inner.shared.leave(self.write.key, &inner.free)),
            Place::Own { slot, marked } => clear(inner, &self.write, slot, marked),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let hold = self.state.inner.late_write_max;
        self.put_in_doubt(hold, false);
    }
}

/// A write in doubt whose answer may still come, over a connection that is still open. As long as this is there the write
/// is in doubt, also when its time is over; dropped, until then.
#[must_use = "dropped, nobody waits for the answer any more"]
pub struct Awaited {
    state: Arc<State>,
    id: u64,
}

impl Awaited {
    /// The answer is known after all.
    pub fn settle(self) {
        self.state.settle(self.id);
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.state.inner.doubts.is_given_up(self.id);
        self.state.inner.signal.look();
    }
}

fn refuse_if_unusable(inner: &Inner) -> Result<(), NotBegun> {
    if inner.is_usable() {
        return Ok(());
    }
    Err(NotBegun::Failed(inner.failure.why().unwrap_or_else(|| "the state was closed".to_owned())))
}

fn failed(inner: &Inner, cause: &io::Error) -> NotBegun {
    inner.fail(cause);
    NotBegun::Failed(inner.failure.why().unwrap_or_default())
}

/// An append finds or opens the slot of its key.
fn enter(inner: &Inner, write: &Write, hold_ms: u64, label: &Label) -> Result<Place, NotBegun> {
    let enter = || inner.shared.enter(write, hold_ms, label, &inner.slots, &inner.free);
    let mut entered = enter();
    if matches!(entered, Err(Refused::Full)) {
        // Idle slots of appends are kept for a moment only because nobody else wanted them.
        inner.sweep(true);
        entered = enter();
    }
    match entered {
        Ok(()) => Ok(Place::Shared),
        Err(Refused::Full) => Err(NotBegun::Full),
        Err(Refused::Failed(cause)) => Err(failed(inner, &cause)),
    }
}

/// A write fills a slot of its own, and gets its id.
fn fill(inner: &Inner, write: &mut Write, hold_ms: u64, label: &Label) -> Result<Place, NotBegun> {
    let mut slot = inner.free.take();
    if slot.is_none() {
        inner.sweep(true);
        slot = inner.free.take();
    }
    let slot = slot.ok_or(NotBegun::Full)?;
    let marked = write.also.is_none() && inner.counters.mark(write.counter);
    // After the mark is taken: that is what keeps the ids of marked writes in order.
    write.id = inner.free.draw_id();
    match inner.slots.fill(slot, &encode_under_way(write, marked, hold_ms, label)) {
        Ok(()) => Ok(Place::Own { slot, marked }),
        Err(cause) => Err(failed(inner, &cause)),
    }
}

fn end_own(inner: &Inner, write: &Write, slot: u32, marked: bool, advance: bool) -> u64 {
    let counters = &inner.counters;
    let count = match (advance, marked) {
        (true, true) => counters.advance_exactly(write.counter, Some(write.id)),
        (true, false) => counters.advance_exactly(write.counter, None),
        (false, true) => {
            counters.finish(write.counter, write.id);
            counters.count(write.counter)
        }
        (false, false) => counters.count(write.counter),
    };
    if let Some((_, counter)) = write.also.filter(|_| advance) {
        counters.advance_exactly(counter, None);
    }
    // What is not in the files stays in its slot, and keeps its mark, until the next start finds it there.
    if inner.failure.happened() {
        return count;
    }
    if marked {
        counters.unmark(write.counter);
        inner.free.give(slot);
    } else {
        clear(inner, write, slot, false);
    }
    count
}

fn clear(inner: &Inner, write: &Write, slot: u32, marked: bool) {
    match inner.slots.clear(slot) {
        Ok(()) => {
            if marked {
                inner.counters.unmark(write.counter);
            }
            inner.free.give(slot);
        }
        Err(cause) => inner.fail(&cause),
    }
}
