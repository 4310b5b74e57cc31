//! Time that never steps back, for dates that name one state each.
//!
//! A date is used as the name of a state: a client may say "only if unmodified since D". That is safe only if every
//! change that the client cannot have seen when it got D has a date after D. So:
//!
//! 1. A change gets a date of at least one second after the time at which its group began ([`Clock::hold`]).
//! 2. From then until the group is durable and visible the clock stands still: nobody is given a later second
//!    together with the state from before the change.
//! 3. The clock never steps back within a process.
//! 4. Nor from one process to the next: no time is given out past a *ceiling* that is durable. The ceiling is written
//!    with every group of changes, some seconds ahead, and when it comes near. A new process begins at the
//!    ceiling of a crashed one, and where a cleanly closed one ended. It does *not* begin at the latest date stored:
//!    a document that changes a thousand times per second gets dates far in the future (each is a second after the
//!    previous one), and they must not drag the time of everything else with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ifmatch_core::HttpDate;

/// Where the time comes from; the system's clock unless a test says otherwise.
pub type TimeSource = Arc<dyn Fn() -> HttpDate + Send + Sync>;

pub(crate) fn system_time() -> TimeSource {
    Arc::new(|| {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        HttpDate::from_unix(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
    })
}

pub(crate) struct Clock {
    source: TimeSource,
    /// The last second given out, times two; plus one while a group holds the clock.
    last: AtomicI64,
    /// No later second is given out.
    ceiling: AtomicI64,
}

const HELD: i64 = 1;

impl Clock {
    /// A clock that begins no earlier than `floor` and gives out nothing later than `ceiling`.
    pub(crate) fn new(source: TimeSource, floor: HttpDate, ceiling: Option<HttpDate>) -> Self {
        let ceiling = ceiling.map_or(i64::MAX, HttpDate::unix);
        let start = source().unix().min(ceiling).max(floor.unix());
        Self { source, last: AtomicI64::new(start << 1), ceiling: AtomicI64::new(ceiling) }
    }

    pub(crate) fn now(&self) -> HttpDate {
        let ceiling = self.ceiling.load(Ordering::Acquire);
        // A group may have begun in a second past the ceiling; that second is not given out before it is covered.
        self.advance(self.source_time().min(ceiling), 0).min(HttpDate::from_unix(ceiling))
    }

    /// The time at which a group of changes begins. The clock gives out nothing later until [`Clock::release`]. Only
    /// the one writer calls this. Not bound by the ceiling: the group carries a new one.
    pub(crate) fn hold(&self) -> HttpDate {
        self.advance(self.source_time(), HELD)
    }

    /// Lets the clock go on; with a new `ceiling` if one has become durable.
    pub(crate) fn release(&self, ceiling: Option<HttpDate>) {
        if let Some(ceiling) = ceiling {
            self.ceiling.fetch_max(ceiling.unix(), Ordering::AcqRel);
        }
        self.last.fetch_and(!HELD, Ordering::AcqRel);
    }

    /// Whether the ceiling is less than `seconds` ahead, so that it is time to make a new one durable.
    pub(crate) fn ceiling_within(&self, seconds: i64) -> bool {
        self.ceiling.load(Ordering::Acquire).saturating_sub(self.source_time()) < seconds
    }

    /// How far the clock is ahead of its source, in seconds; 0 if it is not.
    pub(crate) fn ahead_seconds(&self) -> i64 {
        ((self.last.load(Ordering::Acquire) >> 1) - self.source_time()).max(0)
    }

    fn source_time(&self) -> i64 {
        (self.source)().unix()
    }

    fn advance(&self, to: i64, held: i64) -> HttpDate {
        let mut seen = self.last.load(Ordering::Acquire);
        loop {
            let second = seen >> 1;
            if held == 0 && (seen & HELD == HELD || to <= second) {
                return HttpDate::from_unix(second);
            }
            let next = second.max(to);
            match self.last.compare_exchange_weak(seen, next << 1 | held, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return HttpDate::from_unix(next),
                Err(other) => seen = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> HttpDate {
        HttpDate::from_unix(seconds)
    }

    fn clock(floor: i64, ceiling: Option<i64>) -> (Arc<AtomicI64>, Clock) {
        let time = Arc::new(AtomicI64::new(1000));
        let source = Arc::clone(&time);
        let clock =
            Clock::new(Arc::new(move || at(source.load(Ordering::SeqCst))), at(floor), ceiling.map(at));
        (time, clock)
    }

    #[test]
    fn never_steps_back() {
        let (time, clock) = clock(0, None);
        assert_eq!(clock.now(), at(1000));
        time.store(900, Ordering::SeqCst);
        assert_eq!(clock.now(), at(1000));
        assert_eq!(clock.hold(), at(1000));
        assert_eq!(clock.ahead_seconds(), 100);
        clock.release(None);
        time.store(1001, Ordering::SeqCst);
        assert_eq!(clock.now(), at(1001));
    }

    #[test]
    fn begins_where_the_last_process_may_have_been() {
        let (time, clock) = clock(2000, Some(2030));
        assert_eq!(clock.now(), at(2000));
        time.store(2001, Ordering::SeqCst);
        assert_eq!(clock.now(), at(2001));
    }

    #[test]
    fn stands_still_while_held() {
        let (time, clock) = clock(0, None);
        assert_eq!(clock.hold(), at(1000));
        time.store(1005, Ordering::SeqCst);
        assert_eq!(clock.now(), at(1000));
        clock.release(None);
        assert_eq!(clock.now(), at(1005));
    }

    #[test]
    fn gives_out_nothing_past_the_ceiling() {
        let (time, clock) = clock(0, Some(1010));
        time.store(1500, Ordering::SeqCst);
        assert!(clock.ceiling_within(15));
        assert_eq!(clock.now(), at(1010));
        assert_eq!(clock.hold(), at(1500), "a group is judged by the real time");
        assert_eq!(clock.now(), at(1010), "which is not given out before its ceiling is durable");
        clock.release(None);
        assert_eq!(clock.now(), at(1010));
        clock.hold();
        clock.release(Some(at(1530)));
        assert_eq!(clock.now(), at(1500));
        assert!(!clock.ceiling_within(15));
    }
}
