//! One request and the head of its answer.

use super::body::ResponseBody;
use super::connection::Connection;
use super::decode::Head;
use super::message::Message;
use super::sending::ContentError;
use super::tunnel::Tunnel;
use http::{Response, StatusCode};
use hyper::ext::ReasonPhrase;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Interim answers (1xx) that are skipped before the final one. Past it: malformed. Without a bound an upstream that sends
/// nothing else would be listened to for ever, as there is always something to read.
const INTERIM_MAX: u32 = 1000;

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
    pub request: Option<Box<Message>>,
    /// What the system, the parser or the content says.
    pub source: Option<ContentError>,
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
    /// What came back is not HTTP, or too much of it: a head of more than 64 KiB or 100 field lines, more than 1000 interim
    /// answers. Nobody can say what the upstream did.
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
        self.source.as_ref().map(|error| &**error as _)
    }
}

/// A request that is under way. Dropping it closes the connection.
#[must_use = "dropped, it closes the connection, and nobody knows what the upstream did"]
pub struct Pending {
    /// `None` once the head was given out, or an error.
    connection: Option<Connection>,
    reused: bool,
    /// Interim answers so far.
    interim: u32,
}

impl Pending {
    pub(super) fn new(connection: Connection) -> Self {
        let reused = connection.is_reused();
        Self { connection: Some(connection), reused, interim: 0 }
    }

    /// Whether all of the request, content included, was accepted by the kernel.
    pub fn all_content_sent(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_sent)
    }

    /// Whether all of it has left: none of it is in a queue of the kernel, where it waits for the upstream to read on.
    pub fn has_left(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::has_left)
    }

    /// For a request of which nothing must arrive any more once it is given up: unless the answer comes to its end, the
    /// connection is cut when it is dropped. One that is closed would still send what the kernel has accepted.
    pub fn cut_when_dropped(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.cut_when_dropped();
        }
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
        if let Err(error) = connection.poll_write(cx) {
            return Poll::Ready(Err(self.failed(SendErrorKind::Content, Some(error))));
        }
        loop {
            match connection.take_head() {
                Ok(Some(head)) if is_final(head.status) => return Poll::Ready(self.answered(head)),
                Ok(Some(_)) if self.interim < INTERIM_MAX => {
                    self.interim += 1;
                    continue;
                }
                Ok(Some(_)) => {
                    let error = Some("the answer has too many interim ones before it".into());
                    return Poll::Ready(Err(self.failed(SendErrorKind::Malformed, error)));
                }
                Ok(None) => {}
                Err(malformed) => {
                    return Poll::Ready(Err(self.failed(SendErrorKind::Malformed, Some(malformed.into()))));
                }
            }
            match connection.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.lost(None))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.lost(Some(error)))),
                Poll::Pending => break,
            }
        }
        if patience.poll_over(connection, cx).is_ready() {
            return Poll::Ready(Err(self.error(SendErrorKind::TimedOut, None)));
        }
        Poll::Pending
    }

    fn answered(&mut self, head: Head) -> Result<Answer, SendError> {
        let Some(connection) = self.connection.take() else { return Err(SendError::gone()) };
        if self.reused {
            connection.was_kept();
        }
        Ok(Answer::new(connection, head, self.reused))
    }

    /// The stream ended.
    fn lost(&mut self, source: Option<io::Error>) -> SendError {
        let nothing_left = self.connection.as_ref().is_some_and(|connection| connection.written() == 0);
        let kind = if nothing_left { SendErrorKind::NotSent } else { SendErrorKind::Lost };
        self.failed(kind, source.map(Into::into))
    }

    /// The last that is heard of it.
    fn failed(&mut self, kind: SendErrorKind, source: Option<ContentError>) -> SendError {
        let error = self.error(kind, source);
        self.connection = None;
        error
    }

    fn error(&self, kind: SendErrorKind, source: Option<ContentError>) -> SendError {
        let answered = self.connection.as_ref().is_none_or(Connection::is_answered);
        if let Some(connection) = self.connection.as_ref().filter(|_| self.reused && !answered)
            && matches!(kind, SendErrorKind::NotSent | SendErrorKind::Lost)
        {
            connection.was_closed();
        }
        SendError { kind, reused: self.reused, answered, request: None, source }
    }
}

fn is_final(status: StatusCode) -> bool {
    !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS
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

    fn poll_over(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<()> {
        let left = |connection: &Connection| (!connection.is_sent()).then(|| connection.written());
        if !self.armed || (self.written.is_some() && left(connection).is_none()) {
            self.arm(connection, left(connection));
        }
        while connection.poll_expired(cx).is_ready() {
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
    /// The answer, with all of its fields; a reason phrase that is not the usual one is an extension.
    pub response: Response<ResponseBody>,
    sent: bool,
    reused: bool,
}

impl Answer {
    fn new(mut connection: Connection, head: Head, reused: bool) -> Self {
        let sent = connection.is_sent();
        if !sent && head.status != StatusCode::SWITCHING_PROTOCOLS {
            connection.detach();
        }
        let mut response = Response::new(ResponseBody::new(head.content, connection, head.keep));
        *response.status_mut() = head.status;
        *response.version_mut() = head.version;
        *response.headers_mut() = head.headers;
        if let Some(reason) = head.reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
            response.extensions_mut().insert(reason);
        }
        Self { response, sent, reused }
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
