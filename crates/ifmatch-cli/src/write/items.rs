//! `name=text`, `name:=JSON`: members to change.

use serde_json::{Map, Value};
use std::fs;

/// How many names deep a member may be.
const NAMES_MAX: usize = 32;

/// A member to change.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Item {
    /// From the outermost; never empty.
    names: Vec<String>,
    value: Value,
}

impl Item {
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }
}

/// Reads one.
pub(crate) fn parse(text: &str) -> Result<Item, String> {
    let usage = "a member is changed by name=text or name:=JSON; a[b]=text is member b of member a";
    let Some(at) = text.find('=') else {
        let hint = match text.split_once(':') {
            Some((name, value)) => {
                format!(" A field of the request is given by -H '{name}: {}'.", value.trim())
            }
            None => String::new(),
        };
        return Err(format!("{text:?} changes nothing: {usage}.{hint} Nothing was sent."));
    };
    let (left, right) = (&text[..at], &text[at + 1..]);
    let (left, is_json) = left.strip_suffix(':').map_or((left, false), |left| (left, true));
    let names = names(left).ok_or_else(|| format!("{left:?} names no member: {usage}. Nothing was sent."))?;
    let right = match right.strip_prefix('@') {
        Some(file) => {
            fs::read_to_string(file).map_err(|error| format!("{file}: {error}. Nothing was sent."))?
        }
        None => right.to_owned(),
    };
    let value = if is_json {
        ifmatch_core::json::parse(right.as_bytes())
            .map_err(|error| format!("{left}:= is followed by something that is not JSON: {error}. Text is given by {left}=. Nothing was sent."))?
    } else {
        Value::String(right)
    };
    Ok(Item { names, value })
}

/// `a[b][c]` in its parts.
fn names(text: &str) -> Option<Vec<String>> {
    let Some((first, rest)) = text.split_once('[') else {
        return (!text.is_empty()).then(|| vec![text.to_owned()]);
    };
    let inner = rest.strip_suffix(']')?;
    let mut names = vec![first.to_owned()];
    names.extend(inner.split("][").map(str::to_owned));
    let is_well = names.iter().all(|name| !name.is_empty() && !name.contains(['[', ']']));
    (is_well && names.len() <= NAMES_MAX).then_some(names)
}

/// Makes the changes.
pub(crate) fn apply(to: &mut Value, items: &[Item]) -> Result<(), String> {
    for item in items {
        let mut place = &mut *to;
        for (depth, name) in item.names.iter().enumerate() {
            place = match place {
                Value::Object(members) => members.entry(name.clone()).or_insert(Value::Object(Map::new())),
                Value::Array(list) => {
                    let length = list.len();
                    let found = name.parse::<usize>().ok().and_then(|at| list.get_mut(at));
                    found.ok_or_else(|| {
                        format!(
                            "{} is a list of {length}, and {name:?} is none of its places",
                            path(item, depth)
                        )
                    })?
                }
                _ => return Err(format!("{} is no object, so it has no member {name:?}", path(item, depth))),
            };
        }
        *place = item.value.clone();
    }
    Ok(())
}

fn path(item: &Item, depth: usize) -> String {
    if depth == 0 { "what is there".to_owned() } else { format!("/{}", item.names[..depth].join("/")) }
}

/// The changes as a merge patch (RFC 7396).
pub(crate) fn merge_patch(items: &[Item]) -> Result<Value, String> {
    let mut patch = Value::Object(Map::new());
    apply(&mut patch, items)?;
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn applied(to: Value, items: &[&str]) -> Result<Value, String> {
        let mut to = to;
        let items: Vec<_> = items.iter().map(|item| parse(item)).collect::<Result<_, _>>()?;
        apply(&mut to, &items).map(|()| to)
    }

    #[test]
    fn members_are_changed() {
        let there = json!({ "a": 1, "o": { "x": 1 }, "l": [1, { "q": 1 }] });
        for (items, expected) in [
            (&["a=2"][..], json!({ "a": "2", "o": { "x": 1 }, "l": [1, { "q": 1 }] })),
            (&["a:=2", "o[y]=b=c"], json!({ "a": 2, "o": { "x": 1, "y": "b=c" }, "l": [1, { "q": 1 }] })),
            (
                &["l[1][q]:=[]", "n[m]:=null"],
                json!({ "a": 1, "o": { "x": 1 }, "l": [1, { "q": [] }], "n": { "m": null } }),
            ),
        ] {
            assert_eq!(applied(there.clone(), items), Ok(expected));
        }
        let big = applied(json!({}), &["n:=12345678901234567890.50"]).unwrap();
        assert_eq!(big.to_string(), r#"{"n":12345678901234567890.50}"#);
    }

    #[test]
    fn what_names_no_member_is_refused() {
        for wrong in
            ["", "a", "X-Client:web", "=x", "a[=x", "a[]=x", "a[b=x", "a]b[=x", "a:=x", "a:=", "a=@/nowhere"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for (to, item) in [
            (json!([]), "a=1"),
            (json!(1), "a=1"),
            (json!({ "a": 1 }), "a[b]=1"),
            (json!({ "a": [] }), "a[0]=1"),
        ] {
            assert!(applied(to, &[item]).is_err(), "{item}");
        }
    }
}
