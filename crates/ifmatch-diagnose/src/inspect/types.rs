//! Media types: another representation has another strong tag.

use super::facts::{self, line};
use super::found::Found;
use super::look::Look;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, VARY};

const WHAT: &str = "other media types";

/// Asked of what is JSON, in an order that leaves the choice to the server.
const NOT_JSON: &str = "text/plain, text/html;q=0.9, application/xml;q=0.8, text/csv;q=0.7";

/// Asked of what is anything else.
const JSON: &str = "application/json";

pub(super) async fn check(look: &mut Look<'_>) {
    let is_json = look.base.text(CONTENT_TYPE).is_some_and(|media_type| media_type.contains("json"));
    let request = look.get_with(ACCEPT, if is_json { NOT_JSON } else { JSON });
    let answer = match look.ask(&request).await {
        Ok(answer) => answer,
        Err(why) => return look.unknown(WHAT, why),
    };
    let media_type = |answer: &ifmatch_client::wire::Answer| {
        let text = answer.text(CONTENT_TYPE).unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    };
    let is_same = media_type(&answer) == media_type(&look.base);
    match answer.status {
        StatusCode::OK if is_same => return look.ok("one media type", "whatever Accept says"),
        StatusCode::OK => {}
        StatusCode::NOT_ACCEPTABLE => return look.ok("one media type", "406 for others"),
        status => return look.unknown(WHAT, format!("answered {}", status.as_u16())),
    }
    let other = media_type(&answer);
    if !facts::varies(&answer, &ACCEPT) {
        let note = format!("it is {other} because of Accept, and Vary does not say so");
        let found = Found::warn("V008", "Vary lacks Accept", &other, &request);
        look.find(found.mark(&line(&answer.headers, &VARY), "", note));
    }
    let strong = answer.tag().filter(|tag| !tag.is_weak());
    if strong.is_some() && strong == look.strong_tag() {
        let tag = facts::all(&answer.headers, ETAG).unwrap_or_default();
        let found = Found::warn("V018", "another media type has the same tag", &tag, &request)
            .mark(&line(&answer.headers, &CONTENT_TYPE), "", "another representation")
            .mark(
                &line(&answer.headers, &ETAG),
                &tag,
                format!("the tag of the {} too", media_type(&look.base)),
            );
        return look.find(found);
    }
    look.ok("other media types have other tags", other);
}
