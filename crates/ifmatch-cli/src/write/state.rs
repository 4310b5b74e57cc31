//! The folder for what outlives a run.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where it is: `$XDG_STATE_HOME/ifmatch` or `~/.local/state/ifmatch`.
pub(crate) fn folder(part: &str) -> Result<PathBuf, String> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let folder = state.map(|state| state.join("ifmatch").join(part));
    folder.ok_or_else(|| "neither XDG_STATE_HOME nor HOME says where to keep things".to_owned())
}

/// Makes a folder that only its owner may read.
pub(crate) fn make(folder: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| format!("{} could not be made: {error}", folder.display()))
}

/// Writes a file whole or not at all, readable by its owner only, and waits until it is on disk.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    let failed = |error: io::Error| format!("{} could not be written: {error}", path.display());
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = create(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).map_err(|error| {
        // What could not be written need not stay; that it stays is no further failure.
        drop(fs::remove_file(&beside));
        failed(error)
    })
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The name of what belongs to these words, which may be secret.
pub(crate) fn name(words: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for word in words {
        hasher.update(&(word.len() as u64).to_le_bytes());
        hasher.update(word);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
