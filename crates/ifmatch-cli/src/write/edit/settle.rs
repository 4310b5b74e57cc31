//! Asking about what does not fit together.

use super::super::show::{self, Layout};
use super::super::three::{Lines, Three};
use super::super::{answer, sides};
use crate::output::{bold, dim};
use anstream::eprintln;
use ifmatch_core::merge::{Conflict, Merge, Side};
use serde_json::Value;

const KEYS: &str = "[m]ine  [t]heirs  [e]dit  [s]how all  [p]ark for later  >";

/// What somebody decided.
#[derive(Debug)]
pub(super) enum Settled {
    /// This is to be written.
    Write(Vec<u8>),
    /// This is to be edited.
    Edit(Vec<u8>),
    /// Not now.
    Park,
}

/// Asks about everything that is open. The end of standard input is "not now".
pub(super) fn settle(open: Three, theirs: &[u8], mine: &[u8]) -> Settled {
    match open {
        Three::Clean(content, _) => Settled::Write(content),
        Three::Members(merge, layout) => members(*merge, layout),
        Three::Lines(lines) => self::lines(lines),
        Three::Whole => whole(theirs, mine),
    }
}

/// Shows a merge in which all fits together, and asks before it is written.
pub(super) fn agreed(content: Vec<u8>) -> Settled {
    loop {
        match answer("  [w]rite it  [e]dit  [s]how  [p]ark for later  >").as_deref() {
            Some("w" | "write") => return Settled::Write(content),
            Some("e" | "edit") => {
                let text = super::to_edit(&content).map(|(text, _)| text);
                return Settled::Edit(text.unwrap_or(content));
            }
            Some("s" | "show") => eprintln!("\n{}", show::plain(&String::from_utf8_lossy(&content))),
            Some("p" | "park") | None => return Settled::Park,
            Some(_) => {}
        }
    }
}

fn places(count: usize) -> String {
    let places =
        if count == 1 { "1 place needs you:".to_owned() } else { format!("{count} places need you:") };
    format!("  {}", bold(&places))
}

fn members(mut merge: Merge, layout: Layout) -> Settled {
    eprintln!("{}", places(merge.conflicts().len()));
    while let Some(conflict) = merge.conflicts().first().cloned() {
        sides(&conflict).iter().for_each(|line| eprintln!("{line}"));
        match answer(&format!("  {KEYS}")).as_deref() {
            Some("m" | "mine") => drop(merge.settle(&conflict.path, Side::Mine)),
            Some("t" | "theirs") => drop(merge.settle(&conflict.path, Side::Theirs)),
            Some("s" | "show") => merge.conflicts().iter().for_each(show_all),
            Some("e" | "edit") => {
                let rest: Vec<_> = merge.conflicts().iter().map(|conflict| conflict.path.clone()).collect();
                for path in rest {
                    merge.settle(&path, Side::Mine);
                }
                return Settled::Edit(format!("{:#}\n", merge.value()).into_bytes());
            }
            Some("p" | "park") | None => return Settled::Park,
            Some(_) => {}
        }
    }
    Settled::Write(layout.write(merge.value()))
}

fn show_all(conflict: &Conflict) {
    let path = if conflict.path.is_empty() { "(all of it)" } else { &conflict.path };
    eprintln!("\n{}", bold(&show::plain(path)));
    for (label, value) in
        [("before", &conflict.base), ("theirs", &conflict.theirs), ("yours", &conflict.mine)]
    {
        let text =
            value.as_ref().map_or_else(|| "(not there)".to_owned(), |value: &Value| format!("{value:#}"));
        eprintln!("{}\n{}", dim(label), show::plain(&text));
    }
}

fn lines(mut lines: Lines) -> Settled {
    eprintln!("{}", places(lines.open()));
    while let Some((at, theirs, mine)) = lines.first_open() {
        eprintln!("{}\n{}{}\n{}", dim("    theirs"), indented(theirs), dim("    yours"), indented(mine));
        match answer(&format!("  {KEYS}")).as_deref() {
            Some("m" | "mine") => lines.settle(at, Side::Mine),
            Some("t" | "theirs") => lines.settle(at, Side::Theirs),
            Some("s" | "show") => eprintln!("\n{}", show::plain(&lines.text())),
            Some("e" | "edit") => return Settled::Edit(lines.text().into_bytes()),
            Some("p" | "park") | None => return Settled::Park,
            Some(_) => {}
        }
    }
    Settled::Write(lines.text().into_bytes())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("      {}\n", show::plain(line))).collect()
}

fn whole(theirs: &[u8], mine: &[u8]) -> Settled {
    eprintln!("{}", places(1));
    eprintln!("    it cannot be merged: {} bytes of theirs, {} bytes of yours", theirs.len(), mine.len());
    loop {
        match answer(&format!("  {KEYS}")).as_deref() {
            Some("m" | "mine") => return Settled::Write(mine.to_vec()),
            Some("t" | "theirs") => return Settled::Write(theirs.to_vec()),
            Some("s" | "show") => {
                let [theirs, mine] = [theirs, mine].map(|text| show::plain(&String::from_utf8_lossy(text)));
                eprintln!("\n{}\n{theirs}\n{}\n{mine}", dim("theirs"), dim("yours"));
            }
            Some("e" | "edit") => return Settled::Edit(mine.to_vec()),
            Some("p" | "park") | None => return Settled::Park,
            Some(_) => {}
        }
    }
}
