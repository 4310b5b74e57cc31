//! Entity-tags and lists of them (RFC 9110, Sections 8.8.3, 13.1.1, 13.1.2 and 5.6.1).

/// One entity-tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    /// Whether it begins with `W/`.
    pub weak: bool,
    /// The octets between the quotes.
    pub opaque: Vec<u8>,
}

impl Tag {
    /// RFC 9110, Section 8.8.3.2: both strong, and equal octet by octet.
    pub(super) fn matches_strongly(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// RFC 9110, Section 8.8.3.2: equal octet by octet, weak or not.
    pub(super) fn matches_weakly(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }
}

/// All lines of an `If-Match` or `If-None-Match` field together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TagList {
    /// No such field line.
    Missing,
    /// `*`, alone.
    Star,
    /// A list, perhaps empty.
    Tags(Vec<Tag>),
    /// Neither.
    Malformed,
}

/// Several lines of one field are one list, joined by comma and space (RFC 9110, Section 5.3).
pub(super) fn tag_list(lines: &[&[u8]]) -> TagList {
    if lines.is_empty() {
        return TagList::Missing;
    }
    let joined = lines.join(&b", "[..]);
    if lines.len() == 1 && trim(&joined) == b"*" {
        return TagList::Star;
    }
    match list(&joined) {
        Some(tags) => TagList::Tags(tags),
        None => TagList::Malformed,
    }
}

/// One entity-tag and nothing else, as `If-Range` takes it.
pub(super) fn single_tag(value: &[u8]) -> Option<Tag> {
    let (tag, end) = tag_at(value, 0)?;
    (end == value.len()).then_some(tag)
}

/// Without the optional whitespace (space, tab) around it.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let mut value = value;
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn list(value: &[u8]) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut at = 0;
    loop {
        at = skip_whitespace(value, at);
        if at == value.len() {
            return Some(tags);
        }
        if value[at] == b',' {
            at += 1; // an empty member, tolerated
            continue;
        }
        let (tag, end) = tag_at(value, at)?;
        tags.push(tag);
        at = skip_whitespace(value, end);
        if at == value.len() {
            return Some(tags);
        }
        if value[at] != b',' {
            return None;
        }
        at += 1;
    }
}

fn skip_whitespace(value: &[u8], mut at: usize) -> usize {
    while at < value.len() && (value[at] == b' ' || value[at] == b'\t') {
        at += 1;
    }
    at
}

/// The entity-tag that begins at `at`, and where it ends. The next quote closes it: there are no escapes.
fn tag_at(value: &[u8], at: usize) -> Option<(Tag, usize)> {
    let weak = value[at..].starts_with(b"W/");
    let mut at = if weak { at + 2 } else { at };
    if value.get(at) != Some(&b'"') {
        return None;
    }
    at += 1;
    let mut opaque = Vec::new();
    loop {
        match *value.get(at)? {
            b'"' => return Some((Tag { weak, opaque }, at + 1)),
            byte @ (0x21 | 0x23..=0x7E | 0x80..=0xFF) => opaque.push(byte),
            _ => return None, // controls, space, DEL
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strong(opaque: &str) -> Tag {
        Tag { weak: false, opaque: opaque.into() }
    }

    fn weak(opaque: &str) -> Tag {
        Tag { weak: true, opaque: opaque.into() }
    }

    fn one_line(value: &str) -> TagList {
        tag_list(&[value.as_bytes()])
    }

    #[test]
    fn lists() {
        let good = [
            ("\"a\"", vec![strong("a")]),
            ("W/\"a\"", vec![weak("a")]),
            ("\"\"", vec![strong("")]),
            ("W/\"\"", vec![weak("")]),
            ("\"a\",\"b\"", vec![strong("a"), strong("b")]),
            (" \t\"a\" ,\t W/\"b\" ", vec![strong("a"), weak("b")]),
            (",, \"a\", ,\"b\",,", vec![strong("a"), strong("b")]),
            ("\"a,b\"", vec![strong("a,b")]),
            ("\"*\"", vec![strong("*")]),
            ("\"W/a\"", vec![strong("W/a")]),
            ("\"a\\\"", vec![strong("a\\")]),
            ("\"é!#~\"", vec![strong("é!#~")]),
            ("", vec![]),
            (" ,\t, ", vec![]),
        ];
        for (value, tags) in good {
            assert_eq!(one_line(value), TagList::Tags(tags), "{value:?}");
        }
    }

    #[test]
    fn malformed() {
        let bad = [
            "a",
            "\"a",
            "a\"",
            "'a'",
            "w/\"a\"",
            "W/a",
            "W/",
            "W",
            "W /\"a\"",
            "W/ \"a\"",
            "W/W/\"a\"",
            "\"a\"\"b\"",
            "\"a\" \"b\"",
            "\"a\"x",
            "x\"a\"",
            "\"a\";q=1",
            "\"a\", b",
            "\"a b\"",
            "\"a\tb\"",
            "\"a\u{7f}\"",
            "\"a\u{1}\"",
            "\\\"a\\\"",
            "\"a\\\"b\"",
            "\"",
            "*, \"a\"",
            "\"a\", *",
            "*,",
            ",*",
            "**",
            "* *",
            "\u{a0}\"a\"",
        ];
        for value in bad {
            assert_eq!(one_line(value), TagList::Malformed, "{value:?}");
        }
    }

    #[test]
    fn lines_are_joined() {
        assert_eq!(tag_list(&[]), TagList::Missing);
        assert_eq!(one_line("*"), TagList::Star);
        assert_eq!(one_line(" *\t"), TagList::Star);
        assert_eq!(tag_list(&[b"\"a\"", b"", b"\"b\""]), TagList::Tags(vec![strong("a"), strong("b")]));
        assert_eq!(tag_list(&[b"*", b"*"]), TagList::Malformed);
        assert_eq!(tag_list(&[b"*", b""]), TagList::Malformed);
        assert_eq!(tag_list(&[b"\"a", b"b\""]), TagList::Malformed, "the join puts a space into the tag");
    }

    #[test]
    fn comparison() {
        // The four lines of the table in RFC 9110, Section 8.8.3.2.
        let table = [
            (weak("1"), weak("1"), false, true),
            (weak("1"), weak("2"), false, false),
            (weak("1"), strong("1"), false, true),
            (strong("1"), strong("1"), true, true),
        ];
        for (a, b, strongly, weakly) in table {
            assert_eq!((a.matches_strongly(&b), b.matches_strongly(&a)), (strongly, strongly));
            assert_eq!((a.matches_weakly(&b), b.matches_weakly(&a)), (weakly, weakly));
        }
    }

    #[test]
    fn single() {
        assert_eq!(single_tag(b"\"a\""), Some(strong("a")));
        for bad in [&b""[..], b"*", b"a", b"\"a\",", b"\"a\", \"b\"", b" \"a\""] {
            assert_eq!(single_tag(bad), None);
        }
    }
}
