//! The reference meets every row that was decided by hand, and keeps the promise of the project.

use ifmatch_testkit::decisions::{T_MAX, T_MIN, rows};
use ifmatch_testkit::reference::{Request, judge};

#[test]
fn the_reference_meets_every_row() {
    // Ordinary days, a leap day, and days around the end of a year and of a decade.
    for t in [T_MIN, 1_795_348_800, 1_798_761_590, 1_835_395_200, 1_893_455_999, T_MAX - 1] {
        let rows = rows(t).expect("the data file is in order");
        assert_eq!(rows.len(), 296);
        let mut unmet = Vec::new();
        for row in &rows {
            let request = Request { method: row.method, fields: &row.fields };
            let verdict = judge(&request, &row.state, row.now);
            if !row.expect.is_met_by_verdict(&verdict) {
                unmet.push(format!("{}: {:?}, not {verdict:?} ({})", row.id, row.expect, row.why));
            }
        }
        assert!(unmet.is_empty(), "{}", unmet.join("\n"));
    }
}
