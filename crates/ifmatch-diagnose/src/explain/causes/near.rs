//! Own writes that may have changed a resource although they were sent to another name, or were answered with an error.

use super::Failed;
use crate::explain::evidence::Exchange;
use crate::explain::story::{Sent, Story, opaque};
use ifmatch_client::wire::Url;

/// A shorter tag may be the same in two resources by chance: `"7"`.
const TAG_BYTES_TELLING: usize = 5;

/// An own write since the version was received that may be the one that a request lost to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Near {
    pub(super) write: usize,
    /// Its answer carried exactly the tag that the server has now.
    pub(super) is_proven: bool,
}

/// The write that the tag proves, or else the last one that may be it.
pub(super) fn near_write(failed: &Failed<'_>) -> Option<Near> {
    let story = failed.story;
    let source = story.source_of(failed.at);
    let since = story.all_before(failed.at).take_while(|index| source.is_none_or(|source| *index > source));
    let now = match failed.sent {
        Sent::Date(_) => None,
        _ => story.version_then(failed.at).map(|(now, _)| now),
    };
    let mut found = None;
    for write in since {
        let x = &story.exchanges[write];
        if !x.is_write() || x.key.is_empty() || !story.is_own(write, failed.at) {
            continue;
        }
        let is_one = x.succeeded() && is_near(story, write, failed.at);
        let carried = carries(x, now.as_deref());
        let telling = now.as_deref().is_some_and(|now| opaque(now).len() >= TAG_BYTES_TELLING);
        if carried && x.succeeded() && (is_one || telling) {
            return Some(Near { write, is_proven: true });
        }
        if is_one && found.is_none() {
            found = Some(Near { write, is_proven: false });
        }
    }
    found
}

/// Whether an answer has a tag, in its head or in its content, as those of batches.
fn carries(exchange: &Exchange, now: Option<&str>) -> bool {
    exchange.got().zip(now).is_some_and(|(got, now)| {
        got.fields.text("etag").is_some_and(|tag| tag == now) || got.tags.iter().any(|tag| tag == now)
    })
}

/// Whether a write went to what is perhaps the same under another name, to something below it, or moved something there.
fn is_near(story: &Story<'_>, write: usize, at: usize) -> bool {
    if story.is_same_resource(write, at) {
        return false;
    }
    let x = &story.exchanges[write];
    let here = name(&story.exchanges[at].key);
    let there = name(&x.key);
    let is_below = there.strip_prefix(&here).is_some_and(|rest| rest.starts_with('/'));
    let target = || {
        let to = x.sent.as_ref()?.text("destination")?;
        let to = Url::parse(&x.key).ok()?.join(&to).ok()?;
        Some(name(to.as_str()))
    };
    there == here || is_below || target().is_some_and(|to| to == here)
}

/// The name of a resource without its query, a slash at its end, and what percent-encoding leaves open.
fn name(key: &str) -> String {
    let path = key.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let (mut plain, mut rest) = (String::new(), path);
    while let Some((before, encoded)) = rest.split_once('%') {
        plain.push_str(before);
        let octet = encoded.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match octet {
            Some(octet) if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) => {
                plain.push(char::from(octet));
                rest = &encoded[2..];
            }
            Some(octet) => {
                plain.push_str(&format!("%{octet:02X}"));
                rest = &encoded[2..];
            }
            None => {
                plain.push('%');
                rest = encoded;
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one() {
        for other in ["http://h/~a/", "http://h/%7Ea", "http://h/%7ea?x=1", "http://h/~a#f"] {
            assert_eq!(name(other), "http://h/~a", "{other}");
        }
        assert_eq!(name("http://h/a%2fb"), "http://h/a%2Fb");
        assert_eq!(name("/a%zz%"), "/a%zz%");
    }
}
