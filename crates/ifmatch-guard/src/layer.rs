//! The pipeline as a tower layer around any HTTP service.
//!
//! The service keeps its state; it tells the layer the current entity-tag of a resource through [`Validators`]. Writes
//! that come through then carry a condition that held, one writer per resource at a time, and the handler is handed a
//! [`Grant`] with the [`Expected`] to commit with. [`guarded`] makes a handler that cannot answer without having used it.

use crate::authority::{Acted, Admission};
use crate::content::{Budget, Content};
use crate::exchange::Exchange;
use crate::observe::Observe;
use crate::pipeline::{Limits, Pipeline};
use crate::respond::problem_response;
use crate::serialized::{OwnedState, Permit, Serialized, Upstream};
use crate::turns::{TurnLimits, Turns};
use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use ifmatch_core::{Code, Dates, Expected, HttpDate, Policy, Protection, Refusal, Target};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::SystemTime;
use tower_layer::Layer;
use tower_service::Service;

/// Tells the current state of the resources of a service.
pub trait Validators: Send + Sync + 'static {
    /// The state of `target` now. Called inside the turn before each write, so it must see every write that was
    /// answered, and may be slow only at the price of other writers of the same resource.
    ///
    /// # Errors
    /// A refusal when the state cannot be read; usually `validator_unavailable`. The write is then refused.
    fn current(&self, target: &Target) -> impl Future<Output = Result<OwnedState, Refusal>> + Send;
}

/// Guards the services it is put around. One layer is one set of turns: put clones of one layer around everything that
/// writes the same resources.
#[derive(Debug)]
pub struct IfMatchLayer<V, O = ()> {
    validators: Arc<V>,
    observer: Arc<O>,
    policy: Arc<Policy>,
    limits: Limits,
    budget: Arc<Budget>,
    turns: Arc<Turns>,
}

impl<V, O> Clone for IfMatchLayer<V, O> {
    fn clone(&self) -> Self {
        Self {
            validators: Arc::clone(&self.validators),
            observer: Arc::clone(&self.observer),
            policy: Arc::clone(&self.policy),
            limits: self.limits,
            budget: Arc::clone(&self.budget),
            turns: Arc::clone(&self.turns),
        }
    }
}

impl<V: Validators> IfMatchLayer<V> {
    /// Enforces conditions on every unsafe method but POST, by entity-tags only: whether the dates of a service name
    /// one state each is for the service to say, with [`IfMatchLayer::policy`].
    pub fn new(validators: V) -> Self {
        let limits = Limits::default();
        Self {
            validators: Arc::new(validators),
            observer: Arc::new(()),
            policy: Arc::new(Policy { dates: Dates::Ignored, ..Policy::store("service") }),
            limits,
            budget: Budget::new(limits.content_bytes_total_max),
            turns: Turns::new(TurnLimits::default()),
        }
    }
}

impl<V: Validators, O: Observe> IfMatchLayer<V, O> {
    /// With other rules.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// With other bounds. To be set before the layer is cloned or put around anything.
    #[must_use]
    pub fn limits(mut self, limits: Limits, turns: TurnLimits) -> Self {
        self.limits = limits;
        self.budget = Budget::new(limits.content_bytes_total_max);
        self.turns = Turns::new(turns);
        self
    }

    /// With somebody who is told of every decision.
    #[must_use]
    pub fn observe<P: Observe>(self, observer: P) -> IfMatchLayer<V, P> {
        let Self { validators, policy, limits, budget, turns, .. } = self;
        IfMatchLayer { validators, observer: Arc::new(observer), policy, limits, budget, turns }
    }
}

impl<S, V: Validators, O: Observe> Layer<S> for IfMatchLayer<V, O> {
    type Service = IfMatch<S, V, O>;

    fn layer(&self, inner: S) -> IfMatch<S, V, O> {
        IfMatch { inner, layer: self.clone() }
    }
}

/// A service behind the pipeline. Its error type is the wrapped service's own.
#[derive(Debug)]
pub struct IfMatch<S, V, O = ()> {
    inner: S,
    layer: IfMatchLayer<V, O>,
}

impl<S: Clone, V, O> Clone for IfMatch<S, V, O> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, V, O, B, R> Service<Request<B>> for IfMatch<S, V, O>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body<Data = Bytes> + From<Bytes> + Send + Unpin + 'static,
    R: Send + 'static,
    V: Validators,
    O: Observe,
{
    type Response = Response<GuardedBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    /// Always ready: the wrapped service is waited for inside the turn.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let layer = &self.layer;
        let wrapped = InProcess {
            inner: Mutex::new(self.inner.clone()),
            validators: Arc::clone(&layer.validators),
            policy: Arc::clone(&layer.policy),
            takes: PhantomData::<fn(B)>,
        };
        let authority = Serialized::with_turns(wrapped, Arc::clone(&layer.turns));
        let observer = Arc::clone(&layer.observer);
        let pipeline = Pipeline::with_budget(authority, observer, layer.limits, Arc::clone(&layer.budget));
        Box::pin(async move { pipeline.handle(request).await })
    }
}

