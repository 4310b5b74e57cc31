//! Proof whether an HTTP API loses updates: several writers really race on one resource.
//!
//! [`prepare()`] reads the resource and chooses what to write; nothing is written before [`Prepared::run`]. That races,
//! puts the original back, and gives a [`Race`], the report. A [`Journal`] on disk holds the original meanwhile, so that
//! [`restore()`] can put it back after anything.
//!
//! # What is called lost
//!
//! A write is lost if it was acknowledged (2xx, but 202 and 207), cannot be seen afterwards, and whoever wrote later cannot
//! have read it. Each write sets the same member to a value of its own, a mark, so that a read tells whose write is there.
//! All writers of a round read before any of them writes. If no write of a round can be seen, even after a second of
//! looking, the round decides nothing.
//!
//! Before that, control runs: writes one after the other, each seen before the next; a write with the tag that was read
//! just before. An API that ignores a member, refuses everything, or is far behind itself is inconclusive, not lossy and
//! not safe.
//!
//! # The verdict
//!
//! All that apply, worst first:
//!
//! - **IGNORES**: a write whose condition was false was done: an old or never issued tag in If-Match, `If-None-Match: *` on
//!   what is there, a DELETE with an old tag.
//! - **NOT ATOMIC**: false conditions are refused one at a time, and of several writers with the same valid tag more than
//!   one is told that it was done; or of several creators; or an update and a DELETE; or one strong tag stood for two
//!   contents, which comes to the same.
//! - **LOSES UPDATES**: writes without a condition erase each other, and no condition protects (one of the above, or no tag
//!   that can be sent back).
//! - **OPT-IN**: writes without a condition erase each other, and conditions protect whoever sends them, or it was not found out
//!   whether they do, which is said then.
//! - **PROTECTED**: a write without a condition is refused (with any status, if the same write with the right tag is done),
//!   as is one with a false condition, and of several with the same tag one is done. Or: the API looks at something in the
//!   content, and writers with old content are refused although they send no condition.
//! - **INCONCLUSIVE**: anything else, with the reason.
//!
//! Nothing is concluded from what was not seen: PROTECTED and OPT-IN need rounds that were decided, and say how often
//! nothing was lost, and what that proves.

mod change;
mod choose;
mod confidence;
mod contests;
mod control;
mod create;
mod evidence;
mod findings;
mod journal;
mod mark;
mod plan;
mod prepare;
mod print;
mod reasons;
mod reply;
mod report;
mod restore;
mod run;
mod rush;
mod session;
mod tally;
mod validators;
mod verdict;
mod volley;
mod watch;
mod whose;

pub use choose::ChooseError;
pub use confidence::{at_least, at_most};
pub use evidence::{Evidence, Serial};
pub use journal::{Entry, Journal, JournalError};
pub use plan::{Create, NEW, Plan, PlanError, RATE, ROUNDS, ROUNDS_MAX, WRITERS_MAX};
pub use prepare::{PrepareError, Prepared, prepare, restore};
pub use report::{Case, Mood, Race, Reproduction};
pub use restore::{Ending, Restored};
pub use tally::{Round, Tally};
pub use verdict::{Verdict, verdicts};
pub use watch::{Observer, Progress, Stop};
