//! What is there now is not what was read.

use crate::versioned::Snapshot;
use crate::{Error, Versioned};
use ifmatch_core::merge::{self, merge};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// What became of a conditional write. A conflict is an expected outcome, not an error.
#[derive(Debug)]
#[must_use = "a conflict means that nothing was written"]
pub enum Put<T> {
    /// Written; this is there now, unless somebody has written since.
    Saved(Versioned<T>),
    /// Not written: somebody else was first.
    Conflict(Conflict<T>),
}

impl<T> Put<T> {
    /// What was written.
    ///
    /// # Errors
    /// [`Error::Conflict`], if it was not.
    pub fn saved(self) -> Result<Versioned<T>, Error> {
        match self {
            Self::Saved(saved) => Ok(saved),
            Self::Conflict(conflict) => Err(Error::Conflict(Box::new(conflict.sides))),
        }
    }
}

/// What became of a conditional DELETE.
#[derive(Debug)]
#[must_use = "a conflict means that nothing was deleted"]
pub enum Delete<T> {
    /// Deleted.
    Done,
    /// Not deleted: it was changed, and is this now.
    Changed(Versioned<T>),
}

impl<T> Delete<T> {
    /// That it is deleted.
    ///
    /// # Errors
    /// [`Error::Conflict`], if it is not.
    pub fn done(self) -> Result<(), Error> {
        match self {
            Self::Done => Ok(()),
            Self::Changed(current) => {
                let current = current.snapshot;
                let sides =
                    Sides { base: Arc::clone(&current), mine: Value::Null, current, is_self_conflict: false };
                Err(Error::Conflict(Box::new(sides)))
            }
        }
    }
}

/// The three sides of a conflict, without a type.
#[derive(Clone, Debug)]
pub struct Sides {
    pub(crate) base: Arc<Snapshot>,
    pub(crate) mine: Value,
    pub(crate) current: Arc<Snapshot>,
    pub(crate) is_self_conflict: bool,
}

impl Sides {
    /// Of what, as it may be shown.
    pub fn url(&self) -> String {
        self.current.shown_url()
    }

    /// What the change was made from.
    pub fn base(&self) -> &Value {
        &self.base.json
    }

    /// What was to be written.
    pub fn mine(&self) -> &Value {
        &self.mine
    }

    /// What is there now.
    pub fn current(&self) -> &Value {
        &self.current.json
    }

    /// The three sides as values of a type.
    ///
    /// # Errors
    /// If one of them is none of that type.
    pub fn typed<T: DeserializeOwned>(self) -> Result<Conflict<T>, Error> {
        let content = |error: serde_json::Error| Error::Content { url: self.url(), why: error.to_string() };
        let mine = T::deserialize(&self.mine).map_err(content)?;
        let base = Versioned::of(Arc::clone(&self.base))?;
        let current = Versioned::of(Arc::clone(&self.current))?;
        Ok(Conflict { base, mine, current, sides: self })
    }
}

/// A write that was not applied, since what is there is not what it was made from: what was read, what was to be written,
/// and what is there now.
#[derive(Debug)]
pub struct Conflict<T> {
    base: Versioned<T>,
    mine: T,
    current: Versioned<T>,
    sides: Sides,
}

/// What both sides changed, each to something else.
#[derive(Clone, PartialEq, Debug)]
pub struct Open(merge::Merge);

impl Open {
    /// What does not fit together.
    pub fn conflicts(&self) -> &[merge::Conflict] {
        self.0.conflicts()
    }

    /// Where, as JSON pointers.
    pub fn paths(&self) -> Vec<&str> {
        self.conflicts().iter().map(|conflict| conflict.path.as_str()).collect()
    }

    /// The merge, to settle what is open.
    pub fn into_merge(self) -> merge::Merge {
        self.0
    }
}

impl<T> Conflict<T> {
    /// What was read. Its version is refused from now on.
    pub fn base(&self) -> &Versioned<T> {
        &self.base
    }

    /// What was to be written.
    pub fn mine(&self) -> &T {
        &self.mine
    }

    /// What is there now: what a merge is written over.
    pub fn current(&self) -> &Versioned<T> {
        &self.current
    }

    /// Whether what is there now was written by this client: then it did not keep the version of its own write.
    pub fn is_self_conflict(&self) -> bool {
        self.sides.is_self_conflict
    }

    /// Where both changed something, each to something else, as JSON pointers. Empty if the changes fit together.
    pub fn overlap(&self) -> Vec<String> {
        match self.merged() {
            Ok(merged) => merged.conflicts().iter().map(|conflict| conflict.path.clone()).collect(),
            // What is too large to merge overlaps as a whole.
            Err(_) => vec![String::new()],
        }
    }

    fn merged(&self) -> Result<merge::Merge, merge::TooLarge> {
        merge(&self.sides.base.json, &self.sides.current.json, &self.sides.mine)
    }
}

impl<T: DeserializeOwned + Serialize> Conflict<T> {
    /// Both changes in one value, to be put over [`current`](Self::current).
    ///
    /// # Errors
    /// What does not fit together. Values that are no `T` once they are merged, or too large to merge, overlap as a whole.
    pub fn merge(&self) -> Result<T, Open> {
        let Sides { base, current, mine, .. } = &self.sides;
        let whole = || Open(merge::Merge::whole(&base.json, &current.json, mine));
        let merged = self.merged().map_err(|_| whole())?.into_clean().map_err(Open)?;
        T::deserialize(&merged).map_err(|_| whole())
    }
}
