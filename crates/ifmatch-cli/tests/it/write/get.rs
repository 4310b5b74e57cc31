//! Reading, and remembering what was read.

use super::{Desk, Place, assert_private};
use ifmatch_testkit::upstream::{Coding, Course, Habits, Scripted, Tags};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;

#[test]
fn a_pipe_gets_the_bytes_as_they_are() {
    let (desk, upstream) = (Desk::new(), Scripted::start().unwrap());
    for content in [&b"{\"a\":1.50,  \"b\":2}\n\n"[..], b"\x00\xff\r\n", b""] {
        upstream.set("/a", content);
        let output = desk.command(&["get", &format!("{}/a", upstream.url())]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), content));
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn nothing_that_is_no_content_is_printed_as_one() {
    let (desk, upstream) = (Desk::new(), Scripted::start().unwrap());
    let url = format!("{}/a", upstream.url());
    let ran = desk.run(&["get", &url]).said(1, &["404"]);
    assert_eq!(ran.stdout, "");
    upstream.set("/a", b"x");
    upstream.next("GET", "/a", Course::status(503));
    assert_eq!(desk.run(&["get", &url]).said(3, &["503"]).stdout, "");
    drop(upstream);
    desk.run(&["get", &url]).said(3, &["cannot be reached"]);
}

#[test]
fn the_head_and_a_document_for_those_who_ask() {
    let desk = Desk::new();
    for place in Place::both() {
        let url = place.url("/a");
        desk.run(&["put", &url, "--create", "n:=1.50"]).said(0, &["created"]);
        let ran = desk.run(&["get", &url, "-i"]).said(0, &[]);
        let head = ran.stdout.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200") && head.contains("\netag: \""), "{head}");
        let document = desk.run(&["get", &url, "--output", "json"]).json();
        assert_eq!((&document["writable"], &document["status"]), (&json!(true), &json!(200)));
        assert_eq!(document["content"].to_string(), r#"{"n":1.50}"#);
        assert!(document["version"].as_str().unwrap().starts_with('"'));
    }
}

#[test]
fn what_cannot_be_written_back_is_said_when_it_is_read() {
    let desk = Desk::new();
    let upstream = Scripted::start_with(Habits { tags: Tags::Weak, ..Habits::default() }).unwrap();
    upstream.set("/a", b"{}");
    let url = format!("{}/a", upstream.url());
    desk.run(&["get", &url, "-o", "a.json"]).said(0, &["cannot be written back", "weak"]);
    let document = desk.run(&["get", &url, "--output", "json"]).json();
    assert_eq!((&document["writable"], &document["version"]), (&json!(false), &Value::Null));
    desk.run(&["put", &url, "@a.json"]).said(2, &["Nothing was sent"]);
    desk.run(&["put", &url, "n:=1"]).said(1, &["unsafe", "weak", "Nothing was sent"]);
    desk.run(&["edit", &url]).said(1, &["weak", "Nothing was sent"]);
    assert_eq!(upstream.count("PUT"), 0);
}

#[test]
fn what_is_remembered_is_private_and_bounded_and_without_secrets() {
    let (desk, upstream) = (Desk::new(), Scripted::start().unwrap());
    upstream.names(|request| request.path().to_owned());
    upstream.set("/a", b"{}");
    for number in 0..210 {
        let url = format!("{}/a?token=hidden{number}", upstream.url());
        desk.run(&["get", &url, "-u", "me:hidden"]).said(0, &[]);
    }
    let seen = desk.state().join("ifmatch/seen");
    assert_private(&desk.state());
    let all: Vec<_> = fs::read_dir(&seen).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(all.len(), 200);
    for path in all {
        let text = format!("{}{}", path.display(), String::from_utf8_lossy(&fs::read(&path).unwrap()));
        assert!(!text.contains("hidden"), "{text}");
    }
    let fresh = Desk::new();
    fresh.run(&["get", &format!("{}/a", upstream.url()), "--no-remember"]).said(0, &[]);
    assert!(!fresh.state().exists());
}

