//! A finding in the making.

use super::articles;
use super::report::{Finding, Mark, Severity};
use crate::curl;
use http::header::{ACCEPT_ENCODING, HeaderMap};
use ifmatch_client::secret;
use ifmatch_client::wire::{Request, Url};

/// The longest line that is shown, in characters; what is longer ends with an ellipsis.
const LINE_CHARS_MAX: usize = 160;

/// A finding in the making.
pub(super) struct Found {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    /// For the table: what was tried.
    pub(super) what: String,
    /// For the table: what was seen.
    pub(super) seen: String,
    request: Request,
    marks: Vec<Mark>,
}

impl Found {
    pub(super) fn new(
        severity: Severity,
        code: &'static str,
        what: impl Into<String>,
        seen: impl AsRef<str>,
        request: &Request,
    ) -> Self {
        let seen = clean(seen.as_ref());
        Self { severity, code, what: what.into(), seen, request: request.clone(), marks: Vec::new() }
    }

    pub(super) fn bad(code: &'static str, what: &str, seen: impl AsRef<str>, request: &Request) -> Self {
        Self::new(Severity::Bad, code, what, seen, request)
    }

    pub(super) fn warn(code: &'static str, what: &str, seen: impl AsRef<str>, request: &Request) -> Self {
        Self::new(Severity::Warn, code, what, seen, request)
    }

    /// A line that was seen, and which part of it matters; the whole line if the part is not in it.
    #[must_use]
    pub(super) fn mark(mut self, line: &str, part: &str, note: impl Into<String>) -> Self {
        let (line, part) = (clean(line), clean(part));
        let at = line.find(&part).filter(|_| !part.is_empty());
        let from = at.map_or(0, |at| line.get(..at).map_or(0, |before| before.chars().count()));
        let length = if at.is_some() { part.chars().count() } else { line.chars().count() };
        self.marks.push(Mark { line, from, length, note: note.into() });
        self
    }

    /// As it is told. `resource` is what the report is about, `others` are fields that every request has.
    pub(super) fn told(self, resource: &Url, others: &HeaderMap, show_secrets: bool) -> Finding {
        let article = articles::find(self.code);
        Finding {
            code: self.code,
            name: article.name,
            severity: self.severity,
            title: article.title.to_owned(),
            request: described(&self.request, resource, show_secrets),
            marks: self.marks,
            cause: article.cause,
            fix: article.fix,
            curl: command(&self.request, others, show_secrets),
        }
    }
}

/// As a command; what may be compressed is not shown, since curl does not write it to a terminal.
fn command(request: &Request, others: &HeaderMap, show_secrets: bool) -> String {
    let command = curl::command(request, others, show_secrets);
    match command.strip_prefix("curl -i ") {
        Some(rest) if request.headers.contains_key(ACCEPT_ENCODING) => {
            format!("curl -sD - -o /dev/null {rest}")
        }
        _ => command,
    }
}

/// `GET with accept-encoding: gzip`; the URL only if it is another one.
fn described(request: &Request, resource: &Url, show_secrets: bool) -> String {
    let mut text = request.method.to_string();
    if request.url != *resource {
        text += &format!(" {}", super::shown(&request.url, show_secrets));
    }
    let fields =
        request.headers.iter().map(|(name, value)| format!("{name}: {}", secret::field(name, value)));
    let fields = fields.collect::<Vec<_>>().join(", ");
    if fields.is_empty() { text } else { clean(&format!("{text} with {fields}")) }
}

/// Text of a server as it may be shown in a terminal: on one line, nothing that moves the cursor, not too long.
pub(super) fn clean(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut clean: String =
        text.chars().take(LINE_CHARS_MAX).map(|c| if is_odd(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LINE_CHARS_MAX).is_some() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_move_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\u{9b}c\nd\u{202e}"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}");
        assert_eq!(clean(&"x".repeat(500)).chars().count(), LINE_CHARS_MAX + 1);
    }

    #[test]
    fn the_part_is_found_in_characters() {
        let request = Request::get(Url::parse("http://a/").unwrap());
        let found =
            Found::bad("V004", "a", "b", &request).mark("é: W/\"x\"", "W/", "weak").mark("ab", "z", "all");
        let finding = found.told(&request.url, &HeaderMap::new(), false);
        assert_eq!((finding.marks[0].from, finding.marks[0].length), (3, 2));
        assert_eq!((finding.marks[1].from, finding.marks[1].length), (0, 2));
        assert_eq!(finding.request, "GET");
    }
}
