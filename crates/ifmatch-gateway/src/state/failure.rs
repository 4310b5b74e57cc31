//! That a file could not be written: once, for good, for everybody.

use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once; cleared by a restart only.
#[derive(Default)]
pub(super) struct Failure {
    happened: AtomicBool,
    why: Mutex<Option<String>>,
}

impl Failure {
    pub(super) fn happened(&self) -> bool {
        self.happened.load(Ordering::Acquire)
    }

    /// The first one is kept.
    pub(super) fn note(&self, path: &Path, cause: &io::Error) {
        let mut why = self.why.lock();
        if why.is_none() {
            tracing::error!(file = %path.display(), error = %cause, "the state can no longer be written; guarded writes are refused until a restart");
            *why = Some(format!("{} can no longer be written: {cause}", path.display()));
        }
        self.happened.store(true, Ordering::Release);
    }

    pub(super) fn why(&self) -> Option<String> {
        if self.happened() { self.why.lock().clone() } else { None }
    }
}
