//! The precondition engine of ifmatch: vocabulary, parsing, the evaluation of RFC 9110, Section 13, the requirement of
//! RFC 6585, Section 3, the table of problems and their bodies.
//!
//! **Invariant:** no clock, no I/O, no async. Time is an argument ([`HttpDate`]), so is the state ([`CurrentState`]).
//!
//! ```
//! use http::{HeaderMap, Method, header::{HeaderValue, IF_MATCH}};
//! use ifmatch_core::{CurrentState, EntityTag, HttpDate, Judge, Outcome, Policy, Representation};
//!
//! let policy = Policy::store("orders");
//! let now = HttpDate::from_unix(1_795_000_000);
//! let current = CurrentState::Present(Representation {
//!     etag: EntityTag::parse(b"\"9\""),
//!     last_modified: None,
//!     content_bytes: None,
//! });
//!
//! let mut headers = HeaderMap::new();
//! let judge = Judge::new(&Method::PUT, &headers, &policy, now);
//! assert_eq!(judge.on_head().unwrap_err().status(), 428); // nothing says what was seen
//!
//! headers.insert(IF_MATCH, HeaderValue::from_static("\"7\""));
//! let judge = Judge::new(&Method::PUT, &headers, &policy, now);
//! let Outcome::Refused(refusal) = judge.on_state(&current) else { panic!() };
//! assert_eq!(refusal.status(), 412); // "7" was seen, "9" is there
//! ```

mod body;
mod conditions;
mod date;
mod expected;
mod explain;
pub mod json;
mod judge;
pub mod matrix;
pub mod merge;
mod policy;
mod problem;
mod range;
mod refusal;
mod schema;
mod state;
mod tag;
mod target;

pub use body::{About, PROBLEM_JSON, problem_body};
pub use conditions::{Conditions, DateCondition, IfRange, TagCondition, TagList};
pub use date::HttpDate;
pub use expected::{Expected, Revision};
pub use explain::{Explanation, Step, explain};
pub use judge::{Guard, Judge, Outcome, Protection, Selection};
pub use policy::{Dates, MethodClass, Mode, Policy, Requirement, StaleStatus, Star, is_registered};
pub use problem::{Code, Reason, TYPE_PREFIX, explanation};
pub use range::ByteRange;
pub use refusal::Refusal;
pub use schema::{SCHEMA_PREFIX, SCHEMAS, schema};
pub use state::{CurrentState, Representation};
pub use tag::{EntityTag, TagProblem};
pub use target::{FORWARDED_TARGET_BYTES_MAX, TARGET_BYTES_MAX, Target, coarse};
