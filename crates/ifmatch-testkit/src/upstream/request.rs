//! Requests as they came, and reading them.

use super::Point;
use std::io::{self, Read};
use std::net::TcpStream;

/// The largest head, in bytes.
pub const HEAD_BYTES_MAX: usize = 256 * 1024;

/// The largest content, in bytes; past it the connection is closed.
pub const CONTENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much is asked of the socket in one read, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// A request as it was received, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which connection it came on; the first is 1.
    pub connection: u64,
    /// Everything up to the empty line, which is included, byte for byte.
    pub head: Vec<u8>,
    /// How many reads of the socket it took until the head was complete; 0 if it came with the request before.
    pub head_reads: usize,
    /// As sent.
    pub method: String,
    /// As sent.
    pub target: String,
    /// Field lines in order, names as sent, whitespace around values removed.
    pub fields: Vec<(String, Vec<u8>)>,
    /// As much of the content as was read, any chunked coding removed.
    pub content: Vec<u8>,
    /// Field lines after chunked content.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// How far the exchange has come.
    pub reached: Point,
    /// Whether it was performed: for a write, that the resource was looked at and, where nothing refused it, changed.
    pub is_applied: bool,
    /// The status of the answer, once its head was sent.
    pub status: Option<u16>,
    /// How much of the answer's content was handed to the socket, in bytes.
    pub sent_bytes: u64,
    /// Whether the exchange has ended, in whatever way.
    pub is_over: bool,
}

impl Request {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The values of all lines of a field.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let named = |field: &&(String, Vec<u8>)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().filter(named).map(|(_, value)| value.as_slice()).collect()
    }

    /// The value of a field with exactly one line, if it is UTF-8.
    pub fn value(&self, name: &str) -> Option<&str> {
        match self.values(name).as_slice() {
            [value] => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// The names of all field lines in order, in lower case.
    pub fn names(&self) -> Vec<String> {
        self.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
    }

    /// The content, with U+FFFD for what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        let values = self.values(name);
        let mut tokens = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
        tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    fn parse(connection: u64, head: Vec<u8>, head_reads: usize) -> Option<Self> {
        let mut lines =
            head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = String::from_utf8(lines.next()?.to_vec()).ok()?;
        let [method, target, "HTTP/1.1" | "HTTP/1.0"] = first.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let fields = lines.take_while(|line| !line.is_empty()).map(field).collect::<Option<_>>()?;
        Some(Self {
            connection,
            head_reads,
            method: method.to_owned(),
            target: target.to_owned(),
            fields,
            content: Vec::new(),
            trailers: Vec::new(),
            reached: Point::Head,
            is_applied: false,
            status: None,
            sent_bytes: 0,
            is_over: false,
            head,
        })
    }

    /// How much content it has; `None`: chunked. An error for what cannot be told.
    pub(super) fn length(&self) -> io::Result<Option<usize>> {
        if self.has_token("transfer-encoding", "chunked") {
            return Ok(None);
        }
        match self.values("content-length").as_slice() {
            [] => Ok(Some(0)),
            [value] => {
                let text = std::str::from_utf8(value).map_err(|_| malformed("Content-Length"))?;
                text.parse().map(Some).map_err(|_| malformed("Content-Length"))
            }
            _ => Err(malformed("Content-Length twice")),
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8(line[..colon].to_vec()).ok()?;
    Some((name, line[colon + 1..].trim_ascii().to_vec()))
}

/// Content and trailer fields.
pub(super) type Content = (Vec<u8>, Vec<(String, Vec<u8>)>);

/// What comes in on one connection.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) stream: TcpStream,
    received: Vec<u8>,
    reads: usize,
}

impl Reader {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, received: Vec::new(), reads: 0 }
    }

    /// The next request without its content. `None` at the end of the connection.
    pub(super) fn request(&mut self, connection: u64) -> io::Result<Option<Request>> {
        self.reads = 0;
        loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.received.drain(..at + 4).collect();
                let request = Request::parse(connection, head, self.reads);
                return request.map(Some).ok_or_else(|| malformed("head"));
            }
            if self.received.len() > HEAD_BYTES_MAX {
                return Err(malformed("head too long"));
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
    }

    /// All content of a request.
    pub(super) fn content(&mut self, request: &Request) -> io::Result<Content> {
        let Some(length) = request.length()? else { return self.chunks() };
        Ok((self.take(length)?, Vec::new()))
    }

    fn chunks(&mut self) -> io::Result<Content> {
        let (mut content, mut trailers) = (Vec::new(), Vec::new());
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| malformed("size of a chunk"))?;
            if size == 0 {
                break;
            }
            if size > CONTENT_BYTES_MAX - content.len() {
                return Err(malformed("content too long"));
            }
            content.extend(self.take(size)?);
            self.take(2)?;
        }
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((content, trailers));
            }
            if trailers.len() > HEAD_BYTES_MAX / 4 {
                return Err(malformed("too many trailers"));
            }
            trailers.push(field(line.as_bytes()).ok_or_else(|| malformed("trailer"))?);
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.received.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..at + 2).take(at).collect();
                return String::from_utf8(line).map_err(|_| malformed("line"));
            }
            if self.received.len() > HEAD_BYTES_MAX {
                return Err(malformed("line too long"));
            }
            self.receive_more()?;
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > CONTENT_BYTES_MAX {
            return Err(malformed("content too long"));
        }
        while self.received.len() < length {
            self.receive_more()?;
        }
        Ok(self.received.drain(..length).collect())
    }

    fn receive_more(&mut self) -> io::Result<()> {
        if self.receive()? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// False at the end.
    fn receive(&mut self) -> io::Result<bool> {
        let from = self.received.len();
        self.received.resize(from + READ_BYTES, 0);
        let read = self.stream.read(&mut self.received[from..]);
        self.received.truncate(from + *read.as_ref().unwrap_or(&0));
        self.reads += 1;
        read.map(|count| count > 0)
    }

    /// Throws away what comes, up to a bound, until the other side is done.
    pub(super) fn drain(&mut self) {
        let mut left = CONTENT_BYTES_MAX;
        self.received.clear();
        while matches!(self.receive(), Ok(true)) && left > 0 {
            left = left.saturating_sub(self.received.len());
            self.received.clear();
        }
    }
}
