//! One `[[route]]`.

use super::diagnostics::{Diagnostic, Level};
use super::reader::{At, Item, Place, Reading, Section, Text, Wrong, shown};
use super::template::{Folded, Template};
use super::values::{boolean, duration, no_such_word, size, size_held, word};
use super::{CONTENT_BYTES, DIGEST_BYTES};
use http::Method;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue};
use ifmatch_core::{MethodClass, Mode, StaleStatus, Star, is_registered};
use ifmatch_gateway::DEFAULT_ROUTE;
use ifmatch_gateway::is_sent_on;
use ifmatch_gateway::settings::{DigestSource, Evaluate, Identity, RouteSettings, To, Writers};
use std::collections::BTreeMap;
use std::ops::Range;

/// Longest name of a route, in characters.
const NAME_LENGTH_MAX: usize = 64;
/// Most entries of one list in a route.
const LIST_MAX: usize = 40;

/// A route and where it stands.
pub(super) struct Route {
    pub(super) settings: RouteSettings,
    /// Its name as written, for messages.
    pub(super) name: Option<Text>,
    /// What it matches, unless that is wrong.
    pub(super) template: Option<At<Template>>,
    /// The line its writers wait in, if it says so.
    pub(super) turn: Option<At<Template>>,
    /// The same for all spellings.
    pub(super) folded: Option<Folded>,
    /// The turn keys of its writes.
    pub(super) lines: Option<Folded>,
    /// Where the route begins.
    header: Range<usize>,
    places: BTreeMap<&'static str, Place>,
}

impl Route {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let name = section.take("name", route_name);
        let matched = section.at("match", template);
        let turn = section.at("turn", template);
        let settings = settings(section, name.as_ref(), matched.as_ref(), turn.as_ref());
        let only = |at: At<(Text, Template)>| At { value: at.value.1, span: at.span };
        let (template, turn) = (matched.map(only), turn.map(only));
        let route = Self {
            settings,
            name,
            folded: template.as_ref().map(|template| template.value.folded()),
            lines: turn.as_ref().or(template.as_ref()).map(|template| template.value.folded()),
            template,
            turn,
            header: section.header.clone(),
            places: section.places(),
        };
        for key in ["name", "match"] {
            if section.lacks(key) {
                let help = if key == "name" {
                    "It stands in messages, metrics and the audit."
                } else {
                    "It says which paths the route is for, as match = \"/orders/{id}\"."
                };
                let missing = format!("a route without `{key}`");
                section.reader.push(
                    Diagnostic::new(Level::Error, Some(route.header.clone()), missing)
                        .label("of this route")
                        .help(help),
                );
            }
        }
        route
    }

    /// Whether the file sets this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// Where a key stands; if it does not, where the route begins.
    pub(super) fn key(&self, key: &str) -> Range<usize> {
        self.places.get(key).map_or_else(|| self.header.clone(), |place| place.key.clone())
    }

    /// Where the value of a key stands; if it does not, where the route begins.
    pub(super) fn value(&self, key: &str) -> Range<usize> {
        self.places.get(key).map_or_else(|| self.header.clone(), |place| place.value.clone())
    }

    /// Its name for messages.
    pub(super) fn label(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(|| "without a name".to_owned(), |name| format!("`{}`", shown(&name.shown)))
    }
}

fn settings(
    section: &mut Section<'_, '_>,
    name: Option<&Text>,
    matched: Option<&At<(Text, Template)>>,
    turn: Option<&At<(Text, Template)>>,
) -> RouteSettings {
    let written = |at: &At<(Text, Template)>| at.value.0.value.clone();
    let name = name.map(|name| name.value.clone()).unwrap_or_default();
    let default = RouteSettings::new(name, matched.map(written).unwrap_or_default());
    RouteSettings {
        to: section
            .take("to", |i| word(i, &[("upstream", To::Upstream), ("store", To::Store)]))
            .unwrap_or(default.to),
        mode: section.take("mode", mode),
        evaluate: section
            .take("evaluate", |i| {
                word(i, &[("gateway", Evaluate::Gateway), ("upstream", Evaluate::Upstream)])
            })
            .unwrap_or(default.evaluate),
        methods: section.take("methods", methods),
        writers: section
            .take("writers", |i| word(i, &[("any", Writers::Any), ("gateway-only", Writers::GatewayOnly)]))
            .unwrap_or(default.writers),
        digest: section.take("digest", digest).unwrap_or(default.digest),
        turn: turn.map(written),
        identity: section.take("identity", identity).unwrap_or(default.identity),
        star: section.take("allow_star", star).unwrap_or(default.star),
        stale_status: section.take("stale_status", stale_status).unwrap_or(default.stale_status),
        keep_cache: section
            .take("cache", |i| word(i, &[("no-cache", false), ("keep", true)]))
            .unwrap_or(default.keep_cache),
        read_back: section.take("read_back", boolean).unwrap_or(default.read_back),
        method_override: section.take("method_override", boolean).unwrap_or(default.method_override),
        check_authorization: section.take("check_authorization", authorization),
        upgrade: section.take("upgrade", upgrade).unwrap_or(default.upgrade),
        content_bytes_max: section.take("content_bytes_max", |i| size(i, CONTENT_BYTES)),
        digest_bytes_max: section.take("digest_bytes_max", |i| size_held(i, DIGEST_BYTES)),
        check_max: section.take("check_max", duration),
        answer_max: section.take("answer_max", duration),
        late_write_max: section.take("late_write_max", duration),
        ..default
    }
}

