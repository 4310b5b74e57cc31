//! What is known of how the upstream treats connections that are idle.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A connection that the upstream closes after less than this, without having said so, was closed right behind its answer.
const EARLY_CLOSE: Duration = Duration::from_secs(1);
/// How long no write is sent on a used connection after that was seen: the first time, as when the upstream is started anew,
/// and at most. It doubles each time.
const DISTRUST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Whether the upstream keeps connections open behind an answer. One that closes them unannounced may do so at the very
/// moment in which a write goes out, and then nobody can say what became of it.
#[derive(Debug)]
pub(super) struct Habit {
    /// A used connection carried another exchange, or was seen alive after a while.
    keeps: AtomicBool,
    distrust: Mutex<Option<Distrust>>,
}

/// What it last was distrusted for.
#[derive(Clone, Copy, Debug)]
struct Distrust {
    until: Instant,
    lasts: Duration,
}

impl Habit {
    /// Nothing is known yet, so nothing is trusted.
    pub(super) fn new() -> Self {
        Self { keeps: AtomicBool::new(false), distrust: Mutex::new(None) }
    }

    /// A connection that had been idle since then turned out to be closed.
    pub(super) fn found_closed(&self, idle_since: Instant) {
        if idle_since.elapsed() < EARLY_CLOSE {
            self.closed_early();
        }
    }

    /// Whether it is known to keep them.
    pub(super) fn is_trusted(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// A used connection carried another exchange, or was seen alive after a while.
    pub(super) fn kept(&self) {
        if self.is_trusted() {
            return;
        }
        let distrust = self.distrust.lock();
        if distrust.is_none_or(|distrust| Instant::now() >= distrust.until) {
            self.keeps.store(true, Ordering::Relaxed);
        }
    }

    fn closed_early(&self) {
        let now = Instant::now();
        let mut distrust = self.distrust.lock();
        let lasts = match *distrust {
            // One event closes many connections.
            Some(present) if now < present.until => return,
            Some(last) if now < last.until + DISTRUST.1 => (last.lasts * 2).min(DISTRUST.1),
            Some(_) | None => DISTRUST.0,
        };
        *distrust = Some(Distrust { until: now + lasts, lasts });
        self.keeps.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn trust_is_earned_and_lost_for_longer_each_time() {
        let habit = Habit::new();
        assert!(!habit.is_trusted());
        habit.kept();
        assert!(habit.is_trusted());
        // One that was idle for long was closed for its age.
        let idle_since = Instant::now();
        advance(EARLY_CLOSE).await;
        habit.found_closed(idle_since);
        assert!(habit.is_trusted());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            for _ in 0..100 {
                habit.found_closed(Instant::now());
            }
            advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
            habit.kept();
            assert!(!habit.is_trusted(), "{seconds}");
            advance(Duration::from_millis(1)).await;
            assert!(!habit.is_trusted(), "it has to be earned again");
            habit.kept();
            assert!(habit.is_trusted(), "{seconds}");
        }
        // Who was good for a minute begins anew.
        advance(DISTRUST.1).await;
        habit.found_closed(Instant::now());
        advance(DISTRUST.0).await;
        habit.kept();
        assert!(habit.is_trusted());
    }
}
