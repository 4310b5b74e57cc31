//! Collects operations from many threads, with one clock for all.

use super::{Call, History, Operation, Version};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shared by all clients of one resource in one test.
///
/// Its clock is a counter: it ticks at each call, so that of two ticks the earlier in real time is the lower.
#[derive(Debug, Default)]
pub struct Recorder {
    clock: AtomicU64,
    operations: Mutex<Vec<Operation>>,
}

impl Recorder {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Call just before an operation is sent, and keep the result for [`Recorder::answered`].
    pub fn invoked(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Call as soon as the answer is in, or is known never to come.
    pub fn answered(&self, client: impl Into<String>, invoked: u64, call: Call) {
        let returned = self.clock.fetch_add(1, Ordering::SeqCst);
        let operation = Operation { client: client.into(), invoked, returned, call };
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }

    /// What was recorded, in the order of invocation.
    pub fn history(&self, initial: Option<Version>) -> History {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        operations.sort_by_key(|operation| operation.invoked);
        History { initial, operations }
    }
}
