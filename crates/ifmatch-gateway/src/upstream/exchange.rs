//! One request and the head of its answer.

use super::body::ResponseBody;
use super::connection::Connection;
use super::sending::Sending;
use super::socket::Tunnel;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::upgrade::OnUpgrade;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

type Sent = Result<Response<Incoming>, TrySendError<Request<Sending>>>;
type HeadFuture = Pin<Box<dyn Future<Output = Sent> + Send>>;

/// Why there is no answer.
#[derive(Debug)]
pub struct SendError {
    /// What is known about it.
    pub kind: SendErrorKind,
    /// Whether the connection had carried an exchange before. If so, and nothing was answered, the upstream probably
    /// closed it while it was idle.
    pub reused: bool,
    /// Whether anything of an answer came in.
    pub answered: bool,
    /// The request. With [`SendErrorKind::NotSent`] it is there unless the connection broke in the very moment of
    /// writing.
    pub request: Option<Box<Request<Sending>>>,
    /// What the protocol or the system says.
    pub source: Option<hyper::Error>,
}

/// What is known about a request without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendErrorKind {
    /// Not one byte of it was written to the socket.
    NotSent,
    /// The connection was cut after bytes may have left: nobody can say what the upstream did.
    Lost,
    /// The time is over; one can go on waiting. Nobody can say what the upstream does.
    TimedOut,
    /// What came back is not HTTP, or its head is too large: more than 64 KiB or 100 field lines. Nobody can say what the
    /// upstream did.
    Malformed,
    /// The content could not be had to its end, so the request was cut. The upstream saw a part of it at most.
    Content,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            SendErrorKind::NotSent => "the connection was closed before anything was sent",
            SendErrorKind::Lost => "the connection was cut before the answer",
            SendErrorKind::TimedOut => "there was no answer in time",
            SendErrorKind::Malformed => "the answer is not HTTP",
            SendErrorKind::Content => "the content of the request broke off",
        })
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

/// A request that is under way. Dropping it closes the connection.
#[must_use = "dropped, it closes the connection, and nobody knows what the upstream did"]
pub struct Pending {
    /// `None` once the head was given out, or an error.
    connection: Option<Connection>,
    response: HeadFuture,
    reused: bool,
}

impl Pending {
    /// Of a connection that was driven once since it has the request.
    pub(super) fn new(connection: Connection, response: HeadFuture) -> Result<Self, SendError> {
        let reused = connection.is_reused();
        let finished = connection.is_finished();
        let mut pending = Self { connection: Some(connection), response, reused };
        if finished && let Poll::Ready(Err(error)) = pending.poll_finished() {
            return Err(error);
        }
        Ok(pending)
    }

