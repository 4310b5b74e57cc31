//! What came back.

use crate::Tag;
use bytes::Bytes;
use core::time::Duration;
use http::header::{ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use http::{StatusCode, Version};
use ifmatch_core::HttpDate;
use reqwest::Url;
use std::net::SocketAddr;
use std::time::SystemTime;

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The version of HTTP it came in.
    pub version: Version,
    /// Its field lines, all of them, as they were sent.
    pub headers: HeaderMap,
    /// Its content, as it was sent: no content coding is undone.
    pub content: Bytes,
    /// Who sent it: the URL asked for, or where redirects led.
    pub url: Url,
    /// The redirects on the way.
    pub hops: Vec<Hop>,
    /// The address it came from, where known.
    pub remote: Option<SocketAddr>,
    /// When the request was sent.
    pub at: SystemTime,
    /// From then until the head of the answer was there.
    pub head_after: Duration,
    /// From then until all of it was there.
    pub took: Duration,
}

/// One redirect.
#[derive(Clone, Debug)]
pub struct Hop {
    /// With which status.
    pub status: StatusCode,
    /// Who redirected.
    pub from: Url,
}

impl Answer {
    /// The entity-tag, if there is exactly one ETag line and it is one.
    pub fn tag(&self) -> Option<Tag> {
        let mut lines = self.headers.get_all(ETAG).iter();
        let only = lines.next().filter(|_| lines.next().is_none())?;
        Tag::of(only)
    }

    /// The date of Last-Modified, if there is one that is a date. `Date` values of two digits for the year are read as of now.
    pub fn last_modified(&self) -> Option<HttpDate> {
        let now = self.at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let now = HttpDate::from_unix(i64::try_from(now).ok()?);
        HttpDate::parse(self.headers.get(LAST_MODIFIED)?.as_bytes(), now)
    }

    /// A field that has one line, as text.
    pub fn text(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
