//! Checks of what concurrent clients saw of one resource.
//!
//! - [`counter`]: did every acknowledged increment count?
//! - [`check`]: is there one order of all operations, in keeping with real time, in which a single versioned register
//!   would have given every answer that was given (linearizability)?
//!
//! Record operations with a [`Recorder`], end in a [`History`], call [`check`].

pub mod counter;
mod precheck;
mod recorder;
mod search;
mod violation;

pub use recorder::Recorder;
pub use violation::{Failure, Kind, Violation};

/// An entity-tag as a client received it. Only equality counts.
pub type Tag = String;

/// What was seen at a moment: a tag and the content that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The entity-tag.
    pub tag: Tag,
    /// The content, or anything that stands for it.
    pub value: String,
}

/// How a write ended for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged. `tag` is the new tag, if the answer told it and the method leaves one.
    Applied {
        /// The tag of the new version.
        tag: Option<Tag>,
    },
    /// Refused because of the version: 412, or 404 where something had to exist. Leave operations out of the history
    /// that were refused for another reason; they say nothing about the register.
    Refused,
    /// No answer: it may have taken effect at any time after it was invoked, or never.
    Unknown,
}

/// One operation and its answer. A read without an answer says nothing; leave it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// GET.
    Read {
        /// What was there; `None`: nothing.
        saw: Option<Version>,
    },
    /// PUT or PATCH with `If-Match`.
    Put {
        /// The tag in `If-Match`.
        expected: Tag,
        /// The content afterwards, if it is applied.
        value: String,
        /// The answer.
        outcome: Outcome,
    },
    /// PUT with `If-None-Match: *`.
    Create {
        /// The content afterwards, if it is applied.
        value: String,
        /// The answer.
        outcome: Outcome,
    },
    /// DELETE with `If-Match`.
    Delete {
        /// The tag in `If-Match`.
        expected: Tag,
        /// The answer.
        outcome: Outcome,
    },
}

impl Call {
    /// The outcome of a write.
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Read { .. } => None,
            Self::Put { outcome, .. } | Self::Create { outcome, .. } | Self::Delete { outcome, .. } => {
                Some(outcome)
            }
        }
    }

    /// Whether the client never learned what became of it.
    pub fn is_unknown(&self) -> bool {
        self.outcome() == Some(&Outcome::Unknown)
    }

    /// The tag the operation was made conditional on.
    pub fn expected(&self) -> Option<&Tag> {
        match self {
            Self::Put { expected, .. } | Self::Delete { expected, .. } => Some(expected),
            Self::Read { .. } | Self::Create { .. } => None,
        }
    }

    /// What the register holds if this write takes effect.
    fn written(&self) -> Option<&String> {
        match self {
            Self::Put { value, .. } | Self::Create { value, .. } => Some(value),
            Self::Read { .. } | Self::Delete { .. } => None,
        }
    }

    /// The new tag that was told to the client.
    fn told(&self) -> Option<&Tag> {
        match self.outcome() {
            Some(Outcome::Applied { tag }) => tag.as_ref(),
            _ => None,
        }
    }
}

/// One operation of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who; only for reports.
    pub client: String,
    /// When it was sent. Any clock that all clients share; only the order counts.
    pub invoked: u64,
    /// When its answer had arrived. Ignored where the outcome is unknown.
    pub returned: u64,
    /// What, and the answer.
    pub call: Call,
}

impl Operation {
    /// The end of the operation, if it has one.
    fn end(&self) -> Option<u64> {
        if self.call.is_unknown() { None } else { Some(self.returned) }
    }
}

/// All operations on one resource, and what was there before the first. The order of the list does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// What was there before.
    pub initial: Option<Version>,
    /// Every operation that may have taken effect or was answered.
    pub operations: Vec<Operation>,
}

/// How many configurations [`check`] visits before it gives up.
pub const CONFIGURATIONS_MAX: usize = 1_000_000;

/// Finds an order in which a single register would have given every answer; the indexes of the operations in that
/// order. Unknown operations that need not have happened are left out of it.
///
/// # Errors
/// [`Failure::Violation`] when there is none, with the operations that show it; [`Failure::Undecided`] when more than
/// [`CONFIGURATIONS_MAX`] configurations were visited without an answer; [`Failure::Malformed`] for an operation that
/// ends before it begins.
pub fn check(history: &History) -> Result<Vec<usize>, Failure> {
    check_within(history, CONFIGURATIONS_MAX)
}

/// [`check`], with a bound of its own.
///
/// # Errors
/// As [`check`].
pub fn check_within(history: &History, configurations_max: usize) -> Result<Vec<usize>, Failure> {
    for (index, operation) in history.operations.iter().enumerate() {
        if operation.end().is_some_and(|end| end < operation.invoked) {
            return Err(Failure::Malformed { operation: index });
        }
    }
    // Some mistakes can be named at once, and better than the search could.
    precheck::precheck(history).map_err(|violation| Failure::Violation(Box::new(violation)))?;
    search::search(history, configurations_max)
}
