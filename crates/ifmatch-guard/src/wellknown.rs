//! What ifmatch serves about itself, beside the resources it guards: the pages behind problem types, and the schemas of
//! reports.

use crate::respond::with_content;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response};
use ifmatch_core::{Code, Refusal, SCHEMA_PREFIX, TYPE_PREFIX, Target, explanation, schema};

/// Paths below this are never resources.
const RESERVED: &str = "/.well-known/ifmatch/";

/// The answer to a request for one of our own paths; `None` if the path is not ours.
pub(crate) fn answer<B: From<Bytes>>(head: &Parts, target: &Target) -> Option<Result<Response<B>, Refusal>> {
    let path = target.path();
    if !path.starts_with(RESERVED) {
        return None;
    }
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let refusal = Refusal::new(Code::MethodNotAllowed)
            .detail(format!("{path} belongs to ifmatch itself and can only be read."))
            .field(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(Err(refusal));
    }
    let page = path.strip_prefix(TYPE_PREFIX).and_then(Code::from_name);
    let page = page.map(|code| (with_content(&head.method, explanation(code)), "text/plain; charset=utf-8"));
    let schema = || path.strip_prefix(SCHEMA_PREFIX)?.strip_suffix(".json").and_then(schema);
    let schema = || Some((with_content(&head.method, schema()?), "application/schema+json"));
    let Some((mut response, media)) = page.or_else(schema) else {
        return Some(Err(Refusal::new(Code::NotFound)));
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=86400"));
    Some(Ok(response))
}
