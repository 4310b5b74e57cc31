//! What happened to each resource, in order.

use super::evidence::{Answer, Evidence, Exchange, Source};
use super::fields::{Fields, key};
use ifmatch_client::wire::Url;
use ifmatch_core::{Conditions, DateCondition, EntityTag, HttpDate, TagCondition};
use std::collections::HashMap;

/// The condition that a request carried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Sent {
    /// Nobody wrote down what was sent.
    Unknown,
    /// None.
    Nothing,
    /// If-Match is there and names nothing.
    Empty,
    /// If-Match with tags.
    Tags(Vec<String>),
    /// `If-Match: *`.
    Star,
    /// If-Match, or If-None-Match if there is none, and it is no list of tags.
    Malformed(&'static str, String),
    /// If-None-Match with tags.
    Unless(Vec<String>),
    /// `If-None-Match: *`.
    Create,
    /// If-Unmodified-Since.
    Date(String),
}

impl Sent {
    fn of(fields: &Fields) -> Self {
        // The time settles two-digit years only.
        let conditions = Conditions::read(fields.map(), HttpDate::from_unix(1_800_000_000));
        let raw = |name: &str| fields.text(name).unwrap_or_default();
        let tags =
            |list: &ifmatch_core::TagList<'_>| list.iter().map(|tag| tag.to_string()).collect::<Vec<_>>();
        match (&conditions.if_match, &conditions.if_none_match) {
            (TagCondition::Star, _) => Self::Star,
            (TagCondition::Malformed, _) => Self::Malformed("If-Match", raw("if-match")),
            (TagCondition::Tags(list), _) if list.is_empty() => Self::Empty,
            (TagCondition::Tags(list), _) => Self::Tags(tags(list)),
            (TagCondition::Absent, TagCondition::Star) => Self::Create,
            (TagCondition::Absent, TagCondition::Malformed) => {
                Self::Malformed("If-None-Match", raw("if-none-match"))
            }
            (TagCondition::Absent, TagCondition::Tags(list)) if !list.is_empty() => Self::Unless(tags(list)),
            (TagCondition::Absent, _) => match conditions.if_unmodified_since {
                DateCondition::Absent => Self::Nothing,
                DateCondition::Invalid | DateCondition::At(_) => Self::Date(raw("if-unmodified-since")),
            },
        }
    }

    /// As it stands in a line of a table.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Unknown => "?".to_owned(),
            Self::Nothing => "-".to_owned(),
            Self::Empty => "(empty)".to_owned(),
            Self::Tags(tags) => tags.join(", "),
            Self::Star => "*".to_owned(),
            Self::Malformed(_, value) => value.clone(),
            Self::Unless(tags) => format!("not {}", tags.join(", ")),
            Self::Create => "not *".to_owned(),
            Self::Date(date) => date.clone(),
        }
    }
}

/// Requests, what they carried, and which resource each was for.
pub(super) struct Story<'a> {
    pub(super) source: Source,
    pub(super) exchanges: &'a [Exchange],
    pub(super) sent: Vec<Sent>,
    /// For each exchange, its resource.
    resource: Vec<usize>,
    /// For each resource, its exchanges.
    of_resource: Vec<Vec<usize>>,
}

/// How many requests are looked at on each side of one. What lies further away is not known.
const LOOK_MAX: usize = 2000;

/// How many redirections are followed to find what a request was for.
const REDIRECTIONS_MAX: usize = 10;

