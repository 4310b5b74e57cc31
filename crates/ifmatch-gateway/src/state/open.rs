//! What a start finds, and what follows from it.
//!
//! | found | epoch and counts | held |
//! |---|---|---|
//! | nothing | new | nothing |
//! | this boot, whether closed or killed | kept | each write that was under way or in doubt |
//! | another boot, closed in good order | kept | the same |
//! | another boot, not closed | new | all exclusive writes, once |
//! | counters damaged or missing | new | all exclusive writes, once |
//! | slots damaged or missing, or one of them | kept | all writes, once |
//! | settings that name resources otherwise | new | if something was in doubt or under way: everything that it may concern |

use super::bytes::{array_at, millis, random, u64_at};
use super::change::Change;
use super::clock::{Boot, Deadline};
use super::counters::Counters;
use super::doubts::Doubts;
use super::error::StateError;
use super::failure::Failure;
use super::folder::{Folder, rename};
use super::header::{Found, Header};
use super::keeper::Signal;
use super::record::Kind;
use super::recover::{Start, longest_hold, make_slots, slots_max};
use super::shared::SharedSlots;
use super::slots::{Head, Hold};
use super::variants::Variants;
use super::{Began, Inner, Options};
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(super) const COUNTERS: &str = "counters";
pub(super) const SLOTS: &str = "slots";
const VARIANTS: &str = "variants";
const COUNTERS_MAX: u32 = 1 << 28;
const IN_FLIGHT_MAX_MAX: usize = 1 << 20;

/// Opens the folder; also what the news was before its slots were read.
pub(super) fn open(
    dir: &Path,
    upstream: &str,
    options: &Options,
    boot: Boot,
) -> Result<(Inner, u64), StateError> {
    check(options)?;
    let folder = Folder::open(dir)?;
    let failure = Arc::new(Failure::default());
    let path = dir.join(COUNTERS);
    let (mut header, mut began) = match look(dir, upstream, options, boot)? {
        Look::Kept(header) => (header, Began::Kept),
        Look::Fresh => (make(&folder, upstream, options, boot, None)?, Began::Fresh),
        Look::Lost(reason) => (replace(&folder, upstream, options, boot)?, Began::Anew { reason }),
    };
    let loaded = match Counters::load(&path, header.clone(), Arc::clone(&failure))? {
        Some(loaded) => loaded,
        None => {
            began = Began::Anew { reason: format!("{} is damaged", path.display()) };
            header = replace(&folder, upstream, options, boot)?;
            let loaded = Counters::load(&path, header.clone(), Arc::clone(&failure))?;
            let unreadable = || StateError::io(&path, "read")(io::Error::from(io::ErrorKind::InvalidData));
            loaded.ok_or_else(unreadable)?
        }
    };
    let (counters, id_max) = loaded;
    let epoch_before = header.epoch;
    let mut change = Change::default();
    if began == Began::Kept {
        change = Change::since(&header, options, boot);
        adopt(&mut header, &change, options, boot).map_err(StateError::io(dir, "make an epoch for"))?;
        if let Some(reason) = change.reason {
            began = Began::Anew { reason: reason.to_owned() };
        }
    }
    counters.begin(header.clone()).map_err(StateError::io(&path, "write"))?;
    let variants = Variants::open(&dir.join(VARIANTS), header.epoch, options.variants_max)?;
    let start = Start { folder: &folder, options, boot, epoch: header.epoch, epoch_before, change: &change };
    let recovered = start.recover(&counters, id_max)?;
    if let Some(why) = failure.why() {
        return Err(StateError::io(&path, "write")(io::Error::other(why)));
    }
    tell(&began, &recovered.doubts, dir);
    let inner = Inner {
        folder,
        began,
        boot,
        epoch: header.epoch,
        turn_secret: *blake3::keyed_hash(&header.secret, b"turn keys").as_bytes(),
        secret: header.secret,
        late_write_max: options.late_write_max,
        failure,
        counters,
        slots: recovered.file,
        head: Mutex::new(recovered.head),
        free: recovered.free,
        shared: SharedSlots::new(),
        doubts: recovered.doubts,
        releasing: Mutex::new(()),
        variants,
        unsure: Mutex::new(header.unsure),
        closed: AtomicBool::new(false),
        signal: Signal::default(),
    };
    Ok((inner, recovered.news))
}

fn check(options: &Options) -> Result<(), StateError> {
    let Options { counters, in_flight_max, .. } = *options;
    if !counters.is_power_of_two() || counters > COUNTERS_MAX {
        let problem = format!("`counters` is {counters}; it must be a power of two, at most {COUNTERS_MAX}");
        return Err(StateError::Setting(problem));
    }
    if in_flight_max == 0 || in_flight_max > IN_FLIGHT_MAX_MAX {
        let problem = format!("`in_flight_max` is {in_flight_max}; it must be 1 to {IN_FLIGHT_MAX_MAX}");
        return Err(StateError::Setting(problem));
    }
    Ok(())
}

