//! The slots at a start: what was under way is in doubt, and what was in doubt still is.

use super::Options;
use super::bytes::{millis, unix_ms};
use super::change::Change;
use super::clock::{Boot, Deadline};
use super::counters::Counters;
use super::doubts::{Doubt, Doubts};
use super::error::StateError;
use super::folder::{Folder, rename};
use super::inner::HOLD_MAX;
use super::open::SLOTS;
use super::record::{Kind, Phase, Read, Record, Write, encode_in_doubt};
use super::slots::{Contents, FreeSlots, Head, Hold, SlotFile};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A start, as far as the slots are concerned.
pub(super) struct Start<'a> {
    pub(super) folder: &'a Folder,
    pub(super) options: &'a Options,
    pub(super) boot: Boot,
    pub(super) epoch: u64,
    /// That of the run before; the same, unless it named resources otherwise.
    pub(super) epoch_before: u64,
    pub(super) change: &'a Change,
}

/// What was found.
pub(super) struct Recovered {
    pub(super) file: SlotFile,
    pub(super) head: Head,
    pub(super) news: u64,
    pub(super) free: FreeSlots,
    pub(super) doubts: Doubts,
}

/// What becomes of one slot that is not free.
enum Fate {
    /// Its write has ended, and its counter says so.
    Finished,
    /// It cannot be read.
    Damaged,
    /// Somebody said that its write has ended.
    Settled(Write),
    /// Its write may still land, for so long (ms).
    InDoubt(Record, u64),
}

