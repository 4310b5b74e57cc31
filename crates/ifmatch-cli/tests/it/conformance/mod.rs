//! The hand-decided rows, and a sample of the matrix, against the real server: real tags, real dates, real sockets.
//!
//! A row speaks of `"a1"`, the current tag, and `"a0"`, an older one of the same resource. Both are made for each row
//! by two writes, and the row is run once what the second write made has a date that is over, as the rows demand.

mod matrix;
mod rows;

use crate::support::{NONE, Server, ask, connect, date, now, tag, until};
use ifmatch_testkit::raw::{self, Connection, Response};
use std::thread;

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
