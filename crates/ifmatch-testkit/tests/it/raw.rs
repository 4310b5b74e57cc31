//! The raw client, against a listener that plays a script.

use ifmatch_testkit::raw::{Connection, Error, Response, exchange, request};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);
const NONE: [(&str, &str); 0] = [];

/// Accepts one connection, sends `answer` in pieces of `piece` bytes, closes, and returns what it received.
fn listener(answer: &[u8], piece: usize) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = answer.to_vec();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.set_nodelay(true).expect("an option");
        for piece in answer.chunks(piece) {
            // The client may have seen enough and be gone.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        drop(stream.shutdown(Shutdown::Write));
        let mut received = Vec::new();
        drop(stream.read_to_end(&mut received));
        received
    });
    (address, thread)
}

fn get(answer: &[u8]) -> Result<Response, Error> {
    get_in_pieces("GET", answer, 1000)
}

fn get_in_pieces(method: &str, answer: &[u8], piece: usize) -> Result<Response, Error> {
    let (address, thread) = listener(answer, piece);
    let mut connection = Connection::open(address, LONG).expect("a connection");
    let response = connection.final_response(method);
    drop(connection);
    thread.join().expect("no panic");
    response
}

#[test]
fn content_by_length() {
    for piece in [1, 7, 1000] {
        let answer =
            b"HTTP/1.1 412 Precondition Failed\r\nETag: \"a1\"\r\nX:\t \r\ncontent-length:  5 \r\n\r\nhello+";
        let response = get_in_pieces("PUT", answer, piece).expect("a response");
        assert_eq!((response.version.as_str(), response.status), ("HTTP/1.1", 412));
        assert_eq!(response.reason, "Precondition Failed");
        assert_eq!((response.value("etag"), response.value("x")), (Some("\"a1\""), Some("")));
        assert_eq!(response.text(), "hello");
    }
}

#[test]
fn chunked_content() {
    for piece in [1, 1000] {
        let answer = b"HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\nETag: \"t\"\r\n\r\n";
        let response = get_in_pieces("GET", answer, piece).expect("a response");
        assert_eq!((response.reason.as_str(), response.text().as_str()), ("", "Wikipedia"));
        assert_eq!(response.trailers, [("ETag".to_owned(), b"\"t\"".to_vec())]);
        assert_eq!(response.value("etag"), None, "a trailer is no header");
    }
}

#[test]
fn content_until_close_and_no_content() {
    let response = get(b"HTTP/1.0 200 OK\r\n\r\nto the end").expect("a response");
    assert_eq!(response.text(), "to the end");
    let response = get(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").expect("a response");
    assert_eq!(response.content, b"");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(get_in_pieces("HEAD", answer, 9).expect("a response").content, b"");
}

#[test]
fn responses_in_a_row() {
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\
                   HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nrest";
    let (address, thread) = listener(answer, 1000);
    let mut connection = Connection::open(address, LONG).expect("a connection");
    assert_eq!(connection.response("PUT").expect("interim").status, 100);
    assert_eq!(connection.final_response("PUT").expect("final").status, 204);
    assert_eq!(connection.final_response("PUT").expect("final").status, 201);
    assert_eq!(connection.rest().expect("the end"), b"rest");
    drop(connection);
    thread.join().expect("no panic");
}

#[test]
fn incomplete_responses() {
    let closed = [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour"];
    for answer in closed {
        let error = get(answer).expect_err("closed");
        assert!(matches!(error, Error::Closed(_)), "{error}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut connection = Connection::open(address, Duration::from_millis(30)).expect("a connection");
    assert!(matches!(connection.response("GET"), Err(Error::Timeout(bytes)) if bytes.is_empty()));
    assert!(matches!(connection.rest(), Err(Error::Timeout(_))));
}

#[test]
fn malformed_responses() {
    let bad: [&[u8]; 19] = [
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nb\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    ];
    for answer in bad {
        let error = get(answer).expect_err("malformed");
        assert!(matches!(error, Error::Malformed(_)), "{:?}: {error}", String::from_utf8_lossy(answer));
    }
}

#[test]
fn sizes_are_bounded() {
    let huge: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffff\r\n",
        &[b'x'; 300 * 1024],
    ];
    for answer in huge {
        assert!(matches!(get(answer), Err(Error::TooLarge)));
    }
}

#[test]
fn sends_exactly_what_it_is_told() {
    let (address, thread) = listener(b"HTTP/1.1 400 Bad Request\r\n\r\n", 1000);
    let mut connection = Connection::open(address, LONG).expect("a connection");
    connection.send_bytewise(b"PUT / HTTP/1.1\nHost : a\0\r\n").expect("sent");
    connection.finish_sending().expect("half closed");
    assert_eq!(connection.response("PUT").expect("a response").status, 400);
    drop(connection);
    assert_eq!(thread.join().expect("no panic"), b"PUT / HTTP/1.1\nHost : a\0\r\n");

    let (address, thread) = listener(b"HTTP/1.1 204 No Content\r\n\r\n", 1000);
    let response = exchange(address, LONG, ("DELETE", "/a"), &[("if-match", "\"a1\"")], None);
    assert_eq!(response.expect("a response").status, 204);
    assert_eq!(
        thread.join().expect("no panic"),
        b"DELETE /a HTTP/1.1\r\nHost: localhost\r\nif-match: \"a1\"\r\n\r\n"
    );
}

#[test]
fn requests() {
    let with = |fields: &[(&str, &str)], content| {
        String::from_utf8(request("PUT", "/", fields, content)).expect("text")
    };
    assert_eq!(with(&NONE, None), "PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(with(&NONE, Some(b"ab")), "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab");
    let fields = [("HOST", "b"), ("content-length", "1"), ("X", "")];
    assert_eq!(with(&fields, Some(b"ab")), "PUT / HTTP/1.1\r\nHOST: b\r\ncontent-length: 1\r\nX: \r\n\r\nab");
}
