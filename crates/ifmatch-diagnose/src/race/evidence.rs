//! What was seen, before anything is concluded from it.

use super::tally::Tally;
use schemars::JsonSchema;
use serde::Serialize;

/// One write at a time: what the API does with it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "is", content = "because")]
pub enum Serial {
    /// Done, and seen in the next read.
    Accepted,
    /// Turned away with this status.
    Refused(u16),
    /// Not tried: there is no tag to send.
    #[default]
    Untried,
    /// Neither: why.
    Unclear(String),
}

/// What was seen.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct Evidence {
    /// Control: a write with the tag that was read just before.
    pub right: Serial,
    /// Control: a write without a condition.
    pub bare: Serial,
    /// Control: writes one after the other, each seen before the next.
    pub serial: u32,
    /// Writers who read the same and write without a condition.
    pub unconditional: Tally,
    /// A writer with an old tag, or one that was never issued, after another write.
    pub stale: Tally,
    /// Writers with the same valid tag (without any, if the API has none), at once.
    pub together: Tally,
    /// `If-None-Match: *` on what is there.
    pub existing: Tally,
    /// `If-None-Match: *` by several at once on what is not there.
    pub creators: Option<Tally>,
    /// DELETE with an old tag.
    pub stale_delete: Option<Tally>,
    /// DELETE and an update with the same valid tag, at once.
    pub delete_update: Option<Tally>,
    /// A strong tag under which two contents were read.
    pub repeated_tag: Option<String>,
    /// A Last-Modified under which two contents were read, where there was no tag.
    pub repeated_date: Option<String>,
    /// How often the contents of a tag were compared.
    pub compared: u32,
    /// Whether the resource has an ETag, and a strong one.
    pub has_tag: bool,
    /// Whether it is weak.
    pub has_weak_tag: bool,
    /// Refused writes that were done all the same.
    pub refused_and_done: u32,
    /// Acknowledged writes that were not done, although nobody else wrote.
    pub acknowledged_and_not_done: u32,
}
