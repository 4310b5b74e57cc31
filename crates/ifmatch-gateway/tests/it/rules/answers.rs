//! What is asked, and what is to be seen in answers.

use super::{Field, LONG};
use http::Method;
use ifmatch_testkit::raw::{self, Response};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// Waits for a condition that nobody tells of.
#[track_caller]
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn ask(
    at: SocketAddr,
    method: &str,
    target: &str,
    fields: &[Field<'_>],
    content: &str,
) -> Result<Response, raw::Error> {
    let content = Some(content.as_bytes()).filter(|content| !content.is_empty());
    raw::exchange(at, LONG, (method, target), fields, content)
}

#[track_caller]
pub(super) fn tag_of(response: &Response) -> String {
    response.value("etag").expect("a tag").to_owned()
}

/// The code of a problem of ours; empty for answers of the origin.
pub(super) fn code(response: &Response) -> String {
    let is_problem = response.value("content-type") == Some("application/problem+json");
    let body: Option<serde_json::Value> =
        is_problem.then(|| serde_json::from_slice(&response.content).unwrap());
    body.and_then(|body| Some(body.get("code")?.as_str()?.to_owned())).unwrap_or_default()
}

/// The reason in a problem of ours.
pub(super) fn reason(response: &Response) -> String {
    let body: serde_json::Value = serde_json::from_slice(&response.content).unwrap();
    body.get("reason").and_then(|reason| reason.as_str()).unwrap_or_default().to_owned()
}

#[track_caller]
pub(super) fn refused(response: &Response, status: u16, named: &str) {
    let found = (response.status, code(response));
    assert_eq!(found, (status, named.to_owned()), "{}", response.text());
}

#[track_caller]
pub(super) fn stale(response: &Response) {
    refused(response, 412, "stale_version");
}

#[track_caller]
pub(super) fn done(response: &Response) {
    assert!((200..300).contains(&response.status), "{} {}", response.status, response.text());
}

/// `"epoch-count-digest"`, parted.
pub(super) fn parts(tag: &str) -> Vec<String> {
    tag.trim_matches('"').split('-').map(str::to_owned).collect()
}

pub(super) fn method(name: &str) -> Method {
    name.parse().unwrap()
}
