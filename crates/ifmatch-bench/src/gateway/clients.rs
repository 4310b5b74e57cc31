//! Clients of one proxy: each with a connection and a resource of its own, and one request at a time.

use super::upstream::{CONTENT_BYTES, SLOW, TAG};
use crate::load::connection::Connection;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an answer may be awaited before the run is given up.
const ANSWER_MAX: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
/// Different failures that are told apart.
const FAILURES_MAX: usize = 8;

/// What each client does, over and over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Work {
    Get,
    /// PUT without a condition.
    Put,
    /// PUT with the upstream's own tag.
    PutMatching,
    /// PUT with the tag that the client's last PUT was answered with.
    PutFollowing,
    /// GET, then PUT with the tag that was read.
    GetAndPut,
    /// POST, all to one collection.
    Post,
    /// POST, all to one collection of an upstream that takes its time.
    PostSlow,
}

/// What one run came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Reads that were answered with 2xx.
    pub(super) reads: u64,
    /// Writes that were.
    pub(super) writes: u64,
    /// Everything else, by what it was.
    pub(super) failed: BTreeMap<String, u64>,
    pub(super) elapsed: Duration,
    /// Of writes, or of reads where nothing is written, in nanoseconds.
    pub(super) latencies: Vec<u32>,
}

impl Tally {
    fn fails(&mut self, what: &str) {
        let known = self.failed.len() < FAILURES_MAX || self.failed.contains_key(what);
        *self.failed.entry(if known { what } else { "others" }.to_owned()).or_default() += 1;
    }

    /// Adds what failed in a run that is not counted otherwise.
    pub(super) fn failed_too(&mut self, other: &Self) {
        for (what, count) in &other.failed {
            *self.failed.entry(what.clone()).or_default() += count;
        }
    }

    /// Adds another run of the same kind.
    pub(super) fn add(&mut self, other: Self) {
        self.failed_too(&other);
        self.reads += other.reads;
        self.writes += other.writes;
        self.elapsed += other.elapsed;
        self.latencies.extend(other.latencies);
    }
}

pub(super) struct Clients {
    address: SocketAddr,
    clients: Vec<Client>,
    poll: OwnedFd,
}

struct Client {
    number: u32,
    connection: Connection,
    tag: Option<Vec<u8>>,
    writing: bool,
    busy: bool,
    sent: Instant,
}

impl Clients {
    pub(super) fn connect(address: SocketAddr, count: u32) -> io::Result<Self> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut clients = Vec::new();
        for number in 0..count {
            let connection = open(&poll, address, number)?;
            let sent = Instant::now();
            clients.push(Client { number, connection, tag: None, writing: false, busy: false, sent });
        }
        Ok(Self { address, clients, poll })
    }

    /// Loads the proxy for so long, and until every request that is under way was answered.
    pub(super) fn run(&mut self, work: Work, time: Duration) -> io::Result<Tally> {
        let started = Instant::now();
        let ends = started + time;
        let mut tally = Tally::default();
        let mut busy = self.clients.len();
        for client in &mut self.clients {
            client.begin(work)?;
        }
        let mut events = Vec::with_capacity(self.clients.len());
        while busy > 0 {
            events.clear();
            epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&ANSWER_MAX))?;
            if events.is_empty() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer came"));
            }
            for event in &events {
                let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                let Some(client) = self.clients.get_mut(index).filter(|client| client.busy) else { continue };
                match client.step(work, &mut tally) {
                    Ok(false) => continue,
                    Ok(true) => {}
                    Err(error) => {
                        tally.fails(&format!("connection: {error}"));
                        client.tag = None;
                        client.connection = open(&self.poll, self.address, client.number)?;
                    }
                }
                client.busy = false;
                // A read is followed by its write even then, or the last reads would be paid for and not counted.
                if Instant::now() < ends || client.owes_write(work) {
                    client.begin(work)?;
                } else {
                    busy -= 1;
                }
            }
        }
        tally.elapsed = started.elapsed();
        Ok(tally)
    }
}

