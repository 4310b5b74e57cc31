//! PUT and DELETE.

use crate::support::{NONE, Server, assert_refused, tag};
use std::collections::HashSet;

#[test]
fn put_creates_and_replaces() {
    let server = Server::start();
    let created = server.request("PUT", "/a", &[("If-None-Match", "*")], Some(b"one"));
    assert_eq!((created.status, created.content.len()), (201, 0));
    let first = tag(&created);
    assert!(first.starts_with('"') && first.ends_with('"'), "a strong tag: {first}");
    server.assert_is("/a", &first, b"one");
    let replaced = server.put("/a", &first, b"two");
    assert_eq!((replaced.status, replaced.content.len()), (204, 0));
    let second = tag(&replaced);
    assert_ne!(first, second);
    server.assert_is("/a", &second, b"two");
    // The first version does not come back, not even with the same content.
    let body = assert_refused(&server.put("/a", &first, b"one"), 412, "stale_version");
    assert_eq!((&body["reason"], &body["current_etag"]), (&"changed".into(), &second.as_str().into()));
    let third = server.replace("/a", &second, b"one");
    assert!(third != first && third != second);
    server.assert_is("/a", &third, b"one");
    // Nor is a repeated creation taken for the first.
    let again = server.request("PUT", "/a", &[("If-None-Match", "*")], Some(b"one"));
    assert_refused(&again, 412, "already_exists");
    server.assert_is("/a", &third, b"one");
}

#[test]
fn the_tag_is_quoted_as_the_current_one_in_a_refusal() {
    let server = Server::start();
    let tag = server.create("/a", b"one");
    let refused = server.put("/a", "\"never\"", b"two");
    assert_refused(&refused, 412, "stale_version");
    assert_eq!(refused.value("etag"), Some(tag.as_str()));
    let required = server.request("PUT", "/a", NONE, Some(b"two"));
    assert_refused(&required, 428, "precondition_required");
    assert_eq!(required.value("etag"), None, "428 invites no blind resend");
    assert!(!required.text().contains(tag.trim_matches('"')));
    server.assert_is("/a", &tag, b"one");
}

#[test]
fn octets_are_kept_as_they_were_sent() {
    let server = Server::start();
    let all: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..1 << 20).map(|i: u32| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for (index, content) in [&all[..], b"", b"\r\n\r\n", b"0\r\n\r\n", &large].into_iter().enumerate() {
        let target = format!("/octets/{index}");
        let first = server.create(&target, content);
        server.assert_is(&target, &first, content);
        let reversed: Vec<u8> = content.iter().rev().copied().collect();
        let second = server.replace(&target, &first, &reversed);
        server.assert_is(&target, &second, &reversed);
        let head = server.request("HEAD", &target, NONE, None);
        assert_eq!(head.value("content-length"), Some(content.len().to_string().as_str()));
    }
    // No content and no Content-Length is empty content.
    let target = "/octets/none";
    let created = server.request("PUT", target, &[("If-None-Match", "*")], None);
    assert_eq!(created.status, 201);
    server.assert_is(target, &tag(&created), b"");
}

#[test]
fn what_describes_the_content_is_kept_with_it() {
    let server = Server::start();
    let described = [
        ("Content-Type", "text/plain; charset=utf-8; x=\"y, z\""),
        ("Content-Encoding", "gzip"),
        ("Content-Language", "mi, en"),
    ];
    let fields: Vec<_> = [("If-None-Match", "*")].into_iter().chain(described).collect();
    let created = server.request("PUT", "/a", &fields, Some(b"\x1f\x8b not really"));
    assert_eq!(created.status, 201);
    for method in ["GET", "HEAD"] {
        // Also for a client that did not ask for a coding: it is what was stored.
        let response = server.request(method, "/a", &[("Accept-Encoding", "identity")], None);
        for (name, value) in described {
            assert_eq!(response.value(name), Some(value), "{method} {name}");
        }
    }
    server.assert_is("/a", &tag(&created), b"\x1f\x8b not really");
    // The same octets of another type are another version.
    let first = tag(&created);
    let fields = [("If-Match", first.as_str()), ("Content-Type", "image/png")];
    let replaced = server.request("PUT", "/a", &fields, Some(b"\x1f\x8b not really"));
    assert_eq!(replaced.status, 204);
    assert_ne!(tag(&replaced), first);
    let response = server.get("/a");
    assert_eq!(response.value("content-type"), Some("image/png"));
    assert_eq!((response.value("content-encoding"), response.value("content-language")), (None, None));
    assert_refused(&server.put("/a", &first, b"x"), 412, "stale_version");
}

#[test]
fn a_tag_is_never_used_again_not_even_after_deletion() {
    let server = Server::start();
    let mut seen = HashSet::new();
    for round in 0..5 {
        let created = server.create("/a", b"the same");
        assert!(seen.insert(created.clone()), "round {round}: {created} again");
        for old in seen.iter().filter(|old| **old != created) {
            assert_refused(&server.put("/a", old, b"x"), 412, "stale_version");
        }
        let replaced = server.replace("/a", &created, b"the same");
        assert!(seen.insert(replaced.clone()), "round {round}: {replaced} again");
        let deleted = server.request("DELETE", "/a", &[("If-Match", &replaced)], None);
        assert_eq!((deleted.status, deleted.value("etag")), (204, None));
        server.assert_absent("/a");
        // A deletion is not undone by an old tag.
        let body = assert_refused(&server.put("/a", &replaced, b"x"), 412, "stale_version");
        assert_eq!(body["reason"], "gone");
        let again = server.request("DELETE", "/a", &[("If-Match", &replaced)], None);
        assert_refused(&again, 404, "not_found");
        server.assert_absent("/a");
    }
}

