//! Clients that leave or read slowly: from its first forwarded byte a write is nobody's but its own.

use super::*;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use ifmatch_testkit::upstream::{Course, Framing, Point};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A write that is held at the upstream; how it goes on when the client has left.
#[track_caller]
fn leaves(rig: &Rig, leave: impl FnOnce(&Rig, &str, &dyn Fn())) {
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &held));
    leave(rig, &tag, &|| held.wait_for_arrivals(1).unwrap());
    rig.fence();
    held.open();
    rig.upstream.wait_for_content("/a", Some(b"two")).unwrap();
    rig.decided("PUT", "applied", 1);
    rig.settled();
    stale(&rig.put("/a", &tag, "three"));
    done(&rig.put("/a", &rig.tag("/a"), "three"));
}

#[test]
fn a_write_whose_client_leaves_completes() {
    leaves(&enforced(), |rig, tag, is_forwarded| {
        let mut client = rig.connect();
        client.send(&raw::request("PUT", "/a", &[("If-Match", tag)], Some(b"two"))).unwrap();
        is_forwarded();
        drop(client);
    });
}

#[test]
fn a_write_whose_stream_is_reset_completes() {
    leaves(&enforced(), |rig, tag, is_forwarded| {
        let request = http::Request::put(format!("http://{}/a", rig.at)).header("if-match", tag);
        let leave = asked_over_http2(rig.at, "two", request);
        is_forwarded();
        leave();
    });
}

/// Sends a request over HTTP/2, to its last byte; what is returned resets its stream.
fn asked_over_http2(at: SocketAddr, content: &'static str, request: http::request::Builder) -> impl FnOnce() {
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let (sent, is_sent) = std::sync::mpsc::channel();
    let request = request.body(Full::new(Bytes::from_static(content.as_bytes()))).unwrap();
    let client = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let stream = Tells { stream: tokio::net::TcpStream::connect(at).await.unwrap(), content, sent };
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(connection);
            tokio::select! {
                answer = sender.send_request(request) => panic!("{answer:?}"),
                left = left => left.unwrap(),
            }
            // The reset of the stream goes out, and then the end of the connection.
            drop(sender);
            connection.await.unwrap().unwrap();
        });
    });
    is_sent.recv_timeout(LONG).unwrap();
    move || {
        leave.send(()).unwrap();
        client.join().unwrap();
    }
}

/// A stream that tells when this content has been written to it.
struct Tells {
    stream: tokio::net::TcpStream,
    content: &'static str,
    sent: std::sync::mpsc::Sender<()>,
}

