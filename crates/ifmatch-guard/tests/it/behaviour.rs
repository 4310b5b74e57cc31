//! What the pipeline says from the head, and how it says it.

use crate::support::{Answer, Fixed, TestBody, channel, request, text, told};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::Full;
use ifmatch_core::{About, Code, Refusal};
use ifmatch_guard::{Limits, Pipeline, Serialized, TurnLimits, problem_response};
use std::time::Duration;

pub(crate) type Plain = Pipeline<Serialized<Fixed>>;

pub(crate) fn pipeline(limits: Limits) -> Plain {
    Pipeline::new(Serialized::new(Fixed::tagged(), TurnLimits::default()), (), limits)
}

async fn handle(request: Request<TestBody>) -> Answer {
    Answer::of(pipeline(Limits::default()).handle(request).await.unwrap()).await
}

async fn ask(method: &str, uri: &str, fields: &[(&str, &str)]) -> (u16, String) {
    told(&handle(request(method, uri, fields, text(""))).await)
}

#[tokio::test]
async fn what_is_not_understood_does_not_get_through() {
    let bad = (400, "bad_request".to_owned());
    let unknown = (501, "not_implemented".to_owned());
    assert_eq!(ask("PURGE", "/a", &[("if-match", "\"a1\"")]).await, unknown);
    assert_eq!(ask("put", "/a", &[("if-match", "\"a1\"")]).await, unknown);
    assert_eq!(ask("PUT", "/a", &[("if-match", "\"a1\""), ("connection", "close, If-Match")]).await, bad);
    assert_eq!(ask("PUT", "/a%zz", &[("if-match", "\"a1\"")]).await, bad);
    assert_eq!(ask("PUT", "/a//b", &[("if-match", "\"a1\"")]).await, bad);
    assert_eq!(ask("PUT", "/a", &[("if-match", "\"a1\""), ("host", "b")]).await, bad);
    assert_eq!(ask("PUT", "/a", &[("if-match", "\"a1\"")]).await, (204, String::new()));
}

#[tokio::test]
async fn a_request_that_cannot_be_trusted_ends_its_connection() {
    let answer = handle(request("GET", "/a//b", &[], text(""))).await;
    assert_eq!(answer.field("connection"), Some("close"));
    let mut second = Request::new(text(""));
    *second.uri_mut() = "http://a/a//b".parse().unwrap();
    *second.version_mut() = Version::HTTP_2;
    assert_eq!(handle(second).await.field("connection"), None);
    let missing = handle(request("PUT", "/a", &[], text(""))).await;
    assert_eq!((missing.status(), missing.field("connection")), (428, None));
}

#[tokio::test]
async fn the_server_itself_is_asked_for_its_options() {
    let answer = handle(request("OPTIONS", "*", &[], text(""))).await;
    assert_eq!(answer.status(), 204);
    assert!(answer.field("allow").unwrap().contains("PATCH"));
}

#[tokio::test]
async fn a_head_shows_what_a_get_shows() {
    for method in ["GET", "HEAD"] {
        let answer = handle(request(method, "/a", &[], text(""))).await;
        assert_eq!((answer.status(), answer.field("etag")), (200, Some("\"a1\"")));
        let answer = handle(request(method, "/a", &[("if-none-match", "W/\"a1\"")], text(""))).await;
        assert_eq!((answer.status(), answer.field("etag")), (304, Some("\"a1\"")));
        assert!(answer.content.is_empty());
    }
}

#[tokio::test]
async fn a_tag_names_a_representation_and_nothing_else() {
    for method in ["QUERY", "PROPFIND", "OPTIONS"] {
        let answer = handle(request(method, "/a", &[], text(""))).await;
        assert_eq!((answer.status(), answer.field("etag")), (200, None), "{method}");
    }
}

#[tokio::test]
async fn a_stale_write_is_told_what_is_there_and_a_missing_condition_is_not() {
    let stale = handle(request("PUT", "/a", &[("if-match", "\"a0\"")], text("x"))).await;
    assert_eq!(told(&stale), (412, "stale_version".to_owned()));
    assert_eq!(stale.field("etag"), Some("\"a1\""));
    assert_eq!(stale.problem().unwrap()["current_etag"], "\"a1\"");
    let missing = handle(request("PUT", "/a", &[], text("x"))).await;
    assert_eq!(told(&missing), (428, "precondition_required".to_owned()));
    assert_eq!(missing.field("etag"), None);
}

#[test]
fn every_problem_can_be_told_and_none_may_be_stored() {
    let mut html = HeaderMap::new();
    html.insert("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8".parse().unwrap());
    let json = HeaderMap::new();
    for (&code, headers) in Code::ALL.iter().flat_map(|code| [(code, &json), (code, &html)]) {
        let about = About { method: &Method::PUT, target: "/<a>", headers, policy: None, request_id: "id" };
        let refusal = Refusal::new(code).retry_after(Duration::from_millis(1500));
        let response: Response<Full<Bytes>> = problem_response(&refusal, &about, Version::HTTP_11);
        let fields = response.headers();
        assert_eq!(response.status(), code.status());
        assert_eq!(fields["cache-control"], "no-store", "{code:?}");
        assert_eq!(fields["retry-after"], "2");
        assert!(fields["link"].to_str().unwrap().contains(&code.type_path()));
        let kind = fields["content-type"].to_str().unwrap();
        assert_eq!(kind.starts_with("text/html"), std::ptr::eq(headers, &raw const html), "{kind}");
    }
}

#[tokio::test]
async fn a_page_shows_markup_as_text() {
    let fields = [("accept", "text/html"), ("if-match", "<script>")];
    let answer = handle(request("PUT", "/a?x=1&amp=2", &fields, text(""))).await;
    let page = String::from_utf8(answer.content.to_vec()).unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
    assert!(page.contains("/a?x=1&amp;amp=2") && !page.contains("&amp="), "{page}");
}

#[tokio::test]
async fn content_of_a_refused_request_is_read_and_dropped() {
    let (sender, body) = channel();
    let answer = handle(request("PUT", "/a", &[], body)).await;
    assert_eq!(answer.status(), 428);
    for _ in 0..5 {
        assert!(sender.data("piece").await);
    }
}
