//! `ifmatch race` as it is run: what it asks, says, ends with, and leaves behind.

use crate::support::{TIMEOUT, ifmatch};
use ifmatch_testkit::process::{self, Signal};
use ifmatch_testkit::tls::{Authority, Certificate, Front};
use ifmatch_testkit::upstream::{Habits, Scripted};
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const DOCUMENT: &str = r#"{"id":42,"note":"hello"}"#;

/// Width of a terminal.
const COLUMNS: usize = 80;

/// An API with one document, and a place for journals.
struct Raced {
    api: Scripted,
    state: TempDir,
}

/// What a run said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Raced {
    fn start(habits: Habits) -> Self {
        let api = Scripted::start_with(habits).unwrap();
        api.set_typed("/orders/42", "application/json", DOCUMENT.as_bytes());
        Self { api, state: tempfile::tempdir().unwrap() }
    }

    /// One that looks at nothing.
    fn naive() -> Self {
        Self::start(Habits::default())
    }

    fn url(&self) -> String {
        format!("{}/orders/42", self.api.url())
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = ifmatch(&["race"]);
        command.arg(self.url()).args(flags).env("XDG_STATE_HOME", self.state.path());
        command
    }

    fn run(&self, flags: &[&str]) -> Said {
        said(&mut self.command(flags))
    }

    fn is_untouched(&self) -> bool {
        self.api.text("/orders/42").unwrap() == DOCUMENT
    }

    fn writes(&self) -> usize {
        self.api.count("PUT")
    }

    /// The journals that are there.
    fn journals(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.state.path().join("ifmatch/race"));
        folder.map(|folder| folder.map(|file| file.unwrap().path()).collect()).unwrap_or_default()
    }

    /// A run that is slow enough to be caught in the middle, and is there.
    fn slow(&self) -> process::Server {
        let process = process::Server::spawn(&mut self.command(&["--yes", "--rate", "50"])).unwrap();
        self.api
            .wait_until(|requests| (requests.iter().filter(|r| r.method == "PUT").count() > 7).then_some(()))
            .unwrap();
        process
    }
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn report(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
}

