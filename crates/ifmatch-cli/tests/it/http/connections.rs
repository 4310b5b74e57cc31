//! Several requests on one connection, and content that comes, or does not come, after the head.

use crate::support::{Fields, Http2, NONE, Server, ask, assert_refused, connect, lines, tag};
use ifmatch_testkit::raw::{Error, request};
use std::thread;

/// Content that would be a request of its own, if it were taken for one.
const SMUGGLED: &[u8] =
    b"PUT /smuggled HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\nContent-Length: 1\r\n\r\nx";

#[test]
fn content_of_a_refused_request_is_never_the_next_request() {
    let server = Server::start();
    server.create("/a", b"1");
    // Refused by its condition, its method, its state, its patch type, its target.
    let refused: [(&str, &str, Fields<'_>, u16); 7] = [
        ("PUT", "/a", &[], 428),
        ("PUT", "/a", &[("If-Match", "\"x\"")], 412),
        ("PUT", "/a", &[("If-Match", "x")], 400),
        ("POST", "/a", &[], 405),
        ("FROB", "/a", &[], 501),
        ("PATCH", "/a", &[("Content-Type", "a/b")], 415),
        ("PUT", "/a//b", &[("If-None-Match", "*")], 400),
    ];
    for (method, target, fields, status) in refused {
        let mut connection = server.connect();
        let mut bytes = request(method, target, fields, Some(SMUGGLED));
        bytes.extend(request("GET", "/a", NONE, None));
        connection.send(&bytes).unwrap();
        let response = connection.final_response(method).unwrap();
        assert_eq!(response.status, status, "{method} {target}");
        if response.value("connection") == Some("close") {
            assert_eq!(connection.rest().unwrap(), b"", "{method} {target}: closed, and nothing after it");
        } else {
            let next = connection.final_response("GET").unwrap();
            assert_eq!((next.status, next.text().as_str()), (200, "1"), "{method} {target}");
        }
        server.assert_absent("/smuggled");
    }
    // A read may carry content; it is read and thrown away.
    let mut connection = server.connect();
    let response = ask(&mut connection, "GET", "/a", NONE, Some(SMUGGLED)).unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "1"));
    assert_eq!(ask(&mut connection, "GET", "/a", NONE, None).unwrap().text(), "1");
    server.assert_absent("/smuggled");
}

#[test]
fn behind_trailers_comes_no_other_request() {
    let server = Server::start();
    server.create("/a", b"1");
    let version = tag(&server.request("GET", "/a", NONE, None));
    // Servers differ in where trailers end whose lines do not end with CRLF.
    for trailers in ["X: 1\r\n\r\n", "X: 1\n\r\n", "\n", "X: 1\n\n"] {
        for (condition, status) in [(&[][..], 428), (&[("If-Match", "\"x\"")][..], 412)] {
            let fields = [condition, &[("Transfer-Encoding", "chunked")]].concat();
            let content = format!("1\r\nx\r\n0\r\n{trailers}");
            let mut bytes = request("PUT", "/a", &fields, Some(content.as_bytes()));
            bytes.extend_from_slice(SMUGGLED);
            bytes.extend_from_slice(SMUGGLED);
            let mut connection = server.connect();
            connection.send(&bytes).unwrap();
            assert_eq!(connection.final_response("PUT").unwrap().status, status, "{trailers:?}");
            // Closed, or broken because there was more to read.
            assert!(
                !matches!(connection.final_response("PUT"), Ok(_) | Err(Error::Timeout(_))),
                "{trailers:?}"
            );
            server.assert_absent("/smuggled");
        }
    }
    // What is chunked without them keeps its connection.
    let mut connection = server.connect();
    let fields = [("If-Match", version.as_str()), ("Transfer-Encoding", "chunked")];
    let put = ask(&mut connection, "PUT", "/a", &fields, Some(b"1\r\n2\r\n0\r\n\r\n")).unwrap();
    assert_eq!((put.status, put.value("connection")), (204, None));
    assert_eq!(ask(&mut connection, "GET", "/a", NONE, None).unwrap().text(), "2");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut connection = server.connect();
    let mut bytes = Vec::new();
    for index in 0..20 {
        let target = format!("/p/{index}");
        bytes.extend(request("PUT", &target, &[("If-None-Match", "*")], Some(target.as_bytes())));
        bytes.extend(request("PUT", &target, NONE, Some(b"refused")));
        bytes.extend(request("GET", &target, NONE, None));
    }
    connection.send(&bytes).unwrap();
    for index in 0..20 {
        let created = connection.final_response("PUT").unwrap();
        assert_eq!(created.status, 201);
        assert_refused(&connection.final_response("PUT").unwrap(), 428, "precondition_required");
        let read = connection.final_response("GET").unwrap();
        assert_eq!((read.status, read.text()), (200, format!("/p/{index}")));
        assert_eq!(tag(&read), tag(&created));
    }
}

