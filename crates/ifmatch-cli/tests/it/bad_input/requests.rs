//! Requests that are too large, malformed, or none at all. After each the server answers others, and nothing panicked.

use crate::support::{Http2, NONE, Server, assert_refused, lines, tag};
use ifmatch_testkit::raw::{Error, request};

/// A server with one resource.
struct Target {
    server: Server,
    tag: String,
}

impl Target {
    fn new(flags: &[&str]) -> Self {
        let server = Server::start_with(flags);
        let tag = server.create("/a", b"before");
        Self { server, tag }
    }

    #[track_caller]
    fn assert_unchanged(&self) {
        self.server.assert_is("/a", &self.tag, b"before");
        self.server.assert_well();
    }

    /// A status, or a connection that was closed without one.
    fn send(&self, bytes: &[u8]) -> Option<u16> {
        let mut connection = self.server.connect();
        // The server may have closed it before everything is sent.
        let sent = connection.send(bytes);
        let ended = connection.finish_sending();
        match connection.final_response("PUT") {
            Ok(response) => Some(response.status),
            Err(Error::Closed(_) | Error::Io(_)) => None,
            Err(error) => panic!("{error} (sent: {sent:?}, {ended:?})"),
        }
    }
}

#[test]
fn header_sections_that_are_too_large() {
    let target = Target::new(&[]);
    // Explained, as long as it can be read at all.
    let large = "x".repeat(70 << 10);
    let fields = [("If-Match", target.tag.as_str()), ("X-Large", &large)];
    let response = target.server.request("PUT", "/a", &fields, Some(b"after"));
    assert_refused(&response, 431, "header_too_large");
    target.assert_unchanged();
    let fields: Vec<_> = (0..90).map(|index| (format!("X-{index}"), "x".repeat(800))).collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_refused(&target.server.request("PUT", "/a", &fields, Some(b"after")), 431, "header_too_large");
    // Not even read to its end.
    let huge = "x".repeat(1 << 20);
    let bytes = request("PUT", "/a", &[("If-Match", target.tag.as_str()), ("X-Huge", &huge)], Some(b"after"));
    assert!(matches!(target.send(&bytes), Some(431) | None));
    target.assert_unchanged();
    // Many lines.
    let many: Vec<_> = (0..200).map(|index| (format!("X-{index}"), "y")).collect();
    let many: Vec<_> =
        many.iter().map(|(n, v)| (n.as_str(), *v)).chain([("If-Match", target.tag.as_str())]).collect();
    assert_eq!(target.send(&request("PUT", "/a", &many, Some(b"after"))), Some(431));
    target.assert_unchanged();
    // Over HTTP/2.
    let mut client = Http2::connect(target.server.address());
    let response = client.request(
        "PUT",
        "/a",
        &lines(&[("if-match", &target.tag), ("x-large", &large)]),
        Some(b"after"),
    );
    assert_refused(&response, 431, "header_too_large");
    target.assert_unchanged();
}

/// A list of tags is read whole or refused whole.
#[test]
fn long_lists_of_tags() {
    let target = Target::new(&[]);
    let others =
        |count: usize| (0..count).map(|index| format!("\"x-{index}\"")).collect::<Vec<_>>().join(", ");
    let last = format!("{}, {}", others(10_000), target.tag);
    assert_refused(&target.server.put("/a", &last, b"after"), 431, "header_too_large");
    target.assert_unchanged();
    assert_refused(&target.server.put("/a", &others(4000), b"after"), 412, "stale_version");
    target.assert_unchanged();
    let last = format!("{}, {}", others(4000), target.tag);
    let next = target.server.replace("/a", &last, b"after");
    target.server.assert_is("/a", &next, b"after");
    // Nor is the last one of many lines missed.
    let lines: Vec<_> = (0..80).map(|index| format!("\"y-{index}\"")).collect();
    let fields: Vec<_> =
        lines.iter().map(|line| ("If-Match", line.as_str())).chain([("If-Match", next.as_str())]).collect();
    assert_eq!(target.server.request("PUT", "/a", &fields, Some(b"again")).status, 204);
}

