//! The hand-decided rows, and a sample of the matrix, against the real server: real tags, real dates, real sockets.
//!
//! A row speaks of `"a1"`, the current tag, and `"a0"`, an older one of the same resource. Both are made for each row
//! by two writes, and the row is run once what the second write made has a date that is over, as the rows demand.

use crate::support::{Http2, NONE, Server, ask, code, connect, date, now, tag, until};
use ifmatch_core::matrix;
use ifmatch_testkit::dates::imf_fixdate;
use ifmatch_testkit::decisions::{self, Row};
use ifmatch_testkit::raw::{self, Connection, Response};
use ifmatch_testkit::reference::{Request, State, Verdict, judge};
use std::collections::BTreeMap;
use std::thread;

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

/// Connections that prepare resources at the same time, so that the store can flush for several at once.
const PREPARING: usize = 8;

const OLD: &[u8] = b"the older content";

/// A resource in the state of a row.
#[derive(Debug, Clone)]
struct Subject {
    target: String,
    /// Opaque parts.
    older: String,
    current: String,
    content: Vec<u8>,
    /// Last-Modified, in Unix seconds; of collections and of what is absent: some date that is over.
    modified: i64,
    is_present: bool,
}

/// What a row needs.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Document { length: u64, is_json: bool },
    Deleted,
    Collection,
}

fn opaque(tag: &str) -> String {
    tag.trim_matches('"').to_owned()
}

/// Two writes, so that there are two tags.
fn prepare(connection: &mut Connection, target: &str, wanted: Wanted) -> Subject {
    let mut put = |target: &str, field: (&str, &str), content: &[u8]| {
        let response = ask(connection, "PUT", target, &[field], Some(content)).unwrap();
        assert!(matches!(response.status, 201 | 204), "{}", response.text());
        tag(&response)
    };
    let content = match wanted {
        Wanted::Document { length, is_json: false } => vec![b'c'; usize::try_from(length).unwrap()],
        Wanted::Document { is_json: true, .. } => br#"{"a":"is stored"}"#.to_vec(),
        Wanted::Deleted | Wanted::Collection => b"content".to_vec(),
    };
    let (older, current) = if let Wanted::Collection = wanted {
        put(&format!("{target}1"), ("If-None-Match", "*"), OLD);
        let older = tag(&ask(connection, "GET", target, NONE, None).unwrap());
        let response =
            ask(connection, "PUT", &format!("{target}2"), &[("If-None-Match", "*")], Some(&content)).unwrap();
        assert_eq!(response.status, 201);
        (older, tag(&ask(connection, "GET", target, NONE, None).unwrap()))
    } else {
        let older = put(target, ("If-None-Match", "*"), OLD);
        let current = put(target, ("If-Match", &older), &content);
        (older, current)
    };
    let is_present = !matches!(wanted, Wanted::Deleted);
    if !is_present {
        assert_eq!(ask(connection, "DELETE", target, &[("If-Match", &current)], None).unwrap().status, 204);
    }
    let (older, current) = (opaque(&older), opaque(&current));
    assert_ne!(older, current);
    Subject { target: target.to_owned(), older, current, content, modified: 0, is_present }
}

