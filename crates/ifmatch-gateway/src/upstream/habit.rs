//! What is known of how the upstream treats connections that are idle.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A connection that the upstream closes after less than this, without having said so, was closed right behind its answer.
const EARLY_CLOSE: Duration = Duration::from_secs(1);
/// How long no write is sent on a used connection after that was seen.
const DISTRUST: Duration = Duration::from_secs(60);

/// Whether the upstream keeps connections open behind an answer. One that closes them unannounced may do so at the very
/// moment in which a write goes out, and then nobody can say what became of it.
#[derive(Debug)]
pub(super) struct Habit {
    start: Instant,
    /// A used connection carried another exchange, or was seen alive after a while.
    keeps: AtomicBool,
    /// Until when it is distrusted, in milliseconds since the start.
    distrusted_until_ms: AtomicU64,
}

impl Habit {
    /// Nothing is known yet, so nothing is trusted.
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), keeps: AtomicBool::new(false), distrusted_until_ms: AtomicU64::new(0) }
    }

    /// A connection that had been idle since then turned out to be closed.
    pub(super) fn found_closed(&self, idle_since: Instant) {
        if idle_since.elapsed() < EARLY_CLOSE {
            self.closed_early();
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether it is known to keep them.
    pub(super) fn is_trusted(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// A used connection carried another exchange, or was seen alive after a while.
    pub(super) fn kept(&self) {
        if !self.is_trusted() && self.now_ms() >= self.distrusted_until_ms.load(Ordering::Relaxed) {
            self.keeps.store(true, Ordering::Relaxed);
        }
    }

    fn closed_early(&self) {
        let until = self.now_ms().saturating_add(u64::try_from(DISTRUST.as_millis()).unwrap_or(u64::MAX));
        self.distrusted_until_ms.store(until, Ordering::Relaxed);
        self.keeps.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn trust_is_earned_and_lost_for_a_minute() {
        let habit = Habit::new();
        assert!(!habit.is_trusted());
        habit.kept();
        assert!(habit.is_trusted());
        // One that was idle for long was closed for its age.
        let idle_since = Instant::now();
        advance(EARLY_CLOSE).await;
        habit.found_closed(idle_since);
        assert!(habit.is_trusted());
        habit.found_closed(Instant::now());
        habit.kept();
        assert!(!habit.is_trusted());
        advance(DISTRUST).await;
        habit.kept();
        assert!(habit.is_trusted());
    }
}
