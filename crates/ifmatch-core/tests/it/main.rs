//! What cannot be shown from inside: the engine against a second one, against rows decided by hand, against arbitrary
//! input, and against the allocator.

mod allocations;
mod bridge;
mod matrix;
mod mutants;
mod problems;
mod properties;
