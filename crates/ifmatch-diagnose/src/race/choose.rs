//! Choosing what to change, if nobody says.

use super::change::{Change, Line, Patch, escaped};
use serde_json::Value;

/// Members that are tried, one after the other, until one can be written.
const TRIED_MAX: usize = 5;

/// How deep members are looked for.
const DEPTH_MAX: usize = 3;

/// Members that are looked at.
const LOOKED_AT_MAX: usize = 200;

/// What a member is called that is added if nothing else can be written.
const ADDED: &str = "ifmatch_race";

/// Names of free text, best first.
const FREE: [&str; 14] = [
    "note",
    "notes",
    "comment",
    "comments",
    "description",
    "remark",
    "memo",
    "text",
    "summary",
    "body",
    "message",
    "content",
    "title",
    "label",
];

/// Parts of names that servers set themselves, or that mean something.
const OWNED: [&str; 22] = [
    "id", "rev", "etag", "version", "created", "updated", "modified", "date", "time", "url", "uri", "href",
    "link", "self", "type", "kind", "state", "status", "email", "hash", "slug", "schema",
];

/// Why there is nothing to change.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChooseError {
    /// Not JSON.
    #[error("--field names a member of a JSON document, and this is none")]
    NotJson,
    /// Nothing there, and nothing it could be added to.
    #[error("{0} is not there, and cannot be added: what is above it is no object")]
    NotThere(String),
    /// Something there that is no text or number.
    #[error("{0} is neither text nor a number; --field has to name one that is")]
    NotPlain(String),
    /// A document without members.
    #[error("nothing in this document was found that could be changed; --field names a member, as /note")]
    Nothing,
    /// A merge patch cannot name a member of an array.
    #[error("a merge patch cannot reach into an array; --content-type application/json-patch+json can")]
    Array,
    /// A patch of something that is no JSON.
    #[error("PATCH is sent as JSON, and this is none; --method PUT writes it whole")]
    Patch,
}

/// What can be changed in `content`, best first; never empty.
pub(super) fn choose(
    content: &[u8],
    content_type: &str,
    field: Option<&str>,
    patch: Option<Patch>,
) -> Result<Vec<Change>, ChooseError> {
    let is_json = is_json(content_type) || field.is_some() || patch.is_some();
    let document: Option<Value> = is_json.then(|| serde_json::from_slice(content).ok()).flatten();
    match (document, field) {
        (Some(document), Some(field)) => named(&document, field, patch).map(|change| vec![change]),
        (None, Some(_)) => Err(ChooseError::NotJson),
        (Some(document), None) => unnamed(&document, patch),
        (None, None) if patch.is_some() => Err(ChooseError::Patch),
        (None, None) => Ok(vec![Change::Line(line(content, content_type))]),
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json") || essence == "text/json"
}

fn named(document: &Value, field: &str, patch: Option<Patch>) -> Result<Change, ChooseError> {
    let change = |is_number, is_there| Change::Member { pointer: field.to_owned(), is_number, is_there };
    let parent = field.rsplit_once('/').and_then(|(parent, _)| document.pointer(parent));
    if patch == Some(Patch::Merge) && is_in_array(document, field) {
        return Err(ChooseError::Array);
    }
    match document.pointer(field) {
        Some(Value::String(_) | Value::Null) => Ok(change(false, true)),
        Some(Value::Number(_)) => Ok(change(true, true)),
        Some(_) => Err(ChooseError::NotPlain(field.to_owned())),
        None if parent.is_some_and(Value::is_object) => Ok(change(false, false)),
        None => Err(ChooseError::NotThere(field.to_owned())),
    }
}

fn is_in_array(document: &Value, pointer: &str) -> bool {
    let ends = pointer.match_indices('/').map(|(at, _)| at);
    ends.filter_map(|end| document.pointer(pointer.get(..end)?)).any(Value::is_array)
}

fn unnamed(document: &Value, patch: Option<Patch>) -> Result<Vec<Change>, ChooseError> {
    let mut found = Vec::new();
    look(document, "", 0, &mut found);
    found.retain(|(_, change)| match change {
        Change::Member { pointer, .. } => {
            patch != Some(Patch::Merge) || (!pointer.is_empty() && !is_in_array(document, pointer))
        }
        Change::Line(_) => true,
    });
    // Stable: of equals the first one is taken.
    found.sort_by_key(|(rank, _)| *rank);
    let mut changes: Vec<_> = found.into_iter().map(|(_, change)| change).take(TRIED_MAX).collect();
    if document.is_object() {
        let pointer = format!("/{ADDED}");
        changes.push(Change::Member { pointer, is_number: false, is_there: false });
    }
    if changes.is_empty() { Err(ChooseError::Nothing) } else { Ok(changes) }
}

/// The texts and numbers below `value`, each with how well it suits: less is better.
fn look(value: &Value, at: &str, depth: usize, found: &mut Vec<(usize, Change)>) {
    if found.len() >= LOOKED_AT_MAX || depth > DEPTH_MAX {
        return;
    }
    let name = at.rsplit('/').next().unwrap_or_default();
    let change = |is_number| Change::Member { pointer: at.to_owned(), is_number, is_there: true };
    match value {
        Value::String(text) if !is_owned(name) && !means_something(text) => {
            let free = FREE.iter().position(|free| name.eq_ignore_ascii_case(free));
            found.push((free.unwrap_or(100 + depth), change(false)));
        }
        Value::Number(_) if !is_owned(name) => found.push((200 + depth, change(true))),
        Value::Object(members) => {
            for (name, value) in members {
                look(value, &format!("{at}/{}", escaped(name)), depth + 1, found);
            }
        }
        Value::Array(values) => {
            if let Some(value) = values.first() {
                look(value, &format!("{at}/0"), depth + 1, found);
            }
        }
        _ => {}
    }
}

/// Whether a name has a word that servers set: `orderId`, `updated_at`, `_rev`.
fn is_owned(name: &str) -> bool {
    let whole = name.to_lowercase();
    words(name).iter().any(|word| OWNED.contains(&word.as_str()))
        || ["uuid", "guid", "ids"].contains(&whole.as_str())
}

/// The words of a name, in lower case.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in name.chars() {
        if character.is_uppercase() || !character.is_alphanumeric() {
            words.push(core::mem::take(&mut word));
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
    }
    words.push(word);
    words
}

