//! The resource server: any path is a resource, a path ending in `/` is a collection, and every write is conditional.
//!
//! [`Documents`] puts HTTP over a [`Store`](ifmatch_store::Store) as an authority behind the pipeline of
//! `ifmatch_guard`: snapshot, judge, commit against exactly what was judged; if somebody came between, again.

mod collection;
mod digest;
mod documents;
mod failure;
mod patch;
mod prefer;
mod respond;
mod sending;
mod tag;

pub use documents::Documents;
pub use patch::{ACCEPT_PATCH, PATCH_DOCUMENT_BYTES_MAX, PATCH_OPERATIONS_MAX};
pub use sending::SENDING_BYTES_MAX;
