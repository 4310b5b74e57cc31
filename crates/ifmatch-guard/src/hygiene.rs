//! What a head must be before anything else is looked at: refuse rather than guess.

use crate::fields::{Field, Look};
use http::header::{CONNECTION, HeaderName, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Uri, Version};
use ifmatch_core::{Code, Refusal, Target};

/// Fields that `Connection` may not name: taking them away would change what the request says (RFC 9110, Section
/// 7.6.1 lets an intermediary remove whatever is named there).
const NOT_HOP_BY_HOP: [&str; 18] = [
    "host",
    "range",
    "expect",
    "authorization",
    "cookie",
    "idempotency-key",
    "transfer-encoding",
    "prefer",
    "merge-base",
    "precondition-override",
    // WebDAV: what is written besides, and whether anything may be lost by it (RFC 4918, Section 10).
    "destination",
    "overwrite",
    "depth",
    "if",
    "lock-token",
    "max-forwards",
    "origin",
    "accept",
];
const NOT_HOP_BY_HOP_PREFIXES: [&str; 3] = ["if-", "content-", "accept-"];

/// Largest header section, names and values together, in bytes. Past it: 431, never a part of it.
pub const HEADER_BYTES_MAX: usize = 64 << 10;

/// Checks the head, of which `look` tells what fields it has, and reads its target, which `named` knows the spellings of.
pub(crate) fn receive(
    head: &Parts,
    look: &Look<'_>,
    named: impl FnOnce(&str, Option<&str>) -> Result<Target, Refusal>,
) -> Result<Target, Refusal> {
    size(look.bytes)?;
    if look.fields.has(Field::TransferEncoding) {
        transfer_coding(head)?;
    }
    if look.fields.has(Field::Connection) {
        connection(head)?;
    }
    host(head, look)?;
    target(&head.method, &head.uri, named)
}

fn size(bytes: usize) -> Result<(), Refusal> {
    if bytes <= HEADER_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("The header section has {bytes} bytes; at most {HEADER_BYTES_MAX} are taken.");
    Err(Refusal::new(Code::HeaderTooLarge).detail(detail))
}

/// The transport takes `chunked` off and nothing else: content under another coding would be stored as what it is not
/// (RFC 9112, Sections 6.1 and 7).
fn transfer_coding(head: &Parts) -> Result<(), Refusal> {
    let mut chunked = false;
    for line in head.headers.get_all(TRANSFER_ENCODING) {
        for coding in line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|c| !c.is_empty())
        {
            if !coding.eq_ignore_ascii_case(b"chunked") {
                let detail = "The content comes under a transfer coding other than chunked, which is not supported here.";
                return Err(Refusal::new(Code::NotImplemented).detail(detail));
            }
            if std::mem::replace(&mut chunked, true) {
                return Err(Refusal::bad_request("framing", "The content is said to be chunked twice."));
            }
        }
    }
    Ok(())
}

fn connection(head: &Parts) -> Result<(), Refusal> {
    for line in head.headers.get_all(CONNECTION) {
        for token in line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            // Compared as a name, without regard to case.
            let Ok(name) = HeaderName::from_bytes(token) else { continue };
            let name = name.as_str();
            if NOT_HOP_BY_HOP.contains(&name) || NOT_HOP_BY_HOP_PREFIXES.iter().any(|p| name.starts_with(p)) {
                let detail =
                    format!("Connection names {name}, which belongs to the request and not to one hop.");
                return Err(Refusal::bad_request("connection", detail));
            }
        }
    }
    Ok(())
}

/// Exactly one authority (RFC 9112, Section 3.2; RFC 9113, Section 8.3.1).
fn host(head: &Parts, look: &Look<'_>) -> Result<(), Refusal> {
    let bad = |detail: &str| Err(Refusal::bad_request("host", detail));
    if look.hosts > 1 {
        return bad("The request has more than one Host field.");
    }
    // RFC 9110, Section 4.2.4: to whoever passes it on it would be a part of the name.
    if head.uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return bad("The target names a user before its host.");
    }
    let named = look.host.map(|value| value.as_bytes().trim_ascii());
    if let Some(named) = named.filter(|n| !n.is_empty()) {
        let valid =
            is_plain_host(named) || Authority::try_from(named).is_ok_and(|a| !a.as_str().contains('@'));
        if !valid {
            return bad("The Host field is not a host with an optional port.");
        }
    }
    match (head.version, named, head.uri.authority()) {
        (Version::HTTP_11, None, _) => bad("The request has no Host field."),
        (Version::HTTP_2, None, None) => bad("The request has neither :authority nor Host."),
        (Version::HTTP_2, Some(named), Some(authority))
            if !named.eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            bad("Host and :authority differ.")
        }
        _ => Ok(()),
    }
}

/// A name or an IPv4 address, with or without a port: nearly every Host there is, found valid without being parsed.
fn is_plain_host(host: &[u8]) -> bool {
    let name_ends = host.iter().position(|&b| !OF_NAMES[usize::from(b)]).unwrap_or(host.len());
    let port = match &host[name_ends..] {
        [] => return name_ends > 0,
        [b':', port @ ..] => port,
        _ => return false,
    };
    name_ends > 0 && matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit)
}

