//! How a resource is kept and shown, day in, day out.

use super::Gate;

/// What is kept of what was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stores {
    /// The bytes as they came.
    #[default]
    AsSent,
    /// The members of a JSON object, sorted by name and without space between them. What is no object: as sent.
    SortedJson,
    /// With a newline at the end.
    WithNewline,
}

/// The entity-tag of a representation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tags {
    /// Strong, from the bytes that are shown.
    #[default]
    Content,
    /// The same, weak.
    Weak,
    /// Strong, from the number of the write: moves even if nothing that is shown does.
    Revision,
    /// This one, whatever the content is: quotes and all.
    Fixed(String),
    /// None.
    Absent,
}

/// Whether content is compressed, with gzip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Coding {
    /// Never.
    #[default]
    Identity,
    /// For those that accept it.
    Negotiated,
    /// For everybody, even if asked not to.
    Always,
}

/// Whether something answers reads from what it read before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cache {
    /// No.
    #[default]
    Absent,
    /// The first read fills it; later ones get that with this `Age`, in seconds. `no-cache` fills it anew.
    Honest(u32),
    /// The same, and nothing a client says helps.
    Stubborn(u32),
}

/// Whether the representation depends on a request field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Negotiation {
    /// It does not.
    #[default]
    Ignored,
    /// It does, and `Vary` says so.
    Told,
    /// It does, and nothing says so.
    Untold,
}

/// What the answer to a PUT or PATCH that was applied carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shows {
    /// 201 or 204, and no validator.
    #[default]
    Nothing,
    /// 201 or 204 with the new ETag and Last-Modified.
    Tag,
    /// 200 or 201 with the new representation, as a GET would show it, and its validators.
    Representation,
}

/// How a resource is kept and shown.
#[derive(Debug, Clone, Default)]
pub struct Habits {
    /// What is kept of what was sent.
    pub stores: Stores,
    /// The entity-tag.
    pub tags: Tags,
    /// Whether there is no Last-Modified. Otherwise it is a second later after each write.
    pub is_undated: bool,
    /// Members of a JSON object that are kept but not shown.
    pub hidden: Vec<String>,
    /// Compression.
    pub coding: Coding,
    /// A cache in front.
    pub cache: Cache,
    /// `Accept`: those that ask for `text/plain` get the content with `as text: ` before it, others JSON.
    pub accept: Negotiation,
    /// `Accept-Language`: those that ask for `de` first get the content with `de: ` before it.
    pub language: Negotiation,
    /// What the answer to a write carries.
    pub shows: Shows,
    /// Whether If-Match and If-None-Match are evaluated, against the own tags. Otherwise they are ignored.
    pub evaluates: bool,
    /// Whether a PUT, PATCH or DELETE without a condition is refused with 428.
    pub requires: bool,
    /// Waited at between looking (condition, current content) and writing. Without: one step.
    pub window: Option<Gate>,
    /// More fields on every answer to a GET or HEAD.
    pub fields: Vec<(String, String)>,
}
