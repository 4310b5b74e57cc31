//! What the pipeline tells to whoever counts, audits or watches.

use crate::exchange::Exchange;
use http::{HeaderMap, Method, StatusCode};
use ifmatch_core::{Code, Policy, Protection, Refusal};
use std::time::Instant;

/// Is told of every decision, once, after it was made and before the client hears of it. Must not block.
pub trait Observe: Send + Sync + 'static {
    /// A request was decided.
    fn decided(&self, decision: &Decision<'_>);
}

/// Nobody watches.
impl Observe for () {
    fn decided(&self, _: &Decision<'_>) {}
}

impl<O: Observe> Observe for std::sync::Arc<O> {
    fn decided(&self, decision: &Decision<'_>) {
        O::decided(self, decision);
    }
}

/// One decided request.
#[derive(Debug)]
pub struct Decision<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its canonical path, or as received if it could not be made canonical.
    pub target: &'a str,
    /// The policy it fell under, if it came that far.
    pub policy: Option<&'a Policy>,
    /// What protects it, or the 428 code it lacks protection with; for unsafe methods under a policy only.
    pub protection: Option<Result2<Protection, Code>>,
    /// How it ended.
    pub result: Result<'a>,
    /// The status the client gets; 500 where the authority failed with an error of its own instead of an answer.
    pub status: StatusCode,
    /// When the head was there.
    pub began: Instant,
    /// The exchange, if it came that far, with what the authority noted.
    pub exchange: Option<&'a Exchange>,
    /// The request's header section.
    pub headers: &'a HeaderMap,
}

type Result2<T, E> = core::result::Result<T, E>;

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub enum Result<'a> {
    /// A read was answered, or a request on admission, without being judged.
    Read,
    /// A write was applied.
    Applied,
    /// A write was not applied, for reasons of its content.
    NotApplied,
    /// The request was refused.
    Refused(&'a Refusal),
    /// Nobody knows whether the write was applied.
    Unknown,
}
