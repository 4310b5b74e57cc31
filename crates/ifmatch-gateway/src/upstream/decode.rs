//! What comes back from the upstream, told apart: heads of answers, and where their content ends.
//!
//! `httparse` reads the lines; here is what follows from them (RFC 9112, Sections 6 and 7). Strict where two readers could
//! differ: what has no single meaning is malformed, and a connection whose content ended in a doubtful way is not used again.

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use std::fmt;
use std::mem::MaybeUninit;

#[cfg(test)]
mod tests;

/// Largest head of an answer, and largest trailers, in bytes. Past it: malformed.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most field lines of a head or of trailers. Past it: malformed.
const FIELDS_MAX: usize = 100;
/// Most that extensions of all chunks of one answer may take, in bytes. Past it: malformed.
const EXTENSION_BYTES_MAX: usize = 16 << 10;

/// As long as no more than this has come in of a first line, in bytes, it is looked at whether it begins as HTTP does.
const FIRST_LOOK_BYTES_MAX: usize = 256;

/// Most digits and blanks of one chunk's size. Past it: malformed, however many zeros it begins with.
const SIZE_BYTES_MAX: u8 = 64;

/// What came is not HTTP, or more of it than may be; in a few words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for std::io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, malformed)
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    /// The reason phrase, if it is not the usual one.
    pub(super) reason: Option<Bytes>,
    pub(super) content: Content,
    /// Whether the connection may be used again behind the content.
    pub(super) keep: bool,
}

/// Where the content of an answer ends (RFC 9112, Section 6.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// After this many bytes.
    Length(u64),
    /// Behind its last chunk.
    Chunked(Chunks),
    /// With the connection.
    ToEnd,
}

impl Content {
    /// That there is none, or no more.
    pub(super) const NONE: Self = Self::Length(0);
}

/// How far input has been looked through for the end of a head: to the beginning of this line.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Scanned(usize);

impl Scanned {
    /// How long the head is, with the empty line behind it; `None` if that has not come yet.
    fn end(&mut self, input: &[u8]) -> Option<usize> {
        while let Some(at) = memchr::memchr(b'\n', &input[self.0..]) {
            let line = &input[self.0..self.0 + at];
            self.0 += at + 1;
            if matches!(line, b"" | b"\r") {
                return Some(std::mem::take(self).0);
            }
        }
        None
    }
}

/// Takes the head of an answer from the input. `None`: there is not enough of it yet.
pub(super) fn head(
    input: &mut BytesMut,
    scanned: &mut Scanned,
    of_head_request: bool,
) -> Result<Option<Head>, Malformed> {
    let is_first_look = scanned.0 == 0;
    let Some(end) = scanned.end(input) else {
        if input.len() > HEAD_BYTES_MAX {
            return Err(Malformed("the head of the answer is too large"));
        }
        // Whoever speaks something else than HTTP may never send an empty line, but shows it soon.
        if is_first_look && input.len() <= FIRST_LOOK_BYTES_MAX {
            let mut none = [];
            let mut answer = httparse::Response::new(&mut none);
            answer.parse(input).or_else(incomplete)?;
        }
        return Ok(None);
    };
    if end > HEAD_BYTES_MAX {
        return Err(Malformed("the head of the answer is too large"));
    }
    parse(&input.split_to(end).freeze(), of_head_request).map(Some)
}

/// What can be parsed no further for want of room or of bytes may still be the beginning of something good.
fn incomplete(error: httparse::Error) -> Result<httparse::Status<usize>, Malformed> {
    match error {
        httparse::Error::TooManyHeaders => Ok(httparse::Status::Partial),
        _ => Err(Malformed("the answer does not begin as HTTP does")),
    }
}