#[test]
fn a_file_keeps_the_version_that_it_was_made_from() {
    let desk = Desk::new();
    for place in Place::both() {
        let url = place.url("/a");
        desk.run(&["put", &url, "--create", "n:=1"]).said(0, &[]);
        desk.run(&["get", &url, "-o", "kept.json"]).said(0, &[]);
        let redirected = fs::File::create(desk.path("redirected.json")).unwrap();
        assert!(desk.command(&["get", &url]).stdout(Stdio::from(redirected)).status().unwrap().success());
        // Somebody else writes, and it is looked at again: that does not make the files newer.
        desk.run(&["put", &url, "n:=2"]).said(0, &[]);
        desk.run(&["get", &url]).said(0, &[]);
        for file in ["@kept.json", "@redirected.json"] {
            desk.run(&["put", &url, file]).said(4, &["412"]);
        }
        assert_eq!(place.content("/a"), json!({ "n": 2 }));
    }
}

#[test]
fn secrets_are_masked() {
    let (desk, upstream) = (Desk::new(), Scripted::start().unwrap());
    upstream.names(|request| request.path().to_owned());
    upstream.set("/a", b"{}");
    let url = format!("{}/a?access_token=hidden", upstream.url());
    let args = ["-v", "--bearer", "hidden", "-H", "Cookie: a=hidden"];
    for command in [&["get", &url][..], &["put", &url, "n:=1"], &["delete", &url], &["put", &url, "-d", "x"]]
    {
        let ran = desk.run(&[command, &args].concat());
        assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
        assert!(!ran.stdout.contains("hidden"), "{}", ran.stdout);
    }
    // Nor where a refusal repeats the URL.
    let said =
        r#"{"detail":"PUT /a?access_token=hidden is refused.","steps":["GET /a?access_token=hidden"]}"#;
    let refusal = format!(
        "HTTP/1.1 412 Precondition Failed\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{said}",
        said.len()
    );
    upstream.always("PUT", "/a", Course::raw(refusal));
    for format in [&[][..], &["--output", "json"]] {
        let ran = desk.run(&[&["put", &url, "--if-match", "\"x\"", "-d", "x"][..], format, &args].concat());
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains("access_token=***") && !told.contains("hidden"), "{told}");
    }
    let ran = desk.run(&[&["get", &url, "--show-secrets"][..], &args].concat());
    assert!(ran.stderr.contains("Bearer hidden"), "{}", ran.stderr);
    assert_eq!(upstream.requests()[0].value("authorization"), Some("Bearer hidden"));
}

#[test]
fn what_is_compressed_is_not_written_back() {
    let (desk, upstream) = (Desk::new(), Scripted::start().unwrap());
    upstream.habits("/a", Habits { coding: Coding::Always, ..Habits::default() });
    upstream.set("/a", b"{}");
    let url = format!("{}/a", upstream.url());
    desk.run(&["get", &url, "-o", "a.json"]).said(0, &["compressed (gzip)"]);
    desk.run(&["put", &url, "@a.json"]).said(2, &["Nothing was sent"]);
    desk.run(&["put", &url, "n:=1"]).said(2, &["compressed (gzip)"]);
    desk.run(&["edit", &url]).said(2, &["compressed (gzip)"]);
    assert_eq!(upstream.count("PUT"), 0);
}

#[test]
fn the_next_command_reaches_the_api_as_this_one_did() {
    let (desk, upstream) = (Desk::new(), Scripted::start().unwrap());
    upstream.set("/a", b"{}");
    upstream.always("PUT", "/a", Course::status(412));
    let url = format!("{}/a", upstream.url());
    let flags = ["-H", "X-Client: web", "--http1.1", "-u", "me:hidden", "-H", "Cookie: hidden"];
    let ran = desk.run(&[&["put", &url, "--if-match", "x", "-d", "x"][..], &flags].concat());
    let next = format!("ifmatch get {url} -o FILE -H 'X-Client: web' -H 'Cookie: ***' -u 'me:***' --http1.1");
    ran.said(4, &[&next]);
}
