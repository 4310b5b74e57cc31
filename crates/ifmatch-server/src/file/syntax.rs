//! Places where a file is no TOML.

use super::diagnostics::{Diagnostic, Level};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::de::{DeTable, DeValue, Error};

/// What is told of the parser's errors: the first of a line, and one of a list that is broken, since everything after
/// it was taken for a part of it. With each the lines that are not to be looked at any further.
pub(super) fn told(text: &str, errors: &[Error], top: &DeTable<'_>) -> Vec<(Range<usize>, Diagnostic)> {
    let mut lists = Vec::new();
    lists_of(text, top, &mut lists);
    lists.sort_by_key(|list| list.start);
    let starts = |e: &&Error| e.message().starts_with("unclosed array");
    let open: BTreeSet<usize> = errors.iter().filter(starts).filter_map(|e| Some(e.span()?.start)).collect();
    let mut first: BTreeMap<usize, (Range<usize>, Diagnostic)> = BTreeMap::new();
    let mut sorted: Vec<(Range<usize>, &str)> =
        errors.iter().map(|e| (e.span().unwrap_or(0..0), e.message())).collect();
    sorted.sort_by_key(|(span, _)| (span.start, span.end));
    for (span, message) in &sorted {
        let before = lists.partition_point(|list| list.start <= span.start);
        let list =
            before.checked_sub(1).and_then(|index| lists.get(index)).filter(|list| span.start <= list.end);
        match list {
            Some(list) => {
                let diagnostic = if open.contains(&list.end) {
                    let open = list.start..list.start + 1;
                    Diagnostic::new(Level::Error, Some(open), "a list that is not closed")
                        .label("opened here")
                } else {
                    error(span.clone(), message)
                };
                first.entry(list.start).or_insert((list.clone(), diagnostic));
            }
            None => {
                let at = text.floor_char_boundary(span.start);
                let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                first.entry(line).or_insert((span.clone(), error(span.clone(), message)));
            }
        }
    }
    first.into_values().collect()
}

fn error(span: Range<usize>, message: &str) -> Diagnostic {
    let (what, expected) = message.split_once(", expected ").map_or((message, None), |(w, e)| (w, Some(e)));
    let is_unquoted = what == "string values must be quoted";
    let what = if is_unquoted && span.is_empty() { "a key without a value" } else { what };
    let diagnostic = Diagnostic::new(Level::Error, Some(span), what);
    match (what, expected) {
        ("duplicate key", _) => diagnostic.label("is there already"),
        ("a key without a value", _) => diagnostic.label("expected a value"),
        _ if is_unquoted => diagnostic.label("put it in \"quotes\""),
        (_, Some(expected)) => diagnostic.label(format!("expected {expected}")),
        _ => diagnostic,
    }
}

/// The lists in the file that are values, outermost ones.
fn lists_of(text: &str, table: &DeTable<'_>, lists: &mut Vec<Range<usize>>) {
    for value in table.values() {
        match value.get_ref() {
            DeValue::Table(inner) => lists_of(text, inner, lists),
            DeValue::Array(members) => {
                // The span of a list of tables is its first header.
                let is_header = text.get(value.span().start..).is_some_and(|rest| rest.starts_with("[["))
                    && members.iter().all(|m| m.get_ref().is_table());
                if is_header {
                    for member in members.iter() {
                        if let DeValue::Table(inner) = member.get_ref() {
                            lists_of(text, inner, lists);
                        }
                    }
                } else {
                    lists.push(value.span());
                }
            }
            _ => {}
        }
    }
}
