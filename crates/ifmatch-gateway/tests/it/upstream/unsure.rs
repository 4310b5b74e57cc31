//! What is known when there is no answer, or only half of one.

use super::{
    Fed, HUGE, LONG, OK, SHORT, Script, ask, block_until_closed_by_peer, block_until_reset_by_peer, drain,
    get, huge, in_time, put, request, warm,
};
use http::Method;
use ifmatch_gateway::settings::{Origin, Times};
use ifmatch_gateway::upstream::{CollectError, Fresh, SendErrorKind, Sending, Upstream, collect};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;

/// An upstream on a thread of its own that closes each connection after its answer, without saying so, when it is told.
struct HangsUp {
    port: u16,
    now: mpsc::Sender<()>,
    done: mpsc::Receiver<()>,
}

impl HangsUp {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (now, told) = mpsc::channel();
        let (hung_up, done) = mpsc::channel();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut seen = Vec::new();
                while !seen.ends_with(b"!") {
                    let mut piece = [0; 1024];
                    match stream.read(&mut piece) {
                        Ok(bytes) if bytes > 0 => seen.extend_from_slice(&piece[..bytes]),
                        _ => break,
                    }
                }
                if stream.write_all(OK.as_bytes()).is_err() || told.recv().is_err() {
                    return;
                }
                drop(stream);
                hung_up.send(()).unwrap();
            }
        });
        Self { port, now, done }
    }

    fn upstream(&self) -> Upstream {
        let origin = Origin { host: "127.0.0.1".into(), port: self.port };
        Upstream::new(origin, Times::default(), 4)
    }

    /// The end of the stream is in our socket, and the event loop has not heard of it.
    fn hang_up(&self) {
        self.now.send(()).unwrap();
        self.done.recv().unwrap();
        block_until_closed_by_peer(self.port);
    }
}

#[tokio::test]
async fn a_write_behind_a_read_is_not_sent_into_a_closed_connection() {
    let peer = HangsUp::new();
    for _ in 0..3 {
        let upstream = peer.upstream();
        let body = ask(&upstream, put("first!")).await.unwrap().response.into_body();
        let connection = collect(body, 10).await.unwrap().connection.unwrap();
        peer.hang_up();
        let error = connection.start(put("second!")).unwrap_err();
        assert_eq!(error.kind, SendErrorKind::NotSent);
        assert!(error.reused && !error.answered);
        let again = *error.request.expect("the request comes back");
        let connection = upstream.connect(Fresh::Recent).await.unwrap();
        let answer = connection.start(again).unwrap().head(LONG).await;
        assert!(!answer.as_ref().unwrap().is_reused());
        assert_eq!(drain(answer.unwrap()).await, "ok");
        peer.hang_up();
    }
}

/// An upstream that sends content where there can be none, and a document that looks like an answer.
#[tokio::test]
async fn content_of_an_answer_that_has_none_is_not_the_next_answer() {
    for (method, status) in [(Method::HEAD, "200 OK"), (Method::GET, "304 Not Modified")] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (now, told) = mpsc::channel();
        let (said, done) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for content in ["", "", "HTTP/1.1 204 No Content\r\n\r\n"] {
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") {
                    let mut piece = [0; 1024];
                    let bytes = stream.read(&mut piece).unwrap();
                    seen.extend_from_slice(&piece[..bytes]);
                }
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", content.len()).unwrap();
                if !content.is_empty() {
                    told.recv().unwrap();
                    stream.write_all(content.as_bytes()).unwrap();
                    said.send(()).unwrap();
                }
            }
            stream.read_to_end(&mut Vec::new()).ok();
        });
        let upstream = Upstream::new(Origin { host: "127.0.0.1".into(), port }, Times::default(), 4);
        let asks = || request(method.clone(), Sending::empty());
        for _ in 0..2 {
            drop(ask(&upstream, asks()).await.unwrap());
        }
        drop(ask(&upstream, asks()).await.unwrap());
        // As if no time went by.
        tokio::time::pause();
        let connection = upstream.connect(Fresh::Recent).await.unwrap();
        assert!(connection.is_reused(), "the upstream is trusted");
        now.send(()).unwrap();
        done.recv().unwrap();
        assert_eq!(connection.start(put("x")).unwrap_err().kind, SendErrorKind::NotSent);
        tokio::time::resume();
    }
}

