//! The versioned document store of `ifmatch`: compare-and-set on named documents, durable before it is acknowledged.
//!
//! The store knows no protocol. It speaks of documents (octets and the metadata kept with them), of
//! [`Revision`](ifmatch_core::Revision)s and of what a writer [`Expected`](ifmatch_core::Expected) to find. A
//! [`Transaction`] holds any number of changes and conditions and is committed as a whole or not at all; each
//! expectation is checked where the row is written, so that nothing comes between the check and the change.
//!
//! Two engines implement [`Store`]: [`Sqlite`], the durable one, and [`Memory`], small and honest, for tests. The
//! `conformance` feature has the suite that both pass.
//!
//! **Invariant:** a revision that was ever shown to anyone names one state of one document for ever: not after a
//! delete and re-creation, not after a crash, not after a rollback is it used for another.
//!
//! **Invariant:** nothing is shown, neither by a read nor by a mismatch, before it is durable.
//!
//! ```
//! use ifmatch_core::Expected;
//! use ifmatch_store::{Committed, Document, Memory, Store, Transaction};
//!
//! # fn main() -> Result<(), ifmatch_store::StoreError> {
//! # let rt = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be built");
//! # rt.block_on(async {
//! let store = Memory::new();
//! let create = Transaction::new().put("/notes/1", Expected::Absent, Document::new("first"));
//! let Committed::Done(stamps) = store.commit(create).await? else { unreachable!("nothing was there") };
//!
//! // A writer that saw something else is told what is current, and nothing is changed.
//! let stale = Transaction::new().put("/notes/1", Expected::Absent, Document::new("second"));
//! let Committed::Mismatch(mismatch) = store.commit(stale).await? else { unreachable!("it is there") };
//! assert_eq!(mismatch.current, Some(stamps[0]));
//! # Ok(())
//! # })
//! # }
//! ```

mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod limits;
mod memory;
mod model;
mod sqlite;
mod store;

pub use clock::TimeSource;
pub use error::{KeyProblem, StoreError};
pub use limits::{
    CHANGES_MAX, CONTENT_BYTES_MAX, KEY_BYTES_MAX, LIST_ITEMS_MAX, LIST_SCAN_MAX, MEDIA_BYTES_MAX,
    is_collection, parent,
};
pub use memory::Memory;
pub use model::{
    Action, Change, Check, Committed, Document, Head, Item, Listing, Media, Mismatch, Snapshot, Stamp,
    Transaction,
};
pub use sqlite::{CLOCK_RESERVE_SECONDS, Holder, OpenError, Options, Sqlite, Stats};
pub use store::Store;
