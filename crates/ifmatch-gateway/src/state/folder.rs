//! The state folder: made, and locked for one process.

use super::bytes::unix_ms;
use super::error::{Holder, StateError};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

const LOCK: &str = "lock";

/// How often, and how far apart, the lock is tried: whoever settles a doubt has it for as long as a flush takes.
const TRIES: u32 = 25;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// A folder that is ours as long as this lives.
pub(super) struct Folder {
    path: PathBuf,
    /// Locked. Never removed: removing it would let two processes hold locks on two files of the same name.
    lock: File,
}

impl Folder {
    /// Makes the folder if it is missing and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        make(path)?;
        let lock_path = path.join(LOCK);
        let mut lock = open_lock(&lock_path, true).map_err(StateError::io(&lock_path, "open"))?;
        let mut tries = 1;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < TRIES => thread::sleep(BETWEEN_TRIES),
                Err(TryLockError::WouldBlock) => {
                    return Err(StateError::InUse { dir: path.to_owned(), holder: read_holder(&mut lock) });
                }
                Err(TryLockError::Error(cause)) => return Err(StateError::io(&lock_path, "lock")(cause)),
            }
            tries += 1;
        }
        let note = format!("pid {}\nsince {}\n", std::process::id(), unix_ms());
        // Over the note of the one before: that takes no space, which a full disk may not have.
        lock.rewind()
            .and_then(|()| lock.write_all(note.as_bytes()))
            .and_then(|()| lock.set_len(note.len() as u64))
            .map_err(StateError::io(&lock_path, "write"))?;
        Ok(Self { path: path.to_owned(), lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<(), StateError> {
        sync_folder(&self.path).map_err(StateError::io(&self.path, "flush"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing the file would do, were it not for processes that were forked meanwhile: until they run their own
        // program they hold it open, and with it the lock.
        drop(self.lock.unlock());
    }
}

/// What somebody who is not the gateway finds.
pub(super) enum Visit {
    /// A gateway runs.
    Running(Holder),
    /// None runs, and none starts as long as this lives.
    Alone { _lock: File },
}

impl Visit {
    /// Looks who has the folder.
    pub(super) fn new(path: &Path) -> Result<Self, StateError> {
        let lock_path = path.join(LOCK);
        let mut lock = match open_lock(&lock_path, false) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(StateError::NoState { dir: path.to_owned() });
            }
            other => other.map_err(StateError::io(&lock_path, "open"))?,
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(Self::Alone { _lock: lock }),
            Err(TryLockError::WouldBlock) => Ok(Self::Running(read_holder(&mut lock))),
            Err(TryLockError::Error(cause)) => Err(StateError::io(&lock_path, "lock")(cause)),
        }
    }
}

fn open_lock(path: &Path, make: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(make).create(make).truncate(false).mode(0o600).open(path)
}

fn read_holder(lock: &mut File) -> Holder {
    const NOTE_BYTES_MAX: u64 = 1024;
    let mut note = String::new();
    // Whatever cannot be read stays unknown: this is for an error message.
    lock.take(NOTE_BYTES_MAX).read_to_string(&mut note).unwrap_or_default();
    let field = |name: &str| note.lines().find_map(|line| line.strip_prefix(name));
    Holder {
        pid: field("pid ").and_then(|pid| pid.parse().ok()),
        since_ms: field("since ").and_then(|since| since.parse().ok()),
    }
}

/// Makes the folder and everything missing above it, durably.
fn make(path: &Path) -> Result<(), StateError> {
    let missing: Vec<&Path> =
        path.ancestors().filter(|at| !at.as_os_str().is_empty()).take_while(|at| !at.exists()).collect();
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(StateError::io(path, "make the state folder"))?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_folder(above).map_err(StateError::io(above, "flush"))?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Gives a finished file its name.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StateError> {
    fs::rename(from, to).map_err(StateError::io(to, "replace"))
}
