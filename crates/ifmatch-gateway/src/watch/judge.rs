//! Which writes overwrote something unseen, as far as it is certain.

use super::Lost;
use super::history::History;
use super::record::{Basis, Clock, Kind, Moment, ToldBy, Written};

/// Sets of writes that overlap, per key; past it the oldest is no longer added to.
const GROUPS_MAX: usize = 4;

/// What a writer can have known of the key before it wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knowledge {
    /// Nothing that began after this.
    pub(super) until: Moment,
    /// The newest state it knew, if it can be told.
    pub(super) basis: Option<Basis>,
    /// Whether a read of this client would be on record.
    pub(super) on_record: bool,
}

/// Writes of which any two were sent without either having seen the other. Whatever the order in which they were
/// applied, at most one of them came directly after the state that its writer knew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    target: u64,
    /// Its first member that began.
    began: Moment,
    /// None of its members' writers knew anything that began after this.
    known_until: Moment,
    /// The one state that all of them know by its digest; at most one can have come directly after it.
    pub(super) basis: Option<u64>,
}

impl Knowledge {
    /// The state told by its digest, which holds even where the read overlapped a write.
    fn by_digest(&self) -> Option<&Basis> {
        self.basis.as_ref().filter(|basis| basis.told_by == ToldBy::Digest)
    }

    /// Whether the writer certainly did not know of a write that began then.
    fn excludes(&self, began: Moment) -> bool {
        began > self.until || self.by_digest().is_some_and(|basis| began > basis.version.ended)
    }
}

impl History {
    /// Whether a write that is about to be put on record has overwritten, or is one of those that have.
    pub(super) fn judge(
        &mut self,
        written: &Written,
        conditional: bool,
        knowledge: &Knowledge,
        clock: &Clock,
    ) -> Option<Lost> {
        let replaces = matches!(written.kind, Kind::Replace | Kind::Delete);
        if conditional || !replaces || !knowledge.on_record {
            return None;
        }
        if let Some(unseen) = self.unseen_before(written, knowledge) {
            let setback = self.setback(written, knowledge);
            return Some(Lost { write: unseen.told(clock), setback });
        }
        // Of a set with a deletion in it the last may have had nothing to overwrite.
        if written.kind == Kind::Replace && self.joins_group(written, knowledge) {
            let mut others = self.writes.iter().rev();
            let other = others.find(|other| other.target == written.target && other.kind == Kind::Replace)?;
            return Some(Lost { write: other.told(clock), setback: None });
        }
        None
    }

    /// The newest write that this one's writer had not seen and that was there before this one.
    fn unseen_before(&self, written: &Written, knowledge: &Knowledge) -> Option<&Written> {
        self.writes.iter().rev().find(|other| {
            // Deleting what somebody else deleted takes nothing away.
            let something = written.kind != Kind::Delete || other.began > self.deleted_until;
            other.target == written.target
                && other.kind != Kind::Append
                && other.ended < written.began
                && knowledge.excludes(other.began)
                && something
        })
    }

    /// Puts the write into a set of writes that overlap, or begins one; `true` if it is not the first of it.
    fn joins_group(&mut self, written: &Written, knowledge: &Knowledge) -> bool {
        let basis = knowledge.by_digest().map(|basis| basis.version.write);
        for group in self.groups.iter_mut().filter(|group| group.target == written.target) {
            let apart = knowledge.until < group.began && group.known_until < written.began;
            let same_basis = basis.is_some() && basis == group.basis;
            if apart || same_basis {
                group.began = group.began.min(written.began);
                group.known_until = group.known_until.max(knowledge.until);
                group.basis = group.basis.filter(|_| same_basis);
                return true;
            }
        }
        if self.groups.len() >= GROUPS_MAX {
            self.groups.remove(0);
        }
        self.groups.push(Group {
            target: written.target,
            began: written.began,
            known_until: knowledge.until,
            basis,
        });
        false
    }

    fn setback(&self, written: &Written, knowledge: &Knowledge) -> Option<i64> {
        let mut same = self.writes.iter().rev().filter(|other| other.target == written.target);
        let overlapped = same.clone().any(|other| other.overlaps(written.began, written.ended));
        let last = same.next().filter(|_| !overlapped)?;
        Some(last.version.depth? - knowledge.basis?.version.depth?)
    }
}