/// How long an answer was waited for says nothing of how long its connection was idle.
#[tokio::test]
async fn an_upstream_that_hangs_up_behind_a_late_answer_is_not_trusted() {
    let script = Script::new().await;
    let port = script.port();
    let upstream = script.upstream();
    let (go, wait) = oneshot::channel::<()>();
    let (told, hung_up) = oneshot::channel();
    script.run(async |script| {
        let mut wire = script.accept().await;
        for _ in 0..2 {
            wire.head().await;
            wire.say(OK).await;
        }
        wire.head().await;
        wait.await.unwrap();
        wire.say(OK).await;
        drop(wire);
        told.send(()).unwrap();
        script.serve(OK).recv().await;
    });
    warm(&upstream).await;
    warm(&upstream).await;
    let mut pending = upstream.connect(Fresh::Recent).await.unwrap().start(get()).unwrap();
    assert_eq!(in_time(pending.head(SHORT)).await.unwrap_err().kind, SendErrorKind::TimedOut);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    go.send(()).unwrap();
    let body = pending.head(LONG).await.unwrap().response.into_body();
    let connection = collect(body, 10).await.unwrap().connection.unwrap();
    hung_up.await.unwrap();
    block_until_closed_by_peer(port);
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(10)).await;
    tokio::time::resume();
    let error = connection.start(put("x")).unwrap_err();
    assert_eq!(error.kind, SendErrorKind::NotSent, "whoever holds a connection for long looks at it again");
    warm(&upstream).await;
    assert_eq!(upstream.stats().idle, 1);
    assert!(!upstream.connect(Fresh::Recent).await.unwrap().is_reused());
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_not_an_answer() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let (told, said) = oneshot::channel();
    script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say(OK).await;
        wire.say("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n").await;
        told.send(()).unwrap();
        wire.rest().await;
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
        wire.rest().await;
    });
    drain(ask(&upstream, get()).await.unwrap()).await;
    said.await.unwrap();
    let connection = upstream.connect(Fresh::Recent).await.unwrap();
    let started = match connection.start(put("x")) {
        Ok(pending) => Ok(pending),
        Err(error) => upstream.connect(Fresh::Recent).await.unwrap().start(*error.request.unwrap()),
    };
    assert_eq!(started.unwrap().head(LONG).await.unwrap().response.status(), 201);
}

#[tokio::test]
async fn an_answer_before_the_request_is_not_its_answer() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let (told, said) = oneshot::channel();
    let heard = script.run(async |script| {
        let mut wire = script.accept().await;
        wire.say("HTTP/1.1 204 No Content\r\n\r\n").await;
        told.send(()).unwrap();
        wire.rest().await
    });
    let connection = upstream.connect(Fresh::Recent).await.unwrap();
    said.await.unwrap();
    let error = connection.start(put("x")).unwrap_err();
    assert_eq!((error.kind, error.reused), (SendErrorKind::NotSent, false));
    assert!(error.request.is_some());
    assert!(heard.await.unwrap().is_empty());
}

#[tokio::test]
async fn a_first_write_that_fails_has_sent_nothing() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (go, wait) = mpsc::channel();
    let peer = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        wait.recv().unwrap();
        // Closed with a reset.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    });
    let upstream = Upstream::new(Origin { host: "127.0.0.1".into(), port }, Times::default(), 4);
    // Without a look into the socket.
    let connection = upstream.connect(Fresh::Any).await.unwrap();
    go.send(()).unwrap();
    peer.join().unwrap();
    block_until_reset_by_peer(port);
    let error = match connection.start(put("x")) {
        Ok(mut pending) => pending.head(LONG).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!((error.kind, error.answered), (SendErrorKind::NotSent, false), "{error:?}");
}

#[tokio::test]
async fn a_request_that_left_and_was_not_answered_is_lost() {
    for said in ["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-"] {
        let script = Script::new().await;
        let upstream = script.upstream();
        script.run(async move |script| {
            let mut wire = script.accept().await;
            wire.head().await;
            wire.content(1).await;
            wire.say(said).await;
        });
        let error = ask(&upstream, put("x")).await.unwrap_err();
        assert_eq!(error.kind, SendErrorKind::Lost, "{error:?}");
        assert_eq!(error.answered, !said.is_empty(), "{error:?}");
        assert!(!error.reused && error.request.is_none());
    }
}

#[tokio::test]
async fn a_read_on_a_connection_that_was_used_says_so_when_it_is_lost() {
    let script = Script::new().await;
    let upstream = script.upstream();
    script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say(OK).await;
        wire.head().await;
    });
    warm(&upstream).await;
    let error = ask(&upstream, get()).await.unwrap_err();
    assert_eq!((error.kind, error.reused, error.answered), (SendErrorKind::Lost, true, false));
}

#[tokio::test]
async fn what_is_not_http_is_malformed() {
    let many: String = (0..200).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(70 << 10));
    for answer in [
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        long,
    ] {
        let script = Script::new().await;
        let upstream = script.upstream();
        let told = answer.clone();
        script.run(async move |script| {
            let mut wire = script.accept().await;
            wire.head().await;
            wire.say(&told).await;
            wire.rest().await;
        });
        let error = ask(&upstream, get()).await.unwrap_err();
        assert_eq!(error.kind, SendErrorKind::Malformed, "{answer:.30} {error:?}");
        assert_eq!(upstream.stats().open, 0);
    }
}

