//! The tables of a file, from TOML to [`File`].

use super::checks::{self, Context};
use super::diagnostics::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics, Level, sentence};
use super::environment::Environment;
use super::keys::{Meant, Table};
use super::reader::{At, Item, Reader, Reading, Section};
use super::route::{Route, mode};
use super::values::{
    address, boolean, count, duration, no_such_word, number, origin, parse_address, path, size, size_held,
    word,
};
use super::{
    AdminSetting, AuditSettings, BoundsFile, CONTENT_BYTES, DIGEST_BYTES, File, GatewayFile, ROUTES_MAX,
    TimesFile,
};
use crate::cors::Origins;
use ifmatch_core::Mode;
use ifmatch_gateway::settings::{Bounds, HostField, Origin};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The version of the format.
const VERSION: u64 = 1;
/// How few and how many counters there can be.
const COUNTERS: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 26;
/// Most web origins.
const ORIGINS_MAX: usize = 1000;

pub(super) fn read(name: &str, text: &str, environment: &Environment<'_>) -> Result<File, Diagnostics> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let syntax = super::syntax::told(text, &errors, table.get_ref());
    if syntax.len() > DIAGNOSTICS_MAX {
        // This is something else, and what would be found in it means nothing.
        let all = syntax.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        return Err(Diagnostics::new(name, text, all, 0));
    }
    let mut reader = Reader::new(text, environment);
    for (span, diagnostic) in syntax {
        reader.broken(&span);
        reader.push(diagnostic);
    }
    let mut file = tables(&mut reader, table.get_ref());
    let (found, more) = reader.into_found();
    let found = Diagnostics::new(name, text, found, more);
    if found.errors() > 0 {
        return Err(found);
    }
    file.warnings = found;
    Ok(file)
}

type Tables<'t> = BTreeMap<&'static str, (Range<usize>, &'t Spanned<DeValue<'t>>)>;

fn tables<'t>(reader: &mut Reader<'t>, top: &'t DeTable<'t>) -> File {
    let mut known = top_level(reader, top);
    let mut file = File::default();
    let mut gateway = GatewayFile::default();
    if let Some(mut section) = section(reader, &mut known, Table::Gateway, "gateway") {
        let listen = served(&mut section, &mut file);
        gateway = gateway_of(&mut section);
        exposed(&mut section, &file, listen.as_ref());
    }
    if let Some(mut section) = section(reader, &mut known, Table::Limits, "limits") {
        gateway.bounds = limits(&mut section, &mut file);
    }
    if let Some(mut section) = section(reader, &mut known, Table::Times, "times") {
        gateway.times = times(&mut section);
        file.content_idle_max = section.take("content_idle_max", duration);
        file.content_time_max = section.take("content_time_max", duration);
    }
    if let Some(mut section) = section(reader, &mut known, Table::Audit, "audit") {
        file.audit = audit(&mut section);
    }
    let routes = routes(reader, &mut known, &gateway.bounds);
    let context = Context { mode: gateway.mode.unwrap_or(Mode::Observe), has_data: file.data.is_some() };
    checks::check(reader, &routes, &context);
    file.routes = routes.into_iter().map(|route| route.settings).collect();
    if gateway != GatewayFile::default() || !file.routes.is_empty() {
        file.gateway = Some(gateway);
    }
    file
}

/// What stands at the top: tables under the names they should have, and the version.
fn top_level<'t>(reader: &mut Reader<'t>, top: &'t DeTable<'t>) -> Tables<'t> {
    let mut known: Tables<'t> = BTreeMap::new();
    let mut misspelt = Vec::new();
    for (key, value) in top {
        let name = key.get_ref().as_ref();
        match Table::Top.keys().iter().find(|known| **known == name) {
            Some(&name) => drop(known.insert(name, (key.span(), value))),
            None if reader.is_broken_at(&key.span()) => {}
            None => {
                if let Meant::Table(table) = reader.unknown(Table::Top, name, key.span()) {
                    misspelt.push((table, key.span(), value));
                }
            }
        }
    }
    // What is in a table whose name is misspelt is looked at too, so that all is told at once.
    for (table, span, value) in misspelt {
        known.entry(table.name()).or_insert((span, value));
    }
    if let Some((_, value)) = known.remove("version") {
        let is_right = |item: &Item<'_>| match number(item, VERSION..=VERSION) {
            Ok(_) => Ok(()),
            Err(_) => item.wrong("this program reads version 1"),
        };
        reader.value("version", value, is_right);
    }
    known
}

