//! One connection, and how it is driven: by whoever waits for it, without a task of its own.

use super::decode::{self, Head, Malformed, Scanned};
use super::exchange::{Pending, SendError, SendErrorKind};
use super::message::Message;
use super::pool::Slot;
use super::queue;
use super::sending::ContentError;
use super::tunnel::Tunnel;
use super::writing::{Writing, Wrote};
use bytes::BytesMut;
use http::StatusCode;
use rustix::net::{RecvFlags, Shutdown};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

/// How much is read at a time, in bytes, at first and at most. It doubles as long as that much is there.
const READ_BYTES: (usize, usize) = (8 << 10, 256 << 10);
/// With less room than this in the buffer, in bytes, more is made.
const ROOM_BYTES_MIN: usize = 2 << 10;
/// How long a connection may have been idle for a request to be sent on it without a look into the socket, if the request
/// can be repeated or the upstream is known to keep its connections. What the upstream closed longer ago the event loop has
/// told; within that time the look costs more than what it would save.
const TRUSTED_IDLE_MAX: Duration = Duration::from_millis(5);

/// A connection to the upstream, owned by one exchange at a time.
///
/// Dropped while nothing is under way it goes back to where the core it belongs to keeps idle ones; dropped in the
/// middle of an exchange it is closed, or cut ([`Pending::cut_when_dropped`]).
pub struct Connection {
    inner: Option<Box<Inner>>,
}

/// What an idle connection is kept as.
pub(super) struct Inner {
    way: Way,
    /// What was read and not used yet.
    pub(super) input: BytesMut,
    pub(super) scanned: Scanned,
    /// How much is read at a time, in bytes.
    read_bytes_max: usize,
    /// Whether anything of this exchange came in.
    answered: bool,
    writing: Writing,
    /// What the content ended with in [`Connection::start`].
    content_error: Option<ContentError>,
    of_head_request: bool,
    /// The last answer had no content only because of what it answered. Not all upstreams know that, and what they send
    /// nevertheless must not be taken for the next answer.
    left_out: bool,
    /// One timer for all waits of all exchanges: to move it later costs next to nothing.
    timer: Pin<Box<Sleep>>,
    /// Nothing is under way.
    pub(super) clean: bool,
    /// Unless the exchange comes to its end, the connection is cut when it is dropped, and not closed.
    cuts: bool,
    reused: bool,
    verify: Verify,
    pub(super) idle_since: Instant,
    pub(super) core: usize,
    pub(super) slot: Arc<Slot>,
}

/// Whether one looks into the socket before the next request.
#[derive(Clone, Copy, Default)]
enum Verify {
    #[default]
    No,
    Yes,
    /// If it is not sent within [`TRUSTED_IDLE_MAX`].
    Later,
}

/// The socket.
enum Way {
    Both(TcpStream),
    /// The answer came before all content was sent: the rest has a task.
    In(OwnedReadHalf, Rest),
    Closed,
}

