//! Sending.

use super::error::cause;
use super::{Answer, Gate, Held, Hop, Limits, Request, SendError};
use crate::secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use percent_encoding::percent_decode_str;
use reqwest::{Body, Client, Url};
use std::time::{Instant, SystemTime};

/// Connections to APIs. A clone shares them.
#[derive(Clone)]
pub struct Http {
    client: Client,
    headers: HeaderMap,
    limits: Limits,
}

impl Http {
    pub(super) fn new(client: Client, headers: HeaderMap, limits: Limits) -> Self {
        Self { client, headers, limits }
    }

    /// The field lines that each request gets.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Sends a request once and takes the whole answer, whatever its status is.
    ///
    /// # Errors
    /// If there is no complete answer; whether anything was sent is in the error.
    pub async fn send(&self, request: &Request) -> Result<Answer, SendError> {
        let content = request.content.clone().map(Body::from);
        self.exchange(request, content, &request.url, true).await
    }

    /// Sends a request but for the last byte of its content, and that when the gate opens. Without content the request
    /// goes out when the gate opens; a connection is not made before, so send something on this one first.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_held(&self, request: &Request, gate: &Gate) -> Result<Answer, SendError> {
        let content = match &request.content {
            Some(content) if !content.is_empty() => Some(Body::wrap(Held::new(content.clone(), gate))),
            content => {
                gate.wait().await;
                content.clone().map(Body::from)
            }
        };
        self.exchange(request, content, &request.url, true).await
    }

    /// Sends a GET or HEAD, and again where it is redirected to. Credentials stay with the origin they were meant for.
    ///
    /// # Errors
    /// As [`send`](Self::send), and for redirects that lead nowhere or on and on.
    pub async fn follow(&self, request: &Request) -> Result<Answer, SendError> {
        let mut url = request.url.clone();
        let mut hops = Vec::new();
        loop {
            let is_same = url.origin() == request.url.origin();
            let mut answer = self.exchange(request, None, &url, is_same).await?;
            let Some(to) = redirected(&answer)? else {
                answer.hops = hops;
                return Ok(answer);
            };
            hops.push(Hop { status: answer.status, from: url });
            if hops.len() > self.limits.redirects_max {
                let redirects_max = self.limits.redirects_max;
                return Err(SendError::RedirectedTooOften {
                    host: host(&request.url),
                    redirects_max,
                    to: secret::url(&to),
                });
            }
            url = to;
        }
    }

    /// One exchange. `is_same` is whether the URL is of the origin that credentials are for.
    async fn exchange(
        &self,
        request: &Request,
        content: Option<Body>,
        url: &Url,
        is_same: bool,
    ) -> Result<Answer, SendError> {
        let mut sent = reqwest::Request::new(request.method.clone(), bare(url));
        *sent.headers_mut() = self.fields(&request.headers, is_same);
        if is_same && !sent.headers().contains_key(AUTHORIZATION) {
            sent.headers_mut().extend(credentials(&request.url).map(|value| (AUTHORIZATION, value)));
        }
        *sent.body_mut() = content;
        let (at, started) = (SystemTime::now(), Instant::now());
        let failed = |error: reqwest::Error| self.failure(&error, &request.method, url);
        let mut head = self.client.execute(sent).await.map_err(failed)?;
        let head_after = started.elapsed();
        let content = self.content(&mut head, &request.method, url).await?;
        Ok(Answer {
            status: head.status(),
            version: head.version(),
            remote: head.remote_addr(),
            headers: core::mem::take(head.headers_mut()),
            content,
            url: url.clone(),
            hops: Vec::new(),
            at,
            head_after,
            took: started.elapsed(),
        })
    }

    /// The fields of a request: its own, and of the others those whose names it does not have.
    fn fields(&self, own: &HeaderMap, is_same: bool) -> HeaderMap {
        let mut fields = own.clone();
        for (name, value) in &self.headers {
            if !own.contains_key(name) {
                fields.append(name, value.clone());
            }
        }
        if !is_same {
            let secrets = fields.keys().filter(|name| secret::is_secret_field(name.as_str()));
            for name in secrets.cloned().collect::<Vec<_>>() {
                fields.remove(name);
            }
        }
        fields
    }

    async fn content(
        &self,
        head: &mut reqwest::Response,
        method: &Method,
        url: &Url,
    ) -> Result<Bytes, SendError> {
        let mut content = BytesMut::new();
        while let Some(part) = head.chunk().await.map_err(|error| self.failure(&error, method, url))? {
            if content.len() + part.len() > self.limits.content_bytes_max {
                let bytes_max = self.limits.content_bytes_max;
                return Err(SendError::TooLong { host: host(url), method: method.to_string(), bytes_max });
            }
            content.extend_from_slice(&part);
        }
        Ok(content.freeze())
    }

    fn failure(&self, error: &reqwest::Error, method: &Method, url: &Url) -> SendError {
        let (host, method) = (host(url), method.to_string());
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => SendError::Silent { host, after: self.limits.connect },
            (true, false) => SendError::Unreachable { host, cause: cause(error) },
            (false, true) => SendError::TimedOut { host, method, after: self.limits.answer },
            (false, false) => SendError::Broken { host, method, cause: cause(error) },
        }
    }
}

/// Where a redirect leads, if it is one (RFC 9110, Section 15.4). 300 and 304 are none.
fn redirected(answer: &Answer) -> Result<Option<Url>, SendError> {
    let is_redirect = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = answer.headers.get(LOCATION).filter(|_| is_redirect) else { return Ok(None) };
    let text = String::from_utf8_lossy(location.as_bytes()).into_owned();
    let to = answer.url.join(&text).ok().filter(|to| matches!(to.scheme(), "http" | "https"));
    let nowhere = || SendError::RedirectedNowhere {
        host: host(&answer.url),
        status: answer.status,
        location: text.clone(),
    };
    to.map(Some).ok_or_else(nowhere)
}

/// Without credentials, which go into a field: libraries write URLs into logs and send them to proxies.
fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    // Both fail for URLs that cannot have credentials, which then have none.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare
}

/// Basic credentials of a URL, `http://user:password@host/`.
fn credentials(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let words = [decoded(url.username()), decoded(url.password().unwrap_or_default())].join(&b':');
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(words))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Host and port of a URL, as people write them.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