/// A table of the file, if it is there and is one.
fn section<'s, 't>(
    reader: &'s mut Reader<'t>,
    known: &mut Tables<'t>,
    table: Table,
    name: &'static str,
) -> Option<Section<'s, 't>> {
    let (key, value) = known.remove(name)?;
    match value.get_ref() {
        DeValue::Table(values) => Some(reader.section(table, key, values)),
        _ if reader.is_broken_at(&key) => None,
        _ => {
            let message = format!("{} is a table, and there is one of it", table.shown());
            let label = format!("write {}", table.shown());
            reader.push(Diagnostic::new(Level::Error, Some(key), message).label(label));
            None
        }
    }
}

/// What the server is set to; gives where `listen` stands.
fn served(section: &mut Section<'_, '_>, file: &mut File) -> Option<At<std::net::SocketAddr>> {
    let listen = section.at("listen", address);
    file.listen = listen.as_ref().map(|at| at.value);
    file.admin = section.take("admin", admin);
    file.data = section.take("data", path);
    file.workers = section.take("workers", |i| count(i, 1..=1024));
    file.connections_max = section.take("connections_max", |i| count(i, 1..=1_000_000));
    file.cors_origins = section.take("cors_origins", cors_origins);
    file.insecure_public = section.take("insecure_public", boolean);
    listen
}

/// Whoever reaches an address off loopback may do everything, so that it must be said.
fn exposed(section: &mut Section<'_, '_>, file: &File, listen: Option<&At<std::net::SocketAddr>>) {
    let Some(At { value, span }) = listen.filter(|at| !at.value.ip().is_loopback()) else { return };
    if file.insecure_public == Some(true) || section.reader.is_broken() {
        return;
    }
    let port = value.port();
    let help = format!(
        "There is no access control here. Listen on loopback (\"127.0.0.1:{port}\"), or set insecure_public = true if \
         something in front controls access."
    );
    let message = "other machines can reach this address";
    section.reader.push(Diagnostic::new(Level::Error, Some(span.clone()), message).help(help));
}

fn gateway_of(section: &mut Section<'_, '_>) -> GatewayFile {
    GatewayFile {
        upstream: section.take("upstream", upstream),
        state: section.take("state", path),
        mode: section.take("mode", mode),
        host: section.take("host", |i| {
            word(i, &[("preserve", HostField::Preserve), ("upstream", HostField::Upstream)])
        }),
        counters: section.take("counters", counters),
        ..GatewayFile::default()
    }
}

fn upstream(item: &Item<'_>) -> Reading<Origin> {
    let text = item.text("a URL, as \"http://127.0.0.1:3000\"")?;
    origin(&text.value).map_err(|why| {
        // Long reasons go below the line.
        let (label, help) =
            why.split_once(": ").map_or((why.as_str(), None), |(label, help)| (label, Some(help)));
        let wrong = text.wrong(label);
        vec![if let Some(help) = help { wrong.help(sentence(help)) } else { wrong }]
    })
}

fn counters(item: &Item<'_>) -> Reading<u32> {
    let counters = number(item, COUNTERS)?;
    if !counters.is_power_of_two() {
        return item
            .wrong(format!("expected a power of two; the next one is {}", counters.next_power_of_two()));
    }
    Ok(u32::try_from(counters).unwrap_or(u32::MAX))
}

fn admin(item: &Item<'_>) -> Reading<AdminSetting> {
    let text = item.text("\"off\" or an address with a port, as \"127.0.0.1:4429\"")?;
    if text.value == "off" {
        return Ok(AdminSetting::Off);
    }
    match parse_address(&text.value) {
        Some(address) if address.ip().is_loopback() => Ok(AdminSetting::At(address)),
        Some(_) => {
            let help = "The admin listener has no access control, so it only listens on loopback.";
            Err(vec![text.wrong("other machines can reach this address").help(help)])
        }
        None => Err(vec![no_such_word(&text, &[("off", ()), ("127.0.0.1:4429", ())])]),
    }
}

fn cors_origins(item: &Item<'_>) -> Reading<Vec<String>> {
    item.each("a list of web origins, as [\"https://app.example\"]", ORIGINS_MAX, |member| {
        let text = member.text("a web origin, as \"https://app.example\"")?;
        match Origins::listed(std::slice::from_ref(&text.value)) {
            Ok(_) => Ok(text.value),
            Err(_) => Err(vec![text.wrong("not a web origin").help(
                "Write scheme and host, as \"https://app.example\", without a slash at the end; or \"*\" for all.",
            )]),
        }
    })
}

