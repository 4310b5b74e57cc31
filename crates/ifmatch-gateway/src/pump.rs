//! Long answers to writes: drained however slowly the client reads, because a write's turn waits for their end.

use crate::body::{Budget, GatewayBody, Lease};
use crate::state::{InFlight, State};
use crate::upstream::{BodyError, ResponseBody};
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use ifmatch_guard::{Turn, carry};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

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

/// What bounds the rest of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// How much waits for the client, and how much is read for nobody, in bytes.
    pub(crate) bytes_max: usize,
    /// How long a turn waits for it. Then the write is in doubt, and the answer goes on for a client that is there.
    pub(crate) time_max: Duration,
}

/// A write whose answer has begun. Dropped without its end it is in doubt, before others have their turn.
pub(crate) struct Open {
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) turns: Option<(Turn, Option<Turn>)>,
    /// Whether the count advances at the end.
    pub(crate) changes: bool,
    /// How long it is in doubt if there is no end.
    pub(crate) late: Duration,
    pub(crate) state: Arc<State>,
    /// In doubt already, because the answer does not end.
    pub(crate) overdue: Option<u64>,
}

impl Open {
    /// Nobody waits for the end any more.
    fn overdue(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            self.overdue = Some(in_flight.id());
            in_flight.doubt(self.late);
        }
        self.turns = None;
    }

    fn ended(mut self, complete: bool) {
        match (self.in_flight.take(), self.overdue.take()) {
            (Some(in_flight), _) if complete => drop(in_flight.end(self.changes)),
            (Some(in_flight), _) => in_flight.doubt(self.late),
            (None, Some(id)) if complete => drop(self.state.settle(id)),
            (None, _) => {}
        }
    }
}

/// Reads an answer in a task of its own, and hands it on as it comes. The client does not hold that up: what it has not
/// taken waits, up to `bytes_max` and as long as `budget` has room; past that its answer is cut, and the rest is still
/// read, up to `bytes_max`. Past `time_max` it is read only for a client that takes it.
pub(crate) fn drained(
    so_far: Bytes,
    rest: ResponseBody,
    bounds: Bounds,
    budget: &Arc<Budget>,
    open: Open,
) -> GatewayBody {
    let length = rest.size_hint().exact().map(|left| left + so_far.len() as u64);
    let (pieces, client) = unbounded_channel();
    let to = To {
        client: Some(pieces),
        waiting: Arc::default(),
        bytes_max: bounds.bytes_max,
        budget: Arc::clone(budget),
    };
    carry(drain(so_far, rest, bounds, to, open));
    GatewayBody::pumped(client, length)
}

async fn drain(so_far: Bytes, mut rest: ResponseBody, bounds: Bounds, mut to: To, mut open: Open) {
    let mut unread = 0;
    let mut time = pin!(sleep(bounds.time_max));
    let mut is_over = false;
    to.hand_on(Ok(Frame::data(so_far)));
    loop {
        let frame = tokio::select! {
            biased;
            () = &mut time, if !is_over => {
                // What has not left by now must not arrive any more.
                if to.client.is_none() || !rest.has_left() {
                    break;
                }
                is_over = true;
                open.overdue();
                continue;
            }
            () = to.left(), if is_over => break,
            frame = rest.frame() => frame,
        };
        let Some(frame) = frame else { break };
        let failed = frame.is_err();
        let bytes = frame.as_ref().map_or(0, data_len);
        to.hand_on(frame);
        if to.client.is_none() {
            unread += bytes;
        }
        if failed || unread > bounds.bytes_max {
            break;
        }
    }
    let complete = rest.is_complete();
    if !complete {
        // So that it does not look like the end.
        to.hand_on(Err(BodyError::Idle));
    }
    // With the connection, if there still is one: the time of doubt counts from its end.
    drop(rest);
    open.ended(complete);
}

/// The client, as long as it is there and not too far behind.
struct To {
    client: Option<UnboundedSender<Piece>>,
    waiting: Arc<AtomicUsize>,
    bytes_max: usize,
    budget: Arc<Budget>,
}

impl To {
    fn hand_on(&mut self, frame: Result<Frame<Bytes>, BodyError>) {
        let Some(to) = &self.client else { return };
        let bytes = frame.as_ref().map_or(0, data_len);
        let lease = if bytes > 0 { self.budget.lease(bytes) } else { None };
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let has_room = before + bytes <= self.bytes_max && (bytes == 0 || lease.is_some());
        let piece = Piece { frame, _lease: lease, waiting: Arc::clone(&self.waiting), bytes };
        if !has_room {
            // What is there still goes out, and then it is seen that something is missing.
            drop(to.send(Piece {
                frame: Err(BodyError::Idle),
                _lease: None,
                waiting: Arc::clone(&self.waiting),
                bytes: 0,
            }));
            self.client = None;
        } else if to.send(piece).is_err() {
            self.client = None;
        }
    }

    /// Ends when nobody takes the answer any more.
    async fn left(&self) {
        if let Some(client) = &self.client {
            client.closed().await;
        }
    }
}

fn data_len(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len)
}
