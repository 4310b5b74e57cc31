//! The sets of request fields that answers varied on, each with a number that fits in a tag.
//!
//! The table keeps what is in use: in a full one, a new set takes the place of one that was not used since the hand of a
//! clock last passed it. Numbers go up and are never given out again within the epoch; that of a set that is gone stays
//! unknown for good. A number is in the file before it is given out.

use super::bytes::open_file;
use super::error::StateError;
use super::folder::sync_folder;
use super::variant_file::{HEAD_BYTES, NO_MORE, Stored, encode, frame, frame_bytes, head, read};
use http::header::{HeaderName, HeaderValue};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Largest set, in bytes as stored: names, values, and five bytes for each field.
pub const VARIANT_BYTES_MAX: usize = 1024;

/// The file is written anew before it would be longer than this, and longer than [`LIVE_SHARE`] times what is in it for
/// the sets that there are.
const FILE_BYTES_KEPT: u64 = 64 << 10;
const LIVE_SHARE: u64 = 4;

/// One set: which request fields, and what they were; `None`: the request did not have the field.
pub type Fields = Arc<[(HeaderName, Option<HeaderValue>)]>;

/// The table of variants.
pub struct Variants {
    path: PathBuf,
    epoch: u64,
    variants_max: usize,
    /// Whoever adds a set has this all the while; whoever only looks one up never waits for a file.
    log: Mutex<Log>,
    known: RwLock<Known>,
    refused: AtomicU64,
    evicted: AtomicU64,
}

struct Log {
    file: File,
    /// Where the next frame goes.
    end: u64,
    /// How long the file would be without the sets that are gone.
    live_bytes: u64,
    next: u32,
    /// The place that is looked at next for a set that is not in use.
    hand: usize,
    /// Flushed for good: a number given out now could be forgotten.
    closed: bool,
}

#[derive(Default)]
struct Known {
    ring: Vec<Entry>,
    /// The place in the ring, by content.
    places: HashMap<Arc<[u8]>, usize>,
    /// The same, by number.
    numbered: HashMap<u32, usize>,
}

struct Entry {
    number: u32,
    content: Arc<[u8]>,
    fields: Fields,
    /// Since the hand last passed.
    used: AtomicBool,
}

impl Entry {
    fn mark(&self) {
        // Most of the time it is marked already; then nobody's cache is disturbed.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    fn frame_bytes(&self) -> u64 {
        frame_bytes(&self.content)
    }
}

impl Known {
    fn find(&self, content: &[u8]) -> Option<u32> {
        let entry = &self.ring[*self.places.get(content)?];
        entry.mark();
        Some(entry.number)
    }

    /// At that place, which is one of the ring or the one after its last.
    fn put(&mut self, place: usize, entry: Entry) {
        self.places.insert(Arc::clone(&entry.content), place);
        self.numbered.insert(entry.number, place);
        match self.ring.get_mut(place) {
            None => self.ring.push(entry),
            Some(at) => {
                let gone = std::mem::replace(at, entry);
                self.places.remove(&gone.content);
                self.numbered.remove(&gone.number);
            }
        }
    }

    fn live_bytes(&self) -> u64 {
        HEAD_BYTES as u64 + self.ring.iter().map(Entry::frame_bytes).sum::<u64>()
    }

    /// Moves the hand on to a place that was not used since it last passed. `None`: there is no place at all.
    fn unused(&self, hand: &mut usize) -> Option<usize> {
        let places = self.ring.len();
        // The first round takes all marks away. Those set meanwhile do not keep it going.
        for _ in 0..=places {
            let place = *hand;
            let entry = self.ring.get(place)?;
            *hand = (place + 1) % places;
            if !entry.used.swap(false, Ordering::Relaxed) {
                return Some(place);
            }
        }
        Some(*hand)
    }
}

