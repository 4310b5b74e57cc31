//! The check: what is there now, read inside the turn, and judged.

use super::*;
use ifmatch_testkit::upstream::{Answer, Cache, Course, Point, Request};

/// The request of the one check that a write makes.
#[track_caller]
fn check(rig: &Rig, fields: &[Field<'_>]) -> (Response, Request) {
    let before = rig.upstream.count("GET");
    let answer = rig.ask("PUT", "/a", fields, "two");
    let mut reads = rig.upstream.requests_to("GET", "/a");
    assert_eq!(reads.len(), before + 1);
    (answer, reads.pop().unwrap())
}

/// A route with credentials of its own for checks.
fn with_service() -> Rig {
    let rig = rigged(|plan| {
        plan.route(|route| route.check_authorization = Some("Bearer service".parse().unwrap()));
    });
    rig.upstream.set("/a", b"secret");
    rig
}

#[test]
fn the_check_reads_with_the_callers_credentials_past_caches_without_coding_and_nothing_of_the_write() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let fields = [
        ("If-Match", tag.as_str()),
        ("Authorization", "Basic eA=="),
        ("Cookie", "a=b"),
        ("X-Tenant", "t"),
        ("Accept-Encoding", "gzip"),
        ("Content-Type", "text/plain"),
        ("Content-Encoding", "identity"),
        ("Prefer", "return=minimal"),
        ("Idempotency-Key", "k"),
        ("Range", "bytes=0-0"),
        ("X-HTTP-Method-Override", "DELETE"),
    ];
    let (answer, sent) = check(&rig, &fields);
    done(&answer);
    for (name, value) in [
        ("authorization", "Basic eA=="),
        ("cookie", "a=b"),
        ("x-tenant", "t"),
        ("host", "localhost"),
        ("cache-control", "no-cache"),
        ("accept-encoding", "identity"),
    ] {
        assert_eq!(sent.value(name), Some(value), "{name}");
    }
    let of_the_write = [
        "if-match",
        "content-type",
        "content-encoding",
        "content-length",
        "prefer",
        "idempotency-key",
        "range",
        "x-http-method-override",
        "transfer-encoding",
    ];
    assert!(sent.names().iter().all(|name| !of_the_write.contains(&name.as_str())), "{:?}", sent.fields);
}

#[test]
fn a_cache_that_listens_is_passed_and_one_that_does_not_is_503() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.habits("/a", Habits { cache: Cache::Honest(5), ..Habits::default() });
    let tag = rig.tag("/a");
    rig.upstream.set("/a", b"theirs");
    stale(&rig.put("/a", &tag, "two"));

    rig.upstream.set("/b", b"one");
    rig.upstream.habits("/b", Habits { cache: Cache::Stubborn(5), ..Habits::default() });
    let tag = rig.tag("/b");
    rig.upstream.set("/b", b"theirs");
    let answer = rig.put("/b", &tag, "two");
    refused(&answer, 503, "validator_unavailable");
    assert!(answer.value("retry-after").is_some());
    assert_eq!((rig.upstream.count("PUT"), rig.upstream.text("/b").unwrap().as_str()), (0, "theirs"));
    // Nor is it believed that nothing is there.
    rig.upstream.next("GET", "/c", Course::status(404).field("Age", "7"));
    refused(&rig.create("/c", "x"), 503, "validator_unavailable");
}

#[test]
fn what_does_not_let_the_caller_look_is_handed_on_and_nothing_is_forwarded() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    for status in [401, 403, 301, 302, 307, 308, 400, 406, 429] {
        let course = Course::status(status)
            .field("WWW-Authenticate", "Basic")
            .field("Location", "/b")
            .field("ETag", "\"theirs\"");
        rig.upstream.next("GET", "/a", course);
        let answer = rig.put("/a", &tag, "two");
        assert_eq!((answer.status, answer.text()), (status, format!("status {status}\n")));
        assert_eq!((answer.value("location"), answer.value("www-authenticate")), (Some("/b"), Some("Basic")));
        assert_eq!(answer.values("etag").len(), 0);
    }
    assert_eq!(rig.upstream.count("PUT"), 0);
    // It changed nothing, and nobody waits for it.
    done(&rig.put("/a", &tag, "two"));
}

