//! Problem bodies (RFC 9457): enough for a client's developer to fix the call from the body alone.

use crate::conditions::{diagnose_field, echoed, received};
use crate::policy::{Dates, MethodClass, Policy, Requirement, Star};
use crate::problem::Code;
use crate::refusal::Refusal;
use crate::tag::TagProblem;
use http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, Method};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The media type of problem bodies.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The largest body.
const BODY_BYTES_MAX: usize = 8 << 10;

/// How much of what a request brought is repeated. What is cut is never offered as a link or a tag to send.
#[derive(Clone, Copy)]
struct Bounds {
    target_bytes_max: usize,
    /// Of a field value.
    echo_chars_max: usize,
    /// Of the method, and four times that of a detail.
    text_bytes_max: usize,
}

/// Tried in this order until the body is small enough.
const BOUNDS: [Bounds; 2] = [
    Bounds { target_bytes_max: 1024, echo_chars_max: 200, text_bytes_max: 256 },
    Bounds { target_bytes_max: 128, echo_chars_max: 40, text_bytes_max: 64 },
];

/// The request a problem is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its target as received or canonical, with its query and without authority.
    pub target: &'a str,
    /// Its header section.
    pub headers: &'a HeaderMap,
    /// The policy it was judged under, if it came that far.
    pub policy: Option<&'a Policy>,
    /// The id that the audit knows the request by, a UUID.
    pub request_id: &'a str,
}

/// The members common to all problems, in the order of the documentation. Members that do not apply are left out;
/// `applied` is always there.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    instance: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    applied: Option<bool>,
    method: &'a str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    did_you_mean: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    your_etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_etag: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<String>,
    retry: Retry<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Value>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Retry<'a> {
    same_request: bool,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<&'a str>,
}

/// The request as the body repeats it: cut where it is too long.
struct Shown<'a> {
    method: &'a str,
    /// Ends in dots if it is cut.
    target: Cow<'a, str>,
    /// The whole target; a part of one would name another resource.
    href: Option<&'a str>,
    about: &'a About<'a>,
    bounds: Bounds,
}

impl<'a> Shown<'a> {
    fn new(about: &'a About<'a>, bounds: Bounds) -> Self {
        let target = shortened(about.target, bounds.target_bytes_max);
        let method = shortened(about.method.as_str(), bounds.text_bytes_max);
        let href = (target.len() == about.target.len()).then_some(target);
        let target = href.map_or_else(|| format!("{target}...").into(), Cow::Borrowed);
        Self { method, target, href, about, bounds }
    }

    fn sent(&self, name: &HeaderName) -> Option<String> {
        received(self.about.headers, name, self.bounds.echo_chars_max)
    }

    fn requirement(&self) -> Option<Requirement> {
        self.about.policy.map(|policy| policy.requirement(self.about.method))
    }
}

/// Writes the body of a refusal: JSON, at most 8 KiB, with the same member names for all problems.
pub fn problem_body(refusal: &Refusal, about: &About<'_>) -> Vec<u8> {
    let bodies = BOUNDS.into_iter().map(|bounds| body(refusal, &Shown::new(about, bounds)));
    bodies.into_iter().find(|body| body.len() <= BODY_BYTES_MAX).unwrap_or_else(|| least(refusal, about))
}

fn body(refusal: &Refusal, about: &Shown<'_>) -> Vec<u8> {
    let code = refusal.code();
    let echo_chars_max = about.bounds.echo_chars_max;
    let fits = |text: &String| text.chars().nth(echo_chars_max).is_none();
    let (problem, did_you_mean) = match (code, refusal.subject()) {
        (Code::MalformedValidator, Some(field)) => {
            let (problem, meant) = diagnose_field(about.about.headers, field);
            let meant_field = if problem == TagProblem::DateInEtag { &IF_UNMODIFIED_SINCE } else { field };
            // A weak entity-tag is well-formed in If-Match and never true.
            let may_hold = |meant: &String| *meant_field != IF_MATCH || !meant.starts_with("W/");
            let meant = meant.filter(|meant| fits(meant) && may_hold(meant));
            (Some(problem), meant.map(|meant| json!({ spelled(meant_field): meant })))
        }
        _ => (None, None),
    };
    let body = Body {
        r#type: code.type_path(),
        title: refusal.title(),
        status: refusal.status().as_u16(),
        detail: detail(refusal, about, problem),
        instance: format!("urn:uuid:{}", about.about.request_id),
        code: code.name(),
        reason: refusal.reason().map(|r| r.name()),
        applied: code.applied(),
        method: about.method,
        target: &about.target,
        required: required(code, about),
        received: echo(refusal, about),
        problem: problem.map(TagProblem::name),
        did_you_mean,
        your_etag: (code == Code::StaleVersion).then(|| about.sent(&IF_MATCH)).flatten(),
        current_etag: refusal.etag().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).filter(fits),
        steps: steps(refusal, about),
        retry: Retry {
            same_request: code.same_request(),
            action: code.action(),
            after_seconds: refusal.retry_after_seconds(),
            href: about.href.filter(|_| matches!(code, Code::StaleVersion | Code::AlreadyExists)),
        },
        policy: about.about.policy.map(|p| {
            let route = shortened(&p.route, about.bounds.text_bytes_max);
            json!({ "route": route, "mode": p.mode.name() })
        }),
        request_id: about.about.request_id,
    };
    // Serialising owned strings and numbers into memory cannot fail.
    let mut text = serde_json::to_vec_pretty(&body).unwrap_or_default();
    // For those who read it in a terminal.
    text.push(b'\n');
    text
}

