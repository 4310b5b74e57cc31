//! Heads of messages on their way through: what is kept, taken away, added, and in which order.

use crate::gateway::destination;
use crate::hops::fewer;
use crate::settings::{HostField, Origin};
use crate::upstream::{Message, Sending};
use crate::variant;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, COOKIE, ETAG, EXPECT, FORWARDED, HOST, HeaderName, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, MAX_FORWARDS, PRAGMA,
    PROXY_AUTHORIZATION, RANGE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, Version, response};
use ifmatch_core::Target;
use ifmatch_guard::{Exchange, Field};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

const NO_CACHE: &[u8] = b"no-cache";
const IDENTITY: &[u8] = b"identity";
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
pub(crate) const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const DESTINATION: HeaderName = HeaderName::from_static("destination");

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

/// Fields that say what a write does, and to what else.
const DECIDING: [&str; 7] =
    ["destination", "overwrite", "depth", "if", "lock-token", "prefer", "idempotency-key"];

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
    /// To see what is there now.
    Check(Look<'a>),
}

/// How one looks at what is there now.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Look<'a> {
    /// The fields that the tag's holder selected by, instead of those of the request.
    pub(crate) selected_by: Option<&'a [(HeaderName, Option<HeaderValue>)]>,
    /// In whose name, if not the caller's.
    pub(crate) credentials: Option<&'a HeaderValue>,
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

    /// A request to the upstream, with the header section that it is sent on with: Host, conditions, and then everything else
    /// in the order in which it came.
    pub(crate) fn request(
        &self,
        x: &Exchange,
        (method, target): (&Method, &PathAndQuery),
        purpose: Purpose<'_>,
        content: Sending,
    ) -> Message {
        let mut out = Message::new(method, target, content);
        let chosen = match purpose {
            Purpose::Check(look) => look.selected_by.unwrap_or_default(),
            _ => &[],
        };
        let is_chosen =
            |name: &HeaderName| chosen.iter().any(|(chosen, _)| chosen == name) && variant::selects(name);
        let theirs = host_of(x);
        out.field(&HOST, &[self.host(theirs)]);
        conditions(x, purpose, &mut out);
        let named = if x.fields.has(Field::Connection) { connection_options(&x.headers) } else { Vec::new() };
        for (name, value) in &x.headers {
            let waits = *name == COOKIE && x.version == Version::HTTP_2;
            if !waits && goes_through(name, value, purpose) && !named.contains(name) && !is_chosen(name) {
                if *name == MAX_FORWARDS && *method == Method::OPTIONS {
                    out.field(name, &[fewer(value).as_bytes()]);
                    continue;
                }
                let to = if *name == DESTINATION { self.judged_destination(x, purpose) } else { None };
                let value = to.as_deref().map_or(value.as_bytes(), str::as_bytes);
                out.field(name, &[value]);
            }
        }
        let has_own = matches!(purpose, Purpose::Check(look) if look.replaces(&COOKIE));
        if x.version == Version::HTTP_2 && !has_own {
            crumbs(&x.headers, &mut out);
        }
        match purpose {
            Purpose::Whole => out.field(&ACCEPT_ENCODING, &[IDENTITY]),
            Purpose::Check(look) => look.fields(&mut out),
            Purpose::Verbatim | Purpose::Plain | Purpose::Conditional | Purpose::Judged(_) => {}
        }
        out.field(&VIA, &[via(x.version)]);
        forwarded(x, theirs, &mut out);
        out
    }

    fn host<'x>(&'x self, theirs: Option<&'x [u8]>) -> &'x [u8] {
        let named = theirs.filter(|_| self.host == HostField::Preserve);
        named.unwrap_or(self.upstream.as_bytes())
    }

    /// Destination as it was judged, not as it was spelled. It follows Host to the upstream: where it goes there.
    fn judged_destination(&self, x: &Exchange, purpose: Purpose<'_>) -> Option<String> {
        if !matches!(purpose, Purpose::Judged(_)) {
            return None;
        }
        let to = canonical(&destination(&x.method, &x.uri, &x.headers).ok()??)?;
        let spelled: Uri = x.headers.get(DESTINATION)?.to_str().ok()?.trim().parse().ok()?;
        let (scheme, host) = match (spelled.scheme_str(), spelled.authority()) {
            (Some(scheme), Some(host)) if self.host == HostField::Preserve => (scheme, host.as_str()),
            (Some(_), Some(_)) => ("http", self.upstream.to_str().ok()?),
            _ => return Some(to.as_str().to_owned()),
        };
        Some(format!("{scheme}://{host}{to}"))
    }
}

/// The authority in the target goes before Host (RFC 9112, Section 3.2.2); HTTP/2 has it there.
fn host_of(x: &Exchange) -> Option<&[u8]> {
    let authority = x.uri.authority().map(|a| a.as_str().as_bytes());
    authority.or_else(|| x.headers.get(HOST).map(HeaderValue::as_bytes)).filter(|host| !host.is_empty())
}

