//! The promise of the project, checked on the reference over every combination of small values: what it performs,
//! the client had seen. Written without the reference's own parsing: each value below says what it means.

use ifmatch_testkit::dates::{asctime, imf_fixdate};
use ifmatch_testkit::reference::{Request, State, Status, Verdict, judge};

const NOW: i64 = 1_795_348_800;

/// Values of If-Match, and whether they name the current version `"a1"`.
const IF_MATCH: [(&str, bool); 9] = [
    ("\"a1\"", true),
    ("\"a0\", \"a1\"", true),
    ("W/\"a1\", \"a1\"", true),
    ("\"a0\"", false),
    ("W/\"a1\"", false),
    ("*", false),
    ("", false),
    ("a1", false),
    ("\"a1\", *", false),
];

/// Values of If-None-Match, and whether they forbid what exists.
const IF_NONE_MATCH: [(&str, bool); 6] =
    [("*", true), ("\"a0\"", false), ("\"a1\"", false), ("*, *", false), ("", false), ("\"*\"", false)];

/// Values of If-Unmodified-Since, and the one date they hold.
fn dates() -> Vec<(Vec<String>, Option<i64>)> {
    let mut dates = Vec::new();
    for offset in [-86_400, -2, -1, 0, 1, 2, 86_400] {
        let date = NOW + offset;
        dates.push((vec![imf_fixdate(date)], Some(date)));
        dates.push((vec![asctime(date)], Some(date)));
        dates.push((vec![imf_fixdate(date); 2], None));
        dates.push((vec![format!("{0}, {0}", imf_fixdate(date))], None));
        dates.push((vec![date.to_string()], None));
    }
    dates
}

fn states() -> Vec<State> {
    let mut states = vec![State::Absent];
    for last_modified in [None, Some(-86_400), Some(-2), Some(-1), Some(0), Some(1), Some(5)] {
        let last_modified = last_modified.map(|offset| NOW + offset);
        states.push(State::Present { etag: Some((false, b"a1".to_vec())), last_modified, length: 10 });
    }
    states
}

fn is_performed(verdict: &Verdict) -> bool {
    match verdict.status {
        Status::Success => true,
        Status::Exact(status) => status < 300,
    }
}

/// Runs `check` on every combination for one method.
fn for_all(method: &str, mut check: impl FnMut(&Case, &State, Verdict)) {
    let if_match = || IF_MATCH.into_iter().map(Some).chain([None]);
    let if_none_match = || IF_NONE_MATCH.into_iter().map(Some).chain([None]);
    for tags in if_match() {
        for none in if_none_match() {
            for date in dates().into_iter().map(Some).chain([None]) {
                let mut fields = Vec::new();
                let mut add =
                    |name: &str, value: &str| fields.push((name.to_owned(), value.as_bytes().to_vec()));
                // An order and a spelling nobody writes: neither may matter.
                date.iter().flat_map(|(lines, _)| lines).for_each(|line| add("IF-unmodified-SINCE", line));
                add("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT");
                none.iter().for_each(|(value, _)| add("if-none-match", value));
                tags.iter().for_each(|(value, _)| add("IF-MATCH", value));
                add("If-Range", "\"a1\"");
                let case = Case { tags, none, date: date.as_ref().map(|(_, date)| *date), fields };
                for state in states() {
                    let request = Request { method, fields: &case.fields };
                    check(&case, &state, judge(&request, &state, NOW));
                }
            }
        }
    }
}

struct Case {
    tags: Option<(&'static str, bool)>,
    none: Option<(&'static str, bool)>,
    date: Option<Option<i64>>,
    fields: Vec<(String, Vec<u8>)>,
}

/// How many writes were performed, and those of them that replaced what the client had not seen.
fn overwrites(method: &str) -> (usize, Vec<String>) {
    let (mut performed, mut unseen) = (0, Vec::new());
    for_all(method, |case, state, verdict| {
        let State::Present { last_modified, .. } = state else { return };
        if !is_performed(&verdict) {
            return;
        }
        performed += 1;
        let by_tag = case.tags.is_some_and(|(_, names_it)| names_it);
        let by_date =
            case.tags.is_none()
                && case.date.flatten().zip(*last_modified).is_some_and(|(date, shown)| {
                    shown <= date && date <= NOW && (date < NOW || date == shown)
                });
        let forbidden = case.none.is_some_and(|(_, star)| star);
        if forbidden || !(by_tag || by_date) {
            unseen.push(format!("{method} {:?} on {state:?}: {verdict:?}", case.fields));
        }
    });
    (performed, unseen)
}

#[test]
fn what_overwrites_had_seen_what_it_overwrites() {
    for method in ["PUT", "PATCH", "DELETE"] {
        let (performed, unseen) = overwrites(method);
        assert!(performed > 0);
        assert!(unseen.is_empty(), "{unseen:#?}");
    }
}

/// The check above finds what it looks for: POST, of which nothing is required, stands in for an engine that forgot
/// to require anything.
#[test]
fn an_engine_without_the_requirement_is_found_out() {
    let (performed, unseen) = overwrites("POST");
    assert!(!unseen.is_empty() && unseen.len() < performed);
}

#[test]
fn what_creates_forbids_what_exists() {
    for method in ["PUT", "PATCH", "DELETE"] {
        let mut created = 0;
        for_all(method, |case, state, verdict| {
            if *state == State::Absent && is_performed(&verdict) {
                created += 1;
                assert_eq!(method, "PUT");
                assert!(case.none.is_some_and(|(_, star)| star), "{:?}: {verdict:?}", case.fields);
                assert!(case.tags.is_none(), "If-Match is false where nothing is: {:?}", case.fields);
            }
        });
        assert_eq!(created > 0, method == "PUT");
    }
}

#[test]
fn a_refusal_says_why() {
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"] {
        for_all(method, |case, state, verdict| {
            let Status::Exact(status) = verdict.status else {
                assert_eq!(verdict.code, None);
                return;
            };
            assert_eq!(status >= 400, verdict.code.is_some(), "{method} {:?} on {state:?}", case.fields);
            assert_eq!(verdict.reason.is_some(), verdict.code == Some("stale_version"));
            // Only reads are told that nothing has changed, and nothing that exists is "gone".
            assert!(status != 304 || method == "GET" || method == "HEAD");
            assert!(verdict.reason != Some("gone") || *state == State::Absent);
        });
    }
}

#[test]
fn options_is_never_judged() {
    for_all("OPTIONS", |_, _, verdict| assert_eq!(verdict.status, Status::Success));
}
