//! Problem bodies are bounded, well-formed and complete, whatever they are about.

use http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};
use http::{Method, StatusCode};
use ifmatch_core::{About, Code, Policy, Reason, Refusal, problem_body};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use std::time::Duration;

const BODY_BYTES_MAX: usize = 8 << 10;
const REQUIRED: [&str; 11] = [
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "applied",
    "method",
    "target",
    "retry",
    "request_id",
];

fn check(refusal: &Refusal, about: &About<'_>) -> Value {
    let body = problem_body(refusal, about);
    assert!(body.len() <= BODY_BYTES_MAX, "{} bytes: {}", body.len(), String::from_utf8_lossy(&body));
    let value: Value = serde_json::from_slice(&body).unwrap();
    for member in REQUIRED {
        assert!(value.get(member).is_some(), "{member} is missing for {}", refusal.code().name());
    }
    assert_eq!(value["status"], refusal.status().as_u16());
    assert_eq!(value["code"], refusal.code().name());
    assert_eq!(value["applied"], refusal.code().applied().map_or(Value::Null, Value::Bool));
    assert!(value["detail"].as_str().is_some_and(|d| !d.is_empty()));
    value
}

fn everything(code: Code, field: HeaderName, huge: &str) -> Refusal {
    Refusal::new(code)
        .because(Reason::Changed)
        .about(field)
        .current_etag(HeaderValue::from_bytes(huge.as_bytes()).ok())
        .retry_after(Duration::from_millis(1))
}

/// Values that grow when they are written as JSON: quotes, backslashes, and octets that are not UTF-8.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let unit = select(vec![&b"a"[..], b"\"", b"\\", b"\t", b"\xff", "\u{e9}".as_bytes(), b"\"x\", "]);
    (unit, select(vec![0usize, 1, 50, 199, 200, 201, 1000, 70_000]))
        .prop_map(|(unit, times)| unit.repeat(times))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn bodies_are_json_bounded_and_complete(
        code in select(Code::ALL.to_vec()),
        lines in proptest::collection::vec(
            (select(vec![IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE]), values()), 0..6),
        field in select(vec![IF_MATCH, IF_NONE_MATCH]),
        target in prop_oneof!["\\PC{0,40}", "(/|\"|\\\\|\u{1}|\u{1F600}|a){0,3000}", "/[a-z]{1000,2040}"],
        method in prop_oneof![Just("PUT".to_owned()), Just("PATCH".to_owned()), "[A-Z]{1,3000}"],
        own in proptest::option::of(prop_oneof!["\\PC{0,20}", "[\"x]{20000}"]),
        with_policy in any::<bool>(),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
        let refusal = everything(code, field, &"\"".repeat(9000));
        let refusal = match own {
            Some(own) => refusal.detail(own),
            None => refusal,
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let policy = Policy::store(&"r".repeat(9000));
        let policy = with_policy.then_some(&policy);
        check(&refusal, &About { method: &method, target: &target, headers: &headers, policy, request_id: "id" });
    }
}

#[test]
fn a_long_target_is_not_cut_into_another_resource() {
    let (headers, policy) = (HeaderMap::new(), Policy::store("all"));
    let long = format!("/{}", "a".repeat(2000));
    for (target, told) in [("/short", true), (long.as_str(), false)] {
        let about = About {
            method: &Method::PUT,
            target,
            headers: &headers,
            policy: Some(&policy),
            request_id: "id",
        };
        let stale = check(&Refusal::new(Code::StaleVersion), &about);
        let missing = check(&Refusal::new(Code::PreconditionRequired), &about);
        let hrefs = [&stale["retry"]["href"], &missing["required"]["one_of"][0]["value_from"]["href"]];
        for href in hrefs {
            assert_eq!(href.as_str(), told.then_some(target));
        }
    }
}

#[test]
fn what_is_to_be_read_is_named_with_its_query() {
    let (headers, policy) = (HeaderMap::new(), Policy::store("all"));
    let target = "/a?id=1&q=\"<b>\"";
    let about =
        About { method: &Method::PUT, target, headers: &headers, policy: Some(&policy), request_id: "id" };
    for (refusal, href) in [
        (Refusal::new(Code::PreconditionRequired), "/required/one_of/0/value_from/href"),
        (Refusal::new(Code::StaleVersion), "/retry/href"),
    ] {
        let body = check(&refusal, &about);
        assert_eq!(body.pointer(href).unwrap(), target);
        assert_eq!(body["target"], target);
        let steps = body["steps"].as_array().unwrap();
        for step in [&steps[0], &steps[2]] {
            assert!(step.as_str().unwrap().contains(&format!("{target} with")), "{step}");
        }
    }
    let long = format!("/a?{}", "b".repeat(2000));
    let cut = check(&Refusal::new(Code::StaleVersion), &About { target: &long, ..about });
    assert!(cut["steps"][0].as_str().unwrap().contains("b... with"), "{cut}");
    assert_eq!(cut["retry"].get("href"), None);
}

#[test]
fn a_guess_is_given_whole_or_not_at_all() {
    let about = |headers: &HeaderMap| {
        let policy = Policy::store("all");
        let about =
            About { method: &Method::PUT, target: "/a", headers, policy: Some(&policy), request_id: "id" };
        check(&Refusal::new(Code::MalformedValidator).about(IF_MATCH), &about)
    };
    let mut headers = HeaderMap::new();
    headers.insert(IF_MATCH, HeaderValue::from_static("a1"));
    assert_eq!(about(&headers)["did_you_mean"]["If-Match"], "\"a1\"");
    headers.insert(IF_MATCH, HeaderValue::try_from("x".repeat(5000)).unwrap());
    assert_eq!(about(&headers).get("did_you_mean"), None);
}

#[test]
fn every_code_has_a_body_of_its_own_status() {
    let headers = HeaderMap::new();
    for &code in Code::ALL {
        let about = About {
            method: &Method::DELETE,
            target: "/a",
            headers: &headers,
            policy: None,
            request_id: "00000000-0000-7000-8000-000000000000",
        };
        let value = check(&Refusal::new(code), &about);
        assert_eq!(value["title"], code.title());
        let known = value["detail"].as_str().unwrap().ends_with("Nothing was changed.");
        assert_eq!(known, code.applied() == Some(false), "{code:?}");
    }
    let conflict = Refusal::new(Code::StaleVersion).status_code(StatusCode::CONFLICT);
    let about =
        About { method: &Method::PUT, target: "/a", headers: &headers, policy: None, request_id: "id" };
    assert_eq!(check(&conflict, &about)["status"], 409);
}