/// What is always there and nothing else, for requests that are long in every way at once.
fn least(refusal: &Refusal, about: &About<'_>) -> Vec<u8> {
    let code = refusal.code();
    let text = |text| shortened(text, 64).replace(char::is_control, " ");
    let request_id = text(about.request_id);
    let body = json!({
        "type": code.type_path(),
        "title": refusal.title(),
        "status": refusal.status().as_u16(),
        "detail": with_result(code.means().to_owned(), code, about.method),
        "instance": format!("urn:uuid:{request_id}"),
        "code": code.name(),
        "applied": code.applied(),
        "method": text(about.method.as_str()),
        "target": text(about.target),
        "retry": { "same_request": code.same_request(), "action": code.action() },
        "request_id": request_id,
    });
    body.to_string().into_bytes()
}

fn detail(refusal: &Refusal, about: &Shown<'_>, problem: Option<TagProblem>) -> String {
    let (method, target) = (about.method, &about.target);
    let sent = |name: &HeaderName| about.sent(name).unwrap_or_default();
    let sentence = match (refusal.own_detail(), refusal.code()) {
        (Some(own), _) => shortened(own, 4 * about.bounds.text_bytes_max).to_owned(),
        (None, Code::PreconditionRequired) => {
            let headers = about.about.headers;
            let missing = if headers.contains_key(IF_MATCH) { "names no version" } else { "is missing" };
            let unhelpful = [IF_NONE_MATCH, IF_MODIFIED_SINCE]
                .iter()
                .find(|n| headers.contains_key(*n))
                .map(|n| format!(" {}: {} does not protect a {method}.", spelled(n), sent(n)));
            format!(
                "{method} {target} needs an If-Match header so that it cannot overwrite a change you have not seen; it {missing}.{}",
                unhelpful.unwrap_or_default()
            )
        }
        (None, Code::OverwriteNotAllowed) => {
            format!(
                "{method} {target} came with If-Match: *, which would overwrite whatever is there, seen or not."
            )
        }
        (None, Code::NotAVersion) => format!(
            "If-Unmodified-Since: {} names no state of {target}: send the Last-Modified you received, or better the ETag in If-Match.",
            sent(&IF_UNMODIFIED_SINCE)
        ),
        (None, Code::MalformedValidator) => {
            let field = refusal.subject().unwrap_or(&IF_MATCH);
            let what = problem.unwrap_or(TagProblem::NotATag).explanation();
            format!(
                "{} must be entity-tags in double quotes. The value you sent, {}, {what}.",
                spelled(field),
                sent(field)
            )
        }
        (None, Code::StaleVersion) => stale_detail(refusal, about),
        (None, Code::AlreadyExists) => format!(
            "{target} exists already, and If-None-Match: {} asks that it does not.",
            sent(&IF_NONE_MATCH)
        ),
        (None, Code::NotFound) => format!("Nothing is stored at {target}."),
        (None, Code::MethodNotAllowed) => format!("{method} is not supported at {target}."),
        (None, Code::NotImplemented) => format!("{method} is not a method this server knows."),
        (None, code) => code.means().to_owned(),
    };
    with_result(sentence, refusal.code(), about.about.method)
}

/// A sentence, and what happened to the data.
fn with_result(sentence: String, code: Code, method: &Method) -> String {
    match code.applied() {
        Some(_) if MethodClass::of(method) != MethodClass::Write => sentence,
        Some(_) => format!("{sentence} Nothing was changed."),
        None => format!("{sentence} Whether it was applied is not known."),
    }
}

