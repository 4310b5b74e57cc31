//! The pipeline: one order of steps for everybody.

use crate::authority::{Acted, Admission, Authority, Passed, Read};
use crate::carried::{Carried, Panicked};
use crate::content::{Budget, Content, ContentLimits, discard, receive};
use crate::exchange::{Exchange, Peer, Presence};
use crate::fields::{Field, Look};
use crate::hygiene;
use crate::observe::{Decision, Observe, Result as Decided};
use crate::respond::problem_response;
use crate::spool::Spool;
use crate::wellknown;
use bytes::Bytes;
use http::header::{ALLOW, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use ifmatch_core::{About, Code, HttpDate, MethodClass, Protection, Refusal, is_registered};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bounds of what a request may take. Each is a promise in the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest content of one request, in bytes; default 16 MiB. Past it: 413.
    pub content_bytes_max: usize,
    /// Most content of all requests together that is held in memory, in bytes; default 256 MiB. Past it: 503.
    pub content_bytes_total_max: usize,
    /// Longest pause between two pieces of content; default 30 s. Past it: 408.
    pub content_idle_max: Duration,
    /// Longest time for the whole content; default 10 min. Past it: 408.
    pub content_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            content_bytes_max: 16 << 20,
            content_bytes_total_max: 256 << 20,
            content_idle_max: Duration::from_secs(30),
            content_time_max: Duration::from_secs(600),
        }
    }
}

/// Largest content of a safe request, in bytes, if the limit for writes is not smaller. Past it: 413.
pub const READ_CONTENT_BYTES_MAX: u64 = 16 << 20;

/// Guards an authority. Cheap to clone; one for all connections.
#[derive(Debug)]
pub struct Pipeline<A, O = ()> {
    shared: Arc<Shared<A, O>>,
}

#[derive(Debug)]
struct Shared<A, O> {
    authority: A,
    observer: O,
    limits: Limits,
    budget: Arc<Budget>,
    spool: Option<Spool>,
}

impl<A, O> Clone for Pipeline<A, O> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// What is told where the authority failed instead of answering: the transport's business, but no success.
const FAILED: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

/// Nobody else is handed an exchange before its content is there.
const UNSHARED: &str = "an exchange is shared only with whoever acts";

/// Where a request stands when it is refused or answered.
#[derive(Clone, Copy)]
struct Progress {
    started: Instant,
    protection: Option<Result<Protection, Code>>,
}

/// A write that is under way. If its task ends without an outcome, because it panicked or the runtime went down, this
/// tells that nobody knows, even if the client has left.
struct Undecided<'a, A: Authority, O: Observe> {
    pipeline: &'a Pipeline<A, O>,
    x: &'a Exchange,
    progress: Option<Progress>,
}

impl<A: Authority, O: Observe> Drop for Undecided<'_, A, O> {
    fn drop(&mut self) {
        if let Some(progress) = self.progress.take() {
            let status = Code::OutcomeUnknown.status();
            self.pipeline.tell(self.x, &progress, Decided::Unknown, status);
        }
    }
}

/// A request that became an exchange. Made where it stays: it is large, and would be copied from step to step.
enum Admitted {
    Guarded(Arc<Exchange>),
    Passed(Arc<Exchange>),
}

/// A request answered before it became an exchange.
struct Stopped<B> {
    response: Response<B>,
    expects_continue: bool,
}

impl<A: Authority, O: Observe> Pipeline<A, O> {
    /// Guards `authority` and tells `observer` of every decision.
    pub fn new(authority: A, observer: O, limits: Limits) -> Self {
        Self::with_budget(authority, observer, limits, Budget::new(limits.content_bytes_total_max))
    }

    pub(crate) fn with_budget(authority: A, observer: O, limits: Limits, budget: Arc<Budget>) -> Self {
        Self { shared: Arc::new(Shared { authority, observer, limits, budget, spool: None }) }
    }

    /// Guards an authority that takes [spooled](Content::spooled) content.
    pub fn spooling(authority: A, observer: O, limits: Limits, spool: Spool) -> Self {
        let budget = Budget::new(limits.content_bytes_total_max);
        Self { shared: Arc::new(Shared { authority, observer, limits, budget, spool: Some(spool) }) }
    }

    /// The authority behind it.
    pub fn authority(&self) -> &A {
        &self.shared.authority
    }

