//! placeholder
mod date;
mod expected;
pub use date::HttpDate;
pub use expected::{Expected, Revision};