fn stale_detail(refusal: &Refusal, about: &Shown<'_>) -> String {
    use crate::problem::Reason;
    let field = refusal.subject().unwrap_or(&IF_MATCH);
    let sent = format!("You sent {} {}", spelled(field), about.sent(field).unwrap_or_default());
    let target = &about.target;
    let now = refusal.etag().map(|etag| echoed(etag.as_bytes(), about.bounds.echo_chars_max));
    match (refusal.reason(), now) {
        (Some(Reason::Gone), _) => format!("{sent}; nothing is stored at {target} (any more)."),
        (Some(Reason::WeakValidator), _) => {
            format!(
                "{sent}; a weak entity-tag (W/) never matches in If-Match. A proxy that compresses may have weakened it."
            )
        }
        (Some(Reason::WrongResource), Some(now)) => {
            format!("{sent}, which is the tag of another resource; {target} is at {now}.")
        }
        (_, Some(now)) => format!("{sent}; {target} is now {now}."),
        (_, None) => format!("{sent}; {target} is in another version now."),
    }
}

/// What would satisfy the route, for machines.
fn required(code: Code, about: &Shown<'_>) -> Option<Value> {
    if code.status() != http::StatusCode::PRECONDITION_REQUIRED {
        return None;
    }
    let requirement = about.requirement()?;
    let read = |field: &str| {
        let mut read = json!({ "method": "GET", "href": about.href, "response_header": field });
        if let (None, Some(members)) = (about.href, read.as_object_mut()) {
            members.remove("href");
        }
        read
    };
    let mut one_of = vec![json!({
        "header": "If-Match",
        "when": "you change or delete something that exists",
        "value_from": read("ETag"),
    })];
    if requirement == Requirement::VersionOrCreation {
        one_of.push(json!({ "header": "If-None-Match", "value": "*", "when": "you create it and it must not exist yet" }));
    }
    if about.about.policy.is_some_and(|policy| policy.dates == Dates::Evaluated) {
        let read = read("Last-Modified");
        one_of.push(json!({ "header": "If-Unmodified-Since", "when": "you have a Last-Modified but no ETag", "value_from": read }));
    }
    Some(json!({ "one_of": one_of }))
}

/// The condition fields as they came.
fn echo(refusal: &Refusal, about: &Shown<'_>) -> Option<Value> {
    let names: &[HeaderName] = match refusal.code() {
        Code::PreconditionRequired | Code::OverwriteNotAllowed | Code::NotAVersion => {
            &[IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE]
        }
        Code::MalformedValidator => std::slice::from_ref(refusal.subject()?),
        _ => return None,
    };
    let fields = names.iter().map(|n| (spelled(n).to_owned(), json!(about.sent(n))));
    Some(Value::Object(fields.collect::<Map<_, _>>()))
}

fn steps(refusal: &Refusal, about: &Shown<'_>) -> Vec<String> {
    let (method, target) = (about.method, &about.target);
    match refusal.code() {
        Code::PreconditionRequired | Code::OverwriteNotAllowed | Code::NotAVersion => {
            let mut steps = vec![
                format!("GET {target} with Cache-Control: no-cache and keep the ETag response header, quotes included"),
                "re-apply your change to the content you just read (do not re-send an old copy)".to_owned(),
                format!("{method} {target} with If-Match set to that ETag"),
            ];
            if about.requirement() == Some(Requirement::VersionOrCreation) {
                steps.push(format!("or, if it must not exist yet: {method} {target} with If-None-Match: *"));
            }
            let star = about.about.policy.map(|policy| policy.star);
            if refusal.code() == Code::OverwriteNotAllowed && star == Some(Star::WithReason) {
                steps.push(format!(
                    "or, to overwrite on purpose what you have not seen: {method} {target} with If-Match: * and, saying why, Precondition-Override"
                ));
            }
            steps
        }
        Code::StaleVersion if refusal.reason() == Some(crate::problem::Reason::Gone) => {
            let mut steps = vec![format!(
                "it was deleted, or never existed: ask whoever is responsible before you bring {target} back"
            )];
            // What needs a version is refused with this condition.
            let creates = MethodClass::of(about.about.method) == MethodClass::Write
                && about.requirement() != Some(Requirement::Version);
            if creates {
                steps.push(format!("to create it anew: {method} {target} with If-None-Match: *"));
            }
            steps
        }
        Code::StaleVersion => vec![
            format!("GET {target} with Cache-Control: no-cache and keep its new ETag"),
            "merge your change into the content you just read (sending your old content with the new tag would erase the other change)"
                .to_owned(),
            format!("{method} {target} with If-Match set to the new ETag"),
        ],
        Code::AlreadyExists => vec![
            format!("GET {target} and look at what is there"),
            "to change it, send your change with its ETag in If-Match; to create another one, use another name".to_owned(),
        ],
        _ => Vec::new(),
    }
}

/// At most so many octets of a text, cut between characters.
fn shortened(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// A field name as people write it.
fn spelled(name: &HeaderName) -> &'static str {
    match *name {
        IF_MATCH => "If-Match",
        IF_NONE_MATCH => "If-None-Match",
        IF_MODIFIED_SINCE => "If-Modified-Since",
        IF_UNMODIFIED_SINCE => "If-Unmodified-Since",
        _ => "field",
    }
}
