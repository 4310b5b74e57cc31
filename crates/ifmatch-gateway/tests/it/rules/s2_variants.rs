//! Representations that are selected by request fields.

use super::*;
use ifmatch_core::StaleStatus;
use ifmatch_testkit::upstream::{Course, Negotiation};

const JSON: Field<'_> = ("Accept", "application/json");
const TEXT: Field<'_> = ("Accept", "text/plain");

fn negotiating(set: impl FnOnce(&mut Plan)) -> Rig {
    let rig = rigged(set);
    let habits = Habits { accept: Negotiation::Told, language: Negotiation::Told, ..Habits::default() };
    rig.upstream.habits("/a", habits);
    rig.upstream.set("/a", b"{}");
    rig
}

#[test]
fn the_check_reads_what_the_holder_of_the_tag_read_whatever_the_write_accepts() {
    for (read, accepts) in [(JSON, TEXT), (TEXT, JSON), (JSON, ("Accept", "*/*")), (TEXT, ("X-No", "Accept"))]
    {
        let rig = negotiating(|_| {});
        let read = rig.ask("GET", "/a", &[read, ("Accept-Language", "de")], "");
        assert!(read.text().starts_with("de: "), "{}", read.text());
        let tag = tag_of(&read);
        done(&rig.ask("PUT", "/a", &[("If-Match", &tag), accepts], "{}"));
        let [.., check, put] = &rig.upstream.requests()[..] else { panic!("a check and a write") };
        let first = &rig.upstream.requests()[0];
        for name in ["accept", "accept-language"] {
            assert_eq!(check.value(name), first.value(name));
        }
        // The write itself goes on as it came.
        assert_eq!(put.value(accepts.0), Some(accepts.1));
    }
}

#[test]
fn a_tag_of_a_variant_is_stale_after_a_change_through_or_around_the_gateway() {
    let rig = negotiating(|_| {});
    let tag = |accept| tag_of(&rig.ask("GET", "/a", &[accept], ""));
    let (json, text) = (tag(JSON), tag(TEXT));
    assert_ne!(json, text);
    done(&rig.put("/a", &json, "[1]"));
    stale(&rig.put("/a", &text, "[2]"));
    let text = tag(TEXT);
    rig.upstream.set("/a", b"[3]");
    stale(&rig.put("/a", &text, "[4]"));
    done(&rig.put("/a", &tag(TEXT), "[4]"));
}

#[test]
fn a_variant_that_is_not_known_is_412_variant_unknown() {
    let rig = negotiating(|_| {});
    let tag = tag_of(&rig.ask("GET", "/a", &[JSON], ""));
    let (rest, _) = tag.rsplit_once('-').unwrap();
    let answer = rig.put("/a", &format!("{rest}-fff\""), "[1]");
    stale(&answer);
    assert_eq!(reason(&answer), "variant_unknown");
    assert_eq!(rig.upstream.count("PUT"), 0);
}

#[test]
fn an_old_tag_of_a_variant_that_is_not_known_hears_what_is_there() {
    let rig = negotiating(|_| {});
    let tag = tag_of(&rig.ask("GET", "/a", &[JSON], ""));
    let old = format!("\"{}-0-{}-fff\"", "0".repeat(16), parts(&tag)[2]);
    let answer = rig.put("/a", &old, "[1]");
    stale(&answer);
    assert_eq!(reason(&answer), "changed");
    assert!(answer.value("etag").is_some());
    rig.upstream.always("GET", "/b", Course::status(404));
    let answer = rig.put("/b", &old, "[1]");
    stale(&answer);
    assert_eq!(reason(&answer), "gone");
    for method in ["DELETE", "PATCH"] {
        refused(&rig.ask(method, "/b", &[("If-Match", &old)], "{}"), 404, "not_found");
    }
    assert_eq!(rig.upstream.count("PUT") + rig.upstream.count("DELETE") + rig.upstream.count("PATCH"), 0);
}

