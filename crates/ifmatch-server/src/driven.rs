//! What ends a connection from outside: a head that does not come in time, HTTP/2 that nobody uses, a client that leaves,
//! the end of the server.
//!
//! The first and the last are not asked about with every request. A task is woken for both, and its waker is the same for
//! as long as it lives, so each is waited for once, and what is left of it is a look at a number whenever the connection is
//! polled.

use crate::config::{HEADER_READ_MAX, STREAM_SEND_BYTES_MAX, STREAMS_MAX, TRANSPORT_HEAD_BYTES_MAX};
use crate::socket::Client;
use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::{Executor, Sleep, Timer};
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use pin_project_lite::pin_project;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep_until};

#[cfg(test)]
mod tests;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// No head is waited for: all of a request is there, and it is not answered yet.
const UNDER_WAY: u64 = u64::MAX;

/// No head is waited for: HTTP/2 has streams open.
const NEVER: u64 = u64::MAX - 1;

/// The client left before its request was answered.
const LEFT: u64 = u64::MAX - 2;

/// No head is waited for: it is there, and what belongs to it is being read.
const READING: u64 = u64::MAX - 3;

/// The same, and it was answered already: whoever reads the rest only throws it away.
const ANSWERED: u64 = u64::MAX - 4;

/// It is not HTTP/2, or not yet.
const NO_STREAMS: usize = usize::MAX;

/// What is known of a connection outside of its transport: when the head that it waits for must be there, which the
/// transport tells as if it set a timer for every head, and who is at the other end. [`drive`] has one timer for all heads.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<State>);

#[derive(Debug)]
struct State {
    began: Instant,
    /// When a head is due, in milliseconds after it began, or one of [`READING`], [`ANSWERED`], [`UNDER_WAY`], [`LEFT`],
    /// [`NEVER`].
    state: AtomicU64,
    /// Streams that are open, if it is HTTP/2, or [`NO_STREAMS`].
    streams: AtomicUsize,
    /// Whether trailers were read.
    last: AtomicBool,
    /// Whose requests end with it.
    client: Option<Client>,
}

impl Link {
    /// A connection that begins: its first head is due. `client` is only told of if a request ends when it leaves.
    pub(crate) fn new(client: Option<Client>) -> Self {
        let (state, streams) = (AtomicU64::new(NEVER), AtomicUsize::new(NO_STREAMS));
        let last = AtomicBool::new(false);
        let link = Self(Arc::new(State { began: Instant::now(), state, streams, last, client }));
        link.is_due(link.0.began + HEADER_READ_MAX);
        link
    }

    /// The head of a request is there.
    pub(crate) fn arrived(&self, request: Request<Incoming>) -> Request<Content> {
        // With HTTP/2 there are several at a time, and their transport sees by itself who leaves.
        if request.version() < Version::HTTP_2 {
            self.set(READING);
        }
        request.map(|incoming| Content { incoming, link: Some(self.clone()) })
    }

    /// The answer to a request is there. Whether not all of the request is.
    pub(crate) fn answered(&self) -> bool {
        let early = self.is(READING);
        if early {
            self.set(ANSWERED);
        }
        early
    }

    /// All of a request is there. Goes on unless the client has left already: then it never does, and the connection ends.
    pub(crate) fn poll_whole(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is(READING) {
            let left = self.poll_left(cx).is_ready();
            self.set(if left { LEFT } else { UNDER_WAY });
        }
        if self.is(LEFT) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Whether the connection ends behind the answer to a request whose content tells its end itself. It does if trailers were
    /// read, or may still come: where others take a bare LF for the end of a line the transport does not, and so may have
    /// taken the next request for a part of the trailers (RFC 9112, Sections 2.2 and 7.1.2).
    pub(crate) fn is_last(&self) -> bool {
        self.0.last.load(Ordering::Relaxed) || self.is(READING)
    }

    fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.client.as_ref().map_or(Poll::Pending, |client| client.poll_left(cx))
    }

    fn is(&self, state: u64) -> bool {
        self.0.state.load(Ordering::Relaxed) == state
    }

    fn set(&self, state: u64) {
        self.0.state.store(state, Ordering::Relaxed);
    }

    fn is_due(&self, at: Instant) {
        let ms = at.saturating_duration_since(self.0.began).as_millis();
        self.set(u64::try_from(ms).unwrap_or(NEVER));
    }

    fn due(&self) -> Option<Instant> {
        let ms = self.0.state.load(Ordering::Relaxed);
        (ms < ANSWERED).then(|| self.0.began + Duration::from_millis(ms))
    }

    fn is_http_2(&self) -> bool {
        self.0.streams.load(Ordering::Relaxed) != NO_STREAMS
    }

    /// From now on it is idle for as long as no stream is open.
    fn is_idle(&self) {
        self.is_due(Instant::now() + HEADER_READ_MAX);
    }
}

impl Timer for Link {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        self.is_due(deadline.into());
        Box::pin(Elsewhere)
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into()
    }
}

