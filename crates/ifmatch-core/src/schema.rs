//! The published JSON Schemas. Those of reports are made from the reports' types, in the diagnosis; a test there holds them
//! against each other. Those of `get` and of writes are held against what the commands print, in their tests.

/// Where schemas are served, before their names.
pub const SCHEMA_PREFIX: &str = "/.well-known/ifmatch/schema/";

/// All of them, by name and version. A change that breaks readers has a new number, and the old one stays.
pub const SCHEMAS: [(&str, &str); 5] = [
    ("explain-1", include_str!("schema/explain-1.json")),
    ("get-1", include_str!("schema/get-1.json")),
    ("inspect-1", include_str!("schema/inspect-1.json")),
    ("race-1", include_str!("schema/race-1.json")),
    ("write-1", include_str!("schema/write-1.json")),
];

/// The schema of this name, as `inspect-1`.
pub fn schema(name: &str) -> Option<&'static str> {
    SCHEMAS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
