//! One canonical name for each resource: lock, comparison and audit all use it.

mod forwarded;

use crate::problem::Code;
use crate::refusal::Refusal;
use std::borrow::Cow;

pub use forwarded::coarse;

/// The longest path of the own store, in octets after normalisation.
pub const TARGET_BYTES_MAX: usize = 2048;
/// The longest path that is handed on to an upstream, in octets.
pub const FORWARDED_TARGET_BYTES_MAX: usize = 16 << 10;

/// A request target in canonical form (RFC 3986, Section 6.2.2): percent-encoded unreserved characters decoded, hex
/// digits in upper case, dot segments removed. The case of the path is kept; `%2F` stays different from `/`.
///
/// **Invariant:** two spellings of one resource have equal targets, and a path is ASCII without white space, controls
/// or backslash, so that it can go into fields and logs as it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// The path; behind it, after a question mark, the query.
    text: Box<str>,
    path_bytes: usize,
}

impl Target {
    /// Reads a path in origin form and its query.
    ///
    /// # Errors
    /// 400 `bad_request` with reason `path_encoding` (percent signs, NUL, backslash, octets that are not ASCII or do
    /// not decode to UTF-8), `dot_segment` (encoded dot segments), `empty_segment` (`//`), `path`; 414
    /// `target_too_long` past [`TARGET_BYTES_MAX`].
    pub fn parse(path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        if path.len() > 3 * TARGET_BYTES_MAX {
            return Err(too_long(TARGET_BYTES_MAX));
        }
        if !path.starts_with('/') {
            return Err(Refusal::bad_request("path", "The target must be a path that begins with a slash."));
        }
        let path =
            if is_canonical(path.as_bytes()) { Cow::Borrowed(path) } else { Cow::Owned(normalise(path)?) };
        if path.len() > TARGET_BYTES_MAX {
            return Err(too_long(TARGET_BYTES_MAX));
        }
        Ok(Self::new(path, query))
    }

    /// Reads a path that is handed on to an upstream: normalised without changing what it names (percent-encoded
    /// unreserved characters, hex digits, dot segments), everything else as it came. What upstreams read in different
    /// ways is refused.
    ///
    /// # Errors
    /// 400 `bad_request` with reason `path_encoding` (percent signs, NUL, backslash, octets that are not ASCII),
    /// `dot_segment` (dot segments that only show when something is decoded, merged or cut off), `empty_segment` (two slashes
    /// at the beginning), `path`; 414
    /// `target_too_long` past [`FORWARDED_TARGET_BYTES_MAX`].
    pub fn parse_forwarded(path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        if path.len() > FORWARDED_TARGET_BYTES_MAX {
            return Err(too_long(FORWARDED_TARGET_BYTES_MAX));
        }
        if !path.starts_with('/') {
            return Err(Refusal::bad_request("path", "The target must be a path that begins with a slash."));
        }
        if path.starts_with("//") {
            // To those that resolve it as a reference it is an authority (RFC 3986, Section 4.2).
            let detail = "The path begins with two slashes, which servers read in different ways.";
            return Err(Refusal::bad_request("empty_segment", detail));
        }
        let path = if is_plain(path.as_bytes()) {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(forwarded::normalise(path)?)
        };
        Ok(Self::new(path, query))
    }

    /// A path as it came, for a request that is handed through without being judged: not canonical.
    pub fn verbatim(path: &str, query: Option<&str>) -> Self {
        Self::new(Cow::Borrowed(path), query)
    }

    fn new(path: Cow<'_, str>, query: Option<&str>) -> Self {
        let path_bytes = path.len();
        let text = match query {
            None => path.into(),
            Some(query) => [&*path, "?", query].concat().into(),
        };
        Self { text, path_bytes }
    }

    /// The canonical path with the query as received: what is to be asked for to get this resource. The query may hold
    /// secrets.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The canonical path.
    pub fn path(&self) -> &str {
        &self.text[..self.path_bytes]
    }

    /// The query as received, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_bytes + 1..)
    }

    /// Whether it names a collection: it ends in a slash.
    pub fn is_collection(&self) -> bool {
        self.path().ends_with('/')
    }
}

fn too_long(bytes_max: usize) -> Refusal {
    Refusal::new(Code::TargetTooLong).detail(format!("The path is longer than {bytes_max} octets."))
}

/// The usual case of a forwarded path: letters, digits and single slashes, with no segment that begins with a dot.
fn is_plain(path: &[u8]) -> bool {
    let mut begins_segment = false;
    path.iter().all(|&b| {
        let fits = PLAIN[usize::from(b)] && !(begins_segment && matches!(b, b'/' | b'.'));
        begins_segment = b == b'/';
        fits
    })
}

/// What may stand in such a path.
const PLAIN: [bool; 256] = {
    let (mut plain, mut b) = ([false; 256], 0_u8);
    while b < 128 {
        plain[b as usize] = is_unreserved(b) || matches!(b, b'/' | b':' | b'@' | b',' | b'=' | b'+' | b'!');
        b += 1;
    }
    plain
};

/// The usual case: nothing to normalise. Segments beginning with a dot take the long way.
fn is_canonical(path: &[u8]) -> bool {
    path.windows(2).all(|w| w != b"//" && w != b"/.") && path.iter().all(|&b| b == b'/' || is_segment_byte(b))
}

