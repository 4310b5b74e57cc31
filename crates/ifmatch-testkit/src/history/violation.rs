//! What is said about a history that no register could have produced.

use super::{Call, History, Operation, Outcome, Version};
use std::fmt;

/// What kind of wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Two acknowledged writes replaced the same version: the second erased the first.
    LostUpdate,
    /// One tag stands for two versions.
    ReusedTag,
    /// A version was seen, or a tag matched, that nobody wrote.
    Invented,
    /// No order of the operations explains all answers.
    NoOrder,
}

/// Why a history is not linearizable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What kind of wrong.
    pub kind: Kind,
    /// Indexes of the operations that show it.
    pub operations: Vec<usize>,
    /// In words, several lines.
    pub report: String,
}

/// Why a history was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It is not linearizable.
    Violation(Box<Violation>),
    /// The search was given up.
    Undecided {
        /// Configurations visited.
        configurations: usize,
    },
    /// The operation with this index ends before it begins.
    Malformed {
        /// Its index.
        operation: usize,
    },
}

impl Failure {
    /// The violation, if it is one.
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Violation(violation) => Some(violation),
            Self::Undecided { .. } | Self::Malformed { .. } => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::Undecided { configurations } => {
                write!(f, "undecided after {configurations} configurations")
            }
            Self::Malformed { operation } => write!(f, "operation #{operation} ends before it begins"),
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::LostUpdate => "lost update",
            Kind::ReusedTag => "reused tag",
            Kind::Invented => "invented version",
            Kind::NoOrder => "no order explains the answers",
        };
        write!(f, "{kind}: {}", self.report)
    }
}

impl Violation {
    /// A headline, and below it each of the operations.
    pub(super) fn new(kind: Kind, headline: &str, operations: Vec<usize>, history: &History) -> Self {
        let mut report = headline.to_owned();
        for &index in &operations {
            report += &format!("\n  #{index} {}", history.operations[index]);
        }
        Self { kind, operations, report }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.end().map_or("?".into(), |end| end.to_string());
        write!(f, "[{}..{end}] {}: {}", self.invoked, self.client, self.call)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { saw: Some(version) } => write!(f, "read {version}"),
            Self::Read { saw: None } => write!(f, "read nothing"),
            Self::Put { expected, value, outcome } => write!(f, "put {value:?} if {expected} -> {outcome}"),
            Self::Create { value, outcome } => write!(f, "create {value:?} -> {outcome}"),
            Self::Delete { expected, outcome } => write!(f, "delete if {expected} -> {outcome}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied { tag: Some(tag) } => write!(f, "applied, now {tag}"),
            Self::Applied { tag: None } => write!(f, "applied"),
            Self::Refused => write!(f, "refused"),
            Self::Unknown => write!(f, "unknown"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.tag, self.value)
    }
}
