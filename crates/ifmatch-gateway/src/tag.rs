//! The minted entity-tag: `"<epoch>-<count>[-<digest>][-<variant>]"`, each part in hexadecimal digits.
//!
//! The count protects writers that come through the gateway, the digest detects those that go around it, and the variant
//! tells the check what the tag's holder read, or only tells variants apart where no check looks at them. A tag is never newer than its content: the count is read before the
//! request for the content is forwarded.

use http::header::HeaderValue;
use ifmatch_core::EntityTag;

/// Digits of the epoch: 64 bits.
const EPOCH_DIGITS: usize = 16;
/// Digits of the digest: 128 bits. No other optional part is as long.
const DIGEST_DIGITS: usize = 32;
/// The longest tag: both quotes, a count and a variant of all digits, and three hyphens.
const TEXT_BYTES_MAX: usize = 2 + EPOCH_DIGITS + 16 + DIGEST_DIGITS + 16 + 3;
/// In every hash that tells variants apart, so that none is a number of the table.
const APART: u64 = 1 << 63;

/// 128 bits of BLAKE3 over the target and what the route takes the digest of.
pub type Digest = [u8; 16];

/// Which request fields the content was selected by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// Those under this number in the table of variants.
    Stored(u32),
    /// Nobody has to know which: a keyed hash of them and their values.
    Apart(u64),
}

impl Variant {
    /// A variant that is only told apart from others.
    pub(crate) fn apart(hash: u64) -> Self {
        Self::Apart(hash | APART)
    }

    fn of_number(number: u64) -> Option<Self> {
        let stored = u32::try_from(number).ok().map(Self::Stored);
        stored.or_else(|| (number & APART != 0).then_some(Self::Apart(number)))
    }

    fn number(self) -> u64 {
        match self {
            Self::Stored(number) => number.into(),
            Self::Apart(hash) => hash,
        }
    }
}

/// What a minted tag says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MintedTag {
    /// The incarnation of all counters.
    pub epoch: u64,
    /// Writes that have ended under the turn key, as of before the content was asked for.
    pub count: u64,
    /// The digest, unless only the gateway's clients write.
    pub digest: Option<Digest>,
    /// Which request fields the content was selected by, if it varies.
    pub variant: Option<Variant>,
}

impl MintedTag {
    /// Reads a tag of ours. Anything else is `None`, which matches nothing.
    pub fn parse(tag: &EntityTag<'_>) -> Option<Self> {
        if tag.is_weak() {
            return None;
        }
        let mut parts = std::str::from_utf8(tag.opaque()).ok()?.split('-');
        let epoch = parts.next().filter(|part| part.len() == EPOCH_DIGITS).and_then(hexadecimal)?;
        let count = parts.next().and_then(hexadecimal)?;
        let mut minted = Self { epoch, count, digest: None, variant: None };
        let mut next = parts.next();
        if let Some(digest) = next.filter(|part| part.len() == DIGEST_DIGITS) {
            minted.digest = Some(u128::from_str_radix(digest, 16).ok()?.to_be_bytes());
            next = parts.next();
        }
        if let Some(variant) = next {
            minted.variant = Some(Variant::of_number(hexadecimal(variant)?)?);
        }
        // Only what we would have written ourselves is ours.
        let is_ours = parts.next().is_none() && minted.text().opaque() == tag.opaque();
        is_ours.then_some(minted)
    }

    /// As it stands in the field.
    pub fn to_value(self) -> HeaderValue {
        let text = self.text();
        HeaderValue::from_bytes(text.bytes()).expect("hexadecimal digits and hyphens are a field value")
    }

    fn text(self) -> Text {
        let mut text = Text { bytes: [0; TEXT_BYTES_MAX], len: 0 };
        text.push(b'"');
        text.push_hexadecimal(self.epoch, EPOCH_DIGITS);
        text.push(b'-');
        text.push_hexadecimal(self.count, 1);
        if let Some(digest) = self.digest {
            text.push(b'-');
            for byte in digest {
                text.push_hexadecimal(byte.into(), 2);
            }
        }
        if let Some(variant) = self.variant {
            text.push(b'-');
            text.push_hexadecimal(variant.number(), 1);
        }
        text.push(b'"');
        text
    }
}

/// A tag, written. Each answer has one, so it is made without the machinery for formats and without memory of its own.
struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

impl Text {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// At least so many digits.
    fn push_hexadecimal(&mut self, number: u64, digits_min: usize) {
        let needed = (u64::BITS - number.leading_zeros()).div_ceil(4) as usize;
        for digit in (0..needed.max(digits_min)).rev() {
            let value = usize::try_from(number >> (4 * digit) & 15).unwrap_or_default();
            self.push(b"0123456789abcdef"[value]);
        }
    }

    /// With its quotes.
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn opaque(&self) -> &[u8] {
        &self.bytes[1..self.len - 1]
    }
}

fn hexadecimal(part: &str) -> Option<u64> {
    // A sign would be taken by the parser.
    let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(part, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<MintedTag> {
        MintedTag::parse(&EntityTag::parse(text.as_bytes())?)
    }

    #[test]
    fn a_tag_says_what_went_into_it() {
        for digest in [None, Some([0; 16]), Some([0xab; 16])] {
            for variant in [
                None,
                Some(Variant::Stored(0)),
                Some(Variant::Stored(7)),
                Some(Variant::Stored(u32::MAX)),
                Some(Variant::apart(0)),
                Some(Variant::apart(u64::MAX)),
            ] {
                for (epoch, count) in [(0, 0), (1, 10), (u64::MAX, u64::MAX)] {
                    let minted = MintedTag { epoch, count, digest, variant };
                    let value = minted.to_value();
                    assert_eq!(parse(value.to_str().unwrap()), Some(minted), "{value:?}");
                }
            }
        }
    }

    #[test]
    fn a_tag_is_written_as_documented() {
        let value = |count, digest, variant| MintedTag { epoch: 0xfe, count, digest, variant }.to_value();
        assert_eq!(value(0, None, None), "\"00000000000000fe-0\"");
        assert_eq!(value(0x10a, None, Some(Variant::Stored(0))), "\"00000000000000fe-10a-0\"");
        let mut digest = [0; 16];
        (digest[0], digest[15]) = (0x0b, 0xc0);
        assert_eq!(
            value(u64::MAX, Some(digest), Some(Variant::Stored(u32::MAX))),
            "\"00000000000000fe-ffffffffffffffff-0b0000000000000000000000000000c0-ffffffff\""
        );
        assert_eq!(
            value(u64::MAX, Some(digest), Some(Variant::apart(u64::MAX))),
            "\"00000000000000fe-ffffffffffffffff-0b0000000000000000000000000000c0-ffffffffffffffff\""
        );
    }

    #[test]
    fn what_we_did_not_mint_is_not_ours() {
        let ours = "\"0000000000000001-a-abababababababababababababababab-7\"";
        assert!(parse(ours).is_some());
        for other in [
            "\"\"",
            "\"v1\"",
            "\"0000000000000001\"",
            "\"0000000000000001-\"",
            "\"0000000000000001-+a\"",
            "\"0000000000000001-0a\"",
            "\"0000000000000001-A\"",
            "\"1-a\"",
            "\"0000000000000001-a-\"",
            "\"0000000000000001-a-7-7\"",
            "\"0000000000000001-a-abababababababababababababababab-7-7\"",
            "\"0000000000000001-a-fffffffff\"",
            "\"0000000000000001-a-7fffffffffffffff\"",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(parse(&format!("W/{ours}")), None);
    }
}
