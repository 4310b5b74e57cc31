//! Problem responses.

use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, LINK, RETRY_AFTER,
    VARY,
};
use http::{HeaderMap, Method, Response, Version};
use ifmatch_core::{About, Code, PROBLEM_JSON, Refusal, problem_body};

/// Marks a response, in its extensions, as a refusal written here and not an answer from behind the pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Problem;

/// Writes a refusal as RFC 9457 problem details, or as a small HTML page with the same content for those who ask for
/// one. Never to be stored by a cache (RFC 6585, Section 3).
pub fn problem_response<B: From<Bytes>>(
    refusal: &Refusal,
    about: &About<'_>,
    version: Version,
) -> Response<B> {
    // What HEAD is told of the length is that of GET, whose body names its method.
    let get = Method::GET;
    let method = if about.method == Method::HEAD { &get } else { about.method };
    let body = problem_body(refusal, &About { method, ..*about });
    let html = prefers_html(about.headers);
    let (media_type, body) =
        if html { ("text/html; charset=utf-8", page(refusal, &body)) } else { (PROBLEM_JSON, body) };
    let mut response = with_content(about.method, body);
    *response.status_mut() = refusal.status();
    response.extensions_mut().insert(Problem);
    let fields = response.headers_mut();
    fields.extend(refusal.fields().iter().map(|(n, v)| (n.clone(), v.clone())));
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(VARY, HeaderValue::from_static("accept"));
    if let Ok(link) = HeaderValue::try_from(format!("<{}>; rel=\"describedby\"", refusal.code().type_path()))
    {
        fields.insert(LINK, link);
    }
    if let Some(etag) = refusal.etag() {
        fields.insert(ETAG, etag.clone());
    }
    if let Some(seconds) = refusal.retry_after_seconds() {
        fields.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    // A head that cannot be trusted ends the connection: what follows may not be a request. So does content that never
    // came to its end (RFC 9110, Section 15.5.9).
    let ends = matches!(refusal.code(), Code::BadRequest | Code::RequestTimeout);
    if ends && version < Version::HTTP_2 {
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A response with this content; to HEAD without it, but with its length (RFC 9110, Section 9.3.2). A transport of
/// HTTP/1.1 leaves the content out by itself, one of HTTP/2 would send it.
pub(crate) fn with_content<B: From<Bytes>>(method: &Method, content: impl Into<Bytes>) -> Response<B> {
    let content = content.into();
    if method != Method::HEAD {
        return Response::new(B::from(content));
    }
    let mut response = Response::new(B::from(Bytes::new()));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(content.len()));
    response
}

/// A browser's address line: HTML is asked for by name, JSON is not.
fn prefers_html(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).peekable();
    accepts.peek().is_some() && {
        let all: Vec<_> = accepts.collect();
        all.iter().any(|v| v.contains("text/html")) && !all.iter().any(|v| v.contains("json"))
    }
}

fn page(refusal: &Refusal, json: &[u8]) -> Vec<u8> {
    let (status, title) = (refusal.status().as_u16(), refusal.title());
    let escaped = escape(&String::from_utf8_lossy(json));
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{status} {title}</title>\n\
         <h1>{status} {title}</h1>\n<p>{}</p>\n<p>{}</p>\n<pre>{escaped}</pre>\n</html>\n",
        escape(refusal.code().means()),
        escape(refusal.code().todo()),
    )
    .into_bytes()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
