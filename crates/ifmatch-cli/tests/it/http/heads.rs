//! Methods, targets, hosts: what is decided from the head.

use crate::support::{NONE, Server, assert_refused, tag};

const DOCUMENT: &str = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
const COLLECTION: &str = "GET, HEAD, POST, OPTIONS";

#[test]
fn options_tells_what_is_possible_and_what_it_takes() {
    let server = Server::start();
    // The same whether or not something is there.
    server.create("/a", b"1");
    for target in ["/a", "/none"] {
        let response = server.request("OPTIONS", target, NONE, None);
        assert_eq!((response.status, response.value("allow")), (204, Some(DOCUMENT)));
        let patches = response.value("accept-patch").unwrap();
        assert!(patches.contains("merge-patch+json") && patches.contains("json-patch+json"), "{patches}");
        let policy = response.value("precondition-policy").unwrap();
        assert_eq!(
            policy,
            "mode=enforce, require=(\"if-match\" \"if-none-match\" \"if-unmodified-since\"), route=\"store\""
        );
    }
    let response = server.request("OPTIONS", "/c/", NONE, None);
    assert_eq!((response.status, response.value("allow")), (204, Some(COLLECTION)));
    assert_eq!(response.value("accept-patch"), None);
    let response = server.request("OPTIONS", "*", NONE, None);
    assert_eq!(response.status, 204);
    assert!(response.value("allow").unwrap().contains("PUT"));
}

#[test]
fn methods_that_are_not_supported() {
    let server = Server::start();
    let tag = server.create("/a", b"1");
    let fields = [("If-Match", tag.as_str()), ("Destination", "/b"), ("X-HTTP-Method-Override", "DELETE")];
    for method in ["POST", "MOVE", "COPY", "LOCK", "MKCOL", "PROPPATCH", "PROPFIND", "QUERY", "TRACE"] {
        let response = server.request(method, "/a", &fields, None);
        assert_refused(&response, 405, "method_not_allowed");
        assert_eq!(response.value("allow"), Some(DOCUMENT), "{method}");
    }
    // Method names are case-sensitive, and what is not known cannot be guarded.
    for method in ["put", "Put", "PURGE", "FROB", "DELETE_"] {
        assert_refused(&server.request(method, "/a", &fields, Some(b"x")), 501, "not_implemented");
    }
    for overriding in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let response = server.request("GET", "/a?_method=DELETE", &[(overriding, "DELETE")], None);
        assert_eq!(response.status, 200, "{overriding}");
    }
    server.assert_is("/a", &tag, b"1");
}

#[test]
fn nothing_is_tunnelled() {
    let server = Server::start();
    let response = server.send("CONNECT", b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n");
    assert!(matches!(response.status, 400 | 405), "{} {}", response.status, response.text());
    let fields =
        [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")];
    let response = server.request("GET", "/none", &fields, None);
    assert_refused(&response, 404, "not_found");
    let fields = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("If-None-Match", "*")];
    let response = server.request("PUT", "/a", &fields, Some(b"1"));
    assert_eq!(response.status, 201);
    server.assert_well();
}

#[test]
fn spellings_of_one_path_are_one_resource() {
    let server = Server::start();
    let tag = server.create("/d/caf%C3%A9~x", b"1");
    for spelled in [
        "/d/caf%c3%a9~x",
        "/%64/caf%C3%A9%7ex",
        "/d/./caf%C3%A9~x",
        "/e/../d/caf%C3%A9~x",
        "/../d/caf%C3%A9~x",
    ] {
        let response = server.get(spelled);
        assert_eq!((response.status, response.value("etag")), (200, Some(tag.as_str())), "{spelled}");
        let created = server.request("PUT", spelled, &[("If-None-Match", "*")], Some(b"2"));
        assert_refused(&created, 412, "already_exists");
    }
    // These are others.
    for other in ["/d/caf%C3%A9~X", "/d/cafe~x", "/d%2Fcaf%C3%A9~x", "/D/caf%C3%A9~x"] {
        server.assert_absent(other);
    }
    server.assert_is("/d/caf%C3%A9~x", &tag, b"1");
}

#[test]
fn paths_that_could_mean_two_things_mean_none() {
    let server = Server::start();
    let tag = server.create("/a/b", b"1");
    for (target, reason) in [
        ("/a//b", "empty_segment"),
        ("//a/b", "empty_segment"),
        ("/a/%2e%2e/a/b", "dot_segment"),
        ("/a/%2E/b", "dot_segment"),
        ("/a/%", "path_encoding"),
        ("/a/%zz", "path_encoding"),
        ("/a/%4", "path_encoding"),
        ("/a/%ff", "path_encoding"),
        ("/a/%00", "path_encoding"),
        ("/a/%5Cb", "path_encoding"),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let response = server.request(method, target, &[("If-Match", &tag)], Some(b"2"));
            let body = assert_refused(&response, 400, "bad_request");
            assert_eq!(body["reason"], reason, "{method} {target}");
            assert_eq!(response.value("connection"), Some("close"), "{method} {target}");
        }
    }
    server.assert_is("/a/b", &tag, b"1");
}

