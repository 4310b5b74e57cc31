//! What every report has in common.

use ifmatch_core::SCHEMA_PREFIX;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

/// A result that can be read by people and by programs. All forms say the same.
pub trait Report: Serialize + JsonSchema {
    /// The name of its schema, with its version: `race-1`. A change that breaks readers has a new number.
    const SCHEMA: &'static str;

    /// For a terminal of that many columns, with styles, ending in a line feed.
    fn text(&self, width: usize) -> String;

    /// As Markdown, for a comment or a page.
    fn markdown(&self) -> String;

    /// As test cases.
    fn junit(&self) -> crate::junit::Suite;
}

/// One JSON document, its first member `schema`.
pub fn json<R: Report>(report: &R) -> Value {
    let mut document = serde_json::Map::new();
    document.insert("schema".to_owned(), format!("{SCHEMA_PREFIX}{}.json", R::SCHEMA).into());
    match serde_json::to_value(report) {
        Ok(Value::Object(members)) => document.extend(members),
        other => unreachable!("reports are objects with string keys: {other:?}"),
    }
    Value::Object(document)
}

/// The schema of [`json`].
pub fn schema<R: Report>() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.contract = schemars::generate::Contract::Serialize)
        .into_generator();
    let mut schema: Schema = generator.into_root_schema_for::<R>();
    let id = format!("{SCHEMA_PREFIX}{}.json", R::SCHEMA);
    schema.insert("$id".to_owned(), id.clone().into());
    let mut schema = schema.to_value();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("schema".to_owned(), serde_json::json!({ "const": id }));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.insert(0, "schema".into());
    }
    schema
}
