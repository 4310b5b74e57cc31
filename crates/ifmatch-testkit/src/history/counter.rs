//! The simplest check: many clients increment one counter, and nothing else touches it.

use std::fmt;

/// What the clients of one counter know at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// The value before.
    pub start: u64,
    /// Increments that were acknowledged.
    pub acknowledged: u64,
    /// Increments without an answer: each may have counted once, or not at all.
    pub unknown: u64,
    /// The value after.
    pub end: u64,
}

/// A counter that does not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miscount {
    /// At least this many acknowledged increments were overwritten.
    Lost(u64),
    /// At least this many increments counted without having been asked for, or twice.
    Surplus(u64),
}

impl fmt::Display for Miscount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(count) => write!(f, "{count} acknowledged increments were lost"),
            Self::Surplus(count) => write!(f, "{count} increments counted that nobody made, or twice"),
        }
    }
}

impl std::error::Error for Miscount {}

impl Counter {
    /// Whether the end can be explained by the increments.
    ///
    /// # Errors
    /// How far off it is at least.
    pub fn check(&self) -> Result<(), Miscount> {
        let low = self.start.saturating_add(self.acknowledged);
        let high = low.saturating_add(self.unknown);
        if self.end < low {
            Err(Miscount::Lost(low - self.end))
        } else if self.end > high {
            Err(Miscount::Surplus(self.end - high))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_acknowledged_increment_counts_once() {
        let counter = Counter { start: 5, acknowledged: 10, unknown: 2, end: 15 };
        assert_eq!(counter.check(), Ok(()));
        assert_eq!(Counter { end: 17, ..counter }.check(), Ok(()));
        assert_eq!(Counter { end: 14, ..counter }.check(), Err(Miscount::Lost(1)));
        assert_eq!(Counter { end: 18, ..counter }.check(), Err(Miscount::Surplus(1)));
        assert_eq!(Counter { end: 0, ..counter }.check(), Err(Miscount::Lost(15)));
    }
}