/// RFC 7239: who asked, and for which host.
fn forwarded(x: &Exchange, host: Option<&[u8]>, out: &mut Message) {
    let Some(peer) = &x.peer else { return };
    let node = Node::of(peer.address);
    match host.filter(|host| host.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))) {
        Some(host) => {
            let parts = [b"for=", node.text(), b";host=\"", host, b"\";proto=http"];
            out.field(&FORWARDED, &parts);
        }
        None => out.field(&FORWARDED, &[b"for=", node.text(), b";proto=http"]),
    }
}

/// HTTP/2 may split cookies into several fields; HTTP/1.1 has one (RFC 9113, Section 8.2.3).
fn crumbs(headers: &HeaderMap, out: &mut Message) {
    let mut joined: Vec<&[u8]> = Vec::new();
    for more in headers.get_all(COOKIE) {
        if !joined.is_empty() {
            joined.push(b"; ");
        }
        joined.push(more.as_bytes());
    }
    if !joined.is_empty() {
        out.field(&COOKIE, &joined);
    }
}

/// What may follow content: nothing that would change what was judged, or for whom, if somebody takes it for a part of the
/// head (RFC 9110, Section 6.5.1).
pub(crate) fn trailers(headers: &HeaderMap) -> Option<HeaderMap> {
    let of_the_head = |name: &HeaderName| {
        matches!(
            *name,
            HOST | CONTENT_LENGTH
                | CONTENT_TYPE
                | CONTENT_ENCODING
                | CONTENT_RANGE
                | EXPECT
                | TRAILER
                | AUTHORIZATION
                | PROXY_AUTHORIZATION
                | COOKIE
                | SET_COOKIE
                | CACHE_CONTROL
                | MAX_FORWARDS
        )
    };
    let allowed = |name: &HeaderName| {
        !of_the_head(name)
            && !is_hop_by_hop(name)
            && !is_disguise(name)
            && !CONDITIONS.contains(name)
            && !DECIDING.contains(&name.as_str())
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
fn via(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_2 => b"2 ifmatch",
        Version::HTTP_10 => b"1.0 ifmatch",
        _ => b"1.1 ifmatch",
    }
}

fn conditions(x: &Exchange, purpose: Purpose<'_>, out: &mut Message) {
    match purpose {
        Purpose::Verbatim | Purpose::Plain | Purpose::Conditional => {
            for (name, value) in x.headers.iter().filter(|(name, _)| CONDITIONS.contains(name)) {
                out.field(name, &[value.as_bytes()]);
            }
        }
        Purpose::Judged(theirs) => {
            if let Some(theirs) = theirs {
                out.field(&IF_MATCH, &[theirs.as_bytes()]);
            }
            if x.fields.has(Field::TagCondition) && is_creation(&x.headers) {
                out.field(&IF_NONE_MATCH, &[b"*"]);
            }
        }
        Purpose::Whole | Purpose::Check(_) => {}
    }
}

/// Whether it has `If-None-Match: *`, alone: beside other members that is malformed, and on a read ignored.
fn is_creation(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(IF_NONE_MATCH).iter();
    lines.next().is_some_and(|line| line.as_bytes().trim_ascii() == b"*") && lines.next().is_none()
}

impl Look<'_> {
    /// Whether it says something else in place of this field.
    fn replaces(&self, name: &HeaderName) -> bool {
        [ACCEPT_ENCODING, CACHE_CONTROL, PRAGMA].contains(name)
            || self.credentials.is_some() && [COOKIE, AUTHORIZATION].contains(name)
    }

    /// What the tag's holder selected by, whose credentials they are, and no cache.
    fn fields(&self, out: &mut Message) {
        for (name, value) in self.selected_by.unwrap_or_default() {
            if let Some(value) = value
                && variant::selects(name)
            {
                out.field(name, &[value.as_bytes()]);
            }
        }
        if let Some(credentials) = self.credentials {
            out.field(&AUTHORIZATION, &[credentials.as_bytes()]);
        }
        out.field(&ACCEPT_ENCODING, &[IDENTITY]);
        out.field(&CACHE_CONTROL, &[NO_CACHE]);
        out.field(&PRAGMA, &[NO_CACHE]);
    }
}

/// The fields that `Connection` names. Those that belong to the request itself were refused before.
pub(crate) fn connection_options(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut named = Vec::new();
    for line in headers.get_all(CONNECTION) {
        let tokens = line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii);
        named.extend(tokens.filter_map(|token| HeaderName::from_bytes(token).ok()));
    }
    named
}

/// Fields of one hop (RFC 9110, Section 7.6.1).
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || *name == TE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

/// Whether a field of a guarded request reaches the upstream under its name and as it came.
pub fn is_sent_on(name: &HeaderName) -> bool {
    !is_hop_by_hop(name)
        && ![HOST, EXPECT, COOKIE, CONTENT_LENGTH, ACCEPT_ENCODING, CACHE_CONTROL, PRAGMA].contains(name)
        && !CONDITIONS.contains(name)
        && !name.as_str().contains('_')
        && !DISGUISES.contains(&name.as_str())
}

