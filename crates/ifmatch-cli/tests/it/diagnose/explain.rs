//! `ifmatch explain`, as it is run.

use crate::support::ifmatch;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What a run said.
struct Run {
    status: i32,
    out: String,
    err: String,
}

impl Run {
    fn of(arguments: &[&str]) -> Self {
        Self::with(arguments, "")
    }

    fn with(arguments: &[&str], input: &str) -> Self {
        let mut command = ifmatch(&[&["explain"], arguments].concat());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env_remove("COLUMNS").spawn().unwrap();
        // Whoever lists codes does not read.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn recording(name: &str) -> PathBuf {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../ifmatch-diagnose/tests/it/explain/recordings");
    folder.join(name)
}

#[test]
fn a_recording_is_explained() {
    let file = recording("x03.har");
    let run = Run::of(&[file.to_str().unwrap()]);
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    for part in ["entry 3 of 3", "X03 self-conflict, certain", "<- keep", "1 case, explained"] {
        assert!(run.out.contains(part), "no {part:?} in\n{}", run.out);
    }
    assert!(!run.out.contains('\u{1b}'), "no colors into a pipe");
    assert_eq!(Run::of(&["--har", file.to_str().unwrap()]).out, run.out);
    assert_eq!(Run::with(&["-"], &fs::read_to_string(&file).unwrap()).out, run.out);
}

#[test]
fn all_forms_say_the_same() {
    let file = recording("x16.har");
    let file = file.to_str().unwrap();
    let json: Value = serde_json::from_str(&Run::of(&[file, "--output", "json"]).out).unwrap();
    assert_eq!(json["schema"], "/.well-known/ifmatch/schema/explain-1.json");
    assert_eq!(
        (&json["verdict"], &json["cases"][1]["causes"][0]["code"]),
        (&"explained".into(), &"X16".into())
    );
    assert!(Run::of(&[file, "--output", "junit"]).out.contains("<failure message=\"X16 blind-retry\">"));
    assert!(Run::of(&[file, "--output", "markdown"]).out.contains("**Cause: X16 blind-retry** (likely)"));
    for form in ["json", "junit", "markdown"] {
        assert_eq!(Run::of(&[file, "--output", form]).status, 1);
    }
}

#[test]
fn exit_codes_tell_how_it_ended() {
    let fine = recording("fine.har");
    assert_eq!(Run::of(&[fine.to_str().unwrap()]).status, 0);
    assert_eq!(Run::of(&["X03"]).status, 0);
    assert_eq!(Run::with(&["-"], "HTTP/1.1 412 Precondition Failed\nETag: \"8\"\n\n").status, 3);
    assert_eq!(Run::with(&["-"], "HTTP/1.1 428 Precondition Required\n\n").status, 1);
    assert_eq!(Run::with(&["-"], "hello").status, 2);
}

#[test]
fn a_command_is_judged_by_itself() {
    for (words, status, part) in [
        (&["curl", "-X", "PUT", "http://h/a", "-d", "x"][..], 1, "X01 missing, certain"),
        (&["curl", "-X", "PUT", "h/a", "-H", "If-Match: 7"], 1, "Instead If-Match: \"7\""),
        (&["curl", "-X", "PUT", "h/a", "-H", "If-Match: W/\"7\""], 1, "X05 weak-tag, certain"),
        (&["curl", "-X", "PUT", "h/a", "-H", "If-None-Match: \"7\""], 1, "X09 wrong-field, certain"),
        (&["curl", "-X", "PUT", "h/a", "-H", "If-Match: undefined"], 1, "X08 literal-undefined, certain"),
        (&["curl", "-X", "PUT", "h/a", "-H", "If-Match: \"7\""], 0, "By itself the request is right"),
        (&["curl", "h/a"], 0, "reads overwrite nothing"),
    ] {
        let run = Run::of(&[&["--"], words].concat());
        assert_eq!((run.status, run.err.as_str()), (status, ""), "{words:?}");
        assert!(run.out.contains(part), "{words:?}: no {part:?} in\n{}", run.out);
    }
    let run = Run::of(&["--", "wget", "http://h"]);
    assert!(run.status == 2 && run.err.contains("only curl"), "{}", run.err);
}

#[test]
fn what_is_pasted_is_recognised() {
    let bash = "curl 'http://h/a' \\\n  -X 'PUT' \\\n  -H $'if-match: W/\"7\"' \\\n  --data-raw $'{\"a\":\"it\\'s\"}'";
    let cmd = "curl ^\"http://h/a^\" ^\n  -X ^\"PUT^\" ^\n  -H ^\"if-match: W/^\\^\"7^\\^\"^\"";
    for pasted in [bash, cmd] {
        let run = Run::with(&["-"], pasted);
        assert!(run.status == 1 && run.out.contains("X05 weak-tag"), "{pasted}\n{}{}", run.out, run.err);
    }
    let body = r#"{"error":{"code":"","message":"The If-Match header must be specified for this type of request."}}"#;
    assert!(Run::with(&["-"], body).out.contains("X01 missing, certain"));
    let audit = fs::read_to_string(recording("audit.jsonl")).unwrap();
    assert!(Run::with(&["-"], &audit).out.contains("It overwrote what erp"));
}

#[test]
fn one_entry_and_all_of_them() {
    let file = recording("x10.har");
    let file = file.to_str().unwrap();
    assert!(Run::of(&[file]).out.contains("entry 4 of 4"));
    let one = Run::of(&[file, "--entry", "3"]);
    assert!(one.out.contains("entry 3 of 4") && !one.out.contains("entry 4 of 4"), "{}", one.out);
    let none = Run::of(&[file, "--entry", "9"]);
    assert!(none.status == 2 && none.err.contains("there is no entry 9; the input has 4"), "{}", none.err);
    let open = "PUT /a HTTP/1.1\nHost: h\n\nHTTP/1.1 204 No Content\n\n";
    assert_eq!(Run::with(&["-"], open).status, 0);
    let all = Run::with(&["-", "--all"], open);
    assert!(
        all.status == 1 && all.out.contains("a server that requires conditions refuses it"),
        "{}",
        all.out
    );
}

#[test]
fn codes_have_pages() {
    for (asked, part) in [
        ("X03", "X03 self-conflict: The client lost to its own earlier write"),
        ("x16", "X16 blind-retry"),
        ("literal-undefined", "X08"),
        ("V004", "V004 weakened-by-coding"),
        ("412", "X12"),
        ("428", "precondition_required"),
    ] {
        let run = Run::of(&[asked]);
        assert!(run.status == 0 && run.out.contains(part), "{asked}: {}{}", run.out, run.err);
    }
    let list = Run::of(&[]).out;
    assert!(["stale_version", "X17", "V001"].iter().all(|code| list.contains(code)), "{list}");
    for (arguments, part) in [
        (&["X99"][..], "no code and no file"),
        (&["no-such.har"], "there is no file"),
        (&["200"], "no code"),
        (&["404000"], "no code"),
        (&["X03", "--output", "junit"], "no junit output"),
        (&["--entry", "3"], "go with an input"),
        (&["--har", "no-such.har"], "could not be read"),
        (&["x.har", "--", "curl", "h"], "cannot be used with"),
    ] {
        let run = Run::of(arguments);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{arguments:?}");
        assert!(run.err.contains(part), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn a_folder_is_no_input() {
    let run = Run::of(&["/"]);
    assert!(run.status == 2 && run.err.contains("could not be read"), "{}", run.err);
}
