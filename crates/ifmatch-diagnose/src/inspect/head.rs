//! HEAD, which shows what GET shows (RFC 9110, Section 9.3.2).

use super::facts::line;
use super::found::Found;
use super::look::{CHANGED, Look};
use super::report::Severity;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};
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
    if !look.is_stable {
        look.unknown(WHAT, "two GETs show different things already");
        return;
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
    let mut worst: Option<Found> = None;
    for (name, severity) in FIELDS {
        let (get, shown) = (line(&look.base.headers, &name), line(&head.headers, &name));
        // A server need not know the length of what it would make.
        let is_left_out = name == CONTENT_LENGTH
            && !(head.headers.contains_key(&name) && look.base.headers.contains_key(&name));
        if get == shown || is_left_out {
            continue;
        }
        let found = worst.unwrap_or_else(|| {
            Found::new(severity, "V014", "HEAD is not like GET", format!("HEAD: {shown}"), &request)
        });
        worst = Some(found.mark(&shown, "", format!("GET: {get}")));
    }
    match worst {
        Some(_) if !look.is_still_there().await => look.unknown(WHAT, CHANGED),
        Some(found) => look.find(found),
        None => look.ok(WHAT, "the same fields"),
    }
}
