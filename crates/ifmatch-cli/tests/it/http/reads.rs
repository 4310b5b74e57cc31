//! GET and HEAD.

use crate::support::{Fields, Http2, NONE, Server, ask, assert_refused, date, lines, until};

const TEXT: &[u8] = b"0123456789";

/// A server with a resource whose date is told already; its tag.
fn dated(target: &str) -> (Server, String) {
    let server = Server::start();
    let tag = server.create(target, TEXT);
    until("Last-Modified", || server.get(target).value("last-modified").map(drop));
    (server, tag)
}

#[test]
fn head_equals_get_without_content() {
    let (server, tag) = dated("/a");
    let mut connection = server.connect();
    let get = ask(&mut connection, "GET", "/a", NONE, None).unwrap();
    let head = ask(&mut connection, "HEAD", "/a", NONE, None).unwrap();
    let undated = |response: &ifmatch_testkit::raw::Response| {
        let mut fields = response.fields.clone();
        fields.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        fields.sort();
        fields
    };
    assert_eq!((get.status, head.status), (200, 200));
    assert_eq!(undated(&get), undated(&head));
    assert_eq!(head.value("content-length"), Some("10"));
    assert_eq!((head.value("etag"), head.content.len()), (Some(tag.as_str()), 0));
    assert!(get.value("last-modified").is_some() && get.value("accept-ranges") == Some("bytes"));
    assert_eq!(get.value("cache-control"), Some("no-cache"));
    assert_eq!(get.value("x-content-type-options"), Some("nosniff"));
    let policy = get.value("precondition-policy").unwrap();
    assert!(policy.contains("mode=enforce") && policy.contains("\"if-match\""), "{policy}");
    // The same where it is refused.
    let (get, head) = (server.get("/none"), server.request("HEAD", "/none", NONE, None));
    assert_refused(&get, 404, "not_found");
    assert_eq!((head.status, head.content.len()), (404, 0));
    assert_eq!(head.value("content-type"), Some("application/problem+json"));
    // And for a collection.
    let get = ask(&mut connection, "GET", "/", NONE, None).unwrap();
    let head = ask(&mut connection, "HEAD", "/", NONE, None).unwrap();
    assert_eq!(undated(&get), undated(&head));
}

