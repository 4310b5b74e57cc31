//! Every row of the table through both engines, and every row decided by hand through ours.

use crate::bridge::{agree, decide, from_case, headers, status};
use ifmatch_core::matrix::{NOW, T, cases};
use ifmatch_testkit::decisions::{T_MAX, T_MIN, rows};
use ifmatch_testkit::reference::{self, Request};
use std::thread;

/// Threads that share the table; the rows are dealt out in turn.
const WORKERS: usize = 4;
/// How many differences are worth reading.
const SHOWN_MAX: usize = 20;

#[test]
fn both_engines_agree_on_every_row_of_the_table() {
    let (rows, differences) = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|w| scope.spawn(move || compare(w))).collect();
        workers.into_iter().map(|w| w.join().unwrap()).fold((0, Vec::new()), |(n, mut all), (m, some)| {
            all.extend(some);
            (n + m, all)
        })
    });
    assert!(rows > 500_000, "{rows}");
    let shown = &differences[..differences.len().min(SHOWN_MAX)];
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), shown.join("\n"));
}

fn compare(worker: usize) -> (usize, Vec<String>) {
    let (mut compared, mut differences) = (0, Vec::new());
    for case in cases().skip(worker).step_by(WORKERS) {
        let (fields, state) = from_case(&case);
        let engine = case.decide();
        let request = Request { method: case.method, fields: &fields };
        let reference = reference::judge(&request, &state, NOW.unix());
        if !agree(&engine, &reference) {
            differences.push(format!(
                "{} on {} with {:?}: {engine:?}, but the reference {reference:?}",
                case.method, case.state.name, case.fields
            ));
        }
        compared += 1;
    }
    (compared, differences)
}

#[test]
fn every_row_decided_by_hand_is_met() {
    // Ordinary days, a leap day, the end of a year and of a decade.
    for t in [T_MIN, T.unix(), 1_798_761_590, 1_835_395_200, 1_893_455_999, T_MAX - 1] {
        let rows = rows(t).unwrap();
        assert!(rows.len() >= 296);
        let unmet: Vec<_> = rows
            .iter()
            .filter_map(|row| {
                let verdict = decide(row.method, &headers(&row.fields).unwrap(), &row.state, row.now);
                let met = row.expect.is_met_by(status(&verdict), verdict.code);
                (!met).then(|| format!("{}: {:?}, not {verdict:?} ({})", row.id, row.expect, row.why))
            })
            .collect();
        assert!(unmet.is_empty(), "{}", unmet.join("\n"));
    }
}
