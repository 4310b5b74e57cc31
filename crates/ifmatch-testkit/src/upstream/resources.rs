//! What is there, and what methods do with it.

use super::habits::{Cache, Coding, Habits, Negotiation, Shows, Stores, Tags};
use super::request::Request;
use super::shared::{Shared, State};
use super::{gzip, json};
use crate::dates;

/// When the first write happened, in Unix seconds; each later one is a second later.
const FIRST_WRITE: i64 = 1_700_000_000;

/// A resource.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) content: Vec<u8>,
    pub(super) content_type: String,
    /// The number of the write that made it.
    pub(super) revision: u64,
}

/// An answer before it is framed.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
    pub(super) content: Vec<u8>,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, fields: Vec::new(), content: Vec::new() }
    }

    fn said(status: u16, words: &str) -> Self {
        Self::new(status).with("Content-Type", "text/plain").showing(format!("{words}\n").into_bytes())
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn showing(mut self, content: Vec<u8>) -> Self {
        self.content = content;
        self
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.0 == name).map(|field| field.1.as_str())
    }
}

impl State {
    pub(super) fn write(&mut self, name: &str, content: Vec<u8>, content_type: &str) -> Resource {
        self.revision += 1;
        let content_type = content_type.to_owned();
        let resource = Resource { content, content_type, revision: self.revision };
        self.resources.insert(name.to_owned(), resource.clone());
        resource
    }

    fn habits(&self, path: &str) -> Habits {
        self.habits.get(path).unwrap_or(&self.usual).clone()
    }
}

/// Does what a request asks for. `None` when the server ended meanwhile.
pub(super) fn perform(shared: &Shared, request: &Request) -> Option<Reply> {
    let name = shared.name(request);
    match request.method.as_str() {
        "GET" | "HEAD" => Some(show(shared, request, &name)),
        "PUT" | "PATCH" | "POST" | "DELETE" => change(shared, request, &name),
        "COPY" | "MOVE" => Some(transfer(shared, request, &name)),
        "OPTIONS" => Some(Reply::new(204).with("Allow", "GET, HEAD, PUT, PATCH, POST, DELETE")),
        "MKCOL" => Some(Reply::new(201)),
        "PROPFIND" | "REPORT" | "SEARCH" | "QUERY" => {
            let text = b"<multistatus xmlns=\"DAV:\"/>\n".to_vec();
            Some(Reply::new(207).with("Content-Type", "application/xml").showing(text))
        }
        _ => Some(Reply::said(501, "no such method")),
    }
}

fn show(shared: &Shared, request: &Request, name: &str) -> Reply {
    let mut state = shared.state();
    let habits = state.habits(request.path());
    let age = match habits.cache {
        Cache::Absent => None,
        Cache::Honest(_) if request.has_token("cache-control", "no-cache") => None,
        Cache::Honest(age) | Cache::Stubborn(age) => Some(age),
    };
    if let (Some(age), Some(cached)) = (age, state.cached.get(name)) {
        return cached.clone().with("Age", &age.to_string());
    }
    let Some(resource) = state.resources.get(name) else { return Reply::said(404, "nothing here") };
    let mut reply = shown(&habits, resource, request);
    let is_known = |tag: &str| request.has_token("if-none-match", tag);
    if habits.evaluates && reply.value("ETag").is_some_and(is_known) {
        reply = Reply { status: 304, content: Vec::new(), ..reply };
    } else if habits.cache != Cache::Absent {
        state.cached.insert(name.to_owned(), reply.clone());
    }
    reply.fields.extend(habits.fields);
    reply
}

/// The representation that a request gets to see.
fn shown(habits: &Habits, resource: &Resource, request: &Request) -> Reply {
    let mut content = resource.content.clone();
    let mut content_type = resource.content_type.clone();
    let mut vary = Vec::new();
    if !habits.hidden.is_empty()
        && let Some(mut members) = std::str::from_utf8(&content).ok().and_then(json::members)
    {
        members.retain(|(name, _)| !habits.hidden.contains(name));
        content = json::object(&members).into_bytes();
    }
    let wants = |name: &str, what: &str| {
        let first = request.value(name).unwrap_or_default();
        first.trim_start().to_ascii_lowercase().starts_with(what)
    };
    if habits.accept != Negotiation::Ignored && wants("accept", "text/plain") {
        content.splice(..0, *b"as text: ");
        "text/plain".clone_into(&mut content_type);
    }
    if habits.language != Negotiation::Ignored && wants("accept-language", "de") {
        content.splice(..0, *b"de: ");
    }
    if habits.accept == Negotiation::Told {
        vary.push("Accept");
    }
    if habits.language == Negotiation::Told {
        vary.push("Accept-Language");
    }
    let is_coded = match habits.coding {
        Coding::Identity => false,
        Coding::Always => true,
        Coding::Negotiated => {
            vary.push("Accept-Encoding");
            let accepted = request.values("accept-encoding").concat();
            let accepted = String::from_utf8_lossy(&accepted).to_ascii_lowercase();
            accepted.contains("gzip") && !accepted.replace(' ', "").contains("gzip;q=0")
        }
    };
    let mut reply = Reply::new(200).with("Content-Type", &content_type);
    if let Some(tag) = tag(habits, resource.revision, &content, is_coded) {
        reply = reply.with("ETag", &tag);
    }
    if !habits.is_undated {
        reply = reply.with("Last-Modified", &date(resource.revision));
    }
    if !vary.is_empty() {
        reply = reply.with("Vary", &vary.join(", "));
    }
    if is_coded {
        return reply.with("Content-Encoding", "gzip").showing(gzip::wrapped(&content));
    }
    reply.showing(content)
}

