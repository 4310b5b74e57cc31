//! Walks the tables of a parsed file, takes what is known, and collects what is wrong with it.

use super::diagnostics::{Diagnostic, Level};
use super::environment::{self, Environment};
use super::keys::{Meant, Table, meant};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Diagnostics that are collected; more are counted only.
const FOUND_MAX: usize = 1000;

/// What one file is read with.
pub(super) struct Reader<'r> {
    text: &'r str,
    environment: &'r Environment<'r>,
    /// Where each line begins.
    lines: Vec<usize>,
    found: Vec<Diagnostic>,
    more: usize,
    /// The lines that are no TOML, first and last: what was made of them is not looked at.
    broken: Vec<(usize, usize)>,
}

/// Why a value is not taken.
#[derive(Debug)]
pub(super) struct Wrong {
    span: Range<usize>,
    label: String,
    help: Option<String>,
    suggestion: Option<String>,
}

impl Wrong {
    pub(super) fn new(span: Range<usize>, label: impl Into<String>) -> Self {
        Self { span, label: label.into(), help: None, suggestion: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

/// What a value was read as, or all that is wrong with it.
pub(super) type Reading<T> = Result<T, Vec<Wrong>>;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A text with what the environment put into it.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) value: String,
    /// As written, for messages: with references to the environment instead of their values.
    pub(super) shown: String,
    pub(super) span: Range<usize>,
    /// Whether the value stands in the file letter by letter, between quotes.
    is_verbatim: bool,
}

impl Text {
    /// Whether any of it comes from the environment.
    pub(super) fn is_substituted(&self) -> bool {
        self.value != self.shown
    }

    /// Where a part of the value stands; all of it if that cannot be said.
    pub(super) fn part(&self, part: Range<usize>) -> Range<usize> {
        if self.is_verbatim {
            self.span.start + 1 + part.start..self.span.start + 1 + part.end
        } else {
            self.span.clone()
        }
    }

    /// This text is wrong.
    pub(super) fn wrong(&self, label: impl Into<String>) -> Wrong {
        Wrong::new(self.span.clone(), label)
    }
}

/// A value that is to be read.
pub(super) struct Item<'i> {
    value: &'i DeValue<'i>,
    pub(super) span: Range<usize>,
    text: &'i str,
    environment: &'i Environment<'i>,
}

impl<'i> Item<'i> {
    pub(super) fn wrong<T>(&self, label: impl Into<String>) -> Reading<T> {
        Err(vec![Wrong::new(self.span.clone(), label)])
    }

    /// A text, or nothing if it is no text.
    pub(super) fn as_text(&self) -> Option<Reading<Text>> {
        let DeValue::String(written) = self.value else { return None };
        let raw = self.text.get(self.span.clone()).unwrap_or("");
        let is_quoted = raw.len() == written.len() + 2 && raw.get(1..raw.len() - 1) == Some(written.as_ref());
        let text = environment::substituted(written, self.environment).map_err(|(name, why)| {
            let at = raw.find(&format!("${{{name}")).map_or(self.span.clone(), |at| {
                let end = raw[at..].find('}').map_or(raw.len(), |end| at + end + 1);
                self.span.start + at..self.span.start + end
            });
            vec![Wrong::new(at, why.to_owned()).help(environment::HELP)]
        });
        Some(text.map(|value| {
            let is_verbatim = is_quoted && value == *written;
            Text { value, shown: written.to_string(), span: self.span.clone(), is_verbatim }
        }))
    }

    /// A text; `expected` says what should stand here.
    pub(super) fn text(&self, expected: &str) -> Reading<Text> {
        self.as_text().unwrap_or_else(|| self.wrong(format!("expected {expected}, found {}", self.kind())))
    }

    pub(super) fn as_boolean(&self) -> Option<bool> {
        if let DeValue::Boolean(value) = self.value { Some(*value) } else { None }
    }

    /// An integer that is not negative, or nothing if it is no integer. Past 64 bits it is the largest one.
    pub(super) fn as_integer(&self) -> Option<Reading<u64>> {
        let DeValue::Integer(integer) = self.value else { return None };
        let digits = integer.as_str().replace('_', "");
        if digits.starts_with('-') {
            return Some(self.wrong("a negative number"));
        }
        let digits = digits.trim_start_matches('+');
        Some(Ok(u64::from_str_radix(digits, integer.radix()).unwrap_or(u64::MAX)))
    }