impl Variants {
    /// The number of exactly this set of fields, a new one if need be; in a full table it takes the place of a set that
    /// is not in use. Fields of one name keep their order, others have none. `None`, and counted: the set is larger than
    /// [`VARIANT_BYTES_MAX`], it could not be stored, all numbers of this epoch are used up, or the state is closed.
    pub fn intern(&self, fields: &[(HeaderName, Option<HeaderValue>)]) -> Option<u32> {
        let number = self.number(fields);
        if number.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        number
    }

    fn number(&self, fields: &[(HeaderName, Option<HeaderValue>)]) -> Option<u32> {
        let mut sorted: Vec<&(HeaderName, Option<HeaderValue>)> = fields.iter().collect();
        sorted.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        let content = encode(&sorted)?;
        if let Some(number) = self.known.read().find(&content) {
            return Some(number);
        }
        let mut log = self.log.lock();
        if let Some(number) = self.known.read().find(&content) {
            return Some(number);
        }
        let entry = Entry {
            number: log.next,
            content: content.into(),
            fields: sorted.into_iter().cloned().collect(),
            used: AtomicBool::new(false),
        };
        self.add(&mut log, entry)
    }

    fn add(&self, log: &mut Log, entry: Entry) -> Option<u32> {
        let (number, bytes) = (entry.number, entry.frame_bytes());
        if log.closed || number == NO_MORE {
            return None;
        }
        let (place, gone) = {
            let known = self.known.read();
            let is_full = known.ring.len() >= self.variants_max;
            let place = if is_full { known.unused(&mut log.hand)? } else { known.ring.len() };
            (place, known.ring.get(place).map(|gone| (gone.number, gone.frame_bytes())))
        };
        let frame = frame(number, gone.map_or(number, |(gone, _)| gone), &entry.content);
        let stored = self.make_room(log, bytes).and_then(|()| log.file.write_all_at(&frame, log.end));
        if let Err(cause) = stored {
            tracing::warn!(file = %self.path.display(), error = %cause, "a variant could not be stored");
            return None;
        }
        log.end += bytes;
        log.live_bytes = log.live_bytes + bytes - gone.map_or(0, |(_, bytes)| bytes);
        log.next = number + 1;
        if gone.is_some() {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        self.known.write().put(place, entry);
        Some(number)
    }

    /// Writes the file anew if it would become too long. If that is not possible, it stays as it is.
    fn make_room(&self, log: &mut Log, bytes: u64) -> io::Result<()> {
        if log.end + bytes <= FILE_BYTES_KEPT.max(log.live_bytes.saturating_mul(LIVE_SHARE)) {
            return Ok(());
        }
        (log.file, log.end) = write_anew(&self.path, self.epoch, log.next, &self.known.read())?;
        Ok(())
    }

    /// The set of that number; `None`: there is none, or no longer.
    pub fn fields(&self, number: u32) -> Option<Fields> {
        let known = self.known.read();
        let entry = &known.ring[*known.numbered.get(&number)?];
        entry.mark();
        Some(Arc::clone(&entry.fields))
    }

    /// How often [`Variants::intern`] had to say no.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many sets had to make place for others since the start.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// How many sets there are.
    pub fn len(&self) -> usize {
        self.known.read().ring.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes an empty table for that epoch, flushed.
    pub(super) fn create(path: &Path, epoch: u64) -> Result<(), StateError> {
        let file = open_file(path, true).map_err(StateError::io(path, "make"))?;
        file.write_all_at(&head(epoch, 0), 0)
            .and_then(|()| file.sync_all())
            .map_err(StateError::io(path, "write"))
    }

    /// Reads the table: its newest `variants_max` sets. One that is missing, damaged or of another epoch is begun anew,
    /// with numbers that are not expected to have been given out: an unknown number is a stale tag, nothing worse.
    pub(super) fn open(path: &Path, epoch: u64, variants_max: usize) -> Result<Self, StateError> {
        let file = match open_file(path, false) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            other => Some(other.map_err(StateError::io(path, "open"))?),
        };
        let stored = match &file {
            Some(file) => read(file, epoch).map_err(StateError::io(path, "read"))?,
            None => None,
        };
        let stored = match stored {
            Some(stored) => stored,
            None => Stored::begun_anew().map_err(StateError::io(path, "make a number for"))?,
        };
        let Stored { mut sets, next, end, is_whole } = stored;
        let beyond = sets.len().saturating_sub(variants_max);
        let mut known = Known::default();
        while let Some((number, (content, fields))) = sets.pop_first() {
            if sets.len() < variants_max {
                let entry = Entry { number, content, fields, used: AtomicBool::new(false) };
                known.put(known.ring.len(), entry);
            }
        }
        let (file, end) = match file {
            Some(file) if is_whole && beyond == 0 => (file, end),
            _ => write_anew(path, epoch, next, &known).map_err(StateError::io(path, "write"))?,
        };
        let log = Log { file, end, live_bytes: known.live_bytes(), next, hand: 0, closed: false };
        Ok(Self {
            path: path.to_owned(),
            epoch,
            variants_max,
            log: Mutex::new(log),
            known: RwLock::new(known),
            refused: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        })
    }

    /// Flushes everything, the name of the file too. From now on none is added.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut log = self.log.lock();
        log.closed = true;
        log.file.sync_all()?;
        self.path.parent().map_or(Ok(()), sync_folder)
    }
}

