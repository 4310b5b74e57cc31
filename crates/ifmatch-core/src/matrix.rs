//! The behaviour table: every combination of method, state and condition fields that a rule could tell apart, and what
//! the engine says to each. Used to hold the engine against an independent second one, and for the page in the docs.

use crate::date::HttpDate;
use crate::judge::{Judge, Outcome, Selection};
use crate::policy::Policy;
use crate::state::{CurrentState, Representation};
use crate::tag::EntityTag;
use core::fmt::Write;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// `T` of the table, the Last-Modified of most of its states: Sun, 22 Nov 2026 08:49:37 GMT.
pub const T: HttpDate = HttpDate::from_unix(1_795_337_377);
/// The time at which the table is evaluated: ten seconds later.
pub const NOW: HttpDate = HttpDate::from_unix(T.unix() + 10);
/// Octets of content of every state that has some.
pub const CONTENT_BYTES: u64 = 10;

/// The methods of the table.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "OPTIONS"];

/// A state of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// How the table calls it.
    pub name: &'static str,
    /// `None`: nothing is there. Otherwise its entity-tag and Last-Modified, where it has them.
    pub present: Option<(Option<&'static str>, Option<HttpDate>)>,
}

/// The states of the table.
pub const STATES: [State; 8] = [
    State { name: "absent", present: None },
    State { name: "\"a1\", modified T", present: Some((Some("\"a1\""), Some(T))) },
    State { name: "W/\"a1\", modified T", present: Some((Some("W/\"a1\""), Some(T))) },
    State { name: "\"a1\", no date", present: Some((Some("\"a1\""), None)) },
    State { name: "no tag, modified T", present: Some((None, Some(T))) },
    State { name: "no validator", present: Some((None, None)) },
    State { name: "\"a1\", modified now", present: Some((Some("\"a1\""), Some(NOW))) },
    State {
        name: "\"a1\", date withheld",
        present: Some((Some("\"a1\""), Some(HttpDate::from_unix(NOW.unix() + 1)))),
    },
];

/// One value of one field, as the lines it is sent in; none: the field is not sent.
type Lines = &'static [&'static str];

const TAGS: [Lines; 12] = [
    &[],
    &["\"a1\""],
    &["\"a0\""],
    &["W/\"a1\""],
    &["\"a0\", \"a1\""],
    &["\"a0\"", "\"a1\""],
    &["*"],
    &["\"*\""],
    &[""],
    &["a1"],
    &["*, \"a1\""],
    &["*", "*"],
];

const RANGES: [(Lines, Lines); 6] = [
    (&[], &[]),
    (&["bytes=0-4"], &[]),
    (&["bytes=100-"], &[]),
    (&["bytes=0-4"], &["\"a1\""]),
    (&["bytes=0-4"], &["{T}"]),
    (&["bytes=100-"], &["\"a0\""]),
];

const UNMODIFIED: [Lines; 9] = [
    &[],
    &["{T}"],
    &["{T-1s}"],
    &["{T+1s}"],
    &["{T+10s}"],
    &["{T+11s}"],
    &["2026-11-22T08:49:37Z"],
    &["{T}", "{T}"],
    &[""],
];

const MODIFIED: [Lines; 4] = [&[], &["{T}"], &["{T-1s}"], &["nonsense"]];

/// One row: a request on a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// The method.
    pub method: &'static str,
    /// The state of the resource.
    pub state: State,
    /// The field lines, dates filled in.
    pub fields: Vec<(&'static str, String)>,
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The status; `None` where any 2xx is right.
    pub status: Option<u16>,
    /// The problem code.
    pub code: Option<&'static str>,
    /// The more exact cause.
    pub reason: Option<&'static str>,
}

/// All rows: methods x states x If-Match x If-None-Match x If-Unmodified-Since x If-Modified-Since, and for reads x
/// Range with If-Range.
pub fn cases() -> impl Iterator<Item = Case> {
    METHODS.into_iter().flat_map(|method| {
        let ranges = if matches!(method, "GET" | "HEAD") { &RANGES[..] } else { &RANGES[..1] };
        let states = STATES.into_iter();
        states.flat_map(move |state| {
            TAGS.into_iter().flat_map(move |im| {
                TAGS.into_iter().flat_map(move |inm| {
                    UNMODIFIED.into_iter().flat_map(move |ius| {
                        MODIFIED.into_iter().flat_map(move |ims| {
                            ranges.iter().map(move |&(range, if_range)| Case {
                                method,
                                state,
                                fields: fields([
                                    ("If-Match", im),
                                    ("If-None-Match", inm),
                                    ("If-Unmodified-Since", ius),
                                    ("If-Modified-Since", ims),
                                    ("Range", range),
                                    ("If-Range", if_range),
                                ]),
                            })
                        })
                    })
                })
            })
        })
    })
}

