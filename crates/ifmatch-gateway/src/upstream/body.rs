//! The content of an answer.

use super::connection::Connection;
use super::socket::Tunnel;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// How much memory is set aside because an answer announces that much, in bytes.
const RESERVED_BYTES_MAX: usize = 1 << 20;

/// The content of an answer as it comes in. Read to its end it gives the connection back; dropped before, it closes it.
pub struct ResponseBody {
    incoming: Incoming,
    /// `None` once it was given back or closed.
    connection: Option<Connection>,
    end: End,
    /// Whether the connection may be used again if it can.
    keep: bool,
    /// Whether the connection stays here at the end instead of going back.
    hold: bool,
    /// Whether the timer runs.
    timed: bool,
    /// Whether all content of the request had been sent, as known when the connection was given back.
    sent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Open,
    Complete,
    Cut,
}

/// Why content has no end.
#[derive(Debug)]
pub enum BodyError {
    /// The connection was cut, or what came is not HTTP.
    Cut(hyper::Error),
    /// Nothing came for longer than may be.
    Idle,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut(_) => "the answer was cut",
            Self::Idle => "the answer stopped",
        })
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Cut(error) => Some(error),
            Self::Idle => None,
        }
    }
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, connection: Connection, keep: bool) -> Self {
        let connection = Some(connection);
        Self { incoming, connection, end: End::Open, keep, hold: false, timed: false, sent: false }
    }

    /// Whether the content came to its end: all bytes that were announced, the last chunk, or for content that says
    /// nothing of its length the end of the connection.
    pub fn is_complete(&self) -> bool {
        self.end == End::Complete || self.end == End::Open && self.incoming.is_end_stream()
    }

    /// Whether all content of the request has been accepted by the kernel by now.
    pub fn all_content_sent(&self) -> bool {
        self.connection.as_ref().map_or(self.sent, |connection| connection.signal().is_sent())
    }

    /// The connection stays with the body at its end, for [`ResponseBody::into_connection`].
    pub fn hold_connection(&mut self) {
        self.hold = true;
    }

    /// The connection, for another request: if the content is complete, the connection was held, and both sides keep
    /// it. A write on it is safe: before anything is written it is looked whether the upstream has closed it.
    pub fn into_connection(mut self) -> Option<Connection> {
        if self.end == End::Open && self.incoming.is_end_stream() {
            self.finish(End::Complete);
        }
        self.connection.take().filter(Connection::is_clean)
    }

    pub(super) fn into_tunnel(mut self) -> Option<Tunnel> {
        let (socket, ahead, slot) = self.connection.take()?.dismantle()?;
        Some(Tunnel::new(socket, ahead, slot))
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { incoming, connection, .. } = self;
        let Some(connection) = connection else { return Poll::Ready(None) };
        let mut frame = connection.take(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx));
        if frame.is_pending() {
            connection.signal().listen(cx.waker());
            connection.drive();
            if connection.is_finished() {
                // What it had not handed over is marked as cut.
                connection.close();
            }
            frame = connection.take(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx));
        }
        if let Poll::Ready(frame) = frame {
            self.timed = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Cut)));
        }
        if !self.timed {
            self.timed = true;
            connection.expire_at(Instant::now() + connection.idle_max());
        }
        if connection.poll_expired().is_ready() {
            return Poll::Ready(Some(Err(BodyError::Idle)));
        }
        if connection.signal().is_woken() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// What is to be done after the last frame.
    fn finish(&mut self, end: End) {
        self.end = end;
        let Some(connection) = &mut self.connection else { return };
        self.sent = connection.signal().is_sent();
        if end == End::Complete && self.keep {
            connection.settle();
        }
        if !self.hold || end == End::Cut {
            // To the others that are idle, if it is clean.
            self.connection = None;
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.end != End::Open {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(self.poll_incoming(cx));
        match &frame {
            Some(Ok(frame)) if frame.is_trailers() || self.incoming.is_end_stream() => {
                self.finish(End::Complete);
            }
            Some(Ok(_)) => {}
            None => self.finish(End::Complete),
            Some(Err(_)) => self.finish(End::Cut),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.end != End::Open || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.end == End::Open && self.incoming.is_end_stream() {
            self.finish(End::Complete);
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("end", &self.end).finish_non_exhaustive()
    }
}

/// Complete content of an answer.
#[derive(Debug)]
pub struct Collected {
    /// The octets.
    pub bytes: Bytes,
    /// The trailers, if there were some.
    pub trailers: Option<HeaderMap>,
    /// The connection, if it can be used again. Dropped it goes where idle ones are kept.
    pub connection: Option<Connection>,
    /// Whether all content of the request had been sent when the answer was complete.
    pub all_content_sent: bool,
}

/// Why content was not collected.
#[derive(Debug)]
pub enum CollectError {
    /// There is more than may be collected, or than is [there already](collect_ready). It can still be had: what was read,
    /// and behind it the rest.
    More {
        /// What was read.
        so_far: Bytes,
        /// The rest, which has not been touched.
        rest: Box<ResponseBody>,
    },
    /// It was cut.
    Cut(hyper::Error),
    /// Nothing came for longer than may be.
    Idle,
}

impl From<BodyError> for CollectError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Cut(error) => Self::Cut(error),
            BodyError::Idle => Self::Idle,
        }
    }
}

/// Reads an answer's content to its end. A single piece is not copied.
///
/// # Errors
/// [`CollectError`]; past `bytes_max` bytes what was read comes back with it.
pub async fn collect(body: ResponseBody, bytes_max: usize) -> Result<Collected, CollectError> {
    collect_while(body, bytes_max, true).await
}

/// The same for content that is there already: nothing is waited for.
///
/// # Errors
/// [`CollectError`]; what was read comes back with it if the end is not there yet.
pub async fn collect_ready(body: ResponseBody, bytes_max: usize) -> Result<Collected, CollectError> {
    collect_while(body, bytes_max, false).await
}

async fn collect_while(
    mut body: ResponseBody,
    bytes_max: usize,
    waits: bool,
) -> Result<Collected, CollectError> {
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        return Err(CollectError::More { so_far: Bytes::new(), rest: Box::new(body) });
    }
    body.hold_connection();
    let mut pieces = Pieces::default();
    let mut trailers = None;
    while !body.is_end_stream() {
        let next = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Pending if !waits => Poll::Ready(None),
            frame => frame.map(Some),
        });
        let Some(frame) = next.await else {
            body.hold = false;
            return Err(CollectError::More { so_far: pieces.whole(), rest: Box::new(body) });
        };
        let Some(frame) = frame else { break };
        match frame?.into_data() {
            Ok(data) => {
                pieces.push(data, usize::try_from(announced).unwrap_or(usize::MAX));
                if pieces.len() > bytes_max {
                    body.hold = false;
                    return Err(CollectError::More { so_far: pieces.whole(), rest: Box::new(body) });
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let all_content_sent = body.all_content_sent();
    Ok(Collected { bytes: pieces.whole(), trailers, connection: body.into_connection(), all_content_sent })
}

/// Content as it comes in. The usual single piece is not copied.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    all: BytesMut,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn push(&mut self, data: Bytes, announced: usize) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.all.is_empty() {
            // No more on somebody's word than this; it grows with what really comes.
            self.all.reserve(announced.min(RESERVED_BYTES_MAX).max(self.first.len() + data.len()));
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&data);
    }

    fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}
