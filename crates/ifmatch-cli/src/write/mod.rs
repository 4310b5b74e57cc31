//! HTTP with the version handled: `get`, `put`, `patch`, `delete`, `edit`.

pub(crate) mod args;
mod body;
pub(crate) mod delete;
pub(crate) mod edit;
mod end;
pub(crate) mod get;
mod items;
mod meanwhile;
mod memory;
pub(crate) mod patch;
pub(crate) mod put;
mod session;
mod show;
mod state;
mod three;
mod unsaid;

use crate::args::Output;
use crate::exit::Failure;
use crate::output::dim;
use anstream::{eprint, eprintln};
use ifmatch_client::{Tag, Version};
use ifmatch_core::merge::{Conflict, Side, Taken};
use session::Session;
use std::io::{self, IsTerminal};

/// Flags of all commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Globals {
    pub(crate) format: Output,
    pub(crate) quiet: bool,
    pub(crate) verbose: u8,
}

/// Something beside the result, on standard error.
fn note(session: &Session, text: &str) {
    if !session.globals.quiet && session.globals.format != Output::Json {
        eprintln!("{text}");
    }
}

/// Whether somebody is there to be asked.
fn is_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A line from standard input; `None` at its end.
fn answer(question: &str) -> Option<String> {
    eprint!("{question} ");
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim().to_owned())
}

/// Asks before something is done that cannot be undone.
fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !is_asked() {
        return Err(Failure::from(format!(
            "{question} Nobody is there to be asked: say --yes. Nothing was sent."
        )));
    }
    match answer(&format!("{question} [y/N]")).as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::from("Nothing was sent.".to_owned())),
    }
}

/// A tag as it was typed: with quotes, or without them where the shell ate them.
fn tag(text: &str) -> Result<Version, Failure> {
    if text.trim() == "*" {
        return Err(Failure::from(
            "--if-match '*' means whatever is there now, unseen: that is --overwrite REASON. Nothing was sent.".to_owned(),
        ));
    }
    let tag = Tag::parse(text).or_else(|malformed| Tag::parse(&format!("\"{text}\"")).map_err(|_| malformed));
    let tag = tag.map_err(|error| format!("--if-match: {error}. Nothing was sent."))?;
    Version::tag(tag).map_err(|why| Failure::from(format!("--if-match: {why}. Nothing was sent.")))
}

/// What was merged, for people.
fn merged_lines(taken: &[Taken]) -> Vec<String> {
    let named = |taken: &Taken| {
        let whose = match taken.from {
            Side::Theirs => "theirs",
            Side::Mine => "yours",
            Side::Both => "both",
        };
        format!("{} ({whose})", if taken.path.is_empty() { "all of it" } else { &taken.path })
    };
    let names: Vec<_> = taken.iter().map(named).collect();
    if names.is_empty() { Vec::new() } else { vec![format!("  merged: {}", show::plain(&names.join(", ")))] }
}

/// The three sides of a conflict, for people.
fn sides(conflict: &Conflict) -> [String; 3] {
    let path = if conflict.path.is_empty() { "(all of it)" } else { &conflict.path };
    let path = show::plain(path);
    let width = path.chars().count().max(12);
    let line =
        |name: &str, label: &str, value| format!("    {name:<width$} {} {}", dim(label), show::short(value));
    [
        line(&path, "before", conflict.base.as_ref()),
        line("", "theirs", conflict.theirs.as_ref()),
        line("", "yours ", conflict.mine.as_ref()),
    ]
}
