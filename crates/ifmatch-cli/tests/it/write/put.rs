//! `put`, `patch` and `delete`: what is sent, what is refused before, and what is said.

use super::{Desk, Place};
use ifmatch_testkit::upstream::{Course, Habits, Point, Scripted, Shows, Stores, Tags};
use serde_json::{Value, json};

/// A server that does all right.
fn right() -> Scripted {
    let habits = Habits { evaluates: true, shows: Shows::Tag, tags: Tags::Revision, ..Habits::default() };
    Scripted::start_with(habits).unwrap()
}

#[test]
fn members_are_changed_in_what_is_there() {
    for place in Place::both() {
        let (desk, url) = (Desk::new(), place.url("/a"));
        desk.run(&["put", &url, "n:=1"]).said(1, &["404", "--create"]);
        desk.run(&["put", &url, "--create", "n:=1", "big:=12345678901234567890.50"]).said(0, &["created"]);
        desk.run(&["put", &url, "--create", "n:=2"]).said(4, &["412", "Nothing was changed"]);
        desk.run(&["put", &url, "n:=2", "a[b]=c=d"]).said(0, &["saved", "\" -> "]);
        assert_eq!(place.text("/a"), r#"{"n":2,"big":12345678901234567890.50,"a":{"b":"c=d"}}"#);
        desk.run(&["put", &url, "n:=2"]).said(0, &["unchanged"]);
        desk.run(&["put", &url, "n[m]:=2"]).said(2, &["/n is no object", "Nothing was sent"]);
        desk.run(&["put", &url, "--if-match", "other", "n:=3"]).said(4, &["not \"other\""]);
        assert_eq!(place.content("/a")["n"], 2);
    }
}

#[test]
fn a_change_of_members_is_made_anew_when_somebody_else_was_faster() {
    let (desk, upstream) = (Desk::new(), right());
    upstream.set("/a", br#"{"mine":0,"theirs":0}"#);
    let gate = upstream.gate();
    upstream.next("PUT", "/a", Course::held(Point::Head, &gate));
    let url = format!("{}/a", upstream.url());
    let mut child = desk.command(&["put", &url, "mine:=1"]).spawn().unwrap();
    upstream.wait_for("PUT", "/a", Point::Head, 1).unwrap();
    upstream.set("/a", br#"{"mine":0,"theirs":1}"#);
    gate.open();
    assert!(child.wait().unwrap().success());
    assert_eq!(upstream.text("/a").unwrap(), r#"{"mine":1,"theirs":1}"#);
}

#[test]
fn a_whole_content_says_what_it_was_made_from_or_is_not_sent() {
    for place in Place::both() {
        let (desk, url) = (Desk::new(), place.url("/a"));
        desk.write("a.json", r#"{"n":1}"#);
        let ways =
            ["Nothing was sent", "--base FILE @a.json", "--if-match", "--create @a.json", "--overwrite"];
        desk.run(&["put", &url, "@a.json"]).said(2, &ways);
        desk.run(&["delete", &url]).said(2, &["Nothing was sent", "ifmatch get", "--if-match"]);
        desk.run(&["put", &url, "--create", "@a.json"]).said(0, &["created"]);
        // What was written whole was seen.
        desk.write("a.json", r#"{"n":2}"#);
        desk.run(&["put", &url, "@a.json"]).said(0, &["saved"]);
        assert_eq!(place.content("/a"), json!({ "n": 2 }));
        desk.run(&["delete", &url]).said(0, &["deleted"]);
        desk.run(&["get", &url]).said(1, &["404"]);
        desk.run(&["delete", &url]).said(2, &["Nothing was sent"]);
    }
}

#[test]
fn what_others_wrote_meanwhile_is_refused_and_then_merged() {
    for place in Place::both() {
        let (desk, other, url) = (Desk::new(), Desk::new(), place.url("/a"));
        other.run(&["put", &url, "--create", "mine:=0", "theirs:=0"]).said(0, &[]);
        desk.run(&["get", &url, "-o", "a.json"]).said(0, &["ETag"]);
        desk.write("old.json", r#"{"mine":0,"theirs":0}"#);
        desk.write("a.json", r#"{"mine":1,"theirs":0}"#);
        other.run(&["put", &url, "theirs:=1"]).said(0, &[]);
        desk.run(&["put", &url, "@a.json"]).said(4, &["412", "Nothing was changed", "--merge @a.json"]);
        // The version that was refused is not sent again.
        desk.run(&["put", &url, "@a.json"]).said(2, &["no current version"]);
        assert_eq!(place.content("/a"), json!({ "mine": 0, "theirs": 1 }));
        desk.run(&["put", &url, "--merge", "@a.json"])
            .said(0, &["/mine (yours)", "/theirs (theirs)", "saved"]);
        assert_eq!(place.content("/a"), json!({ "mine": 1, "theirs": 1 }));
        desk.write("a.json", r#"{"mine":2,"theirs":0}"#);
        let ran = desk.run(&["put", &url, "--base", "old.json", "@a.json"]).said(1, &["conflict", "/mine"]);
        assert!(!ran.stderr.contains("/theirs  "), "{ran:?}");
        assert_eq!(place.content("/a"), json!({ "mine": 1, "theirs": 1 }));
        let ran = desk.run(&["put", &url, "--base", "old.json", "@a.json", "--output", "json"]);
        let document = ran.json();
        assert_eq!((&document["outcome"], &document["applied"]), (&json!("conflict"), &json!(false)));
        let conflict =
            json!([{ "path": "/mine", "kind": "both_changed", "base": 0, "theirs": 1, "mine": 2 }]);
        assert_eq!(document["conflicts"], conflict);
    }
}

#[test]
fn a_change_of_members_is_no_look_at_the_rest() {
    for place in Place::both() {
        let (desk, other, url) = (Desk::new(), Desk::new(), place.url("/a"));
        other.run(&["put", &url, "--create", "mine:=0", "theirs:=0"]).said(0, &[]);
        desk.run(&["get", &url]).said(0, &[]);
        other.run(&["put", &url, "theirs:=1"]).said(0, &[]);
        // These are written over what somebody else wrote, which nobody at this desk has seen.
        desk.run(&["put", &url, "mine:=1"]).said(0, &["saved"]);
        desk.run(&["put", &url, "-d", r#"{"mine":2,"theirs":0}"#]).said(4, &["412"]);
        assert_eq!(place.content("/a"), json!({ "mine": 1, "theirs": 1 }));
    }
}

#[test]
fn credentials_in_a_url_are_sent_and_not_shown() {
    let (desk, upstream) = (Desk::new(), right());
    upstream.set("/a", b"{}");
    upstream.next("GET", "/a", Course::redirect(302, "/b"));
    upstream.set("/b", b"{}");
    let url = format!("http://me:p%40ss@{}/a", upstream.address());
    let ran = desk.run(&["put", &url, "-v", "n:=1"]).said(0, &["saved"]);
    assert!(!ran.stderr.contains("p%40ss") && !ran.stderr.contains("p@ss"), "{ran:?}");
    for request in upstream.requests() {
        assert_eq!(request.value("authorization"), Some("Basic bWU6cEBzcw=="), "{}", request.target);
    }
}

#[test]
fn tags_are_given_by_hand() {
    for place in Place::both() {
        let (desk, url) = (Desk::new(), place.url("/a"));
        let created = desk.run(&["put", &url, "--create", "n:=1", "--output", "json"]).json();
        assert_eq!((&created["outcome"], &created["applied"]), (&json!("created"), &json!(true)));
        let tag = desk.run(&["get", &url, "--output", "json", "--no-remember"]).json()["version"].clone();
        let tag = tag.as_str().unwrap();
        let refused = desk.run(&["put", &url, "--if-match", "\"old\"", "-d", "{}", "--output", "json"]);
        let document = refused.json();
        assert_eq!(refused.code, 4);
        assert_eq!((&document["status"], &document["applied"]), (&json!(412), &json!(false)));
        assert_eq!(document["problem"]["code"], "stale_version");
        desk.run(&["put", &url, "--if-match", "W/\"1\"", "-d", "{}"]).said(2, &["weak", "Nothing was sent"]);
        desk.run(&["put", &url, "--if-match", "a b", "-d", "{}"]).said(2, &["Nothing was sent"]);
        // Shells eat the quotes.
        desk.run(&["put", &url, "--if-match", tag.trim_matches('"'), "-d", "{}"]).said(0, &["saved"]);
    }
}

#[test]
fn overwriting_needs_a_reason_and_a_yes() {
    let (desk, upstream) = (Desk::new(), right());
    upstream.set("/a", b"{}");
    let url = format!("{}/a", upstream.url());
    desk.run(&["put", &url, "--overwrite", "INC-1", "-d", "{}"]).said(2, &["--yes", "Nothing was sent"]);
    desk.run(&["put", &url, "--overwrite", " ", "--yes", "-d", "{}"]).said(2, &["reason"]);
    assert_eq!(upstream.count("PUT"), 0);
    desk.run(&["put", &url, "--overwrite", "INC-1", "--yes", "-d", "{\"n\":1}"]).said(0, &["saved"]);
    let put = upstream.requests_to("PUT", "/a").remove(0);
    assert_eq!(put.value("if-match"), Some("*"));
    assert_eq!(put.value("precondition-override"), Some("\"INC-1\""));
    let store = crate::support::Server::start();
    store.create("/a", b"{}");
    let url = format!("http://{}/a", store.address());
    desk.run(&["put", &url, "--overwrite", "why", "--yes", "-d", "x"])
        .said(4, &["428", "Nothing was changed"]);
}

#[test]
fn changes_are_sent_with_the_version_that_is_there() {
    let store = crate::support::Server::start();
    let place = Place::Store(store);
    let (desk, url) = (Desk::new(), place.url("/a"));
    desk.run(&["put", &url, "--create", "n:=1", "old:=1"]).said(0, &[]);
    desk.run(&["patch", &url, "n:=2", "old:=null"]).said(0, &["saved"]);
    assert_eq!(place.content("/a"), json!({ "n": 2 }));
    let test = r#"[{"op":"test","path":"/n","value":1},{"op":"replace","path":"/n","value":3}]"#;
    desk.run(&["patch", &url, "--json", test]).said(4, &["409", "Nothing was changed"]);
    desk.run(&["patch", &url, "--json", &test.replace("\"value\":1", "\"value\":2")]).said(0, &["saved"]);
    desk.run_with(&["patch", &url, "-"], r#"{"n":4}"#).said(0, &["saved"]);
    assert_eq!(place.content("/a"), json!({ "n": 4 }));
    desk.run(&["patch", &url, "--if-match", "old", "n:=5"]).said(4, &["412", "Nothing was changed"]);
    desk.run(&["patch", &url, "-d", "no json"]).said(2, &["Nothing was sent"]);
    // A member that the patch does not know was not seen: a whole content is not made from it.
    desk.write("a.json", "{}");
    desk.run(&["put", &url, "@a.json"]).said(4, &["412"]);
}

#[test]
fn the_type_is_what_it_was_unless_it_is_said() {
    let (desk, upstream) = (Desk::new(), right());
    let url = format!("{}/a", upstream.url());
    upstream.set_typed("/a", "text/markdown", b"# a");
    desk.run(&["get", &url, "-o", "a.md"]).said(0, &[]);
    desk.run(&["put", &url, "@a.md"]).said(0, &[]);
    desk.run_with(&["put", &url, "-", "--content-type", "text/x"], "x").said(0, &[]);
    let other = format!("{}/b", upstream.url());
    desk.run(&["put", &other, "--create", "-d", "{\"a\":1}"]).said(0, &[]);
    desk.run(&["put", &format!("{}/c", upstream.url()), "--create", "-d", "text"]).said(0, &[]);
    let types = |path| -> Vec<_> {
        let puts = upstream.requests_to("PUT", path);
        puts.iter().map(|put| put.value("content-type").unwrap().to_owned()).collect()
    };
    assert_eq!(types("/a"), ["text/markdown", "text/x"]);
    assert_eq!(
        (types("/b"), types("/c")),
        (vec!["application/json".to_owned()], vec!["text/plain; charset=utf-8".to_owned()])
    );
}

#[test]
fn what_nobody_can_say_is_said_as_that() {
    let (desk, upstream) = (Desk::new(), right());
    let url = format!("{}/a", upstream.url());
    for (number, course) in [
        Course::cut_at(Point::Applied),
        Course::cut_at(Point::Content),
        Course::applied_then(500),
        Course::status(202),
        Course::status(504),
    ]
    .into_iter()
    .enumerate()
    {
        upstream.set("/a", b"{}");
        let before = upstream.count("PUT");
        upstream.next("PUT", "/a", course);
        let change = format!("n:={number}");
        desk.run(&["put", &url, &change]).said(3, &["unknown", "Nobody can say", "ifmatch get"]);
        assert_eq!(upstream.count("PUT"), before + 1, "it is not sent again");
    }
    upstream.next("DELETE", "/a", Course::cut_at(Point::Content));
    let ran = desk.run(&["delete", &url, "--if-match", "x", "--output", "json"]);
    assert_eq!(
        (ran.code, &ran.json()["applied"], &ran.json()["outcome"]),
        (3, &Value::Null, &json!("unknown"))
    );
}

#[test]
fn writes_are_not_redirected_and_reads_are() {
    let (desk, upstream) = (Desk::new(), right());
    upstream.set("/b", b"{\"n\":1}");
    upstream.always("GET", "/a", Course::redirect(308, "/b"));
    upstream.always("PUT", "/a", Course::redirect(307, "/b"));
    let url = format!("{}/a", upstream.url());
    assert_eq!(desk.run(&["get", &url]).said(0, &[]).stdout, "{\"n\":1}");
    // What is read elsewhere is written there.
    desk.run(&["put", &url, "n:=2"]).said(0, &["saved"]);
    assert_eq!(
        (upstream.text("/b").unwrap(), upstream.requests_to("PUT", "/a").len()),
        ("{\"n\":2}".to_owned(), 0)
    );
    let to = format!("ifmatch put {}/b", upstream.url());
    desk.run(&["put", &url, "--if-match", "x", "-d", "{}"]).said(3, &["307", "not redirected", &to]);
    assert_eq!(upstream.requests_to("PUT", "/b").len(), 1);
}

#[test]
fn refusals_speak_the_servers_words() {
    let (desk, upstream) = (Desk::new(), right());
    let url = format!("{}/a", upstream.url());
    upstream.set("/a", b"{}");
    for (status, code) in [(409, 4), (412, 4), (423, 4), (428, 4), (401, 1), (403, 1), (422, 1)] {
        upstream.always("PUT", "/a", Course::status(status).field("Retry-After", "7"));
        let words = [format!("{status} "), format!("status {status}")];
        let ran = desk.run(&["put", &url, "--if-match", "x", "-d", "x"]);
        ran.said(code, &[&words[0], &words[1], "Nothing was changed", "come again after: 7"]);
    }
}

#[test]
fn wrong_usage_is_refused_before_anything_is_sent() {
    let (desk, upstream) = (Desk::new(), right());
    let url = format!("{}/a", upstream.url());
    for args in [
        &["put", &url][..],
        &["put", &url, "n"],
        &["put", &url, "X-Client:web"],
        &["put", &url, "n:=x"],
        &["put", &url, "@nowhere"],
        &["put", &url, "-d", "x", "n=1"],
        &["put", &url, "--json", "x", "--create"],
        &["put", &url, "--base", "nowhere", "-d", "x"],
        &["put", &url, "n=1", "--merge"],
        &["put", &url, "--create", "--if-match", "x", "-d", "x"],
        &["put", "ftp://a/", "n=1"],
        &["put", &url, "n=1", "-H", "If-Match: *"],
        &["get", &url, "--output", "junit"],
        &["edit", &url, "--resume"],
        &["edit", &url, "--resume", "--discard"],
    ] {
        let ran = desk.run(args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_write_whose_answer_has_no_tag_is_read_back_and_compared() {
    for (stores, is_same) in [(Stores::AsSent, true), (Stores::SortedJson, false)] {
        let (desk, upstream) = (Desk::new(), right());
        upstream.habits("/a", Habits { evaluates: true, stores, shows: Shows::Nothing, ..Habits::default() });
        let url = format!("{}/a", upstream.url());
        desk.write("a.json", r#"{"b":1, "a":1}"#);
        let document = desk.run(&["put", &url, "--create", "@a.json", "--output", "json"]).json();
        assert_eq!(document["after"].is_string(), is_same, "{document:#}");
        desk.run(&["put", &url, "@a.json"]).said(if is_same { 0 } else { 2 }, &[]);
    }
}

#[test]
fn whatever_is_there_is_no_tag() {
    let (desk, upstream) = (Desk::new(), right());
    upstream.set("/a", b"{}");
    let url = format!("{}/a", upstream.url());
    for command in
        [&["put", &url, "-d", "x"][..], &["put", &url, "n=1"], &["patch", &url, "n=1"], &["delete", &url]]
    {
        desk.run(&[command, &["--if-match", "*"]].concat()).said(2, &["--overwrite", "Nothing was sent"]);
    }
    assert_eq!(upstream.count("GET"), 0);
}

#[test]
fn a_byte_order_mark_is_told() {
    let (desk, upstream) = (Desk::new(), right());
    upstream.set("/a", b"\xef\xbb\xbf{\"n\":1}");
    let url = format!("{}/a", upstream.url());
    desk.run(&["put", &url, "n:=2"]).said(2, &["byte order mark", "Nothing was sent"]);
    assert_eq!(upstream.count("PUT"), 0);
}

#[test]
fn the_write_of_a_merge_is_conditional_too() {
    let (desk, upstream) = (Desk::new(), right());
    let url = format!("{}/a", upstream.url());
    upstream.set("/a", br#"{"mine":0,"theirs":1,"third":0}"#);
    desk.write("old.json", r#"{"mine":0,"theirs":0,"third":0}"#);
    desk.write("new.json", r#"{"mine":1,"theirs":0,"third":0}"#);
    let gate = upstream.gate();
    upstream.next("PUT", "/a", Course::held(Point::Head, &gate));
    let mut child = desk.command(&["put", &url, "--base", "old.json", "@new.json"]).spawn().unwrap();
    upstream.wait_for("PUT", "/a", Point::Head, 1).unwrap();
    upstream.set("/a", br#"{"mine":0,"theirs":1,"third":1}"#);
    gate.open();
    assert!(child.wait().unwrap().success());
    assert_eq!(upstream.text("/a").unwrap(), r#"{"mine":1,"theirs":1,"third":1}"#);
}
