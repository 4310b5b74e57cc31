//! The head of the file of counters: what the whole folder hangs on.
//!
//! 1024 bytes at the beginning of `counters`. Magic, format and checksum stay where they are in every later format, so
//! that an old version can tell a newer file from a damaged one.

use super::bytes::{array_at, checksum, put, random, u16_at, u32_at, u64_at, unix_ms};
use super::error::StateError;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(super) const HEADER_BYTES: usize = 1024;
const MAGIC: &[u8; 8] = b"ifmatchC";
const FORMAT: u32 = 1;
const CHECKSUM_AT: usize = HEADER_BYTES - 8;
const UPSTREAM_AT: usize = 96;
/// A name has at most 253 bytes.
const UPSTREAM_BYTES_MAX: usize = 512;

/// Names one run of the operating system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Boot([u8; 16]);

impl Boot {
    /// The present one. Where the system has no name for it, each process is taken for another boot: the careful side.
    pub(super) fn present() -> Self {
        match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
            Ok(id) if !id.trim().is_empty() => Self::named(id.trim()),
            _ => Self(random().unwrap_or_else(|_| u128::from(unix_ms()).to_le_bytes())),
        }
    }

    pub(super) fn named(id: &str) -> Self {
        Self(array_at(blake3::hash(id.as_bytes()).as_bytes(), 0))
    }
}

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
        put(&mut bytes, 50, &u16::try_from(upstream.len()).unwrap_or(0).to_le_bytes());
        put(&mut bytes, 56, &self.secret);
        put(&mut bytes, UPSTREAM_AT, upstream.as_bytes());
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
            secret: array_at(bytes, 56),
            upstream: str::from_utf8(upstream).ok()?.to_owned(),
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
            FORMAT => {}
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
        };
        let bytes = header.encode();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("counters");
        assert!(matches!(Header::read(&path), Ok(Found::Absent)));
        fs::write(&path, bytes).unwrap();
        let Ok(Found::Whole(read)) = Header::read(&path) else { panic!("not read") };
        assert_eq!(read.encode(), bytes);
        assert!(read.is_for("example.org:80") && !read.is_for("example.org:81") && read.clean);
        for at in 0..bytes.len() {
            let mut bytes = bytes;
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert!(matches!(Header::read(&path), Ok(Found::Damaged(_))), "byte {at}");
        }
        let mut newer = bytes;
        newer[8] = 2;
        let sum = checksum(&newer[..CHECKSUM_AT]);
        put(&mut newer, CHECKSUM_AT, &sum.to_le_bytes());
        fs::write(&path, newer).unwrap();
        assert!(matches!(Header::read(&path), Err(StateError::Newer { found: 2, known: 1, .. })));
    }
}
