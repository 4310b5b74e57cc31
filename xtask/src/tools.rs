//! What the tasks need from outside, and how it gets there.

use crate::Result;
use crate::run::{run, works};
use std::process::Command;

/// A program that is not ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    Curl,
    PythonRequests,
    Node,
    Chromium,
}

impl Tool {
    /// Under which names it is looked for; the first that works is taken.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Curl => &["curl"],
            Self::PythonRequests => &["python3", "/usr/bin/python3"],
            Self::Node => &["node", "nodejs", "/usr/bin/node"],
            Self::Chromium => &["chromium", "chromium-browser", "google-chrome"],
        }
    }

    /// What shows that it is there and new enough.
    fn probe(self) -> &'static [&'static str] {
        match self {
            // Knows %header{} since 7.84.
            Self::Curl => &["--silent", "--fail", "--write-out", "%header{x}", "file:///dev/null"],
            Self::PythonRequests => &["-c", "import requests"],
            Self::Node => &["--eval", "if (typeof fetch !== 'function') process.exit(1)"],
            Self::Chromium => &["--version"],
        }
    }

    /// The Debian packages that bring it.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Curl => &["curl"],
            Self::PythonRequests => &["python3", "python3-requests"],
            Self::Node => &["nodejs"],
            Self::Chromium => &["chromium"],
        }
    }

    fn find(self) -> Option<&'static str> {
        self.names().iter().copied().find(|name| works(Command::new(name).args(self.probe())))
    }
}

/// The program for a tool; installed first if it is missing and that is possible.
pub(crate) fn need<const N: usize>(tools: [Tool; N]) -> Result<[&'static str; N]> {
    let missing = |tools: &[Tool]| -> Vec<&'static str> {
        let missing = tools.iter().filter(|tool| tool.find().is_none());
        missing.flat_map(|tool| tool.packages()).copied().collect()
    };
    let packages = missing(&tools);
    if !packages.is_empty() {
        install(&packages)?;
        let still = missing(&tools);
        if !still.is_empty() {
            return Err(format!("{} were installed but do not work or are too old", still.join(", ")));
        }
    }
    Ok(tools.map(|tool| tool.find().unwrap_or_default()))
}

fn install(packages: &[&str]) -> Result {
    let by_hand = format!("install them: apt-get install {}", packages.join(" "));
    if !works(Command::new("apt-get").arg("--version")) {
        return Err(format!("programs are missing and there is no apt-get here; {by_hand}"));
    }
    if !is_root() {
        return Err(format!("programs are missing and only root may install them; {by_hand}"));
    }
    println!("installing {}", packages.join(", "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        run(command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet").args(arguments))
    };
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&["update"]).and_then(|()| apt(&arguments)).map_err(|error| format!("{error}; {by_hand}"))
}

fn is_root() -> bool {
    crate::run::output(Command::new("id").arg("--user")).is_ok_and(|id| id.trim() == "0")
}

/// A component of the toolchain, as `cargo COMMAND`.
pub(crate) fn rust_component(component: &str, command: &str) -> Result {
    if works(&mut crate::run::cargo([command, "--version"])) {
        return Ok(());
    }
    if !works(Command::new("rustup").arg("--version")) {
        return Err(format!("{component} is missing and there is no rustup to install it with"));
    }
    run(Command::new("rustup").args(["component", "add", component]))
}
