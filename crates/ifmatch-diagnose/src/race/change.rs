//! What a writer changes in what it read: one member of a JSON document, or one line of a text.

use super::choose::words;
use super::mark::{Mark, Marks};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

/// What stands in a document for a number or text of ours, when documents are compared but for it.
const OURS: &str = "\u{0}ours";

/// What a writer changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// A member of a JSON document.
    Member {
        /// Where it is.
        pointer: String,
        /// Whether a number stands there; otherwise text does.
        is_number: bool,
        /// Whether anything stands there.
        is_there: bool,
    },
    /// A line of a text.
    Line(Line),
}

/// How a line stands in a text without changing what it means, as far as that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// What stands before the mark.
    pub(super) before: &'static str,
    /// What stands behind it.
    pub(super) after: &'static str,
    /// The text it stands before; at the end, if there is none.
    pub(super) above: Option<&'static str>,
}

/// What a PATCH sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Patch {
    /// RFC 7396, or what an API takes for it.
    Merge,
    /// RFC 6902.
    Operations,
}

impl Change {
    /// The member that is written, if it is one.
    pub(super) fn pointer(&self) -> Option<&str> {
        match self {
            Self::Member { pointer, .. } => Some(pointer),
            Self::Line(_) => None,
        }
    }

    /// What it is called: a pointer, or a line.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Member { pointer, .. } if pointer.is_empty() => "the whole document".to_owned(),
            Self::Member { pointer, .. } => pointer.clone(),
            Self::Line(_) => "a line".to_owned(),
        }
    }

    /// The content to write, by someone who read `read`; `None` if what was read has no place for it.
    pub(super) fn content(
        &self,
        read: &[u8],
        marks: &Marks,
        mark: Mark,
        patch: Option<Patch>,
    ) -> Option<Bytes> {
        match self {
            Self::Member { pointer, is_number, is_there } => {
                let value = if *is_number { json!(marks.number(mark)) } else { json!(marks.text(mark)) };
                member(read, pointer, *is_there, value, patch)
            }
            Self::Line(line) => Some(line.content(read, marks, mark).into()),
        }
    }

    /// What puts the original's value back into what is there now; `None` if there is no place for it.
    pub(super) fn back(&self, now: &[u8], original: &[u8], patch: Option<Patch>) -> Option<Bytes> {
        let Self::Member { pointer, .. } = self else { return Some(Bytes::copy_from_slice(original)) };
        let original: Value = serde_json::from_slice(original).ok()?;
        match (original.pointer(pointer), patch) {
            (Some(value), _) => member(now, pointer, true, value.clone(), patch),
            (None, Some(Patch::Merge)) => member(now, pointer, true, Value::Null, patch),
            (None, Some(Patch::Operations)) => {
                serde_json::to_vec(&json!([{ "op": "remove", "path": pointer }])).ok().map(Into::into)
            }
            (None, None) => {
                let mut document: Value = serde_json::from_slice(now).ok()?;
                let (parent, name) = parent(&mut document, pointer)?;
                parent.as_object_mut()?.shift_remove(&name);
                serde_json::to_vec(&document).ok().map(Into::into)
            }
        }
    }

    /// The marks that can be seen.
    pub(super) fn seen(&self, content: &[u8], marks: &Marks) -> Vec<Mark> {
        match self {
            Self::Member { pointer, .. } => {
                let document: Option<Value> = serde_json::from_slice(content).ok();
                match document.as_ref().and_then(|document| document.pointer(pointer)) {
                    Some(Value::String(text)) => marks.in_text(text),
                    Some(Value::Number(number)) => {
                        let whole = |number: f64| (number.fract() == 0.0).then(|| format!("{number:.0}"));
                        let number = number.as_i64().or_else(|| whole(number.as_f64()?)?.parse().ok());
                        number.and_then(|number| marks.of_number(number)).into_iter().collect()
                    }
                    _ => Vec::new(),
                }
            }
            Self::Line(_) => marks.in_text(&String::from_utf8_lossy(content)),
        }
    }

    /// What was read but for what we change: two states with the same rest differ in nothing else. Members that differ
    /// between reads anyhow are named by `volatile`.
    pub(super) fn rest(&self, content: &[u8], marks: &Marks, volatile: &[String]) -> Vec<u8> {
        match self {
            Self::Member { pointer, .. } => {
                let Ok(mut document) = serde_json::from_slice::<Value>(content) else {
                    return content.to_vec();
                };
                for pointer in volatile.iter().chain([pointer]) {
                    if let Some(value) = document.pointer_mut(pointer) {
                        *value = Value::String(OURS.to_owned());
                    } else if let Some((parent, name)) = parent(&mut document, pointer)
                        && let Some(members) = parent.as_object_mut()
                    {
                        members.insert(name, Value::String(OURS.to_owned()));
                    }
                }
                // Members in any order are the same document.
                document.sort_all_objects();
                serde_json::to_vec(&document).unwrap_or_default()
            }
            Self::Line(line) => {
                let text = String::from_utf8_lossy(content);
                line.without(&text, marks).into_bytes()
            }
        }
    }

    /// The members that differ but for what we change, as pointers with both values; `None` if one came or went, which no
    /// write of ours does.
    pub(super) fn differences(&self, one: &[u8], other: &[u8]) -> Option<Vec<(String, String, String)>> {
        let Self::Member { pointer, .. } = self else { return Some(Vec::new()) };
        let parse = |content| serde_json::from_slice::<Value>(content).ok();
        let mut found = Vec::new();
        differing(&parse(one)?, &parse(other)?, pointer, "", &mut found).then_some(found)
    }

    /// Whether what we change is as it was.
    pub(super) fn is_back(&self, now: &[u8], original: &[u8]) -> bool {
        let Self::Member { pointer, .. } = self else { return true };
        let value = |content| {
            let document: Value = serde_json::from_slice(content).ok()?;
            document.pointer(pointer).filter(|value| !value.is_null()).cloned()
        };
        match (value(now), value(original)) {
            (Some(now), Some(original)) => is_same(&now, &original),
            (now, original) => now == original,
        }
    }
}

