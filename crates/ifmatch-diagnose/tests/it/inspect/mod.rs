//! `inspect` against a sound API, and against the same with one thing wrong.

mod api;
mod attacks;
mod codes;
mod forms;
mod trouble;
mod variants;
