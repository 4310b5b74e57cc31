//! Web pages of another origin: they see only the fields that are exposed to them, and send If-Match only if a preflight
//! lets them (the CORS protocol of the Fetch standard).

use super::facts::{all, line, members};
use super::found::Found;
use super::look::Look;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, ORIGIN,
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
    if is_readable && look.tag().is_some() && look.is_stable {
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
    match refused(&answer, origin) {
        None => look.ok(WRITES, "the preflight allows PUT with it"),
        Some((seen, shown, note)) => {
            let found = Found::bad("V024", "a browser cannot send If-Match", &seen, &request);
            look.find(found.mark(&shown, "", note));
        }
    }
}

/// Why a page may not send a PUT with If-Match: in short, the line that says so, what is with it.
fn refused(answer: &Answer, origin: &str) -> Option<(String, String, String)> {
    let headers = &answer.headers;
    if !answer.status.is_success() {
        let status = answer.status.as_u16();
        let told = format!("the preflight is answered {status}");
        return Some((
            told,
            format!("{:?} {status}", answer.version),
            "a preflight has to be answered 2xx".to_owned(),
        ));
    }
    let of = |name, note: String| Some((line(headers, &name), line(headers, &name), note));
    if !admits(headers, origin) {
        return of(ACCESS_CONTROL_ALLOW_ORIGIN, format!("pages of {origin} are not let in"));
    }
    // With credentials * is a name like any other.
    let is_any = !takes_credentials(headers);
    let allows = |name, member: &str| {
        members(headers, name).iter().any(|found| found == member || (found == "*" && is_any))
    };
    if !allows(ACCESS_CONTROL_ALLOW_METHODS, "put") {
        return of(ACCESS_CONTROL_ALLOW_METHODS, "PUT is not among them".to_owned());
    }
    if !allows(ACCESS_CONTROL_ALLOW_HEADERS, "if-match") {
        return of(ACCESS_CONTROL_ALLOW_HEADERS, "If-Match is not among them".to_owned());
    }
    None
}
