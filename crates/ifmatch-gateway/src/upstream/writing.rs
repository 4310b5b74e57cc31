//! A request on its way out: its head, and its content as far as the socket takes it.

use super::message::{Message, Taken};
use super::sending::{ContentError, Sending};
use crate::head;
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Body;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// A piece of content up to this long goes out together with what stands before it, in bytes. To copy it costs less than to
/// send from two places.
pub(super) const COPIED_BYTES_MAX: usize = 4 << 10;

/// What of a request has not been accepted by the kernel yet.
#[derive(Default)]
pub(super) struct Writing {
    /// The head, sizes of chunks, and small pieces of content.
    buffer: Vec<u8>,
    /// How much of the buffer has gone out.
    from: usize,
    /// How long the head is without its framing.
    bare_bytes: usize,
    /// All of the content was there at once.
    is_whole: bool,
    /// A piece of content that is too large to be copied. It goes out behind the buffer.
    piece: Bytes,
    /// What closes that piece.
    close: &'static [u8],
    /// What is left of the content; `None` once all of it was taken.
    content: Option<Sending>,
    /// Nothing but the head is in the buffer. It waits for the first piece of content, if that is there already.
    head_only: bool,
    chunked: bool,
    /// Bytes of this request that the kernel accepted.
    written: u64,
    broken: bool,
}

/// How far a request has got.
#[derive(Debug)]
pub(super) enum Wrote {
    /// All of it was accepted by the kernel.
    All,
    /// The way out is broken. That is not the end: the upstream may have answered before it stopped to listen, and that
    /// answer counts.
    Broken(io::Error),
}

impl Writing {
    /// What is to be sent. Content that is there as a whole stays with the message as well.
    pub(super) fn new(message: &mut Message) -> Self {
        let Taken { head, bare_bytes, content, chunked } = message.take();
        let is_whole = content.is_ok();
        let mut writing =
            Self { buffer: head, bare_bytes, is_whole, chunked, head_only: true, ..Self::default() };
        match content {
            Ok(all) => writing.stage(all, true),
            Err(pieces) => writing.content = Some(pieces),
        }
        writing
    }

    /// Gives the head back, if nothing of it was sent and the content is still with the message.
    pub(super) fn give_back(&mut self, message: &mut Message) -> bool {
        let untouched = self.written == 0 && self.is_whole;
        if untouched {
            message.give_back(std::mem::take(&mut self.buffer), self.bare_bytes);
        }
        untouched
    }

    /// Bytes of this request that the kernel accepted.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Whether the kernel has accepted all of it.
    pub(super) fn is_sent(&self) -> bool {
        self.content.is_none() && !self.broken && !self.has_staged()
    }

    fn has_staged(&self) -> bool {
        self.from < self.buffer.len() || !self.piece.is_empty() || !self.close.is_empty()
    }

