//! HTTP with the version handled.
//!
//! A read keeps the version that it saw, in a [`Versioned`] value; a write needs one. The only way round is to overwrite
//! with a reason. Somebody else's change is never written over unseen: a write that was made from an old version is a
//! [`Conflict`] with three sides, or is made anew by [`Client::update`].
//!
//! ```no_run
//! use ifmatch_client::{Client, Error, Put, Versioned};
//! # #[derive(Clone, serde::Serialize, serde::Deserialize)]
//! # struct Order { note: String, status: String }
//! # async fn demo() -> Result<(), Error> {
//! let api = Client::new("https://api.example")?;
//!
//! // The everyday call: read, change, save. After a 412 the closure runs again, on what is there then.
//! let saved = api.update("/v1/orders/42", |order: &mut Order| order.note = "ring twice".into()).await?;
//!
//! // By hand. A conflict is an outcome, not an error.
//! let order: Versioned<Order> = api.get("/v1/orders/42").await?;
//! let next = Order { status: "cancelled".into(), ..order.value().clone() };
//! match api.put(&order, &next).await? {
//!     Put::Saved(saved) => println!("saved as {:?}", saved.etag()),
//!     Put::Conflict(conflict) => match conflict.merge() {
//!         Ok(merged) => drop(api.put(conflict.current(), &merged).await?.saved()?),
//!         Err(open) => println!("a person has to decide: {:?}", open.paths()),
//!     },
//! }
//!
//! api.create("/v1/orders/43", &next).await?;
//! api.delete(&saved).await?.done()?;
//! api.overwrite("/v1/orders/42", &next, "INC-1234 restore").await?;
//! # Ok(())
//! # }
//! ```
//!
//! What a type does not know of a value stays as it is. Nothing is sent twice: a write whose answer was lost is
//! [`Error::Unknown`], and what a read shows afterwards does not prove that it will not land yet.
//!
//! A write without a version does not compile:
//!
//! ```compile_fail,E0061
//! # async fn demo(api: ifmatch_client::Client) {
//! api.put(&serde_json::json!({ "note": "mine" })).await;
//! # }
//! ```
//!
//! ```compile_fail,E0308
//! # async fn demo(api: ifmatch_client::Client) {
//! api.put("/v1/orders/42", &serde_json::json!({ "note": "mine" })).await;
//! # }
//! ```
//!
//! ```compile_fail,E0308
//! # async fn demo(api: ifmatch_client::Client) {
//! api.delete::<serde_json::Value>("/v1/orders/42").await;
//! # }
//! ```
//!
//! Nor does a value get a version that no server said, or a write a condition that is none:
//!
//! ```compile_fail,E0624
//! # fn demo(any: ()) {
//! ifmatch_client::Versioned::new(1, any);
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! let condition = ifmatch_client::IfMatch::default();
//! ```
//!
//! [`wire`] is the floor: one request, one answer, nothing hidden. The diagnosis stands on it, since it must be able to
//! send what a client never should.

mod client;
mod condition;
mod conflict;
mod error;
mod outcome;
mod pause;
mod problem;
pub mod secret;
mod tag;
mod typed;
mod version;
mod versioned;
pub mod wire;

pub use client::{Client, Event, Reading, Write};
pub use condition::IfMatch;
pub use conflict::{Conflict, Delete, Open, Put, Sides};
pub use error::Error;
pub use outcome::{Applied, Doubt, Outcome, Refusal};
pub use pause::pause;
pub use problem::Problem;
pub use tag::{MalformedTag, Tag};
pub use typed::{Patch, TRIES_MAX};
pub use version::{NoVersion, Version};
pub use versioned::Versioned;
