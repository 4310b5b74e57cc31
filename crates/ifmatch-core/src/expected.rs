//! What a writer saw, in the store's terms.

use core::fmt;

/// The store's number for one state of one resource.
///
/// Revisions come from one sequence for the whole store that never restarts, so a revision is never used twice:
/// not after a delete and re-create, not after a crash. Within a store a larger revision is a later one. Zero names
/// no state; the first commit is revision 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The compare half of a compare-and-set: the state a write was judged against. The write is committed only if the
/// resource is still in that state.
///
/// `V` is whatever the holder of the state names its versions by: [`Revision`] in the store, an entity-tag in a
/// service that keeps its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Expected<V = Revision> {
    /// Exactly this version is current.
    Exactly(V),
    /// Nothing is there: never created, or deleted.
    Absent,
    /// Whatever is there. Protects nothing; for new names and for routes where overwriting is allowed on purpose.
    Any,
}

impl<V> Expected<V> {
    /// Whether `current` (`None`: nothing is there) is what was expected.
    pub fn holds(&self, current: Option<&V>) -> bool
    where
        V: PartialEq,
    {
        match (self, current) {
            (Self::Any, _) | (Self::Absent, None) => true,
            (Self::Exactly(expected), Some(current)) => expected == current,
            (Self::Exactly(_), None) | (Self::Absent, Some(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_is_a_compare() {
        let (one, two) = (Revision(1), Revision(2));
        assert!(Expected::Exactly(one).holds(Some(&one)));
        assert!(!Expected::Exactly(one).holds(Some(&two)));
        assert!(!Expected::Exactly(one).holds(None));
        assert!(Expected::<Revision>::Absent.holds(None));
        assert!(!Expected::Absent.holds(Some(&one)));
        assert!(Expected::Any.holds(Some(&one)) && Expected::<Revision>::Any.holds(None));
    }
}