#[test]
fn a_naive_api_is_told_so_in_a_page() {
    let raced = Raced::naive();
    let said = raced.run(&["--yes"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(raced.is_untouched());
    assert!(raced.journals().is_empty());
    for part in [
        "1  all read, all write, no condition",
        "10/10  a write is gone",
        "IGNORES IF-MATCH AND IF-NONE-MATCH, LOSES UPDATES",
        "at least 74 %",
        "Reproduce\n  curl -i -X PUT",
        "should be 412",
        "ifmatch serve --upstream http://127.0.0.1",
        "# expect PROTECTED",
        "Original restored",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    // Commands are not broken: they are pasted.
    let long = said.out.lines().filter(|line| line.chars().count() > COLUMNS);
    assert!(
        long.clone().all(|line| line.trim_start().starts_with("curl ")),
        "{:?}",
        long.collect::<Vec<_>>()
    );
    assert!(!said.out.contains('\u{1b}'), "no colors where nobody sees them");
    assert_eq!(said.err, "");
}

#[test]
fn reports_are_there_for_programs() {
    let raced = Raced::naive();
    let document = report(&raced.run(&["--yes", "--output", "json"]));
    assert_eq!(document["schema"], "/.well-known/ifmatch/schema/race-1.json");
    assert_eq!(document["verdict"], "IGNORES");
    assert_eq!(document["restored"]["ending"], "identical");
    let junit = raced.run(&["--yes", "--output", "junit"]);
    assert!(
        junit.out.contains("<failure message=\"IGNORES IF-MATCH AND IF-NONE-MATCH, LOSES UPDATES\">"),
        "{}",
        junit.out
    );
    let markdown = raced.run(&["--yes", "--output", "markdown"]);
    assert!(markdown.out.starts_with("## IGNORES"), "{}", markdown.out);
    assert!(
        markdown.out.contains("| 2 | stale If-Match | 204 | done all the same | 10/10 |"),
        "{}",
        markdown.out
    );
}

#[test]
fn opt_in_is_a_finding_unless_it_is_allowed() {
    let raced = Raced::start(Habits { evaluates: true, ..Habits::default() });
    let said = raced.run(&["--yes"]);
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.out.contains("\nOPT-IN\n"), "{}", said.out);
    assert_eq!(raced.run(&["--yes", "--allow", "opt-in"]).code, Some(0));
    // What is allowed does not allow what is worse.
    assert_eq!(Raced::naive().run(&["--yes", "--allow", "opt-in"]).code, Some(1));
}

#[test]
fn nothing_is_written_unless_it_may() {
    let raced = Raced::naive();
    let said = raced.run(&[]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("--yes says that it may") && said.err.contains("/note"), "{}", said.err);
    let dry = raced.run(&["--dry-run"]);
    assert_eq!(dry.code, Some(0));
    assert!(
        dry.out.contains("if-match: \"never-issued\"") && dry.out.contains("nothing was written"),
        "{}",
        dry.out
    );
    assert_eq!(raced.writes(), 0);
    assert!(raced.journals().is_empty());
}

#[test]
fn secrets_are_not_shown_and_not_kept() {
    let raced = Raced::naive();
    let secret = "Authorization: Bearer s3cret";
    for output in ["text", "json", "junit", "markdown"] {
        let said = raced.run(&["--yes", "-H", secret, "--output", output]);
        assert!(!said.out.contains("s3cret") && !said.err.contains("s3cret"), "{}", said.out);
    }
    assert!(!raced.run(&["--dry-run", "-H", secret]).out.contains("s3cret"));
    let raced = Raced::naive();
    let mut slow =
        process::Server::spawn(&mut raced.command(&["--yes", "--rate", "50", "-H", secret])).unwrap();
    raced.api.wait_until(|requests| requests.iter().any(|r| r.method == "PUT").then_some(())).unwrap();
    let journal = fs::read_to_string(&raced.journals()[0]).unwrap();
    assert!(!journal.contains("s3cret"), "{journal}");
    slow.terminate(TIMEOUT).unwrap();
}

#[test]
fn a_signal_brings_the_original_back() {
    for signal in [Signal::INT, Signal::TERM] {
        let raced = Raced::naive();
        let mut slow = raced.slow();
        slow.signal(signal).unwrap();
        let status = slow.wait(TIMEOUT).unwrap();
        let (out, err) = (slow.stdout().text(), slow.stderr().text());
        assert!(raced.is_untouched(), "{out}{err}");
        assert!(err.contains("the original is being put back"), "{err}");
        assert!(out.contains("It was stopped before its end.") && out.contains("Original restored"), "{out}");
        // What was seen until then stays true.
        assert!(matches!(status.code(), Some(1 | 3)), "{status:?} {out}");
        assert!(raced.journals().is_empty());
    }
}

#[test]
fn a_killed_race_is_told_and_undone() {
    let raced = Raced::naive();
    let mut slow = raced.slow();

    let busy = raced.run(&["--yes"]);
    assert_eq!(busy.code, Some(2));
    assert!(busy.err.contains("is being raced already by process"), "{}", busy.err);

    slow.kill().unwrap();
    assert!(!raced.is_untouched());
    let writes = raced.writes();
    let next = raced.run(&["--yes"]);
    assert_eq!(next.code, Some(2));
    assert!(next.err.contains("--restore") && next.err.contains("was killed"), "{}", next.err);
    assert_eq!(raced.writes(), writes);

    let restored = raced.run(&["--restore"]);
    assert_eq!(restored.code, Some(0), "{}{}", restored.out, restored.err);
    assert!(raced.is_untouched());
    assert!(raced.journals().is_empty());
    assert_eq!(
        raced.run(&["--restore"]).out,
        "No race of this URL left anything behind. Nothing was sent.\n"
    );
}

#[test]
fn a_killed_race_is_not_undone_over_somebody_elses_write() {
    let raced = Raced::naive();
    raced.slow().kill().unwrap();
    raced.api.set_typed("/orders/42", "application/json", br#"{"id":42,"note":"theirs"}"#);
    let restored = raced.run(&["--restore"]);
    assert_eq!(restored.code, Some(3), "{}{}", restored.out, restored.err);
    assert!(
        restored.out.contains("Somebody else wrote") && restored.out.contains("kept in"),
        "{}",
        restored.out
    );
    assert!(raced.api.text("/orders/42").unwrap().contains("theirs"));
    assert_eq!(raced.run(&["--yes", "--forget"]).code, Some(1));
}

#[test]
fn what_is_not_reached_is_no_finding() {
    let state = tempfile::tempdir().unwrap();
    let race = |url: &str, flags: &[&str]| {
        said(ifmatch(&["race", url, "--yes"]).args(flags).env("XDG_STATE_HOME", state.path()))
    };
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let dead = race(&format!("http://{nobody}/a"), &[]);
    assert_eq!(dead.code, Some(3));
    assert!(dead.err.contains("cannot be reached") && dead.err.contains("Nothing was sent"), "{}", dead.err);
    let raced = Raced::naive();
    let missing = race(&format!("{}/nothing", raced.api.url()), &[]);
    assert_eq!(missing.code, Some(3));
    assert!(missing.err.contains("404") && missing.err.contains("that is there"), "{}", missing.err);
    for wrong in [&["--field", "note"][..], &["--rounds", "0"], &["--method", "GET"], &["--create", "PUT /a"]]
    {
        let said = raced.run(&[wrong, &["--yes"]].concat());
        assert_eq!(said.code, Some(2), "{wrong:?}: {}", said.err);
    }
    assert_eq!(raced.writes(), 0);
}

#[test]
fn over_tls_with_a_private_authority() {
    let raced = Raced::naive();
    let authority = Authority::new();
    let front =
        Front::start("127.0.0.1:0", &authority, Certificate::Sound, &["http/1.1"], raced.api.address())
            .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("ca.pem");
    fs::write(&pem, authority.pem()).unwrap();
    let race = |flags: &[&str]| {
        let mut command = ifmatch(&["race", &format!("https://{}/orders/42", front.address()), "--yes"]);
        said(command.args(flags).env("XDG_STATE_HOME", raced.state.path()))
    };
    assert_eq!(race(&[]).code, Some(3));
    assert_eq!(raced.api.requests().len(), 0);
    let said = race(&["--cacert", path(&pem)]);
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(raced.is_untouched());
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
