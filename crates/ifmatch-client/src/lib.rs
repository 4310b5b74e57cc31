//! HTTP with the version handled.
//!
//! [`wire`] is the floor: one request, one answer, nothing hidden. The diagnosis stands on it, since it must be able to
//! send what a client never should.

pub mod secret;
mod tag;
pub mod wire;

pub use tag::{MalformedTag, Tag};
