//! What a file says that cannot be meant: within one route, and between routes.

use super::diagnostics::{Diagnostic, Level};
use super::keys::Table;
use super::reader::{Reader, Text};
use super::route::Route;
use super::template::Conflict;
use ifmatch_core::Mode;
use ifmatch_gateway::settings::{DigestSource, Evaluate, Origin, RouteSettings, To, Writers};
use ifmatch_gateway::{DEFAULT_ROUTE, RouteError, Routes, Settings};
use std::ops::Range;
use std::path::PathBuf;

/// Keys that mean nothing where the upstream evaluates: it alone reads, compares and refuses.
const OF_EVALUATION: [&str; 9] = [
    "writers",
    "digest",
    "turn",
    "identity",
    "read_back",
    "stale_status",
    "check_authorization",
    "digest_bytes_max",
    "check_max",
];

/// Keys that mean something for the own store too; all others of a route are of the upstream.
const OF_STORE: [&str; 4] = ["name", "match", "to", "mode"];

/// What the whole file says that routes depend on.
pub(super) struct Context {
    /// The mode of routes that name none, and of paths that no route matches.
    pub(super) mode: Mode,
    pub(super) has_data: bool,
}

/// What is wrong with the routes of a file.
pub(super) fn check(reader: &mut Reader<'_>, routes: &[Route], context: &Context) {
    for route in routes {
        match (route.settings.to, route.settings.evaluate) {
            (To::Store, _) => store(reader, route, context),
            (To::Upstream, Evaluate::Upstream) => idle(
                reader,
                route,
                &OF_EVALUATION,
                "where the upstream evaluates",
                "With evaluate = \"upstream\" the gateway demands a condition and hands it on; the upstream compares.",
            ),
            (To::Upstream, Evaluate::Gateway) => evaluated(reader, route),
        }
        methods(reader, route);
        turn(reader, route);
    }
    for (index, route) in routes.iter().enumerate() {
        for before in &routes[..index] {
            names(reader, before, route);
            templates(reader, before, route);
        }
    }
    shared(reader, routes, context);
}

fn error(span: Range<usize>, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Level::Error, Some(span), message)
}

fn warning(span: Range<usize>, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Level::Warning, Some(span), message)
}

/// Keys that are set and do nothing.
fn idle(reader: &mut Reader<'_>, route: &Route, keys: &[&str], because: &str, help: &str) {
    for key in keys.iter().filter(|key| route.has(key)) {
        let message = format!("`{key}` does nothing {because}");
        reader.push(error(route.key(key), message).label("take it out").help(help));
    }
}

fn store(reader: &mut Reader<'_>, route: &Route, context: &Context) {
    let help = "Routes to the own store have `name` and `match` only: it evaluates and enforces always.";
    let of_upstream: Vec<&str> =
        Table::Route.keys().iter().copied().filter(|key| !OF_STORE.contains(key)).collect();
    idle(reader, route, &of_upstream, "on a route to the own store", help);
    if route.settings.mode.is_some_and(|mode| mode != Mode::Enforce) {
        let message = "the own store always enforces";
        reader.push(error(route.value("mode"), message).label("take it out").help(help));
    }
    if !context.has_data && !reader.is_broken() {
        let message = "a route to the own store, and no folder for it";
        let help = "Set `data` in [gateway], as data = \"ifmatch-data\".";
        reader.push(error(route.value("to"), message).help(help));
    }
}

