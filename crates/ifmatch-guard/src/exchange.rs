//! One request on its way through the pipeline.

use crate::content::Content;
use crate::fields::Fields;
use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri, Version};
use ifmatch_core::{About, Code, HttpDate, Judge, Policy, Protection, Target};
use parking_lot::Mutex;
use std::any::Any;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};
use tokio::sync::Notify;
use uuid::{Builder, Uuid};

/// Who sends a request, as far as that was established.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Principal {
    /// Nobody in particular: access is not configured.
    Anonymous,
}

/// The connection a request came over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The other end.
    pub address: SocketAddr,
    /// A number that no other connection of this process has.
    pub connection: u64,
}

/// The head of a request, its canonical target and the policy it falls under. Shared with the task that acts, so it
/// owns everything.
#[derive(Debug)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// The target as received.
    pub uri: Uri,
    /// The canonical target: what is locked, compared and audited.
    pub target: Target,
    /// The header section; never the trailers.
    pub headers: HeaderMap,
    /// Which fields it has, of those that everybody asks for.
    pub fields: Fields,
    /// The protocol it came in.
    pub version: Version,
    /// What earlier layers attached to the request.
    pub extensions: Extensions,
    /// The rules of its route.
    pub policy: Arc<Policy>,
    /// Who sends it.
    pub principal: Principal,
    /// Where it came from; `None` in process.
    pub peer: Option<Peer>,
    /// When its head was there.
    pub began: Instant,
    // Nobody else asks at the same time, so a lock costs less than what lets several ask first.
    id: Mutex<Option<Uuid>>,
    notes: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    content: Option<Content>,
    protection: Option<Result<Protection, Code>>,
    client: Client,
}

impl Exchange {
    pub(crate) fn new(
        head: Parts,
        fields: Fields,
        target: Target,
        policy: Arc<Policy>,
        peer: Option<Peer>,
        began: Instant,
    ) -> Self {
        let Parts { method, uri, headers, version, extensions, .. } = head;
        let principal = Principal::Anonymous;
        Self {
            method,
            uri,
            target,
            headers,
            fields,
            version,
            extensions,
            policy,
            principal,
            peer,
            began,
            id: Mutex::default(),
            notes: Mutex::default(),
            content: None,
            protection: None,
            client: Client::default(),
        }
    }

    /// The content of a safe request, such as QUERY. That of a write is handed to whoever acts.
    pub fn content(&self) -> Bytes {
        self.content.as_ref().map(|content| content.bytes().clone()).unwrap_or_default()
    }

    pub(crate) fn set_content(&mut self, content: Content) {
        self.content = Some(content);
    }

    /// What protects this write, or the 428 code that its mode waives; `None` if it was not judged yet.
    pub fn protection(&self) -> Option<Result<Protection, Code>> {
        self.protection
    }

    pub(crate) fn set_protection(&mut self, protection: Option<Result<Protection, Code>>) {
        self.protection = protection;
    }

    /// Ends when nobody waits for the answer any more. A write that has its turn goes on all the same; one that only
    /// waits for it need not.
    pub async fn abandoned(&self) {
        self.client.left().await;
    }

    /// The engine for this request; `now` by the clock of whoever holds the state.
    pub fn judge(&self, now: HttpDate) -> Judge<'_> {
        if self.fields.are_judged() {
            Judge::new(&self.method, &self.headers, &self.policy, now)
        } else {
            Judge::unconditional(&self.method, &self.policy)
        }
    }

    /// A name for this request, made when first asked for: a UUID, version 7.
    pub fn request_id(&self) -> Uuid {
        *self.id.lock().get_or_insert_with(new_id)
    }

    /// Leaves facts for whoever is told of the decision. The first that are left stay.
    pub fn note<T: Any + Send + Sync>(&self, facts: T) {
        self.notes.lock().get_or_insert_with(|| Arc::new(facts));
    }

    /// The facts that the authority left, if they are of this kind.
    pub fn noted<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.notes.lock().clone()?.downcast().ok()
    }

    /// What a problem body says about it: its query as well, which goes back only to whoever sent it. `request_id` is
    /// [`Exchange::request_id`], written out.
    pub fn about<'a>(&'a self, request_id: &'a str) -> About<'a> {
        About {
            method: &self.method,
            target: self.target.as_str(),
            headers: &self.headers,
            policy: Some(&self.policy),
            request_id,
        }
    }
}

/// A UUID, version 7. The system is asked for random bits once per thread, not for each request.
fn new_id() -> Uuid {
    thread_local! {
        static DRAWN: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
    }
    let ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let (number, hash) = DRAWN.with(|(keys, drawn)| {
        let number = drawn.replace(drawn.get().wrapping_add(1));
        (number, keys.hash_one(number))
    });
    let mut random = [0; 10];
    random[..8].copy_from_slice(&hash.to_ne_bytes());
    random[8..].copy_from_slice(&number.to_le_bytes()[..2]);
    Builder::from_unix_timestamp_millis(u64::try_from(ms).unwrap_or(u64::MAX), &random).into_uuid()
}

/// Whether the client of a request still waits for its answer.
#[derive(Debug, Default)]
struct Client {
    has_left: AtomicBool,
    leaves: Notify,
}

impl Client {
    async fn left(&self) {
        // Made before the look, so that nobody leaves unseen between the two.
        let leaves = self.leaves.notified();
        if !self.has_left.load(Ordering::Acquire) {
            leaves.await;
        }
    }
}

/// Held by whoever waits for the answer. Dropped, the client has left.
#[derive(Debug)]
pub(crate) struct Presence(pub(crate) Arc<Exchange>);

impl Drop for Presence {
    fn drop(&mut self) {
        let client = &self.0.client;
        client.has_left.store(true, Ordering::Release);
        client.leaves.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn ids_are_of_their_version_and_of_now_and_never_the_same() {
        let ids: std::collections::HashSet<Uuid> = (0..10_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 10_000);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        for id in ids {
            assert_eq!(id.get_version_num(), 7);
            assert!(id.get_timestamp().unwrap().to_unix().0.abs_diff(now) < 60);
        }
    }

    #[test]
    fn a_client_that_leaves_is_missed_by_all_and_for_ever() {
        let (head, ()) = Request::new(()).into_parts();
        let (target, policy) = (Target::verbatim("/", None), Arc::new(Policy::store("r")));
        let x = Arc::new(Exchange::new(head, Fields::default(), target, policy, None, Instant::now()));
        let presence = Presence(Arc::clone(&x));
        let mut cx = Context::from_waker(Waker::noop());
        let (mut asked, mut too) = (pin!(x.abandoned()), pin!(x.abandoned()));
        assert!(asked.as_mut().poll(&mut cx).is_pending() && too.as_mut().poll(&mut cx).is_pending());
        drop(presence);
        assert!(asked.as_mut().poll(&mut cx).is_ready() && too.as_mut().poll(&mut cx).is_ready());
        assert_eq!(pin!(x.abandoned()).poll(&mut cx), Poll::Ready(()));
    }
}