/// A transport of HTTP/2 would send whatever content it is given.
#[test]
fn head_has_no_content_over_http_2_either() {
    let server = Server::start();
    server.create("/a", TEXT);
    let mut client = Http2::connect(server.address());
    let page = "/.well-known/ifmatch/problems/stale-version";
    let asked: [(&str, Fields<'_>, u16); 6] = [
        ("/a", &[], 200),
        ("/a", &[("if-match", "\"x\"")], 412),
        ("/a", &[("if-match", "x")], 400),
        ("/none", &[], 404),
        ("/", &[], 200),
        (page, &[], 200),
    ];
    for (target, fields, status) in asked {
        let get = client.request("GET", target, &lines(fields), None);
        let head = client.request("HEAD", target, &lines(fields), None);
        assert_eq!((get.status, head.status, head.content.len()), (status, status, 0), "{target} {fields:?}");
        assert_eq!(head.value("content-type"), get.value("content-type"), "{target} {fields:?}");
        assert_eq!(head.value("content-length"), Some(get.content.len().to_string().as_str()));
    }
}

#[test]
fn last_modified_is_never_later_than_date() {
    let server = Server::start();
    let mut tag = server.create("/a", TEXT);
    // A write a second would drive the date ahead; it is withheld until it has begun.
    for round in 0..30 {
        tag = server.replace("/a", &tag, format!("{round}").as_bytes());
        let response = server.get("/a");
        if let Some(modified) = date(&response, "last-modified") {
            assert!(modified <= date(&response, "date").unwrap(), "{response:?}");
        }
    }
}

#[test]
fn parts() {
    let (server, tag) = dated("/a");
    let range = |range: &str, more: &[(&str, &str)]| {
        let fields: Vec<_> = [("Range", range)].into_iter().chain(more.iter().copied()).collect();
        server.request("GET", "/a", &fields, None)
    };
    for (asked, part, told) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
        ("bytes=0-99999999999999999999", "0123456789", "bytes 0-9/10"),
        ("bytes=0-0", "0", "bytes 0-0/10"),
    ] {
        let response = range(asked, &[]);
        assert_eq!((response.status, response.text().as_str()), (206, part), "{asked}");
        assert_eq!(response.value("content-range"), Some(told), "{asked}");
        assert_eq!(response.value("etag"), Some(tag.as_str()));
        assert!(response.value("last-modified").is_some() && response.value("cache-control").is_some());
    }
    for beyond in ["bytes=10-", "bytes=99-100"] {
        let response = range(beyond, &[]);
        assert_refused(&response, 416, "range_not_satisfiable");
        assert_eq!(response.value("content-range"), Some("bytes */10"), "{beyond}");
    }
    for ignored in ["lines=0-4", "bytes=4-2", "bytes=a-b", "bytes="] {
        let response = range(ignored, &[]);
        assert_eq!((response.status, response.content.as_slice()), (200, TEXT), "{ignored}");
    }
    let modified = server.get("/a").value("last-modified").unwrap().to_owned();
    for (if_range, status) in [(tag.as_str(), 206), (&modified, 206), ("\"other\"", 200), ("W/\"x\"", 200)] {
        let response = range("bytes=2-4", &[("If-Range", if_range)]);
        assert_eq!(response.status, status, "{if_range}");
        assert_eq!(response.content.len(), if status == 206 { 3 } else { 10 });
    }
    let response = range("bytes=99-", &[("If-Range", "\"other\"")]);
    assert_eq!((response.status, response.content.as_slice()), (200, TEXT), "no 416 for what changed");
}

#[test]
fn not_modified_tells_what_a_cache_needs_and_no_more() {
    let (server, tag) = dated("/a");
    let modified = server.get("/a").value("last-modified").unwrap().to_owned();
    let weak = format!("W/{tag}");
    for field in [
        ("If-None-Match", tag.as_str()),
        ("If-None-Match", &weak),
        ("If-None-Match", "*"),
        ("If-Modified-Since", &modified),
    ] {
        for method in ["GET", "HEAD"] {
            let response = server.request(method, "/a", &[field], None);
            assert_eq!((response.status, response.content.len()), (304, 0), "{method} {field:?}");
            assert_eq!(response.value("etag"), Some(tag.as_str()), "as 200 shows it, not as it was sent");
            assert_eq!(response.value("cache-control"), Some("no-cache"));
            assert!(response.value("date").is_some());
            for absent in ["content-type", "content-length", "content-encoding", "transfer-encoding"] {
                assert_eq!(response.value(absent), None, "{absent}");
            }
        }
    }
    // The connection goes on after it.
    let mut connection = server.connect();
    for _ in 0..3 {
        let response = ask(&mut connection, "GET", "/a", &[("If-None-Match", &tag)], None).unwrap();
        assert_eq!(response.status, 304);
    }
    assert_eq!(ask(&mut connection, "GET", "/a", NONE, None).unwrap().content, TEXT);
}

#[test]
fn a_read_with_a_condition_that_fails_sends_nothing() {
    let (server, tag) = dated("/a");
    let body =
        assert_refused(&server.request("GET", "/a", &[("If-Match", "\"x\"")], None), 412, "stale_version");
    assert_eq!(body["current_etag"], tag.as_str());
    let malformed = server.request("GET", "/a", &[("If-Match", "x")], None);
    assert_refused(&malformed, 400, "malformed_validator");
}

#[test]
fn a_query_on_a_read_is_no_part_of_the_name() {
    let (server, tag) = dated("/a");
    let response = server.get("/a?x=1&y=/../b");
    assert_eq!((response.status, response.value("etag")), (200, Some(tag.as_str())));
    server.assert_is("/a", &tag, TEXT);
}
