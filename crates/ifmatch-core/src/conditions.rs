//! The five condition fields of a request, and Range, read from *all* their field lines.

use crate::date::HttpDate;
use crate::range::RangeSpec;
use crate::tag::{EntityTag, Member, Members, TagProblem, diagnose};
use http::HeaderMap;
use http::header::{
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

/// The conditions of one request (RFC 9110, Section 13.1). Borrows the header section; reading a valid single tag
/// allocates nothing. A field that is not understood is never read as a field that is not there.
#[derive(Clone, Debug)]
pub struct Conditions<'h> {
    /// If-Match.
    pub if_match: TagCondition<'h>,
    /// If-None-Match.
    pub if_none_match: TagCondition<'h>,
    /// If-Modified-Since.
    pub if_modified_since: DateCondition,
    /// If-Unmodified-Since.
    pub if_unmodified_since: DateCondition,
    /// If-Range.
    pub if_range: IfRange<'h>,
    pub(crate) range: Option<RangeSpec>,
}

/// If-Match or If-None-Match.
#[derive(Clone, Debug)]
pub enum TagCondition<'h> {
    /// The field is not there.
    Absent,
    /// `*`, alone.
    Star,
    /// Entity-tags from all lines; possibly none, which is valid grammar and matches nothing.
    Tags(TagList<'h>),
    /// Present, but not a list of entity-tags. Never the same as absent.
    Malformed,
}

/// The entity-tags of one condition.
#[derive(Clone, Debug)]
pub struct TagList<'h> {
    headers: &'h HeaderMap,
    name: HeaderName,
    first: Option<EntityTag<'h>>,
    count: usize,
}

/// If-Modified-Since or If-Unmodified-Since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateCondition {
    /// The field is not there.
    Absent,
    /// Present, but not one valid HTTP-date: the RFC says to ignore it, which makes a write unconditional.
    Invalid,
    /// One valid date.
    At(HttpDate),
}

/// If-Range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IfRange<'h> {
    /// The field is not there.
    Absent,
    /// An entity-tag, compared strongly.
    Tag(EntityTag<'h>),
    /// A date, which must equal Last-Modified exactly.
    Date(HttpDate),
    /// Neither, or twice: never true.
    Never,
}

impl<'h> Conditions<'h> {
    /// Reads the conditions of a header section; `now` settles two-digit years only. Fields of the trailer section
    /// must not be in `headers` (RFC 9110, Section 6.5.1).
    pub fn read(headers: &'h HeaderMap, now: HttpDate) -> Self {
        // Most requests have none or one of them, and one look at all names costs less than a search for each field.
        let (mut if_match, mut if_none_match, mut if_range, mut range) = (false, false, false, false);
        let (mut if_modified_since, mut if_unmodified_since) = (false, false);
        for name in headers.keys() {
            match *name {
                IF_MATCH => if_match = true,
                IF_NONE_MATCH => if_none_match = true,
                IF_MODIFIED_SINCE => if_modified_since = true,
                IF_UNMODIFIED_SINCE => if_unmodified_since = true,
                IF_RANGE => if_range = true,
                RANGE => range = true,
                _ => {}
            }
        }
        let tags = |is: bool, name| if is { TagCondition::read(headers, name) } else { TagCondition::Absent };
        let date = |is: bool, name| {
            if is { DateCondition::read(headers, name, now) } else { DateCondition::Absent }
        };
        Self {
            if_match: tags(if_match, IF_MATCH),
            if_none_match: tags(if_none_match, IF_NONE_MATCH),
            if_modified_since: date(if_modified_since, &IF_MODIFIED_SINCE),
            if_unmodified_since: date(if_unmodified_since, &IF_UNMODIFIED_SINCE),
            if_range: if if_range { IfRange::read(headers, now) } else { IfRange::Absent },
            range: range
                .then(|| sole(headers, &RANGE).and_then(|v| RangeSpec::parse(v.as_bytes())))
                .flatten(),
        }
    }

