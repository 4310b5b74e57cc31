//! What `get` saw, so that a write can say what it was made from.

use super::state;
use bytes::Bytes;
use ifmatch_client::wire::Url;
use ifmatch_client::{Reading, Version, secret};
use serde_json::{Value, json};
use std::fs;
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

/// What was seen at a URL.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `None`: it had none, or the server has refused it.
    pub(crate) version: Option<Version>,
    /// `None`: it was too large to keep.
    pub(crate) content: Option<Bytes>,
    /// As the server named it; may be empty.
    pub(crate) media_type: String,
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

    /// Remembers what was read, for the URL and, where it went to a file, for that file.
    pub(crate) fn remember(&self, url: &Url, file: Option<&Path>, reading: &Reading) -> Result<(), String> {
        let media_type = reading.answer.text(http::header::CONTENT_TYPE).unwrap_or_default().to_owned();
        let seen = Seen {
            version: reading.version.clone().ok(),
            content: Some(reading.answer.content.clone()),
            media_type,
        };
        self.keep(url, None, &seen)?;
        file.map_or(Ok(()), |file| self.keep(url, Some(file), &seen))
    }

    pub(crate) fn keep(&self, url: &Url, file: Option<&Path>, seen: &Seen) -> Result<(), String> {
        state::make(&self.folder)?;
        let content = seen.content.as_ref().filter(|content| content.len() <= CONTENT_BYTES_MAX);
        let head = json!({
            "url": secret::url(url),
            "version": seen.version.as_ref().map(Version::line),
            "media_type": seen.media_type,
            "has_content": content.is_some(),
        });
        let mut text = format!("{head}\n").into_bytes();
        text.extend_from_slice(content.map(Bytes::as_ref).unwrap_or_default());
        state::write(&self.path(url, file), &text)?;
        self.forget_oldest();
        Ok(())
    }

    /// What was seen; of the file, if something is known of it.
    pub(crate) fn seen(&self, url: &Url, file: Option<&Path>) -> Option<Seen> {
        let of_file = file.and_then(|file| self.load(&self.path(url, Some(file))));
        of_file.or_else(|| self.load(&self.path(url, None)))
    }

    fn load(&self, path: &Path) -> Option<Seen> {
        let text = Bytes::from(fs::read(path).ok()?);
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let head: Value = serde_json::from_slice(&text[..end]).ok()?;
        let content = head["has_content"].as_bool()?.then(|| text.slice(end + 1..));
        let version = head["version"].as_str().and_then(Version::from_line);
        Some(Seen { version, content, media_type: head["media_type"].as_str()?.to_owned() })
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
