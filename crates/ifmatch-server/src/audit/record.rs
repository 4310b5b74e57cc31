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

/// The members that an action decides.
macro_rules! event {
    ($kind:literal, $action:literal, $outcome:literal) => {
        concat!(
            ",\"event.kind\":\"event\",\"event.category\":[\"web\"],\"event.type\":[\"",
            $kind,
            "\"],\"event.action\":\"write.",
            $action,
            "\",\"event.outcome\":\"",
            $outcome,
            "\""
        )
    };
}

impl Action {
    /// As members of a record: `event.kind` to `event.outcome`.
    fn members(self) -> &'static str {
        match self {
            Self::Accepted => event!("change", "accepted", "success"),
            Self::Rejected => event!("denied", "rejected", "failure"),
            Self::WouldReject => event!("allowed", "would_reject", "success"),
            Self::LostUpdate => event!("change", "lost_update", "success"),
            Self::Overwritten => event!("change", "overwritten", "success"),
            Self::Replayed => event!("info", "replayed", "success"),
            Self::NotApplied => event!("info", "not_applied", "failure"),
            Self::Unknown => event!("change", "unknown", "unknown"),
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
    /// The name of its mode.
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

/// A member that may be null. Its name and the null are appended in one piece: most of them are null.
macro_rules! member {
    ($json:ident, $name:literal, $value:expr, $write:expr) => {
        match $value {
            Some(value) => $write($json.raw(concat!(",\"", $name, "\":")), value),
            None => drop($json.raw(concat!(",\"", $name, "\":null"))),
        }
    };
}

impl Record<'_> {
    /// Appends the record and a line feed.
    pub(super) fn write_line(&self, line: &mut Vec<u8>) {
        let json = &mut Json(line);
        self.event(json);
        self.request(json);
        self.decision(json);
        json.raw("}\n");
    }

    fn event(&self, json: &mut Json<'_>) {
        json.raw("{\"@timestamp\":").time(self.at);
        id(json.raw(",\"ecs.version\":\"8.11\",\"event.id\":"), self.event_id);
        json.raw(self.action.members());
        member!(json, "event.reason", self.reason, text);
    }

    fn request(&self, json: &mut Json<'_>) {
        text(json.raw(",\"http.request.method\":"), self.method);
        json.raw(",\"http.response.status_code\":").number(self.status.into());
        json.raw(",\"url.path\":").text(path(self.path), PATH_BYTES_MAX);
        member!(json, "user.id", self.user, user);
        member!(json, "client.name", self.client_name, name);
        member!(json, "client.address", self.client_address, Json::address);
        member!(json, "trace.id", self.trace_id, text);
    }

    fn decision(&self, json: &mut Json<'_>) {
        // The version is that of the members whose names begin with `ifmatch.`.
        text(json.raw(",\"ifmatch.version\":1,\"ifmatch.route\":"), self.route);
        json.raw(",\"ifmatch.mode\":").word(self.mode);
        // An append has none of them.
        match (self.tag_sent, self.tag_before, self.tag_after) {
            (None, None, None) => drop(
                json.raw(",\"ifmatch.tag.sent\":null,\"ifmatch.tag.before\":null,\"ifmatch.tag.after\":null"),
            ),
            (sent, before, after) => {
                member!(json, "ifmatch.tag.sent", sent, field);
                member!(json, "ifmatch.tag.before", before, field);
                member!(json, "ifmatch.tag.after", after, field);
            }
        }
        member!(json, "ifmatch.last_read", self.last_read, last_read);
        member!(json, "ifmatch.previous_write", self.previous_write, previous_write);
        json.raw(match (self.blind_retry, self.self_conflict) {
            (false, false) => ",\"ifmatch.blind_retry\":false,\"ifmatch.self_conflict\":false",
            (false, true) => ",\"ifmatch.blind_retry\":false,\"ifmatch.self_conflict\":true",
            (true, false) => ",\"ifmatch.blind_retry\":true,\"ifmatch.self_conflict\":false",
            (true, true) => ",\"ifmatch.blind_retry\":true,\"ifmatch.self_conflict\":true",
        });
        member!(json, "ifmatch.body.blake3", self.body_blake3, |json: &mut Json<'_>, digest: Hex<'_>| {
            json.quoted_hex(digest.0);
        });
        match (self.override_reason, self.idempotency_key, self.config) {
            (None, None, None) => drop(json.raw(
                ",\"ifmatch.override_reason\":null,\"ifmatch.idempotency_key\":null,\"ifmatch.config\":null",
            )),
            (reason, key, config) => {
                member!(json, "ifmatch.override_reason", reason, text);
                member!(json, "ifmatch.idempotency_key", key, hash);
                member!(json, "ifmatch.config", config, Json::number);
            }
        }
    }
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
        User::Hash(of) => hash(json, of),
    }
}

fn hash(json: &mut Json<'_>, hash: u64) {
    json.quoted_hex(&hash.to_be_bytes());
}

fn id(json: &mut Json<'_>, id: Uuid) {
    let mut quoted = [b'"'; uuid::fmt::Hyphenated::LENGTH + 2];
    id.hyphenated().encode_lower(&mut quoted[1..]);
    json.bytes(&quoted);
}

fn last_read(json: &mut Json<'_>, read: LastRead<'_>) {
    match read.tag {
        b"" => drop(json.raw("{\"tag\":null")),
        tag => field(json.raw("{\"tag\":"), tag),
    }
    json.raw(",\"at\":").time(read.at);
    json.raw("}");
}

fn previous_write(json: &mut Json<'_>, write: PreviousWrite<'_>) {
    id(json.raw("{\"event.id\":"), write.event_id);
    member!(json, "user.id", write.user, user);
    name(json.raw(",\"client.name\":"), write.client_name);
    json.raw(",\"at\":").time(write.at);
    json.raw("}");
}

/// A query may hold secrets.
fn path(target: &str) -> &[u8] {
    let target = target.as_bytes();
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    &target[..end]
}

/// The trace that a `traceparent` field names (W3C Trace Context): 32 hexadecimal digits, not all 0.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.trim().split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_one = version.len() == 2 && trace.len() == 32 && hex(version) && hex(trace) && version != "ff";
    (is_one && trace.bytes().any(|b| b != b'0')).then_some(trace)
}
