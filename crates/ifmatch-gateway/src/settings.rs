//! What a gateway is set to: typed, checked where it is read from, with the defaults in one place.

use http::Method;
use http::header::{HeaderName, HeaderValue};
use ifmatch_core::{Mode, StaleStatus, Star};
use std::path::PathBuf;
use std::time::Duration;

/// The upstream: one authority, reached over HTTP/1.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Name or address, an IPv6 one without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Everything that can be set about a gateway.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests are sent.
    pub upstream: Origin,
    /// The state folder: counters, in-flight slots, variants. Locked by one process.
    pub state: PathBuf,
    /// The mode of routes that name none, and of targets that no route matches.
    pub mode: Mode,
    /// Routes; the most specific template wins.
    pub routes: Vec<RouteSettings>,
    /// What the upstream is told as `Host`.
    pub host: HostField,
    /// How many counters there are, a power of two; default 2^20. Fixed when the state folder is made.
    pub counters: u32,
    /// Bounds on time.
    pub times: Times,
    /// Bounds on sizes and numbers.
    pub bounds: Bounds,
}

/// What the upstream is told as `Host`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostField {
    /// What the client said. The default.
    Preserve,
    /// The upstream's own authority.
    Upstream,
}

/// How long each phase of an exchange with the upstream may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// To connect; default 5 s. Past it: 502 `upstream_unreachable`.
    pub connect_max: Duration,
    /// For the whole check read; default 10 s. Past it: 503 `validator_unavailable`.
    pub check_max: Duration,
    /// From the last byte of a request to the head of its answer; default 60 s. Past it: 504. Also how long a turn waits for
    /// the rest of a long answer to a write. Past it: the write is in doubt, and the answer goes on for a client that is there.
    pub answer_max: Duration,
    /// Between two pieces of content, in either direction; default 60 s.
    pub idle_max: Duration,
    /// After a lost answer: how long the write may still land; default 60 s.
    pub late_write_max: Duration,
    /// How long an unused connection is kept; default 30 s.
    pub keep_idle_max: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect_max: Duration::from_secs(5),
            check_max: Duration::from_secs(10),
            answer_max: Duration::from_secs(60),
            idle_max: Duration::from_secs(60),
            late_write_max: Duration::from_secs(60),
            keep_idle_max: Duration::from_secs(30),
        }
    }
}

/// Bounds on sizes and numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Largest representation whose digest is taken, in bytes; default 16 MiB. Past it: no tag, counted.
    pub digest_bytes_max: usize,
    /// Most bytes of representations that all reads together hold for their digests; default 256 MiB. Past it: no tag,
    /// counted.
    pub digest_bytes_total_max: usize,
    /// Largest answer to a write that is kept when the client reads slowly, in bytes; default 64 MiB.
    pub answer_bytes_max: usize,
    /// Connections to the upstream at a time; default 1024. Past it requests wait as for a connection.
    pub connections_max: usize,
    /// Writes under way or in doubt at a time; default 16384. Past it: 503 `busy`.
    pub in_flight_max: usize,
    /// Variants known at a time; default 4096. Past it a new one takes the place of one that is not in use, whose tags are
    /// then answered 412 `variant_unknown`.
    pub variants_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            digest_bytes_max: 16 << 20,
            digest_bytes_total_max: 256 << 20,
            answer_bytes_max: 64 << 20,
            connections_max: 1024,
            in_flight_max: 16384,
            variants_max: 4096,
        }
    }
}

impl Settings {
    /// The defaults in front of an upstream: everything observed, no route.
    pub fn new(upstream: Origin, state: PathBuf) -> Self {
        Self {
            upstream,
            state,
            mode: Mode::Observe,
            routes: Vec::new(),
            host: HostField::Preserve,
            counters: 1 << 20,
            times: Times::default(),
            bounds: Bounds::default(),
        }
    }
}

