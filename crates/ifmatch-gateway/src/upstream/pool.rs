//! Idle connections, kept by the core that made them, and the bound on all that are open.

use super::connection::Inner;
use super::habit::Habit;
use crate::settings::Times;
use parking_lot::Mutex;
use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep};

/// Idle connections that one core keeps. Past it one is closed, see [`Idle::spare`].
pub(super) const IDLE_PER_CORE_MAX: usize = 256;
/// Cores that have a place of their own; more of them share places, but not connections.
const SHARDS: usize = 64;
/// How often idle connections are looked over, at most and at least.
const SWEEP_EVERY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// An idle connection that is alive after this shows that the upstream keeps connections.
const KEPT_AFTER: Duration = Duration::from_millis(100);

/// The number of this core: of the thread its runtime runs on.
pub(super) fn this_core() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static CORE: Cell<Option<usize>> = const { Cell::new(None) });
    CORE.with(|core| {
        core.get().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            core.set(Some(number));
            number
        })
    })
}

/// All connections to one upstream.
pub(super) struct Pool {
    shards: Box<[Shard]>,
    /// One for each connection that may still be opened.
    permits: Semaphore,
    connections_max: usize,
    /// Those who wait for a connection, of all cores.
    waiting: AtomicUsize,
    closed: AtomicBool,
    times: Times,
    habit: Habit,
}

/// What belongs to one core. Aligned so that no two cores write to one cache line.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    idle: Mutex<Idle>,
    /// Those who wait on this core.
    waiting: AtomicUsize,
    returned: Notify,
    opened: AtomicU64,
    reused: AtomicU64,
}

#[derive(Default)]
struct Idle {
    /// The newest last.
    #[allow(
        clippy::vec_box,
        reason = "connections are handed on as boxes; none is moved or made anew for it"
    )]
    stack: Vec<Box<Inner>>,
    /// Who looks after them, and is to be woken if one of them stirs.
    keeper: Keeper,
}

#[derive(Default)]
enum Keeper {
    #[default]
    None,
    Starting,
    Waits(Waker),
}

/// The right to have one connection open, and the way from a connection to its pool.
pub(super) struct Slot {
    pool: Arc<Pool>,
}

