//! Whoever holds the state behind the pipeline.

use crate::content::Content;
use crate::exchange::Exchange;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use http_body::Body;
use ifmatch_core::{Code, HttpDate, Policy, Protection, Refusal, Target};
use std::future::Future;
use std::sync::Arc;

/// Holds the state of resources: judges and acts in one step, so that nothing can come between.
pub trait Authority: Send + Sync + 'static {
    /// The response bodies it sends; problem bodies are made into one.
    type Body: From<Bytes> + Send + 'static;
    /// A failure that is not an answer, handed through untouched. [`std::convert::Infallible`] for most.
    type Error: Send + 'static;

    /// The canonical target of a request: one name for all spellings of a resource that it tells apart.
    ///
    /// # Errors
    /// 400 or 414 for a path that names nothing safely.
    fn target(&self, path: &str, query: Option<&str>) -> Result<Target, Refusal> {
        Target::parse(path, query)
    }

    /// The method to judge the request by, if it is not the one it names: a route may let `X-HTTP-Method-Override` count.
    /// Asked of requests that have such a field or a query, in which it may be named as well.
    ///
    /// # Errors
    /// 400 for a request that asks to be taken as something else.
    fn effective_method(&self, head: &Parts, target: &Target) -> Result<Option<Method>, Refusal> {
        let _ = (head, target);
        Ok(None)
    }

    /// The checks that need no condition and no content: the route and its policy, authentication, method (405, 501),
    /// patch type (415). The head's own hygiene is done already.
    fn admit(&self, head: &Parts, target: &Target) -> Admission<Self::Body>;

    /// The current second by the clock that dates its states.
    fn now(&self) -> HttpDate;

    /// Answers a safe method. Runs inline, on the core that accepted the connection.
    fn read(&self, exchange: &Exchange)
    -> impl Future<Output = Result<Read<Self::Body>, Self::Error>> + Send;

    /// Hands a request through, content and answer as they come, without judging it: for [`Admission::Passed`] only.
    /// Runs inline; an authority that passes writes sees to it that they outlive their client.
    fn pass<B>(
        &self,
        exchange: Arc<Exchange>,
        content: B,
    ) -> impl Future<Output = Result<Passed<Self::Body>, Self::Error>> + Send
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let unused = (exchange, content);
        async move {
            drop(unused);
            Ok(Passed::Refused(Refusal::new(Code::NotImplemented)))
        }
    }

    /// How a request's content is received: what differs from the pipeline's own limits.
    fn content_bytes_max(&self, exchange: &Exchange) -> Option<u64> {
        let _ = exchange;
        None
    }

    /// Looks at the state before the content is read, for a client that waits for `100 Continue`. May refuse early;
    /// never permits.
    fn preview(&self, exchange: &Exchange) -> impl Future<Output = Option<Refusal>> + Send {
        let _ = exchange;
        async { None }
    }

    /// Judges a write against the state as it is now, and acts. Runs to its end, in a task of its own if nobody
    /// waits for it any more.
    fn act(
        &self,
        exchange: Arc<Exchange>,
        content: Content,
    ) -> impl Future<Output = Result<Acted<Self::Body>, Self::Error>> + Send;
}

/// What [`Authority::admit`] says.
#[derive(Debug)]
pub enum Admission<B> {
    /// The request falls under this policy.
    Guarded(Arc<Policy>),
    /// The request is handed through as it is; nothing of it is judged. The policy is for the record.
    Passed(Arc<Policy>),
    /// It is answered at once, whatever its conditions.
    Answered(Response<B>),
    /// It is refused, whatever its conditions.
    Refused(Refusal),
}

/// The answer to a safe method.
#[derive(Debug)]
pub enum Read<B> {
    /// A response, 304 included.
    Answered(Response<B>),
    /// A refusal.
    Refused(Refusal),
}

/// The answer to a request that was handed through.
#[derive(Debug)]
pub enum Passed<B> {
    /// To a safe request.
    Read(Response<B>),
    /// To a write: what is known of it when the head of its answer is there.
    Acted(Acted<B>),
    /// It could not be handed through.
    Refused(Refusal),
}

/// What became of a write. Three results, not two.
#[derive(Debug)]
pub enum Acted<B> {
    /// It was applied; what protected it is for the record.
    Applied(Response<B>, Protection),
    /// It was not applied, and the holder of the state has an answer of its own.
    NotApplied(Response<B>),
    /// It was refused. The response, where there is one, is sent instead of the problem body.
    Refused(Refusal, Option<Response<B>>),
    /// Nobody can say. The response, where there is one, is sent instead of the problem body, which tells the client so.
    Unknown(Refusal, Option<Response<B>>),
}
