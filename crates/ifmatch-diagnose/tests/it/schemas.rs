//! The published schemas are those of the reports.

use ifmatch_core::{SCHEMAS, schema};
use ifmatch_diagnose::report::{self, Report};
use ifmatch_diagnose::{explain, inspect, race};
use std::path::Path;

/// Set to write the schemas instead of comparing them.
const UPDATE: &str = "IFMATCH_UPDATE_SCHEMAS";

fn published<R: Report>() -> &'static str {
    let text = format!("{:#}\n", report::schema::<R>());
    if std::env::var_os(UPDATE).is_some() {
        let file = format!("../ifmatch-core/src/schema/{}.json", R::SCHEMA);
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), &text).unwrap();
    } else {
        let is_current = schema(R::SCHEMA) == Some(&text);
        assert!(is_current, "{} is not what its type says; run the test with {UPDATE}=1", R::SCHEMA);
    }
    R::SCHEMA
}

#[test]
fn every_report_has_its_schema_published() {
    let reports =
        [published::<explain::Explanation>(), published::<inspect::Inspection>(), published::<race::Race>()];
    // The others are no reports; the tests of their commands have them.
    let names = SCHEMAS.map(|(name, _)| name).into_iter().filter(|name| !["get-1", "write-1"].contains(name));
    assert_eq!(names.collect::<Vec<_>>(), reports);
}
