//! Content codings: a compressed variant has a tag of its own, and If-Match has to take it.

use super::facts::{self, line};
use super::found::Found;
use super::look::{CHANGED, Look, Why};
use super::report::Severity;
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, IF_MATCH, VARY};
use ifmatch_client::wire::{Answer, Request};

/// What is asked for, one by one.
const CODINGS: [&str; 4] = ["gzip", "br", "zstd", "deflate"];

const WHAT: &str = "compression";

/// What a server answered to whoever accepts a coding.
pub(super) struct Coded {
    pub(super) asked: &'static str,
    pub(super) request: Request,
    pub(super) answer: Answer,
}

pub(super) async fn check(look: &mut Look<'_>) {
    let (mut coded, mut plain) = (Vec::new(), Vec::new());
    for asked in CODINGS {
        let request = look.get_with(ACCEPT_ENCODING, asked);
        match look.read(&request).await {
            Ok(answer) if facts::coding(&answer).is_some() => {
                if has_moved(look, &request, &answer).await {
                    return;
                }
                coded.push(Coded { asked, request, answer });
            }
            Ok(_) => plain.push(asked),
            Err(why) => look.unknown(WHAT, format!("{asked}: {why}")),
        }
    }
    if coded.is_empty() {
        if !plain.is_empty() {
            look.ok("no compression", format!("asked for {}", plain.join(", ")));
        }
        return;
    }
    if facts::coding(&look.base).is_some() {
        return look.unknown(WHAT, "it is compressed also for those who do not ask for it");
    }
    let base = look.base.clone();
    judge(look, &base, coded).await;
}

/// Whether a coded answer has another tag each time, which is then told; or cannot be compared, which is told as well.
async fn has_moved(look: &mut Look<'_>, request: &Request, first: &Answer) -> bool {
    let what = format!("the tag of {} stays", facts::coding(first).unwrap_or_default());
    if look.unsteady.is_some() {
        // Told elsewhere.
        return false;
    }
    let again = match look.read(request).await {
        Ok(again) => again,
        Err(why) => {
            look.unknown(&what, why);
            return true;
        }
    };
    let (shown, then) = (line(&first.headers, &ETAG), line(&again.headers, &ETAG));
    if shown == then || facts::coding(first) != facts::coding(&again) {
        return false;
    }
    if !look.is_still_there().await {
        look.unknown(&what, CHANGED);
        return true;
    }
    let seen = "2 tags in 2 reads";
    let found = Found::bad("V009", "the tag changes when it is compressed", seen, request)
        .mark(&shown, "", "")
        .mark(&then, "", "the second read; without compression content and tag stay");
    look.find(found);
    true
}

/// What the coded answers mean, beside the one without a coding that came from the same place.
pub(super) async fn judge(look: &mut Look<'_>, base: &Answer, coded: Vec<Coded>) {
    vary(look, base, &coded);
    let Some(plain) = base.tag() else { return };
    let names = |coded: &[Coded]| coded.iter().map(|coded| coded.asked).collect::<Vec<_>>().join(", ");
    let all = names(&coded);
    let (strong, weakened): (Vec<_>, Vec<_>) =
        coded.into_iter().partition(|coded| coded.answer.tag().is_some_and(|tag| !tag.is_weak()));
    if let Some(Coded { request, answer, .. }) = weakened.first()
        && !plain.is_weak()
    {
        let what = match answer.tag() {
            Some(_) => format!("{} makes the tag weak", names(&weakened)),
            None => format!("{} takes the tag away", names(&weakened)),
        };
        let shown = line(&answer.headers, &ETAG);
        let seen = facts::all(&answer.headers, ETAG).unwrap_or_else(|| "no etag".to_owned());
        let found = Found::new(Severity::Bad, "V004", what, seen, request)
            .mark(&line(&answer.headers, &CONTENT_ENCODING), "", "")
            .mark(&shown, "W/", format!("without it: {plain}; a weak tag never matches in If-Match"));
        look.find(found);
    }
    if plain.is_weak() {
        return;
    }
    let (shared, other): (Vec<_>, Vec<_>) =
        strong.into_iter().partition(|coded| coded.answer.tag().as_ref() == Some(&plain));
    if let Some(Coded { request, answer, .. }) = shared.first() {
        let what = format!("{} shares the tag", names(&shared));
        let found = Found::new(Severity::Warn, "V006", what, plain.to_string(), request)
            .mark(&line(&answer.headers, &CONTENT_ENCODING), "", "other bytes")
            .mark(
                &line(&answer.headers, &ETAG),
                &plain.to_string(),
                "the tag of the bytes without it, and strong",
            );
        look.find(found);
    }
    if let Some(first) = other.first() {
        own_tag(look, base, first, &names(&other)).await;
    }
    if weakened.is_empty() && shared.is_empty() && other.is_empty() {
        look.ok(WHAT, all);
    }
}

