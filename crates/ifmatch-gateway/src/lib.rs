//! The gateway: a reverse proxy that makes the writes of any HTTP API conditional without touching it.

mod digest;
mod routes;
pub mod settings;
pub mod state;
mod tag;
pub mod upstream;
pub mod watch;

pub use routes::{DEFAULT_ROUTE, Route, RouteError, Routes, principal};
pub use settings::Settings;
pub use tag::{Digest, MintedTag};
