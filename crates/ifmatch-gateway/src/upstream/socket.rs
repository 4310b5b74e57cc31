//! The socket under a connection: counts what goes over it, and does not let a broken way out hide an answer.

use super::pool::Slot;
use super::signal::Signal;
use bytes::{Buf, Bytes};
use rustix::net::RecvFlags;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    signal: Arc<Signal>,
    broken: bool,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, signal: Arc<Signal>) -> Self {
        Self { stream, signal, broken: false }
    }

    /// Looks for the end of the stream in the socket itself. The event loop may not have heard of it yet.
    fn verify(&self) -> io::Result<Found> {
        match rustix::net::recv(&self.stream, &mut [0u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Ok(Found::End),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "an answer that was not asked for")),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Ok(Found::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// What became of a write. A way out that is broken is not an error yet: the upstream may have answered before
    /// it stopped to listen, and that answer counts. The end of the stream, or the timer, ends the wait for it.
    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match ready!(written) {
            Ok(bytes) => {
                self.signal.count_written(bytes);
                Poll::Ready(Ok(bytes))
            }
            Err(_) => {
                self.broken = true;
                Poll::Pending
            }
        }
    }
}

enum Found {
    Nothing,
    End,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.signal.take_verify()
            && let Found::End = self.verify()?
        {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.signal.count_read(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Pending;
        }
        // A head alone, the usual case, is sent with less work for the kernel.
        let written = match pieces {
            [piece] => Pin::new(&mut self.stream).poll_write(cx, piece),
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, pieces),
        };
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper asks for this when it holds nothing any more that was not written.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.signal.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection that speaks another protocol from here on, after a 101. Counts as open until it is dropped.
#[derive(Debug)]
pub struct Tunnel {
    stream: TcpStream,
    /// What came right behind the head of the answer.
    ahead: Bytes,
    _slot: Arc<Slot>,
}

impl Tunnel {
    pub(super) fn new(socket: Socket, ahead: Bytes, slot: Arc<Slot>) -> Self {
        Self { stream: socket.stream, ahead, _slot: slot }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let bytes = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..bytes]);
        self.ahead.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
