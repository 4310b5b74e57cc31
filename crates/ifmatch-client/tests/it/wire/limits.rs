//! Hosts that are dead, slow, or say too much.

use super::{block_on, get};
use http::Method;
use ifmatch_client::wire::{Access, Limits, Request, SendError, Sent, Url};
use ifmatch_testkit::upstream::{Course, Framing, Point, Scripted};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Short: something is waited for that does not come.
const SHORT: Duration = Duration::from_millis(200);

fn hurried() -> Access {
    let limits = Limits { connect: SHORT, answer: SHORT, ..Limits::default() };
    Access { limits, ..Access::default() }
}

#[test]
fn nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = get(&Access::default(), &format!("http://{address}/")).unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.sent(), Sent::No);
    let text = error.to_string();
    assert!(text.starts_with(&format!("{address} cannot be reached: Connection refused")), "{text}");
}

#[test]
fn a_name_that_does_not_exist() {
    let error = get(&Access::default(), "http://nowhere.invalid/").unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().starts_with("nowhere.invalid:80 cannot be reached: "), "{error}");
}

/// A listener whose line is full answers no one: what a dropped packet looks like.
#[test]
fn a_host_that_does_not_take_the_connection() {
    let listener =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&listener, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let mut line = Vec::new();
    while let Ok(waiting) = TcpStream::connect_timeout(&address, SHORT) {
        line.push(waiting);
        assert!(line.len() < 100, "the line is never full");
    }
    let mut access = Access::default();
    access.limits.connect = SHORT;
    let error = get(&access, &format!("http://{address}/")).unwrap_err();
    assert!(matches!(error, SendError::Silent { .. }), "{error:?}");
    assert_eq!(error.sent(), Sent::No);
    assert_eq!(
        error.to_string(),
        format!("{address} did not accept a connection within 0.2 s. Nothing was sent.")
    );
}

#[test]
fn answers_that_do_not_come_or_do_not_end() {
    for point in [Point::Head, Point::AnswerHead, Point::AnswerContent] {
        let upstream = Scripted::start().unwrap();
        upstream.set("/a", b"{\"long\":\"enough\"}");
        let gate = upstream.gate();
        upstream.always("*", "*", Course::held(point, &gate));
        let error = get(&hurried(), &(upstream.url() + "/a")).unwrap_err();
        assert!(matches!(error, SendError::TimedOut { .. }), "{point:?}: {error:?}");
        assert_eq!(error.to_string(), format!("{} did not answer GET within 0.2 s.", upstream.address()));
    }
}

/// Of a write whose answer is lost nobody knows; it is sent once.
#[test]
fn a_write_without_an_answer() {
    let upstream = Scripted::start().unwrap();
    upstream.set("/a", b"{}");
    let gate = upstream.gate();
    upstream.always("PUT", "*", Course::held(Point::Applied, &gate));
    let put = |access: &Access| {
        block_on(async {
            let http = access.connect().unwrap();
            let url = Url::parse(&(upstream.url() + "/a")).unwrap();
            http.send(&Request::new(Method::PUT, url).content("{\"a\":1}")).await.unwrap_err()
        })
    };
    let error = put(&hurried());
    assert_eq!(error.sent(), Sent::Perhaps);
    assert!(error.to_string().contains("Nobody can say whether the write was applied"), "{error}");
    upstream.always("PUT", "*", Course::cut_at(Point::Applied));
    let error = put(&Access::default());
    assert!(matches!(error, SendError::Broken { .. }), "{error:?}");
    assert_eq!(error.sent(), Sent::Perhaps);
    assert_eq!(upstream.count("PUT"), 2);
}

#[test]
fn content_past_the_limit() {
    for framing in [Framing::Length, Framing::Chunked(Vec::new()), Framing::UntilClose] {
        let upstream = Scripted::start().unwrap();
        upstream.always("GET", "*", Course::filler(1 << 20).framed(framing.clone()));
        let mut access = Access::default();
        access.limits.content_bytes_max = (1 << 20) - 1;
        let error = get(&access, &upstream.url()).unwrap_err();
        assert!(matches!(error, SendError::TooLong { .. }), "{framing:?}: {error:?}");
        access.limits.content_bytes_max = 1 << 20;
        assert_eq!(get(&access, &upstream.url()).unwrap().content.len(), 1 << 20);
    }
}

#[test]
fn what_is_not_http() {
    for bytes in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"HTTP/1.1 200 OK\r\nbad field\r\n\r\n", b""] {
        let upstream = Scripted::start().unwrap();
        upstream.always("*", "*", Course::raw(bytes));
        let error = get(&Access::default(), &upstream.url()).unwrap_err();
        assert!(matches!(error, SendError::Broken { .. }), "{error:?}");
        assert!(error.to_string().starts_with(&upstream.address().to_string()), "{error}");
    }
}
