//! The head of the file of counters: what the whole folder hangs on.
//!
//! 1024 bytes at the beginning of `counters`. Magic, format and checksum stay where they are in every later format, so
//! that an old version can tell a newer file from a damaged one.
//!
//! Format 1 ended with the upstream; what it does not say is zero, which stands for "nobody knows".

use super::Naming;
use super::bytes::{array_at, checksum, put, u16_at, u32_at, u64_at};
use super::clock::{Boot, DEADLINE_BYTES, Deadline};
use super::error::StateError;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(super) const HEADER_BYTES: usize = 1024;
const MAGIC: &[u8; 8] = b"ifmatchC";
const FORMAT: u32 = 2;
const FORMAT_BEFORE: u32 = 1;
const CHECKSUM_AT: usize = HEADER_BYTES - 8;
const UPSTREAM_AT: usize = 96;
/// A name has at most 253 bytes.
const UPSTREAM_BYTES_MAX: usize = 512;
const NAMING_AT: usize = UPSTREAM_AT + UPSTREAM_BYTES_MAX;
const LATE_AT: usize = NAMING_AT + 32;
const UNSURE_AT: usize = LATE_AT + 8;
const _: () = assert!(UNSURE_AT + DEADLINE_BYTES <= CHECKSUM_AT);

/// The head of the file of counters. Not `Debug`: it has the secret.
#[derive(Clone)]
pub(super) struct Header {
    /// How many counters follow.
    pub(super) counters: u32,
    /// In which boot they were written.
    pub(super) boot: Boot,
    pub(super) epoch: u64,
    /// Added to every count. Advancing it advances all counters at once.
    pub(super) base: u64,
    /// Everything was flushed before this was.
    pub(super) clean: bool,
    pub(super) secret: [u8; 32],
    pub(super) upstream: String,
    /// How the run that wrote this named resources.
    pub(super) naming: Naming,
    /// The longest that a write of that run could still land after its answer was lost, in ms.
    pub(super) late_ms: u64,
    /// Within this epoch a run was killed while writes may have been under way of which nothing was noted.
    pub(super) missed: bool,
    /// Until then such a write may still land.
    pub(super) unsure: Deadline,
}

/// What was found.
pub(super) enum Found {
    Absent,
    Whole(Header),
    Damaged(&'static str),
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let upstream = shortened(&self.upstream);
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, &FORMAT.to_le_bytes());
        put(&mut bytes, 12, &self.counters.to_le_bytes());
        put(&mut bytes, 16, &self.boot.0);
        put(&mut bytes, 32, &self.epoch.to_le_bytes());
        put(&mut bytes, 40, &self.base.to_le_bytes());
        bytes[48] = u8::from(self.clean);
        bytes[49] = u8::from(self.missed);
        put(&mut bytes, 50, &u16::try_from(upstream.len()).unwrap_or(0).to_le_bytes());
        put(&mut bytes, 56, &self.secret);
        put(&mut bytes, UPSTREAM_AT, upstream.as_bytes());
        put(&mut bytes, NAMING_AT, &self.naming.keys);
        put(&mut bytes, NAMING_AT + 16, &self.naming.unnoted);
        put(&mut bytes, LATE_AT, &self.late_ms.to_le_bytes());
        self.unsure.encode_into(&mut bytes, UNSURE_AT);
        let sum = checksum(&bytes[..CHECKSUM_AT]);
        put(&mut bytes, CHECKSUM_AT, &sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let upstream_bytes = usize::from(u16_at(bytes, 50));
        let upstream = bytes.get(UPSTREAM_AT..UPSTREAM_AT + upstream_bytes)?;
        let counters = u32_at(bytes, 12);
        Some(Self {
            counters: Some(counters).filter(|counters| counters.is_power_of_two())?,
            boot: Boot(array_at(bytes, 16)),
            epoch: u64_at(bytes, 32),
            base: u64_at(bytes, 40),
            clean: bytes[48] == 1,
            missed: bytes[49] == 1,
            secret: array_at(bytes, 56),
            upstream: str::from_utf8(upstream).ok()?.to_owned(),
            naming: Naming { keys: array_at(bytes, NAMING_AT), unnoted: array_at(bytes, NAMING_AT + 16) },
            late_ms: u64_at(bytes, LATE_AT),
            unsure: Deadline::decode(bytes, UNSURE_AT),
        })
    }

    /// Whether this is about that upstream.
    pub(super) fn is_for(&self, upstream: &str) -> bool {
        self.upstream == shortened(upstream)
    }

    /// Reads the head of that file.
    pub(super) fn read(path: &Path) -> Result<Found, StateError> {
        let file = match File::open(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
            other => other.map_err(StateError::io(path, "open"))?,
        };
        let mut bytes = [0; HEADER_BYTES];
        match file.read_exact_at(&mut bytes, 0) {
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Found::Damaged("its head is cut off"));
            }
            other => other.map_err(StateError::io(path, "read"))?,
        }
        if !bytes.starts_with(MAGIC) {
            return Ok(Found::Damaged("it does not begin as a file of counters does"));
        }
        if u64_at(&bytes, CHECKSUM_AT) != checksum(&bytes[..CHECKSUM_AT]) {
            return Ok(Found::Damaged("the checksum of its head is wrong"));
        }
        match u32_at(&bytes, 8) {
            FORMAT | FORMAT_BEFORE => {}
            found if found > FORMAT => {
                return Err(StateError::Newer { path: path.to_owned(), found, known: FORMAT });
            }
            _ => return Ok(Found::Damaged("its format is unknown")),
        }
        Ok(Self::decode(&bytes).map_or(Found::Damaged("its head makes no sense"), Found::Whole))
    }
}

fn shortened(upstream: &str) -> &str {
    &upstream[..upstream.floor_char_boundary(UPSTREAM_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_written_is_read_and_damage_is_seen() {
        let header = Header {
            counters: 4,
            boot: Boot::named("a"),
            epoch: 7,
            base: 2,
            clean: true,
            secret: [9; 32],
            upstream: "example.org:80".into(),
            naming: Naming { keys: [3; 16], unnoted: [4; 16] },
            late_ms: 5,
            missed: true,
            unsure: Deadline::after(Boot::named("a"), 6),
        };
        let bytes = header.encode();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("counters");
        assert!(matches!(Header::read(&path), Ok(Found::Absent)));
        fs::write(&path, bytes).unwrap();
        let Ok(Found::Whole(read)) = Header::read(&path) else { panic!("not read") };
        assert_eq!(read.encode(), bytes);
        assert!(read.is_for("example.org:80") && !read.is_for("example.org:81") && read.clean && read.missed);
        assert!(read.naming == header.naming && read.late_ms == 5 && read.unsure == header.unsure);
        for at in 0..bytes.len() {
            let mut bytes = bytes;
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert!(matches!(Header::read(&path), Ok(Found::Damaged(_))), "byte {at}");
        }
        let mut newer = bytes;
        newer[8] = 3;
        let sum = checksum(&newer[..CHECKSUM_AT]);
        put(&mut newer, CHECKSUM_AT, &sum.to_le_bytes());
        fs::write(&path, newer).unwrap();
        assert!(matches!(Header::read(&path), Err(StateError::Newer { found: 3, known: 2, .. })));
    }
}
