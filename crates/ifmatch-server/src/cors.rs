//! Web pages of other origins (the CORS protocol of the Fetch standard): they can use the server only if it says so, and
//! can read an ETag only if it is exposed to them, on refusals as well.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request, Response, StatusCode, Uri};
use ifmatch_core::{Code, Reason, Refusal};
use std::net::IpAddr;

const METHODS: &str = "GET, HEAD, PUT, PATCH, DELETE, POST, OPTIONS";
const REQUEST_FIELDS: &str = "If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range, Range, \
    Content-Type, Content-Encoding, Content-Language, Content-Digest, Repr-Digest, Prefer, Cache-Control, Idempotency-Key, \
    Precondition-Override";
const RESPONSE_FIELDS: &str = "ETag, Location, Link, Retry-After, Allow, Accept-Patch, Accept-Ranges, Content-Range, \
    Content-Location, Preference-Applied, Precondition-Policy, Precondition-Policy-Report-Only";
const PREFLIGHT_SECONDS: &str = "600";

/// The origins whose pages may use the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origins {
    any: bool,
    listed: Vec<String>,
}

impl Default for Origins {
    /// Pages served from this machine's loopback addresses, which are the developer's own.
    fn default() -> Self {
        Self { any: false, listed: Vec::new() }
    }
}

impl Origins {
    /// Pages of loopback, and of the origins listed: `https://app.example`, or `*` for all.
    ///
    /// # Errors
    /// What is wrong with the first entry that is no origin.
    pub fn listed(origins: &[String]) -> Result<Self, String> {
        for origin in origins.iter().filter(|o| *o != "*") {
            let uri: Option<Uri> = origin.parse().ok();
            let is_origin = uri.is_some_and(|u| {
                matches!(u.scheme_str(), Some("http" | "https"))
                    && u.authority().is_some()
                    && matches!(u.path(), "" | "/")
            });
            if !is_origin || origin.ends_with('/') {
                return Err(format!(
                    "{origin:?} is no origin: write scheme and host, as https://app.example, without a slash at the end"
                ));
            }
        }
        let listed = origins.iter().map(|o| o.to_ascii_lowercase()).collect();
        Ok(Self { any: origins.iter().any(|o| o == "*"), listed })
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.any || is_loopback(origin) || self.listed.iter().any(|o| o.eq_ignore_ascii_case(origin))
    }
}

fn is_loopback(origin: &str) -> bool {
    let Some(uri) = origin.parse::<Uri>().ok().filter(|u| matches!(u.scheme_str(), Some("http" | "https")))
    else {
        return false;
    };
    let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The answer to a preflight, if the request is one, but for what every answer is [exposed](expose) with. Preflights carry
/// no conditions and reach no resource.
pub(crate) fn preflight<B, R: From<Bytes>>(origins: &Origins, request: &Request<B>) -> Option<Response<R>> {
    let headers = request.headers();
    let origin = headers.get(ORIGIN)?;
    if request.method() != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(R::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields = response.headers_mut();
    if origins.allows(origin) {
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_FIELDS));
        fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
    }
    Some(response)
}

/// Whether a write comes from a page that may not use the server. A browser sends simple ones (a form, text by POST)
/// without asking first, and names the page's origin in all that are not reads, so it is held to here.
pub(crate) fn is_foreign_write<B>(origins: &Origins, request: &Request<B>) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut named = request.headers().get_all(ORIGIN).iter();
    !is_read && named.any(|origin| !origins.allows(origin))
}

/// The refusal of such a write.
pub(crate) fn foreign<B>(request: &Request<B>) -> Refusal {
    let origin = request.headers().get(ORIGIN).map(|o| String::from_utf8_lossy(o.as_bytes()).into_owned());
    let origin: String = origin.unwrap_or_default().chars().take(200).collect();
    let detail = format!(
        "Pages of the origin {origin} may not write here. Whoever runs the server can let them: --cors-origin {origin}."
    );
    Refusal::new(Code::Forbidden).because(Reason::Other("origin")).detail(detail)
}

/// Lets the page that asked read the answer and its validators, whatever the status.
pub(crate) fn expose(origins: &Origins, origin: Option<&HeaderValue>, fields: &mut HeaderMap) {
    fields.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.filter(|origin| origins.allows(origin)) {
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_FIELDS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let allows = |list: &[&str], origin: &str| {
            let list: Vec<_> = list.iter().map(|&o| o.to_owned()).collect();
            Origins::listed(&list).unwrap().allows(&origin.parse().unwrap())
        };
        for own in [
            "http://localhost:3000",
            "http://127.0.0.1:9",
            "https://127.9.9.9",
            "http://[::1]:80",
            "http://LOCALHOST",
        ] {
            assert!(allows(&[], own), "{own}");
        }
        for other in [
            "https://evil.example",
            "null",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "file://localhost",
        ] {
            assert!(!allows(&[], other), "{other}");
        }
        assert!(allows(&["https://app.example"], "https://app.example"));
        assert!(!allows(&["https://app.example"], "https://app.example:8443"));
        assert!(allows(&["*"], "https://any.example"));
        for bad in ["app.example", "https://app.example/", "https://app.example/x", "ftp://x"] {
            assert!(Origins::listed(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
