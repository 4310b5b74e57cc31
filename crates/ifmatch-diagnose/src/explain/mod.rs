//! Why was this request answered 428 or 412, or why did it silently overwrite, and what to send instead.
//!
//! [`Evidence::read`] takes what somebody has: a recording of a browser (HAR), a curl command, requests and answers as
//! text, the body of a refusal, records of the audit. [`Evidence::explain`] finds the requests that failed for their
//! condition, and what in the evidence shows why. Nothing is sent, credentials are dropped on reading, and what is not in
//! the evidence is not claimed: a cause is certain, likely or possible, and says what would settle it.
//!
//! ```
//! use ifmatch_diagnose::explain::{Evidence, Options};
//!
//! let seen = "PUT /orders/42 HTTP/1.1\nHost: api.test\n\nHTTP/1.1 428 Precondition Required\n\n";
//! let told = Evidence::read(seen.as_bytes(), None)?.explain(&Options::default())?;
//! assert_eq!(told.cases[0].causes[0].code, "X01");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod articles;
mod causes;
mod evidence;
mod fields;
mod find;
mod moment;
mod read;
mod render;
mod report;
mod said;
mod story;

pub use articles::{ARTICLES, article};
pub use causes::{Cause, Confidence};
pub use evidence::{Evidence, Source};
pub use find::{CASES_MAX, NoSuchEntry, Options, ROWS_MAX};
pub use read::{ENTRIES_MAX, INPUT_BYTES_MAX, Unreadable};
pub use report::{Case, Explanation, Fix, Kind, Row, Verdict};
