//! What the gateway tells of a write to whoever records it.

use crate::watch::{Met, Seen};
use http::HeaderValue;

/// Facts about a write, left at its exchange.
#[derive(Clone, Default, Debug)]
pub struct Facts {
    /// The tag of what was there.
    pub before: Option<HeaderValue>,
    /// The tag of what is there now, if it was told.
    pub after: Option<HeaderValue>,
    /// 64 bits of the BLAKE3 hash of the content that was sent, where something is compared with it.
    pub content: Option<u64>,
    /// What is known of a write that was forwarded.
    pub seen: Option<Box<Seen>>,
    /// What is known of a refusal.
    pub met: Option<Box<Met>>,
}
