//! The run: what is sent, what was seen, what is said.

use super::facts;
use super::found::{Found, clean};
use super::report::{Check, First, Inspection, Severity, State, Validators};
use super::{CONTENT_BYTES_MAX, Plan, REQUESTS_MAX, Trouble, shown};
use http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED};
use http::{Method, StatusCode};
use ifmatch_client::wire::{Access, Answer, Http, Request};
use ifmatch_client::{Tag, secret};

/// What is said if a write in between would explain what was seen.
pub(super) const CHANGED: &str = "it changed while it was looked at: look again when nobody writes";

/// Why a check says nothing.
pub(super) type Why = String;

/// Told how many requests were sent, before each of them.
pub(super) type Watch<'a> = &'a (dyn Fn(usize) + Sync);

/// The run.
pub(super) struct Look<'a> {
    pub(super) plan: &'a Plan,
    access: Access,
    http: Http,
    watch: Watch<'a>,
    sent: usize,
    unanswered: usize,
    /// Of them those that have a sentence of their own.
    untested: usize,
    /// Sentences for the end: what was asked for and could not be tested, and what was done besides.
    remarks: Vec<String>,
    redirected_from: Option<String>,
    /// The representation that everything is compared with.
    pub(super) base: Answer,
    first: First,
    /// Why nothing can be compared with it, once that was seen: the reads showed different things, or nothing.
    pub(super) unsteady: Option<Why>,
    /// The line by which a cache said that it answered by itself, if one has.
    pub(super) hit: Option<String>,
    /// Whether If-Match is evaluated on reads, once that is known.
    pub(super) judges_reads: Option<bool>,
    checks: Vec<Check>,
    findings: Vec<super::Finding>,
}

impl<'a> Look<'a> {
    /// The first read.
    pub(super) async fn begin(plan: &'a Plan, access: &Access, watch: Watch<'a>) -> Result<Self, Trouble> {
        let mut access = access.clone();
        access.limits.content_bytes_max = access.limits.content_bytes_max.min(CONTENT_BYTES_MAX);
        let mut http = access.connect()?;
        watch(1);
        let base = http.follow(&Request::get(plan.url.clone())).await?;
        if base.status != StatusCode::OK {
            let url = clean(&shown(&base.url, plan.show_secrets));
            return Err(Trouble::Status { url, status: base.status });
        }
        if base.url.origin() != plan.url.origin() {
            // What was meant for one origin is not sent to another.
            access = nameless(&access);
            http = access.connect()?;
        }
        let redirected_from = (!base.hops.is_empty()).then(|| shown(&plan.url, plan.show_secrets));
        let first = First {
            status: base.status.as_u16(),
            version: format!("{:?}", base.version),
            took_ms: u64::try_from(base.took.as_millis()).unwrap_or(u64::MAX),
            content_type: base.text(CONTENT_TYPE).map(clean),
            content_bytes: base.content.len(),
            through: facts::through(&base.headers),
        };
        let hit = facts::hit(&base.headers);
        Ok(Self {
            plan,
            access,
            watch,
            hit,
            http,
            sent: 1 + base.hops.len(),
            unanswered: 0,
            redirected_from,
            base,
            first,
            unsteady: None,
            untested: 0,
            remarks: Vec::new(),
            judges_reads: None,
            checks: Vec::new(),
            findings: Vec::new(),
        })
    }

    /// A GET of the resource.
    pub(super) fn get(&self) -> Request {
        Request::get(self.base.url.clone())
    }