impl Line {
    fn content(&self, read: &[u8], marks: &Marks, mark: Mark) -> Vec<u8> {
        let text = String::from_utf8_lossy(read);
        let found = marks.in_text(&text);
        if !found.is_empty() {
            let old: Vec<_> = found.into_iter().map(|mark| marks.text(mark)).collect();
            return old
                .iter()
                .fold(text.into_owned(), |text, old| text.replace(old, &marks.text(mark)))
                .into();
        }
        let line = format!("{}{}{}", self.before, marks.text(mark), self.after);
        let Some(at) = self.above.and_then(|above| text.find(above)) else {
            // Octets that are no text stay as they are.
            return [read, line.as_bytes()].concat();
        };
        let (before, after) = text.split_at(at);
        format!("{before}{line}{after}").into()
    }

    /// The text without the line.
    fn without(&self, text: &str, marks: &Marks) -> String {
        let text = marks.in_text(text).into_iter().fold(text.to_owned(), |text, mark| {
            text.replace(&format!("{}{}{}", self.before, marks.text(mark), self.after), "")
        });
        marks.without(&text).trim_end().to_owned()
    }
}

/// The content that sets one member: the whole document, or a patch.
fn member(read: &[u8], pointer: &str, is_there: bool, value: Value, patch: Option<Patch>) -> Option<Bytes> {
    let content = match patch {
        Some(Patch::Operations) => {
            let op = if is_there { "replace" } else { "add" };
            serde_json::to_vec(&json!([{ "op": op, "path": pointer, "value": value }]))
        }
        Some(Patch::Merge) => {
            let names = pointer.split('/').skip(1).map(unescaped).collect::<Vec<_>>();
            let patch = names.into_iter().rev().fold(value, |value, name| json!({ name: value }));
            serde_json::to_vec(&patch)
        }
        None => {
            let mut document: Value = serde_json::from_slice(read).ok()?;
            if let Some(place) = document.pointer_mut(pointer) {
                *place = value;
            } else {
                let (parent, name) = parent(&mut document, pointer)?;
                parent.as_object_mut()?.insert(name, value);
            }
            serde_json::to_vec(&document)
        }
    };
    content.ok().map(Into::into)
}

/// The value that has, or would have, the member at a pointer, and the name of that.
fn parent<'a>(document: &'a mut Value, pointer: &str) -> Option<(&'a mut Value, String)> {
    let (parent, name) = pointer.rsplit_once('/')?;
    Some((document.pointer_mut(parent)?, unescaped(name)))
}

fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Collects what differs but for `ours`; false if a member came or went.
fn differing(
    one: &Value,
    other: &Value,
    ours: &str,
    at: &str,
    found: &mut Vec<(String, String, String)>,
) -> bool {
    if at == ours {
        return true;
    }
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            names.into_iter().all(|name| {
                let at = format!("{at}/{}", escaped(name));
                match (one.get(name), other.get(name)) {
                    (Some(one), Some(other)) => differing(one, other, ours, &at, found),
                    _ => at == ours,
                }
            })
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .enumerate()
                    .all(|(index, (one, other))| differing(one, other, ours, &format!("{at}/{index}"), found))
        }
        _ => {
            if !is_same(one, other) {
                found.push((at.to_owned(), one.to_string(), other.to_string()));
            }
            true
        }
    }
}

/// Whether two values are the same; 12.50 and 12.5 are.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

/// Words of names that servers set at each write.
const MOVING: [&str; 8] =
    ["updated", "modified", "changed", "version", "revision", "rev", "etag", "timestamp"];

/// Whether servers set a member of that name at each write.
pub(super) fn is_moving(pointer: &str) -> bool {
    let name = pointer.rsplit('/').next().unwrap_or_default();
    words(name).iter().any(|word| MOVING.contains(&word.as_str()))
}

