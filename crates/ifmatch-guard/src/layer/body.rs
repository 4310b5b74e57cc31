//! The bodies of answers.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

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
    pub(super) fn inner(body: B) -> Self {
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