#[test]
fn a_client_that_waits_for_100_sends_no_content_in_vain() {
    let server = Server::start();
    let current = server.create("/a", b"1");
    let large = vec![b'x'; 1 << 20];
    let head = |fields: &[(&str, &str)], target: &str| {
        let length = large.len().to_string();
        let more = [("Expect", "100-continue"), ("Content-Length", length.as_str())];
        let fields: Vec<_> = fields.iter().copied().chain(more).collect();
        request("PUT", target, &fields, None)
    };
    let refused: [(Fields<'_>, u16, &str); 4] = [
        (&[], 428, "precondition_required"),
        (&[("If-Match", "\"x\"")], 412, "stale_version"),
        (&[("If-None-Match", "*")], 412, "already_exists"),
        (&[("If-Match", "x")], 400, "malformed_validator"),
    ];
    for (fields, status, code) in refused {
        let mut connection = server.connect();
        connection.send(&head(fields, "/a")).unwrap();
        let first = connection.response("PUT").unwrap();
        assert_refused(&first, status, code);
        assert_eq!(first.value("connection"), Some("close"), "{status} says so (RFC 9110, Section 10.1.1)");
        // The content that did not come is not waited for, and what comes is not taken for it.
        assert_eq!(connection.rest().unwrap(), b"", "{status}: closed");
    }
    server.assert_is("/a", &current, b"1");

    let mut connection = server.connect();
    for (fields, target) in [([("If-None-Match", "*")], "/new"), ([("If-Match", current.as_str())], "/a")] {
        connection.send(&head(&fields, target)).unwrap();
        assert_eq!(connection.response("PUT").unwrap().status, 100, "{target}");
        connection.send(&large).unwrap();
        let response = connection.response("PUT").unwrap();
        assert!(matches!(response.status, 201 | 204), "{target}: {}", response.status);
        server.assert_is(target, &tag(&response), &large);
    }
}

#[test]
fn a_condition_that_held_before_the_content_came_is_judged_again_after_it() {
    let server = Server::start();
    let current = server.create("/a", b"1");
    let mut connection = server.connect();
    let fields = [("If-Match", current.as_str()), ("Expect", "100-continue"), ("Content-Length", "4")];
    connection.send(&request("PUT", "/a", &fields, None)).unwrap();
    assert_eq!(connection.response("PUT").unwrap().status, 100);
    let next = server.replace("/a", &current, b"2");
    connection.send(b"slow").unwrap();
    assert_refused(&connection.response("PUT").unwrap(), 412, "stale_version");
    server.assert_is("/a", &next, b"2");
}

/// The whole of a large content is sent without a look at the answer, which must not be lost to a reset.
#[test]
fn a_refusal_arrives_although_the_content_is_still_being_sent() {
    let server = Server::start();
    let large = vec![b'x'; 8 << 20];
    for (fields, status, code) in [
        (&[][..], 428, "precondition_required"),
        (&[("If-Match", "\"x\"")], 412, "stale_version"),
        (&[("If-Match", "x")], 400, "malformed_validator"),
    ] {
        let mut connection = server.connect();
        connection.send(&request("PUT", "/a", fields, Some(&large))).unwrap();
        assert_refused(&connection.final_response("PUT").unwrap(), status, code);
    }
    // Nor if the client sends a part of it only, and waits for an answer.
    let mut connection = server.connect();
    let length = large.len().to_string();
    connection.send(&request("PUT", "/a", &[("Content-Length", length.as_str())], None)).unwrap();
    connection.send(&large[..1 << 20]).unwrap();
    assert_refused(&connection.final_response("PUT").unwrap(), 428, "precondition_required");
    server.assert_absent("/a");
}

#[test]
fn a_client_that_says_it_has_sent_everything_is_answered() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(&request("PUT", "/a", &[("If-None-Match", "*")], Some(b"1"))).unwrap();
    connection.finish_sending().unwrap();
    let response = connection.final_response("PUT").unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(connection.rest().unwrap(), b"");
    server.assert_is("/a", &tag(&response), b"1");
}

