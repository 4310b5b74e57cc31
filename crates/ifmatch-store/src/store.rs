//! What an engine does.

use std::future::Future;

use ifmatch_core::{HttpDate, Revision};

use crate::error::StoreError;
use crate::model::{Committed, Head, Listing, Snapshot, Transaction};

/// A versioned document store. Reads are synchronous: they run inline where they are called, never wait for a writer,
/// and never show what is not durable.
pub trait Store: Send + Sync + 'static {
    /// The name of this life of the store: 64 random bits as 13 lower-case base32 characters, drawn when the store
    /// was created and drawn again when it is restored from a copy. Revisions are unique within one incarnation.
    fn incarnation(&self) -> &str;

    /// What time it is, in whole seconds, for everything that is held against a [`Stamp`](crate::Stamp)'s date.
    ///
    /// It never steps back: not within a process, and not from one process to the next, whatever the system's clock
    /// does. It stands still while a group of transactions is being committed, so that any change that becomes visible
    /// after a call has a date *after* what the call returned.
    ///
    /// **Ask for the time before reading, never after**, if the time is given out with what was read (or compared with
    /// a condition): then "unchanged since that second" is true of what was read.
    fn now(&self) -> HttpDate;

    /// What is under the key of a document.
    ///
    /// # Errors
    /// [`StoreError::InvalidKey`], [`StoreError::Failed`], [`StoreError::Damaged`].
    fn read(&self, key: &str) -> Result<Snapshot, StoreError>;

    /// What is under the key of a document, without loading its content.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn stamp(&self, key: &str) -> Result<Head, StoreError>;

    /// The revision of a collection: that of the last change of any of its direct members; 0 if there never was one.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn collection(&self, key: &str) -> Result<Revision, StoreError>;

    /// Documents directly below a collection, in key order, those after the key `after`; at most `limit` (at least 1)
    /// and at most [`LIST_ITEMS_MAX`](crate::LIST_ITEMS_MAX). Deeper documents are passed over.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn list(&self, collection: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError>;

    /// Which document is currently at this revision, as far as is remembered without a search: `None` says nothing.
    /// For explanations to people, never for decisions.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn owner(&self, revision: Revision) -> Result<Option<String>, StoreError>;

    /// Judges and applies a transaction, as a whole or not at all. The answer comes after it is durable.
    ///
    /// Nothing happens before the future is polled. If the future is dropped after that, the transaction is still
    /// committed as a whole or not at all.
    ///
    /// # Errors
    /// Any [`StoreError`]; [`StoreError::applied`] says what became of the transaction.
    fn commit(&self, transaction: Transaction) -> impl Future<Output = Result<Committed, StoreError>> + Send;
}
