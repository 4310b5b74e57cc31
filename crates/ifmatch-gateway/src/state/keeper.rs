//! The one thread of the state: releases what was held long enough or settled, and clears slots of appends that ended.
//!
//! It sleeps until there is something to do, and ends with the state.

use super::inner::Inner;
use super::shared::SWEEP;
use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// How often somebody else's `settle` is looked for while something is in doubt.
const SETTLED_POLL: Duration = Duration::from_millis(250);

/// How the thread is woken.
#[derive(Default)]
pub(super) struct Signal {
    state: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Default)]
struct Wanted {
    look: bool,
    stop: bool,
}

impl Signal {
    /// There is something to do.
    pub(super) fn look(&self) {
        self.state.lock().look = true;
        self.changed.notify_one();
    }

    pub(super) fn stop(&self) {
        self.state.lock().stop = true;
        self.changed.notify_one();
    }

    /// Waits for a call, or that long. False: it is over.
    fn wait(&self, wait: Option<Duration>) -> bool {
        let mut state = self.state.lock();
        if !state.look && !state.stop {
            match wait {
                Some(wait) => drop(self.changed.wait_for(&mut state, wait)),
                None => self.changed.wait(&mut state),
            }
        }
        state.look = false;
        !state.stop
    }
}

/// The thread's whole life. `news`: see [`super::slots::SlotFile::news`].
pub(super) fn run(inner: &Inner, mut news: u64) {
    loop {
        let wait = round(inner, &mut news);
        if !inner.signal.wait(wait) {
            return;
        }
    }
}

/// One look at everything. How long until the next one; `None`: until called.
fn round(inner: &Inner, news: &mut u64) -> Option<Duration> {
    if !inner.is_usable() {
        return None;
    }
    if inner.doubts.len() > 0 {
        release_due(inner);
        release_settled(inner, news);
    }
    let idle = inner.sweep(false);
    let sweep = idle.then_some(SWEEP);
    let poll = (inner.doubts.len() > 0).then_some(SETTLED_POLL);
    let due = inner.doubts.next_due().map(|due| due.saturating_duration_since(Instant::now()));
    // One round at a time may fail for good; it is then not repeated before somebody calls.
    if !inner.is_usable() {
        return None;
    }
    [sweep, poll, due].into_iter().flatten().min()
}

fn release_due(inner: &Inner) {
    let due = inner.doubts.due(Instant::now());
    for id in due.ids {
        inner.release(id, "held long enough");
    }
    if due.hold {
        inner.release_hold("held long enough");
    }
}

fn release_settled(inner: &Inner, news: &mut u64) {
    // What cannot be read is held until its time is over.
    let Ok(now) = inner.slots.news() else { return };
    if now == *news {
        return;
    }
    *news = now;
    for (id, slot) in inner.doubts.slots() {
        if inner.slots.settled(slot).is_ok_and(|settled| settled == id) {
            inner.release(id, "settled");
        }
    }
    let settled = inner.slots.head().is_ok_and(|head| head.is_ok_and(|head| head.hold_settled));
    if settled && inner.doubts.hold().is_some() {
        inner.release_hold("settled");
    }
}
