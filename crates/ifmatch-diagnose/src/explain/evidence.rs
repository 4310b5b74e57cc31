//! What is known: requests and their answers, in order. Whatever it was read from, it looks like this, and no credential
//! is in it.

use super::fields::{Fields, Secrets};
use super::moment::Moment;
use super::said::Said;
use core::hash::{Hash, Hasher};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::hash_map::DefaultHasher;

/// The method of a request that is not known.
pub(super) const UNKNOWN_METHOD: &str = "?";

/// What something was read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An HTTP archive, as browsers save them.
    Har,
    /// curl commands, with their answers or without.
    Curl,
    /// Requests and answers as they are on the wire, or as `curl -v` shows them.
    Raw,
    /// The body of a refusal.
    Problem,
    /// Records of ifmatch's audit.
    Audit,
}

impl Source {
    /// What one of its parts is called.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Har => "entry",
            Self::Audit => "record",
            Self::Curl | Self::Raw | Self::Problem => "request",
        }
    }
}

/// What is known, read by [`Evidence::read`].
#[derive(Clone, Debug)]
pub struct Evidence {
    pub(super) source: Source,
    pub(super) exchanges: Vec<Exchange>,
    /// What the reader has to be told about the input itself.
    pub(super) remarks: Vec<String>,
    /// What must not be in a report, wherever it stands.
    pub(super) secrets: Secrets,
}

/// One request and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Its number in the input, from 1.
    pub(super) number: usize,
    pub(super) at: Option<Moment>,
    /// How long it took, in milliseconds.
    pub(super) took_ms: Option<i64>,
    /// `?` if it is not known.
    pub(super) method: String,
    /// Without credentials; empty if it is not known.
    pub(super) url: String,
    /// Names the resource; never shown.
    pub(super) key: String,
    /// What was sent; `None` if that is not known.
    pub(super) sent: Option<Fields>,
    pub(super) content: Option<Content>,
    pub(super) answer: Answer,
    /// Who sent it, where the input tells several apart.
    pub(super) writer: Option<Writer>,
    pub(super) audited: Option<Audited>,
    /// What it was sent with, as a User-Agent says.
    pub(super) agent: Option<&'static str>,
    /// The browser answered it out of its own cache.
    pub(super) from_cache: bool,
}

/// Who sent a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Writer {
    /// What tells writers apart.
    pub(super) id: String,
    /// For people.
    pub(super) name: String,
    /// Known by more than the program that was used.
    pub(super) is_user: bool,
}

/// What only an audit knows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Audited {
    pub(super) action: String,
    pub(super) reason: Option<String>,
    pub(super) blind_retry: bool,
    pub(super) self_conflict: bool,
    /// Who wrote before, and when.
    pub(super) previous: Option<(Writer, Option<Moment>)>,
    /// The tag that the writer read last.
    pub(super) last_read: Option<String>,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// It has not been sent, or nobody wrote down what came back.
    Unknown,
    /// None came: in a few words, why.
    Lost(String),
    /// It was answered.
    Got(Box<Got>),
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) fields: Fields,
    pub(super) content: Option<Content>,
    pub(super) said: Said,
    /// The tags in its content, as answers to batches have them.
    pub(super) tags: Vec<String>,
}

impl Exchange {
    /// One of which nothing is known yet.
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            at: None,
            took_ms: None,
            method: UNKNOWN_METHOD.to_owned(),
            url: String::new(),
            key: String::new(),
            sent: None,
            content: None,
            answer: Answer::Unknown,
            writer: None,
            audited: None,
            agent: None,
            from_cache: false,
        }
    }

    pub(super) fn got(&self) -> Option<&Got> {
        match &self.answer {
            Answer::Got(got) => Some(got),
            Answer::Unknown | Answer::Lost(_) => None,
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.got().map(|got| got.status)
    }

    pub(super) fn succeeded(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// Whether it may change something; a method that is not known may.
    pub(super) fn is_write(&self) -> bool {
        !matches!(
            self.method.as_str(),
            "GET" | "HEAD" | "OPTIONS" | "TRACE" | "CONNECT" | "PROPFIND" | "REPORT"
        )
    }
}

/// Contents are compared and not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Content {
    /// Of the octets.
    exact: u64,
    /// Of the JSON value, whatever the white space and the order of its members; of the octets if it is none.
    pub(super) meaning: u64,
    pub(super) bytes: usize,
}

/// The longest content that is compared as JSON, in bytes; longer content is compared octet by octet.
const JSON_BYTES_MAX: usize = 1 << 20;

impl Content {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let exact = hash(&bytes);
        let json =
            (bytes.len() <= JSON_BYTES_MAX).then(|| serde_json::from_slice::<Value>(bytes).ok()).flatten();
        let meaning = json.map_or(exact, |value| {
            let mut hasher = DefaultHasher::new();
            mix(&value, &mut hasher);
            hasher.finish()
        });
        Self { exact, meaning, bytes: bytes.len() }
    }

    /// Whether two contents say the same.
    pub(super) fn says_what(&self, other: &Self) -> bool {
        self.meaning == other.meaning
    }
}

/// How many tags of one content are kept.
const TAGS_MAX: usize = 64;

/// The tags that members of JSON content hold, whatever exactly they are called.
pub(super) fn tags_in(bytes: &[u8]) -> Vec<String> {
    let mut tags = Vec::new();
    if bytes.len() <= JSON_BYTES_MAX
        && let Ok(value) = serde_json::from_slice::<Value>(bytes)
    {
        collect_tags(&value, &mut tags);
    }
    tags
}

/// serde_json bounds how deep values are.
fn collect_tags(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_tags(item, into)),
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(tag) if name.to_ascii_lowercase().ends_with("etag") && into.len() < TAGS_MAX => {
                        into.push(tag.to_owned());
                    }
                    _ => collect_tags(value, into),
                }
            }
        }
        _ => {}
    }
}

fn hash<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// serde_json bounds how deep values are.
fn mix(value: &Value, into: &mut DefaultHasher) {
    match value {
        Value::Array(items) => {
            ('a', items.len()).hash(into);
            items.iter().for_each(|item| mix(item, into));
        }
        Value::Object(members) => {
            ('o', members.len()).hash(into);
            // The order of members says nothing, so their hashes are added up.
            let sum = members.iter().fold(0u64, |sum, (name, value)| {
                let mut hasher = DefaultHasher::new();
                name.hash(&mut hasher);
                mix(value, &mut hasher);
                sum.wrapping_add(hasher.finish())
            });
            sum.hash(into);
        }
        other => ('v', other.to_string()).hash(into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_compared_by_what_they_say() {
        let of = |text: &str| Content::of(text.as_bytes());
        assert!(of(r#"{"a":1,"b":[1,2]}"#).says_what(&of("{ \"b\": [1, 2], \"a\": 1 }\n")));
        assert!(!of(r#"{"a":[1,2]}"#).says_what(&of(r#"{"a":[2,1]}"#)));
        assert!(!of(r#"{"a":"1"}"#).says_what(&of(r#"{"a":1}"#)));
        assert!(!of("a").says_what(&of("b")) && of("a").says_what(&of("a")));
    }
}
