//! The causes: for each a rule that says what has to be seen before it is named, and how sure that makes it.
//!
//! A detector looks at one request that failed, or that should have, and at what happened to the same resource before and
//! behind it. It never names a cause that the evidence does not show; what merely could be is *possible*, and says what
//! would tell.

mod missing;
mod near;
mod other;
mod own;
mod stale;
mod tags;

pub(super) use missing::{open_write, preflight_refused};
pub(super) use other::{blind_retry, coarse_date, ignored_condition, of_loss, x15 as reused_key};

use super::evidence::Exchange;
use super::said::Meaning;
use super::story::{Sent, Story, is_weak};
use schemars::JsonSchema;
use serde::Serialize;

/// How sure it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// It fits, and so do others.
    Possible,
    /// Everything that is seen speaks for it, and something that would prove it is not in the evidence.
    Likely,
    /// The evidence shows it.
    Certain,
}

impl Confidence {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// Why a request failed, or should have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Cause {
    /// Its code, `X01` to `X17`.
    pub code: &'static str,
    /// The name of the code.
    pub name: &'static str,
    /// How sure it is.
    pub confidence: Confidence,
    /// What the evidence shows.
    pub why: String,
    /// Whose doing it was, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What to send instead, or to do, in this very case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
    /// What would settle it, unless it is certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<String>,
    /// The numbers of the entries that show it.
    pub entries: Vec<usize>,
    /// The number of the entry whose tag should have been kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<usize>,
}

impl Cause {
    fn new(code: &'static str, confidence: Confidence, why: impl Into<String>) -> Self {
        let name = super::articles::article(code).map_or("", |article| article.name);
        let why = why.into();
        Self {
            code,
            name,
            confidence,
            why,
            who: None,
            instead: None,
            settle: None,
            entries: Vec::new(),
            keep: None,
        }
    }

    fn certain(code: &'static str, why: impl Into<String>) -> Self {
        Self::new(code, Confidence::Certain, why)
    }

    fn likely(code: &'static str, why: impl Into<String>) -> Self {
        Self::new(code, Confidence::Likely, why)
    }

    fn possible(code: &'static str, why: impl Into<String>) -> Self {
        Self::new(code, Confidence::Possible, why)
    }

    fn who(mut self, who: impl Into<String>) -> Self {
        self.who = Some(who.into());
        self
    }

    fn instead(mut self, instead: impl Into<String>) -> Self {
        self.instead = Some(instead.into());
        self
    }

    fn settle(mut self, settle: impl Into<String>) -> Self {
        self.settle = Some(settle.into());
        self
    }

    fn shown_by(mut self, story: &Story<'_>, entries: &[usize]) -> Self {
        self.entries = entries.iter().map(|&index| story.exchanges[index].number).collect();
        self
    }

    fn keep(mut self, story: &Story<'_>, index: usize) -> Self {
        self.keep = Some(story.exchanges[index].number);
        self
    }
}

/// A request that failed, and what is asked about it again and again.
pub(super) struct Failed<'a> {
    pub(super) story: &'a Story<'a>,
    pub(super) at: usize,
    pub(super) exchange: &'a Exchange,
    pub(super) sent: &'a Sent,
    pub(super) meaning: Option<Meaning>,
}

impl<'a> Failed<'a> {
    pub(super) fn new(story: &'a Story<'a>, at: usize) -> Self {
        let exchange = &story.exchanges[at];
        let meaning = exchange.got().and_then(|got| got.said.meaning);
        Self { story, at, exchange, sent: &story.sent[at], meaning }
    }

    /// Whether the server was, as far as is known, at the very version that the request named.
    fn is_own_tag_refused(&self) -> bool {
        let Sent::Tags(tags) = self.sent else { return false };
        let now = self.story.version_then(self.at).filter(|_| self.exchange.status() == Some(412));
        now.is_some_and(|(now, _)| tags.contains(&now) && !is_weak(&now))
    }

    /// Whether a write to that resource went through with nothing but weak tags, so that they do match there.
    fn are_weak_tags_taken(&self) -> bool {
        let story = self.story;
        story.before(self.at).chain(story.after(self.at)).any(|index| {
            let x = &story.exchanges[index];
            let is_weak_only =
                matches!(&story.sent[index], Sent::Tags(tags) if !tags.is_empty() && tags.iter().all(|tag| is_weak(tag)));
            x.is_write() && x.succeeded() && is_weak_only
        })
    }

    fn is_judged_alone(&self) -> bool {
        self.exchange.status().is_none()
    }

    /// Whether the server says that its condition was false, as far as a status tells.
    fn is_stale(&self) -> bool {
        match self.meaning {
            Some(
                Meaning::Stale | Meaning::Gone | Meaning::Weak | Meaning::WrongResource | Meaning::Exists,
            ) => true,
            Some(_) => false,
            None => match self.exchange.status() {
                Some(412) => true,
                // Conflicts are of many kinds; one that is told in words is what they say.
                Some(409) => !self.exchange.got().is_some_and(|got| got.said.is_about_something_else()),
                _ => false,
            },
        }
    }
}

/// All causes of one failure, the best supported first.
pub(super) fn of_failure(failed: &Failed<'_>) -> Vec<Cause> {
    const DETECTORS: [fn(&Failed<'_>) -> Option<Cause>; 16] = [
        other::x15,
        tags::x08,
        tags::x04,
        tags::x05,
        missing::x09,
        missing::x17,
        missing::x07,
        missing::x01,
        tags::x06,
        stale::x10,
        stale::x12,
        own::x13,
        other::x14,
        stale::x11,
        own::x03,
        stale::x02,
    ];
    let mut causes: Vec<_> = DETECTORS.iter().filter_map(|detect| detect(failed)).collect();
    causes.extend(other::x16(failed));
    // Stable: among equals the order above decides, which goes from what explains most to what is left.
    causes.sort_by_key(|cause| core::cmp::Reverse(cause.confidence));
    if causes.first().is_some_and(|best| best.confidence > Confidence::Possible) {
        causes.retain(|cause| cause.confidence > Confidence::Possible);
    }
    causes
}

/// Sentences that begin with `entry 6` begin with a capital.
pub(super) fn capitalised(cause: &mut Cause) {
    const NAMES: [(&str, &str); 3] = [("entry ", "Entry "), ("record ", "Record "), ("request ", "Request ")];
    for text in [Some(&mut cause.why), cause.who.as_mut()].into_iter().flatten() {
        for (small, large) in NAMES {
            if text.starts_with(small) {
                text.replace_range(..small.len(), large);
            }
            *text = text.replace(&format!(". {small}"), &format!(". {large}"));
        }
    }
}

/// `GET http://...`, as sentences name a request.
pub(super) fn request(exchange: &Exchange) -> String {
    let url = if exchange.url.is_empty() { "the resource" } else { &exchange.url };
    format!("{} {url}", exchange.method)
}