fn parse(head: &Bytes, of_head_request: bool) -> Result<Head, Malformed> {
    let mut lines = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut answer, head, &mut lines);
    match parsed {
        Ok(httparse::Status::Complete(bytes)) if bytes == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Malformed("the answer has more than 100 field lines"));
        }
        _ => return Err(Malformed("the head of the answer is not HTTP")),
    }
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed("the answer has no status"))?;
    let version = if answer.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let reason =
        answer.reason.filter(|reason| !reason.is_empty() && Some(*reason) != status.canonical_reason());
    let reason = reason.map(|reason| head.slice_ref(reason.as_bytes()));
    let mut told = Told::default();
    let mut headers = fields(head, answer.headers, &mut told)?;
    // What is announced may come, and must not be taken for the next answer (RFC 9110, Section 8.6).
    let announces_none = status != StatusCode::NO_CONTENT
        || !(told.coding || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0"));
    let content = content(status, version, &mut headers, told, of_head_request)?;
    // Behind a 101 it is another protocol's.
    let keep = content != Content::ToEnd
        && version == Version::HTTP_11
        && status != StatusCode::SWITCHING_PROTOCOLS
        && !(told.connection && closes(&headers))
        && announces_none;
    let mut head = Head { status, version, headers, reason, content, keep };
    if told.coding && head.headers.remove(CONTENT_LENGTH).is_some() {
        // The coding goes before the length (RFC 9112, Section 6.3), and something is wrong with the upstream.
        head.keep = false;
    }
    Ok(head)
}

/// Which fields there are that say something of the connection or of the content: nearly no answer has all of them, and to
/// look for each costs more than to see them go by.
#[derive(Clone, Copy, Default)]
struct Told {
    connection: bool,
    coding: bool,
    length: bool,
}

fn fields(of: &Bytes, lines: &[httparse::Header<'_>], told: &mut Told) -> Result<HeaderMap, Malformed> {
    let bad = Malformed("a field of the answer is not one");
    let mut fields = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| bad)?;
        let value = HeaderValue::from_maybe_shared(of.slice_ref(line.value)).map_err(|_| bad)?;
        told.connection |= name == CONNECTION;
        told.coding |= name == TRANSFER_ENCODING;
        told.length |= name == CONTENT_LENGTH;
        fields.append(name, value);
    }
    Ok(fields)
}

