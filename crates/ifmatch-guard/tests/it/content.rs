//! Content is received completely, within bounds, or nothing happens.

use crate::behaviour::pipeline;
use crate::support::{Answer, Sender, TestBody, channel, request, text, told};
use http::{HeaderMap, HeaderValue};
use ifmatch_guard::Limits;
use std::time::Duration;

const TAG: (&str, &str) = ("if-match", "\"a1\"");

fn limits() -> Limits {
    Limits { content_bytes_max: 10, content_bytes_total_max: 15, ..Limits::default() }
}

async fn put(fields: &[(&str, &str)], body: TestBody) -> Answer {
    Answer::of(pipeline(limits()).handle(request("PUT", "/a", fields, body)).await.unwrap()).await
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_refused_before_it_sends_anything() {
    let expect = ("expect", "100-Continue");
    for (fields, status) in [
        (&[expect][..], 428),
        (&[expect, ("if-match", "a1")], 400),
        (&[expect, ("if-match", "\"a0\"")], 412),
        (&[expect, TAG, ("connection", "if-match")], 400),
    ] {
        let (sender, body) = channel();
        assert_eq!(put(fields, body).await.status(), status);
        sender.unread().await;
        assert!(!sender.was_polled(), "{status} came after the content was asked for");
    }
    // A condition that holds so far permits nothing yet: the content is asked for.
    let (sender, body) = channel();
    let fields = [expect, TAG];
    let (answer, ()) = tokio::join!(put(&fields, body), async {
        assert!(sender.data("x").await);
        drop(sender);
    });
    assert_eq!(answer.status(), 204);
}

#[tokio::test]
async fn too_much_content_is_refused() {
    assert_eq!(told(&put(&[TAG], text("01234567890")).await), (413, "content_too_large".to_owned()));
    // Announced, so that not one octet is waited for.
    let (sender, body) = channel();
    assert_eq!(put(&[TAG, ("content-length", "11")], body).await.status(), 413);
    drop(sender);
    // Not announced.
    let (sender, body) = channel();
    let (answer, ()) = tokio::join!(put(&[TAG], body), async {
        assert!(sender.data("012345").await && sender.data("67890").await);
    });
    assert_eq!(answer.status(), 413);
    assert_eq!(put(&[TAG], text("0123456789")).await.status(), 204);
}

#[tokio::test]
async fn content_cut_short_is_never_acted_upon() {
    let incomplete = (400, "invalid_content".to_owned());
    let (sender, body) = channel();
    let (answer, ()) = tokio::join!(put(&[TAG], body), async {
        assert!(sender.data("half").await);
        sender.breaks().await;
    });
    assert_eq!(told(&answer), incomplete);
    for (sent, announced) in [("", "5"), ("half", "5")] {
        let answer = put(&[TAG, ("content-length", announced)], text(sent)).await;
        assert_eq!(told(&answer), incomplete, "{sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn content_that_does_not_come_is_not_waited_for() {
    let (sender, body) = channel();
    let answer = put(&[TAG], body).await;
    assert_eq!(told(&answer), (408, "request_timeout".to_owned()));
    assert_eq!(answer.field("connection"), Some("close"));
    drop(sender);
    // Nor is content that comes a little at a time, for ever.
    let limits = Limits { content_time_max: Duration::from_secs(60), ..limits() };
    let (sender, body) = channel();
    let pipeline = pipeline(limits);
    let answered = pipeline.handle(request("PUT", "/a", &[TAG], body));
    let trickle = async {
        while sender.data("").await {
            tokio::time::advance(Duration::from_secs(10)).await;
        }
    };
    let (answer, ()) = tokio::join!(answered, trickle);
    assert_eq!(answer.unwrap().status(), 408);
}

#[tokio::test]
async fn all_content_together_is_bounded() {
    async fn waits_for_more(sender: &Sender) {
        assert!(sender.data("01234567").await && sender.data("").await && sender.data("").await);
    }
    let pipeline = pipeline(limits());
    let (sender, body) = channel();
    let first = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.handle(request("PUT", "/a", &[TAG], body)).await }
    });
    waits_for_more(&sender).await;
    let second = pipeline.handle(request("PUT", "/b", &[TAG], text("01234567"))).await.unwrap();
    let second = Answer::of(second).await;
    assert_eq!(told(&second), (503, "busy".to_owned()));
    assert_eq!(second.field("retry-after"), Some("1"));
    drop(sender);
    assert_eq!(first.await.unwrap().unwrap().status(), 204);
    let third = pipeline.handle(request("PUT", "/b", &[TAG], text("01234567"))).await.unwrap();
    assert_eq!(third.status(), 204);
}

/// Content in pieces needs room, which counts as held whether it is filled or not.
#[tokio::test]
async fn room_for_content_is_bounded_as_content_is() {
    let room = Limits { content_bytes_total_max: 6 << 10, ..Limits::default() };
    let pipeline = pipeline(room);
    let fields = [TAG, ("content-length", "1000000")];
    let (sender, body) = channel();
    let first = tokio::spawn({
        let (pipeline, request) = (pipeline.clone(), request("PUT", "/a", &fields, body));
        async move { pipeline.handle(request).await }
    });
    assert!(sender.data("x").await && sender.data("x").await && sender.data("x").await);
    let (other, body) = channel();
    let (second, ()) = tokio::join!(pipeline.handle(request("PUT", "/b", &fields, body)), async {
        assert!(other.data("x").await && other.data("x").await);
    });
    assert_eq!(told(&Answer::of(second.unwrap()).await), (503, "busy".to_owned()));
    drop(sender);
    assert_eq!(first.await.unwrap().unwrap().status(), 400);
}

#[tokio::test]
async fn a_condition_in_the_trailers_does_not_count() {
    let mut trailers = HeaderMap::new();
    trailers.insert("if-match", HeaderValue::from_static("\"a1\""));
    let (sender, body) = channel();
    let (answer, ()) = tokio::join!(put(&[], body), async {
        assert!(sender.data("x").await);
        sender.trailers(trailers.clone()).await;
        drop(sender);
    });
    assert_eq!(told(&answer), (428, "precondition_required".to_owned()));
    // Nor does it take one away that holds.
    trailers.insert("if-match", HeaderValue::from_static("\"a0\""));
    let (sender, body) = channel();
    let (answer, ()) = tokio::join!(put(&[TAG], body), async {
        assert!(sender.data("x").await);
        sender.trailers(trailers).await;
        drop(sender);
    });
    assert_eq!(answer.status(), 204);
}
