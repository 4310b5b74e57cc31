//! Content on its way to the client.

use crate::pump::Pieces;
use crate::upstream::{BodyError, ResponseBody};
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

/// How much of content that is there is handed to a connection at a time, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// What is done with content as it goes by.
pub(crate) trait Tap: Send {
    /// A piece of it.
    fn data(&mut self, piece: &Bytes);
    /// It came to its end.
    fn complete(&mut self);
}

/// Content on its way to the client.
pub struct GatewayBody(Kind);

enum Kind {
    /// The lease is held as long as the bytes may be.
    Full(Option<Bytes>, #[expect(dead_code, reason = "it is for dropping")] Option<Lease>),
    /// There, with what comes behind it. Boxed: few have that, and every answer would have room for it.
    Trailed(Option<Bytes>, Option<Box<HeaderMap>>),
    Stream(ResponseBody),
    /// What was read already, and the rest.
    Chained(Option<Bytes>, ResponseBody),
    /// A part: so much is skipped, so much is left to send.
    Part(ResponseBody, u64, u64),
    Tapped(ResponseBody, Box<dyn Tap>),
    /// Drained by somebody else, who does not wait for the client.
    Pumped(Pieces, Option<u64>),
}

impl fmt::Debug for GatewayBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayBody")
    }
}

impl From<Bytes> for GatewayBody {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Full(Some(bytes), None))
    }
}

impl GatewayBody {
    pub(crate) fn held(bytes: Bytes, lease: Option<Lease>) -> Self {
        Self(Kind::Full(Some(bytes), lease))
    }

    pub(crate) fn whole(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        match trailers {
            None => Self::from(bytes),
            Some(_) => Self(Kind::Trailed(Some(bytes), trailers.map(Box::new))),
        }
    }

    pub(crate) fn stream(body: ResponseBody) -> Self {
        Self(Kind::Stream(body))
    }

    pub(crate) fn chained(first: Bytes, rest: ResponseBody) -> Self {
        Self(Kind::Chained(Some(first), rest))
    }

    pub(crate) fn part(body: ResponseBody, first: u64, length: u64) -> Self {
        Self(Kind::Part(body, first, length))
    }

    pub(crate) fn tapped(body: ResponseBody, tap: Box<dyn Tap>) -> Self {
        Self(Kind::Tapped(body, tap))
    }

    pub(crate) fn pumped(pieces: Pieces, length: Option<u64>) -> Self {
        Self(Kind::Pumped(pieces, length))
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.get_mut().0 {
            Kind::Full(bytes, _) => {
                // In pieces: what was handed over to a connection is out of sight, and this is not.
                let piece = match bytes {
                    Some(left) if left.len() > PIECE_BYTES => Some(left.split_to(PIECE_BYTES)),
                    whole => whole.take(),
                };
                Poll::Ready(piece.filter(|piece| !piece.is_empty()).map(|piece| Ok(Frame::data(piece))))
            }
            Kind::Trailed(bytes, trailers) => {
                let data = bytes.take().filter(|bytes| !bytes.is_empty()).map(Frame::data);
                Poll::Ready(data.or_else(|| trailers.take().map(|all| Frame::trailers(*all))).map(Ok))
            }
            Kind::Stream(body) => Pin::new(body).poll_frame(cx),
            Kind::Chained(first, rest) => match first.take().filter(|first| !first.is_empty()) {
                Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
                None => Pin::new(rest).poll_frame(cx),
            },
            Kind::Part(body, skip, left) => poll_part(body, skip, left, cx),
            Kind::Tapped(body, tap) => {
                let polled = Pin::new(&mut *body).poll_frame(cx);
                if let Poll::Ready(Some(Ok(frame))) = &polled
                    && let Some(piece) = frame.data_ref()
                {
                    tap.data(piece);
                }
                if body.is_complete() {
                    tap.complete();
                }
                polled
            }
            Kind::Pumped(pieces, left) => {
                let Some(mut piece) = ready!(pieces.poll_recv(cx)) else { return Poll::Ready(None) };
                let frame = std::mem::replace(&mut piece.frame, Err(BodyError::Idle));
                if let (Ok(frame), Some(left)) = (&frame, left) {
                    *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
                }
                Poll::Ready(Some(frame))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes, _) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Trailed(bytes, trailers) => bytes.is_none() && trailers.is_none(),
            Kind::Stream(body) | Kind::Tapped(body, _) => body.is_end_stream(),
            Kind::Chained(first, rest) => first.as_ref().is_none_or(Bytes::is_empty) && rest.is_end_stream(),
            Kind::Part(_, _, left) => *left == 0,
            Kind::Pumped(_, left) => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes, _) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Kind::Stream(body) | Kind::Tapped(body, _) => body.size_hint(),
            Kind::Chained(first, rest) => match rest.size_hint().exact() {
                Some(left) => SizeHint::with_exact(left + first.as_ref().map_or(0, |b| b.len() as u64)),
                None => SizeHint::default(),
            },
            Kind::Part(_, _, left) | Kind::Pumped(_, Some(left)) => SizeHint::with_exact(*left),
            // Trailers need a coding that ends by itself.
            Kind::Pumped(_, None) | Kind::Trailed(..) => SizeHint::default(),
        }
    }
}

fn poll_part(
    body: &mut ResponseBody,
    skip: &mut u64,
    left: &mut u64,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    while *left > 0 {
        let mut piece = match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(piece) => piece,
                Err(_) => continue,
            },
            other => return other,
        };
        let skipped = usize::try_from(*skip).unwrap_or(usize::MAX).min(piece.len());
        *skip -= skipped as u64;
        piece.advance(skipped);
        piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= piece.len() as u64;
        if !piece.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
    }
    Poll::Ready(None)
}

/// How much all requests together may hold of something, in bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    bytes_max: usize,
}

/// A share of a [`Budget`], given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), bytes_max })
    }

    /// So much of it, if it is left.
    pub(crate) fn lease(self: &Arc<Self>, bytes: usize) -> Option<Lease> {
        let lease = Lease { budget: Arc::clone(self), bytes };
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        (before.saturating_add(bytes) <= self.bytes_max).then_some(lease)
    }
}

impl Lease {
    /// Gives back what is not needed.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let more = self.bytes.saturating_sub(bytes);
        self.bytes -= more;
        self.budget.held.fetch_sub(more, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_held_until_the_last_piece_is_taken() {
        use std::task::Waker;
        let budget = Budget::new(1 << 20);
        let content = Bytes::from(vec![7; 3 * PIECE_BYTES + 1]);
        let mut body = GatewayBody::held(content.clone(), budget.lease(content.len()));
        let mut taken = Vec::new();
        while let Poll::Ready(Some(Ok(frame))) =
            Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()))
        {
            let piece = frame.into_data().unwrap();
            assert!(piece.len() <= PIECE_BYTES && budget.held.load(Ordering::Relaxed) > 0);
            taken.extend_from_slice(&piece);
        }
        assert!(taken == content && body.is_end_stream());
        drop(body);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_budget_is_given_back_also_by_those_that_got_none() {
        let budget = Budget::new(10);
        let held = budget.lease(6);
        assert!(held.is_some() && budget.lease(5).is_none() && budget.lease(4).is_some());
        drop(held);
        assert!(budget.lease(10).is_some());
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
