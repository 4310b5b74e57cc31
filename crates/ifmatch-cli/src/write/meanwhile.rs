//! Members that are to be changed, and that others changed since they were seen.

use super::end::End;
use super::items::Item;
use super::session::Session;
use super::sides;
use crate::exit::Exit;
use ifmatch_client::Reading;
use ifmatch_core::json;
use ifmatch_core::merge::{Conflict, Kind};
use serde_json::Value;

/// How many names deep a change is followed; what is deeper is compared as one.
const NAMES_MAX: usize = 32;

/// What a member is to be; `None` if it is to be taken away.
pub(super) struct Change {
    names: Vec<String>,
    mine: Option<Value>,
}

/// The members that are changed by name.
pub(super) fn of_items(items: &[Item]) -> Vec<Change> {
    let change = |item: &Item| Change { names: item.names().to_vec(), mine: Some(item.value().clone()) };
    items.iter().map(change).collect()
}

/// The members that a merge patch (RFC 7396) changes.
pub(super) fn of_merge_patch(patch: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    collect(patch, &mut Vec::new(), &mut changes);
    changes
}

fn collect(patch: &Value, names: &mut Vec<String>, changes: &mut Vec<Change>) {
    match patch {
        Value::Object(members) if names.len() < NAMES_MAX => {
            for (name, value) in members {
                names.push(name.clone());
                collect(value, names, changes);
                names.pop();
            }
        }
        other => {
            let mine = Some(other.clone()).filter(|value| !value.is_null());
            changes.push(Change { names: names.clone(), mine });
        }
    }
}

/// The refusal, if somebody else changed one of these members since it was seen here, to something else than is wanted.
/// Where nothing is remembered, or something was written from here since, nobody knows what was seen.
pub(super) fn refused(
    session: &Session,
    command: &str,
    reading: &Reading,
    changes: &[Change],
) -> Option<End> {
    let seen = session.memory.seen(&session.url).filter(|seen| !seen.is_closed())?;
    if seen.version.is_some() && seen.version.as_ref() == reading.version.as_ref().ok() {
        return None;
    }
    let base = json::parse(&seen.content?).ok()?;
    let there = json::parse(&reading.answer.content).ok()?;
    let conflicts: Vec<_> = changes.iter().filter_map(|change| conflict(change, &base, &there)).collect();
    if conflicts.is_empty() {
        return None;
    }
    let current = reading.version.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut end = End::new(session, command, "conflict", Exit::Refused, Some(false))
        .with("current", current.clone())
        .say(format!(
            "somebody else changed the same since you read it; it is {current} now. Nothing was sent."
        ));
    for line in conflicts.iter().flat_map(sides) {
        end = end.line(line);
    }
    end.conflicts(&conflicts)
        .line("Read it again; then the same command goes through:")
        .next(session.command("get", &[]))
        .into()
}

fn conflict(change: &Change, base: &Value, there: &Value) -> Option<Conflict> {
    let (base, theirs) = (at(base, &change.names), at(there, &change.names));
    if base == theirs || theirs == change.mine.as_ref() {
        return None;
    }
    let kind = match (base, theirs, &change.mine) {
        (None, ..) => Kind::BothAdded,
        (_, Some(_), Some(_)) => Kind::BothChanged,
        _ => Kind::DeletedChanged,
    };
    let escaped = |name: &String| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    let path = change.names.iter().map(escaped).collect();
    Some(Conflict { path, kind, base: base.cloned(), theirs: theirs.cloned(), mine: change.mine.clone() })
}

fn at<'a>(value: &'a Value, names: &[String]) -> Option<&'a Value> {
    names.iter().try_fold(value, |value, name| match value {
        Value::Object(members) => members.get(name),
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}
