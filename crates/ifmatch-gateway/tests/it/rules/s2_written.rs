//! Tags in answers to writes, and routes that only clients of the gateway write.

use super::*;
use ifmatch_testkit::upstream::{Answer, Course, Point, Shows, Stores};
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn where_only_our_clients_write_a_tag_is_epoch_and_count_and_nothing_is_read_before_if_match() {
    let rig = gateway_only();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    assert_eq!(parts(&tag).len(), 3);
    // A tag of one resource opens no other, though both were never written.
    rig.upstream.set("/b", b"one");
    let of_b = rig.tag("/b");
    let answer = rig.put("/a", &of_b, "x");
    stale(&answer);
    assert!(answer.text().contains("wrong_resource"), "{}", answer.text());
    let answer = rig.put("/a?id=2", &tag, "x");
    stale(&answer);
    let answer = rig.put("/absent", &tag, "x");
    stale(&answer);
    assert!(answer.text().contains("wrong_resource"), "{}", answer.text());
    let reads = rig.upstream.count("GET");
    done(&rig.put("/a", &tag, "two"));
    stale(&rig.put("/a", &tag, "three"));
    assert_eq!(rig.upstream.count("GET"), reads);
    // A creation has to be looked at.
    refused(&rig.create("/a", "x"), 412, "already_exists");
    assert_eq!(rig.upstream.count("GET"), reads + 1);
}

#[test]
fn where_only_our_clients_write_the_answer_to_a_put_carries_the_tag_for_the_next() {
    let rig = gateway_only();
    let mut tag = tag_of(&rig.create("/a", "0"));
    for content in ["1", "2", "3"] {
        let answer = rig.put("/a", &tag, content);
        done(&answer);
        tag = tag_of(&answer);
    }
    assert_eq!(rig.tag("/a"), tag);
    let deleted = rig.ask("DELETE", "/a", &[("If-Match", &tag)], "");
    assert_eq!((deleted.status, deleted.values("etag").len()), (204, 0));
}

#[test]
fn content_that_was_refused_is_known_again_when_it_comes_under_another_tag() {
    let rig = gateway_only();
    rig.upstream.set("/a", b"one");
    let retries = || rig.stats().route(0).blind_retries.value();
    let first = rig.tag("/a");
    let second = tag_of(&rig.put("/a", &first, "two"));
    stale(&rig.put("/a", &first, "three"));
    done(&rig.put("/a", &second, "three"));
    assert_eq!(retries(), 1);
    // Read before it was written again, it is a retry of somebody who has looked.
    stale(&rig.put("/a", &second, "four"));
    done(&rig.put("/a", &rig.tag("/a"), "four"));
    assert_eq!(retries(), 1);
}

#[test]
fn where_only_our_clients_write_content_of_any_size_streams_with_its_tag() {
    let rig = rigged(|plan| {
        plan.settings.bounds.digest_bytes_max = 10;
        plan.route(|route| route.writers = Writers::GatewayOnly);
    });
    let half = rig.upstream.gate();
    rig.upstream.next("GET", "/a", Course::filler(32 << 20).hold(Point::AnswerContent, &half));
    let mut client = TcpStream::connect(rig.at).unwrap();
    client.write_all(&raw::request("GET", "/a", &[("Connection", "close")], None)).unwrap();
    // Nearly half of it comes before the other half was sent.
    let mut first = vec![0; 15 << 20];
    client.read_exact(&mut first).unwrap();
    half.open();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    let end = first.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(first.len() + rest.len() - end, 32 << 20);
    let head = String::from_utf8_lossy(&first[..end]).into_owned();
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    assert_eq!(parts(tag).len(), 3);
    assert_eq!(rig.stats().untagged_large.value(), 0);
}

#[test]
fn every_unsafe_request_under_the_turn_key_from_any_route_moves_the_version() {
    let rig = rigged(|plan| {
        plan.add("doc", "/d/{id}", |route| route.writers = Writers::GatewayOnly);
        plan.add("upstream", "/d/{id}/u", |route| {
            (route.evaluate, route.turn) = (Evaluate::Upstream, Some("/d/{id}".into()));
        });
        plan.add("guarded", "/d/{id}/g", |route| route.turn = Some("/d/{id}".into()));
    });
    for (method, path, fields) in [
        ("POST", "/d/1", &[][..]),
        ("POST", "/d/1/g", &[]),
        ("PUT", "/d/1/g", &[("If-None-Match", "*")]),
        ("PUT", "/d/1/u", &[("If-Match", "\"x\"")]),
        ("POST", "/d/1/u", &[]),
        ("PUT", "/D//1/g/", &[("If-None-Match", "*")]),
    ] {
        rig.upstream.set("/d/1", b"one");
        rig.upstream.remove("/d/1/g");
        rig.upstream.remove("/D//1/g/");
        let tag = rig.tag("/d/1");
        done(&rig.ask(method, path, fields, "x"));
        stale(&rig.put("/d/1", &tag, "two"));
    }
}

