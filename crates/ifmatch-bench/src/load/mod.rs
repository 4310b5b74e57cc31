//! The load: clients on one thread, each with a connection of its own and one request at a time.

pub(crate) mod connection;
mod request;

use connection::{Answer, Connection, Tag};
use request::count_in;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long an answer may be awaited before the run is given up.
const ANSWER_MAX: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };

/// How long reading everything back may take.
const VERIFY_MAX: Duration = Duration::from_secs(600);

/// What each client does, over and over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Creates, with `If-None-Match: *`.
    Create,
    /// GET.
    Read,
    /// PUT with the tag that the last write of the same client was answered with: no read, nobody in the way.
    Write,
    /// GET, adds one, PUT with the tag that was read; again from the start when refused.
    Increment,
    /// The same, but asks to be shown the current state when refused (`Prefer: return=representation`).
    IncrementShown,
}

/// Which resources: by chance from the first so many, or each once.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    Random(u64),
    Each(Range<u64>),
}

/// What one run came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Operations that succeeded.
    pub(crate) done: u64,
    /// Writes sent.
    pub(crate) attempts: u64,
    pub(crate) elapsed: Duration,
    /// Of the request that counts (the write, if there is one), in nanoseconds.
    pub(crate) latencies: Vec<u32>,
}

/// Clients of one server, and what they know about it.
pub(crate) struct Clients {
    clients: Vec<Client>,
    poll: OwnedFd,
    ledger: Ledger,
}

/// What was acknowledged, by resource; kept from run to run.
#[derive(Default)]
pub(crate) struct Ledger {
    acknowledged: HashMap<u64, u64>,
    known: HashMap<u64, Known>,
}

#[derive(Clone, Copy)]
struct Known {
    tag: Tag,
    value: u64,
}

struct Client {
    connection: Connection,
    random: u64,
    key: u64,
    seen: Option<Known>,
    writing: bool,
    busy: bool,
    sent: Instant,
}

/// One run.
struct Run<'a> {
    kind: Kind,
    keys: Keys,
    clients: u64,
    ends: Instant,
    ledger: &'a mut Ledger,
    sample: Sample,
}

impl Clients {
    pub(crate) fn connect(address: SocketAddr, count: u32) -> io::Result<Self> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut clients = Vec::new();
        for index in 0..count {
            let connection = Connection::open(address)?;
            epoll::add(&poll, &connection.stream, EventData::new_u64(index.into()), EventFlags::IN)?;
            let random = 0x9e37_79b9_7f4a_7c15 ^ (u64::from(index) + 1).wrapping_mul(7919);
            let sent = Instant::now();
            clients.push(Client {
                connection,
                random,
                key: 0,
                seen: None,
                writing: false,
                busy: false,
                sent,
            });
        }
        Ok(Self { clients, poll, ledger: Ledger::default() })
    }

    /// The same server with other connections; what is known about it stays known.
    pub(crate) fn reconnect(self, address: SocketAddr, count: u32) -> io::Result<Self> {
        Ok(Self { ledger: self.ledger, ..Self::connect(address, count)? })
    }

    /// Loads the server for so long, and until every request that is under way was answered.
    pub(crate) fn run(&mut self, kind: Kind, keys: Keys, time: Duration) -> io::Result<Sample> {
        let started = Instant::now();
        let clients = self.clients.len() as u64;
        let mut run = Run {
            kind,
            keys,
            clients,
            ends: started + time,
            ledger: &mut self.ledger,
            sample: Sample::default(),
        };
        let mut busy = 0usize;
        for (index, client) in self.clients.iter_mut().enumerate() {
            run.begin(client, index as u64)?;
            busy += usize::from(client.busy);
        }
        let mut events = Vec::with_capacity(self.clients.len());
        while busy > 0 {
            events.clear();
            epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&ANSWER_MAX))?;
            if events.is_empty() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer came"));
            }
            for event in &events {
                let index = event.data.u64();
                let Some(client) = usize::try_from(index).ok().and_then(|i| self.clients.get_mut(i)) else {
                    continue;
                };
                if run.step(client, index)? && !client.busy {
                    busy -= 1;
                }
            }
        }
        run.sample.elapsed = started.elapsed();
        Ok(run.sample)
    }

    /// Reads every resource that was written, and says how many acknowledged increments are not in it.
    pub(crate) fn lost(&mut self) -> io::Result<u64> {
        let acknowledged: Vec<(u64, u64)> =
            self.ledger.acknowledged.iter().map(|(key, count)| (*key, *count)).collect();
        let Some(last) = acknowledged.iter().map(|(key, _)| *key).max() else { return Ok(0) };
        self.ledger.known.clear();
        let all = if acknowledged.len() as u64 * 2 > last { 0..last + 1 } else { 0..0 };
        self.run(Kind::Read, Keys::Each(all), VERIFY_MAX)?;
        let mut lost = 0;
        for (key, count) in acknowledged {
            if !self.ledger.known.contains_key(&key) {
                self.run(Kind::Read, Keys::Each(key..key + 1), VERIFY_MAX)?;
            }
            let value = self.ledger.known.get(&key).map_or(0, |known| known.value);
            if value > count {
                return Err(io::Error::other("a resource was incremented more often than acknowledged"));
            }
            lost += count - value;
        }
        Ok(lost)
    }
}

