//! What a run needs to be undone, on disk before its first write: so that it can be undone after anything, and so that
//! there is one run on a resource at a time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ifmatch_client::secret;
use ifmatch_client::wire::Url;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The largest journal that is read, in bytes.
const BYTES_MAX: u64 = 256 << 20;

/// How often a file that just went away is opened anew.
const OPENED_MAX: u32 = 10;

/// What is kept of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The resource, without secrets.
    pub url: String,
    /// When the run began, in seconds since 1970.
    pub started: u64,
    /// The process.
    pub pid: u32,
    /// How it is written.
    pub method: String,
    /// With which Content-Type.
    pub content_type: String,
    /// The member that is written; none for a line of text.
    pub member: Option<String>,
    /// What each mark of the run begins with.
    pub mark: String,
    /// Where its marks that are numbers begin.
    pub number: i64,
    /// The tag of the original.
    pub tag: Option<String>,
    /// The original, in base64.
    pub original: String,
    /// Whether a tag that was read is taken.
    #[serde(default)]
    pub takes_tags: bool,
    /// What the resource is but for what is written, in base64; known after the first write.
    pub rest: Option<String>,
    /// Members that move on their own.
    pub volatile: Vec<String>,
}

impl Entry {
    /// The original.
    pub fn content(&self) -> Option<Bytes> {
        STANDARD.decode(&self.original).ok().map(Bytes::from)
    }

    pub(super) fn encode(content: &[u8]) -> String {
        STANDARD.encode(content)
    }

    pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
        STANDARD.decode(text).ok()
    }

    /// How long ago it began, in words.
    pub fn age(&self) -> String {
        match now().saturating_sub(self.started) {
            seconds @ 0..120 => format!("{seconds} s ago"),
            seconds @ 120..7200 => format!("{} min ago", seconds / 60),
            seconds @ 7200..172_800 => format!("{} h ago", seconds / 3600),
            seconds => format!("{} days ago", seconds / 86_400),
        }
    }
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another run has it.
    #[error(
        "this resource is being raced already{}. Two races at once would blame the API for each other's writes. Nothing was sent.", .0.map(|pid| format!(" by process {pid}")).unwrap_or_default()
    )]
    Busy(Option<u32>),
    /// There is one that cannot be read.
    #[error("{} is damaged: it holds what a race of this resource was to put back, and cannot be read as a whole. The original may be in it, in base64. Put the resource right, then remove the file. Nothing was sent.", .0.display())]
    Damaged(PathBuf),
    /// It cannot be written, so nothing could be undone.
    #[error("{}: {cause}. Without this file nothing could be put back after a crash, so nothing was written to the API.", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

/// The journal of one resource, locked.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    entry: Option<Entry>,
}

impl Journal {
    /// Opens that of a resource in a folder, which is made if need be. Only its owner can read either.
    ///
    /// # Errors
    /// If another process has it, or the system says no.
    pub fn open(folder: &Path, url: &Url) -> Result<Self, JournalError> {
        let path = folder.join(name(url));
        let failed = |cause| JournalError::File { path: path.clone(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        for _ in 0..OPENED_MAX {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(JournalError::Busy(read(&mut file).map(|entry| entry.pid)));
                }
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            }
            // Whoever had it may have removed it between opening and locking.
            if file.metadata().map_err(failed)?.nlink() > 0 {
                // Torn, or empty because new: then a whole one may be beside it.
                let beside = || read(&mut File::open(path.with_extension("new")).ok()?);
                let entry = read(&mut file).or_else(beside);
                if entry.is_none() && file.metadata().map_err(failed)?.len() > 0 {
                    return Err(JournalError::Damaged(path));
                }
                return Ok(Self { path, file, entry });
            }
        }
        Err(JournalError::Busy(None))
    }

