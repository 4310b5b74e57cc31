//! The sets of request fields that answers varied on, each with a number that fits in a tag.
//!
//! The table keeps what is in use: in a full one, a new set takes the place of one that was not used since the hand of a
//! clock last passed it. Numbers go up and are never given out again within the epoch; that of a set that is gone stays
//! unknown for good. A number is in the file before it is given out.

use super::bytes::open_file;
use super::error::StateError;
use super::folder::sync_folder;
use super::variant_file::{NO_MORE, Stored, encode, frame, head, read};
use super::variant_table::{Entry, Known};
use http::header::{HeaderName, HeaderValue};
use parking_lot::{Mutex, RwLock};
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
    /// `None`: there was nothing that could be appended to, and none could be made.
    file: Option<File>,
    /// Where the next frame goes.
    end: u64,
    /// How long the file would be without the sets that are gone.
    live_bytes: u64,
    next: u32,
    /// The place that is looked at next for a set that is not in use.
    hand: usize,
    /// Flushed for good: a number given out now could be forgotten.
    closed: bool,
    /// The last one could not be stored, and that was said.
    failing: bool,
}

/// Why a set of fields has no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoNumber {
    /// It is larger than [`VARIANT_BYTES_MAX`].
    #[error("the set of fields is too large")]
    TooLarge,
    /// It could not be stored, the state is closed, or all numbers of this epoch are used up.
    #[error("the set of fields could not be stored")]
    NotStored,
}

impl Variants {
    /// The number of exactly this set of fields, a new one if need be; in a full table it takes the place of a set that
    /// is not in use. Fields of one name keep their order, others have none.
    ///
    /// # Errors
    /// [`NoNumber`], counted.
    pub fn intern(&self, fields: &[(HeaderName, Option<HeaderValue>)]) -> Result<u32, NoNumber> {
        let number = self.number(fields);
        if number.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        number
    }

