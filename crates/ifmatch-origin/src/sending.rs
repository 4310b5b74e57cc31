//! How much content may be on its way to clients at a time: readers that take theirs slowly must not fill the memory.

use bytes::Bytes;
use ifmatch_core::{Code, Refusal};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Most content in all answers that have not been sent completely, in bytes (512 MiB). Past it: 503.
pub const SENDING_BYTES_MAX: usize = 512 << 20;

/// Smaller content is not counted; it costs less than the connection it is sent on.
const COUNTED_FROM_BYTES: usize = 4 << 10;

/// The content that is being sent.
#[derive(Debug)]
pub(crate) struct Sending {
    held: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Sending {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { held: Arc::default(), bytes_max }
    }

    /// The same content, counted until its last octet is sent or given up.
    pub(crate) fn counted(&self, content: Bytes) -> Result<Bytes, Refusal> {
        if content.len() < COUNTED_FROM_BYTES {
            return Ok(content);
        }
        let before = self.held.fetch_add(content.len(), Ordering::Relaxed);
        let counted = Counted { content, held: Arc::clone(&self.held) };
        if before + counted.content.len() > self.bytes_max {
            return Err(Refusal::new(Code::Busy)
                .detail("As much content as may be in memory is on its way to clients already.")
                .retry_after(Duration::from_secs(1)));
        }
        Ok(Bytes::from_owner(counted))
    }
}

struct Counted {
    content: Bytes,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.content.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_sent_is_bounded_and_given_back() {
        let sending = Sending::new(10 << 10);
        let content = Bytes::from(vec![7; 6 << 10]);
        let first = sending.counted(content.clone()).unwrap();
        assert_eq!(first, content);
        let part = first.slice(1..2);
        drop(first);
        assert_eq!(sending.counted(content.clone()).unwrap_err().code(), Code::Busy);
        assert!(sending.counted(Bytes::from_static(b"small")).is_ok());
        drop(part);
        assert!(sending.counted(content).is_ok());
        assert_eq!(sending.held.load(Ordering::Relaxed), 0);
    }
}
