//! The file that is written, and the older ones beside it.

use super::{AuditCounters, AuditSettings, Sink};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Who may read an audit: its owner.
const PERMISSIONS: u32 = 0o600;

#[derive(Debug)]
pub(super) struct Files {
    settings: AuditSettings,
    counters: Arc<AuditCounters>,
    /// `None` between two files, if the new one could not be made yet.
    file: Option<File>,
    /// Of the file, in bytes.
    size: u64,
    /// The last line is not whole.
    torn: bool,
    /// The last attempt to begin a new file failed.
    stuck: bool,
}

impl Files {
    pub(super) fn open(settings: AuditSettings, counters: Arc<AuditCounters>) -> io::Result<Self> {
        if let Some(folder) = settings.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let mut files = Self { settings, counters, file: None, size: 0, torn: false, stuck: false };
        files.begin()?;
        Ok(files)
    }

    /// Opens the file. A line that a crash tore is ended first, so that the next one is whole.
    fn begin(&mut self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).append(true).read(true).mode(PERMISSIONS).open(&self.settings.path)?;
        let about = file.metadata()?;
        self.size = 0;
        if about.is_file() {
            file.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => {
                    io::Error::new(io::ErrorKind::WouldBlock, "another process writes this audit")
                }
                TryLockError::Error(error) => error,
            })?;
            self.size = about.len();
            if self.size > 0 {
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                    self.size += 1;
                }
            }
        }
        self.torn = false;
        self.file = Some(file);
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut path = self.settings.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }

    /// Renames every file to the next number, the oldest over the one that goes, and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        let older = self.settings.files_max.max(1) - 1;
        // Up to the first gap: after an attempt that failed half way nothing moves twice.
        let gap = (1..older).find(|number| !self.numbered(*number).exists()).unwrap_or(older);
        for number in (1..gap).rev() {
            std::fs::rename(self.numbered(number), self.numbered(number + 1))?;
        }
        if older == 0 {
            std::fs::remove_file(&self.settings.path)?;
        } else {
            std::fs::rename(&self.settings.path, self.numbered(1))?;
        }
        self.file = None;
        self.begin()
    }

    /// How much of the lines goes into this file: whole lines, as many as there is room for; 0 if none.
    fn fitting(&self, lines: &[u8]) -> usize {
        let room =
            usize::try_from(self.settings.file_bytes_max.saturating_sub(self.size)).unwrap_or(usize::MAX);
        if lines.len() <= room {
            return lines.len();
        }
        let end_of_first = || lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
        if self.torn || self.size == 0 {
            return end_of_first();
        }
        lines[..room].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
    }
}

impl Sink for Files {
    fn append(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.file.is_none() {
            self.begin()?;
        }
        let mut fitting = self.fitting(lines);
        if fitting == 0 {
            match self.rotate() {
                Ok(()) => self.stuck = false,
                Err(error) if self.file.is_none() => return Err(error),
                Err(error) => {
                    // Better a file that is too long than records that are lost.
                    self.counters.errors.fetch_add(1, Ordering::Relaxed);
                    if !std::mem::replace(&mut self.stuck, true) {
                        tracing::error!(%error, "the audit cannot begin a new file and goes on with the old one");
                    }
                    fitting = lines.len();
                }
            }
            if !self.stuck {
                fitting = self.fitting(lines);
            }
        }
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let written = file.write(&lines[..fitting])?;
        self.size += written as u64;
        self.torn = lines[..written].last().is_some_and(|last| *last != b'\n');
        Ok(written)
    }
}
