//! Every row that a resource of the store can be in the state for.

use super::{Send, Subject, Wanted, assert_data, content_of, over_http_1, prepare_all, with_tags};
use crate::support::{Http2, Server, code, now};
use ifmatch_testkit::decisions::{self, Row};
use ifmatch_testkit::reference::State;
use std::collections::BTreeMap;

/// Rows that no resource of the store can be in the state for, and why.
const OUT_OF_REACH: [(&str, &[&str]); 3] = [
    (
        "the store hands out strong tags only",
        &["get-006", "get-015", "get-016", "get-055", "put-007", "put-008"],
    ),
    (
        "the store makes its tags itself, so none has these octets",
        &["get-027", "put-076", "put-077", "put-080", "put-082", "put-085"],
    ),
    ("a collection has no date", &["post-010"]),
];

/// Its date is the second in which it is judged; see [`the_current_second_names_no_state`].
const CURRENT_SECOND: &str = "put-025";

/// Sends the request of a row; the answer must be the row's, and the data what the answer says.
fn run(send: &mut Send<'_>, row: &Row, subject: &Subject) {
    let id = row.id;
    let mut fields = with_tags(&row.fields, subject);
    if row.method == "PATCH" {
        fields.push(("Content-Type".into(), b"application/merge-patch+json".to_vec()));
    }
    let response = send(row.method, &subject.target, &fields, content_of(row.method));
    let code = code(&response);
    let shown = || {
        let fields: Vec<_> =
            fields.iter().map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v))).collect();
        format!(
            "{id} ({}): {} {} {fields:?}: {} {code:?}",
            row.why, row.method, subject.target, response.status
        )
    };
    assert!(row.expect.is_met_by(response.status, code.as_deref()), "{}", shown());
    assert_data(send, row.method, &response, subject, &shown());
}

/// All rows for some `T`; what they need does not depend on it.
fn some_rows() -> Vec<Row> {
    decisions::rows(decisions::T_MIN).unwrap()
}

/// The rows that are run here, the others being accounted for.
fn reachable() -> Vec<Row> {
    let all = some_rows();
    let left_out: Vec<&str> = OUT_OF_REACH.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    assert!(left_out.iter().all(|id| all.iter().any(|row| row.id == *id)), "a row that is not there");
    // Every one of them is out of reach indeed.
    for row in all.iter().filter(|row| left_out.contains(&row.id) && row.method != "POST") {
        let State::Present { etag: Some((is_weak, opaque)), .. } = &row.state else { panic!("{}", row.id) };
        assert!(*is_weak || opaque != b"a1", "{} is within reach", row.id);
    }
    let kept: Vec<_> =
        all.iter().filter(|row| !left_out.contains(&row.id) && row.id != CURRENT_SECOND).cloned().collect();
    assert_eq!(left_out.len(), 13, "each row that is left out has its reason");
    assert_eq!(kept.len() + left_out.len() + 1, all.len());
    kept
}

fn wanted(row: &Row) -> Wanted {
    match &row.state {
        State::Absent => Wanted::Deleted,
        State::Present { .. } if row.method == "POST" => Wanted::Collection,
        // What has no date is a collection.
        State::Present { last_modified: None, .. } => Wanted::Collection,
        State::Present { length, .. } => Wanted::Document { length: *length, is_json: row.method == "PATCH" },
    }
}

fn target(folder: &str, row: &Row) -> String {
    let slash = if matches!(wanted(row), Wanted::Collection) { "/" } else { "" };
    format!("/{folder}/{}{slash}", row.id)
}

/// How long after `T` the resource of the row was modified.
fn offset(row: &Row) -> i64 {
    match row.state {
        State::Present { last_modified: Some(at), .. } => at - decisions::T_MIN,
        _ => 0,
    }
}

/// Runs every reachable row; how many there were.
fn run_all(server: &Server, folder: &str, send: &mut Send<'_>) -> usize {
    let rows = reachable();
    let needed: Vec<_> = rows.iter().map(|row| (target(folder, row), wanted(row))).collect();
    let subjects = prepare_all(server, &needed);
    let mut resolved: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for (row, subject) in rows.iter().zip(&subjects) {
        let t = subject.modified - offset(row);
        let all = resolved.entry(t).or_insert_with(|| decisions::rows(t).unwrap());
        let row = all.iter().find(|other| other.id == row.id).unwrap();
        run(send, row, subject);
        if row.state == State::Absent {
            // The same where there never was anything.
            let target = format!("/{folder}/never/{}", row.id);
            run(send, row, &Subject { target, ..subject.clone() });
        }
    }
    rows.len()
}

#[test]
fn every_row_over_http_1() {
    let server = Server::start();
    let count = run_all(&server, "h1", &mut *over_http_1(&server));
    assert_eq!(count, 282);
}

#[test]
fn every_row_over_http_2() {
    let server = Server::start();
    let mut client = Http2::connect(server.address());
    let count = run_all(&server, "h2", &mut |method, target, fields, content| {
        client.request(method, target, fields, content)
    });
    assert_eq!(count, 282);
}

/// The one row whose date is the second in which it is judged. Whether a request was judged in one second is known when
/// the same second was seen before and after it.
#[test]
fn the_current_second_names_no_state() {
    const TRIES: usize = 20;
    let server = Server::start();
    let needed: Vec<_> = (0..TRIES)
        .map(|index| (format!("/now/{index}"), Wanted::Document { length: 100, is_json: false }))
        .collect();
    let subjects = prepare_all(&server, &needed);
    let mut send = over_http_1(&server);
    for subject in &subjects {
        let second = now();
        let rows = decisions::rows(second - decisions::NOW_AFTER_T_SECONDS).unwrap();
        let row = rows.iter().find(|row| row.id == CURRENT_SECOND).unwrap();
        let fields = with_tags(&row.fields, subject);
        let response = send(row.method, &subject.target, &fields, content_of(row.method));
        if now() == second {
            assert!(row.expect.is_met_by(response.status, code(&response).as_deref()), "{}", response.text());
            assert_data(&mut *send, row.method, &response, subject, row.id);
            return;
        }
    }
    panic!("no request was judged within one second");
}
