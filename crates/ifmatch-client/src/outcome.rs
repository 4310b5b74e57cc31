//! What became of a write: applied, not applied, or nobody can say.

use crate::wire::{Answer, SendError};
use crate::{NoVersion, Problem, Version};
use core::fmt;
use http::StatusCode;
use http::header::{LOCATION, RETRY_AFTER};

/// What became of a write.
#[derive(Clone, Debug)]
#[must_use]
pub enum Outcome {
    /// The server says that it was applied.
    Applied(Box<Applied>),
    /// The server says that it was not.
    Refused(Box<Refusal>),
    /// Nobody can say: it may have been applied, or may be still.
    Unknown(Box<Doubt>),
}

/// A write that was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The answer.
    pub answer: Answer,
    /// The version that it made. [`NoVersion::NotSaid`] if the answer names none: what a read shows now may have been
    /// written by somebody else since, so it is not looked for.
    pub version: Result<Version, NoVersion>,
}

/// A write that was not applied, or a read that was not answered with content.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The answer.
    pub answer: Answer,
    /// What its content says.
    pub problem: Problem,
}

/// A write of which nobody can say whether it was applied.
#[derive(Clone, Debug)]
pub enum Doubt {
    /// No answer came.
    Lost(SendError),
    /// An answer that does not say.
    Vague(Box<Refusal>),
}

impl Refusal {
    /// Reads what an answer says.
    pub fn new(answer: Answer) -> Self {
        let problem = Problem::of(&answer);
        Self { answer, problem }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.answer.status
    }

    /// Whether the version that the write was made from is not the current one: 412, or what an API says instead.
    pub fn is_stale(&self) -> bool {
        self.status() == StatusCode::PRECONDITION_FAILED || self.problem.code() == Some("stale_version")
    }

    /// Whether it was refused for the sake of others: 409, 412, 423 or 428.
    pub fn is_for_others(&self) -> bool {
        matches!(self.status().as_u16(), 409 | 412 | 423 | 428)
    }

    /// Where it redirects to.
    pub fn location(&self) -> Option<String> {
        let location = self.answer.text(LOCATION).filter(|_| self.status().is_redirection())?;
        self.answer.url.join(location).ok().map(|to| crate::secret::url(&to))
    }

    /// When to come again, as the server says it.
    pub fn retry_after(&self) -> Option<&str> {
        self.answer.text(RETRY_AFTER)
    }
}

/// `412 Precondition Failed: what the server says`, without secrets of the URL that it may repeat.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status().as_u16())?;
        if let Some(phrase) = self.status().canonical_reason() {
            write!(f, " {phrase}")?;
        }
        match self.problem.words_shown(|said| crate::secret::text_about(&self.answer.url, said)) {
            Some(words) => write!(f, ": {words}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(error) => fmt::Display::fmt(error, f),
            Self::Vague(refusal) => {
                write!(
                    f,
                    "{refusal}. Nobody can say whether the write was applied: read again before you repeat it."
                )
            }
        }
    }
}

impl Outcome {
    /// What the answer to a write says that was made from `seen`.
    pub(crate) fn of(answer: Answer, seen: Option<&Version>) -> Self {
        let status = answer.status;
        if status.is_success() && status != StatusCode::ACCEPTED {
            let version = written(&answer, seen);
            return Self::Applied(Box::new(Applied { answer, version }));
        }
        let refusal = Refusal::new(answer);
        match refusal.problem.applied() {
            _ if status.is_redirection() || status.is_client_error() => Self::Refused(Box::new(refusal)),
            Some(Some(false)) => Self::Refused(Box::new(refusal)),
            // 5xx without a word about it may come from in front of the API, or from behind a commit; 202 is no promise.
            _ => Self::Unknown(Box::new(Doubt::Vague(Box::new(refusal)))),
        }
    }

    /// What became of a write that was not answered. What was not sent is an error, not an outcome.
    pub(crate) fn lost(error: SendError) -> Self {
        Self::Unknown(Box::new(Doubt::Lost(error)))
    }
}

/// The version that a write made, as far as its answer says. The tag of before is none.
fn written(answer: &Answer, seen: Option<&Version>) -> Result<Version, NoVersion> {
    match Version::of(answer) {
        Ok(version) if version.as_tag().is_some() && Some(&version) != seen => Ok(version),
        Err(weak @ NoVersion::Weak(_)) => Err(weak),
        _ => Err(NoVersion::NotSaid),
    }
}
