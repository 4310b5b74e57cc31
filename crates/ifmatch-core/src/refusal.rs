//! A refusal: what is not going to happen, and why.

use crate::policy::{Policy, StaleStatus};
use crate::problem::{Code, Reason};
use core::time::Duration;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

/// A request that is not performed: a result of judging, not an error. Small on the way that is usually taken; what it
/// carries is on the heap.
#[derive(Clone, Debug)]
pub struct Refusal(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    status: StatusCode,
    reason: Option<Reason>,
    detail: Option<String>,
    field: Option<HeaderName>,
    current_etag: Option<HeaderValue>,
    retry_after: Option<Duration>,
    fields: HeaderMap,
}

impl Refusal {
    /// A refusal with the code's own status.
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            status: code.status(),
            reason: None,
            detail: None,
            field: None,
            current_etag: None,
            retry_after: None,
            fields: HeaderMap::new(),
        }))
    }

    /// A `stale_version` with its cause and the status that the route has for that.
    pub fn stale(policy: &Policy, reason: Reason) -> Self {
        let refusal = Self::new(Code::StaleVersion).because(reason);
        match policy.stale_status {
            StaleStatus::PreconditionFailed => refusal,
            StaleStatus::Conflict => refusal.status_code(StatusCode::CONFLICT),
        }
    }

    /// A `bad_request` with its stable reason word and a sentence that says what is wrong.
    pub fn bad_request(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Code::BadRequest).because(Reason::Other(reason)).detail(detail)
    }

    /// With a more exact cause.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.0.reason = Some(reason);
        self
    }

    /// With a sentence of its own. What happened to the data is added when the answer is written.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// With another status than the code's own.
    #[must_use]
    pub fn status_code(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// About that request field.
    #[must_use]
    pub fn about(mut self, field: HeaderName) -> Self {
        self.0.field = Some(field);
        self
    }

    /// With the entity-tag the resource has now, told as `ETag` and `current_etag`.
    #[must_use]
    pub fn current_etag(mut self, etag: Option<HeaderValue>) -> Self {
        self.0.current_etag = etag;
        self
    }

    /// With a delay after which to try again, told in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// With a response field, such as Allow.
    #[must_use]
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.fields.append(name, value);
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status to answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The standard phrase of the status to answer.
    pub fn title(&self) -> &'static str {
        let usual = self.0.code.title();
        if self.0.status == self.0.code.status() {
            return usual;
        }
        self.0.status.canonical_reason().unwrap_or(usual)
    }

    /// The more exact cause, if there is one.
    pub fn reason(&self) -> Option<Reason> {
        self.0.reason
    }

    /// Its own sentence, if it has one.
    pub fn own_detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The request field it is about.
    pub fn subject(&self) -> Option<&HeaderName> {
        self.0.field.as_ref()
    }

    /// The entity-tag the resource has now, where it may be told.
    pub fn etag(&self) -> Option<&HeaderValue> {
        self.0.current_etag.as_ref()
    }

    /// After how many whole seconds to try again.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.0.retry_after.map(|d| d.as_secs() + u64::from(d.subsec_nanos() > 0)).map(|s| s.max(1))
    }

    /// Response fields of its own.
    pub fn fields(&self) -> &HeaderMap {
        &self.0.fields
    }
}
