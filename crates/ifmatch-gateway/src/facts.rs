//! What the gateway tells of a write to whoever records it.

use http::HeaderValue;

/// Facts about a write, left at its exchange.
#[derive(Clone, Default, Debug)]
pub struct Facts {
    /// The tag of what was there.
    pub before: Option<HeaderValue>,
    /// The tag of what is there now, if it was told.
    pub after: Option<HeaderValue>,
}
