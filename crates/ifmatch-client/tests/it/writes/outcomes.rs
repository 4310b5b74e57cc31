//! Applied, refused, or nobody can say.

use super::{Order, order, right, start, write};
use http::Method;
use http::header::HeaderValue;
use ifmatch_client::{Client, Error, IfMatch, Outcome, Write};
use ifmatch_testkit::upstream::{Answer, Course, Scripted};
use serde_json::json;

async fn put(upstream: &Scripted, client: &Client, course: Course) -> Outcome {
    upstream.next("PUT", "/a", course);
    let url = client.url("/a").unwrap();
    let write = Write::new(Method::PUT, url, IfMatch::Absent).unwrap();
    client.write(&write.content(&HeaderValue::from_static("text/plain"), "x")).await.unwrap()
}

fn problem(status: u16, applied: &str) -> Course {
    let content = format!(r#"{{"detail":"Sorry.","code":"outcome_unknown","applied":{applied}}}"#);
    let fields = vec![("Content-Type".to_owned(), "application/problem+json".to_owned())];
    Course::status(status).answer(Answer::Status(status, fields, content.into_bytes()))
}

#[tokio::test]
async fn what_an_answer_says_of_a_write() {
    let (upstream, client) = start(right());
    for status in [200, 201, 204] {
        assert!(
            matches!(put(&upstream, &client, Course::status(status)).await, Outcome::Applied(_)),
            "{status}"
        );
    }
    for status in [301, 303, 308, 400, 401, 404, 409, 412, 423, 428] {
        assert!(
            matches!(put(&upstream, &client, Course::status(status)).await, Outcome::Refused(_)),
            "{status}"
        );
    }
    for status in [202, 500, 502, 503, 504] {
        assert!(
            matches!(put(&upstream, &client, Course::status(status)).await, Outcome::Unknown(_)),
            "{status}"
        );
    }
    assert!(matches!(put(&upstream, &client, problem(503, "false")).await, Outcome::Refused(_)));
    assert!(matches!(put(&upstream, &client, problem(504, "null")).await, Outcome::Unknown(_)));
}

#[tokio::test]
async fn a_write_is_not_redirected() {
    let (upstream, client) = start(right());
    let Outcome::Refused(refusal) = put(&upstream, &client, Course::redirect(307, "/b?token=s")).await else {
        panic!()
    };
    assert_eq!(refusal.location(), Some(format!("{}/b?token=***", upstream.url())));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn refusals_speak() {
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    upstream.next("PUT", "/a", problem(428, "false"));
    let error = client.update("/a", |order: &mut Order| order.count += 1).await.unwrap_err();
    assert_eq!(error.to_string(), "428 Precondition Required: Sorry.");
    assert_eq!(upstream.count("PUT"), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_got_nothing() {
    let (upstream, client) = start(right());
    drop(upstream);
    let error = client.create("/a", &order("open", 1)).await.unwrap_err();
    assert!(matches!(error, Error::Send(_)), "{error}");
    assert!(error.to_string().contains("Nothing was sent"), "{error}");
}
