//! `ifmatch schema`.

use crate::args::Output;
use crate::output;
use ifmatch_core::{SCHEMA_PREFIX, SCHEMAS, schema};
use serde_json::json;

pub(crate) fn run(name: Option<&str>, format: Output) -> Result<(), String> {
    let Some(name) = name else {
        let names = SCHEMAS.map(|(name, _)| name);
        return output::print(&match format {
            Output::Json => format!("{:#}\n", json!({ "schemas": names })),
            _ => names.map(|name| format!("{name}\n")).concat(),
        });
    };
    // As it stands in a report, too.
    let bare = name.strip_prefix(SCHEMA_PREFIX).unwrap_or(name);
    let bare = bare.strip_suffix(".json").unwrap_or(bare);
    let text = schema(bare)
        .ok_or_else(|| format!("there is no schema {name:?}.\n  ifmatch schema lists all of them."))?;
    output::print(text)
}
