//! What exchanges wait at until the test lets them go on.

use super::Error;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long anything waits at a gate. Far more than a test takes; past it the gate counts as ended.
pub const HOLD_MAX: Duration = Duration::from_secs(120);

/// Holds exchanges back until it is opened. A clone is the same gate.
///
/// A gate that was opened stays open. When its server is dropped it ends: what waits there goes no further.
#[derive(Debug, Clone)]
pub struct Gate {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    arrived: usize,
    /// So many are let through, whoever comes first.
    permits: usize,
    opens_at: Option<usize>,
    is_open: bool,
    is_ended: bool,
}

impl Gate {
    /// One that opens by itself as soon as so many have arrived.
    pub(super) fn opening_at(arrivals: usize) -> Self {
        let gate = Self::shut();
        gate.state().opens_at = Some(arrivals);
        gate
    }

    /// One that is shut until it is opened.
    pub(super) fn shut() -> Self {
        Self { shared: Arc::default() }
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.state().is_open = true;
        self.shared.1.notify_all();
    }

    /// Lets `count` through, of those that wait or of those that come.
    pub fn admit(&self, count: usize) {
        let mut state = self.state();
        state.permits = state.permits.saturating_add(count);
        drop(state);
        self.shared.1.notify_all();
    }

    /// How many have come here so far.
    pub fn arrived(&self) -> usize {
        self.state().arrived
    }

    /// Waits until `count` in all have come here.
    ///
    /// # Errors
    /// [`Error`] when they did not within [`WAIT_MAX`](super::WAIT_MAX).
    pub fn wait_for_arrivals(&self, count: usize) -> Result<(), Error> {
        let state = self.state();
        let waited = self.shared.1.wait_timeout_while(state, super::WAIT_MAX, |state| state.arrived < count);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.arrived >= count {
            return Ok(());
        }
        Err(Error::new(format!("{} arrived at the gate, not {count}", state.arrived)))
    }

    /// Waits to be let through; false when it ended instead.
    pub(super) fn pass(&self) -> bool {
        let mut state = self.state();
        state.arrived += 1;
        if state.opens_at.is_some_and(|count| state.arrived >= count) {
            state.is_open = true;
        }
        self.shared.1.notify_all();
        let shut = |state: &mut State| !state.is_open && !state.is_ended && state.permits == 0;
        let waited = self.shared.1.wait_timeout_while(state, HOLD_MAX, shut);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_ended {
            return false;
        }
        if state.is_open {
            return true;
        }
        let is_admitted = state.permits > 0;
        state.permits = state.permits.saturating_sub(1);
        is_admitted
    }

    pub(super) fn end(&self) {
        self.state().is_ended = true;
        self.shared.1.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
