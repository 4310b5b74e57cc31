//! Content that is too much for memory waits in a file that has no name.

use crate::content::{Budget, Lease};
use bytes::Bytes;
use ifmatch_core::{Code, Refusal};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// How much is gathered before it is written to the file, in bytes.
const WRITE_BYTES: usize = 256 << 10;

/// Where content goes that is too much for memory.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    memory_bytes_max: usize,
    budget: Arc<Budget>,
}

impl Spool {
    /// Files without names in `folder`, which has to exist. Content of up to `memory_bytes_max` stays in memory; all
    /// files together hold up to `total_bytes_max`, and a request past that is told 503.
    pub fn new(folder: PathBuf, memory_bytes_max: usize, total_bytes_max: usize) -> Self {
        Self { folder, memory_bytes_max, budget: Budget::new(total_bytes_max) }
    }

    pub(crate) fn in_memory_bytes_max(&self, writing: bool) -> usize {
        if writing { WRITE_BYTES } else { self.memory_bytes_max }
    }

    /// Writes one piece, off the core that serves connections: a disk may take its time.
    pub(crate) async fn write(&self, writing: Option<Writing>, piece: Bytes) -> Result<Writing, Refusal> {
        let mut writing = match writing {
            Some(writing) => writing,
            None => Writing {
                file: tempfile::tempfile_in(&self.folder).map_err(|error| failed(&error))?,
                bytes: 0,
                lease: self.budget.lease(),
            },
        };
        writing.bytes += piece.len() as u64;
        writing.lease.cover(usize::try_from(writing.bytes).unwrap_or(usize::MAX))?;
        let written = tokio::task::spawn_blocking(move || writing.file.write_all(&piece).map(|()| writing));
        match written.await {
            Ok(Ok(writing)) => Ok(writing),
            Ok(Err(error)) => Err(failed(&error)),
            // The runtime is going down.
            Err(_) => Err(Refusal::new(Code::Busy)),
        }
    }
}

fn failed(error: &io::Error) -> Refusal {
    tracing::error!(%error, "content could not be spooled");
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    Refusal::new(if full { Code::StorageFull } else { Code::StorageFailed })
        .detail("The content is too large for memory, and the file it has to wait in could not be written.")
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Writing {
    file: File,
    bytes: u64,
    lease: Lease,
}

impl Writing {
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn finish(self) -> Spooled {
        Spooled { file: Arc::new(self.file), bytes: self.bytes, _lease: Arc::new(self.lease) }
    }
}

/// Content in a file. The file goes away with the last of these.
#[derive(Clone, Debug)]
pub struct Spooled {
    file: Arc<File>,
    bytes: u64,
    _lease: Arc<Lease>,
}

impl Spooled {
    /// How many octets there are.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Up to `bytes_max` octets from `offset` on; fewer at the end only.
    ///
    /// # Errors
    /// What the file system says; also if the file is shorter than it was.
    pub fn read_at(&self, offset: u64, bytes_max: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(bytes_max)];
        self.file.read_exact_at(&mut piece, offset)?;
        Ok(piece.into())
    }
}