#[test]
fn paths_that_are_too_long() {
    let target = Target::new(&[]);
    for length in [2049, 5000, 7000, 30_000] {
        let path = format!("/{}", "a".repeat(length - 1));
        for method in ["GET", "PUT"] {
            let response = target.server.request(method, &path, &[("If-None-Match", "*")], Some(b"x"));
            assert_refused(&response, 414, "target_too_long");
        }
    }
    let path = format!("/{}", "%C3%A4".repeat(400));
    assert_refused(&target.server.get(&path), 414, "target_too_long");
    let bytes = request("GET", &format!("/{}", "a".repeat(100_000)), NONE, None);
    assert!(matches!(target.send(&bytes), Some(414 | 431) | None));
    let longest = format!("/{}", "a".repeat(2047));
    let tag = target.server.create(&longest, b"x");
    target.server.assert_is(&longest, &tag, b"x");
    target.assert_unchanged();
}

#[test]
fn octets_that_are_no_text() {
    let target = Target::new(&[]);
    let tag = &target.tag;
    let put = |target: &[u8], field: &[u8]| {
        [b"PUT ", target, b" HTTP/1.1\r\nHost: a\r\n", field, b"\r\nContent-Length: 1\r\n\r\nx"].concat()
    };
    let condition = format!("If-Match: {tag}").into_bytes();
    for path in [&b"/\xff"[..], b"/a\xc3", b"/caf\xc3\xa9", b"/a\0", b"/a\x01", b"/a b", b"a", b"", b"/a\\b"]
    {
        let status = target.send(&put(path, &condition));
        assert!(matches!(status, Some(400) | None), "{path:?}: {status:?}");
        target.assert_unchanged();
    }
    for field in [
        &b"If-Match: \"a\0b\""[..],
        b"If-Match: \"\x01\"",
        b"If-Match\0: \"a\"",
        b"If-Match: \"a\"\r\n folded: \"b\"",
        b"\xff: x",
        b": x",
        b"no colon",
        b"If-Match: \"a\rb\"",
    ] {
        let status = target.send(&put(b"/a", field));
        assert!(matches!(status, Some(400 | 412 | 428) | None), "{field:?}: {status:?}");
        target.assert_unchanged();
    }
    // Octets above 127 are a tag like any other, and one that does not match.
    assert_eq!(target.send(&put(b"/a", b"If-Match: \"\xff\xfe\"")), Some(412));
    // What is stored with the content must be text.
    for name in ["Content-Type", "Content-Encoding", "Content-Language"] {
        let field = [name.as_bytes(), b": \xff\r\n", &condition].concat();
        assert_eq!(target.send(&put(b"/a", &field)), Some(400), "{name}");
        let field = [name.as_bytes(), b": a/b\r\n", name.as_bytes(), b": c/d\r\n", &condition].concat();
        assert_eq!(target.send(&put(b"/a", &field)), Some(400), "{name} twice");
        let long = "x".repeat(5000);
        let fields = [("If-Match", tag.as_str()), (name, &long)];
        let response = target.server.request("PUT", "/a", &fields, Some(b"after"));
        assert_refused(&response, 431, "header_too_large");
    }
    target.assert_unchanged();
}

#[test]
fn content_over_the_limit() {
    let target = Target::new(&["--content-bytes-max", "1000"]);
    let condition = ("If-Match", target.tag.as_str());
    let just = target.server.request("PUT", "/just", &[("If-None-Match", "*")], Some(&[b'x'; 1000]));
    target.server.assert_is("/just", &tag(&just), &[b'x'; 1000]);
    for content in [vec![b'x'; 1001], vec![b'x'; 100_000]] {
        let response = target.server.request("PUT", "/a", &[condition], Some(&content));
        assert_refused(&response, 413, "content_too_large");
        target.assert_unchanged();
        let chunked = [format!("{:x}\r\n", content.len()).as_bytes(), &content, b"\r\n0\r\n\r\n"].concat();
        let fields = [condition, ("Transfer-Encoding", "chunked")];
        let response = target.server.request("PUT", "/a", &fields, Some(&chunked));
        assert_refused(&response, 413, "content_too_large");
        target.assert_unchanged();
        assert_refused(&target.server.request("POST", "/c/", NONE, Some(&content)), 413, "content_too_large");
    }
    // Announced only: refused before any of it is sent.
    for announced in ["1001", "1000000000000"] {
        for expect in [&[("Expect", "100-continue")][..], &[]] {
            let mut connection = target.server.connect();
            let fields: Vec<_> = [condition, ("Content-Length", announced)]
                .into_iter()
                .chain(expect.iter().copied())
                .collect();
            connection.send(&request("PUT", "/a", &fields, None)).unwrap();
            assert_refused(&connection.response("PUT").unwrap(), 413, "content_too_large");
            target.assert_unchanged();
        }
    }
    let mut client = Http2::connect(target.server.address());
    let response =
        client.request("PUT", "/a", &lines(&[("if-match", &target.tag)]), Some(&vec![b'x'; 50_000]));
    assert_refused(&response, 413, "content_too_large");
    target.assert_unchanged();
    assert_eq!(target.server.get("/c/").text(), "[]\n");
}