enum Look {
    Fresh,
    Kept(Header),
    Lost(String),
}

fn look(dir: &Path, upstream: &str, options: &Options, boot: Boot) -> Result<Look, StateError> {
    let path = dir.join(COUNTERS);
    let header = match Header::read(&path)? {
        Found::Absent if !dir.join(SLOTS).exists() => return Ok(Look::Fresh),
        Found::Absent => return Ok(Look::Lost(format!("{} is missing", path.display()))),
        Found::Damaged(problem) => {
            return Ok(Look::Lost(format!("{} is damaged: {problem}", path.display())));
        }
        Found::Whole(header) => header,
    };
    if !header.is_for(upstream) {
        return Err(StateError::OtherUpstream {
            dir: dir.to_owned(),
            stored: header.upstream,
            wanted: upstream.to_owned(),
        });
    }
    if header.counters != options.counters {
        return Err(StateError::OtherCounters {
            dir: dir.to_owned(),
            stored: header.counters,
            wanted: options.counters,
        });
    }
    if header.boot != boot && !header.clean {
        return Ok(Look::Lost("the machine was restarted before the gateway could end in good order".into()));
    }
    Ok(Look::Kept(header))
}

/// Begins anew where something was, and holds exclusive writes for as long as one of those may still be applied.
fn replace(folder: &Folder, upstream: &str, options: &Options, boot: Boot) -> Result<Header, StateError> {
    let hold = options.late_write_max.max(longest_hold(&folder.path().join(SLOTS)));
    let counters = folder.path().join(COUNTERS);
    if matches!(Header::read(&counters)?, Found::Damaged(_)) {
        // For whoever wants to know; or it was never ours.
        rename(&counters, &folder.path().join("counters.damaged"))?;
    }
    make(folder, upstream, options, boot, Some(Hold::new(Kind::Shared, hold, boot)))
}

/// A folder that is kept is this run's from now on. If the run before named resources otherwise, with another epoch: all
/// at once, in the one head that says both.
fn adopt(header: &mut Header, change: &Change, options: &Options, boot: Boot) -> io::Result<()> {
    if change.reason.is_some() {
        header.epoch = u64::from_le_bytes(random()?);
    }
    header.boot = boot;
    header.naming = options.naming;
    header.late_ms = millis(options.late_write_max);
    header.missed = change.missed;
    header.unsure = change.unsure(boot);
    Ok(())
}

/// Makes all files. The counters get their name last: without them it is as if nothing had been made.
fn make(
    folder: &Folder,
    upstream: &str,
    options: &Options,
    boot: Boot,
    hold: Option<Hold>,
) -> Result<Header, StateError> {
    let random: [u8; 40] = random().map_err(StateError::io(folder.path(), "make an epoch for"))?;
    let header = Header {
        counters: options.counters,
        boot,
        epoch: u64_at(&random, 0),
        base: 0,
        clean: false,
        secret: array_at(&random, 8),
        upstream: upstream.to_owned(),
        naming: options.naming,
        late_ms: millis(options.late_write_max),
        missed: false,
        unsure: Deadline::default(),
    };
    make_slots(folder, &Head::new(header.epoch, slots_max(options), hold))?;
    let new = |name: &str| folder.path().join(format!("{name}.new"));
    Variants::create(&new(VARIANTS), header.epoch)?;
    rename(&new(VARIANTS), &folder.path().join(VARIANTS))?;
    Counters::create(&new(COUNTERS), &header)?;
    // The names before are durable before this one is.
    folder.sync()?;
    rename(&new(COUNTERS), &folder.path().join(COUNTERS))?;
    folder.sync()?;
    Ok(header)
}

fn tell(began: &Began, doubts: &Doubts, dir: &Path) {
    let folder = dir.display();
    match (began, doubts.hold()) {
        (Began::Anew { reason }, None) => tracing::warn!(
            %folder,
            reason,
            "a new epoch begins: tags handed out before are stale, so that a client that has one is refused once and \
             reads again"
        ),
        (Began::Anew { reason }, Some(hold)) => tracing::warn!(
            %folder,
            reason,
            held_ms = hold.until_ms.saturating_sub(hold.since_ms),
            appends_wait = hold.kind == Kind::Exclusive,
            "a new epoch begins: tags handed out before are stale, so that a client that has one is refused once and \
             reads again; and since a write from before may still land, guarded writes wait once"
        ),
        _ if doubts.len() > 0 => {
            tracing::warn!(%folder, doubts = doubts.len(), "writes of an earlier run are in doubt");
        }
        _ => tracing::debug!(%folder, "the state is open"),
    }
}
