//! Whoever is told of decisions: metrics count them, the audit writes down those on writes.

use crate::audit::{Action, Audit, Hex, LastRead, PreviousWrite, Record, User, client_name, trace_id};
use crate::telemetry::{Telemetry, reason_name};
use http::HeaderMap;
use http::header::HeaderValue;
use ifmatch_core::{MethodClass, Mode, Protection};
use ifmatch_gateway::{Facts, credentials_hash};
use ifmatch_guard::{Decision, DecisionResult, Observe};
use std::time::{Instant, SystemTime};
use uuid::Uuid;

/// Counts and records.
#[derive(Debug)]
pub(crate) struct Recorder {
    telemetry: Telemetry,
    audit: Option<Audit>,
    /// Keys the hashes that stand for credentials.
    secret: [u8; 32],
}

impl Recorder {
    pub(crate) fn new(telemetry: Telemetry, audit: Option<Audit>, secret: [u8; 32]) -> Self {
        Self { telemetry, audit, secret }
    }
}

impl Observe for Recorder {
    fn decided(&self, decision: &Decision<'_>) {
        self.telemetry.decided(decision);
        if let Some(audit) = &self.audit
            && MethodClass::of(decision.method) == MethodClass::Write
            && decision.policy.is_none_or(|policy| policy.mode != Mode::Off)
        {
            self.record(audit, decision);
        }
    }
}

impl Recorder {
    fn record(&self, audit: &Audit, decision: &Decision<'_>) {
        let headers = decision.headers;
        let fields = Fields::of(headers);
        let none = Facts::default();
        let noted = decision.exchange.and_then(|x| x.noted::<Facts>());
        let facts = noted.as_deref().unwrap_or(&none);
        let at = SystemTime::now();
        let when = |instant: Instant| at.checked_sub(instant.elapsed()).unwrap_or(at);
        let (seen, met) = (facts.seen.as_deref(), facts.met.as_deref());
        let last_read =
            seen.and_then(|s| s.last_read.as_ref()).or_else(|| met.and_then(|m| m.last_read.as_ref()));
        let previous = seen
            .and_then(|s| s.previous_write.as_ref())
            .or_else(|| met.and_then(|m| m.previous_write.as_ref()));
        let (action, reason) = action(decision, facts);
        let shown = match decision.result {
            DecisionResult::Refused(refusal) => refusal.etag(),
            _ => None,
        };
        let content = facts.content.map(u64::to_be_bytes);
        audit.record(&Record {
            at,
            event_id: decision.exchange.map_or_else(Uuid::now_v7, |x| x.request_id()),
            action,
            reason,
            method: decision.method.as_str(),
            status: decision.status.as_u16(),
            path: decision.target,
            user: fields
                .credentials
                .then(|| credentials_hash(&self.secret, headers))
                .flatten()
                .map(User::Hash),
            client_name: client_name(text(fields.x_client), text(fields.user_agent)),
            client_address: decision.exchange.and_then(|x| x.peer).map(|peer| peer.address.ip()),
            trace_id: text(fields.traceparent).and_then(trace_id),
            route: decision.policy.map_or("", |policy| &policy.route),
            mode: decision.policy.map_or("", |policy| policy.mode.name()),
            tag_sent: fields.if_match.or(fields.if_none_match).map(HeaderValue::as_bytes),
            tag_before: facts.before.as_ref().or(shown).map(HeaderValue::as_bytes),
            tag_after: facts.after.as_ref().map(HeaderValue::as_bytes),
            last_read: last_read.map(|read| LastRead { tag: read.tag.as_bytes(), at: when(read.at) }),
            previous_write: previous.map(|write| PreviousWrite {
                event_id: Uuid::from_u128(write.event_id),
                user: write.client.credentials.map(|credentials| User::Hash(credentials.hash)),
                client_name: write.name.as_str(),
                at: when(write.at),
            }),
            blind_retry: seen.is_some_and(|s| s.blind_retry),
            self_conflict: met.is_some_and(|m| m.self_conflict),
            body_blake3: content.as_ref().map(|bytes| Hex(bytes)),
            override_reason: text(fields.precondition_override),
            idempotency_key: None,
            config: None,
        });
    }
}

/// What happened, and why.
fn action(decision: &Decision<'_>, facts: &Facts) -> (Action, Option<&'static str>) {
    let lacking = match decision.protection {
        Some(Err(code)) => Some(reason_name(&ifmatch_core::Refusal::new(code))),
        _ => None,
    };
    match decision.result {
        DecisionResult::Refused(refusal) => (Action::Rejected, Some(reason_name(refusal))),
        DecisionResult::NotApplied | DecisionResult::Read => (Action::NotApplied, lacking),
        DecisionResult::Unknown => (Action::Unknown, lacking),
        DecisionResult::Applied if facts.seen.as_ref().is_some_and(|seen| seen.lost.is_some()) => {
            (Action::LostUpdate, lacking)
        }
        DecisionResult::Applied if lacking.is_some() => (Action::WouldReject, lacking),
        DecisionResult::Applied if decision.protection == Some(Ok(Protection::Overwrite)) => {
            (Action::Overwritten, None)
        }
        DecisionResult::Applied => (Action::Accepted, None),
    }
}

/// The fields of a request that are recorded, each the first of its name.
#[derive(Default)]
struct Fields<'h> {
    if_match: Option<&'h HeaderValue>,
    if_none_match: Option<&'h HeaderValue>,
    user_agent: Option<&'h HeaderValue>,
    x_client: Option<&'h HeaderValue>,
    traceparent: Option<&'h HeaderValue>,
    precondition_override: Option<&'h HeaderValue>,
    /// There are credentials.
    credentials: bool,
}

impl<'h> Fields<'h> {
    /// In one pass: most requests have few fields, and to look a name up costs as much as to go by all of them.
    fn of(headers: &'h HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            let field = match name.as_str() {
                "if-match" => &mut fields.if_match,
                "if-none-match" => &mut fields.if_none_match,
                "user-agent" => &mut fields.user_agent,
                "x-client" => &mut fields.x_client,
                "traceparent" => &mut fields.traceparent,
                "precondition-override" => &mut fields.precondition_override,
                "authorization" | "cookie" => {
                    fields.credentials = true;
                    continue;
                }
                _ => continue,
            };
            field.get_or_insert(value);
        }
        fields
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value?.to_str().ok()
}
