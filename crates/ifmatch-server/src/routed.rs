//! An upstream behind the gateway, and the own store for the routes that go to it.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use http_body::{Body, Frame, SizeHint};
use ifmatch_core::{HttpDate, Refusal, Target};
use ifmatch_gateway::settings::To;
use ifmatch_gateway::upstream::BodyError;
use ifmatch_gateway::{Gateway, GatewayBody};
use ifmatch_guard::{Acted, Admission, Authority, Content, Exchange, Passed, Read};
use ifmatch_origin::Documents;
use ifmatch_store::Sqlite;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

type StoreBody = <Documents<Sqlite> as Authority>::Body;

/// Either of the two.
pub(crate) struct Routed {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) store: Option<Documents<Sqlite>>,
}

impl Routed {
    /// The store, for an exchange that it admitted: its policy stands in no table.
    fn holder(&self, x: &Exchange) -> Option<&Documents<Sqlite>> {
        self.store.as_ref().filter(|_| x.policy.ordinal == usize::MAX)
    }
}

/// A body of either.
pub(crate) enum RoutedBody {
    Gateway(GatewayBody),
    Store(StoreBody),
}

impl From<Bytes> for RoutedBody {
    fn from(bytes: Bytes) -> Self {
        Self::Gateway(GatewayBody::from(bytes))
    }
}

impl Body for RoutedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Gateway(body) => Pin::new(body).poll_frame(cx),
            Self::Store(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Gateway(body) => body.is_end_stream(),
            Self::Store(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Gateway(body) => body.size_hint(),
            Self::Store(body) => body.size_hint(),
        }
    }
}

fn read<B>(read: Read<B>, wrap: fn(B) -> RoutedBody) -> Read<RoutedBody> {
    match read {
        Read::Answered(response) => Read::Answered(response.map(wrap)),
        Read::Refused(refusal) => Read::Refused(refusal),
    }
}

fn acted<B>(acted: Acted<B>, wrap: fn(B) -> RoutedBody) -> Acted<RoutedBody> {
    let wrapped = |response: Option<Response<B>>| response.map(|r| r.map(wrap));
    match acted {
        Acted::Applied(response, protection) => Acted::Applied(response.map(wrap), protection),
        Acted::NotApplied(response) => Acted::NotApplied(response.map(wrap)),
        Acted::Refused(refusal, response) => Acted::Refused(refusal, wrapped(response)),
        Acted::Unknown(refusal, response) => Acted::Unknown(refusal, wrapped(response)),
    }
}

fn admission<B>(admission: Admission<B>, wrap: fn(B) -> RoutedBody) -> Admission<RoutedBody> {
    match admission {
        Admission::Guarded(policy) => Admission::Guarded(policy),
        Admission::Passed(policy) => Admission::Passed(policy),
        Admission::Answered(response) => Admission::Answered(response.map(wrap)),
        Admission::Refused(refusal) => Admission::Refused(refusal),
    }
}

impl Authority for Routed {
    type Body = RoutedBody;
    type Error = Infallible;

    fn target(&self, path: &str, query: Option<&str>) -> Result<Target, Refusal> {
        self.gateway.target(path, query)
    }

    fn effective_method(&self, head: &Parts, target: &Target) -> Result<Option<Method>, Refusal> {
        self.gateway.effective_method(head, target)
    }

    fn admit(&self, head: &Parts, target: &Target) -> Admission<RoutedBody> {
        let Some(store) =
            self.store.as_ref().filter(|_| self.gateway.routes().find(target).settings.to == To::Store)
        else {
            return admission(self.gateway.admit(head, target), RoutedBody::Gateway);
        };
        // The store's names are stricter: what it would call otherwise is not one of its names.
        match Target::parse(target.path(), target.query()) {
            Ok(named) if named == *target => admission(store.admit(head, target), RoutedBody::Store),
            Ok(_) => {
                let detail = "The path has characters that must be percent-encoded.";
                Admission::Refused(Refusal::bad_request("path_encoding", detail))
            }
            Err(refusal) => Admission::Refused(refusal),
        }
    }

    fn now(&self) -> HttpDate {
        self.store.as_ref().map_or_else(|| self.gateway.now(), Authority::now)
    }

    async fn read(&self, x: &Exchange) -> Result<Read<RoutedBody>, Infallible> {
        Ok(match self.holder(x) {
            Some(store) => read(store.read(x).await?, RoutedBody::Store),
            None => read(self.gateway.read(x).await?, RoutedBody::Gateway),
        })
    }

    async fn pass<B>(&self, x: Arc<Exchange>, content: B) -> Result<Passed<RoutedBody>, Infallible>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Ok(match self.gateway.pass(x, content).await? {
            Passed::Read(response) => Passed::Read(response.map(RoutedBody::Gateway)),
            Passed::Acted(done) => Passed::Acted(acted(done, RoutedBody::Gateway)),
            Passed::Refused(refusal) => Passed::Refused(refusal),
        })
    }

    fn content_bytes_max(&self, x: &Exchange) -> Option<u64> {
        // What goes into the store has to fit into memory.
        if self.holder(x).is_some() {
            return Some(crate::config::SPOOLED_FROM_BYTES as u64);
        }
        self.gateway.content_bytes_max(x)
    }

    async fn preview(&self, x: &Exchange) -> Option<Refusal> {
        match self.holder(x) {
            Some(store) => store.preview(x).await,
            None => self.gateway.preview(x).await,
        }
    }

    async fn act(&self, x: Arc<Exchange>, content: Content) -> Result<Acted<RoutedBody>, Infallible> {
        Ok(match self.holder(&x) {
            // Boxed: it is large, and the writes of the gateway would have room for it.
            Some(store) => acted(Box::pin(store.act(x, content)).await?, RoutedBody::Store),
            None => acted(self.gateway.act(x, content).await?, RoutedBody::Gateway),
        })
    }
}
