//! What one connection's parts tell each other: who is to be woken, and what went over the wire.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Wake, Waker};

/// The connection is being polled: a wake needs no task, whoever polls looks at [`WOKEN`] afterwards.
const INSIDE: u8 = 1;
/// Something happened since the connection was last driven.
const WOKEN: u8 = 2;
/// What hyper has ready is taken from it: it wakes itself to go on, which it is made to when it is driven next.
const TAKING: u8 = 4;

/// Shared by a connection, its socket and the content that is sent over it.
///
/// It is the one waker that hyper, the socket and the timer of a connection ever see, whichever task waits for the
/// connection: they need not be told when the connection changes hands, and what hyper wakes while it is being polled
/// anyway costs no turn of the scheduler.
#[derive(Debug, Default)]
pub(super) struct Signal {
    state: AtomicU8,
    listener: Mutex<Option<Waker>>,
    /// Bytes of this exchange that the kernel accepted.
    written: AtomicU64,
    /// Bytes of this exchange that came in.
    read: AtomicU64,
    /// The content was handed to hyper to its end.
    ended: AtomicBool,
    /// ... and since then the kernel has accepted everything.
    sent: AtomicBool,
    /// The content could not be had.
    failed: AtomicBool,
    /// Whether the end of the stream is looked for in the socket itself before anything is written.
    verify: AtomicBool,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.load(Ordering::Acquire) & TAKING != 0
            || self.state.fetch_or(WOKEN, Ordering::AcqRel) & INSIDE != 0
        {
            return;
        }
        let listener = self.listener.lock().clone();
        if let Some(waker) = listener {
            waker.wake();
        }
    }
}

impl Signal {
    /// From now on `waker` is who waits for the connection.
    pub(super) fn listen(&self, waker: &Waker) {
        let mut listener = self.listener.lock();
        match &mut *listener {
            Some(present) => present.clone_from(waker),
            None => *listener = Some(waker.clone()),
        }
    }

    /// Before the connection is driven: what happened so far will be seen.
    pub(super) fn enter(&self) {
        self.state.store(INSIDE, Ordering::Release);
    }

    /// After it was driven.
    pub(super) fn leave(&self) {
        self.state.fetch_and(!INSIDE, Ordering::AcqRel);
    }

    /// Before something is taken from hyper. Wakes are not remembered until [`Signal::taken`], so if there was nothing
    /// to take the connection has to be driven.
    pub(super) fn take(&self) {
        self.state.fetch_or(TAKING, Ordering::AcqRel);
    }

    /// After something was taken.
    pub(super) fn taken(&self) {
        self.state.fetch_and(!TAKING, Ordering::AcqRel);
    }

    /// Whether something happened since the connection was last driven.
    pub(super) fn is_woken(&self) -> bool {
        self.state.load(Ordering::Acquire) & WOKEN != 0
    }

    /// A new exchange begins; `ended` if it has no content, `verify` if the connection may have been closed.
    pub(super) fn begin(&self, ended: bool, verify: bool) {
        self.written.store(0, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        self.ended.store(ended, Ordering::Relaxed);
        self.sent.store(false, Ordering::Relaxed);
        self.failed.store(false, Ordering::Relaxed);
        self.verify.store(verify, Ordering::Relaxed);
    }

    pub(super) fn count_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The content was handed over to its end.
    pub(super) fn content_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn content_failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_content_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Nothing is left that the kernel has not accepted.
    pub(super) fn flushed(&self) {
        if self.ended.load(Ordering::Relaxed) && self.written() > 0 {
            self.sent.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the request went out to its end.
    pub(super) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether the socket is to be looked into; asked once.
    pub(super) fn take_verify(&self) -> bool {
        self.verify.load(Ordering::Relaxed) && self.verify.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_wake_from_inside_is_remembered_and_wakes_nobody() {
        let (signal, count) = (Arc::new(Signal::default()), Arc::new(Count::default()));
        signal.listen(&Waker::from(Arc::clone(&count)));
        signal.enter();
        signal.wake_by_ref();
        signal.leave();
        assert!(signal.is_woken());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        signal.enter();
        signal.leave();
        assert!(!signal.is_woken());
        signal.wake_by_ref();
        assert!(signal.is_woken());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        signal.take();
        signal.taken();
        assert!(signal.is_woken(), "only driving the connection forgets");
    }

    #[test]
    fn what_is_taken_is_no_event() {
        let (signal, count) = (Arc::new(Signal::default()), Arc::new(Count::default()));
        signal.listen(&Waker::from(Arc::clone(&count)));
        signal.take();
        signal.wake_by_ref();
        signal.taken();
        assert!(!signal.is_woken());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        signal.wake_by_ref();
        assert!(signal.is_woken());
    }

    #[test]
    fn nothing_is_sent_before_it_ended_and_something_was_written() {
        let signal = Signal::default();
        signal.begin(true, false);
        signal.flushed();
        assert!(!signal.is_sent(), "a flush of nothing");
        signal.count_written(1);
        signal.flushed();
        assert!(signal.is_sent());
        signal.begin(false, false);
        signal.count_written(1);
        signal.flushed();
        assert!(!signal.is_sent());
        signal.content_ended();
        assert!(!signal.is_sent());
        signal.flushed();
        assert!(signal.is_sent());
    }
}