    /// The members of a list, which has at most `length_max`.
    pub(super) fn list(&self, expected: &str, length_max: usize) -> Reading<Vec<Item<'i>>> {
        let DeValue::Array(array) = self.value else {
            return self.wrong(format!("expected {expected}, found {}", self.kind()));
        };
        if array.len() > length_max {
            return self.wrong(format!("{} are too many, at most {length_max}", array.len()));
        }
        Ok(array.iter().map(|member| self.member(member)).collect())
    }

    /// Reads every member of a list, so that all that is wrong with it is told.
    pub(super) fn each<T>(
        &self,
        expected: &str,
        length_max: usize,
        read: impl Fn(&Item<'i>) -> Reading<T>,
    ) -> Reading<Vec<T>> {
        let (mut values, mut wrong) = (Vec::new(), Vec::new());
        for member in self.list(expected, length_max)? {
            match read(&member) {
                Ok(value) => values.push(value),
                Err(more) => wrong.extend(more),
            }
        }
        if wrong.is_empty() { Ok(values) } else { Err(wrong) }
    }

    fn member(&self, member: &'i Spanned<DeValue<'i>>) -> Self {
        Self { value: member.get_ref(), span: member.span(), text: self.text, environment: self.environment }
    }

    /// What kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

impl<'r> Reader<'r> {
    pub(super) fn new(text: &'r str, environment: &'r Environment<'r>) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, environment, lines, found: Vec::new(), more: 0, broken: Vec::new() }
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.found.push(diagnostic);
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(|found| found.level == Level::Error)
    }

    fn is_full(&self) -> bool {
        self.found.len() >= FOUND_MAX
    }

    /// What was found, and how much more there was.
    pub(super) fn into_found(self) -> (Vec<Diagnostic>, usize) {
        (self.found, self.more)
    }

    /// What stands on the lines of this span is no TOML.
    pub(super) fn broken(&mut self, span: &Range<usize>) {
        self.broken.push(self.lines_of(span));
    }

    /// Whether the text was no TOML somewhere, so that what is missing may be there.
    pub(super) fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Whether any place on the lines of this span is no TOML.
    pub(super) fn is_broken_at(&self, span: &Range<usize>) -> bool {
        let (first, last) = self.lines_of(span);
        self.broken.iter().any(|&(from, to)| from <= last && first <= to)
    }

    /// The line of an offset, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|&start| start <= at)
    }

    fn lines_of(&self, span: &Range<usize>) -> (usize, usize) {
        (self.line(span.start), self.line(span.end.max(span.start)))
    }

    /// Whether the text there refers to the environment.
    pub(super) fn refers_to_environment(&self, span: &Range<usize>) -> bool {
        self.text.get(span.clone()).is_some_and(|written| written.contains("${"))
    }

    /// Reads a value that stands in no table.
    pub(super) fn value<T>(
        &mut self,
        key: &str,
        value: &'r Spanned<DeValue<'r>>,
        read: impl FnOnce(&Item<'r>) -> Reading<T>,
    ) -> Option<At<T>> {
        let span = value.span();
        if self.is_broken_at(&span) {
            return None;
        }
        let (text, environment) = (self.text, self.environment);
        match read(&Item { value: value.get_ref(), span: span.clone(), text, environment }) {
            Ok(value) => Some(At { value, span }),
            Err(wrong) => {
                self.wrong(key, wrong);
                None
            }
        }
    }

    /// Tells what is wrong with the value of a key.
    fn wrong(&mut self, key: &str, wrong: Vec<Wrong>) {
        for Wrong { span, label, help, suggestion } in wrong {
            let mut diagnostic =
                Diagnostic::new(Level::Error, Some(span), format!("wrong value for `{key}`")).label(label);
            diagnostic.help = help;
            diagnostic.suggestion = suggestion;
            self.push(diagnostic);
        }
    }

    pub(super) fn section<'s>(
        &'s mut self,
        table: Table,
        header: Range<usize>,
        values: &'r DeTable<'r>,
    ) -> Section<'s, 'r> {
        let (mut known, mut misspelt) = (BTreeMap::new(), Vec::new());
        for (key, value) in values {
            let name = key.get_ref().as_ref();
            match table.keys().iter().find(|known| **known == name) {
                Some(&name) => {
                    known.insert(name, (key.span(), value));
                }
                None if self.is_broken_at(&key.span()) => {}
                None => {
                    if let Meant::Key(known) = self.unknown(table, name, key.span()) {
                        misspelt.push(known);
                    }
                }
            }
        }
        Section { reader: self, header, known, misspelt }
    }

    /// Tells that there is no such key in this table; gives what was meant.
    pub(super) fn unknown(&mut self, table: Table, key: &str, span: Range<usize>) -> Meant {
        if self.is_full() {
            self.more += 1;
            return Meant::Nothing;
        }
        let within = table.shown();
        let key_shown = shown(key);
        let is_table_there = table == Table::Top;
        let message = match table {
            Table::Top => format!("`{key_shown}` is not known at the top of the file"),
            _ => format!("`{key_shown}` is not a key of {within}"),
        };
        let diagnostic = Diagnostic::new(Level::Error, Some(span), message);
        let meant = meant(key, table);
        self.push(match meant {
            Meant::Key(known) => diagnostic.suggest(known),
            Meant::In(other, known) => {
                let belongs = format!("`{known}` belongs in {}", other.shown());
                diagnostic.label(belongs).help(format!("Move it below the line {}.", other.shown()))
            }
            Meant::Table(other) if is_table_there => diagnostic.suggest(other.shown()),
            Meant::Table(other) => diagnostic.label(format!("{} is a table of its own", other.shown())),
            Meant::Nothing => diagnostic.help(listed(table)),
        });
        meant
    }
}

