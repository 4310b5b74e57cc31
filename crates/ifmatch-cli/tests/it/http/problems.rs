//! What a refusal tells.

use crate::support::{NONE, Server, assert_refused, ifmatch};
use ifmatch_core::{Code, SCHEMA_PREFIX, SCHEMAS};
use serde_json::Value;

#[test]
fn a_missing_condition_is_told_what_to_send() {
    let server = Server::start();
    server.create("/v1/orders/42", b"{}");
    let response = server.request("PUT", "/v1/orders/42", NONE, Some(b"{}"));
    let body = assert_refused(&response, 428, "precondition_required");
    assert_eq!(body["title"], "Precondition Required");
    assert_eq!((&body["method"], &body["target"]), (&"PUT".into(), &"/v1/orders/42".into()));
    let one_of = body["required"]["one_of"].as_array().unwrap();
    assert_eq!(one_of[0]["header"], "If-Match");
    assert_eq!(one_of[0]["value_from"]["href"], "/v1/orders/42");
    assert_eq!(one_of[0]["value_from"]["response_header"], "ETag");
    assert_eq!((&one_of[1]["header"], &one_of[1]["value"]), (&"If-None-Match".into(), &"*".into()));
    assert!(body["received"]["If-Match"].is_null());
    assert_eq!(body["steps"].as_array().unwrap().len(), 4);
    assert_eq!(body["retry"]["same_request"], false);
    assert_eq!(body["policy"]["mode"], "enforce");
    let id = body["request_id"].as_str().unwrap();
    assert_eq!(body["instance"], format!("urn:uuid:{id}").as_str());
    let again = server.request("PUT", "/v1/orders/42", NONE, Some(b"{}"));
    assert_ne!(assert_refused(&again, 428, "precondition_required")["request_id"], id);

    // What it tells works.
    let href = one_of[0]["value_from"]["href"].as_str().unwrap();
    let read = server.request("GET", href, &[("Cache-Control", "no-cache")], None);
    assert_eq!(server.put(href, read.value("etag").unwrap(), b"{\"a\":1}").status, 204);

    // 428 says nothing about whether something is there.
    let mut there =
        assert_refused(&server.request("DELETE", "/v1/x", NONE, None), 428, "precondition_required");
    server.create("/v1/x", b"{}");
    let mut nothing =
        assert_refused(&server.request("DELETE", "/v1/x", NONE, None), 428, "precondition_required");
    for body in [&mut there, &mut nothing] {
        for name in ["instance", "request_id"] {
            body.as_object_mut().unwrap().remove(name);
        }
    }
    assert_eq!(there, nothing);
}

#[test]
fn a_malformed_tag_is_told_what_was_meant() {
    let server = Server::start();
    let tag = server.create("/a", b"1");
    let bare = tag.trim_matches('"');
    for (sent, problem) in [
        (bare.to_owned(), "unquoted"),
        (format!("\\\"{bare}\\\""), "escaped_quotes"),
        ("undefined".to_owned(), "literal_undefined"),
        (format!("*, {tag}"), "star_in_list"),
        ("Sun, 06 Nov 1994 08:49:37 GMT".to_owned(), "date_in_etag"),
    ] {
        let response = server.put("/a", &sent, b"2");
        let body = assert_refused(&response, 400, "malformed_validator");
        assert_eq!(body["problem"], problem, "{sent}: {}", response.text());
        if problem == "unquoted" || problem == "escaped_quotes" {
            assert_eq!(body["did_you_mean"]["If-Match"], tag.as_str());
        }
    }
    server.assert_is("/a", &tag, b"1");
    let meant = assert_refused(&server.put("/a", bare, b"2"), 400, "malformed_validator");
    assert_eq!(server.put("/a", meant["did_you_mean"]["If-Match"].as_str().unwrap(), b"2").status, 204);
}

