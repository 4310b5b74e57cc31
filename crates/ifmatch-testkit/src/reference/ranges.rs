//! `Range` (RFC 9110, Section 14.2), as far as the status depends on it.

use super::tags::trim;

/// What a `Range` field asks of content of a known length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// No range that we serve: no field, several lines, another unit, several ranges, or not valid.
    Whole,
    /// One range with at least one octet in it.
    Part,
    /// One valid suffix range of empty content. It is satisfiable, but selects no octet, and `Content-Range` has no
    /// way to say so.
    PartOfNothing,
    /// One valid range without an octet in it.
    Unsatisfiable,
}

/// Reads the lines of the `Range` field for content of `length` octets.
pub(super) fn asked(lines: &[&[u8]], length: u64) -> Asked {
    let &[line] = lines else { return Asked::Whole };
    let Ok(line) = std::str::from_utf8(trim(line)) else { return Asked::Whole };
    let Some((unit, set)) = line.split_once('=') else { return Asked::Whole };
    // Unit names are case-insensitive (RFC 9110, Section 14.1).
    if !unit.eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    // The list rule allows whitespace around commas, and empty members, but no whitespace before the first member.
    let pieces: Vec<&str> = set.split(',').collect();
    let first_is_indented =
        pieces[0].starts_with([' ', '\t']) && !pieces[0].trim_matches([' ', '\t']).is_empty();
    if first_is_indented {
        return Asked::Whole;
    }
    let ranges: Vec<&str> =
        pieces.iter().map(|p| p.trim_matches([' ', '\t'])).filter(|p| !p.is_empty()).collect();
    let &[range] = ranges.as_slice() else { return Asked::Whole };
    let Some((first, last)) = range.split_once('-') else { return Asked::Whole };
    if !all_digits(first) || !all_digits(last) {
        return Asked::Whole;
    }
    let length = length.to_string();
    if first.is_empty() {
        suffix(last, &length)
    } else if !last.is_empty() && is_less(last, first) {
        Asked::Whole // not valid (RFC 9110, Section 14.1.1)
    } else if is_less(first, &length) {
        Asked::Part
    } else {
        Asked::Unsatisfiable
    }
}

fn suffix(count: &str, length: &str) -> Asked {
    if count.is_empty() {
        Asked::Whole // "-" alone
    } else if !is_less("0", count) {
        Asked::Unsatisfiable
    } else if length == "0" {
        Asked::PartOfNothing
    } else {
        Asked::Part
    }
}

fn all_digits(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit())
}

/// Compares decimal numbers as text, for they may be of any size.
fn is_less(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    if a.len() != b.len() { a.len() < b.len() } else { a < b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_octets() {
        let huge = "99999999999999999999999999999999999999999999";
        let cases = [
            ("bytes=0-4", Asked::Part),
            ("BYTES=0-4", Asked::Part),
            ("bytes=9-", Asked::Part),
            ("bytes=0-0", Asked::Part),
            ("bytes=5-999", Asked::Part),
            (&format!("bytes=0-{huge}"), Asked::Part),
            (&format!("bytes=-{huge}"), Asked::Part),
            ("bytes=-1", Asked::Part),
            ("bytes=00009-", Asked::Part),
            ("bytes=,0-4,", Asked::Part),
            ("bytes= , 0-4", Asked::Part),
            ("bytes=10-", Asked::Unsatisfiable),
            ("bytes=10-20", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=-000", Asked::Unsatisfiable),
            (&format!("bytes={huge}-"), Asked::Unsatisfiable),
            (&format!("bytes={huge}-1"), Asked::Whole),
            ("bytes=4-0", Asked::Whole),
            ("bytes=0-4,6-7", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("bytes", Asked::Whole),
            ("", Asked::Whole),
            ("bytes =0-4", Asked::Whole),
            ("bytes= 0-4", Asked::Whole),
            ("bytes=0 - 4", Asked::Whole),
            ("bytes=0-4-5", Asked::Whole),
            ("bytes=+0-4", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("lines=0-4", Asked::Whole),
        ];
        for (line, expected) in cases {
            assert_eq!(asked(&[line.as_bytes()], 10), expected, "{line:?}");
        }
        assert_eq!(asked(&[], 10), Asked::Whole);
        assert_eq!(asked(&[b"bytes=0-4", b"bytes=0-4"], 10), Asked::Whole);
    }

    #[test]
    fn no_octets() {
        assert_eq!(asked(&[b"bytes=0-"], 0), Asked::Unsatisfiable);
        assert_eq!(asked(&[b"bytes=-1"], 0), Asked::PartOfNothing);
        assert_eq!(asked(&[b"bytes=-0"], 0), Asked::Unsatisfiable);
    }
}
