//! The same bytes, cut in any places, have to mean the same to us as to hyper's client.

use super::decode::{self, Content, Found, Malformed, Scanned};
use super::{BodyError, Fresh, SendErrorKind, Sending, Upstream};
use crate::settings::{Origin, Times};
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};
use parking_lot::Mutex;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What an upstream says, and how it arrives.
#[derive(Clone)]
struct Said {
    pieces: Vec<Vec<u8>>,
    /// The connection stays open behind the last piece.
    open: bool,
    of_head_request: bool,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<_> = self.pieces.iter().map(|piece| String::from_utf8_lossy(piece)).collect();
        write!(f, "open: {}, HEAD: {}, {pieces:?}", self.open, self.of_head_request)
    }
}

impl Said {
    fn all(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

/// What it means.
#[derive(Clone, PartialEq, Debug)]
struct Meaning {
    head: Option<(u16, Version, HeaderMap)>,
    content: Vec<u8>,
    trailers: Option<HeaderMap>,
    end: End,
    /// Whether the connection is used again. Only if it stays open.
    kept: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Complete,
    /// There is more to come.
    Waits,
    Cut,
    Malformed,
}

impl Meaning {
    fn nothing(end: End) -> Self {
        Self { head: None, content: Vec::new(), trailers: None, end, kept: false }
    }
}

fn we_read(said: &Said) -> Meaning {
    let mut read = Meaning::nothing(End::Waits);
    let mut input = BytesMut::new();
    let mut reading = Reading::default();
    for piece in &said.pieces {
        input.extend_from_slice(piece);
        if read.end == End::Waits {
            match reading.take(&mut input, said.of_head_request, &mut read) {
                Ok(true) => read.end = End::Complete,
                Ok(false) => {}
                Err(Malformed { .. }) => read.end = End::Malformed,
            }
        }
    }
    match read.end {
        End::Complete => read.kept = reading.keep && input.is_empty() && said.open,
        End::Waits if !said.open => {
            let ends = matches!(reading.content, Some(Content::ToEnd));
            read.end = if ends { End::Complete } else { End::Cut };
        }
        _ => {}
    }
    read
}

#[derive(Default)]
struct Reading {
    scanned: Scanned,
    content: Option<Content>,
    keep: bool,
}

impl Reading {
    /// What there is; whether it is the end.
    fn take(
        &mut self,
        input: &mut BytesMut,
        of_head_request: bool,
        to: &mut Meaning,
    ) -> Result<bool, Malformed> {
        loop {
            match &mut self.content {
                Some(Content::Length(0)) => return Ok(true),
                _ if input.is_empty() => return Ok(false),
                None => {
                    let Some(head) = decode::head(input, &mut self.scanned, of_head_request)? else {
                        return Ok(false);
                    };
                    if !head.status.is_informational() || head.status == 101 {
                        to.head = Some((head.status.as_u16(), head.version, head.headers));
                        (self.content, self.keep) = (Some(head.content), head.keep);
                    }
                }
                Some(Content::Length(left)) => {
                    let data = input.split_to(input.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
                    *left -= data.len() as u64;
                    to.content.extend_from_slice(&data);
                }
                Some(Content::ToEnd) => to.content.extend_from_slice(&input.split()),
                Some(Content::Chunked(chunks)) => match chunks.next(input, &mut self.scanned)? {
                    Found::Nothing => return Ok(false),
                    Found::Data(data) => to.content.extend_from_slice(&data),
                    Found::End(trailers) => {
                        to.trailers = trailers;
                        self.content = Some(Content::NONE);
                    }
                },
            }
        }
    }
}

/// The upstream's side, as hyper sees it.
struct Wire(Arc<Mutex<State>>);

struct State {
    pieces: VecDeque<Vec<u8>>,
    open: bool,
    asked: Vec<u8>,
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if !state.asked.ends_with(b"\r\n\r\n") {
            return Poll::Pending;
        }
        let open = state.open;
        let Some(piece) = state.pieces.front_mut() else {
            return if open { Poll::Pending } else { Poll::Ready(Ok(())) };
        };
        let bytes = piece.len().min(buf.remaining());
        buf.put_slice(&piece[..bytes]);
        piece.drain(..bytes);
        if piece.is_empty() {
            state.pieces.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().asked.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn hyper_reads(said: &Said) -> Meaning {
    let pieces = said.pieces.iter().filter(|piece| !piece.is_empty()).cloned().collect();
    let state = Arc::new(Mutex::new(State { pieces, open: said.open, asked: Vec::new() }));
    let cx = &mut Context::from_waker(Waker::noop());
    let handshake = http1::Builder::new().handshake::<_, Empty<Bytes>>(Wire(Arc::clone(&state)));
    let Poll::Ready(Ok((mut sender, connection))) = pin!(handshake).poll(cx) else { panic!("no handshake") };
    let mut connection = pin!(connection);
    let method = if said.of_head_request { Method::HEAD } else { Method::GET };
    let request = Request::builder().method(method).uri("/").body(Empty::new()).unwrap();
    let mut answering = pin!(sender.send_request(request));
    let mut read = Meaning::nothing(End::Waits);
    let (mut body, mut open, mut idle_turns) = (None, true, 0);
    // Long after nothing happens any more.
    while idle_turns < 8 {
        let before = (state.lock().pieces.len(), read.content.len(), body.is_some(), read.end, open);
        if open && connection.as_mut().poll(cx).is_ready() {
            open = false;
        }
        match &mut body {
            _ if read.end != End::Waits => {}
            None => match answering.as_mut().poll(cx) {
                Poll::Ready(Ok(answer)) => {
                    let (head, content) = answer.into_parts();
                    read.head = Some((head.status.as_u16(), head.version, head.headers));
                    body = Some(content);
                }
                Poll::Ready(Err(error)) => {
                    read.end = if error.is_incomplete_message() { End::Cut } else { End::Malformed };
                }
                Poll::Pending => {}
            },
            Some(body) => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => read.content.extend_from_slice(&data),
                    Err(frame) => read.trailers = frame.into_trailers().ok(),
                },
                Poll::Ready(Some(Err(error))) => {
                    let source =
                        std::error::Error::source(&error).and_then(|e| e.downcast_ref::<io::Error>());
                    let is_cut = source.is_none_or(|error| error.kind() == io::ErrorKind::UnexpectedEof);
                    read.end = if is_cut { End::Cut } else { End::Malformed };
                }
                Poll::Ready(None) => read.end = End::Complete,
                Poll::Pending => {}
            },
        }
        let now = (state.lock().pieces.len(), read.content.len(), body.is_some(), read.end, open);
        idle_turns = if now == before { idle_turns + 1 } else { 0 };
    }
    read.kept = read.end == End::Complete && open && sender.is_ready() && said.open;
    read
}

/// What is ours to be stricter in, or later.
fn is_ours(said: &Said, ours: &Meaning, theirs: &Meaning) -> bool {
    let mut theirs = theirs.clone();
    let fields = |meaning: &Meaning| meaning.head.as_ref().map(|head| head.2.clone()).unwrap_or_default();
    if fields(&theirs).contains_key(TRANSFER_ENCODING)
        && let Some((.., headers)) = &mut theirs.head
        && headers.remove(CONTENT_LENGTH).is_some()
    {
        // Both framings at once: the sender is broken, or attacks somebody.
        theirs.kept = false;
    }
    if theirs.head.as_ref().is_some_and(|(_, version, _)| *version == Version::HTTP_10) {
        // HTTP/1.0 is not asked to keep its connection.
        theirs.kept = false;
    }
    if fields(&theirs).get_all(CONNECTION).iter().any(|line| line.to_str().is_err()) {
        // hyper does not look for `close` beside what is not ASCII.
        theirs.kept = ours.kept;
    }
    let announced = fields(&theirs).get_all(CONTENT_LENGTH).iter().any(|length| length != "0");
    if theirs.head.as_ref().is_some_and(|(status, ..)| *status == 204)
        && (announced || fields(&theirs).contains_key(TRANSFER_ENCODING))
    {
        // Where there can be no content some is announced, and may come yet.
        theirs.kept = false;
    }
    if let Some((status, _, headers)) = &mut theirs.head {
        if *status == 204 || *status < 200 {
            headers.remove(CONTENT_LENGTH);
        }
        // What is said twice is handed on once.
        if let Some(one) = one_length(headers) {
            headers.insert(CONTENT_LENGTH, one.into());
        }
    }
    // Trailers of no field are none.
    theirs.trailers = theirs.trailers.filter(|trailers| !trailers.is_empty());
    if *ours == theirs {
        return true;
    }
    if ends_with_no_coding(&fields(&theirs)) {
        // hyper takes what an empty element of the list leaves (RFC 9110, Section 5.6.1) for a coding.
        return true;
    }
    let failed = |end| matches!(end, End::Malformed | End::Cut | End::Waits);
    let (same_head, same_content) = (ours.head == theirs.head, ours.content == theirs.content);
    let text = String::from_utf8_lossy(&said.all()).into_owned();
    match (ours.end, theirs.end) {
        // What is malformed is found at the end of the head or of the trailers, not in the middle of them, and perhaps never.
        (End::Waits | End::Cut, End::Malformed) => same_head && same_content,
        // An empty line is not the beginning of an answer.
        (End::Malformed, _) if ours.head.is_none() && begins_with_empty_line(&text) => true,
        // Codings that nobody here undoes, and lengths that are none where no content comes.
        (End::Malformed, _) if ours.head.is_none() && !is_plainly_framed(&fields(&theirs)) => true,
        // Lines of trailers end with CRLF, as those of chunks do.
        (End::Malformed, end) if same_head && same_content => failed(end) || has_bare_lf_in_trailers(&text),
        _ => false,
    }
}

/// Of this answer, or of one behind an interim one.
fn begins_with_empty_line(text: &str) -> bool {
    let is_empty = |text: &str| text.starts_with('\n') || text.starts_with("\r\n") || text == "\r";
    is_empty(text) || ["\r\n\r\n", "\n\n"].iter().any(|end| text.split(end).skip(1).any(is_empty))
}

/// A length that is said more than once, if it is always the same.
fn one_length(headers: &HeaderMap) -> Option<u64> {
    let lines: Option<Vec<&str>> =
        headers.get_all(CONTENT_LENGTH).iter().map(|line| line.to_str().ok()).collect();
    let lines = lines?.join(",");
    let said: Option<Vec<u64>> = lines.split(',').map(|one| one.trim().parse().ok()).collect();
    let said = said.filter(|said| said.len() > 1 && !lines.contains('+'))?;
    said.iter().all(|one| *one == said[0]).then_some(said[0])
}

/// Whether the last element of a list of transfer codings is empty.
fn ends_with_no_coding(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back().and_then(|line| line.to_str().ok());
    last.is_some_and(|line| line.rsplit(',').next().is_some_and(|coding| coding.trim().is_empty()))
}

/// Chunked and nothing else, or of one length that is a number.
fn is_plainly_framed(headers: &HeaderMap) -> bool {
    let has_coding = headers.contains_key(TRANSFER_ENCODING);
    let lines: Vec<_> =
        headers.get_all(TRANSFER_ENCODING).iter().filter_map(|line| line.to_str().ok()).collect();
    let codings = lines.join(",").to_ascii_lowercase();
    let codings: Vec<_> = codings.split(',').map(str::trim).filter(|coding| !coding.is_empty()).collect();
    let number = |length: &http::HeaderValue| {
        let digits = length.to_str().ok()?.trim();
        digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let lengths: Option<Vec<u64>> = headers.get_all(CONTENT_LENGTH).iter().map(number).collect();
    (!has_coding || codings == ["chunked"])
        && lengths.is_some_and(|lengths| lengths.iter().all(|one| *one == lengths[0]))
}

fn has_bare_lf_in_trailers(text: &str) -> bool {
    let trailers = text.rsplit("\r\n0").next().unwrap_or_default();
    trailers.replace("\r\n", "").contains('\n')
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(texts).prop_map(str::to_owned)
}

fn field(content_bytes: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just(format!("content-length: {content_bytes}")),
        1 => Just(format!("Content-Length:{content_bytes} , {content_bytes}")),
        1 => Just(format!("content-length: {}", content_bytes + 1)),
        1 => Just(format!("content-length:\t0{content_bytes}\t")),
        1 => Just("transfer-encoding: chunked".to_owned()),
        2 => one_of(&[
            "content-length: 3", "content-length: +3", "content-length: 3, 4", "content-length: 3,",
            "content-length:", "content-length: 0x3", "content-length : 3", "content-length: 3 3",
            "content-length: 99999999999999999999", "content-length: -0", "content-length: 0",
        ]),
        2 => one_of(&[
            "Transfer-Encoding: gzip, Chunked", "transfer-encoding: chunked, gzip", "transfer-encoding: identity",
            "transfer-encoding:", "transfer-encoding: chunked,", "transfer-encoding:\tchunked ",
            "transfer-encoding: chunked;q=1", "transfer-encoding: xchunked", "transfer-encoding: chun\x01ked",
            "transfer-encoding: ,chunked", "transfer-encoding : chunked", "transfer-encoding: \u{b}chunked",
        ]),
        2 => one_of(&[
            "connection: close", "connection: keep-alive", "Connection: x , Close", "connection: closed",
            "connection: keep-alive, close", "connection: close;", "connection: é, close", "connection:",
        ]),
        6 => one_of(&["x: y", "x:", "x:  y ", "x: é", "etag: \"1\"", "set-cookie: a", "set-cookie: b"]),
        1 => one_of(&[
            "x : y", " x: y", "x: a\r\n b", "no colon", ": v", "x: \0", "x: a\rb", "é: 1", "x\ty: 1", "",
            "x: \x7f", "(: 1",
        ]),
        1 => (0_usize..3000).prop_map(|bytes| format!("x-long: {}", "v".repeat(bytes))),
        1 => (0_usize..120).prop_map(|lines| vec!["x: 1"; lines].join("\r\n")),
    ]
}

fn chunk() -> impl Strategy<Value = String> {
    let size = one_of(&["", "", "", "", "0", "00", "+", "0x", "-", " ", "FFFFFFFFFFFFFFFF", "1"]);
    let behind = one_of(&["", "", "", "", " ", "\t ", ";a", " ;a=\"b\"", ";", ";\n", "\0", " 1", ";\r"]);
    let ends = one_of(&["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", ""]);
    let data = prop_oneof!["[a-z]{1,9}", "[a-z]{20,40}", one_of(&["\r\n", "0\r\n\r\n", "é"])];
    // Most are good.
    (prop::bool::weighted(0.8), size, behind, ends.clone(), data, ends).prop_map(
        |(good, before, behind, end, data, close)| {
            if good {
                format!("{:x}\r\n{data}\r\n", data.len())
            } else {
                format!("{before}{:X}{behind}{end}{data}{close}", data.len())
            }
        },
    )
}

fn chunks() -> impl Strategy<Value = String> {
    let last = one_of(&["0\r\n", "0\r\n", "0\r\n", "000\r\n", "0 ;x\r\n", "0\n", "", "g\r\n"]);
    let trailer = one_of(&[
        "digest: x\r\n",
        "etag: \"2\"\r\n",
        "x: \r\n",
        "x: 1\n",
        " x: 1\r\n",
        "no colon\r\n",
        "x: 1\rx",
        "\n",
        "content-length: 9\r\n",
    ]);
    let end = one_of(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", "", "\r", "\r\r\n"]);
    (prop::collection::vec(chunk(), 0..4), last, prop::collection::vec(trailer, 0..2), end)
        .prop_map(|(chunks, last, trailers, end)| [chunks.concat(), last, trailers.concat(), end].concat())
}

fn head(chunked: bool, content_bytes: usize) -> impl Strategy<Value = String> {
    let line = prop_oneof![
        8 => Just("HTTP/1.1 200 OK".to_owned()),
        2 => one_of(&[
            "HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified", "HTTP/1.0 200 OK", "HTTP/1.1 412 No",
            "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 206 é", "HTTP/1.1 101 Switching", "HTTP/1.1 999 ?",
        ]),
        1 => one_of(&[
            "HTTP/2 200 OK", "HTTP/1.2 200 OK", "http/1.1 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 99 x", "",
            "HTTP/1.1 1000 x", "SSH-2.0", "HTTP/1.1 200 \0", "HTTP/1.1\t200 OK", "HTTP/1.1 2000", "HTTP/1.1",
            "\r\nHTTP/1.1 200 OK",
            "HTTP/1.1 200 a\rb", "HTTP/1.1 099 x",
        ]),
    ];
    let end = prop_oneof![6 => Just("\r\n"), 1 => Just("\n")];
    let right = if chunked {
        "transfer-encoding: chunked".to_owned()
    } else {
        format!("content-length: {content_bytes}")
    };
    let framing = prop::option::weighted(0.8, Just(right));
    let others = prop::collection::vec(field(content_bytes), 0..3);
    (line, framing, others, end).prop_map(|(line, framing, others, end)| {
        let lines = std::iter::once(line).chain(framing).chain(others);
        lines.map(|line| line + end).chain([end.to_owned()]).collect()
    })
}

fn said() -> impl Strategy<Value = Said> {
    let interim = one_of(&[
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\ncontent-length: 3\r\n\r\n",
        "HTTP/1.1 102 x\n\n",
        "HTTP/1.1 100 \r\nconnection: close\r\n\r\n",
    ]);
    let content = prop_oneof![
        chunks().prop_map(|content| (true, content)),
        "[a-z]{0,12}".prop_map(|content| (false, content)),
    ];
    let behind = one_of(&["", "", "", "", "", "x", "\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]);
    let text = (prop::collection::vec(interim, 0..2), content).prop_flat_map(
        move |(interim, (chunked, content))| {
            (Just(interim.concat()), head(chunked, content.len()), Just(content), behind.clone())
                .prop_map(|(interim, head, content, behind)| [interim, head, content, behind].concat())
        },
    );
    let cut = prop::option::weighted(0.3, any::<prop::sample::Index>());
    let places = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
    (text, cut, places, any::<bool>(), any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(text, cut, places, open, single, of_head_request)| {
            // As it would come over the wire, where a letter is a byte: some of them are none of UTF-8.
            let mut bytes = text.into_bytes();
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            let mut places: Vec<_> = places.into_iter().map(|place| place.index(bytes.len() + 1)).collect();
            if single && bytes.len() < 300 {
                places = (0..bytes.len()).collect();
            }
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            places.dedup();
            let pieces = places.windows(2).map(|ends| bytes[ends[0]..ends[1]].to_vec()).collect();
            Said { pieces, open, of_head_request }
        },
    )
}

/// The same over a socket, by all of the client.
async fn the_client_reads(said: &Said) -> Meaning {
    const LONG: Duration = Duration::from_secs(30);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = Origin { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    let times = Times { idle_max: LONG, ..Times::default() };
    let upstream = Upstream::new(origin, times, 4);
    let (pieces, open) = (said.pieces.clone(), said.open);
    let speaking = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut asked).await.unwrap();
        }
        for piece in pieces {
            // The other side may have heard enough.
            stream.write_all(&piece).await.ok();
            tokio::task::yield_now().await;
        }
        open.then_some(stream)
    });
    let method = if said.of_head_request { Method::HEAD } else { Method::GET };
    let request = Request::builder().method(method).uri("/").body(Sending::empty()).unwrap();
    let mut pending = upstream.connect(Fresh::Any).await.unwrap().start(request).unwrap();
    let mut read = Meaning::nothing(End::Complete);
    match pending.head(LONG).await {
        Ok(answer) => {
            let (head, mut body) = answer.response.into_parts();
            read.head = Some((head.status.as_u16(), head.version, head.headers));
            while let Some(frame) = body.frame().await {
                match frame.map(Frame::into_data) {
                    Ok(Ok(data)) => read.content.extend_from_slice(&data),
                    Ok(Err(frame)) => read.trailers = frame.into_trailers().ok(),
                    Err(BodyError::Cut(error)) if error.kind() == io::ErrorKind::InvalidData => {
                        read.end = End::Malformed;
                    }
                    Err(BodyError::Cut(_)) => read.end = End::Cut,
                    Err(BodyError::Idle) => read.end = End::Waits,
                }
            }
            assert_eq!(body.is_complete(), read.end == End::Complete);
        }
        Err(error) => {
            read.end = match error.kind {
                SendErrorKind::Malformed => End::Malformed,
                SendErrorKind::Lost => End::Cut,
                kind => panic!("{kind:?}"),
            }
        }
    }
    let _stream = speaking.await.unwrap();
    if said.open && read.end == End::Complete {
        // Until the event loop has heard of everything.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        read.kept = upstream.stats().idle == 1;
    }
    read
}

/// `PROPTEST_CASES` for more.
fn config(cases: u32) -> ProptestConfig {
    let set = std::env::var_os("PROPTEST_CASES").is_some();
    let config = if set { ProptestConfig::default() } else { ProptestConfig::with_cases(cases) };
    ProptestConfig { failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn answers_mean_the_same_to_both(said in said()) {
        let (ours, theirs) = (we_read(&said), hyper_reads(&said));
        prop_assert!(is_ours(&said, &ours, &theirs), "\n  ours {ours:?}\ntheirs {theirs:?}");
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn answers_mean_over_a_socket_what_they_mean_at_once(mut said in said()) {
        let mut at_once = we_read(&said);
        if at_once.end == End::Waits {
            // Not to be waited for.
            said.open = false;
            at_once = we_read(&said);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        prop_assert_eq!(runtime.block_on(the_client_reads(&said)), at_once);
    }
}
