//! Are the validators of an API fit for conditional writes? Reads that tell, and one write if it is asked for.
//!
//! Nothing is said that was not seen. What was not tested, or got no answer, is told as that and never as a finding.

mod after_write;
mod articles;
mod codings;
mod facts;
mod found;
mod freshness;
mod head;
mod list;
mod look;
mod markdown;
mod members;
mod reads;
mod report;
mod revalidation;
mod text;
mod types;
mod validators;
mod via;
mod web;

pub use articles::{ARTICLES, article};
pub use report::{Check, Finding, First, Inspection, Mark, Severity, State, Validators};

use core::time::Duration;
use http::StatusCode;
use ifmatch_client::secret;
use ifmatch_client::wire::{Access, AccessError, SendError, Url};
use look::Look;

/// Reads of the same representation on one connection, if nothing else is said. One less goes over new connections.
pub const READS: usize = 3;

/// The least that show whether something stays.
pub const READS_MIN: usize = 2;

/// The most, out of politeness.
pub const READS_MAX: usize = 10;

/// Requests of one run; checks past it are not made and told as not tested.
pub const REQUESTS_MAX: usize = 64;

/// Content of one answer, in bytes; a longer one is trouble.
pub const CONTENT_BYTES_MAX: usize = 8 << 20;

/// What is looked at, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The resource.
    pub url: Url,
    /// Reads on one connection, from [`READS_MIN`] to [`READS_MAX`].
    pub reads: usize,
    /// A web origin whose pages are to use the API, as `https://app.example`.
    pub origin: Option<String>,
    /// The collection that lists the resource; otherwise the path above is tried.
    pub list: Option<Url>,
    /// Where a proxy has the resource that `url` reaches directly. Only scheme and host: the path of `url`. It gets the
    /// same fields, credentials included.
    pub via: Option<Url>,
    /// How old a validator may be that a cache hands out.
    pub max_age: Option<Duration>,
    /// Whether the content is written back as it was read, with If-Match.
    pub after_write: bool,
    /// Whether credentials are shown in URLs and commands.
    pub show_secrets: bool,
}

impl Plan {
    /// As it is if nothing else is said: reads only.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            reads: READS,
            origin: None,
            list: None,
            via: None,
            max_age: None,
            after_write: false,
            show_secrets: false,
        }
    }
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// There is no answer.
    #[error("{0} Nothing is known about its validators.")]
    Silent(#[from] SendError),
    /// The client cannot be set up.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// An answer that is no representation.
    #[error("GET {url} was answered {}, so there is no representation to look at. {}", .status.as_u16(), advice(*.status))]
    Status {
        /// Masked.
        url: String,
        /// What was answered.
        status: StatusCode,
    },
}

fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Say who you are with -u USER:PASSWORD, --bearer TOKEN or -H 'Cookie: ...'.",
        403 => "These credentials may not read it: use others.",
        404 | 410 => "Name something that exists; a GET of it must work.",
        405 | 501 => "A validator is read with GET: name something that can be read.",
        406 => "Ask for what it has: -H 'Accept: ...'.",
        429 => "It asks for fewer requests: wait and look again.",
        500..=599 => "The server is in trouble: look again when it is well.",
        _ => "Name something that a GET answers with 200.",
    }
}

/// Looks at a resource.
///
/// # Errors
/// If there is no answer to the first read, or none with status 200.
pub async fn inspect(plan: &Plan, access: &Access) -> Result<Inspection, Trouble> {
    inspect_watched(plan, access, &|_| {}).await
}

/// The same; `watch` is told how many requests were sent, before each of them.
///
/// # Errors
/// As [`inspect`].
pub async fn inspect_watched(
    plan: &Plan,
    access: &Access,
    watch: &(dyn Fn(usize) + Sync),
) -> Result<Inspection, Trouble> {
    let mut look = Look::begin(plan, access, watch).await?;
    validators::check(&mut look).await;
    reads::check(&mut look).await;
    head::check(&mut look).await;
    revalidation::check(&mut look).await;
    codings::check(&mut look).await;
    types::check(&mut look).await;
    web::check(&mut look).await;
    list::check(&mut look).await;
    freshness::check(&mut look).await;
    via::check(&mut look).await;
    after_write::check(&mut look).await;
    Ok(look.end())
}

/// A URL as it may be shown.
fn shown(url: &Url, show_secrets: bool) -> String {
    if show_secrets { url.to_string() } else { secret::url(url) }
}