/// The rest of the content, on its way out behind an early answer.
struct Rest {
    /// Once it has ended: whether all of it was sent. If not, the content broke off, and the answer was cut with it.
    sent: Arc<OnceLock<bool>>,
    task: AbortHandle,
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inner {
    /// A connection over a stream that was just made.
    pub(super) fn open(stream: TcpStream, slot: Arc<Slot>, core: usize) -> Box<Self> {
        let now = Instant::now();
        Box::new(Self {
            way: Way::Both(stream),
            input: BytesMut::new(),
            scanned: Scanned::default(),
            read_bytes_max: READ_BYTES.0,
            answered: false,
            writing: Writing::default(),
            content_error: None,
            of_head_request: false,
            left_out: false,
            timer: Box::pin(sleep_until(now)),
            clean: true,
            cuts: false,
            reused: false,
            verify: Verify::No,
            idle_since: now,
            core,
            slot,
        })
    }

    /// Whether an idle connection is still good, as far as the event loop has told.
    pub(super) fn is_alive(&self) -> bool {
        let Way::Both(stream) = &self.way else { return false };
        // Asks the system only if the event loop has heard something. Whatever it is, it was not asked for. It stays there:
        // who looks next must find it, too.
        let looked = stream.try_io(Interest::READABLE, || peek(stream));
        matches!(looked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The same, and `waker` is woken when something happens to it.
    pub(super) fn watch(&self, waker: &Waker) -> bool {
        let Way::Both(stream) = &self.way else { return false };
        stream.poll_peek(&mut Context::from_waker(waker), &mut ReadBuf::new(&mut [0])).is_pending()
    }

    /// To be used again, after having been idle.
    pub(super) fn reuse(mut self: Box<Self>, now: Instant, write: bool) -> Connection {
        self.reused = true;
        let is_trusted = !self.left_out && (!write || self.slot.pool().is_trusted());
        let aged = now.saturating_duration_since(self.idle_since) > TRUSTED_IDLE_MAX;
        self.verify = if aged || !is_trusted { Verify::Yes } else { Verify::No };
        Connection { inner: Some(self) }
    }

    /// To be used for the first time.
    pub(super) fn fresh(mut self: Box<Self>, write: bool) -> Connection {
        self.verify = if write { Verify::Yes } else { Verify::No };
        Connection { inner: Some(self) }
    }

    /// Looks for the end of the stream in the socket itself. The event loop may not have heard of it yet.
    fn verify(&self) -> io::Result<()> {
        let Way::Both(stream) = &self.way else { return Err(io::ErrorKind::NotConnected.into()) };
        match peek(stream) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "an answer that was not asked for")),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Sends what can be sent now of the request.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<Wrote, ContentError>> {
        match &mut self.way {
            Way::Both(stream) if !self.writing.is_broken() => self.writing.poll(cx, Pin::new(stream)),
            // The end of the stream, or the timer, ends the wait for an answer.
            _ => Poll::Pending,
        }
    }

    /// Reads what is there: how many bytes, or 0 at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < ROOM_BYTES_MIN {
            self.input.reserve(self.read_bytes_max);
        }
        let room = self.input.capacity() - self.input.len();
        let read = match &mut self.way {
            Way::Both(stream) => ready!(pin!(stream.read_buf(&mut self.input)).poll(cx)),
            Way::In(stream, rest) => match ready!(pin!(stream.read_buf(&mut self.input)).poll(cx)) {
                // It was us who ended the stream.
                Ok(0) if rest.sent.get() == Some(&false) => Err(io::ErrorKind::ConnectionAborted.into()),
                read => read,
            },
            Way::Closed => Ok(0),
        }?;
        self.answered |= read > 0;
        if read == room {
            self.read_bytes_max = (self.read_bytes_max * 2).min(READ_BYTES.1);
        }
        Poll::Ready(Ok(read))
    }
}

impl Connection {
    /// Whether it carried an exchange before.
    pub fn is_reused(&self) -> bool {
        self.inner().reused
    }

    /// It carried another exchange: the upstream keeps connections.
    pub(super) fn was_kept(&self) {
        self.inner().slot.pool().kept();
    }

    /// It was closed while it was idle.
    pub(super) fn was_closed(&self) {
        let inner = self.inner();
        inner.slot.pool().found_closed(inner.idle_since);
    }

