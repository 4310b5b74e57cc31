//! The crate from outside, in one test binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod file;
