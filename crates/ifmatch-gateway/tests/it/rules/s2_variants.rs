//! Representations that are selected by request fields.

use super::*;
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
