//! Turns: the right to be the one writer of a resource, handed out in order.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

const SHARDS: usize = 64;
/// An exclusive turn takes all places, a shared one takes one.
const PLACES: u32 = 1 << 20;

/// Bounds of the lines in which writers wait.
#[derive(Clone, Copy, Debug)]
pub struct TurnLimits {
    /// How many requests may hold or await turns of one resource; default 128. The next one is told [`Busy`].
    pub line_max: usize,
    /// How long a request waits at most; default 30 s. Then it is told [`Busy`].
    pub wait_max: Duration,
}

impl Default for TurnLimits {
    fn default() -> Self {
        Self { line_max: 128, wait_max: Duration::from_secs(30) }
    }
}

/// The lines of all resources of one upstream. Process-wide, never one per core.
///
/// Turns are fair: whoever asked first goes first, and a shared turn does not overtake a waiting exclusive one. A
/// waiter that is dropped leaves the line. A resource that nobody holds or awaits takes no memory.
#[derive(Debug)]
pub struct Turns {
    shards: Vec<Mutex<HashMap<LineKey, Line, BuildHasherDefault<Given>>>>,
    hasher: RandomState,
    limits: TurnLimits,
}

/// The key of a line, hashed once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineKey {
    hash: u64,
    text: Arc<str>,
}

impl LineKey {
    /// A key with a hash of it, always the same one of the same text. The hash must be keyed: nobody outside may choose keys
    /// that fall together.
    pub fn new(hash: u64, text: Arc<str>) -> Self {
        Self { hash, text }
    }

    /// The key.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Hash for LineKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Hands on the keyed hash that a [`LineKey`] has.
#[derive(Default, Debug)]
struct Given(u64);

impl Hasher for Given {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[derive(Debug)]
struct Line {
    places: Arc<Semaphore>,
    members: usize,
}

/// The line is full, or the wait was too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

/// A turn. It ends when this is dropped.
#[derive(Debug)]
pub struct Turn {
    // Given back before the place, so that the next in line can go.
    permit: Option<OwnedSemaphorePermit>,
    _place: Place,
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.permit.take());
    }
}

/// Membership in a line, waiting or holding.
#[derive(Debug)]
struct Place {
    turns: Arc<Turns>,
    key: LineKey,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shard = self.turns.shard(&self.key).lock();
        let Some(line) = shard.get_mut(&self.key) else { return };
        line.members -= 1;
        if line.members == 0 {
            shard.remove(&self.key);
        }
    }
}

