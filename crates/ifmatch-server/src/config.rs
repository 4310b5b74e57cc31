//! What a server is started with.

use crate::cors::Origins;
use crate::file::AuditSettings;
use ifmatch_gateway::Settings;
use ifmatch_guard::Limits;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Longest time for the head of a request, and longest idle time between two on one connection, or without an open stream;
/// then it is closed.
pub const HEADER_READ_MAX: Duration = Duration::from_secs(30);
/// Longest time in which a client takes nothing of an answer that is being sent to it; then the connection is closed.
pub(crate) const WRITE_STALL_MAX: Duration = Duration::from_secs(60);
/// What the transport reads of a head at most, in bytes, before it answers 431 by itself: the largest header section that is
/// taken, and as much for its target. Smaller heads that are still over the pipeline's limit get an answer that explains.
/// No more than a buffer that doubles has room for: a client that never ends its head has so much for nothing.
pub(crate) const TRANSPORT_HEAD_BYTES_MAX: u32 = 128 << 10;
/// How much of each answer HTTP/2 takes over before the client takes it, in bytes; a piece more than that is ready.
pub(crate) const STREAM_SEND_BYTES_MAX: usize = 64 << 10;
/// Requests at a time on one HTTP/2 connection.
pub(crate) const STREAMS_MAX: u32 = 128;
/// Connections to the admin listener at a time. Past it new ones wait to be accepted.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 32;
/// How long requests that are under way are waited for when the server is told to stop.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Most content of guarded writes that one request keeps in memory in a gateway; more of it waits in a file, in bytes.
pub(crate) const SPOOLED_FROM_BYTES: usize = 1 << 20;
/// All content that waits in files, in bytes. Past it: 503.
pub(crate) const SPOOL_BYTES_MAX: usize = 8 << 30;
/// Largest content of a guarded write in a gateway, in bytes, unless it is set.
pub const GATEWAY_CONTENT_BYTES_MAX: usize = 1 << 30;

/// Everything that can be set about a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where resources are served. Port 0: any free port.
    pub listen: SocketAddr,
    /// Where health and metrics are served; `None`: nowhere. Loopback only, there is no access control on it.
    pub admin: Option<SocketAddr>,
    /// The data folder of the own store; `None`: there is none.
    pub data: Option<PathBuf>,
    /// The upstream in front of which it stands; `None`: everything is served from the store.
    pub gateway: Option<Settings>,
    /// Where decisions on writes are recorded.
    pub audit: AuditSettings,
    /// Threads that serve connections; default: one per core.
    pub workers: usize,
    /// Connections at a time, all workers together. Past it new ones wait to be accepted.
    pub connections_max: usize,
    /// Bounds on requests.
    pub limits: Limits,
    /// Which web pages may use the server across origins.
    pub origins: Origins,
    /// Whether the data folder was restored from a copy: all tags handed out before become stale.
    pub restored: bool,
    /// Whether an address off loopback is allowed although there is no access control.
    pub insecure_public: bool,
}

impl Config {
    /// The defaults, for a data folder.
    pub fn new(data: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4428)),
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 4429))),
            data: Some(data),
            gateway: None,
            audit: AuditSettings::default(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            connections_max: 10_000,
            limits: Limits::default(),
            origins: Origins::default(),
            restored: false,
            insecure_public: false,
        }
    }

    /// The defaults, for a gateway.
    pub fn gateway(settings: Settings) -> Self {
        let limits = Limits { content_bytes_max: GATEWAY_CONTENT_BYTES_MAX, ..Limits::default() };
        Self { data: None, gateway: Some(settings), limits, ..Self::new(PathBuf::new()) }
    }
}
