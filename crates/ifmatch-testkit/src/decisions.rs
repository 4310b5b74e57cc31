//! Rows of behaviour that were decided by hand: request and state, and what must be answered.
//!
//! The rows live in `data/decisions.tsv`. Dates in them are symbolic; [`rows`] resolves them for a given `T`, the
//! Last-Modified of most rows, so that the same rows can be run against a pure function and against a real server.

use crate::dates;
use crate::reference::{State, Status, Verdict};
use std::fmt;

const DATA: &str = include_str!("../data/decisions.tsv");

/// The first line of the data file.
const COLUMNS: [&str; 8] = ["id", "method", "state", "fields", "status", "code", "section", "why"];

/// Every row is to be judged this many seconds after its `T`.
pub const NOW_AFTER_T_SECONDS: i64 = 10;

/// `{FUTURE}` lies this many seconds after `T`: far enough for a slow test.
const FUTURE_AFTER_T_SECONDS: i64 = 86_400;

/// Octets of content where a row does not say.
const LENGTH_DEFAULT: u64 = 100;

/// `T` lies after this moment (1 March 2024): some rows hold fixed dates that must be in the past.
pub const T_MIN: i64 = 1_709_251_200;

/// `T` lies before this moment (1 November 2034): one row holds a fixed date that must be in the future.
pub const T_MAX: i64 = 2_045_952_000;

/// What a row demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// The status code.
    pub status: Status,
    /// The stable problem code, where the row names one.
    pub code: Option<&'static str>,
}

impl Expect {
    /// Whether an answer meets the row. `code` is the problem code of the answer.
    ///
    /// A row without a code says nothing about the code of an error; an answer that is none never has one.
    pub fn is_met_by(&self, status: u16, code: Option<&str>) -> bool {
        self.status.admits(status) && self.is_met_by_code(status >= 400, code)
    }

    /// Whether a verdict meets the row. A row that demands one status is not met by a mere success.
    pub fn is_met_by_verdict(&self, verdict: &Verdict) -> bool {
        match verdict.status {
            Status::Exact(status) => self.is_met_by(status, verdict.code),
            Status::Success => self.status == Status::Success && self.is_met_by_code(false, verdict.code),
        }
    }

    fn is_met_by_code(&self, is_error: bool, code: Option<&str>) -> bool {
        if self.code.is_none() && is_error { true } else { self.code == code }
    }
}

/// One row, its dates resolved.
#[derive(Debug, Clone)]
pub struct Row {
    /// Stable name, such as `put-022`.
    pub id: &'static str,
    /// The method.
    pub method: &'static str,
    /// Field lines in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// What is at the target.
    pub state: State,
    /// When the request is judged, in Unix seconds.
    pub now: i64,
    /// What must be answered.
    pub expect: Expect,
    /// The section of the standard that decides.
    pub section: &'static str,
    /// The reason in one sentence.
    pub why: &'static str,
}

/// A mistake in the data file, or a `T` it cannot be resolved for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Id of the row, or its line where it has none.
    pub row: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decisions, row {}: {}", self.row, self.problem)
    }
}

impl std::error::Error for Error {}

/// All rows, for a Last-Modified of `t` (Unix seconds) and `now` ten seconds later.
///
/// # Errors
/// The first mistake in the data file, with the id of its row; or a `t` outside [`T_MIN`] to [`T_MAX`].
pub fn rows(t: i64) -> Result<Vec<Row>, Error> {
    parse(DATA, t)
}

fn parse(data: &'static str, t: i64) -> Result<Vec<Row>, Error> {
    if !(T_MIN..T_MAX).contains(&t) {
        let problem = format!("T = {t} does not lie between the fixed dates of some rows");
        return Err(Error { row: "-".into(), problem });
    }
    let mut rows: Vec<Row> = Vec::new();
    for (index, line) in data.lines().enumerate() {
        let columns: Vec<&'static str> = line.split('\t').collect();
        if index == 0 {
            if columns != COLUMNS {
                return Err(Error { row: "1".into(), problem: format!("the columns are not {COLUMNS:?}") });
            }
            continue;
        }
        let named = if columns[0].is_empty() { format!("on line {}", index + 1) } else { columns[0].into() };
        let row = row(&columns, t).map_err(|problem| Error { row: named.clone(), problem })?;
        if rows.iter().any(|other| other.id == row.id) {
            return Err(Error { row: named, problem: "the id is taken".into() });
        }
        rows.push(row);
    }
    Ok(rows)
}

