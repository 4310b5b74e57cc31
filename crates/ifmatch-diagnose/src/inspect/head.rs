//! HEAD, which shows what GET shows (RFC 9110, Section 9.3.2).

use super::facts::line;
use super::found::Found;
use super::look::{CHANGED, Look};
use super::report::Severity;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use http::{Method, StatusCode};
use ifmatch_client::wire::Request;

const WHAT: &str = "HEAD shows what GET shows";

/// What is compared, and how much it weighs: whoever takes the tag from HEAD takes a wrong one.
const FIELDS: [(HeaderName, Severity); 4] = [
    (ETAG, Severity::Bad),
    (LAST_MODIFIED, Severity::Warn),
    (CONTENT_TYPE, Severity::Warn),
    (CONTENT_LENGTH, Severity::Warn),
];

pub(super) async fn check(look: &mut Look<'_>) {
    if let Some(why) = look.unsteady.clone() {
        return look.unknown(WHAT, why);
    }
    let request = Request::new(Method::HEAD, look.base.url.clone());
    // Servers that send content with it spoil the connection for what comes after.
    let head = match look.ask_anew(&request).await {
        Ok(head) => head,
        Err(why) => return look.unknown(WHAT, why),
    };
    if head.status != StatusCode::OK {
        let seen = format!("answered {}", head.status.as_u16());
        let found = Found::warn("V014", "HEAD is not like GET", &seen, &request).mark(
            &format!("HEAD {}", head.status.as_u16()),
            "",
            "GET is answered 200",
        );
        return look.find(found);
    }
    let before = look.base.headers.clone();
    if difference(&before, &head.headers, &request).is_none() {
        return look.ok(WHAT, "the same fields");
    }
    // A date that a server holds back for a moment, or a write, may have come in between.
    let get = look.get();
    let after = match look.read(&get).await {
        Ok(after) if after.tag() == look.base.tag() && after.content == look.base.content => after,
        _ => {
            look.unsteady.get_or_insert_with(|| CHANGED.to_owned());
            return look.unknown(WHAT, CHANGED);
        }
    };
    match difference(&after.headers, &head.headers, &request) {
        Some(found) => look.find(found),
        None => look.ok(WHAT, "the same fields"),
    }
}

/// In what HEAD differs from a GET.
fn difference(get: &HeaderMap, head: &HeaderMap, request: &Request) -> Option<Found> {
    let mut worst: Option<Found> = None;
    for (name, severity) in FIELDS {
        let (expected, shown) = (line(get, &name), line(head, &name));
        // A server need not know the length of what it would make.
        let is_left_out = name == CONTENT_LENGTH && !(head.contains_key(&name) && get.contains_key(&name));
        if expected == shown || is_left_out {
            continue;
        }
        let found = worst.unwrap_or_else(|| {
            Found::new(severity, "V014", "HEAD is not like GET", format!("HEAD: {shown}"), request)
        });
        worst = Some(found.mark(&shown, "", format!("GET: {expected}")));
    }
    worst
}