/// One route.
#[derive(Clone, PartialEq, Debug)]
pub struct RouteSettings {
    /// Its name in messages, metrics and the audit.
    pub name: String,
    /// Which paths: `/orders/{id}`, `/files/{*path}`.
    pub template: String,
    /// Who answers.
    pub to: To,
    /// Its mode; `None`: the gateway's.
    pub mode: Option<Mode>,
    /// Who evaluates conditions.
    pub evaluate: Evaluate,
    /// Which methods need a condition; `None`: all unsafe ones but POST.
    pub methods: Option<Vec<Method>>,
    /// Who writes.
    pub writers: Writers,
    /// What the digest in a tag is taken of. Not used with [`Writers::GatewayOnly`].
    pub digest: DigestSource,
    /// The line its writers wait in, as a template with the parameters of `template`; `None`: the path.
    pub turn: Option<String>,
    /// What else tells resources of one path apart.
    pub identity: Vec<Identity>,
    /// Whether `If-Match: *` is let through.
    pub star: Star,
    /// The status of a stale write.
    pub stale_status: StaleStatus,
    /// Whether reads are told to shared caches as they are (`keep`) or with `no-cache` added.
    pub keep_cache: bool,
    /// Whether a PUT or PATCH is read back inside its turn, so that its answer can carry the new tag.
    pub read_back: bool,
    /// Whether `X-HTTP-Method-Override` and its kin count. If not they are removed.
    pub method_override: bool,
    /// Credentials for check reads, the value of `Authorization`; `None`: the caller's own.
    pub check_authorization: Option<HeaderValue>,
    /// The protocols that `Upgrade` may name; none: the field is removed.
    pub upgrade: Vec<String>,
    /// Largest content of a guarded write, in bytes; `None`: the server's limit.
    pub content_bytes_max: Option<u64>,
    /// As [`Bounds::digest_bytes_max`]; `None`: that.
    pub digest_bytes_max: Option<usize>,
    /// As [`Times::check_max`]; `None`: that.
    pub check_max: Option<Duration>,
    /// As [`Times::answer_max`]; `None`: that.
    pub answer_max: Option<Duration>,
    /// As [`Times::late_write_max`]; `None`: that.
    pub late_write_max: Option<Duration>,
}

impl RouteSettings {
    /// A route with the defaults.
    pub fn new(name: impl Into<String>, template: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            template: template.into(),
            to: To::Upstream,
            mode: None,
            evaluate: Evaluate::Gateway,
            methods: None,
            writers: Writers::Any,
            digest: DigestSource::Content,
            turn: None,
            identity: Vec::new(),
            star: Star::Refused,
            stale_status: StaleStatus::PreconditionFailed,
            keep_cache: false,
            read_back: false,
            method_override: false,
            check_authorization: None,
            upgrade: Vec::new(),
            content_bytes_max: None,
            digest_bytes_max: None,
            check_max: None,
            answer_max: None,
            late_write_max: None,
        }
    }
}

/// Who answers requests of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    /// The upstream.
    Upstream,
    /// The own store.
    Store,
}

/// Who evaluates conditions. Declared, never inferred: a strong ETag proves nothing about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evaluate {
    /// The gateway, against tags it mints.
    Gateway,
    /// The upstream, which does atomic compare-and-set. The gateway only demands that a condition is there.
    Upstream,
}

/// Who writes the resources of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writers {
    /// Anybody; those around the gateway are detected by the digest.
    Any,
    /// Only clients of the gateway: no digest, no check read for If-Match.
    GatewayOnly,
}

/// What the digest in a minted tag is taken of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DigestSource {
    /// The identity-coded bytes.
    Content,
    /// The value at this JSON pointer of the content.
    Json(String),
    /// The upstream's ETag field.
    Etag,
    /// The upstream's Last-Modified field.
    LastModified,
    /// Nothing: only the count guards.
    None,
}

/// What tells resources of one path apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identity {
    /// The value of a query parameter.
    Query(String),
    /// The host the client names.
    Host,
    /// Whoever the credentials belong to: a keyed hash of `Authorization`.
    Principal,
    /// The value of a request field.
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(String),
}
