//! Heads of messages on their way through: what is kept, taken away, added, and in which order.

use crate::settings::{HostField, Origin};
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, COOKIE, ETAG, EXPECT, FORWARDED, HOST, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    PRAGMA, RANGE, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, Version};
use ifmatch_guard::Exchange;
use std::net::{IpAddr, SocketAddr};

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const VIA_2: HeaderValue = HeaderValue::from_static("2 ifmatch");
const VIA_1_1: HeaderValue = HeaderValue::from_static("1.1 ifmatch");
const VIA_1_0: HeaderValue = HeaderValue::from_static("1.0 ifmatch");

/// The longest address: IPv6 in brackets and quotes.
const NODE_BYTES_MAX: usize = 39 + 4;

/// The conditions of a request and Range, in the order in which they are sent: first of all fields, so that no cut of the
/// head makes a conditional write an unconditional one.
const CONDITIONS: [HeaderName; 6] =
    [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, IF_MODIFIED_SINCE, IF_RANGE, RANGE];

/// Fields with which a request asks to be taken as another one than was judged.
const DISGUISES: [&str; 6] = [
    "x-http-method-override",
    "x-method-override",
    "x-http-method",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
];

/// What a request is sent on for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose<'a> {
    /// As it came.
    Verbatim,
    /// As it came, without disguises: other routes are guarded, and must not be reached through this one.
    Plain,
    /// Conditions are the upstream's business; disguises are not let through.
    Conditional,
    /// Judged here. Only `If-None-Match: *` is for the upstream as well, and its own tag if it asks for one.
    Judged(Option<&'a HeaderValue>),
    /// The same, for the whole representation under no coding.
    Whole,
    /// To see what is there now: the fields that the tag's holder selected by, and no cache.
    Check(Option<&'a [(HeaderName, Option<HeaderValue>)]>),
}

/// What does not depend on the request.
#[derive(Clone, Debug)]
pub(crate) struct Heads {
    host: HostField,
    upstream: HeaderValue,
}

impl Heads {
    pub(crate) fn new(upstream: &Origin, host: HostField) -> Self {
        let name =
            if upstream.host.contains(':') { format!("[{}]", upstream.host) } else { upstream.host.clone() };
        let authority = if upstream.port == 80 { name } else { format!("{name}:{}", upstream.port) };
        let upstream =
            HeaderValue::try_from(authority).unwrap_or(HeaderValue::from_static("upstream.invalid"));
        Self { host, upstream }
    }

    /// The upstream's own authority.
    pub(crate) fn upstream(&self) -> &HeaderValue {
        &self.upstream
    }

    /// The header section that a request is sent on with.
    pub(crate) fn request(&self, x: &Exchange, purpose: Purpose<'_>) -> HeaderMap {
        let mut out = HeaderMap::with_capacity(x.headers.len() + 5);
        out.insert(HOST, self.host_of(x));
        conditions(x, purpose, &mut out);
        let named = connection_options(&x.headers);
        for (name, value) in &x.headers {
            if *name == COOKIE && x.version == Version::HTTP_2 {
                continue;
            }
            if goes_through(name, value, purpose) && !named.iter().any(|n| n == name) {
                out.append(name.clone(), value.clone());
            }
        }
        if x.version == Version::HTTP_2
            && let Some(cookies) = crumbs(&x.headers)
        {
            out.insert(COOKIE, cookies);
        }
        match purpose {
            Purpose::Whole => drop(out.insert(ACCEPT_ENCODING, IDENTITY)),
            Purpose::Check(fields) => check_fields(fields, &mut out),
            Purpose::Verbatim | Purpose::Plain | Purpose::Conditional | Purpose::Judged(_) => {}
        }
        out.append(VIA, via(x.version));
        if let Some(forwarded) = self.forwarded(x) {
            out.append(FORWARDED, forwarded);
        }
        out
    }

    /// The authority in the target goes before Host (RFC 9112, Section 3.2.2); HTTP/2 has it there.
    fn host_of(&self, x: &Exchange) -> HeaderValue {
        if self.host == HostField::Upstream {
            return self.upstream.clone();
        }
        let named = x.uri.authority().and_then(|a| HeaderValue::try_from(a.as_str()).ok());
        named
            .or_else(|| x.headers.get(HOST).cloned())
            .filter(|h| !h.is_empty())
            .unwrap_or_else(|| self.upstream.clone())
    }

    /// RFC 7239: who asked, and for which host.
    fn forwarded(&self, x: &Exchange) -> Option<HeaderValue> {
        let node = Node::of(x.peer?.address);
        let host = x.uri.authority().map(|a| a.as_str()).or_else(|| x.headers.get(HOST)?.to_str().ok());
        let host = host.filter(|h| !h.is_empty() && !h.contains(['"', '\\']));
        let parts = [
            &b"for="[..],
            node.text(),
            host.map_or(b"", |_| b";host=\""),
            host.unwrap_or("").as_bytes(),
            host.map_or(b"", |_| b"\""),
            b";proto=http",
        ];
        HeaderValue::from_maybe_shared(Bytes::from(parts.concat())).ok()
    }
}

/// HTTP/2 may split cookies into several fields; HTTP/1.1 has one (RFC 9113, Section 8.2.3).
fn crumbs(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(COOKIE).iter();
    let first = all.next()?;
    let mut joined = first.as_bytes().to_vec();
    for more in all {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(more.as_bytes());
    }
    HeaderValue::from_maybe_shared(joined).ok()
}

/// What may follow content: nothing that would change what was judged.
pub(crate) fn trailers(headers: &HeaderMap) -> Option<HeaderMap> {
    let allowed = |name: &HeaderName| {
        let framing = matches!(
            name.as_str(),
            "host" | "content-length" | "content-type" | "content-encoding" | "expect"
        );
        !framing && !is_hop_by_hop(name) && !is_disguise(name) && !CONDITIONS.contains(name)
    };
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| allowed(name)) {
        kept.append(name.clone(), value.clone());
    }
    (!kept.is_empty()).then_some(kept)
}

