//! The audit: one line of JSON for each decision on a write, appended to a file by a thread of its own.
//!
//! Whoever records hands a finished line over and goes on. If lines cannot be written, because the device is full or
//! slow, up to [`WAITING_BYTES_MAX`] of them wait; the next one is dropped and counted. A line is never torn: one that
//! was written in part is finished before anything else is written.

mod files;
mod json;
mod record;
#[cfg(test)]
mod tests;

pub use ifmatch_gateway::client_name;
pub use record::{Action, Hex, LastRead, PreviousWrite, Record, User, trace_id};

use files::Files;
use parking_lot::{Condvar, Mutex};
use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most bytes of records that wait to be written. Past it records are dropped and counted.
pub const WAITING_BYTES_MAX: usize = 8 << 20;

/// How long a record waits at most before it is handed to the operating system, and how long a failed write waits
/// before it is tried again.
const FLUSH_AFTER: Duration = Duration::from_millis(100);

/// Waiting bytes at which the writer does not wait any longer.
const BATCH_BYTES: usize = 256 << 10;

/// What a buffer may keep for the next record or batch.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// Where the audit goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditSettings {
    /// The file; older ones lie beside it, with `.1` (the newest) and so on behind the name.
    pub path: PathBuf,
    /// Size at which a new file is begun, in bytes; default 256 MiB. A record longer than that has a file for itself.
    pub file_bytes_max: u64,
    /// How many files are kept, the one being written included; default 8. The oldest is deleted.
    pub files_max: usize,
}

impl AuditSettings {
    /// The defaults, into that file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file_bytes_max: 256 << 20, files_max: 8 }
    }
}

/// What became of the records.
#[derive(Default, Debug)]
pub struct AuditCounters {
    /// Records that were handed to the operating system.
    pub written: AtomicU64,
    /// Records that were not, because too many waited or the end came.
    pub dropped: AtomicU64,
    /// Attempts to write or to begin a new file that failed.
    pub errors: AtomicU64,
}

/// An open audit. Dropping it writes what waits and ends the thread.
#[derive(Debug)]
pub struct Audit {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    line: Mutex<Line>,
    wake: Condvar,
    counters: Arc<AuditCounters>,
    waiting_bytes_max: usize,
}

#[derive(Default, Debug)]
struct Line {
    bytes: Vec<u8>,
    /// How many they are.
    records: u64,
    /// Bytes that the writer has taken and not yet written.
    taken: usize,
    closed: bool,
}

/// Where lines are appended.
trait Sink: Send + 'static {
    /// Appends some of `lines`, which are whole but for the first; how many bytes.
    fn append(&mut self, lines: &[u8]) -> io::Result<usize>;
}

impl Audit {
    /// Opens or creates the file, and the folder it is in.
    ///
    /// # Errors
    /// Those of the file system, and [`io::ErrorKind::WouldBlock`] if another process writes this audit.
    pub fn open(settings: AuditSettings) -> io::Result<Self> {
        let counters = Arc::<AuditCounters>::default();
        let files = Files::open(settings, Arc::clone(&counters))?;
        Self::with(files, counters, WAITING_BYTES_MAX)
    }

    fn with(sink: impl Sink, counters: Arc<AuditCounters>, waiting_bytes_max: usize) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { line: Mutex::default(), wake: Condvar::new(), counters, waiting_bytes_max });
        let writer = Writer { shared: Arc::clone(&shared), sink, troubled: false, dropped: 0 };
        let thread = std::thread::Builder::new().name("audit".into()).spawn(move || writer.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// What became of the records so far.
    pub fn counters(&self) -> &Arc<AuditCounters> {
        &self.shared.counters
    }

    /// Hands over a record. Does not wait for the file.
    pub fn record(&self, record: &Record<'_>) {
        thread_local! {
            static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            record.write_line(buffer);
            self.shared.hand_over(buffer);
            buffer.shrink_to(BUFFER_BYTES_KEPT);
        });
    }

    /// Bytes that wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        let line = self.shared.line.lock();
        line.bytes.len() + line.taken
    }

    /// Writes what waits and ends the thread. What cannot be written now is dropped and counted, as is every later record.
    pub fn close(&self) {
        self.shared.line.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the audit's thread ended early");
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn hand_over(&self, text: &[u8]) {
        let mut line = self.line.lock();
        if line.closed || line.bytes.len() + line.taken + text.len() > self.waiting_bytes_max {
            drop(line);
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        line.records += 1;
        let before = line.bytes.len();
        line.bytes.extend_from_slice(text);
        let after = line.bytes.len();
        drop(line);
        if before == 0 || (before < BATCH_BYTES && after >= BATCH_BYTES) {
            self.wake.notify_one();
        }
    }
}

/// What the writer has taken.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// How many of them are written.
    written: usize,
    /// Records of which not all is written.
    records: u64,
}

