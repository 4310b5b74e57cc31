//! The own store as an authority: whoever holds the state judges and acts in one step.

use crate::patch::Kind;
use crate::prefer::{self, Return};
use crate::respond::{self, ALLOW_COLLECTION, ALLOW_DOCUMENT, Body, Validators};
use crate::sending::{SENDING_BYTES_MAX, Sending};
use crate::tag::{self, Tag};
use crate::{digest, failure};
use bytes::Bytes;
use http::header::{
    ALLOW, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName,
    HeaderValue,
};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use ifmatch_core::{
    Code, CurrentState, Expected, HttpDate, MethodClass, Outcome, Policy, Reason, Refusal, Representation,
    Revision, Selection, TagCondition, Target,
};
use ifmatch_guard::{Acted, Admission, Authority, Content, Exchange, Read};
use ifmatch_store::{Committed, Document, Head, Media, Snapshot, Stamp, Store, StoreError, Transaction};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often a write is judged anew because somebody committed between its look and its commit. Only conditions that
/// several states meet (a list of tags, a date, a patch without a tag of ours) can come here more than twice.
const ATTEMPTS_MAX: usize = 16;
/// From this size of document and patch on, a patch is applied off the core that serves connections.
const PATCH_INLINE_BYTES_MAX: usize = 64 << 10;

/// The resource server over a store.
#[derive(Debug)]
pub struct Documents<S> {
    pub(crate) store: Arc<S>,
    policy: Arc<Policy>,
    content_bytes_max: usize,
    pub(crate) sending: Sending,
}

/// What a write makes of the document, once it is judged.
enum Change {
    Put(Document),
    Delete,
}

impl<S: Store> Documents<S> {
    /// Serves `store`. Every write is conditional: the own store always enforces.
    pub fn new(store: Arc<S>, content_bytes_max: usize) -> Self {
        Self {
            store,
            policy: Arc::new(Policy::store("store")),
            content_bytes_max,
            sending: Sending::new(SENDING_BYTES_MAX),
        }
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<S> {
        &self.store
    }

    pub(crate) fn tag(&self, revision: Revision) -> Tag {
        Tag::new(self.store.incarnation(), revision)
    }

    /// The validators to hand out at `now`: a date that has not begun is withheld, by the store's time and by the
    /// system's, which the Date field goes by and which the store's may be ahead of (RFC 9110, Section 8.8.2.1).
    fn validators(&self, stamp: Stamp, now: HttpDate) -> Validators {
        let told = stamp.last_modified <= now && stamp.last_modified.unix() <= system_seconds();
        let last_modified = told.then_some(stamp.last_modified);
        Validators { tag: self.tag(stamp.revision), last_modified }
    }

    fn get(&self, x: &Exchange) -> Result<Read<Body>, StoreError> {
        // Before the store is read, so that a date which is told covers what was read.
        let now = self.store.now();
        if x.method == Method::HEAD {
            return self.head(x, now);
        }
        let Snapshot::Present { stamp, document } = self.store.read(x.target.path())? else {
            return Ok(Read::Refused(self.absent(x, now)));
        };
        let validators = self.validators(stamp, now);
        let state = present(&validators.tag, stamp, document.content.len() as u64);
        let part = match x.judge(now).on_state(&state) {
            Outcome::Refused(refusal) => return Ok(Read::Refused(refusal)),
            Outcome::NotModified => return Ok(Read::Answered(respond::not_modified(&validators))),
            Outcome::Send(Selection::Part(range)) => Some(range),
            Outcome::Send(Selection::Whole) | Outcome::Perform(_) => None,
        };
        Ok(match self.sending.counted(document.content) {
            Ok(content) => Read::Answered(respond::document(&validators, &document.media, content, part)),
            Err(refusal) => Read::Refused(refusal),
        })
    }

    /// The fields that GET would have, without loading the content. Ranges are for GET only.
    fn head(&self, x: &Exchange, now: HttpDate) -> Result<Read<Body>, StoreError> {
        let Head::Present { stamp, media, content_bytes } = self.store.stamp(x.target.path())? else {
            return Ok(Read::Refused(self.absent(x, now)));
        };
        let validators = self.validators(stamp, now);
        Ok(match x.judge(now).on_state(&present(&validators.tag, stamp, content_bytes)) {
            Outcome::Refused(refusal) => Read::Refused(refusal),
            Outcome::NotModified => Read::Answered(respond::not_modified(&validators)),
            Outcome::Send(_) | Outcome::Perform(_) => {
                let mut response = respond::document(&validators, &media, Bytes::new(), None);
                response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(content_bytes));
                Read::Answered(response)
            }
        })
    }

