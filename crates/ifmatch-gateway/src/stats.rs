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
    routes: Vec<RouteStats>,
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
}

/// Counters of one route.
#[derive(Debug, Default)]
pub struct RouteStats {
    /// Lost updates that were measured: an applied write that named no version replaced one that its client had not seen.
    pub lost_updates: Count,
    /// POST requests that ran without a condition.
    pub unguarded_posts: Count,
    /// Stale writes of others' clients that were refused.
    pub prevented: Count,
    /// Blind retries: refused, and then the same content again under a new tag without a read.
    pub blind_retries: Count,
    /// Writers refused because of a write of their own.
    pub self_conflicts: Count,
}

impl Stats {
    /// Counters for a table of so many routes, at least one.
    pub(crate) fn new(routes: usize) -> Self {
        Self { routes: (0..routes.max(1)).map(|_| RouteStats::default()).collect(), ..Self::default() }
    }

    /// The counters of the route of that ordinal; of the last one if there is none.
    pub fn route(&self, ordinal: usize) -> &RouteStats {
        &self.routes[ordinal.min(self.routes.len() - 1)]
    }
}
