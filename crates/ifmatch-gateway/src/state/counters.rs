//! The table of counters: in memory for reading, in a file for surviving `kill -9`.
//!
//! An entry of the file has 16 bytes: the count, and the id of the last *marked* exclusive write that finished (see
//! [`Counters::mark`]). In memory an entry is one number: the count, and how far *ahead* of it the file is. Whatever
//! changes the sum of the two writes it to the file first, under the entry's stripe; what keeps the sum needs neither.
//!
//! **Invariant:** the count in the file is that in memory plus what it is ahead, and never falls.
//! **Invariant:** a count that was handed out is the one in the file: [`Counters::count`] goes up to it first.

use super::bytes::{open_file, random, reserve, u64_at};
use super::clock::Deadline;
use super::error::StateError;
use super::failure::Failure;
use super::header::Header;
use parking_lot::{Mutex, MutexGuard};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far ahead the file is put when a stream of appends begins: one write for that many.
const AHEAD: u64 = 64;
const AHEAD_BITS: u32 = 8;
/// A file with a greater count is damaged: no gateway lives to get there. Above it there is room for one more life.
const COUNT_MAX: u64 = 1 << 54;

const STRIPES: usize = 64;
const TABLE_AT: u64 = 4096;
const ENTRY_BYTES: u64 = 16;

/// Which counter a turn key has. Cheap to copy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Counter(pub(super) u32);

impl Counter {
    fn index(self) -> usize {
        self.0 as usize
    }

    fn offset(self) -> u64 {
        TABLE_AT + u64::from(self.0) * ENTRY_BYTES
    }
}

/// All counters of one upstream.
pub(super) struct Counters {
    file: File,
    path: PathBuf,
    failure: Arc<Failure>,
    table: Box<[AtomicU64]>,
    /// One bit per counter: a marked write is under way.
    marks: Box<[AtomicU64]>,
    stripes: [Mutex<()>; STRIPES],
    /// As in the file. Taken after a stripe, never before one.
    header: Mutex<Header>,
    /// Added to every count: the base, or after a failed write a number that no other run has.
    offset: AtomicU64,
    departed: AtomicBool,
    /// The file says that it is clean.
    closed: AtomicBool,
    /// A random number with the highest bit set, drawn beforehand.
    elsewhere: u64,
}

fn pack(count: u64, ahead: u64) -> u64 {
    count << AHEAD_BITS | ahead
}

fn split(packed: u64) -> (u64, u64) {
    (packed >> AHEAD_BITS, packed & ((1 << AHEAD_BITS) - 1))
}

/// What the file holds.
fn in_file(packed: u64) -> u64 {
    let (count, ahead) = split(packed);
    count + ahead
}

impl Counters {
    /// Makes a file with all counters at zero, flushed.
    pub(super) fn create(path: &Path, header: &Header) -> Result<(), StateError> {
        let file = open_file(path, true).map_err(StateError::io(path, "make"))?;
        let bytes = TABLE_AT + u64::from(header.counters) * ENTRY_BYTES;
        reserve(&file, bytes).map_err(StateError::io(path, "reserve the space for"))?;
        file.write_all_at(&header.encode(), 0)
            .and_then(|()| file.sync_all())
            .map_err(StateError::io(path, "write"))
    }