    /// What the engine says where nothing is: 404, unless the request is malformed.
    fn absent(&self, x: &Exchange, now: HttpDate) -> Refusal {
        match x.judge(now).on_state(&CurrentState::Absent) {
            Outcome::Refused(refusal) => refusal,
            _ => Refusal::new(Code::NotFound),
        }
    }

    async fn write(&self, x: &Exchange, content: Bytes) -> Result<Acted<Body>, StoreError> {
        // What is wrong with the content is told after what is wrong with the condition (RFC 9110, Section 13.2.1).
        let intact = digest::check(&x.headers, &content);
        if intact.is_ok()
            && let Some(acted) = self.write_claimed(x, &content).await?
        {
            return Ok(acted);
        }
        for _ in 0..ATTEMPTS_MAX {
            let now = self.store.now();
            let snapshot = self.look(x)?;
            let current = snapshot.current();
            let tag = current.map(|stamp| self.tag(stamp.revision));
            let state = match (&tag, current, snapshot.head()) {
                (Some(tag), Some(stamp), Head::Present { content_bytes, .. }) => {
                    present(tag, stamp, content_bytes)
                }
                _ => CurrentState::Absent,
            };
            let guard = match x.judge(now).on_state(&state) {
                Outcome::Perform(guard) => guard,
                Outcome::Refused(refusal) => return self.refused(x, refusal, now),
                // Only reads end like this, and reads do not come here.
                Outcome::Send(_) | Outcome::NotModified => return Ok(not_a_write()),
            };
            if let Err(refusal) = intact {
                return Ok(Acted::Refused(refusal, None));
            }
            let expected = guard.expected(current.map(|stamp| stamp.revision));
            let change = match self.change(x, content.clone(), snapshot).await {
                Ok(change) => change,
                Err(refusal) => return Ok(Acted::Refused(refusal, None)),
            };
            if let Some(response) = self.commit(x, expected, change).await? {
                return Ok(Acted::Applied(response, guard.protection()));
            }
        }
        let refusal = Refusal::new(Code::Busy)
            .detail(format!(
                "{} changed {ATTEMPTS_MAX} times while this write was being judged.",
                x.target.path()
            ))
            .retry_after(Duration::from_secs(1));
        Ok(Acted::Refused(refusal, None))
    }

    /// The usual write: PUT or DELETE with one tag of ours in If-Match. It is judged against the state the client claims
    /// to have seen and committed only if exactly that is current, which the store compares where it writes. `None`: it
    /// is not, or the request is not of this kind, and the state has to be looked at.
    async fn write_claimed(&self, x: &Exchange, content: &Bytes) -> Result<Option<Acted<Body>>, StoreError> {
        let judge = x.judge(self.store.now());
        let TagCondition::Tags(tags) = &judge.conditions().if_match else { return Ok(None) };
        let claimed = tags.iter().next().filter(|_| tags.len() == 1 && x.method != Method::PATCH);
        let Some(etag) = claimed else { return Ok(None) };
        let Some(revision) = tag::revision(self.store.incarnation(), &etag) else { return Ok(None) };
        let state = CurrentState::Present(Representation {
            etag: Some(etag),
            last_modified: None,
            content_bytes: None,
        });
        let Outcome::Perform(guard) = judge.on_state(&state) else { return Ok(None) };
        let change = if x.method == Method::DELETE {
            Change::Delete
        } else {
            Change::Put(received(x, content.clone()))
        };
        let committed = self.commit(x, guard.expected(Some(revision)), change).await?;
        Ok(committed.map(|response| Acted::Applied(response, guard.protection())))
    }

    /// What is stored now; the content only where it is needed.
    fn look(&self, x: &Exchange) -> Result<Snapshot, StoreError> {
        if x.method == Method::PATCH {
            return self.store.read(x.target.path());
        }
        Ok(match self.store.stamp(x.target.path())? {
            Head::Absent => Snapshot::Absent,
            Head::Deleted(stamp) => Snapshot::Deleted(stamp),
            Head::Present { stamp, media, .. } => {
                Snapshot::Present { stamp, document: Document { content: Bytes::new(), media } }
            }
        })
    }

