//! One request in the words of both engines.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use ifmatch_core::matrix::{CONTENT_BYTES, Case, Verdict};
use ifmatch_core::{CurrentState, EntityTag, HttpDate, Representation};
use ifmatch_testkit::reference::{self, State, Status};

/// Field lines as both sides of the comparison get them.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// The header section; `None` if HTTP cannot carry it.
pub(crate) fn headers(fields: &Fields) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}

/// The entity-tag of a reference state as it stands in a field.
pub(crate) fn etag_text(state: &State) -> Option<Vec<u8>> {
    let State::Present { etag: Some((weak, opaque)), .. } = state else { return None };
    let mut text = if *weak { b"W/\"".to_vec() } else { b"\"".to_vec() };
    text.extend_from_slice(opaque);
    text.push(b'"');
    Some(text)
}

/// The state for the engine; `tag` from [`etag_text`].
pub(crate) fn current<'t>(state: &State, tag: Option<&'t [u8]>) -> CurrentState<'t> {
    match state {
        State::Absent => CurrentState::Absent,
        State::Present { last_modified, length, .. } => CurrentState::Present(Representation {
            etag: tag.map(|text| EntityTag::parse(text).expect("states have well-formed tags")),
            last_modified: last_modified.map(HttpDate::from_unix),
            content_bytes: Some(*length),
        }),
    }
}

/// A row of the matrix for the reference.
pub(crate) fn from_case(case: &Case) -> (Fields, State) {
    let fields = case.fields.iter().map(|(n, v)| ((*n).to_owned(), v.clone().into_bytes())).collect();
    let state = match case.state.present {
        None => State::Absent,
        Some((etag, last_modified)) => State::Present {
            etag: etag.map(|text| {
                let tag = EntityTag::parse(text.as_bytes()).expect("states have well-formed tags");
                (tag.is_weak(), tag.opaque().to_vec())
            }),
            last_modified: last_modified.map(HttpDate::unix),
            length: CONTENT_BYTES,
        },
    };
    (fields, state)
}

pub(crate) fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("methods of the tests are tokens")
}

/// What the engine says to a request in the words of the reference.
pub(crate) fn decide(name: &str, headers: &HeaderMap, state: &State, now: i64) -> Verdict {
    let tag = etag_text(state);
    let state = current(state, tag.as_deref());
    ifmatch_core::matrix::decide(&method(name), headers, &state, HttpDate::from_unix(now))
}

/// Whether the engines agree: in status and code, and in the reason where both give one.
pub(crate) fn agree(engine: &Verdict, reference: &reference::Verdict) -> bool {
    let statuses = match (engine.status, reference.status) {
        (None, Status::Success) => true,
        (None, Status::Exact(_)) => false,
        (Some(status), promise) => promise.admits(status),
    };
    let reasons = match (engine.reason, reference.reason) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    statuses && engine.code == reference.code && reasons
}

/// The status to hold against a hand-decided row, where any 2xx stands for "performed".
pub(crate) fn status(verdict: &Verdict) -> u16 {
    verdict.status.unwrap_or(StatusCode::NO_CONTENT.as_u16())
}
