//! The same resource through a proxy and directly: what does the proxy do to its validators?

use super::after_write::POLICY;
use super::codings::{self, Coded};
use super::facts::{self, line, span};
use super::found::Found;
use super::freshness;
use super::look::{CHANGED, Look, Why};
use super::revalidation::NEVER;
use core::time::Duration;
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use ifmatch_client::Tag;
use ifmatch_client::wire::{Answer, Request, Url};
use std::time::Instant;

const WHAT: &str = "the proxy shows the same tag";

/// How often the proxy is asked again while an old tag is still within what is allowed.
const LOOKS_MAX: u32 = 8;

pub(super) async fn check(look: &mut Look<'_>) {
    let Some(via) = look.plan.via.clone() else { return };
    let request = Request::get(resource(&via, &look.base.url));
    // Directly, through the proxy, directly: what is the same before and after was so meanwhile.
    let direct = look.get();
    let (before, through, after) =
        match (look.read(&direct).await, look.read(&request).await, look.read(&direct).await) {
            (Ok(before), Ok(through), Ok(after)) => (before, through, after),
            (Err(why), _, _) | (_, _, Err(why)) => return look.unknown(WHAT, format!("directly: {why}")),
            (_, Err(why), _) => {
                look.unknown(WHAT, format!("through the proxy: {why}"));
                return look.untested(&format!("The proxy was not tested: a GET through it: {why}."));
            }
        };
    if before.headers.get_all(ETAG).iter().ne(after.headers.get_all(ETAG)) || before.content != after.content
    {
        return look.unknown(WHAT, CHANGED);
    }
    let is_behind = through.content != after.content && through.tag() != after.tag();
    if is_behind {
        behind(look, &request, &through, &after).await;
    } else {
        same(look, &request, &through, &after).await;
        // What was called another tag is not asked for, but the one that the server knows.
        let shows = if look.has_found("V031") { &after } else { &through };
        if let Some((direct, shown)) = after.tag().zip(shows.tag()) {
            conditions(look, &request, &direct, &shown).await;
        }
    }
    if facts::lifetime(&through) != facts::lifetime(&after) || facts::age(&through.headers).is_some() {
        freshness::lifetime(look, &request, &through, "through the proxy: ");
    }
    coded(look, &request, &through).await;
}

/// Where the proxy has it: a URL of its own, or the same path and query.
fn resource(via: &Url, direct: &Url) -> Url {
    let mut url = via.clone();
    if url.path() == "/" && url.query().is_none() {
        url.set_path(direct.path());
        url.set_query(direct.query());
    }
    url.set_fragment(None);
    url
}

/// Other content and another tag than there is.
async fn behind(look: &mut Look<'_>, request: &Request, through: &Answer, direct: &Answer) {
    let stale = facts::all(&through.headers, ETAG).unwrap_or_default();
    let since = Instant::now();
    let lag = match look.plan.max_age {
        None => None,
        Some(allowed) => match caught_up(look, request, &stale, allowed).await {
            Ok(true) => {
                let lag = span(since.elapsed());
                return look.ok("the proxy is not too far behind", format!("caught up after {lag}"));
            }
            Ok(false) => Some(since.elapsed()),
            Err(why) => return look.unknown(WHAT, format!("through the proxy: {why}")),
        },
    };
    let seen =
        lag.map_or_else(|| "an old tag".to_owned(), |lag| format!("an old tag, still after {}", span(lag)));
    let now = format!("of a version that is gone; directly: {}", line(&direct.headers, &ETAG));
    let mut found = Found::bad("V032", "the proxy is behind", &seen, request);
    found = found.mark(&line(&through.headers, &ETAG), "", now);
    if let Some(hit) = facts::hit(&through.headers) {
        found = found.mark(&hit, "", "what the proxy says about it");
    }
    look.find(found);
}

