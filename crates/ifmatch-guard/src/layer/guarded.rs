//! What a handler behind the layer is given, and handlers that cannot do without it.

use crate::respond::problem_response;
use crate::serialized::Permit;
use crate::turns::Turns;
use bytes::Bytes;
use http::header::HeaderValue;
use http::{Request, Response};
use ifmatch_core::{Code, Expected, Refusal};
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tower_service::Service;

/// What a handler behind the layer finds in the extensions of a write: the state to commit against.
#[derive(Clone, Debug)]
pub struct Grant(Arc<Granted>);

#[derive(Debug)]
struct Granted {
    permit: Mutex<Option<Permit>>,
    expected: Expected<HeaderValue>,
    used: AtomicBool,
    turns: Arc<Turns>,
}

impl Grant {
    pub(super) fn new(permit: Permit, turns: Arc<Turns>) -> Self {
        let (expected, used) = (permit.expected(), AtomicBool::new(false));
        Self(Arc::new(Granted { permit: Mutex::new(Some(permit)), expected, used, turns }))
    }

    /// Whether it was given under a turn of these.
    pub(super) fn is_of(&self, turns: &Arc<Turns>) -> bool {
        Arc::ptr_eq(&self.0.turns, turns)
    }

    /// The state the write was judged against: exactly this entity-tag, or nothing there. A handler whose storage can
    /// compare should commit with it; then even writers that go around the layer lose nothing.
    pub fn expected(&self) -> &Expected<HeaderValue> {
        self.0.used.store(true, Ordering::Relaxed);
        &self.0.expected
    }

    pub(super) fn was_used(&self) -> bool {
        self.0.used.load(Ordering::Relaxed)
    }

    fn take(&self) -> Option<Permit> {
        self.0.used.store(true, Ordering::Relaxed);
        self.0.permit.lock().take()
    }
}

/// Makes a service of a handler that cannot answer a write without having been given the right to it: the only way to
/// a [`Committed`] is the [`Commit`] it is handed, and only the layer makes those.
pub fn guarded<F>(handler: F) -> Guarded<F> {
    Guarded { handler }
}

/// See [`guarded`].
#[derive(Clone, Copy, Debug)]
pub struct Guarded<F> {
    handler: F,
}

/// The right to perform one write. Nobody can make one up, or use one twice:
///
/// ```compile_fail,E0451
/// # use ifmatch_guard::{Permit, layer::Commit};
/// fn forged(permit: Permit) -> Commit {
///     Commit { permit }
/// }
/// ```
///
/// ```compile_fail,E0382
/// # use ifmatch_guard::layer::{Commit, Committed};
/// fn twice(commit: Commit) -> (Committed<()>, Committed<()>) {
///     (commit.done(()), commit.done(()))
/// }
/// ```
#[derive(Debug)]
pub struct Commit {
    permit: Permit,
}

/// The answer to a write that was performed, or not, under a [`Commit`]. There is no other way to one:
///
/// ```compile_fail,E0423
/// # use ifmatch_guard::layer::Committed;
/// let answer = Committed(http::Response::new(()));
/// ```
#[derive(Debug)]
#[must_use]
pub struct Committed<R>(R);

impl Commit {
    /// What to commit with.
    pub fn expected(&self) -> Expected<HeaderValue> {
        self.permit.expected()
    }

    /// Uses the right up. The response says by its status whether the write was performed: 2xx if so.
    pub fn done<R>(self, response: R) -> Committed<R> {
        Committed(response)
    }
}

impl<F, Fut, B, R, E> Service<Request<B>> for Guarded<F>
where
    F: Fn(Request<B>, Commit) -> Fut,
    Fut: Future<Output = Result<Committed<Response<R>>, E>> + Send + 'static,
    R: From<Bytes> + Send + 'static,
    E: Send + 'static,
{
    type Response = Response<R>;
    type Error = E;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let permit = request.extensions().get::<Grant>().and_then(Grant::take);
        let Some(permit) = permit else {
            let response = without_layer(&request);
            return Box::pin(async { Ok(response) });
        };
        let answered = (self.handler)(request, Commit { permit });
        Box::pin(async { answered.await.map(|Committed(response)| response) })
    }
}

/// A guarded handler was called around the layer: a mistake in the service, told without performing anything.
fn without_layer<B, R: From<Bytes>>(request: &Request<B>) -> Response<R> {
    let refusal = Refusal::new(Code::ValidatorUnavailable)
        .detail("This handler writes and stands behind no ifmatch layer, so nothing was judged.");
    let request_id = uuid::Uuid::now_v7().to_string();
    let about = ifmatch_core::About {
        method: request.method(),
        target: request.uri().path(),
        headers: request.headers(),
        policy: None,
        request_id: &request_id,
    };
    problem_response(&refusal, &about, request.version())
}