/// The protocol that a request wants to go over to, if the route lets it.
pub(crate) fn upgrade<'h>(
    headers: &'h HeaderMap,
    version: Version,
    allowed: &[String],
) -> Option<&'h HeaderValue> {
    if allowed.is_empty() || version != Version::HTTP_11 {
        return None;
    }
    let named = connection_options(headers).contains(&UPGRADE);
    let mut protocols = headers.get_all(UPGRADE).iter();
    let (Some(protocol), None, true) = (protocols.next(), protocols.next(), named) else { return None };
    allowed.iter().any(|one| protocol.as_bytes().eq_ignore_ascii_case(one.as_bytes())).then_some(protocol)
}

/// The address of a client as RFC 7239, Section 6 writes it. Each request has one, so the usual ones are written without
/// the machinery for formats.
struct Node {
    bytes: [u8; NODE_BYTES_MAX],
    len: usize,
}

impl Node {
    fn of(address: SocketAddr) -> Self {
        use std::io::Write;
        let mut node = Self { bytes: [0; NODE_BYTES_MAX], len: 0 };
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                for (index, octet) in ip.octets().into_iter().enumerate() {
                    if index > 0 {
                        node.push(b'.');
                    }
                    node.push_decimal(octet);
                }
            }
            IpAddr::V6(ip) => {
                let mut rest = &mut node.bytes[..];
                // There is room for the longest.
                let written = write!(rest, "\"[{ip}]\"").map(|()| NODE_BYTES_MAX - rest.len());
                node.len = written.unwrap_or(0);
            }
        }
        node
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn push_decimal(&mut self, number: u8) {
        if number >= 100 {
            self.push(b'0' + number / 100);
        }
        if number >= 10 {
            self.push(b'0' + number / 10 % 10);
        }
        self.push(b'0' + number % 10);
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// RFC 9110, Section 7.6.3: the version it came in, and who we are.
fn via(version: Version) -> HeaderValue {
    match version {
        Version::HTTP_2 => VIA_2,
        Version::HTTP_10 => VIA_1_0,
        _ => VIA_1_1,
    }
}

fn conditions(x: &Exchange, purpose: Purpose<'_>, out: &mut HeaderMap) {
    match purpose {
        Purpose::Verbatim | Purpose::Plain | Purpose::Conditional => {
            for name in CONDITIONS {
                for value in x.headers.get_all(&name) {
                    out.append(name.clone(), value.clone());
                }
            }
        }
        Purpose::Judged(theirs) => {
            if let Some(theirs) = theirs {
                out.insert(IF_MATCH, theirs.clone());
            }
            let star = x.headers.get_all(IF_NONE_MATCH).iter().find(|v| v.as_bytes().trim_ascii() == b"*");
            if let Some(star) = star {
                out.insert(IF_NONE_MATCH, star.clone());
            }
        }
        Purpose::Whole | Purpose::Check(_) => {}
    }
}

fn check_fields(selected_by: Option<&[(HeaderName, Option<HeaderValue>)]>, out: &mut HeaderMap) {
    for (name, value) in selected_by.unwrap_or_default() {
        match value {
            Some(value) => drop(out.insert(name.clone(), value.clone())),
            None => drop(out.remove(name)),
        }
    }
    out.insert(ACCEPT_ENCODING, IDENTITY);
    out.insert(CACHE_CONTROL, NO_CACHE);
    out.insert(PRAGMA, NO_CACHE);
}

/// The fields that `Connection` names. Those that belong to the request itself were refused before.
fn connection_options(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut named = Vec::new();
    for line in headers.get_all(CONNECTION) {
        let tokens = line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii);
        named.extend(tokens.filter_map(|token| HeaderName::from_bytes(token).ok()));
    }
    named
}

/// Fields of one hop (RFC 9110, Section 7.6.1).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || *name == TE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

