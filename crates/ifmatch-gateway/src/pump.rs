//! Long answers to writes: drained however slowly the client reads, because a write's turn waits for their end.

use crate::body::{Budget, GatewayBody, Lease};
use crate::upstream::{BodyError, ResponseBody};
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A piece of an answer on its way to the client. Gives its memory back when it is dropped.
pub(crate) struct Piece {
    pub(crate) frame: Result<Frame<Bytes>, BodyError>,
    _lease: Option<Lease>,
    waiting: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The pieces, as the client takes them.
pub(crate) type Pieces = UnboundedReceiver<Piece>;

/// Reads an answer in a task of its own, and hands it on as it comes. The client does not hold that up: what it has not
/// taken waits, up to `bytes_max` and as long as `budget` has room; past that its answer is cut, and the rest is still
/// read, up to `bytes_max`. Then `ended` is told whether the answer was complete.
pub(crate) fn drained(
    so_far: Bytes,
    mut rest: ResponseBody,
    bytes_max: usize,
    budget: &Arc<Budget>,
    ended: impl FnOnce(bool) + Send + 'static,
) -> GatewayBody {
    let length = rest.size_hint().exact().map(|left| left + so_far.len() as u64);
    let (pieces, client) = unbounded_channel();
    let budget = Arc::clone(budget);
    drop(tokio::spawn(async move {
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut client = Some(pieces);
        let mut unread = 0;
        hand_on(&mut client, Ok(Frame::data(so_far)), &waiting, bytes_max, &budget);
        while let Some(frame) = rest.frame().await {
            let failed = frame.is_err();
            let bytes = frame.as_ref().map_or(0, data_len);
            hand_on(&mut client, frame, &waiting, bytes_max, &budget);
            if client.is_none() {
                unread += bytes;
            }
            if failed || unread > bytes_max {
                break;
            }
        }
        ended(rest.is_complete());
    }));
    GatewayBody::pumped(client, length)
}

fn hand_on(
    client: &mut Option<UnboundedSender<Piece>>,
    frame: Result<Frame<Bytes>, BodyError>,
    waiting: &Arc<AtomicUsize>,
    bytes_max: usize,
    budget: &Arc<Budget>,
) {
    let Some(to) = client.as_ref() else { return };
    let bytes = frame.as_ref().map_or(0, data_len);
    let lease = if bytes > 0 { budget.lease(bytes) } else { None };
    let before = waiting.fetch_add(bytes, Ordering::Relaxed);
    let has_room = before + bytes <= bytes_max && (bytes == 0 || lease.is_some());
    let piece = Piece { frame, _lease: lease, waiting: Arc::clone(waiting), bytes };
    if !has_room {
        // What is there still goes out, and then it is seen that something is missing.
        drop(to.send(Piece {
            frame: Err(BodyError::Idle),
            _lease: None,
            waiting: Arc::clone(waiting),
            bytes: 0,
        }));
        *client = None;
    } else if to.send(piece).is_err() {
        *client = None;
    }
}

fn data_len(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len)
}