/// Prepares many, and waits until each has a date that was over a second ago.
fn prepare_all(server: &Server, wanted: &[(String, Wanted)]) -> Vec<Subject> {
    let part = wanted.len().div_ceil(PREPARING).max(1);
    let address = server.address();
    let mut subjects: Vec<Subject> = thread::scope(|scope| {
        let parts = wanted.chunks(part).map(|part| {
            scope.spawn(move || {
                let mut connection = connect(address);
                part.iter()
                    .map(|(target, wanted)| prepare(&mut connection, target, *wanted))
                    .collect::<Vec<_>>()
            })
        });
        let parts: Vec<_> = parts.collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    let mut connection = server.connect();
    let mut latest = 0;
    for subject in subjects.iter_mut().filter(|s| s.is_present && !s.target.ends_with('/')) {
        subject.modified = until("Last-Modified", || {
            date(&ask(&mut connection, "GET", &subject.target, NONE, None).unwrap(), "last-modified")
        });
        latest = latest.max(subject.modified);
    }
    let latest = if latest == 0 { now() } else { latest };
    until("a second after the latest date", || (now() >= latest + 2).then_some(()));
    for subject in subjects.iter_mut().filter(|s| s.modified == 0) {
        subject.modified = latest;
    }
    subjects
}

/// Puts real tags in the place of symbolic ones.
fn with_tags(fields: &[(String, Vec<u8>)], subject: &Subject) -> Lines {
    let unknown = format!("{}-999999999", subject.current.split('-').next().unwrap());
    let replaced = |value: &Vec<u8>| match std::str::from_utf8(value) {
        Ok(text) => text
            .replace("a1", &subject.current)
            .replace("a0", &subject.older)
            .replace("A1", &subject.current.to_uppercase())
            .replace("a9", &unknown)
            .into_bytes(),
        Err(_) => value.clone(),
    };
    fields.iter().map(|(name, value)| (name.clone(), replaced(value))).collect()
}

/// What a method carries.
fn content_of(method: &str) -> Option<&'static [u8]> {
    match method {
        "PUT" => Some(b"the new content"),
        "PATCH" => Some(br#"{"b":"is new"}"#),
        "POST" => Some(b"a new member"),
        _ => None,
    }
}

/// Field lines of a request.
type Lines = Vec<(String, Vec<u8>)>;

/// Any way to send a request.
type Send<'a> = dyn FnMut(&str, &str, &[(String, Vec<u8>)], Option<&[u8]>) -> Response + 'a;

/// Over one connection, as long as that is kept.
fn over_http_1(server: &Server) -> Box<Send<'static>> {
    let mut connection = server.connect();
    let address = server.address();
    Box::new(move |method, target, fields, content| {
        connection.send(&raw::request(method, target, fields, content)).unwrap();
        let response = connection.final_response(method).unwrap();
        if response.value("connection") == Some("close") {
            connection = connect(address);
        }
        response
    })
}

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

/// The data is as the answer says: changed as asked for, or not at all.
fn assert_data(send: &mut Send<'_>, method: &str, response: &Response, subject: &Subject, shown: &str) {
    let is_write = matches!(method, "PUT" | "PATCH" | "DELETE" | "POST");
    let is_applied = is_write && response.status < 300;
    let there = send("GET", &subject.target, &[], None);
    match (is_applied, method) {
        (false, _) if !subject.is_present => assert_eq!(there.status, 404, "{shown}"),
        (false, _) => {
            assert_eq!((there.status, opaque(&tag(&there))), (200, subject.current.clone()), "{shown}");
            let is_collection = subject.target.ends_with('/');
            assert!(is_collection || there.content == subject.content, "{shown}: {}", there.text());
        }
        (true, "DELETE") => assert_eq!(there.status, 404, "{shown}"),
        (true, "POST") => {
            assert_ne!(opaque(&tag(&there)), subject.current, "{shown}");
            let member = send("GET", response.value("location").unwrap(), &[], None);
            assert_eq!(Some(member.content.as_slice()), content_of(method), "{shown}");
            assert_eq!(tag(&member), tag(response), "{shown}");
        }
        (true, _) => {
            assert_eq!(there.status, 200, "{shown}");
            assert_eq!(tag(&there), tag(response), "{shown}");
            let new = opaque(&tag(&there));
            assert!(new != subject.current && new != subject.older, "{shown}: a tag was used again");
            let expected: &[u8] =
                if method == "PATCH" { br#"{"a":"is stored","b":"is new"}"# } else { b"the new content" };
            assert_eq!(there.text(), String::from_utf8_lossy(expected), "{shown}");
        }
    }
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

/// Every so many rows of the matrix.
const EVERY: usize = 211;
/// And of those whose write is performed, which are few, every so many.
const EVERY_PERFORMED: usize = 23;
/// Writes of the sample that replace or delete; each needs a resource of its own.
const PERFORMED_MAX: usize = 80;

/// The matrix's own dates, as the second engine and the server are to see them.
fn with_dates(fields: &[(&'static str, String)], modified: i64) -> Lines {
    let moved = |value: &str| {
        for offset in [-1, 0, 1] {
            if value == matrix::T.plus_seconds(offset).to_string() {
                return imf_fixdate(modified + offset);
            }
        }
        // The second in which the matrix is judged, and the next: here both are in the future.
        for offset in [10, 11] {
            if value == matrix::T.plus_seconds(offset).to_string() {
                return imf_fixdate(modified + 86_400);
            }
        }
        value.to_owned()
    };
    fields.iter().map(|(name, value)| ((*name).to_owned(), moved(value).into_bytes())).collect()
}

/// A row of the matrix as it is sent to a subject, and what the second engine says to it now.
fn judged(case: &matrix::Case, subject: &Subject) -> (Lines, Verdict) {
    let mut fields = with_tags(&with_dates(&case.fields, subject.modified), subject);
    let state = if subject.is_present {
        State::Present {
            etag: Some((false, subject.current.clone().into_bytes())),
            last_modified: (case.method != "POST").then_some(subject.modified),
            length: subject.content.len() as u64,
        }
    } else {
        State::Absent
    };
    let verdict = judge(&Request { method: case.method, fields: &fields }, &state, now());
    if case.method == "PATCH" {
        fields.push(("Content-Type".into(), b"application/merge-patch+json".to_vec()));
    }
    (fields, verdict)
}

/// Whether a resource of the store can be in the state: a document has a date, a collection has none.
fn is_reachable(case: &matrix::Case) -> bool {
    let states: &[&str] = match case.method {
        "POST" => &["\"a1\", no date"],
        _ => &["absent", "\"a1\", modified T"],
    };
    states.contains(&case.state.name)
}

fn is_performed(case: &matrix::Case) -> bool {
    matches!(case.method, "PUT" | "PATCH" | "DELETE") && matches!(case.decide().status, None | Some(201))
}

/// The resources of the sample.
struct Subjects {
    /// For what changes nothing.
    document: Subject,
    deleted: Subject,
    collection: Subject,
    /// For what replaces or deletes, one each.
    own: std::vec::IntoIter<Subject>,
    created: usize,
}

impl Subjects {
    fn prepare(server: &Server) -> Self {
        let document = Wanted::Document { length: 10, is_json: true };
        let mut needed = vec![
            ("/m/shared".to_owned(), document),
            ("/m/deleted".to_owned(), Wanted::Deleted),
            ("/m/shared/".to_owned(), Wanted::Collection),
        ];
        needed.extend((0..PERFORMED_MAX).map(|index| (format!("/m/own/{index}"), document)));
        let mut all = prepare_all(server, &needed).into_iter();
        let (document, deleted, collection) = (all.next().unwrap(), all.next().unwrap(), all.next().unwrap());
        Self { document, deleted, collection, own: all, created: 0 }
    }

    /// One in the state of the row; `None` when no more can be changed.
    fn of(&mut self, case: &matrix::Case, send: &mut Send<'_>) -> Option<Subject> {
        let is_performed = is_performed(case);
        match (case.state.present, case.method) {
            (None, _) if is_performed => {
                self.created += 1;
                let target = format!("/m/new/{}", self.created);
                Some(Subject { target, ..self.deleted.clone() })
            }
            (None, _) => Some(self.deleted.clone()),
            (Some(_), "POST") => {
                // Every append changes the tag of the collection.
                let current = opaque(&tag(&send("GET", &self.collection.target, &[], None)));
                Some(Subject { current, ..self.collection.clone() })
            }
            (Some(_), _) if is_performed => self.own.next(),
            (Some(_), _) => Some(self.document.clone()),
        }
    }
}

/// A sample of the matrix: the server says what the second engine says.
#[test]
fn a_sample_of_the_matrix() {
    let server = Server::start();
    let mut subjects = Subjects::prepare(&server);
    let mut send = over_http_1(&server);
    let some = matrix::cases().filter(is_reachable).step_by(EVERY);
    let performed = matrix::cases().filter(is_reachable).filter(is_performed).step_by(EVERY_PERFORMED);
    let (mut count, mut changed) = (0, 0);
    for case in some.chain(performed) {
        let Some(subject) = subjects.of(&case, &mut *send) else { continue };
        let (fields, verdict) = judged(&case, &subject);
        let response = send(case.method, &subject.target, &fields, content_of(case.method));
        let shown =
            format!("{} {} {fields:?}: {} {}", case.method, subject.target, response.status, response.text());
        assert!(verdict.status.admits(response.status), "{shown}, not {verdict:?}");
        assert_eq!(code(&response).as_deref(), verdict.code, "{shown}");
        assert_data(&mut *send, case.method, &response, &subject, &shown);
        count += 1;
        changed += usize::from(is_performed(&case));
    }
    assert!(count > 500 && changed > 50, "{count} rows, {changed} of them performed");
}
