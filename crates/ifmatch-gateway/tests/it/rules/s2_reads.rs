//! Reads of what the gateway mints tags for: conditions and ranges are answered here.

use super::*;
use ifmatch_testkit::upstream::{Course, Point};

const CONDITIONS: [&str; 6] =
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"];

/// Sends a read and sees that none of its conditions went further.
#[track_caller]
fn read(rig: &Rig, method: &str, fields: &[Field<'_>]) -> Response {
    let answer = rig.ask(method, "/a", fields, "");
    let sent = rig.upstream.requests().pop().unwrap();
    assert_eq!(sent.method, "GET");
    assert!(sent.names().iter().all(|name| !CONDITIONS.contains(&name.as_str())), "{:?}", sent.fields);
    answer
}

#[test]
fn head_is_answered_from_a_get() {
    let rig = enforced();
    rig.upstream.set("/a", b"content");
    let whole = rig.get("/a");
    let head = read(&rig, "HEAD", &[]);
    assert_eq!((head.status, head.value("content-length")), (200, Some("7")));
    assert_eq!((head.value("etag"), head.text().as_str()), (whole.value("etag"), ""));
    assert_eq!(rig.upstream.count("HEAD"), 0);
}

#[test]
fn if_none_match_is_answered_here_and_304_carries_the_tag_of_the_200() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    for (fields, status) in [
        (&[("If-None-Match", tag.as_str())][..], 304),
        (&[("If-None-Match", &format!("\"x\", W/{tag}"))], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"x\"")], 200),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = read(&rig, method, fields);
            assert_eq!((answer.status, answer.value("etag")), (status, Some(&*tag)), "{method} {fields:?}");
            assert_eq!(answer.text(), if status == 200 && method == "GET" { "one" } else { "" });
        }
    }
    rig.upstream.set("/a", b"two");
    let answer = read(&rig, "GET", &[("If-None-Match", &tag)]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "two"));
}

#[test]
fn a_malformed_if_none_match_on_a_read_never_matches_and_a_malformed_if_match_is_400() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let unquoted = tag.trim_matches('"');
    for malformed in [unquoted, "W/", "\"a", "*, \"x\""] {
        assert_eq!(read(&rig, "GET", &[("If-None-Match", malformed)]).status, 200, "{malformed}");
        refused(&rig.ask("GET", "/a", &[("If-Match", malformed)], ""), 400, "malformed_validator");
    }
}

#[test]
fn dates_on_reads_count_for_nothing_as_none_were_handed_out() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let late = "Fri, 31 Dec 2100 23:59:59 GMT";
    assert_eq!(read(&rig, "GET", &[("If-Modified-Since", late)]).status, 200);
    assert_eq!(read(&rig, "GET", &[("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]).status, 200);
    let answer = read(&rig, "GET", &[("Range", "bytes=0-0"), ("If-Range", late)]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "one"));
}

#[test]
fn if_match_on_a_read_is_answered_here() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    assert_eq!(read(&rig, "GET", &[("If-Match", &rig.tag("/a"))]).status, 200);
    stale(&read(&rig, "GET", &[("If-Match", "\"x\"")]));
    stale(&read(&rig, "GET", &[("If-Match", "\"x\""), ("Range", "bytes=0-0")]));
}

#[test]
fn a_read_with_content_has_no_tag_and_its_if_match_is_judged() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let read = rig.ask("GET", "/a", &[("If-Match", &tag)], "which?");
    assert_eq!((read.status, read.values("etag").len(), read.values("last-modified").len()), (200, 0, 0));
    assert_eq!(rig.upstream.requests().pop().unwrap().text(), "which?");
    stale(&rig.ask("GET", "/a", &[("If-Match", "\"x\"")], "which?"));
}

