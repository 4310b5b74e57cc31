//! A folder of a server's own.

use super::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many names are tried: a test that was killed leaves its folders behind.
const NAMES_MAX: usize = 1000;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder that everybody may write to: Apache serves as another user. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn create() -> Result<Self, Error> {
        let above = std::env::temp_dir();
        for _ in 0..NAMES_MAX {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = above.join(format!("ifmatch-server-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let folder = Self(path);
                    open_to_all(folder.path())?;
                    return Ok(folder);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, &error)),
            }
        }
        Err(Error::new(format!("no name is left for a folder in {}", above.display())))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // There is nobody to tell.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A folder in it that everybody may write to.
pub(super) fn create_open(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|error| failed(path, &error))?;
    open_to_all(path)
}

pub(super) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    fs::write(path, content).map_err(|error| failed(path, &error))
}

fn open_to_all(path: &Path) -> Result<(), Error> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("{}: {error}", path.display()))
}
