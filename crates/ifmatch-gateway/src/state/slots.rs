//! The file of slots: which writes are under way or in doubt, at a fixed size.
//!
//! A head of 512 bytes, then one record after the other. The head says whether *everything* is held (after a reboot, or
//! when a record could not be read), for the same reasons for which a record says that its key is.

use super::bytes::{checksum, millis, open_file, put, random, reserve, u32_at, u64_at, unix_ms};
use super::clock::{Boot, Deadline};
use super::error::StateError;
use super::record::{Kind, OWN_BYTES, RECORD_BYTES, Read, SETTLED_AT, decode};
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MAGIC: &[u8; 8] = b"ifmatchS";
const FORMAT: u32 = 1;
const CHECKSUM_AT: usize = 472;
/// From here on others write.
const HEAD_OWN_BYTES: usize = 480;
const HOLD_SETTLED_AT: u64 = 480;
/// Another random number whenever somebody settles something.
const NEWS_AT: u64 = 488;

/// Everything is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hold {
    /// Exclusive: all writes wait. Shared: exclusive ones do.
    pub(super) kind: Kind,
    /// When it began, in ms since 1970. Names it.
    pub(super) since_ms: u64,
    /// In ms since 1970, for people.
    pub(super) until_ms: u64,
    /// For how long.
    pub(super) hold_ms: u64,
    /// Until when, as far as that is known. In format 1 of the counters it was not.
    pub(super) deadline: Deadline,
}

impl Hold {
    /// One that begins now.
    pub(super) fn new(kind: Kind, hold: Duration, boot: Boot) -> Self {
        Self::rest(kind, millis(hold), millis(hold), boot)
    }

    /// What is left of one.
    pub(super) fn rest(kind: Kind, left_ms: u64, hold_ms: u64, boot: Boot) -> Self {
        let since_ms = unix_ms();
        let until_ms = since_ms.saturating_add(left_ms);
        Self { kind, since_ms, until_ms, hold_ms, deadline: Deadline::after(boot, left_ms) }
    }
}

/// The head of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) epoch: u64,
    /// How many slots there are.
    pub(super) slots: u32,
    pub(super) hold: Option<Hold>,
    /// Somebody has settled the hold.
    pub(super) hold_settled: bool,
}

impl Head {
    pub(super) fn new(epoch: u64, slots: u32, hold: Option<Hold>) -> Self {
        Self { epoch, slots, hold, hold_settled: false }
    }

    fn encode(&self) -> [u8; HEAD_OWN_BYTES] {
        let mut bytes = [0; HEAD_OWN_BYTES];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, &FORMAT.to_le_bytes());
        put(&mut bytes, 12, &self.slots.to_le_bytes());
        put(&mut bytes, 16, &self.epoch.to_le_bytes());
        if let Some(hold) = &self.hold {
            bytes[24] = match hold.kind {
                Kind::Exclusive => 1,
                Kind::Shared => 2,
            };
            put(&mut bytes, 32, &hold.since_ms.to_le_bytes());
            put(&mut bytes, 40, &hold.until_ms.to_le_bytes());
            put(&mut bytes, 48, &hold.hold_ms.to_le_bytes());
            hold.deadline.encode_into(&mut bytes, 56);
        }
        let sum = checksum(&bytes[..CHECKSUM_AT]);
        put(&mut bytes, CHECKSUM_AT, &sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; RECORD_BYTES]) -> Result<Self, &'static str> {
        if !bytes.starts_with(MAGIC) {
            return Err("it does not begin as a file of slots does");
        }
        if u64_at(bytes, CHECKSUM_AT) != checksum(&bytes[..CHECKSUM_AT]) {
            return Err("the checksum of its head is wrong");
        }
        if u32_at(bytes, 8) != FORMAT {
            return Err("its format is unknown");
        }
        let kind = match bytes[24] {
            0 => None,
            1 => Some(Kind::Exclusive),
            _ => Some(Kind::Shared),
        };
        let hold = kind.map(|kind| Hold {
            kind,
            since_ms: u64_at(bytes, 32),
            until_ms: u64_at(bytes, 40),
            hold_ms: u64_at(bytes, 48),
            deadline: Deadline::decode(bytes, 56),
        });
        let settled = u64_at(bytes, 480);
        Ok(Self {
            epoch: u64_at(bytes, 16),
            slots: u32_at(bytes, 12),
            hold,
            hold_settled: hold.is_some_and(|hold| hold.since_ms == settled),
        })
    }
}

