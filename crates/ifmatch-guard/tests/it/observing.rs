//! Whoever watches is told of every request once, with how it ended.

use crate::support::{Answer, Fixed, Log, ServiceFn, TestBody, reply, request, text, told};
use http::{HeaderValue, Request};
use ifmatch_core::{Refusal, Target};
use ifmatch_guard::layer::{Grant, IfMatchLayer, Validators};
use ifmatch_guard::{Limits, OwnedState, Pipeline, Serialized, TurnLimits};
use serde_json::Value;
use std::sync::Arc;
use tower_layer::Layer;
use tower_service::Service;

#[tokio::test]
async fn one_decision_for_each_request() {
    let log = Arc::new(Log::default());
    let authority = Serialized::new(Fixed::tagged(), TurnLimits::default());
    let limits = Limits { content_bytes_max: 5, ..Limits::default() };
    let pipeline = Pipeline::new(authority, Arc::clone(&log), limits);
    let tag = ("if-match", "\"a1\"");
    for (method, uri, fields, content) in [
        ("GET", "/a", vec![], ""),
        ("GET", "/a", vec![("if-none-match", "\"a1\"")], ""),
        ("GET", "/a", vec![("if-match", "\"a0\"")], ""),
        ("PUT", "/./b", vec![tag], "x"),
        ("PUT", "/a", vec![], "x"),
        ("PUT", "/a", vec![("if-match", "\"a0\"")], "x"),
        ("PUT", "/a", vec![tag], "too much"),
        ("PUT", "/a//b", vec![tag], "x"),
        ("PURGE", "/a", vec![tag], ""),
        ("OPTIONS", "*", vec![], ""),
    ] {
        pipeline.handle(request(method, uri, &fields, text(content))).await.unwrap();
    }
    let expected = [
        "GET /a read 200",
        "GET /a read 304",
        "GET /a stale_version 412",
        "PUT /b applied 204",
        "PUT /a precondition_required 428",
        "PUT /a stale_version 412",
        "PUT /a content_too_large 413",
        "PUT /a//b bad_request 400",
        "PURGE /a not_implemented 501",
        "OPTIONS / read 204",
    ];
    assert_eq!(log.lines(), expected);
}

pub(crate) struct Tagged;

impl Validators for Tagged {
    async fn current(&self, _: &Target) -> Result<OwnedState, Refusal> {
        Ok(OwnedState::Present { etag: Some(HeaderValue::from_static("\"a1\"")), last_modified: None })
    }
}

/// A failure that knows nothing of HTTP and cannot be cloned, shown or turned into anything.
struct Failure;

#[tokio::test]
async fn a_failing_service_is_told_of_and_its_error_is_its_own() {
    let log = Arc::new(Log::default());
    let failing = ServiceFn(|_: Request<TestBody>| async { Err::<http::Response<TestBody>, _>(Failure) });
    let mut service = IfMatchLayer::new(Tagged).observe(Arc::clone(&log)).layer(failing);
    let tag = [("if-match", "\"a1\"")];
    for method in ["GET", "PUT"] {
        let failed: Result<_, Failure> = service.call(request(method, "/a", &tag, text(""))).await;
        assert!(matches!(failed, Err(Failure)));
    }
    // Of a write that failed nobody knows whether it landed.
    assert_eq!(log.lines(), ["GET /a read 500", "PUT /a unknown 500"]);
}

#[tokio::test]
async fn a_panic_is_an_unknown_outcome_and_the_turn_ends() {
    let log = Arc::new(Log::default());
    let service = ServiceFn(|request: Request<TestBody>| async move {
        request.extensions().get::<Grant>().unwrap().expected();
        assert!(request.uri().path() != "/a", "as the test wants it");
        Ok::<_, Failure>(reply(409))
    });
    let mut service = IfMatchLayer::new(Tagged).observe(Arc::clone(&log)).layer(service);
    let tag = [("if-match", "\"a1\"")];
    for _ in 0..2 {
        let answered = service.call(request("PUT", "/a", &tag, text("x"))).await;
        let answer = Answer::of(answered.ok().unwrap()).await;
        assert_eq!(told(&answer), (504, "outcome_unknown".to_owned()));
        let problem = answer.problem().unwrap();
        assert_eq!(problem["applied"], Value::Null);
        assert_eq!(problem["retry"]["same_request"], false);
    }
    assert!(service.call(request("PUT", "/b", &tag, text("x"))).await.is_ok());
    assert_eq!(log.lines(), ["PUT /a unknown 504", "PUT /a unknown 504", "PUT /b not applied 409"]);
}

/// Only a client error says that nothing was done. What a service that fails had written before is not known.
#[tokio::test]
async fn the_status_of_a_service_says_what_became_of_the_write() {
    let log = Arc::new(Log::default());
    let service = ServiceFn(|request: Request<TestBody>| async move {
        request.extensions().get::<Grant>().unwrap().expected();
        Ok::<_, Failure>(reply(request.uri().path()[1..].parse().unwrap()))
    });
    let mut service = IfMatchLayer::new(Tagged).observe(Arc::clone(&log)).layer(service);
    for status in [200, 303, 307, 409, 500, 503] {
        let write = request("PUT", &format!("/{status}"), &[("if-match", "\"a1\"")], text("x"));
        let answer = Answer::of(service.call(write).await.ok().unwrap()).await;
        assert_eq!(answer.status(), status, "the answer is the service's own");
        assert!(answer.problem().is_none());
    }
    let expected = [
        "PUT /200 applied 200",
        "PUT /303 applied 303",
        "PUT /307 unknown 307",
        "PUT /409 not applied 409",
        "PUT /500 unknown 500",
        "PUT /503 unknown 503",
    ];
    assert_eq!(log.lines(), expected);
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn a_handler_that_ignores_what_it_was_given_is_found_out() {
    let careless = ServiceFn(|_: Request<TestBody>| async { Ok::<_, Failure>(reply(204)) });
    let mut service = IfMatchLayer::new(Tagged).layer(careless);
    let answered = service.call(request("PUT", "/a", &[("if-match", "\"a1\"")], text("x"))).await;
    assert_eq!(told(&Answer::of(answered.ok().unwrap()).await), (504, "outcome_unknown".to_owned()));
    // An append has nothing to compare with.
    let answered = service.call(request("POST", "/a", &[], text("x"))).await;
    assert_eq!(answered.ok().unwrap().status(), 204);
}