/// What the upstream is told in a field by a request that is sent on for that purpose, all its lines in one.
pub(crate) fn sent(x: &Exchange, name: &HeaderName, purpose: Purpose<'_>) -> Option<HeaderValue> {
    let mut lines = x.headers.get_all(name).iter().filter(|value| goes_through(name, value, purpose));
    let first = lines.next()?;
    if x.fields.has(Field::Connection) && connection_options(&x.headers).contains(name) {
        return None;
    }
    let Some(second) = lines.next() else { return Some(first.clone()) };
    let all: Vec<&[u8]> = [first, second].into_iter().chain(lines).map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&all.join(&b", "[..])).ok()
}

/// Conditions of a request, and what they are about.
pub(crate) fn is_condition(name: &HeaderName) -> bool {
    CONDITIONS.contains(name)
}

fn goes_through(name: &HeaderName, value: &HeaderValue, purpose: Purpose<'_>) -> bool {
    if *name == TE {
        // What is asked of us is asked of the upstream: its trailers are read.
        return value.as_bytes().eq_ignore_ascii_case(b"trailers") && !matches!(purpose, Purpose::Check(_));
    }
    if is_hop_by_hop(name) || *name == HOST || *name == EXPECT || CONDITIONS.contains(name) {
        return false;
    }
    match purpose {
        Purpose::Verbatim => true,
        Purpose::Plain | Purpose::Conditional | Purpose::Judged(_) => !is_disguise(name),
        Purpose::Whole => !is_disguise(name) && *name != ACCEPT_ENCODING,
        Purpose::Check(look) => {
            let is_of_the_write = name.as_str().starts_with("content-")
                || matches!(
                    name.as_str(),
                    "prefer" | "idempotency-key" | "trailer" | "destination" | "overwrite" | "depth"
                );
            !is_disguise(name) && !is_of_the_write && !look.replaces(name)
        }
    }
}

/// Gateways of many languages hand `If_Match` and `If-Match` on under one name, so a name with an underscore could say
/// what was not judged.
pub(crate) fn is_disguise(name: &HeaderName) -> bool {
    let name = name.as_str();
    if name.starts_with("x-") && DISGUISES.contains(&name) {
        return true;
    }
    name.bytes().any(|octet| octet == b'_') && {
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
pub(crate) fn target<'x>(x: &'x Exchange, purpose: Purpose<'_>) -> Cow<'x, PathAndQuery> {
    let as_it_came = matches!(purpose, Purpose::Verbatim | Purpose::Plain) || x.uri.path() == x.target.path();
    match x.uri.path_and_query().filter(|spelled| as_it_came && !spelled.as_str().is_empty()) {
        Some(spelled) => Cow::Borrowed(spelled),
        None => Cow::Owned(canonical(&x.target).unwrap_or(PathAndQuery::from_static("/"))),
    }
}

/// A target as we name it.
pub(crate) fn canonical(target: &Target) -> Option<PathAndQuery> {
    PathAndQuery::try_from(target.as_str()).ok()
}

/// Takes from an answer what belongs to the hop: fields, and the version, which is that of whoever sends it (RFC 9110, Section 6.2).
pub(crate) fn clean_answer(head: &mut response::Parts) {
    head.version = Version::HTTP_11;
    clean_fields(&mut head.headers);
}

/// Takes from a header section what belongs to the hop.
pub(crate) fn clean_fields(headers: &mut HeaderMap) {
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

/// Takes from an answer what was said of content that is not sent, or only in part (RFC 9530, Section 2).
pub(crate) fn strip_content_digests(headers: &mut HeaderMap) {
    headers.remove(CONTENT_DIGEST);
    headers.remove(CONTENT_MD5);
}

/// Takes the upstream's validators from an answer: on a route where we mint, they never reach clients.
pub(crate) fn strip_validators(headers: &mut HeaderMap) {
    // Most answers have none, and one look at all names costs less than a search for each.
    if headers.keys().any(|name| [ETAG, LAST_MODIFIED].contains(name)) {
        headers.remove(ETAG);
        headers.remove(LAST_MODIFIED);
    }
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
    fn behind_content_comes_nothing_that_belongs_before_it() {
        let all = [
            "host",
            "content-length",
            "content-type",
            "content-encoding",
            "content-range",
            "expect",
            "trailer",
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "cache-control",
            "max-forwards",
            "connection",
            "transfer-encoding",
            "te",
            "upgrade",
            "keep-alive",
            "if-match",
            "if-none-match",
            "range",
            "x-http-method-override",
            "if_match",
            "destination",
            "overwrite",
            "depth",
            "lock-token",
            "digest",
        ];
        let fields = all.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1")));
        let kept = trailers(&fields.into_iter().collect()).unwrap();
        assert_eq!(kept.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["digest"]);
        assert_eq!(trailers(&HeaderMap::new()), None);
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
            clean_fields(&mut answer);
            assert_eq!(answer, fields(&kept), "{of_hop:?}");
        }
    }
}
