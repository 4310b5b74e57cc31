//! The real binary over real sockets, in one test binary.
//!
//! Every test starts servers of its own on free ports of loopback, with data folders of their own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod bad_input;
mod conformance;
mod crash;
mod diagnose;
mod gateway;
mod http;
mod races;
mod support;
mod write;