    /// Whether all of the request, content included, was accepted by the kernel.
    pub fn all_content_sent(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.signal().is_sent())
    }

    /// The head of the final answer. `time` counts from the last byte of the request; as long as content is still being
    /// sent it bounds how long nothing of it may move. After [`SendErrorKind::TimedOut`] one can ask again and goes on
    /// waiting. Interim answers (1xx but 101) are skipped.
    ///
    /// # Errors
    /// What [`SendErrorKind`] tells apart.
    pub async fn head(&mut self, time: Duration) -> Result<Answer, SendError> {
        let mut patience = Patience::new(time);
        poll_fn(|cx| self.poll_head(cx, &mut patience)).await
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        patience: &mut Patience,
    ) -> Poll<Result<Answer, SendError>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Err(SendError::gone())) };
        connection.signal().listen(cx.waker());
        if connection.signal().is_woken() {
            connection.drive();
            if connection.is_finished() {
                return self.poll_finished();
            }
        }
        if let Poll::Ready(sent) = self.poll_response() {
            return Poll::Ready(self.finish(sent));
        }
        let Some(connection) = &mut self.connection else { return Poll::Ready(Err(SendError::gone())) };
        if patience.poll_over(connection).is_ready() {
            return Poll::Ready(Err(self.error(SendErrorKind::TimedOut, None)));
        }
        if connection.signal().is_woken() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Only driving the connection makes the response ready, so nobody needs to be woken for it.
    fn poll_response(&mut self) -> Poll<Sent> {
        self.response.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    /// The connection ended: either the answer is there, or the request comes back, or there is an error.
    fn poll_finished(&mut self) -> Poll<Result<Answer, SendError>> {
        let mut response = self.poll_response();
        if response.is_pending()
            && let Some(connection) = &mut self.connection
        {
            connection.close();
            response = self.poll_response();
        }
        Poll::Ready(match response {
            Poll::Ready(sent) => self.finish(sent),
            Poll::Pending => {
                let error = self.error(SendErrorKind::Lost, None);
                self.connection = None;
                Err(error)
            }
        })
    }

    fn finish(&mut self, sent: Sent) -> Result<Answer, SendError> {
        let result = match sent {
            Ok(response) => match self.connection.take() {
                Some(connection) => {
                    if self.reused {
                        connection.was_kept();
                    }
                    Ok(Answer::new(connection, response, self.reused))
                }
                None => Err(SendError::gone()),
            },
            Err(error) => Err(self.failed(error)),
        };
        self.connection = None;
        result
    }

    fn failed(&self, mut error: TrySendError<Request<Sending>>) -> SendError {
        let request = error.take_message().map(Box::new);
        let source = error.into_error();
        let signal = self.connection.as_ref().map(Connection::signal);
        let kind = match signal {
            _ if request.is_some() => SendErrorKind::NotSent,
            Some(signal) if signal.has_content_failed() => SendErrorKind::Content,
            Some(signal) if signal.written() == 0 => SendErrorKind::NotSent,
            _ if source.is_parse() => SendErrorKind::Malformed,
            _ => SendErrorKind::Lost,
        };
        SendError { request, ..self.error(kind, Some(source)) }
    }

    fn error(&self, kind: SendErrorKind, source: Option<hyper::Error>) -> SendError {
        let answered = self.connection.as_ref().is_none_or(|connection| connection.signal().read() > 0);
        if let Some(connection) = self.connection.as_ref().filter(|_| self.reused && !answered)
            && matches!(kind, SendErrorKind::NotSent | SendErrorKind::Lost)
        {
            connection.was_closed();
        }
        SendError { kind, reused: self.reused, answered, request: None, source }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// How long one waits for a head.
struct Patience {
    time: Duration,
    armed: bool,
    /// How many bytes had gone out when the timer was set; `None`: all.
    written: Option<u64>,
}

impl Patience {
    fn new(time: Duration) -> Self {
        Self { time, armed: false, written: None }
    }

    fn poll_over(&mut self, connection: &mut Connection) -> Poll<()> {
        let left = |connection: &Connection| {
            let signal = connection.signal();
            (!signal.is_sent()).then(|| signal.written())
        };
        if !self.armed || (self.written.is_some() && left(connection).is_none()) {
            self.arm(connection, left(connection));
        }
        while connection.poll_expired().is_ready() {
            let written = left(connection);
            if written == self.written {
                return Poll::Ready(());
            }
            self.arm(connection, written);
        }
        Poll::Pending
    }

    fn arm(&mut self, connection: &mut Connection, written: Option<u64>) {
        self.armed = true;
        self.written = written;
        connection.expire_at(Instant::now() + self.time);
    }
}

/// The head of an answer, and its content as it comes.
#[derive(Debug)]
pub struct Answer {
    /// The answer. hyper has taken nothing out of its fields; a reason phrase that is not the usual one is an
    /// extension.
    pub response: Response<ResponseBody>,
    sent: bool,
    reused: bool,
}

impl Answer {
    fn new(mut connection: Connection, response: Response<Incoming>, reused: bool) -> Self {
        let sent = connection.signal().is_sent();
        let (mut head, incoming) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            // Not used: the socket is handed over as it is, see `into_tunnel`.
            head.extensions.remove::<OnUpgrade>();
        } else if !sent {
            connection.detach();
        }
        // hyper would speak HTTP/1.0 to this upstream from now on, which has no content of unknown length.
        let keep = head.version == Version::HTTP_11;
        let body = ResponseBody::new(incoming, connection, keep);
        Self { response: Response::from_parts(head, body), sent, reused }
    }

    /// Whether all of the request, content included, had been accepted by the kernel when this head was there.
    pub fn all_content_sent(&self) -> bool {
        self.sent
    }

    /// Whether the connection had carried an exchange before.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// The connection as a stream of bytes, if the answer is 101; `None` if it is not, or if the upstream had not taken
    /// the whole request.
    pub fn into_tunnel(self) -> Option<Tunnel> {
        if self.response.status() != StatusCode::SWITCHING_PROTOCOLS || !self.sent {
            return None;
        }
        self.response.into_body().into_tunnel()
    }
}