    /// Reads the table, and the greatest id in it. `None`: it is damaged.
    pub(super) fn load(
        path: &Path,
        header: Header,
        failure: Arc<Failure>,
    ) -> Result<Option<(Self, u64)>, StateError> {
        let file = open_file(path, false).map_err(StateError::io(path, "open"))?;
        let Some((table, id_max)) = read_table(&file, &header).map_err(StateError::io(path, "read"))? else {
            return Ok(None);
        };
        let random = random().map_err(StateError::io(path, "make"))?;
        let counters = Self {
            file,
            path: path.to_owned(),
            failure,
            marks: (0..table.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            table,
            stripes: [const { Mutex::new(()) }; STRIPES],
            offset: AtomicU64::new(header.base),
            header: Mutex::new(header),
            departed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            // Two clear bits below the highest: adding a count never overflows.
            elsewhere: (1 << 63) | (u64::from_le_bytes(random) >> 3),
        };
        Ok(Some((counters, id_max)))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The count to hand out and to compare with. Survives `kill -9`. No write, no waiting.
    pub(super) fn count(&self, counter: Counter) -> u64 {
        let entry = &self.table[counter.index()];
        let mut packed = entry.load(Ordering::Acquire);
        loop {
            let count = in_file(packed);
            if count == split(packed).0 {
                return self.shown(count);
            }
            match entry.compare_exchange_weak(packed, pack(count, 0), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return self.shown(count),
                Err(other) => packed = other,
            }
        }
    }

    /// Something was appended. The result is greater than every count handed out before; a restart may go past it.
    pub(super) fn advance(&self, counter: Counter) -> u64 {
        if let Some(count) = self.advance_within(counter) {
            return count;
        }
        let stripe = self.stripe(counter);
        // Somebody else may have been here first.
        if let Some(count) = self.advance_within(counter) {
            return count;
        }
        let entry = &self.table[counter.index()];
        let old = in_file(entry.load(Ordering::Acquire));
        let written = self.write(counter.offset(), &(old + AHEAD).to_le_bytes());
        let packed = if written { pack(old + 1, AHEAD - 1) } else { pack(old + 1, 0) };
        entry.store(packed, Ordering::Release);
        drop(stripe);
        self.shown(old + 1)
    }

    /// The count moves within what the file has already.
    fn advance_within(&self, counter: Counter) -> Option<u64> {
        let entry = &self.table[counter.index()];
        let advanced = entry.fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
            let (count, ahead) = split(packed);
            Some(pack(count + 1, ahead.checked_sub(1)?))
        });
        advanced.ok().map(|before| self.shown(split(before).0 + 1))
    }

