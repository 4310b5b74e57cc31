//! What a merge says beside the text.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Who a value is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Whoever wrote first.
    Theirs,
    /// Whoever writes now.
    Mine,
    /// Both, who did the same.
    Both,
}

/// A change that is in the result.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Taken {
    /// Where, as a JSON pointer (RFC 6901).
    pub path: String,
    /// Whose.
    pub from: Side,
}

/// What two sides did that does not fit together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Both changed it.
    BothChanged,
    /// Both added it, and not the same.
    BothAdded,
    /// One changed it, the other took it away.
    DeletedChanged,
}

impl Kind {
    pub(super) fn of(base: Option<&Value>, theirs: Option<&Value>, mine: Option<&Value>) -> Self {
        match (base, theirs, mine) {
            (None, ..) => Self::BothAdded,
            (_, Some(_), Some(_)) => Self::BothChanged,
            _ => Self::DeletedChanged,
        }
    }
}

/// A value that both sides changed, each to something else. `None` is a member that is not there.
#[derive(Clone, PartialEq, Debug)]
pub struct Conflict {
    /// Where, as a JSON pointer (RFC 6901); empty for the whole text.
    pub path: String,
    /// What happened.
    pub kind: Kind,
    /// What both had read.
    pub base: Option<Value>,
    /// What is there now.
    pub theirs: Option<Value>,
    /// What is to be written.
    pub mine: Option<Value>,
}

/// With `"..._absent": true` beside the null of what is not there.
impl Serialize for Conflict {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("path", &self.path)?;
        map.serialize_entry("kind", &self.kind)?;
        let sides = [
            ("base", "base_absent", &self.base),
            ("theirs", "theirs_absent", &self.theirs),
            ("mine", "mine_absent", &self.mine),
        ];
        for (name, absent, value) in sides {
            map.serialize_entry(name, value)?;
            if value.is_none() {
                map.serialize_entry(absent, &true)?;
            }
        }
        map.end()
    }
}
