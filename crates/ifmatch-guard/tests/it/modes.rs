//! A mode waives the absence of a condition, never its result; the first two look at none.

use crate::support::{Answer, Fixed, Log, ServiceFn, TestBody, reply, request, text};
use http::{Request, Response};
use http_body_util::Full;
use ifmatch_core::{Code, Expected, Mode, Policy, Refusal, Target};
use ifmatch_guard::layer::{Grant, IfMatchLayer, Validators};
use ifmatch_guard::{Limits, OwnedState, Pipeline, Serialized, TurnLimits};
use std::convert::Infallible;
use std::sync::Arc;
use tower_layer::Layer;
use tower_service::Service;

/// The status of a PUT under a mode, and of one without any condition.
async fn statuses(mode: Mode, tag: &'static str) -> (u16, u16) {
    let policy = Arc::new(Policy { mode, ..Policy::store("modes") });
    let authority = Serialized::new(Fixed { policy, ..Fixed::tagged() }, TurnLimits::default());
    let pipeline = Pipeline::new(authority, (), Limits::default());
    let mut statuses = [0; 2];
    for (status, fields) in statuses.iter_mut().zip([&[("if-match", tag)][..], &[]]) {
        let response = pipeline.handle(request("PUT", "/a", fields, text("x"))).await.unwrap();
        *status = response.status().as_u16();
    }
    (statuses[0], statuses[1])
}

#[tokio::test]
async fn what_each_mode_does() {
    assert_eq!(statuses(Mode::Enforce, "\"a1\"").await, (204, 428));
    assert_eq!(statuses(Mode::Enforce, "\"a0\"").await, (412, 428));
    assert_eq!(statuses(Mode::Warn, "\"a0\"").await, (412, 204));
    assert_eq!(statuses(Mode::Warn, "a1").await, (400, 204));
    for mode in [Mode::Observe, Mode::Off] {
        assert_eq!(statuses(mode, "a1").await, (204, 204));
    }
}

struct Unreadable;

impl Validators for Unreadable {
    async fn current(&self, _: &Target) -> Result<OwnedState, Refusal> {
        Err(Refusal::new(Code::ValidatorUnavailable))
    }
}

#[tokio::test]
async fn observing_refuses_nothing_and_makes_nobody_wait() {
    let service = ServiceFn(|request: Request<TestBody>| async move {
        if let Some(grant) = request.extensions().get::<Grant>() {
            assert_eq!(*grant.expected(), Expected::Any);
        }
        Ok::<Response<Full<bytes::Bytes>>, Infallible>(reply(if request.method() == "DELETE" {
            404
        } else {
            200
        }))
    });
    let log = Arc::new(Log::default());
    let policy = Policy { mode: Mode::Observe, ..Policy::store("observed") };
    let layer = IfMatchLayer::new(Unreadable).policy(policy).observe(Arc::clone(&log));
    // No line at all: whoever stood in one would be refused.
    let mut service =
        layer.limits(Limits::default(), TurnLimits { line_max: 0, ..TurnLimits::default() }).layer(service);
    for method in ["GET", "PUT", "PATCH", "POST", "DELETE"] {
        let answer = Answer::of(service.call(request(method, "/a", &[], text(""))).await.unwrap()).await;
        assert_eq!(answer.problem(), None, "{method}");
    }
    let expected = [
        "GET /a read 200",
        "PUT /a applied 200",
        "PATCH /a applied 200",
        "POST /a applied 200",
        "DELETE /a not applied 404",
    ];
    assert_eq!(log.lines(), expected);
}

#[tokio::test]
async fn enforcing_refuses_what_it_cannot_check() {
    let service = ServiceFn(|_: Request<TestBody>| async {
        Ok::<Response<Full<bytes::Bytes>>, Infallible>(reply(200))
    });
    let mut service = IfMatchLayer::new(Unreadable).layer(service);
    let tag = [("if-match", "\"a1\"")];
    let answer = Answer::of(service.call(request("PUT", "/a", &tag, text("x"))).await.unwrap()).await;
    assert_eq!(answer.code().as_deref(), Some("validator_unavailable"));
}