pub(super) fn mode(item: &Item<'_>) -> Reading<Mode> {
    word(item, &[Mode::Off, Mode::Observe, Mode::Warn, Mode::Enforce].map(|mode| (mode.name(), mode)))
}

fn route_name(item: &Item<'_>) -> Reading<Text> {
    let text = item.text("a name")?;
    let plain = text.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if text.value.is_empty() || !plain || text.value.len() > NAME_LENGTH_MAX {
        let label = format!("expected 1 to {NAME_LENGTH_MAX} letters, digits, - _ or .");
        return Err(vec![text.wrong(label).help("The name stands in metrics and in the audit.")]);
    }
    if text.value == DEFAULT_ROUTE {
        let help = "It is what paths are called that no route matches.";
        return Err(vec![text.wrong("this name is taken").help(help)]);
    }
    Ok(text)
}

fn template(item: &Item<'_>) -> Reading<(Text, Template)> {
    let text = item.text("a path template, as \"/orders/{id}\"")?;
    let template = Template::parse(&text).map_err(|wrong| vec![wrong])?;
    Ok((text, template))
}

fn methods(item: &Item<'_>) -> Reading<Vec<Method>> {
    const EXPECTED: &str = "a list of methods, as [\"PUT\", \"PATCH\"]";
    let methods = item.each(EXPECTED, LIST_MAX, |member| {
        let text = member.text("a method")?;
        let known = Method::from_bytes(text.value.as_bytes()).ok().filter(is_registered);
        let Some(method) = known else {
            let upper = text.value.to_ascii_uppercase();
            let meant = Method::from_bytes(upper.as_bytes()).ok().filter(is_registered);
            let meant = meant.filter(|_| !text.is_substituted()).map(|meant| format!("\"{meant}\""));
            let wrong = text.wrong("not a registered method").suggest(meant);
            return Err(vec![
                wrong.help("Unregistered methods are answered with 501: nobody knows what they do."),
            ]);
        };
        if MethodClass::of(&method) != MethodClass::Write {
            let wrong = text.wrong("this method changes nothing");
            return Err(vec![wrong.help("Only writes need a condition; reads pass.")]);
        }
        Ok(At { value: method, span: text.span })
    })?;
    if methods.is_empty() {
        let wrong = Wrong::new(item.span.clone(), "a list without methods");
        let help =
            "Leave it out to guard all writes but POST; to require nothing, set mode = \"warn\" or \"off\".";
        return Err(vec![wrong.help(help)]);
    }
    unique(methods)
}

/// The values, if no two are equal.
fn unique<T: PartialEq>(members: Vec<At<T>>) -> Reading<Vec<T>> {
    let mut values = Vec::with_capacity(members.len());
    let mut twice = Vec::new();
    for At { value, span } in members {
        if values.contains(&value) {
            twice.push(Wrong::new(span, "is in the list already"));
        } else {
            values.push(value);
        }
    }
    if twice.is_empty() { Ok(values) } else { Err(twice) }
}

fn digest(item: &Item<'_>) -> Reading<DigestSource> {
    let words = [
        ("content", DigestSource::Content),
        ("etag", DigestSource::Etag),
        ("last-modified", DigestSource::LastModified),
        ("none", DigestSource::None),
        ("json:/POINTER", DigestSource::Json(String::new())),
    ];
    let text = item.text("\"content\", \"json:/POINTER\", \"etag\", \"last-modified\" or \"none\"")?;
    if let Some(pointer) = text.value.strip_prefix("json:") {
        if !is_json_pointer(pointer) {
            let label = "expected a JSON pointer after json:, as \"json:/version\"";
            return Err(vec![
                text.wrong(label).help("RFC 6901: it begins with a slash; ~ is written ~0 and / is ~1."),
            ]);
        }
        return Ok(DigestSource::Json(pointer.to_owned()));
    }
    let found = words[..4].iter().find(|(word, _)| *word == text.value);
    found.map(|(_, source)| source.clone()).ok_or_else(|| vec![no_such_word(&text, &words)])
}

