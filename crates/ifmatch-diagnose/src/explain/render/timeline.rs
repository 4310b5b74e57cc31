//! What happened to a resource, as a table.

use super::super::report::{Case, Row};
use crate::text::{BAD, DIM, GOOD, PLAIN, cell, columns};
use core::fmt::Write as _;
use std::collections::BTreeSet;
use unicode_width::UnicodeWidthStr;

/// How much is shown of what has no end, widest first.
#[derive(Clone, Copy)]
struct Room {
    tag: usize,
    clock: usize,
    keep: &'static str,
}

/// A narrow terminal gets shorter tags and times. The mark is for the entry whose tag should have been kept.
const ROOMS: [Room; 4] = [
    Room { tag: 20, clock: 12, keep: " <- keep this one" },
    Room { tag: 20, clock: 12, keep: " <- keep" },
    Room { tag: 13, clock: 12, keep: " <- keep" },
    Room { tag: 12, clock: 8, keep: " <- keep" },
];

/// The least that is shown of a request, in columns.
const REQUEST_COLUMNS_MIN: usize = 20;

/// The widest name of a writer, in columns.
const WRITER_COLUMNS_MAX: usize = 20;

/// A row, as it is shown in that room.
struct Shown {
    before: Vec<String>,
    behind: [String; 3],
}

impl Shown {
    fn new(row: &Row, has_time: bool, writer: Option<&str>, room: Room) -> Self {
        let mut before = vec![format!("{:>3}", row.entry)];
        if has_time {
            let time = row.time.as_deref().unwrap_or_default();
            before.push(time.get(..room.clock).unwrap_or(time).to_owned());
        }
        if let Some(writer) = writer {
            before.push(writer.chars().take(WRITER_COLUMNS_MAX).collect());
        }
        let received = shortened(row.received.as_deref().unwrap_or("-"), room.tag);
        let keep = if row.keep { room.keep } else { "" };
        let behind = [shortened(&row.sent, room.tag), answer(row), received + keep];
        Self { before, behind }
    }
}

/// What a request was answered with, in a word.
pub(super) fn answer(row: &Row) -> String {
    row.status.map_or_else(|| "none".to_owned(), |status| status.to_string())
}

/// Long tags show their beginning and their end.
fn shortened(tag: &str, columns: usize) -> String {
    let characters: Vec<char> = tag.chars().collect();
    if characters.len() <= columns {
        return tag.to_owned();
    }
    if let Some(clock) = tag.get(17..).filter(|clock| clock.len() == 12 && clock.ends_with(" GMT")) {
        // Of a date the time.
        return clock.to_owned();
    }
    let end = (columns - 3) / 2;
    let start = columns - 3 - end;
    let (start, end) = (&characters[..start], &characters[characters.len() - end..]);
    format!("{}...{}", start.iter().collect::<String>(), end.iter().collect::<String>())
}

/// The table, for a terminal of that many columns.
pub(super) fn timeline(case: &Case, width: usize) -> String {
    let has_time = case.timeline.iter().any(|row| row.time.is_some());
    let writers = writers(&case.timeline);
    let mut head = vec!["  #"];
    head.extend(has_time.then_some("time"));
    head.extend((!writers.is_empty()).then_some("who"));
    let names = ["tag sent", "answer", "tag received"];
    let fitted = ROOMS.iter().map(|room| {
        let rows = case.timeline.iter().enumerate();
        let rows = rows.map(|(index, row)| Shown::new(row, has_time, writers.get(index).copied(), *room));
        let rows: Vec<_> = rows.collect();
        let left = width.saturating_sub(others(&rows, &names));
        (rows, left)
    });
    let methods = case.timeline.iter().map(|row| row.method.width()).max().unwrap_or(0) + 1;
    let wanted = case.timeline.iter().map(|row| methods + path(&row.url).width()).max().unwrap_or(0);
    let mut fitted: Vec<_> = fitted.collect();
    let last = fitted.len().saturating_sub(1);
    let chosen = fitted.iter().position(|(_, left)| *left >= wanted.min(REQUEST_COLUMNS_MIN)).unwrap_or(last);
    let (rows, left) = fitted.swap_remove(chosen);
    let head = head.into_iter().chain(["request"]).chain(names).map(|name| cell(DIM, name)).collect();
    let mut table = vec![head];
    for (row, shown) in case.timeline.iter().zip(rows) {
        let mut cells: Vec<_> = shown.before.into_iter().map(|text| cell(PLAIN, text)).collect();
        let room = left.max(REQUEST_COLUMNS_MIN).saturating_sub(methods);
        let method = &row.method;
        cells.push(cell(PLAIN, format!("{method:<methods$}{}", end_of(path(&row.url), room))));
        let styles = [PLAIN, if row.is_case { BAD } else { PLAIN }, if row.keep { GOOD } else { PLAIN }];
        cells.extend(styles.into_iter().zip(shown.behind).map(|(style, text)| cell(style, text)));
        table.push(cells);
    }
    let mut text = columns(&table, "", width);
    if case.left_out > 0 {
        let _ = writeln!(text, "  {} more of this resource are left out", case.left_out);
    }
    text
}

/// For each row who sent it; nothing if the input does not tell. Their programs alone, if that tells them apart.
fn writers(rows: &[Row]) -> Vec<&str> {
    if rows.iter().all(|row| row.writer.is_none()) {
        return Vec::new();
    }
    let whole: Vec<&str> = rows.iter().map(|row| row.writer.as_deref().unwrap_or("")).collect();
    let brief: Vec<&str> = whole.iter().map(|name| name.split(" (").next().unwrap_or(name)).collect();
    let distinct = |names: &[&str]| names.iter().copied().collect::<BTreeSet<_>>().len();
    if distinct(&whole) == distinct(&brief) { brief } else { whole }
}

/// The columns that all but the request take, two between each.
fn others(rows: &[Shown], names: &[&str; 3]) -> usize {
    let widest = |of: &dyn Fn(&Shown) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let before: usize = (0..rows.first().map_or(0, |row| row.before.len()))
        .map(|index| widest(&|row: &Shown| row.before[index].width()) + 2)
        .sum();
    let behind: usize = (0..names.len())
        .map(|index| widest(&|row: &Shown| row.behind[index].width()).max(names[index].len()) + 2)
        .sum();
    before + behind
}

/// Without scheme and host, which are in the heading.
pub(super) fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find('/') {
        Some(at) if url.contains("://") => &rest[at..],
        _ => rest,
    }
}

/// Of a long path its end tells most.
fn end_of(path: &str, columns: usize) -> String {
    let characters: Vec<char> = path.chars().collect();
    if characters.len() <= columns {
        return path.to_owned();
    }
    let end = &characters[characters.len() - columns.saturating_sub(3)..];
    format!("...{}", end.iter().collect::<String>())
}
