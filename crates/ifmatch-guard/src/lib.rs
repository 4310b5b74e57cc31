//! The pipeline that every guarded request goes through, whoever holds the state: receive, match, require, content,
//! turn, state, act, record. The resource server, the gateway and the tower [`layer`] are authorities behind it.
//!
//! **Invariant:** problem responses are written here and nowhere else.
//! **Invariant:** from the moment a write may have an effect it runs to its end, in a task of its own if nobody waits for it
//! any more, so that a client that leaves cancels nothing.

mod authority;
mod carried;
mod content;
mod exchange;
mod fields;
mod hygiene;
pub mod layer;
mod observe;
mod pipeline;
mod ready;
mod respond;
mod serialized;
mod spool;
mod turns;
mod wellknown;

pub use authority::{Acted, Admission, Authority, Passed, Read};
pub use carried::{all_carried, carry};
pub use content::Content;
pub use exchange::{Exchange, Peer, Principal};
pub use fields::{Field, Fields};
pub use hygiene::HEADER_BYTES_MAX;
pub use observe::{Decision, Observe, Result as DecisionResult};
pub use pipeline::{Limits, Pipeline, READ_CONTENT_BYTES_MAX};
pub use ready::behind_the_ready;
pub use respond::{Problem, problem_response};
pub use serialized::{OwnedState, Permit, Serialized, Upstream};
pub use spool::{Spool, Spooled};
pub use turns::{Busy, LineKey, Turn, TurnLimits, Turns};
