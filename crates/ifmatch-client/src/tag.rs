//! An entity-tag that is kept.

use core::fmt;
use http::HeaderValue;
use ifmatch_core::EntityTag;
use serde::{Serialize, Serializer};

/// An entity-tag as a server sent it, kept to be sent back: quotes, `W/` and all (RFC 9110, Section 8.8.3). It is never
/// anything else; what a server sends that is no entity-tag does not become one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tag(HeaderValue);

/// Text that is no entity-tag.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not an entity-tag; one looks like \"3f8a91\", with its quotes, or W/\"3f8a91\"")]
pub struct MalformedTag(pub String);

impl Tag {
    /// Reads one entity-tag that is the whole of `text`.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(text: &str) -> Result<Self, MalformedTag> {
        let malformed = || MalformedTag(text.to_owned());
        Self::of(&HeaderValue::from_str(text).map_err(|_| malformed())?).ok_or_else(malformed)
    }

    /// The entity-tag that is a whole field value, `None` if it is anything else.
    pub fn of(value: &HeaderValue) -> Option<Self> {
        EntityTag::parse(value.as_bytes())?;
        Some(Self(value.clone()))
    }

    /// The tag, with its quotes.
    pub fn as_entity_tag(&self) -> EntityTag<'_> {
        EntityTag::parse(self.0.as_bytes()).expect("what was read once is read again")
    }

    /// Whether it is marked weak, which makes it useless for If-Match.
    pub fn is_weak(&self) -> bool {
        self.as_entity_tag().is_weak()
    }

    /// The field value to send back.
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }
}

/// As it stands in a field.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_entity_tag(), f)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entity_tags_are_tags() {
        for text in ["\"\"", "\"7\"", "W/\"7\"", "\"a,b\""] {
            assert_eq!(Tag::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "7", "\"7", "w/\"7\"", "*", "\"7\", \"8\"", " \"7\"", "\"a b\"", "undefined"] {
            assert!(Tag::parse(text).is_err(), "{text}");
        }
        assert!(Tag::parse("W/\"7\"").unwrap().is_weak());
    }
}
