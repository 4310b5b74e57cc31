//! The pipeline as a tower layer around any HTTP service.
//!
//! The service keeps its state; it tells the layer the current entity-tag of a resource through [`Validators`]. Writes
//! that come through then carry a condition that held, one writer per resource at a time, and the handler is handed a
//! [`Grant`] with the [`Expected`](ifmatch_core::Expected) to commit with. [`guarded()`] makes a handler that cannot
//! answer without having used it.

mod body;
mod guarded;

pub use body::GuardedBody;
pub use guarded::{Commit, Committed, Grant, Guarded, guarded};

use crate::authority::{Acted, Admission};
use crate::content::{Budget, Content};
use crate::exchange::Exchange;
use crate::observe::Observe;
use crate::pipeline::{Limits, Pipeline};
use crate::serialized::{OwnedState, Permit, Serialized, Upstream};
use crate::turns::{TurnLimits, Turns};
use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use http_body::Body;
use ifmatch_core::{Code, Dates, HttpDate, Policy, Protection, Refusal, Target};
use parking_lot::Mutex;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;
use tower_layer::Layer;
use tower_service::Service;

/// Fields by which a handler inside might be talked into another method than the one that was judged.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Tells the current state of the resources of a service.
pub trait Validators: Send + Sync + 'static {
    /// The state of `target` now. Called inside the turn before each write, so it must see every write that was
    /// answered, and may be slow only at the price of other writers of the same resource.
    ///
    /// # Errors
    /// A refusal when the state cannot be read; usually `validator_unavailable`. The write is then refused.
    fn current(&self, target: &Target) -> impl Future<Output = Result<OwnedState, Refusal>> + Send;

    /// The current second by the clock that dates the states of the service; the system's unless said otherwise.
    fn now(&self) -> HttpDate {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        HttpDate::from_unix(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
    }
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
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
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
        // Inside a turn of the same line already: a second one would wait for the first for ever.
        if request.extensions().get::<Grant>().is_some_and(|grant| grant.is_of(&layer.turns)) {
            let mut inner = self.inner.clone();
            return Box::pin(async move {
                poll_fn(|cx| inner.poll_ready(cx)).await?;
                Ok(inner.call(request).await?.map(GuardedBody::inner))
            });
        }
        let wrapped = InProcess {
            inner: Mutex::new(self.inner.clone()),
            validators: Arc::clone(&layer.validators),
            policy: Arc::clone(&layer.policy),
            turns: Arc::clone(&layer.turns),
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
    turns: Arc<Turns>,
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
        *request.uri_mut() = canonical(x);
        *request.version_mut() = x.version;
        *request.headers_mut() = x.headers.clone();
        for name in METHOD_OVERRIDES {
            request.headers_mut().remove(name);
        }
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
        self.validators.now()
    }

    async fn current(&self, x: &Exchange) -> Result<OwnedState, Refusal> {
        self.validators.current(&x.target).await
    }

    async fn fetch(&self, x: &Exchange) -> Result<Response<Self::Body>, S::Error> {
        self.call(x, x.content(), None).await
    }

    async fn perform(
        &self,
        x: Arc<Exchange>,
        content: Content,
        permit: Permit,
    ) -> Result<Acted<Self::Body>, S::Error> {
        let protection = permit.protection();
        let grant = Grant::new(permit, Arc::clone(&self.turns));
        let response = self.call(&x, content.into_bytes(), Some(grant.clone())).await?;
        let status = response.status();
        if status.is_client_error() {
            return Ok(Acted::NotApplied(response));
        }
        // A service that fails may have written before it did. Its answer goes out as it is, but is not counted as "not
        // applied".
        if !status.is_success() && status != StatusCode::SEE_OTHER {
            return Ok(Acted::Unknown(Refusal::new(Code::OutcomeUnknown), Some(response)));
        }
        debug_assert!(
            protection == Protection::None || grant.was_used(),
            "the handler of {} {} answered {} without looking at what it was to commit with: take the Grant from the \
             request's extensions, or write the handler with ifmatch_guard::layer::guarded",
            x.method,
            x.target.path(),
            status
        );
        Ok(Acted::Applied(response, protection))
    }
}

/// The target as it was judged: the service must not route another spelling to another resource.
fn canonical(x: &Exchange) -> Uri {
    if x.uri.path() == x.target.path() {
        return x.uri.clone();
    }
    let mut parts = x.uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(x.target.as_str()).ok();
    // Only a CONNECT target has no path to replace.
    Uri::from_parts(parts).unwrap_or_else(|_| x.uri.clone())
}
