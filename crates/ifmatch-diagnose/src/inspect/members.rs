//! Which members of JSON documents differ.

use serde_json::Value;

/// How many members are told.
const TOLD_MAX: usize = 6;

/// The longest value that is shown, in characters.
const VALUE_CHARS_MAX: usize = 32;

/// A member that differs, and its values in the order of the documents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Member {
    /// A JSON Pointer (RFC 6901); the empty one is the whole document.
    pub(super) pointer: String,
    /// One per document; of one without this member, `absent`.
    pub(super) values: Vec<String>,
}

/// The members in which documents differ, at most [`TOLD_MAX`]; `None` if one of them is not JSON.
pub(super) fn differing(contents: &[&[u8]]) -> Option<Vec<Member>> {
    let documents: Vec<Value> =
        contents.iter().map(|content| serde_json::from_slice(content).ok()).collect::<Option<_>>()?;
    let (first, others) = documents.split_first()?;
    let mut pointers = Vec::new();
    for other in others {
        compare(first, other, &mut String::new(), &mut pointers);
    }
    let members = pointers.into_iter().map(|pointer| {
        let values = documents.iter().map(|document| {
            let value = document.pointer(&pointer);
            value.map_or_else(|| "absent".to_owned(), |value| shown(&pointer, value))
        });
        Member { values: values.collect(), pointer }
    });
    Some(members.collect())
}

fn compare(a: &Value, b: &Value, at: &mut String, pointers: &mut Vec<String>) {
    if a == b || pointers.len() >= TOLD_MAX {
        return;
    }
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let only_b = b.keys().filter(|name| !a.contains_key(*name));
            for name in a.keys().chain(only_b) {
                let step = name.replace('~', "~0").replace('/', "~1");
                below(&step, a.get(name), b.get(name), at, pointers);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                below(&index.to_string(), Some(a), Some(b), at, pointers);
            }
        }
        _ if !pointers.contains(at) => pointers.push(at.clone()),
        _ => {}
    }
}

fn below(step: &str, a: Option<&Value>, b: Option<&Value>, at: &mut String, pointers: &mut Vec<String>) {
    let length = at.len();
    at.push('/');
    at.push_str(step);
    match (a, b) {
        (Some(a), Some(b)) => compare(a, b, at, pointers),
        _ if pointers.len() < TOLD_MAX && !pointers.contains(at) => pointers.push(at.clone()),
        _ => {}
    }
    at.truncate(length);
}

/// A value on one line; not of a member that is called like a secret.
fn shown(pointer: &str, value: &Value) -> String {
    let name = pointer.rsplit('/').next().unwrap_or_default();
    if ifmatch_client::secret::is_secret_parameter(name) {
        return ifmatch_client::secret::MASK.to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_members_are_named() {
        let found = |contents: &[&str]| {
            let contents: Vec<_> = contents.iter().map(|content| content.as_bytes()).collect();
            let members = differing(&contents)?;
            Some(
                members
                    .into_iter()
                    .map(|m| format!("{} {}", m.pointer, m.values.join(" ")))
                    .collect::<Vec<_>>(),
            )
        };
        let same: Vec<String> = Vec::new();
        assert_eq!(found(&["{\"a\":1, \"b\":2}", "{\"b\":2,\"a\":1}"]), Some(same));
        assert_eq!(
            found(&["{\"a\":{\"b/c\":1},\"d\":[1,2]}", "{\"a\":{\"b/c\":2},\"d\":[1,3],\"e\":0}"]).unwrap(),
            ["/a/b~1c 1 2", "/d/1 2 3", "/e absent 0"]
        );
        assert_eq!(found(&["[1]", "[1]", "[1,2]"]).unwrap(), [" [1] [1] [1,2]"]);
        assert_eq!(found(&["{\"token\":1}", "{\"token\":2}"]).unwrap(), ["/token *** ***"]);
        assert_eq!(found(&["{\"a\":1}", "<a/>"]), None);
        let many =
            |n: u32| format!("[{}]", (0..20).map(|i| (i * n).to_string()).collect::<Vec<_>>().join(","));
        assert_eq!(found(&[&many(1), &many(2)]).unwrap().len(), TOLD_MAX);
    }
}
