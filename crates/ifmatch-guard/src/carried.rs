//! Work that is done to its end, whether or not somebody waits for it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How much work goes on in tasks of its own, in the whole process: whoever stops has to wait for all of it.
static UNDER_WAY: LazyLock<watch::Sender<usize>> = LazyLock::new(watch::Sender::default);

/// One of them.
struct UnderWay;

impl UnderWay {
    fn begins() -> Self {
        UNDER_WAY.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.send_modify(|count| *count -= 1);
    }
}

/// Does something in a task of its own that [`all_carried`] waits for.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn carry(work: impl Future<Output: Send> + Send + 'static) {
    carry_on(&Handle::current(), work);
}

fn carry_on(runtime: &Handle, work: impl Future<Output: Send> + Send + 'static) {
    let under_way = UnderWay::begins();
    // If the runtime is going down it is dropped, which says what there is to say.
    drop(runtime.spawn(async move {
        let _under_way = under_way;
        work.await
    }));
}

/// Ends when no write goes on whose client has left, in this process. Who stops a server waits for it when its connections
/// have ended, for as long as they want to: what is still under way when its runtime ends is dropped, and nobody knows
/// what became of it.
pub async fn all_carried() {
    // The sender is never dropped.
    drop(UNDER_WAY.subscribe().wait_for(|count| *count == 0).await);
}

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
            carry_on(&self.runtime, future);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Waker;
    use tokio::runtime::Builder;
    use tokio::sync::oneshot;

    #[test]
    fn what_is_dropped_outside_of_the_runtime_goes_on_to_its_end() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let inside = runtime.enter();
        let (go_on, may_go_on) = oneshot::channel();
        let (done, is_done) = oneshot::channel();
        let mut carried = Box::pin(Carried::new(async move { done.send(may_go_on.await) }));
        drop(inside);
        assert!(carried.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(carried);
        let mut all = Box::pin(all_carried());
        assert!(all.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        go_on.send(7).unwrap();
        assert_eq!(runtime.block_on(is_done), Ok(Ok(7)));
        runtime.block_on(all);
    }

    #[test]
    fn what_ends_with_its_runtime_is_not_waited_for() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let inside = runtime.enter();
        carry(std::future::pending::<()>());
        drop(inside);
        drop(runtime);
        Builder::new_current_thread().build().unwrap().block_on(all_carried());
    }

    #[tokio::test]
    async fn what_has_ended_does_not_begin_again_and_a_panic_stays_inside() {
        let (done, is_done) = oneshot::channel();
        let carried = Carried::new(async move { done.send(()) });
        assert!(matches!(carried.await, Ok(Ok(()))));
        assert_eq!(is_done.await, Ok(()));
        let mut carried = pin!(Carried::new(async { panic!("as it should") }));
        let ended: Result<(), Panicked> = carried.as_mut().await;
        assert!(ended.is_err());
    }
}
