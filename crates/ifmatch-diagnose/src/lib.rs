//! Diagnosis: proof that an HTTP API loses updates, a check of its validators, and why a request was refused.
//!
//! Everything here works against any HTTP API, ours or not, and says nothing that was not seen.

pub mod article;
pub mod curl;
pub mod explain;
pub mod inspect;
pub mod junit;
pub mod race;
pub mod report;
pub mod text;