/// Writes what is known to a new file and gives it the name: whoever is killed meanwhile leaves the old or the new one.
/// Not flushed: after a power loss the epoch is another, unless [`Variants::sync`] was there before.
fn write_anew(path: &Path, epoch: u64, next: u32, known: &Known) -> io::Result<(File, u64)> {
    let new = path.with_extension("new");
    let mut writer = BufWriter::new(open_file(&new, true)?);
    writer.write_all(&head(epoch, next))?;
    let mut entries: Vec<&Entry> = known.ring.iter().collect();
    entries.sort_by_key(|entry| entry.number);
    for entry in entries {
        writer.write_all(&frame(entry.number, entry.number, &entry.content))?;
    }
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    fs::rename(&new, path)?;
    Ok((file, known.live_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCEPT;

    fn opened(bytes: &[u8]) -> (tempfile::TempDir, Variants) {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("variants"), bytes).expect("it can be written");
        let variants = Variants::open(&dir.path().join("variants"), 7, 2).expect("it opens");
        (dir, variants)
    }

    fn intern(variants: &Variants, value: &'static str) -> Option<u32> {
        variants.intern(&[(ACCEPT, Some(HeaderValue::from_static(value)))])
    }

    #[test]
    fn when_all_numbers_are_used_up_none_is_added_and_none_removed() {
        let (dir, variants) = opened(&head(7, NO_MORE - 3));
        let given: Vec<_> = ["a", "b", "c", "d", "e"].iter().map(|value| intern(&variants, value)).collect();
        assert_eq!(given, [Some(NO_MORE - 3), Some(NO_MORE - 2), Some(NO_MORE - 1), None, None]);
        assert_eq!((variants.len(), variants.refused(), variants.evicted()), (2, 2, 1));
        assert_eq!(intern(&variants, "c"), Some(NO_MORE - 1));
        drop(variants);
        let again = Variants::open(&dir.path().join("variants"), 7, 2).expect("it opens");
        assert_eq!((intern(&again, "b"), intern(&again, "f")), (Some(NO_MORE - 2), None));
    }

    #[test]
    fn of_the_format_before_only_the_numbers_are_avoided() {
        let mut bytes = head(7, 0).to_vec();
        bytes[8] = 1;
        let sum = super::super::bytes::checksum(&bytes[..24]);
        bytes[24..].copy_from_slice(&sum.to_le_bytes());
        // As many as can be: 0 to 99, of sets of no fields.
        bytes.resize(bytes.len() + 100 * 12, 0);
        let (dir, variants) = opened(&bytes);
        assert!(variants.is_empty());
        let number = intern(&variants, "a").expect("it is stored");
        assert!((100..110).contains(&number), "{number}");
        drop(variants);
        let again = Variants::open(&dir.path().join("variants"), 7, 2).expect("it opens");
        assert_eq!(intern(&again, "a"), Some(number));
    }
}
