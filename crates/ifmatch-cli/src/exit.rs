//! What a run ends with.

use std::process::ExitCode;

/// How a run ended that did what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Nothing to say.
    Fine,
    /// Something was found: an API loses updates, a validator is broken, a conflict is open.
    Finding,
    /// It cannot be told: the API was not reached, or its answers decide nothing.
    Inconclusive,
    /// The write was refused: 412, 428, 409 or 423.
    Refused,
}

/// A run that did not do what it was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// For people: what happened, what was not changed, what to do now.
    pub(crate) message: String,
    code: u8,
}

/// How a run ended.
pub(crate) type Ended = Result<Exit, Failure>;

impl Failure {
    /// The API was not reached, or broke off. Never taken for a finding.
    pub(crate) fn unreachable(message: &impl ToString) -> Self {
        Self { message: message.to_string(), code: 3 }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

/// Usage or configuration.
impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, code: 2 }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Finding => 1,
            Exit::Inconclusive => 3,
            Exit::Refused => 4,
        })
    }
}
