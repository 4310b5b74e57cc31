//! What can go wrong when the store is used.

use std::sync::Arc;

use crate::limits::{CHANGES_MAX, KEY_BYTES_MAX, MEDIA_BYTES_MAX};

/// Why a call failed. A mismatch is not among them: it is a result.
///
/// Every error says whether the transaction was applied: see [`StoreError::applied`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key names nothing that could be stored. The caller's mistake.
    #[error("{key:?} cannot be a key: {problem}; nothing was changed")]
    InvalidKey {
        /// The key, cut to a readable length.
        key: String,
        /// What is wrong with it.
        problem: KeyProblem,
    },
    /// The content is larger than this store takes. The caller's mistake.
    #[error("the content for {key} has {bytes} bytes, at most {bytes_max} are stored; nothing was changed")]
    ContentTooLarge {
        /// Whose content.
        key: String,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A metadata field is too long. The caller's mistake.
    #[error("the metadata for {key} has a field of more than {} bytes; nothing was changed", MEDIA_BYTES_MAX)]
    MediaTooLarge {
        /// Whose metadata.
        key: String,
    },
    /// More changes or checks than one transaction may have. The caller's mistake.
    #[error(
        "the transaction has {count} changes and checks, at most {} are possible; nothing was changed",
        CHANGES_MAX
    )]
    TooManyChanges {
        /// How many.
        count: usize,
    },
    /// The transaction changes one key twice. The caller's mistake.
    #[error("the transaction changes {key} more than once; nothing was changed")]
    ChangedTwice {
        /// The key.
        key: String,
    },
    /// More transactions wait than the store admits. The same call may succeed a moment later.
    #[error("{waiting} transactions are waiting to be written, no more are admitted; nothing was changed")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// There is no space left on the device, or the store may not grow. Reads go on, and writes do so when there is
    /// space again.
    #[error("there is no space left to store this in {place}; nothing was changed")]
    Full {
        /// The data folder.
        place: Arc<str>,
    },
    /// It could not be read or written, for a reason that may pass. Nothing was changed.
    #[error("the store in {place} could not {what}: {cause}; nothing was changed")]
    Failed {
        /// The data folder.
        place: Arc<str>,
        /// What was tried, as a verb phrase.
        what: &'static str,
        /// What the system said.
        cause: Arc<str>,
    },
    /// What is stored makes no sense. Nothing was changed.
    #[error("the data in {place} is damaged: {cause}; nothing was changed")]
    Damaged {
        /// The data folder.
        place: Arc<str>,
        /// What was found.
        cause: Arc<str>,
    },
    /// The device failed while this was being made durable: whether it was applied will only be known when the
    /// store is opened again. Repeating it blindly may apply it twice.
    #[error(
        "the store in {place} failed while committing ({cause}); it is unknown whether the change was applied"
    )]
    Unknown {
        /// The data folder.
        place: Arc<str>,
        /// What the system said.
        cause: Arc<str>,
    },
    /// The device failed during an earlier commit; no more writes are accepted until the store is opened again. Reads
    /// go on. Nothing of this transaction was applied.
    #[error(
        "the store in {place} refuses writes since an earlier failure ({cause}) until it is restarted; \
         nothing was changed"
    )]
    Poisoned {
        /// The data folder.
        place: Arc<str>,
        /// What the system said then.
        cause: Arc<str>,
    },
    /// The store is being closed. Nothing of this transaction was applied.
    #[error("the store is being closed; nothing was changed")]
    Closed,
}

impl StoreError {
    /// Whether the transaction was applied: `Some(false)` is certain, `None` is unknown. No error comes with an
    /// applied transaction.
    pub fn applied(&self) -> Option<bool> {
        match self {
            Self::Unknown { .. } => None,
            _ => Some(false),
        }
    }

    pub(crate) fn invalid_key(key: &str, problem: KeyProblem) -> Self {
        const SHOWN_CHARS_MAX: usize = 200;
        Self::InvalidKey { key: key.chars().take(SHOWN_CHARS_MAX).collect(), problem }
    }
}

/// What is wrong with a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// Keys are absolute.
    #[error("it does not begin with '/'")]
    NoLeadingSlash,
    /// Longer than [`KEY_BYTES_MAX`].
    #[error("it has more than {} bytes", KEY_BYTES_MAX)]
    TooLong,
    /// A control character could hide in logs and listings.
    #[error("it has a control character")]
    ControlCharacter,
    /// A document was wanted and a collection named.
    #[error("it names a collection (it ends in '/'), not a document")]
    IsCollection,
    /// A collection was wanted and a document named.
    #[error("it names a document, not a collection (which ends in '/')")]
    IsDocument,
}