    /// Sends one request, as far as the socket takes it at once.
    ///
    /// # Errors
    /// [`SendErrorKind::NotSent`] if the connection turns out to be closed before a byte was written; the request comes
    /// back with it.
    pub fn start(mut self, message: impl Into<Message>) -> Result<Pending, SendError> {
        let mut message = message.into();
        let inner = self.inner_mut();
        (inner.clean, inner.cuts) = (false, false);
        (inner.answered, inner.read_bytes_max) = (false, READ_BYTES.0);
        let looks = match std::mem::take(&mut inner.verify) {
            Verify::No => false,
            Verify::Yes => true,
            Verify::Later => inner.idle_since.elapsed() > TRUSTED_IDLE_MAX,
        };
        if looks && let Err(error) = inner.verify() {
            return Err(self.unsent(Some(message), error));
        }
        inner.of_head_request = message.is_head_request();
        inner.writing = Writing::new(&mut message);
        // Nobody needs to be woken: whoever waits for the head polls again before waiting.
        match inner.poll_write(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Wrote::Broken(error))) if inner.writing.written() == 0 => {
                let whole = inner.writing.give_back(&mut message);
                return Err(self.unsent(whole.then_some(message), error));
            }
            // For whoever waits for the head.
            Poll::Ready(Err(error)) => inner.content_error = Some(error),
            Poll::Ready(Ok(_)) | Poll::Pending => {}
        }
        Ok(Pending::new(self))
    }

    /// Not one byte has left.
    fn unsent(&self, message: Option<Message>, error: io::Error) -> SendError {
        let reused = self.is_reused();
        if reused {
            self.was_closed();
        }
        let (kind, request, source) = (SendErrorKind::NotSent, message.map(Box::new), Some(error.into()));
        SendError { kind, reused, answered: false, request, source }
    }

    fn inner(&self) -> &Inner {
        self.inner.as_ref().expect("a connection has its inside until it is dropped")
    }

    pub(super) fn inner_mut(&mut self) -> &mut Inner {
        self.inner.as_mut().expect("a connection has its inside until it is dropped")
    }

    pub(super) fn idle_max(&self) -> Duration {
        self.inner().slot.times().idle_max
    }

    /// Bytes of the request that the kernel accepted.
    pub(super) fn written(&self) -> u64 {
        self.inner().writing.written()
    }

    /// Whether the kernel has accepted all of the request.
    pub(super) fn is_sent(&self) -> bool {
        match &self.inner().way {
            Way::Both(_) | Way::Closed => self.inner().writing.is_sent(),
            Way::In(_, rest) => rest.sent.get() == Some(&true),
        }
    }

    /// Whether all of the request has left, content included: none of it waits for the upstream to read on.
    pub(super) fn has_left(&self) -> bool {
        self.is_sent()
            && match &self.inner().way {
                Way::Both(stream) => queue::is_empty(stream),
                Way::In(stream, _) => queue::is_empty(stream.as_ref()),
                Way::Closed => false,
            }
    }

    /// From now on it is cut, and not closed, if it is dropped before the exchange has come to its end.
    pub(super) fn cut_when_dropped(&mut self) {
        self.inner_mut().cuts = true;
    }

    /// The answer has come to its end.
    pub(super) fn is_over(&mut self) {
        let inner = self.inner_mut();
        // Of what was answered early the rest may still be on its way.
        inner.cuts &= !(matches!(inner.way, Way::Both(_)) && inner.writing.is_sent());
    }

    /// Whether anything of an answer came in.
    pub(super) fn is_answered(&self) -> bool {
        self.inner().answered
    }

    /// Sends what can be sent now of the request. An error is that of the content.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), ContentError> {
        let inner = self.inner_mut();
        if inner.writing.is_sent() {
            return Ok(());
        }
        if let Some(error) = inner.content_error.take() {
            return Err(error);
        }
        match inner.poll_write(cx) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
        }
    }

    /// Reads what is there: how many bytes, or 0 at the end of the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.inner_mut().poll_read(cx)
    }

    /// The head of an answer, if it has come in.
    pub(super) fn take_head(&mut self) -> Result<Option<Head>, Malformed> {
        let inner = self.inner_mut();
        if inner.input.is_empty() {
            return Ok(None);
        }
        let head = decode::head(&mut inner.input, &mut inner.scanned, inner.of_head_request)?;
        inner.left_out = inner.of_head_request
            || head.as_ref().is_some_and(|head| head.status == StatusCode::NOT_MODIFIED);
        Ok(head)
    }

    /// Sets the timer.
    pub(super) fn expire_at(&mut self, deadline: Instant) {
        self.inner_mut().timer.as_mut().reset(deadline);
    }

    /// Whether the timer has run out.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner_mut().timer.as_mut().poll(cx)
    }

    /// Lets the rest of the content be sent however slowly the answer is read.
    pub(super) fn detach(&mut self) {
        let inner = self.inner_mut();
        match std::mem::replace(&mut inner.way, Way::Closed) {
            Way::Both(stream) if !inner.writing.is_broken() => {
                let (input, output) = stream.into_split();
                let sent = Arc::<OnceLock<bool>>::default();
                let writing = std::mem::take(&mut inner.writing);
                let task = tokio::spawn(send_rest(writing, output, Arc::clone(&sent))).abort_handle();
                inner.way = Way::In(input, Rest { sent, task });
            }
            way => inner.way = way,
        }
    }

    /// Says that the exchange is over. The connection can be used again if both sides are done with it and have not
    /// said that it ends here.
    pub(super) fn settle(&mut self) {
        let inner = self.inner_mut();
        let whole = matches!(inner.way, Way::Both(_));
        inner.clean = whole && inner.writing.is_sent() && inner.input.is_empty();
        if inner.clean {
            inner.writing = Writing::default();
        }
        if inner.input.capacity() > READ_BYTES.0 {
            inner.input = BytesMut::new();
        }
        // Whoever holds it has a write for it.
        let is_trusted = !inner.left_out && inner.slot.pool().is_trusted();
        inner.verify = if is_trusted { Verify::Later } else { Verify::Yes };
        inner.idle_since = Instant::now();
        inner.reused = true;
    }

    pub(super) fn is_clean(&self) -> bool {
        self.inner().clean
    }

    /// The bare socket, with what was read from it but not used.
    pub(super) fn into_tunnel(mut self) -> Option<Tunnel> {
        let mut inner = self.inner.take()?;
        let Way::Both(stream) = std::mem::replace(&mut inner.way, Way::Closed) else { return None };
        Some(Tunnel::new(stream, std::mem::take(&mut inner.input).freeze(), Arc::clone(&inner.slot)))
    }
}

