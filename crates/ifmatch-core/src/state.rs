//! What the holder of the state knows about the resource right now.

use crate::date::HttpDate;
use crate::tag::EntityTag;

/// The current state of a resource, as its holder sees it in one consistent look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CurrentState<'a> {
    /// There is no current representation: never created, or deleted.
    Absent,
    /// There is one. It may still have no validator, which is not the same as not being there.
    Present(Representation<'a>),
}

/// The validators and the length of the selected representation (RFC 9110, Section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Representation<'a> {
    /// Its entity-tag, if it has one.
    pub etag: Option<EntityTag<'a>>,
    /// Its modification date, if it has one. The holder warrants that it is a strong validator: no two states ever
    /// had the same date. A date later than now counts as *withheld*: no client has been shown it yet.
    pub last_modified: Option<HttpDate>,
    /// Octets of its content, if known and if ranges of it can be sent; `None` turns ranges off.
    pub content_bytes: Option<u64>,
}

impl CurrentState<'_> {
    /// Whether there is a current representation.
    pub fn is_present(&self) -> bool {
        matches!(self, Self::Present(_))
    }
}
