//! The gateway: a reverse proxy that makes the writes of any HTTP API conditional without touching it.

pub mod settings;
pub mod state;
pub mod upstream;
pub mod watch;

pub use settings::Settings;
