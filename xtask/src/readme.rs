//! `cargo xtask readme`: the README's commands, typed into a shell as the reader does, print what it shows.
//!
//! A section begins with the commands that start something. The `sh` blocks after it are run; the `text` block after
//! one is what it prints. In a `text` block a line `...` stands for any number of lines. The parts of a tag that are
//! different in every store or gateway, and ids, are not compared.

use crate::Result;
use crate::server::{Profile, Serving, build};
use crate::tools::{Tool, need};
use crate::workspace::root;
use ifmatch_testkit::process::Server;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Starts a server, with what else stands on the line.
const SERVE: &str = "cargo run --release -- serve";
/// Runs any other command.
const RUN: &str = "cargo run --release -- ";
/// Starts the API that the gateway is tried with.
const NOTES: &str = "python3 examples/notes.py";
/// Where the README's server listens.
const ADDRESS: &str = "http://127.0.0.1:4428";
/// Where that API does.
const NOTES_ADDRESS: &str = "http://127.0.0.1:3000";
const NOTES_START_MAX: Duration = Duration::from_secs(30);
/// Between the outputs of two blocks.
const SEPARATOR: char = '\u{1e}';

/// What has to be walked: how a section begins, and what it has to show.
const SECTIONS: [(&[&str], &[&str]); 2] = [
    (
        &[NOTES, "cargo run --release -- serve --upstream http://127.0.0.1:3000 --mode enforce"],
        &["201", "204", "428", "412", "\"stale_version\""],
    ),
    (&[SERVE], &["428", "201", "204", "412"]),
];

/// A block of commands.
#[derive(PartialEq, Eq, Debug)]
struct Step {
    script: String,
    /// What it prints; `None` where the README shows nothing.
    shown: Option<String>,
}

/// Runs each section against servers of its own.
pub(crate) fn task(profile: Profile) -> Result {
    let [_curl, python] = need([Tool::Curl, Tool::Python])?;
    let text = fs::read_to_string(root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let steps = steps(&text);
    let sections = SECTIONS.map(|(starts, shows)| Ok((starts, section(&steps, starts, shows)?)));
    let sections = sections.into_iter().collect::<Result<Vec<_>>>()?;
    let binary = build(profile)?;
    let mut count = 0;
    for (starts, steps) in sections {
        walk(&binary, python, starts, steps)?;
        count += steps.len();
    }
    println!("README.md: {count} steps print what it shows");
    Ok(())
}

/// The steps after those that start something, as far as they type something.
fn section<'s>(steps: &'s [Step], starts: &[&str], shows: &[&str]) -> Result<&'s [Step]> {
    let begins = |window: &[Step]| window.iter().map(|step| step.script.trim()).eq(starts.iter().copied());
    let at = steps.windows(starts.len()).position(begins);
    let at = at.ok_or_else(|| format!("README.md has no blocks with `{}`", starts.join("`, `")))?;
    let after = &steps[at + starts.len()..];
    // The next section begins with what it starts.
    let is_typed = |step: &&Step| {
        let starts = step.script.trim_start().starts_with(SERVE);
        !starts && (step.script.contains("curl") || step.script.contains(RUN))
    };
    let steps = &after[..after.iter().take_while(is_typed).count()];
    for wanted in shows {
        if !steps.iter().any(|step| step.shown.as_ref().is_some_and(|shown| shown.contains(wanted))) {
            return Err(format!("README.md shows no {wanted} after `{}`", starts.join("`, `")));
        }
    }
    Ok(steps)
}

/// Starts what the section starts, on free ports, types its lines and compares.
fn walk(binary: &Path, python: &str, starts: &[&str], steps: &[Step]) -> Result {
    let notes = if starts.contains(&NOTES) { Some(Notes::start(python)?) } else { None };
    let api = notes.as_ref().map_or(NOTES_ADDRESS, |notes| notes.url.as_str());
    let typed = starts.iter().find_map(|start| start.strip_prefix(SERVE)).unwrap_or_default();
    let typed = typed.replace(NOTES_ADDRESS, api);
    let server = Serving::start(binary, &typed.split_whitespace().collect::<Vec<_>>())?;
    let script: String = steps.iter().map(|s| format!("{}\nprintf '{SEPARATOR}'\n", s.script)).collect();
    let script = script.replace(ADDRESS, server.url()).replace(NOTES_ADDRESS, api);
    let script = script.replace(RUN, &format!("{} ", binary.display()));
    let mut shell = Command::new("bash");
    // A proxy that the reader has set is not for a server on loopback.
    shell.args(["-euo", "pipefail", "-c", &script]).env("no_proxy", "127.0.0.1").env("NO_PROXY", "127.0.0.1");
    // What commands remember goes with the walk.
    let state = tempfile::tempdir().map_err(|error| error.to_string())?;
    shell.env("XDG_STATE_HOME", state.path());
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
    Ok(())
}

/// The API of the examples, on a port of the system's choice. It ends when this is dropped.
struct Notes {
    _process: Server,
    url: String,
}

impl Notes {
    fn start(python: &str) -> Result<Self> {
        let mut command = Command::new(python);
        command.args(["examples/notes.py", "0"]).current_dir(root());
        let process = Server::spawn(&mut command).map_err(|error| error.to_string())?;
        let address = |line: &str| line.strip_prefix("notes on ").map(str::to_owned);
        let url = process.wait_for_line(NOTES_START_MAX, address).map_err(|error| error.to_string())?;
        Ok(Self { _process: process, url })
    }
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

/// A UUID, or a tag: of the store 13 characters, a hyphen, a number; of the gateway an epoch, a count and a digest.
fn word(word: &str) -> String {
    let (id, rest) = word.split_at(word.trim_end_matches(|c| !is_id(c)).len());
    let is_uuid = id.len() == 36 && id.matches('-').count() == 4;
    if let [epoch, count, digest] = id.split('-').collect::<Vec<_>>()[..]
        && epoch.len() == 16
        && digest.len() == 32
    {
        return format!("EPOCH-{count}-DIGEST{rest}");
    }
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
    fn a_section_goes_from_what_it_starts_to_the_last_line_that_is_typed() {
        let page =
            "```sh\none\n```\n```sh\ntwo\n```\n```sh\ncurl x\n```\n```text\n412\n```\n```sh\nmake\n```\n";
        let all = steps(page);
        assert_eq!(section(&all, &["one", "two"], &["412"]), Ok(&all[2..3]));
        assert!(section(&all, &["two", "one"], &[]).is_err());
        assert!(section(&all, &["two"], &["428"]).is_err());
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
        let tag = |epoch: char, count: &str| {
            format!("\"{}-{count}-{}\"", epoch.to_string().repeat(16), epoch.to_string().repeat(32))
        };
        assert!(same(&tag('a', "1f"), &tag('b', "1f")));
        assert!(!same(&tag('a', "1"), &tag('b', "2")));
        assert!(!same("a", "a\nb") && !same("a\nb", "a"));
    }
}
