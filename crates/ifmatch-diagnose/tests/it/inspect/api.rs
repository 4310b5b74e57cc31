//! A sound API, and what a test makes of it.

use ifmatch_client::wire::{Access, Url};
use ifmatch_diagnose::inspect::{Inspection, Plan, Severity, Trouble, inspect};
use ifmatch_testkit::dates::imf_fixdate;
use ifmatch_testkit::upstream::{Answer, Course, Request, Scripted};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Where the resource is.
pub(super) const PATH: &str = "/items/1";

/// Its content.
pub(super) const CONTENT: &[u8] = b"{\"name\":\"a\",\"stock\":2}";

/// Its tag.
pub(super) const TAG: &str = "\"7\"";

/// The page that uses it.
pub(super) const ORIGIN: &str = "https://app.example";

/// What is answered.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
    pub(super) content: Vec<u8>,
}

impl Reply {
    fn new(status: u16) -> Self {
        let fields = vec![("Date".to_owned(), imf_fixdate(now()))];
        Self { status, fields, content: Vec::new() }
    }

    /// With this field and no other of its name.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self
    }

    pub(super) fn content(mut self, content: &[u8]) -> Self {
        self.content = content.to_vec();
        self
    }

    /// With that tag, if it has one.
    pub(super) fn tagged(self, tag: &str) -> Self {
        if self.fields.iter().any(|(name, _)| name == "ETag") { self.with("ETag", tag) } else { self }
    }

    /// As it would be compressed.
    pub(super) fn coded(self, tag: &str) -> Self {
        let content = [b"\x1f\x8b", &self.content[..]].concat();
        self.with("Content-Encoding", "gzip").tagged(tag).content(&content)
    }
}

/// How far a test is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Requests before this one.
    pub(super) number: usize,
    /// Whether a PUT was accepted.
    pub(super) is_written: bool,
}

/// What a test makes of the sound answer.
pub(super) type Change = fn(&Request, Now, Reply) -> Reply;

/// Seconds of Unix time.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

pub(super) fn has(request: &Request, name: &str) -> bool {
    !request.values(name).is_empty()
}

/// Whether a list of tags in a field has this one, weakly compared.
fn names(request: &Request, field: &str, tag: &str) -> bool {
    request
        .value(field)
        .is_some_and(|list| list.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
}

/// What a sound API answers.
fn sound(request: &Request) -> Reply {
    let browser = |reply: Reply| match request.value("origin") {
        Some(ORIGIN) => reply
            .with("Access-Control-Allow-Origin", ORIGIN)
            .with("Access-Control-Allow-Credentials", "true")
            .with("Access-Control-Expose-Headers", "Location, ETag"),
        _ => reply,
    };
    let shown = Reply::new(200)
        .with("Content-Type", "application/json")
        .with("ETag", TAG)
        .with("Cache-Control", "no-cache")
        .with("Vary", "Origin")
        .content(CONTENT);
    let is_stale = has(request, "if-match") && request.value("if-match") != Some(TAG);
    browser(match (request.method.as_str(), request.path()) {
        ("GET" | "HEAD", PATH) if is_stale => Reply::new(412),
        ("GET" | "HEAD", PATH) if names(request, "if-none-match", TAG) => {
            Reply { status: 304, ..shown.content(b"") }
        }
        ("GET" | "HEAD", PATH) => shown,
        ("PUT", PATH) if !has(request, "if-match") => Reply::new(428),
        ("PUT", PATH) if is_stale => Reply::new(412),
        ("PUT", PATH) => Reply::new(204).with("ETag", TAG),
        ("OPTIONS", PATH) => Reply::new(204)
            .with("Access-Control-Allow-Methods", "PUT, PATCH, DELETE")
            .with("Access-Control-Allow-Headers", "Content-Type, If-Match"),
        ("GET", "/items/") => shown
            .without("ETag")
            .content(b"[{\"id\":1,\"etag\":\"\\\"7\\\"\"},{\"id\":2,\"etag\":\"\\\"1\\\"\"}]"),
        _ => Reply::new(404),
    })
}

/// A sound API with a change.
pub(super) fn serve(change: Change) -> Scripted {
    let upstream = Scripted::start().unwrap();
    let (number, is_written) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    upstream.script(move |request| {
        let now = Now {
            number: number.fetch_add(1, Ordering::Relaxed),
            is_written: is_written.load(Ordering::Relaxed),
        };
        let Reply { status, fields, content } = change(request, now, sound(request));
        if request.method == "PUT" && status < 300 {
            is_written.store(true, Ordering::Relaxed);
        }
        Some(Course::usual().answer(Answer::Status(status, fields, content)))
    });
    upstream
}

pub(super) fn url(upstream: &Scripted) -> Url {
    Url::parse(&format!("{}{PATH}", upstream.url())).unwrap()
}

/// Runs one.
pub(super) fn run(plan: &Plan) -> Result<Inspection, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(inspect(plan, &Access::default()))
}

/// Everything that can be tested, through a proxy that does not change anything.
pub(super) fn everything(direct: &Scripted, via: &Scripted) -> Plan {
    let mut plan = Plan::new(url(direct));
    plan.origin = Some(ORIGIN.to_owned());
    plan.via = Some(Url::parse(&via.url()).unwrap());
    plan.max_age = Some(Duration::ZERO);
    plan.after_write = true;
    plan
}

/// The codes that were found, each with its weight.
pub(super) fn codes(inspection: &Inspection) -> Vec<(&'static str, Severity)> {
    inspection.findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}