/// Letters, digits, dots and hyphens.
const OF_NAMES: [bool; 256] = {
    let (mut of_names, mut b) = ([false; 256], 0_u8);
    while b < 128 {
        of_names[b as usize] = b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        b += 1;
    }
    of_names
};

fn target(
    method: &Method,
    uri: &Uri,
    named: impl FnOnce(&str, Option<&str>) -> Result<Target, Refusal>,
) -> Result<Target, Refusal> {
    if let Some(scheme) = uri.scheme_str()
        && !matches!(scheme, "http" | "https")
    {
        return Err(Refusal::bad_request("scheme", format!("{scheme} targets are not served here.")));
    }
    if method == Method::OPTIONS && uri.path() == "*" {
        return named("/", None);
    }
    // An absolute-form target may have an empty path, which is the root. The bare authority is for CONNECT alone (RFC
    // 9112, Section 3.2.3).
    let is_root = uri.path().is_empty() && (uri.scheme().is_some() || method == Method::CONNECT);
    let path = if is_root { "/" } else { uri.path() };
    named(path, uri.query())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn check(version: Version, uri: &str, fields: &[(&str, &str)]) -> Result<String, &'static str> {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        receive(&head, &Look::at(&head.headers), Target::parse)
            .map(|t| t.path().to_owned())
            .map_err(|r| r.reason().map_or("", |r| r.name()))
    }

    #[test]
    fn one_host() {
        let h1 = Version::HTTP_11;
        assert_eq!(check(h1, "/a", &[("host", "x:80")]).as_deref(), Ok("/a"));
        assert_eq!(check(h1, "/a", &[("host", "")]).as_deref(), Ok("/a"));
        assert_eq!(check(h1, "http://x/a", &[("host", "y")]).as_deref(), Ok("/a"));
        assert_eq!(check(h1, "http://x", &[("host", "x")]).as_deref(), Ok("/"));
        assert_eq!(check(Version::HTTP_10, "/a", &[]).as_deref(), Ok("/a"));
        assert_eq!(check(Version::HTTP_2, "http://x/a", &[]).as_deref(), Ok("/a"));
        assert_eq!(check(Version::HTTP_2, "http://x/a", &[("host", "X")]).as_deref(), Ok("/a"));
        assert_eq!(check(h1, "/a", &[]), Err("host"));
        assert_eq!(check(h1, "/a", &[("host", "x"), ("host", "x")]), Err("host"));
        assert_eq!(check(h1, "/a", &[("host", "x, y")]), Err("host"));
        assert_eq!(check(h1, "/a", &[("host", "u@x")]), Err("host"));
        for user in ["http://u@x/a", "http://u:p@x/a", "http://@x/a"] {
            assert_eq!(check(h1, user, &[("host", "x")]), Err("host"), "{user}");
            assert_eq!(check(Version::HTTP_2, user, &[]), Err("host"), "{user}");
        }
        assert_eq!(check(Version::HTTP_2, "http://x/a", &[("host", "y")]), Err("host"));
        assert_eq!(check(h1, "ftp://x/a", &[("host", "x")]), Err("scheme"));
        assert_eq!(check(h1, "x", &[("host", "x")]), Err("path"));
        assert_eq!(check(h1, "x:80", &[("host", "x:80")]), Err("path"));
    }

    #[test]
    fn content_under_other_codings_is_not_taken_for_what_it_is_not() {
        let coded = |value| check(Version::HTTP_11, "/a", &[("host", "x"), ("transfer-encoding", value)]);
        assert!(coded("chunked").is_ok() && coded(" , Chunked").is_ok());
        assert_eq!(coded("chunked, chunked"), Err("framing"));
        assert!(
            ["gzip, chunked", "gzip", "identity", "chunked;q=1"].into_iter().all(|c| coded(c) == Err(""))
        );
    }

    #[test]
    fn what_is_found_valid_without_being_parsed_is_valid() {
        for host in ["a", "A-b.example", "127.0.0.1:4428", "x:1", "x:65535", "-.-:0"] {
            assert!(is_plain_host(host.as_bytes()) && Authority::try_from(host).is_ok(), "{host}");
        }
        for other in ["", ":80", "x:", "x:123456", "x:8o", "u@x", "[::1]:80", "x y", "x,y", "x:1:2", "x%41"] {
            assert!(!is_plain_host(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn connection_cannot_take_a_condition_away() {
        for bad in [
            "If-Match",
            "close, if-match",
            "IF-NONE-MATCH",
            "Content-Length",
            "authorization",
            "Idempotency-Key",
            "host",
            "Overwrite",
            "close, destination",
            "depth",
            "If",
            "accept-language",
        ] {
            assert_eq!(
                check(Version::HTTP_11, "/a", &[("host", "x"), ("connection", bad)]),
                Err("connection"),
                "{bad}"
            );
        }
        for good in ["close", "keep-alive, TE", "Upgrade, HTTP2-Settings", "x-own", ""] {
            assert!(check(Version::HTTP_11, "/a", &[("host", "x"), ("connection", good)]).is_ok(), "{good}");
        }
    }
}
