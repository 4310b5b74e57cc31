//! Byte ranges (RFC 9110, Section 14): one range of one representation, or none.

/// What a Range field asks for. Several ranges, unknown units and invalid sets are ignored, as RFC 9110,
/// Section 14.2 allows; numbers too large for `u64` mean "past every end".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RangeSpec {
    /// `bytes=5-`
    From(u64),
    /// `bytes=5-9`, last position included.
    Between(u64, u64),
    /// `bytes=-5`
    Suffix(u64),
}

/// Positions of the octets of a part, the last one included; `first <= last < length`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ByteRange {
    /// Position of the first octet, from 0.
    pub first: u64,
    /// Position of the last octet.
    pub last: u64,
}

impl ByteRange {
    /// How many octets the part has; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a satisfiable range is never empty")]
    pub fn len(self) -> u64 {
        self.last - self.first + 1
    }
}

impl RangeSpec {
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let equals = value.iter().position(|&b| b == b'=')?;
        let (unit, set) = (&value[..equals], value[equals + 1..].trim_ascii_end());
        // White space may stand around commas, not around the equals sign (RFC 9110, Sections 5.6.1 and 14.1.1).
        let indented =
            set.first() != set.trim_ascii_start().first() && !set.trim_ascii_start().starts_with(b",");
        if !unit.eq_ignore_ascii_case(b"bytes") || indented {
            return None;
        }
        // A list of one may have empty members.
        let mut members = set.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|m| !m.is_empty());
        let (one, None) = (members.next()?, members.next()) else { return None };
        let dash = one.iter().position(|&b| b == b'-')?;
        match (&one[..dash], &one[dash + 1..]) {
            ([], last) => Some(Self::Suffix(number(last)?)),
            (first, []) => Some(Self::From(number(first)?)),
            (first, last) => {
                let spec = Self::Between(number(first)?, number(last)?);
                (!is_less(last, first)).then_some(spec)
            }
        }
    }

    /// A suffix of nothing is satisfiable and is all of it (RFC 9110, Section 14.1.2), but no Content-Range can say so.
    pub(crate) fn is_suffix_of_nothing(self, length: u64) -> bool {
        length == 0 && matches!(self, Self::Suffix(1..))
    }

    /// The part of a representation of `length` octets, or `None` if there is no such part.
    pub(crate) fn select(self, length: u64) -> Option<ByteRange> {
        let end = length.checked_sub(1)?;
        let (first, last) = match self {
            Self::From(first) => (first, end),
            Self::Between(first, last) => (first, last.min(end)),
            Self::Suffix(0) => return None,
            Self::Suffix(count) => (length.saturating_sub(count), end),
        };
        (first <= end).then_some(ByteRange { first, last })
    }
}

/// Compares digits of any length.
fn is_less(a: &[u8], b: &[u8]) -> bool {
    let significant = |digits: &[u8]| digits.iter().position(|&d| d != b'0').unwrap_or(digits.len());
    let (a, b) = (&a[significant(a)..], &b[significant(b)..]);
    (a.len(), a) < (b.len(), b)
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, b| {
        b.is_ascii_digit().then(|| n.saturating_mul(10).saturating_add(u64::from(b - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |value: &str, length| {
            RangeSpec::parse(value.as_bytes()).map(|s| s.select(length).map(|r| (r.first, r.last)))
        };
        assert_eq!(part("bytes=0-4", 10), Some(Some((0, 4))));
        assert_eq!(part("Bytes=0-4 ,", 10), Some(Some((0, 4))));
        assert_eq!(part("bytes=5-", 10), Some(Some((5, 9))));
        assert_eq!(part("bytes=5-500", 10), Some(Some((5, 9))));
        assert_eq!(part("bytes=-3", 10), Some(Some((7, 9))));
        assert_eq!(part("bytes=-300", 10), Some(Some((0, 9))));
        assert_eq!(part("bytes=10-", 10), Some(None));
        assert_eq!(part("bytes=-0", 10), Some(None));
        assert_eq!(part("bytes=-5", 0), Some(None));
        assert_eq!(part("bytes=99999999999999999999999-", 10), Some(None));
        assert_eq!(part("bytes=0-99999999999999999999999", 10), Some(Some((0, 9))));
        for ignored in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=a-b",
            "bytes=1-2,4-5",
            "lines=0-4",
            "bytes=+1-2",
            "bytes =0-4",
            "bytes= 0-4",
            "bytes=0x1-2",
        ] {
            assert_eq!(part(ignored, 10), None, "{ignored}");
        }
    }
}
