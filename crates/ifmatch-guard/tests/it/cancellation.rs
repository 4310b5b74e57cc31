//! A client that leaves cancels no write that has begun, and holds up nobody.

use crate::observing::Tagged;
use crate::support::{Fixed, Log, ServiceFn, TestBody, reply, request, text, until};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Full;
use ifmatch_core::{HttpDate, Refusal, Target};
use ifmatch_guard::layer::{Grant, IfMatchLayer};
use ifmatch_guard::{
    Acted, Admission, Content, Exchange, Limits, OwnedState, Permit, Pipeline, Serialized, TurnLimits,
    Upstream,
};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tower_layer::Layer;
use tower_service::Service;

const TAG: [(&str, &str); 1] = [("if-match", "\"a1\"")];

/// A handler with a pause between what it does first and what it does last.
#[derive(Clone)]
struct Slow {
    begun: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
    written: Arc<AtomicUsize>,
}

impl Slow {
    fn new() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self { begun: none(), go_on: none(), written: Arc::default() }
    }

    async fn write(self) -> Response<Full<Bytes>> {
        self.begun.add_permits(1);
        self.go_on.acquire().await.unwrap().forget();
        self.written.fetch_add(1, Ordering::SeqCst);
        reply(204)
    }

    fn service(
        &self,
    ) -> impl Service<Request<TestBody>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static {
        let slow = self.clone();
        ServiceFn(move |request: Request<TestBody>| {
            if let Some(grant) = request.extensions().get::<Grant>() {
                grant.expected();
            }
            let slow = slow.clone();
            async move { Ok(slow.write().await) }
        })
    }

    /// Sends a write, leaves once it has begun, lets it go on; how many writes there were in the end.
    async fn left_in_the_middle<S>(&self, mut service: S) -> usize
    where
        S: Service<Request<TestBody>, Future: Send + 'static>,
        S::Response: Send + 'static,
        S::Error: Send + 'static,
    {
        let client = tokio::spawn(service.call(request("PUT", "/a", &TAG, text("x"))));
        self.begun.acquire().await.unwrap().forget();
        client.abort();
        assert!(client.await.is_err_and(|e| e.is_cancelled()));
        self.go_on.add_permits(1);
        // Over when it was written, or when nothing is left that could write.
        drop(service);
        until(|| Arc::strong_count(&self.written) == 1).await;
        self.written.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_client_that_leaves_does_not_take_its_write_along() {
    let slow = Slow::new();
    let service = IfMatchLayer::new(Tagged).layer(slow.service());
    assert_eq!(slow.left_in_the_middle(service).await, 1);
}

#[tokio::test]
async fn without_the_layer_it_does() {
    let slow = Slow::new();
    assert_eq!(slow.left_in_the_middle(slow.service()).await, 0);
}

/// Writes slowly, and shows who has come to the line.
struct Queue {
    slow: Slow,
    fixed: Fixed,
    came: Arc<Semaphore>,
}

impl Upstream for Queue {
    type Body = Full<Bytes>;
    type Error = Infallible;

    fn admit(&self, head: &Parts, target: &Target) -> Admission<Self::Body> {
        self.fixed.admit(head, target)
    }

    fn now(&self) -> HttpDate {
        self.fixed.now
    }

    fn turn_key<'x>(&self, exchange: &'x Exchange) -> std::borrow::Cow<'x, str> {
        // Whoever gets a permit of this runs only after the task that asks for a turn has got or not got it: there is
        // one thread.
        self.came.add_permits(1);
        exchange.target.path().into()
    }

    async fn current(&self, x: &Exchange) -> Result<OwnedState, Refusal> {
        self.fixed.current(x).await
    }

    async fn fetch(&self, x: &Exchange) -> Result<Response<Self::Body>, Infallible> {
        self.fixed.fetch(x).await
    }

    async fn perform(
        &self,
        _: Arc<Exchange>,
        _: Content,
        permit: Permit,
    ) -> Result<Acted<Self::Body>, Infallible> {
        Ok(Acted::Applied(self.slow.clone().write().await, permit.protection()))
    }
}

#[tokio::test]
async fn a_client_that_leaves_the_line_is_out_of_it() {
    let (slow, log) = (Slow::new(), Arc::new(Log::default()));
    let came = Arc::new(Semaphore::new(0));
    let upstream = Queue { slow: slow.clone(), fixed: Fixed::tagged(), came: Arc::clone(&came) };
    let limits = TurnLimits { line_max: 2, ..TurnLimits::default() };
    let pipeline = Pipeline::new(Serialized::new(upstream, limits), Arc::clone(&log), Limits::default());
    let put = |name: &'static str| {
        let (pipeline, came) = (pipeline.clone(), Arc::clone(&came));
        async move {
            let request = request("PUT", &format!("/a?{name}"), &TAG, text("x"));
            let client = tokio::spawn(async move { pipeline.handle(request).await });
            came.acquire().await.unwrap().forget();
            (client,)
        }
    };
    let (first,) = put("first").await;
    slow.begun.acquire().await.unwrap().forget();
    let (second,) = put("second").await;
    assert_eq!(put("third").await.0.await.unwrap().unwrap().status(), 503, "the line is full");
    second.abort();
    assert!(second.await.is_err());
    // Until the task of the one who left has noticed.
    until(|| log.lines().len() == 2).await;
    let (fourth,) = put("fourth").await;
    slow.go_on.add_permits(2);
    assert_eq!(first.await.unwrap().unwrap().status(), 204);
    assert_eq!(fourth.await.unwrap().unwrap().status(), 204);
    assert_eq!(slow.written.load(Ordering::SeqCst), 2, "who left wrote nothing");
    assert_eq!(
        log.lines(),
        ["PUT /a busy 503", "PUT /a busy 503", "PUT /a applied 204", "PUT /a applied 204"]
    );
    assert_eq!(pipeline.authority().turns().lines(), 0);
}
