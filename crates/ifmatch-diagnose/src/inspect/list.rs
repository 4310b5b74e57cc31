//! The collection that lists the resource: do its items carry tags, or has a client to read each item again before it may
//! write?

use super::found::Found;
use super::look::{CHANGED, Look};
use http::HeaderValue;
use ifmatch_client::Tag;
use ifmatch_client::wire::{Request, Url};
use serde_json::{Map, Value};

/// Members that are, or may be sent back as, a version.
const NAMES: [&str; 12] = [
    "etag",
    "_etag",
    "@odata.etag",
    "$etag",
    "version",
    "_version",
    "revision",
    "rev",
    "_rev",
    "resourceversion",
    "lock_version",
    "row_version",
];

/// Of them those whose value is a tag, and not a number that one may be made of.
const TAGS: [&str; 4] = ["etag", "_etag", "@odata.etag", "$etag"];

/// Members by which an item says which resource it is.
const SELVES: [&str; 11] =
    ["id", "_id", "uuid", "key", "slug", "href", "self", "url", "uri", "@id", "@odata.id"];

const WHAT: &str = "list items carry tags";

pub(super) async fn check(look: &mut Look<'_>) {
    let asked = look.plan.list.clone();
    let candidates = asked.clone().map_or_else(|| above(&look.base.url), |list| vec![list]);
    for url in candidates {
        let request = Request::get(url);
        let answer = match look.follow(&request).await {
            Ok(answer) if answer.status.is_success() => answer,
            Ok(answer) if asked.is_some() => {
                return look.unknown(WHAT, format!("the list is answered {}", answer.status.as_u16()));
            }
            Err(why) if asked.is_some() => return look.unknown(WHAT, why),
            _ => continue,
        };
        let document = serde_json::from_slice::<Value>(&answer.content).ok();
        match document.as_ref().and_then(items) {
            Some(items) if asked.is_none() && !lists(&items, &look.base.url) => {}
            Some(items) if items.is_empty() => return look.unknown(WHAT, "the list is empty"),
            Some(items) => return judge(look, &request, &items).await,
            None if asked.is_some() => return look.unknown(WHAT, "it is no JSON list of objects"),
            None => {}
        }
    }
    look.unknown(WHAT, "no list with it was found above; --list URL names one");
}

/// Where a list may be: the path above, with a slash at its end and without.
fn above(url: &Url) -> Vec<Url> {
    let path = url.path().trim_end_matches('/');
    let Some((parent, last)) = path.rsplit_once('/') else { return Vec::new() };
    if last.is_empty() {
        return Vec::new();
    }
    let paths = [format!("{parent}/"), parent.to_owned()];
    let paths = paths.into_iter().filter(|path| !path.is_empty());
    let urls = paths.map(|path| {
        let mut list = url.clone();
        list.set_path(&path);
        list.set_query(None);
        list.set_fragment(None);
        list
    });
    urls.collect()
}

/// The objects of a list: the document itself, or the one array of objects that a member of it is.
fn items(document: &Value) -> Option<Vec<&Map<String, Value>>> {
    let objects = |value: &Value| -> Option<usize> {
        let array = value.as_array()?;
        array.iter().all(Value::is_object).then_some(array.len())
    };
    let array = match document {
        Value::Array(_) => Some(document),
        Value::Object(members) => {
            let mut arrays = members.values().filter(|value| objects(value).is_some());
            arrays.next().filter(|_| arrays.next().is_none())
        }
        _ => None,
    };
    let array = array.filter(|array| objects(array).is_some())?.as_array()?;
    Some(array.iter().filter_map(Value::as_object).collect())
}

/// Whether a resource is among the items: one of their members is the last part of its path, or ends with it.
fn lists(items: &[&Map<String, Value>], resource: &Url) -> bool {
    items.iter().any(|item| item.values().any(|value| is_called(value, resource)))
}

/// Whether a value is the last part of the path of a resource, or ends with it.
fn is_called(value: &Value, resource: &Url) -> bool {
    let path = resource.path().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    match value {
        Value::String(text) => {
            text.strip_suffix(last).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        }
        Value::Number(number) => number.to_string() == last,
        _ => false,
    }
}

