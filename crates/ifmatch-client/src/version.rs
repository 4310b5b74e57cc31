//! What says which version was seen.

use crate::Tag;
use crate::wire::Answer;
use core::fmt;
use http::header::{DATE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED};
use ifmatch_core::HttpDate;

/// The version of a resource that was seen: a strong entity-tag, or a date that names one state. There is no other way to
/// one than from what a server said, or from a tag that somebody kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version(Validator);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Validator {
    Tag(Tag),
    Date(HttpDate),
}

/// Why what was seen cannot be written back safely. Each says what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoVersion {
    /// A weak tag never matches in If-Match (RFC 9110, Section 13.1.1).
    #[error(
        "the entity-tag {0} is weak, and If-Match never matches a weak one. It is often a proxy that compresses which \
         makes tags weak: have it leave this API alone, or have the API send strong tags"
    )]
    Weak(Tag),
    /// An ETag field that is no entity-tag, or several.
    #[error("the ETag field is not one entity-tag ({0}), so it cannot be sent back")]
    Malformed(String),
    /// A date that may name two states: what is written within the same second has the same.
    #[error(
        "there is no ETag, and Last-Modified is not older than the answer by a second, so two versions may share that \
         date. Read again in a second"
    )]
    DateTooFresh,
    /// No validator.
    #[error(
        "the answer has no ETag, nor a Last-Modified with a Date, so nothing says which version it is. Put a gateway \
         in front that adds tags: ifmatch serve --upstream URL --mode enforce"
    )]
    Absent,
    /// The answer to a write that named no new version.
    #[error("the answer to the write names no new version. Read again before the next write")]
    NotSaid,
    /// The server has refused it already.
    #[error("this version is gone: the server has refused a write that was made from it. Read again")]
    Spent,
}

impl Version {
    /// The version that an answer to GET says its content is.
    ///
    /// # Errors
    /// If it says none that can be sent back.
    pub fn of(answer: &Answer) -> Result<Self, NoVersion> {
        match answer.headers.get(ETAG) {
            Some(first) => match answer.tag() {
                Some(tag) => Self::tag(tag),
                None => Err(NoVersion::Malformed(shown(first))),
            },
            None => Self::dated(answer),
        }
    }

    /// A tag that somebody kept.
    ///
    /// # Errors
    /// If it is weak.
    pub fn tag(tag: Tag) -> Result<Self, NoVersion> {
        if tag.is_weak() { Err(NoVersion::Weak(tag)) } else { Ok(Self(Validator::Tag(tag))) }
    }

    /// A date is strong if the answer was made at least a second later (RFC 9110, Section 8.8.2.2).
    fn dated(answer: &Answer) -> Result<Self, NoVersion> {
        let modified = answer.last_modified().ok_or(NoVersion::Absent)?;
        let made = answer.headers.get(DATE).ok_or(NoVersion::Absent)?;
        let made = HttpDate::parse(made.as_bytes(), modified).ok_or(NoVersion::Absent)?;
        if made.unix() > modified.unix() {
            Ok(Self(Validator::Date(modified)))
        } else {
            Err(NoVersion::DateTooFresh)
        }
    }

    /// The tag, if it is one and no date.
    pub fn as_tag(&self) -> Option<&Tag> {
        match &self.0 {
            Validator::Tag(tag) => Some(tag),
            Validator::Date(_) => None,
        }
    }

    /// The condition that nothing has changed since.
    pub fn condition(&self) -> (HeaderName, HeaderValue) {
        match &self.0 {
            Validator::Tag(tag) => (IF_MATCH, tag.value().clone()),
            Validator::Date(date) => (IF_UNMODIFIED_SINCE, date_value(*date)),
        }
    }

    /// The field that said it, as a line: `ETag: "7"`.
    pub fn line(&self) -> String {
        match &self.0 {
            Validator::Tag(tag) => format!("ETag: {tag}"),
            Validator::Date(_) => format!("Last-Modified: {self}"),
        }
    }

