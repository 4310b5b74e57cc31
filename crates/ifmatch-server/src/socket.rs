//! The socket under a client's connection: small answers are sent in one piece.

use parking_lot::Mutex;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

/// Up to this many bytes, head and content of an answer are put together: to copy them costs less than to have the
/// kernel gather them.
const TOGETHER_BYTES_MAX: usize = 4 << 10;

thread_local! {
    static TOGETHER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The stream of a connection; none when it is closed.
type Stream = Arc<Mutex<Option<TcpStream>>>;

/// What the transport reads from and writes to, or whoever took the connection over. Has its place among all connections,
/// which is free again when the descriptor is.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    _place: OwnedSemaphorePermit,
}

/// Who is at the other end of it. Keeps nothing open: a request may be remembered for longer than its connection.
#[derive(Debug)]
pub(crate) struct Client(Stream);

pub(crate) fn socket(stream: TcpStream, place: OwnedSemaphorePermit) -> (Socket, Client) {
    let stream = Arc::new(Mutex::new(Some(stream)));
    (Socket { stream: Arc::clone(&stream), _place: place }, Client(stream))
}

impl Socket {
    /// What `work` does with the stream, which is there for as long as this is.
    fn with<T>(&self, work: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut *self.stream.lock() {
            Some(stream) => work(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        drop(self.stream.lock().take());
    }
}

impl Client {
    /// Ready when the client has sent its end or is gone. As long as there is something else that it sent and nobody has
    /// read, that is not seen, and nobody is woken for it.
    pub(crate) fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let stream = self.0.lock();
        let Some(stream) = &*stream else { return Poll::Ready(()) };
        let mut byte = [0];
        match ready!(stream.poll_peek(cx, &mut ReadBuf::new(&mut byte))) {
            Ok(0) | Err(_) => Poll::Ready(()),
            Ok(_) => Poll::Pending,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| {
            if let [piece] = pieces {
                return stream.poll_write(cx, piece);
            }
            if pieces.iter().map(|piece| piece.len()).sum::<usize>() > TOGETHER_BYTES_MAX {
                return stream.poll_write_vectored(cx, pieces);
            }
            TOGETHER.with_borrow_mut(|together| {
                together.clear();
                pieces.iter().for_each(|piece| together.extend_from_slice(piece));
                stream.poll_write(cx, together)
            })
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn who_remembers_a_client_keeps_no_descriptor() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut other_end = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (socket, client) = socket(listener.accept().await.unwrap().0, place);
        assert_eq!(places.available_permits(), 0);
        drop(socket);
        assert_eq!(other_end.read(&mut [0]).await.unwrap(), 0, "it is closed");
        assert_eq!(places.available_permits(), 1);
        std::future::poll_fn(|cx| client.poll_left(cx)).await;
    }
}
