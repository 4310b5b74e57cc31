//! The sets of request fields that answers varied on, each with a number that fits in a tag.
//!
//! A file of frames, appended to before a number is given out. A head, then per set: length (4 bytes), checksum (8),
//! content. What a killed process left unfinished at the end was never given out, and is cut off.

use super::bytes::{checksum, open_file, put, u16_at, u32_at, u64_at};
use super::error::StateError;
use http::header::{HeaderName, HeaderValue};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Largest set, in bytes as stored: names, values, and five bytes for each field.
pub const VARIANT_BYTES_MAX: usize = 1024;

const MAGIC: &[u8; 8] = b"ifmatchV";
const FORMAT: u32 = 1;
const HEAD_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 12;

/// One set: which request fields, and what they were; `None`: the request did not have the field.
pub type Fields = Arc<[(HeaderName, Option<HeaderValue>)]>;

/// The table of variants.
pub struct Variants {
    file: File,
    path: PathBuf,
    variants_max: usize,
    known: RwLock<Known>,
    refused: AtomicU64,
}

#[derive(Default)]
struct Known {
    fields: Vec<Fields>,
    numbers: HashMap<Box<[u8]>, u32>,
    /// Where the next frame goes.
    end: u64,
}

impl Known {
    fn add(&mut self, content: &[u8], fields: Fields) -> Option<u32> {
        let number = u32::try_from(self.fields.len()).ok()?;
        self.fields.push(fields);
        self.numbers.insert(content.into(), number);
        self.end += (FRAME_HEAD_BYTES + content.len()) as u64;
        Some(number)
    }
}

impl Variants {
    /// The number of exactly this set of fields, a new one if need be. Fields of one name keep their order, others
    /// have none. `None`, and counted: the table is full, the set is larger than [`VARIANT_BYTES_MAX`], or it could
    /// not be stored.
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
        if let Some(number) = self.known.read().numbers.get(content.as_slice()) {
            return Some(*number);
        }
        let mut known = self.known.write();
        if let Some(number) = known.numbers.get(content.as_slice()) {
            return Some(*number);
        }
        if known.fields.len() >= self.variants_max {
            return None;
        }
        if let Err(cause) = self.file.write_all_at(&frame(&content), known.end) {
            tracing::warn!(file = %self.path.display(), error = %cause, "a variant could not be stored");
            return None;
        }
        known.add(&content, sorted.into_iter().cloned().collect())
    }

    /// The set of that number; `None`: there is none.
    pub fn fields(&self, number: u32) -> Option<Fields> {
        self.known.read().fields.get(number as usize).map(Arc::clone)
    }

    /// How often [`Variants::intern`] had to say no.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many sets there are.
    pub fn len(&self) -> usize {
        self.known.read().fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes an empty table for that epoch, flushed.
    pub(super) fn create(path: &Path, epoch: u64) -> Result<(), StateError> {
        let file = open_file(path, true).map_err(StateError::io(path, "make"))?;
        file.write_all_at(&head(epoch), 0)
            .and_then(|()| file.sync_all())
            .map_err(StateError::io(path, "write"))
    }

    /// Reads the table. One that is missing, damaged or of another epoch is begun anew: an unknown number is a stale
    /// tag, nothing worse.
    pub(super) fn open(path: &Path, epoch: u64, variants_max: usize) -> Result<Self, StateError> {
        let file = match open_file(path, false) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Self::create(path, epoch)?;
                open_file(path, false)
            }
            other => other,
        };
        let file = file.map_err(StateError::io(path, "open"))?;
        let known = read(&file, epoch).map_err(StateError::io(path, "read"))?;
        let known = match known {
            Some(known) => known,
            None => {
                file.set_len(0)
                    .and_then(|()| file.write_all_at(&head(epoch), 0))
                    .map_err(StateError::io(path, "write"))?;
                Known { end: HEAD_BYTES as u64, ..Known::default() }
            }
        };
        file.set_len(known.end).map_err(StateError::io(path, "cut off the unfinished end of"))?;
        let known = RwLock::new(known);
        Ok(Self { file, path: path.to_owned(), variants_max, known, refused: AtomicU64::new(0) })
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn head(epoch: u64) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 8, &FORMAT.to_le_bytes());
    put(&mut bytes, 16, &epoch.to_le_bytes());
    let sum = checksum(&bytes[..24]);
    put(&mut bytes, 24, &sum.to_le_bytes());
    bytes
}

fn frame(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_HEAD_BYTES];
    put(&mut bytes, 0, &u32::try_from(content.len()).unwrap_or(0).to_le_bytes());
    put(&mut bytes, 4, &checksum(content).to_le_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// `None`: too large.
fn encode(fields: &[&(HeaderName, Option<HeaderValue>)]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(128);
    for (name, value) in fields {
        bytes.extend_from_slice(&u16::try_from(name.as_str().len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.push(u8::from(value.is_some()));
        let value = value.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        bytes.extend_from_slice(&u16::try_from(value.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(value);
        if bytes.len() > VARIANT_BYTES_MAX {
            return None;
        }
    }
    Some(bytes)
}

fn decode(mut bytes: &[u8]) -> Option<Fields> {
    fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = bytes.split_at_checked(count)?;
        *bytes = rest;
        Some(taken)
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let name_bytes = u16_at(take(&mut bytes, 2)?, 0);
        let name = HeaderName::from_bytes(take(&mut bytes, usize::from(name_bytes))?).ok()?;
        let is_present = take(&mut bytes, 1)?[0] == 1;
        let value_bytes = u16_at(take(&mut bytes, 2)?, 0);
        let value = take(&mut bytes, usize::from(value_bytes))?;
        let value = if is_present { Some(HeaderValue::from_bytes(value).ok()?) } else { None };
        fields.push((name, value));
    }
    Some(fields.into())
}

/// Everything up to the first frame that is not whole. `None`: not even the head is ours.
fn read(file: &File, epoch: u64) -> io::Result<Option<Known>> {
    let bytes_total = file.metadata()?.len();
    let mut bytes = [0; FRAME_HEAD_BYTES + VARIANT_BYTES_MAX];
    if bytes_total < HEAD_BYTES as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut bytes[..HEAD_BYTES], 0)?;
    if bytes[..HEAD_BYTES] != head(epoch) {
        return Ok(None);
    }
    let mut known = Known { end: HEAD_BYTES as u64, ..Known::default() };
    loop {
        let left = bytes_total.saturating_sub(known.end);
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        file.read_exact_at(&mut bytes[..piece], known.end)?;
        if piece < FRAME_HEAD_BYTES {
            return Ok(Some(known));
        }
        let content_bytes = u32_at(&bytes, 0) as usize;
        let Some(content) = bytes[FRAME_HEAD_BYTES..piece].get(..content_bytes) else {
            return Ok(Some(known));
        };
        let fields = decode(content).filter(|_| u64_at(&bytes, 4) == checksum(content));
        let Some(fields) = fields else { return Ok(Some(known)) };
        if known.numbers.contains_key(content) || known.add(content, fields).is_none() {
            return Ok(Some(known));
        }
    }
}
