//! Web pages of other origins: who may read what is the upstream's decision. What it decided is remembered, so that a
//! refusal of ours, which the upstream never sees, can be read by the same pages; and where it lets a page read an
//! answer, the page can read the tag as well.

use http::HeaderMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue, ORIGIN, VARY,
};
use parking_lot::RwLock;
use std::collections::HashMap;

/// Origins remembered at a time. Past it one of them is forgotten, whose pages then read refusals without their
/// content until the upstream lets them in anew.
const ORIGINS_MAX: usize = 256;
/// Longest origin that is remembered, in octets.
const ORIGIN_BYTES_MAX: usize = 512;

const EXPOSED: &str = "ETag, Location, Retry-After, Link, Allow, Preference-Applied, Precondition-Policy, \
    Precondition-Policy-Report-Only";
const CONDITIONS: [&str; 4] = ["If-Match", "If-None-Match", "Prefer", "Cache-Control"];

#[derive(Clone, PartialEq, Eq, Debug)]
struct Allowed {
    origin: HeaderValue,
    credentials: bool,
}

/// What the upstream was seen to allow.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    allowed: RwLock<HashMap<HeaderValue, Allowed>>,
}

impl Learned {
    /// Takes note of an answer, and lets whoever may read it read the tag and send conditions as well.
    pub(crate) fn answered(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        let Some(origin) = request.get(ORIGIN) else { return };
        let Some(allow_origin) = answer.get(ACCESS_CONTROL_ALLOW_ORIGIN) else { return };
        if allow_origin == origin || allow_origin == "*" {
            let credentials = answer.get(ACCESS_CONTROL_ALLOW_CREDENTIALS).is_some_and(|v| v == "true");
            self.learn(origin, Allowed { origin: allow_origin.clone(), credentials });
        }
        extend(answer, EXPOSED.split(", "));
        if let Some(allowed) = answer.get(ACCESS_CONTROL_ALLOW_HEADERS).and_then(|v| v.to_str().ok()) {
            // A star does not count for requests with credentials, so it does not stay alone.
            let missing = CONDITIONS.into_iter().filter(|c| !lists(allowed, c));
            let all: Vec<_> =
                Some(allowed).into_iter().filter(|a| !a.trim().is_empty()).chain(missing).collect();
            if let Ok(value) = HeaderValue::try_from(all.join(", ")) {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, value);
            }
        }
    }

    fn learn(&self, origin: &HeaderValue, allowed: Allowed) {
        if origin.len() > ORIGIN_BYTES_MAX || self.allowed.read().get(origin) == Some(&allowed) {
            return;
        }
        let mut known = self.allowed.write();
        if known.len() >= ORIGINS_MAX
            && !known.contains_key(origin)
            && let Some(any) = known.keys().next().cloned()
        {
            known.remove(&any);
        }
        known.insert(origin.clone(), allowed);
    }

    /// Lets the page that asked read a refusal of ours, if it may read what the upstream answers.
    pub(crate) fn refused(&self, origin: &HeaderValue, refusal: &mut HeaderMap) {
        refusal.append(VARY, HeaderValue::from_static("origin"));
        let Some(allowed) = self.allowed.read().get(origin).cloned() else { return };
        refusal.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.origin);
        if allowed.credentials {
            refusal.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        refusal.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

fn lists(list: &str, name: &str) -> bool {
    list.split(',').any(|listed| listed.trim().eq_ignore_ascii_case(name))
}

fn extend(answer: &mut HeaderMap, names: impl Iterator<Item = &'static str>) {
    let listed: Vec<_> =
        answer.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter().filter_map(|v| v.to_str().ok()).collect();
    let listed = listed.join(", ");
    let missing = names.filter(|name| !lists(&listed, name));
    let mut all: Vec<&str> = missing.collect();
    if !listed.is_empty() {
        all.insert(0, &listed);
    }
    if let Ok(value) = HeaderValue::try_from(all.join(", ")) {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(all: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        all.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn pages_that_the_upstream_lets_in_read_tags_and_refusals() {
        let learned = Learned::default();
        let request = fields(&[(ORIGIN, "https://app.test")]);
        let origin = HeaderValue::from_static("https://app.test");
        let mut before = HeaderMap::new();
        learned.refused(&origin, &mut before);
        assert!(!before.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));

        let mut answer = fields(&[
            (ACCESS_CONTROL_ALLOW_ORIGIN, "https://app.test"),
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
            (ACCESS_CONTROL_EXPOSE_HEADERS, "X-Own, etag"),
            (ACCESS_CONTROL_ALLOW_HEADERS, "content-type, if-match"),
        ]);
        learned.answered(&request, &mut answer);
        let exposed = answer[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        assert!(exposed.starts_with("X-Own, etag, Location") && lists(exposed, "retry-after"), "{exposed}");
        let allowed = answer[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
        assert_eq!(allowed, "content-type, if-match, If-None-Match, Prefer, Cache-Control");

        let mut refusal = HeaderMap::new();
        learned.refused(&origin, &mut refusal);
        assert_eq!(refusal[ACCESS_CONTROL_ALLOW_ORIGIN], origin);
        assert_eq!(refusal[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert!(lists(refusal[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap(), "ETag"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let learned = Learned::default();
        for n in 0..2 * ORIGINS_MAX {
            let origin = HeaderValue::try_from(format!("https://a{n}.test")).unwrap();
            let mut request = HeaderMap::new();
            request.insert(ORIGIN, origin.clone());
            let mut answer = HeaderMap::new();
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            learned.answered(&request, &mut answer);
        }
        assert_eq!(learned.allowed.read().len(), ORIGINS_MAX);
    }

    #[test]
    fn an_answer_without_cors_stays_as_it_is() {
        let learned = Learned::default();
        let mut answer = fields(&[(VARY, "accept")]);
        let before = answer.clone();
        learned.answered(&fields(&[(ORIGIN, "https://app.test")]), &mut answer);
        assert_eq!(answer, before);
    }
}