impl Client {
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn get(&mut self) -> io::Result<()> {
        (self.busy, self.writing, self.sent) = (true, false, Instant::now());
        let key = self.key;
        self.connection.send(|to| request::get(to, key))
    }

    fn put(&mut self, kind: Kind) -> io::Result<()> {
        (self.busy, self.writing, self.sent) = (true, true, Instant::now());
        let (key, seen) = (self.key, self.seen);
        let value = seen.map_or(0, |seen| seen.value + 1);
        let shown = kind == Kind::IncrementShown;
        self.connection.send(|to| request::put(to, key, seen.as_ref().map(|s| s.tag.text()), shown, value))
    }
}

impl Run<'_> {
    fn begin(&mut self, client: &mut Client, index: u64) -> io::Result<()> {
        client.busy = false;
        if Instant::now() >= self.ends {
            return Ok(());
        }
        client.key = match &mut self.keys {
            Keys::Each(range) => match range.next() {
                Some(key) => key,
                None => return Ok(()),
            },
            // Each its own, so that nobody comes in between.
            Keys::Random(count) if self.kind == Kind::Write => {
                let own = (*count / self.clients).max(1);
                (client.random() % own) * self.clients + index
            }
            Keys::Random(count) => client.random() % *count,
        };
        client.seen = None;
        match self.kind {
            Kind::Create => self.put(client),
            Kind::Write => {
                client.seen = self.ledger.known.get(&client.key).copied();
                if client.seen.is_some() { self.put(client) } else { client.get() }
            }
            Kind::Read | Kind::Increment | Kind::IncrementShown => client.get(),
        }
    }

    fn put(&mut self, client: &mut Client) -> io::Result<()> {
        self.sample.attempts += 1;
        client.put(self.kind)
    }

    /// Takes what has come for one client and does what comes next; whether an answer was complete.
    fn step(&mut self, client: &mut Client, index: u64) -> io::Result<bool> {
        let sent = client.sent;
        let Some(answer) = client.connection.receive()? else { return Ok(false) };
        match (client.writing, answer.status) {
            (false, 200) => {
                let seen = known(&answer)?;
                client.seen = Some(seen);
                match self.kind {
                    Kind::Read => {
                        self.succeeded(sent);
                        if matches!(self.keys, Keys::Each(_)) {
                            self.ledger.known.insert(client.key, seen);
                        }
                    }
                    _ if Instant::now() >= self.ends => {}
                    _ => return self.put(client).map(|()| true),
                }
            }
            (true, 200 | 201 | 204) => {
                self.succeeded(sent);
                let tag = answer.tag.and_then(Tag::new);
                self.acknowledged(client.key, client.seen, tag);
            }
            (true, 412) => {
                let shown = self.kind == Kind::IncrementShown;
                client.seen = if shown { Some(known(&answer)?) } else { None };
                if Instant::now() < self.ends {
                    let again = if shown { self.put(client) } else { client.get() };
                    return again.map(|()| true);
                }
            }
            (_, status) => {
                let content = String::from_utf8_lossy(answer.content).into_owned();
                return Err(io::Error::other(format!("an unexpected answer: {status} {content}")));
            }
        }
        self.begin(client, index).map(|()| true)
    }

    fn succeeded(&mut self, sent: Instant) {
        self.sample.done += 1;
        self.sample.latencies.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }

    fn acknowledged(&mut self, key: u64, before: Option<Known>, tag: Option<Tag>) {
        if before.is_some() {
            *self.ledger.acknowledged.entry(key).or_default() += 1;
        }
        if self.kind == Kind::Write
            && let Some(tag) = tag
        {
            self.ledger.known.insert(key, Known { tag, value: before.map_or(0, |before| before.value + 1) });
        } else if self.kind != Kind::Create {
            self.ledger.known.remove(&key);
        }
    }
}

fn known(answer: &Answer<'_>) -> io::Result<Known> {
    let (tag, value) = (answer.tag.and_then(Tag::new), count_in(answer.content));
    tag.zip(value)
        .map(|(tag, value)| Known { tag, value })
        .ok_or_else(|| io::Error::other("an answer has no tag or no count"))
}

impl Sample {
    /// Adds another run of the same kind.
    pub(crate) fn add(&mut self, other: Self) {
        self.done += other.done;
        self.attempts += other.attempts;
        self.elapsed += other.elapsed;
        self.latencies.extend(other.latencies);
    }

    /// So many thousandths of the requests were answered within this many milliseconds.
    pub(crate) fn percentile_ms(&mut self, thousandths: usize) -> f64 {
        if self.latencies.is_empty() {
            return 0.0;
        }
        let at = (self.latencies.len() - 1) * thousandths / 1000;
        f64::from(*self.latencies.select_nth_unstable(at).1) / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut octets = Vec::new();
        request::content(&mut octets, 42).unwrap();
        assert_eq!(count_in(&octets), Some(42));
        assert_eq!(count_in(b"{}"), None);
    }

    #[test]
    fn percentiles() {
        let mut sample =
            Sample { latencies: (1..=1000).rev().map(|ms| ms * 1_000_000).collect(), ..Sample::default() };
        assert_eq!(sample.percentile_ms(500).round(), 500.0);
        assert_eq!(sample.percentile_ms(990).round(), 990.0);
    }
}
