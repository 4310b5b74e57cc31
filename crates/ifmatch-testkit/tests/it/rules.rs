//! Rules of the reference that no row of the decisions reaches: a Last-Modified that is still withheld, a state without
//! validators, reasons, and what joins to nothing valid.

use ifmatch_testkit::dates::imf_fixdate;
use ifmatch_testkit::reference::{Request, State, Status, Verdict, judge};

const NOW: i64 = 1_795_348_800;

const ABSENT: State = State::Absent;

fn dated(last_modified: i64) -> State {
    State::Present { etag: Some((false, b"a1".to_vec())), last_modified: Some(last_modified), length: 10 }
}

fn verdict(method: &str, fields: &[(&str, &str)], state: &State) -> Verdict {
    let fields: Vec<(String, Vec<u8>)> =
        fields.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
    judge(&Request { method, fields: &fields }, state, NOW)
}

/// The status, 0 for "performed", and the code.
fn answer(method: &str, fields: &[(&str, &str)], state: &State) -> (u16, &'static str) {
    let verdict = verdict(method, fields, state);
    let status = if let Status::Exact(status) = verdict.status { status } else { 0 };
    (status, verdict.code.unwrap_or("-"))
}

#[test]
fn a_date_that_is_withheld_is_not_known_to_readers() {
    let date = |offset| imf_fixdate(NOW + offset);
    for offset in [-1, 0, 1, 2] {
        assert_eq!(answer("GET", &[("If-Modified-Since", &date(offset))], &dated(NOW + 1)), (200, "-"));
        let fields = [("Range", "bytes=0-4"), ("If-Range", &date(offset))];
        assert_eq!(answer("GET", &fields, &dated(NOW + 1)), (200, "-"));
    }
    // The second it lies in has begun: it is shown.
    assert_eq!(answer("GET", &[("If-Modified-Since", &date(0))], &dated(NOW)), (304, "-"));
    assert_eq!(answer("GET", &[("Range", "bytes=0-4"), ("If-Range", &date(0))], &dated(NOW)), (206, "-"));
}

#[test]
fn a_date_that_is_withheld_protects_nothing() {
    let write = |method: &str, offset, state: &State| {
        answer(method, &[("If-Unmodified-Since", &imf_fixdate(NOW + offset))], state)
    };
    for method in ["PUT", "PATCH", "DELETE"] {
        assert_eq!(write(method, -1, &dated(NOW + 1)), (412, "stale_version"));
        assert_eq!(write(method, 0, &dated(NOW + 1)), (412, "stale_version"), "false for certain");
        assert_eq!(write(method, 1, &dated(NOW + 1)), (428, "not_a_version"), "equal, but nobody can know");
        assert_eq!(write(method, 2, &dated(NOW + 1)), (428, "not_a_version"));
        assert_eq!(write(method, 0, &dated(NOW)), (0, "-"));
        assert_eq!(write(method, 1, &ABSENT), (428, "not_a_version"));
    }
    assert_eq!(write("PUT", 0, &ABSENT), (428, "not_a_version"));
    assert_eq!(write("PATCH", 0, &ABSENT), (404, "not_found"));
    assert_eq!(write("DELETE", 0, &ABSENT), (404, "not_found"));
    // Reads, and what is protected otherwise, have the date evaluated as it stands.
    assert_eq!(write("GET", 0, &dated(NOW + 1)), (412, "stale_version"));
    assert_eq!(write("GET", 1, &dated(NOW + 1)), (200, "-"));
    assert_eq!(write("POST", 0, &dated(NOW + 1)), (412, "stale_version"));
    let date = imf_fixdate(NOW + 1);
    let fields = [("If-Unmodified-Since", date.as_str()), ("If-None-Match", "*")];
    assert_eq!(answer("PUT", &fields, &dated(NOW + 1)), (412, "already_exists"));
    assert_eq!(answer("PUT", &fields, &dated(NOW + 2)), (412, "stale_version"));
}

#[test]
fn a_state_without_validators() {
    let bare = State::Present { etag: None, last_modified: None, length: 0 };
    let date = imf_fixdate(NOW - 5);
    assert_eq!(answer("PUT", &[("If-Match", "\"a1\"")], &bare), (412, "stale_version"));
    assert_eq!(answer("PUT", &[("If-Unmodified-Since", &date)], &bare), (428, "not_a_version"));
    assert_eq!(answer("DELETE", &[("If-Unmodified-Since", &date)], &bare), (428, "not_a_version"));
    assert_eq!(answer("GET", &[("If-Match", "*")], &bare), (200, "-"));
    assert_eq!(answer("GET", &[("If-None-Match", "\"a1\"")], &bare), (200, "-"));
    assert_eq!(answer("GET", &[("If-None-Match", "*")], &bare), (304, "-"));
    assert_eq!(answer("GET", &[("Range", "bytes=0-")], &bare), (416, "range_not_satisfiable"));
}

#[test]
fn reasons() {
    let reason = |if_match: &str, state: &State| verdict("PUT", &[("If-Match", if_match)], state).reason;
    let present = dated(NOW - 5);
    assert_eq!(reason("\"a1\"", &ABSENT), Some("gone"));
    assert_eq!(reason("\"a0\"", &present), Some("changed"));
    assert_eq!(reason("W/\"a0\"", &present), Some("weak_validator"));
    assert_eq!(reason("\"a0\", W/\"a1\"", &present), Some("weak_validator"));
    assert_eq!(reason("\"a0\", W/\"a9\"", &present), Some("changed"));
    let weak = State::Present { etag: Some((true, b"a1".to_vec())), last_modified: None, length: 10 };
    assert_eq!(reason("\"a1\"", &weak), Some("weak_validator"));
    let date = imf_fixdate(NOW - 6);
    assert_eq!(verdict("PUT", &[("If-Unmodified-Since", &date)], &present).reason, Some("changed"));
}

#[test]
fn lines_that_only_together_would_be_valid() {
    let present = dated(NOW - 5);
    let split = [("If-Match", "\"a"), ("If-Match", "1\"")];
    assert_eq!(answer("PUT", &split, &present), (400, "malformed_validator"));
    // RFC 9110, Section 5.3 would join these to a date. One line is one date; anything else counts as doubled.
    let date = imf_fixdate(NOW - 5);
    let (day, rest) = date.split_once(", ").expect("a comma");
    let split = [("If-Unmodified-Since", day), ("If-Unmodified-Since", rest)];
    assert_eq!(answer("PUT", &split, &present), (428, "not_a_version"));
    let empty = [("If-Unmodified-Since", date.as_str()), ("If-Unmodified-Since", "")];
    assert_eq!(answer("PUT", &empty, &present), (428, "not_a_version"));
    let star = [("If-None-Match", "*"), ("If-None-Match", "")];
    assert_eq!(answer("PUT", &star, &ABSENT), (400, "malformed_validator"));
}

#[test]
fn methods_we_do_not_know() {
    for method in ["put", "TRACE", "CONNECT", "MKCOL", ""] {
        assert_eq!(answer(method, &[("If-Match", "\"a1\"")], &dated(NOW)), (501, "not_implemented"));
    }
}
