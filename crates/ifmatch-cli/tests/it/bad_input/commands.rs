//! Command lines.

use super::{assert_no_run, run};
use crate::support::ifmatch;
use ifmatch_core::Code;
use serde_json::Value;
use std::io::pipe;
use std::process::Stdio;

#[test]
fn what_is_misspelled_is_named() {
    assert_no_run(&["serve", "--frob"], &["--frob", "Usage"]);
    assert_no_run(&["serve", "--lisen", "127.0.0.1:0"], &["--lisen", "--listen"]);
    assert_no_run(&["frob"], &["frob"]);
    assert_no_run(&["serve", "extra"], &["extra"]);
    assert_no_run(&["serve", "--output", "yaml"], &["yaml", "json"]);
    assert_no_run(&["-q", "-v", "explain"], &["--quiet", "--verbose"]);
    assert_no_run(&["completions", "frob"], &["frob", "bash"]);
}

#[test]
fn values_that_cannot_be() {
    for bad in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "256.0.0.1:80", ""] {
        assert_no_run(&["serve", "--listen", bad], &["--listen"]);
        assert_no_run(&["serve", "--admin", bad], &["--admin"]);
    }
    for (flag, bad) in [
        ("--workers", "0"),
        ("--workers", "2000"),
        ("--workers", "x"),
        ("--content-bytes-max", "0"),
        ("--content-bytes-max", "99999999999999"),
        ("--connections-max", "0"),
    ] {
        assert_no_run(&["serve", flag, bad], &[flag, bad]);
    }
    for bad in ["app.example", "https://app.example/", "ftp://x"] {
        assert_no_run(&["serve", "--cors-origin", bad], &["--cors-origin", bad, "https://app.example"]);
    }
}

#[test]
fn help_and_version() {
    for args in [&["--help"][..], &["-h"], &["serve", "--help"], &["help", "explain"]] {
        let ran = run(args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(ran.stdout.contains("Usage: ifmatch"), "{args:?}: {}", ran.stdout);
    }
    assert!(run(&["--help"]).stdout.contains("Exit codes"));
    let version = run(&["--version"]);
    assert_eq!(version.stdout, format!("ifmatch {}\n", env!("CARGO_PKG_VERSION")));
    let nothing = run(&[]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(2), ""));
    assert!(nothing.stderr.contains("Usage: ifmatch"));
}

#[test]
fn explain_tells_every_code() {
    let all = run(&["explain"]);
    assert_eq!((all.code, all.stderr.as_str()), (Some(0), ""));
    for code in Code::ALL {
        let line = all.stdout.lines().find(|line| line.starts_with(code.name())).unwrap();
        assert!(line.contains(code.status().as_str()), "{line}");
        // By the name, by the end of a type, by a whole type.
        for name in [code.name().to_owned(), code.slug(), code.type_path()] {
            let one = run(&["explain", &name]);
            assert_eq!(one.code, Some(0), "{name}: {}", one.stderr);
            assert!(one.stdout.contains(code.means()) && one.stdout.contains(code.todo()), "{}", one.stdout);
        }
    }
    let all: Value = serde_json::from_str(&run(&["explain", "--output", "json"]).stdout).unwrap();
    assert_eq!(all["problems"].as_array().unwrap().len(), Code::ALL.len());
    let one: Value =
        serde_json::from_str(&run(&["--output", "json", "explain", "stale_version"]).stdout).unwrap();
    assert_eq!((&one["code"], &one["status"]), (&"stale_version".into(), &412.into()));
    assert_eq!((&one["applied"], &one["retry"]["same_request"]), (&false.into(), &false.into()));
    assert!(all["problems"].as_array().unwrap().contains(&one));
    assert_no_run(&["explain", "stale"], &["stale", "stale_version"]);
    assert_no_run(&["explain", "frob", "--output", "json"], &["frob", "ifmatch explain"]);
}

#[test]
fn colors_are_for_those_who_want_them() {
    for args in [&["explain"][..], &["explain", "--color", "auto"], &["explain", "--color", "never"]] {
        assert!(!run(args).stdout.contains('\u{1b}'), "{args:?}");
    }
    assert!(run(&["explain", "--color", "always"]).stdout.contains('\u{1b}'));
}

#[test]
fn completions_and_man_page() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["ifmatch", "serve", "explain", "content-bytes-max"] {
            assert!(ran.stdout.contains(word), "{shell}: no {word}");
        }
    }
    let man = run(&["man"]);
    assert_eq!((man.code, man.stderr.as_str()), (Some(0), ""));
    assert!(man.stdout.contains(".TH ifmatch"), "{}", man.stdout);
}

/// `ifmatch explain | head -1`: that the reader has gone is no failure.
#[test]
fn a_closed_pipe_is_no_failure() {
    for args in
        [&["explain"][..], &["explain", "--output", "json"], &["completions", "bash"], &["man"], &["--help"]]
    {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let ended = ifmatch(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]), "{args:?}");
    }
}
