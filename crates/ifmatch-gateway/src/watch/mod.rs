//! What really happened: lost updates, blind retries, self-conflicts; and who wrote and read last, for the audit.
//!
//! It is told of answered reads, of writes and of refusals, and remembers a little of each key. It decides nothing and
//! holds nobody up. **What it counts is certain**, under four assumptions, which are those of the gateway:
//!
//! 1. All reads and writes of the key come through here, each told with times that enclose what it enclosed: the
//!    origin looked, or wrote, between `began` and `ended`. A read is told *before* its last bytes are handed out.
//! 2. A read shows every write that was answered before the read began.
//! 3. Requests with different credentials come from different clients, and so do requests without any from different
//!    places ([`ClientId`]).
//! 4. A client knows of a resource what it read or wrote through here. One that learned of another's write elsewhere,
//!    from a list, a feed or a colleague, has not read it.
//!
//! A **lost update** is an applied write that names no version (or whose condition nobody evaluated), replaces the whole
//! state, and comes directly after a write of the same target that is another client's and that this client had not
//! seen. So each write counts at most once as the one that overwrites, and at most once as the one that is overwritten. It
//! is certain if some write of another began after the last thing the client knows of, and ended before this one began.
//! Of writes that overlap nobody can tell the order; but of any number of them, each of which was sent without having
//! seen any of the others, all but one overwrote something unseen, whatever the order: that many are counted. A read
//! that overlaps a write may have seen it, unless its digest is that of the content of an older write, each content of
//! this key was written once, and the origin gives back what it was given. Everything else is not counted: an
//! overwriting PATCH, which may touch other fields; a POST, on either side; what is no longer on record.
//!
//! **Who is who**, without credentials: on a keep-alive connection that has itself read the key, what that connection
//! read and wrote is what the client knows. That tells clients on one machine apart that each read and then write. A
//! write on a connection that has not itself read the key since it last wrote, though another connection from the same
//! place has, is the mark of a client with several connections: from then on all connections from that place are one
//! client as far as this key is concerned. What remains doubtful is a client that reads a key on two connections
//! and then writes it on both: it is taken for two. Credentials, or `X-Client`, make it certain.

mod history;
mod judge;
mod record;
mod table;

pub use record::{ClientId, Credentials, Kind, LastRead, Outcome, PreviousWrite, TAG_BYTES_MAX, Text};

use history::History;
use http::HeaderValue;
use parking_lot::Mutex;
use record::Clock;
use std::time::Instant;
use table::Shard;

const SHARDS: usize = 64;

/// Bounds of what is remembered. Past them what was used least recently is forgotten, and what can then no longer be
/// certain is not counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Keys; default 65 536.
    pub keys_max: usize,
    /// Clients per key; default 64.
    pub readers_max: usize,
    /// Applied writes per key; default 8.
    pub writes_max: usize,
    /// Clients and writes of all keys together; default 262 144, which is about 80 MiB.
    pub records_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keys_max: 65_536, readers_max: 64, writes_max: 8, records_max: 262_144 }
    }
}

/// The memory of one upstream: process-wide, never one per core.
#[derive(Debug)]
pub struct Watch {
    shards: Vec<Mutex<Shard>>,
    clock: Clock,
}

/// An answer that showed a state, or part of it, to a client: 200 and 206 to GET, 304, a 412 with the representation,
/// answers of other methods that read. Not HEAD, which shows none.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// Who read.
    pub client: ClientId,
    /// A hash of the target: finer than the key where several targets share a turn.
    pub target: u64,
    /// Before it was forwarded.
    pub began: Instant,
    /// When the last of it was ready to be handed out.
    pub ended: Instant,
    /// 64 bits of the digest of the complete, identity-coded content; the same function as for writes.
    pub digest: Option<u64>,
    /// The entity-tag that the client was shown.
    pub tag: Option<&'a HeaderValue>,
}