#[test]
fn a_write_takes_no_query() {
    let server = Server::start();
    let tag = server.create("/a", b"1");
    for (method, target) in [("PUT", "/a?x=1"), ("DELETE", "/a?"), ("PATCH", "/a?rev=1"), ("POST", "/c/?x")] {
        let fields = [("If-Match", tag.as_str()), ("Content-Type", "application/merge-patch+json")];
        let body = assert_refused(&server.request(method, target, &fields, Some(b"{}")), 400, "bad_request");
        assert_eq!(body["reason"], "query", "{method} {target}");
    }
    server.assert_is("/a", &tag, b"1");
    assert_eq!(server.get("/c/").text(), "[]\n");
}

#[test]
fn the_absolute_form_names_the_same_resource() {
    let server = Server::start();
    let tag = server.create("/a", b"1");
    let response = server.get("http://elsewhere.example/a");
    assert_eq!((response.status, response.value("etag")), (200, Some(tag.as_str())));
    let response = server.request("PUT", "http://localhost/a", NONE, Some(b"2"));
    assert_refused(&response, 428, "precondition_required");
    let response = server.put("http://localhost/a", &tag, b"2");
    assert_eq!(response.status, 204);
    assert_refused(&server.put("http://localhost/a", &tag, b"3"), 412, "stale_version");
    let response = server.put("ftp://localhost/a", &tag, b"3");
    assert_eq!(assert_refused(&response, 400, "bad_request")["reason"], "scheme");
    assert_eq!(server.get("http://localhost").text().lines().count(), 3, "the root");
}

#[test]
fn there_is_one_host() {
    let server = Server::start();
    let tag = server.create("/a", b"1");
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nhost: b\r\n", "Host: a, b\r\n", "Host: u@a\r\n"] {
        let head = format!("PUT /a HTTP/1.1\r\n{hosts}If-Match: {tag}\r\nContent-Length: 1\r\n\r\n2");
        let response = server.send("PUT", head.as_bytes());
        let body = assert_refused(&response, 400, "bad_request");
        assert_eq!(
            (&body["reason"], response.value("connection")),
            (&"host".into(), Some("close")),
            "{hosts:?}"
        );
    }
    server.assert_is("/a", &tag, b"1");
}

#[test]
fn connection_cannot_take_a_condition_away() {
    let server = Server::start();
    let tag = server.create("/a", b"1");
    for named in ["If-Match", "close, if-match", "If-None-Match", "Content-Length", "Host"] {
        let fields = [("If-Match", tag.as_str()), ("Connection", named)];
        let body = assert_refused(&server.request("PUT", "/a", &fields, Some(b"2")), 400, "bad_request");
        assert_eq!(body["reason"], "connection", "{named}");
    }
    server.assert_is("/a", &tag, b"1");
}

#[test]
fn look_alikes_of_a_condition_do_not_count() {
    let server = Server::start();
    let tag = server.create("/a", b"1");
    for name in ["If_Match", "IfMatch", "X-If-Match", "ETag", "If", "If-Range"] {
        let response = server.request("PUT", "/a", &[(name, &tag)], Some(b"2"));
        assert_refused(&response, 428, "precondition_required");
    }
    // Space before the colon: not a field at all (RFC 9112, Section 5.1).
    let head = format!("PUT /a HTTP/1.1\r\nHost: a\r\nIf-Match : {tag}\r\nContent-Length: 1\r\n\r\n2");
    assert_eq!(server.send("PUT", head.as_bytes()).status, 400);
    server.assert_is("/a", &tag, b"1");
}

#[test]
fn our_own_paths_are_no_resources() {
    let server = Server::start();
    for target in
        ["/.well-known/ifmatch/x", "/.well-known/ifmatch/problems/stale-version", "/.well-known/ifmatch/"]
    {
        for method in ["PUT", "POST", "DELETE", "PATCH"] {
            let response = server.request(method, target, &[("If-None-Match", "*")], Some(b"x"));
            assert_refused(&response, 405, "method_not_allowed");
            assert_eq!(response.value("allow"), Some("GET, HEAD"), "{method} {target}");
        }
    }
    // However they are spelled.
    let response =
        server.request("PUT", "/%2Ewell-known/x/../ifmatch/y", &[("If-None-Match", "*")], Some(b"x"));
    assert_refused(&response, 405, "method_not_allowed");
    server.assert_absent("/.well-known/ifmatch/x");
    let other = server.request("PUT", "/.well-known/other", &[("If-None-Match", "*")], Some(b"x"));
    server.assert_is("/.well-known/other", &tag(&other), b"x");
}
