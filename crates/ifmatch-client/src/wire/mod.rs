//! One request, one answer, nothing hidden: no condition is added, nothing is sent twice, writes are not redirected into
//! something else.
//!
//! This is below the promise: what is sent here is sent as it is said. Clients use the types of the crate's root.

mod access;
mod answer;
mod error;
mod hold;
mod http;
mod request;

pub use access::{Access, AccessError, HttpVersion, Limits};
pub use answer::{Answer, Hop};
pub use error::{SendError, Sent};
pub use hold::{Gate, Held};
pub use http::Http;
pub use request::Request;
pub use reqwest::Url;
