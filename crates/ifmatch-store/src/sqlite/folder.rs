//! The data folder: made, locked, and looked at before SQLite touches anything.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::OpenError;
use super::schema::{APPLICATION_ID, SCHEMA_VERSION};
use crate::clock::system_time;

const DATABASE: &str = "ifmatch.db";
const LOCK: &str = "ifmatch.lock";

/// A data folder that is ours as long as this lives.
pub(super) struct Folder {
    path: PathBuf,
    /// Locked. Never removed: removing it would let two processes hold locks on two files of the same name.
    lock: File,
}

/// Who uses a data folder, as far as it told.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its process id.
    pub pid: Option<u32>,
    /// When it opened the folder.
    pub since: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "ifmatch with process id {pid}")?,
            None => write!(f, "another process")?,
        }
        self.since.as_ref().map_or(Ok(()), |since| write!(f, " since {since}"))
    }
}

impl Folder {
    /// Makes the folder if it is missing and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        make(path)?;
        let lock_path = path.join(LOCK);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|cause| OpenError::from_io(&lock_path, "open", cause))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { folder: path.to_owned(), holder: Holder::read(&mut lock) });
            }
            Err(TryLockError::Error(cause)) => return Err(OpenError::from_io(&lock_path, "lock", cause)),
        }
        let since = system_time()();
        let note = format!("pid {}\nsince {since}\n", std::process::id());
        // The note is a courtesy to whoever finds the folder locked; a full disk must not keep us from reading.
        let noted =
            lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(note.as_bytes()));
        match noted {
            Err(cause) if !is_full(&cause) => return Err(OpenError::from_io(&lock_path, "write", cause)),
            _ => {}
        }
        Ok(Self { path: path.to_owned(), lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Where a database is built before it gets its name.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.path.join("ifmatch.db.new")
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.path.join("ifmatch.db-wal")
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<(), OpenError> {
        sync_folder(&self.path)
    }

    /// Whether there is a database, and one that we may open. Reads only.
    pub(super) fn has_database(&self) -> Result<bool, OpenError> {
        let path = self.database();
        let wal_bytes = match fs::metadata(self.wal()) {
            Ok(metadata) => metadata.len(),
            Err(cause) if cause.kind() == ErrorKind::NotFound => 0,
            Err(cause) => return Err(OpenError::from_io(&self.wal(), "look at", cause)),
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == ErrorKind::NotFound && wal_bytes == 0 => return Ok(false),
            Err(cause) if cause.kind() == ErrorKind::NotFound => {
                let problem = "the database is missing, but its log ifmatch.db-wal is there; restore both from one copy";
                return Err(OpenError::damaged(&path, problem));
            }
            Err(cause) => return Err(OpenError::from_io(&path, "open", cause)),
        };
        let mut header = Vec::with_capacity(HEADER_BYTES);
        let bytes = file
            .metadata()
            .and_then(|metadata| {
                (&mut file).take(HEADER_BYTES as u64).read_to_end(&mut header).map(|_| metadata.len())
            })
            .map_err(|cause| OpenError::from_io(&path, "read", cause))?;
        check_header(&path, &header, bytes, wal_bytes)?;
        Ok(true)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing the file would do, were it not for processes that were forked meanwhile: until they run their own
        // program they hold it open, and with it the lock.
        drop(self.lock.unlock());
    }
}

impl Holder {
    fn read(lock: &mut File) -> Self {
        const NOTE_BYTES_MAX: u64 = 1024;
        let mut note = String::new();
        // Whatever cannot be read stays unknown: this is for an error message.
        lock.take(NOTE_BYTES_MAX).read_to_string(&mut note).unwrap_or_default();
        let field = |name: &str| note.lines().find_map(|line| line.strip_prefix(name));
        Self {
            pid: field("pid ").and_then(|pid| pid.parse().ok()),
            since: field("since ").map(str::to_owned),
        }
    }
}

const HEADER_BYTES: usize = 100;

/// The file header of SQLite (its file format, Section 1.3), as far as it can tell ours from others.
fn check_header(path: &Path, header: &[u8], bytes: u64, wal_bytes: u64) -> Result<(), OpenError> {
    if header.is_empty() {
        return Err(OpenError::damaged(path, "it is empty"));
    }
    if !header.starts_with(b"SQLite format 3\0") || header.len() < HEADER_BYTES {
        return Err(OpenError::damaged(path, "it does not begin as a database does"));
    }
    let number =
        |at: usize| header[at..at + 4].iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    let (pages, version, application) = (number(28), number(60), number(68));
    if application != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if version > SCHEMA_VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: SCHEMA_VERSION });
    }
    let page_bytes = match u64::from(header[16]) << 8 | u64::from(header[17]) {
        1 => 65536,
        page_bytes => page_bytes,
    };
    if !page_bytes.is_power_of_two() || page_bytes < 512 {
        return Err(OpenError::damaged(path, "its page size is impossible"));
    }
    // While there is a log the file may be in the middle of a checkpoint, which the log completes.
    let expected = u64::from(pages) * page_bytes;
    if wal_bytes == 0 && bytes < expected {
        return Err(OpenError::damaged(
            path,
            format!("it has {bytes} bytes, but says that it has {expected}"),
        ));
    }
    Ok(())
}

/// Makes the folder and everything missing above it, durably.
fn make(path: &Path) -> Result<(), OpenError> {
    let missing: Vec<&Path> =
        path.ancestors().filter(|at| !at.as_os_str().is_empty()).take_while(|at| !at.exists()).collect();
    fs::create_dir_all(path).map_err(|cause| OpenError::from_io(path, "make the data folder", cause))?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_folder(above)?;
    }
    Ok(())
}

fn sync_folder(path: &Path) -> Result<(), OpenError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|cause| OpenError::from_io(path, "flush", cause))
}

pub(super) fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
