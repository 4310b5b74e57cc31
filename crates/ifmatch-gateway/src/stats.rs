//! What the gateway counts beside decisions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// Upper bounds of the buckets of [`Durations`], in seconds; those that OpenTelemetry advises.
pub const DURATION_BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How long something took, in buckets.
#[derive(Debug, Default)]
pub struct Durations {
    /// One for each bound, and one for all that took longer.
    buckets: [AtomicU64; DURATION_BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Durations {
    pub(crate) fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket =
            DURATION_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(DURATION_BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The sum in seconds, and for each bound (the last is infinite) how many took no longer and longer than the one
    /// before.
    pub fn values(&self) -> (f64, Vec<(f64, u64)>) {
        let bounds = DURATION_BOUNDS.iter().copied().chain([f64::INFINITY]);
        let counts = bounds.zip(&self.buckets).map(|(bound, count)| (bound, count.load(Ordering::Relaxed)));
        (Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64(), counts.collect())
    }
}

/// Counters of one gateway.
#[derive(Debug, Default)]
pub struct Stats {
    routes: Vec<RouteStats>,
    /// Check reads.
    pub checks: Count,
    /// How long they took.
    pub check_durations: Durations,
    /// Check reads that gave no answer to go by.
    pub checks_failed: Count,
    /// Representations that went out without a tag: too large for a digest.
    pub untagged_large: Count,
    /// The same: it varies on everything, or on request fields that are too large together.
    pub untagged_variant: Count,
    /// The same: it varies on request fields that could not be stored.
    pub untagged_state: Count,
    /// The same: the route's digest source was not there.
    pub untagged_source: Count,
    /// The same: as many bytes are held for digests as may be.
    pub untagged_busy: Count,
    /// The same: out of a cache, where only the count tells versions apart.
    pub untagged_aged: Count,
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
    /// How long writers waited for their turn.
    pub turn_waits: Durations,
    /// From the first byte of a request to the upstream to the head of its answer.
    pub upstream_durations: Durations,
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