/// A route on which the gateway evaluates.
fn evaluated(reader: &mut Reader<'_>, route: &Route) {
    let settings = &route.settings;
    let digested = matches!(settings.digest, DigestSource::Content | DigestSource::Json(_));
    match (settings.writers, &settings.digest) {
        (Writers::GatewayOnly, digest) if route.has("digest") && *digest != DigestSource::None => {
            let message = "there is no digest where only the gateway's clients write";
            let help = "With writers = \"gateway-only\" a count alone names each state. If others write too, set \
                 writers = \"any\".";
            reader.push(error(route.key("digest"), message).label("take it out").help(help));
        }
        (Writers::Any, DigestSource::None) => {
            let message = "writers around the gateway go unnoticed";
            let help = "Without a digest only writes through the gateway are counted. If there are no others, say so: \
                 writers = \"gateway-only\".";
            reader.push(warning(route.value("digest"), message).help(help));
        }
        (Writers::Any, DigestSource::LastModified) => {
            let message = "two writers around the gateway in one second go unnoticed";
            let help = "Last-Modified tells seconds. Writes through the gateway are counted one by one all the same.";
            reader.push(warning(route.value("digest"), message).help(help));
        }
        _ => {}
    }
    if route.has("digest_bytes_max") && (!digested || settings.writers == Writers::GatewayOnly) {
        let message = "`digest_bytes_max` does nothing here: no content is digested";
        reader.push(warning(route.key("digest_bytes_max"), message));
    }
    let literal = settings.check_authorization.as_ref().filter(|value| !value.is_empty());
    if literal.is_some() && !reader.refers_to_environment(&route.value("check_authorization")) {
        let message = "a secret in the file";
        let help = "Take it from the environment: check_authorization = \"Bearer ${NAME}\".";
        reader.push(warning(route.value("check_authorization"), message).help(help));
    }
}

fn methods(reader: &mut Reader<'_>, route: &Route) {
    let listed = route.settings.methods.as_deref().unwrap_or_default();
    if listed.contains(&http::Method::POST) && route.settings.to == To::Upstream {
        let message = "POST is listed: it needs If-Match from now on";
        let help = "If-None-Match cannot stand for it. POSTs that append lose nothing without a condition.";
        reader.push(Diagnostic::new(Level::Note, Some(route.value("methods")), message).help(help));
    }
}

fn turn(reader: &mut Reader<'_>, route: &Route) {
    let (Some(template), Some(turn)) = (&route.template, &route.turn) else { return };
    if let Some(parameter) = turn.value.parameter_not_in(&template.value) {
        let message = format!("`turn` has {parameter}, which `match` does not have");
        let help = "A turn is made of the path alone, so that all spellings of a resource wait in one line: its \
             parameters are those of `match`.";
        reader.push(error(turn.span.clone(), message).help(help));
    }
}

fn names(reader: &mut Reader<'_>, before: &Route, route: &Route) {
    let name = |route: &Route| route.name.as_ref().map(|name: &Text| name.value.clone());
    if name(before).is_some() && name(before) == name(route) {
        let message = format!("two routes are called {}", route.label());
        let label = format!("the first one is on line {}", reader.line(before.value("name").start));
        reader.push(error(route.value("name"), message).label(label));
    }
}

fn templates(reader: &mut Reader<'_>, before: &Route, route: &Route) {
    let (Some(first), Some(second)) = (&before.folded, &route.folded) else { return };
    let line = reader.line(before.value("match").start);
    let (message, help) = match first.conflict(second) {
        None => return,
        Some(Conflict::Same) => (
            "two routes match the same paths",
            "Case, a slash at the end, encoding and the names of parameters make no difference.",
        ),
        Some(Conflict::Rest) => (
            "two routes are in each other's way",
            "Where one route has a parameter another one cannot take the rest of the path. Paths that no route matches \
             have the mode of [gateway].",
        ),
    };
    let label = format!("and {} on line {line}", before.label());
    reader.push(error(route.value("match"), message).label(label).help(help));
}

