//! A hundred runs: no false alarm, and no false comfort.

use super::{Habits, race_of};
use ifmatch_diagnose::race::Verdict;
use std::thread;
use std::time::Duration;

/// Runs of each.
const RUNS: usize = 100;

/// Side by side, so that it takes less long.
const THREADS: usize = 4;

/// How often each verdict came.
fn count(habits: &Habits, expected: &[Verdict]) -> usize {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    (0..RUNS / THREADS).filter(|_| race_of(habits.clone()).verdicts == expected).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn no_false_alarm() {
    assert_eq!(count(&Habits::default(), &[Verdict::Protected]), RUNS);
}

#[test]
fn no_false_alarm_where_conditions_are_optional() {
    let habits = Habits { requires: false, ..Habits::default() };
    assert_eq!(count(&habits, &[Verdict::OptIn]), RUNS);
}

/// Between the look and the write there is one millisecond.
#[test]
fn no_false_comfort() {
    let habits = Habits { window: Some(Duration::from_millis(1)), ..Habits::default() };
    let found = count(&habits, &[Verdict::NotAtomic]);
    assert!(found >= 95, "found in {found} of {RUNS} runs");
}
