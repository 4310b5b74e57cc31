//! Entity-tags of the store: `"<incarnation>-<revision>"`, made and read without allocating.

use bytes::Bytes;
use http::header::HeaderValue;
use ifmatch_core::{EntityTag, Revision};

/// Longest incarnation, in octets.
const INCARNATION_BYTES_MAX: usize = 16;
/// Quotes, hyphen and the digits of a `u64`.
const TAG_BYTES_MAX: usize = INCARNATION_BYTES_MAX + 2 + 1 + 20;

/// The text of an entity-tag, quotes included.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    text: [u8; TAG_BYTES_MAX],
    len: usize,
}

impl Tag {
    /// The tag of a revision.
    pub(crate) fn new(incarnation: &str, revision: Revision) -> Self {
        let mut tag = Self { text: [0; TAG_BYTES_MAX], len: 0 };
        tag.push(b"\"");
        tag.push(&incarnation.as_bytes()[..incarnation.len().min(INCARNATION_BYTES_MAX)]);
        tag.push(b"-");
        let mut digits = [0u8; 20];
        let (mut at, mut rest) = (digits.len(), revision.0);
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        tag.push(&digits[at..]);
        tag.push(b"\"");
        tag
    }

    fn push(&mut self, octets: &[u8]) {
        self.text[self.len..self.len + octets.len()].copy_from_slice(octets);
        self.len += octets.len();
    }

    fn text(&self) -> &[u8] {
        &self.text[..self.len]
    }

    /// As the engine takes it.
    pub(crate) fn entity_tag(&self) -> Option<EntityTag<'_>> {
        EntityTag::parse(self.text())
    }

    /// As a field value.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_maybe_shared(Bytes::copy_from_slice(self.text()))
            .expect("an incarnation is letters and digits, so its tags are valid field values")
    }

    /// As JSON and messages show it.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.text()).unwrap_or_default()
    }
}

/// The revision a client's tag names, if it is a strong tag of this incarnation in exactly the form we write.
pub(crate) fn revision(incarnation: &str, tag: &EntityTag<'_>) -> Option<Revision> {
    let digits = tag.opaque().strip_prefix(incarnation.as_bytes())?.strip_prefix(b"-")?;
    let canonical =
        !tag.is_weak() && matches!(digits, [b'1'..=b'9', ..] | b"0") && digits.iter().all(u8::is_ascii_digit);
    canonical.then(|| std::str::from_utf8(digits).ok()?.parse().ok().map(Revision)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_back_only_as_written() {
        for n in [0, 1, 9, 10, 42, u64::MAX] {
            let tag = Tag::new("k3v9", Revision(n));
            assert_eq!(tag.as_str(), format!("\"k3v9-{n}\""));
            assert_eq!(revision("k3v9", &tag.entity_tag().unwrap()), Some(Revision(n)));
            assert_eq!(revision("k3v8", &tag.entity_tag().unwrap()), None);
        }
        for other in [
            "\"k3v9-042\"",
            "W/\"k3v9-42\"",
            "\"k3v9-\"",
            "\"k3v9\"",
            "\"k3v9-4x\"",
            "\"k3v9-+4\"",
            "\"k3v9-18446744073709551616\"",
        ] {
            assert_eq!(revision("k3v9", &EntityTag::parse(other.as_bytes()).unwrap()), None, "{other}");
        }
    }
}
