//! The configuration file, `ifmatch.toml`: what can be set in it, and what is wrong with one.
//!
//! The file stands by itself: what it says must be right without flags. Flags and environment variables are laid over
//! it afterwards. Relative paths are relative to the working directory.

mod checks;
mod diagnostics;
mod document;
mod environment;
mod keys;
mod reader;
mod remarks;
mod route;
mod secrets;
mod summary;
mod syntax;
mod template;
mod values;

pub use diagnostics::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics, Level};
pub use environment::Environment;
pub use ifmatch_gateway::DEFAULT_ROUTE;
/// What a gateway is set to.
pub use ifmatch_gateway::settings;
pub use remarks::{remarks, route_remarks};
pub use summary::{Summary, digest_word, identity_word, summaries};
pub use values::{origin, shown_duration, shown_size};

use ifmatch_core::Mode;
use ifmatch_gateway::Settings;
use ifmatch_gateway::settings::{Bounds, HostField, Origin, RouteSettings, Times};
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest configuration file, in bytes. Past it: an error.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Most routes in a file. Past it: an error.
pub const ROUTES_MAX: usize = 1000;

/// How large contents can be allowed to be, in bytes.
const CONTENT_BYTES: RangeInclusive<u64> = 1..=8 << 30;
/// How large representations can be allowed to be of which digests are taken, in bytes.
const DIGEST_BYTES: RangeInclusive<u64> = 1..=1 << 30;

/// What a configuration file sets; `None`: it does not say.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Where requests are taken.
    pub listen: Option<SocketAddr>,
    /// Where health and metrics are served.
    pub admin: Option<AdminSetting>,
    /// The folder of the own store.
    pub data: Option<PathBuf>,
    /// Threads that serve connections.
    pub workers: Option<usize>,
    /// Connections of clients at a time.
    pub connections_max: Option<usize>,
    /// Web origins whose pages may use the server.
    pub cors_origins: Option<Vec<String>>,
    /// Whether an address off loopback is allowed although there is no access control.
    pub insecure_public: Option<bool>,
    /// Largest content of one request, in bytes.
    pub content_bytes_max: Option<u64>,
    /// Most content of all requests together that is held in memory, in bytes.
    pub content_bytes_total_max: Option<u64>,
    /// Longest pause between two pieces of a request's content.
    pub content_idle_max: Option<Duration>,
    /// Longest time for the whole content of a request.
    pub content_time_max: Option<Duration>,
    /// The audit.
    pub audit: AuditSettings,
    /// The gateway; `None`: the file says nothing about one.
    pub gateway: Option<GatewayFile>,
    /// The routes, in the order of the file.
    pub routes: Vec<RouteSettings>,
    /// Warnings and notes.
    pub warnings: Diagnostics,
}

/// Where health and metrics are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdminSetting {
    /// Nowhere.
    Off,
    /// At this address, which is on loopback.
    At(SocketAddr),
}

/// What a file says about the audit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditSettings {
    /// Whether there is one.
    pub enabled: Option<bool>,
    /// Its file.
    pub path: Option<PathBuf>,
    /// The size at which a new file is begun, in bytes.
    pub file_bytes_max: Option<u64>,
    /// How many files are kept.
    pub files_max: Option<u32>,
}

/// What a file says about a gateway.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GatewayFile {
    /// As [`Settings::upstream`].
    pub upstream: Option<Origin>,
    /// As [`Settings::state`].
    pub state: Option<PathBuf>,
    /// As [`Settings::mode`].
    pub mode: Option<Mode>,
    /// As [`Settings::host`].
    pub host: Option<HostField>,
    /// As [`Settings::counters`].
    pub counters: Option<u32>,
    /// As [`Settings::times`].
    pub times: TimesFile,
    /// As [`Settings::bounds`].
    pub bounds: BoundsFile,
}

/// What a file says about [`Times`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimesFile {
    /// As [`Times::connect_max`].
    pub connect_max: Option<Duration>,
    /// As [`Times::check_max`].
    pub check_max: Option<Duration>,
    /// As [`Times::answer_max`].
    pub answer_max: Option<Duration>,
    /// As [`Times::idle_max`].
    pub idle_max: Option<Duration>,
    /// As [`Times::late_write_max`].
    pub late_write_max: Option<Duration>,
    /// As [`Times::keep_idle_max`].
    pub keep_idle_max: Option<Duration>,
}