fn open(poll: &OwnedFd, address: SocketAddr, number: u32) -> io::Result<Connection> {
    let connection = Connection::open(address)?;
    epoll::add(poll, &connection.stream, EventData::new_u64(number.into()), EventFlags::IN)?;
    Ok(connection)
}

impl Client {
    fn owes_write(&self, work: Work) -> bool {
        work == Work::GetAndPut && !self.writing && self.tag.is_some()
    }

    fn begin(&mut self, work: Work) -> io::Result<()> {
        (self.busy, self.sent) = (true, Instant::now());
        let number = self.number;
        self.writing = match work {
            Work::Get => false,
            Work::Put | Work::PutMatching | Work::Post | Work::PostSlow => true,
            // Without a tag there has to be a read first.
            Work::PutFollowing | Work::GetAndPut => self.tag.is_some(),
        };
        if !self.writing {
            return self.connection.send(|to| {
                write!(to, "GET /items/{number:016x} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")
            });
        }
        if matches!(work, Work::Post | Work::PostSlow) {
            let path = if work == Work::Post { "/items" } else { SLOW };
            return self.connection.send(|to| {
                write!(to, "POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n")?;
                content_fields(to)
            });
        }
        let tag = match work {
            Work::PutMatching => Some(TAG.as_bytes()),
            Work::PutFollowing | Work::GetAndPut => self.tag.as_deref(),
            Work::Get | Work::Put | Work::Post | Work::PostSlow => None,
        };
        let sent = self.connection.send(|to| {
            write!(to, "PUT /items/{number:016x} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n")?;
            if let Some(tag) = tag {
                to.extend_from_slice(b"If-Match: ");
                to.extend_from_slice(tag);
                to.extend_from_slice(b"\r\n");
            }
            content_fields(to)
        });
        // It is used up, whatever comes of it.
        self.tag = None;
        sent
    }

    /// Takes what has come; whether an answer is complete.
    fn step(&mut self, work: Work, tally: &mut Tally) -> io::Result<bool> {
        let Some(answer) = self.connection.receive()? else { return Ok(false) };
        let verb = match (self.writing, work) {
            (false, _) => "GET",
            (true, Work::Post | Work::PostSlow) => "POST",
            (true, _) => "PUT",
        };
        let needs_tag = matches!((self.writing, work), (false, Work::GetAndPut) | (_, Work::PutFollowing));
        if !(200..300).contains(&answer.status) {
            tally.fails(&format!("{verb} {}", answer.status));
        } else if !self.writing && answer.content.len() != CONTENT_BYTES {
            tally.fails("GET with the wrong content");
        } else if needs_tag && answer.tag.is_none() {
            tally.fails(&format!("{verb} without a tag"));
        } else if self.writing {
            tally.writes += 1;
        } else {
            tally.reads += 1;
        }
        if self.writing || work == Work::Get {
            tally.latencies.push(u32::try_from(self.sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        self.tag = answer.tag.filter(|_| needs_tag).map(<[u8]>::to_vec);
        Ok(true)
    }
}

fn content_fields(to: &mut Vec<u8>) -> io::Result<()> {
    write!(to, "Content-Type: application/json\r\nContent-Length: {CONTENT_BYTES}\r\n\r\n")?;
    super::content(to);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::upstream;

    #[test]
    fn what_is_answered_is_counted_and_what_is_missing_fails() {
        let mut clients = Clients::connect(upstream::start().unwrap(), 4).unwrap();
        let mut run = |work| clients.run(work, Duration::from_millis(20)).unwrap();
        for work in [Work::Put, Work::PutMatching, Work::Post, Work::PostSlow] {
            let tally = run(work);
            assert!(tally.writes >= 4 && tally.reads == 0 && tally.failed.is_empty(), "{tally:?}");
        }
        let tally = run(Work::Get);
        assert!(tally.reads >= 4 && tally.writes == 0 && tally.failed.is_empty(), "{tally:?}");
        let tally = run(Work::GetAndPut);
        assert!(tally.reads == tally.writes && tally.reads >= 4 && tally.failed.is_empty(), "{tally:?}");
        // This upstream gives no tag to a write.
        let tally = run(Work::PutFollowing);
        assert!(tally.failed.contains_key("PUT without a tag"), "{tally:?}");
    }
}
