//! What goes into the store and what comes out of it.

use bytes::Bytes;
use ifmatch_core::{Expected, HttpDate, Revision};

/// One state of one resource's data.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Document {
    /// The octets, given back as they came. At most [`CONTENT_BYTES_MAX`](crate::CONTENT_BYTES_MAX), or what the
    /// engine was told.
    pub content: Bytes,
    /// What is known about the octets.
    pub media: Media,
}

impl Document {
    /// A document of which nothing but the octets is known.
    pub fn new(content: impl Into<Bytes>) -> Self {
        Self { content: content.into(), media: Media::default() }
    }

    /// The same with a content type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.media.content_type = Some(content_type.into());
        self
    }
}

/// Representation metadata stored with the content, as given: never parsed, never normalised. Each field at most
/// [`MEDIA_BYTES_MAX`](crate::MEDIA_BYTES_MAX) bytes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Media {
    /// Its media type.
    pub content_type: Option<String>,
    /// Codings that were applied to the octets.
    pub content_encoding: Option<String>,
    /// The language of the intended audience.
    pub content_language: Option<String>,
}

/// The names of one state: the exact one and the one to the second.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stamp {
    /// The exact name, never used again.
    pub revision: Revision,
    /// The date of the state: at least one second after the commit began, and after the previous date of this key,
    /// so that a date names at most one state of a key. **Not to be shown before it begins** (see
    /// [`Store::now`](crate::Store::now)): until then a later change of the same second could still come.
    pub last_modified: HttpDate,
}

/// What is durable under one key, in one consistent snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Snapshot {
    /// Nothing was ever there.
    Absent,
    /// It was deleted. The stamp is that of the deletion.
    Deleted(Stamp),
    /// It is there.
    Present {
        /// The names of this state.
        stamp: Stamp,
        /// The state.
        document: Document,
    },
}

impl Snapshot {
    /// The names of what is there now; `None` where nothing is.
    pub fn current(&self) -> Option<Stamp> {
        match self {
            Self::Present { stamp, .. } => Some(*stamp),
            Self::Absent | Self::Deleted(_) => None,
        }
    }

    /// The same without the content.
    pub fn head(&self) -> Head {
        match self {
            Self::Absent => Head::Absent,
            Self::Deleted(stamp) => Head::Deleted(*stamp),
            Self::Present { stamp, document } => Head::Present {
                stamp: *stamp,
                media: document.media.clone(),
                content_bytes: document.content.len() as u64,
            },
        }
    }
}

/// What is durable under one key, without its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Head {
    /// Nothing was ever there.
    Absent,
    /// It was deleted. The stamp is that of the deletion.
    Deleted(Stamp),
    /// It is there.
    Present {
        /// The names of this state.
        stamp: Stamp,
        /// What is known about the content.
        media: Media,
        /// Length of the content.
        content_bytes: u64,
    },
}

impl Head {
    /// The names of what is there now; `None` where nothing is.
    pub fn current(&self) -> Option<Stamp> {
        match self {
            Self::Present { stamp, .. } => Some(*stamp),
            Self::Absent | Self::Deleted(_) => None,
        }
    }
}

/// A condition without a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// A document, or a collection (ends in `/`). A collection is always there, so `Absent` never holds for it, and
    /// `Exactly(Revision(0))` says that nothing was ever directly below it.
    pub key: String,
    /// What must be there.
    pub expected: Expected,
}

/// A change and its condition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The document. Collections cannot be changed, they follow from their members.
    pub key: String,
    /// What must be there before it.
    pub expected: Expected,
    /// What is done.
    pub action: Action,
}

/// What a change does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Creates the document or replaces it as a whole.
    Put(Document),
    /// Deletes it; its name keeps a tombstone. Where nothing is there is nothing to delete: that is a mismatch,
    /// whatever was expected.
    Delete,
}

/// Changes and conditions that are committed together or not at all. Every expectation is about the state before the
/// transaction; a key may be changed once. At most [`CHANGES_MAX`](crate::CHANGES_MAX) of each.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Transaction {
    /// Conditions on what is not changed; judged first, in order.
    pub checks: Vec<Check>,
    /// Changes; judged next, in order, and then done.
    pub changes: Vec<Change>,
}

impl Transaction {
    /// Nothing yet; committing it does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition on what is not changed.
    #[must_use]
    pub fn check(mut self, key: impl Into<String>, expected: Expected) -> Self {
        self.checks.push(Check { key: key.into(), expected });
        self
    }

    /// Adds a creation or replacement.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, expected: Expected, document: Document) -> Self {
        self.changes.push(Change { key: key.into(), expected, action: Action::Put(document) });
        self
    }

    /// Adds a deletion.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>, expected: Expected) -> Self {
        self.changes.push(Change { key: key.into(), expected, action: Action::Delete });
        self
    }

    /// What it holds in memory while it waits, in bytes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let checks: usize = self.checks.iter().map(|check| check.key.len() + size_of::<Check>()).sum();
        let changes: usize = self.changes.iter().map(Change::bytes).sum();
        size_of::<Self>() + checks + changes
    }
}

impl From<Change> for Transaction {
    fn from(change: Change) -> Self {
        Self { checks: Vec::new(), changes: vec![change] }
    }
}

impl Change {
    fn bytes(&self) -> usize {
        let data = match &self.action {
            Action::Put(document) => document.content.len() + document.media.bytes(),
            Action::Delete => 0,
        };
        size_of::<Self>() + self.key.len() + data
    }
}

impl Media {
    pub(crate) fn bytes(&self) -> usize {
        self.fields().into_iter().flatten().map(String::len).sum()
    }

    pub(crate) fn fields(&self) -> [Option<&String>; 3] {
        [self.content_type.as_ref(), self.content_encoding.as_ref(), self.content_language.as_ref()]
    }
}

/// What became of a transaction that was judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Committed {
    /// It is durable; one stamp per change, in order.
    Done(Vec<Stamp>),
    /// An expectation did not hold; nothing was changed.
    Mismatch(Mismatch),
}

/// The first expectation of a transaction that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// Whose expectation it was.
    pub key: String,
    /// What is current there; `None`: nothing is. A collection always has a stamp (revision 0 if nothing was ever
    /// below it), whose date says when it last changed but is no name of its state.
    pub current: Option<Stamp>,
}

/// Part of what is directly below a collection, in one consistent snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// The revision of the collection: that of the last change of any direct member.
    pub revision: Revision,
    /// Direct members in the order of their keys' octets.
    pub items: Vec<Item>,
    /// Where to go on: pass it as `after`. `None`: that was all. There may be more even if no item was found this
    /// time, because the work for one call is bounded ([`LIST_SCAN_MAX`](crate::LIST_SCAN_MAX)).
    pub next: Option<String>,
}

/// One document of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its full key.
    pub key: String,
    /// Its current revision.
    pub revision: Revision,
    /// Its media type, if known.
    pub content_type: Option<String>,
    /// Length of its content.
    pub content_bytes: u64,
}
