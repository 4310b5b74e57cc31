//! The order of members.

use serde_json::{Map, Value};
use std::collections::HashMap;

type Members = Map<String, Value>;

/// The names of all three, each once. The order is that of the side that changed it (theirs, if both did), and what
/// only the other has comes behind the member that it comes behind there.
pub(super) fn member_order<'a>(base: &'a Members, theirs: &'a Members, mine: &'a Members) -> Vec<&'a str> {
    let (first, second) = if keeps_order(base, theirs) { (mine, theirs) } else { (theirs, mine) };
    let mut behind: HashMap<Option<&str>, Vec<&str>> = HashMap::new();
    let mut last = None;
    for name in second.keys().map(String::as_str) {
        if first.contains_key(name) {
            last = Some(name);
        } else {
            behind.entry(last).or_default().push(name);
        }
    }
    let mut names = behind.remove(&None).unwrap_or_default();
    for name in first.keys().map(String::as_str) {
        names.push(name);
        names.extend(behind.remove(&Some(name)).unwrap_or_default());
    }
    // What is in base alone was deleted by both: it is looked at and left out.
    let deleted = base.keys().filter(|name| !first.contains_key(*name) && !second.contains_key(*name));
    names.extend(deleted.map(String::as_str));
    names
}

/// Whether the members that both have are in the same order.
fn keeps_order(base: &Members, side: &Members) -> bool {
    let there = base.keys().filter(|name| side.contains_key(*name));
    there.eq(side.keys().filter(|name| base.contains_key(*name)))
}
