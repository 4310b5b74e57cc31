//! What follows from what was seen.

use super::evidence::{Evidence, Serial};
use super::tally::Tally;
use core::fmt;
use schemars::JsonSchema;
use serde::Serialize;

/// What an API does with updates. Worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// A write whose condition was false was done.
    Ignores,
    /// Conditions are looked at, and writes with the same valid one are done all the same: look and write are two steps,
    /// or one tag stands for two contents.
    #[serde(rename = "NOT ATOMIC")]
    NotAtomic,
    /// Writes without a condition are done and erase each other, and no condition protects from it.
    #[serde(rename = "LOSES UPDATES")]
    LosesUpdates,
    /// Conditions protect whoever sends them; writes without one are done and erase what they have not seen.
    #[serde(rename = "OPT-IN")]
    OptIn,
    /// No way was found to erase what one has not seen.
    Protected,
    /// It cannot be told.
    Inconclusive,
}

impl Verdict {
    /// As it stands in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ignores => "IGNORES",
            Self::NotAtomic => "NOT ATOMIC",
            Self::LosesUpdates => "LOSES UPDATES",
            Self::OptIn => "OPT-IN",
            Self::Protected => "PROTECTED",
            Self::Inconclusive => "INCONCLUSIVE",
        }
    }

    /// Whether updates are lost.
    pub fn is_finding(self) -> bool {
        !matches!(self, Self::Protected | Self::Inconclusive)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All verdicts that apply, worst first; never empty.
pub fn verdicts(seen: &Evidence) -> Vec<Verdict> {
    let found = |tally: &Option<Tally>| tally.as_ref().is_some_and(|tally| tally.found > 0);
    let ignores = !ignored(seen).is_empty();
    let is_looked_at = seen.stale.found == 0;
    let not_atomic = is_looked_at
        && (seen.together.found > 0
            || found(&seen.creators)
            || found(&seen.delete_update)
            || (seen.repeated_tag.is_some() && protects_serially(seen)));
    let erases = seen.unconditional.found > 0;
    // Known, not only not shown to protect: what was not tried, or not decided, is not held against anybody.
    let is_open = ignores || not_atomic || matches!(seen.right, Serial::Refused(_) | Serial::Untried);
    let mut all = Vec::new();
    let mut add = |verdict, applies: bool| all.extend(applies.then_some(verdict));
    add(Verdict::Ignores, ignores);
    add(Verdict::NotAtomic, not_atomic);
    add(Verdict::LosesUpdates, erases && is_open);
    add(Verdict::OptIn, erases && !is_open);
    let is_clean = seen.unconditional.of > 0 && !erases && !ignores;
    add(Verdict::Protected, is_clean && is_atomic(seen) && !not_atomic && demands(seen));
    if all.is_empty() {
        all.push(Verdict::Inconclusive);
    }
    all
}

/// The fields that are ignored.
pub(super) fn ignored(seen: &Evidence) -> Vec<&'static str> {
    let stale_delete = seen.stale_delete.as_ref().is_some_and(|tally| tally.found > 0);
    let mut fields = Vec::new();
    fields.extend((seen.stale.found > 0).then_some("If-Match"));
    fields.extend((seen.existing.found > 0).then_some("If-None-Match"));
    fields.extend((stale_delete && seen.stale.found == 0).then_some("If-Match of DELETE"));
    fields
}

/// Whether conditions were shown to protect whoever sends them.
pub(super) fn protects(seen: &Evidence) -> bool {
    protects_serially(seen) && is_atomic(seen)
}

/// A right tag is taken, a wrong one is not.
fn protects_serially(seen: &Evidence) -> bool {
    seen.right == Serial::Accepted && seen.stale.of > 0 && seen.stale.found == 0
}

fn is_atomic(seen: &Evidence) -> bool {
    seen.together.of > 0 && seen.together.found == 0
}

/// A write that does not say what it was made from is not done: without a condition, or, where the guard is in the
/// content, from old content.
fn demands(seen: &Evidence) -> bool {
    let is_refused_bare = matches!(seen.bare, Serial::Refused(_)) && protects_serially(seen);
    is_refused_bare || is_own_dialect(seen)
}

/// Whether the API turns writers away who have not seen the newest state although they send no condition: what it looks at
/// is in the content.
pub(super) fn is_own_dialect(seen: &Evidence) -> bool {
    let one_at_a_time = seen.unconditional.of > 0
        && seen.unconditional.acknowledged == seen.unconditional.of
        && seen.unconditional.found == 0;
    seen.bare == Serial::Accepted && one_at_a_time && seen.stale.of > 0 && seen.stale.found == 0
}

/// Why nothing better can be said, as far as it is known from what was seen.
pub(super) fn doubts(seen: &Evidence) -> Vec<String> {
    let mut doubts = Vec::new();
    for (name, serial) in [("a condition that is true", &seen.right), ("no condition", &seen.bare)] {
        if let Serial::Unclear(why) = serial {
            doubts.push(format!("A write with {name}: {why}"));
        }
    }
    for (name, tally) in [
        ("writes without a condition", &seen.unconditional),
        ("writes with an old tag", &seen.stale),
        ("writes with the same tag", &seen.together),
    ] {
        if tally.of == 0 && tally.undecided > 0 {
            doubts.push(format!(
                "No round of {name} was decided: the answers were {}.",
                tally.typical().map(statuses).unwrap_or_default()
            ));
        }
    }
    doubts
}