/// A write that was forwarded, after its exchange with the upstream ended.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// Who wrote.
    pub client: ClientId,
    /// How the audit names the client; the first 39 bytes are kept.
    pub name: &'a str,
    /// A hash of the target.
    pub target: u64,
    /// Before its first byte was forwarded.
    pub began: Instant,
    /// When its final answer had arrived, or the exchange was lost.
    pub ended: Instant,
    /// Whether it was applied.
    pub outcome: Outcome,
    /// What it does to the state.
    pub kind: Kind,
    /// Whether it named a version, or that there must be none, and somebody evaluated that.
    pub conditional: bool,
    /// The condition it was sent with.
    pub tag: Option<&'a HeaderValue>,
    /// 64 bits of the digest of its content.
    pub content: Option<u64>,
    /// The audit's name of it.
    pub event_id: u128,
}

/// A write that was refused for its condition, by us or by the upstream.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Who was refused.
    pub client: ClientId,
    /// When.
    pub at: Instant,
    /// The condition it was sent with; `None` if it was refused for having none.
    pub tag: Option<&'a HeaderValue>,
    /// 64 bits of the digest of its content, if it was received.
    pub content: Option<u64>,
}

/// What is known of a write.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Seen {
    /// It overwrote another client's write that this client had not seen.
    pub lost: Option<Lost>,
    /// It was refused before and came again with the same content under another tag, without a read in between.
    pub blind_retry: bool,
    /// The applied write of this key that ended last before this one did.
    pub previous_write: Option<PreviousWrite>,
    /// What this client read last.
    pub last_read: Option<LastRead>,
}

/// A lost update.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// The write that was overwritten. Where writes overlapped: one of those of which all but one were.
    pub write: PreviousWrite,
    /// By how many writes the state fell back: how many it was built upon, less how many are left below this one.
    /// Where every client writes what it read and something more, as in a counter, these sum up to the writes that
    /// were acknowledged and are not to be found in the state. Negative if the client brings back what another had
    /// overwritten. `None` if it cannot be told.
    pub setback: Option<i64>,
}

/// What is known about a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Met {
    /// The write that was in the way is the client's own: it did not keep the tag that it was answered with.
    pub self_conflict: bool,
    /// The last applied write of this key.
    pub previous_write: Option<PreviousWrite>,
    /// What this client read last.
    pub last_read: Option<LastRead>,
}

/// How much is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Keys.
    pub keys: usize,
    /// Clients and writes.
    pub records: usize,
    /// Keys that were forgotten.
    pub keys_evicted: u64,
}

impl Watch {
    /// A memory with those bounds. Nothing before `start` can be told of.
    pub fn new(limits: Limits, start: Instant) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(limits, SHARDS))).collect();
        Self { shards, clock: Clock::new(start) }
    }

    /// A client was shown the state of `key`, a hash of the turn key.
    pub fn read(&self, key: u64, read: &Read<'_>) {
        self.shard(key).lock().with(key, |history, limits| history.read(read, &self.clock, limits));
    }

    /// A forwarded write ended.
    pub fn wrote(&self, key: u64, write: &Write<'_>) -> Box<Seen> {
        self.shard(key).lock().with(key, |history, limits| history.wrote(write, &self.clock, limits))
    }

    /// Whether a refusal of a write of that key is on record that a later write could be the blind retry of.
    pub fn has_refused(&self, key: u64) -> bool {
        self.shard(key).lock().look(key).is_some_and(History::has_refused)
    }

    /// A write was refused.
    pub fn refused(&self, key: u64, refusal: &Refusal<'_>) -> Box<Met> {
        self.shard(key).lock().with(key, |history, limits| history.refused(refusal, &self.clock, limits))
    }

    /// How much is remembered now.
    pub fn stats(&self) -> Stats {
        self.shards.iter().fold(Stats::default(), |sum, shard| {
            let one = shard.lock().stats();
            Stats {
                keys: sum.keys + one.keys,
                records: sum.records + one.records,
                keys_evicted: sum.keys_evicted + one.keys_evicted,
            }
        })
    }

    fn shard(&self, key: u64) -> &Mutex<Shard> {
        // The table uses the highest and the lowest bits.
        &self.shards[usize::try_from((key >> 32) % SHARDS as u64).unwrap_or(0)]
    }
}
