//! `ifmatch explain`.

use crate::args::Output;
use crate::output::{self, bold, dim};
use ifmatch_core::{Code, explanation};
use serde_json::{Value, json};

pub(crate) fn run(code: Option<&str>, format: Output) -> Result<(), String> {
    let codes = match code {
        None => Code::ALL.to_vec(),
        Some(name) => vec![find(name)?],
    };
    let text = match (format, code) {
        (Output::Json, None) => {
            pretty(&json!({ "problems": codes.iter().map(|&c| as_json(c)).collect::<Vec<_>>() }))
        }
        (Output::Json, Some(_)) => codes.first().map(|&c| pretty(&as_json(c))).unwrap_or_default(),
        (_, Some(_)) => codes.first().map(|&c| explanation(c)).unwrap_or_default(),
        (_, None) => list(&codes),
    };
    output::print(&text)
}

fn find(name: &str) -> Result<Code, String> {
    let last = name.rsplit('/').next().unwrap_or(name);
    Code::from_name(last).ok_or_else(|| {
        let near =
            Code::ALL.iter().map(|c| c.name()).filter(|known| known.contains(last) || last.contains(known));
        let hint = near.map(|known| format!("\n  Did you mean {known}?")).next().unwrap_or_default();
        format!("there is no problem code {last:?}.{hint}\n  ifmatch explain lists all codes.")
    })
}

fn list(codes: &[Code]) -> String {
    let mut text = String::new();
    for code in codes {
        let name = bold(&format!("{:<26}", code.name()));
        text.push_str(&format!("{name} {} {}\n", code.status().as_u16(), dim(code.title())));
    }
    text.push_str("\nifmatch explain CODE tells what one means and what to do about it.\n");
    text
}

fn as_json(code: Code) -> Value {
    json!({
        "code": code.name(),
        "type": code.type_path(),
        "status": code.status().as_u16(),
        "title": code.title(),
        "applied": code.applied(),
        "retry": { "same_request": code.same_request(), "action": code.action() },
        "means": code.means(),
        "todo": code.todo(),
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