fn goes_through(name: &HeaderName, value: &HeaderValue, purpose: Purpose<'_>) -> bool {
    if *name == TE {
        // What is asked of us is asked of the upstream: hyper reads trailers.
        return value.as_bytes().eq_ignore_ascii_case(b"trailers") && !matches!(purpose, Purpose::Check(_));
    }
    if is_hop_by_hop(name) || *name == HOST || *name == EXPECT || CONDITIONS.contains(name) {
        return false;
    }
    match purpose {
        Purpose::Verbatim => true,
        Purpose::Plain | Purpose::Conditional | Purpose::Judged(_) => !is_disguise(name),
        Purpose::Whole => !is_disguise(name) && *name != ACCEPT_ENCODING,
        Purpose::Check(_) => {
            let is_of_the_write = name.as_str().starts_with("content-")
                || matches!(
                    name.as_str(),
                    "prefer" | "idempotency-key" | "trailer" | "destination" | "overwrite" | "depth"
                );
            !is_disguise(name) && !is_of_the_write
        }
    }
}

/// Gateways of many languages hand `If_Match` and `If-Match` on under one name, so a name with an underscore could say
/// what was not judged.
fn is_disguise(name: &HeaderName) -> bool {
    let name = name.as_str();
    if name.starts_with("x-") && DISGUISES.contains(&name) {
        return true;
    }
    name.contains('_') && {
        let meant = name.replace('_', "-");
        DISGUISES.contains(&meant.as_str())
            || CONDITIONS.iter().any(|c| c.as_str() == meant)
            || meant.starts_with("content-")
            || matches!(
                meant.as_str(),
                "host" | "transfer-encoding" | "connection" | "authorization" | "cookie" | "expect"
            )
    }
}

/// The method that a request asks to be taken as.
pub(crate) fn method_override(headers: &HeaderMap) -> Option<&HeaderValue> {
    let named = &DISGUISES[..3];
    // Nearly no request has one, and one look at all names costs less than a search for each of these.
    if !headers.keys().any(|name| named.contains(&name.as_str())) {
        return None;
    }
    named.iter().find_map(|name| headers.get(*name))
}

/// The origin-form target that is sent on.
pub(crate) fn target(x: &Exchange, purpose: Purpose<'_>) -> Uri {
    let as_it_came = matches!(purpose, Purpose::Verbatim | Purpose::Plain) || x.uri.path() == x.target.path();
    let spelled = match x.uri.path_and_query().filter(|_| as_it_came) {
        Some(spelled) if !spelled.as_str().is_empty() => Some(spelled.clone()),
        _ => match x.target.query() {
            Some(query) => PathAndQuery::try_from(format!("{}?{query}", x.target.path())).ok(),
            None => PathAndQuery::try_from(x.target.path()).ok(),
        },
    };
    Uri::from(spelled.unwrap_or(PathAndQuery::from_static("/")))
}

/// Takes from an answer what belongs to the hop.
pub(crate) fn clean_answer(headers: &mut HeaderMap) {
    let of_hop = |name: &HeaderName| {
        [CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(name)
            || matches!(name.as_str(), "keep-alive" | "proxy-connection")
    };
    // Most answers have none, and one look at all names costs less than one for each of these.
    if !headers.keys().any(of_hop) {
        return;
    }
    for name in connection_options(headers) {
        headers.remove(name);
    }
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}

/// Takes the upstream's validators from an answer: on a route where we mint, they never reach clients.
pub(crate) fn strip_validators(headers: &mut HeaderMap) {
    headers.remove(ETAG);
    headers.remove(LAST_MODIFIED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_library_writes_them() {
        for (address, text) in [
            ("127.0.0.1:80", "127.0.0.1"),
            ("9.10.99.100:1", "9.10.99.100"),
            ("255.0.249.5:1", "255.0.249.5"),
            ("[::ffff:10.1.2.3]:1", "10.1.2.3"),
            ("[::1]:1", "\"[::1]\""),
            ("[2001:db8:1111:2222:3333:4444:5555:6666]:1", "\"[2001:db8:1111:2222:3333:4444:5555:6666]\""),
        ] {
            let node = Node::of(address.parse().unwrap());
            assert_eq!(std::str::from_utf8(node.text()).unwrap(), text);
        }
    }

    #[test]
    fn an_answer_keeps_what_is_not_of_the_hop() {
        let fields = |all: &[(&'static str, &'static str)]| -> HeaderMap {
            all.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
        };
        let kept = [("content-type", "a/b"), ("etag", "\"1\"")];
        for of_hop in [
            &[][..],
            &[("connection", "close, x-own"), ("x-own", "1")],
            &[("keep-alive", "timeout=5")],
            &[("proxy-connection", "keep-alive"), ("upgrade", "h2c")],
            &[("transfer-encoding", "chunked")],
        ] {
            let mut answer = fields(&[&kept[..], of_hop].concat());
            clean_answer(&mut answer);
            assert_eq!(answer, fields(&kept), "{of_hop:?}");
        }
    }
}