fn row(columns: &[&'static str], t: i64) -> Result<Row, String> {
    let &[id, method, state, fields, status, code, section, why] = columns else {
        return Err(format!("{} columns instead of {}", columns.len(), COLUMNS.len()));
    };
    if [id, method, section, why].iter().any(|text| text.is_empty()) {
        return Err("an empty column".into());
    }
    let expect = Expect {
        status: match status {
            "2xx" => Status::Success,
            _ => Status::Exact(status.parse().map_err(|_| format!("no status: {status}"))?),
        },
        code: if code == "-" { None } else { Some(code) },
    };
    Ok(Row {
        id,
        method,
        fields: field_lines(fields, t)?,
        state: parse_state(state, t)?,
        now: t + NOW_AFTER_T_SECONDS,
        expect,
        section,
        why,
    })
}

/// `present tag="a1" lm=T len=10`, `absent`.
fn parse_state(text: &str, t: i64) -> Result<State, String> {
    let mut words = text.split(' ');
    match words.next() {
        Some("absent") if words.next().is_none() => return Ok(State::Absent),
        Some("present") => {}
        _ => return Err(format!("no state: {text}")),
    }
    let (mut etag, mut last_modified, mut length) = (None, None, LENGTH_DEFAULT);
    for word in words {
        match word.split_once('=') {
            Some(("tag", "none")) => etag = None,
            Some(("tag", tag)) => {
                let (weak, quoted) = match tag.strip_prefix("W/") {
                    Some(quoted) => (true, quoted),
                    None => (false, tag),
                };
                let opaque = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let opaque = opaque.ok_or_else(|| format!("no entity-tag: {tag}"))?;
                etag = Some((weak, opaque.as_bytes().to_vec()));
            }
            Some(("lm", "none")) => last_modified = None,
            Some(("lm", moment)) => last_modified = Some(parse_moment(moment, t)?),
            Some(("len", octets)) => length = octets.parse().map_err(|_| format!("no length: {octets}"))?,
            _ => return Err(format!("unknown part of a state: {word}")),
        }
    }
    Ok(State::Present { etag, last_modified, length })
}

/// `T`, `T+10s`, `T-1s`, `FUTURE`, in Unix seconds.
fn parse_moment(text: &str, t: i64) -> Result<i64, String> {
    if text == "FUTURE" {
        return Ok(t + FUTURE_AFTER_T_SECONDS);
    }
    let offset = text.strip_prefix('T').ok_or_else(|| format!("no moment: {text}"))?;
    if offset.is_empty() {
        return Ok(t);
    }
    let (sign, rest) = match offset.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(format!("no moment: {text}")),
    };
    let seconds: u32 =
        rest.strip_suffix('s').and_then(|s| s.parse().ok()).ok_or_else(|| format!("no moment: {text}"))?;
    Ok(t + sign * i64::from(seconds))
}

/// `If-Match: "a0" || Range: bytes=0-4`, or nothing.
fn field_lines(text: &str, t: i64) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut fields = Vec::new();
    if text.is_empty() {
        return Ok(fields);
    }
    for line in text.split(" || ") {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("no field line: {line}"))?;
        let value = resolve(value.strip_prefix(' ').unwrap_or(value), t)?;
        fields.push((name.to_owned(), value.into_bytes()));
    }
    Ok(fields)
}