    fn number(&self, fields: &[(HeaderName, Option<HeaderValue>)]) -> Result<u32, NoNumber> {
        let mut sorted: Vec<&(HeaderName, Option<HeaderValue>)> = fields.iter().collect();
        sorted.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        let content = encode(&sorted).ok_or(NoNumber::TooLarge)?;
        if let Some(number) = self.known.read().find(&content) {
            return Ok(number);
        }
        let mut log = self.log.lock();
        if let Some(number) = self.known.read().find(&content) {
            return Ok(number);
        }
        let entry = Entry {
            number: log.next,
            content: content.into(),
            fields: sorted.into_iter().cloned().collect(),
            used: AtomicBool::new(false),
        };
        self.add(&mut log, entry).ok_or(NoNumber::NotStored)
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
        let stored = self.append(log, &frame);
        if !self.told(log, &stored) {
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

    /// Says in the log when it begins to fail and when it no longer does: each read that has no tag for that is counted,
    /// and there may be many. Whether it succeeded.
    fn told(&self, log: &mut Log, stored: &io::Result<()>) -> bool {
        let (was_failing, file) = (log.failing, self.path.display());
        log.failing = stored.is_err();
        match stored {
            Err(cause) if !was_failing => tracing::warn!(
                %file,
                error = %cause,
                "request fields that answers vary on cannot be stored: until they can, answers that vary on new ones go \
                 out without a tag"
            ),
            Ok(()) if was_failing => {
                tracing::info!(%file, "request fields that answers vary on can be stored again");
            }
            _ => {}
        }
        stored.is_ok()
    }

    /// Appends a frame; if the file would become too long, to one that is written anew. If that is not possible, all
    /// stays as it is.
    fn append(&self, log: &mut Log, frame: &[u8]) -> io::Result<()> {
        let end = log.end + frame.len() as u64;
        let is_room = end <= FILE_BYTES_KEPT.max(log.live_bytes.saturating_mul(LIVE_SHARE));
        let file = match log.file.take() {
            Some(file) if is_room => file,
            old => match write_anew(&self.path, self.epoch, log.next, &self.known.read()) {
                Ok((file, end)) => {
                    log.end = end;
                    file
                }
                Err(cause) => {
                    log.file = old;
                    return Err(cause);
                }
            },
        };
        let stored = file.write_all_at(frame, log.end);
        log.file = Some(file);
        stored
    }

    /// The set of that number; `None`: there is none, or no longer.
    pub fn fields(&self, number: u32) -> Option<Fields> {
        self.known.read().fields(number)
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
    /// with numbers that are not expected to have been given out: an unknown number is a stale tag, nothing worse. If that
    /// cannot be written, the disk being full perhaps, there are no new numbers until it can.
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
        let Stored { mut sets, next, end, is_whole, is_ours } = stored;
        let is_beyond = sets.len() > variants_max;
        let mut known = Known::default();
        while let Some((number, (content, fields))) = sets.pop_first() {
            if sets.len() < variants_max {
                let entry = Entry { number, content, fields, used: AtomicBool::new(false) };
                known.put(known.ring.len(), entry);
            }
        }
        let live_bytes = known.live_bytes();
        let file = file.filter(|_| is_ours);
        let log = Log { file, end, live_bytes, next, hand: 0, closed: false, failing: false };
        let variants = Self {
            path: path.to_owned(),
            epoch,
            variants_max,
            log: Mutex::new(log),
            known: RwLock::new(known),
            refused: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        };
        if !is_whole {
            variants.mend();
        } else if is_beyond {
            variants.shorten();
        }
        Ok(variants)
    }

    /// Writes the file anew without the sets that are no longer in the table. If that cannot be done they stay there.
    fn shorten(&self) {
        let mut log = self.log.lock();
        if let Ok((file, end)) = write_anew(&self.path, self.epoch, log.next, &self.known.read()) {
            (log.file, log.end) = (Some(file), end);
        }
    }

    /// Cuts off what is not whole at the end, or makes the file. If neither can be done, it is tried again for each new set.
    fn mend(&self) {
        let mut log = self.log.lock();
        let mended = match log.file.take() {
            // The head before the end is cut off: without it nothing says which numbers may have been given out.
            Some(file) => {
                let written = file.write_all_at(&head(self.epoch, log.next), 0);
                written.and_then(|()| file.set_len(log.end)).map(|()| (file, log.end))
            }
            None => write_anew(&self.path, self.epoch, log.next, &self.known.read()),
        };
        let mended = mended.map(|(file, end)| (log.file, log.end) = (Some(file), end));
        self.told(&mut log, &mended);
    }

    /// Flushes everything, the name of the file too. From now on none is added.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut log = self.log.lock();
        log.closed = true;
        if let Some(file) = &log.file {
            file.sync_all()?;
        }
        self.path.parent().map_or(Ok(()), sync_folder)
    }
}

/// Writes what is known to a new file and gives it the name: whoever is killed meanwhile leaves the old or the new one.
/// Not flushed: after a power loss the epoch is another, unless [`Variants::sync`] was there before.
fn write_anew(path: &Path, epoch: u64, next: u32, known: &Known) -> io::Result<(File, u64)> {
    let new = path.with_extension("new");
    let made = write_new(&new, epoch, next, known).and_then(|file| {
        fs::rename(&new, path)?;
        Ok((file, known.live_bytes()))
    });
    if made.is_err() {
        // What is there of it takes space that others need; should it stay, the next one is written over it.
        drop(fs::remove_file(&new));
    }
    made
}

fn write_new(new: &Path, epoch: u64, next: u32, known: &Known) -> io::Result<File> {
    let mut writer = BufWriter::new(open_file(new, true)?);
    writer.write_all(&head(epoch, next))?;
    let mut entries: Vec<&Entry> = known.ring.iter().collect();
    entries.sort_by_key(|entry| entry.number);
    for entry in entries {
        writer.write_all(&frame(entry.number, entry.number, &entry.content))?;
    }
    writer.into_inner().map_err(io::IntoInnerError::into_error)
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
        variants.intern(&[(ACCEPT, Some(HeaderValue::from_static(value)))]).ok()
    }

    /// Counts what is said in the log.
    struct Said(Arc<AtomicU64>);

    impl tracing::Subscriber for Said {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn that_none_can_be_stored_is_said_once_and_that_they_can_again_too() {
        let (dir, variants) = opened(&head(7, 0));
        let said = Arc::new(AtomicU64::new(0));
        let broken = || File::open(dir.path().join("variants")).expect("it opens");
        tracing::subscriber::with_default(Said(Arc::clone(&said)), || {
            for round in 1..=3 {
                let whole = variants.log.lock().file.replace(broken());
                for value in ["a", "b", "c", "d"] {
                    let field = HeaderValue::from_str(&format!("{value}{round}")).expect("a value");
                    assert_eq!(variants.intern(&[(ACCEPT, Some(field))]), Err(NoNumber::NotStored));
                }
                assert_eq!(said.load(Ordering::Relaxed), 2 * round - 1);
                variants.log.lock().file = whole;
                assert!(["a", "b"].iter().all(|value| intern(&variants, value).is_some()));
                let another = HeaderValue::from_str(&format!("{round}")).expect("a value");
                assert!(variants.intern(&[(ACCEPT, Some(another))]).is_ok());
                assert_eq!(said.load(Ordering::Relaxed), 2 * round);
            }
        });
        assert_eq!(variants.refused(), 12);
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