    /// Those of a request that has none of the fields.
    pub(crate) const NONE: Self = Self {
        if_match: TagCondition::Absent,
        if_none_match: TagCondition::Absent,
        if_modified_since: DateCondition::Absent,
        if_unmodified_since: DateCondition::Absent,
        if_range: IfRange::Absent,
        range: None,
    };

    /// Whether any field is there that binds a write: If-Match, If-None-Match or If-Unmodified-Since, well-formed or not.
    pub fn bind_writes(&self) -> bool {
        !matches!(self.if_match, TagCondition::Absent)
            || !matches!(self.if_none_match, TagCondition::Absent)
            || self.if_unmodified_since != DateCondition::Absent
    }

    /// Whether If-Unmodified-Since is to be looked at: present, and not taken away by If-Match, be that one empty or
    /// malformed (RFC 9110, Section 13.1.4).
    pub(crate) fn unmodified_since(&self) -> Option<DateCondition> {
        let taken_away = !matches!(self.if_match, TagCondition::Absent);
        (!taken_away && self.if_unmodified_since != DateCondition::Absent).then_some(self.if_unmodified_since)
    }
}

impl<'h> TagCondition<'h> {
    fn read(headers: &'h HeaderMap, name: HeaderName) -> Self {
        let (mut lines, mut stars, mut count, mut first) = (0usize, 0usize, 0usize, None);
        for line in headers.get_all(&name) {
            lines += 1;
            for member in Members::new(line.as_bytes()) {
                match member {
                    Ok(Member::Star) => stars += 1,
                    Ok(Member::Tag(tag)) => {
                        first.get_or_insert(tag);
                        count += 1;
                    }
                    Err(_) => return Self::Malformed,
                }
            }
        }
        match (lines, stars, count) {
            (0, ..) => Self::Absent,
            (_, 0, _) => Self::Tags(TagList { headers, name, first, count }),
            // Alone in every respect: `*,` and an empty line beside it are not `*`.
            (1, 1, 0) if headers.get(&name).is_some_and(|v| v.as_bytes().trim_ascii() == b"*") => Self::Star,
            _ => Self::Malformed,
        }
    }
}

impl<'h> TagList<'h> {
    /// How many tags there are, in all lines.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the field names no tag at all.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The tags in the order of the lines.
    pub fn iter(&self) -> impl Iterator<Item = EntityTag<'h>> {
        // The usual single tag is not scanned for again.
        let rescan = (self.count > 1).then(|| self.headers.get_all(&self.name).into_iter());
        let many = rescan.into_iter().flatten().flat_map(|line| Members::new(line.as_bytes())).filter_map(
            |m| match m {
                Ok(Member::Tag(tag)) => Some(tag),
                _ => None,
            },
        );
        self.first.filter(|_| self.count == 1).into_iter().chain(many)
    }
}

impl DateCondition {
    fn read(headers: &HeaderMap, name: &HeaderName, now: HttpDate) -> Self {
        if !headers.contains_key(name) {
            return Self::Absent;
        }
        sole(headers, name).and_then(|v| HttpDate::parse(v.as_bytes(), now)).map_or(Self::Invalid, Self::At)
    }
}

impl<'h> IfRange<'h> {
    fn read(headers: &'h HeaderMap, now: HttpDate) -> Self {
        if !headers.contains_key(&IF_RANGE) {
            return Self::Absent;
        }
        let Some(value) = sole(headers, &IF_RANGE).map(|v| v.as_bytes().trim_ascii()) else {
            return Self::Never;
        };
        EntityTag::parse(value)
            .map(Self::Tag)
            .or_else(|| HttpDate::parse(value, now).map(Self::Date))
            .unwrap_or(Self::Never)
    }
}

/// The value of a field that stands in exactly one line.
fn sole<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut lines = headers.get_all(name).into_iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// A field's value as text for a message: its lines joined by a comma, cut after so many characters. `None`: not there.
pub(crate) fn received(headers: &HeaderMap, name: &HeaderName, chars_max: usize) -> Option<String> {
    joined(headers, name).map(|value| echoed(value.as_bytes(), chars_max))
}

