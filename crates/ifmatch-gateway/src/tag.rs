//! The minted entity-tag: `"<epoch>-<count>[-<digest>][-<variant>]"`, each part in hexadecimal digits.
//!
//! The count protects writers that come through the gateway, the digest detects those that go around it, and the variant
//! tells the check what the tag's holder read. A tag is never newer than its content: the count is read before the
//! request for the content is forwarded.

use http::header::HeaderValue;
use ifmatch_core::EntityTag;
use std::fmt::Write;

/// Digits of the epoch: 64 bits.
const EPOCH_DIGITS: usize = 16;
/// Digits of the digest: 128 bits. No other optional part is as long.
const DIGEST_DIGITS: usize = 32;

/// 128 bits of BLAKE3 over the target and what the route takes the digest of.
pub type Digest = [u8; 16];

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
    pub variant: Option<u32>,
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
            minted.variant = Some(u32::try_from(hexadecimal(variant)?).ok()?);
        }
        // Only what we would have written ourselves is ours.
        let is_ours = parts.next().is_none() && minted.opaque().as_bytes() == tag.opaque();
        is_ours.then_some(minted)
    }

    /// As it stands in the field.
    pub fn to_value(self) -> HeaderValue {
        let quoted = format!("\"{}\"", self.opaque());
        HeaderValue::try_from(quoted).expect("hexadecimal digits and hyphens are a field value")
    }

    fn opaque(self) -> String {
        let mut text = String::with_capacity(EPOCH_DIGITS + DIGEST_DIGITS + 24);
        // Writing to a string cannot fail.
        let _: std::fmt::Result = write!(text, "{:016x}-{:x}", self.epoch, self.count);
        if let Some(digest) = self.digest {
            let _: std::fmt::Result = write!(text, "-{:032x}", u128::from_be_bytes(digest));
        }
        if let Some(variant) = self.variant {
            let _: std::fmt::Result = write!(text, "-{variant:x}");
        }
        text
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
            for variant in [None, Some(0), Some(7), Some(u32::MAX)] {
                for (epoch, count) in [(0, 0), (1, 10), (u64::MAX, u64::MAX)] {
                    let minted = MintedTag { epoch, count, digest, variant };
                    let value = minted.to_value();
                    assert_eq!(parse(value.to_str().unwrap()), Some(minted), "{value:?}");
                }
            }
        }
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
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(parse(&format!("W/{ours}")), None);
    }
}