#[test]
fn observed_writes_count_and_those_of_a_route_that_is_off_do_not() {
    let rig = rigged(|plan| {
        plan.add("observed", "/o", |route| route.mode = Some(Mode::Observe));
        plan.add("off", "/x", |route| route.mode = Some(Mode::Off));
    });
    for (path, counts) in [("/o", true), ("/x", false)] {
        let before = rig.count(path);
        done(&rig.ask("PUT", path, &[], "one"));
        assert_eq!(rig.count(path) > before, counts, "{path}");
        let before = rig.count(path);
        rig.ask("GET", path, &[], "");
        rig.upstream.next("PUT", path, Course::status(409));
        assert_eq!(rig.ask("PUT", path, &[], "one").status, 409);
        assert_eq!(rig.count(path), before, "neither reads nor what changed nothing");
    }
}

#[test]
fn an_answer_to_a_write_carries_no_tag_that_nobody_verified() {
    let rig = enforced();
    for shows in [Shows::Nothing, Shows::Tag, Shows::Representation] {
        rig.upstream.habits("/a", Habits { shows, ..Habits::default() });
        rig.upstream.set("/a", b"one");
        let answer = rig.put("/a", &rig.tag("/a"), "two");
        done(&answer);
        assert_eq!((answer.values("etag").len(), answer.values("last-modified").len()), (0, 0));
    }
}

