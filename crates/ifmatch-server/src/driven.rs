//! What ends a connection from outside: a head that does not come in time, and the end of the server.
//!
//! Neither is asked about with every request. A task is woken for both, and its waker is the same for as long as it
//! lives, so each is waited for once, and what is left of it is a look at a number whenever the connection is polled.

use crate::config::HEADER_READ_MAX;
use hyper::rt::{Sleep, Timer};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep_until};

#[cfg(test)]
mod tests;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// No head is waited for.
const NONE: u64 = u64::MAX;

/// When the head that a connection waits for must be there. The transport says so as if it set a timer for every head;
/// [`drive`] has one for all.
#[derive(Clone, Debug)]
pub(crate) struct Heads(Arc<Due>);

#[derive(Debug)]
struct Due {
    began: Instant,
    /// Milliseconds after it began, or [`NONE`].
    ms: AtomicU64,
}

impl Heads {
    /// Of a connection that begins: the first head is due.
    pub(crate) fn new() -> Self {
        let heads = Self(Arc::new(Due { began: Instant::now(), ms: AtomicU64::new(NONE) }));
        heads.is_due(heads.0.began + HEADER_READ_MAX);
        heads
    }

    /// The head is there.
    pub(crate) fn arrived(&self) {
        self.0.ms.store(NONE, Ordering::Relaxed);
    }

    fn is_due(&self, at: Instant) {
        let ms = at.saturating_duration_since(self.0.began).as_millis();
        self.0.ms.store(u64::try_from(ms).unwrap_or(NONE), Ordering::Relaxed);
    }

    fn due(&self) -> Option<Instant> {
        let ms = self.0.ms.load(Ordering::Relaxed);
        (ms != NONE).then(|| self.0.began + Duration::from_millis(ms))
    }
}

impl Timer for Heads {
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

/// Is never over: [`drive`] knows the deadline. Has no size, so it needs no memory.
struct Elsewhere;

impl Future for Elsewhere {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Elsewhere {}

/// The timer of HTTP/2, which asks for the time as soon as a connection has begun. From then on it is its own pings
/// that show whether the client is there.
struct Pings(Heads);

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
        self.0.arrived();
        TokioTimer::new().now()
    }
}

/// The server with the timers of one connection.
pub(crate) fn timed(server: &auto::Builder<TokioExecutor>, heads: &Heads) -> auto::Builder<TokioExecutor> {
    let mut server = server.clone();
    server.http1().timer(heads.clone());
    server.http2().timer(Pings(heads.clone()));
    server
}

/// Serves a connection until it ends by itself, or no head came in time, or it has finished what was under way when
/// `stop` changed.
///
/// # Errors
/// What broke the connection.
pub(crate) async fn drive<C>(
    mut connection: Pin<Box<C>>,
    heads: Heads,
    mut stop: watch::Receiver<()>,
) -> Result<(), Error>
where
    C: GracefulConnection<Error = Error>,
{
    let stops = stop.clone();
    // Without a budget: what is waited for once has to be waited for indeed.
    let mut stopped = pin!(unconstrained(stop.changed()));
    let mut alarm = pin!(sleep_until(heads.0.began));
    let (mut first, mut stopping, mut armed) = (true, false, false);
    poll_fn(move |cx| {
        if (first || !matches!(stops.has_changed(), Ok(false))) && !stopping {
            first = false;
            stopping = stopped.as_mut().poll(cx).is_ready();
            if stopping {
                connection.as_mut().graceful_shutdown();
            }
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        // Once set, the alarm goes off at the time that was due then, and is set anew to what is due now, if anything.
        if armed && !alarm.is_elapsed() {
            return Poll::Pending;
        }
        while let Some(due) = heads.due() {
            if armed && due <= Instant::now() {
                return Poll::Ready(Err(
                    io::Error::new(io::ErrorKind::TimedOut, "no head came in time").into()
                ));
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