    async fn change(&self, x: &Exchange, content: Bytes, snapshot: Snapshot) -> Result<Change, Refusal> {
        match (x.method.as_str(), snapshot) {
            ("DELETE", _) => Ok(Change::Delete),
            ("PATCH", Snapshot::Present { document, .. }) => {
                if document.media.content_encoding.is_some() {
                    return Err(Refusal::new(Code::PatchConflict)
                        .because(Reason::Other("not_json"))
                        .detail("What is stored has a content coding, so it cannot be patched as JSON."));
                }
                let (kind, bytes_max) = (Kind::of(&x.headers)?, self.content_bytes_max);
                let stored = document.content;
                let patched = if stored.len() + content.len() > PATCH_INLINE_BYTES_MAX {
                    let patching =
                        tokio::task::spawn_blocking(move || kind.apply(&stored, &content, bytes_max));
                    // A task that panicked has changed nothing.
                    patching.await.unwrap_or_else(|_| Err(Refusal::new(Code::StorageFailed)))?
                } else {
                    kind.apply(&stored, &content, bytes_max)?
                };
                Ok(Change::Put(Document { content: patched, media: document.media }))
            }
            _ => Ok(Change::Put(received(x, content))),
        }
    }

    /// Commits against exactly what was judged. `None`: somebody came between, and nothing was changed.
    async fn commit(
        &self,
        x: &Exchange,
        expected: Expected,
        change: Change,
    ) -> Result<Option<Response<Body>>, StoreError> {
        let key = x.target.path();
        let wanted = prefer::read(&x.headers);
        let created = expected == Expected::Absent;
        let (transaction, shown) = match change {
            Change::Delete => (Transaction::new().delete(key, expected), None),
            Change::Put(document) => {
                let asked = wanted == Return::Representation;
                // A preference that cannot be met now is not met; the write does not depend on it.
                let shown = asked.then(|| self.sending.counted(document.content.clone()).ok()).flatten();
                let shown = shown.map(|content| Document { content, media: document.media.clone() });
                (Transaction::new().put(key, expected, document), shown)
            }
        };
        let stamp = match self.store.commit(transaction).await? {
            Committed::Done(stamps) => stamps.first().copied(),
            Committed::Mismatch(_) => return Ok(None),
        };
        let tag = stamp.map(|stamp| self.tag(stamp.revision)).filter(|_| x.method != Method::DELETE);
        let status = if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
        Ok(Some(match (shown, tag) {
            (Some(document), Some(tag)) => {
                // The date of a state just made is withheld: its second has not begun.
                let validators = Validators { tag, last_modified: None };
                let mut response = respond::document(&validators, &document.media, document.content, None);
                *response.status_mut() = if created { StatusCode::CREATED } else { StatusCode::OK };
                respond::as_preferred(&mut response, key);
                response
            }
            (_, tag) => {
                let mut response = respond::written(status, tag.as_ref());
                if wanted == Return::Minimal {
                    let applied = HeaderValue::from_static("return=minimal");
                    response.headers_mut().insert(respond::PREFERENCE_APPLIED, applied);
                }
                response
            }
        }))
    }

    /// A refused write, told as well as it can be: whose tag that was, and, if asked for, what is there now.
    fn refused(&self, x: &Exchange, refusal: Refusal, now: HttpDate) -> Result<Acted<Body>, StoreError> {
        let refusal = match refusal.reason() {
            Some(Reason::Changed) if self.is_foreign(x)? => refusal.because(Reason::WrongResource),
            _ => refusal,
        };
        let stale = matches!(refusal.code(), Code::StaleVersion | Code::AlreadyExists);
        if !stale || prefer::read(&x.headers) != Return::Representation {
            return Ok(Acted::Refused(refusal, None));
        }
        let Snapshot::Present { stamp, document } = self.store.read(x.target.path())? else {
            return Ok(Acted::Refused(refusal, None));
        };
        let Ok(content) = self.sending.counted(document.content) else {
            return Ok(Acted::Refused(refusal, None));
        };
        let validators = self.validators(stamp, now);
        let mut response = respond::document(&validators, &document.media, content, None);
        *response.status_mut() = refusal.status();
        respond::as_preferred(&mut response, x.target.path());
        response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(Acted::Refused(refusal, Some(response)))
    }

    /// Whether a tag in If-Match is known to be another resource's.
    fn is_foreign(&self, x: &Exchange) -> Result<bool, StoreError> {
        let judge = x.judge(self.store.now());
        let TagCondition::Tags(tags) = &judge.conditions().if_match else { return Ok(false) };
        let Some(revision) = tags.iter().next().and_then(|t| tag::revision(self.store.incarnation(), &t))
        else {
            return Ok(false);
        };
        Ok(self.store.owner(revision)?.is_some_and(|key| key != x.target.path()))
    }
}

impl<S: Store> Authority for Documents<S> {
    type Body = Body;
    type Error = Infallible;