/// What is in the socket, without taking it: how many bytes of one, or 0 at the end of the stream.
fn peek(stream: &TcpStream) -> io::Result<usize> {
    let (_, bytes) = rustix::net::recv(stream, &mut [0u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(bytes)
}

async fn send_rest(mut writing: Writing, mut output: OwnedWriteHalf, sent: Arc<OnceLock<bool>>) {
    match poll_fn(|cx| writing.poll(cx, Pin::new(&mut output))).await {
        Ok(Wrote::All) => {
            sent.set(true).ok();
            // The way out stays open: this was the content, not the connection.
            output.forget();
        }
        // What the upstream answered before it stopped to listen still counts.
        Ok(Wrote::Broken(_)) => output.forget(),
        // The request is cut, so that nobody takes it for complete, and the answer with it.
        Err(_) => {
            sent.set(false).ok();
            rustix::net::shutdown(output.as_ref(), Shutdown::Both).ok();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        if inner.clean {
            let slot = Arc::clone(&inner.slot);
            slot.pool().put(inner);
        } else if inner.cuts {
            match &inner.way {
                Way::Both(stream) => queue::cut(stream),
                Way::In(stream, _) => queue::cut(stream.as_ref()),
                Way::Closed => {}
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("reused", &self.is_reused()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("core", &self.core).finish_non_exhaustive()
    }
}

impl SendError {
    /// That the connection cannot be told to be anything but lost.
    pub(super) fn gone() -> Self {
        Self { kind: SendErrorKind::Lost, reused: false, answered: true, request: None, source: None }
    }
}
