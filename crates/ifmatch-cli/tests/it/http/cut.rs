//! Requests that break off are never applied, and what was there stays whole.

use crate::support::{Http2, Server, tag};
use ifmatch_testkit::raw::{Error, request};

const STORED: &[u8] = b"what was there before, whole";

/// A request that breaks off, and what becomes of it: refused, or no answer at all.
fn assert_not_applied(server: &Server, current: &str, bytes: &[u8]) {
    for half_close in [true, false] {
        let mut connection = server.connect();
        connection.send(bytes).unwrap();
        if half_close {
            connection.finish_sending().unwrap();
            match connection.final_response("PUT") {
                Ok(response) => assert_eq!(response.status, 400, "{}", response.text()),
                Err(Error::Closed(rest)) => assert_eq!(rest, b""),
                Err(Error::Io(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        drop(connection);
        // A request on another connection is answered after the end of this one was seen, or before: either way the
        // content is what it was.
        server.assert_is("/a", current, STORED);
        server.assert_absent("/new");
    }
}

#[test]
fn content_shorter_than_announced() {
    let server = Server::start();
    let current = server.create("/a", STORED);
    for sent in [&b""[..], b"x", b"only a part of it"] {
        for (target, field) in [("/a", ("If-Match", current.as_str())), ("/new", ("If-None-Match", "*"))] {
            let bytes = request("PUT", target, &[field, ("Content-Length", "18")], Some(sent));
            assert_not_applied(&server, &current, &bytes);
        }
        let bytes = request("POST", "/c/", &[("Content-Length", "18")], Some(sent));
        assert_not_applied(&server, &current, &bytes);
        let fields = [
            ("If-Match", current.as_str()),
            ("Content-Length", "18"),
            ("Content-Type", "application/merge-patch+json"),
        ];
        assert_not_applied(&server, &current, &request("PATCH", "/a", &fields, Some(sent)));
        let fields = [("If-Match", current.as_str()), ("Content-Length", "18")];
        assert_not_applied(&server, &current, &request("DELETE", "/a", &fields, Some(sent)));
    }
    assert_eq!(server.get("/c/").text(), "[]\n");
    server.assert_well();
}

#[test]
fn chunks_without_the_last_one() {
    let server = Server::start();
    let current = server.create("/a", STORED);
    for sent in [
        "",
        "5",
        "5\r\n",
        "5\r\nhel",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n0",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n",
    ] {
        for (target, field) in [("/a", ("If-Match", current.as_str())), ("/new", ("If-None-Match", "*"))] {
            let fields = [field, ("Transfer-Encoding", "chunked")];
            assert_not_applied(&server, &current, &request("PUT", target, &fields, Some(sent.as_bytes())));
        }
    }
    for broken in [
        "x\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
    ] {
        let fields = [("If-Match", current.as_str()), ("Transfer-Encoding", "chunked")];
        assert_not_applied(&server, &current, &request("PUT", "/a", &fields, Some(broken.as_bytes())));
    }
    server.assert_well();
}

/// `DELETE /a` with its `If-Match` cut off would be another request altogether.
#[test]
fn heads_that_break_off() {
    let server = Server::start();
    let current = server.create("/a", STORED);
    let whole = request("DELETE", "/a", &[("If-Match", &current)], None);
    for cut in 1..whole.len() {
        let mut connection = server.connect();
        connection.send(&whole[..cut]).unwrap();
        connection.finish_sending().unwrap();
        match connection.final_response("DELETE") {
            Ok(response) => assert_eq!(response.status, 400, "cut at {cut}: {}", response.text()),
            Err(Error::Closed(_) | Error::Io(_)) => {}
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
    server.assert_is("/a", &current, STORED);
}

#[test]
fn http_2_requests_that_are_taken_back() {
    let server = Server::start();
    let current = server.create("/a", STORED);
    let mut client = Http2::connect(server.address());
    for part in [&b""[..], b"a part", &[b'x'; 20_000]] {
        for length in [None, Some("30000")] {
            for (target, name, value) in
                [("/a", "if-match", current.as_str()), ("/new", "if-none-match", "*")]
            {
                let mut fields = vec![(name.to_owned(), value.as_bytes().to_vec())];
                fields.extend(length.map(|length| ("content-length".to_owned(), length.as_bytes().to_vec())));
                let mut upload = client.begin("PUT", target, &fields, false);
                client.send(&mut upload, part);
                assert!(client.reset(upload).is_err());
                // The connection goes on, and what it sees comes after the reset.
                let read = client.request("GET", "/a", &[], None);
                assert_eq!((read.status, tag(&read)), (200, current.clone()));
                assert_eq!(client.request("GET", "/new", &[], None).status, 404);
            }
        }
    }
    server.assert_is("/a", &current, STORED);
}

#[test]
fn http_2_content_shorter_or_longer_than_announced() {
    let server = Server::start();
    let current = server.create("/a", STORED);
    for (announced, sent) in [("10", &b"short"[..]), ("3", b"longer"), ("1", b"")] {
        let mut client = Http2::connect(server.address());
        let fields = [
            ("if-match".to_owned(), current.as_bytes().to_vec()),
            ("content-length".to_owned(), announced.as_bytes().to_vec()),
        ];
        let upload = client.begin("PUT", "/a", &fields, false);
        match client.finish(upload, Some(sent)) {
            Ok(response) => assert_eq!(response.status, 400, "{announced}: {}", response.text()),
            Err(error) => assert!(error.is_reset() || error.is_go_away() || error.is_io(), "{error}"),
        }
        server.assert_is("/a", &current, STORED);
    }
}

#[test]
fn http_2_connections_that_break() {
    let server = Server::start();
    let current = server.create("/a", STORED);
    for _ in 0..10 {
        let mut client = Http2::connect(server.address());
        let fields = [("if-match".to_owned(), current.as_bytes().to_vec())];
        let mut upload = client.begin("PUT", "/a", &fields, false);
        client.send(&mut upload, b"a part");
        drop((upload, client));
        server.assert_is("/a", &current, STORED);
    }
    server.assert_well();
}
