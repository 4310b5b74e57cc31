//! How old a validator may be that a cache hands out. Whoever writes with an old one is refused until the cache lets go.

use super::facts::{self, Lifetime, line, span};
use super::found::Found;
use super::look::Look;
use super::report::Severity;
use core::time::Duration;
use http::header::{AGE, CACHE_CONTROL, EXPIRES, LAST_MODIFIED};
use ifmatch_client::wire::{Answer, Request};

const WHAT: &str = "no cache hands out an old version";

pub(super) async fn check(look: &mut Look<'_>) {
    let (request, answer) = (look.get(), look.base.clone());
    lifetime(look, &request, &answer, "");
    no_cache(look).await;
}

/// What an answer lets caches do, and what one has done. `whose` stands before it in the table.
pub(super) fn lifetime(look: &mut Look<'_>, request: &Request, answer: &Answer, whose: &str) {
    let what = &*format!("{whose}{WHAT}");
    let allowed = look.plan.max_age;
    let is_over = |lifetime: Duration| lifetime > allowed.unwrap_or_default();
    let severity = if allowed.is_some() { Severity::Bad } else { Severity::Warn };
    let window = allowed.map_or_else(String::new, |allowed| format!("; allowed are {}", span(allowed)));
    let headers = &answer.headers;
    if let Some(age) = facts::age(headers).filter(|age| is_over(*age)) {
        let seen = format!("{} old", span(age));
        let note = format!("a cache handed it out after {}{window}", span(age));
        let found = Found::new(severity, "V034", "a cache handed out an old version", &seen, request);
        let found = found.mark(&line(headers, &AGE), "", note);
        return look.find(found);
    }
    match facts::lifetime(answer) {
        Lifetime::Never => look.ok(what, "caches have to ask first"),
        Lifetime::Said(lifetime) if is_over(lifetime) => {
            let by = if headers.contains_key(CACHE_CONTROL) { CACHE_CONTROL } else { EXPIRES };
            let seen = format!("for {}", span(lifetime));
            let note = format!("a cache may hand it out for {} without asking{window}", span(lifetime));
            let found = Found::new(severity, "V034", "caches may hand out an old version", &seen, request);
            let found = found.mark(&line(headers, &by), "", note);
            look.find(found);
        }
        Lifetime::Said(lifetime) => look.ok(what, format!("at most for {}{window}", span(lifetime))),
        Lifetime::Guessed(lifetime) if is_over(lifetime) => {
            let seen = "nothing says for how long";
            let note =
                format!("nothing is said, so caches guess: often a tenth of its age, now {}", span(lifetime));
            let found = Found::warn("V034", "caches may hand out an old version", seen, request)
                .mark(&line(headers, &CACHE_CONTROL), "", note)
                .mark(&line(headers, &LAST_MODIFIED), "", "what they guess from");
            look.find(found);
        }
        Lifetime::Guessed(lifetime) => {
            look.ok(what, format!("by custom at most for {}{window}", span(lifetime)));
        }
        Lifetime::Unsaid => look.ok(what, "nothing lets them keep it"),
    }
}

/// A reader that asks for a fresh one, after a 412, has to get it.
async fn no_cache(look: &mut Look<'_>) {
    const ASKED: &str = "no-cache gets past the cache";
    let Some(hit) = look.hit.clone() else { return };
    let request = look.get_with(CACHE_CONTROL, "no-cache");
    match look.read(&request).await {
        Err(why) => look.unknown(ASKED, why),
        Ok(answer) => match facts::hit(&answer.headers) {
            None => look.ok(ASKED, format!("without it: {hit}")),
            Some(still) => {
                let note = "answered by a cache although it was asked not to";
                let found = Found::warn("V035", "no-cache does not get past the cache", &still, &request);
                look.find(found.mark(&still, "", note));
            }
        },
    }
}