/// A value as text for a message, cut after so many characters.
pub(crate) fn echoed(value: &[u8], chars_max: usize) -> String {
    let value = String::from_utf8_lossy(value);
    match value.char_indices().nth(chars_max) {
        Some((cut, _)) => format!("{}...", &value[..cut]),
        None => value.into_owned(),
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = headers.get_all(name).into_iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
    let mut value = lines.next()?.into_owned();
    for line in lines {
        value.push_str(", ");
        value.push_str(&line);
    }
    Some(value)
}

/// What is wrong with a malformed If-Match or If-None-Match, and what was probably meant.
pub(crate) fn diagnose_field(headers: &HeaderMap, name: &HeaderName) -> (TagProblem, Option<String>) {
    diagnose(&joined(headers, name).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: HttpDate = HttpDate::from_unix(1_795_000_000);

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (n.clone(), HeaderValue::from_bytes(v.as_bytes()).unwrap())).collect()
    }

    fn if_match(lines: &[&str]) -> String {
        let headers = headers(&lines.iter().map(|&l| (IF_MATCH, l)).collect::<Vec<_>>());
        match Conditions::read(&headers, NOW).if_match {
            TagCondition::Absent => "absent".to_owned(),
            TagCondition::Star => "star".to_owned(),
            TagCondition::Malformed => "malformed".to_owned(),
            TagCondition::Tags(tags) => {
                assert_eq!(tags.len(), tags.iter().count());
                tags.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn all_lines_are_one_list() {
        assert_eq!(if_match(&[]), "absent");
        assert_eq!(if_match(&[""]), "");
        assert_eq!(if_match(&["", r#""a""#]), r#""a""#);
        assert_eq!(if_match(&[r#""a""#, r#"W/"b", "c""#]), r#""a" W/"b" "c""#);
        assert_eq!(if_match(&["*"]), "star");
        assert_eq!(if_match(&["\t* "]), "star");
        assert_eq!(if_match(&["", "*"]), "malformed");
        assert_eq!(if_match(&["*,"]), "malformed");
        assert_eq!(if_match(&["*", "*"]), "malformed");
        assert_eq!(if_match(&[r#""a""#, "*"]), "malformed");
        assert_eq!(if_match(&[r#""a""#, "b"]), "malformed");
        // A tag cannot go on in the next line.
        assert_eq!(if_match(&[r#""a"#, r#"b""#]), "malformed");
    }

    #[test]
    fn dates_stand_alone() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let read = |lines: &[&str]| {
            let headers = headers(&lines.iter().map(|&l| (IF_UNMODIFIED_SINCE, l)).collect::<Vec<_>>());
            Conditions::read(&headers, NOW).if_unmodified_since
        };
        assert_eq!(read(&[]), DateCondition::Absent);
        assert_eq!(read(&[date]), DateCondition::At(HttpDate::from_unix(784_111_777)));
        assert_eq!(read(&[date, date]), DateCondition::Invalid);
        assert_eq!(read(&[""]), DateCondition::Invalid);
    }

    #[test]
    fn if_range_is_one_tag_or_one_date() {
        let read = |value: &str| {
            let headers = headers(&[(IF_RANGE, value)]);
            format!("{:?}", Conditions::read(&headers, NOW).if_range)
        };
        assert_eq!(read(r#""a""#), r#"Tag("a")"#);
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), "Date(HttpDate(784111777))");
        for never in ["a", "*", r#""a", "b""#, ""] {
            assert_eq!(read(never), "Never");
        }
    }

    #[test]
    fn echoed_values_are_bounded() {
        let headers = headers(&[(IF_MATCH, "x".repeat(5000).as_str())]);
        assert_eq!(received(&headers, &IF_MATCH, 200).map(|v| v.len()), Some(203));
        assert_eq!(received(&headers, &IF_NONE_MATCH, 200), None);
    }
}
