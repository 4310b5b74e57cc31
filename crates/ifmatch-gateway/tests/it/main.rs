//! Integration tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod rules;
mod state;
mod upstream;
mod watch;
