//! What the gateway counts beside decisions.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Its value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one gateway.
#[derive(Debug, Default)]
pub struct Stats {
    /// Check reads.
    pub checks: Count,
    /// Check reads that gave no answer to go by.
    pub checks_failed: Count,
    /// Representations that went out without a tag: too large for a digest.
    pub untagged_large: Count,
    /// The same: the variant is not known and the table is full, or it varies on everything.
    pub untagged_variant: Count,
    /// The same: the route's digest source was not there.
    pub untagged_source: Count,
    /// The same: as many bytes are held for digests as may be.
    pub untagged_busy: Count,
    /// Tags minted.
    pub minted: Count,
    /// Writes forwarded.
    pub forwarded: Count,
    /// Writes whose outcome is unknown.
    pub unknown: Count,
    /// Writes refused because another one's outcome is unknown.
    pub held: Count,
    /// Writers around the gateway that were noticed: the digest moved and the count did not.
    pub around: Count,
    /// POST requests that ran without a condition.
    pub unguarded_posts: Count,
    /// Lost updates that were measured.
    pub lost_updates: Count,
    /// Blind retries that were seen.
    pub blind_retries: Count,
    /// Writers refused because of a write of their own.
    pub self_conflicts: Count,
}
