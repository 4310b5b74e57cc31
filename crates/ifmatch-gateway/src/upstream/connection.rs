//! One connection, and how it is driven: by whoever waits for it, without a task of its own.

use super::exchange::{Pending, SendError, SendErrorKind};
use super::pool::Slot;
use super::sending::{Sending, frame};
use super::signal::Signal;
use super::socket::Socket;
use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

/// Largest head of an answer, in bytes, and largest trailers. Past it: malformed.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most that is read, or held to be written, at a time, in bytes.
const BUFFER_BYTES_MAX: usize = 256 << 10;
/// How long a connection may have been idle before a request that can be repeated is sent without a look into the
/// socket. What the upstream closed longer ago the event loop has told; within that time the look costs more than the
/// repetition that it would save.
const TRUSTED_IDLE_MAX: Duration = Duration::from_millis(5);

type Io = TokioIo<Socket>;
type Http = http1::Connection<Io, Sending>;

/// A connection to the upstream, owned by one exchange at a time.
///
/// Dropped while nothing is under way it goes back to where the core it belongs to keeps idle ones; dropped in the
/// middle of an exchange it is closed.
pub struct Connection {
    inner: Option<Box<Inner>>,
}

/// What an idle connection is kept as.
pub(super) struct Inner {
    sender: http1::SendRequest<Sending>,
    /// The protocol's state and the socket; gone when it ended, or when it runs in a task.
    http: Option<Http>,
    /// Said its last word. It may still be there to be taken apart.
    finished: bool,
    /// Where it runs when an answer came before all content was sent.
    task: Option<AbortHandle>,
    pub(super) signal: Arc<Signal>,
    waker: Waker,
    /// One timer for all waits of all exchanges: to move it later costs next to nothing.
    timer: Pin<Box<Sleep>>,
    /// Nothing is under way.
    pub(super) clean: bool,
    reused: bool,
    verify: bool,
    pub(super) idle_since: Instant,
    pub(super) core: usize,
    pub(super) slot: Arc<Slot>,
}

