//! The minted tag: what moves it, and what it does not depend on.

use super::*;
use ifmatch_gateway::settings::DigestSource;
use ifmatch_gateway::state;
use ifmatch_testkit::upstream::{Apply, Course, Point, Tags};
use std::fs;

fn digested(source: DigestSource) -> Rig {
    rigged(|plan| plan.route(|route| route.digest = source))
}

#[test]
fn a_tag_says_epoch_count_and_digest() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let [epoch, count, digest] = &parts(&tag)[..] else { panic!("{tag}") };
    assert_eq!(*epoch, format!("{:016x}", rig.state().epoch()));
    assert_eq!(*count, format!("{:x}", rig.count("/a")));
    assert_eq!(digest.len(), 32);
    // The same for everybody who has seen the same.
    assert_eq!(
        rig.ask("GET", "/a", &[("Accept", "text/plain"), ("Cookie", "a=b")], "").value("etag"),
        Some(&*tag)
    );
}

#[test]
fn what_went_back_to_the_same_content_is_not_the_same_version() {
    let rig = enforced();
    rig.upstream.set("/a", b"A");
    let first = rig.tag("/a");
    done(&rig.put("/a", &first, "B"));
    done(&rig.put("/a", &rig.tag("/a"), "A"));
    assert_eq!(rig.get("/a").text(), "A");
    stale(&rig.put("/a", &first, "C"));
}

#[test]
fn what_was_deleted_and_made_anew_is_not_the_same_version() {
    let rig = enforced();
    rig.upstream.set("/a", b"A");
    let first = rig.tag("/a");
    done(&rig.ask("DELETE", "/a", &[("If-Match", &first)], ""));
    done(&rig.create("/a", "A"));
    stale(&rig.put("/a", &first, "C"));
}

