//! Who evaluates conditions: declared for each route, never inferred.

use super::*;
use ifmatch_testkit::upstream::{Course, Point, Shows, Tags};

#[test]
fn where_the_gateway_evaluates_no_validator_of_the_upstream_reaches_a_client() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.habits("/a", Habits { shows: Shows::Representation, ..Habits::default() });
    let read = rig.get("/a");
    let (minted, head) = (tag_of(&read), rig.ask("HEAD", "/a", &[], ""));
    let unchanged = rig.ask("GET", "/a", &[("If-None-Match", &minted)], "");
    let written = rig.put("/a", &minted, "two");
    assert_eq!((unchanged.status, written.status, written.text().as_str()), (304, 200, "two"));
    for answer in [&read, &head, &unchanged, &written] {
        assert_eq!(answer.values("last-modified"), Vec::<&[u8]>::new());
        let tags = answer.values("etag");
        assert!(tags.is_empty() || tags == [minted.as_bytes()], "{:?}", answer.fields);
    }
    rig.upstream.next("GET", "/a", Course::status(404).field("ETag", "\"u\"").field("Last-Modified", "x"));
    let absent = rig.ask("GET", "/a", &[], "");
    assert_eq!(
        (absent.status, absent.values("etag").len(), absent.values("last-modified").len()),
        (404, 0, 0)
    );
}

#[test]
fn a_strong_tag_of_the_upstream_is_no_version_where_the_gateway_evaluates() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.habits("/a", Habits { tags: Tags::Fixed("\"v1\"".into()), ..Habits::default() });
    stale(&rig.put("/a", "\"v1\"", "two"));
    assert_eq!(rig.upstream.count("PUT"), 0);
}

#[test]
fn the_same_strong_tag_for_different_content_gives_different_minted_tags() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.habits("/a", Habits { tags: Tags::Fixed("\"v1\"".into()), ..Habits::default() });
    let first = rig.tag("/a");
    // Around the gateway, so that only the content tells.
    rig.upstream.set("/a", b"two");
    assert_ne!(first, rig.tag("/a"));
    stale(&rig.put("/a", &first, "three"));
    assert_eq!(rig.upstream.text("/a").unwrap(), "two");
}

#[test]
fn where_the_upstream_has_weak_tags_or_none_or_other_bytes_than_were_sent_the_minted_ones_work() {
    use ifmatch_testkit::upstream::Stores;
    for (tags, stores) in [
        (Tags::Weak, Stores::AsSent),
        (Tags::Absent, Stores::SortedJson),
        (Tags::Content, Stores::WithNewline),
        (Tags::Content, Stores::SortedJson),
    ] {
        let rig = enforced();
        rig.upstream.habits("/a", Habits { tags, stores, ..Habits::default() });
        done(&rig.create("/a", r#"{"b": 1, "a": 2}"#));
        let first = rig.tag("/a");
        assert!(first.starts_with('"'));
        assert_eq!(rig.tag("/a"), first, "nothing happened in between");
        done(&rig.put("/a", &first, r#"{"b": 2, "a": 2}"#));
        stale(&rig.put("/a", &first, r#"{"b": 3, "a": 2}"#));
        done(&rig.put("/a", &rig.tag("/a"), r#"{"b": 3, "a": 2}"#));
    }
}

#[test]
fn where_the_upstream_evaluates_its_tags_go_out_and_conditions_go_through_untouched_and_first() {
    let rig = upstream_evaluates();
    rig.upstream.set("/a", b"one");
    let read = rig.get("/a");
    assert!(read.value("last-modified").is_some());
    let tag = tag_of(&read);
    let listed = format!("\"other\" ,  {tag}");
    done(&rig.ask("PUT", "/a", &[("X-Own", "1"), ("If-Match", &listed), ("X-Own", "2")], "two"));
    let [put] = &rig.upstream.requests_to("PUT", "/a")[..] else { panic!("one PUT") };
    assert_eq!(put.value("if-match").unwrap(), listed);
    assert_eq!(put.names()[..2], ["host", "if-match"]);
    let dated = read.value("last-modified").unwrap();
    // Not a condition of ours to judge; the origin does.
    rig.ask("DELETE", "/a", &[("If-Unmodified-Since", dated)], "");
    let [deletion] = &rig.upstream.requests_to("DELETE", "/a")[..] else { panic!("one DELETE") };
    assert_eq!(deletion.value("if-unmodified-since"), Some(dated));
}

#[test]
fn where_the_upstream_evaluates_nothing_is_read_and_its_412_is_the_answer() {
    let rig = upstream_evaluates();
    rig.upstream.set("/a", b"one");
    let answer = rig.put("/a", "\"other\"", "two");
    assert_eq!((answer.status, answer.text().as_str()), (412, "the condition is false\n"));
    assert_eq!((rig.upstream.count("GET"), rig.upstream.count("HEAD")), (0, 0));
}

#[test]
fn where_the_upstream_evaluates_a_protecting_condition_has_to_be_there() {
    let rig = upstream_evaluates();
    rig.upstream.set("/a", b"one");
    for fields in
        [&[][..], &[("If-None-Match", "\"x\"")], &[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]]
    {
        refused(&rig.ask("PUT", "/a", fields, "two"), 428, "precondition_required");
    }
    refused(&rig.ask("PUT", "/a", &[("If-Match", "*")], "two"), 428, "overwrite_not_allowed");
    assert_eq!(rig.upstream.requests().len(), 0);
}

#[test]
fn where_the_upstream_evaluates_there_are_no_turns() {
    let rig = upstream_evaluates();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    // Opens when both are there, which they are not if one waits for the other.
    let both = rig.upstream.gate_for(2);
    rig.upstream.always("PUT", "/a", Course::held(Point::Content, &both));
    let writers = ["two", "three"].map(|content| rig.beside("PUT", "/a", &[("If-Match", &tag)], content));
    let mut statuses = writers.map(|writer| writer.join().unwrap().status);
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 412]);
}

#[test]
fn where_the_upstream_evaluates_every_write_counts_but_those_with_a_complete_4xx() {
    let rig = upstream_evaluates();
    for (course, counts) in [
        (Course::usual(), true),
        (Course::status(412), false),
        (Course::status(500), true),
        (Course::status(408), true),
        (Course::cut_at(Point::Applied), true),
        (Course::status(409).cut(Point::AnswerContent), true),
    ] {
        let before = rig.count("/a");
        rig.upstream.next("PUT", "/a", course.clone());
        rig.create("/a", "x");
        assert_eq!(rig.count("/a") > before, counts, "{course:?}");
        rig.upstream.remove("/a");
    }
}

#[test]
fn a_lost_answer_holds_nothing_where_the_upstream_evaluates() {
    let rig = upstream_evaluates();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    rig.lose("PUT", "/a", &[("If-Match", &tag)], "two");
    done(&rig.put("/a", &rig.tag("/a"), "three"));
}
