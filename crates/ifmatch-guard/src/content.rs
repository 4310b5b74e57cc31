//! Request content: received completely or not at all.

use crate::spool::{Spool, Spooled, Writing};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use ifmatch_core::{Code, Reason, Refusal};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

/// Room for content that comes in pieces grows from here, in bytes.
const ROOM_BYTES: usize = 4 << 10;

/// The complete content of a request. Holds its share of the memory budget until it is dropped.
#[derive(Debug)]
pub struct Content {
    bytes: Bytes,
    spooled: Option<Spooled>,
    /// Boxed: few have any, and content is handed on from step to step.
    trailers: Option<Box<HeaderMap>>,
    _lease: Lease,
}

impl Content {
    /// The octets; empty if they were [spooled](Content::spooled), which only a pipeline with a [`Spool`] does.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The octets, with their share of the budget given back.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The octets in a file, where they were too many for memory.
    pub fn spooled(&self) -> Option<&Spooled> {
        self.spooled.as_ref()
    }

    /// How many octets there are, wherever.
    pub fn len(&self) -> u64 {
        self.spooled.as_ref().map_or(self.bytes.len() as u64, Spooled::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What came after the content. Conditions in it do not count (RFC 9110, Section 6.5.1).
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }
}

/// How much content all requests together may hold in memory.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    bytes_max: usize,
}

#[derive(Debug)]
pub(crate) struct Lease {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), bytes_max })
    }

    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        Lease { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Lease {
    /// Makes the lease cover `bytes`; refused if that is more than is left.
    pub(crate) fn cover(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = bytes.saturating_sub(self.bytes);
        let before = self.budget.held.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        if before + more <= self.budget.bytes_max {
            return Ok(());
        }
        Err(Refusal::new(Code::Busy)
            .detail("The server holds as much unfinished content in memory as it may.")
            .retry_after(Duration::from_secs(1)))
    }
}

impl Lease {
    /// Gives back all but `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.budget.held.fetch_sub(less, Ordering::Relaxed);
        self.bytes -= less;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bounds on receiving content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContentLimits {
    pub(crate) bytes_max: u64,
    pub(crate) idle_max: Duration,
    pub(crate) total_max: Duration,
}

/// Receives the content to its end, of which the head `declared` how long it is; past what memory is for, into the spool,
/// if there is one.
pub(crate) async fn receive<B>(
    body: &mut B,
    declared: Option<u64>,
    limits: ContentLimits,
    budget: &Arc<Budget>,
    spool: Option<&Spool>,
) -> Result<Content, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut lease = budget.lease();
    let announced = declared.or_else(|| body.size_hint().exact());
    if announced.is_some_and(|bytes| bytes > limits.bytes_max) {
        return Err(too_large(limits.bytes_max));
    }
    let collect = async {
        let (mut pieces, mut writing, mut trailers) = (Pieces::default(), None::<Writing>, None);
        while !body.is_end_stream() {
            let Some(frame) = next(body, limits.idle_max).await? else { break };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(other) => {
                    trailers = other.into_trailers().ok().map(Box::new);
                    continue;
                }
            };
            if data.is_empty() {
                continue;
            }
            let held = pieces.len() + data.len();
            let total = writing.as_ref().map_or(0, Writing::len) + held as u64;
            if total > limits.bytes_max {
                return Err(too_large(limits.bytes_max));
            }
            let room = pieces.room_for(data.len(), announced);
            lease.cover(room.max(held))?;
            pieces.push(data, room);
            if let Some(spool) = spool.filter(|spool| held > spool.in_memory_bytes_max(writing.is_some())) {
                let piece = std::mem::take(&mut pieces).whole();
                writing = Some(spool.write(writing, piece).await?);
                // It waits in a file from now on, and not in memory.
                lease.shrink(0);
            }
        }
        let mut bytes = pieces.whole();
        let spooled = match (writing, spool) {
            (Some(writing), Some(spool)) => {
                let spooled = spool.write(Some(writing), std::mem::take(&mut bytes)).await?.finish();
                lease.shrink(0);
                Some(spooled)
            }
            _ => None,
        };
        Ok((bytes, spooled, trailers))
    };
    let received = {
        // Handed on by reference: a future that is moved on its way would be there twice.
        let collect = pin!(collect);
        within(limits.total_max, collect).await
    };
    let (bytes, spooled, trailers) = received.ok_or_else(too_slow)??;
    let content = Content { bytes, spooled, trailers, _lease: lease };
    // The transport holds the content to its Content-Length; this is belt and braces for transports that do not.
    if declared.is_some_and(|declared| declared != content.len()) {
        return Err(incomplete());
    }
    Ok(content)
}

async fn next<B>(body: &mut B, idle_max: Duration) -> Result<Option<Frame<Bytes>>, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let frame = within(idle_max, body.frame()).await.ok_or_else(too_slow)?;
    frame.transpose().map_err(|_| incomplete())
}

/// What comes of `future` in so much time. What is there at once, as small content is that came with its head, costs
/// no timer and no look at the clock.
async fn within<F: Future + Unpin>(time: Duration, mut future: F) -> Option<F::Output> {
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await {
        return Some(done);
    }
    // Boxed: a timer is large, and every request would have room for it.
    Box::pin(timeout(time, future)).await.ok()
}

