//! One record, in the names of the Elastic Common Schema.

use super::json::Json;
use std::net::IpAddr;
use std::time::SystemTime;
use uuid::Uuid;

/// Longest path that is kept, in bytes. Of a longer text the beginning is kept, and three dots.
const PATH_BYTES_MAX: usize = 2048;

/// Longest of the other texts that clients send, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// Longest name of a client, in bytes.
const NAME_BYTES_MAX: usize = 80;

/// What was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The write was applied.
    Accepted,
    /// The write was refused.
    Rejected,
    /// It was let through, and would be refused if the route enforced.
    WouldReject,
    /// It was applied and overwrote what its writer had not seen.
    LostUpdate,
    /// It was let through with `If-Match: *` and a reason.
    Overwritten,
    /// It had been applied before and was answered again.
    Replayed,
    /// It was let through and not applied, for reasons of its content.
    NotApplied,
    /// Nobody knows whether it was applied.
    Unknown,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "write.accepted",
            Self::Rejected => "write.rejected",
            Self::WouldReject => "write.would_reject",
            Self::LostUpdate => "write.lost_update",
            Self::Overwritten => "write.overwritten",
            Self::Replayed => "write.replayed",
            Self::NotApplied => "write.not_applied",
            Self::Unknown => "write.unknown",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Accepted | Self::LostUpdate | Self::Overwritten | Self::Unknown => "change",
            Self::Rejected => "denied",
            Self::WouldReject => "allowed",
            Self::Replayed | Self::NotApplied => "info",
        }
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::Rejected | Self::NotApplied => "failure",
            Self::Unknown => "unknown",
            _ => "success",
        }
    }
}

/// Whose credentials they were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum User<'a> {
    /// By name.
    Name(&'a str),
    /// By a keyed hash of the credentials.
    Hash(u64),
}

/// Bytes that are written as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

/// What the client had read last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastRead<'a> {
    /// The entity-tag it was shown; empty if none.
    pub tag: &'a [u8],
    /// When.
    pub at: SystemTime,
}

/// The write before this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreviousWrite<'a> {
    /// The id of its record.
    pub event_id: Uuid,
    /// Who.
    pub user: Option<User<'a>>,
    /// With what.
    pub client_name: &'a str,
    /// When.
    pub at: SystemTime,
}

/// One decision on a write. Has no place for credentials, contents, or the values of a query.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When it was decided.
    pub at: SystemTime,
    /// Its id, ordered by time.
    pub event_id: Uuid,
    /// What was decided.
    pub action: Action,
    /// Why, as in the metrics and in problem bodies.
    pub reason: Option<&'a str>,
    /// The request's method.
    pub method: &'a str,
    /// The status the client was told.
    pub status: u16,
    /// The target; what is behind a `?` is left out.
    pub path: &'a str,
    /// Whose credentials.
    pub user: Option<User<'a>>,
    /// As [`client_name`](super::client_name) names it.
    pub client_name: Option<&'a str>,
    /// The client's address.
    pub client_address: Option<IpAddr>,
    /// [`trace_id`].
    pub trace_id: Option<&'a str>,
    /// Name of the route.
    pub route: &'a str,
    /// Its mode.
    pub mode: &'a str,
    /// The condition that was sent.
    pub tag_sent: Option<&'a [u8]>,
    /// The entity-tag of what was there.
    pub tag_before: Option<&'a [u8]>,
    /// The entity-tag of what is there now.
    pub tag_after: Option<&'a [u8]>,
    /// What the client had read last.
    pub last_read: Option<LastRead<'a>>,
    /// The write before this one.
    pub previous_write: Option<PreviousWrite<'a>>,
    /// It had been refused, and came again with the same content under another tag, without a read.
    pub blind_retry: bool,
    /// It was refused behind the client's own write.
    pub self_conflict: bool,
    /// Digest of the content, BLAKE3 or its beginning.
    pub body_blake3: Option<Hex<'a>>,
    /// Why the client overwrote: `Precondition-Override`.
    pub override_reason: Option<&'a str>,
    /// A keyed hash of the idempotency key.
    pub idempotency_key: Option<u64>,
    /// Number of the configuration.
    pub config: Option<u64>,
}

