//! `cargo xtask readme`: the README's commands, typed into a shell as the reader does, print what it shows.
//!
//! A `sh` block of the quick start is run; the `text` block after it is what it prints. In a `text` block a line
//! `...` stands for any number of lines. The part of a tag that is different in every store, and ids, are not compared.

use crate::Result;
use crate::server::{Profile, Serving, build};
use crate::tools::{Tool, need};
use crate::workspace::root;
use std::fs;
use std::process::Command;

/// The first command: starts the server.
const SERVE: &str = "cargo run --release -- serve";
/// Where the README's server listens.
const ADDRESS: &str = "http://127.0.0.1:4428";
/// Between the outputs of two blocks.
const SEPARATOR: char = '\u{1e}';

/// A step of the quick start.
#[derive(PartialEq, Eq, Debug)]
struct Step {
    script: String,
    /// What it prints; `None` where the README shows nothing.
    shown: Option<String>,
}

/// Runs the quick start against a server of its own.
pub(crate) fn task(profile: Profile) -> Result {
    let [_curl] = need([Tool::Curl])?;
    let text = fs::read_to_string(root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let steps = steps(&text);
    let serve = steps.iter().position(|step| step.script.trim() == SERVE);
    let serve = serve.ok_or_else(|| format!("README.md has no block with `{SERVE}`"))?;
    let steps: Vec<_> = steps[serve + 1..].iter().take_while(|step| step.script.contains("curl")).collect();
    for status in ["428", "201", "204", "412"] {
        if !steps.iter().any(|step| step.shown.as_ref().is_some_and(|shown| shown.contains(status))) {
            return Err(format!("the quick start does not show a {status}"));
        }
    }
    let server = Serving::start(&build(profile)?, &[])?;
    let script: String = steps.iter().map(|s| format!("{}\nprintf '{SEPARATOR}'\n", s.script)).collect();
    let script = script.replace(ADDRESS, server.url());
    let mut shell = Command::new("bash");
    // A proxy that the reader has set is not for a server on loopback.
    shell.args(["-euo", "pipefail", "-c", &script]).env("no_proxy", "127.0.0.1").env("NO_PROXY", "127.0.0.1");
    let printed = crate::run::output(&mut shell)?;
    server.stop()?;
    for (step, printed) in steps.iter().zip(printed.split(SEPARATOR)) {
        println!("{}\n{}", step.script.trim(), printed.trim());
        if let Some(shown) = &step.shown
            && !matches(&lines(shown), &lines(printed))
        {
            return Err(format!("README.md shows this instead:\n{shown}"));
        }
    }
    println!("README.md: {} steps print what it shows", steps.len());
    Ok(())
}

/// The `sh` blocks of a page, each with the `text` block that follows it.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match (language, steps.last_mut()) {
            ("sh", _) => steps.push(Step { script: block, shown: None }),
            ("text", Some(step)) if step.shown.is_none() => step.shown = Some(block),
            _ => {}
        }
    }
    steps
}

/// The lines of an output with what differs from run to run made equal.
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines.map(|line| line.split_inclusive(|c: char| !is_id(c)).map(word).collect()).collect()
}

fn is_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

/// A UUID, or a tag: 13 characters for the store, a hyphen, a number.
fn word(word: &str) -> String {
    let (id, rest) = word.split_at(word.trim_end_matches(|c| !is_id(c)).len());
    let is_uuid = id.len() == 36 && id.matches('-').count() == 4;
    match id.split_once('-') {
        _ if is_uuid => format!("UUID{rest}"),
        Some((store, number)) if store.len() == 13 && number.bytes().all(|b| b.is_ascii_digit()) => {
            format!("STORE-{number}{rest}")
        }
        _ => word.to_owned(),
    }
}

/// Whether the lines are those shown, with `...` for any number of them.
fn matches(shown: &[String], printed: &[String]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        ([dots, shown @ ..], _) if dots.trim() == "..." => {
            (0..=printed.len()).any(|skipped| matches(shown, &printed[skipped..]))
        }
        ([first, shown @ ..], [line, printed @ ..]) => first == line && matches(shown, printed),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found() {
        let page = "a\n```sh\ncurl x\n```\nb\n```text\n200\n```\n```sh\ncurl y\n```\n```toml\nz\n```\n";
        let step = |script: &str, shown: Option<&str>| Step {
            script: script.to_owned(),
            shown: shown.map(str::to_owned),
        };
        assert_eq!(steps(page), [step("curl x\n", Some("200\n")), step("curl y\n", None)]);
    }

    #[test]
    fn outputs_are_compared_but_for_what_always_differs() {
        let same = |shown: &str, printed: &str| matches(&lines(shown), &lines(printed));
        assert!(same("201 \"0123456789abc-1\"", "\n201 \"zyxwvutsrqpon-1\"\r\n"));
        assert!(!same("201 \"0123456789abc-1\"", "201 \"0123456789abc-2\""));
        assert!(same("{\n  ...\n  \"a\": 1\n...", "{\n \"b\": 2,\n \"c\"\n  \"a\": 1\n}"));
        assert!(!same("{\n  ...\n  \"a\": 1\n...", "{\n  \"a\": 2\n}"));
        assert!(same(
            "id \"01930a52-6c1e-7b60-9d53-2f0a3c5e7a11\"",
            "id \"01930a53-01c7-7e07-8f0d-4f0a8d0e1b22\""
        ));
        assert!(!same("a", "a\nb") && !same("a\nb", "a"));
    }
}
