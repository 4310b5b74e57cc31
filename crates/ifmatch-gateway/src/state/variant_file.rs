//! The file of variants: frames, appended to before a number is given out.
//!
//! A head, with the first number of what is appended; then per set: length (4 bytes), checksum (8), number (4), the
//! number whose place it takes (4; its own: nobody's), content. When most of the file is of sets that are gone, the
//! others are written to a new file that takes its name. What a killed process left unfinished at the end was never
//! given out, and is cut off; the head then says where numbers go on. That takes no space, so that it can be done on a full
//! disk too.
//!
//! **Invariant:** what is appended has numbers without gaps, so that even the numbers of frames that cannot be read are
//! bounded by their bytes.

use super::bytes::{checksum, put, random, u16_at, u32_at, u64_at};
use super::variants::{Fields, VARIANT_BYTES_MAX};
use http::header::{HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"ifmatchV";
const FORMAT: u32 = 2;
pub(super) const HEAD_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 20;
/// The format before: numbers from 0 on, none ever removed, and frames of at least so many bytes.
const FORMAT_BEFORE: u32 = 1;
const FRAME_BYTES_BEFORE: u64 = 12;
/// Never given out: when it is next, there are no more.
pub(super) const NO_MORE: u32 = u32::MAX;

pub(super) fn head(epoch: u64, next: u32) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 8, &FORMAT.to_le_bytes());
    put(&mut bytes, 12, &next.to_le_bytes());
    put(&mut bytes, 16, &epoch.to_le_bytes());
    let sum = checksum(&bytes[..24]);
    put(&mut bytes, 24, &sum.to_le_bytes());
    bytes
}

/// How long the frame of that content is.
pub(super) fn frame_bytes(content: &[u8]) -> u64 {
    (FRAME_HEAD_BYTES + content.len()) as u64
}

pub(super) fn frame(number: u32, gone: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_HEAD_BYTES];
    put(&mut bytes, 0, &u32::try_from(content.len()).unwrap_or(0).to_le_bytes());
    put(&mut bytes, 12, &number.to_le_bytes());
    put(&mut bytes, 16, &gone.to_le_bytes());
    bytes.extend_from_slice(content);
    let sum = checksum(&bytes[12..]);
    put(&mut bytes, 4, &sum.to_le_bytes());
    bytes
}

/// `None`: too large.
pub(super) fn encode(fields: &[&(HeaderName, Option<HeaderValue>)]) -> Option<Vec<u8>> {
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

/// What a file says.
pub(super) struct Stored {
    pub(super) sets: BTreeMap<u32, (Arc<[u8]>, Fields)>,
    /// Beyond every number that was given out.
    pub(super) next: u32,
    pub(super) end: u64,
    /// Whether there is nothing after the end.
    pub(super) is_whole: bool,
    /// Whether frames can be appended: the head is whole, and the format is this one.
    pub(super) is_ours: bool,
}

impl Stored {
    fn empty(next: u32) -> Self {
        Self { sets: BTreeMap::new(), next, end: HEAD_BYTES as u64, is_whole: false, is_ours: false }
    }

    /// Nobody knows which numbers were given out: it begins somewhere in the upper half, a quarter of all before the end.
    pub(super) fn begun_anew() -> io::Result<Self> {
        let random = u32::from_le_bytes(random()?);
        Ok(Self::empty((1 << 31) | (random >> 2)))
    }

    /// Of so many bytes each may be of a frame that cannot be read, and whose number was given out.
    fn skip(&mut self, bytes: u64, frame_bytes: u64) {
        self.next = self.next.saturating_add(u32::try_from(bytes / frame_bytes).unwrap_or(NO_MORE));
        self.is_whole = bytes == 0;
    }
}

/// Everything up to the first frame that is not whole. `None`: not even the head is ours.
pub(super) fn read(file: &File, epoch: u64) -> io::Result<Option<Stored>> {
    let bytes_total = file.metadata()?.len();
    let mut bytes = [0; FRAME_HEAD_BYTES + VARIANT_BYTES_MAX];
    if bytes_total < HEAD_BYTES as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut bytes[..HEAD_BYTES], 0)?;
    let is_ours = &bytes[..8] == MAGIC && u64_at(&bytes, 16) == epoch;
    if !is_ours || u64_at(&bytes, 24) != checksum(&bytes[..24]) {
        return Ok(None);
    }
    let mut stored = Stored::empty(u32_at(&bytes, 12));
    match u32_at(&bytes, 8) {
        FORMAT => stored.is_ours = true,
        FORMAT_BEFORE => {
            stored.skip(bytes_total, FRAME_BYTES_BEFORE);
            return Ok(Some(stored));
        }
        _ => return Ok(None),
    }
    let mut last = None;
    loop {
        let left = bytes_total.saturating_sub(stored.end);
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        file.read_exact_at(&mut bytes[..piece], stored.end)?;
        let Some((number, gone, content, fields)) = whole(&bytes[..piece]).filter(|f| Some(f.0) > last)
        else {
            stored.skip(left, FRAME_HEAD_BYTES as u64);
            return Ok(Some(stored));
        };
        last = Some(number);
        stored.sets.remove(&gone);
        stored.sets.insert(number, (content.into(), fields));
        stored.next = stored.next.max(number.saturating_add(1));
        stored.end += frame_bytes(content);
    }
}

/// The frame at the beginning: its number, whose place it takes, and the set.
fn whole(bytes: &[u8]) -> Option<(u32, u32, &[u8], Fields)> {
    let (frame_head, rest) = bytes.split_at_checked(FRAME_HEAD_BYTES)?;
    let content = rest.get(..u32_at(frame_head, 0) as usize)?;
    let is_whole = u64_at(frame_head, 4) == checksum(&bytes[12..FRAME_HEAD_BYTES + content.len()]);
    let fields = decode(content).filter(|_| is_whole)?;
    Some((u32_at(frame_head, 12), u32_at(frame_head, 16), content, fields))
}