/// RFC 6901, except the empty pointer: the whole content has a word of its own.
fn is_json_pointer(text: &str) -> bool {
    let mut rest = text.split('~');
    text.starts_with('/')
        && !text.chars().any(char::is_control)
        && rest.next().is_some()
        && rest.all(|after| after.starts_with(['0', '1']))
}

fn identity(item: &Item<'_>) -> Reading<Vec<Identity>> {
    const EXPECTED: &str = "\"query:NAME\", \"host\", \"principal\", \"cookie:NAME\" or \"header:NAME\"";
    let members = item.each(&format!("a list of {EXPECTED}"), LIST_MAX, |member| {
        let text = member.text(EXPECTED)?;
        let value = match text.value.split_once(':') {
            None if text.value == "host" => Identity::Host,
            None if text.value == "principal" => Identity::Principal,
            Some(("query", name)) if !name.is_empty() && !name.contains(['&', '=', '#']) => {
                Identity::Query(name.to_owned())
            }
            Some(("header", name)) => Identity::Header(field(&text, name)?),
            Some(("cookie", name)) if is_token(name) => Identity::Cookie(name.to_owned()),
            _ => return Err(vec![text.wrong(format!("expected {EXPECTED}"))]),
        };
        Ok(At { value, span: text.span })
    })?;
    unique(members)
}

/// A request field that can tell resources apart.
fn field(text: &Text, name: &str) -> Reading<HeaderName> {
    let name: HeaderName = name.parse().map_err(|_| vec![text.wrong("not the name of a field")])?;
    let instead = match name {
        AUTHORIZATION => "principal",
        HOST => "host",
        COOKIE => {
            let wrong = text.wrong("a cookie changes whenever anything in it does");
            return Err(vec![wrong.help("Name the one that counts: \"cookie:NAME\".")]);
        }
        _ if !is_sent_on(&name) => {
            let wrong = text.wrong("the upstream is not sent this field as it came");
            return Err(vec![
                wrong.help("What tells resources apart has to be what the upstream tells them apart by."),
            ]);
        }
        _ => return Ok(name),
    };
    Err(vec![text.wrong("this field has a word of its own").suggest(Some(format!("\"{instead}\"")))])
}

fn star(item: &Item<'_>) -> Reading<Star> {
    match item.as_boolean() {
        Some(allowed) => Ok(if allowed { Star::Allowed } else { Star::Refused }),
        None => match item.as_text() {
            Some(text) if text.as_ref().is_ok_and(|text| text.value == "with-reason") => Ok(Star::WithReason),
            Some(Err(wrong)) => Err(wrong),
            _ => item.wrong("expected true, false or \"with-reason\""),
        },
    }
}

fn stale_status(item: &Item<'_>) -> Reading<StaleStatus> {
    match item.as_integer() {
        Some(Ok(412)) => Ok(StaleStatus::PreconditionFailed),
        Some(Ok(409)) => Ok(StaleStatus::Conflict),
        _ => item.wrong("expected 412 or 409"),
    }
}

fn authorization(item: &Item<'_>) -> Reading<HeaderValue> {
    let text = item.text("the value of Authorization, as \"Bearer ${TOKEN}\"")?;
    let is_plain = text.value.bytes().all(|b| (0x20..0x7f).contains(&b)) && text.value.trim() == text.value;
    let value = HeaderValue::from_str(&text.value).ok().filter(|_| is_plain && !text.value.is_empty());
    let Some(mut value) = value else {
        return Err(vec![text.wrong("not the value of a field").help(
            "Printable ASCII, without white space at its ends; a variable that was read from a file may end with a line break.",
        )]);
    };
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 9110, Section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn upgrade(item: &Item<'_>) -> Reading<Vec<String>> {
    let members = item.each("a list of protocols, as [\"websocket\"]", LIST_MAX, |member| {
        let text = member.text("a protocol")?;
        let (name, version) = text.value.split_once('/').unwrap_or((&text.value, "1"));
        if !is_token(name) || !is_token(version) {
            return Err(vec![text.wrong("not the name of a protocol")]);
        }
        if name.eq_ignore_ascii_case("h2c") {
            let wrong = text.wrong("h2c would carry writes past the gateway");
            return Err(vec![wrong.help("Only protocols that carry no HTTP can be let through.")]);
        }
        Ok(At { value: text.value.to_ascii_lowercase(), span: text.span })
    })?;
    unique(members)
}