#[test]
fn json_that_is_deep_or_long() {
    let target = Target::new(&[]);
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let object = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let long = format!("[{}]", vec![r#"{"op":"test","path":"","value":0}"#; 1001].join(","));
    let numbers = format!("{{\"a\":1{}}}", "0".repeat(100_000));
    for media_type in ["application/merge-patch+json", "application/json-patch+json"] {
        for (stored, patch) in [("{}", &deep), ("{}", &object), (&deep, &"{}".to_owned()), ("{}", &long)] {
            let at = format!("/deep/{media_type}/{}/{}", stored.len(), patch.len());
            let tag = target.server.create(&at, stored.as_bytes());
            let fields = [("If-Match", tag.as_str()), ("Content-Type", media_type)];
            let response = target.server.request("PATCH", &at, &fields, Some(patch.as_bytes()));
            let is_whole_replacement = response.status == 204 && std::ptr::eq(patch, &long);
            assert!(
                is_whole_replacement || matches!(response.status, 400 | 409 | 413),
                "{}",
                response.status
            );
            if !is_whole_replacement {
                target.server.assert_is(&at, &tag, stored.as_bytes());
            }
        }
    }
    let tag = target.server.create("/numbers", b"{}");
    let fields = [("If-Match", tag.as_str()), ("Content-Type", "application/merge-patch+json")];
    let response = target.server.request("PATCH", "/numbers", &fields, Some(numbers.as_bytes()));
    assert_eq!(response.status, 204, "{}", response.text());
    target.server.assert_is("/numbers", response.value("etag").unwrap(), numbers.as_bytes());
    target.assert_unchanged();
}

#[test]
fn bytes_that_are_no_request() {
    let target = Target::new(&[]);
    let all: Vec<u8> = (0..=255).collect();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let frame = |length: u8, kind: u8, flags: u8, stream: u8, rest: &[u8]| {
        [preface, &[0, 0, 0, 4, 0, 0, 0, 0, 0][..], &[0, 0, length, kind, flags, 0, 0, 0, stream], rest]
            .concat()
    };
    let garbage: Vec<Vec<u8>> = vec![
        all.clone(),
        all.repeat(1000),
        vec![0; 100_000],
        b"\r\n".repeat(1000),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(),
        preface.to_vec(),
        [preface, &all[..]].concat(),
        [preface, &[0xff; 20_000][..]].concat(),
        // HEADERS with a block that cannot be decoded; on stream 0; DATA for no stream; CONTINUATION of nothing.
        frame(4, 1, 4, 1, &[0xff, 0xff, 0xff, 0xff]),
        frame(1, 1, 4, 0, &[0x82]),
        frame(4, 0, 1, 1, b"data"),
        frame(1, 9, 4, 1, &[0x82]),
        frame(8, 6, 0, 0, b"pingping").repeat(50),
        // Pseudo-fields missing.
        frame(1, 1, 5, 1, &[0x82]),
    ];
    for bytes in &garbage {
        let mut connection = target.server.connect();
        // It may be closed before everything is sent.
        let _sent: std::io::Result<()> = connection.send(bytes);
        let _ended: std::io::Result<()> = connection.finish_sending();
        let answer = match connection.rest() {
            Ok(answer) => answer,
            Err(Error::Io(_)) => Vec::new(),
            Err(error) => panic!("{:?}: {error}", &bytes[..bytes.len().min(40)]),
        };
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains("HTTP/1.1 2"), "{:?}: {text}", &bytes[..bytes.len().min(40)]);
        target.assert_unchanged();
    }
}

/// Heads that never end cost a connection, and nobody else anything.
#[test]
fn heads_that_do_not_end() {
    let target = Target::new(&["--connections-max", "300", "--workers", "1"]);
    let waiting: Vec<_> = (0..200)
        .map(|index| {
            let mut connection = target.server.connect();
            let head = b"PUT /a HTTP/1.1\r\nHost: a\r\nIf-Match: ";
            connection.send(&head[..index % head.len() + 1]).unwrap();
            connection
        })
        .collect();
    target.assert_unchanged();
    drop(waiting);
    target.assert_unchanged();
}
