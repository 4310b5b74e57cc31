//! `edit` where somebody else writes meanwhile: the editors of these tests write themselves before they are done.

use super::{Desk, Place, assert_private};
use serde_json::json;
use std::fs;

fn place_with(place: &Place, content: &str) -> (Desk, String) {
    let (desk, url) = (Desk::new(), place.url("/a"));
    desk.run(&["put", &url, "--create", "--json", content]).said(0, &["created"]);
    (desk, url)
}

const ORDER: &str = r#"{"status":"open","total":1,"big":12345678901234567890.50}"#;

#[test]
fn what_is_typed_is_saved_as_it_was_laid_out() {
    for place in Place::both() {
        let (desk, url) = place_with(&place, ORDER);
        let editor = desk.editor(r#"test "$(wc -l < "$1")" = 5; sed -i s/open/done/ "$1""#);
        desk.run(&["edit", &url, "--editor", &editor]).said(0, &["saved"]);
        assert_eq!(place.text("/a"), ORDER.replace("open", "done"));
        assert!(desk.drafts().is_empty());
        assert_private(&desk.state());
        desk.run(&["edit", &url, "--editor", "true"]).said(0, &["unchanged"]);
        let pretty = desk.editor(r#"tr -d ' \n' < "$1" > tmp; cp tmp "$1""#);
        desk.run(&["edit", &url, "--editor", &pretty]).said(0, &["unchanged"]);
        assert_eq!(place.text("/a"), ORDER.replace("open", "done"));
    }
}

#[test]
fn a_layout_that_somebody_chose_is_kept() {
    let place = Place::Store(crate::support::Server::start());
    let (desk, url) = (Desk::new(), place.url("/a"));
    for layout in ["{\n    \"a\" : 1,\n    \"b\":[ 2 ]\n}", "{\n\t\"a\": 1\n}\n\n"] {
        desk.run(&["put", &url, "--create", "--json", layout]).said(0, &[]);
        let editor = desk.editor(r#"sed -i s/1/7/ "$1""#);
        desk.run(&["edit", &url, "--editor", &editor]).said(0, &["saved"]);
        assert_eq!(place.text("/a"), layout.replace('1', "7"));
        desk.run(&["get", &url]).said(0, &[]);
        desk.run(&["delete", &url]).said(0, &[]);
    }
}

#[test]
fn the_editor_is_found_where_everybody_looks() {
    let place = Place::Store(crate::support::Server::start());
    let (desk, url) = place_with(&place, ORDER);
    let editor = desk.editor(r#"sed -i s/open/visual/ "$1""#);
    let status = desk.command(&["edit", &url]).env("VISUAL", &editor).status().unwrap();
    assert!(status.success());
    assert_eq!(place.content("/a")["status"], "visual");
    desk.run(&["edit", &url]).said(2, &["\"false\"", "Nothing was sent"]);
    desk.run(&["edit", &url, "--editor", "no-such-editor --wait"]).said(2, &["no editor", "--editor"]);
    assert!(desk.drafts().is_empty());
}

#[test]
fn what_others_wrote_meanwhile_is_merged() {
    for place in Place::both() {
        let (desk, url) = place_with(&place, ORDER);
        let other = desk.other(&format!("put {url} total:=2"));
        let editor = desk.editor(&format!(r#"{other}; sed -i s/open/done/ "$1""#));
        let ran = desk.run(&["edit", &url, "--editor", &editor]);
        ran.said(0, &["412: changed while you were editing", "/status (yours)", "/total (theirs)", "saved"]);
        assert_eq!(place.text("/a"), ORDER.replace("open", "done").replace("\"total\":1", "\"total\":2"));
        assert!(desk.drafts().is_empty());
    }
}

#[test]
fn text_is_merged_by_line() {
    for place in Place::both() {
        let (desk, url) = (Desk::new(), place.url("/a"));
        desk.write("text", "a\nb\nc\nd\ne\n");
        desk.run(&["put", &url, "--create", "@text"]).said(0, &[]);
        desk.write("theirs", "A\nb\nc\nd\ne\n");
        let other = desk.other(&format!("put {url} --base text @theirs"));
        let editor =
            desk.editor(&format!(r#"case "$1" in *.txt) ;; *) exit 1;; esac; {other}; sed -i s/e/E/ "$1""#));
        desk.run(&["edit", &url, "--editor", &editor]).said(0, &["412", "saved"]);
        assert_eq!(place.text("/a"), "A\nb\nc\nd\nE\n");
        desk.write("text", "A\nb\nc\nd\nE\n");
        desk.write("theirs", "theirs\nb\nc\nd\nE\n");
        let editor = desk.editor(&format!(r#"{other}; sed -i s/A/mine/ "$1""#));
        let ran = desk.run_with(&["edit", &url, "--editor", &editor, "--merge", "ask"], "s\nm\n");
        ran.said(0, &["1 place needs you", "theirs", "mine", "saved"]);
        assert_eq!(place.text("/a"), "mine\nb\nc\nd\nE\n");
    }
}

/// An editor that makes `status` mine while somebody else makes it theirs.
fn overlapping(desk: &Desk, url: &str) -> String {
    let other = desk.other(&format!("put {url} status=theirs total:=2"));
    desk.editor(&format!(r#"{other}; sed -i s/open/mine/ "$1""#))
}

#[test]
fn what_does_not_fit_together_is_asked() {
    for place in Place::both() {
        for (answers, status) in [("m\n", "mine"), ("t\n", "theirs"), ("nonsense\ns\nm\n", "mine")] {
            let (desk, url) = (Desk::new(), place.url("/a"));
            desk.run(&["put", &url, "--create", "--json", ORDER]);
            let editor = overlapping(&desk, &url);
            let ran = desk.run_with(&["edit", &url, "--editor", &editor, "--merge", "ask"], answers);
            let sides = [
                "412",
                "1 place needs you",
                "before",
                "\"open\"",
                "theirs",
                "\"theirs\"",
                "yours",
                "\"mine\"",
            ];
            ran.said(0, &sides);
            assert_eq!(place.content("/a")["status"], status);
            assert_eq!(place.content("/a")["total"], 2, "what fits together is merged");
            assert!(desk.drafts().is_empty());
            desk.run(&["get", &url]);
            desk.run(&["delete", &url]).said(0, &[]);
        }
    }
}

#[test]
fn a_conflict_is_edited_by_hand() {
    let place = Place::Store(crate::support::Server::start());
    let (desk, url) = place_with(&place, ORDER);
    let other = desk.other(&format!("put {url} status=theirs total:=2"));
    let script = format!(
        r#"if test -e once; then sed -i s/mine/both/ "$1"; else touch once; {other}; sed -i s/open/mine/ "$1"; fi"#
    );
    let editor = desk.editor(&script);
    desk.run_with(&["edit", &url, "--editor", &editor, "--merge", "ask"], "e\n").said(0, &["saved"]);
    assert_eq!((&place.content("/a")["status"], &place.content("/a")["total"]), (&json!("both"), &json!(2)));
}

#[test]
fn marks_that_are_left_in_are_not_saved() {
    let place = Place::Store(crate::support::Server::start());
    let (desk, url) = (Desk::new(), place.url("/a"));
    desk.write("text", "a\n");
    desk.run(&["put", &url, "--create", "@text"]).said(0, &[]);
    desk.write("theirs", "theirs\n");
    let other = desk.other(&format!("put {url} --base text @theirs"));
    let editor =
        desk.editor(&format!(r#"test -e once || {{ touch once; {other}; sed -i s/a/mine/ "$1"; }}"#));
    let ran = desk.run_with(&["edit", &url, "--editor", &editor, "--merge", "ask"], "e\n");
    let ran = ran.said(1, &["marks", "Nothing was sent"]);
    let kept = fs::read_to_string(ran.draft()).unwrap();
    assert!(kept.contains("theirs\n") && kept.contains("mine\n"), "{kept}");
    assert_eq!(place.text("/a"), "theirs\n");
}

#[test]
fn what_does_not_fit_together_is_kept_where_nobody_is_asked() {
    for place in Place::both() {
        let (desk, url) = place_with(&place, ORDER);
        let editor = overlapping(&desk, &url);
        let ran = desk.run(&["edit", &url, "--editor", &editor]);
        let ran = ran.said(1, &["conflict", "/status", "Nothing was written", "--resume"]);
        assert!(fs::read_to_string(ran.draft()).unwrap().contains("\"mine\""));
        assert_eq!(place.content("/a")["status"], "theirs");
        // The next edit does not hide it, and is not begun over it.
        let ran = desk.run(&["edit", &url, "--editor", "true"]);
        ran.said(2, &["a draft of", "--resume", "--discard", "Nothing was sent"]);
        let ran = desk.run_with(&["edit", &url, "--editor", "true", "--resume", "--merge", "ask"], "p\n");
        ran.said(1, &["parked", "What you typed is kept"]);
        let ran = desk.run_with(&["edit", &url, "--editor", "true", "--resume", "--merge", "ask"], "m\n");
        ran.said(0, &["saved"]);
        assert_eq!(
            (&place.content("/a")["status"], &place.content("/a")["total"]),
            (&json!("mine"), &json!(2))
        );
        assert!(desk.drafts().is_empty());
    }
}

#[test]
fn a_conflict_is_told_as_a_document() {
    let place = Place::Store(crate::support::Server::start());
    let (desk, url) = place_with(&place, ORDER);
    let editor = overlapping(&desk, &url);
    let ran = desk.run(&["edit", &url, "--editor", &editor, "--output", "json"]);
    let document = ran.json();
    assert_eq!(
        (ran.code, &document["outcome"], &document["applied"]),
        (1, &json!("conflict"), &json!(false))
    );
    assert_eq!(document["merged"], json!([{ "path": "/total", "from": "theirs" }]));
    assert_eq!(document["conflicts"][0]["path"], "/status");
    assert!(fs::exists(document["draft"].as_str().unwrap()).unwrap());
    let discarded = desk.run(&["edit", &url, "--editor", "true", "--discard", "--output", "json"]);
    assert_eq!((discarded.code, &discarded.json()["outcome"]), (0, &json!("unchanged")));
    assert!(!fs::read_to_string(discarded.json()["draft"].as_str().unwrap()).unwrap().contains("mine"));
}

#[test]
fn a_merge_is_shown_before_it_is_written_if_one_wants_to_be_asked() {
    let place = Place::Store(crate::support::Server::start());
    let (desk, url) = place_with(&place, ORDER);
    let other = desk.other(&format!("put {url} total:=2"));
    let editor = desk.editor(&format!(r#"{other}; sed -i s/open/done/ "$1""#));
    let ran = desk.run_with(&["edit", &url, "--editor", &editor, "--merge", "ask"], "s\np\n");
    ran.said(1, &["[w]rite it", "\"total\":2", "parked"]);
    assert_eq!(place.content("/a")["status"], "open");
    let ran = desk.run_with(&["edit", &url, "--editor", "true", "--merge", "ask", "--resume"], "w\n");
    ran.said(0, &["saved"]);
    assert_eq!(place.content("/a")["status"], "done");
}

#[test]
fn merge_fail_merges_nothing() {
    for place in Place::both() {
        let (desk, url) = place_with(&place, ORDER);
        let other = desk.other(&format!("put {url} total:=2"));
        let editor = desk.editor(&format!(r#"{other}; sed -i s/open/done/ "$1""#));
        let ran = desk.run(&["edit", &url, "--editor", &editor, "--merge", "fail"]);
        let ran = ran.said(4, &["412", "What you typed is kept"]);
        assert!(fs::read_to_string(ran.draft()).unwrap().contains("done"));
        assert_eq!(place.content("/a")["status"], "open");
    }
}

#[test]
fn something_new_is_written_where_there_is_nothing() {
    for place in Place::both() {
        let (desk, url) = (Desk::new(), place.url("/a"));
        desk.run(&["edit", &url]).said(1, &["404", "--create"]);
        let editor = desk.editor(r#"echo '{"new":1}' > "$1""#);
        desk.run(&["edit", &url, "--create", "--editor", &editor]).said(0, &["created"]);
        assert_eq!(place.content("/a"), json!({ "new": 1 }));
        desk.run(&["edit", &url, "--create", "--editor", &editor]).said(1, &["already"]);
        let next = place.url("/b");
        let ran = desk.run(&["edit", &next, "--create", "--editor", "true"]);
        assert_ne!(ran.code, 0, "{ran:?}");
    }
}