#[test]
fn an_upstream_that_cannot_tell_now_is_503_and_the_write_is_not_forwarded() {
    let rig = rigged(|plan| plan.settings.times.check_max = PATIENCE);
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let never = rig.upstream.gate();
    for course in [
        Course::status(500),
        Course::status(502),
        Course::status(503),
        Course::status(408),
        Course::status(304),
        Course::cut_at(Point::Applied),
        Course::cut_at(Point::AnswerHead),
        Course::cut_at(Point::AnswerContent),
        Course::held(Point::Applied, &never),
        Course::held(Point::AnswerContent, &never),
        Course::raw("HTTP/1.1 nonsense\r\n\r\n"),
    ] {
        // Always, because a read that was not answered at all may be asked again.
        rig.upstream.always("GET", "/a", course.clone());
        let answer = rig.put("/a", &tag, "two");
        refused(&answer, 503, "validator_unavailable");
        assert!(answer.value("retry-after").is_some(), "{course:?}");
        rig.upstream.behave();
    }
    assert_eq!(rig.upstream.count("PUT"), 0);
    done(&rig.put("/a", &tag, "two"));
}

#[test]
fn an_upstream_that_never_can_is_503_without_retry_after_and_the_setting_is_named() {
    let rig = enforced();
    for status in [405, 501] {
        rig.upstream.next("GET", "/a", Course::status(status));
        let answer = rig.create("/a", "x");
        refused(&answer, 503, "validator_unavailable");
        assert!(answer.value("retry-after").is_none() && answer.text().contains("gateway-only"));
    }
    assert_eq!(rig.upstream.count("PUT"), 0);
}

#[test]
fn absent_is_404_or_410() {
    let rig = enforced();
    for status in [404, 410] {
        rig.upstream.set("/a", b"one");
        let tag = rig.tag("/a");
        rig.upstream.always("GET", "/a", Course::status(status));
        stale(&rig.put("/a", &tag, "two"));
        for method in ["DELETE", "PATCH"] {
            refused(&rig.ask(method, "/a", &[("If-Match", &tag)], "{}"), 404, "not_found");
        }
        assert_eq!(rig.upstream.count("DELETE") + rig.upstream.count("PATCH"), 0);
        done(&rig.create("/a", "x"));
        rig.upstream.behave();
    }
    refused(&rig.create("/a", "y"), 412, "already_exists");
}

#[test]
fn the_routes_own_credentials_are_used_to_compare_and_never_disclose_anything() {
    let rig = with_service();
    let tag = rig.tag("/a");
    let (answer, sent) = check(&rig, &[("If-Match", &tag), ("Authorization", "mine"), ("Cookie", "mine")]);
    done(&answer);
    assert_eq!((sent.value("authorization"), sent.values("cookie").len()), (Some("Bearer service"), 0));
    let put = rig.upstream.requests().pop().unwrap();
    assert_eq!((put.value("authorization"), put.value("cookie")), (Some("mine"), Some("mine")));
    // Somebody who may not read learns nothing from being refused.
    let current = rig.tag("/a");
    let digest = parts(&current)[2].clone();
    for (method, fields) in [
        ("PUT", &[("If-Match", tag.as_str())][..]),
        ("PUT", &[("If-None-Match", "*")]),
        ("DELETE", &[("If-Match", &tag)]),
        ("PUT", &[("If-Match", &tag), ("Expect", "100-continue"), ("Content-Length", "1")]),
        ("PROPFIND", &[("If-Match", &tag)]),
    ] {
        let answer = rig.ask(method, "/a", fields, if fields.len() > 2 { "" } else { "x" });
        assert_eq!(answer.status, 412, "{method} {fields:?}");
        assert_eq!(answer.values("etag").len(), 0, "{method} {fields:?}");
        assert!(!answer.text().contains(&digest), "{method} {fields:?}");
    }
}

#[test]
fn credentials_of_the_route_that_are_not_accepted_are_the_operators_business() {
    let rig = with_service();
    let tag = rig.tag("/a");
    for status in [401, 403, 407] {
        rig.upstream.next("GET", "/a", Course::status(status));
        let answer = rig.put("/a", &tag, "two");
        refused(&answer, 503, "validator_unavailable");
        assert!(answer.text().contains("check_authorization") && answer.value("retry-after").is_none());
    }
    assert_eq!(rig.upstream.count("PUT"), 0);
}

#[test]
fn what_the_routes_own_credentials_get_to_see_is_never_the_answer() {
    let rig = with_service();
    let tag = rig.tag("/a");
    let secret = Answer::Status(302, vec![("Location".into(), "/secret".into())], b"secret".to_vec());
    rig.upstream.next("GET", "/a", Course::usual().answer(secret));
    let answer = rig.put("/a", &tag, "two");
    assert!(!answer.text().contains("secret") && answer.values("location").is_empty(), "{}", answer.status);
    assert_eq!(rig.upstream.count("PUT"), 0);
}

#[test]
fn count_and_epoch_are_judged_before_the_digest() {
    // The content is as it was; the count is not.
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    done(&rig.put("/a", &tag, "one"));
    stale(&rig.put("/a", &tag, "two"));
    assert_eq!(rig.stats().around.value(), 0, "nobody wrote around the gateway");
}