/// The tag that the one item shows that says it is this resource: its member and the text.
fn own_tag(items: &[&Map<String, Value>], resource: &Url) -> Option<(String, String)> {
    let is_self = |(name, value): (&String, &Value)| {
        SELVES.contains(&name.to_ascii_lowercase().as_str()) && is_called(value, resource)
    };
    let mut own = items.iter().filter(|item| item.iter().any(is_self));
    let item = own.next().filter(|_| own.next().is_none())?;
    item.iter().find_map(|(name, value)| {
        let is_tag = TAGS.contains(&name.to_ascii_lowercase().as_str());
        Some((name.clone(), value.as_str().filter(|_| is_tag)?.to_owned()))
    })
}

/// Whether the list shows another tag for this resource than its own URL does, which is then told. Nothing if it cannot
/// be compared.
async fn differs(look: &mut Look<'_>, request: &Request, items: &[&Map<String, Value>]) -> Option<bool> {
    let (name, shown) = own_tag(items, &look.base.url)?;
    let own = look.tag().filter(|_| look.unsteady.is_none())?.to_string();
    if shown == own {
        return Some(false);
    }
    if !look.is_still_there().await {
        look.unknown(WHAT, CHANGED);
        return Some(true);
    }
    let is_tag = HeaderValue::from_str(&shown).is_ok_and(|value| Tag::of(&value).is_some());
    let note = match is_tag {
        true => format!("its own URL shows {own}"),
        false => format!("no entity-tag, and refused if it is sent as it stands; its own URL shows {own}"),
    };
    let found = Found::warn("V037", "the list shows another tag", &shown, request);
    look.find(found.mark(&format!("{name}: {shown}"), &shown, note));
    Some(true)
}

async fn judge(look: &mut Look<'_>, request: &Request, items: &[&Map<String, Value>]) {
    let tag = look.tag();
    let opaque = tag.as_ref().map(|tag| String::from_utf8_lossy(tag.as_entity_tag().opaque()).into_owned());
    // Whatever it is called, it is the tag if it is that of the resource.
    let known =
        items.iter().find_map(|item| member(item, |_, text| opaque.as_deref() == Some(unquoted(text))));
    let is_tag = |name: &str| {
        NAMES.contains(&name.to_ascii_lowercase().as_str())
            || known.as_deref().is_some_and(|known| known == name)
    };
    let with: Vec<String> = items.iter().filter_map(|item| member(item, |name, _| is_tag(name))).collect();
    match with.first() {
        Some(name) if with.len() == items.len() => {
            let compared = match differs(look, request, items).await {
                Some(true) => return,
                Some(false) => "this one's is right",
                None => "not compared",
            };
            look.ok(WHAT, format!("{name:?} in each of {}; {compared}", items.len()));
        }
        _ => {
            let seen = format!("{} of {} items", with.len(), items.len());
            let names = items.first().map(|item| item.keys().take(8).cloned().collect::<Vec<_>>().join(", "));
            let found = Found::warn("V011", "list items carry no tag", &seen, request).mark(
                &format!("item: {{ {} }}", names.unwrap_or_default()),
                "",
                "no member that could be sent back in If-Match",
            );
            look.find(found);
        }
    }
}

/// The name of the first text or number of an item that is meant.
fn member(item: &Map<String, Value>, is_meant: impl Fn(&str, &str) -> bool) -> Option<String> {
    let found = item.iter().find(|(name, value)| match value {
        Value::String(text) => is_meant(name, text),
        Value::Number(number) => is_meant(name, &number.to_string()),
        _ => false,
    });
    found.map(|(name, _)| name.clone())
}

/// A tag as it may stand in JSON: with its quotes, or without.
fn unquoted(text: &str) -> &str {
    let text = text.strip_prefix("W/").unwrap_or(text);
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found() {
        let count = |text: &str| items(&serde_json::from_str(text).unwrap()).map(|items| items.len());
        assert_eq!(count("[{\"a\":1},{}]"), Some(2));
        assert_eq!(count("{\"total\":1,\"items\":[{}]}"), Some(1));
        assert_eq!(count("[]"), Some(0));
        for none in ["{\"a\":[{}],\"b\":[{}]}", "[1]", "5", "{\"a\":1}"] {
            assert_eq!(count(none), None, "{none}");
        }
    }

    #[test]
    fn paths_above() {
        let paths = |url: &str| -> Vec<String> {
            above(&Url::parse(url).unwrap()).iter().map(|url| url.path().to_owned()).collect()
        };
        assert_eq!(paths("http://a/v1/orders/42?x"), ["/v1/orders/", "/v1/orders"]);
        assert_eq!(paths("http://a/v1/orders/"), ["/v1/", "/v1"]);
        assert_eq!(paths("http://a/x"), ["/"]);
        assert!(paths("http://a/").is_empty());
    }
}
