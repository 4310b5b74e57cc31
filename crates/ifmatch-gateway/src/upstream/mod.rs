//! The client side: exchanges with the upstream over HTTP/1.1, on connections that are kept.
//!
//! Our own, where elsewhere hyper speaks HTTP, so that what is told about a request that failed is known, not believed: what
//! the kernel accepted is counted ([`SendErrorKind::NotSent`]), and so is whether the content went out to its end
//! ([`Answer::all_content_sent`]). And because it costs half: ADR 0011.
//!
//! A connection has no task. Whoever waits for the answer drives it, and so a request costs no hop between tasks. Only
//! if an answer comes before all content was sent, the rest of the content gets a task. Each core keeps its own idle
//! connections, and looks after them.

#[cfg(test)]
mod against_hyper;
mod body;
mod connection;
mod decode;
mod dial;
mod exchange;
mod habit;
mod message;
mod pool;
mod queue;
mod sending;
mod tunnel;
mod writing;

pub use body::{BodyError, CollectError, Collected, ResponseBody, collect, collect_ready, collect_within};
pub use connection::Connection;
pub use dial::ConnectError;
pub use exchange::{Answer, Pending, SendError, SendErrorKind};
pub use message::Message;
pub use pool::Stats;
pub use sending::{ContentError, Sending};
pub use tunnel::Tunnel;

use crate::settings::{Origin, Times};
use connection::Inner;
use dial::Dialer;
use pool::{Place, Pool, this_core};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a connection may have been idle to carry a write.
const RECENT_IDLE_MAX: Duration = Duration::from_secs(1);

/// Which connections will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fresh {
    /// Any that is alive, as far as one knows. For requests that can be repeated.
    Any,
    /// One that was idle for less than a second, or a new one; always a new one if the upstream was seen to close
    /// connections right behind its answers, or was not yet seen to keep them. Whether the upstream has closed it is looked for
    /// in the socket immediately before the first byte is written, unless it answered on it less than 5 ms ago. For writes.
    Recent,
}

/// One upstream, shared by all cores.
#[derive(Debug)]
pub struct Upstream {
    dialer: Dialer,
    pool: Arc<Pool>,
    times: Times,
}

impl Upstream {
    /// An upstream that has at most `connections_max` connections at a time, at least one. Nothing is connected yet.
    pub fn new(origin: Origin, times: Times, connections_max: usize) -> Self {
        Self { dialer: Dialer::new(origin), pool: Pool::new(times, connections_max), times }
    }

    /// A connection for one exchange: the newest idle one of this core, or a new one.
    ///
    /// # Errors
    /// [`ConnectError`] if there is none within `connect_max`.
    pub async fn connect(&self, fresh: Fresh) -> Result<Connection, ConnectError> {
        let core = this_core();
        let now = Instant::now();
        let write = fresh == Fresh::Recent;
        let idle_max =
            if write { RECENT_IDLE_MAX.min(self.times.keep_idle_max) } else { self.times.keep_idle_max };
        // A write goes out on a used connection only if the upstream is known to keep them.
        let idle_max = (!write || self.pool.keeps_connections(core, now)).then_some(idle_max);
        if let Some(idle) = idle_max.and_then(|idle_max| self.pool.take(core, idle_max, now)) {
            return Ok(idle.reuse(now, write));
        }
        // Boxed: seldom needed, and large, as would be every future that asks for a connection.
        Box::pin(self.connect_anew(core, idle_max, now, write)).await
    }

    async fn connect_anew(
        &self,
        core: usize,
        idle_max: Option<Duration>,
        now: Instant,
        write: bool,
    ) -> Result<Connection, ConnectError> {
        let slot = match self.pool.slot() {
            Some(slot) => slot,
            None => match timeout(self.times.connect_max, self.pool.wait(core, idle_max)).await {
                Ok(Place::Idle(idle)) => return Ok(idle.reuse(Instant::now(), write)),
                Ok(Place::New(slot)) => slot,
                Err(_) => return Err(ConnectError::Busy),
            },
        };
        let time = self.times.connect_max.saturating_sub(now.elapsed());
        let stream = self.dialer.dial(time).await?;
        let inner = Inner::open(stream, slot, core);
        self.pool.count_opened(core);
        Ok(inner.fresh(write))
    }

    /// How many connections there are and were.
    pub fn stats(&self) -> Stats {
        self.pool.stats()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.pool.close();
    }
}
