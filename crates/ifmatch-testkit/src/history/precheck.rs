//! Mistakes that show without a search. Each of them alone makes a history impossible, for a tag never stands for two
//! versions, not even at different times.

use super::{Call, History, Kind, Outcome, Violation};
use std::collections::{HashMap, HashSet};

pub(super) fn precheck(history: &History) -> Result<(), Violation> {
    two_writes_told_one_tag(history)?;
    one_tag_with_two_values(history)?;
    two_writes_replaced_one_version(history)?;
    versions_nobody_wrote(history)
}

fn two_writes_told_one_tag(history: &History) -> Result<(), Violation> {
    let mut told: HashMap<&str, Option<usize>> = HashMap::new();
    if let Some(initial) = &history.initial {
        told.insert(&initial.tag, None);
    }
    for (index, operation) in history.operations.iter().enumerate() {
        let Some(tag) = operation.call.told() else { continue };
        if let Some(earlier) = told.insert(tag, Some(index)) {
            let operations = earlier.into_iter().chain([index]).collect();
            let headline = match earlier {
                Some(_) => format!("{tag} was given to two versions"),
                None => format!("{tag}, the tag of the version before the first operation, was given again"),
            };
            return Err(Violation::new(Kind::ReusedTag, &headline, operations, history));
        }
    }
    Ok(())
}

fn one_tag_with_two_values(history: &History) -> Result<(), Violation> {
    let mut values: HashMap<&str, (&str, Option<usize>)> = HashMap::new();
    if let Some(initial) = &history.initial {
        values.insert(&initial.tag, (&initial.value, None));
    }
    for (index, operation) in history.operations.iter().enumerate() {
        let (tag, value) = match &operation.call {
            Call::Read { saw: Some(version) } => (&version.tag, &version.value),
            call => match (call.told(), call.written()) {
                (Some(tag), Some(value)) => (tag, value),
                _ => continue,
            },
        };
        let &mut (known, earlier) = values.entry(tag).or_insert((value, Some(index)));
        if known != value {
            let headline = format!("{tag} stands for {known:?} and for {value:?}");
            let operations = earlier.into_iter().chain([index]).collect();
            return Err(Violation::new(Kind::ReusedTag, &headline, operations, history));
        }
    }
    Ok(())
}

fn two_writes_replaced_one_version(history: &History) -> Result<(), Violation> {
    let mut replaced: HashMap<&str, usize> = HashMap::new();
    for (index, operation) in history.operations.iter().enumerate() {
        let Some(expected) = operation.call.expected() else { continue };
        if !matches!(operation.call.outcome(), Some(Outcome::Applied { .. })) {
            continue;
        }
        if let Some(earlier) = replaced.insert(expected, index) {
            let headline = format!("two acknowledged writes replaced {expected}");
            return Err(Violation::new(Kind::LostUpdate, &headline, vec![earlier, index], history));
        }
    }
    Ok(())
}

/// A tag that matched or was read must come from the start, from an acknowledged write, or from a write that did not
/// tell its tag and carried that value.
fn versions_nobody_wrote(history: &History) -> Result<(), Violation> {
    let mut told: HashSet<&str> = history.initial.iter().map(|version| version.tag.as_str()).collect();
    let mut untold: HashSet<&str> = HashSet::new();
    for operation in &history.operations {
        match (operation.call.told(), operation.call.outcome(), operation.call.written()) {
            (Some(tag), _, _) => _ = told.insert(tag),
            (None, Some(Outcome::Applied { .. } | Outcome::Unknown), Some(value)) => _ = untold.insert(value),
            _ => {}
        }
    }
    for (index, operation) in history.operations.iter().enumerate() {
        let (tag, possible) = match &operation.call {
            Call::Read { saw: Some(version) } => (&version.tag, untold.contains(version.value.as_str())),
            Call::Put { expected, outcome: Outcome::Applied { .. }, .. }
            | Call::Delete { expected, outcome: Outcome::Applied { .. } } => (expected, !untold.is_empty()),
            _ => continue,
        };
        if !possible && !told.contains(tag.as_str()) {
            let headline = format!("no write can have made {tag}");
            return Err(Violation::new(Kind::Invented, &headline, vec![index], history));
        }
    }
    Ok(())
}