impl<'a> Story<'a> {
    pub(super) fn new(evidence: &'a Evidence) -> Self {
        let exchanges = evidence.exchanges.as_slice();
        let moved: HashMap<&str, String> = exchanges.iter().filter_map(redirection).collect();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut of_resource: Vec<Vec<usize>> = Vec::new();
        let mut resource = Vec::with_capacity(exchanges.len());
        for (index, exchange) in exchanges.iter().enumerate() {
            let number = if exchange.key.is_empty() {
                // An answer to nobody knows what: it has nothing to do with any other.
                of_resource.len()
            } else {
                *numbers.entry(destination(&exchange.key, &moved)).or_insert(of_resource.len())
            };
            if number == of_resource.len() {
                of_resource.push(Vec::new());
            }
            of_resource[number].push(index);
            resource.push(number);
            // A tag is that of what the answer names.
            if let Some(named) = represented(exchange) {
                let other = *numbers.entry(destination(&named, &moved)).or_insert(of_resource.len());
                if other == of_resource.len() {
                    of_resource.push(Vec::new());
                }
                if other != number {
                    of_resource[other].push(index);
                }
            }
        }
        let sent = exchanges.iter().map(|x| x.sent.as_ref().map_or(Sent::Unknown, Sent::of)).collect();
        Self { source: evidence.source, exchanges, sent, resource, of_resource }
    }

    /// Requests for the same resource before that one, the latest first; at most [`LOOK_MAX`].
    pub(super) fn before(&self, of: usize) -> impl Iterator<Item = usize> {
        let same = self.same(of);
        let end = same.partition_point(|index| *index < of);
        same[..end].iter().rev().copied().take(LOOK_MAX)
    }

    /// Requests for the same resource behind that one; at most [`LOOK_MAX`].
    pub(super) fn after(&self, of: usize) -> impl Iterator<Item = usize> {
        let same = self.same(of);
        let begin = same.partition_point(|index| *index <= of);
        same[begin..].iter().copied().take(LOOK_MAX)
    }

    /// Requests for the same resource between two; of those nearest to the first at most [`LOOK_MAX`].
    pub(super) fn between(&self, first: usize, last: usize) -> impl Iterator<Item = usize> {
        self.after(first).take_while(move |index| *index < last)
    }

    /// All requests before that one, whatever they are for, the latest first; at most [`LOOK_MAX`].
    pub(super) fn all_before(&self, of: usize) -> impl Iterator<Item = usize> {
        (0..of).rev().take(LOOK_MAX)
    }

    fn same(&self, of: usize) -> &[usize] {
        &self.of_resource[self.resource[of]]
    }

    pub(super) fn is_same_resource(&self, one: usize, other: usize) -> bool {
        self.resource[one] == self.resource[other]
    }

    /// Whether both were sent by the same writer. A recording is of one client, unless it tells several apart.
    pub(super) fn is_own(&self, one: usize, other: usize) -> bool {
        match (&self.exchanges[one].writer, &self.exchanges[other].writer) {
            (Some(one), Some(other)) => one.id == other.id,
            _ => true,
        }
    }

    /// What a sentence calls it: `entry 6`.
    pub(super) fn name(&self, index: usize) -> String {
        format!("{} {}", self.source.unit(), self.exchanges[index].number)
    }

    /// The validator that an answer carried, of the kind that `of` compares: a date if it sent one, else the entity-tag.
    pub(super) fn received(&self, index: usize, of: usize) -> Option<String> {
        let got = self.exchanges[index].got()?;
        match self.sent[of] {
            Sent::Date(_) => got.fields.text("last-modified"),
            _ => got.fields.text("etag").or_else(|| got.said.current_tag.clone()),
        }
        .filter(|text| !text.is_empty())
    }

    /// The validators that a request named.
    pub(super) fn named(&self, of: usize) -> &[String] {
        match &self.sent[of] {
            Sent::Tags(tags) | Sent::Unless(tags) => tags,
            Sent::Date(date) | Sent::Malformed(_, date) => core::slice::from_ref(date),
            Sent::Unknown | Sent::Nothing | Sent::Empty | Sent::Star | Sent::Create => &[],
        }
    }

    /// Whether an answer carried a validator that a request named.
    pub(super) fn supplied(&self, index: usize, of: usize) -> bool {
        let received = self.received(index, of);
        received.is_some_and(|received| self.named(of).contains(&received))
    }

    /// The last answer before that request from which its validator can have come. For a request that names none, whose
    /// version may be in its content: the last read that succeeded.
    pub(super) fn source_of(&self, of: usize) -> Option<usize> {
        self.before(of).find(|&index| {
            let exchange = &self.exchanges[index];
            if self.named(of).is_empty() {
                exchange.is_read() && exchange.succeeded()
            } else {
                self.is_own(index, of) && self.supplied(index, of)
            }
        })
    }

