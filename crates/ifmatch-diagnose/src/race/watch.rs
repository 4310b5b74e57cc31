//! Looking on, and making an end.

use std::sync::Arc;
use tokio::sync::watch;

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What is being tried, in a few words.
    pub test: &'static str,
    /// Rounds that are over.
    pub round: u32,
    /// Rounds in all, unless something is found earlier.
    pub rounds: u32,
}

/// Whoever wants to know how far a run is.
pub trait Observer: Sync {
    /// Is called before each round.
    fn progress(&self, progress: Progress);
}

/// Nobody.
impl Observer for () {
    fn progress(&self, _: Progress) {}
}

/// A wish to end early. The run then writes nothing more but the original. A clone is the same wish.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Ends the run soon.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked for.
    pub(super) async fn asked(&self) {
        let mut asked = self.0.subscribe();
        // The sender is in `self`.
        drop(asked.wait_for(|&asked| asked).await);
    }
}