#[test]
fn every_stale_write_has_the_status_that_the_route_has_for_it() {
    let rig = negotiating(|plan| plan.route(|route| route.stale_status = StaleStatus::Conflict));
    let tag = tag_of(&rig.ask("GET", "/a", &[JSON], ""));
    let (rest, _) = tag.rsplit_once('-').unwrap();
    for (sent, why) in [(format!("{rest}-fff\""), "variant_unknown"), ("\"x\"".to_owned(), "changed")] {
        let answer = rig.put("/a", &sent, "[1]");
        refused(&answer, 409, "stale_version");
        assert_eq!(reason(&answer), why);
        let body: serde_json::Value = serde_json::from_slice(&answer.content).unwrap();
        assert_eq!((body["status"].as_u64(), body["title"].as_str()), (Some(409), Some("Conflict")));
    }
    // What exists already is 412 all the same.
    refused(&rig.create("/a", "[1]"), 412, "already_exists");
}

#[test]
fn variants_survive_a_restart() {
    let mut rig = negotiating(|_| {});
    let tag = tag_of(&rig.ask("GET", "/a", &[TEXT], ""));
    rig.kill();
    rig.start();
    done(&rig.ask("PUT", "/a", &[("If-Match", &tag), JSON], "[1]"));
}

#[test]
fn past_the_table_of_variants_those_not_in_use_become_unknown() {
    let rig = negotiating(|plan| plan.settings.bounds.variants_max = 1);
    let json = tag_of(&rig.ask("GET", "/a", &[JSON], ""));
    let text = tag_of(&rig.ask("GET", "/a", &[TEXT], ""));
    assert_eq!(rig.stats().untagged_variant.value(), 0);
    let answer = rig.put("/a", &json, "[1]");
    stale(&answer);
    assert_eq!(reason(&answer), "variant_unknown");
    assert_eq!(rig.upstream.count("PUT"), 0);
    done(&rig.put("/a", &text, "[1]"));
    // Whoever reads again has a good tag.
    let json = tag_of(&rig.ask("GET", "/a", &[JSON], ""));
    done(&rig.put("/a", &json, "[2]"));
}

#[test]
fn a_variant_that_is_too_large_has_no_tag_and_is_counted() {
    let rig = negotiating(|_| {});
    let long = format!("text/plain;x={}", "y".repeat(1024));
    let read = rig.ask("GET", "/a", &[("Accept", &long)], "");
    assert_eq!((read.status, read.values("etag").len()), (200, 0));
    assert_eq!(rig.stats().untagged_variant.value(), 1);
}

#[test]
fn what_varies_on_everything_has_no_tag_and_is_counted() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.always("GET", "/a", Course::usual().field("Vary", "*"));
    assert_eq!(rig.get("/a").values("etag").len(), 0);
    assert_eq!(rig.stats().untagged_variant.value(), 1);
}

#[test]
fn who_asks_and_how_it_is_coded_makes_no_variant() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let vary = "Origin, Cookie, Authorization, Accept-Encoding";
    rig.upstream.always("GET", "/a", Course::usual().field("Vary", vary));
    let fields = [("Origin", "https://a.test"), ("Cookie", "a=b"), ("Authorization", "Basic eA==")];
    let tag = tag_of(&rig.ask("GET", "/a", &fields, ""));
    assert_eq!(parts(&tag).len(), 3);
    assert_eq!(rig.tag("/a"), tag);
}

/// What a client says in fields that are no part of what it asks for.
const DISGUISED: [Field<'_>; 12] = [
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-Method-Override", "DELETE"),
    ("X-Original-URL", "/admin"),
    ("X-Rewrite-URL", "/admin"),
    ("If_Match", "\"1\""),
    ("Upgrade", "h2c"),
    ("Connection", "close, upgrade, x-own"),
    ("X-Own", "of the hop"),
    ("Range", "bytes=0-1"),
    ("If-Range", "\"x\""),
    ("Expect", "100-continue"),
    ("TE", "trailers"),
];

