//! The line in front of the one writer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::model::{Committed, Transaction};

/// Transactions that may wait. Past it: [`StoreError::Busy`].
pub(super) const QUEUE_TRANSACTIONS_MAX: usize = 4096;

/// Bytes that may wait (64 MiB), unless the line is empty. Past it: [`StoreError::Busy`].
pub(super) const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Transactions committed as one group. More wait for the next one: a group is as long as its slowest answer.
pub(super) const GROUP_TRANSACTIONS_MAX: usize = 256;

/// Bytes committed as one group (4 MiB), unless a single transaction has more.
pub(super) const GROUP_BYTES_MAX: usize = 4 << 20;

pub(super) type Answer = Result<Committed, StoreError>;

/// A transaction that waits, and who waits for it.
pub(super) struct Job {
    pub(super) transaction: Transaction,
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What the writer is woken for.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Woken {
    /// There are transactions.
    Jobs,
    /// There are none, but the time is up or someone called.
    Nothing,
    /// There are none and will be none.
    Closed,
}

#[derive(Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    wake: Condvar,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
    nudged: bool,
    writer_sleeps: bool,
}

/// Why a transaction was not admitted.
pub(super) enum NotAdmitted {
    Busy { waiting: usize },
    Closed,
}

impl Queue {
    pub(super) fn push(&self, job: Job) -> Result<(), NotAdmitted> {
        let mut line = self.line.lock();
        if line.closed {
            return Err(NotAdmitted::Closed);
        }
        let waiting = line.jobs.len();
        if waiting >= QUEUE_TRANSACTIONS_MAX || (waiting > 0 && line.bytes + job.bytes > QUEUE_BYTES_MAX) {
            return Err(NotAdmitted::Busy { waiting });
        }
        line.bytes += job.bytes;
        line.jobs.push_back(job);
        self.call(line.writer_sleeps);
        Ok(())
    }

    /// Waits for something to do, and moves the next group into `group`.
    pub(super) fn take(&self, group: &mut Vec<Job>, patience: Duration) -> Woken {
        let until = Instant::now() + patience;
        let mut line = self.line.lock();
        while line.jobs.is_empty() {
            if line.closed {
                return Woken::Closed;
            }
            if std::mem::take(&mut line.nudged) {
                return Woken::Nothing;
            }
            line.writer_sleeps = true;
            let timed_out = self.wake.wait_until(&mut line, until).timed_out();
            line.writer_sleeps = false;
            if timed_out && line.jobs.is_empty() {
                return Woken::Nothing;
            }
        }
        let mut bytes = 0;
        while let Some(next) = line.jobs.front() {
            if group.len() == GROUP_TRANSACTIONS_MAX
                || (!group.is_empty() && bytes + next.bytes > GROUP_BYTES_MAX)
            {
                break;
            }
            bytes += next.bytes;
            line.bytes -= next.bytes;
            group.extend(line.jobs.pop_front());
        }
        Woken::Jobs
    }

    /// Makes the writer look around though there may be nothing to write.
    pub(super) fn nudge(&self) {
        let mut line = self.line.lock();
        line.nudged = true;
        self.call(line.writer_sleeps);
    }

    /// Admits nothing more. What waits is still written.
    pub(super) fn close(&self) {
        let mut line = self.line.lock();
        line.closed = true;
        self.call(line.writer_sleeps);
    }

    pub(super) fn len(&self) -> usize {
        self.line.lock().jobs.len()
    }

    /// Waking costs a system call, so it is done only for a writer that sleeps.
    fn call(&self, writer_sleeps: bool) {
        if writer_sleeps {
            self.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(bytes: usize) -> Job {
        Job { transaction: Transaction::new(), bytes, answer: oneshot::channel().0 }
    }

    fn taken(queue: &Queue) -> usize {
        let mut group = Vec::new();
        assert_eq!(queue.take(&mut group, Duration::ZERO), Woken::Jobs);
        group.len()
    }

    #[test]
    fn admits_up_to_its_limits() {
        let queue = Queue::default();
        for _ in 0..QUEUE_TRANSACTIONS_MAX {
            assert!(queue.push(job(1)).is_ok());
        }
        assert!(matches!(queue.push(job(1)), Err(NotAdmitted::Busy { waiting: QUEUE_TRANSACTIONS_MAX })));
        assert_eq!(taken(&queue), GROUP_TRANSACTIONS_MAX);
        assert!(queue.push(job(QUEUE_BYTES_MAX)).is_err());
        assert!(queue.push(job(1)).is_ok());
    }

    #[test]
    fn large_transactions_go_alone() {
        let queue = Queue::default();
        for bytes in [QUEUE_BYTES_MAX * 2, 1, 1] {
            // The first is larger than the whole line, but nothing waits: it is admitted. The others are not, until
            // it has gone.
            if queue.push(job(bytes)).is_err() {
                assert_eq!(taken(&queue), 1);
                assert!(queue.push(job(bytes)).is_ok());
            }
        }
        for _ in 0..3 {
            assert!(queue.push(job(GROUP_BYTES_MAX / 2)).is_ok());
        }
        assert_eq!(taken(&queue), 3);
        assert_eq!(taken(&queue), 2);
    }

    #[test]
    fn closing_lets_what_waits_through() {
        let queue = Queue::default();
        assert!(queue.push(job(1)).is_ok());
        queue.close();
        assert!(matches!(queue.push(job(1)), Err(NotAdmitted::Closed)));
        assert_eq!(taken(&queue), 1);
        assert_eq!(queue.take(&mut Vec::new(), Duration::MAX / 4), Woken::Closed);
    }
}
