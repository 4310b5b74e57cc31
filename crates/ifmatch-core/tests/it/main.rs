//! What cannot be shown from inside: the engine against a second one, against rows decided by hand, against arbitrary
//! input, and against the allocator.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod allocations;
mod bridge;
mod matrix;
mod mutants;
mod problems;
mod properties;
