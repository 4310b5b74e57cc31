//! Web pages of other origins.

use crate::support::{Server, assert_refused};
use ifmatch_testkit::raw::Response;

const PAGE: &str = "https://app.example";

fn varies_by_origin(response: &Response) -> bool {
    response.values("vary").iter().any(|line| String::from_utf8_lossy(line).contains("origin"))
}

#[test]
fn a_page_that_is_allowed_can_read_the_tag_whatever_the_status() {
    let server = Server::start_with(&["--cors-origin", PAGE]);
    let from = |origin: &str, method: &str, tag: &str| {
        server.request(method, "/a", &[("Origin", origin), ("If-Match", tag)], None)
    };
    let tag = server.create("/a", b"1");
    for origin in [PAGE, "http://localhost:3000"] {
        for (method, tag, status) in
            [("GET", tag.as_str(), 200), ("PUT", "\"x\"", 412), ("PUT", "x", 400), ("DELETE", "*", 428)]
        {
            let response = from(origin, method, tag);
            assert_eq!(response.status, status);
            assert_eq!(response.value("access-control-allow-origin"), Some(origin), "{status}");
            let exposed = response.value("access-control-expose-headers").unwrap();
            for name in ["ETag", "Location", "Retry-After", "Precondition-Policy"] {
                assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
            }
            assert!(varies_by_origin(&response));
        }
    }
    for origin in ["https://evil.example", "null", "http://app.example", "https://app.example.evil.example"] {
        let response = from(origin, "GET", &tag);
        assert_eq!((response.status, response.value("access-control-allow-origin")), (200, None), "{origin}");
        assert!(varies_by_origin(&response));
    }
    server.assert_is("/a", &tag, b"1");
}

#[test]
fn preflights() {
    let server = Server::start_with(&["--cors-origin", PAGE]);
    let ask = |origin: &str| {
        let fields = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "if-match,content-type"),
        ];
        server.request("OPTIONS", "/a", &fields, None)
    };
    let allowed = ask(PAGE);
    assert_eq!((allowed.status, allowed.value("access-control-allow-origin")), (204, Some(PAGE)));
    let methods = allowed.value("access-control-allow-methods").unwrap();
    let fields = allowed.value("access-control-allow-headers").unwrap();
    assert!(["PUT", "PATCH", "DELETE", "POST"].iter().all(|m| methods.split(", ").any(|n| n == *m)));
    for name in
        ["If-Match", "If-None-Match", "If-Unmodified-Since", "Content-Type", "Idempotency-Key", "Prefer"]
    {
        assert!(fields.split(", ").any(|field| field == name), "{name}: {fields}");
    }
    let refused = ask("https://evil.example");
    assert_eq!((refused.status, refused.value("access-control-allow-origin")), (204, None));
    assert_eq!(refused.value("access-control-allow-methods"), None);
    // A preflight changes nothing, and needs nothing.
    server.assert_absent("/a");
    let response = server.request("PUT", "/a", &[("Origin", PAGE)], Some(b"x"));
    assert_refused(&response, 428, "precondition_required");
}

/// A browser sends a form or a text by POST without a preflight; the page only never sees the answer.
#[test]
fn a_page_that_is_not_allowed_cannot_write() {
    let server = Server::start_with(&["--cors-origin", PAGE]);
    let tag = server.create("/c/1", b"1");
    for origin in ["https://evil.example", "null", "http://evil.example:4428"] {
        let fields = [("Origin", origin), ("Content-Type", "text/plain")];
        let problem = assert_refused(&server.request("POST", "/c/", &fields, Some(b"x")), 403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains(origin));
        let fields = [("Origin", origin), ("If-Match", tag.as_str())];
        assert_refused(&server.request("DELETE", "/c/1", &fields, None), 403, "forbidden");
        let two = [("Origin", PAGE), ("Origin", origin), ("If-Match", tag.as_str())];
        assert_refused(&server.request("DELETE", "/c/1", &two, None), 403, "forbidden");
    }
    server.assert_is("/c/1", &tag, b"1");
    assert_eq!(server.request("POST", "/c/", &[("Origin", PAGE)], Some(b"x")).status, 201);
}