impl Batch {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// So many more bytes are written; how many records they end.
    fn wrote(&mut self, bytes: usize) -> u64 {
        // Only where a piece was written its lines are counted: nearly always it is all.
        let left =
            if bytes == self.rest().len() { 0 } else { self.records - newlines(&self.rest()[..bytes]) };
        self.written += bytes;
        std::mem::replace(&mut self.records, left) - left
    }
}

/// The thread.
struct Writer<S> {
    shared: Arc<Shared>,
    sink: S,
    /// The last attempt failed, and that was logged.
    troubled: bool,
    /// Dropped records that were logged.
    dropped: u64,
}

impl<S: Sink> Writer<S> {
    fn run(mut self) {
        let mut batch = Batch::default();
        loop {
            let closed = self.wait(!batch.rest().is_empty());
            if batch.rest().is_empty() {
                self.take(&mut batch);
            }
            let goes_on = self.append(&mut batch);
            let left = batch.rest().len();
            let mut line = self.shared.line.lock();
            line.taken = left;
            if closed && (left > 0 || line.bytes.is_empty()) {
                let lost = batch.records + line.records;
                line.bytes = Vec::new();
                line.taken = 0;
                drop(line);
                self.shared.counters.dropped.fetch_add(lost, Ordering::Relaxed);
                self.tell_of_drops();
                return;
            }
            drop(line);
            if goes_on {
                self.tell_of_drops();
            }
        }
    }

    /// Waits until there is a batch, or for a while before a failed write is tried again; `true` when the end has come.
    fn wait(&self, failed: bool) -> bool {
        let mut line = self.shared.line.lock();
        if !failed {
            while line.bytes.is_empty() && !line.closed {
                self.shared.wake.wait(&mut line);
            }
        }
        let enough = |line: &Line| line.closed || (!failed && line.bytes.len() >= BATCH_BYTES);
        let until = std::time::Instant::now() + FLUSH_AFTER;
        while !enough(&line) && !self.shared.wake.wait_until(&mut line, until).timed_out() {}
        line.closed
    }

    fn take(&self, batch: &mut Batch) {
        batch.bytes.clear();
        batch.bytes.shrink_to(BUFFER_BYTES_KEPT);
        batch.written = 0;
        let mut line = self.shared.line.lock();
        std::mem::swap(&mut line.bytes, &mut batch.bytes);
        batch.records = std::mem::take(&mut line.records);
        line.taken = batch.bytes.len();
    }

    /// Writes until all is written or something fails; whether nothing failed.
    fn append(&mut self, batch: &mut Batch) -> bool {
        while !batch.rest().is_empty() {
            match self.sink.append(batch.rest()) {
                Ok(0) => return self.failed(&io::ErrorKind::WriteZero.into()),
                Ok(more) => {
                    let records = batch.wrote(more);
                    self.shared.counters.written.fetch_add(records, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.failed(&error),
            }
        }
        if std::mem::take(&mut self.troubled) {
            tracing::info!("the audit is written again");
        }
        true
    }

    fn failed(&mut self, error: &io::Error) -> bool {
        self.shared.counters.errors.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.troubled, true) {
            tracing::error!(%error, "the audit cannot be written; records wait, up to {WAITING_BYTES_MAX} bytes of them");
        }
        false
    }

    fn tell_of_drops(&mut self) {
        let dropped = self.shared.counters.dropped.load(Ordering::Relaxed);
        if dropped > self.dropped {
            tracing::error!(records = dropped - self.dropped, "audit records were dropped");
            self.dropped = dropped;
        }
    }
}

/// How many lines end in these bytes.
fn newlines(bytes: &[u8]) -> u64 {
    // In pieces whose counts fit an octet: then many are counted at a time.
    let count = |piece: &[u8]| piece.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>();
    bytes.chunks(usize::from(u8::MAX)).map(|piece| u64::from(count(piece))).sum()
}