fn date(revision: u64) -> String {
    dates::imf_fixdate(FIRST_WRITE.saturating_add_unsigned(revision))
}

fn tag(habits: &Habits, revision: u64, content: &[u8], is_coded: bool) -> Option<String> {
    let coding = if is_coded { "-gzip" } else { "" };
    match &habits.tags {
        Tags::Absent => None,
        Tags::Fixed(tag) => Some(tag.clone()),
        Tags::Revision => Some(format!("\"r{revision}{coding}\"")),
        Tags::Content => Some(format!("\"{:016x}{coding}\"", hash(content))),
        Tags::Weak => Some(format!("W/\"{:016x}{coding}\"", hash(content))),
    }
}

/// FNV-1a: enough to tell a test's contents apart.
fn hash(content: &[u8]) -> u64 {
    content
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// PUT, PATCH, POST (which appends) and DELETE.
fn change(shared: &Shared, request: &Request, name: &str) -> Option<Reply> {
    let mut state = shared.state();
    let habits = state.habits(request.path());
    let current = state.resources.get(name).cloned();
    let says_which = ["if-match", "if-none-match"].iter().any(|name| request.value(name).is_some());
    if habits.requires && request.method != "POST" && !says_which {
        return Some(Reply::said(428, "a condition is needed"));
    }
    if habits.evaluates && !admits(&habits, request, current.as_ref()) {
        return Some(Reply::said(412, "the condition is false"));
    }
    if let Some(window) = &habits.window {
        // What was seen may not be there any more afterwards; it is written all the same.
        drop(state);
        if !window.pass() {
            return None;
        }
        state = shared.state();
    }
    let content = match (request.method.as_str(), &current) {
        ("DELETE" | "PATCH", None) => return Some(Reply::said(404, "nothing here")),
        ("DELETE", Some(_)) => {
            state.resources.remove(name);
            drop(state);
            shared.tell();
            return Some(Reply::new(204));
        }
        ("PATCH", Some(current)) => match patched(&current.content, &request.content) {
            Some(content) => content,
            None => return Some(Reply::said(409, "no JSON object, or no merge patch")),
        },
        ("POST", Some(current)) => [&current.content[..], &request.content].concat(),
        _ => request.content.clone(),
    };
    let content_type = match (request.method.as_str(), &current) {
        ("PATCH" | "POST", Some(current)) => current.content_type.clone(),
        _ => request.value("content-type").unwrap_or("application/json").to_owned(),
    };
    let resource = state.write(name, stored(habits.stores, content), &content_type);
    drop(state);
    shared.tell();
    Some(written(&habits, &resource, request, current.is_some()))
}

fn patched(current: &[u8], patch: &[u8]) -> Option<Vec<u8>> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    json::merged(text(current)?, text(patch)?).map(String::into_bytes)
}

fn stored(stores: Stores, mut content: Vec<u8>) -> Vec<u8> {
    match stores {
        Stores::AsSent => {}
        Stores::WithNewline => content.push(b'\n'),
        Stores::SortedJson => {
            if let Some(mut members) = std::str::from_utf8(&content).ok().and_then(json::members) {
                members.sort();
                content = json::object(&members).into_bytes();
            }
        }
    }
    content
}

fn written(habits: &Habits, resource: &Resource, request: &Request, existed: bool) -> Reply {
    let status = if existed { 204 } else { 201 };
    match habits.shows {
        Shows::Nothing => Reply::new(status),
        Shows::Tag => {
            let mut reply = Reply::new(status);
            let shown = shown(habits, resource, request);
            reply.fields = shown.fields.into_iter().filter(|(name, _)| name != "Content-Type").collect();
            reply
        }
        Shows::Representation => {
            let status = if existed { 200 } else { 201 };
            Reply { status, ..shown(habits, resource, request) }
        }
    }
}

/// Whether If-Match and If-None-Match let a write through.
fn admits(habits: &Habits, request: &Request, current: Option<&Resource>) -> bool {
    let tag = current.and_then(|resource| shown(habits, resource, request).value("ETag").map(str::to_owned));
    let names = |field: &str| {
        request.has_token(field, "*") && current.is_some()
            || tag.as_ref().is_some_and(|tag| request.has_token(field, tag))
    };
    let is_weak = tag.as_ref().is_some_and(|tag| tag.starts_with("W/"));
    let matches = names("if-match") && (!is_weak || request.has_token("if-match", "*"));
    (request.values("if-match").is_empty() || matches) && !names("if-none-match")
}

/// COPY and MOVE, to the path of `Destination`.
fn transfer(shared: &Shared, request: &Request, name: &str) -> Reply {
    let Some(destination) = request.value("destination") else {
        return Reply::said(400, "no Destination");
    };
    let path = destination.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    let path = path.unwrap_or(destination).to_owned();
    let mut state = shared.state();
    let Some(resource) = state.resources.get(name).cloned() else {
        return Reply::said(404, "nothing here");
    };
    let existed = state.resources.contains_key(&path);
    if request.method == "MOVE" {
        state.resources.remove(name);
    }
    state.write(&path, resource.content, &resource.content_type);
    drop(state);
    shared.tell();
    Reply::new(if existed { 204 } else { 201 })
}
