//! What is asked of a write, and what its answer means.

use super::session::State;
use core::time::Duration;
use http::StatusCode;
use http::header::{ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use ifmatch_client::wire::{Answer, Request, SendError};

/// The longest wait that a server can ask for with Retry-After; it is asked again then.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// How long is waited if it asks for a wait and does not say how long.
const BUSY: Duration = Duration::from_secs(1);

/// The tag that no server has issued.
pub(super) const NEVER_ISSUED: &str = "\"never-issued\"";

/// What was answered to a write.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// A status, and what else matters.
    Status { status: StatusCode, wait: Option<Duration>, location: Option<String>, tag: Option<String> },
    /// No answer: whether it was applied is not known, unless nothing was sent.
    None(SendError),
}

/// What an answer to a write means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// Done.
    Accepted,
    /// Not done, since the state is another, or a condition is missing: 409, 412, 423, 428.
    Refused,
    /// Anything else decides nothing.
    Unclear,
}

impl Reply {
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(status.as_u16()),
            Self::None(_) => None,
        }
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self.status() {
            Some(200 | 201 | 203..=206 | 226) => Meaning::Accepted,
            Some(409 | 412 | 423 | 428) => Meaning::Refused,
            _ => Meaning::Unclear,
        }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.meaning() == Meaning::Accepted
    }

    pub(super) fn is_refused(&self) -> bool {
        self.meaning() == Meaning::Refused
    }

    pub(super) fn of(answer: Result<Answer, SendError>) -> Self {
        match answer {
            Err(error) => Self::None(error),
            Ok(answer) => Self::Status {
                status: answer.status,
                wait: wait(&answer),
                location: answer.text(LOCATION).map(str::to_owned),
                tag: answer.text(ETAG).map(str::to_owned),
            },
        }
    }
}

/// How long a server wants to be left alone; only if it says that it is too busy.
pub(super) fn wait(answer: &Answer) -> Option<Duration> {
    if !matches!(answer.status.as_u16(), 429 | 503) {
        return None;
    }
    let seconds = answer.text(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    Some(seconds.map_or(BUSY, Duration::from_secs).min(RETRY_AFTER_MAX))
}

/// A condition of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// None.
    None,
    /// If-Match.
    Match(HeaderValue),
    /// `If-None-Match: *`.
    Absent,
}

impl Condition {
    /// The state that was read, if it has a tag.
    pub(super) fn of(state: &State) -> Self {
        state.tag.as_ref().map_or(Self::None, |tag| Self::Match(tag.value().clone()))
    }

    /// A state that never was.
    pub(super) fn never() -> Self {
        Self::Match(HeaderValue::from_static(NEVER_ISSUED))
    }

    pub(super) fn apply(&self, request: Request) -> Request {
        match self {
            Self::None => request,
            Self::Match(tag) => request.with(IF_MATCH, tag.clone()),
            Self::Absent => request.with(IF_NONE_MATCH, HeaderValue::from_static("*")),
        }
    }
}