/// Content as it comes in. The usual single piece is not copied.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    all: Vec<u8>,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    /// How much room there must be for so much more, in bytes; none for the first piece, which is kept as it is. It doubles
    /// with what really comes: nothing is set aside on somebody's word, which only says where to stop.
    fn room_for(&self, more: usize, announced: Option<u64>) -> usize {
        let (room, held) = (self.all.capacity(), self.len() + more);
        if self.len() == 0 || held <= room {
            return room;
        }
        let announced = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        held.saturating_mul(2).max(ROOM_BYTES).min(announced).max(held)
    }

    /// One more piece, with that much [room](Pieces::room_for) for all of them.
    fn push(&mut self, data: Bytes, room: usize) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if room > self.all.capacity() {
            self.all.reserve_exact(room - self.all.len());
        }
        self.all.extend_from_slice(&std::mem::take(&mut self.first));
        self.all.extend_from_slice(&data);
    }

    fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.into() }
    }
}

/// Reads what is left of a refused request's content and drops it, so that it cannot be taken for the next request
/// and the answer is not lost to a reset. Bounded; past the bounds the connection is closed by dropping the body.
pub(crate) fn discard<B>(mut body: B, limits: ContentLimits)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    if body.is_end_stream() {
        return;
    }
    drop(tokio::spawn(async move {
        let mut seen = 0usize;
        let drain = async {
            while let Ok(Some(Ok(frame))) = timeout(limits.idle_max, body.frame()).await {
                seen += frame.data_ref().map_or(0, Bytes::len);
                if seen as u64 > limits.bytes_max {
                    break;
                }
            }
        };
        let _ = timeout(limits.total_max, drain).await;
    }));
}

fn too_large(bytes_max: u64) -> Refusal {
    Refusal::new(Code::ContentTooLarge).detail(format!("The content is larger than {bytes_max} bytes."))
}

fn too_slow() -> Refusal {
    Refusal::new(Code::RequestTimeout)
}

fn incomplete() -> Refusal {
    Refusal::new(Code::InvalidContent)
        .because(Reason::Other("incomplete"))
        .detail("The content ended before it was complete.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    const LIMITS: ContentLimits =
        ContentLimits { bytes_max: 10, idle_max: Duration::from_secs(5), total_max: Duration::from_secs(5) };

    async fn take(bytes: &'static [u8], budget: &Arc<Budget>) -> Result<Content, Code> {
        take_announced(bytes, None, budget).await
    }

    async fn take_announced(
        bytes: &'static [u8],
        declared: Option<u64>,
        budget: &Arc<Budget>,
    ) -> Result<Content, Code> {
        let mut body = Full::new(Bytes::from_static(bytes));
        receive(&mut body, declared, LIMITS, budget, None).await.map_err(|r| r.code())
    }

    #[tokio::test]
    async fn less_than_announced_is_nothing() {
        let budget = Budget::new(16);
        for cut in [&b""[..], b"0123"] {
            let taken = take_announced(cut, Some(5), &budget).await;
            assert_eq!(taken.err(), Some(Code::InvalidContent));
        }
        assert_eq!(&take_announced(b"01234", Some(5), &budget).await.unwrap().bytes()[..], b"01234");
        assert_eq!(take_announced(b"0", Some(11), &budget).await.err(), Some(Code::ContentTooLarge));
    }

    #[test]
    fn pieces_are_put_together_in_order() {
        let mut pieces = Pieces::default();
        for piece in ["", "ab", "", "c", "def"] {
            let room = pieces.room_for(piece.len(), Some(u64::MAX));
            pieces.push(Bytes::from_static(piece.as_bytes()), room);
        }
        assert_eq!((pieces.len(), &pieces.whole()[..]), (6, &b"abcdef"[..]));
    }

    #[test]
    fn room_grows_with_what_comes_and_not_with_what_is_announced() {
        for announced in [None, Some(1_000_000), Some(u64::MAX)] {
            let mut pieces = Pieces::default();
            for held in 1..3 * ROOM_BYTES {
                let room = pieces.room_for(1, announced);
                pieces.push(Bytes::from_static(b"x"), room);
                assert!(room <= ROOM_BYTES.max(2 * held) && pieces.all.capacity() <= room, "{held}: {room}");
                assert_eq!(held == 1, room == 0, "what comes in one piece is not copied");
            }
        }
        let mut exact = Pieces::default();
        exact.push(Bytes::from(vec![0; 60_000]), 0);
        assert_eq!(exact.room_for(10_000, Some(100_000)), 100_000);
        assert_eq!(exact.room_for(10_000, Some(50_000)), 70_000, "whatever was announced");
    }

    #[tokio::test]
    async fn content_is_bounded_and_the_budget_is_given_back() {
        let budget = Budget::new(16);
        assert_eq!(take(b"01234567890", &budget).await.err(), Some(Code::ContentTooLarge));
        let held = take(b"0123456789", &budget).await.unwrap();
        assert_eq!(&held.bytes()[..], b"0123456789");
        assert_eq!(take(b"0123456789", &budget).await.err(), Some(Code::Busy));
        drop(held);
        assert!(take(b"0123456789", &budget).await.is_ok());
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
