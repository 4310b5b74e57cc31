//! One look at a header section, in place of a search for every field that a request may have.

use http::HeaderMap;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderName, HeaderValue,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, ORIGIN, RANGE,
    TRANSFER_ENCODING, USER_AGENT,
};

/// A field, or a few, that every request is asked for and most do not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Field {
    /// `Host`.
    Host = 1,
    /// `Connection`.
    Connection = 1 << 1,
    /// `Transfer-Encoding`.
    TransferEncoding = 1 << 2,
    /// `Content-Length`.
    ContentLength = 1 << 3,
    /// `Expect`.
    Expect = 1 << 4,
    /// `If-Match` or `If-None-Match`.
    TagCondition = 1 << 5,
    /// `If-Unmodified-Since`.
    UnmodifiedSince = 1 << 6,
    /// `If-Modified-Since`, `If-Range` or `Range`.
    ReadCondition = 1 << 7,
    /// `Authorization` or `Cookie`.
    Credentials = 1 << 8,
    /// `Origin`.
    Origin = 1 << 9,
    /// `User-Agent`.
    UserAgent = 1 << 10,
    /// `X-Client`.
    XClient = 1 << 11,
    /// `X-HTTP-Method-Override`, `X-HTTP-Method` or `X-Method-Override`.
    OtherMethod = 1 << 12,
    /// A `Content-Type` that names `application/x-www-form-urlencoded`, alone or among others.
    Form = 1 << 13,
    /// `Content-Type`.
    ContentType = 1 << 14,
}

/// The fields among those that a header section has, and what the simplest of them say.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Fields {
    there: u32,
    /// Whether the client waits for `100 Continue` before it sends its content.
    pub(crate) expects_continue: bool,
    /// `Content-Length`, of which the transport has checked the form.
    pub(crate) content_length: Option<u64>,
}

impl Fields {
    /// Whether it has that one.
    pub fn has(self, field: Field) -> bool {
        self.there & field as u32 != 0
    }

    /// Whether it has a field that binds a write: If-Match, If-None-Match or If-Unmodified-Since, well-formed or not.
    pub fn bind_writes(self) -> bool {
        self.has(Field::TagCondition) || self.has(Field::UnmodifiedSince)
    }

    /// Whether it has a field that is judged, on whatever request.
    pub(crate) fn are_judged(self) -> bool {
        self.bind_writes() || self.has(Field::ReadCondition)
    }
}

/// What one look at a header section tells.
#[derive(Default)]
pub(crate) struct Look<'h> {
    pub(crate) fields: Fields,
    /// Names and values together.
    pub(crate) bytes: usize,
    /// The first `Host`, and how many lines of it there are.
    pub(crate) host: Option<&'h HeaderValue>,
    pub(crate) hosts: usize,
}

impl<'h> Look<'h> {
    pub(crate) fn at(headers: &'h HeaderMap) -> Self {
        let mut look = Self::default();
        for (name, value) in headers {
            look.bytes += name.as_str().len() + value.len();
            let Some(field) = named(name) else { continue };
            // Of what is said more than once the first counts.
            let first = !look.fields.has(field);
            look.fields.there |= field as u32;
            match field {
                Field::Host => {
                    look.host.get_or_insert(value);
                    look.hosts += 1;
                }
                Field::ContentType if names_form(value) => look.fields.there |= Field::Form as u32,
                Field::ContentLength if first => look.fields.content_length = number(value),
                Field::Expect if first => {
                    look.fields.expects_continue = value.as_bytes().eq_ignore_ascii_case(b"100-continue");
                }
                _ => {}
            }
        }
        look
    }
}

fn number(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes().trim_ascii();
    let value = digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    });
    value.filter(|_| !digits.is_empty())
}

/// Media types are compared without regard to case. Where there are several, servers differ in which one counts.
fn names_form(content_type: &HeaderValue) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    content_type.as_bytes().windows(FORM.len()).any(|named| named.eq_ignore_ascii_case(FORM))
}