/// Whether a text is more than text: an address, a date, an identifier.
fn means_something(text: &str) -> bool {
    let is_date = text.len() >= 8 && text.bytes().take(4).all(|b| b.is_ascii_digit()) && text.contains('-');
    let is_long_name = text.len() >= 20 && !text.contains(' ') && text.bytes().any(|b| b.is_ascii_digit());
    text.contains("://") || text.contains('@') || is_date || is_long_name
}

/// A line that means nothing in a text of that type, as far as that is known.
fn line(content: &[u8], content_type: &str) -> Line {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_card = content.starts_with(b"BEGIN:V") || matches!(&*essence, "text/vcard" | "text/calendar");
    let is_markup = essence.ends_with("xml") || essence == "text/html";
    let is_code = ["javascript", "css"].iter().any(|kind| essence.contains(kind));
    let is_settings = ["yaml", "toml", "x-sh", "python"].iter().any(|kind| essence.contains(kind));
    match () {
        () if is_card => Line { before: "X-IFMATCH-RACE:", after: "\r\n", above: Some("END:") },
        () if is_markup => Line { before: "\n<!-- ", after: " -->\n", above: None },
        () if is_code => Line { before: "\n/* ", after: " */\n", above: None },
        () if is_settings => Line { before: "\n# ", after: "\n", above: None },
        () => Line { before: "\n", after: "\n", above: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(content: &str) -> Vec<String> {
        let changes = choose(content.as_bytes(), "application/json; charset=utf-8", None, None).unwrap();
        changes.iter().map(Change::name).collect()
    }

    #[test]
    fn free_text_is_chosen_first_and_what_servers_own_never() {
        let order = r#"{"id":42,"total":12.5,"title":"x","note":"y","status":"open","updatedAt":"2026-01-01T00:00:00Z",
                        "self":"http://a/1","customer":{"name":"Ada","email":"a@b"}}"#;
        assert_eq!(names(order), ["/note", "/title", "/customer/name", "/total", "/ifmatch_race"]);
        assert_eq!(
            names(r#"{"data":{"number":7,"id":"x","last_modified":1}}"#),
            ["/data/number", "/ifmatch_race"]
        );
        assert_eq!(names(r#"[{"note":"a"}]"#), ["/0/note"]);
        assert_eq!(names("{}"), ["/ifmatch_race"]);
        assert_eq!(names("7"), ["the whole document"]);
        assert_eq!(choose(b"[]", "application/json", None, None), Err(ChooseError::Nothing));
    }

    #[test]
    fn a_field_that_is_named_is_taken_or_refused() {
        let document = br#"{"note":"a","n":1,"list":[{"a":"b"}],"flag":true,"nothing":null}"#;
        let of =
            |field, patch| choose(document, "text/plain", Some(field), patch).map(|mut all| all.remove(0));
        let member = |pointer: &str, is_number, is_there| {
            Ok(Change::Member { pointer: pointer.to_owned(), is_number, is_there })
        };
        assert_eq!(of("/note", None), member("/note", false, true));
        assert_eq!(of("/n", None), member("/n", true, true));
        assert_eq!(of("/nothing", None), member("/nothing", false, true));
        assert_eq!(of("/new", None), member("/new", false, false));
        assert_eq!(of("/list/0/a", None), member("/list/0/a", false, true));
        assert_eq!(of("/list/0/a", Some(Patch::Merge)), Err(ChooseError::Array));
        assert_eq!(of("/flag", None), Err(ChooseError::NotPlain("/flag".to_owned())));
        assert_eq!(of("/no/where", None), Err(ChooseError::NotThere("/no/where".to_owned())));
        assert_eq!(choose(b"a", "text/plain", Some("/a"), None), Err(ChooseError::NotJson));
    }

    #[test]
    fn text_gets_a_line() {
        let of = |content: &str, kind| match &choose(content.as_bytes(), kind, None, None).unwrap()[..] {
            [Change::Line(line)] => line.before,
            other => panic!("{other:?}"),
        };
        assert_eq!(of("7", "text/plain"), "\n");
        assert_eq!(of("<a/>", "application/xml"), "\n<!-- ");
        assert_eq!(of("BEGIN:VCARD", ""), "X-IFMATCH-RACE:");
        assert_eq!(of("not json", "application/json"), "\n");
    }
}
