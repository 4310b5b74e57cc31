//! A client of few words: one request at a time on a connection that is kept, as little work per answer as possible.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Answers are small here: the head and at most some hundred octets of content.
const ANSWER_BYTES_MAX: usize = 16 << 10;
const TAG_BYTES_MAX: usize = 48;

/// An entity-tag, quotes included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    text: [u8; TAG_BYTES_MAX],
    len: usize,
}

impl Tag {
    /// `None`: it is longer than any of the own store's.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let mut tag = Self { text: [0; TAG_BYTES_MAX], len: text.len() };
        tag.text.get_mut(..text.len())?.copy_from_slice(text);
        Some(tag)
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Quotes included.
    pub(crate) tag: Option<&'a [u8]>,
    pub(crate) content: &'a [u8],
}

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    filled: usize,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, request: Vec::new(), answer: vec![0; ANSWER_BYTES_MAX], filled: 0 })
    }

    /// Sends a request that is written by `write`.
    pub(crate) fn send(&mut self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        self.request.clear();
        write(&mut self.request)?;
        self.filled = 0;
        // A request is far smaller than the socket's buffer, which is empty: this never has to wait.
        self.stream.write_all(&self.request)
    }

    /// Reads what has come; `None` while the answer is not complete.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Answer<'_>>> {
        if self.filled == self.answer.len() {
            return Err(io::Error::other("an answer is longer than expected"));
        }
        match self.stream.read(&mut self.answer[self.filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        parse(&self.answer[..self.filled])
    }
}

fn parse(octets: &[u8]) -> io::Result<Option<Answer<'_>>> {
    let bad = || io::Error::other("an answer cannot be read");
    let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = &octets[..end];
    let status = head.get(9..12).and_then(number).and_then(|n| u16::try_from(n).ok()).ok_or_else(bad)?;
    let (mut length, mut tag) = (None, None);
    for line in head.split(|octet| *octet == b'\n').skip(1) {
        match line.first() {
            Some(b'c' | b'C') => length = length.or_else(|| number(value(line, "content-length")?)),
            Some(b'e' | b'E') => tag = tag.or_else(|| value(line, "etag")),
            _ => {}
        }
    }
    let length = match (status, length) {
        (204 | 304, _) => 0,
        (_, Some(length)) => usize::try_from(length).map_err(|_| bad())?,
        (_, None) => return Err(bad()),
    };
    let content = &octets[end + 4..];
    Ok((content.len() >= length).then(|| Answer { status, tag, content: &content[..length] }))
}

fn value<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
}

pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_when_they_are_complete() {
        let whole = b"HTTP/1.1 200 OK\r\nETag: \"a-1\"\r\ncontent-type: x\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).unwrap().is_none(), "{cut}");
        }
        let answer = parse(whole).unwrap().unwrap();
        assert_eq!((answer.status, answer.content), (200, &b"abc"[..]));
        assert_eq!(answer.tag.unwrap(), b"\"a-1\"");
        let nothing = parse(b"HTTP/1.1 204 No Content\r\netag: \"b\"\r\n\r\n").unwrap().unwrap();
        assert_eq!((nothing.status, nothing.content), (204, &b""[..]));
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
