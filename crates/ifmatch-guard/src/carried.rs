//! Work that is done to its end, whether or not somebody waits for it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// A future that goes on in a task of its own once it is dropped unfinished. As long as somebody waits for it, it is
/// polled in place: a task from the beginning would be made, queued and woken for every one of them.
///
/// A panic inside is an error outside.
pub(crate) struct Carried<F: Future<Output: Send> + Send + 'static> {
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
    /// Where it goes on; whoever drops it may be outside of the runtime.
    runtime: Handle,
}

/// It panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

impl<F: Future<Output: Send> + Send + 'static> Carried<F> {
    /// Takes the work over. It begins with the first poll, or in its task if it is dropped before that.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn new(future: F) -> Self {
        // Boxed: it moves when it gets its task, and it is large.
        Self { future: Some(Box::pin(future)), runtime: Handle::current() }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Carried<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Ready(Err(Panicked)) };
        // What unwound is dropped here and never looked at again.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        if let Ok(Poll::Pending) = polled {
            return Poll::Pending;
        }
        self.future = None;
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Carried<F> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            // If the runtime is going down the future is dropped, which says what there is to say.
            drop(self.runtime.spawn(future));
        }
    }
}