    fn admit(&self, head: &Parts, target: &Target) -> Admission<Body> {
        let collection = target.is_collection();
        let allow = if collection { ALLOW_COLLECTION } else { ALLOW_DOCUMENT };
        if head.method == Method::OPTIONS {
            return Admission::Answered(respond::options(collection));
        }
        let allowed = allow.split(", ").any(|method| method == head.method.as_str());
        if !allowed {
            return Admission::Refused(not_allowed(&head.method, target, allow));
        }
        if MethodClass::of(&head.method) == MethodClass::Write
            && let Err(refusal) = admit_write(head, target)
        {
            return Admission::Refused(refusal);
        }
        Admission::Guarded(Arc::clone(&self.policy))
    }

    fn now(&self) -> HttpDate {
        self.store.now()
    }

    async fn read(&self, x: &Exchange) -> Result<Read<Body>, Infallible> {
        let answered = if x.target.is_collection() { self.list(x) } else { self.get(x) };
        Ok(answered.unwrap_or_else(|error| Read::Refused(failure::refusal(&error))))
    }

    async fn preview(&self, x: &Exchange) -> Option<Refusal> {
        if x.target.is_collection() {
            return None;
        }
        let now = self.store.now();
        let head = self.store.stamp(x.target.path()).ok()?;
        let tag = head.current().map(|stamp| self.tag(stamp.revision));
        let state = match (&tag, head) {
            (Some(tag), Head::Present { stamp, content_bytes, .. }) => present(tag, stamp, content_bytes),
            _ => CurrentState::Absent,
        };
        match x.judge(now).on_state(&state) {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    async fn act(&self, x: Arc<Exchange>, content: Content) -> Result<Acted<Body>, Infallible> {
        let acted = if x.target.is_collection() {
            self.append(&x, content.bytes().clone()).await
        } else {
            self.write(&x, content.bytes().clone()).await
        };
        Ok(acted.unwrap_or_else(|error| failure::acted(&error)))
    }
}

fn system_seconds() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

fn not_allowed(method: &Method, target: &Target, allow: &'static str) -> Refusal {
    let hint = match (method.as_str(), target.is_collection()) {
        ("POST", false) => {
            " To create under a name of the server's choice, POST to a path that ends in a slash."
        }
        ("PUT" | "PATCH" | "DELETE", true) => {
            " A path that ends in a slash is a collection; write its members one by one."
        }
        _ => "",
    };
    Refusal::new(Code::MethodNotAllowed)
        .detail(format!("{method} is not supported at {}; it takes {allow}.{hint}", target.path()))
        .field(ALLOW, HeaderValue::from_static(allow))
}

/// What a write must be before its conditions are looked at.
fn admit_write(head: &Parts, target: &Target) -> Result<(), Refusal> {
    if target.query().is_some() {
        return Err(Refusal::bad_request(
            "query",
            "A write goes to a path without a query: the query is not part of a resource's name here.",
        ));
    }
    if head.headers.contains_key(CONTENT_RANGE) {
        return Err(Refusal::bad_request(
            "content_range",
            "Content-Range would make this a partial write, which is not supported; storing it as the whole would lose the rest.",
        ));
    }
    if head.method == Method::PATCH {
        Kind::of(&head.headers)?;
    }
    [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE]
        .into_iter()
        .try_for_each(|name| stored_field(&head.headers, &name).map(drop))
}

/// A field that is kept with the content: at most one line, and text.
fn stored_field(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Refusal> {
    let mut lines = headers.get_all(name).into_iter();
    let (first, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(Refusal::bad_request("field", format!("{name} stands more than once.")));
    }
    first.map(|value| value.to_str().map(str::to_owned)).transpose().map_err(|_| {
        Refusal::bad_request("field", format!("{name} has octets that are not printable ASCII."))
    })
}

/// The document a PUT or POST brings. The fields were checked when it was admitted.
pub(crate) fn received(x: &Exchange, content: Bytes) -> Document {
    let field = |name| stored_field(&x.headers, &name).ok().flatten();
    let media = Media {
        content_type: field(CONTENT_TYPE),
        content_encoding: field(CONTENT_ENCODING),
        content_language: field(CONTENT_LANGUAGE),
    };
    Document { content, media }
}

fn present(tag: &Tag, stamp: Stamp, content_bytes: u64) -> CurrentState<'_> {
    CurrentState::Present(Representation {
        etag: tag.entity_tag(),
        last_modified: Some(stamp.last_modified),
        content_bytes: Some(content_bytes),
    })
}

pub(crate) fn not_a_write() -> Acted<Body> {
    Acted::Refused(Refusal::new(Code::MethodNotAllowed), None)
}