#[test]
fn a_tag_of_another_resource_is_told_as_such() {
    let server = Server::start();
    let (a, b) = (server.create("/a", b"a"), server.create("/b", b"b"));
    let body = assert_refused(&server.put("/a", &b, b"x"), 412, "stale_version");
    assert_eq!(body["reason"], "wrong_resource");
    server.assert_is("/a", &a, b"a");
    server.assert_is("/b", &b, b"b");
}

#[test]
fn preferences() {
    let server = Server::start();
    let representation = ("Prefer", "return=representation");
    let minimal = ("Prefer", "return=minimal");
    let media = ("Content-Type", "text/plain");
    let created = server.request("PUT", "/a", &[("If-None-Match", "*"), representation, media], Some(b"one"));
    assert_eq!((created.status, created.text().as_str()), (201, "one"));
    assert_eq!(created.value("content-location"), Some("/a"));
    assert_eq!(created.value("preference-applied"), Some("return=representation"));
    assert_eq!(created.value("content-type"), Some("text/plain"));
    let first = tag(&created);
    server.assert_is("/a", &first, b"one");

    let replaced = server.request("PUT", "/a", &[("If-Match", &first), representation], Some(b"two"));
    assert_eq!((replaced.status, replaced.text().as_str()), (200, "two"));
    let second = tag(&replaced);
    server.assert_is("/a", &second, b"two");
    let replaced = server.request("PUT", "/a", &[("If-Match", &second), minimal, media], Some(b"three"));
    assert_eq!((replaced.status, replaced.content.len()), (204, 0));
    assert_eq!(replaced.value("preference-applied"), Some("return=minimal"));
    let third = tag(&replaced);

    // On a refusal: what is there now, with its tag, so that a client can merge at once.
    for fields in [[("If-Match", first.as_str()), representation], [("If-None-Match", "*"), representation]] {
        let refused = server.request("PUT", "/a", &fields, Some(b"four"));
        assert_eq!((refused.status, refused.text().as_str()), (412, "three"));
        assert_eq!(refused.value("etag"), Some(third.as_str()));
        assert_eq!(refused.value("content-location"), Some("/a"));
        assert_eq!(refused.value("content-type"), Some("text/plain"));
        assert_eq!(refused.value("preference-applied"), Some("return=representation"));
        assert_eq!(refused.value("cache-control"), Some("no-store"));
    }
    let refused = server.request("PUT", "/a", &[("If-Match", &first), minimal], Some(b"four"));
    assert_refused(&refused, 412, "stale_version");
    let refused = server.request("PUT", "/a", &[representation], Some(b"four"));
    assert_refused(&refused, 428, "precondition_required");
    // Where nothing is, there is nothing to show.
    let refused = server.request("PUT", "/gone", &[("If-Match", &first), representation], Some(b"four"));
    assert_refused(&refused, 412, "stale_version");
    server.assert_is("/a", &third, b"three");
}

/// SHA-256 of "hello", and of something else.
const HELLO: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
const OTHER: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

#[test]
fn digests() {
    let server = Server::start();
    let mut tag = server.create("/a", b"before");
    for name in ["Content-Digest", "Repr-Digest"] {
        for bad in [OTHER, "sha-256=:AAAA:", "sha-256=abc", ":::", &format!("md5=:AAAA:, {OTHER}")] {
            let fields = [("If-Match", tag.as_str()), (name, bad)];
            let body =
                assert_refused(&server.request("PUT", "/a", &fields, Some(b"hello")), 400, "invalid_content");
            assert_eq!(body["reason"], "digest");
            server.assert_is("/a", &tag, b"before");
        }
        for good in [HELLO, "crc99=:AAAA:", &format!("crc99=:AAAA:, {HELLO}")] {
            let fields = [("If-Match", tag.as_str()), (name, good)];
            let response = server.request("PUT", "/a", &fields, Some(b"hello"));
            assert_eq!(response.status, 204, "{name}: {good}");
            server.assert_is("/a", response.value("etag").unwrap(), b"hello");
            tag = server.replace("/a", response.value("etag").unwrap(), b"before");
        }
    }
    // The condition is judged before the content (RFC 9110, Section 13.2.1): what is stale is told as stale.
    let (current, old) = (server.replace("/a", &tag, b"before"), tag);
    let fields = [("If-Match", old.as_str()), ("Content-Digest", OTHER)];
    assert_refused(&server.request("PUT", "/a", &fields, Some(b"hello")), 412, "stale_version");
    let patch = [fields[0], fields[1], ("Content-Type", "application/merge-patch+json")];
    assert_refused(&server.request("PATCH", "/a", &patch, Some(b"{")), 412, "stale_version");
    assert_refused(&server.request("POST", "/c/", &fields, Some(b"hello")), 412, "stale_version");
    server.assert_is("/a", &current, b"before");
    let appended = server.request("POST", "/c/", &[("Content-Digest", OTHER)], Some(b"hello"));
    assert_refused(&appended, 400, "invalid_content");
    assert_eq!(server.get("/c/").text(), "[]\n");
}

#[test]
fn a_part_is_not_stored_as_the_whole() {
    let server = Server::start();
    let tag = server.create("/a", b"0123456789");
    let fields = [("If-Match", tag.as_str()), ("Content-Range", "bytes 0-2/10")];
    let body = assert_refused(&server.request("PUT", "/a", &fields, Some(b"abc")), 400, "bad_request");
    assert_eq!(body["reason"], "content_range");
    server.assert_is("/a", &tag, b"0123456789");
}
