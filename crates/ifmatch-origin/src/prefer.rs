//! `Prefer: return=...` (RFC 7240): how much a client wants to hear after a write.

use http::{HeaderMap, HeaderName};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What a client would like in the answer to a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Return {
    /// Nothing said.
    Default,
    /// `return=minimal`
    Minimal,
    /// `return=representation`
    Representation,
}

/// Reads the preference; of several, the first counts (RFC 7240, Section 2).
pub(crate) fn read(headers: &HeaderMap) -> Return {
    let lines = headers.get_all(PREFER).iter().filter_map(|v| v.to_str().ok());
    let mut preferences =
        lines.flat_map(|line| line.split(',')).map(|p| p.split(';').next().unwrap_or("").trim());
    let wanted = preferences.find_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("return")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    match wanted.as_deref() {
        Some("minimal") => Return::Minimal,
        Some("representation") => Return::Representation,
        _ => Return::Default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences() {
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("prefer", line.parse().unwrap());
            }
            read(&headers)
        };
        assert_eq!(read(&[]), Return::Default);
        assert_eq!(read(&["return=minimal"]), Return::Minimal);
        assert_eq!(read(&["respond-async, Return = \"representation\"; x=1"]), Return::Representation);
        assert_eq!(read(&["wait=10", "return=representation, return=minimal"]), Return::Representation);
        assert_eq!(read(&["returned=minimal", "return=else"]), Return::Default);
    }
}
