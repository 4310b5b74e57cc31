//! What `get` saw, so that a write can say what it was made from.

use super::state;
use bytes::Bytes;
use ifmatch_client::wire::Url;
use ifmatch_client::{Reading, Version, secret};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many are remembered; the oldest are forgotten.
const SEEN_MAX: usize = 200;

/// The largest content that is kept, in bytes. Of a larger one only the version is.
const CONTENT_BYTES_MAX: usize = 4 << 20;

/// What is remembered of all URLs.
#[derive(Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
    /// What the representation depends on beside the URL.
    accept: Vec<u8>,
}

/// How many versions of one URL are remembered that were read since the last own write; past it the oldest is forgotten.
/// More than one is as good as any number: nobody can know which of them a content was made from.
const VERSIONS_MAX: usize = 8;

/// What was seen at a URL.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `None`: it had none, or the server has refused it.
    pub(crate) version: Option<Version>,
    /// Why it had none, as the server's answer was.
    pub(crate) why: Option<String>,
    /// Where reading it led to; what was seen is remembered for that.
    pub(crate) leads_to: Option<String>,
    /// `None`: it was too large to keep.
    pub(crate) content: Option<Bytes>,
    /// As the server named it; may be empty.
    pub(crate) media_type: String,
    /// When it was seen, in seconds since 1970.
    pub(crate) at: u64,
    /// Whether it was written here, and not read.
    pub(crate) is_written: bool,
    /// Whether something was written here since, from something else than this.
    is_closed: bool,
    /// The versions that were read since the last own write, the newest last.
    pub(crate) read: Vec<ReadVersion>,
}

/// A version that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReadVersion {
    /// The field that said it.
    line: String,
    /// When it was read last, in seconds since 1970.
    at: u64,
}

impl Seen {
    /// What is written here is seen.
    pub(crate) fn written(version: Option<Version>, content: Bytes, media_type: String) -> Self {
        Self {
            version,
            why: None,
            leads_to: None,
            content: Some(content),
            media_type,
            at: now(),
            is_written: true,
            is_closed: false,
            read: Vec::new(),
        }
    }

    /// Whether something was written here since, from something else than this.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// How long ago it was seen, for people.
    pub(crate) fn age(&self) -> String {
        ago(self.at)
    }
}

impl ReadVersion {
    fn noted(&self) -> Value {
        json!({ "line": self.line, "at": self.at })
    }

    fn of(noted: &Value) -> Option<Self> {
        Some(Self { line: noted["line"].as_str()?.to_owned(), at: noted["at"].as_u64()? })
    }

    /// The version and when it was read, for people.
    pub(crate) fn told(&self) -> String {
        format!("{} ({})", self.line, ago(self.at))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn ago(at: u64) -> String {
    match now().saturating_sub(at) {
        seconds @ ..120 => format!("{seconds} s ago"),
        seconds @ ..7200 => format!("{} min ago", seconds / 60),
        seconds @ ..172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86400),
    }
}

impl Memory {
    pub(crate) fn open(accept: &[u8]) -> Result<Self, String> {
        Ok(Self { folder: state::folder("seen")?, accept: accept.to_owned() })
    }

    /// `file` is where the content went, if it went to a file: what a file was made from does not change when somebody
    /// looks at the URL again.
    fn path(&self, url: &Url, file: Option<&Path>) -> PathBuf {
        let file = file.map(|file| file.as_os_str().as_encoded_bytes()).unwrap_or_default();
        self.folder.join(state::name(&[url.as_str().as_bytes(), &self.accept, file]))
    }

    /// Remembers what was read, for the URL and, where it went to a file, for that file. `why` is why it cannot be
    /// written back, beside what its version says.
    pub(crate) fn remember(
        &self,
        url: &Url,
        file: Option<&Path>,
        reading: &Reading,
        why: Option<String>,
    ) -> Result<(), String> {
        // Two that read at once must both be counted.
        let _lock = self.lock()?;
        let media_type = reading.answer.text(http::header::CONTENT_TYPE).unwrap_or_default().to_owned();
        let version = reading.version.clone().ok().filter(|_| why.is_none());
        let why = why.or_else(|| reading.version.as_ref().err().map(ToString::to_string));
        let content = Some(reading.answer.content.clone()).filter(|_| version.is_some());
        let line = version.as_ref().map(Version::line);
        let mut seen =
            Seen { version, why, is_written: false, ..Seen::written(None, Bytes::new(), media_type) };
        seen.content = content;
        let before = self.seen(url).filter(|before| !before.is_closed);
        seen.read = before.map(|before| before.read).unwrap_or_default();
        if let Some(line) = line {
            seen.read.retain(|other| other.line != line);
            seen.read.push(ReadVersion { line, at: seen.at });
        }
        seen.read.drain(..seen.read.len().saturating_sub(VERSIONS_MAX));
        self.keep(url, None, &seen)?;
        file.map_or(Ok(()), |file| self.keep(url, Some(file), &seen))
    }

