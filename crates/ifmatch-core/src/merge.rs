//! Three-way merge of JSON: what two writers made of one text they both read.
//!
//! Objects are merged by member, also by members of members. Everything else, arrays among it, is one piece: it is taken
//! from the side that changed it, and is a conflict if both did, unless both did the same. Numbers are compared by value,
//! with all their digits. A member that is missing differs from one that is null.
//!
//! The result depends on the three texts and nothing else. Nothing that either side did is dropped in silence: each
//! change is in the result, or it is in a conflict.
//!
//! ```
//! use ifmatch_core::merge::{Side, merge};
//! use serde_json::json;
//!
//! let base = json!({ "status": "open", "total": 10 });
//! let theirs = json!({ "status": "shipped", "total": 12 });
//! let mine = json!({ "status": "cancelled", "total": 10, "note": "ring twice" });
//!
//! let mut merged = merge(&base, &theirs, &mine)?;
//! assert_eq!(merged.conflicts()[0].path, "/status");
//! merged.settle("/status", Side::Mine);
//! let expected = json!({ "status": "cancelled", "total": 12, "note": "ring twice" });
//! assert_eq!(merged.into_clean().ok(), Some(expected));
//! # Ok::<(), ifmatch_core::merge::TooLarge>(())
//! ```

mod conflict;
mod order;
mod settle;
#[cfg(test)]
mod tests;

pub use conflict::{Conflict, Kind, Side, Taken};

use crate::json::equal;
use core::fmt;
use order::member_order;
use serde_json::{Map, Value};

/// The name of this way of merging, for those who keep its results.
pub const ALGORITHM: &str = "ifmatch-merge-1";

/// How deep a text may nest; as deep as the parser takes it. Deeper ones are refused.
pub const LEVELS_MAX: usize = 128;

/// How many values the three texts may have together. More are refused.
pub const VALUES_MAX: usize = 3_000_000;

/// A text that is not merged, since it is too deep or has too many values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text deeper than {LEVELS_MAX} levels, or with millions of values, is not merged")
    }
}

impl core::error::Error for TooLarge {}

/// What came of a merge.
#[derive(Clone, PartialEq, Debug)]
pub struct Merge {
    value: Value,
    conflicts: Vec<Conflict>,
    taken: Vec<Taken>,
}

impl Merge {
    /// One conflict about the whole text: for texts that cannot be merged by member.
    pub fn whole(base: &Value, theirs: &Value, mine: &Value) -> Self {
        let conflict = Conflict {
            path: String::new(),
            kind: Kind::BothChanged,
            base: Some(base.clone()),
            theirs: Some(theirs.clone()),
            mine: Some(mine.clone()),
        };
        Self { value: theirs.clone(), conflicts: vec![conflict], taken: Vec::new() }
    }

    /// The merged text. Where a conflict is open, it is as theirs.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What both sides changed, each to something else, in the order of the paths.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// What was taken from one of the sides, in the order of the paths.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// The merged text, if nothing is open.
    ///
    /// # Errors
    /// The merge itself, if something is.
    pub fn into_clean(self) -> Result<Value, Self> {
        if self.conflicts.is_empty() { Ok(self.value) } else { Err(self) }
    }

    /// Settles an open conflict in favour of one side; whether there was one at this path.
    pub fn settle(&mut self, path: &str, side: Side) -> bool {
        let Some(at) = self.conflicts.iter().position(|conflict| conflict.path == path) else { return false };
        let conflict = self.conflicts.remove(at);
        let chosen = match side {
            Side::Mine => conflict.mine,
            Side::Theirs | Side::Both => conflict.theirs,
        };
        settle::put(&mut self.value, path, chosen);
        self.taken.push(Taken { path: conflict.path, from: side });
        self.taken.sort_by(|a, b| a.path.cmp(&b.path));
        true
    }
}

