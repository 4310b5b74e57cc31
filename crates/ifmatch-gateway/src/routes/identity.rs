//! Which of the resources of one path a request means: read in one way, or refused.

use super::Routes;
use crate::head::connection_options;
use crate::parameters::{cookie_value, query_value};
use crate::routes::Route;
use crate::settings::Identity;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName};
use http::{HeaderMap, Version};
use ifmatch_core::{Refusal, Target};

/// Before each part. No coarse path has this character at its end of a segment from a template.
const PART: char = '\u{1f}';

impl Routes {
    /// What `identity` adds to the turn key of a request; empty on a route without. `host` is the authority of its target, if
    /// that has one.
    ///
    /// # Errors
    /// 400 `identity` where two servers could differ about it, or where the upstream is sent something else.
    pub fn identity(
        &self,
        route: &Route,
        target: &Target,
        headers: &HeaderMap,
        host: Option<&str>,
    ) -> Result<String, Refusal> {
        let mut all = String::new();
        for by in &route.settings.identity {
            all.push(PART);
            all.push_str(&match by {
                Identity::Query(name) => query_value(target.query().unwrap_or(""), name).map_err(|_| {
                    ambiguous(&format!(
                        "the query parameter {name}, which servers read in different ways here"
                    ))
                })?,
                Identity::Host => {
                    let named = host.or_else(|| headers.get(HOST)?.to_str().ok());
                    host_name(named.unwrap_or("")).ok_or_else(|| ambiguous("a plain host"))?
                }
                Identity::Principal => principal(&self.secret, headers)?,
                Identity::Header(name) => field(headers, name)?,
                Identity::Cookie(name) => {
                    cookie_value(headers.get_all(COOKIE).iter().map(|part| part.as_bytes()), name)
                        .map_err(|_| ambiguous(&format!("one cookie {name}")))?
                }
            });
        }
        Ok(all)
    }

    /// Whether what tells resources apart is sent on as it was read. For routes with an identity.
    ///
    /// # Errors
    /// 400 `identity` if not.
    pub(crate) fn is_identified(
        &self,
        route: &Route,
        target: &Target,
        headers: &HeaderMap,
        (host, version): (Option<&str>, Version),
    ) -> Result<(), Refusal> {
        if route.settings.identity.is_empty() {
            return Ok(());
        }
        for by in &route.settings.identity {
            match by {
                Identity::Header(name) if connection_options(headers).contains(name) => {
                    return Err(ambiguous(&format!("{name}, and Connection takes that away")));
                }
                // With HTTP/2 the parts are put together on their way (RFC 9113, Section 8.2.3).
                Identity::Cookie(_)
                    if version < Version::HTTP_2 && headers.get_all(COOKIE).iter().count() > 1 =>
                {
                    return Err(ambiguous("one Cookie field"));
                }
                _ => {}
            }
        }
        self.identity(route, target, headers, host).map(drop)
    }
}

fn ambiguous(by: &str) -> Refusal {
    Refusal::bad_request("identity", format!("Resources are told apart here by {by}. Nothing was forwarded."))
}

/// The host without its port, which most servers do not look at to tell hosts apart, and without the dot at its end.
fn host_name(host: &str) -> Option<String> {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next().map(|name| name.trim_end_matches('.')),
    };
    name.filter(|name| !name.is_empty()).map(str::to_ascii_lowercase)
}

/// A keyed hash of `Authorization`: a name that says nothing. Its scheme is written in whatever case, and any number of
/// blanks may follow it (RFC 9110, Section 11.4).
fn principal(secret: &[u8; 32], headers: &HeaderMap) -> Result<String, Refusal> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(String::new()) };
    if lines.next().is_some() {
        return Err(ambiguous("one Authorization field"));
    }
    let line = line.as_bytes().trim_ascii();
    let scheme = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (scheme, credentials) = line.split_at(scheme);
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(&scheme.to_ascii_lowercase()).update(b" ").update(credentials.trim_ascii());
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

/// The value of a field that is there once, and under no name that others take for its.
fn field(headers: &HeaderMap, name: &HeaderName) -> Result<String, Refusal> {
    let is_taken_for = |other: &HeaderName| {
        other != name && other.as_str().contains('_') && other.as_str().replace('_', "-") == name.as_str()
    };
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() || headers.keys().any(is_taken_for) {
        return Err(ambiguous(&format!("one field {name}")));
    }
    Ok(value
        .map_or(String::new(), |value| String::from_utf8_lossy(value.as_bytes().trim_ascii()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_host_has_one_name() {
        for same in
            ["a.example", "A.Example", "a.example:80", "a.example:8080", "a.example.", "a.example.:443"]
        {
            assert_eq!(host_name(same).as_deref(), Some("a.example"), "{same}");
        }
        assert_eq!(host_name("[::1]:80"), host_name("[::1]"));
        assert!(host_name("").is_none() && host_name(":80").is_none());
    }

    #[test]
    fn credentials_have_one_name_and_cookies_do_not_belong_to_it() {
        let of = |lines: &[(HeaderName, &'static str)]| {
            let lines = lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            principal(&[7; 32], &lines.collect()).map_err(|refusal| refusal.code())
        };
        let one = of(&[(AUTHORIZATION, "Bearer x")]);
        assert_eq!(one, of(&[(AUTHORIZATION, "bearer   x"), (COOKIE, "theme=dark")]));
        assert_ne!(one, of(&[(AUTHORIZATION, "Bearer X")]));
        assert_eq!(of(&[(COOKIE, "a=1")]).as_deref(), Ok(""));
        assert!(of(&[(AUTHORIZATION, "Bearer x"), (AUTHORIZATION, "Bearer x")]).is_err());
    }
}
