//! What runs: one service per core behind listeners that share a port, the admin listener, telemetry, and an orderly end.

mod admin;
pub mod audit;
mod config;
mod connection;
mod cors;
mod descriptors;
mod driven;
mod error;
pub mod file;
mod gateway_metrics;
mod listen;
mod recorder;
mod routed;
mod run;
mod socket;
mod telemetry;

pub use config::{Config, GATEWAY_CONTENT_BYTES_MAX, HEADER_READ_MAX};
pub use cors::Origins;
pub use error::ServeError;
pub use file::File;
pub use run::{Running, start};
