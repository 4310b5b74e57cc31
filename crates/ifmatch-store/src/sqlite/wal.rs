//! Whether the log that a process left behind lost anything that was acknowledged.
//!
//! SQLite reads the log (its file format, Section 4) up to the first frame that does not check and forgets the rest.
//! That is right for the end of a log: a group that was being written when the power failed. It is wrong for damage in
//! the middle, where groups behind it were flushed and acknowledged. The two can be told apart: a group is written only
//! after the one before it was flushed, so behind an honest torn group there is never the end of another.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use super::schema::PAGE_BYTES;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
const MAGIC: u32 = 0x377f_0682;

/// What is wrong with the log, if groups lie behind a place that cannot be read. Reads only.
pub(super) fn damage(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut log = BufReader::with_capacity(1 << 18, file);
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut log, &mut header)? {
        return Ok(None);
    }
    let header = Header::read(&header);
    let mut scan = Scan::new(header.as_ref());
    let mut frame =
        vec![0; FRAME_HEADER_BYTES + header.map_or(PAGE_BYTES as usize, |header| header.page_bytes)];
    while fill(&mut log, &mut frame)? {
        scan.frame(&frame);
        if scan.ends_behind >= 2 {
            let at = scan.broken_at.map_or(0, |index| HEADER_BYTES + index * frame.len());
            let message =
                format!("it cannot be read at octet {at}, but acknowledged changes lie behind that");
            return Ok(Some(message));
        }
    }
    Ok(None)
}

/// Whether there was enough to fill the buffer.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    }
}

type Checksum = (u32, u32);

#[derive(Clone, Copy)]
struct Header {
    big_endian: bool,
    page_bytes: usize,
    salt: [u8; 8],
    checksum: Checksum,
}

impl Header {
    fn read(octets: &[u8; HEADER_BYTES]) -> Option<Self> {
        let magic = number(octets, 0);
        let big_endian = magic == MAGIC | 1;
        let page_bytes = usize::try_from(number(octets, 8)).ok()?;
        let checksum = add((0, 0), &octets[..24], big_endian);
        let is_header = (magic == MAGIC || big_endian) && page_bytes.is_power_of_two() && page_bytes >= 512;
        (is_header && checksum == stored(octets, 24)).then_some(Self {
            big_endian,
            page_bytes,
            salt: salt(octets, 16),
            checksum,
        })
    }
}

/// A walk over all frames.
struct Scan {
    big_endian: bool,
    /// Of the frames of this log; unknown until the first frame if the header is broken.
    salt: Option<[u8; 8]>,
    /// The checksum that the frame before claims.
    before: Checksum,
    index: usize,
    /// The first frame that does not check. With a broken header that is the first.
    broken_at: Option<usize>,
    /// Frames that end a group, from there on.
    ends_behind: u32,
}

impl Scan {
    fn new(header: Option<&Header>) -> Self {
        Self {
            big_endian: header.is_some_and(|header| header.big_endian),
            salt: header.map(|header| header.salt),
            before: header.map_or((0, 0), |header| header.checksum),
            index: 0,
            broken_at: header.is_none().then_some(0),
            ends_behind: 0,
        }
    }

    fn frame(&mut self, frame: &[u8]) {
        let (header, page) = frame.split_at(FRAME_HEADER_BYTES);
        let of_this_log = *self.salt.get_or_insert(salt(header, 8)) == salt(header, 8);
        let checksum = add(add(self.before, &header[..8], self.big_endian), page, self.big_endian);
        let claimed = stored(header, 16);
        let checks = of_this_log && checksum == claimed;
        if !checks {
            self.broken_at.get_or_insert(self.index);
        }
        if let Some(broken_at) = self.broken_at {
            // The broken frame itself, and the next (whose checksum begins with the broken one's), need not check.
            let counts = checks || (of_this_log && self.index <= broken_at + 1);
            let ends_group = number(header, 4) != 0;
            self.ends_behind += u32::from(counts && ends_group);
        }
        self.before = claimed;
        self.index += 1;
    }
}

fn number(octets: &[u8], at: usize) -> u32 {
    octets[at..at + 4].iter().fold(0, |number, octet| number << 8 | u32::from(*octet))
}

fn salt(octets: &[u8], at: usize) -> [u8; 8] {
    std::array::from_fn(|index| octets[at + index])
}

fn stored(octets: &[u8], at: usize) -> Checksum {
    (number(octets, at), number(octets, at + 4))
}

/// SQLite's running checksum over pairs of words.
fn add((mut one, mut other): Checksum, octets: &[u8], big_endian: bool) -> Checksum {
    let word =
        |octets: [u8; 4]| if big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) };
    for [a, b, c, d, e, f, g, h] in octets.as_chunks().0 {
        one = one.wrapping_add(word([*a, *b, *c, *d])).wrapping_add(other);
        other = other.wrapping_add(word([*e, *f, *g, *h])).wrapping_add(one);
    }
    (one, other)
}