/// What a PATCH of that type sends.
pub(super) fn patch(method: &Method, content_type: &str) -> Option<Patch> {
    if method != Method::PATCH {
        return None;
    }
    Some(if content_type.contains("json-patch") { Patch::Operations } else { Patch::Merge })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pointer: &str, is_number: bool, is_there: bool) -> Change {
        Change::Member { pointer: pointer.to_owned(), is_number, is_there }
    }

    fn text(content: Option<Bytes>) -> String {
        String::from_utf8(content.unwrap().to_vec()).unwrap()
    }

    #[test]
    fn one_member_is_changed_and_put_back() {
        let mut marks = Marks::new();
        let mark = marks.next();
        let original = br#"{"id":1,"a/b":{"note":"x"},"n":1.10}"#;
        let change = member("/a~1b/note", false, true);
        let written = change.content(original, &marks, mark, None).unwrap();
        assert_eq!(change.seen(&written, &marks), [mark]);
        assert_eq!(change.rest(&written, &marks, &[]), change.rest(original, &marks, &[]));
        assert_eq!(text(change.back(&written, original, None)).as_bytes(), original);

        let merge = text(change.content(original, &marks, mark, Some(Patch::Merge)));
        assert_eq!(merge, format!("{{\"a/b\":{{\"note\":\"{}\"}}}}", marks.text(mark)));
        let operations = text(change.content(original, &marks, mark, Some(Patch::Operations)));
        assert!(operations.contains(r#""path":"/a~1b/note""#), "{operations}");
    }

    #[test]
    fn a_member_that_was_not_there_goes_again() {
        let mut marks = Marks::new();
        let mark = marks.next();
        let original = br#"{"id":1}"#;
        let change = member("/new", false, false);
        let written = change.content(original, &marks, mark, None).unwrap();
        assert_eq!(change.seen(&written, &marks), [mark]);
        assert_eq!(text(change.back(&written, original, None)).as_bytes(), original);
        assert_eq!(text(change.back(&written, original, Some(Patch::Merge))), r#"{"new":null}"#);
        assert_eq!(change.rest(&written, &marks, &[]), change.rest(original, &marks, &[]));
    }

    #[test]
    fn numbers_stay_numbers() {
        let mut marks = Marks::new();
        let mark = marks.next();
        let change = member("/n", true, true);
        let written = change.content(b"{\"n\":7}", &marks, mark, None).unwrap();
        assert_eq!(change.seen(&written, &marks), [mark]);
        let with_fraction = text(Some(written)).replace('}', ".0}");
        assert_eq!(change.seen(with_fraction.as_bytes(), &marks), [mark]);
        assert_eq!(change.seen(b"{\"n\":8}", &marks), []);
    }

    #[test]
    fn a_line_is_added_once_and_then_changed() {
        let mut marks = Marks::new();
        let (one, two) = (marks.next(), marks.next());
        let change = Change::Line(Line { before: "\n# ", after: "\n", above: None });
        let first = change.content(b"a", &marks, one, None).unwrap();
        let second = change.content(&first, &marks, two, None).unwrap();
        assert_eq!(first.len(), second.len());
        assert_eq!(change.seen(&second, &marks), [two]);
        assert_eq!(change.rest(&second, &marks, &[]), b"a");

        let card = Change::Line(Line { before: "X-RACE:", after: "\r\n", above: Some("END:") });
        let written = text(card.content(b"BEGIN:VCARD\r\nEND:VCARD\r\n", &marks, one, None));
        assert_eq!(written, format!("BEGIN:VCARD\r\nX-RACE:{}\r\nEND:VCARD\r\n", marks.text(one)));
    }

    #[test]
    fn octets_that_are_no_text_stay() {
        let mut marks = Marks::new();
        let mark = marks.next();
        let change = Change::Line(Line { before: "\n", after: "\n", above: None });
        let written = change.content(&[0xff, 0], &marks, mark, None).unwrap();
        assert!(written.starts_with(&[0xff, 0]));
    }

    #[test]
    fn members_that_came_or_went_are_no_differences_of_ours() {
        let change = member("/note", false, true);
        let before = br#"{"note":"a","at":1,"meta":{"rev":1,"x":2.50},"l":[1]}"#;
        let now = br#"{"note":"b","at":2,"meta":{"rev":2,"x":2.5},"l":[1]}"#;
        let found = change.differences(before, now).unwrap();
        assert_eq!(found.iter().map(|(at, ..)| at.as_str()).collect::<Vec<_>>(), ["/at", "/meta/rev"]);
        for other in [r#"{"note":"a"}"#, r#"{"note":"a","at":1,"meta":{"rev":1,"x":2},"l":[1],"theirs":1}"#] {
            assert_eq!(change.differences(before, other.as_bytes()), None, "{other}");
        }
    }
}