#[test]
fn what_is_not_sent_on_makes_no_variant_and_does_not_come_back_in_a_check() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let vary: Vec<_> = DISGUISED.iter().map(|(name, _)| *name).collect();
    let vary = format!("{}, Content-Length, Transfer-Encoding, Trailer, Host", vary.join(", "));
    rig.upstream.always("GET", "/a", Course::usual().field("Vary", &vary));
    let read = rig.ask("GET", "/a", &DISGUISED, "");
    assert_eq!(read.status, 200);
    let tag = tag_of(&read);
    let sent = |request: &ifmatch_testkit::upstream::Request| {
        let names = request.names();
        let kept = DISGUISED.iter().filter(|(name, _)| names.contains(&name.to_ascii_lowercase()));
        kept.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!(sent(&rig.upstream.requests().pop().unwrap()), ["TE"]);
    done(&rig.ask("QUERY", "/a", &[("If-Match", &tag)], "q"));
    done(&rig.put("/a", &tag, "two"));
    for request in &rig.upstream.requests()[1..] {
        assert_eq!(sent(request), [""; 0], "{request:?}");
    }
    // That X-Own may be sent on is all that there is in it.
    assert_eq!(rig.state().variants().len(), 1);
}

#[test]
fn what_varies_on_ranges_can_be_written_with_the_tag_of_a_part() {
    let rig = enforced();
    rig.upstream.set("/a", b"0123456789");
    rig.upstream.always("GET", "/a", Course::usual().field("Vary", "Range"));
    let part = rig.ask("GET", "/a", &[("Range", "bytes=0-1")], "");
    assert_eq!((part.status, tag_of(&part)), (206, rig.tag("/a")));
    done(&rig.put("/a", &tag_of(&part), "two"));
}

#[test]
fn credentials_are_never_part_of_a_variant_and_a_check_has_the_writers_own() {
    const CREDENTIALS: [&str; 4] = ["Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"];
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.always("GET", "/a", Course::usual().field("Vary", &CREDENTIALS.join(", ")));
    let tag = tag_of(&rig.ask("GET", "/a", &CREDENTIALS.map(|name| (name, "reader")), ""));
    assert!(rig.state().variants().is_empty());
    let mut fields = CREDENTIALS.map(|name| (name, "writer")).to_vec();
    fields.push(("If-Match", &tag));
    done(&rig.ask("PUT", "/a", &fields, "two"));
    let [_, check, _] = &rig.upstream.requests()[..] else { panic!("a read, a check and a write") };
    for name in CREDENTIALS {
        assert_eq!(check.value(name), Some("writer"), "{name}");
    }
}

#[test]
fn the_variant_of_a_check_or_a_read_back_is_of_what_was_sent() {
    let rig = rigged(|plan| plan.route(|route| route.read_back = true));
    rig.upstream.set("/a", b"{}");
    rig.upstream.always("GET", "/a", Course::usual().field("Vary", "Prefer, Content-Type"));
    let fields = [("Prefer", "return=minimal"), ("Content-Type", "application/merge-patch+json")];
    let answer = rig.ask("PATCH", "/a", &[fields[0], fields[1], ("If-Match", "\"x\"")], "{}");
    stale(&answer);
    assert_eq!(tag_of(&answer), rig.tag("/a"));
    let answer = rig.ask("PATCH", "/a", &[fields[0], fields[1], ("If-Match", &tag_of(&answer))], "{}");
    done(&answer);
    assert_eq!(tag_of(&answer), rig.tag("/a"));
    // A reader that prefers something is another matter.
    let minimal = tag_of(&rig.ask("GET", "/a", &[("Prefer", "return=minimal")], ""));
    assert_ne!(minimal, rig.tag("/a"));
    done(&rig.put("/a", &minimal, "[]"));
    let [.., check, _, _] = &rig.upstream.requests()[..] else { panic!("a check, a write and a read") };
    assert_eq!(check.value("prefer"), Some("return=minimal"));
}

