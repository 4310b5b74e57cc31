//! Why nothing can be told.

use super::reply::Reply;
use ifmatch_client::wire::SendError;

/// Why a run ended before its end.
#[derive(Clone, Debug)]
pub(super) enum Halt {
    /// It was asked to.
    Stopped,
    /// There was no answer.
    Lost(SendError),
    /// What was answered decides nothing: what that was, and what to do.
    Unclear(String),
}

impl Halt {
    /// For people.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Stopped => "It was stopped before its end.".to_owned(),
            Self::Lost(error) => error.to_string(),
            Self::Unclear(reason) => sentence(reason),
        }
    }
}

/// Why a write that should have been accepted was not, and what to do.
pub(super) fn refusal(method: &str, reply: &Reply) -> String {
    let status = match reply {
        Reply::Status { status, .. } => *status,
        Reply::None(error) => return error.to_string(),
    };
    let why = match status.as_u16() {
        202 => "The write is only accepted for later, so nobody can say when it is done.",
        207 => "A write is answered for several resources at once. Race one resource.",
        300..400 => "Writes are redirected. Race the URL that its Location names.",
        400 | 422 => {
            "The content is not what the API wants. Name a member it accepts with --field, a --content-type, or --method PATCH."
        }
        401 => "The API does not know who writes. Add -u, --bearer or -H 'Authorization: ...'.",
        403 => "Whoever this is may not write. Use credentials that may, or a resource of theirs.",
        404 | 410 => "It is not there for writes. Check the URL; a trailing slash may matter.",
        405 | 501 => "It cannot be written with this method. Try --method PUT, PATCH or POST.",
        406 => "The API does not answer in a form that was asked for. Add -H 'Accept: ...'.",
        409 | 412 | 423 => "It refuses even a write made from what was read just before, with its tag.",
        413 => "The content is too large for it. Race a smaller resource.",
        415 => "It does not take content of this type. Name one with --content-type.",
        428 => {
            "It wants a condition, and none was found that it takes: it shows no ETag that can be sent back."
        }
        429 => "It wants fewer requests. Use a lower --rate.",
        503 => "It is too busy, or down. Try again later, or with a lower --rate.",
        500..600 => "It fails. Its own log says why.",
        _ => "That decides nothing.",
    };
    format!("{method} was answered {status}. {why}")
}

/// With a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
