//! The gateway: a reverse proxy that makes the writes of any HTTP API conditional without touching it.
//!
//! It mints entity-tags, evaluates conditions against what the upstream holds at that moment, lets one writer at a time
//! to each resource, and keeps track of what is under way, so that no client overwrites what it has not seen.
//!
//! **Invariant:** a tag is never newer than the content it goes out with.
//! **Invariant:** a write is noted before its first byte is forwarded, and is never sent twice.
//! **Invariant:** while a write may still land, no other write of its resource is forwarded.

mod body;
mod check;
mod conclude;
mod conditional;
mod cors;
mod demand;
mod digest;
mod facts;
mod forwarding;
mod gateway;
mod hashed;
mod head;
mod hops;
mod names;
mod outgoing;
mod parameters;
mod pass;
mod pump;
mod read;
mod read_back;
mod refusals;
mod routes;
pub mod settings;
pub mod state;
mod stats;
mod tag;
pub mod upstream;
mod variant;
pub mod watch;
mod watching;
mod write;

pub use body::GatewayBody;
pub use facts::Facts;
pub use gateway::{Gateway, OpenError};
pub use head::is_sent_on;
pub use routes::{DEFAULT_ROUTE, Route, RouteError, Routes, credentials_hash};
pub use settings::Settings;
pub use stats::{Count, DURATION_BOUNDS, Durations, RouteStats, Stats};
pub use tag::{Digest, MintedTag, Variant};
pub use watching::client_name;
