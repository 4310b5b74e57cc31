//! What happened to a resource, as a table.

use super::super::report::{Case, Row};
use crate::text::{BAD, DIM, GOOD, PLAIN, cell, columns};
use core::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// The columns of a timeline beside the request.
pub(super) fn fixed(row: &Row) -> [String; 4] {
    [
        row.time.clone().unwrap_or_default(),
        shortened(&row.sent),
        row.status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
        shortened(row.received.as_deref().unwrap_or("-")),
    ]
}

/// Long tags show their beginning and their end.
fn shortened(tag: &str) -> String {
    const WIDE: usize = 20;
    let characters: Vec<char> = tag.chars().collect();
    if characters.len() <= WIDE {
        return tag.to_owned();
    }
    let (start, end) = (&characters[..9], &characters[characters.len() - 8..]);
    format!("{}...{}", start.iter().collect::<String>(), end.iter().collect::<String>())
}

pub(super) fn timeline(case: &Case, width: usize) -> String {
    let has_time = case.timeline.iter().any(|row| row.time.is_some());
    let has_writer = case.timeline.iter().any(|row| row.writer.is_some());
    let mut head = vec![cell(DIM, "  #")];
    if has_time {
        head.push(cell(DIM, "time"));
    }
    if has_writer {
        head.push(cell(DIM, "who"));
    }
    head.extend(["request", "tag sent", "answer", "tag received"].map(|text| cell(DIM, text)));
    let paths: Vec<_> = case.timeline.iter().map(|row| path(&row.url)).collect();
    let widest = |index: usize| case.timeline.iter().map(|row| fixed(row)[index].width()).max().unwrap_or(0);
    let writers = case.timeline.iter().filter_map(|row| row.writer.as_ref()).map(|w| w.width().min(24)).max();
    let others = 5
        + if has_time { widest(0) + 2 } else { 0 }
        + writers.map_or(0, |wide| wide + 2)
        + widest(1).max(8)
        + widest(2).max(6)
        + widest(3).max(12)
        + 6
        + KEEP.len()
        + 1;
    let room = width.saturating_sub(others).max(20);
    let mut rows = vec![head];
    for (row, path) in case.timeline.iter().zip(&paths) {
        let [time, sent, answer, received] = fixed(row);
        let mut cells = vec![cell(PLAIN, format!("{:>3}", row.entry))];
        if has_time {
            cells.push(cell(DIM, time));
        }
        if has_writer {
            cells.push(row.writer.as_deref().unwrap_or("").chars().take(24).collect::<String>().into());
        }
        let request = middle_cut(&format!("{:<5} {path}", row.method), room);
        let answer_style = if row.is_case { BAD } else { PLAIN };
        let received = if row.keep { format!("{received} {KEEP}") } else { received };
        cells.extend([cell(PLAIN, request), cell(PLAIN, sent), cell(answer_style, answer)]);
        cells.push(cell(if row.keep { GOOD } else { PLAIN }, received));
        rows.push(cells);
    }
    let mut text = columns(&rows, "", width);
    if case.left_out > 0 {
        let _ = writeln!(text, "  {} more of this resource are left out", case.left_out);
    }
    text
}

/// Marks the entry whose tag should have been kept.
const KEEP: &str = "<- keep this one";

/// Without scheme and host, which are in the heading.
pub(super) fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find('/') {
        Some(at) if url.contains("://") => &rest[at..],
        _ => rest,
    }
}

fn middle_cut(text: &str, room: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= room {
        return text.to_owned();
    }
    // The method stays; of a path its end tells most.
    let tail = room.saturating_sub(9);
    let end = &characters[characters.len() - tail..];
    format!("{}...{}", characters[..6].iter().collect::<String>(), end.iter().collect::<String>())
}