impl Turns {
    /// Lines with those bounds.
    pub fn new(limits: TurnLimits) -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { shards, hasher: RandomState::new(), limits })
    }

    /// A key for whoever has no hash of it.
    pub fn key(&self, text: &str) -> LineKey {
        LineKey::new(self.hasher.hash_one(text), text.into())
    }

    /// Waits for the right to be the only one.
    ///
    /// # Errors
    /// [`Busy`] if the line is full or the wait too long. Nothing was done.
    pub async fn exclusive(self: &Arc<Self>, key: LineKey) -> Result<Turn, Busy> {
        self.take(key, PLACES).await
    }

    /// Waits for the right to write beside others that also share: appends, which overwrite nobody.
    ///
    /// # Errors
    /// [`Busy`] if the line is full or the wait too long. Nothing was done.
    pub async fn shared(self: &Arc<Self>, key: LineKey) -> Result<Turn, Busy> {
        self.take(key, 1).await
    }

    /// The right to be the only one, if nobody is before us.
    pub fn exclusive_at_once(self: &Arc<Self>, key: LineKey) -> Option<Turn> {
        self.take_at_once(key, PLACES)
    }

    /// The right to write beside others that also share, if nobody is before us.
    pub fn shared_at_once(self: &Arc<Self>, key: LineKey) -> Option<Turn> {
        self.take_at_once(key, 1)
    }

    /// How many resources have somebody holding or waiting.
    pub fn lines(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn take_at_once(self: &Arc<Self>, key: LineKey, places: u32) -> Option<Turn> {
        let (place, semaphore) = self.enter(key).ok()?;
        // Whoever waits has taken what was free, so nobody is overtaken.
        let permit = semaphore.try_acquire_many_owned(places).ok()?;
        Some(Turn { permit: Some(permit), _place: place })
    }

    async fn take(self: &Arc<Self>, key: LineKey, places: u32) -> Result<Turn, Busy> {
        let (place, semaphore) = self.enter(key)?;
        // Nobody ahead means no clock.
        if let Ok(permit) = Arc::clone(&semaphore).try_acquire_many_owned(places) {
            return Ok(Turn { permit: Some(permit), _place: place });
        }
        let permit = timeout(self.limits.wait_max, semaphore.acquire_many_owned(places)).await;
        match permit {
            Ok(Ok(permit)) => Ok(Turn { permit: Some(permit), _place: place }),
            // Nobody closes these semaphores; a closed one would mean that no turn can be given.
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }

    fn enter(self: &Arc<Self>, key: LineKey) -> Result<(Place, Arc<Semaphore>), Busy> {
        let mut shard = self.shard(&key).lock();
        let semaphore = match shard.get_mut(&key) {
            Some(line) if line.members >= self.limits.line_max => return Err(Busy),
            Some(line) => {
                line.members += 1;
                Arc::clone(&line.places)
            }
            None => {
                let places = Arc::new(Semaphore::new(PLACES as usize));
                shard.insert(key.clone(), Line { places: Arc::clone(&places), members: 1 });
                places
            }
        };
        drop(shard);
        Ok((Place { turns: Arc::clone(self), key }, semaphore))
    }

    fn shard(&self, key: &LineKey) -> &Mutex<HashMap<LineKey, Line, BuildHasherDefault<Given>>> {
        // The tables use the highest and the lowest bits.
        let index = usize::try_from((key.hash >> 32) % SHARDS as u64).unwrap_or(0);
        &self.shards[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Polls once. The futures here are only ever polled by hand, so that every order is exact.
    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn one_at_a_time_in_order_and_others_do_not_wait() {
        let turns = Turns::new(TurnLimits::default());
        let first = turns.exclusive(turns.key("a")).await.unwrap();
        let (mut second, mut third) =
            (pin!(turns.exclusive(turns.key("a"))), pin!(turns.exclusive(turns.key("a"))));
        assert!(poll(second.as_mut()).is_none() && poll(third.as_mut()).is_none());
        assert!(turns.exclusive(turns.key("b")).await.is_ok());
        drop(first);
        assert!(poll(third.as_mut()).is_none(), "the third overtook the second");
        let second = poll(second.as_mut()).unwrap().unwrap();
        assert!(poll(third.as_mut()).is_none());
        drop(second);
        assert!(poll(third.as_mut()).unwrap().is_ok());
    }

    #[tokio::test]
    async fn appends_share_and_do_not_overtake_a_waiting_writer() {
        let turns = Turns::new(TurnLimits::default());
        let (one, two) =
            (turns.shared(turns.key("a")).await.unwrap(), turns.shared(turns.key("a")).await.unwrap());
        let mut writer = pin!(turns.exclusive(turns.key("a")));
        assert!(poll(writer.as_mut()).is_none());
        assert!(
            turns.shared_at_once(turns.key("a")).is_none()
                && turns.exclusive_at_once(turns.key("a")).is_none()
        );
        assert!(
            turns.shared_at_once(turns.key("b")).is_some()
                && turns.exclusive_at_once(turns.key("b")).is_some()
        );
        let mut late = pin!(turns.shared(turns.key("a")));
        assert!(poll(late.as_mut()).is_none());
        drop((one, two));
        let writer = poll(writer.as_mut()).unwrap().unwrap();
        assert!(poll(late.as_mut()).is_none());
        drop(writer);
        assert!(poll(late.as_mut()).unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_waiter_that_leaves_holds_nobody_up_and_lines_take_no_memory_afterwards() {
        let turns = Turns::new(TurnLimits::default());
        let first = turns.exclusive(turns.key("a")).await.unwrap();
        let mut third = pin!(turns.exclusive(turns.key("a")));
        {
            let mut second = pin!(turns.exclusive(turns.key("a")));
            assert!(poll(second.as_mut()).is_none() && poll(third.as_mut()).is_none());
        }
        drop(first);
        drop(poll(third.as_mut()).unwrap());
        assert_eq!(turns.lines(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_bounded_in_length_and_time() {
        let turns = Turns::new(TurnLimits { line_max: 2, wait_max: Duration::from_secs(3) });
        let held = turns.exclusive(turns.key("a")).await.unwrap();
        let mut waiting = pin!(turns.exclusive(turns.key("a")));
        assert!(poll(waiting.as_mut()).is_none());
        assert_eq!(turns.exclusive(turns.key("a")).await.err(), Some(Busy));
        assert_eq!(waiting.await.err(), Some(Busy));
        drop(held);
        assert!(turns.exclusive(turns.key("a")).await.is_ok());
        assert_eq!(turns.lines(), 0);
    }
}