#[test]
fn ranges_are_answered_here_and_206_carries_the_tag_of_the_200() {
    for exclusive in [false, true] {
        let rig = if exclusive { gateway_only() } else { enforced() };
        rig.upstream.set("/a", b"0123456789");
        let tag = rig.tag("/a");
        for (range, part, told) in [
            ("bytes=2-4", "234", "bytes 2-4/10"),
            ("bytes=7-", "789", "bytes 7-9/10"),
            ("bytes=-2", "89", "bytes 8-9/10"),
            ("bytes=0-99", "0123456789", "bytes 0-9/10"),
        ] {
            for fields in [&[("Range", range)][..], &[("Range", range), ("If-Range", &tag)]] {
                let answer = read(&rig, "GET", fields);
                assert_eq!((answer.status, answer.text().as_str()), (206, part), "{fields:?}");
                assert_eq!((answer.value("content-range"), answer.value("etag")), (Some(told), Some(&*tag)));
            }
        }
        let answer = read(&rig, "GET", &[("Range", "bytes=10-")]);
        refused(&answer, 416, "range_not_satisfiable");
        let moved = read(&rig, "GET", &[("Range", "bytes=0-1"), ("If-Range", "\"x\"")]);
        assert_eq!((moved.status, moved.text().as_str()), (200, "0123456789"));
        assert_eq!(read(&rig, "HEAD", &[("Range", "bytes=0-1")]).status, 200);
    }
}

#[test]
fn caches_in_front_are_told_to_ask_unless_the_route_keeps_what_the_upstream_says() {
    for (keep, told) in [(false, "max-age=60, no-cache"), (true, "max-age=60")] {
        let rig = rigged(|plan| plan.route(|route| route.keep_cache = keep));
        rig.upstream.set("/a", b"one");
        rig.upstream.always("GET", "/a", Course::usual().field("Cache-Control", "max-age=60"));
        let read = rig.get("/a");
        let said: Vec<_> = read.values("cache-control").into_iter().map(String::from_utf8_lossy).collect();
        assert_eq!(said.join(", "), told);
    }
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    assert_eq!(rig.get("/a").value("cache-control"), Some("no-cache"));
}

#[test]
fn a_client_that_asks_for_gzip_gets_a_tag_that_is_good() {
    use ifmatch_testkit::upstream::Coding;
    for coding in [Coding::Negotiated, Coding::Always] {
        let rig = enforced();
        rig.upstream.set("/a", b"one");
        rig.upstream.habits("/a", Habits { coding, ..Habits::default() });
        let read = rig.ask("GET", "/a", &[("Accept-Encoding", "gzip, br")], "");
        assert_eq!(rig.upstream.requests()[0].value("accept-encoding"), Some("identity"));
        let tag = tag_of(&read);
        assert_eq!(read.value("content-encoding").is_some(), coding == Coding::Always);
        done(&rig.ask("PUT", "/a", &[("If-Match", &tag), ("Accept-Encoding", "gzip")], "two"));
        stale(&rig.ask("PUT", "/a", &[("If-Match", &tag)], "three"));
    }
}

#[test]
fn content_that_is_cut_gets_no_tag_and_no_success() {
    let rig = enforced();
    rig.upstream.set("/a", b"0123456789");
    rig.upstream.next("GET", "/a", Course::cut_at(Point::AnswerContent));
    refused(&rig.ask("GET", "/a", &[], ""), 502, "upstream_unreachable");
}

#[test]
fn a_read_that_finds_its_connection_closed_is_sent_again() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    for _ in 0..20 {
        rig.get("/a");
        rig.upstream.close_idle();
    }
}

#[test]
fn the_policy_is_told_before_anything_fails() {
    let rig = rigged(|plan| plan.route(|_| {}));
    rig.upstream.set("/a", b"one");
    let told = rig.get("/a").value("precondition-policy").unwrap().to_owned();
    assert!(told.contains("mode=enforce") && told.contains("route=\"all\""), "{told}");
}

#[test]
fn all_memory_for_digests_in_use_means_no_tag_and_is_counted() {
    let rig = rigged(|plan| plan.settings.bounds.digest_bytes_total_max = 5);
    rig.upstream.set("/a", b"12345");
    rig.upstream.set("/b", b"123456");
    assert!(rig.get("/a").value("etag").is_some());
    let read = rig.get("/b");
    assert_eq!((read.text().as_str(), read.values("etag").len()), ("123456", 0));
    assert_eq!(rig.stats().untagged_busy.value(), 1);
}