fn fields(values: [(&'static str, Lines); 6]) -> Vec<(&'static str, String)> {
    values.into_iter().flat_map(|(name, lines)| lines.iter().map(move |line| (name, dated(line)))).collect()
}

/// Fills in `{T}` and `{T+Ns}`.
fn dated(line: &str) -> String {
    let offset = line.strip_prefix("{T").and_then(|r| r.strip_suffix('}')).map(|r| r.trim_end_matches('s'));
    match offset {
        Some("") => T.to_string(),
        Some(seconds) => T.plus_seconds(seconds.parse().unwrap_or(0)).to_string(),
        None => line.to_owned(),
    }
}

impl Case {
    /// What the engine says, under the rules of the own store.
    pub fn decide(&self) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.fields {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        let state = match self.state.present {
            None => CurrentState::Absent,
            Some((etag, last_modified)) => CurrentState::Present(Representation {
                etag: etag.and_then(|t| EntityTag::parse(t.as_bytes())),
                last_modified,
                content_bytes: Some(CONTENT_BYTES),
            }),
        };
        let method = Method::from_bytes(self.method.as_bytes()).unwrap_or_default();
        decide(&method, &headers, &state, NOW)
    }
}

/// What the own store answers to a request on a state.
pub fn decide(method: &Method, headers: &HeaderMap, state: &CurrentState<'_>, now: HttpDate) -> Verdict {
    let policy = Policy::store("matrix");
    let status = |status| Verdict { status, code: None, reason: None };
    match Judge::new(method, headers, &policy, now).on_state(state) {
        Outcome::Perform(_) if method == Method::POST => status(Some(201)),
        Outcome::Perform(guard) if method == Method::PUT && !guard.replaces() => status(Some(201)),
        Outcome::Perform(_) => status(None),
        Outcome::Send(Selection::Whole) => status(Some(200)),
        Outcome::Send(Selection::Part(_)) => status(Some(206)),
        Outcome::NotModified => status(Some(304)),
        Outcome::Refused(refusal) => Verdict {
            status: Some(refusal.status().as_u16()),
            code: Some(refusal.code().name()),
            reason: refusal.reason().map(|r| r.name()),
        },
    }
}

/// The page of the docs: one field at a time, on something and on nothing.
pub fn page() -> String {
    let mut page = String::from(
        "# What is answered to what\n\nMade from the engine by `cargo xtask docs`; a test holds it against the engine. \
         `T` is the Last-Modified of the resource, which is at `\"a1\"`; it is ten seconds later now. The full table has \
         every combination of the five fields and is checked against a second, independent implementation.\n",
    );
    for method in METHODS {
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## {method}\n\n| condition | something is there | nothing is there |\n|---|---|---|\n"
        );
        let single = |name: &'static str, lines: Lines| (name, lines);
        let rows = TAGS[1..].iter().map(|l| single("If-Match", l));
        let rows = rows.chain(TAGS[1..].iter().map(|l| single("If-None-Match", l)));
        let rows = rows.chain(UNMODIFIED[1..].iter().map(|l| single("If-Unmodified-Since", l)));
        let rows = rows.chain(MODIFIED[1..].iter().map(|l| single("If-Modified-Since", l)));
        for (name, lines) in core::iter::once(("none", TAGS[0])).chain(rows) {
            let fields: Vec<_> = lines.iter().map(|line| (name, dated(line))).collect();
            let answer = |state| {
                let verdict = Case { method, state, fields: fields.clone() }.decide();
                let status = verdict.status.map_or("2xx".to_owned(), |s| s.to_string());
                verdict.code.map_or(status.clone(), |code| format!("{status} `{code}`"))
            };
            let shown: Vec<_> =
                lines.iter().map(|line| format!("`{name}: {}`", line.trim_matches(['{', '}']))).collect();
            let shown = if shown.is_empty() { name.to_owned() } else { shown.join(" and ") };
            let _ = writeln!(page, "| {shown} | {} | {} |", answer(STATES[1]), answer(STATES[0]));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_large_enough_and_dates_are_filled_in() {
        let (mut rows, mut refused) = (0u32, 0u32);
        for case in cases() {
            rows += 1;
            refused += u32::from(case.decide().code.is_some());
            assert!(case.fields.iter().all(|(_, v)| !v.contains('{')));
        }
        assert!(rows > 500_000, "{rows}");
        assert!(refused > rows / 4 && refused < rows, "{refused} of {rows}");
        assert_eq!(dated("{T-1s}"), T.plus_seconds(-1).to_string());
    }
}