/// Whether the proxy shows something else within what is allowed.
async fn caught_up(
    look: &mut Look<'_>,
    request: &Request,
    stale: &str,
    allowed: Duration,
) -> Result<bool, Why> {
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(allowed / LOOKS_MAX).await;
        let answer = look.read(request).await?;
        if facts::all(&answer.headers, ETAG).unwrap_or_default() != stale {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The same content, or the same tag.
async fn same(look: &mut Look<'_>, request: &Request, through: &Answer, direct: &Answer) {
    let (shown, expected) = (line(&through.headers, &ETAG), line(&direct.headers, &ETAG));
    if shown == expected && through.content == direct.content {
        return look.ok(WHAT, shown);
    }
    if let Some(tag) = through.tag().filter(|tag| !tag.is_weak() && shown != expected) {
        match own(look, request, through, &tag).await {
            Own::Taken(seen) => return look.ok("the proxy makes its own tags", format!("{tag}; {seen}")),
            Own::Untold(why) => return look.unknown("the proxy makes its own tags", format!("{tag}; {why}")),
            Own::No => {}
        }
    }
    let (seen, note) = match through.tag() {
        _ if shown == expected => ("other content", "the same tag as directly, and other content".to_owned()),
        None if !through.headers.contains_key(ETAG) => ("no etag", format!("directly: {expected}")),
        Some(tag) if tag.is_weak() && direct.tag().is_some_and(|direct| !direct.is_weak()) => {
            ("a weak one", format!("directly: {expected}; a weak tag never matches in If-Match"))
        }
        _ => ("another one", format!("directly: {expected}, of the same content")),
    };
    let found = Found::bad("V031", "the proxy changes the tag", seen, request).mark(&shown, "", note);
    look.find(found);
}

/// Whether a tag that only the proxy shows is its own, and of use.
enum Own {
    /// The proxy knows it; in a few words how that was seen.
    Taken(String),
    /// It stays and is answered 304, and whether If-Match takes it was not seen.
    Untold(Why),
    /// It is another form of the server's, or not known to whoever evaluates conditions.
    No,
}

/// A gateway may make tags, if it keeps them and evaluates conditions with them: then they need not be the server's.
async fn own(look: &mut Look<'_>, request: &Request, through: &Answer, tag: &Tag) -> Own {
    let of = |name, value: HeaderValue| request.clone().with(name, value);
    let again = match look.ask_anew(request).await {
        Ok(again) => again,
        Err(why) => return Own::Untold(why),
    };
    if again.tag().as_ref() != Some(tag) || again.content != through.content {
        return Own::No;
    }
    let known = look.ask(&of(IF_NONE_MATCH, tag.value().clone())).await;
    let refused = look.ask(&of(IF_MATCH, HeaderValue::from_static(NEVER))).await;
    let taken = look.ask(&of(IF_MATCH, tag.value().clone())).await;
    let (known, refused, taken) = match (known, refused, taken) {
        (Ok(known), Ok(refused), Ok(taken)) => (known.status, refused.status, taken.status),
        (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => return Own::Untold(why),
    };
    let is_evaluated = refused == StatusCode::PRECONDITION_FAILED;
    if known != StatusCode::NOT_MODIFIED || taken == StatusCode::PRECONDITION_FAILED {
        return Own::No;
    }
    if is_evaluated && taken == StatusCode::OK {
        return Own::Taken("it stays, and If-Match takes it".to_owned());
    }
    if again.headers.contains_key(POLICY) {
        return Own::Taken(format!("it stays, is answered 304, and {POLICY} is announced"));
    }
    Own::Untold(
        "it stays and is answered 304; whether writes take it, ifmatch race through it tests".to_owned(),
    )
}

/// Whether a reader's condition gets through, or is answered by the proxy as well.
async fn conditions(look: &mut Look<'_>, request: &Request, direct: &Tag, tag: &Tag) {
    const PASSES: &str = "the proxy heeds If-None-Match";
    let of = |value: HeaderValue| request.clone().with(IF_NONE_MATCH, value);
    let known = look.get_with(IF_NONE_MATCH, &direct.to_string());
    let asked = of(tag.value().clone());
    let (directly, through) = match (look.ask(&known).await, look.ask(&asked).await) {
        (Ok(directly), Ok(through)) => (directly.status, through.status),
        (Err(why), _) | (_, Err(why)) => return look.unknown(PASSES, why),
    };
    if directly != StatusCode::NOT_MODIFIED {
        return;
    }
    if through == StatusCode::NOT_MODIFIED {
        match look.ask(&of(HeaderValue::from_static(NEVER))).await {
            Ok(answer) if answer.status == StatusCode::NOT_MODIFIED => {
                let shown = format!("if-none-match: {NEVER}");
                let note = "never shown, and yet answered 304";
                let request = of(HeaderValue::from_static(NEVER));
                let found =
                    Found::bad("V016", "304 for a tag it never showed", "through the proxy", &request);
                return look.find(found.mark(&shown, NEVER, note));
            }
            Ok(_) => return look.ok(PASSES, "304 with the tag, 200 with another"),
            Err(why) => return look.unknown(PASSES, why),
        }
    }
    let seen = format!("answered {}", through.as_u16());
    let note = format!("through the proxy answered {}, directly 304", through.as_u16());
    let shown = format!("if-none-match: {tag}");
    look.find(Found::warn("V033", "the proxy drops If-None-Match", seen, &asked).mark(&shown, "", note));
}

/// Whether the proxy compresses, and what that does.
async fn coded(look: &mut Look<'_>, request: &Request, through: &Answer) {
    if facts::coding(through).is_some() || look.has_found("V004") || look.has_found("V005") {
        return;
    }
    let request = request.clone().with(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    match look.read(&request).await {
        Ok(answer) if facts::coding(&answer).is_some() => {
            codings::judge(look, through, vec![Coded { asked: "gzip", request, answer }]).await;
        }
        Ok(_) => look.ok("the proxy does not compress", "asked for gzip"),
        Err(why) => look.unknown("compression by the proxy", why),
    }
}