    /// The version that the server was at when it refused a request, and the entry that tells if it is another one.
    pub(super) fn version_then(&self, of: usize) -> Option<(String, Option<usize>)> {
        if let Some(received) = self.received(of, of) {
            return Some((received, None));
        }
        let next = self.after(of).find(|&index| {
            let exchange = &self.exchanges[index];
            exchange.is_read() && self.received(index, of).is_some()
                || exchange.is_write() && exchange.succeeded()
        })?;
        let exchange = &self.exchanges[next];
        (exchange.is_read() && !exchange.from_cache)
            .then(|| self.received(next, of).map(|received| (received, Some(next))))
            .flatten()
    }

    /// Whether both were certainly under way at the same time. Recordings are not exact about when a request ended, so it
    /// counts only if the later one began in the first half of the other.
    pub(super) fn overlap(&self, one: usize, other: usize) -> bool {
        let (first, second) = (one.min(other), one.max(other));
        let (first, second) = (&self.exchanges[first], &self.exchanges[second]);
        match (&first.at, first.took_ms, &second.at) {
            (Some(begun), Some(took), Some(next)) => (next.unix_ms - begun.unix_ms) * 2 < took,
            _ => false,
        }
    }

    /// Whether the answer of `read` had come before that of `write`; not if the recording does not tell.
    pub(super) fn answered_before(&self, read: usize, write: usize) -> bool {
        let end = |index: usize| {
            let x = &self.exchanges[index];
            Some(x.at.as_ref()?.unix_ms + x.took_ms?)
        };
        end(read).zip(end(write)).is_some_and(|(read, write)| read <= write)
    }

    /// Whether the answer of `first` had come before `second` was sent; `None` if the recording does not tell.
    pub(super) fn ended_before(&self, first: usize, second: usize) -> Option<bool> {
        let (first, second) = (&self.exchanges[first], &self.exchanges[second]);
        let end = first.at.as_ref()?.unix_ms + first.took_ms?;
        Some(end <= second.at.as_ref()?.unix_ms)
    }
}

/// What an answer represents if that is not what was asked for: what was created, or what Content-Location names.
fn represented(exchange: &Exchange) -> Option<String> {
    let got = exchange.got().filter(|_| exchange.succeeded())?;
    let created = got.fields.text("location").filter(|_| got.status == 201);
    let named = got.fields.text("content-location").or(created)?;
    let base = Url::parse(&exchange.key).ok()?;
    let url = base.join(&named).ok().filter(|url| url.origin() == base.origin())?;
    Some(key(url.as_str()))
}

fn destination(key: &str, moved: &HashMap<&str, String>) -> String {
    let mut name = key;
    for _ in 0..REDIRECTIONS_MAX {
        match moved.get(name) {
            Some(next) if next != name => name = next,
            _ => break,
        }
    }
    name.to_owned()
}

/// From where to where a request was sent on, with the same method.
fn redirection(exchange: &Exchange) -> Option<(&str, String)> {
    let Answer::Got(got) = &exchange.answer else { return None };
    if !matches!(got.status, 301 | 307 | 308) {
        return None;
    }
    let location = got.fields.text("location")?;
    let next = Url::parse(&exchange.key).ok()?.join(&location).ok()?;
    Some((exchange.key.as_str(), key(next.as_str())))
}

/// Whether a tag is marked weak.
pub(super) fn is_weak(tag: &str) -> bool {
    EntityTag::parse(tag.as_bytes()).is_some_and(|tag| tag.is_weak())
}

/// What is between the quotes of a tag, or the text itself if it is none.
pub(super) fn opaque(tag: &str) -> &str {
    let bare = tag.strip_prefix("W/").unwrap_or(tag);
    bare.strip_prefix('"').and_then(|bare| bare.strip_suffix('"')).unwrap_or(bare)
}
