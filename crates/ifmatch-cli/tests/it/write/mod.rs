//! `get`, `put`, `patch`, `delete` and `edit`, as they are run.

mod drafts;
mod edit;
mod failures;
mod get;
mod put;
mod seen;
mod terminal;

use crate::support::{Server, TIMEOUT, ifmatch, listening};
use ifmatch_testkit::process;
use ifmatch_testkit::upstream::Scripted;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Somebody at a desk: a folder for files, and one for what ifmatch keeps.
pub(crate) struct Desk {
    folder: TempDir,
}

/// What a run said and ended with.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// It ended so, and said this on standard error.
    #[track_caller]
    pub(crate) fn said(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {self:#?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    /// The one document that was printed, which is as its schema says.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let document: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        assert_fits(&document);
        document
    }

    /// The path of the draft that it says it kept.
    #[track_caller]
    pub(crate) fn draft(&self) -> PathBuf {
        let line = self.stderr.lines().find_map(|line| line.strip_prefix("What you typed is kept in "));
        PathBuf::from(line.unwrap_or_else(|| panic!("no draft: {self:#?}")))
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// A run, without a terminal and in this folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = ifmatch(args);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.state()).env_remove("VISUAL").env("EDITOR", "false");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// A run with this on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A run that ends before it has read all is as good.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        Ran::of(child.wait_with_output().unwrap())
    }

    /// An editor that does this, with the file in `$1`; the name to give to --editor.
    pub(crate) fn editor(&self, script: &str) -> String {
        let path = self.write("editor.sh", &format!("set -e\n{script}\n"));
        format!("sh {path}")
    }

    /// A command of somebody else at another desk, for a script.
    pub(crate) fn other(&self, args: &str) -> String {
        let (binary, state) = (env!("CARGO_BIN_EXE_ifmatch"), self.path("other"));
        format!("XDG_STATE_HOME={} {binary} {args} -q", state.display())
    }

    /// All drafts that are kept.
    pub(crate) fn drafts(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state().join("ifmatch/drafts")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    }
}

/// Something protected to write to. The same must hold for the own store and for any API behind the gateway.
pub(crate) enum Place {
    Store(Server),
    Gateway(Box<Gateway>),
}

pub(crate) struct Gateway {
    process: process::Server,
    address: SocketAddr,
    upstream: Scripted,
    _folder: TempDir,
}

impl Place {
    pub(crate) fn both() -> [Self; 2] {
        [Self::Store(Server::start()), Self::gateway()]
    }

    fn gateway() -> Self {
        let upstream = Scripted::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command =
            ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--output", "json"]);
        command.args(["--mode", "enforce", "--upstream", &upstream.url(), "--state"]);
        command.arg(folder.path().join("state"));
        let process = process::Server::spawn(&mut command).unwrap();
        let address = process.wait_for_line(TIMEOUT, listening).unwrap();
        Self::Gateway(Box::new(Gateway { process, address, upstream, _folder: folder }))
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Store(server) => server.address(),
            Self::Gateway(gateway) => gateway.address,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// What is there.
    pub(crate) fn content(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap()
    }

    pub(crate) fn text(&self, path: &str) -> String {
        match self {
            Self::Store(server) => server.get(path).text(),
            Self::Gateway(gateway) => gateway.upstream.text(path).unwrap(),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let log = self.process.stderr().text();
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

/// A document has what its published schema requires, and nothing that it does not know.
#[track_caller]
fn assert_fits(document: &Value) {
    let name = document["schema"].as_str().unwrap().rsplit('/').next().unwrap().trim_end_matches(".json");
    let printed = ifmatch(&["schema", name]).output().unwrap();
    let schema: Value = serde_json::from_slice(&printed.stdout).unwrap();
    for required in schema["required"].as_array().unwrap() {
        assert!(document.get(required.as_str().unwrap()).is_some(), "no {required}: {document:#}");
    }
    for (member, value) in document.as_object().unwrap() {
        let known = &schema["properties"][member];
        assert!(!known.is_null(), "{name} does not know {member}");
        let is_fit = known["enum"].as_array().is_none_or(|values| values.contains(value));
        assert!(is_fit && known.get("const").is_none_or(|only| only == value), "{member}: {value}");
    }
}

/// Nobody but its owner reads what is kept.
#[track_caller]
pub(crate) fn assert_private(folder: &Path) {
    use std::os::unix::fs::MetadataExt;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
        if path.is_dir() {
            assert_private(&path);
        }
    }
}
