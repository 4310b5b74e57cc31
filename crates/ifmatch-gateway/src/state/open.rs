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

use super::bytes::{array_at, millis, random, u64_at, unix_ms};
use super::counters::Counters;
use super::doubts::{Doubt, Doubts};
use super::error::StateError;
use super::failure::Failure;
use super::folder::{Folder, rename};
use super::header::{Boot, Found, Header};
use super::keeper::Signal;
use super::record::{Kind, Phase, Read, Record, encode_in_doubt};
use super::shared::SharedSlots;
use super::slots::{Contents, FreeSlots, Head, Hold, SlotFile};
use super::variants::Variants;
use super::{Began, Inner, Options};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
    let (header, began) = match look(dir, upstream, options, boot)? {
        Look::Kept(header) => (header, Began::Kept),
        Look::Fresh => (make(&folder, upstream, options, boot, None)?, Began::Fresh),
        Look::Lost(reason) => (replace(&folder, upstream, options, boot)?, Began::Anew { reason }),
    };
    let loaded = Counters::load(&path, header.clone(), Arc::clone(&failure))?;
    let (header, began, loaded) = match loaded {
        Some(loaded) => (header, began, loaded),
        None => {
            let reason = format!("{} is damaged", path.display());
            let header = replace(&folder, upstream, options, boot)?;
            let loaded = Counters::load(&path, header.clone(), Arc::clone(&failure))?;
            let unreadable = || StateError::io(&path, "read")(io::Error::from(io::ErrorKind::InvalidData));
            (header, Began::Anew { reason }, loaded.ok_or_else(unreadable)?)
        }
    };
    let (counters, id_max) = loaded;
    counters.begin(boot).map_err(StateError::io(&path, "write"))?;
    let variants = Variants::open(&dir.join(VARIANTS), header.epoch, options.variants_max)?;
    let recovered = recover(&folder, header.epoch, &counters, options, id_max)?;
    if let Some(why) = failure.why() {
        return Err(StateError::io(&path, "write")(io::Error::other(why)));
    }
    tell(&began, &recovered.doubts, dir);
    let inner = Inner {
        folder,
        began,
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
    make(folder, upstream, options, boot, Some(Hold::new(Kind::Shared, hold)))
}

/// The longest that anything in the slots was to be held, as far as that can be read.
fn longest_hold(path: &Path) -> Duration {
    let contents = SlotFile::open(path).and_then(|file| file.read(usize::MAX));
    let Ok(Ok(contents)) = contents else { return Duration::ZERO };
    let of_all = contents.head.hold.map_or(0, |hold| hold.hold_ms);
    let of_each = contents.taken.iter().map(|(_, read)| match read {
        Read::Record { record, .. } => record.hold_ms,
        _ => 0,
    });
    Duration::from_millis(of_each.max().unwrap_or(0).max(of_all))
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

fn make_slots(folder: &Folder, head: &Head) -> Result<(), StateError> {
    let new: PathBuf = folder.path().join(format!("{SLOTS}.new"));
    SlotFile::create(&new, head)?;
    rename(&new, &folder.path().join(SLOTS))?;
    folder.sync()
}

fn slots_max(options: &Options) -> u32 {
    u32::try_from(options.in_flight_max).unwrap_or(u32::MAX)
}

struct Recovered {
    file: SlotFile,
    head: Head,
    news: u64,
    free: FreeSlots,
    doubts: Doubts,
}

/// Reads the slots: what was under way is in doubt from now on.
fn recover(
    folder: &Folder,
    epoch: u64,
    counters: &Counters,
    options: &Options,
    id_max: u64,
) -> Result<Recovered, StateError> {
    let path = folder.path().join(SLOTS);
    let (file, contents) = match read_slots(&path, epoch, counters.len())? {
        Ok(read) => read,
        Err(problem) => {
            tracing::warn!(file = %path.display(), problem, "the slots are made anew; all writes are held once");
            let hold = Hold::new(Kind::Exclusive, options.late_write_max);
            make_slots(folder, &Head::new(epoch, slots_max(options), Some(hold)))?;
            let made = read_slots(&path, epoch, counters.len())?;
            made.map_err(|problem| StateError::Damaged { path: path.clone(), problem })?
        }
    };
    let late = options.late_write_max;
    let doubts = Doubts::default();
    let mut head = contents.head;
    if head.slots < slots_max(options) {
        file.reserve(slots_max(options))?;
        head.slots = slots_max(options);
    }
    head.hold = hold_again(&contents, counters, late);
    head.hold_settled = false;
    // Before the records that it stands for are cleared.
    file.write_head(&head).map_err(StateError::io(&path, "write"))?;
    doubts.set_hold(head.hold.map(|hold| (hold, ends(hold.hold_ms))));
    let mut is_free = vec![true; options.in_flight_max];
    let mut next_id = id_max.saturating_add(1).max(unix_us());
    for (slot, read) in contents.taken {
        if let Read::Record { record, .. } = &read {
            next_id = next_id.max(record.write.id.saturating_add(1));
        }
        let kept = recover_slot(&file, slot, read, counters, late).map_err(StateError::io(&path, "write"))?;
        if let Some(doubt) = kept {
            doubts.insert(doubt);
            if let Some(free) = is_free.get_mut(slot as usize) {
                *free = false;
            }
        }
    }
    let free = (0..slots_max(options)).rev().filter(|slot| is_free[*slot as usize]).collect();
    let free = FreeSlots::new(free, options.in_flight_max, next_id);
    Ok(Recovered { file, head, news: contents.news, free, doubts })
}

type Readable = Result<(SlotFile, Contents), &'static str>;

/// The inner error: they cannot be used.
fn read_slots(path: &Path, epoch: u64, counters: usize) -> Result<Readable, StateError> {
    let file = match SlotFile::open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Err("it is missing")),
        other => other.map_err(StateError::io(path, "open"))?,
    };
    let contents = file.read(counters).map_err(StateError::io(path, "read"))?;
    Ok(match contents {
        Ok(contents) if contents.head.epoch == epoch => Ok((file, contents)),
        Ok(_) => Err("it is of another epoch"),
        Err(problem) => Err(problem),
    })
}

