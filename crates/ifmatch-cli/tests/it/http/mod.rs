//! The HTTP surface, each promise once.

mod collections;
mod connections;
mod cors;
mod cut;
mod heads;
mod patches;
mod problems;
mod reads;
mod writes;
