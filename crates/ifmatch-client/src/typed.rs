//! The everyday calls: values of a type, as JSON.

use crate::client::Reading;
use crate::outcome::{Applied, Outcome, Refusal};
use crate::versioned::Snapshot;
use crate::wire::{Answer, Url};
use crate::{
    Client, Conflict, Delete, Error, IfMatch, NoVersion, Put, Sides, Version, Versioned, Write, pause,
};
use http::header::{ACCEPT, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// How often `update` tries, in all.
pub const TRIES_MAX: u32 = 5;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const MERGE_PATCH: HeaderValue = HeaderValue::from_static("application/merge-patch+json");

/// What became of a conditional PATCH.
#[derive(Debug)]
#[must_use = "a conflict means that nothing was written"]
pub enum Patch<T> {
    /// Applied. What it made of the content is not known before it is read.
    Saved(Result<Version, NoVersion>),
    /// Not applied: it was changed, and is this now.
    Changed(Versioned<T>),
}

impl Client {
    /// Reads a value and its version, past caches.
    ///
    /// # Errors
    /// If there is no such value, or it cannot be read.
    pub async fn get<T: DeserializeOwned>(&self, at: &str) -> Result<Versioned<T>, Error> {
        Versioned::of(self.snapshot(&self.url(at)?).await?)
    }

    /// Reads, changes, writes; and when somebody else was first, again, with the change made to what is there then: up to
    /// [`TRIES_MAX`] times, after a pause of at most 50 ms that doubles. A change that changes nothing is not written.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else was first each time, and all others. A write whose answer was lost is
    /// [`Error::Unknown`] and not repeated.
    pub async fn update<T>(&self, at: &str, mut change: impl FnMut(&mut T)) -> Result<Versioned<T>, Error>
    where
        T: DeserializeOwned + Serialize,
    {
        let url = self.url(at)?;
        let mut tries = 0;
        let mut base = self.snapshot(&url).await?;
        loop {
            tries += 1;
            let (read, mut next) = (base.typed::<T>()?, base.typed::<T>()?);
            change(&mut next);
            let json = base.changed(&read, &next)?;
            if json == base.json {
                return Ok(Versioned::new(next, base));
            }
            if let Some(saved) = self.send_put(&base, &json).await? {
                return Ok(Versioned::new(next, saved));
            }
            if tries < TRIES_MAX {
                tokio::time::sleep(pause(tries)).await;
            }
            let current = self.again(&base).await?;
            if tries >= TRIES_MAX {
                return Err(Error::Conflict(Box::new(self.sides(base, json, current))));
            }
            base = current;
        }
    }

    /// Writes `next` over what was read. What the type does not know of it stays as it is.
    ///
    /// # Errors
    /// All but a conflict, which is an outcome.
    pub async fn put<T>(&self, over: &Versioned<T>, next: &T) -> Result<Put<T>, Error>
    where
        T: DeserializeOwned + Serialize,
    {
        let base = &over.snapshot;
        let json = base.changed(over.value(), next)?;
        match self.send_put(base, &json).await? {
            Some(saved) => Ok(Put::Saved(Versioned::of(saved)?)),
            None => {
                let current = self.again(base).await?;
                let conflict: Conflict<T> = self.sides(Arc::clone(base), json, current).typed()?;
                Ok(Put::Conflict(conflict))
            }
        }
    }

    /// Sends a merge patch (RFC 7396) to what was read.
    ///
    /// # Errors
    /// All but a conflict, which is an outcome.
    pub async fn patch<T>(&self, of: &Versioned<T>, change: &Value) -> Result<Patch<T>, Error>
    where
        T: DeserializeOwned,
    {
        let base = &of.snapshot;
        let content = serde_json::to_vec(change).map_err(Error::Value)?;
        let condition = IfMatch::Unchanged(base.version()?.clone());
        let write = Write::new(Method::PATCH, base.url.clone(), condition)?.content(&MERGE_PATCH, content);
        match self.sent(&write).await? {
            Ok(applied) => Ok(Patch::Saved(applied.version)),
            Err(_) => Ok(Patch::Changed(self.changed_meanwhile(base).await?)),
        }
    }

    /// Deletes what was read.
    ///
    /// # Errors
    /// All but a conflict, which is an outcome.
    pub async fn delete<T: DeserializeOwned>(&self, what: &Versioned<T>) -> Result<Delete<T>, Error> {
        let base = &what.snapshot;
        let condition = IfMatch::Unchanged(base.version()?.clone());
        let write = Write::new(Method::DELETE, base.url.clone(), condition)?;
        match self.sent(&write).await? {
            Ok(_) => Ok(Delete::Done),
            Err(_) => Ok(Delete::Changed(self.changed_meanwhile(base).await?)),
        }
    }

    /// Creates something where there is nothing.
    ///
    /// # Errors
    /// [`Error::Exists`], and all others.
    pub async fn create<T>(&self, at: &str, value: &T) -> Result<Versioned<T>, Error>
    where
        T: DeserializeOwned + Serialize,
    {
        self.put_whole(at, value, IfMatch::Absent).await
    }

    /// Overwrites whatever is there, unseen, for a reason that the server may keep. What the type does not know is lost.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is nothing, and all others.
    pub async fn overwrite<T>(&self, at: &str, value: &T, reason: &str) -> Result<Versioned<T>, Error>
    where
        T: DeserializeOwned + Serialize,
    {
        self.put_whole(at, value, IfMatch::overwrite(reason)).await
    }

    async fn put_whole<T>(&self, at: &str, value: &T, condition: IfMatch) -> Result<Versioned<T>, Error>
    where
        T: DeserializeOwned + Serialize,
    {
        let url = self.url(at)?;
        let json = serde_json::to_value(value).map_err(Error::Value)?;
        let creates = condition == IfMatch::Absent;
        let write = Write::new(Method::PUT, url.clone(), condition)?.content(&JSON, text(&json)?);
        match self.sent(&write).await? {
            Ok(applied) => Versioned::of(Snapshot::new(url, json, applied.version)),
            Err(_) if creates => Err(Error::Exists { url: crate::secret::url(&url) }),
            Err(refusal) => Err(Error::Refused(refusal)),
        }
    }

    /// `None` if it is stale.
    async fn send_put(&self, base: &Arc<Snapshot>, json: &Value) -> Result<Option<Arc<Snapshot>>, Error> {
        let condition = IfMatch::Unchanged(base.version()?.clone());
        let write = Write::new(Method::PUT, base.url.clone(), condition)?.content(&JSON, text(json)?);
        match self.sent(&write).await? {
            Ok(applied) => Ok(Some(Snapshot::new(base.url.clone(), json.clone(), applied.version))),
            Err(_) => {
                base.spend();
                Ok(None)
            }
        }
    }

    /// What became of a write: applied, or refused as stale. The rest are errors.
    async fn sent(&self, write: &Write) -> Result<Result<Box<Applied>, Box<Refusal>>, Error> {
        match self.write(write).await? {
            Outcome::Applied(applied) => Ok(Ok(applied)),
            Outcome::Refused(refusal) if refusal.is_stale() => Ok(Err(refusal)),
            Outcome::Refused(refusal) => Err(Error::Refused(refusal)),
            Outcome::Unknown(doubt) => Err(Error::Unknown(doubt)),
        }
    }

    async fn changed_meanwhile<T: DeserializeOwned>(
        &self,
        base: &Arc<Snapshot>,
    ) -> Result<Versioned<T>, Error> {
        base.spend();
        Versioned::of(self.again(base).await?)
    }

    /// What is there now, after a write was refused.
    async fn again(&self, base: &Arc<Snapshot>) -> Result<Arc<Snapshot>, Error> {
        let gone = |status| matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
        match self.snapshot(&base.url).await {
            Err(Error::Refused(refusal)) if gone(refusal.status()) => {
                Err(Error::Gone { url: base.shown_url() })
            }
            read => read,
        }
    }

    async fn snapshot(&self, url: &Url) -> Result<Arc<Snapshot>, Error> {
        let mut request = self.reading(url);
        if !self.has_field(&ACCEPT) {
            request = request.with(ACCEPT, JSON);
        }
        let answer = self.follow(&request).await?;
        self.stays(&answer)?;
        Snapshot::of(&Reading::of(answer)?)
    }

    /// That redirects have not led elsewhere: what is read there is written there, and 303 leads to something else.
    fn stays(&self, answer: &Answer) -> Result<(), Error> {
        let other = answer.hops.iter().any(|hop| hop.status == StatusCode::SEE_OTHER);
        if other || !self.origin_holds(&answer.url) {
            let base = answer.hops.first().map(|hop| crate::secret::url(&hop.from)).unwrap_or_default();
            return Err(Error::Url { url: crate::secret::url(&answer.url), base });
        }
        Ok(())
    }

    fn sides(&self, base: Arc<Snapshot>, mine: Value, current: Arc<Snapshot>) -> Sides {
        let is_self_conflict = current.version().is_ok_and(|version| self.is_own(&current.url, version));
        Sides { base, mine, current, is_self_conflict }
    }
}

fn text(json: &Value) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(json).map_err(Error::Value)
}