    /// Whoever is told of decisions.
    pub fn observer(&self) -> &O {
        &self.shared.observer
    }

    /// Refuses a request for a reason of the listener's own, before anything else is looked at.
    pub fn turn_away<B>(&self, request: Request<B>, refusal: &Refusal) -> Response<A::Body>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (head, body) = request.into_parts();
        let progress = Progress { started: Instant::now(), protection: None };
        let response = self.refuse_head(refusal, &head, head.uri.path(), &progress);
        self.discard(body, Look::at(&head.headers).fields.expects_continue);
        response
    }

    /// Takes one request through all steps.
    ///
    /// # Errors
    /// What the authority fails with, untouched.
    pub fn handle<B>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<A::Body>, A::Error>> + Send
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.handle_from(None, request)
    }

    /// Takes one request that came over a connection through all steps.
    ///
    /// # Errors
    /// What the authority fails with, untouched.
    #[allow(clippy::manual_async_fn, reason = "an async fn has room for its arguments twice")]
    pub fn handle_from<B>(
        &self,
        peer: Option<Peer>,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<A::Body>, A::Error>> + Send
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        async move {
            let (head, body) = request.into_parts();
            let mut progress = Progress { started: Instant::now(), protection: None };
            let mut exchange = match self.admit(head, peer, &progress) {
                Ok(Admitted::Guarded(exchange)) => exchange,
                Ok(Admitted::Passed(exchange)) => return self.pass(exchange, body, progress).await,
                Err(stopped) => {
                    self.discard(body, stopped.expects_continue);
                    return Ok(stopped.response);
                }
            };
            let class = MethodClass::of(&exchange.method);
            if let Err(refusal) = self.require(&exchange, class, &mut progress) {
                let response = self.refuse(&refusal, &exchange, &progress);
                self.discard(body, exchange.fields.expects_continue);
                return Ok(response);
            }
            let empty_read = class != MethodClass::Write && body.is_end_stream();
            if empty_read {
                return self.read(&exchange, &progress).await;
            }
            let content = match self.content(&exchange, body).await {
                Ok(content) => content,
                Err(refusal) => return Ok(self.refuse(&refusal, &exchange, &progress)),
            };
            let unshared = Arc::get_mut(&mut exchange).expect(UNSHARED);
            if class == MethodClass::Write {
                unshared.set_protection(progress.protection);
                return self.write(exchange, content, progress).await;
            }
            // QUERY, REPORT and the like say what they ask for in their content.
            unshared.set_content(content);
            self.read(&exchange, &progress).await
        }
    }

    /// Steps 1 to 3: the head, its target, its route.
    fn admit(
        &self,
        mut head: Parts,
        peer: Option<Peer>,
        progress: &Progress,
    ) -> Result<Admitted, Box<Stopped<A::Body>>> {
        let named = |path: &str, query: Option<&str>| self.shared.authority.target(path, query);
        let look = Look::at(&head.headers);
        let (fields, received) = (look.fields, hygiene::receive(&head, &look, named));
        let expects_continue = fields.expects_continue;
        let target = match received {
            Ok(target) => target,
            Err(refusal) => {
                let response = self.refuse_head(&refusal, &head, head.uri.path(), progress);
                return Err(Box::new(Stopped { response, expects_continue }));
            }
        };
        if fields.has(Field::OtherMethod) || target.query().is_some() {
            match self.shared.authority.effective_method(&head, &target) {
                Ok(None) => {}
                Ok(Some(method)) => head.method = method,
                Err(refusal) => {
                    let response = self.refuse_head(&refusal, &head, target.path(), progress);
                    return Err(Box::new(Stopped { response, expects_continue }));
                }
            }
        }
        let registered = is_registered(&head.method);
        let admission = if registered && head.method == Method::OPTIONS && head.uri.path() == "*" {
            Admission::Answered(options_server())
        } else if let Some(own) = registered.then(|| wellknown::answer(&head, &target)).flatten() {
            own.map_or_else(Admission::Refused, Admission::Answered)
        } else {
            match self.shared.authority.admit(&head, &target) {
                Admission::Passed(policy) => Admission::Passed(policy),
                // What an unregistered method does is not known, so it cannot be guarded.
                _ if !registered => Admission::Refused(Refusal::new(Code::NotImplemented)),
                admission => admission,
            }
        };
        let response = match admission {
            Admission::Guarded(policy) => {
                let x = Exchange::new(head, fields, target, policy, peer, progress.started);
                return Ok(Admitted::Guarded(Arc::new(x)));
            }
            Admission::Passed(policy) => {
                let x = Exchange::new(head, fields, target, policy, peer, progress.started);
                return Ok(Admitted::Passed(Arc::new(x)));
            }
            Admission::Answered(response) => {
                self.tell_head(&head, target.path(), Decided::Read, response.status(), progress);
                response
            }
            Admission::Refused(refusal) => self.refuse_head(&refusal, &head, target.path(), progress),
        };
        Err(Box::new(Stopped { response, expects_continue }))
    }

    /// Steps 4 and 5: what the head alone says of a request that is judged.
    fn require(&self, x: &Exchange, class: MethodClass, progress: &mut Progress) -> Result<(), Refusal> {
        // What is not judged needs no look at the clock.
        let judged = x.fields.are_judged();
        let now = if judged { self.shared.authority.now() } else { HttpDate::from_unix(0) };
        let (protection, required) = x.judge(now).protection_and_head();
        if class == MethodClass::Write {
            progress.protection = Some(protection);
        }
        required
    }

    /// A request that is not judged: handed through, and recorded.
    async fn pass<B>(
        &self,
        x: Arc<Exchange>,
        body: B,
        mut progress: Progress,
    ) -> Result<Response<A::Body>, A::Error>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if MethodClass::of(&x.method) == MethodClass::Write {
            progress.protection = Some(x.judge(self.shared.authority.now()).enforced());
        }
        let passed = self.shared.authority.pass(Arc::clone(&x), body).await;
        Ok(match passed.inspect_err(|_| self.tell(&x, &progress, Decided::Unknown, FAILED))? {
            Passed::Read(response) => {
                self.tell(&x, &progress, Decided::Read, response.status());
                response
            }
            Passed::Acted(acted) => self.record(acted, &x, &progress),
            Passed::Refused(refusal) => self.refuse(&refusal, &x, &progress),
        })
    }

    async fn read(&self, x: &Exchange, progress: &Progress) -> Result<Response<A::Body>, A::Error> {
        let read = self.shared.authority.read(x).await;
        Ok(match read.inspect_err(|_| self.tell(x, progress, Decided::Read, FAILED))? {
            Read::Answered(response) => {
                self.tell(x, progress, Decided::Read, response.status());
                response
            }
            Read::Refused(refusal) => self.refuse(&refusal, x, progress),
        })
    }

    /// Step 6. A client that waits for 100 is told of a refusal before it sends anything; polling the body is what makes
    /// the transport send the 100.
    async fn content<B>(&self, x: &Exchange, mut body: B) -> Result<Content, Refusal>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        if x.fields.expects_continue
            && MethodClass::of(&x.method) == MethodClass::Write
            && let Some(refusal) = Box::pin(self.shared.authority.preview(x)).await
        {
            return Err(refusal);
        }
        let mut limits = self.content_limits();
        if let Some(bytes_max) = self.shared.authority.content_bytes_max(x) {
            limits.bytes_max = bytes_max;
        }
        let mut spool = self.shared.spool.as_ref();
        if MethodClass::of(&x.method) != MethodClass::Write {
            // It is asked with as a whole.
            (spool, limits.bytes_max) = (None, limits.bytes_max.min(READ_CONTENT_BYTES_MAX));
        }
        let budget = &self.shared.budget;
        let received = receive(&mut body, x.fields.content_length, limits, budget, spool).await;
        if received.is_err() {
            self.discard(body, x.fields.expects_continue);
        }
        received
    }

    /// Steps 7 to 10, to their end: from here on no client that leaves cancels anything.
    #[allow(clippy::manual_async_fn, reason = "an async fn has room for its arguments twice")]
    fn write(
        &self,
        x: Arc<Exchange>,
        content: Content,
        progress: Progress,
    ) -> impl Future<Output = Result<Response<A::Body>, A::Error>> + Send {
        let acts = self.act(Arc::clone(&x), content, progress);
        let here = Presence(x);
        async move {
            let ended = acts.await;
            // Whether the write landed is not known here.
            ended.unwrap_or_else(|Panicked| {
                let x = &here.0;
                tracing::error!(target = x.target.path(), "a write panicked and ended without an outcome");
                Ok(problem(&Refusal::new(Code::OutcomeUnknown), x))
            })
        }
    }

    fn act(
        &self,
        x: Arc<Exchange>,
        content: Content,
        progress: Progress,
    ) -> Carried<impl Future<Output = Result<Response<A::Body>, A::Error>> + Send + 'static> {
        let pipeline = self.clone();
        Carried::new(async move {
            let mut undecided = Undecided { pipeline: &pipeline, x: &x, progress: Some(progress) };
            let acted = pipeline.shared.authority.act(Arc::clone(&x), content).await;
            undecided.progress = None;
            match acted {
                Ok(acted) => Ok(pipeline.record(acted, &x, &progress)),
                Err(error) => {
                    pipeline.tell(&x, &progress, Decided::Unknown, FAILED);
                    Err(error)
                }
            }
        })
    }

    fn record(&self, acted: Acted<A::Body>, x: &Exchange, progress: &Progress) -> Response<A::Body> {
        match acted {
            Acted::Applied(response, protection) => {
                // What was lacking and waived stays on record.
                let lacking = progress.protection.filter(Result::is_err);
                let progress = Progress { protection: lacking.or(Some(Ok(protection))), ..*progress };
                self.tell(x, &progress, Decided::Applied, response.status());
                response
            }
            Acted::NotApplied(response) => {
                self.tell(x, progress, Decided::NotApplied, response.status());
                response
            }
            Acted::Refused(refusal, Some(response)) => {
                self.tell(x, progress, Decided::Refused(&refusal), response.status());
                response
            }
            Acted::Refused(refusal, None) => self.refuse(&refusal, x, progress),
            Acted::Unknown(refusal, response) => {
                let status = response.as_ref().map_or(refusal.status(), Response::status);
                self.tell(x, progress, Decided::Unknown, status);
                response.unwrap_or_else(|| problem(&refusal, x))
            }
        }
    }

    fn refuse(&self, refusal: &Refusal, x: &Exchange, progress: &Progress) -> Response<A::Body> {
        self.tell(x, progress, Decided::Refused(refusal), refusal.status());
        problem(refusal, x)
    }

    /// A refusal before there is a policy.
    fn refuse_head(
        &self,
        refusal: &Refusal,
        head: &Parts,
        target: &str,
        progress: &Progress,
    ) -> Response<A::Body> {
        self.tell_head(head, target, Decided::Refused(refusal), refusal.status(), progress);
        let request_id = uuid::Uuid::now_v7().to_string();
        let about = About {
            method: &head.method,
            target,
            headers: &head.headers,
            policy: None,
            request_id: &request_id,
        };
        problem_response(refusal, &about, head.version)
    }

    fn tell_head(
        &self,
        head: &Parts,
        target: &str,
        result: Decided<'_>,
        status: StatusCode,
        progress: &Progress,
    ) {
        self.shared.observer.decided(&Decision {
            method: &head.method,
            target,
            policy: None,
            protection: None,
            result,
            status,
            began: progress.started,
            exchange: None,
            headers: &head.headers,
        });
    }

    fn tell(&self, x: &Exchange, progress: &Progress, result: Decided<'_>, status: StatusCode) {
        self.shared.observer.decided(&Decision {
            method: &x.method,
            target: x.target.path(),
            policy: Some(&x.policy),
            protection: progress.protection,
            result,
            status,
            began: progress.started,
            exchange: Some(x),
            headers: &x.headers,
        });
    }

    fn content_limits(&self) -> ContentLimits {
        let limits = &self.shared.limits;
        ContentLimits {
            bytes_max: limits.content_bytes_max as u64,
            idle_max: limits.content_idle_max,
            total_max: limits.content_time_max,
        }
    }

    /// Content of a request that is answered without it. A client that still waits for 100 sends none: the body is
    /// dropped, which ends the connection after the answer.
    fn discard<B>(&self, body: B, expects_continue: bool)
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        if !expects_continue {
            discard(body, self.content_limits());
        }
    }
}

fn problem<B: From<Bytes>>(refusal: &Refusal, x: &Exchange) -> Response<B> {
    let request_id = x.request_id().to_string();
    problem_response(refusal, &x.about(&request_id), x.version)
}

/// `OPTIONS *`: about the server, not about a resource.
fn options_server<B: From<Bytes>>() -> Response<B> {
    let mut response = Response::new(B::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT, PATCH, DELETE, POST, OPTIONS"));
    response
}