impl Start<'_> {
    /// Reads the slots: what was under way is in doubt from now on.
    pub(super) fn recover(&self, counters: &Counters, id_max: u64) -> Result<Recovered, StateError> {
        let path = self.folder.path().join(SLOTS);
        let (file, contents) = self.open_slots(&path, counters.len())?;
        let Contents { mut head, news, taken } = contents;
        if head.slots < slots_max(self.options) {
            file.reserve(slots_max(self.options))?;
            head.slots = slots_max(self.options);
        }
        let mut next_id = id_max.saturating_add(1).max(unix_us());
        let mut fates = Vec::with_capacity(taken.len());
        for (slot, read) in taken {
            if let Read::Record { record, .. } = &read {
                next_id = next_id.max(record.write.id.saturating_add(1));
            }
            fates.push((slot, self.fate(read, counters).map_err(StateError::io(&path, "read"))?));
        }
        head.hold = self.hold_again(&head, &fates, counters);
        (head.hold_settled, head.epoch) = (false, self.epoch);
        // Before the records that it stands for are cleared.
        file.write_head(&head).map_err(StateError::io(&path, "write"))?;
        let doubts = Doubts::default();
        let ends_hold = |hold: Hold| (hold, ends(hold.until_ms.saturating_sub(hold.since_ms)));
        doubts.set_hold(head.hold.map(ends_hold));
        let mut is_free = vec![true; self.options.in_flight_max];
        for (slot, fate) in fates {
            let kept = self.settle_fate(&file, slot, fate, counters);
            if let Some(doubt) = kept.map_err(StateError::io(&path, "write"))? {
                doubts.insert(doubt);
                if let Some(free) = is_free.get_mut(slot as usize) {
                    *free = false;
                }
            }
        }
        let free = (0..slots_max(self.options)).rev().filter(|slot| is_free[*slot as usize]).collect();
        let free = FreeSlots::new(free, self.options.in_flight_max, next_id);
        Ok(Recovered { file, head, news, free, doubts })
    }

    /// The slots, made anew if they cannot be used.
    fn open_slots(&self, path: &Path, counters: usize) -> Result<(SlotFile, Contents), StateError> {
        let problem = match self.read_slots(path, counters)? {
            Ok(read) => return Ok(read),
            Err(problem) => problem,
        };
        tracing::warn!(file = %path.display(), problem, "the slots are made anew; all writes are held once");
        let hold = Hold::new(Kind::Exclusive, self.late().max(longest_hold(path)), self.boot);
        make_slots(self.folder, &Head::new(self.epoch, slots_max(self.options), Some(hold)))?;
        let made = self.read_slots(path, counters)?;
        made.map_err(|problem| StateError::Damaged { path: path.to_owned(), problem })
    }

    fn read_slots(&self, path: &Path, counters: usize) -> Result<Readable, StateError> {
        let file = match SlotFile::open(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Err("it is missing")),
            other => other.map_err(StateError::io(path, "open"))?,
        };
        let contents = file.read(counters).map_err(StateError::io(path, "read"))?;
        Ok(match contents {
            Ok(contents) if [self.epoch, self.epoch_before].contains(&contents.head.epoch) => {
                Ok((file, contents))
            }
            Ok(_) => Err("it is of another epoch"),
            Err(problem) => Err(problem),
        })
    }

    fn late(&self) -> Duration {
        self.options.late_write_max.min(HOLD_MAX)
    }

    /// How long a hold goes on that was to last for `hold_ms`: what is left of it, and more only if it is to be longer
    /// than it was. All of it if nobody knows what is left. Also how long it is in all.
    fn left_ms(&self, hold_ms: u64, deadline: Deadline) -> (u64, u64) {
        let hold_ms = hold_ms.min(millis(HOLD_MAX));
        let wanted_ms = hold_ms.max(millis(self.late()));
        let left_ms = deadline.left_ms(self.boot, hold_ms);
        (left_ms.map_or(wanted_ms, |left_ms| left_ms + (wanted_ms - hold_ms)), wanted_ms)
    }

    fn fate(&self, read: Read, counters: &Counters) -> io::Result<Fate> {
        let Read::Record { record, settled } = read else { return Ok(Fate::Damaged) };
        let Record { write, phase, marked, .. } = &record;
        if *phase == Phase::UnderWay && *marked && counters.is_finished(write.counter, write.id)? {
            return Ok(Fate::Finished);
        }
        if settled {
            return Ok(Fate::Settled(*write));
        }
        // When the process ended that awaited an answer, nobody knows: at the latest it was now.
        let (left_ms, hold_ms) = self.left_ms(record.hold_ms, record.deadline);
        Ok(Fate::InDoubt(Record { hold_ms, ..record }, left_ms))
    }

    /// Whether everything is held: it was when the process ended, a record cannot be read, or it is not certain which
    /// keys those of the records are now.
    fn hold_again(&self, head: &Head, fates: &[(u32, Fate)], counters: &Counters) -> Option<Hold> {
        if head.hold_settled {
            counters.advance_all();
        }
        let before = head.hold.filter(|_| !head.hold_settled);
        let before = before.map(|hold| (hold.kind, self.left_ms(hold.hold_ms, hold.deadline)));
        let damaged = fates.iter().filter(|(_, fate)| matches!(fate, Fate::Damaged)).count();
        if damaged > 0 {
            tracing::warn!(damaged, "slots cannot be read; all writes are held once");
        }
        let whole_ms = before.map_or(0, |(_, (_, hold_ms))| hold_ms).max(millis(self.late()));
        let unread = (damaged > 0).then_some((Kind::Exclusive, (whole_ms, whole_ms)));
        let renamed = fates.iter().filter_map(|(_, fate)| match fate {
            Fate::InDoubt(record, left_ms) if self.change.renamed => {
                Some((record.write.kind, (*left_ms, record.hold_ms)))
            }
            _ => None,
        });
        let unsure_ms = self.change.unsure_ms;
        let unsure =
            (self.change.reason.is_some() && unsure_ms > 0).then_some((Kind::Shared, (unsure_ms, unsure_ms)));
        let all = before.into_iter().chain(unread).chain(renamed).chain(unsure);
        let (kind, (left_ms, hold_ms)) = all.reduce(|one, other| {
            let kind = if one.0 == Kind::Exclusive { one.0 } else { other.0 };
            (kind, (one.1.0.max(other.1.0), one.1.1.max(other.1.1)))
        })?;
        Some(Hold::rest(kind, left_ms, hold_ms, self.boot))
    }

    /// Writes down what became of a slot. `None`: it is free now.
    fn settle_fate(
        &self,
        file: &SlotFile,
        slot: u32,
        fate: Fate,
        counters: &Counters,
    ) -> io::Result<Option<Doubt>> {
        match fate {
            Fate::Finished => Ok(None),
            Fate::Damaged => file.clear(slot).map(|()| None),
            Fate::Settled(write) => {
                counters.advance_exactly(write.counter, None);
                if let Some((_, counter)) = write.also {
                    counters.advance_exactly(counter, None);
                }
                file.clear(slot).map(|()| None)
            }
            Fate::InDoubt(Record { write, hold_ms, label, .. }, left_ms) => {
                let until_ms = unix_ms().saturating_add(left_ms);
                let times = (until_ms, hold_ms, Deadline::after(self.boot, left_ms));
                file.rewrite(slot, &encode_in_doubt(&write, times, &label))?;
                Ok(Some(Doubt {
                    write,
                    label,
                    slot: Some(slot),
                    until: ends(left_ms),
                    until_ms,
                    awaited: false,
                }))
            }
        }
    }
}

/// The inner error: they cannot be used.
type Readable = Result<(SlotFile, Contents), &'static str>;

/// The longest that anything in the slots was to be held, as far as that can be read.
pub(super) fn longest_hold(path: &Path) -> Duration {
    let contents = SlotFile::open(path).and_then(|file| file.read(usize::MAX));
    let Ok(Ok(contents)) = contents else { return Duration::ZERO };
    let of_all = contents.head.hold.map_or(0, |hold| hold.hold_ms);
    let of_each = contents.taken.iter().map(|(_, read)| match read {
        Read::Record { record, .. } => record.hold_ms,
        _ => 0,
    });
    Duration::from_millis(of_each.max().unwrap_or(0).max(of_all))
}

pub(super) fn make_slots(folder: &Folder, head: &Head) -> Result<(), StateError> {
    let new: PathBuf = folder.path().join(format!("{SLOTS}.new"));
    SlotFile::create(&new, head)?;
    rename(&new, &folder.path().join(SLOTS))?;
    folder.sync()
}

pub(super) fn slots_max(options: &Options) -> u32 {
    u32::try_from(options.in_flight_max).unwrap_or(u32::MAX)
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
