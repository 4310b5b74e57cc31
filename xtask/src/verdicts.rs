//! `cargo xtask verdicts`: what servers that people run do with updates, directly and behind the gateway, as a page.

use crate::server::{Profile, Serving, build};
use crate::workspace::root;
use crate::{Result, tools};
use ifmatch_testkit::servers::{Kind, Place, Server};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The page.
const PAGE: &str = "docs/src/verdicts.md";

/// What stands before the table.
const INTRODUCTION: &str = "# Verdicts on servers\n\n\
Made by `cargo xtask verdicts`, which starts each server, races one document with [`ifmatch race`](race.md) and its \
defaults, and then the same behind `ifmatch serve --upstream URL --mode enforce`. The counts are rounds that lost an \
acknowledged write, of rounds that decide something; what comes of a narrow window is a little different each time.\n\n\
| server | verdict | no condition | stale `If-Match` | same tag, together | write without | `If-None-Match: *` | behind the gateway |\n\
|---|---|---|---|---|---|---|---|\n";

/// What stands behind it.
const NOTES: &str = "\nThe servers are as they come, on loopback; an app is a few lines that do what the documentation of \
its framework shows. `no condition` is what comes of writers who send none; `write without` is how one such write is \
answered. Apache's tags are weak within a second of a write, and no condition is taken until then. Kinto looks \
at conditions and writes in two steps as well, but so closely that few runs hit it (more `--writers` do so more often): OPT-IN \
there means what it says, none lost in so many rounds, and no more.\n";

/// Races all of them and writes the page.
pub(crate) fn task(profile: Profile) -> Result {
    tools::upstreams()?;
    let binary = build(profile)?;
    let mut page = INTRODUCTION.to_owned();
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        let failed = |error: ifmatch_testkit::servers::Error| error.to_string();
        let server = Server::start(kind).map_err(failed)?;
        server.place().create("raced", 7).map_err(failed)?;
        let directly = race(&binary, server.place(), &[])?;
        let behind = behind(&binary, server.place())?;
        row(&mut page, kind.name(), &directly, Some(&behind));
        println!("{}: {}, behind the gateway {}", kind.name(), headline(&directly), headline(&behind));
        if headline(&behind) != "PROTECTED" {
            wrong.push(format!("{} behind the gateway: {behind:#}", kind.name()));
        }
    }
    let own = own(&binary)?;
    row(&mut page, "`ifmatch serve`", &own, None);
    println!("ifmatch serve: {}", headline(&own));
    if headline(&own) != "PROTECTED" {
        wrong.push(format!("ifmatch serve: {own:#}"));
    }
    page += NOTES;
    fs::write(root().join(PAGE), page).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("{PAGE}");
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// The report of a race of the document there.
fn race(binary: &Path, place: Place, flags: &[&str]) -> Result<Value> {
    let state = TempDir::new().map_err(|error| error.to_string())?;
    let mut command = Command::new(binary);
    command.args(["race", &place.url("raced"), "--yes", "--output", "json"]);
    let content_type = place.kind.write_fields().first().map_or("text/plain", |(_, value)| *value);
    command.args(["--content-type", content_type]).args(flags).env("XDG_STATE_HOME", state.path());
    for (name, value) in place.kind.read_fields() {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = command.output().map_err(|error| format!("{}: {error}", binary.display()))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{command:?}: {error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn behind(binary: &Path, place: Place) -> Result<Value> {
    let upstream = format!("http://{}", place.address);
    let gateway = Serving::start(binary, &["--upstream", &upstream, "--mode", "enforce"])?;
    let report = race(binary, Place { kind: place.kind, address: address(&gateway)? }, &[])?;
    gateway.stop()?;
    Ok(report)
}

/// The own store, with everything there is to try.
fn own(binary: &Path) -> Result<Value> {
    let store = Serving::start(binary, &[])?;
    // Documents there look as those of Django do.
    let place = Place { kind: Kind::Django, address: address(&store)? };
    let target = place.kind.target("raced");
    let created = place.write("PUT", &target, &[("If-None-Match", "*")], &place.kind.content("raced", 7));
    created.map_err(|error| error.to_string())?;
    let report = race(binary, place, &["--create", "PUT /documents/{new}"])?;
    store.stop()?;
    Ok(report)
}

fn address(serving: &Serving) -> Result<SocketAddr> {
    let url = serving.url().trim_start_matches("http://").trim_end_matches('/');
    url.parse().map_err(|_| format!("{} has no address", serving.url()))
}

fn headline(report: &Value) -> &str {
    report["headline"].as_str().unwrap_or_default()
}

fn row(page: &mut String, name: &str, directly: &Value, behind: Option<&Value>) {
    let behind = behind.map_or("", headline);
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "| {name} | {} | {} | {} | {} | {} | {} | {behind} |",
        headline(directly),
        test(directly, "unconditional"),
        test(directly, "stale-if-match"),
        test(directly, "same-if-match"),
        test(directly, "no-if-match"),
        test(directly, "if-none-match"),
    );
}

/// The result of a test in a few characters.
fn test(report: &Value, id: &str) -> String {
    let mut tests = report["tests"].as_array().into_iter().flatten();
    let Some(test) = tests.find(|test| test["id"] == id) else { return String::new() };
    let says = test["says"].as_str().unwrap_or_default();
    match test["of"].as_u64() {
        Some(0) | None => {
            let statuses = test["statuses"].as_str().filter(|_| says != "not tried").unwrap_or_default();
            format!("{says} {statuses}").replace("done 2xx", "done").trim().to_owned()
        }
        Some(of) if test["found"] == 0 => format!("{says}, 0 of {of}"),
        Some(of) => format!("lost in {} of {of}", test["found"]),
    }
}
