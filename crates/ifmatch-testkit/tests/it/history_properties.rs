//! The history checker against a simulated register, which it must accept, and against damage done to what the
//! register produced.

use crate::register::{Draw, Simulation, draws};
use ifmatch_testkit::history::{Call, History, Kind, Operation, Outcome, Tag, Version, check};
use proptest::prelude::*;
use std::collections::HashSet;

/// The same without deletes: they become reads.
fn without_deletes(draws: Vec<Draw>) -> Vec<Draw> {
    let keep = |what: u8| if what / 3 % 8 == 4 { 3 * 6 } else { what };
    draws.into_iter().map(|(client, what, ending)| (client, keep(what), ending)).collect()
}

/// The same without unknown outcomes and untold tags.
fn without_losses(draws: Vec<Draw>) -> Vec<Draw> {
    draws
        .into_iter()
        .map(|(client, what, ending)| (client, what, if ending % 10 < 4 { 9 } else { ending }))
        .collect()
}

fn kind_of(history: &History) -> Option<Kind> {
    check(history).err().map(|failure| failure.violation().expect("decided").kind)
}

fn is_applied(operation: &Operation) -> bool {
    matches!(operation.call.outcome(), Some(Outcome::Applied { .. }))
}

fn outcome_mut(call: &mut Call) -> Option<&mut Outcome> {
    match call {
        Call::Read { .. } => None,
        Call::Put { outcome, .. } | Call::Create { outcome, .. } | Call::Delete { outcome, .. } => {
            Some(outcome)
        }
    }
}

/// After everything else.
fn append(history: &mut History, call: Call) {
    let end = history.operations.iter().map(|operation| operation.returned).max().unwrap_or(0);
    let operation = Operation { client: "last".into(), invoked: end + 1, returned: end + 2, call };
    history.operations.push(operation);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_correct_register_is_accepted(draws in draws(5, 300)) {
        let history = Simulation::run(5, &draws);
        let order = check(&history);
        prop_assert!(order.is_ok(), "{}\n{history:#?}", order.expect_err("a failure"));
    }

    #[test]
    fn the_order_of_the_list_does_not_count(draws in draws(4, 120)) {
        let mut history = Simulation::run(4, &draws);
        history.operations.reverse();
        prop_assert!(check(&history).is_ok());
    }

    /// A refused write is said to have been applied, although an acknowledged one replaced the same version.
    #[test]
    fn a_lost_update_is_found(draws in draws(4, 200)) {
        let mut history = Simulation::run(4, &draws);
        let replaced: HashSet<Tag> =
            history.operations.iter().filter(|o| is_applied(o)).filter_map(|o| o.call.expected().cloned()).collect();
        let loser = history.operations.iter_mut().find(|operation| {
            operation.call.outcome() == Some(&Outcome::Refused)
                && operation.call.expected().is_some_and(|expected| replaced.contains(expected))
        });
        prop_assume!(loser.is_some());
        let outcome = loser.and_then(|operation| outcome_mut(&mut operation.call));
        *outcome.expect("a write") = Outcome::Applied { tag: Some("fresh".into()) };
        prop_assert_eq!(kind_of(&history), Some(Kind::LostUpdate));
    }

    /// After all answers are in, somebody reads a version that an acknowledged write had replaced.
    #[test]
    fn a_stale_read_is_found(draws in draws(4, 200), pick in any::<prop::sample::Index>()) {
        let mut history = Simulation::run(4, &draws);
        let mut seen: Vec<Version> = history.initial.clone().into_iter().collect();
        for operation in &history.operations {
            if let Call::Read { saw: Some(version) } = &operation.call {
                seen.push(version.clone());
            }
        }
        let replaced: Vec<Version> = seen
            .into_iter()
            .filter(|v| history.operations.iter().any(|o| is_applied(o) && o.call.expected() == Some(&v.tag)))
            .collect();
        prop_assume!(!replaced.is_empty());
        append(&mut history, Call::Read { saw: Some(pick.get(&replaced).clone()) });
        prop_assert_eq!(kind_of(&history), Some(Kind::NoOrder));
    }

    /// After all answers are in, nothing is there, and nobody ever tried to delete.
    #[test]
    fn a_vanished_register_is_found(draws in draws(4, 100).prop_map(without_deletes)) {
        let mut history = Simulation::run(4, &draws);
        assert!(!history.operations.iter().any(|o| matches!(o.call, Call::Delete { .. })));
        append(&mut history, Call::Read { saw: None });
        prop_assert_eq!(kind_of(&history), Some(Kind::NoOrder));
    }

    /// An acknowledged write is given the tag of another version.
    #[test]
    fn a_reused_tag_is_found(draws in draws(4, 200), pick in any::<prop::sample::Index>()) {
        let mut history = Simulation::run(4, &draws);
        let told: Vec<usize> = (0..history.operations.len())
            .filter(|&i| matches!(history.operations[i].call.outcome(), Some(Outcome::Applied { tag: Some(_) })))
            .filter(|&i| !matches!(history.operations[i].call, Call::Delete { .. }))
            .collect();
        prop_assume!(!told.is_empty());
        let index = *pick.get(&told);
        let outcome = outcome_mut(&mut history.operations[index].call).expect("a write");
        *outcome = Outcome::Applied { tag: Some("t0".into()) };
        prop_assert_eq!(kind_of(&history), Some(Kind::ReusedTag));
    }

    /// An acknowledged write is said to have been refused, but what it wrote is read, and nothing else can have
    /// written it, for every writer was told its tag.
    #[test]
    fn a_refused_write_that_happened_is_found(draws in draws(4, 200).prop_map(without_losses)) {
        let mut history = Simulation::run(4, &draws);
        let read: HashSet<Tag> = history.operations.iter().filter_map(|o| match &o.call {
            Call::Read { saw: Some(version) } => Some(version.tag.clone()),
            _ => None,
        }).collect();
        let happened = history.operations.iter_mut().find(|operation| match operation.call.outcome() {
            Some(Outcome::Applied { tag: Some(tag) }) => read.contains(tag),
            _ => false,
        });
        prop_assume!(happened.is_some());
        let outcome = happened.and_then(|operation| outcome_mut(&mut operation.call));
        *outcome.expect("a write") = Outcome::Refused;
        prop_assert_eq!(kind_of(&history), Some(Kind::Invented));
    }
}
