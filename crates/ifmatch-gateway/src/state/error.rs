//! Why a state folder could not be used, told to people: what, where, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Who has a state folder, as far as it told.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its process id.
    pub pid: Option<u32>,
    /// When it opened the folder, in milliseconds since 1970.
    pub since_ms: Option<u64>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "pid {pid}"),
            None => write!(f, "pid unknown"),
        }
    }
}

/// Why a state folder could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process has the folder.
    #[error(
        "another gateway for this upstream runs ({holder}): one process per upstream; stop it first \
         (state folder {})", .dir.display()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// The folder was made for another upstream.
    #[error(
        "the state folder {} belongs to the upstream {stored}, not to {wanted}; \
         give each upstream a state folder of its own", .dir.display()
    )]
    OtherUpstream {
        /// The folder.
        dir: PathBuf,
        /// Whose it is.
        stored: String,
        /// Who was to be served.
        wanted: String,
    },
    /// The folder was made with another number of counters.
    #[error(
        "the state folder {} has {stored} counters, but {wanted} are set; set `counters` to {stored}, \
         or start with a new folder once no write is in doubt (all tags handed out so far end with 412)",
        .dir.display()
    )]
    OtherCounters {
        /// The folder.
        dir: PathBuf,
        /// How many it has.
        stored: u32,
        /// How many were asked for.
        wanted: u32,
    },
    /// A later version of ifmatch wrote the folder.
    #[error(
        "{} was written by a later version of ifmatch (format {found}, this one knows {known}); \
         use that version, or another state folder", .path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// What this version can read.
        known: u32,
    },
    /// A setting that cannot be.
    #[error("{0}")]
    Setting(String),
    /// The system said no.
    #[error("cannot {doing} {}: {cause}", .path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
        doing: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// There is nothing in the folder.
    #[error("{} is not a state folder: it has no slots; is it the folder given as --state?", .dir.display())]
    NoState {
        /// The folder.
        dir: PathBuf,
    },
    /// The slots cannot be read by another process. The gateway copes.
    #[error("{} is damaged ({problem}); the next start of the gateway makes it anew and holds all writes once", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        problem: &'static str,
    },
    /// No write of that id is in doubt.
    #[error("no write {id} is in doubt in {}; {}", .dir.display(), list_ids(.existing))]
    NoSuchDoubt {
        /// The folder.
        dir: PathBuf,
        /// What was asked for.
        id: u64,
        /// What there is.
        existing: Vec<u64>,
    },
    /// The write is not in doubt: the gateway awaits its answer.
    #[error(
        "write {id} is under way, not in doubt: the gateway ({holder}) still awaits its answer; nothing was settled"
    )]
    UnderWay {
        /// Which write.
        id: u64,
        /// Which gateway.
        holder: Holder,
    },
}

impl StateError {
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { path: path.to_owned(), doing, cause }
    }
}

fn list_ids(ids: &[u64]) -> String {
    const SHOWN_MAX: usize = 20;
    if ids.is_empty() {
        return "none is".to_owned();
    }
    let shown: Vec<_> = ids.iter().take(SHOWN_MAX).map(u64::to_string).collect();
    let more =
        if ids.len() > SHOWN_MAX { format!(" and {} more", ids.len() - SHOWN_MAX) } else { String::new() };
    format!("in doubt: {}{more}", shown.join(", "))
}