#[test]
fn what_a_tag_does_not_vouch_for_octet_by_octet_is_not_taken_for_the_rest_of_a_part() {
    use ifmatch_gateway::settings::DigestSource;
    use ifmatch_testkit::upstream::Tags;
    for (digest, tags, fits) in [
        (DigestSource::Etag, Tags::Fixed("W/\"v1\"".into()), false),
        (DigestSource::Etag, Tags::Fixed("\"v1\"".into()), true),
        (DigestSource::Json("/version".into()), Tags::Absent, false),
        (DigestSource::LastModified, Tags::Absent, false),
        (DigestSource::None, Tags::Absent, false),
        (DigestSource::Content, Tags::Absent, true),
    ] {
        let rig = rigged(|plan| plan.route(|route| route.digest = digest.clone()));
        rig.upstream.habits("/a", Habits { tags, ..Habits::default() });
        rig.upstream.set("/a", br#"{"version":1,"seen":1}"#);
        let tag = rig.tag("/a");
        let range = |range| read(&rig, "GET", &[("Range", range), ("If-Range", &tag)]).status;
        assert_eq!(range("bytes=0-1"), if fits { 206 } else { 200 }, "{digest:?}");
        assert_eq!(range("bytes=99-"), if fits { 416 } else { 200 }, "{digest:?}");
        // A part of what is there now can be had.
        assert_eq!(read(&rig, "GET", &[("Range", "bytes=0-1")]).status, 206);
        assert_eq!(read(&rig, "GET", &[("If-None-Match", &tag)]).status, 304);
        done(&rig.put("/a", &tag, "{}"));
    }
}

#[test]
fn what_is_said_of_the_whole_content_is_not_said_of_a_part_or_of_none() {
    let rig = enforced();
    rig.upstream.set("/a", b"0123456789");
    let digests = Course::usual().field("Content-Digest", "sha-256=:x:").field("Content-MD5", "x");
    rig.upstream.always("GET", "/a", digests.field("Repr-Digest", "sha-256=:x:"));
    let tag = rig.tag("/a");
    for (method, fields, status, stays) in [
        ("GET", &[][..], 200, true),
        ("GET", &[("Range", "bytes=0-1")], 206, false),
        ("GET", &[("If-None-Match", &*tag)], 304, false),
        ("HEAD", &[], 200, false),
    ] {
        let answer = read(&rig, method, fields);
        assert_eq!(answer.status, status);
        assert_eq!(answer.value("content-digest").is_some(), stays, "{status}");
        assert_eq!(answer.value("content-md5").is_some(), stays, "{status}");
        assert!(answer.value("repr-digest").is_some());
    }
}

#[test]
fn what_a_cache_gave_has_no_tag_where_only_the_count_would_say_of_when_it_is() {
    use ifmatch_testkit::upstream::Cache;
    let rig = gateway_only();
    rig.upstream.habits("/a", Habits { cache: Cache::Honest(30), ..Habits::default() });
    rig.upstream.set("/a", b"one");
    done(&rig.put("/a", &rig.tag("/a"), "two"));
    let aged = rig.get("/a");
    assert_eq!((aged.text().as_str(), aged.value("age"), aged.value("etag")), ("one", Some("30"), None));
    assert!(aged.value("precondition-policy").is_none_or(|told| told.contains("untagged=aged")));
    assert_eq!(rig.stats().untagged_aged.value(), 1);
    // As a client is told to ask that was refused.
    let fresh = rig.ask("GET", "/a", &[("Cache-Control", "no-cache")], "");
    assert_eq!(fresh.text(), "two");
    done(&rig.put("/a", &tag_of(&fresh), "three"));
}

#[test]
fn what_has_no_tag_has_no_ranges_and_caches_are_told_to_ask() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let untagged = Course::usual().field("Vary", "*").field("Accept-Ranges", "bytes");
    rig.upstream.always("GET", "/a", untagged.field("Cache-Control", "max-age=60"));
    let answer = read(&rig, "GET", &[("Range", "bytes=0-1")]);
    assert_eq!((answer.status, answer.value("etag"), answer.value("accept-ranges")), (200, None, None));
    let said: Vec<_> = answer.values("cache-control").into_iter().map(String::from_utf8_lossy).collect();
    assert_eq!(said.join(", "), "max-age=60, no-cache");
}
