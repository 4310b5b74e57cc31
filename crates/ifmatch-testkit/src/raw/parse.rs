//! Responses of HTTP/1.1 (RFC 9112), read strictly: a server that is sloppy in a test should fail it.

use super::{CONTENT_BYTES_MAX, Error};

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Such as `HTTP/1.1`.
    pub version: String,
    /// Three digits.
    pub status: u16,
    /// The words after the status code, if any.
    pub reason: String,
    /// Field lines in order, names as sent, whitespace around values removed.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The content, any chunked coding removed.
    pub content: Vec<u8>,
    /// Field lines after chunked content.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl Response {
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

    /// The content, with U+FFFD for what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// Where the content ends (RFC 9112, Section 6.3).
pub(super) enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

fn malformed(what: &str, bytes: &[u8]) -> Error {
    Error::Malformed(format!("{what}: {:?}", String::from_utf8_lossy(bytes)))
}

/// Where the head ends, the empty line included.
pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// A whole head, its empty line included.
pub(super) fn head(bytes: &[u8]) -> Result<Response, Error> {
    let text = bytes.strip_suffix(b"\r\n\r\n").unwrap_or(bytes);
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    let (version, status, reason) = status_line(lines[0])?;
    let fields = lines[1..].iter().map(|line| field(line)).collect::<Result<_, _>>()?;
    Ok(Response { version, status, reason, fields, content: Vec::new(), trailers: Vec::new() })
}

/// `HTTP/1.1 200 OK`; the words may be missing, the space before them not.
fn status_line(line: &[u8]) -> Result<(String, u16, String), Error> {
    let error = || malformed("status line", line);
    let text = std::str::from_utf8(line).map_err(|_| error())?;
    let parts: Vec<&str> = text.splitn(3, ' ').collect();
    let &[version @ ("HTTP/1.0" | "HTTP/1.1"), status, reason] = parts.as_slice() else {
        return Err(error());
    };
    let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
    if !is_status || reason.contains(['\r', '\n', '\0']) {
        return Err(error());
    }
    Ok((version.to_owned(), status.parse().map_err(|_| error())?, reason.to_owned()))
}

/// `Name: value`, without folding, and without space before the colon.
pub(super) fn field(line: &[u8]) -> Result<(String, Vec<u8>), Error> {
    let error = || malformed("field line", line);
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(error)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if name.is_empty() || !name.iter().all(is_token) || value.iter().any(is_control) {
        return Err(error());
    }
    let name = String::from_utf8(name.to_vec()).map_err(|_| error())?;
    let from = value.iter().position(|byte| !b" \t".contains(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !b" \t".contains(byte)).map_or(from, |last| last + 1);
    Ok((name, value[from..to].to_vec()))
}

pub(super) fn framing(response: &Response, method: &str) -> Result<Framing, Error> {
    let status = response.status;
    let codings = response.values("transfer-encoding");
    let lengths = response.values("content-length");
    if !codings.is_empty() && !lengths.is_empty() {
        return Err(Error::Malformed("both Transfer-Encoding and Content-Length".into()));
    }
    if lengths.len() > 1 || codings.len() > 1 {
        return Err(Error::Malformed("framed twice".into()));
    }
    if method == "HEAD" || status < 200 || status == 204 || status == 304 {
        if (status < 200 || status == 204) && !(codings.is_empty() && lengths.is_empty()) {
            return Err(Error::Malformed(format!("{status} frames content it cannot have")));
        }
        return Ok(Framing::None);
    }
    if let &[coding] = codings.as_slice() {
        if coding.eq_ignore_ascii_case(b"chunked") {
            return Ok(Framing::Chunked);
        }
        return Err(malformed("a coding we did not ask for", coding));
    }
    let &[length] = lengths.as_slice() else { return Ok(Framing::UntilClose) };
    if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
        return Err(malformed("Content-Length", length));
    }
    // Only a number past any limit of ours fails to parse.
    let length = std::str::from_utf8(length).ok().and_then(|digits| digits.parse().ok());
    Ok(Framing::Length(length.unwrap_or(CONTENT_BYTES_MAX + 1)))
}

/// `1a;extension`
pub(super) fn chunk_size(line: &str) -> Result<usize, Error> {
    let digits = line.split(';').next().unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed("size of a chunk", line.as_bytes()));
    }
    Ok(usize::from_str_radix(digits, 16).unwrap_or(CONTENT_BYTES_MAX + 1))
}
