//! Conditions of reads: what If-None-Match, If-Modified-Since and If-Match do to a GET. They change nothing, and tell
//! whether the server knows its own tags.

use super::facts::line;
use super::found::Found;
use super::look::{CHANGED, Look};
use http::StatusCode;
use http::header::{ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

/// A tag that no server has handed out.
pub(super) const NEVER: &str = "\"ifmatch-never-issued\"";

const KNOWN: &str = "If-None-Match is answered 304";

pub(super) async fn check(look: &mut Look<'_>) {
    if look.tag().is_some() {
        known(look).await;
        unknown(look).await;
        if_match(look).await;
    } else {
        date(look).await;
    }
}

/// The tag that was just shown, as it is and weak: both match (RFC 9110, Section 13.1.2).
async fn known(look: &mut Look<'_>) {
    let Some(tag) = look.tag() else { return };
    if let Some(why) = look.unsteady.clone() {
        return look.unknown(KNOWN, why);
    }
    let tag = tag.to_string();
    let request = look.get_with(IF_NONE_MATCH, &tag);
    let answer = match look.ask(&request).await {
        Ok(answer) => answer,
        Err(why) => return look.unknown(KNOWN, why),
    };
    if answer.status != StatusCode::NOT_MODIFIED && !look.is_still_there().await {
        return look.unknown(KNOWN, CHANGED);
    }
    if answer.status != StatusCode::NOT_MODIFIED {
        let seen = format!("answered {}", answer.status.as_u16());
        let line = format!("if-none-match: {tag}");
        let note = format!("the tag it has just shown; answered {}, not 304", answer.status.as_u16());
        return look.find(
            Found::warn("V015", "If-None-Match is not answered 304", &seen, &request).mark(&line, &tag, note),
        );
    }
    let shown = line(&answer.headers, &ETAG);
    let expected = line(&look.base.headers, &ETAG);
    if shown == expected {
        look.ok(KNOWN, "with the tag");
    } else {
        let note = if answer.headers.contains_key(ETAG) {
            format!("200 shows {expected}")
        } else {
            "200 has it".to_owned()
        };
        look.find(Found::warn("V017", "304 with another ETag", &shown, &request).mark(&shown, "", note));
    }
    weak_form(look, &tag).await;
}

/// The same tag marked weak, as a proxy that compresses hands it out.
async fn weak_form(look: &mut Look<'_>, tag: &str) {
    const WHAT: &str = "If-None-Match compares weakly";
    if tag.starts_with("W/") {
        return;
    }
    let weak = format!("W/{tag}");
    let request = look.get_with(IF_NONE_MATCH, &weak);
    match look.ask(&request).await {
        Err(why) => look.unknown(WHAT, why),
        Ok(answer) if answer.status == StatusCode::NOT_MODIFIED => look.ok(WHAT, "W/ in front: 304 too"),
        Ok(_) if !look.is_still_there().await => look.unknown(WHAT, CHANGED),
        Ok(answer) => {
            let what = match answer.status {
                StatusCode::OK => "If-None-Match compares strongly",
                _ => "If-None-Match takes no weak tag",
            };
            let seen = format!("W/ in front: answered {}", answer.status.as_u16());
            let note = "the weak form of the tag it has shown; weak comparison makes them equal";
            let line = format!("if-none-match: {weak}");
            look.find(Found::warn("V015", what, &seen, &request).mark(&line, "W/", note));
        }
    }
}

/// A tag that was never shown: the whole representation.
async fn unknown(look: &mut Look<'_>) {
    const WHAT: &str = "an unknown tag gets the content";
    let request = look.get_with(IF_NONE_MATCH, NEVER);
    match look.ask(&request).await {
        Err(why) => look.unknown(WHAT, why),
        Ok(answer) if answer.status == StatusCode::OK => look.ok(WHAT, "If-None-Match with it: 200"),
        Ok(answer) if answer.status == StatusCode::NOT_MODIFIED => {
            let note = "never shown, and yet answered 304: a reader never sees a change";
            let line = format!("if-none-match: {NEVER}");
            look.find(
                Found::bad("V016", "304 for a tag it never showed", "answered 304", &request)
                    .mark(&line, NEVER, note),
            );
        }
        Ok(answer) => look.unknown(WHAT, format!("answered {}", answer.status.as_u16())),
    }
}

/// If-Match on a read: 412 for an unknown tag shows that it is evaluated, and then the own tag has to pass.
async fn if_match(look: &mut Look<'_>) {
    const WHAT: &str = "If-Match takes the tag";
    let Some(tag) = look.strong_tag().map(|tag| tag.to_string()) else { return };
    if let Some(why) = look.unsteady.clone() {
        return look.unknown(WHAT, why);
    }
    let never = look.get_with(IF_MATCH, NEVER);
    let refused = match look.ask(&never).await {
        Ok(answer) => answer.status,
        Err(why) => return look.unknown(WHAT, why),
    };
    look.judges_reads = Some(refused == StatusCode::PRECONDITION_FAILED);
    if refused.is_success() || refused == StatusCode::NOT_MODIFIED {
        let seen = format!("on a GET it is not looked at (an unknown tag: {})", refused.as_u16());
        return look.unknown(WHAT, seen);
    }
    let request = look.get_with(IF_MATCH, &tag);
    match look.ask(&request).await {
        Err(why) => look.unknown(WHAT, why),
        Ok(answer) if answer.status == StatusCode::PRECONDITION_FAILED => {
            if !look.is_still_there().await {
                return look.unknown(WHAT, CHANGED);
            }
            let line = format!("if-match: {tag}");
            let note = "the tag it has just shown, refused with 412";
            look.find(
                Found::bad("V023", "If-Match refuses the tag it showed", "412", &request)
                    .mark(&line, &tag, note),
            );
        }
        Ok(answer) => match (answer.status, refused) {
            (StatusCode::OK, StatusCode::PRECONDITION_FAILED) => {
                look.ok(WHAT, "200 with it, 412 with another");
            }
            (StatusCode::OK, other) => {
                look.unknown(WHAT, format!("200 with it; with another {}, not 412", other.as_u16()));
            }
            (own, other) if own == other => {
                look.unknown(WHAT, format!("a GET with it is answered {}, whatever the tag", own.as_u16()));
            }
            (own, other) => {
                look.unknown(WHAT, format!("with it {}, with another {}", own.as_u16(), other.as_u16()));
            }
        },
    }
}

/// Where a date is all there is.
async fn date(look: &mut Look<'_>) {
    const WHAT: &str = "If-Modified-Since is answered 304";
    let Some(date) = look.base.last_modified() else { return };
    let date = String::from_utf8_lossy(&date.to_imf_fixdate()).into_owned();
    let request = look.get_with(IF_MODIFIED_SINCE, &date);
    match look.ask(&request).await {
        Err(why) => look.unknown(WHAT, why),
        Ok(answer) if answer.status == StatusCode::NOT_MODIFIED => look.ok(WHAT, date),
        Ok(_) if look.unsteady.is_some() || !look.is_still_there().await => look.unknown(WHAT, CHANGED),
        Ok(answer) => {
            let seen = format!("answered {}", answer.status.as_u16());
            let shown = line(&look.base.headers, &LAST_MODIFIED);
            let note = "sent back in If-Modified-Since, and not answered 304";
            look.find(
                Found::warn("V015", "If-Modified-Since is not answered 304", &seen, &request)
                    .mark(&shown, "", note),
            );
        }
    }
}
