//! The content of an answer.

use super::connection::Connection;
use super::decode::{Content, Found, Malformed};
use super::tunnel::Tunnel;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// How much memory is set aside because an answer announces that much, in bytes.
const RESERVED_BYTES_MAX: usize = 1 << 20;

/// The content of an answer as it comes in. Read to its end it gives the connection back; dropped before, it closes it.
pub struct ResponseBody {
    content: Content,
    /// `None` once it was given back or closed.
    connection: Option<Connection>,
    end: End,
    /// Whether the connection may be used again if it can.
    keep: bool,
    /// Whether the connection stays here at the end instead of going back.
    hold: bool,
    /// Whether the timer runs.
    timed: bool,
    /// How long it may be collected.
    patience: Patience,
    /// Whether all content of the request had been sent, as known when the connection was given back.
    sent: bool,
}

/// How long one waits for the end of content.
#[derive(Clone, Copy)]
enum Patience {
    Endless,
    /// From the first wait on.
    For(Duration),
    Until(Instant),
    Over,
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
    Cut(io::Error),
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
    pub(super) fn new(content: Content, connection: Connection, keep: bool) -> Self {
        let connection = Some(connection);
        let patience = Patience::Endless;
        Self { content, connection, end: End::Open, keep, hold: false, timed: false, patience, sent: false }
    }

    /// Whether the content came to its end: all bytes that were announced, the last chunk, or for content that says
    /// nothing of its length the end of the connection.
    pub fn is_complete(&self) -> bool {
        self.end == End::Complete || self.end == End::Open && self.content == Content::NONE
    }

    /// Whether all content of the request has been accepted by the kernel by now.
    pub fn all_content_sent(&self) -> bool {
        self.connection.as_ref().map_or(self.sent, Connection::is_sent)
    }

    /// Whether all of the request has left. See [`Pending::has_left`](super::Pending::has_left).
    pub fn has_left(&self) -> bool {
        self.connection.as_ref().map_or(self.sent, Connection::has_left)
    }

    /// The connection stays with the body at its end, for [`ResponseBody::into_connection`].
    pub fn hold_connection(&mut self) {
        self.hold = true;
    }

    /// The connection, for another request: if the content is complete, the connection was held, and both sides keep
    /// it. For a write: whether the upstream has closed it is looked for as with [`Fresh::Recent`](super::Fresh::Recent).
    pub fn into_connection(mut self) -> Option<Connection> {
        if self.end == End::Open && self.content == Content::NONE {
            self.finish(End::Complete);
        }
        self.connection.take().filter(Connection::is_clean)
    }

    pub(super) fn into_tunnel(mut self) -> Option<Tunnel> {
        self.connection.take()?.into_tunnel()
    }

    /// What comes next; `None`: the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        loop {
            if let Some(found) = self.take().map_err(|error| BodyError::Cut(error.into()))? {
                self.timed = false;
                return Poll::Ready(Ok(found));
            }
            let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(None)) };
            match connection.poll_read(cx) {
                Poll::Ready(Ok(0)) if self.content == Content::ToEnd => return Poll::Ready(Ok(None)),
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(BodyError::Cut(io::ErrorKind::UnexpectedEof.into())));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(BodyError::Cut(error))),
                Poll::Pending => break,
            }
        }
        ready!(self.poll_idle(cx));
        if matches!(self.patience, Patience::Until(end) if end <= Instant::now()) {
            // Nothing is wrong with it. Whoever collects looks, and takes it as it is.
            (self.patience, self.timed) = (Patience::Over, false);
            return Poll::Pending;
        }
        Poll::Ready(Err(BodyError::Idle))
    }

    /// What is there already: a frame, or that this was the end.
    fn take(&mut self) -> Result<Option<Option<Frame<Bytes>>>, Malformed> {
        let Some(connection) = &mut self.connection else { return Ok(Some(None)) };
        let inner = connection.inner_mut();
        let input = &mut inner.input;
        match &mut self.content {
            Content::Length(0) => Ok(Some(None)),
            _ if input.is_empty() => Ok(None),
            Content::Length(left) => {
                let bytes = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= bytes as u64;
                Ok(Some(Some(Frame::data(input.split_to(bytes).freeze()))))
            }
            Content::ToEnd => Ok(Some(Some(Frame::data(input.split().freeze())))),
            Content::Chunked(chunks) => Ok(match chunks.next(input, &mut inner.scanned)? {
                Found::Nothing => None,
                Found::Data(data) => Some(Some(Frame::data(data))),
                Found::End(trailers) => {
                    self.content = Content::NONE;
                    Some(trailers.map(Frame::trailers))
                }
            }),
        }
    }

    /// Whether nothing has come for too long, or not all in time.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(connection) = &mut self.connection else { return Poll::Pending };
        if !std::mem::replace(&mut self.timed, true) {
            let now = Instant::now();
            if let Patience::For(time) = self.patience {
                self.patience = Patience::Until(now + time);
            }
            let idle = now + connection.idle_max();
            let is_sooner = |end: &Instant| *end < idle;
            let end = if let Patience::Until(end) = self.patience { Some(end) } else { None };
            connection.expire_at(end.filter(is_sooner).unwrap_or(idle));
        }
        connection.poll_expired(cx)
    }

    /// What is to be done after the last frame.
    fn finish(&mut self, end: End) {
        self.end = end;
        let Some(connection) = &mut self.connection else { return };
        self.sent = connection.is_sent();
        if end == End::Complete {
            connection.is_over();
            if self.keep {
                connection.settle();
            }
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
        let frame = ready!(self.poll_next(cx)).transpose();
        match &frame {
            Some(Ok(_)) if self.content != Content::NONE => {}
            Some(Ok(_)) | None => self.finish(End::Complete),
            Some(Err(_)) => self.finish(End::Cut),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.end != End::Open || self.content == Content::NONE
    }

    fn size_hint(&self) -> SizeHint {
        match (self.end, &self.content) {
            (End::Open, Content::Length(left)) => SizeHint::with_exact(*left),
            (End::Open, Content::Chunked(_) | Content::ToEnd) => SizeHint::default(),
            (End::Complete | End::Cut, _) => SizeHint::with_exact(0),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.end == End::Open && self.content == Content::NONE {
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
    /// There is more than may be collected, or than is [there already](collect_ready) or [in time](collect_within). It can
    /// still be had: what was read,
    /// and behind it the rest.
    More {
        /// What was read.
        so_far: Bytes,
        /// The rest, which has not been touched.
        rest: Box<ResponseBody>,
    },
    /// It was cut.
    Cut(io::Error),
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

/// The same, for so long from the first wait on. Content that is still coming then is as if it were too much.
///
/// # Errors
/// [`CollectError`]; what was read comes back with it if it is too much, or not all in time.
pub async fn collect_within(
    mut body: ResponseBody,
    bytes_max: usize,
    time: Duration,
) -> Result<Collected, CollectError> {
    body.patience = Patience::For(time);
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
            Poll::Pending if !waits || matches!(body.patience, Patience::Over) => Poll::Ready(None),
            frame => frame.map(Some),
        });
        let Some(frame) = next.await else {
            (body.hold, body.patience) = (false, Patience::Endless);
            return Err(CollectError::More { so_far: pieces.whole(), rest: Box::new(body) });
        };
        let Some(frame) = frame else { break };
        match frame?.into_data() {
            Ok(data) => {
                pieces.push(data, usize::try_from(announced).unwrap_or(usize::MAX));
                if pieces.len() > bytes_max {
                    (body.hold, body.patience) = (false, Patience::Endless);
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
