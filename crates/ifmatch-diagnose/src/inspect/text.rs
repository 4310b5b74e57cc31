//! A report as text for a terminal.

use super::report::{Check, Finding, Inspection, Mark, Severity, State};
use crate::text::{BAD, BOLD, Cell, DIM, GOOD, PLAIN, WARN, cell, columns, options, paint, wrap};
use core::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// The report.
pub(super) fn text(report: &Inspection, width: usize) -> String {
    let mut text = head(report, width);
    text.push('\n');
    text += &columns(&report.checks.iter().map(row).collect::<Vec<_>>(), "  ", width);
    for each in &report.findings {
        text.push('\n');
        text += &finding(each, width);
    }
    let _ = write!(text, "\n{}\n", wrap(&report.conclusion, width, ""));
    let sent = format!("{} requests were sent.", report.requests);
    let _ = writeln!(text, "{}", paint(DIM, &sent));
    text
}

fn head(report: &Inspection, width: usize) -> String {
    let first = &report.first;
    let mut text = String::new();
    if let Some(from) = &report.redirected_from {
        let _ = writeln!(text, "{from} redirects; looking at where it leads");
    }
    let version = match first.version.as_str() {
        "HTTP/2.0" => "HTTP/2",
        other => other,
    };
    let size = size(first.content_bytes);
    let mut facts = vec![first.status.to_string(), format!("{} ms", first.took_ms), version.to_owned()];
    facts.extend(first.content_type.clone());
    facts.push(size);
    let facts = facts.join("   ");
    let line = format!("GET {}   {facts}", report.url);
    if line.width() <= width {
        let _ = writeln!(text, "{BOLD}GET {}{BOLD:#}   {facts}\n", report.url);
    } else {
        let _ = writeln!(text, "{BOLD}GET {}{BOLD:#}\n    {facts}\n", report.url);
    }
    let validators = &report.validators;
    let none = || "none".to_owned();
    let etag = match (&validators.etag, &validators.etag_is) {
        (Some(etag), Some(is)) => format!("{etag}   {is}"),
        _ => none(),
    };
    let mut rows: Vec<Vec<Cell>> = vec![
        vec!["ETag".into(), etag.into()],
        vec!["Last-Modified".into(), validators.last_modified.clone().unwrap_or_else(none).into()],
    ];
    if !first.through.is_empty() {
        rows.push(vec!["Server".into(), first.through.join(", ").into()]);
    }
    text + &columns(&rows, "  ", width)
}

fn row(check: &Check) -> Vec<Cell> {
    let Check { state, what, seen, code } = check;
    let style = match state {
        State::Ok => GOOD,
        State::Bad => BAD,
        State::Warn => WARN,
        State::Unknown => DIM,
    };
    let what = if *state == State::Unknown { cell(DIM, what) } else { cell(PLAIN, what) };
    vec![cell(style, state.word()), code.unwrap_or("").into(), what, seen.as_str().into()]
}

/// A finding, as compilers show theirs.
fn finding(finding: &Finding, width: usize) -> String {
    let (style, word) = match finding.severity {
        Severity::Bad => (BAD, "error"),
        Severity::Warn => (WARN, "warning"),
    };
    let title = format!("{word}[{}]: {}", finding.code, finding.title);
    let mut text = String::new();
    for (index, line) in wrap(&title, width, "").lines().enumerate() {
        // The word and the code in the color, the rest bold.
        match line.split_once(": ").filter(|_| index == 0) {
            Some((word, rest)) => {
                let _ = writeln!(text, "{style}{word}{style:#}{BOLD}: {rest}{BOLD:#}");
            }
            None => {
                let _ = writeln!(text, "{BOLD}  {line}{BOLD:#}");
            }
        }
    }
    let request = wrap(&finding.request, width, "      ");
    let _ = writeln!(text, "  {} {}", paint(DIM, "-->"), request.trim_start());
    let bar = paint(DIM, "   |");
    let _ = writeln!(text, "{bar}");
    for mark in &finding.marks {
        text += &marked(mark, &bar, style, width);
    }
    let _ = writeln!(text, "{bar}");
    for (name, paragraph) in [("cause", finding.cause), ("fix", finding.fix)] {
        text += &noted(name, paragraph, width);
    }
    // Not wrapped, so that they can be copied.
    let _ = writeln!(text, "   {} {}: {}", paint(DIM, "="), paint(BOLD, "see it"), finding.curl);
    let _ =
        writeln!(text, "   {} {}: ifmatch explain {}", paint(DIM, "="), paint(BOLD, "more"), finding.code);
    text
}

/// The line, and below it carets under the part that matters with what is with it.
fn marked(mark: &Mark, bar: &str, style: anstyle::Style, width: usize) -> String {
    let Mark { line, from, length, note } = mark;
    let mut text = format!("{bar} {line}\n");
    if note.is_empty() {
        return text;
    }
    let before: String = line.chars().take(*from).collect();
    let part: String = line.chars().skip(*from).take(*length).collect();
    let at = before.width();
    let carets = part.width().max(1);
    let room = width.saturating_sub(5 + at + carets + 1);
    let (indent, lines) = if room >= 30.min(note.width()) {
        (at + carets + 1, textwrap::wrap(note, options(room.max(10))))
    } else {
        // Below the carets, since there is no room beside them.
        (2, textwrap::wrap(note, options(width.saturating_sub(7).max(10))))
    };
    let is_beside = indent != 2 || at + carets + 1 == 2;
    let _ = write!(text, "{bar} {}{style}{}{style:#}", " ".repeat(at), "^".repeat(carets));
    for (index, line) in lines.iter().enumerate() {
        if index == 0 && is_beside {
            let _ = write!(text, " {style}{line}{style:#}");
        } else {
            let _ = write!(text, "\n{bar} {}{style}{line}{style:#}", " ".repeat(indent));
        }
    }
    text.push('\n');
    text
}

fn noted(name: &str, paragraph: &str, width: usize) -> String {
    let indent = " ".repeat(5 + name.len() + 2);
    let wrapped = wrap(paragraph, width, &indent);
    format!("   {} {}: {}\n", paint(DIM, "="), paint(BOLD, name), wrapped.trim_start())
}

/// A finding without styles, for reports that are read by programs.
pub(super) fn plain(each: &Finding) -> String {
    let mut text = format!("{}: {}\n{}\n", each.code, each.title, each.request);
    for Mark { line, note, .. } in &each.marks {
        let _ = writeln!(text, "  {line}{}{note}", if note.is_empty() { "" } else { "   <- " });
    }
    let _ = write!(text, "cause: {}\nfix: {}\nsee it: {}", each.cause, each.fix, each.curl);
    text
}

/// `142 B`, `1.2 kB`, `3.4 MB`.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{}.{} kB", bytes / 1000, bytes % 1000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!([0, 999, 1234, 1_000_000].map(size), ["0 B", "999 B", "1.2 kB", "1.0 MB"]);
    }
}
