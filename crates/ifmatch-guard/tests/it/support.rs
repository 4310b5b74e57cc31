//! Requests, bodies, services and holders of state for the tests.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use ifmatch_core::{Expected, HttpDate, Policy, Refusal, Target};
use ifmatch_guard::{
    Acted, Admission, Content, Decision, DecisionResult, Exchange, Observe, OwnedState, Permit, Upstream,
};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tower_service::Service;

/// Content that comes when the test sends it, or is there from the start.
pub(crate) struct TestBody {
    frames: Option<mpsc::Receiver<Result<Frame<Bytes>, Broken>>>,
    ready: Option<Bytes>,
    polled: Arc<AtomicBool>,
}

/// The connection ended before the content did.
#[derive(Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

/// The other end of a [`TestBody`]. A send succeeds once there is room, that is when the piece before it was read.
pub(crate) struct Sender {
    frames: mpsc::Sender<Result<Frame<Bytes>, Broken>>,
    pub(crate) polled: Arc<AtomicBool>,
}

impl Sender {
    pub(crate) async fn data(&self, data: &'static str) -> bool {
        self.frames.send(Ok(Frame::data(Bytes::from_static(data.as_bytes())))).await.is_ok()
    }

    pub(crate) async fn trailers(&self, trailers: http::HeaderMap) {
        assert!(self.frames.send(Ok(Frame::trailers(trailers))).await.is_ok());
    }

    pub(crate) async fn breaks(self) {
        assert!(self.frames.send(Err(Broken)).await.is_ok());
    }

    /// Waits until nobody will read any more.
    pub(crate) async fn unread(&self) {
        self.frames.closed().await;
    }

    pub(crate) fn was_polled(&self) -> bool {
        self.polled.load(Ordering::SeqCst)
    }
}

pub(crate) fn channel() -> (Sender, TestBody) {
    let (sender, frames) = mpsc::channel(1);
    let polled = Arc::new(AtomicBool::new(false));
    let body = TestBody { frames: Some(frames), ready: None, polled: Arc::clone(&polled) };
    (Sender { frames: sender, polled }, body)
}

impl From<Bytes> for TestBody {
    fn from(bytes: Bytes) -> Self {
        let ready = Some(bytes).filter(|b| !b.is_empty());
        Self { frames: None, ready, polled: Arc::default() }
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.polled.store(true, Ordering::SeqCst);
        if let Some(ready) = self.ready.take() {
            return Poll::Ready(Some(Ok(Frame::data(ready))));
        }
        self.frames.as_mut().map_or(Poll::Ready(None), |frames| frames.poll_recv(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_none() && self.ready.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.frames, &self.ready) {
            (Some(_), _) => SizeHint::default(),
            (None, ready) => SizeHint::with_exact(ready.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}

/// A request as a server hands it on: HTTP/1.1, one Host.
pub(crate) fn request<B>(method: &str, uri: &str, fields: &[(&str, &str)], body: B) -> Request<B> {
    let mut request = Request::builder().method(method).uri(uri).header(HOST, "a");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

pub(crate) fn text(content: &'static str) -> TestBody {
    Bytes::from_static(content.as_bytes()).into()
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: http::response::Parts,
    pub(crate) content: Bytes,
}

impl Answer {
    pub(crate) async fn of<B: Body<Data = Bytes>>(response: Response<B>) -> Self
    where
        B::Error: std::fmt::Debug,
    {
        let (head, body) = response.into_parts();
        Self { head, content: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// The problem it tells; none if it tells none.
    pub(crate) fn problem(&self) -> Option<serde_json::Value> {
        let kind = self.head.headers.get(CONTENT_TYPE)?;
        // The answer to HEAD has none.
        let told = kind == "application/problem+json" && !self.content.is_empty();
        told.then(|| serde_json::from_slice(&self.content).unwrap())
    }

    pub(crate) fn code(&self) -> Option<String> {
        self.problem()?["code"].as_str().map(str::to_owned)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }
}

/// Status and code, for short assertions.
pub(crate) fn told(answer: &Answer) -> (u16, String) {
    (answer.status(), answer.code().unwrap_or_default())
}

/// Waits until something holds; a test that would wait for ever fails instead.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it came to hold");
}

pub(crate) fn reply(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// A function as a service.
#[derive(Clone)]
pub(crate) struct ServiceFn<F>(pub(crate) F);

impl<F, Fut, B, R, E> Service<Request<B>> for ServiceFn<F>
where
    F: Fn(Request<B>) -> Fut,
    Fut: Future<Output = Result<Response<R>, E>> + Send + 'static,
{
    type Response = Response<R>;
    type Error = E;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin((self.0)(request))
    }
}

/// Writes down every decision.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

impl Observe for Log {
    fn decided(&self, decision: &Decision<'_>) {
        let result = match decision.result {
            DecisionResult::Read => "read".to_owned(),
            DecisionResult::Applied => "applied".to_owned(),
            DecisionResult::NotApplied => "not applied".to_owned(),
            DecisionResult::Refused(refusal) => refusal.code().name().to_owned(),
            DecisionResult::Unknown => "unknown".to_owned(),
        };
        let line = format!("{} {} {result} {}", decision.method, decision.target, decision.status.as_u16());
        self.0.lock().push(line);
    }
}

/// Holds one state that does not change, at one time.
pub(crate) struct Fixed {
    pub(crate) state: OwnedState,
    pub(crate) now: HttpDate,
    pub(crate) policy: Arc<Policy>,
}

impl Fixed {
    /// Something at `"a1"`.
    pub(crate) fn tagged() -> Self {
        let state =
            OwnedState::Present { etag: Some(HeaderValue::from_static("\"a1\"")), last_modified: None };
        Self { state, now: HttpDate::from_unix(1_795_000_000), policy: Arc::new(Policy::store("fixed")) }
    }
}

impl Upstream for Fixed {
    type Body = Full<Bytes>;
    type Error = Infallible;

    fn admit(&self, _: &Parts, _: &Target) -> Admission<Self::Body> {
        Admission::Guarded(Arc::clone(&self.policy))
    }

    fn now(&self) -> HttpDate {
        self.now
    }

    async fn current(&self, _: &Exchange) -> Result<OwnedState, Refusal> {
        Ok(self.state.clone())
    }

    async fn fetch(&self, x: &Exchange) -> Result<Response<Self::Body>, Infallible> {
        Ok(reply(read_status(&x.method, &self.state)))
    }

    async fn perform(
        &self,
        x: Arc<Exchange>,
        _: Content,
        permit: Permit,
    ) -> Result<Acted<Self::Body>, Infallible> {
        Ok(Acted::Applied(reply(written_status(&x.method, &permit.expected())), permit.protection()))
    }
}

/// What a service that was never asked about conditions says to a read.
pub(crate) fn read_status(method: &Method, state: &OwnedState) -> u16 {
    if *state == OwnedState::Absent && method != Method::OPTIONS { 404 } else { 200 }
}

/// And to a write.
pub(crate) fn written_status<V: PartialEq>(method: &Method, expected: &Expected<V>) -> u16 {
    let creates = *method == Method::POST || (*method == Method::PUT && *expected == Expected::Absent);
    if creates { 201 } else { 204 }
}