/// A coding with a tag of its own: lawful, and of use only if If-Match takes it.
async fn own_tag(look: &mut Look<'_>, base: &Answer, coded: &Coded, names: &str) {
    let what = format!("{names} has a tag of its own");
    let (Some(plain), Some(tag)) = (base.tag(), coded.answer.tag()) else { return };
    let (plain, tag) = (plain.to_string(), tag.to_string());
    if let Some(why) = look.unsteady.clone() {
        return look.unknown(&what, why);
    }
    let taken = taken(look, base, coded, &tag).await;
    let suffix = tag.strip_prefix(plain.trim_end_matches('"')).map(|rest| rest.trim_end_matches('"'));
    let is_renamed = suffix.is_some_and(|suffix| suffix.contains(coded.asked));
    let part = suffix.filter(|_| is_renamed).unwrap_or(&tag);
    let found = |severity, request: &Request, note: &str| {
        Found::new(severity, "V005", format!("{names} renames the tag"), &tag, request)
            .mark(&line(&coded.answer.headers, &CONTENT_ENCODING), "", "")
            .mark(&line(&coded.answer.headers, &ETAG), part, format!("without it: {plain}; {note}"))
    };
    match taken {
        Ok(Some(true)) => look.ok(&what, "and If-Match takes it"),
        Ok(Some(false)) if !look.is_still(base).await => look.unknown(&what, CHANGED),
        Ok(Some(false)) => {
            let request = coded.request.clone().with(IF_MATCH, header(&tag));
            look.find(found(
                Severity::Bad,
                &request,
                "sent back in If-Match of a GET, it was refused with 412",
            ));
        }
        Ok(None) if is_renamed => {
            look.find(found(Severity::Warn, &coded.request, "who evaluates If-Match may not know it"));
        }
        Ok(None) => look.ok(&what, &tag),
        Err(why) => look.unknown(&what, why),
    }
}

/// Whether If-Match takes the tag of a coded answer on a GET of it; nothing if it is not evaluated there.
async fn taken(look: &mut Look<'_>, base: &Answer, coded: &Coded, tag: &str) -> Result<Option<bool>, Why> {
    let judges = match look.judges_reads {
        Some(judges) if base.url == look.base.url => judges,
        _ => {
            let never = header(super::revalidation::NEVER);
            let answer = look.ask(&coded.request.clone().with(IF_MATCH, never)).await?;
            answer.status == StatusCode::PRECONDITION_FAILED
        }
    };
    if !judges {
        return Ok(None);
    }
    let answer = look.ask(&coded.request.clone().with(IF_MATCH, header(tag))).await?;
    match answer.status {
        StatusCode::OK => Ok(Some(true)),
        StatusCode::PRECONDITION_FAILED => Ok(Some(false)),
        status => Err(format!("If-Match with it: answered {}", status.as_u16())),
    }
}

fn header(tag: &str) -> http::HeaderValue {
    // It came out of a field.
    http::HeaderValue::from_str(tag).unwrap_or_else(|_| http::HeaderValue::from_static(""))
}

/// A cache has to know that there are variants.
fn vary(look: &mut Look<'_>, base: &Answer, coded: &[Coded]) {
    let missing = coded.iter().find(|coded| !facts::varies(&coded.answer, &ACCEPT_ENCODING));
    let (request, answer, which) = match missing {
        Some(coded) => (coded.request.clone(), &coded.answer, "the compressed answer"),
        None if !facts::varies(base, &ACCEPT_ENCODING) => {
            (Request::get(base.url.clone()), base, "the uncompressed answer")
        }
        None => return,
    };
    let shown = line(&answer.headers, &VARY);
    let note = format!("{which} depends on Accept-Encoding and does not say so");
    look.find(Found::warn("V008", "Vary lacks Accept-Encoding", which, &request).mark(&shown, "", note));
}
