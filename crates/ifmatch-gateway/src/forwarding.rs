//! A write on its way to the upstream, and back.

use crate::gateway::{ATTEMPTS_MAX, Gateway, Unsent};
use crate::head::Purpose;
use crate::read::sending;
use crate::refusals;
use crate::state::Awaited;
use crate::upstream::{Answer, Fresh, Message, Pending, SendError, SendErrorKind, collect};
use crate::write::{ANSWER_WHOLE_BYTES_MAX, Forward, Said, said};
use ifmatch_core::Refusal;
use ifmatch_guard::Content;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Why there is no answer to a write.
pub(crate) enum Lost {
    /// Nothing of it was sent.
    Before(Refusal),
    /// It may land; its answer may still come.
    After(SendError, Option<Box<Pending>>),
}

impl Gateway {
    /// Sends the write and waits for the head of its answer.
    pub(crate) async fn exchange(
        &self,
        forward: &Forward,
        content: &Content,
        began: Instant,
    ) -> Result<Answer, Lost> {
        let request = || {
            let purpose = Purpose::Judged(forward.demand.as_ref());
            self.outgoing(&forward.x, &forward.x.method, purpose, sending(content))
        };
        let mut pending = match self.start(request).await {
            Ok(pending) => pending,
            Err(Unsent::Before(refusal)) => return Err(Lost::Before(refusal)),
            // It broke while it was being written.
            Err(Unsent::After(error)) => return Err(Lost::After(error, None)),
        };
        // Once it is given up nothing of it may arrive any more: how long it is in doubt counts from then.
        pending.cut_when_dropped();
        self.stats.forwarded.add();
        let head = pending.head(self.answer_max(&forward.route)).await;
        self.stats.route(forward.x.policy.ordinal).upstream_durations.add(began.elapsed());
        head.map_err(|error| Lost::After(error, Some(Box::new(pending))))
    }

    /// Sends a write on a connection that is surely open, or on another one as long as not one byte has left.
    pub(crate) async fn start(&self, request: impl Fn() -> Message) -> Result<Pending, Unsent> {
        let mut attempt = 1;
        loop {
            let connected = self.upstream.connect(Fresh::Recent).await;
            let connection = connected.map_err(|error| Unsent::Before(refusals::unreachable(&error)))?;
            match connection.start(request()) {
                Ok(pending) => return Ok(pending),
                Err(error) if error.kind != SendErrorKind::NotSent => return Err(Unsent::After(error)),
                Err(_) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(Unsent::Before(refusals::unanswered(&error))),
            }
        }
    }

    /// The client was told that nobody knows; if the answer comes after all, nobody has to wait any longer. `time` is as long
    /// as the write is in doubt: then the connection is cut, and only then others go on.
    pub(crate) fn wait_on(awaited: Awaited, pending: Box<Pending>, time: Duration) {
        drop(tokio::spawn(async move {
            if timeout(time, is_concluded(pending, time)).await.is_ok_and(|ends| ends) {
                awaited.settle();
            }
        }));
    }
}

/// Whether the answer comes, completely, and says what became of the write.
async fn is_concluded(mut pending: Box<Pending>, time: Duration) -> bool {
    let Ok(answer) = pending.head(time).await else { return false };
    let (status, early) = (answer.response.status(), !answer.all_content_sent());
    let complete = collect(answer.response.into_body(), ANSWER_WHOLE_BYTES_MAX).await.is_ok();
    complete
        && match said(status) {
            Said::No => true,
            Said::Yes | Said::Perhaps => !early,
            Said::Nothing => false,
        }
}