/// Puts dates in the place of `{...}`.
fn resolve(value: &str, t: i64) -> Result<String, String> {
    let mut resolved = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('{') {
        let (symbol, after) = after.split_once('}').ok_or_else(|| format!("open brace: {value}"))?;
        let (moment, form) = symbol.split_once(';').unwrap_or((symbol, ""));
        let moment = parse_moment(moment, t)?;
        resolved += before;
        resolved += &match form {
            "" => dates::imf_fixdate(moment),
            "rfc850" => dates::rfc850(moment),
            "asctime" => dates::asctime(moment),
            "iso8601" => dates::iso8601(moment),
            "epoch" => moment.to_string(),
            _ => return Err(format!("no form of a date: {form}")),
        };
        rest = after;
    }
    resolved += rest;
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_795_348_800;
    const HEAD: &str = "id\tmethod\tstate\tfields\tstatus\tcode\tsection\twhy\n";

    fn problem(line: &str) -> Error {
        let data = Box::leak(format!("{HEAD}{line}").into_boxed_str());
        parse(data, T).expect_err("a mistake")
    }

    #[test]
    fn symbols() {
        let resolved = resolve("a {T} b {T-1s;asctime} {T+10s;epoch} {FUTURE;iso8601} {T;rfc850}", T);
        let expected = "a Sun, 22 Nov 2026 12:00:00 GMT b Sun Nov 22 11:59:59 2026 1795348810 \
                        2026-11-23T12:00:00Z Sunday, 22-Nov-26 12:00:00 GMT";
        assert_eq!(resolved.as_deref(), Ok(expected));
    }

    #[test]
    fn states() {
        let state = parse_state("present tag=W/\"a=1\" lm=T+10s len=10", T);
        let etag = Some((true, b"a=1".to_vec()));
        assert_eq!(state, Ok(State::Present { etag, last_modified: Some(T + 10), length: 10 }));
        let state = parse_state("present tag=none lm=none", T);
        assert_eq!(state, Ok(State::Present { etag: None, last_modified: None, length: 100 }));
    }

    #[test]
    fn mistakes_name_their_row() {
        let lines = [
            "x-1\tGET\tabsent\t\t404\t-\ts",
            "x-1\tGET\tnowhere\t\t404\t-\ts\tw",
            "x-1\tGET\tpresent tag=a1\t\t404\t-\ts\tw",
            "x-1\tGET\tpresent lm=Z\t\t404\t-\ts\tw",
            "x-1\tGET\tpresent lm=T+1\t\t404\t-\ts\tw",
            "x-1\tGET\tpresent size=1\t\t404\t-\ts\tw",
            "x-1\tGET\tabsent\tIf-Match\t404\t-\ts\tw",
            "x-1\tGET\tabsent\tIf-Match: {X}\t404\t-\ts\tw",
            "x-1\tGET\tabsent\tIf-Match: {T;mail}\t404\t-\ts\tw",
            "x-1\tGET\tabsent\tIf-Match: {T\t404\t-\ts\tw",
            "x-1\tGET\tabsent\t\tfine\t-\ts\tw",
            "x-1\tGET\tabsent\t\t404\t-\ts\tw\nx-1\tGET\tabsent\t\t404\t-\ts\tw",
        ];
        for line in lines {
            assert_eq!(problem(line).row, "x-1", "{line}");
        }
        assert_eq!(problem("\tGET\tabsent\t\t404\t-\ts\tw").row, "on line 2");
        assert!(rows(T_MAX).is_err() && rows(T_MIN - 1).is_err());
    }

    #[test]
    fn meeting_a_row() {
        let any = Expect { status: Status::Success, code: None };
        assert!(any.is_met_by(204, None) && !any.is_met_by(304, None) && !any.is_met_by(200, Some("x")));
        let created = Expect { status: Status::Exact(201), code: None };
        assert!(!created.is_met_by_verdict(&Verdict { status: Status::Success, code: None, reason: None }));
        let stale = Expect { status: Status::Exact(412), code: Some("stale_version") };
        assert!(stale.is_met_by(412, Some("stale_version")));
        assert!(!stale.is_met_by(412, None) && !stale.is_met_by(428, Some("stale_version")));
    }
}