#[test]
fn chunked_content() {
    let server = Server::start();
    let chunked = |fields: &[(&str, &str)], chunks: &[u8]| {
        let fields: Vec<_> = fields.iter().copied().chain([("Transfer-Encoding", "chunked")]).collect();
        let mut connection = server.connect();
        connection.send(&request("PUT", "/a", &fields, None)).unwrap();
        connection.send_bytewise(chunks).unwrap();
        connection.final_response("PUT").unwrap()
    };
    let created = chunked(
        &[("If-None-Match", "*")],
        b"5\r\nhello\r\n1;x=\"y\"\r\n,\r\n00C\r\n two\r\nchunks\r\n0\r\n\r\n",
    );
    assert_eq!(created.status, 201);
    let first = tag(&created);
    server.assert_is("/a", &first, b"hello, two\r\nchunks");
    let emptied = chunked(&[("If-Match", &first)], b"0\r\n\r\n");
    assert_eq!(emptied.status, 204);
    server.assert_is("/a", &tag(&emptied), b"");
    // A condition behind the content does not count.
    let late = chunked(
        &[("Trailer", "If-Match")],
        format!("1\r\nx\r\n0\r\nIf-Match: {}\r\n\r\n", tag(&emptied)).as_bytes(),
    );
    assert_refused(&late, 428, "precondition_required");
    let late = chunked(
        &[("If-Match", &tag(&emptied)), ("Trailer", "If-Match")],
        b"1\r\nx\r\n0\r\nIf-Match: \"other\"\r\nContent-Type: x/y\r\n\r\n",
    );
    assert_eq!(late.status, 204);
    assert_eq!(server.get("/a").value("content-type"), None);
    server.assert_is("/a", &tag(&late), b"x");
}

/// RFC 9112, Section 6.1: whatever is framed in two ways, or in a way of which there is doubt.
#[test]
fn doubtful_framing_changes_nothing_and_ends_the_connection() {
    let server = Server::start();
    let current = server.create("/a", b"1");
    let framings = [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: 5, 6",
        "Content-Length: 99999999999999999999999",
        "Content-Length: -1",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: xchunked",
    ];
    for framing in framings {
        let mut connection = server.connect();
        let head = format!("PUT /a HTTP/1.1\r\nHost: a\r\nIf-Match: {current}\r\n{framing}\r\n\r\n0\r\n\r\n");
        connection.send(head.as_bytes()).unwrap();
        connection.send(SMUGGLED).unwrap();
        match connection.final_response("PUT") {
            Ok(response) => {
                assert!(matches!(response.status, 400 | 413 | 501), "{framing}: {}", response.status);
                assert!(
                    !String::from_utf8_lossy(&connection.rest().unwrap_or_default()).contains("HTTP/1.1 2")
                );
            }
            Err(Error::Closed(_) | Error::Io(_)) => {}
            Err(error) => panic!("{framing}: {error}"),
        }
        server.assert_is("/a", &current, b"1");
        server.assert_absent("/smuggled");
    }
}

