//! Where the content of a message ends, and where the next message begins if nothing but that separates them.

use super::command::is_command;
use super::raw::{request_line, status_line};

/// How a head says that the content behind it is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Framing {
    /// It does not say; the content goes on up to the next head.
    #[default]
    Open,
    /// That many octets.
    Length(usize),
    /// In chunks. Tools that show messages have often put them together already.
    Chunked,
}

impl Framing {
    /// Takes in a field of the head.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("content-length") && *self != Self::Chunked {
            *self = value.trim().parse().map_or(*self, Self::Length);
        } else if name.eq_ignore_ascii_case("transfer-encoding")
            && value.to_ascii_lowercase().contains("chunked")
        {
            *self = Self::Chunked;
        }
    }

    /// The content at the beginning of `rest`, and how many bytes it takes; `None` if the text is not framed as the head
    /// says: cut, put together already, or with other line ends.
    pub(super) fn content(self, rest: &str) -> Option<(String, usize)> {
        match self {
            Self::Open => None,
            // Line ends may have been made shorter.
            Self::Length(bytes) => [plain(rest, bytes), with_line_ends(rest, bytes)]
                .into_iter()
                .flatten()
                .find(|end| is_boundary(&rest[*end..]))
                .map(|end| (rest[..end].to_owned(), end)),
            Self::Chunked => chunks(rest).filter(|(_, end)| is_boundary(&rest[*end..])),
        }
    }
}

fn plain(rest: &str, bytes: usize) -> Option<usize> {
    (bytes <= rest.len() && rest.is_char_boundary(bytes)).then_some(bytes)
}

/// Where so many octets end if each line end was two of them.
fn with_line_ends(rest: &str, bytes: usize) -> Option<usize> {
    let (mut octets, mut before) = (0usize, 0u8);
    for (at, byte) in rest.bytes().enumerate() {
        if octets >= bytes {
            return (octets == bytes && rest.is_char_boundary(at)).then_some(at);
        }
        octets += if byte == b'\n' && before != b'\r' { 2 } else { 1 };
        before = byte;
    }
    (octets == bytes).then_some(rest.len())
}

/// Whether a message can begin here, or the text ends.
fn is_boundary(rest: &str) -> bool {
    let line = rest.trim_start_matches(['\r', '\n']).lines().next().unwrap_or_default();
    line.is_empty() || status_line(line).is_some() || request_line(line).is_some() || is_command(line)
}

/// Content in chunks, put together.
fn chunks(rest: &str) -> Option<(String, usize)> {
    let (mut content, mut at) = (String::new(), 0);
    loop {
        let (line, _) = rest[at..].split_once('\n')?;
        let size = line.trim_end_matches('\r').split(';').next().unwrap_or_default();
        let bytes = usize::from_str_radix(size, 16).ok()?;
        at += line.len() + 1;
        if bytes == 0 {
            break;
        }
        let ends = [plain(&rest[at..], bytes), with_line_ends(&rest[at..], bytes)];
        let end = ends.into_iter().flatten().find(|end| rest[at + end..].starts_with(['\r', '\n']))?;
        content.push_str(&rest[at..at + end]);
        at += end;
        at += if rest[at..].starts_with("\r\n") { 2 } else { 1 };
    }
    // Fields may stand behind the chunks, and then an empty line.
    while let Some((line, _)) = rest[at..].split_once('\n') {
        if is_boundary(&rest[at..]) && !line.trim_end().is_empty() {
            break;
        }
        at += line.len() + 1;
        if line.trim_end().is_empty() {
            break;
        }
    }
    Some((content, at))
}

/// Where in a line of content a head begins that nothing separates from it, as where a body has no line end. `next` is
/// the line behind: that of a field, or empty, or else it is text about a message.
pub(super) fn glued(line: &str, next: Option<&str>) -> Option<usize> {
    let next = next.unwrap_or_default().trim_end();
    let is_field = next.split_once(':').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    });
    if !(next.is_empty() || is_field) {
        return None;
    }
    let answer = line.rmatch_indices("HTTP/").map(|(at, _)| at).find(|&at| {
        let rest = &line[at..];
        let is_phrase = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b" ./-'\r".contains(&b));
        is_phrase && status_line(rest).is_some()
    });
    let at = answer.or_else(|| is_field.then(|| glued_request(line)).flatten())?;
    let before = line[..at].chars().next_back()?;
    (!before.is_whitespace()).then_some(at)
}

/// Where the request line begins that a line ends with.
fn glued_request(line: &str) -> Option<usize> {
    const METHODS: [&str; 9] = ["DELETE", "OPTIONS", "PATCH", "POST", "HEAD", "MOVE", "COPY", "PUT", "GET"];
    METHODS.iter().find_map(|method| {
        let (at, _) = line.rmatch_indices(&format!("{method} ")).next()?;
        request_line(&line[at..]).map(|_| at)
    })
}

/// What `curl -v` writes behind a body without a line end.
const REMARKS: [&str; 8] = [
    "* Connection #",
    "* Closing connection",
    "* shutting down connection",
    "*   Trying ",
    "* Host ",
    "* Re-using existing ",
    "* Reusing existing ",
    "* Found bundle ",
];

/// Where in a line of content a line of `curl -v` begins.
pub(super) fn glued_remark(line: &str) -> Option<usize> {
    REMARKS.iter().filter_map(|remark| line.find(remark)).filter(|at| *at > 0).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_framed() {
        let length = |bytes, rest: &str| Framing::Length(bytes).content(rest).map(|(_, end)| end);
        assert_eq!(length(2, "{}HTTP/1.1 412 P\n\n"), Some(2));
        assert_eq!(length(2, "{}\n"), Some(2));
        assert_eq!(length(6, "a\nb\n\nHTTP/1.1 412 P\n\n"), Some(4), "line ends were two octets");
        assert_eq!(length(9, "{}HTTP/1.1 412 P\n\n"), None, "the text was changed");
        assert_eq!(length(900, "{}\n"), None);
        let chunked = Framing::Chunked.content("2\r\n{}\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1 412 P\r\n");
        assert_eq!(chunked, Some(("{}abc".to_owned(), 20)));
        assert_eq!(Framing::Chunked.content("{}\n"), None, "put together already");
    }

    #[test]
    fn what_is_glued_is_found() {
        assert_eq!(glued("{}HTTP/1.1 412 Precondition Failed", Some("ETag: \"1\"")), Some(2));
        assert_eq!(glued("{}HTTP/2 412 ", Some("")), Some(2));
        assert_eq!(glued("{}PUT /a HTTP/1.1", Some("Host: h")), Some(2));
        for text in
            ["it said HTTP/1.1 412 Precondition Failed", "{\"m\":\"HTTP/1.1 412 Precondition Failed\"}"]
        {
            assert_eq!(glued(text, Some("")), None, "{text}");
        }
        assert_eq!(glued("{}HTTP/1.1 412 x", Some("and so on")), None);
        assert_eq!(glued_remark("{}* Connection #0 to host h left intact"), Some(2));
    }
}
