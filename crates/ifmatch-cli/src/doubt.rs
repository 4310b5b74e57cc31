//! `ifmatch doubt`.

use crate::args::{Doubt, Output};
use crate::output::{self, bold, dim};
use ifmatch_gateway::state::{self, DoubtView, Kind, Phase};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where state folders are, if nobody says otherwise.
const FOLDERS: &str = "ifmatch-state";

pub(crate) fn run(doubt: &Doubt, format: Output) -> Result<(), String> {
    match doubt {
        Doubt::List { state } => list(&folder(state.as_deref())?, format),
        Doubt::Settle { id, state } => settle(&folder(state.as_deref())?, *id, format),
    }
}

/// The folder that is named, or the only one there is.
fn folder(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let found: Vec<PathBuf> = std::fs::read_dir(FOLDERS)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("slots").exists())
        .collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(format!(
            "there is no state folder below ./{FOLDERS}.\\n  Name the gateway's with --state DIR."
        )
        .replace("\\n", "\n")),
        several => {
            let names: Vec<_> = several.iter().map(|p| format!("  --state {}", p.display())).collect();
            Err(format!("there are several state folders. Name one of them:\n{}", names.join("\n")))
        }
    }
}

fn list(folder: &Path, format: Output) -> Result<(), String> {
    let doubts = state::list(folder).map_err(|error| error.to_string())?;
    if format == Output::Json {
        let all: Vec<Value> = doubts.iter().map(shown).collect();
        return output::print(&format!(
            "{}\n",
            json!({ "state": folder.display().to_string(), "doubts": all })
        ));
    }
    if doubts.is_empty() {
        return output::print("No write is under way or in doubt.\n");
    }
    let mut text = format!(
        "{}\n",
        bold(&format!(
            "{:<20} {:<10} {:>7} {:>7}  {:<9} {}",
            "ID", "PHASE", "SINCE", "LEFT", "METHOD", "TARGET"
        ))
    );
    for doubt in &doubts {
        let left =
            doubt.until_ms.map_or_else(|| "-".to_owned(), |until| seconds(until.saturating_sub(now_ms())));
        text.push_str(&format!(
            "{:<20} {:<10} {:>7} {:>7}  {:<9} {}\n",
            doubt.id,
            phase(doubt.phase),
            seconds(now_ms().saturating_sub(doubt.since_ms)),
            left,
            doubt.method,
            doubt.target,
        ));
    }
    text.push_str(&dim(
        "\nWhile a write is in doubt, other writers of that resource get 503 outcome_pending. If you are sure that it cannot\nland any more: ifmatch doubt settle ID\n",
    ));
    output::print(&text)
}

fn settle(folder: &Path, id: u64, format: Output) -> Result<(), String> {
    let settled = state::settle(folder, id).map_err(|error| error.to_string())?;
    if format == Output::Json {
        return output::print(&format!(
            "{}\n",
            json!({ "id": id, "settled": true, "gateway_runs": settled.by.is_some(), "doubt": shown(&settled.doubt) })
        ));
    }
    output::print(&format!(
        "Settled {id}: a running gateway lets others write there within a second, a stopped one when it starts.\n"
    ))
}

fn shown(doubt: &DoubtView) -> Value {
    json!({
        "id": doubt.id,
        "phase": phase(doubt.phase),
        "method": doubt.method,
        "target": doubt.target,
        "holds": match doubt.kind { Kind::Exclusive => "all writers", Kind::Shared => "all writers but appends" },
        "since_ms": doubt.since_ms,
        "until_ms": doubt.until_ms,
    })
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::InDoubt => "in doubt",
        _ => "under way",
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(ms: u64) -> String {
    format!("{} s", ms.div_ceil(1000))
}
