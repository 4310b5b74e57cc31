//! What is told: the failures that were found, why they failed, and what to send instead.

use super::causes::Cause;
use super::evidence::Source;
use crate::article::Example;
use schemars::JsonSchema;
use serde::Serialize;

/// Why requests failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// What it was read from.
    pub source: Source,
    /// How many requests were in it.
    pub entries: usize,
    /// What comes out of it all.
    pub verdict: Verdict,
    /// Each failure, and each write that should have failed.
    pub cases: Vec<Case>,
    /// How many more refused requests there are; only so many cases are told.
    pub more_cases: usize,
    /// What has to be said about the input, or about what is not in it.
    pub remarks: Vec<String>,
}

/// What comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No request failed for its condition.
    NothingWrong,
    /// Each failure has a cause that is certain or likely.
    Explained,
    /// For some failure the evidence does not tell the cause.
    CannotBeTold,
}

impl Verdict {
    /// As in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::NothingWrong => "nothing_wrong",
            Self::Explained => "explained",
            Self::CannotBeTold => "cannot_be_told",
        }
    }
}

/// What kind of case it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was refused.
    Refused,
    /// It went through and should not have: an update was lost, or its condition was not looked at.
    WentThrough,
    /// It went through, and a server that requires conditions would refuse it.
    WouldBeRefused,
    /// It was not sent yet, or its answer is not known; judged by itself.
    JudgedAlone,
}

/// One failure.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Case {
    /// What kind it is.
    pub kind: Kind,
    /// Its number in the input, from 1.
    pub entry: usize,
    /// Its method.
    pub method: String,
    /// Its URL, without credentials; empty if it is not known.
    pub url: String,
    /// What it was answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Whether its cause can be told.
    pub is_explained: bool,
    /// What the server said in words, unless it was ifmatch and the causes say it as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The causes, the best supported first. If it is not explained: what could be.
    pub causes: Vec<Cause>,
    /// What happened to the resource.
    pub timeline: Vec<Row>,
    /// How many entries of the resource were left out of the timeline.
    pub left_out: usize,
    /// How to mend the first cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

/// One request in a timeline.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Its number in the input.
    pub entry: usize,
    /// The time of day, as the input has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Its method.
    pub method: String,
    /// Its URL, without credentials.
    pub url: String,
    /// Who sent it, where the input tells several apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// Its condition: a tag, `not` before that of If-None-Match, a date, `-` for none, `?` if it is not known.
    pub sent: String,
    /// What it was answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The validator of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<String>,
    /// This is the one whose tag should have been kept.
    pub keep: bool,
    /// This is the one that is explained.
    pub is_case: bool,
}

/// How to mend it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Fix {
    /// In words.
    pub text: &'static str,
    /// In code: for each tool.
    pub examples: &'static [Example],
    /// The tool that sent the request, as far as one can tell; the name of one of the examples.
    pub tool: &'static str,
}