/// Merges `theirs` and `mine`, which were both made from `base`.
///
/// # Errors
/// If the texts are deeper than [`LEVELS_MAX`] or have more than [`VALUES_MAX`] values.
pub fn merge(base: &Value, theirs: &Value, mine: &Value) -> Result<Merge, TooLarge> {
    let values = [base, theirs, mine].into_iter().try_fold(0, |sum, text| Some(sum + count(text)?));
    values.filter(|&values| values <= VALUES_MAX).ok_or(TooLarge)?;
    let mut merging = Merging { path: String::new(), conflicts: Vec::new(), taken: Vec::new() };
    let value = merging.node(Some(base), Some(theirs), Some(mine));
    let Merging { mut conflicts, mut taken, .. } = merging;
    conflicts.sort_by(|a, b| a.path.cmp(&b.path));
    taken.sort_by(|a, b| a.path.cmp(&b.path));
    // A text that all three have is there afterwards too: only members go away.
    Ok(Merge { value: value.unwrap_or(Value::Null), conflicts, taken })
}

/// How many values a text has, itself included; `None` if it is too deep or has too many. Without recursion, since the
/// text may be as deep as it likes.
fn count(text: &Value) -> Option<usize> {
    let (mut waiting, mut count) = (vec![(text, 1)], 0);
    while let Some((value, level)) = waiting.pop() {
        count += 1;
        if level > LEVELS_MAX || count > VALUES_MAX {
            return None;
        }
        match value {
            Value::Array(items) => waiting.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(members) => waiting.extend(members.values().map(|member| (member, level + 1))),
            _ => {}
        }
    }
    Some(count)
}

struct Merging {
    /// Where we are, as a JSON pointer.
    path: String,
    conflicts: Vec<Conflict>,
    taken: Vec<Taken>,
}

impl Merging {
    /// One value; `None` is one that is not there.
    fn node(&mut self, base: Option<&Value>, theirs: Option<&Value>, mine: Option<&Value>) -> Option<Value> {
        if let (Some(Value::Object(base)), Some(Value::Object(theirs)), Some(Value::Object(mine))) =
            (base, theirs, mine)
        {
            return Some(Value::Object(self.object(base, theirs, mine)));
        }
        let Some(side) = decide(base, theirs, mine) else {
            let kind = Kind::of(base, theirs, mine);
            let (base, theirs, mine) = (base.cloned(), theirs.cloned(), mine.cloned());
            self.conflicts.push(Conflict {
                path: self.path.clone(),
                kind,
                base,
                theirs: theirs.clone(),
                mine,
            });
            return theirs;
        };
        let taken = if side == Side::Mine { mine } else { theirs };
        if taken != base {
            self.taken.push(Taken { path: self.path.clone(), from: side });
        }
        taken.cloned()
    }

    fn object(
        &mut self,
        base: &Map<String, Value>,
        theirs: &Map<String, Value>,
        mine: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut merged = Map::new();
        let here = self.path.len();
        for name in member_order(base, theirs, mine) {
            self.path.push('/');
            self.path.push_str(&name.replace('~', "~0").replace('/', "~1"));
            if let Some(value) = self.node(base.get(name), theirs.get(name), mine.get(name)) {
                merged.insert(name.to_owned(), value);
            }
            self.path.truncate(here);
        }
        merged
    }
}

/// Whose value it is; `None` if both changed it, each to something else. What is equal to the letter goes before what is
/// equal by value, so that the side that changed nothing never decides how a number is written.
fn decide(base: Option<&Value>, theirs: Option<&Value>, mine: Option<&Value>) -> Option<Side> {
    let by_value = |a: Option<&Value>, b: Option<&Value>| match (a, b) {
        (Some(a), Some(b)) => equal(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    let to_the_letter = |a: Option<&Value>, b: Option<&Value>| a == b;
    let decide = |same: &dyn Fn(Option<&Value>, Option<&Value>) -> bool| {
        if same(mine, base) {
            Some(Side::Theirs)
        } else if same(theirs, base) {
            Some(Side::Mine)
        } else {
            same(mine, theirs).then_some(Side::Both)
        }
    };
    decide(&to_the_letter).or_else(|| decide(&by_value))
}