/// All that is in a file of slots that is whole as a file; single records may be damaged.
pub(super) struct Contents {
    pub(super) head: Head,
    /// As it was before the records were read.
    pub(super) news: u64,
    /// The slots that are not free.
    pub(super) taken: Vec<(u32, Read)>,
}

/// The file.
pub(super) struct SlotFile {
    file: File,
    path: PathBuf,
}

impl SlotFile {
    /// Makes a file of free slots, flushed.
    pub(super) fn create(path: &Path, head: &Head) -> Result<(), StateError> {
        let slots = Self {
            file: open_file(path, true).map_err(StateError::io(path, "make"))?,
            path: path.to_owned(),
        };
        slots.reserve(head.slots)?;
        slots.write_head(head).and_then(|()| slots.file.sync_all()).map_err(StateError::io(path, "write"))
    }

    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: open_file(path, false)?, path: path.to_owned() })
    }

    /// For who only looks.
    pub(super) fn open_to_read(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the space for that many slots from the disk.
    pub(super) fn reserve(&self, slots: u32) -> Result<(), StateError> {
        let bytes = offset(slots);
        reserve(&self.file, bytes).map_err(StateError::io(&self.path, "reserve the space for"))
    }

    /// Reads everything. The inner error: it cannot be trusted as a whole.
    pub(super) fn read(&self, counters: usize) -> io::Result<Result<Contents, &'static str>> {
        let news = match self.news() {
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(Err("it is cut off")),
            other => other?,
        };
        let head = match self.head()? {
            Ok(head) => head,
            Err(problem) => return Ok(Err(problem)),
        };
        if self.file.metadata()?.len() < offset(head.slots) {
            return Ok(Err("it is cut off"));
        }
        let mut taken = Vec::new();
        let mut chunk = vec![0; RECORD_BYTES * 256];
        let mut slot = 0;
        while slot < head.slots {
            let left = usize::try_from(head.slots - slot).unwrap_or(usize::MAX);
            let piece = &mut chunk[..RECORD_BYTES * left.min(256)];
            self.file.read_exact_at(piece, offset(slot))?;
            for bytes in piece.as_chunks::<RECORD_BYTES>().0 {
                let mut read = decode(bytes, counters);
                if read == Read::Damaged {
                    // A gateway that runs may just have been writing it.
                    read = self.read_slot(slot, counters)?;
                }
                if read != Read::Free {
                    taken.push((slot, read));
                }
                slot += 1;
            }
        }
        Ok(Ok(Contents { head, news, taken }))
    }

    /// Reads one slot; again if it looks as if somebody was just writing it.
    pub(super) fn read_slot(&self, slot: u32, counters: usize) -> io::Result<Read> {
        const READS: u32 = 8;
        let mut bytes = [0; RECORD_BYTES];
        for _ in 0..READS {
            self.file.read_exact_at(&mut bytes, offset(slot))?;
            match decode(&bytes, counters) {
                Read::Damaged => std::thread::yield_now(),
                read => return Ok(read),
            }
        }
        Ok(Read::Damaged)
    }

    pub(super) fn head(&self) -> io::Result<Result<Head, &'static str>> {
        let mut bytes = [0; RECORD_BYTES];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(Head::decode(&bytes))
    }

    /// Writes the head; what others wrote there stays.
    pub(super) fn write_head(&self, head: &Head) -> io::Result<()> {
        self.file.write_all_at(&head.encode(), 0)
    }

    /// Fills a free slot.
    pub(super) fn fill(&self, slot: u32, record: &[u8; RECORD_BYTES]) -> io::Result<()> {
        self.file.write_all_at(record, offset(slot))
    }

    /// Writes a slot anew; whether it is settled stays.
    pub(super) fn rewrite(&self, slot: u32, record: &[u8; RECORD_BYTES]) -> io::Result<()> {
        self.file.write_all_at(&record[..OWN_BYTES], offset(slot))
    }

    pub(super) fn clear(&self, slot: u32) -> io::Result<()> {
        self.file.write_all_at(&[0; RECORD_BYTES], offset(slot))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// A number that changes when somebody settles something.
    pub(super) fn news(&self) -> io::Result<u64> {
        self.read_u64(NEWS_AT)
    }

    /// The id that was settled in this slot.
    pub(super) fn settled(&self, slot: u32) -> io::Result<u64> {
        self.read_u64(offset(slot) + SETTLED_AT as u64)
    }

    /// Says that the write of that id, which is in that slot, is settled.
    pub(super) fn settle(&self, slot: u32, id: u64) -> io::Result<()> {
        self.file.write_all_at(&id.to_le_bytes(), offset(slot) + SETTLED_AT as u64)?;
        self.tell_news()
    }

    /// Says that the hold which began then is settled.
    pub(super) fn settle_hold(&self, since_ms: u64) -> io::Result<()> {
        self.file.write_all_at(&since_ms.to_le_bytes(), HOLD_SETTLED_AT)?;
        self.tell_news()
    }

    fn tell_news(&self) -> io::Result<()> {
        self.file.write_all_at(&random::<8>()?, NEWS_AT)?;
        self.file.sync_all()
    }

    fn read_u64(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn offset(slot: u32) -> u64 {
    (u64::from(slot) + 1) * RECORD_BYTES as u64
}

/// Which slots are free.
///
/// Each write under way or in doubt is entitled to one slot. Appends of one key share a slot but reserve one each, so
/// that any of them can be put in doubt by itself.
pub(super) struct FreeSlots {
    free: Mutex<Free>,
    slots_max: usize,
    next_id: AtomicU64,
}

struct Free {
    /// The last one given back is taken first: few slots are touched.
    list: Vec<u32>,
    reserved: usize,
}

impl FreeSlots {
    /// `list`: the free ones, the first to be taken last. `next_id`: later than any in the files.
    pub(super) fn new(list: Vec<u32>, slots_max: usize, next_id: u64) -> Self {
        let free = Mutex::new(Free { list, reserved: 0 });
        Self { free, slots_max, next_id: AtomicU64::new(next_id) }
    }

    /// A number that no write had before.
    pub(super) fn draw_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Option<u32> {
        let mut free = self.free.lock();
        if free.list.len() > free.reserved { free.list.pop() } else { None }
    }

    pub(super) fn give(&self, slot: u32) {
        let mut free = self.free.lock();
        // One of a greater number that is no longer wanted.
        if (slot as usize) < self.slots_max {
            free.list.push(slot);
        }
    }

    /// Sees to it that [`FreeSlots::take_reserved`] will succeed. False: all are in use.
    pub(super) fn reserve(&self) -> bool {
        let mut free = self.free.lock();
        let can = free.list.len() > free.reserved;
        free.reserved += usize::from(can);
        can
    }

    pub(super) fn unreserve(&self) {
        let mut free = self.free.lock();
        free.reserved = free.reserved.saturating_sub(1);
    }

    pub(super) fn take_reserved(&self) -> Option<u32> {
        let mut free = self.free.lock();
        free.reserved = free.reserved.saturating_sub(1);
        free.list.pop()
    }

    /// How many are taken or reserved.
    pub(super) fn in_use(&self) -> usize {
        let free = self.free.lock();
        (self.slots_max + free.reserved).saturating_sub(free.list.len())
    }
}
