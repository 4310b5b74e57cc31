//! Web pages of another origin: they see only the fields that are exposed to them, and send If-Match only if a preflight
//! lets them (the CORS protocol of the Fetch standard).

use super::facts::{all, line, members, varies};
use super::found::Found;
use super::look::Look;
use super::report::Severity;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
    ORIGIN, VARY,
};
use http::{Method, StatusCode};
use ifmatch_client::wire::{Answer, Request};

const READS: &str = "a browser can read ETag";
const WRITES: &str = "a browser can send If-Match";

pub(super) async fn check(look: &mut Look<'_>) {
    let Some(origin) = look.plan.origin.clone() else {
        return look.unknown(READS, "not tested; --origin https://app.example tests it");
    };
    let is_readable = reads(look, &origin).await;
    if is_readable && look.tag().is_some() && look.unsteady.is_none() {
        not_modified(look, &origin).await;
    }
    preflight(look, &origin).await;
}

/// Whether pages may read the answer at all.
fn admits(headers: &HeaderMap, origin: &str) -> bool {
    all(headers, ACCESS_CONTROL_ALLOW_ORIGIN).is_some_and(|allowed| allowed == "*" || allowed == origin)
}

fn takes_credentials(headers: &HeaderMap) -> bool {
    all(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS).is_some_and(|said| said == "true")
}

async fn reads(look: &mut Look<'_>, origin: &str) -> bool {
    let request = look.get_with(ORIGIN, origin);
    let answer = match look.read(&request).await {
        Ok(answer) => answer,
        Err(why) => {
            look.unknown(READS, why);
            return false;
        }
    };
    let what = "a browser cannot read ETag";
    if !admits(&answer.headers, origin) {
        let shown = line(&answer.headers, &ACCESS_CONTROL_ALLOW_ORIGIN);
        let note = format!("a page of {origin} cannot read the answer at all");
        look.find(Found::bad("V007", what, "nor anything else of it", &request).mark(&shown, "", note));
        return false;
    }
    vary(look, &request, &answer, origin);
    if look.base.headers.get(ETAG).is_none() {
        look.unknown(READS, "there is none to read");
        return false;
    }
    let exposed = members(&answer.headers, ACCESS_CONTROL_EXPOSE_HEADERS);
    let shown = line(&answer.headers, &ACCESS_CONTROL_EXPOSE_HEADERS);
    if exposed.iter().any(|name| name == "etag") {
        look.ok(READS, format!("on {origin}"));
        return true;
    }
    if !exposed.iter().any(|name| name == "*") {
        let note = format!("without ETag in it, response.headers.get('ETag') is null on {origin}");
        look.find(Found::bad("V007", what, format!("on {origin}"), &request).mark(&shown, "", note));
        return false;
    }
    if takes_credentials(&answer.headers) {
        let note = "with credentials * is a name like any other, and exposes nothing";
        let found =
            Found::warn("V025", "a browser with cookies cannot read ETag", format!("on {origin}"), &request)
                .mark(&shown, "*", note)
                .mark(
                    &line(&answer.headers, &ACCESS_CONTROL_ALLOW_CREDENTIALS),
                    "true",
                    "cookies are welcome",
                );
        look.find(found);
    } else {
        look.ok(READS, format!("on {origin}, without cookies"));
    }
    true
}

/// A cache has to know that each origin gets an answer of its own, if that is so.
fn vary(look: &mut Look<'_>, request: &Request, answer: &Answer, origin: &str) {
    let allowed = |answer: &Answer| all(&answer.headers, ACCESS_CONTROL_ALLOW_ORIGIN);
    let is_kept = !members(&answer.headers, CACHE_CONTROL).iter().any(|member| member == "no-store");
    let is_reflected = allowed(answer).as_deref() == Some(origin) && allowed(&look.base) != allowed(answer);
    if !is_kept || !is_reflected || varies(answer, &ORIGIN) {
        return;
    }
    let note = "a cache may give this answer to pages of other origins, which then cannot read it";
    let found = Found::warn("V008", "Vary lacks Origin", "the Origin is repeated", request)
        .mark(&line(&answer.headers, &ACCESS_CONTROL_ALLOW_ORIGIN), origin, "without Origin it is not there")
        .mark(&line(&answer.headers, &VARY), "", note);
    look.find(found);
}