fn named(name: &HeaderName) -> Option<Field> {
    Some(match *name {
        HOST => Field::Host,
        CONNECTION => Field::Connection,
        TRANSFER_ENCODING => Field::TransferEncoding,
        EXPECT => Field::Expect,
        CONTENT_LENGTH => Field::ContentLength,
        IF_MATCH | IF_NONE_MATCH => Field::TagCondition,
        IF_UNMODIFIED_SINCE => Field::UnmodifiedSince,
        IF_MODIFIED_SINCE | IF_RANGE | RANGE => Field::ReadCondition,
        AUTHORIZATION | COOKIE => Field::Credentials,
        ORIGIN => Field::Origin,
        USER_AGENT => Field::UserAgent,
        CONTENT_TYPE => Field::ContentType,
        _ => match name.as_str() {
            "x-client" => Field::XClient,
            "x-http-method-override" | "x-http-method" | "x-method-override" => Field::OtherMethod,
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_seen_and_nothing_else() {
        let all = [
            ("host", Field::Host),
            ("connection", Field::Connection),
            ("transfer-encoding", Field::TransferEncoding),
            ("expect", Field::Expect),
            ("content-length", Field::ContentLength),
            ("content-type", Field::ContentType),
            ("if-match", Field::TagCondition),
            ("if-none-match", Field::TagCondition),
            ("if-unmodified-since", Field::UnmodifiedSince),
            ("if-modified-since", Field::ReadCondition),
            ("if-range", Field::ReadCondition),
            ("range", Field::ReadCondition),
            ("authorization", Field::Credentials),
            ("cookie", Field::Credentials),
            ("origin", Field::Origin),
            ("user-agent", Field::UserAgent),
            ("x-client", Field::XClient),
            ("x-http-method-override", Field::OtherMethod),
            ("x-http-method", Field::OtherMethod),
            ("x-method-override", Field::OtherMethod),
        ];
        for (name, field) in all {
            let mut headers = HeaderMap::new();
            headers.insert("accept", HeaderValue::from_static("*/*"));
            headers.insert(name, HeaderValue::from_static("1"));
            headers.append(name, HeaderValue::from_static("2"));
            let fields = Look::at(&headers).fields;
            for (_, other) in all {
                assert_eq!(fields.has(other), other == field, "{name}: {other:?}");
            }
        }
        assert_eq!(Look::at(&HeaderMap::new()).fields, Fields::default());
    }

    #[test]
    fn a_form_is_told_by_its_media_type_in_any_line() {
        let form = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (CONTENT_TYPE, HeaderValue::from_static(line)));
            Look::at(&lines.collect()).fields.has(Field::Form)
        };
        assert!(form(&["application/x-www-form-urlencoded"]));
        assert!(form(&["text/plain", " Application/X-WWW-Form-Urlencoded; charset=utf-8"]));
        assert!(form(&["text/plain, application/x-www-form-urlencoded"]));
        assert!(!form(&["application/json"]) && !form(&["multipart/form-data"]) && !form(&[]));
    }

    #[test]
    fn a_length_is_digits_and_nothing_else() {
        let length = |text: &'static str| number(&HeaderValue::from_static(text));
        assert_eq!((length("0"), length(" 1024 ")), (Some(0), Some(1024)));
        assert_eq!(length("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "18446744073709551616", "+1", "-1", "1 2", "0x1", "1, 1"] {
            assert_eq!(length(bad), None, "{bad}");
        }
    }

    #[test]
    fn of_fields_that_stand_alone_the_first_line_counts() {
        let mut headers = HeaderMap::new();
        for (name, first) in [("host", "x"), ("content-length", "12"), ("expect", "100-Continue")] {
            headers.insert(name, HeaderValue::from_static(first));
            headers.append(name, HeaderValue::from_static("7"));
        }
        let look = Look::at(&headers);
        assert_eq!((look.host.map(HeaderValue::as_bytes), look.hosts), (Some(&b"x"[..]), 2));
        assert_eq!((look.fields.content_length, look.fields.expects_continue), (Some(12), true));
        assert_eq!(look.bytes, 2 * (4 + 14 + 6) + 1 + 2 + 12 + 3);
    }
}
