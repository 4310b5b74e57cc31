//! Requests that are sent together: all of each but its last byte goes out, then the last bytes at once.
//!
//! So the spread between the requests at the server is that of one small packet each, not that of connecting, of a TLS
//! handshake, and of whole contents.

use bytes::Bytes;
use core::pin::Pin;
use core::task::{Context, Poll};
use http_body::{Body, Frame, SizeHint};
use std::sync::Arc;
use tokio::sync::watch;

/// Holds requests back, and lets them go at once.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Ends>);

#[derive(Debug)]
struct Ends {
    armed: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Ends { armed: watch::Sender::new(0), open: watch::Sender::new(false) }))
    }
}

impl Gate {
    /// A closed one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until so many requests are sent but for their last byte. One that fails before (no connection) is never among
    /// them, so look at the requests meanwhile.
    pub async fn armed(&self, requests: usize) {
        let mut count = self.0.armed.subscribe();
        until(&mut count, |&armed| armed >= requests).await;
    }

    /// Lets them go.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Waits until it is open; for a request that has no content to hold back.
    pub async fn wait(&self) {
        self.0.armed.send_modify(|armed| *armed += 1);
        let mut open = self.0.open.subscribe();
        until(&mut open, |&open| open).await;
    }
}

async fn until<T>(value: &mut watch::Receiver<T>, is: impl FnMut(&T) -> bool) {
    // Its sender is in the gate, which whoever waits here has.
    drop(value.wait_for(is).await);
}

/// Content whose last byte waits at a [`Gate`].
pub struct Held {
    first: Option<Bytes>,
    last: Option<Bytes>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    gate: Gate,
}

impl Held {
    /// Empty content has no byte to hold back: it goes out at once.
    pub fn new(mut content: Bytes, gate: &Gate) -> Self {
        let last = (!content.is_empty()).then(|| content.split_off(content.len() - 1));
        Self { first: (!content.is_empty()).then_some(content), last, waiting: None, gate: gate.clone() }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = core::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.last.is_none() {
            return Poll::Ready(None);
        }
        // Asked for more: what came before is in the connection's hands.
        let gate = self.gate.clone();
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(async move { gate.wait().await }));
        match waiting.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(self.last.take().map(|last| Ok(Frame::data(last)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.last.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact((bytes(&self.first) + bytes(&self.last)) as u64)
    }
}
