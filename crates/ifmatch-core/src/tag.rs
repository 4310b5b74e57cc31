//! Entity-tags (RFC 9110, Section 8.8.3) and the lists that conditions carry them in.

use core::fmt;

/// An entity-tag as it stands in a field: an opaque validator, weak or strong. Borrows the octets between the quotes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntityTag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads one entity-tag that is the whole of `text`; `None` if it is anything else.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        match scan(text) {
            Some((tag, [])) => Some(tag),
            _ => None,
        }
    }

    /// Whether the tag is marked weak (`W/`), which makes it useless for If-Match.
    pub fn is_weak(&self) -> bool {
        self.weak
    }

    /// The octets between the quotes.
    pub fn opaque(&self) -> &'a [u8] {
        self.opaque
    }

    /// Strong comparison: both strong, and the same octets (RFC 9110, Section 8.8.3.2).
    pub fn strongly_equals(&self, other: &EntityTag<'_>) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Weak comparison: the same octets, weak or not (RFC 9110, Section 8.8.3.2).
    pub fn weakly_equals(&self, other: &EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// As it stands in a field, quotes included; octets outside ASCII show as U+FFFD.
impl fmt::Display for EntityTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.weak { "W/" } else { "" };
        write!(f, "{mark}\"{}\"", String::from_utf8_lossy(self.opaque))
    }
}

impl fmt::Debug for EntityTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One member of an If-Match or If-None-Match list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Member<'a> {
    Star,
    Tag(EntityTag<'a>),
}

/// Splits one field line into members by scanning, since a comma may stand inside a tag (RFC 9110, Sections 5.6.1
/// and 8.8.3). Empty members are passed over. An `Err` ends the list: the line is malformed from there on.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Members<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b','));
        let Some(start) = start else {
            self.rest = &[];
            return None;
        };
        let text = &self.rest[start..];
        let scanned = match text {
            [b'*', rest @ ..] => Some((Member::Star, rest)),
            _ => scan(text).map(|(tag, rest)| (Member::Tag(tag), rest)),
        };
        match scanned {
            Some((member, rest)) if ends_member(rest) => {
                self.rest = rest;
                Some(Ok(member))
            }
            _ => {
                self.rest = &[];
                Some(Err(Malformed))
            }
        }
    }
}

/// After a member: white space, then a comma or the end.
fn ends_member(rest: &[u8]) -> bool {
    matches!(rest.iter().find(|b| !matches!(b, b' ' | b'\t')), None | Some(b','))
}

/// An entity-tag at the start of `text`, and what follows it.
fn scan(text: &[u8]) -> Option<(EntityTag<'_>, &[u8])> {
    let (weak, quoted) = match text {
        [b'W', b'/', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let [b'"', rest @ ..] = quoted else { return None };
    let end = rest.iter().position(|&b| !is_etagc(b))?;
    (rest[end] == b'"').then(|| (EntityTag { weak, opaque: &rest[..end] }, &rest[end + 1..]))
}

/// `etagc = %x21 / %x23-7E / obs-text`
fn is_etagc(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x7E | 0x80..=0xFF)
}

/// What is wrong with a field value that should have been entity-tags, as far as it can be told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TagProblem {
    /// Quotes are missing: `3f8a91`, `W/3f8a91`, `"3f8a91`.
    Unquoted,
    /// Quotes were escaped on the way, as when copied out of a JSON text: `\"3f8a91\"`.
    EscapedQuotes,
    /// The text of a programming language's nothing: `undefined`, `null`, `[object Object]`.
    LiteralUndefined,
    /// `*` beside other members.
    StarInList,
    /// A date, which belongs into If-Unmodified-Since.
    DateInEtag,
    /// Anything else.
    NotATag,
}

impl TagProblem {
    /// What is wrong with a value that is no list of entity-tags (all lines of the field, joined by commas) and, where it
    /// can be guessed what was meant, how to write it.
    pub fn of(value: &str) -> (Self, Option<String>) {
        diagnose(value)
    }

