//! Behaviour against servers that do what they are told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod explain;
mod inspect;
mod race;
mod schemas;
