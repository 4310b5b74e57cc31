//! What a gateway must not forget: counts, writes under way, writes in doubt, variants.
//!
//! One process has the folder. Everything is synchronous: a call is a few atomic operations and at most two positioned
//! writes of a few hundred bytes, which the operating system keeps even if the process is killed. Only a power loss can
//! take them; then a new epoch begins. Nothing is flushed except at the beginning and at the end.
//!
//! | file | what |
//! |---|---|
//! | `lock` | who has the folder |
//! | `counters` | epoch, secret, upstream; one count per entry of a fixed table |
//! | `slots` | writes under way or in doubt |
//! | `variants` | request fields that answers varied on; written anew when most of it is out of use |
//!
//! **Invariant:** within an epoch a count that was handed out is never handed out again after it has advanced, whatever
//! happens to the process.
//! **Invariant:** a write is in its slot before its first byte is forwarded, and until its end is in the files.
//! **Invariant:** a copy of the folder must not be used: counts of the original go on.

mod bytes;
mod change;
mod clock;
mod counters;
mod doubts;
mod error;
mod failure;
mod folder;
mod header;
mod inflight;
mod inner;
mod keeper;
mod open;
mod record;
mod recover;
mod settle;
mod shared;
mod slots;
mod variant_file;
mod variant_table;
mod variants;

pub use change::Naming;
pub use counters::Counter;
pub use doubts::{DoubtView, Held, RESTART};
pub use error::{Holder, StateError};
pub use inflight::{Awaited, Entry, InFlight, Key, NotBegun};
pub use record::{Kind, Phase};
pub use settle::{Settled, list, settle};
pub use variants::{Fields, NoNumber, VARIANT_BYTES_MAX, Variants};

use clock::Boot;
use inflight::Place;
use inner::Inner;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Bounds of the state.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many counters there are: a power of two, at most 2^28. Fixed when the folder is made.
    pub counters: u32,
    /// Writes under way or in doubt at a time, 1 to 2^20. Past it: [`NotBegun::Full`].
    pub in_flight_max: usize,
    /// Variants known at a time. Past it a new one takes the place of one that is not in use.
    pub variants_max: usize,
    /// How long a write may still be applied after its answer was lost, where nobody says otherwise: after a restart, and
    /// of writes that are dropped. The longest of all routes.
    pub late_write_max: Duration,
    /// How this run names resources. After another one old tags are stale, and what is in doubt holds everything.
    pub naming: Naming,
}

/// How a run began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Began {
    /// In an empty folder.
    Fresh,
    /// Where the last one ended, in good order or not. Writes that were under way are in doubt.
    Kept,
    /// With a new epoch, because the old counts are not certain, or may be of other resources. If something may still
    /// land, exclusive writes are held once.
    Anew {
        /// Why.
        reason: String,
    },
}

/// The state of one gateway. Process-wide.
pub struct State {
    inner: Arc<Inner>,
    keeper: Option<JoinHandle<()>>,
}

impl State {
    /// Opens the folder for this process, and makes it if it is missing. `upstream`: `host:port`.
    ///
    /// # Errors
    /// [`StateError`]: another process has it, it is of another upstream, or it cannot be read or written. A damaged
    /// file is no error: see [`State::began`].
    pub fn open(dir: &Path, upstream: &str, options: &Options) -> Result<Arc<Self>, StateError> {
        Self::open_in(dir, upstream, options, Boot::present())
    }

    /// As [`State::open`], as if in that boot of the machine. For tests.
    ///
    /// # Errors
    /// As [`State::open`].
    #[doc(hidden)]
    pub fn open_in_boot(
        dir: &Path,
        upstream: &str,
        options: &Options,
        boot: &str,
    ) -> Result<Arc<Self>, StateError> {
        Self::open_in(dir, upstream, options, Boot::named(boot))
    }

    fn open_in(dir: &Path, upstream: &str, options: &Options, boot: Boot) -> Result<Arc<Self>, StateError> {
        let (inner, news) = open::open(dir, upstream, options, boot)?;
        let inner = Arc::new(inner);
        let of_keeper = Arc::clone(&inner);
        let keeper = thread::Builder::new()
            .name("ifmatch-doubts".to_owned())
            .spawn(move || keeper::run(&of_keeper, news))
            .map_err(StateError::io(dir, "start the thread of"))?;
        Ok(Arc::new(Self { inner, keeper: Some(keeper) }))
    }

    /// How this run began.
    pub fn began(&self) -> &Began {
        &self.inner.began
    }

    /// Names the history of all counts: 64 random bits.
    pub fn epoch(&self) -> u64 {
        self.inner.epoch
    }

    /// Random, as old as the epoch. Keys for anything else are to be derived from it, each with its own label.
    pub fn secret(&self) -> &[u8; 32] {
        &self.inner.secret
    }

    /// The counter of a turn key. Nobody who does not know the secret can aim at another's.
    pub fn counter(&self, key: &str) -> Counter {
        self.key(key).counter
    }

    /// A turn key, hashed: who needs it more than once keeps it.
    pub fn key(&self, key: &str) -> Key {
        self.inner.key(key)
    }

    /// The count to make tags of and to compare them with. It survives `kill -9`. Never waits, never writes.
    pub fn count(&self, counter: Counter) -> u64 {
        self.inner.counters.count(counter)
    }

    /// An exchange that held no turn has ended and may have changed something. The result is greater than every count
    /// before; it is not for tags.
    pub fn advance(&self, counter: Counter) -> u64 {
        self.inner.counters.advance(counter)
    }

    /// A write begins. To be called before its first byte is forwarded.
    ///
    /// # Errors
    /// [`NotBegun`]: it must not be forwarded.
    pub fn begin(self: &Arc<Self>, entry: &Entry<'_>) -> Result<InFlight, NotBegun> {
        InFlight::begin(self, entry)
    }

    /// A write that has no slot has lost its answer. Nobody waits for that, unless the next run is set to guard it.
    pub fn unsure(&self, late_write_max: Duration) {
        self.inner.note_unsure(late_write_max);
    }

    /// Whether a write of that kind and key has to wait, and for how long at most. To be asked within its turn.
    pub fn held(&self, key: Key, kind: Kind) -> Option<Held> {
        self.inner.doubts.held(key.hash, kind)
    }

    /// What is in doubt, in the order in which it began.
    pub fn doubts(&self) -> Vec<DoubtView> {
        self.inner.doubts.views()
    }

    /// What became of the write of that id is known after all, or does not matter: it holds nobody back any longer, and
    /// its count advances. False: it is not in doubt (any more), or the state has failed.
    pub fn settle(&self, id: u64) -> bool {
        self.inner.is_usable() && self.inner.release(id, "settled by this process")
    }

    /// How many slots are taken or reserved: writes under way or in doubt, and those of appends for a moment longer.
    pub fn in_use(&self) -> usize {
        self.inner.free.in_use()
    }

    /// The table of variants.
    pub fn variants(&self) -> &Variants {
        &self.inner.variants
    }

    /// Why no write may begin any more; `None`: all is well.
    pub fn failure(&self) -> Option<String> {
        self.inner.failure.why()
    }

    /// The orderly end: refuses further writes, flushes everything and says so in the folder, so that its counts are
    /// certain even after a power loss. What is still under way is in doubt for the next run.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.inner.signal.stop();
        if let Some(keeper) = self.keeper.take() {
            // It ends; should it have panicked, there is nobody left to tell.
            drop(keeper.join());
        }
    }
}
