//! What was typed, kept until it is saved.

use super::super::session::Session;
use super::super::state;
use crate::exit::Failure;
use ifmatch_client::{Version, secret};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How many drafts are kept. They are never thrown away unasked, so past it no new one is begun.
const DRAFTS_MAX: usize = 1000;

/// The file that says which text counts, and what it was made from.
const HEAD: &str = "draft.json";

/// The draft of one URL. Only one run at a time has it.
///
/// What belongs together has a number, and the file `draft.json`, which is replaced at once, says which number counts: a
/// run that is killed leaves either what was before or what is after, never a text with the base of another.
#[derive(Debug)]
pub(super) struct Draft {
    folder: PathBuf,
    current: Option<Current>,
    /// What is wrong with what is kept.
    damage: Option<String>,
    _lock: File,
}

/// What a draft is made from.
#[derive(Clone, Debug)]
struct Current {
    number: u64,
    /// Where it was read, hashed; redirects may lead elsewhere another time.
    at: Option<String>,
    version: Option<Version>,
    media_type: String,
    suffix: String,
}

/// What a draft begins with, or goes on with.
#[derive(Debug)]
pub(super) struct Beginning<'a> {
    /// What it is made from; `None` if there is nothing yet.
    pub(super) version: Option<Version>,
    /// The content of that.
    pub(super) base: &'a [u8],
    /// The type of that, as the server names it.
    pub(super) media_type: &'a str,
    /// What stands in the editor.
    pub(super) text: &'a [u8],
    /// `json` or `txt`.
    pub(super) suffix: &'a str,
}

