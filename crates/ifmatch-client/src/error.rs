//! What went wrong.

use crate::outcome::{Doubt, Refusal};
use crate::wire::{AccessError, SendError};
use crate::{NoVersion, Sides};

/// Why something was not done. Only [`Error::Unknown`] leaves open whether a write was applied; after all others it was
/// not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A URL that is none, or of another origin than the client is for.
    #[error(
        "{url:?} is not a URL of {base}: a client talks to one origin, since its credentials are for that one"
    )]
    Url {
        /// What was given.
        url: String,
        /// What the client is for.
        base: String,
    },
    /// The client cannot be set up.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A condition among the fields that all requests get.
    #[error("{name} belongs to one write, not to all requests")]
    Condition {
        /// Of the field.
        name: String,
    },
    /// Nothing was sent, or a read was not answered.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Nobody can say whether the write was applied.
    #[error("{0}")]
    Unknown(Box<Doubt>),
    /// The server said no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// It was changed by others again and again, or since it was read.
    #[error("{url} was changed by somebody else meanwhile. Nothing was written", url = .0.url())]
    Conflict(Box<Sides>),
    /// It was deleted by somebody else.
    #[error("{url} was deleted by somebody else meanwhile. Nothing was written")]
    Gone {
        /// Of what.
        url: String,
    },
    /// There is something already.
    #[error("{url} exists already. Nothing was written")]
    Exists {
        /// Of what.
        url: String,
    },
    /// What was read cannot be written back safely.
    #[error("{0}. Nothing was written")]
    NoVersion(#[from] NoVersion),
    /// Content that is not JSON, or not of the type it is read as.
    #[error("the content of {url} cannot be read: {why}")]
    Content {
        /// Of what.
        url: String,
        /// In words of the parser.
        why: String,
    },
    /// A value that cannot be written as JSON.
    #[error("the value cannot be written as JSON: {0}. Nothing was written")]
    Value(#[source] serde_json::Error),
    /// The type does not know all that is in an array that was changed.
    #[error(
        "the type does not hold all that is at {}, so writing it back would drop the rest. Nothing was written. Use \
         serde_json::Value, or a field with #[serde(flatten)] for what the type does not know", .paths.join(", ")
    )]
    Drops {
        /// Where, as JSON pointers.
        paths: Vec<String>,
    },
    /// A reason that says nothing, or has more than 200 bytes, or other characters than ASCII.
    #[error("overwriting needs a reason in plain ASCII of at most 200 bytes. Nothing was written")]
    Reason,
}