/// What becomes of routes that share turn keys.
fn shared(reader: &mut Reader<'_>, routes: &[Route], context: &Context) {
    let Some(table) = table(reader, routes, context) else { return };
    let used: Vec<Used> = routes
        .iter()
        .map(|route| Used::of(&table.find_template(&route.settings.template).settings))
        .collect();
    for (index, route) in routes.iter().enumerate() {
        let asked =
            Used { mode: route.settings.mode.unwrap_or(context.mode), evaluate: route.settings.evaluate };
        let Some(&used_now) = used.get(index) else { continue };
        let others = || routes.iter().zip(&used).enumerate().filter(|(other, _)| *other != index);
        let mut partners = others().filter(|(_, (other, _))| share(route, other)).map(|(_, pair)| pair);
        if used_now != asked {
            let stricter = partners.find(|(_, used)| **used == used_now).map(|(other, _)| other.label());
            treated(reader, route, stricter.as_deref(), used_now);
        } else if route.settings.to == To::Upstream
            && let Some((other, _)) = partners.find(|(_, used)| used.takes_turns() && !used_now.takes_turns())
        {
            let message = format!("writes of route {} are not guarded", route.label());
            let help = format!(
                "Some of them share a turn key with route {}, and can come between its checks and its writes. Give both \
                 the same `mode` and `evaluate`.",
                other.label()
            );
            reader.push(warning(route.value("match"), message).help(help));
        }
    }
    // Paths of no route that share a turn key with one.
    for route in routes {
        let Some(turn) = &route.settings.turn else { continue };
        let there = table.find_template(turn);
        if there.settings.name == DEFAULT_ROUTE && there.policy.mode != context.mode {
            let message = format!("writes to this path are treated as those of route {}", route.label());
            let help = "No route matches the path itself. It shares its turn key.";
            reader.push(Diagnostic::new(Level::Note, Some(route.value("turn")), message).help(help));
        }
    }
}

/// A route is not in the mode that it asks for.
fn treated(reader: &mut Reader<'_>, route: &Route, other: Option<&str>, used: Used) {
    let message = match other {
        Some(other) => format!("route {} is treated as route {other}", route.label()),
        None => format!("route {} is treated as one that it shares its turn key with", route.label()),
    };
    let who = match used.evaluate {
        Evaluate::Gateway => "the gateway",
        Evaluate::Upstream => "the upstream",
    };
    let help = format!(
        "They share a turn key, and the stricter one counts for both: mode \"{}\", evaluated by {who}.",
        used.mode.name()
    );
    let key = if route.has("mode") { "mode" } else { "match" };
    reader.push(warning(route.value(key), message).help(help));
}

/// How a route is used.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Used {
    mode: Mode,
    evaluate: Evaluate,
}

impl Used {
    fn of(settings: &RouteSettings) -> Self {
        Self { mode: settings.mode.unwrap_or(Mode::Observe), evaluate: settings.evaluate }
    }

    fn takes_turns(self) -> bool {
        self.mode.evaluates() && self.evaluate == Evaluate::Gateway
    }
}

/// Whether some of their writes wait in one line. Of two templates alone the more specific one has all of a path.
fn share(a: &Route, b: &Route) -> bool {
    let (Some(own), Some(others)) = (&a.lines, &b.lines) else { return false };
    let is_stated = a.turn.is_some() || b.turn.is_some();
    let is_upstream = |route: &Route| route.settings.to == To::Upstream;
    is_stated && is_upstream(a) && is_upstream(b) && own.meet(others) && same_identity(a, b)
}

/// The routes as the gateway will use them; nothing if the file is wrong anyway.
fn table(reader: &mut Reader<'_>, routes: &[Route], context: &Context) -> Option<Routes> {
    if reader.has_errors() {
        return None;
    }
    let anywhere = Origin { host: "localhost".to_owned(), port: 80 };
    let mut settings = Settings::new(anywhere, PathBuf::new());
    settings.mode = context.mode;
    settings.routes = routes.iter().map(|route| route.settings.clone()).collect();
    // The key matters for hashes of requests only.
    match Routes::new(&settings, &[0; 32]) {
        Ok(table) => Some(table),
        Err(cause) => {
            let (RouteError::Template { name, .. } | RouteError::Parameter { name, .. }) = &cause;
            let route = routes.iter().find(|route| route.settings.name == *name);
            let shown = if route.is_some_and(|r| reader.refers_to_environment(&r.value("match"))) {
                "the gateway cannot use this route".to_owned()
            } else {
                format!("the gateway cannot use this: {cause}")
            };
            reader.push(Diagnostic::new(Level::Error, route.map(|route| route.value("match")), shown));
            None
        }
    }
}

fn same_identity(a: &Route, b: &Route) -> bool {
    let (a, b) = (&a.settings.identity, &b.settings.identity);
    a.len() == b.len() && a.iter().all(|identity| b.contains(identity))
}
