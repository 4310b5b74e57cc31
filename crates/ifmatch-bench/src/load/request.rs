//! Requests and contents.

use super::connection::number;
use std::io::{self, Write};

/// Content is filled up to about this length.
const FILLER: &str = "................................................................................................................................................................";

/// A resource's path, scattered over the index of names as random identifiers would be.
fn path(to: &mut Vec<u8>, key: u64) -> io::Result<()> {
    write!(to, "/items/{:016x}", key.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

pub(super) fn get(to: &mut Vec<u8>, key: u64) -> io::Result<()> {
    to.extend_from_slice(b"GET ");
    path(to, key)?;
    to.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n\r\n");
    Ok(())
}

/// A write under the tag that was seen, or a creation.
pub(super) fn put(
    to: &mut Vec<u8>,
    key: u64,
    seen: Option<&[u8]>,
    shown: bool,
    value: u64,
) -> io::Result<()> {
    to.extend_from_slice(b"PUT ");
    path(to, key)?;
    to.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    match seen {
        Some(tag) => {
            to.extend_from_slice(b"If-Match: ");
            to.extend_from_slice(tag);
        }
        None => to.extend_from_slice(b"If-None-Match: *"),
    }
    if shown {
        // A refusal is then the current state; an applied write is shown as well, which costs both sides a little.
        to.extend_from_slice(b"\r\nPrefer: return=representation");
    }
    write!(to, "\r\nContent-Length: {}\r\n\r\n", content_bytes(value))?;
    content(to, value)
}

fn content_bytes(value: u64) -> usize {
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    br#"{"n":,"filler":""}"#.len() + digits + FILLER.len()
}

pub(super) fn content(to: &mut Vec<u8>, value: u64) -> io::Result<()> {
    write!(to, r#"{{"n":{value},"filler":"{FILLER}"}}"#)
}

/// The number in a content.
pub(super) fn count_in(content: &[u8]) -> Option<u64> {
    let rest = content.strip_prefix(br#"{"n":"#)?;
    let end = rest.iter().position(|octet| *octet == b',')?;
    number(&rest[..end])
}
