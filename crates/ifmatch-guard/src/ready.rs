//! Work in rounds: what many requests do next is done for all of them together.

use std::future::poll_fn;
use std::task::Poll;

/// Lets every task that is ready now go first, once. Whoever asks for it before they send gathers with all others that are about
/// to send, and their messages leave one right behind the other. Where each left by itself, with the work on the next in between,
/// whoever they are for on this machine would be asleep again each time, and to wake a sleeping core costs more than to send.
/// Costs a second poll; where nothing else is ready, no more than that. On a runtime with one thread tasks take turns in the order in
/// which they were woken; with several threads nothing is promised.
pub async fn behind_the_ready() {
    let mut asked = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::behind_the_ready;
    use std::cell::RefCell;
    use std::rc::Rc;
    use tokio::task::LocalSet;

    #[tokio::test]
    async fn all_that_are_ready_get_there_before_one_goes_on() {
        let steps = Rc::<RefCell<Vec<&str>>>::default();
        let local = LocalSet::new();
        for (one, two) in [("a1", "a2"), ("b1", "b2"), ("c1", "c2")] {
            let steps = Rc::clone(&steps);
            local.spawn_local(async move {
                steps.borrow_mut().push(one);
                behind_the_ready().await;
                steps.borrow_mut().push(two);
            });
        }
        local.await;
        assert_eq!(*steps.borrow(), ["a1", "b1", "c1", "a2", "b2", "c2"]);
    }
}