fn reading_back(stores: Stores) -> Rig {
    let rig = rigged(|plan| plan.route(|route| route.read_back = true));
    rig.upstream.habits("/a", Habits { stores, ..Habits::default() });
    rig.upstream.set("/a", br#"{"a":1}"#);
    rig
}

#[test]
fn read_back_gives_the_tag_of_a_put_only_if_it_was_stored_as_sent() {
    let rig = reading_back(Stores::AsSent);
    let answer = rig.put("/a", &rig.tag("/a"), r#"{"b": 1, "a": 2}"#);
    done(&answer);
    let tag = tag_of(&answer);
    assert_eq!((&tag, answer.text().as_str()), (&rig.tag("/a"), ""));
    done(&rig.put("/a", &tag, "{}"));

    let rig = reading_back(Stores::SortedJson);
    let answer = rig.put("/a", &rig.tag("/a"), r#"{"b": 1, "a": 2}"#);
    done(&answer);
    assert_eq!(answer.values("etag").len(), 0);
    done(&rig.put("/a", &rig.tag("/a"), "{}"));
}

#[test]
fn read_back_gives_the_tag_of_a_patch() {
    let rig = reading_back(Stores::SortedJson);
    let fields = [("If-Match", &*rig.tag("/a")), ("Content-Type", "application/merge-patch+json")];
    let answer = rig.ask("PATCH", "/a", &fields, r#"{"b":2}"#);
    done(&answer);
    assert_eq!(tag_of(&answer), rig.tag("/a"));
}

#[test]
fn a_read_back_that_fails_fails_nothing() {
    let rig = reading_back(Stores::AsSent);
    let tag = rig.tag("/a");
    rig.upstream.next("GET", "/a", Course::usual());
    rig.upstream.next("GET", "/a", Course::status(500));
    let answer = rig.put("/a", &tag, "{}");
    assert_eq!((answer.status, answer.values("etag").len()), (204, 0));
    stale(&rig.put("/a", &tag, "[]"));
}

#[test]
fn prefer_return_representation_gives_content_and_tag() {
    for stores in [Stores::AsSent, Stores::SortedJson] {
        let rig = enforced();
        rig.upstream.habits("/a", Habits { stores, ..Habits::default() });
        rig.upstream.set("/a", b"{}");
        let tag = rig.tag("/a");
        let fields = [("If-Match", &*tag), ("Prefer", "return=representation")];
        let answer = rig.ask("PUT", "/a", &fields, r#"{"b":1,"a":2}"#);
        assert_eq!((answer.status, answer.text()), (200, rig.upstream.text("/a").unwrap()));
        assert_eq!(answer.value("preference-applied"), Some("return=representation"));
        assert_eq!(answer.value("content-location"), Some("/a"));
        assert_eq!(answer.value("content-type"), Some("application/json"));
        assert_eq!(tag_of(&answer), rig.tag("/a"));
        done(&rig.put("/a", &tag_of(&answer), "{}"));
    }
}

#[test]
fn where_only_our_clients_write_prefer_gives_content_with_the_tag_of_the_count() {
    let rig = gateway_only();
    rig.upstream.habits("/a", Habits { stores: Stores::SortedJson, ..Habits::default() });
    rig.upstream.set("/a", b"{}");
    let fields = [("If-Match", &*rig.tag("/a")), ("Prefer", "respond-async, return=representation")];
    let answer = rig.ask("PUT", "/a", &fields, r#"{"b":1,"a":2}"#);
    assert_eq!(answer.text(), r#"{"a":2,"b":1}"#);
    assert_eq!((tag_of(&answer), parts(&tag_of(&answer)).len()), (rig.tag("/a"), 3));
    done(&rig.put("/a", &tag_of(&answer), "{}"));
}

#[test]
fn what_the_upstream_itself_returns_as_preferred_gets_its_tag_without_a_read() {
    let rig = enforced();
    rig.upstream.habits("/a", Habits { shows: Shows::Representation, ..Habits::default() });
    rig.upstream.set("/a", b"{}");
    let tag = rig.tag("/a");
    let reads = rig.upstream.count("GET");
    rig.upstream.next("PUT", "/a", Course::usual().field("Preference-Applied", "return=representation"));
    let fields = [("If-Match", &*tag), ("Prefer", "return=representation")];
    let answer = rig.ask("PUT", "/a", &fields, "[1]");
    // The check, and nothing after the write.
    assert_eq!((answer.text().as_str(), rig.upstream.count("GET")), ("[1]", reads + 1));
    assert_eq!(tag_of(&answer), rig.tag("/a"));
}

#[test]
fn a_representation_that_was_read_back_says_of_itself_what_its_read_said() {
    let rig = enforced();
    rig.upstream.set("/a", b"{}");
    let read = Course::usual().field("Content-Digest", "sha-256=:r:").field("Repr-Digest", "sha-256=:r:");
    rig.upstream.always("GET", "*", read);
    let tag = rig.tag("/a?id=7");
    let written = Course::usual().field("Content-Digest", "sha-256=:w:").field("Content-Location", "/w");
    let written = written.field("Digest", "SHA-256=w").field("Content-Disposition", "attachment");
    rig.upstream.next("PUT", "*", written.field("X-Own", "w"));
    let fields = [("If-Match", &*tag), ("Prefer", "return=representation")];
    let answer = rig.ask("PUT", "/a?id=7", &fields, "[1]");
    assert_eq!((answer.status, answer.text().as_str()), (200, "[1]"));
    assert_eq!(answer.value("content-location"), Some("/a?id=7"));
    for (name, value) in [
        ("content-digest", Some("sha-256=:r:")),
        ("repr-digest", Some("sha-256=:r:")),
        ("digest", None),
        ("content-disposition", None),
        ("x-own", Some("w")),
    ] {
        assert_eq!(answer.value(name), value, "{name}");
    }
}

#[test]
fn an_answer_that_has_no_content_stays_as_it_is_whatever_is_preferred() {
    for (status, shown) in [(204, true), (205, false), (200, true)] {
        let rig = enforced();
        rig.upstream.set("/a", b"{}");
        let tag = rig.tag("/a");
        let nothing = Answer::Status(status, Vec::new(), Vec::new());
        rig.upstream.next("PUT", "/a", Course::applied_then(status).answer(nothing));
        let fields = [("If-Match", &*tag), ("Prefer", "return=representation")];
        let answer = rig.ask("PUT", "/a", &fields, "[1]");
        done(&answer);
        assert_eq!(rig.upstream.text("/a").unwrap(), "[1]");
        assert_eq!(answer.status, if shown { 200 } else { status });
        assert_eq!(answer.text(), if shown { "[1]" } else { "" });
        assert_eq!(answer.value("etag").is_some(), shown);
    }
}

#[test]
fn what_the_upstream_returns_under_a_coding_gets_no_tag() {
    let rig = enforced();
    rig.upstream.habits("/a", Habits { shows: Shows::Representation, ..Habits::default() });
    rig.upstream.set("/a", b"{}");
    let tag = rig.tag("/a");
    let course = Course::usual().field("Preference-Applied", "return=representation");
    rig.upstream.next("PUT", "/a", course.field("Content-Encoding", "gzip"));
    let fields = [("If-Match", &*tag), ("Prefer", "return=representation")];
    let answer = rig.ask("PUT", "/a", &fields, "[1]");
    done(&answer);
    assert_eq!(answer.value("etag"), None);
    done(&rig.put("/a", &rig.tag("/a"), "[2]"));
}
