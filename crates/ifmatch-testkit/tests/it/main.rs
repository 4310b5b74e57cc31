//! One binary for all tests of the testkit: what judges others is judged here.

mod decisions;
mod history_every_order;
mod history_examples;
mod history_properties;
mod process;
mod promise;
mod raw;
mod register;
mod rules;
mod servers;
mod upstream;
