//! The history checker against a second one that tries every order there is.

use crate::register::{Simulation, draws};
use ifmatch_testkit::history::{Call, History, Operation, Outcome, Tag, Version, check};
use proptest::prelude::*;
use std::collections::HashSet;

/// Tries every order, without memory, shortcuts or checks beforehand.
fn every_order(history: &History) -> bool {
    let mut used: HashSet<Tag> = history.initial.iter().map(|version| version.tag.clone()).collect();
    let mut seen: Vec<Tag> = vec!["never seen by anybody".into()];
    for operation in &history.operations {
        seen.extend(operation.call.expected().cloned());
        if let Call::Read { saw: Some(version) } = &operation.call {
            seen.push(version.tag.clone());
        }
    }
    let mut done = vec![false; history.operations.len()];
    extend(history, &seen, &mut done, history.initial.as_ref(), &mut used)
}

fn extend(
    history: &History,
    seen: &[Tag],
    done: &mut [bool],
    register: Option<&Version>,
    used: &mut HashSet<Tag>,
) -> bool {
    let operations = &history.operations;
    let is_answered = |index: usize| !operations[index].call.is_unknown();
    if (0..operations.len()).all(|index| done[index] || !is_answered(index)) {
        return true;
    }
    for index in 0..operations.len() {
        let invoked = operations[index].invoked;
        let must_wait = (0..operations.len())
            .any(|other| !done[other] && is_answered(other) && operations[other].returned < invoked);
        if done[index] || must_wait {
            continue;
        }
        let current = register.map(|version| &version.tag);
        let call = &operations[index].call;
        let (is_allowed, written) = match call {
            Call::Read { saw } => {
                done[index] = true;
                if saw.as_ref() == register && extend(history, seen, done, register, used) {
                    return true;
                }
                done[index] = false;
                continue;
            }
            Call::Put { expected, value, .. } => (current == Some(expected), Some(value)),
            Call::Create { value, .. } => (current.is_none(), Some(value)),
            Call::Delete { expected, .. } => (current == Some(expected), None),
        };
        let tags = match call.outcome() {
            Some(Outcome::Refused) if is_allowed => continue,
            Some(Outcome::Refused) => vec![],
            _ if !is_allowed => continue,
            Some(Outcome::Applied { tag: Some(tag) }) if written.is_some() => vec![tag.clone()],
            _ if written.is_some() => seen.to_vec(),
            _ => vec![],
        };
        done[index] = true;
        if tags.is_empty() {
            let is_refused = call.outcome() == Some(&Outcome::Refused);
            let next = if is_refused { register } else { None };
            if extend(history, seen, done, next, used) {
                return true;
            }
        }
        for tag in tags {
            // Any number of versions may never have been seen.
            let is_new = tag == seen[0] || used.insert(tag.clone());
            let next = Some(Version { tag: tag.clone(), value: written.cloned().unwrap_or_default() });
            if is_new && extend(history, seen, done, next.as_ref(), used) {
                return true;
            }
            if is_new {
                used.remove(&tag);
            }
        }
        done[index] = false;
    }
    false
}

/// Any operation at all, over few tags and values, most of them nonsense.
fn any_operation() -> impl Strategy<Value = Operation> {
    let tag = || prop::sample::select(vec!["t0", "t1", "t2"]).prop_map(str::to_owned);
    let value = || prop::sample::select(vec!["v0", "v1"]).prop_map(str::to_owned);
    let outcome = move || {
        prop_oneof![
            proptest::option::of(tag()).prop_map(|tag| Outcome::Applied { tag }),
            Just(Outcome::Refused),
            Just(Outcome::Unknown),
        ]
    };
    let call = prop_oneof![
        proptest::option::of((tag(), value()).prop_map(|(tag, value)| Version { tag, value }))
            .prop_map(|saw| Call::Read { saw }),
        (tag(), value(), outcome()).prop_map(|(expected, value, outcome)| Call::Put {
            expected,
            value,
            outcome
        }),
        (value(), outcome()).prop_map(|(value, outcome)| Call::Create { value, outcome }),
        (
            tag(),
            prop_oneof![Just(Outcome::Applied { tag: None }), Just(Outcome::Refused), Just(Outcome::Unknown)]
        )
            .prop_map(|(expected, outcome)| Call::Delete { expected, outcome }),
    ];
    (0..12_u64, 0..6_u64, call).prop_map(|(invoked, length, call)| Operation {
        client: "any".into(),
        invoked,
        returned: invoked + length,
        call,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6000) })]

    #[test]
    fn agrees_with_every_order_on_nonsense(operations in proptest::collection::vec(any_operation(), 0..5)) {
        let history =
            History { initial: Some(Version { tag: "t0".into(), value: "v0".into() }), operations };
        prop_assert_eq!(check(&history).is_ok(), every_order(&history), "{:#?}", history);
    }

    /// One operation of a correct history replaced: near the border between good and bad.
    #[test]
    fn agrees_with_every_order_on_damage(
        draws in draws(3, 18),
        damage in any_operation(),
        place in any::<prop::sample::Index>(),
    ) {
        let mut history = Simulation::run(3, &draws);
        // Trying every order of more takes too long; a history that was cut is as good as any other here.
        history.operations.truncate(7);
        match history.operations.len() {
            0 => history.operations.push(damage),
            length => history.operations[place.index(length)] = damage,
        }
        prop_assert_eq!(check(&history).is_ok(), every_order(&history), "{:#?}", history);
    }
}

/// The properties above are not empty: of damaged histories, about half are still good.
#[test]
fn damage_is_found_and_not_always() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut good, mut bad) = (0, 0);
    for _ in 0..500 {
        let draw = |runner: &mut TestRunner| {
            (draws(3, 60), any_operation(), any::<prop::sample::Index>()).new_tree(runner)
        };
        let (draws, damage, place) = draw(&mut runner).expect("a tree").current();
        let mut history = Simulation::run(3, &draws);
        if history.operations.is_empty() {
            continue;
        }
        let index = place.index(history.operations.len());
        history.operations[index] = damage;
        if check(&history).is_ok() { good += 1 } else { bad += 1 }
    }
    assert!(good > 100 && bad > 100, "{good} good, {bad} bad");
}
