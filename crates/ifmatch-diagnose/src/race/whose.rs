//! Whose what was read is: the original or a write of this run, but for what the server keeps itself; or somebody else's.

use super::change::Change;
use super::mark::Marks;
use super::reasons::Halt;
use super::restore::Reference;
use super::session::State;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Why a run ends in which others write.
pub(super) const THEIRS: &str = "Somebody else writes there too: what was read is neither the original nor ours. Race something that nobody else writes.";

/// Values that have to be seen of a member until it counts as the server's: those before and after two writes.
const VALUES_MIN: usize = 3;

/// What was read until now, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Whose {
    /// The original; without one nothing is compared.
    original: Option<Bytes>,
    /// What was read of the members that were not always as in the original.
    values: BTreeMap<String, BTreeSet<String>>,
    /// Members that were written before, and not as they were sent.
    tried: Vec<String>,
    /// The marks that were read.
    marks: BTreeSet<u32>,
    /// What a text is but for our line, as it was read after our writes.
    rests: BTreeSet<Vec<u8>>,
    /// Known from here on, and not learned any more.
    settled: Option<Reference>,
}

impl Whose {
    pub(super) fn of(original: Bytes, tried: Vec<String>) -> Self {
        Self { original: Some(original), tried, ..Self::default() }
    }

    /// Whether that is the original or ours, as far as it can be told now. A member that was changed once may be the
    /// server's until the run knows better: nothing is lost by that, since each write keeps what was read.
    pub(super) fn check(&mut self, change: &Change, marks: &Marks, state: &State) -> Result<(), Halt> {
        let Some(original) = &self.original else { return Ok(()) };
        let theirs = || Halt::Unclear(THEIRS.to_owned());
        if let Some(reference) = &self.settled {
            let is_ours = reference.is_ours(change, marks, original, &state.content)
                && (!state.marks.is_empty() || change.is_back(&state.content, original));
            return if is_ours { Ok(()) } else { Err(theirs()) };
        }
        match change {
            Change::Member { .. } => {
                let found = change.differences(original, &state.content).ok_or_else(theirs)?;
                for (pointer, before, now) in found {
                    let values = self.values.entry(pointer).or_default();
                    values.insert(before);
                    values.insert(now);
                }
            }
            Change::Line(_) if !state.marks.is_empty() => {
                self.rests.insert(change.rest(&state.content, marks, &[]));
            }
            Change::Line(_) => {}
        }
        self.marks.extend(state.marks.iter().map(|mark| mark.0));
        Ok(())
    }

    /// What is known from here on. What was changed only once is somebody else's.
    pub(super) fn settle(&mut self, change: &Change, marks: &Marks, now: &State) -> Result<(), Halt> {
        let volatile = self.volatile();
        if volatile.len() < self.values.len() || self.rests.len() > 1 {
            return Err(Halt::Unclear(THEIRS.to_owned()));
        }
        let rest = Some(change.rest(&now.content, marks, &volatile));
        self.settled = Some(Reference { rest, volatile });
        Ok(())
    }

    /// What is known.
    pub(super) fn reference(&self) -> Reference {
        let open = || Reference { rest: None, volatile: self.volatile() };
        self.settled.clone().unwrap_or_else(open)
    }

    /// The members that each of several writes of ours changed, and those that are called so.
    fn volatile(&self) -> Vec<String> {
        let least = VALUES_MIN.max(self.marks.len() + 1);
        let kept = self.values.iter().filter(|(pointer, values)| {
            let is_ours = self.tried.contains(*pointer);
            is_ours || values.len() >= least || super::change::is_moving(pointer)
        });
        kept.map(|(pointer, _)| pointer.clone()).collect()
    }
}

impl Reference {
    /// Whether content is the original or ours but for what we change and what the server keeps.
    pub(super) fn is_ours(&self, change: &Change, marks: &Marks, original: &[u8], content: &[u8]) -> bool {
        let rest = |content| change.rest(content, marks, &self.volatile);
        let now = rest(content);
        self.rest.as_ref() == Some(&now) || now == rest(original)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_made_of_a_member_that_was_tried_is_nobody_elses() {
        let values =
            || BTreeMap::from([("/note".to_owned(), BTreeSet::from(["a".to_owned(), "A".to_owned()]))]);
        let of = |tried: &[&str]| {
            let tried = tried.iter().map(|pointer| (*pointer).to_owned()).collect();
            Whose { values: values(), ..Whose::of(Bytes::new(), tried) }.volatile()
        };
        assert_eq!(of(&["/note"]), ["/note"]);
        assert!(of(&[]).is_empty());
        assert!(of(&["/other"]).is_empty());
    }
}
