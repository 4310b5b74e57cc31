//! What is wrong with a configuration file, and where.

use super::secrets;
use annotate_snippets::{AnnotationKind, Group, Level as Mark, Renderer, Snippet, normalize_untrusted_str};
use std::fmt;
use std::ops::Range;

/// Diagnostics that are kept of one file; the rest is counted.
pub const DIAGNOSTICS_MAX: usize = 64;

/// Width that diagnostics are made for, in columns.
const WIDTH: usize = 80;

/// How much a diagnostic matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// The file is not used.
    Error,
    /// The file is used; it is probably not meant like this.
    Warning,
    /// Worth knowing.
    Note,
}

impl Level {
    /// `error`, `warning`, `note`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that is wrong or worth knowing. Texts never hold the value of an environment variable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How much it matters.
    pub level: Level,
    /// What is wrong, in one line.
    pub message: String,
    /// What stands under the caret: what was expected there.
    pub label: Option<String>,
    /// What is allowed, why, what to do; in sentences.
    pub help: Option<String>,
    /// What was probably meant, as it would be written.
    pub suggestion: Option<String>,
    /// The line, from 1; `None`: it is about no place in the file.
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    pub column: Option<usize>,
    span: Option<Range<usize>>,
}

impl Diagnostic {
    pub(super) fn new(level: Level, span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self {
            level,
            message: message.into(),
            label: None,
            help: None,
            suggestion: None,
            line: None,
            column: None,
            span,
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }
}

/// Everything that was found in one file, in its order. Shows the lines of the file as they are written, without
/// secrets that stand in them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Diagnostics {
    file: String,
    text: String,
    all: Vec<Diagnostic>,
    more: usize,
}

impl Diagnostics {
    /// `more` is how many there are beside `all`.
    pub(super) fn new(file: &str, text: &str, mut all: Vec<Diagnostic>, more: usize) -> Self {
        all.sort_by_key(|d| (d.span.as_ref().map_or(0, |span| span.start), d.level));
        // Errors first, where there are too many.
        if all.len() > DIAGNOSTICS_MAX {
            all.sort_by_key(|d| d.level != Level::Error);
        }
        let more = more + all.len().saturating_sub(DIAGNOSTICS_MAX);
        all.truncate(DIAGNOSTICS_MAX);
        for diagnostic in &mut all {
            if let Some(span) = &diagnostic.span {
                let (line, column) = place(text, span.start);
                (diagnostic.line, diagnostic.column) = (Some(line), Some(column));
            }
        }
        Self { file: normalize_untrusted_str(file), text: secrets::masked(text), all, more }
    }

    /// One thing about a file that could not be read as text.
    pub(super) fn unreadable(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, "", vec![Diagnostic::new(Level::Error, None, message)], 0)
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// In the order of the file; at most [`DIAGNOSTICS_MAX`].
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.all.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.all.iter().filter(|d| d.level == Level::Error).count()
    }

    /// How many more there are than are kept.
    pub fn more(&self) -> usize {
        self.more
    }

    /// As text without colors, an empty line between two.
    pub fn plain(&self) -> String {
        self.render(&Renderer::plain())
    }

    /// The same with colors.
    pub fn colored(&self) -> String {
        self.render(&Renderer::styled())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let renderer = renderer.clone().term_width(WIDTH);
        let mut texts: Vec<String> = self.all.iter().map(|d| self.render_one(&renderer, d)).collect();
        if self.more > 0 {
            texts.push(format!("and {} more\n", self.more));
        }
        texts.join("\n")
    }

    fn render_one(&self, renderer: &Renderer, diagnostic: &Diagnostic) -> String {
        let mark = match diagnostic.level {
            Level::Error => Mark::ERROR,
            Level::Warning => Mark::WARNING,
            Level::Note => Mark::NOTE,
        };
        let mut help: Vec<String> = diagnostic.help.iter().cloned().collect();
        let mut group = Group::with_title(mark.primary_title(&diagnostic.message));
        let label = label(diagnostic);
        if let (Some(span), Some(number)) = (&diagnostic.span, diagnostic.line) {
            let line = Line::around(&self.text, span);
            let room = WIDTH.saturating_sub(number.to_string().len() + 4 + line.columns_to_end);
            let mut annotation = AnnotationKind::Primary.span(line.span.clone());
            match &label {
                Some(label) if label.chars().count() > room => help.insert(0, sentence(label)),
                Some(label) => annotation = annotation.label(label.as_str()),
                None => {}
            }
            let snippet = Snippet::source(line.text).path(self.file.as_str()).line_start(number);
            group = group.element(snippet.annotation(annotation));
        } else {
            help.extend(label.as_deref().map(sentence));
        }
        for text in help {
            group = group.element(Mark::HELP.message(wrapped(&text)));
        }
        format!("{}\n", renderer.render(&[group]))
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plain().trim_end())
    }
}

impl std::error::Error for Diagnostics {}

/// What stands under the caret.
fn label(diagnostic: &Diagnostic) -> Option<String> {
    match (&diagnostic.label, &diagnostic.suggestion) {
        (Some(label), Some(suggestion)) => Some(format!("{label}; did you mean `{suggestion}`?")),
        (None, Some(suggestion)) => Some(format!("did you mean `{suggestion}`?")),
        (label, None) => label.clone(),
    }
}

/// A text that is to stand alone.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// Line and column of an offset, both from 1; columns are characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// The line that a span begins in, and the part of the span that is in it.
struct Line<'t> {
    text: &'t str,
    span: Range<usize>,
    /// Characters from the line's beginning to the end of the span.
    columns_to_end: usize,
}

impl<'t> Line<'t> {
    fn around(text: &'t str, span: &Range<usize>) -> Self {
        let at = text.floor_char_boundary(span.start);
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        let line = text[start..end].trim_end_matches('\r');
        let from = (at - start).min(line.len());
        let to = line.floor_char_boundary(span.end.saturating_sub(start).clamp(from, line.len()));
        Self { text: line, span: from..to.max(from), columns_to_end: line[..to.max(from)].chars().count() }
    }
}

/// Breaks a text at spaces so that it fits beside what stands before it.
fn wrapped(text: &str) -> String {
    let width = WIDTH - 12;
    let mut out = String::with_capacity(text.len() + 8);
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}
