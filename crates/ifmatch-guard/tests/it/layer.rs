//! The layer: what handlers are given, and what they cannot be talked into.

use crate::observing::Tagged;
use crate::support::{Answer, ServiceFn, TestBody, reply, request, text, told};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use ifmatch_core::Expected;
use ifmatch_guard::layer::{Commit, Committed, Grant, IfMatchLayer, guarded};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower_layer::Layer;
use tower_service::Service;

const TAG: [(&str, &str); 1] = [("if-match", "\"a1\"")];

/// Answers with what the request was when it arrived: method, target, override fields, content.
#[derive(Clone, Default)]
struct Mirror(Arc<AtomicUsize>);

impl Mirror {
    async fn reflect(self, request: Request<TestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
        self.0.fetch_add(1, Ordering::SeqCst);
        if let Some(grant) = request.extensions().get::<Grant>() {
            let tag = HeaderValue::from_static("\"a1\"");
            // An append without a condition fits whatever is there.
            let expected = if request.method() == "POST" { Expected::Any } else { Expected::Exactly(tag) };
            assert_eq!(*grant.expected(), expected);
        }
        let (head, body) = request.into_parts();
        let content = body.collect().await.map(|c| c.to_bytes()).unwrap_or_default();
        let overrides = head.headers.keys().filter(|n| n.as_str().starts_with("x-")).count();
        let text = format!("{} {} {overrides} {}", head.method, head.uri, String::from_utf8_lossy(&content));
        let mut response = reply(200);
        *response.body_mut() = Full::from(text);
        Ok(response)
    }
}

async fn reflected(method: &str, uri: &str, fields: &[(&str, &str)], content: &'static str) -> String {
    let mirror = ServiceFn(|request| Mirror::default().reflect(request));
    let mut service = IfMatchLayer::new(Tagged).layer(mirror);
    let response = service.call(request(method, uri, fields, text(content))).await.unwrap();
    String::from_utf8(Answer::of(response).await.content.to_vec()).unwrap()
}

#[tokio::test]
async fn the_service_gets_the_request_that_was_judged() {
    assert_eq!(reflected("PUT", "/a?b=%61", &TAG, "new").await, "PUT /a?b=%61 0 new");
    // Another spelling would be routed to what was not judged.
    assert_eq!(reflected("PUT", "/x/../%61?q", &TAG, "new").await, "PUT /a?q 0 new");
    assert_eq!(reflected("GET", "http://a/./b", &[], "").await, "GET http://a/b 0 ");
    // Another method as well.
    let fields = [("x-http-method-override", "PUT"), ("x-method-override", "PUT"), ("x-http-method", "PUT")];
    assert_eq!(reflected("POST", "/a", &fields, "new").await, "POST /a 0 new");
    // A QUERY without its content would ask for something else.
    assert_eq!(reflected("QUERY", "/a", &[], "select").await, "QUERY /a 0 select");
}

#[tokio::test]
async fn one_layer_around_another_takes_one_turn() {
    let mirror = Mirror::default();
    let calls = Arc::clone(&mirror.0);
    let layer = IfMatchLayer::new(Tagged);
    let inner = layer.layer(ServiceFn(move |request| mirror.clone().reflect(request)));
    let mut both = layer.layer(ServiceFn(move |request| inner.clone().call(request)));
    let response = both.call(request("PUT", "/a", &TAG, text("new"))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

async fn commits(
    request: Request<TestBody>,
    commit: Commit,
) -> Result<Committed<Response<Full<Bytes>>>, Infallible> {
    let expected = Expected::Exactly(HeaderValue::from_static("\"a1\""));
    assert_eq!(commit.expected(), expected);
    assert_eq!(request.uri().path(), "/a");
    Ok(commit.done(reply(204)))
}

#[tokio::test]
async fn a_guarded_handler_is_given_the_right_to_write() {
    let mut service = IfMatchLayer::new(Tagged).layer(guarded(commits));
    let response = service.call(request("PUT", "/a", &TAG, text("new"))).await.unwrap();
    assert_eq!(response.status(), 204);
    let stale = service.call(request("PUT", "/a", &[("if-match", "\"a0\"")], text("new"))).await.unwrap();
    assert_eq!(stale.status(), 412);
}

#[tokio::test]
async fn without_the_layer_it_does_nothing_and_says_so() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let mut bare = guarded(move |request: Request<TestBody>, commit: Commit| {
        counted.fetch_add(1, Ordering::SeqCst);
        commits(request, commit)
    });
    let answer = Answer::of(bare.call(request("PUT", "/a", &TAG, text("new"))).await.unwrap()).await;
    assert_eq!(told(&answer), (503, "validator_unavailable".to_owned()));
    assert_eq!(answer.problem().unwrap()["applied"], false);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}
