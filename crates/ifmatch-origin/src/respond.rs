//! Response fields of documents and collections.

use crate::tag::Tag;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use ifmatch_core::{ByteRange, HttpDate};
use ifmatch_store::Media;

pub(crate) type Body = Full<Bytes>;

/// What the own store asks of every write, for clients that look before they write.
const POLICY: HeaderValue = HeaderValue::from_static(
    r#"mode=enforce, require=("if-match" "if-none-match" "if-unmodified-since"), route="store""#,
);
pub(crate) const PRECONDITION_POLICY: HeaderName = HeaderName::from_static("precondition-policy");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
pub(crate) const ALLOW_DOCUMENT: &str = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
pub(crate) const ALLOW_COLLECTION: &str = "GET, HEAD, POST, OPTIONS";

/// How many fields an answer with a document has at most, as a rule.
const FIELDS: usize = 12;

/// The validators of a state, as fields.
pub(crate) struct Validators {
    pub(crate) tag: Tag,
    /// `None` while the date is withheld, and for collections, which have none.
    pub(crate) last_modified: Option<HttpDate>,
}

impl Validators {
    fn write(&self, fields: &mut HeaderMap) {
        fields.insert(ETAG, self.tag.header());
        if let Some(date) = self.last_modified
            && let Ok(value) = HeaderValue::from_bytes(&date.to_imf_fixdate())
        {
            fields.insert(LAST_MODIFIED, value);
        }
    }
}

pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

/// 304: the fields a cache needs to go on using what it has (RFC 9110, Section 15.4.5).
pub(crate) fn not_modified(validators: &Validators) -> Response<Body> {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    validators.write(response.headers_mut());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// 200 or 206 with a document.
pub(crate) fn document(
    validators: &Validators,
    media: &Media,
    content: Bytes,
    part: Option<ByteRange>,
) -> Response<Body> {
    let mut response = match part {
        None => Response::new(Body::new(content)),
        Some(range) => {
            let length = content.len();
            let mut response = Response::new(Body::new(slice(&content, range)));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let value = format!("bytes {}-{}/{length}", range.first, range.last);
            response.headers_mut().insert(CONTENT_RANGE, text(value));
            response
        }
    };
    let fields = response.headers_mut();
    // Room for all at once, those of the transport and of cross-origin answers included.
    fields.reserve(FIELDS);
    validators.write(fields);
    describe(fields, media);
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    guarded(fields);
    response
}

/// Fields that a guarded read carries: caches ask again before they hand out a tag to write with, browsers do not guess
/// at the type, and clients learn the rule before they meet it.
pub(crate) fn guarded(fields: &mut HeaderMap) {
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(PRECONDITION_POLICY, POLICY);
}

/// The representation metadata as it was stored.
pub(crate) fn describe(fields: &mut HeaderMap, media: &Media) {
    let stored = [
        (CONTENT_TYPE, &media.content_type),
        (CONTENT_ENCODING, &media.content_encoding),
        (CONTENT_LANGUAGE, &media.content_language),
    ];
    for (name, value) in stored {
        if let Some(value) = value.as_ref().and_then(|v| HeaderValue::from_str(v).ok()) {
            fields.insert(name, value);
        }
    }
}

/// The answer to a write that was applied and is not asked to show more.
pub(crate) fn written(status: StatusCode, tag: Option<&Tag>) -> Response<Body> {
    let mut response = empty(status);
    if let Some(tag) = tag {
        response.headers_mut().insert(ETAG, tag.header());
    }
    response
}

/// Marks a response as showing the representation that the request's target has now.
pub(crate) fn as_preferred(response: &mut Response<Body>, target: &str) {
    let fields = response.headers_mut();
    fields.insert(CONTENT_LOCATION, text(target.to_owned()));
    fields.insert(PREFERENCE_APPLIED, HeaderValue::from_static("return=representation"));
}

/// OPTIONS of a resource.
pub(crate) fn options(collection: bool) -> Response<Body> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let fields = response.headers_mut();
    let allow = if collection { ALLOW_COLLECTION } else { ALLOW_DOCUMENT };
    fields.insert(ALLOW, HeaderValue::from_static(allow));
    if !collection {
        fields.insert(HeaderName::from_static("accept-patch"), HeaderValue::from_static(crate::ACCEPT_PATCH));
    }
    fields.insert(PRECONDITION_POLICY, POLICY);
    response
}

/// A value made of canonical targets, numbers and our own words, which are all printable ASCII.
pub(crate) fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn slice(content: &Bytes, range: ByteRange) -> Bytes {
    let position = |p: u64| usize::try_from(p).unwrap_or(usize::MAX).min(content.len());
    content.slice(position(range.first)..position(range.last.saturating_add(1)))
}