    /// A GET of the resource with a field.
    pub(super) fn get_with(&self, name: HeaderName, value: &str) -> Request {
        // What is put into fields here is ours, or came out of a field.
        let value = HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""));
        self.get().with(name, value)
    }

    /// The tag of the representation that everything is compared with.
    pub(super) fn tag(&self) -> Option<Tag> {
        self.base.tag()
    }

    /// The same, if it can be sent in If-Match.
    pub(super) fn strong_tag(&self) -> Option<Tag> {
        self.tag().filter(|tag| !tag.is_weak())
    }

    /// Sends a request on the connection that was used before.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Answer, Why> {
        let http = self.http.clone();
        self.send(&http, request).await
    }

    /// Sends it over a new connection.
    pub(super) async fn ask_anew(&mut self, request: &Request) -> Result<Answer, Why> {
        let http = self.access.connect().map_err(|error| error.to_string())?;
        self.send(&http, request).await
    }

    /// Sends it over a new connection, without credentials.
    pub(super) async fn ask_nameless(&mut self, request: &Request) -> Result<Answer, Why> {
        let http = nameless(&self.access).connect().map_err(|error| error.to_string())?;
        self.send(&http, request).await
    }

    /// [`ask`](Self::ask), for an answer with status 200.
    pub(super) async fn read(&mut self, request: &Request) -> Result<Answer, Why> {
        let answer = self.ask(request).await?;
        match answer.status {
            StatusCode::OK => Ok(answer),
            status => Err(format!("answered {}", status.as_u16())),
        }
    }

    /// Follows redirects, and takes any status.
    pub(super) async fn follow(&mut self, request: &Request) -> Result<Answer, Why> {
        self.count()?;
        let http = self.http.clone();
        let answer = http.follow(request).await;
        self.judge(request, answer.map_err(|error| error.to_string()))
    }

    /// Whether what everything is compared with is still there. Asked before something is called wrong that a write in
    /// between would explain as well.
    pub(super) async fn is_still_there(&mut self) -> bool {
        let base = self.base.clone();
        self.is_still(&base).await
    }

    /// The same of another answer, to a GET without conditions.
    pub(super) async fn is_still(&mut self, earlier: &Answer) -> bool {
        let now = self.read(&Request::get(earlier.url.clone())).await;
        let is_still = now.is_ok_and(|now| now.tag() == earlier.tag() && now.content == earlier.content);
        if !is_still && self.unsteady.is_none() {
            self.unsteady = Some(CHANGED.to_owned());
        }
        is_still
    }

    async fn send(&mut self, http: &Http, request: &Request) -> Result<Answer, Why> {
        self.count()?;
        let answer = http.send(request).await;
        self.judge(request, answer.map_err(|error| error.to_string()))
    }

    fn count(&mut self) -> Result<(), Why> {
        if self.sent >= REQUESTS_MAX {
            return Err(format!("{REQUESTS_MAX} requests were sent, which is the limit"));
        }
        self.sent += 1;
        (self.watch)(self.sent);
        Ok(())
    }

    /// An answer that says something; 501 does, about the method. Whoever could read the resource a moment ago learns
    /// nothing from a 401 now.
    fn judge(&mut self, request: &Request, answer: Result<Answer, Why>) -> Result<Answer, Why> {
        let answer = answer.inspect_err(|_| self.unanswered += 1)?;
        let status = answer.status.as_u16();
        let is_same = request.url == self.base.url;
        let is_shut_out = is_same
            && match request.method {
                Method::GET => matches!(status, 401 | 403 | 407),
                Method::HEAD => matches!(status, 401 | 407),
                _ => false,
            };
        if is_shut_out || status == 429 || (status >= 500 && status != 501) {
            self.unanswered += 1;
            return Err(format!("answered {status}"));
        }
        if self.hit.is_none() && answer.status == StatusCode::OK && answer.url == self.base.url {
            self.hit = facts::hit(&answer.headers);
        }
        Ok(answer)
    }

    /// A sentence for the end.
    pub(super) fn remark(&mut self, sentence: &str) {
        self.remarks.push(sentence.to_owned());
    }

    /// Something that was asked for could not be tested: a sentence about it for the end.
    pub(super) fn untested(&mut self, sentence: &str) {
        self.unanswered += 1;
        self.untested += 1;
        self.remarks.push(clean(sentence));
    }

    pub(super) fn ok(&mut self, what: &str, seen: impl AsRef<str>) {
        self.check(State::Ok, what, seen.as_ref(), None);
    }

    pub(super) fn unknown(&mut self, what: &str, why: impl AsRef<str>) {
        self.check(State::Unknown, what, why.as_ref(), None);
    }

    fn check(&mut self, state: State, what: &str, seen: &str, code: Option<&'static str>) {
        self.checks.push(Check { state, what: clean(what), seen: clean(seen), code });
    }

    pub(super) fn find(&mut self, found: Found) {
        self.check(found.severity.into(), &found.what, &found.seen, Some(found.code));
        let finding = found.told(&self.base.url, self.http.headers(), self.plan.show_secrets);
        self.findings.push(finding);
    }

    pub(super) fn has_found(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }

    /// What is said at the end.
    pub(super) fn end(mut self) -> Inspection {
        self.findings.sort_by_key(|finding| finding.severity);
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let (bad, warnings) = (count(Severity::Bad), count(Severity::Warn));
        let etag = joined(&self.base.headers);
        let etag_is = etag.is_some().then(|| match self.base.tag() {
            None => "malformed".to_owned(),
            Some(tag) if tag.is_weak() => "weak".to_owned(),
            Some(_) => "strong".to_owned(),
        });
        let unanswered = self.unanswered.saturating_sub(self.untested);
        let mut conclusion = conclusion(&self.findings, bad, warnings, unanswered);
        for remark in &self.remarks {
            conclusion += &format!(" {remark}");
        }
        Inspection {
            url: shown(&self.base.url, self.plan.show_secrets),
            redirected_from: self.redirected_from,
            first: self.first,
            validators: Validators { etag, etag_is, last_modified: self.base.text(LAST_MODIFIED).map(clean) },
            checks: self.checks,
            findings: self.findings,
            bad,
            warnings,
            requests: self.sent,
            unanswered: self.unanswered,
            conclusion,
        }
    }
}

/// All ETag lines.
fn joined(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(ETAG).iter().map(|line| clean(&String::from_utf8_lossy(line.as_bytes())));
    let lines = lines.collect::<Vec<_>>();
    (!lines.is_empty()).then(|| lines.join(", "))
}

fn conclusion(findings: &[super::Finding], bad: usize, warnings: usize, unanswered: usize) -> String {
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let mut parts = Vec::new();
    if bad > 0 {
        parts.push(plural(bad, "problem"));
    }
    if warnings > 0 {
        parts.push(plural(warnings, "warning"));
    }
    let counted = if parts.is_empty() {
        "Nothing wrong was seen.".to_owned()
    } else {
        format!("{}.", parts.join(", "))
    };
    let first = findings.iter().find(|finding| finding.severity == Severity::Bad);
    let gist = first.map(|finding| super::articles::gist(finding.code)).unwrap_or_default();
    let missing = match unanswered {
        0 => String::new(),
        count => format!(
            " {} got no answer that tells (401, 429, 5xx or none), so what is ? for that was not tested.",
            plural(count, "request")
        ),
    };
    format!("{counted}{}{gist}{missing}", if gist.is_empty() { "" } else { " " })
}

/// The same without credentials.
fn nameless(access: &Access) -> Access {
    let mut access = access.clone();
    let secrets = access.headers.keys().filter(|name| secret::is_secret_field(name.as_str()));
    for name in secrets.cloned().collect::<Vec<_>>() {
        access.headers.remove(name);
    }
    access
}