#[test]
fn both_framings_never_make_two_requests() {
    let server = Server::start();
    let mut connection = server.connect();
    let head = format!(
        "POST /c/ HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        SMUGGLED.len() + 5
    );
    connection.send(head.as_bytes()).unwrap();
    connection.send(SMUGGLED).unwrap();
    let response = connection.final_response("POST");
    let rest = connection.rest().unwrap_or_default();
    let shown = format!("{response:?}, then {:?}", String::from_utf8_lossy(&rest));
    assert!(rest.is_empty(), "the connection must end with it: {shown}");
    server.assert_absent("/smuggled");
}

#[test]
fn http_1_0() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(b"PUT /a HTTP/1.0\r\nIf-None-Match: *\r\nContent-Length: 1\r\n\r\n1").unwrap();
    let created = connection.final_response("PUT").unwrap();
    assert_eq!(created.status, 201);
    assert_eq!(connection.rest().unwrap(), b"", "closed: it did not ask to keep the connection");
    let mut connection = server.connect();
    connection.send(b"PUT /a HTTP/1.0\r\nContent-Length: 1\r\n\r\n2").unwrap();
    assert_refused(&connection.final_response("PUT").unwrap(), 428, "precondition_required");
    server.assert_is("/a", &tag(&created), b"1");
    // Chunks are not of HTTP/1.0 (RFC 9112, Section 6.1).
    let mut connection = server.connect();
    let head = format!(
        "PUT /a HTTP/1.0\r\nIf-Match: {}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n0\r\n\r\n",
        tag(&created)
    );
    connection.send(head.as_bytes()).unwrap();
    if let Ok(response) = connection.final_response("PUT") {
        assert!(response.status >= 400, "{}", response.status);
    }
    server.assert_is("/a", &tag(&created), b"1");
}

#[test]
fn http_2_on_the_same_port() {
    let server = Server::start();
    let mut client = Http2::connect(server.address());
    let created = client.request("PUT", "/a", &lines(&[("if-none-match", "*")]), Some(b"1"));
    assert_eq!(created.status, 201);
    let first = tag(&created);
    server.assert_is("/a", &first, b"1");
    let refused = client.request("PUT", "/a", &[], Some(b"2"));
    assert_refused(&refused, 428, "precondition_required");
    let refused = client.request("PUT", "/a", &lines(&[("if-match", "\"x\"")]), Some(&vec![b'x'; 1 << 20]));
    assert_refused(&refused, 412, "stale_version");
    let large = vec![b'y'; 300_000];
    let replaced = client.request("PUT", "/a", &lines(&[("if-match", &first)]), Some(&large));
    assert_eq!(replaced.status, 204);
    let read = client.request("GET", "/a", &[], None);
    assert_eq!((read.status, read.content.len()), (200, large.len()));
    assert_eq!(tag(&read), tag(&replaced));
    // Host and :authority must agree.
    let two = client.request("GET", "/a", &lines(&[("host", "elsewhere")]), None);
    assert_eq!(assert_refused(&two, 400, "bad_request")["reason"], "host");
    let deleted = client.request("DELETE", "/a", &lines(&[("if-match", &tag(&replaced))]), None);
    assert_eq!(deleted.status, 204);
    server.assert_absent("/a");
}

#[test]
fn clients_that_leave_do_not_stop_others() {
    let server = Server::start();
    let address = server.address();
    let leaving: Vec<_> = (0..8)
        .map(|index| {
            thread::spawn(move || {
                for round in 0..20 {
                    let mut connection = connect(address);
                    let target = format!("/left/{index}/{round}");
                    let bytes = request("PUT", &target, &[("If-None-Match", "*")], Some(b"whole"));
                    // Cut anywhere, the very end included.
                    connection.send(&bytes[..bytes.len() * (round + 1) / 20]).unwrap();
                }
            })
        })
        .collect();
    for thread in leaving {
        thread.join().unwrap();
    }
    for index in 0..8 {
        for round in 0..19 {
            let response = server.get(&format!("/left/{index}/{round}"));
            assert_eq!(response.status, 404, "a part of a request was performed");
        }
    }
    server.assert_well();
}
