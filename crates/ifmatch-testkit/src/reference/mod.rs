//! A second, naive implementation of the precondition engine: RFC 9110, Section 13, and the demand of RFC 6585,
//! Section 3, as our own store enforces it.
//!
//! Clarity before speed, and no code shared with the real engine. The order of the tests below *is* the rule, so
//! [`judge`] reads from top to bottom like the standard does. What the rules say beyond the standard is in
//! [`crate::decisions`], row by row.

mod ranges;
mod tags;

use crate::dates;
use ranges::{Asked, asked};
use tags::{Tag, TagList, single_tag, tag_list, trim};

/// The head of a request, as far as preconditions are concerned.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Case-sensitive (RFC 9110, Section 9.1).
    pub method: &'a str,
    /// Field lines in the order received, names in any case.
    pub fields: &'a [(String, Vec<u8>)],
}

/// What the server has at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No current representation.
    Absent,
    /// A current representation.
    Present {
        /// Whether the entity-tag is weak, and its octets without the quotes.
        etag: Option<(bool, Vec<u8>)>,
        /// Unix seconds. While it lies in the future it is withheld: no client has been shown it.
        last_modified: Option<i64>,
        /// Octets of content.
        length: u64,
    },
}

/// A status code, or the promise of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// This one and no other.
    Exact(u16),
    /// Any 2xx: the method was performed.
    Success,
}

impl Status {
    /// Whether an answer with this status code keeps the promise.
    pub fn admits(self, status: u16) -> bool {
        match self {
            Self::Exact(exact) => exact == status,
            Self::Success => (200..300).contains(&status),
        }
    }
}

/// What the server must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The status code.
    pub status: Status,
    /// The stable code of the problem, where there is one.
    pub code: Option<&'static str>,
    /// For `stale_version`: why the version does not match. Secondary; an implementation may know better.
    pub reason: Option<&'static str>,
}

impl Verdict {
    fn done(status: u16) -> Self {
        Self { status: Status::Exact(status), code: None, reason: None }
    }

    fn success() -> Self {
        Self { status: Status::Success, code: None, reason: None }
    }

    fn refused(status: u16, code: &'static str) -> Self {
        Self { status: Status::Exact(status), code: Some(code), reason: None }
    }

    fn stale(reason: &'static str) -> Self {
        Self { reason: Some(reason), ..Self::refused(412, "stale_version") }
    }
}

/// A field that holds one date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DateField {
    Missing,
    /// Not an HTTP date, or more than one line, or a list.
    Invalid,
    Date(i64),
}

/// What the head of an unsafe request says about the version it replaces (RFC 6585, Section 3).
enum Requirement {
    Met,
    /// Met if this date turns out to name the current state.
    MetByDate(i64),
    Refused(Verdict),
}

/// Judges a request against a state, at the time `now` (Unix seconds), by the rules of our own store, which always
/// enforces.
///
/// Methods other than GET, HEAD, PUT, PATCH, DELETE, POST and OPTIONS are not implemented: 501, whatever the fields.
/// POST is taken as addressed to a collection, which creates a member.
pub fn judge(request: &Request<'_>, state: &State, now: i64) -> Verdict {
    let method = request.method;
    // OPTIONS neither selects nor changes a representation (RFC 9110, Section 13.2.1).
    if method == "OPTIONS" {
        return Verdict::success();
    }
    if !["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"].contains(&method) {
        return Verdict::refused(501, "not_implemented");
    }
    let is_read = method == "GET" || method == "HEAD";

    // What cannot be understood is refused, from the head alone. A read with an unusable If-None-Match only loses
    // its chance of a 304.
    let if_match = tag_list(&lines(request, "if-match"));
    let if_none_match = tag_list(&lines(request, "if-none-match"));
    if if_match == TagList::Malformed || (if_none_match == TagList::Malformed && !is_read) {
        return Verdict::refused(400, "malformed_validator");
    }
    // If-Match takes the date away (RFC 9110, Section 13.1.4), an empty If-Match too.
    let unmodified_since = if if_match == TagList::Missing {
        date_field(request, "if-unmodified-since", now)
    } else {
        DateField::Missing
    };

    // Unsafe methods that could overwrite must say what they replace (RFC 6585, Section 3).
    let mut date_must_name_the_state = None;
    if ["PUT", "PATCH", "DELETE"].contains(&method) {
        match requirement(method, &if_match, &if_none_match, unmodified_since, now) {
            Requirement::Met => {}
            Requirement::MetByDate(date) => date_must_name_the_state = Some(date),
            Requirement::Refused(verdict) => return verdict,
        }
    }

    // Without conditions the answer would be 404, so conditions are not consulted (RFC 9110, Section 13.2.1).
    if *state == State::Absent && ["GET", "HEAD", "PATCH", "DELETE"].contains(&method) {
        return Verdict::refused(404, "not_found");
    }
    if let Some(date) = date_must_name_the_state
        && !names_a_state(date, state, now)
    {
        return Verdict::refused(428, "not_a_version");
    }

    if let Some(refusal) = false_if_match(&if_match, state) {
        return refusal; // RFC 9110, Section 13.2.2, step 1
    }
    if is_later_than(last_modified(state), unmodified_since) {
        return Verdict::stale("changed"); // step 2
    }
    if is_false_if_none_match(&if_none_match, state) {
        // step 3
        return if is_read { Verdict::done(304) } else { Verdict::refused(412, "already_exists") };
    }
    if is_read && if_none_match == TagList::Missing {
        // step 4
        let since = date_field(request, "if-modified-since", now);
        let shown = last_modified(state).filter(|date| *date <= now);
        if let (Some(shown), DateField::Date(since)) = (shown, since)
            && shown <= since
        {
            return Verdict::done(304);
        }
    }
    perform(request, state, now)
}

