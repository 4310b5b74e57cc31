//! What was typed outlives everything that can go wrong while it is saved.

use super::{Desk, Place, Ran};
use crate::support::until;
use ifmatch_testkit::upstream::{Course, Habits, Point, Scripted, Shows, Tags};
use serde_json::json;
use std::fs;
use std::process::Stdio;

fn right() -> (Desk, Scripted, String) {
    let habits = Habits { evaluates: true, shows: Shows::Tag, tags: Tags::Revision, ..Habits::default() };
    let upstream = Scripted::start_with(habits).unwrap();
    upstream.set("/a", br#"{"note":"old"}"#);
    let url = format!("{}/a", upstream.url());
    (Desk::new(), upstream, url)
}

/// Types `new` where `old` was.
fn typing(desk: &Desk) -> String {
    desk.editor(r#"sed -i s/old/new/ "$1""#)
}

#[track_caller]
fn assert_kept(ran: &Ran) {
    let kept = fs::read_to_string(ran.draft()).unwrap();
    assert!(kept.contains("new"), "{kept}");
}

#[test]
fn a_draft_outlives_every_answer_that_is_no_success() {
    for (course, code) in [
        (Course::status(422), 1),
        (Course::status(401), 1),
        (Course::status(423), 4),
        (Course::status(428), 4),
        (Course::status(500), 3),
        (Course::status(202), 3),
        (Course::redirect(307, "/b"), 3),
        (Course::cut_at(Point::Content), 3),
        (Course::cut_at(Point::AnswerHead), 3),
    ] {
        let (desk, upstream, url) = right();
        upstream.next("PUT", "/a", course);
        let ran = desk.run(&["edit", &url, "--editor", &typing(&desk)]).said(code, &["--resume"]);
        assert_kept(&ran);
        assert_eq!(upstream.count("PUT"), 1, "nothing is sent twice");
        desk.run(&["edit", &url, "--editor", "true", "--resume"]).said(0, &[]);
        assert_eq!(upstream.text("/a").unwrap(), r#"{"note":"new"}"#);
        assert!(desk.drafts().is_empty());
    }
}

#[test]
fn what_was_saved_although_nobody_could_say_is_found_there() {
    let (desk, upstream, url) = right();
    upstream.next("PUT", "/a", Course::cut_at(Point::Applied));
    let ran = desk.run(&["edit", &url, "--editor", &typing(&desk)]).said(3, &["unknown", "Nobody can say"]);
    assert_kept(&ran);
    desk.run(&["edit", &url, "--resume"]).said(0, &["there already"]);
    assert!(desk.drafts().is_empty());
    assert_eq!(upstream.count("PUT"), 1);
}

#[test]
fn a_draft_outlives_a_server_that_has_gone() {
    let (desk, upstream, url) = right();
    // It goes while somebody types, and what waits on the connection is not asked.
    let gate = upstream.gate();
    upstream.always("GET", "/gone", Course::held(Point::Head, &gate));
    let script =
        format!(r#"sed -i s/old/new/ "$1"; touch typed; while ! test -e gone; do sleep 0.01; done; : {url}"#);
    let editor = desk.editor(&script);
    let child = desk.command(&["edit", &url, "--editor", &editor]).stderr(Stdio::piped()).spawn().unwrap();
    until("somebody typed", || desk.path("typed").exists().then_some(()));
    drop(upstream);
    desk.write("gone", "");
    let ran = Ran::of(child.wait_with_output().unwrap()).said(3, &["cannot be reached", "Nothing was sent"]);
    assert_kept(&ran);
}

#[test]
fn a_draft_outlives_what_is_not_json() {
    let (desk, upstream, url) = right();
    let editor = desk.editor(r#"echo '{"note":"new",}' > "$1""#);
    let ran = desk.run(&["edit", &url, "--editor", &editor]).said(1, &["not JSON", "Nothing was sent"]);
    assert_kept(&ran);
    assert_eq!(upstream.count("PUT"), 0);
    let editor = desk.editor(r#"sed -i 's/,}/}/' "$1""#);
    desk.run(&["edit", &url, "--editor", &editor, "--resume"]).said(0, &["saved"]);
    assert_eq!(upstream.text("/a").unwrap(), r#"{"note":"new"}"#);
}

#[test]
fn a_draft_outlives_an_editor_that_fails() {
    let (desk, upstream, url) = right();
    let editor = desk.editor(r#"sed -i s/old/new/ "$1"; exit 7"#);
    let ran = desk.run(&["edit", &url, "--editor", &editor]).said(1, &["ended with", "Nothing was sent"]);
    assert_kept(&ran);
    assert_eq!(upstream.count("PUT"), 0);
}

#[test]
fn a_draft_outlives_a_run_that_is_killed_while_somebody_types() {
    let (desk, upstream, url) = right();
    let editor =
        desk.editor(r#"sed -i s/old/new/ "$1"; touch typed; while ! test -e done; do sleep 0.01; done"#);
    let mut child = desk.command(&["edit", &url, "--editor", &editor]).spawn().unwrap();
    until("somebody typed", || desk.path("typed").exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    desk.write("done", "");
    desk.run(&["edit", &url, "--editor", "true"]).said(2, &["a draft of", "--resume"]);
    desk.run(&["edit", &url, "--editor", "true", "--resume"]).said(0, &["saved"]);
    assert_eq!(upstream.text("/a").unwrap(), r#"{"note":"new"}"#);
}

#[test]
fn a_draft_outlives_a_run_that_is_killed_while_it_writes() {
    for point in [Point::Head, Point::Content, Point::Applied] {
        let (desk, upstream, url) = right();
        let gate = upstream.gate();
        upstream.next("PUT", "/a", Course::held(point, &gate).cut(point));
        let mut child = desk.command(&["edit", &url, "--editor", &typing(&desk)]).spawn().unwrap();
        upstream.wait_for("PUT", "/a", point, 1).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        gate.open();
        upstream.wait_until(|all| all.last().filter(|last| last.is_over).map(drop)).unwrap();
        desk.run(&["edit", &url, "--editor", "true", "--resume"]).said(0, &[]);
        assert_eq!(upstream.text("/a").unwrap(), r#"{"note":"new"}"#);
        assert!(desk.drafts().is_empty());
    }
}

#[test]
fn what_is_deleted_meanwhile_is_written_anew_if_one_wants() {
    for place in Place::both() {
        let (desk, url) = (Desk::new(), place.url("/a"));
        desk.run(&["put", &url, "--create", "note=old"]).said(0, &[]);
        let (look, delete) = (desk.other(&format!("get {url}")), desk.other(&format!("delete {url}")));
        let editor = desk.editor(&format!(r#"{look} > /dev/null; {delete}; sed -i s/old/new/ "$1""#));
        let ran = desk.run(&["edit", &url, "--editor", &editor]);
        assert_kept(&ran.said(4, &["deleted", "--resume --create"]));
        desk.run(&["edit", &url, "--editor", "true", "--resume", "--create"]).said(0, &["created"]);
        assert_eq!(place.content("/a"), json!({ "note": "new" }));
        assert!(desk.drafts().is_empty());
    }
}

#[test]
fn a_third_writer_is_merged_too() {
    let (desk, upstream, url) = right();
    upstream.set("/a", br#"{"note":"old","b":0,"c":0}"#);
    let gate = upstream.gate();
    let editor =
        desk.editor(r#"sed -i s/old/new/ "$1"; touch typed; while ! test -e go; do sleep 0.01; done"#);
    let child = desk.command(&["edit", &url, "--editor", &editor]).stderr(Stdio::piped()).spawn().unwrap();
    until("somebody typed", || desk.path("typed").exists().then_some(()));
    upstream.set("/a", br#"{"note":"old","b":1,"c":0}"#);
    // The first write is refused; the second is held until the third writer is done.
    upstream.next("PUT", "/a", Course::usual());
    upstream.next("PUT", "/a", Course::held(Point::Head, &gate));
    desk.write("go", "");
    upstream.wait_for("PUT", "/a", Point::Head, 2).unwrap();
    upstream.set("/a", br#"{"note":"old","b":1,"c":1}"#);
    gate.open();
    let ran = Ran::of(child.wait_with_output().unwrap()).said(0, &["/b (theirs)", "/c (theirs)", "saved"]);
    assert_eq!(ran.stderr.matches("412").count(), 2, "{ran:?}");
    assert_eq!(upstream.text("/a").unwrap(), r#"{"note":"new","b":1,"c":1}"#);
}

#[test]
fn where_conditions_are_ignored_the_same_edit_loses() {
    let (desk, upstream, url) = right();
    upstream.habits("/a", Habits { shows: Shows::Tag, ..Habits::default() });
    let editor =
        desk.editor(&format!(r#"sed -i s/old/new/ "$1"; {}"#, desk.other(&format!("put {url} theirs:=1"))));
    desk.run(&["edit", &url, "--editor", &editor]).said(0, &["saved"]);
    assert_eq!(upstream.text("/a").unwrap(), r#"{"note":"new"}"#);
}

#[test]
fn connections_that_died_while_somebody_typed_are_not_used() {
    let (desk, upstream, url) = right();
    let editor =
        desk.editor(r#"sed -i s/old/new/ "$1"; touch typed; while ! test -e done; do sleep 0.01; done"#);
    let child = desk.command(&["edit", &url, "--editor", &editor]).stderr(Stdio::piped()).spawn().unwrap();
    until("somebody typed", || desk.path("typed").exists().then_some(()));
    upstream.close_idle();
    desk.write("done", "");
    Ran::of(child.wait_with_output().unwrap()).said(0, &["saved"]);
    let requests = upstream.requests();
    assert_ne!(requests[0].connection, requests[1].connection);
}

#[test]
fn one_draft_is_edited_once_at_a_time() {
    let (desk, upstream, url) = right();
    let editor = desk.editor("touch open; while ! test -e done; do sleep 0.01; done");
    let mut child = desk.command(&["edit", &url, "--editor", &editor]).spawn().unwrap();
    until("the editor is open", || desk.path("open").exists().then_some(()));
    for flags in [&[][..], &["--resume"], &["--discard"]] {
        let ran = desk.run(&[&["edit", &url, "--editor", "true"], flags].concat());
        ran.said(2, &["being edited by another"]);
    }
    desk.write("done", "");
    assert!(child.wait().unwrap().success());
    drop(upstream);
}