fn limits(section: &mut Section<'_, '_>, file: &mut File) -> BoundsFile {
    const TOTAL_BYTES: std::ops::RangeInclusive<u64> = 1..=1 << 40;
    file.content_bytes_max = section.take("content_bytes_max", |i| size(i, CONTENT_BYTES));
    file.content_bytes_total_max = section.take("content_bytes_total_max", |i| size(i, TOTAL_BYTES));
    let digest = section.at("digest_bytes_total_max", |i| size_held(i, TOTAL_BYTES));
    let bounds = BoundsFile {
        digest_bytes_max: section.take("digest_bytes_max", |i| size_held(i, DIGEST_BYTES)),
        digest_bytes_total_max: digest.as_ref().map(|at| at.value),
        answer_bytes_max: section.take("answer_bytes_max", |i| size_held(i, DIGEST_BYTES)),
        connections_max: section.take("upstream_connections_max", |i| count(i, 1..=65_535)),
        in_flight_max: section.take("in_flight_max", |i| count(i, 1..=1 << 20)),
        variants_max: section.take("variants_max", |i| count(i, 1..=1 << 16)),
    };
    if let Some(At { span, .. }) =
        digest.filter(|at| at.value < bounds.over(Bounds::default()).digest_bytes_max)
    {
        smaller(section.reader, span, "digest_bytes_max");
    }
    bounds
}

/// A bound on all together that is smaller than the one on each.
fn smaller(reader: &mut Reader<'_>, span: Range<usize>, each: &str) {
    let message = format!("less for all together than `{each}` allows for one");
    reader.push(Diagnostic::new(Level::Error, Some(span), message));
}

fn times(section: &mut Section<'_, '_>) -> TimesFile {
    TimesFile {
        connect_max: section.take("connect_max", duration),
        check_max: section.take("check_max", duration),
        answer_max: section.take("answer_max", duration),
        idle_max: section.take("idle_max", duration),
        late_write_max: section.take("late_write_max", duration),
        keep_idle_max: section.take("keep_idle_max", duration),
    }
}

fn audit(section: &mut Section<'_, '_>) -> AuditSettings {
    AuditSettings {
        enabled: section.take("enabled", boolean),
        path: section.take("path", path),
        file_bytes_max: section.take("file_bytes_max", |i| size(i, 64 << 10..=64 << 30)),
        files_max: section
            .take("files_max", |i| number(i, 1..=100_000))
            .map(|files| u32::try_from(files).unwrap_or(u32::MAX)),
    }
}

fn routes<'t>(reader: &mut Reader<'t>, known: &mut Tables<'t>, bounds: &BoundsFile) -> Vec<Route> {
    let Some((key, value)) = known.remove("route") else { return Vec::new() };
    let not_a_list = |reader: &mut Reader<'t>, span: Range<usize>, label: &str| {
        if !reader.is_broken_at(&span) {
            let message = "routes are a list of tables";
            reader.push(Diagnostic::new(Level::Error, Some(span), message).label(label));
        }
    };
    let members: Vec<(Range<usize>, &'t DeTable<'t>)> = match value.get_ref() {
        DeValue::Table(values) => {
            not_a_list(reader, key.clone(), "write [[route]], with two brackets");
            vec![(key, values)]
        }
        DeValue::Array(array) if array.len() > ROUTES_MAX => {
            let message = format!("{} routes are too many, at most {ROUTES_MAX}", array.len());
            reader.push(Diagnostic::new(Level::Error, Some(key), message));
            return Vec::new();
        }
        DeValue::Array(array) => {
            let mut members = Vec::with_capacity(array.len());
            for member in array.iter() {
                match member.get_ref() {
                    DeValue::Table(values) => members.push((member.span(), values)),
                    _ => not_a_list(reader, member.span(), "not a table"),
                }
            }
            members
        }
        _ => {
            not_a_list(reader, key, "write [[route]]");
            return Vec::new();
        }
    };
    let total = bounds.over(Bounds::default()).digest_bytes_total_max;
    let mut routes = Vec::with_capacity(members.len());
    for (header, values) in members {
        let route = Route::read(&mut reader.section(Table::Route, header, values));
        if route.settings.digest_bytes_max.is_some_and(|bytes| bytes > total) {
            let message = "more for one representation than [limits] allows for all together";
            let help = "That is `digest_bytes_total_max`.";
            let span = Some(route.value("digest_bytes_max"));
            reader.push(Diagnostic::new(Level::Error, span, message).help(help));
        }
        routes.push(route);
    }
    routes
}
