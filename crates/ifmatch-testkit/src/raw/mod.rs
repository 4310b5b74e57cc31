//! A tiny blocking HTTP/1.1 client that sends exactly the bytes it is given, well-formed or not, and is strict about
//! what comes back.

mod parse;

use parse::Framing;
pub use parse::Response;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The largest status line and header section that is read.
pub const HEAD_BYTES_MAX: usize = 256 * 1024;

/// The largest content that is read.
pub const CONTENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why there is no response.
#[derive(Debug)]
pub enum Error {
    /// The socket failed, for instance by a reset.
    Io(io::Error),
    /// It did not come in time; what had come.
    Timeout(Vec<u8>),
    /// The connection was closed before the response was complete; what had come.
    Closed(Vec<u8>),
    /// What came is not a response as RFC 9112 has it.
    Malformed(String),
    /// It is longer than [`HEAD_BYTES_MAX`] or [`CONTENT_BYTES_MAX`].
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Timeout(bytes) => write!(f, "timeout after {:?}", String::from_utf8_lossy(bytes)),
            Self::Closed(bytes) => write!(f, "closed after {:?}", String::from_utf8_lossy(bytes)),
            Self::Malformed(what) => write!(f, "malformed response: {what}"),
            Self::TooLarge => f.write_str("the response is too large"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A request with the given field lines as they are, `Host` if there is none among them, and `Content-Length` if there
/// is content and no line that frames it.
pub fn request<N: AsRef<str>, V: AsRef<[u8]>>(
    method: &str,
    target: &str,
    fields: &[(N, V)],
    content: Option<&[u8]>,
) -> Vec<u8> {
    let has = |name: &str| fields.iter().any(|(field, _)| field.as_ref().eq_ignore_ascii_case(name));
    let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    if !has("host") {
        bytes.extend_from_slice(b"Host: localhost\r\n");
    }
    for (name, value) in fields {
        bytes.extend_from_slice(name.as_ref().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_ref());
        bytes.extend_from_slice(b"\r\n");
    }
    let content = content.unwrap_or_default();
    let is_framed = has("content-length") || has("transfer-encoding");
    if !content.is_empty() && !is_framed {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", content.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(content);
    bytes
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Received, and not yet part of a response.
    received: Vec<u8>,
    timeout: Duration,
}

impl Connection {
    /// Connects. `timeout` is the most that connecting, one send, and one whole response may each take.
    ///
    /// # Errors
    /// As `TcpStream` has them.
    pub fn open(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream, received: Vec::new(), timeout })
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// As `TcpStream` has them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends these bytes one at a time, each in a write of its own.
    ///
    /// # Errors
    /// As `TcpStream` has them.
    pub fn send_bytewise(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.iter().try_for_each(|byte| self.send(std::slice::from_ref(byte)))
    }

    /// Tells the server that no more will be sent, and keeps listening.
    ///
    /// # Errors
    /// As `TcpStream` has them.
    pub fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// The next response, interim ones (1xx) included. `method` is that of the request: it decides whether there is
    /// content.
    ///
    /// # Errors
    /// [`Error`]; after one the connection is good for nothing.
    pub fn response(&mut self, method: &str) -> Result<Response, Error> {
        let end = Instant::now() + self.timeout;
        let mut response = loop {
            if let Some(length) = parse::head_length(&self.received) {
                let head: Vec<u8> = self.received.drain(..length).collect();
                break parse::head(&head)?;
            }
            if self.received.len() > HEAD_BYTES_MAX {
                return Err(Error::TooLarge);
            }
            self.receive(end)?;
        };
        response.content = match parse::framing(&response, method)? {
            Framing::None => Vec::new(),
            Framing::Length(length) => self.take(length, end)?,
            Framing::Chunked => self.chunks(&mut response, end)?,
            Framing::UntilClose => self.until_close(end)?,
        };
        Ok(response)
    }

    /// The next response that is not an interim one.
    ///
    /// # Errors
    /// As [`Connection::response`].
    pub fn final_response(&mut self, method: &str) -> Result<Response, Error> {
        loop {
            let response = self.response(method)?;
            if response.status >= 200 || response.status == 101 {
                return Ok(response);
            }
        }
    }

    /// Everything until the server closes the connection.
    ///
    /// # Errors
    /// [`Error::Timeout`] if it does not, [`Error::Io`], [`Error::TooLarge`].
    pub fn rest(&mut self) -> Result<Vec<u8>, Error> {
        self.until_close(Instant::now() + self.timeout)
    }

    /// Receives at least one byte.
    fn receive(&mut self, end: Instant) -> Result<(), Error> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Timeout(std::mem::take(&mut self.received)));
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Error::Closed(std::mem::take(&mut self.received))),
                Ok(count) => {
                    self.received.extend_from_slice(&buffer[..count]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    // The bound is checked above.
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {}
                    _ => return Err(Error::Io(error)),
                },
            }
        }
    }

    fn take(&mut self, length: usize, end: Instant) -> Result<Vec<u8>, Error> {
        if length > CONTENT_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        while self.received.len() < length {
            self.receive(end)?;
        }
        Ok(self.received.drain(..length).collect())
    }

    /// A line without its CRLF.
    fn line(&mut self, end: Instant) -> Result<String, Error> {
        loop {
            if let Some(length) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..length + 2).take(length).collect();
                return String::from_utf8(line).map_err(|_| Error::Malformed("a line of a chunk".into()));
            }
            if self.received.len() > HEAD_BYTES_MAX {
                return Err(Error::TooLarge);
            }
            self.receive(end)?;
        }
    }

    /// Chunked content; trailer fields go to the response.
    fn chunks(&mut self, response: &mut Response, end: Instant) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        loop {
            let size = parse::chunk_size(&self.line(end)?)?;
            if size == 0 {
                break;
            }
            if size > CONTENT_BYTES_MAX - content.len() {
                return Err(Error::TooLarge);
            }
            content.extend(self.take(size, end)?);
            if self.take(2, end)? != b"\r\n" {
                return Err(Error::Malformed("a chunk does not end where it says".into()));
            }
        }
        loop {
            let line = self.line(end)?;
            if line.is_empty() {
                return Ok(content);
            }
            if response.trailers.len() > HEAD_BYTES_MAX / 4 {
                return Err(Error::TooLarge);
            }
            response.trailers.push(parse::field(line.as_bytes())?);
        }
    }

    fn until_close(&mut self, end: Instant) -> Result<Vec<u8>, Error> {
        loop {
            match self.receive(end) {
                Ok(()) if self.received.len() > CONTENT_BYTES_MAX => return Err(Error::TooLarge),
                Ok(()) => {}
                Err(Error::Closed(bytes)) => return Ok(bytes),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Sends one request on a connection of its own, and returns the final response.
///
/// # Errors
/// [`Error`].
pub fn exchange<N: AsRef<str>, V: AsRef<[u8]>>(
    address: SocketAddr,
    timeout: Duration,
    (method, target): (&str, &str),
    fields: &[(N, V)],
    content: Option<&[u8]>,
) -> Result<Response, Error> {
    let mut connection = Connection::open(address, timeout)?;
    connection.send(&request(method, target, fields, content))?;
    connection.final_response(method)
}