    /// What an earlier run left, that could not undo what it did.
    pub fn left(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it, to the disk.
    ///
    /// # Errors
    /// As the system has them.
    pub fn write(&mut self, entry: Entry) -> Result<(), JournalError> {
        let path = self.path.clone();
        let failed = |cause| JournalError::File { path: path.clone(), cause };
        let text = serde_json::to_vec_pretty(&entry).map_err(|error| failed(error.into()))?;
        // Beside it first, so that there is a whole one at any time; the lock stays with this file.
        let beside = self.path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(&text)?;
            file.sync_all()
        };
        write().map_err(failed)?;
        let mut copy = || -> io::Result<()> {
            self.file.rewind()?;
            self.file.set_len(0)?;
            self.file.write_all(&text)?;
            self.file.sync_all()
        };
        copy().map_err(failed)?;
        fs::remove_file(&beside).map_err(failed)?;
        self.entry = Some(entry);
        Ok(())
    }

    /// Removes it: there is nothing to undo.
    pub fn close(self) {
        // If it cannot be removed, the next run says that there is something to put back, which does no harm.
        drop(fs::remove_file(self.path.with_extension("new")));
        drop(fs::remove_file(&self.path));
    }
}

fn read(file: &mut File) -> Option<Entry> {
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// The name of the file of a resource: the host for people, and all of the URL as a number.
fn name(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    if super::plan::is_loopback(&url) {
        // All names of this machine are one. It cannot fail for URLs with a host.
        let _ = url.set_host(Some("localhost"));
    }
    // FNV-1a: the same in every version of this program.
    let hash = url.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let host: String = url.host_str().unwrap_or_default().chars().map(plain).take(80).collect();
    format!("{host}-{hash:016x}.json")
}

fn plain(character: char) -> char {
    if character.is_ascii_alphanumeric() || character == '.' { character } else { '_' }
}

/// The resource as it is written down.
pub(super) fn shown(url: &Url) -> String {
    secret::url(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn entry() -> Entry {
        Entry {
            url: "http://a/".to_owned(),
            started: now(),
            pid: 7,
            method: "PUT".to_owned(),
            content_type: "text/plain".to_owned(),
            member: None,
            mark: "race-0000-".to_owned(),
            number: 1,
            tag: None,
            original: Entry::encode(b"x"),
            takes_tags: false,
            rest: None,
            volatile: Vec::new(),
        }
    }

    #[test]
    fn all_names_of_this_machine_are_one() {
        let of = |url: &str| name(&Url::parse(url).unwrap());
        for alias in ["http://localhost:1/a", "http://[::1]:1/a", "http://[::ffff:127.0.0.1]:1/a"] {
            assert_eq!(of(alias), of("http://127.0.0.1:1/a"));
        }
        assert_ne!(of("http://127.0.0.1:2/a"), of("http://127.0.0.1:1/a"));
    }

    #[test]
    fn a_damaged_one_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::parse("http://a/b").unwrap();
        let mut journal = Journal::open(folder.path(), &url).unwrap();
        journal.write(entry()).unwrap();
        let path = journal.path().to_owned();
        drop(journal);
        let text = fs::read(&path).unwrap();
        fs::write(&path, text.get(..20).unwrap()).unwrap();
        let damaged = Journal::open(folder.path(), &url);
        assert!(matches!(damaged, Err(JournalError::Damaged(at)) if at == path));
        assert!(path.exists());
    }

    #[test]
    fn there_is_one_run_at_a_time_and_what_it_leaves_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("race");
        let url = Url::parse("http://a/b?token=s#f").unwrap();
        let mut journal = Journal::open(&folder, &url).unwrap();
        assert!(journal.left().is_none());
        journal.write(entry()).unwrap();
        assert!(matches!(Journal::open(&folder, &url), Err(JournalError::Busy(Some(7)))));
        assert!(Journal::open(&folder, &Url::parse("http://a/c").unwrap()).is_ok());
        assert_eq!(fs::metadata(journal.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        drop(journal);

        let journal = Journal::open(&folder, &url).unwrap();
        assert_eq!(journal.left().unwrap().content().unwrap(), "x");
        journal.close();
        assert!(Journal::open(&folder, &url).unwrap().left().is_none());
    }
}
