//! `ifmatch check`.

use crate::args::Output;
use crate::output::{self, bold, dim};
use ifmatch_core::Mode;
use ifmatch_server::file::settings::{Evaluate, To, Writers};
use ifmatch_server::file::{
    DEFAULT_ROUTE as OTHERS, Diagnostic, Diagnostics, File, Summary, digest_word, identity_word, read,
    remarks, summaries,
};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The version of the JSON document.
const SCHEMA: u32 = 1;
/// Width that remarks are broken to, in columns.
const WIDTH: usize = 80;

/// Reads a configuration file and tells what is wrong with it, or what it comes to.
///
/// # Errors
/// That there are errors in the file, which have been told; or that standard output cannot be written.
pub(crate) fn run(file: &Path, format: Output) -> Result<(), String> {
    let name = file.display().to_string();
    match read(file) {
        Ok(settings) => {
            let routes = summaries(&settings).map_err(|error| format!("{name}: {error}"))?;
            match format {
                Output::Json => {
                    output::print(&document(&name, &settings.warnings, Some((&settings, &routes))))
                }
                _ => {
                    let mut text = told(&settings.warnings);
                    summary(&mut text, &name, &settings, &routes);
                    output::print(&text)
                }
            }
        }
        Err(found) => {
            match format {
                Output::Json => output::print(&document(&name, &found, None))?,
                _ => output::print(&told(&found))?,
            }
            let errors = found.errors();
            Err(format!("{name}: {errors} {}", if errors == 1 { "error" } else { "errors" }))
        }
    }
}

fn told(found: &Diagnostics) -> String {
    if found.is_empty() { String::new() } else { format!("{}\n", found.colored()) }
}

fn summary(text: &mut String, name: &str, file: &File, routes: &[Summary]) {
    text.push_str(&format!("{} {}\n\n", bold(name), "can be used."));
    let mut line = |key: &str, value: &str| text.push_str(&format!("  {key:<9} {}\n", bold(value)));
    if let Some(listen) = file.listen {
        line("listen", &listen.to_string());
    }
    if let Some(data) = &file.data {
        line("data", &data.display().to_string());
    }
    let settings = file.settings();
    match &settings {
        Some(settings) => {
            line("upstream", &url(&settings.upstream));
            line("state", &settings.state.display().to_string());
        }
        None if file.gateway.is_some() => line("upstream", "none here; give --upstream"),
        None => {}
    }
    for route in routes {
        text.push('\n');
        one_route(text, route);
    }
    text.push('\n');
    for (remark, names) in by_remark(routes) {
        remarked(text, &format!("{remark} ({})", names.join(", ")));
    }
    if let Some(settings) = &settings {
        remarks(settings).iter().for_each(|remark| remarked(text, remark));
    }
}

/// The routes that each remark is about.
fn by_remark(routes: &[Summary]) -> Vec<(&str, Vec<&str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for route in routes {
        for remark in &route.remarks {
            let name = route.settings.name.as_str();
            match all.iter_mut().find(|(known, _)| known == remark) {
                Some((_, names)) => names.push(name),
                None => all.push((remark, vec![name])),
            }
        }
    }
    all
}

fn one_route(text: &mut String, route: &Summary) {
    let settings = &route.settings;
    let matched = if settings.name == OTHERS { "all other paths" } else { &settings.template };
    text.push_str(&format!("  {}  {matched}\n", bold(&settings.name)));
    let mode = settings.mode.unwrap_or(Mode::Observe);
    let evaluated = mode.evaluates() && settings.to == To::Upstream;
    let mut line = |key: &str, value: &str| text.push_str(&format!("    {key:<11}{value}\n"));
    match (settings.to, route.asked) {
        (To::Store, _) => line("mode", "enforce, by the own store"),
        (To::Upstream, None) => line("mode", mode.name()),
        (To::Upstream, Some(asked)) => {
            line("mode", &format!("{} (the file says {}; see the warning)", mode.name(), asked.name()));
        }
    }
    if evaluated {
        line("guards", &guarded(settings.methods.as_deref()));
        match (settings.evaluate, settings.writers) {
            (Evaluate::Upstream, _) => line("evaluates", "the upstream"),
            (Evaluate::Gateway, Writers::GatewayOnly) => {
                line("evaluates", "the gateway");
                line("digest", "none: nobody else writes");
            }
            (Evaluate::Gateway, Writers::Any) => {
                line("evaluates", "the gateway");
                line("digest", &digest_word(&settings.digest));
            }
        }
        if settings.evaluate == Evaluate::Gateway {
            let turn = settings.turn.as_deref().unwrap_or("the path");
            let identity = settings.identity.iter().map(|identity| format!(" + {}", identity_word(identity)));
            line("turn", &format!("{turn}{}", identity.collect::<String>()));
        }
    }
}

fn guarded<M: AsRef<str>>(methods: Option<&[M]>) -> String {
    match methods {
        None => "all writes but POST".to_owned(),
        Some(listed) => listed.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", "),
    }
}

