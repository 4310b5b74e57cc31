//! What the watch is told.

use crate::body::GatewayBody;
use crate::facts::Facts;
use crate::gateway::Gateway;
use crate::pass::ReadTap;
use crate::upstream::ResponseBody;
use bytes::Bytes;
use http::HeaderValue;
use ifmatch_core::Refusal;
use ifmatch_guard::{Content, Exchange};
use std::time::Instant;

impl Gateway {
    pub(crate) fn watch_read(
        &self,
        _x: &Exchange,
        _key: &str,
        _began: Instant,
        _ended: Instant,
        _digest: Option<u64>,
        _tag: Option<HeaderValue>,
    ) {
    }
    pub(crate) fn watch_write_began(&self, _x: &Exchange, _key: &str, _at: Instant) {}
    pub(crate) fn watch_written(
        &self,
        _x: &Exchange,
        _key: &str,
        _began: Instant,
        _sent: Option<&Bytes>,
        _applied: bool,
    ) -> Facts {
        Facts::default()
    }
    pub(crate) fn watch_passed(
        &self,
        _x: &Exchange,
        _key: &str,
        _began: Instant,
        _digest: Option<u64>,
        _applied: bool,
    ) -> Facts {
        Facts::default()
    }
    pub(crate) fn watch_refused(&self, _x: &Exchange, _key: &str, _refusal: &Refusal, _content: &Content) {}
    pub(crate) fn tapped(
        &self,
        _x: &Exchange,
        _key: String,
        _began: Instant,
        body: ResponseBody,
    ) -> GatewayBody {
        GatewayBody::tapped(body, Box::new(ReadTap::new(|_| {})))
    }
}