const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// What may stand in a segment unencoded, and for leniency the printable ASCII characters that clients send raw
/// although they should not, except those that mean something to somebody (backslash, percent).
fn is_segment_byte(b: u8) -> bool {
    is_unreserved(b)
        || matches!(
            b,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
        )
}

fn normalise(path: &str) -> Result<String, Refusal> {
    let mut segments: Vec<String> = Vec::new();
    let mut rest = path[1..].split('/').peekable();
    while let Some(raw) = rest.next() {
        let last = rest.peek().is_none();
        let encoded_dots = raw.contains('%');
        let segment = normalise_segment(raw)?;
        match segment.as_str() {
            "." | ".." if encoded_dots => {
                return Err(Refusal::bad_request(
                    "dot_segment",
                    "The path has an encoded dot segment, which servers read in different ways.",
                ));
            }
            "." => {}
            ".." => {
                segments.pop();
            }
            "" if !last => {
                return Err(Refusal::bad_request("empty_segment", "The path has an empty segment (//)."));
            }
            _ => {
                segments.push(segment);
                continue;
            }
        }
        // A dot segment at the end leaves the slash before it.
        if last {
            segments.push(String::new());
        }
    }
    Ok(format!("/{}", segments.join("/")))
}

fn normalise_segment(raw: &str) -> Result<String, Refusal> {
    let bad = |what: &str| Err(Refusal::bad_request("path_encoding", format!("The path {what}.")));
    let (mut out, mut decoded) = (String::with_capacity(raw.len()), Vec::with_capacity(raw.len()));
    let mut bytes = raw.bytes();
    while let Some(b) = bytes.next() {
        let octet = match b {
            b'%' => {
                let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (hex(bytes.next()), hex(bytes.next())) else {
                    return bad("has a percent sign without two hex digits");
                };
                u8::try_from(high * 16 + low).unwrap_or(0)
            }
            b if b.is_ascii() => b,
            _ => return bad("has octets outside ASCII; they must be percent-encoded"),
        };
        decoded.push(octet);
        match octet {
            0 => return bad("has an encoded NUL"),
            b'\\' => return bad("has a backslash"),
            // An encoded reserved character stays encoded: it may differ from the plain one.
            _ if is_unreserved(octet) || (b != b'%' && is_segment_byte(octet)) => out.push(char::from(octet)),
            _ => {
                out.push('%');
                for digit in [octet >> 4, octet & 15] {
                    out.push(char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    if std::str::from_utf8(&decoded).is_err() {
        return bad("does not decode to UTF-8");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String, &'static str> {
        Target::parse(text, None)
            .map(|t| t.path().to_owned())
            .map_err(|r| r.reason().map_or(r.code().name(), |x| x.name()))
    }

    #[test]
    fn spellings_of_one_resource_are_one_target() {
        for (text, canonical) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/%61/%7e%2Db", "/a/~-b"),
            ("/a%2fb", "/a%2Fb"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../b", "/b"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/.", "/"),
            ("/.hidden/a", "/.hidden/a"),
            ("/a/...", "/a/..."),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/A", "/A"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/a%3Bv", "/a%3Bv"),
            ("/a|b", "/a%7Cb"),
        ] {
            assert_eq!(path(text).as_deref(), Ok(canonical), "{text}");
            assert_eq!(path(canonical).as_deref(), Ok(canonical), "{canonical} is its own canonical form");
        }
    }

    #[test]
    fn a_query_stays_as_it_came_behind_the_path() {
        for query in [None, Some(""), Some("a=%61/../b?c"), Some("\u{e9}\"")] {
            for target in [
                Target::parse("/%61/./b", query),
                Target::parse_forwarded("/%61/./b", query),
                Ok(Target::verbatim("/a/b", query)),
            ] {
                let target = target.unwrap();
                let whole = query.map_or("/a/b".to_owned(), |query| format!("/a/b?{query}"));
                assert_eq!((target.path(), target.query(), target.as_str()), ("/a/b", query, &*whole));
            }
        }
    }

    #[test]
    fn what_cannot_be_named_safely_is_refused() {
        for (text, reason) in [
            ("a", "path"),
            ("", "path"),
            ("/%", "path_encoding"),
            ("/%4", "path_encoding"),
            ("/%zz", "path_encoding"),
            ("/%+1", "path_encoding"),
            ("/a%00", "path_encoding"),
            ("/a\\b", "path_encoding"),
            ("/a%5cb", "path_encoding"),
            ("/caf\u{e9}", "path_encoding"),
            ("/%ff", "path_encoding"),
            ("/%2e%2E/a", "dot_segment"),
            ("/.%2e/a", "dot_segment"),
            ("/a/%2e", "dot_segment"),
            ("//a", "empty_segment"),
            ("/a//b", "empty_segment"),
            ("/a//", "empty_segment"),
        ] {
            assert_eq!(path(text), Err(reason), "{text}");
        }
        assert_eq!(path(&format!("/{}", "a".repeat(TARGET_BYTES_MAX))), Err("target_too_long"));
        assert!(path(&format!("/{}", "a".repeat(TARGET_BYTES_MAX - 1))).is_ok());
    }
}
