//! Every bound of the data model, and the rules for keys. Queues and groups have theirs beside them.

use std::collections::HashSet;

use crate::error::{KeyProblem, StoreError};
use crate::model::{Action, Transaction};

/// Longest key, in bytes. Past it: [`StoreError::InvalidKey`].
pub const KEY_BYTES_MAX: usize = 2048;

/// Largest content of one document, in bytes (16 MiB): the default, and what an engine may be told to lower or raise.
/// Past it: [`StoreError::ContentTooLarge`].
pub const CONTENT_BYTES_MAX: usize = 16 << 20;

/// Longest metadata field, in bytes. Past it: [`StoreError::MediaTooLarge`].
pub const MEDIA_BYTES_MAX: usize = 1024;

/// Most changes and checks of one transaction, together. Past it: [`StoreError::TooManyChanges`].
pub const CHANGES_MAX: usize = 1000;

/// Most items of one listing. More are not given at once, whatever was asked for.
pub const LIST_ITEMS_MAX: usize = 1000;

/// Most rows one listing looks at besides those it returns (tombstones, and one per deeper collection). Past it the
/// listing ends early and says where to go on.
pub const LIST_SCAN_MAX: usize = 10_000;

/// Whether the key names a collection.
pub fn is_collection(key: &str) -> bool {
    key.ends_with('/')
}

/// The collection a document is directly below: everything up to the last `/`.
pub fn parent(key: &str) -> &str {
    key.rfind('/').map_or("/", |slash| &key[..=slash])
}

/// The smallest key behind everything deeper than `collection` that begins with the same segment as `key`; `None` if
/// `key` is a direct member.
pub(crate) fn behind_deeper(collection: &str, key: &str) -> Option<String> {
    let below = key.strip_prefix(collection)?;
    let slash = below.find('/')?;
    // '0' is the octet after '/'.
    Some(format!("{collection}{}0", &below[..slash]))
}

pub(crate) fn check_key(key: &str) -> Result<(), StoreError> {
    let problem = if !key.starts_with('/') {
        KeyProblem::NoLeadingSlash
    } else if key.len() > KEY_BYTES_MAX {
        KeyProblem::TooLong
    } else if key.bytes().any(|byte| byte.is_ascii_control()) {
        KeyProblem::ControlCharacter
    } else {
        return Ok(());
    };
    Err(StoreError::invalid_key(key, problem))
}

pub(crate) fn check_document_key(key: &str) -> Result<(), StoreError> {
    check_key(key)?;
    if is_collection(key) { Err(StoreError::invalid_key(key, KeyProblem::IsCollection)) } else { Ok(()) }
}

pub(crate) fn check_collection_key(key: &str) -> Result<(), StoreError> {
    check_key(key)?;
    if is_collection(key) { Ok(()) } else { Err(StoreError::invalid_key(key, KeyProblem::IsDocument)) }
}

/// Whether a transaction is within all limits; what is wrong otherwise.
pub(crate) fn check_transaction(
    transaction: &Transaction,
    content_bytes_max: usize,
) -> Result<(), StoreError> {
    let Transaction { checks, changes } = transaction;
    let count = checks.len() + changes.len();
    if count > CHANGES_MAX {
        return Err(StoreError::TooManyChanges { count });
    }
    for check in checks {
        check_key(&check.key)?;
    }
    for change in changes {
        check_document_key(&change.key)?;
        if let Action::Put(document) = &change.action {
            let bytes = document.content.len();
            if bytes > content_bytes_max {
                return Err(StoreError::ContentTooLarge {
                    key: change.key.clone(),
                    bytes,
                    bytes_max: content_bytes_max,
                });
            }
            if document.media.fields().into_iter().flatten().any(|field| field.len() > MEDIA_BYTES_MAX) {
                return Err(StoreError::MediaTooLarge { key: change.key.clone() });
            }
        }
    }
    if changes.len() > 1 {
        let mut seen = HashSet::with_capacity(changes.len());
        if let Some(twice) = changes.iter().find(|change| !seen.insert(change.key.as_str())) {
            return Err(StoreError::ChangedTwice { key: twice.key.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_parents() {
        assert_eq!(parent("/x"), "/");
        assert_eq!(parent("/a/b"), "/a/");
        assert_eq!(parent("/a//b"), "/a//");
    }

    #[test]
    fn deeper_keys_are_passed_in_one_step() {
        assert_eq!(behind_deeper("/a/", "/a/b"), None);
        assert_eq!(behind_deeper("/a/", "/a/b/c/d").as_deref(), Some("/a/b0"));
        assert_eq!(behind_deeper("/", "//x").as_deref(), Some("/0"));
    }

    #[test]
    fn keys_that_name_nothing() {
        let problem = |key: &str| match check_document_key(key) {
            Err(StoreError::InvalidKey { problem, .. }) => Some(problem),
            _ => None,
        };
        assert_eq!(problem("/a"), None);
        assert_eq!(problem(""), Some(KeyProblem::NoLeadingSlash));
        assert_eq!(problem("a"), Some(KeyProblem::NoLeadingSlash));
        assert_eq!(problem("/a/"), Some(KeyProblem::IsCollection));
        assert_eq!(problem("/a\0"), Some(KeyProblem::ControlCharacter));
        assert_eq!(problem("/a\u{7f}"), Some(KeyProblem::ControlCharacter));
        assert_eq!(problem(&format!("/{}", "a".repeat(KEY_BYTES_MAX))), Some(KeyProblem::TooLong));
        assert_eq!(problem(&format!("/{}", "a".repeat(KEY_BYTES_MAX - 1))), None);
    }
}