    /// Writes what can be written now. An error is that of the content; then the request must be cut, and nothing of it is
    /// written any more.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut socket: Pin<&mut impl AsyncWrite>,
    ) -> Poll<Result<Wrote, ContentError>> {
        loop {
            if std::mem::take(&mut self.head_only) || !self.has_staged() {
                // Behind its error content looks as if it had come to its end.
                let next = self.poll_content(cx).map_err(|error| {
                    self.broken = true;
                    error
                })?;
                if !self.has_staged() {
                    match next {
                        Poll::Ready(()) if self.content.is_none() => return Poll::Ready(Ok(Wrote::All)),
                        Poll::Ready(()) => continue,
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
            while self.has_staged() {
                match ready!(self.poll_staged(cx, socket.as_mut())) {
                    Ok(0) => return Poll::Ready(Ok(self.broken(io::ErrorKind::WriteZero.into()))),
                    Ok(bytes) => self.accepted(bytes),
                    Err(error) => return Poll::Ready(Ok(self.broken(error))),
                }
            }
        }
    }

    fn broken(&mut self, error: io::Error) -> Wrote {
        self.broken = true;
        Wrote::Broken(error)
    }

    /// Whether nothing more can go out.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    fn poll_staged(
        &self,
        cx: &mut Context<'_>,
        socket: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<usize>> {
        let buffer = &self.buffer[self.from..];
        if self.piece.is_empty() && self.close.is_empty() {
            return socket.poll_write(cx, buffer);
        }
        let pieces = [buffer, &self.piece, self.close].map(IoSlice::new);
        socket.poll_write_vectored(cx, &pieces)
    }

    fn accepted(&mut self, mut bytes: usize) {
        self.written += bytes as u64;
        let of_buffer = bytes.min(self.buffer.len() - self.from);
        self.from += of_buffer;
        bytes -= of_buffer;
        let of_piece = bytes.min(self.piece.len());
        self.piece.advance(of_piece);
        self.close = &self.close[bytes - of_piece..];
        if self.from == self.buffer.len() {
            self.buffer.clear();
            self.from = 0;
        }
    }

    /// Takes the next piece of content, if it is there.
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ContentError>> {
        let Some(content) = &mut self.content else { return Poll::Ready(Ok(())) };
        let frame = ready!(Pin::new(&mut *content).poll_frame(cx)).transpose()?;
        let is_last = content.is_end_stream();
        match frame.map(http_body::Frame::into_data) {
            Some(Ok(data)) => {
                if is_last {
                    self.content = None;
                }
                self.stage(data, is_last);
            }
            Some(Err(frame)) => self.end(frame.into_trailers().ok().as_ref()),
            None => self.end(None),
        }
        Poll::Ready(Ok(()))
    }

    fn stage(&mut self, data: Bytes, is_last: bool) {
        let close: &'static [u8] = match (self.chunked, is_last) {
            (true, false) => b"\r\n",
            (true, true) => b"\r\n0\r\n\r\n",
            (false, _) => b"",
        };
        if data.is_empty() {
            // A chunk of no length would be the last one.
            self.buffer.extend_from_slice(close.strip_prefix(b"\r\n").unwrap_or_default());
            return;
        }
        if self.chunked {
            self.buffer.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        }
        if data.len() <= COPIED_BYTES_MAX {
            self.buffer.extend_from_slice(&data);
            self.buffer.extend_from_slice(close);
        } else {
            (self.piece, self.close) = (data, close);
        }
    }

    /// RFC 9112, Section 7.1.2.
    fn end(&mut self, trailers: Option<&HeaderMap>) {
        self.content = None;
        if self.chunked {
            self.buffer.extend_from_slice(b"0\r\n");
            // An upstream may put them among the fields of the head.
            for (name, value) in trailers.and_then(head::trailers).iter().flatten() {
                for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                    self.buffer.extend_from_slice(part);
                }
            }
            self.buffer.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::uri::PathAndQuery;
    use http::{HeaderName, HeaderValue, Method};
    use http_body::Frame;

    /// Pieces, and perhaps trailers, of a length that nobody knows.
    struct Pieces(Vec<Frame<Bytes>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = ContentError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
            Poll::Ready((!self.0.is_empty()).then(|| Ok(self.0.remove(0))))
        }
    }

    fn pieces(data: &[&'static [u8]], trailer: Option<&'static str>) -> Sending {
        let mut frames: Vec<_> = data.iter().map(|data| Frame::data(Bytes::from_static(data))).collect();
        frames.extend(trailer.map(|value| {
            Frame::trailers(
                [("digest".parse().unwrap(), HeaderValue::from_static(value))].into_iter().collect(),
            )
        }));
        Sending::stream(Pieces(frames))
    }

    /// A socket that takes so many bytes at a time.
    struct Slow {
        bytes_max: usize,
        got: Vec<u8>,
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.bytes_max);
            self.got.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }
        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all = pieces.iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<_>>();
            self.poll_write(cx, &all)
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn sent(content: Sending, fields: &[(&'static str, &'static str)], bytes_max: usize) -> (String, u64) {
        let mut message = Message::new(&Method::PUT, &PathAndQuery::from_static("/d"), content);
        for (name, value) in fields {
            message.field(&HeaderName::from_static(name), &[value.as_bytes()]);
        }
        let (mut writing, mut socket) = (Writing::new(&mut message), Slow { bytes_max, got: Vec::new() });
        let polled = writing.poll(&mut Context::from_waker(std::task::Waker::noop()), Pin::new(&mut socket));
        assert!(matches!(polled, Poll::Ready(Ok(Wrote::All))) && writing.is_sent());
        (String::from_utf8(socket.got).unwrap(), writing.written())
    }

    fn framed(content: Sending, fields: &[(&'static str, &'static str)]) -> String {
        sent(content, fields, usize::MAX).0.strip_prefix("PUT /d HTTP/1.1\r\n").unwrap().replace("\r\n", "|")
    }

    #[test]
    fn framing_says_what_the_content_is_whatever_was_said_before() {
        assert_eq!(framed(Sending::empty(), &[]), "|");
        for before in ["0", "5"] {
            assert_eq!(framed(Sending::empty(), &[("content-length", before)]), "content-length: 0||");
        }
        assert_eq!(framed(Sending::empty(), &[("transfer-encoding", "chunked")]), "|");
        let whole = || Sending::whole(Bytes::from_static(b"abc"));
        let fields = [("content-length", "7"), ("content-length", "3"), ("a", "b")];
        assert_eq!(framed(whole(), &fields), "a: b|content-length: 3||abc");
        assert_eq!(framed(whole(), &[("transfer-encoding", "gzip")]), "content-length: 3||abc");
        let untold = || pieces(&[b"abc"], None);
        assert_eq!(framed(untold(), &[("content-length", "3")]), "content-length: 3||abc");
        for unclear in ["+3", "3, 3", "", "99999999999999999999"] {
            let fields = [("content-length", unclear)];
            assert_eq!(framed(untold(), &fields), "transfer-encoding: chunked||3|abc|0||");
        }
        let twice = [("content-length", "3"), ("content-length", "3")];
        assert_eq!(framed(untold(), &twice), "transfer-encoding: chunked||3|abc|0||");
        assert_eq!(framed(untold(), &[]), "transfer-encoding: chunked||3|abc|0||");
        // A piece of nothing is not the end.
        assert_eq!(
            framed(pieces(&[b"", b"a", b"", b"b"], None), &[]),
            "transfer-encoding: chunked||1|a|1|b|0||"
        );
        assert_eq!(framed(pieces(&[b"a"], Some("x")), &[]), "transfer-encoding: chunked||1|a|0|digest: x||");
    }

    #[test]
    fn trailers_that_would_change_the_head_stay_behind() {
        let names = ["content-length", "digest", "transfer-encoding", "host", "connection", "if-match"];
        let fields = names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1")));
        let trailers = Frame::trailers(fields.into_iter().collect());
        let content = Sending::stream(Pieces(vec![Frame::data("a".into()), trailers]));
        assert_eq!(framed(content, &[]), "transfer-encoding: chunked||1|a|0|digest: 1||");
    }

    #[test]
    fn however_little_the_socket_takes_nothing_is_lost_or_sent_twice() {
        let large: &'static [u8] = vec![b'x'; 3 * COPIED_BYTES_MAX].leak();
        for content in [
            || Sending::whole(Bytes::from_static(b"abc")),
            || Sending::whole(vec![b'x'; 3 * COPIED_BYTES_MAX].into()),
            || pieces(&[b"abc", &[b'x'; COPIED_BYTES_MAX + 1], b"d"], Some("1")),
        ] {
            let (at_once, bytes) = sent(content(), &[], usize::MAX);
            assert_eq!(at_once.len() as u64, bytes);
            for bytes_max in [1, 2, 7, 1000, COPIED_BYTES_MAX] {
                assert_eq!(sent(content(), &[], bytes_max), (at_once.clone(), bytes), "{bytes_max}");
            }
        }
        assert!(sent(pieces(&[large], None), &[], 5).0.ends_with("xxx\r\n0\r\n\r\n"));
    }
}