#[test]
fn a_write_of_what_no_read_shows_makes_another_version() {
    let rig = enforced();
    rig.upstream.habits("/u", Habits { hidden: vec!["password".into()], ..Habits::default() });
    rig.upstream.set("/u", br#"{"name":"x","password":"A"}"#);
    let (shown, first) = (rig.get("/u").text(), rig.tag("/u"));
    assert!(!shown.contains("password"));
    for password in ["B", "A"] {
        done(&rig.put("/u", &rig.tag("/u"), &format!(r#"{{"name":"x","password":"{password}"}}"#)));
        assert_eq!(rig.get("/u").text(), shown);
    }
    stale(&rig.put("/u", &first, r#"{"name":"x","password":"C"}"#));
}

#[test]
fn a_tag_is_not_newer_than_its_content() {
    let rig = gateway_only();
    rig.upstream.set("/a", b"old");
    let held = rig.upstream.gate();
    // What is read is decided, and not answered yet.
    rig.upstream.next("GET", "/a", Course::held(Point::Applied, &held));
    let reader = rig.beside("GET", "/a", &[], "");
    held.wait_for_arrivals(1).unwrap();
    done(&rig.put("/a", &rig.tag("/a"), "new"));
    held.open();
    let read = reader.join().unwrap();
    assert_eq!(read.text(), "old");
    stale(&rig.put("/a", &tag_of(&read), "made of the old"));
}

#[test]
fn a_complete_4xx_other_than_408_changes_no_version() {
    let rig = gateway_only();
    rig.upstream.set("/a", b"one");
    for status in [400, 403, 404, 409, 412, 413, 415, 422, 423, 429] {
        let tag = rig.tag("/a");
        rig.upstream.next("PUT", "/a", Course::status(status));
        assert_eq!(rig.put("/a", &tag, "two").status, status);
        assert_eq!(rig.tag("/a"), tag, "{status}");
        done(&rig.put("/a", &tag, "two"));
    }
}

#[test]
fn every_other_answer_makes_another_version_even_if_nothing_seems_to_have_changed() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    for status in [200, 201, 204, 303, 307, 500, 501, 503] {
        let before = rig.upstream.count("PUT");
        let tag = rig.tag("/a");
        rig.upstream.next("PUT", "/a", Course::status(status));
        assert_eq!(rig.put("/a", &tag, "two").status, status);
        rig.settled();
        stale(&rig.put("/a", &tag, "three"));
        assert_ne!(rig.tag("/a"), tag, "{status}");
        assert_eq!(rig.upstream.count("PUT"), before + 1);
    }
}

#[test]
fn a_writer_around_the_gateway_is_noticed_told_and_counted() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    rig.upstream.set("/a", b"theirs");
    let answer = rig.put("/a", &tag, "two");
    stale(&answer);
    assert_eq!(rig.stats().around.value(), 1);
    assert_eq!(rig.upstream.text("/a").unwrap(), "theirs");
    // The refusal says what is there now.
    assert_eq!(answer.value("etag").unwrap(), rig.tag("/a"));
    done(&rig.put("/a", &rig.tag("/a"), "two"));
}

#[test]
fn a_tag_of_another_target_is_no_version_even_of_the_same_content_and_line() {
    let rig = enforced();
    rig.upstream.set("/a", b"same");
    rig.upstream.set("/A", b"same");
    let other = rig.tag("/A");
    assert_ne!(rig.tag("/a"), other);
    stale(&rig.put("/a", &other, "two"));
}

#[test]
fn a_digest_of_a_json_value_moves_with_that_value_only() {
    let rig = digested(DigestSource::Json("/version".into()));
    rig.upstream.set("/a", br#"{"version":1,"seen":1}"#);
    let tag = rig.tag("/a");
    rig.upstream.set("/a", br#"{"version":1,"seen":2}"#);
    assert_eq!(rig.tag("/a"), tag);
    done(&rig.put("/a", &tag, r#"{"version":2,"seen":0}"#));
    let tag = rig.tag("/a");
    rig.upstream.set("/a", br#"{"version":3,"seen":0}"#);
    stale(&rig.put("/a", &tag, "{}"));
}

#[test]
fn a_digest_of_the_upstreams_etag_moves_with_it_and_needs_no_content() {
    let rig = digested(DigestSource::Etag);
    rig.upstream.habits("/a", Habits { tags: Tags::Revision, ..Habits::default() });
    rig.upstream.set("/a", b"same");
    let tag = rig.tag("/a");
    done(&rig.put("/a", &tag, "same"));
    let tag = rig.tag("/a");
    rig.upstream.set("/a", b"same");
    stale(&rig.put("/a", &tag, "two"));
    // Content is not looked at, so it may be of any size.
    let large = Course::filler(40 << 20).field("ETag", "\"x\"");
    rig.upstream.next("GET", "/large", large);
    let read = rig.get("/large");
    assert_eq!((read.content.len(), parts(&tag_of(&read)).len()), (40 << 20, 3));
}

#[test]
fn a_digest_of_the_upstreams_date_moves_with_it() {
    let rig = digested(DigestSource::LastModified);
    rig.upstream.set("/a", b"same");
    let tag = rig.tag("/a");
    rig.upstream.set("/a", b"same");
    stale(&rig.put("/a", &tag, "two"));
    done(&rig.put("/a", &rig.tag("/a"), "two"));
}

#[test]
fn without_a_digest_only_the_count_guards() {
    let rig = digested(DigestSource::None);
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    assert_eq!(parts(&tag).len(), 3);
    rig.upstream.set("/a", b"theirs");
    done(&rig.put("/a", &tag, "two"));
    stale(&rig.put("/a", &tag, "three"));
}

#[test]
fn what_is_too_large_for_a_digest_goes_out_whole_without_a_tag_and_is_counted() {
    let rig = rigged(|plan| plan.settings.bounds.digest_bytes_max = 10);
    rig.upstream.set("/a", b"0123456789");
    rig.upstream.set("/b", b"0123456789a");
    assert!(rig.get("/a").value("etag").is_some());
    let read = rig.get("/b");
    assert_eq!((read.text().as_str(), read.values("etag").len()), ("0123456789a", 0));
    assert_eq!(rig.stats().untagged_large.value(), 1);
    // Of unknown length as well.
    let chunked = Course::usual().framed(ifmatch_testkit::upstream::Framing::Chunked(Vec::new()));
    rig.upstream.next("GET", "/b", chunked);
    let read = rig.get("/b");
    assert_eq!((read.text().as_str(), read.values("etag").len()), ("0123456789a", 0));
    assert_eq!(rig.stats().untagged_large.value(), 2);
}

#[test]
fn what_has_not_what_the_digest_is_taken_of_goes_out_without_a_tag_and_is_counted() {
    let rig = digested(DigestSource::Json("/version".into()));
    rig.upstream.set("/a", b"{}");
    let read = rig.get("/a");
    assert_eq!((read.text().as_str(), read.values("etag").len()), ("{}", 0));
    assert_eq!(rig.stats().untagged_source.value(), 1);
}

#[test]
fn a_write_whose_version_has_no_digest_any_more_is_refused_and_told_which_setting_helps() {
    let rig = rigged(|plan| plan.settings.bounds.digest_bytes_max = 10);
    rig.upstream.set("/a", b"small");
    let tag = rig.tag("/a");
    rig.upstream.set("/a", b"0123456789a");
    let answer = rig.put("/a", &tag, "two");
    refused(&answer, 503, "validator_unavailable");
    assert!(answer.text().contains("digest_bytes_max") && answer.value("retry-after").is_none());
    assert_eq!(rig.upstream.count("PUT"), 0);
}

#[test]
fn a_count_survives_a_kill_and_an_orderly_end() {
    let mut rig = gateway_only();
    rig.upstream.set("/a", b"one");
    let first = rig.tag("/a");
    done(&rig.put("/a", &first, "two"));
    let second = rig.tag("/a");
    rig.kill();
    rig.start();
    stale(&rig.put("/a", &first, "x"));
    done(&rig.put("/a", &second, "three"));
    let third = rig.tag("/a");
    rig.stop();
    rig.start();
    stale(&rig.put("/a", &second, "x"));
    done(&rig.put("/a", &third, "four"));
}

#[test]
fn if_the_counts_are_damaged_a_new_epoch_begins_and_old_tags_are_stale() {
    let mut rig = gateway_only();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    rig.kill();
    let counters = rig.plan.settings.state.join("counters");
    let mut bytes = fs::read(&counters).unwrap();
    bytes.iter_mut().take(512).for_each(|byte| *byte ^= 0x55);
    fs::write(&counters, bytes).unwrap();
    rig.start();
    // Nobody knows what was under way, so all writers wait once, and appends do not.
    refused(&rig.put("/a", &tag, "two"), 503, "outcome_pending");
    done(&rig.ask("POST", "/b", &[], "+"));
    drop(state::settle(&rig.plan.settings.state, state::RESTART).unwrap());
    until("the hold after the restart is over", || !rig.is_held("/a"));
    stale(&rig.put("/a", &tag, "two"));
    assert_ne!(parts(&rig.tag("/a"))[0], parts(&tag)[0]);
    done(&rig.put("/a", &rig.tag("/a"), "two"));
}

#[test]
fn what_is_not_minted_here_matches_nothing() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let [epoch, count, digest] = &parts(&tag)[..] else { panic!("{tag}") };
    for other in [
        "\"x\"".to_owned(),
        format!("W/{tag}"),
        format!("\"{epoch}-{count}\""),
        format!("\"{epoch}-{count}-{}\"", digest.replace(|c: char| c != '0', "0")),
        format!("\"{}-{count}-{digest}\"", "0".repeat(16)),
        format!("\"{epoch}-{count}1-{digest}\""),
    ] {
        stale(&rig.put("/a", &other, "two"));
    }
    // One of several is enough.
    done(&rig.put("/a", &format!("\"x\", {tag}"), "two"));
}

#[test]
fn a_write_that_does_not_change_a_thing_at_the_origin_late_or_never_still_counts() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    rig.upstream.next("PUT", "/a", Course::status(200).apply(Apply::Never));
    done(&rig.put("/a", &tag, "two"));
    assert_eq!(rig.upstream.text("/a").unwrap(), "one");
    stale(&rig.put("/a", &tag, "three"));
}

#[test]
fn names_that_share_a_counter_cost_a_needless_412_and_never_a_pass() {
    let rig = rigged(|plan| plan.settings.counters = 1);
    for path in ["/a", "/b"] {
        rig.upstream.set(path, b"one");
    }
    let tags = (rig.tag("/a"), rig.tag("/b"));
    done(&rig.put("/b", &tags.1, "two"));
    stale(&rig.put("/a", &tags.0, "two"));
    done(&rig.put("/a", &rig.tag("/a"), "two"));
}
