//! The pipeline and the layer from outside, in one binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod behaviour;
mod cancellation;
mod content;
mod example;
mod layer;
mod modes;
mod observing;
mod races;
mod rows;
mod support;
