//! Content for people.

use anstyle::{AnsiColor, Style};
use serde_json::Value;

const NAME: Style = AnsiColor::Blue.on_default().bold();
const TEXT: Style = AnsiColor::Green.on_default();
const OTHER: Style = AnsiColor::Cyan.on_default();

/// The longest value that stands in a line, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// Text without what would move a terminal's cursor.
pub(crate) fn plain(text: &str) -> String {
    let safe = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(safe).collect()
}

/// JSON with colors, two spaces a level.
pub(crate) fn colored(value: &Value) -> String {
    let mut text = String::new();
    color(value, 0, &mut text);
    text.push('\n');
    text
}

/// As deep as the parser takes it.
fn color(value: &Value, level: usize, text: &mut String) {
    let (open, close, is_empty) = match value {
        Value::Object(members) => ('{', '}', members.is_empty()),
        Value::Array(items) => ('[', ']', items.is_empty()),
        Value::String(_) => return text.push_str(&format!("{TEXT}{}{TEXT:#}", plain(&value.to_string()))),
        other => return text.push_str(&format!("{OTHER}{other}{OTHER:#}")),
    };
    text.push(open);
    let mut is_first = true;
    let mut next = |text: &mut String| {
        text.push_str(if is_first { "\n" } else { ",\n" });
        text.push_str(&"  ".repeat(level + 1));
        is_first = false;
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            next(text);
            let name = plain(&Value::from(name.as_str()).to_string());
            text.push_str(&format!("{NAME}{name}{NAME:#}: "));
            color(member, level + 1, text);
        }),
        Value::Array(items) => items.iter().for_each(|item| {
            next(text);
            color(item, level + 1, text);
        }),
        _ => {}
    }
    if !is_empty {
        text.push('\n');
        text.push_str(&"  ".repeat(level));
    }
    text.push(close);
}

/// A value in a line; cut if it is long.
pub(crate) fn short(value: Option<&Value>) -> String {
    let Some(value) = value else { return "(not there)".to_owned() };
    let text = plain(&value.to_string()).replace(['\n', '\t'], " ");
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    text.chars().take(VALUE_CHARS_MAX - 3).chain("...".chars()).collect()
}

/// How a JSON text is laid out, so that what is written back looks as it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    is_pretty: bool,
    ends_with_newline: bool,
}

impl Layout {
    pub(crate) fn of(text: &[u8]) -> Self {
        let trimmed = text.trim_ascii_end();
        Self { is_pretty: trimmed.contains(&b'\n'), ends_with_newline: text.ends_with(b"\n") }
    }

    /// Whether somebody laid it out for people: then it is theirs, and stays.
    pub(crate) fn is_chosen(self) -> bool {
        self.is_pretty
    }

    /// A text of this layout, without the newline that editors add where there was none.
    pub(crate) fn ended(self, text: &[u8]) -> Vec<u8> {
        if self.ends_with_newline { text.to_vec() } else { text.trim_ascii_end().to_vec() }
    }

    pub(crate) fn write(self, value: &Value) -> Vec<u8> {
        let mut text = if self.is_pretty { format!("{value:#}") } else { value.to_string() };
        if self.ends_with_newline {
            text.push('\n');
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_kept() {
        for text in ["{\"a\":1}", "{\"a\":1}\n", "{\n  \"a\": 1\n}", "{\n  \"a\": 1\n}\n", "1"] {
            let value = ifmatch_core::json::parse(text.as_bytes()).unwrap();
            assert_eq!(Layout::of(text.as_bytes()).write(&value), text.as_bytes());
        }
    }

    #[test]
    fn nothing_moves_the_cursor() {
        let value = ifmatch_core::json::parse(b"{\"\\u001b[2Ja\": [1, \"\\u009b\", {}, []]}").unwrap();
        let text = anstream::adapter::strip_str(&colored(&value)).to_string();
        assert!(text.chars().all(|c| !c.is_control() || c == '\n'), "{text:?}");
        assert_eq!(ifmatch_core::json::parse(text.as_bytes()).unwrap().as_object().unwrap().len(), 1);
        assert_eq!(plain("a\u{1b}[2J\r"), "a\u{fffd}[2J\u{fffd}");
    }
}
