//! What fields say.

use super::found::clean;
use core::time::Duration;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_ENCODING, DATE, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED, SERVER, VARY,
    VIA,
};
use ifmatch_client::wire::Answer;
use ifmatch_core::HttpDate;
use std::time::SystemTime;

/// Fields by which caches say whether they answered by themselves.
const CACHES: [&str; 6] =
    ["x-cache", "x-cache-status", "cf-cache-status", "cache-status", "x-proxy-cache", "x-varnish-cache"];

/// All lines of a field as one text.
pub(super) fn all(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<String> {
    let lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let lines = lines.collect::<Vec<_>>();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The members of a list field, in lower case.
pub(super) fn members(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let text = all(headers, name).unwrap_or_default();
    let members = text.split(',').map(|member| member.trim().to_ascii_lowercase());
    members.filter(|member| !member.is_empty()).collect()
}

/// Whether a list field has a member, or `*`.
pub(super) fn names(headers: &HeaderMap, name: HeaderName, member: &str) -> bool {
    members(headers, name).iter().any(|found| found == member || found == "*")
}

/// Whether the answer says that it depends on a field.
pub(super) fn varies(answer: &Answer, field: &HeaderName) -> bool {
    names(&answer.headers, VARY, field.as_str())
}

/// A field as a line: `etag: "7"`, or that it is not there.
pub(super) fn line(headers: &HeaderMap, name: &HeaderName) -> String {
    match all(headers, name) {
        Some(value) => format!("{name}: {value}"),
        None => format!("no {name}"),
    }
}

/// The content coding, if it is one.
pub(super) fn coding(answer: &Answer) -> Option<String> {
    let codings = members(&answer.headers, CONTENT_ENCODING);
    let codings: Vec<_> = codings.into_iter().filter(|coding| coding != "identity").collect();
    (!codings.is_empty()).then(|| codings.join(", "))
}

/// What an answer says about who sent it.
pub(super) fn through(headers: &HeaderMap) -> Vec<String> {
    let mut said: Vec<String> = all(headers, SERVER).into_iter().map(|server| clean(&server)).collect();
    let others = [VIA.as_str(), AGE.as_str()].into_iter().chain(CACHES);
    said.extend(others.filter_map(|name| Some(clean(&format!("{name}: {}", all(headers, name)?)))));
    said
}

/// The line by which a cache says that it answered by itself.
pub(super) fn hit(headers: &HeaderMap) -> Option<String> {
    let said = CACHES.into_iter().find_map(|name| {
        let value = all(headers, name)?;
        let lower = value.to_ascii_lowercase();
        let is_hit = lower.contains("hit") && !lower.contains("miss");
        is_hit.then(|| format!("{name}: {value}"))
    });
    said.or_else(|| age(headers).filter(|age| !age.is_zero()).map(|age| format!("age: {}", age.as_secs())))
}

/// How long ago the origin answered, if a cache says so.
pub(super) fn age(headers: &HeaderMap) -> Option<Duration> {
    let text = all(headers, AGE)?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// How long caches may hand out an answer without asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lifetime {
    /// Not at all.
    Never,
    /// So long, by what the answer says.
    Said(Duration),
    /// So long, by the custom of a tenth of the age (RFC 9111, Section 4.2.2).
    Guessed(Duration),
    /// Nothing is said, and there is nothing to guess from.
    Unsaid,
}

/// How long caches may hand out this answer without asking.
pub(super) fn lifetime(answer: &Answer) -> Lifetime {
    let said = members(&answer.headers, CACHE_CONTROL);
    let seconds = |name: &str| {
        let value = said.iter().find_map(|member| member.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|value| value.trim_matches('"').parse().ok()).map(Duration::from_secs)
    };
    if said.iter().any(|member| member == "no-store" || member == "no-cache") {
        return Lifetime::Never;
    }
    let is_private = said.iter().any(|member| member == "private");
    let shared = seconds("s-maxage").filter(|_| !is_private);
    // Old ones may be handed out for so much longer (RFC 5861).
    let is_strict = said.iter().any(|member| member == "must-revalidate");
    let longer = seconds("stale-while-revalidate").filter(|_| !is_strict).unwrap_or_default();
    let explicit = shared.into_iter().chain(seconds("max-age")).max();
    let explicit = explicit.map(|explicit| explicit.saturating_add(longer));
    let now = now(answer);
    let sent = date(answer, DATE).unwrap_or(now);
    // What is no date means: in the past.
    let expires = answer.headers.get(EXPIRES).map(|_| {
        date(answer, EXPIRES).map_or(Duration::ZERO, |expires| between(sent, expires).unwrap_or_default())
    });
    match explicit.or(expires) {
        Some(Duration::ZERO) => Lifetime::Never,
        Some(lifetime) => Lifetime::Said(lifetime),
        None => match date(answer, LAST_MODIFIED).and_then(|modified| between(modified, sent)) {
            Some(age) if age.as_secs() >= 10 => Lifetime::Guessed(age / 10),
            _ => Lifetime::Unsaid,
        },
    }
}

/// When the answer came, by our clock.
pub(super) fn now(answer: &Answer) -> HttpDate {
    let since = answer.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    HttpDate::from_unix(i64::try_from(since.as_secs()).unwrap_or_default())
}

/// A field that is a date.
pub(super) fn date(answer: &Answer, name: HeaderName) -> Option<HttpDate> {
    HttpDate::parse(answer.headers.get(name)?.as_bytes(), now(answer))
}

/// From one date to a later one.
pub(super) fn between(from: HttpDate, to: HttpDate) -> Option<Duration> {
    u64::try_from(to.unix().checked_sub(from.unix())?).ok().map(Duration::from_secs)
}

/// `45 s`, `10 min`, `3 h`, `2 days`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{StatusCode, Version};
    use ifmatch_client::wire::Url;

    fn answer(fields: &[(&'static str, &str)]) -> Answer {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        Answer {
            status: StatusCode::OK,
            version: Version::HTTP_11,
            headers,
            content: Bytes::new(),
            url: Url::parse("http://a/").unwrap(),
            hops: Vec::new(),
            remote: None,
            at: SystemTime::now(),
            head_after: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn lifetimes() {
        let said = |seconds| Lifetime::Said(Duration::from_secs(seconds));
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (fields, expected) in [
            (vec![], Lifetime::Unsaid),
            (vec![("cache-control", "no-cache")], Lifetime::Never),
            (vec![("cache-control", "max-age=60"), ("cache-control", "no-store")], Lifetime::Never),
            (vec![("cache-control", "max-age=0")], Lifetime::Never),
            (vec![("cache-control", "Max-Age=60, must-revalidate")], said(60)),
            (vec![("cache-control", "max-age=0, s-maxage=\"600\"")], said(600)),
            (vec![("cache-control", "private, max-age=5, s-maxage=600")], said(5)),
            (vec![("cache-control", "max-age=20, stale-while-revalidate=3600")], said(3620)),
            (vec![("cache-control", "max-age=20, stale-while-revalidate=60, must-revalidate")], said(20)),
            (vec![("cache-control", "no-cache, stale-while-revalidate=60")], Lifetime::Never),
            (vec![date, ("expires", "Sun, 06 Nov 1994 08:50:37 GMT")], said(60)),
            (vec![date, ("expires", "0")], Lifetime::Never),
            (
                vec![date, ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("cache-control", "max-age=5")],
                said(5),
            ),
            (
                vec![date, ("last-modified", "Sun, 06 Nov 1994 08:47:57 GMT")],
                Lifetime::Guessed(Duration::from_secs(10)),
            ),
            (vec![date, ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")], Lifetime::Unsaid),
        ] {
            assert_eq!(lifetime(&answer(&fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn what_caches_say() {
        let said = |name, value: &str| hit(&answer(&[(name, value)]).headers);
        assert_eq!(said("x-cache", "HIT").as_deref(), Some("x-cache: HIT"));
        assert_eq!(said("age", "7").as_deref(), Some("age: 7"));
        assert_eq!(said("x-cache", "MISS"), None);
        assert_eq!(said("cf-cache-status", "DYNAMIC"), None);
        assert_eq!(said("age", "0"), None);
    }

    #[test]
    fn lists_have_several_lines() {
        let answer = answer(&[("vary", "Origin"), ("vary", "accept , Accept-Encoding")]);
        assert!(varies(&answer, &http::header::ACCEPT_ENCODING));
        assert!(!varies(&answer, &http::header::ACCEPT_LANGUAGE));
        assert_eq!(line(&answer.headers, &http::header::ETAG), "no etag");
    }
}