/// Whether the connection ends behind the answer (RFC 9112, Section 9.3).
fn closes(headers: &HeaderMap) -> bool {
    let mut options =
        headers.get_all(CONNECTION).iter().flat_map(|line| line.as_bytes().split(|&b| b == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// RFC 9112, Section 6.3. Of a length that is said more than once one is left, and none where there can be none.
fn content(
    status: StatusCode,
    version: Version,
    headers: &mut HeaderMap,
    told: Told,
    of_head_request: bool,
) -> Result<Content, Malformed> {
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        if told.length {
            // RFC 9110, Section 8.6.
            headers.remove(CONTENT_LENGTH);
        }
        return Ok(Content::NONE);
    }
    // The coding goes before the length, which is not handed on beside it.
    let length = if told.length && !told.coding { length(headers)? } else { None };
    if of_head_request || status == StatusCode::NOT_MODIFIED {
        return Ok(Content::NONE);
    }
    if !told.coding {
        return Ok(length.map_or(Content::ToEnd, Content::Length));
    }
    if version == Version::HTTP_10 {
        return Err(Malformed("the answer is HTTP/1.0 and has a transfer coding"));
    }
    if is_chunked(headers) {
        Ok(Content::Chunked(Chunks::default()))
    } else {
        Err(Malformed("the answer has a transfer coding other than chunked"))
    }
}

/// What its content is under: chunked, once, and nothing else. What another coding makes of content is not content, and
/// nobody asked for it (RFC 9112, Section 7).
fn is_chunked(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings = lines
        .flat_map(|line| line.as_bytes().split(|&b| b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty());
    codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) && codings.next().is_none()
}

fn length(headers: &mut HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let first = lines.next().map_or(&b""[..], HeaderValue::as_bytes);
    let plain = decimal(first.trim_ascii()).filter(|_| lines.next().is_none());
    if plain.is_some() {
        return Ok(plain);
    }
    let mut length = None;
    for line in headers.get_all(CONTENT_LENGTH) {
        for one in line.as_bytes().split(|&b| b == b',') {
            let said = decimal(one.trim_ascii()).ok_or(Malformed("the answer's length is not a number"))?;
            if length.replace(said).is_some_and(|before| before != said) {
                return Err(Malformed("the answer has two lengths"));
            }
        }
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(length)
}

/// Digits and nothing else, as Content-Length has them.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Content in chunks (RFC 9112, Section 7.1), as far as it has been read.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Chunks {
    at: At,
    /// The size of this chunk, as far as it was read, and then what is left of it.
    left: u64,
    extension_bytes: usize,
    /// Digits and blanks of this chunk's size so far.
    size_bytes: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum At {
    #[default]
    SizeBegins,
    Size,
    /// Blanks behind the size.
    Blank,
    Extension,
    SizeEnds,
    Data,
    DataEnds,
    DataEndsLf,
    Trailers,
}

/// What was found next in chunks.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing that is complete.
    Nothing,
    Data(Bytes),
    /// The end, with the trailers if there are some.
    End(Option<HeaderMap>),
}

impl Chunks {
    /// Takes what comes next from the input.
    pub(super) fn next(&mut self, input: &mut BytesMut, scanned: &mut Scanned) -> Result<Found, Malformed> {
        loop {
            match self.at {
                At::Data => {
                    let bytes = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
                    if bytes == 0 {
                        return Ok(Found::Nothing);
                    }
                    self.left -= bytes as u64;
                    if self.left == 0 {
                        self.at = At::DataEnds;
                    }
                    return Ok(Found::Data(input.split_to(bytes).freeze()));
                }
                At::Trailers => return trailers(input, scanned),
                _ => {
                    let bytes = self.line(input)?;
                    drop(input.split_to(bytes));
                    if !matches!(self.at, At::Data | At::Trailers) {
                        return Ok(Found::Nothing);
                    }
                }
            }
        }
    }

    /// Reads on to the beginning of data or trailers; how many bytes were used.
    fn line(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let bad = Err(Malformed("a chunk of the answer has no size"));
        for (index, &byte) in input.iter().enumerate() {
            if matches!(self.at, At::SizeBegins | At::Size | At::Blank) {
                self.size_bytes = if self.at == At::SizeBegins { 1 } else { self.size_bytes + 1 };
                if self.size_bytes > SIZE_BYTES_MAX {
                    return bad;
                }
            }
            self.at = match (self.at, byte) {
                (At::SizeBegins | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                    let Some(left) = self.left.checked_mul(16) else { return bad };
                    self.left = left + digit;
                    At::Size
                }
                (At::Size | At::Blank, b' ' | b'\t') => At::Blank,
                (At::Size | At::Blank, b';') => At::Extension,
                (At::Size | At::Blank | At::Extension, b'\r') => At::SizeEnds,
                (At::Extension, b'\n') => return bad,
                (At::Extension, _) => {
                    self.extension_bytes += 1;
                    if self.extension_bytes > EXTENSION_BYTES_MAX {
                        return Err(Malformed("the chunks of the answer have too long extensions"));
                    }
                    At::Extension
                }
                (At::SizeEnds, b'\n') if self.left == 0 => At::Trailers,
                (At::SizeEnds, b'\n') => At::Data,
                (At::DataEnds, b'\r') => At::DataEndsLf,
                (At::DataEndsLf, b'\n') => At::SizeBegins,
                _ => return bad,
            };
            if matches!(self.at, At::Data | At::Trailers) {
                return Ok(index + 1);
            }
        }
        Ok(input.len())
    }
}

fn trailers(input: &mut BytesMut, scanned: &mut Scanned) -> Result<Found, Malformed> {
    let end = scanned.end(input);
    if end.unwrap_or(input.len()) > HEAD_BYTES_MAX {
        return Err(Malformed("the trailers of the answer are too large"));
    }
    let Some(end) = end else { return Ok(Found::Nothing) };
    let all = input.split_to(end).freeze();
    // Not all readers end a line of chunked content at LF alone, and so would not agree on where this one ends.
    if memchr::memchr_iter(b'\n', &all).any(|at| !all[..at].ends_with(b"\r")) {
        return Err(Malformed("a line of the answer's trailers does not end with CRLF"));
    }
    let mut lines = [httparse::EMPTY_HEADER; FIELDS_MAX];
    match httparse::parse_headers(&all, &mut lines) {
        Ok(httparse::Status::Complete((bytes, []))) if bytes == all.len() => Ok(Found::End(None)),
        Ok(httparse::Status::Complete((bytes, lines))) if bytes == all.len() => {
            Ok(Found::End(Some(fields(&all, lines, &mut Told::default())?)))
        }
        _ => Err(Malformed("the trailers of the answer are not fields")),
    }
}
