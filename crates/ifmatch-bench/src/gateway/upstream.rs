//! The upstream of all proxies: as little work per request as possible, on one thread.
//!
//! GET is answered with 1 KiB, POST with 201, anything else with 204; content that comes is read and forgotten. What is
//! asked of [`SLOW`] is answered as late as by an application that looks something up.

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// What a GET is answered with, in bytes.
pub(super) const CONTENT_BYTES: usize = 1024;
/// The tag of what is answered: it never changes, since writes are forgotten.
pub(super) const TAG: &str = "\"v1\"";
/// A path that takes its time.
pub(super) const SLOW: &str = "/slow";
/// How long that takes.
pub(super) const SLOW_TIME: Duration = Duration::from_millis(5);

/// A request is a head and at most some KiB of content.
const REQUEST_BYTES_MAX: usize = 16 << 10;
/// The listener's number among the events; those of connections count up from 0.
const LISTENER: u64 = u64::MAX;
const EVENTS_MAX: usize = 256;

/// Serves until this process ends, on the cores of the thread that starts it.
pub(super) fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let served = Served::new(listener)?;
    drop(std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
        if let Err(error) = served.run() {
            drop(writeln!(io::stderr(), "the upstream failed: {error}"));
        }
    })?);
    Ok(address)
}

struct Served {
    listener: TcpListener,
    poll: OwnedFd,
    connections: Vec<Option<Peer>>,
    answers: Answers,
    /// Which connections are answered when, in that order.
    late: VecDeque<(Instant, usize)>,
}

struct Peer {
    stream: TcpStream,
    octets: Vec<u8>,
    filled: usize,
}

struct Answers {
    shown: Vec<u8>,
    made: Vec<u8>,
    done: Vec<u8>,
}

impl Served {
    fn new(listener: TcpListener) -> io::Result<Self> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let mut shown = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: {TAG}\r\nContent-Length: {CONTENT_BYTES}\r\n\r\n"
        )
        .into_bytes();
        super::content(&mut shown);
        let answers = Answers {
            shown,
            made: b"HTTP/1.1 201 Created\r\nLocation: /made/1\r\nContent-Length: 0\r\n\r\n".to_vec(),
            done: b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        };
        Ok(Self { listener, poll, connections: Vec::new(), answers, late: VecDeque::new() })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            events.clear();
            let wait = self.late.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            let wait = wait.and_then(|wait| wait.try_into().ok());
            epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), wait.as_ref())?;
            self.answer_late();
            for event in &events {
                let number = event.data.u64();
                if number == LISTENER {
                    self.accept()?;
                    continue;
                }
                let Ok(index) = usize::try_from(number) else { continue };
                let Some(place) = self.connections.get_mut(index) else { continue };
                // Whoever breaks a connection is the one to complain.
                let served = place.as_mut().and_then(|peer| peer.serve(&self.answers).ok());
                match served {
                    Some(Reply::Given) => {}
                    Some(Reply::Late) => self.late.push_back((Instant::now() + SLOW_TIME, index)),
                    Some(Reply::None) | None => *place = None,
                }
            }
        }
    }

    fn answer_late(&mut self) {
        let now = Instant::now();
        while let Some((_, index)) = self.late.pop_front_if(|(due, _)| *due <= now) {
            if let Some(place) = self.connections.get_mut(index)
                && place.as_mut().is_some_and(|peer| peer.stream.write_all(&self.answers.made).is_err())
            {
                *place = None;
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let (stream, _) = match self.listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let free = self.connections.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        epoll::add(&self.poll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        self.connections[index] = Some(Peer { stream, octets: vec![0; REQUEST_BYTES_MAX], filled: 0 });
        Ok(())
    }
}

/// How what was read is answered.
enum Reply {
    /// It was, as far as it was complete.
    Given,
    /// It is to be after a while.
    Late,
    /// Not at all: the connection ends.
    None,
}

impl Peer {
    /// Reads what is there and answers what is complete.
    fn serve(&mut self, answers: &Answers) -> io::Result<Reply> {
        match self.stream.read(&mut self.octets[self.filled..]) {
            Ok(0) => return Ok(Reply::None),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Reply::Given),
            Err(error) => return Err(error),
        }
        let mut late = false;
        while let Some((method, bytes)) = request(&self.octets[..self.filled])? {
            let answer = match method {
                b'G' => &answers.shown,
                // POST, not PUT.
                b'O' => &answers.made,
                _ => &answers.done,
            };
            // Nobody sends another request before this one is answered.
            late = method == b'O' && self.octets[b"POST ".len()..].starts_with(SLOW.as_bytes());
            if !late {
                // Far smaller than the socket's buffer, which is empty: this never has to wait.
                self.stream.write_all(answer)?;
            }
            self.octets.copy_within(bytes..self.filled, 0);
            self.filled -= bytes;
        }
        Ok(match self.filled < self.octets.len() {
            true if late => Reply::Late,
            true => Reply::Given,
            false => Reply::None,
        })
    }
}

/// What tells the method of the first request, and its length with its content; `None` while it is not complete.
fn request(octets: &[u8]) -> io::Result<Option<(u8, usize)>> {
    let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = &octets[..end];
    let mut length = 0;
    for line in head.split(|octet| *octet == b'\n').skip(1) {
        match line.first() {
            Some(b'c' | b'C') if named(line, b"content-length:") => {
                let value = line[b"content-length:".len()..].trim_ascii();
                length = std::str::from_utf8(value)
                    .ok()
                    .and_then(|digits| digits.parse().ok())
                    .ok_or_else(|| io::Error::other("a length cannot be read"))?;
            }
            Some(b't' | b'T') if named(line, b"transfer-encoding:") => {
                return Err(io::Error::other("content without a length is not understood here"));
            }
            _ => {}
        }
    }
    let whole = end + 4 + length;
    let method = match head.get(..2) {
        Some(b"PO") => b'O',
        _ => head.first().copied().unwrap_or_default(),
    };
    Ok((octets.len() >= whole).then_some((method, whole)))
}

fn named(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::connection::Connection;
    use std::time::{Duration, Instant};

    #[test]
    fn requests_are_seen_when_they_are_complete() {
        let whole = b"PUT /a HTTP/1.1\r\nhost: x\r\nContent-length: 3\r\n\r\nabc";
        for cut in 0..whole.len() {
            assert_eq!(request(&whole[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(request(whole).unwrap(), Some((b'P', whole.len())));
        assert_eq!(request(b"POST / HTTP/1.1\r\n\r\nGET").unwrap(), Some((b'O', 19)));
        assert!(request(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn every_method_has_its_answer() {
        let mut connection = Connection::open(start().unwrap()).unwrap();
        for (request, status, content) in [
            (&b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"[..], 200, CONTENT_BYTES),
            (b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", 204, 0),
            (b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", 201, 0),
            (b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", 201, 0),
        ] {
            connection
                .send(|to| {
                    to.extend_from_slice(request);
                    Ok(())
                })
                .unwrap();
            let ends = Instant::now() + Duration::from_secs(10);
            let answered = loop {
                assert!(Instant::now() < ends);
                if let Some(answer) = connection.receive().unwrap() {
                    break (answer.status, answer.content.len());
                }
                std::thread::yield_now();
            };
            assert_eq!(answered, (status, content));
        }
    }
}