impl Draft {
    /// The draft of this URL, if there is one, and the right to begin one.
    pub(super) fn open(session: &Session) -> Result<Self, Failure> {
        let drafts = state::folder("drafts")?;
        state::make(&drafts)?;
        let folder = drafts.join(state::name(&[session.asked.as_str().as_bytes()]));
        let lock = folder.with_extension("lock");
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock);
        let locked = opened.map_err(TryLockError::Error).and_then(|file| file.try_lock().map(|()| file));
        let lock = locked.map_err(|error| match error {
            TryLockError::WouldBlock => {
                format!("{} is being edited by another ifmatch on this machine", session.shown_url())
            }
            TryLockError::Error(error) => format!("{}: {error}", lock.display()),
        })?;
        let current = Current::load(&folder);
        let mut draft = Self { folder, current, damage: None, _lock: lock };
        draft.damage = draft.look();
        Ok(draft)
    }

    pub(super) fn exists(&self) -> bool {
        self.current.is_some()
    }

    /// What is wrong with what is kept: nothing of it is removed unasked.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    fn look(&self) -> Option<String> {
        if self.current.is_some() {
            let missing = self.text().err().map(|why| format!("the text of the draft is missing: {why}"));
            let base = || {
                let why = self.base().err()?;
                let text = self.path().display().to_string();
                Some(format!("what the draft was made from is missing: {why}. What you typed is in {text}"))
            };
            return missing.or_else(base);
        }
        let texts = self.names().into_iter().filter(|name| name.starts_with("text-"));
        let texts: Vec<_> = texts.map(|name| self.folder.join(name).display().to_string()).collect();
        let head = self.folder.join(HEAD).display().to_string();
        let is_there = self.folder.join(HEAD).exists();
        if texts.is_empty() && !is_there {
            return None;
        }
        let how = if is_there { "is damaged" } else { "is missing" };
        let kept = if texts.is_empty() {
            String::new()
        } else {
            format!(": what was typed is in {}", texts.join(", "))
        };
        Some(format!("{head}, which says what the draft was made from, {how}{kept}"))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Whether something else is beside the draft, as editors leave it that were killed.
    pub(super) fn has_others(&self) -> bool {
        let is_ours = |name: &String| name == HEAD || name.starts_with("base-") || name.starts_with("text-");
        !self.names().iter().all(is_ours)
    }

    /// Begins one, or lets it go on from something else.
    pub(super) fn begin(&mut self, session: &Session, from: Beginning<'_>) -> Result<(), String> {
        let old = self.current.clone();
        if old.is_none() {
            self.room()?;
        }
        state::make(&self.folder)?;
        let current = Current {
            number: old.as_ref().map_or(1, |old| old.number + 1),
            at: Some(place(session)),
            version: from.version,
            media_type: from.media_type.to_owned(),
            suffix: from.suffix.to_owned(),
        };
        state::write(&self.folder.join(current.base()), from.base)?;
        state::write(&self.folder.join(current.text()), from.text)?;
        self.note(session, &current)?;
        if let Some(old) = old {
            // What is not referred to any more does no harm.
            drop(fs::remove_file(self.folder.join(old.base())));
            drop(fs::remove_file(self.folder.join(old.text())));
        }
        self.current = Some(current);
        Ok(())
    }

    /// Puts a text back that an editor took away, under another name, since the old one may be anything now.
    pub(super) fn put_back(&mut self, session: &Session, text: &[u8]) -> Result<(), String> {
        let Some(old) = self.current.clone() else { return Ok(()) };
        let base = self.base()?;
        let Current { at, version, media_type, suffix, .. } = old;
        let from = Beginning { version, base: &base, media_type: &media_type, text, suffix: &suffix };
        self.begin(session, from)?;
        let Some(mut current) = self.current.clone() else { return Ok(()) };
        current.at = at;
        self.note(session, &current)?;
        self.current = Some(current);
        Ok(())
    }

    /// From now on it is about something that there is nothing of.
    pub(super) fn make_new(&mut self, session: &Session) -> Result<(), String> {
        let Some(mut current) = self.current.clone() else { return Ok(()) };
        current.version = None;
        self.note(session, &current)?;
        self.current = Some(current);
        Ok(())
    }

    fn note(&self, session: &Session, current: &Current) -> Result<(), String> {
        let head = json!({
            "url": secret::url(&session.asked),
            "number": current.number,
            "at": current.at,
            "version": current.version.as_ref().map(Version::line),
            "media_type": current.media_type,
            "suffix": current.suffix,
        });
        state::write(&self.folder.join(HEAD), format!("{head:#}\n").as_bytes())
    }

    fn room(&self) -> Result<(), String> {
        let drafts = self.folder.parent().map(fs::read_dir);
        let count =
            drafts.into_iter().flatten().flatten().flatten().filter(|entry| entry.path().is_dir()).count();
        if count >= DRAFTS_MAX {
            let place = self.folder.parent().unwrap_or(&self.folder).display().to_string();
            return Err(format!(
                "{count} drafts are kept in {place}, which is the limit: remove some. Nothing was sent."
            ));
        }
        Ok(())
    }

    /// Whether the session is about something else than what was read.
    pub(super) fn is_elsewhere(&self, session: &Session) -> bool {
        let at = self.current.as_ref().and_then(|current| current.at.as_ref());
        at.is_some_and(|at| *at != place(session))
    }

    /// The file that stands in the editor.
    pub(super) fn path(&self) -> PathBuf {
        let text = self.current.as_ref().map(Current::text).unwrap_or_default();
        self.folder.join(text)
    }

    /// What was typed.
    pub(super) fn text(&self) -> Result<Vec<u8>, String> {
        fs::read(self.path()).map_err(|error| format!("{}: {error}", self.path().display()))
    }

    /// What it was made from.
    pub(super) fn base(&self) -> Result<Vec<u8>, String> {
        let path = self.folder.join(self.current.as_ref().map(Current::base).unwrap_or_default());
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The version of that; `None` if there is nothing yet.
    pub(super) fn version(&self) -> Option<&Version> {
        self.current.as_ref()?.version.as_ref()
    }

    pub(super) fn media_type(&self) -> &str {
        self.current.as_ref().map(|current| current.media_type.as_str()).unwrap_or_default()
    }

    pub(super) fn is_json(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.suffix == "json")
    }

    /// It is saved, or thrown away.
    pub(super) fn remove(&mut self) -> Result<(), String> {
        let removed = if self.folder.exists() { fs::remove_dir_all(&self.folder) } else { Ok(()) };
        self.current = None;
        self.damage = None;
        removed.map_err(|error| format!("{} could not be removed: {error}", self.folder.display()))
    }
}

fn place(session: &Session) -> String {
    state::name(&[session.url.as_str().as_bytes()])
}

impl Current {
    fn base(&self) -> String {
        format!("base-{}", self.number)
    }

    fn text(&self) -> String {
        format!("text-{}.{}", self.number, self.suffix)
    }

    fn load(folder: &Path) -> Option<Self> {
        let head: Value = serde_json::from_slice(&fs::read(folder.join(HEAD)).ok()?).ok()?;
        let text = |name: &str| head[name].as_str().map(str::to_owned);
        let version = text("version").map(|line| Version::from_line(&line));
        let suffix = text("suffix").filter(|suffix| ["json", "txt"].contains(&suffix.as_str()))?;
        Some(Self {
            number: head["number"].as_u64()?,
            at: text("at"),
            version: version.unwrap_or_default(),
            media_type: text("media_type")?,
            suffix,
        })
    }
}
