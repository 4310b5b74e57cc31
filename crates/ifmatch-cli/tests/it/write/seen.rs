//! Nothing is overwritten that its author has not seen.

use super::{Desk, Place};
use crate::support::Server;
use ifmatch_testkit::upstream::{Course, Habits, Scripted, Shows, Tags};

/// A server that evaluates conditions, and whose resources may have the same tags.
fn right(tags: Tags) -> Scripted {
    Scripted::start_with(Habits { evaluates: true, shows: Shows::Tag, tags, ..Habits::default() }).unwrap()
}

#[test]
fn what_was_read_elsewhere_is_not_written_here() {
    let (desk, upstream) = (Desk::new(), right(Tags::Revision));
    upstream.set("/1", b"{\"unseen\":1}");
    upstream.set("/2", b"{\"n\":1}");
    upstream.always("GET", "/1", Course::redirect(302, "/2"));
    let (first, last) = (format!("{}/1", upstream.url()), format!("{}/2", upstream.url()));
    desk.run(&["get", &first]).said(0, &["read from", &last]);
    let to = format!("ifmatch put {last} --json");
    desk.run(&["put", &first, "--json", "{}"]).said(2, &["Nothing was sent", &to]);
    desk.run(&["put", &first, "--merge", "--json", "{}"]).said(2, &["Nothing was sent", &last]);
    desk.run(&["delete", &first]).said(2, &["Nothing was sent", &format!("ifmatch delete {last}")]);
    assert_eq!((upstream.count("PUT"), upstream.count("DELETE")), (0, 0));
    // What tells the members reads first, and says where it writes.
    desk.run(&["put", &first, "n:=2"]).said(0, &["a write goes there", &last, "saved"]);
    assert_eq!(upstream.text("/1").unwrap(), "{\"unseen\":1}");
    desk.run(&["get", &first]).said(0, &[]);
    desk.run(&["put", &last, "--json", "{\"n\":3}"]).said(0, &["made from", "saved"]);
}

#[test]
fn a_draft_is_written_where_it_was_read() {
    let (desk, upstream) = (Desk::new(), right(Tags::Revision));
    for path in ["/2", "/3"] {
        upstream.set(path, b"{\"n\":1}");
    }
    upstream.next("GET", "/1", Course::redirect(302, "/2"));
    upstream.always("GET", "/1", Course::redirect(302, "/3"));
    let editor = desk.editor(r#"sed -i s/1/7/ "$1"; exit 1"#);
    let url = format!("{}/1", upstream.url());
    desk.run(&["edit", &url, "--editor", &editor]).said(1, &["parked"]);
    let ran = desk.run(&["edit", &url, "--resume", "--editor", "true"]);
    ran.said(1, &["redirects led elsewhere", "Nothing was sent", "What you typed is kept"]);
    assert_eq!(upstream.count("PUT"), 0);
}

#[test]
fn nobody_can_know_which_of_two_versions_a_content_was_made_from() {
    for place in Place::both() {
        let (desk, other, url) = (Desk::new(), Desk::new(), place.url("/a"));
        other.run(&["put", &url, "--create", "n:=1", "theirs:=0"]).said(0, &[]);
        desk.run(&["get", &url, "-o", "a.json"]).said(0, &[]);
        other.run(&["put", &url, "theirs:=1"]).said(0, &[]);
        desk.run(&["get", &url]).said(0, &[]);
        let ways =
            ["several versions", "s ago", "--base FILE -", "--if-match", "-o FILE", "Nothing was sent"];
        let mine = r#"{"n":2,"theirs":0}"#;
        desk.run_with(&["put", &url, "-"], mine).said(2, &ways);
        desk.run_with(&["put", &url, "--merge", "-"], mine).said(2, &ways);
        assert_eq!(place.content("/a")["theirs"], 1);
        // That file was made from one of them.
        desk.run(&["put", &url, "@a.json"]).said(4, &["412"]);
        desk.run(&["put", &url, "n:=3"]).said(0, &[]);
        // A write ends it.
        desk.run(&["get", &url]).said(0, &[]);
        desk.run_with(&["put", &url, "-"], r#"{"n":4,"theirs":1}"#).said(0, &["made from", "read", "saved"]);
        desk.run_with(&["put", &url, "-"], r#"{"n":5,"theirs":1}"#)
            .said(0, &["made from", "written", "saved"]);
    }
}

#[test]
fn the_versions_that_were_read_are_bounded_and_stay_several() {
    let (desk, upstream) = (Desk::new(), right(Tags::Revision));
    let url = format!("{}/a", upstream.url());
    for number in 0..12 {
        upstream.set("/a", format!("{{\"n\":{number}}}").as_bytes());
        desk.run(&["get", &url]).said(0, &[]);
    }
    let ran = desk.run(&["put", &url, "--json", "{}"]).said(2, &["several versions"]);
    assert_eq!(ran.stderr.matches("ETag: ").count(), 8, "{ran:?}");
}

#[test]
fn what_was_read_and_cannot_be_written_back_is_said_with_the_way_out() {
    for tags in [Tags::Weak, Tags::Absent] {
        let (desk, upstream) = (Desk::new(), right(tags));
        upstream.set("/a", b"{}");
        let url = format!("{}/a", upstream.url());
        desk.run(&["get", &url]).said(0, &[]);
        for command in [&["put", &url, "-d", "x"][..], &["delete", &url]] {
            let ran =
                desk.run(command).said(2, &["it was read", "Nothing was sent", "ifmatch serve --upstream"]);
            assert!(ran.stderr.contains("--overwrite") && !ran.stderr.contains("not read"), "{ran:?}");
        }
    }
}

#[test]
fn a_member_that_others_changed_since_it_was_read_is_not_overwritten() {
    let place = Place::Store(Server::start());
    let (desk, other, url) = (Desk::new(), Desk::new(), place.url("/a"));
    desk.run(&["put", &url, "--create", "note=old", "n:=1"]).said(0, &[]);
    desk.run(&["get", &url]).said(0, &[]);
    other.run(&["put", &url, "note=theirs"]).said(0, &[]);
    for command in ["put", "patch"] {
        let ran = desk.run(&[command, &url, "note=mine"]);
        ran.said(
            4,
            &["conflict", "/note", "\"old\"", "\"theirs\"", "\"mine\"", "Nothing was sent", "ifmatch get"],
        );
    }
    assert_eq!(place.content("/a")["note"], "theirs");
    // What they did not change goes through, and so does what was seen.
    desk.run(&["get", &url]).said(0, &[]);
    other.run(&["put", &url, "n:=2"]).said(0, &[]);
    desk.run(&["put", &url, "note=mine"]).said(0, &["saved"]);
    assert_eq!(place.content("/a"), serde_json::json!({ "note": "mine", "n": 2 }));
}