impl AsyncRead for Tells {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tells {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        if bytes[..written].windows(self.content.len()).any(|piece| piece == self.content.as_bytes()) {
            self.sent.send(()).ok();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A POST that waits in line for a write that is held at the upstream, and whose client leaves.
fn leaves_the_line(leave: impl FnOnce(&Rig)) {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &held));
    let first = rig.beside("PUT", "/a", &[("If-Match", &rig.tag("/a"))], "two");
    held.wait_for_arrivals(1).unwrap();
    leave(&rig);
    rig.decided("POST", "left", 1);
    held.open();
    done(&first.join().unwrap());
    rig.settled();
    done(&rig.put("/a", &rig.tag("/a"), "three"));
    assert_eq!(rig.upstream.count("POST"), 0);
}

#[test]
fn a_client_that_leaves_the_line_leaves_nothing_to_be_forwarded() {
    leaves_the_line(|rig| {
        let mut client = rig.connect();
        client.send(&raw::request("POST", "/a", &[] as &[Field<'_>], Some(b"+"))).unwrap();
        rig.fence();
        drop(client);
    });
}

#[test]
fn a_stream_that_is_reset_in_the_line_leaves_nothing_to_be_forwarded() {
    leaves_the_line(|rig| {
        let request = http::Request::post(format!("http://{}/a", rig.at));
        let leave = asked_over_http2(rig.at, "one more", request);
        rig.fence();
        leave();
    });
}

#[test]
fn a_write_under_which_the_upstream_evaluates_completes_as_well() {
    let rig = upstream_evaluates();
    rig.upstream.set("/a", b"one");
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &held));
    let mut client = rig.connect();
    client.send(&raw::request("PUT", "/a", &[("If-Match", &rig.tag("/a"))], Some(b"two"))).unwrap();
    held.wait_for_arrivals(1).unwrap();
    drop(client);
    rig.fence();
    held.open();
    rig.decided("PUT", "applied", 1);
    assert_eq!(rig.upstream.text("/a").unwrap(), "two");
}

#[test]
fn a_client_that_reads_nothing_keeps_no_other_writer_waiting() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    // More than all buffers on the way hold together.
    let answer = Course::filler(24 << 20);
    rig.upstream.next("PUT", "/a", answer);
    let mut client = rig.connect();
    client.send(&raw::request("PUT", "/a", &[("If-Match", &tag)], Some(b"two"))).unwrap();
    rig.upstream.wait_for("PUT", "/a", Point::Answered, 1).unwrap();
    rig.settled();
    done(&rig.put("/a", &rig.tag("/a"), "three"));
    // And it gets all of it when it reads at last.
    let answer = client.final_response("PUT").unwrap();
    assert_eq!((answer.status, answer.content.len()), (200, 24 << 20));
}

#[test]
fn past_what_is_kept_for_a_slow_client_its_answer_is_cut_and_does_not_end_as_if_it_were_whole() {
    for framing in [Framing::Length, Framing::Chunked(Vec::new())] {
        let rig = rigged(|plan| plan.settings.bounds.answer_bytes_max = 16 << 20);
        rig.upstream.set("/a", b"one");
        let tag = rig.tag("/a");
        // So much is kept, so much is thrown away, and as much as buffers on the way hold.
        rig.upstream.next("PUT", "/a", Course::filler(28 << 20).framed(framing));
        let mut client = rig.connect();
        client.send(&raw::request("PUT", "/a", &[("If-Match", &tag)], Some(b"two"))).unwrap();
        rig.upstream.wait_for("PUT", "/a", Point::Answered, 1).unwrap();
        rig.settled();
        assert!(client.final_response("PUT").is_err());
        stale(&rig.put("/a", &tag, "three"));
        done(&rig.put("/a", &rig.tag("/a"), "three"));
    }
}

#[test]
fn a_long_answer_that_is_cut_leaves_the_outcome_open() {
    for framing in [Framing::Length, Framing::Chunked(Vec::new())] {
        let rig = enforced();
        rig.upstream.set("/a", b"one");
        let tag = rig.tag("/a");
        let course = Course::filler(8 << 20).framed(framing).cut(Point::AnswerContent);
        rig.upstream.next("PUT", "/a", course);
        // The client has its head already, and then an answer that ends too early.
        assert!(rig.try_ask("PUT", "/a", &[("If-Match", &tag)], "two").is_err());
        until("the write is in doubt", || rig.state().doubts().len() == 1);
        refused(&rig.put("/a", &tag, "three"), 503, "outcome_pending");
    }
}

#[test]
fn an_append_whose_answer_streams_streams() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let held = rig.upstream.gate();
    let course =
        Course::filler(200_000).framed(Framing::Chunked(Vec::new())).hold(Point::AnswerContent, &held);
    rig.upstream.next("POST", "/a", course);
    let mut client = rig.connect();
    client.send(&raw::request("POST", "/a", &[] as &[Field<'_>], Some(b"+"))).unwrap();
    // The head is here and the answer is not complete.
    rig.decided("POST", "applied", 1);
    held.wait_for_arrivals(1).unwrap();
    held.open();
    assert_eq!(client.final_response("POST").unwrap().content.len(), 200_000);
    rig.settled();
}

/// A long answer to a POST that stops in the middle, until the gate is opened.
fn endless(rig: &Rig) -> (ifmatch_testkit::upstream::Gate, Connection) {
    let held = rig.upstream.gate();
    let course =
        Course::filler(200_000).framed(Framing::Chunked(Vec::new())).hold(Point::AnswerContent, &held);
    rig.upstream.next("POST", "/a", course);
    let mut client = rig.connect();
    client.send(&raw::request("POST", "/a", &[] as &[Field<'_>], Some(b"+"))).unwrap();
    rig.decided("POST", "applied", 1);
    held.wait_for_arrivals(1).unwrap();
    (held, client)
}

#[test]
fn an_answer_without_an_end_keeps_no_turn_and_no_connection_when_its_client_has_left() {
    let rig = rigged(|plan| {
        plan.settings.times.answer_max = PATIENCE;
        plan.settings.times.late_write_max = PATIENCE;
    });
    rig.upstream.set("/a", b"one");
    let (_held, client) = endless(&rig);
    drop(client);
    until("its connection is closed", || {
        let now = rig.gateway().upstream().stats();
        now.open == now.idle
    });
    rig.settled();
    done(&rig.put("/a", &rig.tag("/a"), "two"));
}

#[test]
fn an_answer_without_an_end_goes_on_for_a_client_that_is_there_and_keeps_no_turn() {
    let rig = rigged(|plan| {
        plan.settings.times.answer_max = PATIENCE;
        plan.settings.times.late_write_max = PATIENCE;
    });
    rig.upstream.set("/a", b"one");
    let (held, mut client) = endless(&rig);
    rig.settled();
    done(&rig.put("/a", &rig.tag("/a"), "two"));
    held.open();
    assert_eq!(client.final_response("POST").unwrap().content.len(), 200_000);
}

#[test]
fn an_answer_that_ends_after_its_turn_has_ended_ends_the_doubt() {
    let rig = rigged(|plan| plan.settings.times.answer_max = PATIENCE);
    rig.upstream.set("/a", b"one");
    let (held, mut client) = endless(&rig);
    until("the write is in doubt", || rig.state().doubts().len() == 1);
    held.open();
    assert_eq!(client.final_response("POST").unwrap().content.len(), 200_000);
    // A minute before it would have been over by itself.
    rig.settled();
    done(&rig.put("/a", &rig.tag("/a"), "two"));
}

#[test]
fn an_answer_that_is_long_in_coming_is_handed_on_as_it_comes() {
    let rig = rigged(|plan| plan.settings.times.answer_max = PATIENCE);
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::filler(200_000).hold(Point::AnswerContent, &held));
    let mut client = rig.connect();
    client.send(&raw::request("PUT", "/a", &[("If-Match", &tag)], Some(b"two"))).unwrap();
    // Its head goes out, and it is not complete.
    rig.decided("PUT", "applied", 1);
    held.open();
    assert_eq!(client.final_response("PUT").unwrap().content.len(), 200_000);
    rig.settled();
    stale(&rig.put("/a", &tag, "three"));
}