impl Inner {
    /// A connection over a stream that was just made.
    pub(super) async fn open(stream: TcpStream, slot: Arc<Slot>, core: usize) -> Box<Self> {
        let signal = Arc::new(Signal::default());
        let io = TokioIo::new(Socket::new(stream, Arc::clone(&signal)));
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER_BYTES_MAX).max_header_size(HEAD_BYTES_MAX);
        let (sender, http) =
            builder.handshake(io).await.expect("nothing is exchanged to begin with HTTP/1.1");
        let now = Instant::now();
        Box::new(Self {
            sender,
            http: Some(http),
            finished: false,
            task: None,
            waker: Waker::from(Arc::clone(&signal)),
            signal,
            timer: Box::pin(sleep_until(now)),
            clean: true,
            reused: false,
            verify: false,
            idle_since: now,
            core,
            slot,
        })
    }

    /// Lets everything happen that can happen now.
    fn drive(&mut self) {
        let Some(http) = &mut self.http else { return };
        if self.finished {
            return;
        }
        self.signal.enter();
        let polled = http.poll_without_shutdown(&mut Context::from_waker(&self.waker));
        self.signal.leave();
        // Whatever it ended with, the answer or its body says so.
        self.finished = polled.is_ready();
    }

    /// Whether an idle connection is still good, as far as the event loop has told.
    pub(super) fn is_alive(&mut self) -> bool {
        if self.signal.is_woken() {
            self.drive();
        }
        !self.finished
    }

    /// The same, whether or not the event loop has told something.
    pub(super) fn is_alive_for_sure(&mut self) -> bool {
        self.drive();
        !self.finished
    }

    /// To be used again, after having been idle.
    pub(super) fn reuse(mut self: Box<Self>, now: Instant, write: bool) -> Connection {
        self.reused = true;
        self.verify = write || now.saturating_duration_since(self.idle_since) > TRUSTED_IDLE_MAX;
        Connection { inner: Some(self) }
    }

    /// To be used for the first time.
    pub(super) fn fresh(mut self: Box<Self>, write: bool) -> Connection {
        self.verify = write;
        Connection { inner: Some(self) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
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

    /// Sends one request, as far as the socket takes it at once. The field lines go out in the order of the map, names
    /// in lower case; nothing is added to them but the framing: `Content-Length` if the content says how long it is,
    /// `Transfer-Encoding: chunked` if it does not. The target goes out as it is written in the URI.
    ///
    /// # Errors
    /// [`SendErrorKind::NotSent`] if the connection turns out to be closed before a byte was written; the request comes
    /// back with it.
    pub fn start(mut self, mut request: Request<Sending>) -> Result<Pending, SendError> {
        frame(&mut request);
        let inner = self.inner_mut();
        inner.clean = false;
        let empty = request.body().is_end_stream();
        if !empty {
            request.body_mut().report_to(&inner.signal);
        }
        inner.signal.begin(empty, std::mem::take(&mut inner.verify));
        // What hyper wakes here is polled two lines below.
        inner.signal.enter();
        let response = Box::pin(inner.sender.try_send_request(request));
        inner.drive();
        Pending::new(self, response)
    }

    fn inner(&self) -> &Inner {
        self.inner.as_ref().expect("a connection has its inside until it is dropped")
    }

    fn inner_mut(&mut self) -> &mut Inner {
        self.inner.as_mut().expect("a connection has its inside until it is dropped")
    }

    pub(super) fn signal(&self) -> &Signal {
        &self.inner().signal
    }

    pub(super) fn idle_max(&self) -> Duration {
        self.inner().slot.times().idle_max
    }

    /// Lets everything happen that can happen now.
    pub(super) fn drive(&mut self) {
        self.inner_mut().drive();
    }

    /// Whether it will do nothing any more.
    pub(super) fn is_finished(&self) -> bool {
        self.inner().finished
    }

    /// Polls for what hyper has ready. If that is pending the connection has to be driven.
    pub(super) fn take<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let inner = self.inner();
        if inner.task.is_some() {
            return poll(cx);
        }
        inner.signal.take();
        let polled = poll(&mut Context::from_waker(Waker::noop()));
        inner.signal.taken();
        polled
    }

    /// Ends what is left of the protocol, so that a request that never left comes back.
    pub(super) fn close(&mut self) {
        self.inner_mut().http = None;
    }

    /// Sets the timer.
    pub(super) fn expire_at(&mut self, deadline: Instant) {
        self.inner_mut().timer.as_mut().reset(deadline);
    }

    /// Whether the timer has run out. Wakes whoever listens when it does.
    pub(super) fn poll_expired(&mut self) -> Poll<()> {
        let inner = self.inner_mut();
        inner.timer.as_mut().poll(&mut Context::from_waker(&inner.waker))
    }

    /// Lets the rest of the content be sent however slowly the answer is read.
    pub(super) fn detach(&mut self) {
        let inner = self.inner_mut();
        if let (Some(http), false) = (inner.http.take(), inner.finished) {
            inner.task = Some(tokio::spawn(http).abort_handle());
        }
    }

    /// Says that the exchange is over. The connection can be used again if both sides are done with it and have not
    /// said that it ends here.
    pub(super) fn settle(&mut self) {
        let inner = self.inner_mut();
        inner.clean = inner.task.is_none() && !inner.finished && inner.sender.is_ready();
        // The next exchange on it may be a write.
        inner.verify = true;
        inner.reused = true;
    }

    pub(super) fn is_clean(&self) -> bool {
        self.inner().clean
    }

    /// The socket, and what was read from it but not used.
    pub(super) fn dismantle(mut self) -> Option<(Socket, Bytes, Arc<Slot>)> {
        let mut inner = self.inner.take()?;
        let parts = inner.http.take()?.into_parts();
        Some((parts.io.into_inner(), parts.read_buf, Arc::clone(&inner.slot)))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && inner.clean
        {
            let slot = Arc::clone(&inner.slot);
            slot.pool().put(inner);
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