/// All lines of one field, whitespace around the values removed.
fn lines<'a>(request: &Request<'a>, name: &str) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    for (field, value) in request.fields {
        if field.eq_ignore_ascii_case(name) {
            found.push(trim(value));
        }
    }
    found
}

fn date_field(request: &Request<'_>, name: &str, now: i64) -> DateField {
    match lines(request, name).as_slice() {
        [] => DateField::Missing,
        [value] => dates::parse(value, now).map_or(DateField::Invalid, DateField::Date),
        _ => DateField::Invalid,
    }
}

fn last_modified(state: &State) -> Option<i64> {
    match state {
        State::Absent => None,
        State::Present { last_modified, .. } => *last_modified,
    }
}

fn current_tag(state: &State) -> Option<Tag> {
    match state {
        State::Present { etag: Some((weak, opaque)), .. } => {
            Some(Tag { weak: *weak, opaque: opaque.clone() })
        }
        State::Present { etag: None, .. } | State::Absent => None,
    }
}

fn requirement(
    method: &str,
    if_match: &TagList,
    if_none_match: &TagList,
    unmodified_since: DateField,
    now: i64,
) -> Requirement {
    if let TagList::Tags(tags) = if_match
        && !tags.is_empty()
    {
        return Requirement::Met;
    }
    if method == "PUT" && *if_none_match == TagList::Star {
        return Requirement::Met;
    }
    if *if_match == TagList::Star {
        return Requirement::Refused(Verdict::refused(428, "overwrite_not_allowed"));
    }
    match unmodified_since {
        DateField::Missing => Requirement::Refused(Verdict::refused(428, "precondition_required")),
        DateField::Date(date) if date <= now => Requirement::MetByDate(date),
        // A date that is none, or has not come yet, names no state that anybody has seen.
        DateField::Date(_) | DateField::Invalid => {
            Requirement::Refused(Verdict::refused(428, "not_a_version"))
        }
    }
}

/// Whether a date that has come can stand for a version. In the second that still runs it can only if it is the very
/// date the client was shown; anything else in that second may yet see another write.
fn names_a_state(date: i64, state: &State, now: i64) -> bool {
    match last_modified(state) {
        // Nothing there, or nothing dated: the field would be ignored, and the write unconditional.
        None => false,
        Some(shown) if shown <= now && date == shown => true,
        // Changed after that date for certain, shown or not: false, whichever second it is.
        Some(changed) if date < changed => true,
        Some(_) => date < now,
    }
}

/// RFC 9110, Section 13.1.1.
fn false_if_match(if_match: &TagList, state: &State) -> Option<Verdict> {
    let listed = match if_match {
        TagList::Missing | TagList::Malformed => return None,
        TagList::Star if *state == State::Absent => return Some(Verdict::stale("gone")),
        TagList::Star => return None,
        TagList::Tags(listed) => listed,
    };
    if *state == State::Absent {
        return Some(Verdict::stale("gone"));
    }
    let current = current_tag(state);
    if let Some(current) = &current
        && listed.iter().any(|tag| tag.matches_strongly(current))
    {
        return None;
    }
    let all_weak = !listed.is_empty() && listed.iter().all(|tag| tag.weak);
    let weak_twin =
        current.as_ref().is_some_and(|c| listed.iter().any(|tag| tag.weak && tag.matches_weakly(c)));
    let current_is_weak = current.is_some_and(|tag| tag.weak);
    Some(Verdict::stale(if all_weak || weak_twin || current_is_weak { "weak_validator" } else { "changed" }))
}

/// RFC 9110, Section 13.1.4: ignored when there is no date on either side.
fn is_later_than(last_modified: Option<i64>, field: DateField) -> bool {
    match (last_modified, field) {
        (Some(last_modified), DateField::Date(date)) => last_modified > date,
        _ => false,
    }
}

/// RFC 9110, Section 13.1.2.
fn is_false_if_none_match(if_none_match: &TagList, state: &State) -> bool {
    match if_none_match {
        TagList::Missing | TagList::Malformed => false,
        TagList::Star => *state != State::Absent,
        TagList::Tags(listed) => match current_tag(state) {
            Some(current) => listed.iter().any(|tag| tag.matches_weakly(&current)),
            None => false,
        },
    }
}

/// The status of a request that every condition let through.
fn perform(request: &Request<'_>, state: &State, now: i64) -> Verdict {
    match (request.method, state) {
        ("GET", State::Present { length, .. }) => {
            // RFC 9110, Section 13.2.2, step 5: a false If-Range removes Range, so that there is no 416 either.
            if !if_range_allows(request, state, now) {
                return Verdict::done(200);
            }
            match asked(&lines(request, "range"), *length) {
                Asked::Whole => Verdict::done(200),
                Asked::Part => Verdict::done(206),
                Asked::PartOfNothing => Verdict::success(),
                Asked::Unsatisfiable => Verdict::refused(416, "range_not_satisfiable"),
            }
        }
        ("HEAD", _) => Verdict::done(200),
        ("POST", _) | ("PUT", State::Absent) => Verdict::done(201),
        _ => Verdict::success(),
    }
}

/// RFC 9110, Section 13.1.5: one strong tag that matches, or the very date that was shown.
fn if_range_allows(request: &Request<'_>, state: &State, now: i64) -> bool {
    match lines(request, "if-range").as_slice() {
        [] => true,
        [value] => {
            if let Some(tag) = single_tag(value) {
                return current_tag(state).is_some_and(|current| tag.matches_strongly(&current));
            }
            let shown = last_modified(state).filter(|date| *date <= now);
            shown.is_some() && shown == dates::parse(value, now)
        }
        _ => false,
    }
}
