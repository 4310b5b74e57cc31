//! A sample of the matrix: the server says what the second engine says.

use super::{
    Lines, Send, Subject, Wanted, assert_data, content_of, opaque, over_http_1, prepare_all, with_tags,
};
use crate::support::{Server, code, now, tag};
use ifmatch_core::matrix;
use ifmatch_testkit::dates::imf_fixdate;
use ifmatch_testkit::reference::{Request, State, Verdict, judge};

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
