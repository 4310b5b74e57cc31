//! Names of resources that somebody else keeps: what is sent on, and how coarse a name must be to hold all its spellings.

use super::is_unreserved;
use crate::refusal::Refusal;
use std::borrow::Cow;

/// RFC 3986, Section 6.2.2, and nothing more.
pub(super) fn normalise(path: &str) -> Result<String, Refusal> {
    let decoded = decode_unreserved(path)?;
    let plain = if has_dot_segment(decoded.as_bytes()) {
        // Whether `..` takes an empty segment away or the one before it depends on who reads it.
        if path.contains("//") {
            return Err(dots(
                "The path has dot segments beside empty ones, which servers read in different ways.",
            ));
        }
        // Dots that were encoded are refused, not resolved: some servers resolve them before they decode.
        if path
            .split('/')
            .any(|s| s.contains('%') && matches!(decode_unreserved(s).as_deref(), Ok("." | "..")))
        {
            return Err(dots("The path has an encoded dot segment, which servers read in different ways."));
        }
        remove_dot_segments(&decoded)
    } else {
        decoded
    };
    // What shows up only when `%2F` is decoded or `;parameters` are cut off.
    if has_dot_segment(coarse(&plain).as_bytes()) {
        return Err(dots("The path has a hidden dot segment, which servers read in different ways."));
    }
    Ok(plain)
}

fn dots(detail: &str) -> Refusal {
    Refusal::bad_request("dot_segment", detail)
}

fn has_dot_segment(path: &[u8]) -> bool {
    path.split(|&b| b == b'/').any(|segment| matches!(segment, b"." | b".."))
}

fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut rest = path[1..].split('/').peekable();
    while let Some(segment) = rest.next() {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        // A dot segment at the end leaves the slash before it.
        if rest.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

fn decode_unreserved(path: &str) -> Result<String, Refusal> {
    let bad = |what: &str| Err(Refusal::bad_request("path_encoding", format!("The path {what}.")));
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(b) = bytes.next() {
        let (octet, encoded) = match b {
            b'%' => {
                let Some(octet) = hex(bytes.next()).zip(hex(bytes.next())).map(|(h, l)| h * 16 + l) else {
                    return bad("has a percent sign without two hex digits");
                };
                (octet, true)
            }
            b if b.is_ascii() => (b, false),
            _ => return bad("has octets outside ASCII; they must be percent-encoded"),
        };
        match octet {
            0 => return bad("has an encoded NUL"),
            b'\\' => return bad("has a backslash"),
            _ if !encoded || is_unreserved(octet) => out.push(char::from(octet)),
            _ => {
                out.push('%');
                for digit in [octet >> 4, octet & 15] {
                    out.push(char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    Ok(out)
}

fn hex(digit: Option<u8>) -> Option<u8> {
    let digit = char::from(digit?).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// A name that all spellings of a path share, whatever an upstream makes of them: percent-encoding undone to the last
/// layer, parameters (`;...`) cut off each segment, slashes merged, none at the end, case folded. Different resources
/// may share it too, which costs waiting; one resource with two of them would lose updates.
///
/// Borrowed if the path is such a name already.
pub fn coarse(path: &str) -> Cow<'_, str> {
    if is_coarse(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    let decoded = decode_all(path.as_bytes());
    let text = String::from_utf8_lossy(&decoded);
    let mut out = String::with_capacity(text.len());
    for segment in text.split(['/', '\\']) {
        let segment = segment.split(';').next().unwrap_or("");
        // A file system may not tell trailing dots and spaces apart; dot segments stay visible.
        let trimmed = segment.trim_end_matches([' ', '.']);
        let segment = if trimmed.is_empty() && !segment.trim().is_empty() { segment } else { trimmed };
        if !segment.is_empty() {
            out.push('/');
            out.extend(segment.chars().flat_map(char::to_lowercase));
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    Cow::Owned(out)
}

fn is_coarse(path: &[u8]) -> bool {
    let mut before = Octet::Plain;
    for &b in path {
        let octet = OCTETS[usize::from(b)];
        // A dot inside a segment is plain; at its end it is not.
        let fits = octet == Octet::Plain || (octet == Octet::Divides && before == Octet::Plain);
        if !fits {
            return false;
        }
        before = octet;
    }
    path == b"/" || before == Octet::Plain
}

/// What an octet is to a name that may be coarse already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Octet {
    /// Stands for itself.
    Plain,
    /// A slash or a dot: never two of them in a row, and none at the end.
    Divides,
    /// Has more than one spelling.
    Spelled,
}

/// Each request's path is looked at several times.
const OCTETS: [Octet; 256] = {
    let mut table = [Octet::Spelled; 256];
    let mut b = 0u8;
    loop {
        if b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'~') {
            table[b as usize] = Octet::Plain;
        }
        if b == b'/' || b == b'.' {
            table[b as usize] = Octet::Divides;
        }
        if b == u8::MAX {
            break table;
        }
        b += 1;
    }
};

/// Decodes until nothing is left to decode, in one pass: what a decoded octet completes is decoded as well.
fn decode_all(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for &b in path {
        out.push(b);
        while let [.., b'%', high, low] = out[..]
            && let Some(octet) = hex(Some(high)).zip(hex(Some(low))).map(|(h, l)| h * 16 + l)
        {
            out.truncate(out.len() - 3);
            out.push(octet);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn forwarded(path: &str) -> Result<String, &'static str> {
        Target::parse_forwarded(path, None)
            .map(|t| t.path().to_owned())
            .map_err(|r| r.reason().map_or(r.code().name(), |x| x.name()))
    }

    #[test]
    fn what_is_sent_on_names_what_was_asked_for() {
        for (text, sent) in [
            ("/", "/"),
            ("/a//b/", "/a//b/"),
            ("/%61/%7e%2Db", "/a/~-b"),
            ("/a%2fb", "/a%2Fb"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/../b", "/b"),
            ("/a|b\"{}", "/a|b\"{}"),
            ("/A;v=1/b", "/A;v=1/b"),
            ("/caf%e9", "/caf%E9"),
            ("/.hidden", "/.hidden"),
            ("/%2525", "/%2525"),
        ] {
            assert_eq!(forwarded(text).as_deref(), Ok(sent), "{text}");
            assert_eq!(forwarded(sent).as_deref(), Ok(sent), "{sent} stays as it is");
        }
        for (text, reason) in [
            ("a", "path"),
            ("/%", "path_encoding"),
            ("/%4g", "path_encoding"),
            ("/a%00", "path_encoding"),
            ("/a\\b", "path_encoding"),
            ("/a%5Cb", "path_encoding"),
            ("//host/a", "empty_segment"),
            ("/caf\u{e9}", "path_encoding"),
            ("/%2e%2e/a", "dot_segment"),
            ("/a/.%2E/b", "dot_segment"),
            ("/a/%2e", "dot_segment"),
            ("/a%2F..%2Fb", "dot_segment"),
            ("/a/%252e%252e/b", "dot_segment"),
            ("/a/..;x=1/b", "dot_segment"),
            ("/a/..%3Bx/b", "dot_segment"),
            ("/a//../b", "dot_segment"),
        ] {
            assert_eq!(forwarded(text), Err(reason), "{text}");
        }
        assert_eq!(forwarded(&format!("/{}", "a".repeat(16 << 10))), Err("target_too_long"));
    }

    #[test]
    fn all_spellings_share_one_coarse_name() {
        for text in [
            "/orders/42",
            "/Orders/42",
            "/orders//42",
            "//orders/42",
            "/orders/42/",
            "/orders%2F42",
            "/orders%2f42",
            "/orders/42;v=1",
            "/orders;a/42;b=c",
            "/%6Frders/42",
            "/orders/%34%32",
            "/orders/42%2F",
            "/orders%252F42",
            "/orders%25252F42",
            "/orders/42.",
            "/orders/42%20",
            "/ORDERS/42//",
            "/orders/42%3Bx",
            "/orders%5C42",
        ] {
            assert_eq!(coarse(text), "/orders/42", "{text}");
        }
        assert_eq!(coarse("/caf%C3%89"), "/caf\u{e9}");
        assert_eq!(coarse("/caf%C3%89"), coarse("/caf%c3%a9"));
        assert_eq!(coarse("//"), "/");
        assert_eq!(coarse("/;x"), "/");
        assert_ne!(coarse("/orders/42"), coarse("/orders/43"));
    }

    #[test]
    fn a_coarse_name_is_borrowed_and_its_own() {
        for text in ["/", "/orders/42", "/a/b.json", "/a/caf\u{e9}", "/a.b/c"] {
            assert_eq!(coarse(text), text);
        }
        assert!(matches!(coarse("/orders/42"), Cow::Borrowed(_)));
        for text in ["/A%2f", "/a b", "/a./b", "/x;y/%25", "/%2525252525"] {
            let once = coarse(text).into_owned();
            assert_eq!(coarse(&once), once, "{text}");
        }
    }
}