    /// Its stable name in problem bodies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unquoted => "unquoted",
            Self::EscapedQuotes => "escaped_quotes",
            Self::LiteralUndefined => "literal_undefined",
            Self::StarInList => "star_in_list",
            Self::DateInEtag => "date_in_etag",
            Self::NotATag => "not_a_tag",
        }
    }

    /// What is wrong, for a person: continues a sentence like "the value you sent ...".
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Unquoted => "lacks its double quotes, which are part of an entity-tag",
            Self::EscapedQuotes => {
                "has backslashes before its quotes, as if it had been copied out of a JSON text; \
                 an entity-tag has no escapes"
            }
            Self::LiteralUndefined => {
                "is a program's word for nothing: the client never had an entity-tag to send"
            }
            Self::StarInList => "has * beside other members; * stands alone or not at all",
            Self::DateInEtag => "is a date; dates go into If-Unmodified-Since",
            Self::NotATag => "is not a list of entity-tags",
        }
    }
}

/// Names what is wrong with a malformed value (all lines of the field, joined) and, where it can be guessed what was
/// meant, how to write it.
pub(crate) fn diagnose(value: &str) -> (TagProblem, Option<String>) {
    const NOTHINGS: [&str; 8] =
        ["undefined", "null", "none", "nil", "nan", "[object object]", "true", "false"];
    let value = value.trim_matches([' ', '\t', ',']);
    let bare = value.trim_matches(['\'', '"']);
    if NOTHINGS.contains(&bare.to_ascii_lowercase().as_str()) {
        return (TagProblem::LiteralUndefined, None);
    }
    if Members::new(value.as_bytes()).any(|m| m == Ok(Member::Star)) || value.contains(", *") {
        return (TagProblem::StarInList, None);
    }
    let epoch = crate::HttpDate::from_unix(0);
    if crate::HttpDate::parse(bare.as_bytes(), epoch).is_some() {
        return (TagProblem::DateInEtag, Some(bare.to_owned()));
    }
    if value.contains("\\\"") {
        let unescaped = value.replace("\\\"", "\"");
        let meant = EntityTag::parse(unescaped.as_bytes()).is_some().then_some(unescaped);
        return (TagProblem::EscapedQuotes, meant);
    }
    if let Some(straight) = straightened(value) {
        return (TagProblem::Unquoted, EntityTag::parse(straight.as_bytes()).map(|tag| tag.to_string()));
    }
    let (mark, rest) = match value.get(..2) {
        Some("W/" | "w/") => ("W/", value[2..].trim_start()),
        _ => ("", value),
    };
    let inner = rest.trim_matches(['"', '\'']);
    let quotes = rest.matches('"').count();
    // What was no UTF-8 is lost.
    let is_whole = !inner.contains([',', char::REPLACEMENT_CHARACTER]);
    if quotes < 2 && !inner.is_empty() && inner.bytes().all(is_etagc) && is_whole {
        return (TagProblem::Unquoted, Some(format!("{mark}\"{inner}\"")));
    }
    let meant = format!("{mark}{rest}");
    let meant = (meant != value && EntityTag::parse(meant.as_bytes()).is_some()).then_some(meant);
    (TagProblem::NotATag, meant)
}

