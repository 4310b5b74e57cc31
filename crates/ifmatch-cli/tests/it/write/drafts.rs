//! What was typed is kept, whatever the editor does.

use super::{Desk, Place, Ran};
use crate::support::Server;
use std::fs;
use std::path::PathBuf;

/// A store with one thing, and a draft of it that does not fit together with what somebody else wrote.
fn parked() -> (Place, Desk, String, PathBuf) {
    let (place, desk) = (Place::Store(Server::start()), Desk::new());
    let url = place.url("/a");
    desk.run(&["put", &url, "--create", "--json", r#"{"status":"open"}"#]).said(0, &[]);
    let other = desk.other(&format!("put {url} status=theirs"));
    let editor = desk.editor(&format!(r#"{other}; sed -i s/open/typed/ "$1""#));
    let ran = desk.run(&["edit", &url, "--editor", &editor]);
    let draft = ran.said(1, &["conflict", "--resume --merge ask"]).draft();
    (place, desk, url, draft)
}

#[track_caller]
fn keeps(ran: Ran) -> Ran {
    let ran = ran.said(1, &["parked", "--resume"]);
    assert!(fs::read_to_string(ran.draft()).unwrap().contains("typed"), "{ran:?}");
    ran
}

#[test]
fn an_editor_that_fails_takes_no_draft_with_it() {
    let (_place, desk, url, _) = parked();
    for editor in ["no-such-editor", "false", "kill -9 $$;"] {
        keeps(desk.run(&["edit", &url, "--resume", "--editor", editor]));
    }
    let remover = desk.editor(r#"rm "$1""#);
    keeps(
        desk.run(&["edit", &url, "--resume", "--editor", &remover]).said(1, &["left no file", "--discard"]),
    );
    let folder = desk.editor(r#"rm "$1"; mkdir "$1""#);
    keeps(desk.run(&["edit", &url, "--resume", "--editor", &folder]).said(1, &["left no file", "--discard"]));
}

#[test]
fn a_second_editor_that_fails_takes_no_draft_with_it() {
    for fails in ["exit 1", "kill -9 $$", r#"rm "$1""#] {
        let (place, desk) = (Place::Store(Server::start()), Desk::new());
        let url = place.url("/a");
        desk.run(&["put", &url, "--create", "--json", r#"{"status":"open"}"#]).said(0, &[]);
        let other = desk.other(&format!("put {url} status=theirs"));
        let script = format!(
            r#"if test -e once; then {fails}; else touch once; {other}; sed -i s/open/typed/ "$1"; fi"#
        );
        let editor = desk.editor(&script);
        keeps(desk.run_with(&["edit", &url, "--editor", &editor, "--merge", "ask"], "e\n"));
    }
}

#[test]
fn an_editor_that_does_not_wait_finds_its_file_again() {
    let (place, desk) = (Place::Store(Server::start()), Desk::new());
    let url = place.url("/a");
    desk.run(&["put", &url, "--create", "--json", r#"{"status":"open"}"#]).said(0, &[]);
    let editor = desk.editor(r#"echo "$1" > opened"#);
    let ran = desk.run(&["edit", &url, "--editor", &editor]);
    ran.said(0, &["unchanged", "came back at once", "--wait", "--resume", "--discard"]);
    let file = fs::read_to_string(desk.path("opened")).unwrap();
    // Once more, while the window is still open: it is the same file.
    desk.run(&["edit", &url, "--editor", &editor]).said(0, &["unchanged"]);
    assert_eq!(fs::read_to_string(desk.path("opened")).unwrap(), file);
    fs::write(file.trim(), r#"{"status":"typed"}"#).unwrap();
    desk.run(&["edit", &url, "--editor", &editor]).said(2, &["a draft", "--resume"]);
    desk.run(&["edit", &url, "--editor", &editor, "--resume"]).said(0, &["saved"]);
    assert_eq!(place.content("/a")["status"], "typed");
    assert!(desk.drafts().is_empty());
}

#[test]
fn what_an_editor_left_beside_the_file_is_kept() {
    let (place, desk) = (Place::Store(Server::start()), Desk::new());
    let url = place.url("/a");
    desk.run(&["put", &url, "--create", "n:=1"]).said(0, &[]);
    let editor = desk.editor(r#"echo typed > "$(dirname "$1")/.swap"; kill -9 $$"#);
    desk.run(&["edit", &url, "--editor", &editor]).said(1, &["parked"]);
    assert_eq!(fs::read_to_string(desk.drafts()[0].join(".swap")).unwrap(), "typed\n");
}

#[test]
fn a_damaged_draft_is_named_and_not_removed() {
    for (name, content, parts) in [
        ("draft.json", Some("{"), ["draft.json", "is damaged"]),
        ("draft.json", None, ["draft.json", "is missing"]),
        ("base-1", None, ["base-1", "made from"]),
    ] {
        let (_place, desk, url, draft) = parked();
        let damaged = draft.with_file_name(name);
        match content {
            Some(content) => fs::write(&damaged, content).unwrap(),
            None => fs::remove_file(&damaged).unwrap(),
        }
        for flags in [&[][..], &["--resume"]] {
            let ran = desk.run(&[&["edit", &url, "--editor", "true"][..], flags].concat());
            let ran = ran.said(2, &[parts[0], parts[1], draft.to_str().unwrap(), "--discard"]);
            assert!(!ran.stderr.contains("not JSON"), "{ran:?}");
        }
        assert!(fs::read_to_string(&draft).unwrap().contains("typed"));
        desk.run(&["edit", &url, "--discard", "--editor", "true"]).said(0, &["unchanged"]);
    }
}

#[test]
fn what_was_deleted_meanwhile_is_written_anew_by_the_first_command() {
    let (place, desk) = (Place::Store(Server::start()), Desk::new());
    let url = place.url("/a");
    desk.run(&["put", &url, "--create", "n:=1"]).said(0, &[]);
    let other = format!("{}; {}", desk.other(&format!("get {url}")), desk.other(&format!("delete {url}")));
    let editor = desk.editor(&format!(r#"{other}; sed -i s/1/7/ "$1""#));
    let ran = desk.run(&["edit", &url, "--editor", &editor]).said(4, &["gone"]);
    let next = ran.stderr.lines().find(|line| line.starts_with("next")).unwrap();
    assert!(next.contains("--resume --create"), "{ran:?}");
}