#[test]
fn every_type_has_a_page() {
    let server = Server::start();
    for code in Code::ALL {
        let path = code.type_path();
        let page = server.get(&path);
        assert_eq!(
            (page.status, page.value("content-type")),
            (200, Some("text/plain; charset=utf-8")),
            "{path}"
        );
        let text = page.text();
        assert!(
            text.contains(code.name()) && text.contains(code.means()) && text.contains(code.todo()),
            "{text}"
        );
        assert_eq!(server.request("HEAD", &path, NONE, None).status, 200);
    }
    assert_refused(&server.get("/.well-known/ifmatch/problems/no-such"), 404, "not_found");
    // And what a problem links to is one of them.
    let refused = server.request("DELETE", "/a", NONE, None);
    let body = assert_refused(&refused, 428, "precondition_required");
    assert_eq!(server.get(body["type"].as_str().unwrap()).status, 200);
}

#[test]
fn every_schema_is_served_under_its_id_and_printed() {
    let server = Server::start();
    for (name, text) in SCHEMAS {
        let path = format!("{SCHEMA_PREFIX}{name}.json");
        let page = server.get(&path);
        assert_eq!(
            (page.status, page.value("content-type")),
            (200, Some("application/schema+json")),
            "{path}"
        );
        assert_eq!(page.text(), text);
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()["$id"], path.as_str());
        let printed = ifmatch(&["schema", &path]).output().unwrap();
        assert_eq!(String::from_utf8(printed.stdout).unwrap(), text);
    }
    assert_refused(&server.get("/.well-known/ifmatch/schema/no-such.json"), 404, "not_found");
}

#[test]
fn a_browser_gets_a_page() {
    let server = Server::start();
    let fields = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let page = server.request("GET", "/<script>alert(1)</script>", &fields, None);
    assert!(matches!(page.status, 400 | 404), "{}", page.text());
    let page = server.request("GET", "/%3Cscript%3Ealert(1)", &fields, None);
    assert_eq!((page.status, page.value("content-type")), (404, Some("text/html; charset=utf-8")));
    assert!(page.text().starts_with("<!doctype html>") && page.text().contains("404 Not Found"));
    let fields = [("Accept", "text/html"), ("If-Match", "<script>alert(1)</script>")];
    let page = server.request("PUT", "/a", &fields, Some(b"x"));
    assert_eq!(page.status, 400);
    assert!(page.text().contains("&lt;script&gt;") && !page.text().contains("<script>"), "{}", page.text());
    assert!(page.values("vary").iter().any(|line| line.eq_ignore_ascii_case(b"accept")));
    // A program that takes both gets JSON.
    let fields = [("Accept", "application/json, text/html;q=0.1")];
    assert_refused(&server.request("PUT", "/a", &fields, Some(b"x")), 428, "precondition_required");
}

#[test]
fn bodies_stay_small_whatever_was_sent() {
    let server = Server::start();
    let long = "x".repeat(20_000);
    let path = format!("/{}", "y".repeat(2000));
    for fields in [
        vec![("If-Match", long.as_str())],
        vec![("If-None-Match", long.as_str()), ("If-Unmodified-Since", long.as_str())],
        vec![("If-Unmodified-Since", long.as_str())],
        vec![("If-Match", "\u{1}")],
    ] {
        let response = server.request("PUT", &path, &fields, Some(b"x"));
        assert!(matches!(response.status, 400 | 428), "{}", response.status);
        if !response.content.is_empty() {
            assert!(response.content.len() <= 8 << 10);
            let body: Value = serde_json::from_slice(&response.content).unwrap();
            assert_eq!((&body["applied"], &body["status"]), (&false.into(), &response.status.into()));
        }
    }
    let quoted = format!("\"{long}\"");
    let body = assert_refused(&server.put(&path, &quoted, b"x"), 412, "stale_version");
    assert_eq!(body["reason"], "gone");
    server.assert_absent(&path);
}