/// A 304 needs the same fields, or the page loses the tag when its cache revalidates.
async fn not_modified(look: &mut Look<'_>, origin: &str) {
    const WHAT: &str = "a 304 lets browsers read too";
    let Some(tag) = look.tag() else { return };
    let Ok(value) = HeaderValue::from_str(origin) else { return };
    let request = look.get_with(IF_NONE_MATCH, &tag.to_string()).with(ORIGIN, value);
    match look.ask(&request).await {
        Err(why) => look.unknown(WHAT, why),
        // Told elsewhere.
        Ok(answer) if answer.status != StatusCode::NOT_MODIFIED => {}
        Ok(answer) if admits(&answer.headers, origin) => look.ok(WHAT, format!("on {origin}")),
        Ok(answer) => {
            let shown = line(&answer.headers, &ACCESS_CONTROL_ALLOW_ORIGIN);
            let found =
                Found::warn("V036", "a 304 hides the answer from browsers", "no CORS fields", &request);
            look.find(found.mark(&shown, "", "the 200 has it; browsers may refuse what was revalidated"));
        }
    }
}

async fn preflight(look: &mut Look<'_>, origin: &str) {
    let value = HeaderValue::from_str(origin).unwrap_or_else(|_| HeaderValue::from_static("null"));
    let request = Request::new(Method::OPTIONS, look.base.url.clone())
        .with(ORIGIN, value)
        .with(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"))
        .with(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("content-type,if-match"));
    // Browsers send preflights without credentials.
    let answer = match look.ask_nameless(&request).await {
        Ok(answer) => answer,
        Err(why) => return look.unknown(WRITES, why),
    };
    let is_simple = look.base.text(CONTENT_TYPE).is_some_and(is_simple);
    match refused(&answer, origin, is_simple) {
        None => look.ok(WRITES, "the preflight allows PUT with it"),
        Some(Refused { severity, seen, shown, note }) => {
            let what = match severity {
                Severity::Bad => "a browser cannot send If-Match",
                Severity::Warn => "a browser with cookies cannot send If-Match",
            };
            look.find(Found::new(severity, "V024", what, &seen, &request).mark(&shown, "", note));
        }
    }
}

/// Whether pages may send content of this type without being allowed to say its type.
fn is_simple(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(&*essence, "text/plain" | "application/x-www-form-urlencoded" | "multipart/form-data")
}

/// Why a page may not send a PUT with If-Match.
struct Refused {
    /// A warning if it is so for requests with credentials only.
    severity: Severity,
    /// In short.
    seen: String,
    /// The line that says so.
    shown: String,
    /// What is with it.
    note: String,
}

/// Whether a page may not send a PUT with If-Match, and of a type that is not simple with Content-Type.
fn refused(answer: &Answer, origin: &str, is_simple: bool) -> Option<Refused> {
    let headers = &answer.headers;
    if !answer.status.is_success() {
        let status = answer.status.as_u16();
        return Some(Refused {
            severity: Severity::Bad,
            seen: format!("the preflight is answered {status}"),
            shown: format!("{:?} {status}", answer.version),
            note: "a preflight has to be answered 2xx".to_owned(),
        });
    }
    let of = |severity, name, note: String| {
        let shown = line(headers, &name);
        Some(Refused { severity, seen: shown.clone(), shown, note })
    };
    if !admits(headers, origin) {
        return of(Severity::Bad, ACCESS_CONTROL_ALLOW_ORIGIN, format!("pages of {origin} are not let in"));
    }
    // Methods are compared as they are written, names of fields are not.
    let methods = all(headers, ACCESS_CONTROL_ALLOW_METHODS).unwrap_or_default();
    let methods: Vec<_> = methods.split(',').map(str::trim).collect();
    let fields = members(headers, ACCESS_CONTROL_ALLOW_HEADERS);
    let field = |name: &str| fields.iter().any(|found| found == name);
    let is_any_method = methods.contains(&"*");
    let (has_put, has_if_match) = (methods.contains(&"PUT"), field("if-match"));
    let has_type = is_simple || field("content-type");
    if !has_put && !is_any_method {
        let is_lower = methods.iter().any(|method| method.eq_ignore_ascii_case("put"));
        let note = if is_lower { "PUT is written in capitals here too" } else { "PUT is not among them" };
        return of(Severity::Bad, ACCESS_CONTROL_ALLOW_METHODS, note.to_owned());
    }
    if !has_if_match && !field("*") {
        return of(Severity::Bad, ACCESS_CONTROL_ALLOW_HEADERS, "If-Match is not among them".to_owned());
    }
    if !has_type && !field("*") {
        let note = "Content-Type is not among them, so content of this type cannot be sent";
        return of(Severity::Bad, ACCESS_CONTROL_ALLOW_HEADERS, note.to_owned());
    }
    if !takes_credentials(headers) {
        return None;
    }
    let note = "cookies are welcome, and with them * is a name like any other, and allows nothing";
    if !has_put {
        of(Severity::Warn, ACCESS_CONTROL_ALLOW_METHODS, note.to_owned())
    } else if !has_if_match || !has_type {
        of(Severity::Warn, ACCESS_CONTROL_ALLOW_HEADERS, note.to_owned())
    } else {
        None
    }
}