/// Statuses as they are told: each, or how often.
pub(super) fn statuses(round: &super::tally::Round) -> String {
    let name = |status: &Option<u16>| status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    if round.statuses.len() <= 2 {
        return round.statuses.iter().map(name).collect::<Vec<_>>().join(" ");
    }
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for status in &round.statuses {
        let status = name(status);
        match kinds.iter_mut().find(|(kind, _)| *kind == status) {
            Some((_, count)) => *count += 1,
            None => kinds.push((status, 1)),
        }
    }
    kinds.sort();
    kinds.iter().map(|(kind, count)| format!("{count}x{kind}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many rounds, so many of which lost one of two.
    fn tally(found: u32, of: u32, acknowledged: u32) -> Tally {
        Tally { found, of, acknowledged, lost: found, ..Tally::default() }
    }

    /// One that does everything right.
    fn right() -> Evidence {
        Evidence {
            right: Serial::Accepted,
            bare: Serial::Refused(428),
            unconditional: tally(0, 10, 0),
            stale: tally(0, 10, 0),
            together: tally(0, 100, 100),
            existing: tally(0, 3, 0),
            has_tag: true,
            ..Evidence::default()
        }
    }

    fn all(change: impl FnOnce(&mut Evidence)) -> Vec<Verdict> {
        let mut seen = right();
        change(&mut seen);
        verdicts(&seen)
    }

    fn open(seen: &mut Evidence) {
        seen.bare = Serial::Accepted;
        seen.unconditional = tally(10, 10, 20);
    }

    use Verdict::*;

    #[test]
    fn each_verdict_has_its_evidence() {
        assert_eq!(all(|_| ()), [Protected]);
        assert_eq!(all(|seen| seen.bare = Serial::Refused(403)), [Protected]);
        assert_eq!(all(open), [OptIn]);
        assert_eq!(all(|seen| seen.together = tally(1, 100, 101)), [NotAtomic]);
        assert_eq!(all(|seen| seen.repeated_tag = Some("\"1\"".to_owned())), [NotAtomic]);
        assert_eq!(all(|seen| seen.creators = Some(tally(1, 3, 4))), [NotAtomic]);
        assert_eq!(all(|seen| seen.delete_update = Some(tally(1, 3, 4))), [NotAtomic]);
        assert_eq!(all(|seen| seen.existing = tally(1, 3, 1)), [Ignores]);
        assert_eq!(all(|seen| seen.stale_delete = Some(tally(1, 3, 1))), [Ignores]);
        let both = |seen: &mut Evidence| {
            open(seen);
            seen.together = tally(1, 100, 101);
        };
        assert_eq!(all(both), [NotAtomic, LosesUpdates]);
    }

    #[test]
    fn who_ignores_conditions_is_not_called_not_atomic_for_it() {
        let seen = |seen: &mut Evidence| {
            open(seen);
            seen.stale = tally(10, 10, 10);
            seen.together = tally(10, 10, 20);
            seen.existing = tally(3, 3, 3);
        };
        assert_eq!(all(seen), [Ignores, LosesUpdates]);
    }

    /// 412 to everything protects nobody: it is no API that can be used.
    #[test]
    fn who_refuses_everything_is_not_called_protected() {
        let refused = |seen: &mut Evidence| seen.right = Serial::Refused(412);
        assert_eq!(all(refused), [Inconclusive]);
        let weak = |seen: &mut Evidence| {
            open(seen);
            refused(seen);
        };
        assert_eq!(all(weak), [LosesUpdates]);
    }

    #[test]
    fn what_was_not_seen_is_not_said() {
        assert_eq!(verdicts(&Evidence::default()), [Inconclusive]);
        assert_eq!(all(|seen| seen.together = Tally::default()), [Inconclusive]);
        assert_eq!(all(|seen| seen.unconditional = Tally::default()), [Inconclusive]);
        assert_eq!(all(|seen| seen.stale = Tally::default()), [Inconclusive]);
        assert_eq!(all(|seen| seen.bare = Serial::Unclear(String::new())), [Inconclusive]);
        // Done without a condition, and still nothing was lost, for a reason that was not seen.
        assert_eq!(all(|seen| seen.bare = Serial::Accepted), [Inconclusive]);
    }

    /// Stopped after the first test: that updates are lost is known, and no more.
    #[test]
    fn what_was_not_tried_is_not_held_against_anybody() {
        let stopped = |seen: &mut Evidence| {
            open(seen);
            (seen.stale, seen.together) = (Tally::default(), Tally::default());
        };
        assert_eq!(all(stopped), [OptIn]);
        let mut seen = right();
        stopped(&mut seen);
        assert!(!protects(&seen));
    }

    #[test]
    fn a_guard_in_the_content_is_one() {
        let dialect = |seen: &mut Evidence| {
            (seen.right, seen.bare) = (Serial::Untried, Serial::Accepted);
            seen.unconditional = tally(0, 10, 10);
            seen.has_tag = false;
        };
        assert_eq!(all(dialect), [Protected]);
        // Its own conditions may be two steps as well.
        let racy = |seen: &mut Evidence| {
            dialect(seen);
            seen.together = tally(2, 100, 102);
        };
        assert_eq!(all(racy), [NotAtomic]);
    }

    #[test]
    fn statuses_are_counted_if_there_are_many() {
        let round = |statuses: &[u16]| super::super::tally::Round {
            statuses: statuses.iter().map(|&status| Some(status)).collect(),
            lost: None,
        };
        assert_eq!(statuses(&round(&[200, 412])), "200 412");
        assert_eq!(statuses(&round(&[412, 200, 412, 412])), "1x200 3x412");
    }
}