    /// What [`line`](Self::line) wrote.
    pub fn from_line(line: &str) -> Option<Self> {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case(ETAG.as_str()) {
            return Self::tag(Tag::parse(value).ok()?).ok();
        }
        let is_date = name.eq_ignore_ascii_case(LAST_MODIFIED.as_str());
        // Written by us, with four digits for the year: what is now does not matter.
        let date = HttpDate::parse(value.as_bytes(), HttpDate::from_unix(0)).filter(|_| is_date)?;
        Some(Self(Validator::Date(date)))
    }
}

/// As it stands in the field.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Validator::Tag(tag) => fmt::Display::fmt(tag, f),
            Validator::Date(date) => f.write_str(&String::from_utf8_lossy(&date.to_imf_fixdate())),
        }
    }
}

fn date_value(date: HttpDate) -> HeaderValue {
    HeaderValue::from_bytes(&date.to_imf_fixdate())
        .expect("a date is letters, digits, commas, colons and spaces")
}

/// The beginning of a field value, as text.
fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Url;
    use bytes::Bytes;
    use core::time::Duration;
    use http::{HeaderMap, StatusCode};
    use std::time::SystemTime;

    fn of(fields: &[(HeaderName, &'static str)]) -> Result<Version, NoVersion> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        Version::of(&Answer {
            status: StatusCode::OK,
            version: http::Version::HTTP_11,
            headers,
            content: Bytes::new(),
            url: Url::parse("http://a/").unwrap(),
            hops: Vec::new(),
            remote: None,
            at: SystemTime::now(),
            head_after: Duration::ZERO,
            took: Duration::ZERO,
        })
    }

    const T: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    #[test]
    fn only_what_can_be_sent_back_is_a_version() {
        assert_eq!(
            of(&[(ETAG, "\"7\"")]).unwrap().condition(),
            (IF_MATCH, HeaderValue::from_static("\"7\""))
        );
        assert!(matches!(of(&[(ETAG, "W/\"7\"")]), Err(NoVersion::Weak(_))));
        assert!(matches!(of(&[(ETAG, "7")]), Err(NoVersion::Malformed(_))));
        assert!(matches!(of(&[(ETAG, "\"7\""), (ETAG, "\"8\"")]), Err(NoVersion::Malformed(_))));
        assert_eq!(of(&[]), Err(NoVersion::Absent));
        // A bad or weak tag does not make the date count.
        assert!(of(&[(ETAG, "W/\"7\""), (LAST_MODIFIED, T), (DATE, LATER)]).is_err());
    }

    #[test]
    fn a_date_counts_when_its_second_is_over() {
        let condition = (IF_UNMODIFIED_SINCE, HeaderValue::from_static(T));
        assert_eq!(of(&[(LAST_MODIFIED, T), (DATE, LATER)]).unwrap().condition(), condition);
        assert_eq!(of(&[(LAST_MODIFIED, T), (DATE, T)]), Err(NoVersion::DateTooFresh));
        assert_eq!(of(&[(LAST_MODIFIED, LATER), (DATE, T)]), Err(NoVersion::DateTooFresh));
        assert_eq!(of(&[(LAST_MODIFIED, T)]), Err(NoVersion::Absent));
        assert_eq!(of(&[(LAST_MODIFIED, "yesterday"), (DATE, LATER)]), Err(NoVersion::Absent));
    }

    #[test]
    fn lines_are_read_back() {
        for version in [of(&[(ETAG, "\"7\"")]), of(&[(LAST_MODIFIED, T), (DATE, LATER)])] {
            let version = version.unwrap();
            assert_eq!(Version::from_line(&version.line()), Some(version));
        }
        for line in ["", "ETag: 7", "ETag: W/\"7\"", "Last-Modified: x", "Age: 7"] {
            assert_eq!(Version::from_line(line), None, "{line}");
        }
    }
}
