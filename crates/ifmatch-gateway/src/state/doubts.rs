//! The writes of which nobody knows whether they were applied, and what they hold back.

use super::record::{Kind, Label, Phase, Write};
use super::slots::Hold;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The id of the hold on everything that follows a reboot.
pub const RESTART: u64 = 0;

/// Why a write has to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// For how long still, at most. Zero: it is being released.
    pub remaining: Duration,
    /// Which doubt it is; [`RESTART`]: everything is held.
    pub id: u64,
    /// What that write was.
    pub kind: Kind,
}

/// A write that is under way or in doubt, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoubtView {
    /// What `settle` takes. [`RESTART`]: everything is held.
    pub id: u64,
    /// Its method; of the hold on everything: `restart`.
    pub method: String,
    /// Its target, shortened; of the hold on everything: `*`.
    pub target: String,
    /// What it holds back.
    pub kind: Kind,
    /// Whether it is in doubt, or still awaited.
    pub phase: Phase,
    /// When it began, in milliseconds since 1970.
    pub since_ms: u64,
    /// Until when it is held, in milliseconds since 1970, by a clock that may have been set since. `None`: that is not
    /// known yet (it is under way, or no gateway runs that would wait).
    pub until_ms: Option<u64>,
}

impl DoubtView {
    pub(super) fn of_hold(hold: &Hold) -> Self {
        Self {
            id: RESTART,
            method: "restart".to_owned(),
            target: "*".to_owned(),
            kind: hold.kind,
            phase: Phase::InDoubt,
            since_ms: hold.since_ms,
            until_ms: Some(hold.until_ms),
        }
    }

    pub(super) fn of_write(write: &Write, label: &Label, phase: Phase, until_ms: Option<u64>) -> Self {
        Self {
            id: write.id,
            method: label.method().to_owned(),
            target: label.target().to_owned(),
            kind: write.kind,
            phase,
            since_ms: write.began_ms,
            until_ms,
        }
    }
}

/// One write in doubt.
pub(super) struct Doubt {
    pub(super) write: Write,
    pub(super) label: Label,
    /// `None`: it could not be written down, and is held until the process ends.
    pub(super) slot: Option<u32>,
    pub(super) until: Instant,
    pub(super) until_ms: u64,
    /// Whether somebody still waits for its answer.
    pub(super) awaited: bool,
}

impl Doubt {
    /// Whether it is over when its time is.
    fn ends(&self) -> bool {
        self.slot.is_some() && !self.awaited
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Doubts {
    /// How many there are, the hold included: whoever finds zero need not look further.
    held: AtomicUsize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<u64, Doubt>,
    by_key: HashMap<u128, Vec<u64>>,
    hold: Option<(Hold, Instant)>,
}

impl Table {
    fn len(&self) -> usize {
        self.by_id.len() + usize::from(self.hold.is_some())
    }
}

/// What may be released.
#[derive(Default)]
pub(super) struct Due {
    pub(super) ids: Vec<u64>,
    pub(super) hold: bool,
}

impl Doubts {
    /// How many there are, the hold included.
    pub(super) fn len(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    pub(super) fn insert(&self, doubt: Doubt) {
        let mut table = self.table.lock();
        let id = doubt.write.id;
        table.by_key.entry(doubt.write.key).or_default().push(id);
        if let Some((key, _)) = doubt.write.also {
            table.by_key.entry(key).or_default().push(id);
        }
        table.by_id.insert(id, doubt);
        self.held.store(table.len(), Ordering::Release);
    }

    /// Nobody waits for its answer any more.
    pub(super) fn is_given_up(&self, id: u64) {
        if let Some(doubt) = self.table.lock().by_id.get_mut(&id) {
            doubt.awaited = false;
        }
    }

    pub(super) fn set_hold(&self, hold: Option<(Hold, Instant)>) {
        let mut table = self.table.lock();
        table.hold = hold;
        self.held.store(table.len(), Ordering::Release);
    }

    pub(super) fn hold(&self) -> Option<Hold> {
        self.table.lock().hold.map(|(hold, _)| hold)
    }

    pub(super) fn remove(&self, id: u64) {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let Some(doubt) = table.by_id.remove(&id) else { return };
        for key in [Some(doubt.write.key), doubt.write.also.map(|(key, _)| key)].into_iter().flatten() {
            let Some(ids) = table.by_key.get_mut(&key) else { continue };
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                table.by_key.remove(&key);
            }
        }
        self.held.store(table.len(), Ordering::Release);
    }

    /// The longest that keeps such a write of that key waiting.
    pub(super) fn held(&self, key: u128, kind: Kind) -> Option<Held> {
        if self.len() == 0 {
            return None;
        }
        let holds = |doubt: Kind| kind == Kind::Exclusive || doubt == Kind::Exclusive;
        let table = self.table.lock();
        let ids = table.by_key.get(&key).map_or(&[][..], Vec::as_slice);
        let of_key = ids.iter().filter_map(|id| table.by_id.get(id));
        let of_key = of_key.map(|doubt| (doubt.until, doubt.write.id, doubt.write.kind));
        let of_all = table.hold.iter().map(|(hold, until)| (*until, RESTART, hold.kind));
        let longest = of_key.chain(of_all).filter(|(_, _, kind)| holds(*kind)).max_by_key(|held| held.0)?;
        let (until, id, kind) = longest;
        Some(Held { remaining: until.saturating_duration_since(Instant::now()), id, kind })
    }

    /// What has been held long enough.
    pub(super) fn due(&self, now: Instant) -> Due {
        let table = self.table.lock();
        let due = table.by_id.values().filter(|doubt| doubt.ends() && doubt.until <= now);
        let ids = due.map(|doubt| doubt.write.id).collect();
        Due { ids, hold: table.hold.is_some_and(|(_, until)| until <= now) }
    }

    /// When the next one has been held long enough.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let table = self.table.lock();
        let doubts = table.by_id.values().filter(|doubt| doubt.ends()).map(|doubt| doubt.until);
        doubts.chain(table.hold.map(|(_, until)| until)).min()
    }

    /// Ids and slots of all that are written down.
    pub(super) fn slots(&self) -> Vec<(u64, u32)> {
        let table = self.table.lock();
        table.by_id.values().filter_map(|doubt| Some((doubt.write.id, doubt.slot?))).collect()
    }

    /// One that is written down, with its slot.
    pub(super) fn find(&self, id: u64) -> Option<(Write, Label, u32)> {
        let table = self.table.lock();
        let doubt = table.by_id.get(&id)?;
        Some((doubt.write, doubt.label.clone(), doubt.slot?))
    }

    /// All, in the order in which they began.
    pub(super) fn views(&self) -> Vec<DoubtView> {
        let table = self.table.lock();
        let doubts = table.by_id.values().map(|doubt| {
            DoubtView::of_write(&doubt.write, &doubt.label, Phase::InDoubt, Some(doubt.until_ms))
        });
        let hold = table.hold.iter().map(|(hold, _)| DoubtView::of_hold(hold));
        let mut views: Vec<_> = hold.chain(doubts).collect();
        views.sort_by_key(|view| (view.since_ms, view.id));
        views
    }
}