#[test]
fn where_only_our_clients_write_what_varies_on_who_asks_has_a_tag_for_each_that_all_can_write_with() {
    let mut rig = gateway_only();
    rig.upstream.set("/a", b"one");
    rig.upstream.always("GET", "/a", Course::usual().field("Vary", "Cookie, Origin, Accept"));
    let (alice, bob) = (("Cookie", "alice"), ("Cookie", "bob"));
    let read = |rig: &Rig, who, tag: &str| rig.ask("GET", "/a", &[who, ("If-None-Match", tag)], "");
    let tag = tag_of(&read(&rig, alice, "\"x\""));
    assert_eq!((read(&rig, alice, &tag).status, read(&rig, bob, &tag).status), (304, 200));
    assert_ne!(tag_of(&read(&rig, bob, &tag)), tag);
    assert_ne!(rig.tag("/a"), tag);
    assert_ne!(tag_of(&rig.ask("GET", "/a", &[alice, JSON], "")), tag);
    let part = rig.ask("GET", "/a", &[bob, ("Range", "bytes=0-0"), ("If-Range", &tag)], "");
    assert_eq!((part.status, part.text().as_str()), (200, "one"));
    // Nothing is kept of it: the hash is keyed with what the state folder has.
    rig.kill();
    rig.start();
    assert_eq!(read(&rig, alice, &tag).status, 304);
    // Who wrote last is what the count says, so every one of them is good for a write.
    let reads = rig.upstream.count("GET");
    done(&rig.ask("PUT", "/a", &[bob, ("If-Match", &tag)], "two"));
    assert_eq!(rig.upstream.count("GET"), reads);
    stale(&rig.ask("PUT", "/a", &[alice, ("If-Match", &tag)], "three"));
    let tag = tag_of(&read(&rig, alice, &tag));
    // With a second condition something has to be looked at.
    let both = [bob, ("If-Match", &*tag), ("If-None-Match", "\"x\"")];
    done(&rig.ask("PUT", "/a", &both, "three"));
}

#[test]
fn what_does_not_select_is_not_sent_in_a_check_even_if_the_table_has_it() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let fields = [("authorization", "holder"), ("range", "bytes=0-1"), ("x-http-method-override", "DELETE")];
    let fields = fields.map(|(name, value)| (name.parse().unwrap(), Some(value.parse().unwrap())));
    let number = rig.state().variants().intern(&fields).unwrap();
    let tag = rig.tag("/a");
    let tag = format!("{}-{number:x}\"", tag.trim_end_matches('"'));
    done(&rig.ask("PUT", "/a", &[("If-Match", &tag), ("Authorization", "writer")], "two"));
    let check = &rig.upstream.requests()[1];
    assert_eq!((check.method.as_str(), check.value("authorization")), ("GET", Some("writer")));
    assert!(["range", "x-http-method-override"].iter().all(|name| check.value(name).is_none()));
}

#[test]
fn where_the_digest_is_of_nothing_what_varies_on_who_asks_has_a_tag_for_each_as_well() {
    use ifmatch_gateway::settings::DigestSource;
    let rig = rigged(|plan| plan.route(|route| route.digest = DigestSource::None));
    rig.upstream.set("/a", b"one");
    rig.upstream.always("GET", "/a", Course::usual().field("Vary", "Authorization"));
    let (alice, bob) = (("Authorization", "Bearer a"), ("Authorization", "Bearer b"));
    let tag = tag_of(&rig.ask("GET", "/a", &[alice], ""));
    let read = |who| rig.ask("GET", "/a", &[who, ("If-None-Match", &tag)], "").status;
    assert_eq!((read(alice), read(bob)), (304, 200));
    done(&rig.ask("PUT", "/a", &[bob, ("If-Match", &tag)], "two"));
    stale(&rig.ask("PUT", "/a", &[alice, ("If-Match", &tag)], "three"));
}