/// A text from a file as it may be shown: without controls, and not too long.
pub(super) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let mut short: String = text.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        short.push_str("...");
    }
    short
}

fn listed(table: Table) -> String {
    match table {
        Table::Top => "The tables are [gateway], [limits], [times], [audit] and [[route]].".to_owned(),
        _ => format!("Its keys are {}.", table.keys().join(", ")),
    }
}

/// A table while its values are taken.
pub(super) struct Section<'s, 'r> {
    pub(super) reader: &'s mut Reader<'r>,
    /// Where the table begins.
    pub(super) header: Range<usize>,
    known: BTreeMap<&'static str, (Range<usize>, &'r Spanned<DeValue<'r>>)>,
    /// Keys that were meant by others, which are told about.
    misspelt: Vec<&'static str>,
}

impl<'r> Section<'_, 'r> {
    /// A value, if it is there and right.
    pub(super) fn at<T>(&mut self, key: &str, read: impl FnOnce(&Item<'r>) -> Reading<T>) -> Option<At<T>> {
        let (_, value) = self.known.get(key)?;
        self.reader.value(key, value, read)
    }

    /// Whether a key is not there, not even misspelt.
    pub(super) fn lacks(&self, key: &str) -> bool {
        !self.known.contains_key(key) && !self.misspelt.contains(&key) && !self.reader.is_broken()
    }

    /// A value without its place.
    pub(super) fn take<T>(&mut self, key: &str, read: impl FnOnce(&Item<'r>) -> Reading<T>) -> Option<T> {
        self.at(key, read).map(|at| at.value)
    }

    /// Where a key and its value stand, whether the value is right or not.
    pub(super) fn places(&self) -> BTreeMap<&'static str, Place> {
        let place = |key: &Range<usize>, value: &Spanned<DeValue<'_>>| Place {
            key: key.clone(),
            value: value.span(),
        };
        self.known.iter().map(|(&name, (key, value))| (name, place(key, value))).collect()
    }
}

/// Where a key stands and where its value does.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

#[cfg(test)]
impl Text {
    /// A text as if it stood at the beginning of a file.
    pub(super) fn of(value: &str) -> Self {
        Self { value: value.to_owned(), shown: value.to_owned(), span: 0..value.len() + 2, is_verbatim: true }
    }
}