impl Slot {
    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(super) fn times(&self) -> &Times {
        &self.pool.times
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.permits.add_permits(1);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

/// How many connections there are and were.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Connections that were made.
    pub opened: u64,
    /// Exchanges that found a connection idle.
    pub reused: u64,
    /// Connections that are idle.
    pub idle: usize,
    /// Connections that are open, idle or not, or being made.
    pub open: usize,
    /// Exchanges that wait for a connection because as many are open as there may be.
    pub waiting: usize,
}

/// What one gets who waits.
pub(super) enum Place {
    /// An idle connection.
    Idle(Box<Inner>),
    /// The right to make one.
    New(Arc<Slot>),
}

impl Pool {
    pub(super) fn new(times: Times, connections_max: usize) -> Arc<Self> {
        let connections_max = connections_max.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            permits: Semaphore::new(connections_max),
            connections_max,
            waiting: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            times,
            habit: Habit::new(),
        })
    }

    fn shard(&self, core: usize) -> &Shard {
        &self.shards[core % SHARDS]
    }

    pub(super) fn stats(&self) -> Stats {
        let sum = |count: fn(&Shard) -> &AtomicU64| {
            self.shards.iter().map(|shard| count(shard).load(Ordering::Relaxed)).sum()
        };
        Stats {
            opened: sum(|shard| &shard.opened),
            reused: sum(|shard| &shard.reused),
            idle: self.shards.iter().map(|shard| shard.idle.lock().stack.len()).sum(),
            open: self.connections_max.saturating_sub(self.permits.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Whether a write may go out on a connection that carried another exchange before.
    pub(super) fn keeps_connections(&self, core: usize, now: Instant) -> bool {
        if self.habit.is_trusted() {
            return true;
        }
        // Nothing but writes never uses a connection twice while it is not known; so it is looked how the oldest fares.
        let idle = self.shard(core).idle.lock();
        if let Some(oldest) = idle.stack.first()
            && now.saturating_duration_since(oldest.idle_since) >= KEPT_AFTER
            && oldest.is_alive()
        {
            self.habit.kept();
        }
        drop(idle);
        self.habit.is_trusted()
    }

    /// Whether the upstream is known to keep its connections.
    pub(super) fn is_trusted(&self) -> bool {
        self.habit.is_trusted()
    }

    /// A used connection carried another exchange.
    pub(super) fn kept(&self) {
        self.habit.kept();
    }

    /// A connection that had been idle since then turned out to be closed.
    pub(super) fn found_closed(&self, idle_since: Instant) {
        self.habit.found_closed(idle_since);
    }

    pub(super) fn count_opened(&self, core: usize) {
        self.shard(core).opened.fetch_add(1, Ordering::Relaxed);
    }

    /// The newest idle connection of this core that has not been idle for longer and is alive.
    pub(super) fn take(&self, core: usize, idle_max: Duration, now: Instant) -> Option<Box<Inner>> {
        let shard = self.shard(core);
        loop {
            let inner = shard.idle.lock().take(core, idle_max, now)?;
            if inner.is_alive() {
                shard.reused.fetch_add(1, Ordering::Relaxed);
                return Some(inner);
            }
            self.found_closed(inner.idle_since);
        }
    }

    /// Keeps a connection, or gives it to somebody who waits for one.
    pub(super) fn put(self: &Arc<Self>, inner: Box<Inner>) {
        let core = this_core();
        if inner.core != core || self.closed.load(Ordering::Relaxed) {
            return;
        }
        let shard = self.shard(core);
        let others_wait = self.waiting.load(Ordering::SeqCst) > 0;
        let we_wait = others_wait && shard.waiting.load(Ordering::SeqCst) > 0;
        if others_wait && !we_wait {
            // Somebody on another core gets the right to open one instead.
            return;
        }
        let trusted = self.habit.is_trusted();
        let (spare, start) = shard.idle.lock().put(inner, self.times.keep_idle_max, trusted);
        drop(spare);
        if start {
            self.start_keeper(core);
        }
        if we_wait {
            shard.returned.notify_one();
        } else if self.waiting.load(Ordering::SeqCst) > 0 {
            // Somebody began to wait meanwhile, and may have looked for an idle one before this was one.
            self.evict();
        }
    }

    /// A place, waited for: a connection that has not been idle for longer, or a new one.
    pub(super) async fn wait(self: &Arc<Self>, core: usize, idle_max: Option<Duration>) -> Place {
        let _waits = Waits::new(self, core);
        loop {
            if let Some(inner) = idle_max.and_then(|idle_max| self.take(core, idle_max, Instant::now())) {
                return Place::Idle(inner);
            }
            if let Some(slot) = self.slot().or_else(|| self.evict().and_then(|()| self.slot())) {
                return Place::New(slot);
            }
            tokio::select! {
                permit = self.permits.acquire() => if let Ok(permit) = permit {
                    permit.forget();
                    return Place::New(Arc::new(Slot { pool: Arc::clone(self) }));
                },
                () = self.shard(core).returned.notified() => {}
            }
        }
    }

    /// The right to open a connection, if there is one left.
    pub(super) fn slot(self: &Arc<Self>) -> Option<Arc<Slot>> {
        let permit = self.permits.try_acquire().ok()?;
        permit.forget();
        Some(Arc::new(Slot { pool: Arc::clone(self) }))
    }

    /// Closes one idle connection, of whichever core.
    fn evict(&self) -> Option<()> {
        let trusted = self.habit.is_trusted();
        self.shards.iter().find_map(|shard| shard.idle.lock().spare(trusted).map(drop))
    }

    /// Closes what is idle, and keeps nothing from now on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for shard in &self.shards {
            let stack = std::mem::take(&mut shard.idle.lock().stack);
            drop(stack);
        }
    }

    /// Starts whoever closes idle connections that the upstream has closed, or that are idle for too long, also when
    /// there is no traffic. It ends when nothing is idle.
    fn start_keeper(self: &Arc<Self>, core: usize) {
        let keeping = Keeping { pool: Arc::downgrade(self), core };
        let every = (self.times.keep_idle_max / 4).clamp(SWEEP_EVERY.0, SWEEP_EVERY.1);
        // Without a runtime there is nothing that could stir.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let mut timer = pin!(sleep(every));
            poll_fn(|cx| {
                while timer.as_mut().poll(cx).is_ready() {
                    timer.as_mut().reset(Instant::now() + every);
                }
                if keeping.sweep(cx) { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        });
    }
}

impl Idle {
    fn take(&mut self, core: usize, idle_max: Duration, now: Instant) -> Option<Box<Inner>> {
        let at = self.stack.iter().rposition(|inner| inner.core == core)?;
        if now.saturating_duration_since(self.stack[at].idle_since) > idle_max {
            return None;
        }
        Some(self.stack.remove(at))
    }

    /// Also gives back one that is too many or too old, and says whether a keeper has to be started.
    fn put(
        &mut self,
        inner: Box<Inner>,
        keep_idle_max: Duration,
        trusted: bool,
    ) -> (Option<Box<Inner>>, bool) {
        let too_old = self.stack.first().is_some_and(|oldest| {
            inner.idle_since.saturating_duration_since(oldest.idle_since) > keep_idle_max
        });
        let too_many = self.stack.len() >= IDLE_PER_CORE_MAX;
        let spare = if too_old || too_many { self.spare(trusted || too_old) } else { None };
        if let Keeper::Waits(waker) = &self.keeper
            && !inner.watch(waker)
        {
            // Closed right behind its answer; nobody needs to come across it.
            waker.wake_by_ref();
        }
        self.stack.push(inner);
        let start = matches!(self.keeper, Keeper::None);
        if start {
            self.keeper = Keeper::Starting;
        }
        (spare, start)
    }

    /// The one that is missed least: the oldest. As long as nobody knows whether the upstream keeps connections it is the
    /// newest, because the oldest is the one that will show it.
    fn spare(&mut self, trusted: bool) -> Option<Box<Inner>> {
        if trusted && !self.stack.is_empty() { Some(self.stack.remove(0)) } else { self.stack.pop() }
    }
}

/// That the idle connections of a core are looked after.
struct Keeping {
    pool: Weak<Pool>,
    core: usize,
}

impl Keeping {
    /// Closes what is dead or too old; whether something is left.
    fn sweep(&self, cx: &mut Context<'_>) -> bool {
        let Some(pool) = self.pool.upgrade() else { return false };
        let shard = pool.shard(self.core);
        let now = Instant::now();
        let mut spare = Vec::new();
        let mut idle = shard.idle.lock();
        idle.keeper = Keeper::Waits(cx.waker().clone());
        let mut at = 0;
        while let Some(inner) = idle.stack.get(at) {
            let old = now.saturating_duration_since(inner.idle_since) > pool.times.keep_idle_max;
            if old || !inner.watch(cx.waker()) {
                if !old {
                    pool.found_closed(inner.idle_since);
                }
                spare.push(idle.stack.remove(at));
            } else {
                at += 1;
            }
        }
        let left = !idle.stack.is_empty();
        if !left {
            idle.keeper = Keeper::None;
        }
        drop(idle);
        drop(spare);
        left
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        // Also when the runtime ends. A later one needs its own.
        if let Some(pool) = self.pool.upgrade() {
            pool.shard(self.core).idle.lock().keeper = Keeper::None;
        }
    }
}

/// That somebody waits.
struct Waits<'a> {
    pool: &'a Pool,
    core: usize,
}

impl<'a> Waits<'a> {
    fn new(pool: &'a Pool, core: usize) -> Self {
        pool.shard(core).waiting.fetch_add(1, Ordering::SeqCst);
        pool.waiting.fetch_add(1, Ordering::SeqCst);
        Self { pool, core }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.pool.waiting.fetch_sub(1, Ordering::SeqCst);
        self.pool.shard(self.core).waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
