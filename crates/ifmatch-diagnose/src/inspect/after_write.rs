//! What a write tells about the validator that it leads to. What was read is written back, with If-Match, so that nothing
//! changes.

use super::facts::{self, line};
use super::found::Found;
use super::look::{CHANGED, Look};
use http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH};
use http::{Method, StatusCode};
use ifmatch_client::wire::{Answer, Request};

const WHAT: &str = "a write and the reads after it";

/// By which some servers tell beforehand that they want conditions.
pub(super) const POLICY: HeaderName = HeaderName::from_static("precondition-policy");

/// Whether If-Match held is only seen if somebody comes between.
const UNPROTECTED: &str = "One PUT was sent with If-Match and accepted. Whether the server heeds If-Match on writes was \
                           not tested: one that ignores it loses what somebody else wrote in that moment. ifmatch race \
                           tests that.";

/// Reads after the write that may still show the old tag, until that is a finding of its own anyway.
const READS: usize = 3;

pub(super) async fn check(look: &mut Look<'_>) {
    requirement(look).await;
    if look.plan.after_write {
        written(look).await;
    } else {
        look.unknown("writes", "not tested; ifmatch race tests them, --after-write a single one");
    }
}

/// Whether a client can know beforehand that a write needs a condition.
async fn requirement(look: &mut Look<'_>) {
    const KNOWN: &str = "the requirement is announced";
    let said = |answer: &Answer| facts::all(&answer.headers, POLICY);
    let mut policy = said(&look.base);
    if policy.is_none() {
        let request = Request::new(Method::OPTIONS, look.base.url.clone());
        policy = look.ask(&request).await.ok().as_ref().and_then(said);
    }
    match policy {
        Some(policy) => look.ok(KNOWN, format!("{POLICY}: {}", policy.split(',').next().unwrap_or_default())),
        None => look.unknown(KNOWN, "no Precondition-Policy; whether a write needs a condition is not known"),
    }
}

async fn written(look: &mut Look<'_>) {
    let Some(tag) = look.strong_tag() else {
        return look.unknown(WHAT, "nothing was written: there is no strong tag to write with");
    };
    if let Some(why) = look.unsteady.clone() {
        return look.unknown(WHAT, format!("nothing was written: {why}"));
    }
    if facts::coding(&look.base).is_some() {
        return look.unknown(WHAT, "nothing was written: the content is compressed");
    }
    // Read again, so that as little time as can be lies between.
    let read = look.get();
    let before = match look.read(&read).await {
        Ok(before) if before.tag().as_ref() == Some(&tag) && before.content == look.base.content => before,
        Ok(_) => return look.unknown(WHAT, "nothing was written: it has changed meanwhile"),
        Err(why) => return look.unknown(WHAT, format!("nothing was written: {why}")),
    };
    let mut request = Request::new(Method::PUT, look.base.url.clone())
        .with(IF_MATCH, tag.value().clone())
        .content(before.content.clone());
    if let Some(media_type) = before.headers.get(CONTENT_TYPE) {
        request = request.with(CONTENT_TYPE, media_type.clone());
    }
    match look.ask(&request).await {
        Err(why) => look.unknown(WHAT, format!("the write got no answer that tells: {why}")),
        Ok(answer) if answer.status.is_success() => {
            look.remark(UNPROTECTED);
            accepted(look, &request, &before, &answer).await;
        }
        Ok(answer) if answer.status == StatusCode::PRECONDITION_FAILED => {
            if !look.is_still_there().await {
                return look.unknown(WHAT, CHANGED);
            }
            let shown = format!("if-match: {tag}");
            let note = "the tag of the read just before, refused with 412";
            look.find(
                Found::bad("V030", "a write with that tag is refused", "412", &request)
                    .mark(&shown, "", note),
            );
        }
        Ok(answer) => {
            let status = answer.status.as_u16();
            look.unknown(WHAT, format!("PUT of what was read: answered {status}; nothing was written"));
        }
    }
}

async fn accepted(look: &mut Look<'_>, request: &Request, before: &Answer, write: &Answer) {
    let read = look.get();
    let mut after = match look.read(&read).await {
        Ok(after) => after,
        Err(why) => return look.unknown(WHAT, format!("written, then: {why}")),
    };
    let (said, old) = (facts::all(&write.headers, ETAG), facts::all(&before.headers, ETAG));
    let shown = line(&write.headers, &ETAG);
    let Some(said) = said else {
        let note = format!("{} without it: the next write needs another read first", write.status.as_u16());
        let found = Found::warn("V026", "the answer to a write has no ETag", "no etag", request);
        return look.find(found.mark(&shown, "", note));
    };
    if after.content != before.content {
        if facts::all(&after.headers, ETAG).as_ref() != Some(&said) {
            // Somebody else may have written.
            return look.unknown(WHAT, "written; what is shown now is something else, with another tag");
        }
        let note = "the tag of what is shown now, which is not what was sent";
        let found = Found::warn("V029", "ETag of content that was changed", &said, request);
        return look.find(found.mark(&shown, &said, note));
    }
    let mut lagging = 0;
    while facts::all(&after.headers, ETAG) == old && old.as_ref() != Some(&said) && lagging < READS {
        lagging += 1;
        match look.read(&read).await {
            Ok(later) => after = later,
            Err(why) => return look.unknown(WHAT, format!("written, then: {why}")),
        }
    }
    let now = line(&after.headers, &ETAG);
    if lagging > 0 {
        let seen = format!("{lagging} read{} showed the old tag", if lagging == 1 { "" } else { "s" });
        let note = format!("the answer to the write; the read after it: etag: {}", old.unwrap_or_default());
        look.find(Found::bad("V028", "reads are behind writes", &seen, &read).mark(&shown, "", note));
    } else if facts::all(&after.headers, ETAG).as_ref() == Some(&said) {
        look.ok("a write tells its new tag", said);
    } else {
        let note = format!("the answer to the write; the read after it: {now}");
        look.find(
            Found::bad("V027", "a write tells another tag than reads", &said, request)
                .mark(&shown, &said, note),
        );
    }
}
