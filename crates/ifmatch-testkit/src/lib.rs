//! What the tests of `ifmatch` are held against.
//!
//! - [`mod@reference`]: a second, naive implementation of the precondition engine, written from the text of the
//!   standards alone. It shares no line with the real engine, so that one misreading cannot hide in both.
//! - [`decisions`]: rows of behaviour decided by hand, which both implementations, and every layer above them,
//!   must meet.
//! - [`dates`]: HTTP dates, parsed and written the long way.
//! - [`history`]: checks what concurrent clients saw: counters and a linearizability checker.
//! - [`process`]: runs a real server binary and kills it.
//! - [`raw`]: sends exact bytes over a socket and reads one response at a time.
//! - [`servers`]: real servers that nobody here wrote, and proxies, started for a test.
//! - `tls` (a feature): TLS in front of any server, with certificates that are good or bad.
//! - [`upstream`]: an origin that does what it is told, wrong or right, for what stands in front of it.
//!
//! **Invariant:** this crate depends on no other crate of the workspace, and nothing but tests depends on it.

pub mod dates;
pub mod decisions;
pub mod history;
pub mod process;
pub mod raw;
pub mod reference;
pub mod servers;
#[cfg(feature = "tls")]
pub mod tls;
pub mod upstream;