/// The content of a request. Its end is the end of the request.
pub(crate) struct Content {
    incoming: Incoming,
    /// None once it has broken off.
    link: Option<Link>,
}

impl Body for Content {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if let (Some(Ok(frame)), Some(link)) = (&frame, &self.link)
            && frame.is_trailers()
        {
            link.0.last.store(true, Ordering::Relaxed);
        }
        if matches!(frame, Some(Err(_))) {
            self.link = None;
        } else if let Some(link) =
            self.link.as_ref().filter(|_| frame.is_none() || self.incoming.is_end_stream())
        {
            ready!(link.poll_whole(cx));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Is never over: [`drive`] knows the deadline. Has no size, so it needs no memory.
struct Elsewhere;

impl Future for Elsewhere {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Elsewhere {}

/// The timer of HTTP/2, which asks for the time as soon as a connection has begun: its first stream is due. Its own pings
/// show whether the client is there.
struct Pings(Link);

impl Timer for Pings {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep_until(deadline)
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: std::time::Instant) {
        TokioTimer::new().reset(sleep, deadline);
    }

    fn now(&self) -> std::time::Instant {
        if !self.0.is_http_2() {
            self.0.0.streams.store(0, Ordering::Relaxed);
            self.0.is_idle();
        }
        TokioTimer::new().now()
    }
}

/// Runs the streams of one HTTP/2 connection, and so knows how many are open.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Link);

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        if self.0.0.streams.fetch_add(1, Ordering::Relaxed) == 0 {
            self.0.set(NEVER);
        }
        drop(tokio::spawn(Stream { stream, open: Open(self.0.clone()) }));
    }
}

pin_project! {
    struct Stream<F> {
        #[pin]
        stream: F,
        open: Open,
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().stream.poll(cx)
    }
}

/// A stream is open until this is dropped.
struct Open(Link);

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.0.streams.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.is_idle();
        }
    }
}

/// The server of one connection, with timers of its own. Whether a client that has sent its end has left is not asked
/// there.
pub(crate) fn server(link: &Link) -> auto::Builder<Streams> {
    let mut server = auto::Builder::new(Streams(link.clone()));
    server
        .http1()
        .timer(link.clone())
        .header_read_timeout(HEADER_READ_MAX)
        .half_close(true)
        .max_buf_size(TRANSPORT_HEAD_BYTES_MAX as usize);
    server
        .http2()
        .timer(Pings(link.clone()))
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(TRANSPORT_HEAD_BYTES_MAX)
        .max_send_buf_size(STREAM_SEND_BYTES_MAX)
        .keep_alive_interval(HEADER_READ_MAX)
        .keep_alive_timeout(HEADER_READ_MAX);
    server
}

/// Serves a connection until it ends by itself, or no head came in time, or the client left before it was answered, or what
/// was under way when `stop` changed is finished. HTTP/2 without a stream is told that it ends, so that no request is lost
/// that is on its way.
///
/// # Errors
/// What broke the connection.
pub(crate) async fn drive<C>(
    mut connection: Pin<Box<C>>,
    link: Link,
    mut stop: watch::Receiver<()>,
) -> Result<(), Error>
where
    C: GracefulConnection,
    C::Error: Into<Error>,
{
    let stops = stop.clone();
    // Without a budget: what is waited for once has to be waited for indeed.
    let mut stopped = pin!(unconstrained(stop.changed()));
    let mut alarm = pin!(sleep_until(link.0.began));
    let (mut first, mut stopping, mut armed) = (true, false, false);
    poll_fn(move |cx| {
        if (first || !matches!(stops.has_changed(), Ok(false))) && !stopping {
            first = false;
            stopping = stopped.as_mut().poll(cx).is_ready();
            if stopping {
                connection.as_mut().graceful_shutdown();
            }
        }
        let was_under_way = link.is(UNDER_WAY);
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended.map_err(Into::into));
        }
        // The transport would read on to see that, for which it needs memory that another request is still in.
        // When the request was whole it was asked already.
        if link.is(LEFT) || (was_under_way && link.is(UNDER_WAY) && link.poll_left(cx).is_ready()) {
            return failed(io::ErrorKind::UnexpectedEof, "the client left before it was answered");
        }
        // Once set, the alarm goes off at the time that was due then, and is set anew to what is due now, if anything.
        if armed && !alarm.is_elapsed() {
            return Poll::Pending;
        }
        while let Some(due) = link.due() {
            if armed && due <= Instant::now() {
                if !link.is_http_2() || stopping {
                    return failed(io::ErrorKind::TimedOut, "no head came in time");
                }
                stopping = true;
                link.is_idle();
                connection.as_mut().graceful_shutdown();
                cx.waker().wake_by_ref();
                continue;
            }
            armed = true;
            alarm.as_mut().reset(due);
            if pin!(unconstrained(alarm.as_mut())).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        armed = false;
        Poll::Pending
    })
    .await
}

fn failed(kind: io::ErrorKind, why: &'static str) -> Poll<Result<(), Error>> {
    Poll::Ready(Err(io::Error::new(kind, why).into()))
}