/// The wrapped service as an upstream.
struct InProcess<S, V, B> {
    inner: Mutex<S>,
    validators: Arc<V>,
    policy: Arc<Policy>,
    takes: PhantomData<fn(B)>,
}

impl<S, V, B, R> InProcess<S, V, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    B: From<Bytes>,
{
    async fn call(
        &self,
        x: &Exchange,
        content: Bytes,
        grant: Option<Grant>,
    ) -> Result<Response<GuardedBody<R>>, S::Error> {
        let mut inner = self.inner.lock().clone();
        poll_fn(|cx| inner.poll_ready(cx)).await?;
        let mut request = Request::new(B::from(content));
        *request.method_mut() = x.method.clone();
        *request.uri_mut() = x.uri.clone();
        *request.version_mut() = x.version;
        *request.headers_mut() = x.headers.clone();
        *request.extensions_mut() = x.extensions.clone();
        if let Some(grant) = grant {
            request.extensions_mut().insert(grant);
        }
        Ok(inner.call(request).await?.map(GuardedBody::inner))
    }
}

impl<S, V, B, R> Upstream for InProcess<S, V, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: From<Bytes> + Send + 'static,
    R: Send + 'static,
    V: Validators,
{
    type Body = GuardedBody<R>;
    type Error = S::Error;

    fn admit(&self, _: &Parts, _: &Target) -> Admission<Self::Body> {
        Admission::Guarded(Arc::clone(&self.policy))
    }

    fn now(&self) -> HttpDate {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        HttpDate::from_unix(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
    }

    async fn current(&self, x: &Exchange) -> Result<OwnedState, Refusal> {
        self.validators.current(&x.target).await
    }

    async fn fetch(&self, x: &Exchange) -> Result<Response<Self::Body>, S::Error> {
        self.call(x, Bytes::new(), None).await
    }

    async fn perform(
        &self,
        x: Arc<Exchange>,
        content: Content,
        permit: Permit,
    ) -> Result<Acted<Self::Body>, S::Error> {
        let protection = permit.protection();
        let grant = Grant::new(permit);
        let response = self.call(&x, content.into_bytes(), Some(grant.clone())).await?;
        if !response.status().is_success() {
            return Ok(Acted::NotApplied(response));
        }
        debug_assert!(
            protection == Protection::None || grant.was_used(),
            "the handler of {} {} answered {} without looking at what it was to commit with: take the Grant from the \
             request's extensions, or write the handler with ifmatch_guard::layer::guarded",
            x.method,
            x.target.path(),
            response.status()
        );
        Ok(Acted::Applied(response, protection))
    }
}

/// What a handler behind the layer finds in the extensions of a write: the state to commit against.
#[derive(Clone, Debug)]
pub struct Grant(Arc<Granted>);

#[derive(Debug)]
struct Granted {
    permit: Mutex<Option<Permit>>,
    expected: Expected<HeaderValue>,
    used: AtomicBool,
}

impl Grant {
    fn new(permit: Permit) -> Self {
        let expected = permit.expected();
        Self(Arc::new(Granted { permit: Mutex::new(Some(permit)), expected, used: AtomicBool::new(false) }))
    }

    /// The state the write was judged against: exactly this entity-tag, or nothing there. A handler whose storage can
    /// compare should commit with it; then even writers that go around the layer lose nothing.
    pub fn expected(&self) -> &Expected<HeaderValue> {
        self.0.used.store(true, Ordering::Relaxed);
        &self.0.expected
    }

    fn was_used(&self) -> bool {
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

/// The right to perform one write.
#[derive(Debug)]
pub struct Commit {
    permit: Permit,
}

/// The answer to a write that was performed, or not, under a [`Commit`].
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

pin_project! {
    /// The body of an answer: the wrapped service's own, or a problem's.
    #[derive(Debug)]
    pub struct GuardedBody<B> {
        #[pin]
        body: Either<B>,
    }
}

pin_project! {
    #[project = EitherProjection]
    #[derive(Debug)]
    enum Either<B> {
        Inner { #[pin] body: B },
        Problem { body: Full<Bytes> },
    }
}

impl<B> GuardedBody<B> {
    fn inner(body: B) -> Self {
        Self { body: Either::Inner { body } }
    }
}

impl<B> From<Bytes> for GuardedBody<B> {
    fn from(bytes: Bytes) -> Self {
        Self { body: Either::Problem { body: Full::new(bytes) } }
    }
}

impl<B: Body<Data = Bytes>> Body for GuardedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().body.project() {
            EitherProjection::Inner { body } => body.poll_frame(cx),
            EitherProjection::Problem { body } => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|f| f.map_err(|never| match never {})))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Either::Inner { body } => body.is_end_stream(),
            Either::Problem { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Either::Inner { body } => body.size_hint(),
            Either::Problem { body } => body.size_hint(),
        }
    }
}
