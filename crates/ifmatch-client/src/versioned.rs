//! A value with the version that it is.

use crate::{Error, NoVersion, Tag, Version};
use crate::{client::Reading, wire::Url};
use core::sync::atomic::{AtomicBool, Ordering};
use ifmatch_core::merge::{Side, merge};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// JSON as it was read or written, and its version.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) url: Url,
    pub(crate) json: Value,
    version: Result<Version, NoVersion>,
    /// Whether the server has refused a write that was made from it.
    is_spent: AtomicBool,
}

impl Snapshot {
    pub(crate) fn new(url: Url, json: Value, version: Result<Version, NoVersion>) -> Arc<Self> {
        Arc::new(Self { url, json, version, is_spent: AtomicBool::new(false) })
    }

    pub(crate) fn of(reading: &Reading) -> Result<Arc<Self>, Error> {
        let url = reading.answer.url.clone();
        let json = ifmatch_core::json::parse(&reading.answer.content)
            .map_err(|why| Error::Content { url: crate::secret::url(&url), why })?;
        Ok(Self::new(url, json, reading.version.clone()))
    }

    /// The version to make a write from.
    pub(crate) fn version(&self) -> Result<&Version, NoVersion> {
        if self.is_spent.load(Ordering::Relaxed) {
            return Err(NoVersion::Spent);
        }
        self.version.as_ref().map_err(Clone::clone)
    }

    pub(crate) fn spend(&self) {
        self.is_spent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn shown_url(&self) -> String {
        crate::secret::url(&self.url)
    }

    /// The value as a type.
    pub(crate) fn typed<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(&self.json)
            .map_err(|error| Error::Content { url: self.shown_url(), why: error.to_string() })
    }

    /// What is to be written when `next` is to be there, and `value` is what was made of this. What the type does not know
    /// stays as it is.
    pub(crate) fn changed<T: Serialize>(&self, value: &T, next: &T) -> Result<Value, Error> {
        let [before, after] = [value, next].map(|value| serde_json::to_value(value).map_err(Error::Value));
        let (before, after) = (before?, after?);
        let mut merged = merge(&before, &self.json, &after)
            .map_err(|error| Error::Content { url: self.shown_url(), why: error.to_string() })?;
        let (mut settled, mut drops) = (Vec::new(), Vec::new());
        for conflict in merged.conflicts() {
            // The type read it as something else than it is. A single value is the caller's to change; an array has parts
            // that nobody asked to be dropped.
            let is_array = matches!((&conflict.theirs, &conflict.mine), (Some(Value::Array(_)), Some(_)));
            let whither = if is_array { &mut drops } else { &mut settled };
            whither.push(conflict.path.clone());
        }
        if !drops.is_empty() {
            return Err(Error::Drops { paths: drops });
        }
        for path in settled {
            merged.settle(&path, Side::Mine);
        }
        Ok(merged.value().clone())
    }
}

/// A value with the version that it is: what was read, or what was written. There is no way to make one without a server.
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    value: T,
    pub(crate) snapshot: Arc<Snapshot>,
}

impl<T> Versioned<T> {
    pub(crate) fn new(value: T, snapshot: Arc<Snapshot>) -> Self {
        Self { value, snapshot }
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The value alone; the version is gone.
    pub fn into_value(self) -> T {
        self.value
    }

    /// All of what was read or written, with what the type does not know.
    pub fn json(&self) -> &Value {
        &self.snapshot.json
    }

    /// Where it is.
    pub fn url(&self) -> &Url {
        &self.snapshot.url
    }

    /// The version.
    ///
    /// # Errors
    /// If there is none that can be sent back: the server said none that can, or has refused it meanwhile.
    pub fn version(&self) -> Result<&Version, NoVersion> {
        self.snapshot.version()
    }

    /// The entity-tag, if the version is one and can be sent back.
    pub fn etag(&self) -> Option<&Tag> {
        self.version().ok().and_then(Version::as_tag)
    }
}

impl<T: DeserializeOwned> Versioned<T> {
    pub(crate) fn of(snapshot: Arc<Snapshot>) -> Result<Self, Error> {
        Ok(Self::new(snapshot.typed()?, snapshot))
    }
}
