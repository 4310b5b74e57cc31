//! What a write is conditional on.

use crate::{Error, Version};
use http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

/// The field that says why something is overwritten unseen.
const OVERRIDE: HeaderName = HeaderName::from_static("precondition-override");

/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// What a write is conditional on. Every write has one; there is no default, and none that means "whatever is there"
/// without a reason.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum IfMatch {
    /// Only if it is still the version that was seen.
    Unchanged(Version),
    /// Only if there is nothing (`If-None-Match: *`).
    Absent,
    /// Only if there is something, whatever it is (`If-Match: *`), for a reason that the server may keep.
    Overwrite(String),
}

impl IfMatch {
    /// Overwrites what is there unseen, and says why.
    pub fn overwrite(reason: impl Into<String>) -> Self {
        Self::Overwrite(reason.into())
    }

    /// Adds the condition to the field lines of a request.
    pub(crate) fn put(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        match self {
            Self::Unchanged(version) => {
                let (name, value) = version.condition();
                headers.insert(name, value);
            }
            Self::Absent => drop(headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"))),
            Self::Overwrite(reason) => {
                headers.insert(OVERRIDE, quoted(reason)?);
                headers.insert(IF_MATCH, HeaderValue::from_static("*"));
            }
        }
        Ok(())
    }
}

/// A string of structured fields (RFC 9651, Section 3.3.3).
fn quoted(reason: &str) -> Result<HeaderValue, Error> {
    let is_text = reason.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX || !is_text {
        return Err(Error::Reason);
    }
    let quoted = format!("\"{}\"", reason.replace('\\', "\\\\").replace('"', "\\\""));
    HeaderValue::from_str(&quoted).map_err(|_| Error::Reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_sentence() {
        assert_eq!(quoted("INC-1 \"restore\"").unwrap(), r#""INC-1 \"restore\"""#);
        for reason in ["", " ", "a\nb", "\u{e4}", &"x".repeat(201)] {
            assert!(quoted(reason).is_err(), "{reason}");
        }
    }
}