/// A remark, broken at spaces.
fn remarked(text: &mut String, remark: &str) {
    let mut line = String::new();
    let mut lines = Vec::new();
    for word in remark.split(' ') {
        if !line.is_empty() && 4 + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    for (index, line) in lines.iter().enumerate() {
        let mark = if index == 0 { "- " } else { "  " };
        text.push_str(&format!("  {}\n", dim(&format!("{mark}{line}"))));
    }
}

fn url(upstream: &ifmatch_server::file::settings::Origin) -> String {
    if upstream.host.contains(':') {
        format!("http://[{}]:{}", upstream.host, upstream.port)
    } else {
        format!("http://{}:{}", upstream.host, upstream.port)
    }
}

/// The whole result as one JSON document.
fn document(name: &str, found: &Diagnostics, fine: Option<(&File, &[Summary])>) -> String {
    let mut document = json!({
        "schema": SCHEMA,
        "file": name,
        "ok": fine.is_some(),
        "diagnostics": found.iter().map(diagnostic).collect::<Vec<_>>(),
    });
    if found.more() > 0 {
        document["more"] = found.more().into();
    }
    if let Some((file, routes)) = fine {
        if let Some(settings) = file.settings() {
            document["upstream"] = url(&settings.upstream).into();
            document["state"] = settings.state.display().to_string().into();
            document["remarks"] = remarks(&settings).into();
        }
        document["routes"] = routes.iter().map(route_json).collect();
    }
    format!("{document:#}\n")
}

fn diagnostic(found: &Diagnostic) -> Value {
    let message = match &found.label {
        Some(label) => format!("{}: {label}", found.message),
        None => found.message.clone(),
    };
    let mut value = Map::new();
    value.insert("level".to_owned(), found.level.name().into());
    value.insert("message".to_owned(), message.into());
    for (key, number) in [("line", found.line), ("column", found.column)] {
        if let Some(number) = number {
            value.insert(key.to_owned(), number.into());
        }
    }
    for (key, text) in [("suggestion", &found.suggestion), ("help", &found.help)] {
        if let Some(text) = text {
            value.insert(key.to_owned(), text.as_str().into());
        }
    }
    value.into()
}

fn route_json(route: &Summary) -> Value {
    let settings = &route.settings;
    let evaluate = match settings.evaluate {
        Evaluate::Gateway => "gateway",
        Evaluate::Upstream => "upstream",
    };
    let mut value = json!({
        "name": settings.name,
        "match": settings.template,
        "to": if settings.to == To::Store { "store" } else { "upstream" },
        "mode": if settings.to == To::Store { Mode::Enforce } else { settings.mode.unwrap_or(Mode::Observe) }.name(),
    });
    if let Some(asked) = route.asked {
        value["asked_mode"] = asked.name().into();
    }
    if settings.to == To::Upstream {
        value["evaluate"] = evaluate.into();
        if let Some(methods) = &settings.methods {
            value["methods"] = methods.iter().map(|method| method.as_str()).collect();
        }
        if settings.evaluate == Evaluate::Gateway {
            let is_exclusive = settings.writers == Writers::GatewayOnly;
            value["writers"] = if is_exclusive { "gateway-only" } else { "any" }.into();
            value["digest"] =
                if is_exclusive { "none".to_owned() } else { digest_word(&settings.digest) }.into();
            if let Some(turn) = &settings.turn {
                value["turn"] = turn.as_str().into();
            }
            value["identity"] = settings.identity.iter().map(identity_word).collect();
        }
    }
    value["remarks"] = route.remarks.clone().into();
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use ifmatch_server::file::parse;

    const FINE: &str = r#"
[gateway]
upstream = "http://[::1]:3000"
[[route]]
name = "order"
match = "/orders/{id}"
[[route]]
name = "cancel"
match = "/orders/{id}/cancel"
mode = "enforce"
turn = "/orders/{id}"
check_authorization = "Bearer open-sesame"
"#;

    #[test]
    fn a_file_that_is_fine_is_summed_up() {
        let file = parse("x.toml", FINE).unwrap();
        let routes = summaries(&file).unwrap();
        let mut text = String::new();
        summary(&mut text, "x.toml", &file, &routes);
        for part in [
            "http://[::1]:3000",
            "enforce (the file says observe; see the warning)",
            "all other paths",
            "/orders/{id}\n",
            "16 MiB get no tag",
            "(order, cancel)",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("sesame"));
        let json: Value =
            serde_json::from_str(&document("x.toml", &file.warnings, Some((&file, &routes)))).unwrap();
        assert_eq!((&json["schema"], &json["ok"]), (&json!(1), &json!(true)));
        assert_eq!(json["routes"][0]["mode"], "enforce");
        assert_eq!(json["routes"][0]["asked_mode"], "observe");
        assert_eq!(json["routes"][1]["turn"], "/orders/{id}");
        assert!(!json.to_string().contains("sesame"));
    }

    #[test]
    fn what_is_wrong_has_a_place_and_a_suggestion() {
        let found = parse("x.toml", "[gateway]\nmode = \"enforced\"\n").unwrap_err();
        let json: Value = serde_json::from_str(&document("x.toml", &found, None)).unwrap();
        assert_eq!(json["ok"], false);
        assert!(json.get("routes").is_none());
        let first = &json["diagnostics"][0];
        assert_eq!(
            (&first["level"], &first["line"], &first["column"]),
            (&json!("error"), &json!(2), &json!(8))
        );
        assert_eq!(first["suggestion"], "\"enforce\"");
        assert!(told(&found).contains("x.toml:2:8"));
    }
}