impl TimesFile {
    /// What the file says laid over what is given.
    pub fn over(&self, below: Times) -> Times {
        Times {
            connect_max: self.connect_max.unwrap_or(below.connect_max),
            check_max: self.check_max.unwrap_or(below.check_max),
            answer_max: self.answer_max.unwrap_or(below.answer_max),
            idle_max: self.idle_max.unwrap_or(below.idle_max),
            late_write_max: self.late_write_max.unwrap_or(below.late_write_max),
            keep_idle_max: self.keep_idle_max.unwrap_or(below.keep_idle_max),
        }
    }
}

/// What a file says about [`Bounds`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BoundsFile {
    /// As [`Bounds::digest_bytes_max`].
    pub digest_bytes_max: Option<usize>,
    /// As [`Bounds::digest_bytes_total_max`].
    pub digest_bytes_total_max: Option<usize>,
    /// As [`Bounds::answer_bytes_max`].
    pub answer_bytes_max: Option<usize>,
    /// As [`Bounds::connections_max`]; in the file `upstream_connections_max`.
    pub connections_max: Option<usize>,
    /// As [`Bounds::in_flight_max`].
    pub in_flight_max: Option<usize>,
    /// As [`Bounds::variants_max`].
    pub variants_max: Option<usize>,
}

impl BoundsFile {
    /// What the file says laid over what is given.
    pub fn over(&self, below: Bounds) -> Bounds {
        Bounds {
            digest_bytes_max: self.digest_bytes_max.unwrap_or(below.digest_bytes_max),
            digest_bytes_total_max: self.digest_bytes_total_max.unwrap_or(below.digest_bytes_total_max),
            answer_bytes_max: self.answer_bytes_max.unwrap_or(below.answer_bytes_max),
            connections_max: self.connections_max.unwrap_or(below.connections_max),
            in_flight_max: self.in_flight_max.unwrap_or(below.in_flight_max),
            variants_max: self.variants_max.unwrap_or(below.variants_max),
        }
    }
}

impl File {
    /// The gateway's settings, what the file does not say being the default; `None`: it names no upstream. To lay
    /// flags over it, set them in [`File::gateway`] before.
    pub fn settings(&self) -> Option<Settings> {
        let gateway = self.gateway.as_ref()?;
        let upstream = gateway.upstream.clone()?;
        let state = gateway.state.clone().unwrap_or_else(|| state_folder(&upstream));
        let default = Settings::new(upstream, state);
        Some(Settings {
            mode: gateway.mode.unwrap_or(default.mode),
            routes: self.routes.clone(),
            host: gateway.host.unwrap_or(default.host),
            counters: gateway.counters.unwrap_or(default.counters),
            times: gateway.times.over(default.times),
            bounds: gateway.bounds.over(default.bounds),
            ..default
        })
    }
}

/// The state folder of an upstream if nobody says another: `ifmatch-state/<host-port>`.
pub fn state_folder(upstream: &Origin) -> PathBuf {
    // Colons of IPv6 addresses are not for names of folders.
    Path::new("ifmatch-state").join(format!("{}-{}", upstream.host.replace(':', "_"), upstream.port))
}

/// Reads a configuration file; `${NAME}` in its texts is taken from the environment of this process.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn read(path: &Path) -> Result<File, Diagnostics> {
    let name = path.display().to_string();
    let unreadable = |message: String| Diagnostics::unreadable(&name, message);
    let mut bytes = Vec::new();
    let bytes_max = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let file = fs::File::open(path).map_err(|e| unreadable(format!("cannot open {name}: {e}")))?;
    let mut file = file.take(bytes_max + 1);
    file.read_to_end(&mut bytes).map_err(|e| unreadable(format!("cannot read {name}: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        unreadable(format!("{name} is not UTF-8: the first octet that is wrong is on line {line}"))
    })?;
    parse(&name, &text)
}

/// Reads the text of a configuration file; `name` stands in messages.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse(name: &str, text: &str) -> Result<File, Diagnostics> {
    parse_with(name, text, &environment::of_process)
}

/// The same with another environment.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse_with(name: &str, text: &str, environment: &Environment<'_>) -> Result<File, Diagnostics> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("{name} is larger than a configuration file can be: {}", shown_size(1 << 20));
        return Err(Diagnostics::unreadable(name, message));
    }
    document::read(name, text, environment)
}
