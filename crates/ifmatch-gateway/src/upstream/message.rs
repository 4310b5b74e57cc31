//! A request as it goes out: its head written down, and its content.

use super::decode::decimal;
use super::sending::Sending;
use super::writing::COPIED_BYTES_MAX;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Request};

/// How much room a head gets at first, in bytes.
const HEAD_BYTES: usize = 1 << 10;

/// A request as it goes out. Its fields are written down as they are told, in that order, names in lower case; nothing is added
/// to them but the framing, which says what the content is.
pub struct Message {
    /// Everything but the framing and the empty line.
    head: Vec<u8>,
    is_head_request: bool,
    /// What the fields said of the length of the content.
    length: Told,
    content: Sending,
}

#[derive(Clone, Copy)]
enum Told {
    Nothing,
    Length(u64),
    /// Several things, or none that can be understood.
    Unclear,
}

impl Message {
    /// A request without fields. The target is sent as it is, from its root.
    pub fn new(method: &Method, target: &PathAndQuery, content: Sending) -> Self {
        let copied = content.all().map_or(0, |content| content.len());
        let room = HEAD_BYTES + if copied <= COPIED_BYTES_MAX { copied } else { 0 };
        let mut message = Self {
            head: Vec::with_capacity(room),
            is_head_request: *method == Method::HEAD,
            length: Told::Nothing,
            content,
        };
        let target = target.as_str();
        // Of `http://host?query` a path is missing (RFC 9112, Section 3.2.1).
        let root: &[u8] = if target.starts_with(['/', '*']) { b"" } else { b"/" };
        message.raw(&[method.as_str().as_bytes(), b" ", root, target.as_bytes(), b" HTTP/1.1\r\n"]);
        message
    }

    /// Adds a field line, as one value that may consist of several parts. Parts come from parsed values, so none ends the
    /// line. What is said of framing only counts where the content does not know its length.
    pub fn field(&mut self, name: &HeaderName, value: &[&[u8]]) {
        debug_assert!(!value.iter().any(|part| part.iter().any(|b| matches!(b, b'\r' | b'\n' | 0))));
        if *name == CONTENT_LENGTH {
            self.length = match (self.length, decimal(&value.concat())) {
                (Told::Nothing, Some(bytes)) => Told::Length(bytes),
                _ => Told::Unclear,
            };
        } else if *name != TRANSFER_ENCODING {
            self.head.extend_from_slice(name.as_str().as_bytes());
            self.head.extend_from_slice(b": ");
            self.raw(value);
            self.head.extend_from_slice(b"\r\n");
        }
    }

    fn raw(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.head.extend_from_slice(part);
        }
    }

    pub(super) fn is_head_request(&self) -> bool {
        self.is_head_request
    }

    /// Takes what is to be sent. Content that is there as a whole stays here as well.
    pub(super) fn take(&mut self) -> Taken {
        let told = match self.length {
            Told::Length(bytes) => Some(bytes),
            Told::Nothing | Told::Unclear => None,
        };
        let length = self.content.length().or(told);
        let bare_bytes = self.head.len();
        match length {
            // Of no content nothing has to be said.
            Some(0) if matches!(self.length, Told::Nothing) => {}
            Some(bytes) => {
                let digits = bytes.to_string();
                self.raw(&[CONTENT_LENGTH.as_str().as_bytes(), b": ", digits.as_bytes(), b"\r\n"]);
            }
            None => self.raw(&[b"transfer-encoding: chunked\r\n"]),
        }
        self.raw(&[b"\r\n"]);
        let content = match self.content.all() {
            Some(all) => Ok(all),
            None if length == Some(0) => Ok(Bytes::new()),
            None => Err(self.content.take(length)),
        };
        Taken { head: std::mem::take(&mut self.head), bare_bytes, content, chunked: length.is_none() }
    }

    /// Gives the head back: nothing was sent.
    pub(super) fn give_back(&mut self, mut head: Vec<u8>, bare_bytes: usize) {
        head.truncate(bare_bytes);
        self.head = head;
    }
}

/// What is sent of a message.
pub(super) struct Taken {
    /// With its framing and the empty line.
    pub(super) head: Vec<u8>,
    /// How long it is without them.
    pub(super) bare_bytes: usize,
    /// All of it, or how it comes in pieces.
    pub(super) content: Result<Bytes, Sending>,
    pub(super) chunked: bool,
}

impl From<Request<Sending>> for Message {
    fn from(request: Request<Sending>) -> Self {
        let (head, content) = request.into_parts();
        let target = head.uri.into_parts().path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        let mut message = Self::new(&head.method, &target, content);
        for (name, value) in &head.headers {
            message.field(name, &[value.as_bytes()]);
        }
        message
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Heads have credentials.
        f.debug_struct("Message").field("content", &self.content).finish_non_exhaustive()
    }
}
