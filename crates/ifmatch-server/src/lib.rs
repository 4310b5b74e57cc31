//! What runs: one service per core behind listeners that share a port, the admin listener, telemetry, and an orderly end.

mod admin;
mod config;
mod connection;
mod cors;
mod descriptors;
mod error;
mod listen;
mod run;
mod telemetry;

pub use config::{Config, HEADER_READ_MAX};
pub use cors::Origins;
pub use error::ServeError;
pub use run::{Running, start};