    /// Held for as long as a file is read and written anew.
    fn lock(&self) -> Result<File, String> {
        let path = self.folder.with_extension("lock");
        state::make(&self.folder)?;
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let locked = opened.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Reading this URL led to another.
    pub(crate) fn remember_redirect(&self, url: &Url, to: &Url) -> Result<(), String> {
        let mut seen = Seen::written(None, Bytes::new(), String::new());
        (seen.content, seen.leads_to, seen.is_written) = (None, Some(secret::url(to)), false);
        self.keep(url, None, &seen)
    }

    /// Something was written here that was made from something else than what is remembered.
    pub(crate) fn close(&self, url: &Url) {
        let Some(seen) = self.seen(url) else { return };
        // What cannot be noted makes a later write be refused that need not be.
        drop(self.keep(url, None, &Seen { is_closed: true, ..seen }));
    }

    pub(crate) fn keep(&self, url: &Url, file: Option<&Path>, seen: &Seen) -> Result<(), String> {
        state::make(&self.folder)?;
        let content = seen.content.as_ref().filter(|content| content.len() <= CONTENT_BYTES_MAX);
        let head = json!({
            "url": secret::url(url),
            "version": seen.version.as_ref().map(Version::line),
            "why": seen.why,
            "leads_to": seen.leads_to,
            "media_type": seen.media_type,
            "has_content": content.is_some(),
            "at": seen.at,
            "is_written": seen.is_written,
            "is_closed": seen.is_closed,
            "read": seen.read.iter().map(ReadVersion::noted).collect::<Vec<_>>(),
        });
        let mut text = format!("{head}\n").into_bytes();
        text.extend_from_slice(content.map(Bytes::as_ref).unwrap_or_default());
        state::write(&self.path(url, file), &text)?;
        self.forget_oldest();
        Ok(())
    }

    /// What was seen and went to this file, or came from it.
    pub(crate) fn seen_in(&self, url: &Url, file: Option<&Path>) -> Option<Seen> {
        self.load(&self.path(url, Some(file?)))
    }

    /// What was seen last.
    pub(crate) fn seen(&self, url: &Url) -> Option<Seen> {
        self.load(&self.path(url, None))
    }

    fn load(&self, path: &Path) -> Option<Seen> {
        let text = Bytes::from(fs::read(path).ok()?);
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let head: Value = serde_json::from_slice(&text[..end]).ok()?;
        let content = head["has_content"].as_bool()?.then(|| text.slice(end + 1..));
        let version = head["version"].as_str().and_then(Version::from_line);
        let text = |name: &str| head[name].as_str().map(str::to_owned);
        Some(Seen {
            version,
            why: text("why"),
            leads_to: text("leads_to"),
            content,
            media_type: text("media_type")?,
            at: head["at"].as_u64().unwrap_or_default(),
            is_written: head["is_written"].as_bool().unwrap_or_default(),
            is_closed: head["is_closed"].as_bool().unwrap_or_default(),
            read: head["read"].as_array().into_iter().flatten().filter_map(ReadVersion::of).collect(),
        })
    }

    /// The server has refused this version: it is not sent again. The content stays, as the base of a merge.
    pub(crate) fn drop_version(
        &self,
        url: &Url,
        file: Option<&Path>,
        version: &Version,
    ) -> Result<(), String> {
        for file in [None, file] {
            let Some(seen) = self.load(&self.path(url, file)) else { continue };
            if seen.version.as_ref() == Some(version) {
                self.keep(url, file, &Seen { version: None, ..seen })?;
            }
        }
        Ok(())
    }

    /// There is nothing any more.
    pub(crate) fn forget(&self, url: &Url) {
        // What is not there need not be forgotten; what stays is a version that the server refuses.
        drop(fs::remove_file(self.path(url, None)));
    }

    fn forget_oldest(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let age = |entry: &fs::DirEntry| {
            entry.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let mut all: Vec<_> = entries.map(|entry| (age(&entry), entry.path())).collect();
        let surplus = all.len().saturating_sub(SEEN_MAX);
        all.sort();
        for (_, path) in all.into_iter().take(surplus) {
            drop(fs::remove_file(path));
        }
    }
}