impl Record<'_> {
    /// Appends the record and a line feed.
    pub(super) fn write_line(&self, line: &mut Vec<u8>) {
        let mut json = Json(line);
        self.event(&mut json);
        self.request(&mut json);
        self.decision(&mut json);
        json.raw("}\n");
    }

    fn event(&self, json: &mut Json<'_>) {
        json.raw("{\"@timestamp\":").time(self.at);
        json.raw(",\"ecs.version\":\"8.11\",\"event.id\":");
        id(json, self.event_id);
        json.raw(",\"event.kind\":\"event\",\"event.category\":[\"web\"],\"event.type\":[\"");
        json.raw(self.action.kind()).raw("\"],\"event.action\":\"").raw(self.action.name());
        json.raw("\",\"event.outcome\":\"").raw(self.action.outcome()).raw("\",\"event.reason\":");
        json.or_null(self.reason, text);
    }

    fn request(&self, json: &mut Json<'_>) {
        json.raw(",\"http.request.method\":");
        text(json, self.method);
        json.raw(",\"http.response.status_code\":").number(self.status.into());
        json.raw(",\"url.path\":").text(path(self.path).as_bytes(), PATH_BYTES_MAX);
        json.raw(",\"user.id\":").or_null(self.user, user);
        json.raw(",\"client.name\":").or_null(self.client_name, name);
        json.raw(",\"client.address\":").or_null(self.client_address, |json, address| {
            json.raw("\"").address(address);
            json.raw("\"");
        });
        json.raw(",\"trace.id\":").or_null(self.trace_id, text);
    }

    fn decision(&self, json: &mut Json<'_>) {
        // The version is that of the members whose names begin with `ifmatch.`.
        json.raw(",\"ifmatch.version\":1,\"ifmatch.route\":");
        text(json, self.route);
        json.raw(",\"ifmatch.mode\":");
        text(json, self.mode);
        json.raw(",\"ifmatch.tag.sent\":").or_null(self.tag_sent, field);
        json.raw(",\"ifmatch.tag.before\":").or_null(self.tag_before, field);
        json.raw(",\"ifmatch.tag.after\":").or_null(self.tag_after, field);
        json.raw(",\"ifmatch.last_read\":").or_null(self.last_read, |json, read| {
            json.raw("{\"tag\":").or_null(Some(read.tag).filter(|tag| !tag.is_empty()), field);
            json.raw(",\"at\":").time(read.at);
            json.raw("}");
        });
        json.raw(",\"ifmatch.previous_write\":").or_null(self.previous_write, |json, write| {
            json.raw("{\"event.id\":");
            id(json, write.event_id);
            json.raw(",\"user.id\":").or_null(write.user, user).raw(",\"client.name\":");
            name(json, write.client_name);
            json.raw(",\"at\":").time(write.at);
            json.raw("}");
        });
        json.raw(",\"ifmatch.blind_retry\":").raw(flag(self.blind_retry));
        json.raw(",\"ifmatch.self_conflict\":").raw(flag(self.self_conflict));
        json.raw(",\"ifmatch.body.blake3\":")
            .or_null(self.body_blake3, |json, digest| quoted(json, digest.0));
        json.raw(",\"ifmatch.override_reason\":").or_null(self.override_reason, text);
        let hash = |json: &mut Json<'_>, hash: u64| quoted(json, &hash.to_be_bytes());
        json.raw(",\"ifmatch.idempotency_key\":").or_null(self.idempotency_key, hash);
        json.raw(",\"ifmatch.config\":").or_null(self.config, Json::number);
    }
}

fn flag(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}

fn text(json: &mut Json<'_>, text: &str) {
    json.text(text.as_bytes(), TEXT_BYTES_MAX);
}

fn name(json: &mut Json<'_>, name: &str) {
    json.text(name.as_bytes(), NAME_BYTES_MAX);
}

fn field(json: &mut Json<'_>, value: &[u8]) {
    json.text(value, TEXT_BYTES_MAX);
}

fn user(json: &mut Json<'_>, user: User<'_>) {
    match user {
        User::Name(name) => text(json, name),
        User::Hash(hash) => quoted(json, &hash.to_be_bytes()),
    }
}

fn id(json: &mut Json<'_>, id: Uuid) {
    json.raw("\"").raw(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())).raw("\"");
}

fn quoted(json: &mut Json<'_>, bytes: &[u8]) {
    json.raw("\"").hex(bytes);
    json.raw("\"");
}

/// A query may hold secrets.
fn path(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or("")
}

/// The trace that a `traceparent` field names (W3C Trace Context): 32 hexadecimal digits, not all 0.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.trim().split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_one = version.len() == 2 && trace.len() == 32 && hex(version) && hex(trace) && version != "ff";
    (is_one && trace.bytes().any(|b| b != b'0')).then_some(trace)
}
