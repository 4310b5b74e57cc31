//! What is sent.

use bytes::Bytes;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;

/// What is sent: nothing is added but what HTTP needs and the fields of [`Access`](super::Access).
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to; a fragment is not sent.
    pub url: Url,
    /// Field lines. One of a name that `Access` has too is sent instead of those.
    pub headers: HeaderMap,
    /// The content; `None` is no content, which differs from an empty one.
    pub content: Option<Bytes>,
}

impl Request {
    /// A request without fields and content.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), content: None }
    }

    /// A GET.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// With one more field line.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// With this content.
    #[must_use]
    pub fn content(mut self, content: impl Into<Bytes>) -> Self {
        self.content = Some(content.into());
        self
    }
}
