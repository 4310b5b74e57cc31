//! Text for terminals: styles, columns, paragraphs. What is written here has styles; whoever prints it takes them out
//! where they cannot be shown.

use anstyle::{AnsiColor, Style};
use core::fmt::Write as _;
use textwrap::{Options, WordSplitter};
use unicode_width::UnicodeWidthStr;

/// What matters most.
pub const BOLD: Style = Style::new().bold();
/// What is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What may be wrong.
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// What can be passed over.
pub const DIM: Style = Style::new().dimmed();
/// No style.
pub const PLAIN: Style = Style::new();

/// Columns, if nobody knows how many there are.
pub const WIDTH: usize = 80;

/// A piece of text in one style.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

/// Text in a style.
pub fn cell(style: Style, text: impl Into<String>) -> Cell {
    Cell { text: text.into(), style }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        cell(PLAIN, text)
    }
}

/// Text with its style around it.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Rows with their cells one below the other, two spaces between columns, `indent` before each. The last column of a row
/// is wrapped at `width` and goes on below itself.
pub fn columns(rows: &[Vec<Cell>], indent: &str, width: usize) -> String {
    let widths = widths(rows);
    let mut text = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        let mut at = indent.width();
        for (index, Cell { text: cell, style }) in row.iter().enumerate() {
            if index + 1 == row.len() {
                let room = width.saturating_sub(at).max(20);
                let below = format!("\n{}", " ".repeat(at));
                let parts = textwrap::wrap(cell, options(room));
                let parts: Vec<_> = parts.iter().map(|part| paint(*style, part)).collect();
                line += &parts.join(&below);
            } else {
                let column = widths.get(index).copied().unwrap_or_default();
                let fill = " ".repeat(column.saturating_sub(cell.width()) + 2);
                // Writing to a String cannot fail.
                let _ = write!(line, "{style}{cell}{style:#}{fill}");
                at += column + 2;
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// How wide each column is; the last cell of a row is not counted.
fn widths(rows: &[Vec<Cell>]) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        let before_last = row.len().saturating_sub(1);
        widths.resize(before_last.max(widths.len()), 0);
        for (widest, cell) in widths.iter_mut().zip(row.iter().take(before_last)) {
            *widest = cell.text.width().max(*widest);
        }
    }
    widths
}

/// Words stay whole: URLs, and names with hyphens.
pub(crate) fn options<'a>(width: usize) -> Options<'a> {
    Options::new(width).break_words(false).word_splitter(WordSplitter::NoHyphenation)
}

/// A paragraph, wrapped at `width`, each line behind `indent`. Words are not broken: a URL stays one.
pub fn wrap(paragraph: &str, width: usize, indent: &str) -> String {
    let options = options(width.max(20)).initial_indent(indent).subsequent_indent(indent);
    textwrap::fill(paragraph, options)
}

/// Lines behind `indent`.
pub fn indent(lines: &str, indent: &str) -> String {
    let lines =
        lines.lines().map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_their_style() {
        let rows = [
            vec![cell(GOOD, "ok"), "same tag".into(), "3 of 3".into()],
            vec![cell(BAD, "BAD"), "gzip".into(), "a long explanation that has to go on below".into()],
        ];
        let text = columns(&rows, "  ", 40);
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            text,
            "  ok   same tag  3 of 3\n  BAD  gzip      a long explanation that\n                 has to go on below\n"
        );
    }
}