/// Whether everything is held, from now on: it was when the process ended, or a record cannot be read.
fn hold_again(contents: &Contents, counters: &Counters, late: Duration) -> Option<Hold> {
    let damaged = contents.taken.iter().filter(|(_, read)| *read == Read::Damaged).count();
    let before = contents.head.hold.filter(|_| !contents.head.hold_settled);
    if contents.head.hold_settled {
        counters.advance_all();
    }
    if damaged > 0 {
        tracing::warn!(damaged, "slots cannot be read; all writes are held once");
    }
    let held = late.max(Duration::from_millis(before.map_or(0, |hold| hold.hold_ms)));
    match before {
        _ if damaged > 0 => Some(Hold::new(Kind::Exclusive, held)),
        Some(before) => Some(Hold::new(before.kind, held)),
        None => None,
    }
}

/// What becomes of one slot that is not free. `None`: it is, now.
fn recover_slot(
    file: &SlotFile,
    slot: u32,
    read: Read,
    counters: &Counters,
    late: Duration,
) -> io::Result<Option<Doubt>> {
    let Read::Record { record, settled } = read else {
        file.clear(slot)?;
        return Ok(None);
    };
    let Record { write, phase, marked, hold_ms, label, .. } = record;
    if phase == Phase::UnderWay && marked && counters.is_finished(write.counter, write.id)? {
        return Ok(None);
    }
    if settled {
        counters.advance_exactly(write.counter, None);
        if let Some((_, counter)) = write.also {
            counters.advance_exactly(counter, None);
        }
        file.clear(slot)?;
        return Ok(None);
    }
    let hold_ms = hold_ms.max(millis(late));
    let until_ms = unix_ms().saturating_add(hold_ms);
    file.rewrite(slot, &encode_in_doubt(&write, until_ms, hold_ms, &label))?;
    Ok(Some(Doubt { write, label, slot: Some(slot), until: ends(hold_ms), until_ms, awaited: false }))
}

fn ends(hold_ms: u64) -> Instant {
    let now = Instant::now();
    now.checked_add(Duration::from_millis(hold_ms)).unwrap_or(now)
}

/// Where ids begin: so that they tell the time, and those of different runs differ even if no file remembers.
fn unix_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(0)
}

fn tell(began: &Began, doubts: &Doubts, dir: &Path) {
    match began {
        Began::Anew { reason } => tracing::warn!(
            folder = %dir.display(),
            reason,
            "a new epoch begins: tags handed out before are stale, and guarded writes wait once"
        ),
        _ if doubts.len() > 0 => {
            tracing::warn!(folder = %dir.display(), doubts = doubts.len(), "writes of an earlier run are in doubt");
        }
        _ => tracing::debug!(folder = %dir.display(), "the state is open"),
    }
}