#[tokio::test]
async fn one_can_go_on_waiting_after_a_time_out() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let (go, wait) = oneshot::channel::<()>();
    script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wait.await.unwrap();
        wire.say(OK).await;
        wire.rest().await;
    });
    let mut pending = upstream.connect(Fresh::Recent).await.unwrap().start(put("x")).unwrap();
    for _ in 0..2 {
        assert_eq!(in_time(pending.head(SHORT)).await.unwrap_err().kind, SendErrorKind::TimedOut);
        assert!(pending.all_content_sent());
    }
    go.send(()).unwrap();
    let answer = tokio::spawn(async move { pending.head(LONG).await }).await.unwrap().unwrap();
    assert_eq!(drain(answer).await, "ok");
    assert_eq!(upstream.stats().idle, 1);
}

#[tokio::test]
async fn content_that_does_not_move_times_out() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let (_keep, kept) = oneshot::channel::<()>();
    script.run(async |script| {
        let _wire = script.accept().await;
        kept.await.ok();
    });
    let mut pending = upstream.connect(Fresh::Recent).await.unwrap().start(huge()).unwrap();
    assert_eq!(in_time(pending.head(SHORT)).await.unwrap_err().kind, SendErrorKind::TimedOut);
    assert!(!pending.all_content_sent());
}

#[tokio::test]
async fn an_early_answer_says_that_content_is_missing() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let received = script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno").await;
        wire.rest().await.len()
    });
    let answer = ask(&upstream, huge()).await.unwrap();
    assert_eq!(answer.response.status(), 401);
    assert!(!answer.all_content_sent());
    let collected = collect(answer.response.into_body(), 10).await.unwrap();
    assert_eq!(&collected.bytes[..], b"no");
    if collected.all_content_sent {
        return;
    }
    assert!(collected.connection.is_none());
    assert_eq!(upstream.stats().idle, 0);
    assert!(received.await.unwrap() < HUGE, "the connection was closed");
}

#[tokio::test]
async fn an_early_answer_is_heard_although_the_upstream_hangs_up() {
    for _ in 0..20 {
        let script = Script::new().await;
        let upstream = script.upstream();
        // Closed with content unread: a reset.
        script.run(async |script| {
            let mut wire = script.accept().await;
            wire.head().await;
            wire.say("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n").await;
        });
        let answer = ask(&upstream, huge()).await.unwrap();
        assert_eq!(answer.response.status(), 413);
        assert!(!answer.all_content_sent());
    }
}

#[tokio::test]
async fn an_answer_is_heard_although_the_way_out_is_found_broken_first() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (go, wait) = mpsc::channel();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        wait.recv().unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").unwrap();
        // Closed with content unread: a reset.
    });
    let upstream = Upstream::new(Origin { host: "127.0.0.1".into(), port }, Times::default(), 4);
    let (feed, fed) = tokio::sync::mpsc::unbounded_channel();
    feed.send(Ok("abc")).unwrap();
    let request = request(Method::PUT, Sending::stream(Fed(fed)));
    let mut pending = upstream.connect(Fresh::Recent).await.unwrap().start(request).unwrap();
    let waiting = in_time(pending.head(SHORT)).await.unwrap_err();
    assert_eq!(waiting.kind, SendErrorKind::TimedOut);
    go.send(()).unwrap();
    peer.join().unwrap();
    block_until_reset_by_peer(port);
    // This is written before the event loop can tell that there is something to read.
    feed.send(Ok("def")).unwrap();
    let answer = pending.head(LONG).await.unwrap();
    assert_eq!(answer.response.status(), 403);
    assert!(!answer.all_content_sent());
}

/// The upstream's answer ends with its connection, and here it is our side that ends that.
#[tokio::test]
async fn an_early_answer_that_is_cut_with_the_request_is_not_complete() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let (_keep, kept) = oneshot::channel::<()>();
    script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say("HTTP/1.1 200 OK\r\n\r\nabc").await;
        kept.await.ok();
    });
    let (feed, fed) = tokio::sync::mpsc::unbounded_channel();
    let answer = ask(&upstream, request(Method::PUT, Sending::stream(Fed(fed)))).await.unwrap();
    feed.send(Err("the client left".into())).unwrap();
    let error = in_time(collect(answer.response.into_body(), 10)).await.unwrap_err();
    assert!(matches!(error, CollectError::Cut(_)), "{error:?}");
    assert_eq!(upstream.stats().open, 0);
}

#[tokio::test]
async fn content_goes_on_behind_an_early_answer_that_nobody_reads_yet() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let (told, all_read) = oneshot::channel();
    script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await;
        wire.content(HUGE).await;
        told.send(()).unwrap();
        wire.say("0\r\n\r\n").await;
        wire.rest().await;
    });
    let answer = ask(&upstream, huge()).await.unwrap();
    assert!(!answer.all_content_sent());
    in_time(all_read).await.unwrap();
    let body = answer.response.into_body();
    assert!(body.all_content_sent());
    let collected = collect(body, 10).await.unwrap();
    assert!(collected.all_content_sent);
    assert_eq!(&collected.bytes[..], b"ok");
}