    /// A write ended that changed something: one further than the file, in the file. With the id of a marked write,
    /// that it finished is told in the same write.
    pub(super) fn advance_exactly(&self, counter: Counter, finished: Option<u64>) -> u64 {
        let stripe = self.stripe(counter);
        let entry = &self.table[counter.index()];
        // Whoever else changes the entry meanwhile keeps the sum, and stays below what is stored here.
        let count = in_file(entry.load(Ordering::Acquire)) + 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&count.to_le_bytes());
        bytes[8..].copy_from_slice(&finished.unwrap_or(0).to_le_bytes());
        self.write(counter.offset(), if finished.is_some() { &bytes } else { &bytes[..8] });
        entry.store(pack(count, 0), Ordering::Release);
        drop(stripe);
        self.shown(count)
    }

    /// A marked write ended that changed nothing.
    pub(super) fn finish(&self, counter: Counter, id: u64) {
        let stripe = self.stripe(counter);
        self.write(counter.offset() + 8, &id.to_le_bytes());
        drop(stripe);
    }

    /// Takes the one mark of this counter, if it is free.
    ///
    /// The id of a marked write is drawn while it has the mark, and the mark is given back after its end is in the
    /// file. So the ids of one counter's marked writes rise in the order of their ends, and a marked slot is finished
    /// exactly if the counter's entry has its id or a later one. A write that finds the mark taken (another key with
    /// the same counter) has its slot cleared instead.
    pub(super) fn mark(&self, counter: Counter) -> bool {
        let bit = 1 << (counter.0 % 64);
        self.marks[counter.index() / 64].fetch_or(bit, Ordering::AcqRel) & bit == 0
    }

    /// Gives the mark back.
    pub(super) fn unmark(&self, counter: Counter) {
        self.marks[counter.index() / 64].fetch_and(!(1 << (counter.0 % 64)), Ordering::Release);
    }

    /// Whether the marked write of that id has finished, from the file.
    pub(super) fn is_finished(&self, counter: Counter, id: u64) -> io::Result<bool> {
        is_finished(&self.file, counter, id)
    }

    /// All counters advance at once, in the file first.
    pub(super) fn advance_all(&self) {
        let mut header = self.header.lock();
        if self.departed.load(Ordering::Acquire) {
            return;
        }
        header.base += 1;
        header.clean = false;
        let mut written = self.file.write_all_at(&header.encode(), 0);
        if self.closed.swap(false, Ordering::AcqRel) {
            written = written.and_then(|()| self.file.sync_all());
        }
        if let Err(cause) = written {
            return self.depart(&mut header, &cause);
        }
        self.offset.store(header.base, Ordering::Release);
    }

    /// Says in the file, durably, how this run is, and that nothing is certain while it lasts.
    pub(super) fn begin(&self, run: Header) -> io::Result<()> {
        let mut header = self.header.lock();
        *header = Header { base: header.base, clean: false, ..run };
        self.file.write_all_at(&header.encode(), 0)?;
        self.file.sync_all()
    }

    /// Flushes, and then says in the file that all is flushed.
    pub(super) fn close(&self, unsure: Deadline) -> io::Result<()> {
        let _stripes: Vec<MutexGuard<'_, ()>> = self.stripes.iter().map(Mutex::lock).collect();
        let mut header = self.header.lock();
        if self.departed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier write failed"));
        }
        self.file.sync_all()?;
        header.clean = true;
        header.unsure = unsure;
        self.file.write_all_at(&header.encode(), 0)?;
        self.file.sync_all()?;
        self.closed.store(true, Ordering::Release);
        Ok(())
    }

    fn stripe(&self, counter: Counter) -> MutexGuard<'_, ()> {
        self.stripes[counter.index() % STRIPES].lock()
    }

    fn shown(&self, count: u64) -> u64 {
        // Read after the count: whoever sees one that is not in the file sees the other offset too.
        count + self.offset.load(Ordering::Acquire)
    }

    /// Writes, the stripe being held. False: it is not in the file, and all counts are of another range from now on.
    fn write(&self, at: u64, bytes: &[u8]) -> bool {
        if self.departed.load(Ordering::Acquire) {
            return false;
        }
        if self.closed.load(Ordering::Acquire) && !self.reopen() {
            return false;
        }
        match self.file.write_all_at(bytes, at) {
            Ok(()) => true,
            Err(cause) => {
                self.depart(&mut self.header.lock(), &cause);
                false
            }
        }
    }

    /// Somebody was still at it when all was closed: it is not clean, durably.
    fn reopen(&self) -> bool {
        let mut header = self.header.lock();
        header.clean = false;
        let done = self.file.write_all_at(&header.encode(), 0).and_then(|()| self.file.sync_all());
        match done {
            Ok(()) => {
                self.closed.store(false, Ordering::Release);
                true
            }
            Err(cause) => {
                self.depart(&mut header, &cause);
                false
            }
        }
    }

    /// The file no longer follows. Counts move to a range that no other run has: what is handed out from now on is
    /// valid in this process only, and after a restart no count is handed out for a second time. If it still can be
    /// written, the next run is told to begin past this one, so that no advance is lost.
    fn depart(&self, header: &mut Header, cause: &io::Error) {
        if !self.departed.swap(true, Ordering::AcqRel) {
            header.base += 1;
            drop(self.file.write_all_at(&header.encode(), 0));
            self.offset.store(self.elsewhere, Ordering::Release);
        }
        self.failure.note(&self.path, cause);
    }
}

fn is_finished(file: &File, counter: Counter, id: u64) -> io::Result<bool> {
    let mut last = [0; 8];
    file.read_exact_at(&mut last, counter.offset() + 8)?;
    Ok(u64::from_le_bytes(last) >= id)
}

/// The same for who only looks.
pub(super) fn is_finished_in(path: &Path, counter: Counter, id: u64) -> io::Result<bool> {
    is_finished(&File::open(path)?, counter, id)
}

fn read_table(file: &File, header: &Header) -> io::Result<Option<(Box<[AtomicU64]>, u64)>> {
    const CHUNK: usize = 1 << 18;
    let mut left = usize::try_from(u64::from(header.counters) * ENTRY_BYTES).unwrap_or(usize::MAX);
    let mut table = Vec::with_capacity(left / 16);
    let (mut at, mut id_max, mut chunk) = (TABLE_AT, 0, vec![0; CHUNK.min(left)]);
    while left > 0 {
        let piece = &mut chunk[..CHUNK.min(left)];
        match file.read_exact_at(piece, at) {
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        for entry in piece.chunks_exact(16) {
            let count = u64_at(entry, 0);
            if count > COUNT_MAX {
                return Ok(None);
            }
            id_max = id_max.max(u64_at(entry, 8));
            table.push(AtomicU64::new(pack(count, 0)));
        }
        left -= piece.len();
        at += piece.len() as u64;
    }
    Ok(Some((table.into_boxed_slice(), id_max)))
}