/// With double quotes in place of what programs and people make of them; `None` if it has none of that.
fn straightened(value: &str) -> Option<String> {
    const CROOKED: [&str; 8] =
        ["%22", "&quot;", "&#34;", "&#x22;", "\u{201c}", "\u{201d}", "\u{201e}", "\u{201f}"];
    let is_crooked = CROOKED.iter().any(|quote| value.contains(quote));
    is_crooked.then(|| CROOKED.iter().fold(value.to_owned(), |text, quote| text.replace(quote, "\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(line: &str) -> Option<Vec<String>> {
        Members::new(line.as_bytes())
            .map(|m| {
                m.ok().map(|m| match m {
                    Member::Star => "*".to_owned(),
                    Member::Tag(tag) => tag.to_string(),
                })
            })
            .collect()
    }

    #[test]
    fn lists_are_scanned_not_split() {
        let list = |l: &[&str]| Some(l.iter().map(|&s| s.to_owned()).collect::<Vec<_>>());
        assert_eq!(members(""), list(&[]));
        assert_eq!(members(" ,\t,, "), list(&[]));
        assert_eq!(members(r#""a""#), list(&[r#""a""#]));
        assert_eq!(members(r#", "a",,	"b" ,W/"c""#), list(&[r#""a""#, r#""b""#, r#"W/"c""#]));
        assert_eq!(members(r#""a,b", """#), list(&[r#""a,b""#, r#""""#]));
        assert_eq!(members(r#""a\", "b""#), list(&[r#""a\""#, r#""b""#]));
        assert_eq!(members(r#"*"#), list(&["*"]));
        assert_eq!(members(r#""*""#), list(&[r#""*""#]));
        for bad in [
            r#"a"#,
            r#""a"#,
            r#"a""#,
            r#"w/"a""#,
            r#"W/ "a""#,
            r#"W/a"#,
            r#""a" "b""#,
            r#""a"x"#,
            r#""a b""#,
            "**",
        ] {
            assert_eq!(members(bad), None, "{bad}");
        }
    }

    #[test]
    fn obs_text_is_part_of_a_tag_and_controls_are_not() {
        assert_eq!(EntityTag::parse(b"\"\xe9\x80\xff\"").map(|t| t.opaque().len()), Some(3));
        for bad in [&b"\"a\x00\""[..], b"\"a\x7f\"", b"\"a\tb\"", b"\"a b\"", b"\"a\"b\""] {
            assert_eq!(EntityTag::parse(bad), None);
        }
    }

    #[test]
    fn comparisons() {
        let tag = |text: &'static str| EntityTag::parse(text.as_bytes()).unwrap();
        let (strong, weak, other) = (tag(r#""a""#), tag(r#"W/"a""#), tag(r#""A""#));
        assert!(
            strong.strongly_equals(&strong) && strong.weakly_equals(&weak) && weak.weakly_equals(&strong)
        );
        assert!(
            !strong.strongly_equals(&weak) && !weak.strongly_equals(&weak) && !strong.weakly_equals(&other)
        );
    }

    #[test]
    fn malformed_values_are_named_and_mended() {
        use TagProblem::*;
        for (value, problem, meant) in [
            ("3f8a91", Unquoted, Some(r#""3f8a91""#)),
            ("W/3f8a91", Unquoted, Some(r#"W/"3f8a91""#)),
            (r#""3f8a91"#, Unquoted, Some(r#""3f8a91""#)),
            (r#"3f8a91""#, Unquoted, Some(r#""3f8a91""#)),
            ("'3f8a91'", Unquoted, Some(r#""3f8a91""#)),
            (r#"\"3f8a91\""#, EscapedQuotes, Some(r#""3f8a91""#)),
            (r#"W/\"3f8a91\""#, EscapedQuotes, Some(r#"W/"3f8a91""#)),
            (r#""a\"1""#, EscapedQuotes, None),
            ("undefined", LiteralUndefined, None),
            ("[object Object]", LiteralUndefined, None),
            ("null", LiteralUndefined, None),
            (r#""a1", *"#, StarInList, None),
            (r#"*, "a1""#, StarInList, None),
            ("*, *", StarInList, None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", DateInEtag, Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            (r#"w/"a1""#, NotATag, Some(r#"W/"a1""#)),
            (r#"W/ "a1""#, NotATag, Some(r#"W/"a1""#)),
            (r#""a1" "a0""#, NotATag, None),
            ("%223f8a91%22", Unquoted, Some(r#""3f8a91""#)),
            ("&quot;3f8a91&quot;", Unquoted, Some(r#""3f8a91""#)),
            ("W/&#34;3f8a91&#34;", Unquoted, Some(r#"W/"3f8a91""#)),
            ("\u{201c}3f8a91\u{201d}", Unquoted, Some(r#""3f8a91""#)),
            ("\u{201e}3f8a91\u{201c}", Unquoted, Some(r#""3f8a91""#)),
            ("3f%22a91", Unquoted, None),
            ("3f8a91%22", Unquoted, None),
            ("\u{fffd}3f8a91\u{fffd}", NotATag, None),
            (r#""a b""#, NotATag, None),
            (r#""a1";q=1"#, NotATag, None),
        ] {
            assert_eq!(diagnose(value), (problem, meant.map(str::to_owned)), "{value}");
        }
    }
}
