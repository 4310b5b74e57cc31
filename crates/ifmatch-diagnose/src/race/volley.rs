//! Writes that are sent together.

use super::reasons::Halt;
use super::reply::Reply;
use super::session::{Session, read_request};
use core::time::Duration;
use ifmatch_client::wire::{Gate, Request};
use std::time::Instant;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

/// How long is waited until all are ready to go; those that are go then.
const READY_MAX: Duration = Duration::from_secs(10);

/// Waits between the releases of a volley, by its turn: most volleys go at once, the others find windows that begin late.
const SPREAD_US: [u64; 10] = [0, 0, 100, 0, 300, 0, 1000, 0, 50, 3000];

impl Session<'_> {
    /// Sends writes together, each as a writer of its own: connections stand and all but the last byte is sent before the
    /// last bytes go. What came of each, in their order. `turn` counts the volleys of a test.
    pub(super) async fn volley(&mut self, requests: Vec<Request>, turn: u32) -> Result<Vec<Reply>, Halt> {
        let count = requests.len();
        self.writers(count)?;
        self.warm(&requests).await?;
        self.pace(u32::try_from(count).unwrap_or(u32::MAX)).await;
        let gates: Vec<_> = requests.iter().map(|_| Gate::new()).collect();
        let mut sent = JoinSet::new();
        for (index, ((request, gate), http)) in
            requests.into_iter().zip(&gates).zip(&self.writers).enumerate()
        {
            let (http, gate) = (http.clone(), gate.clone());
            sent.spawn(async move { (index, Reply::of(http.send_held(&request, &gate).await)) });
        }
        let mut replies = ready(&mut sent, &gates).await;
        release(&gates, turn).await;
        while let Some(done) = sent.join_next().await {
            replies.extend(done.ok());
        }
        replies.sort_by_key(|(index, _)| *index);
        let replies: Vec<_> = replies.into_iter().map(|(_, reply)| reply).collect();
        self.after(&replies).await?;
        Ok(replies)
    }

    /// What has no content goes as a whole when the others' last bytes go, so its connection has to stand before.
    async fn warm(&mut self, requests: &[Request]) -> Result<(), Halt> {
        for (index, request) in requests.iter().enumerate() {
            if request.content.as_ref().is_none_or(bytes::Bytes::is_empty) {
                let http = self.writers.get(index).unwrap_or(&self.reader).clone();
                self.pace(1).await;
                // Whatever it says: the connection is what is wanted.
                drop(http.send(&read_request(request.url.clone())).await);
            }
        }
        Ok(())
    }

    /// Waits if the server asked for it.
    async fn after(&mut self, replies: &[Reply]) -> Result<(), Halt> {
        let mut longest = Duration::ZERO;
        let mut unsent = None;
        for reply in replies {
            self.note_write(reply);
            match reply {
                Reply::Status { wait, .. } => longest = longest.max(wait.unwrap_or_default()),
                Reply::None(error) => {
                    self.unanswered += 1;
                    unsent = Some(error);
                }
            }
        }
        self.pause(longest).await;
        match unsent {
            Some(error) if replies.iter().all(|reply| reply.status().is_none()) => {
                Err(Halt::Lost(error.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// Waits until each is ready to go or over, and gives those that are over.
async fn ready(sent: &mut JoinSet<(usize, Reply)>, gates: &[Gate]) -> Vec<(usize, Reply)> {
    let mut over: Vec<(usize, Reply)> = Vec::new();
    let all = async {
        for (index, gate) in gates.iter().enumerate() {
            while !over.iter().any(|(done, _)| *done == index) {
                tokio::select! {
                    () = gate.armed(1) => break,
                    Some(done) = sent.join_next() => over.extend(done.ok()),
                    else => break,
                }
            }
        }
    };
    // Past the time those that are ready go; what is not is late in this volley.
    drop(timeout(READY_MAX, all).await);
    over
}

/// Lets them go: at once, or one shortly after the other.
async fn release(gates: &[Gate], turn: u32) {
    let spread = SPREAD_US.get(turn as usize % SPREAD_US.len()).copied().unwrap_or_default();
    let spread = Duration::from_micros(spread);
    let started = Instant::now();
    for (gate, index) in gates.iter().zip(0_u32..) {
        // Timers are not as fine as this.
        while started.elapsed() < spread * index {
            yield_now().await;
        }
        gate.open();
    }
}
