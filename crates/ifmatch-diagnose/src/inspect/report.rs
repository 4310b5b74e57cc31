//! What is said about validators.

use crate::junit::{Case, End, Suite};
use crate::report::Report;
use schemars::JsonSchema;
use serde::Serialize;

/// What a look at a resource showed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Inspection {
    /// The resource, after redirects; credentials are masked.
    pub url: String,
    /// The URL that was asked for, if it was redirected.
    pub redirected_from: Option<String>,
    /// The first answer.
    pub first: First,
    /// Its validators.
    pub validators: Validators,
    /// Everything that was tried, in order.
    pub checks: Vec<Check>,
    /// What is wrong, then what may be.
    pub findings: Vec<Finding>,
    /// Findings that are wrong.
    pub bad: usize,
    /// Findings that may be.
    pub warnings: usize,
    /// Requests that were sent, this resource's and its list's.
    pub requests: usize,
    /// Requests that got no answer, or one that says nothing: 429, 5xx, and 401 or 403 where the first read was
    /// answered 200; and the proxy, if it could not be tested.
    pub unanswered: usize,
    /// All of it in a sentence.
    pub conclusion: String,
}

/// The first answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct First {
    /// Its status.
    pub status: u16,
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub version: String,
    /// From the request until all of it was there, in milliseconds.
    pub took_ms: u64,
    /// Its media type.
    pub content_type: Option<String>,
    /// Its content, in bytes.
    pub content_bytes: usize,
    /// What it says about who sent it: Server, Via, Age and the like.
    pub through: Vec<String>,
}

/// The validators of the first answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Validators {
    /// ETag as it was sent; several lines are joined with a comma.
    pub etag: Option<String>,
    /// `strong`, `weak`, or `malformed`.
    pub etag_is: Option<String>,
    /// Last-Modified as it was sent.
    pub last_modified: Option<String>,
}

/// One thing that was tried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Check {
    /// How it is.
    pub state: State,
    /// What was tried, in a few words.
    pub what: String,
    /// What was seen, or why it was not tried.
    pub seen: String,
    /// The code of the finding.
    pub code: Option<&'static str>,
}

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Wrong: conditional writes fail, or lose updates.
    Bad,
    /// It may be wrong, or is for some clients.
    Warn,
    /// Not tested, or the answers do not tell.
    Unknown,
}

/// How much a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Conditional writes fail, or lose updates.
    Bad,
    /// They may, or do for some clients.
    Warn,
}

/// What is wrong, or may be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// `V004`; `ifmatch explain V004` has its page.
    pub code: &'static str,
    /// Its short name.
    pub name: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// What it is.
    pub title: String,
    /// The request that shows it.
    pub request: String,
    /// What was seen.
    pub marks: Vec<Mark>,
    /// How it comes about.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// A command that shows it again.
    pub curl: String,
}

/// A line of what was seen, and which part of it matters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Mark {
    /// The line.
    pub line: String,
    /// Characters before the part.
    pub from: usize,
    /// Characters of the part.
    pub length: usize,
    /// What is with it.
    pub note: String,
}

impl Inspection {
    /// Whether nothing is wrong. Warnings count if `is_strict`.
    pub fn is_sound(&self, is_strict: bool) -> bool {
        self.bad == 0 && (!is_strict || self.warnings == 0)
    }

    /// Whether answers are missing, so that it cannot be said that nothing is wrong.
    pub fn is_incomplete(&self) -> bool {
        self.unanswered > 0
    }
}

impl State {
    /// As it stands before a check.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Bad => "BAD",
            Self::Warn => "warn",
            Self::Unknown => "?",
        }
    }
}

impl From<Severity> for State {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Bad => Self::Bad,
            Severity::Warn => Self::Warn,
        }
    }
}

impl Report for Inspection {
    const SCHEMA: &'static str = "inspect-1";

    fn text(&self, width: usize) -> String {
        super::text::text(self, width)
    }

    fn markdown(&self) -> String {
        super::markdown::markdown(self)
    }

    fn junit(&self) -> Suite {
        let case = |check: &Check| {
            let Check { state, what, seen, code } = check;
            let named = code.map_or_else(|| what.clone(), |code| format!("{code} {what}"));
            let end = match state {
                State::Ok => End::Passed,
                State::Bad => End::Failed(named.clone(), self.details(*code, seen)),
                State::Warn => End::Skipped(format!("warning: {seen}")),
                State::Unknown => End::Skipped(seen.clone()),
            };
            Case { name: named, class: self.url.clone(), end }
        };
        Suite { name: "ifmatch inspect".to_owned(), cases: self.checks.iter().map(case).collect() }
    }
}

impl Inspection {
    fn details(&self, code: Option<&str>, seen: &str) -> String {
        let finding = self.findings.iter().find(|finding| Some(finding.code) == code);
        finding.map_or_else(|| seen.to_owned(), super::text::plain)
    }
}
