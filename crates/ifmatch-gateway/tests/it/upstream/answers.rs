//! What comes back.

use super::{LONG, OK, SHORT, Script, ask, drain, get, in_time, request};
use http::Method;
use http_body::Body;
use http_body_util::BodyExt;
use ifmatch_gateway::settings::Times;
use ifmatch_gateway::upstream::{BodyError, CollectError, Fresh, Sending, Upstream, collect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

/// An upstream that gives this answer and hangs up.
async fn says(answer: &'static str) -> Upstream {
    let script = Script::new().await;
    let upstream = script.upstream();
    script.run(async move |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say(answer).await;
    });
    upstream
}

#[tokio::test]
async fn content_that_is_cut_is_never_complete() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nab",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n",
    ] {
        let upstream = says(answer).await;
        let mut body = ask(&upstream, get()).await.unwrap().response.into_body();
        let error = loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        };
        assert!(matches!(error, Some(Err(BodyError::Cut(_)))), "{answer:?} {error:?}");
        assert!(!body.is_complete() && body.frame().await.is_none());
        assert_eq!(upstream.stats().open, 0);
    }
}

#[tokio::test]
async fn content_without_a_length_ends_with_its_connection() {
    for head in ["HTTP/1.1 200 OK", "HTTP/1.0 200 OK"] {
        let upstream = says(format!("{head}\r\n\r\nabcd").leak()).await;
        let mut body = ask(&upstream, get()).await.unwrap().response.into_body();
        assert_eq!(body.size_hint().exact(), None);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abcd");
        assert!(!body.is_complete());
        assert!(body.frame().await.is_none() && body.is_complete());
        assert_eq!(upstream.stats().open, 0);
    }
}

#[tokio::test]
async fn answers_that_have_no_content_are_complete_at_once() {
    for (method, answer) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        (Method::PUT, "HTTP/1.1 204 No Content\r\n\r\n"),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\n\r\n"),
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ] {
        let script = Script::new().await;
        let upstream = script.upstream();
        let mut served = script.serve(answer);
        for _ in 0..2 {
            let body = ask(&upstream, request(method.clone(), Sending::empty())).await.unwrap();
            let body = body.response.into_body();
            assert!(body.is_complete() && body.is_end_stream());
            // Dropped without having been read.
        }
        assert_eq!(served.recv().await, served.recv().await);
        assert_eq!(upstream.stats().reused, 1);
    }
}

#[tokio::test]
async fn trailers_come_through() {
    let answer =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\ndigest: x\r\n\r\n";
    let script = Script::new().await;
    let upstream = script.upstream();
    script.serve(answer);
    for _ in 0..2 {
        let collected = collect(ask(&upstream, get()).await.unwrap().response.into_body(), 4).await.unwrap();
        assert_eq!(&collected.bytes[..], b"abcd");
        assert_eq!(collected.trailers.unwrap()["digest"], "x");
    }
    assert_eq!(upstream.stats().reused, 1);
}

#[tokio::test]
async fn content_comes_in_pieces_and_stops() {
    let script = Script::new().await;
    let upstream = script.upstream_with(Times { idle_max: SHORT, ..Times::default() }, 4);
    let (_keep, kept) = oneshot::channel::<()>();
    script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
        kept.await.ok();
    });
    let mut body = ask(&upstream, get()).await.unwrap().response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
    assert!(matches!(in_time(body.frame()).await, Some(Err(BodyError::Idle))));
    assert!(body.frame().await.is_none() && !body.is_complete());
    assert_eq!(upstream.stats().open, 0);
}

#[tokio::test]
async fn content_can_be_awaited_by_another_task_than_the_head() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let (go, wait) = oneshot::channel::<()>();
    script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
        wait.await.unwrap();
        wire.say("ok").await;
        wire.rest().await;
    });
    let body = ask(&upstream, get()).await.unwrap().response.into_body();
    let collecting = tokio::spawn(collect(body, 2));
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    assert_eq!(&in_time(collecting).await.unwrap().unwrap().bytes[..], b"ok");
}

#[tokio::test]
async fn too_much_content_is_not_lost() {
    for (answer, so_far) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabcdef", ""),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef"),
    ] {
        let script = Script::new().await;
        let upstream = script.upstream();
        script.serve(answer);
        let body = ask(&upstream, get()).await.unwrap().response.into_body();
        let Err(CollectError::More { so_far: read, rest }) = collect(body, 5).await else { panic!() };
        assert_eq!(read, so_far);
        let rest = rest.collect().await.unwrap().to_bytes();
        assert_eq!([&read[..], &rest[..]].concat(), b"abcdef");
        assert_eq!(upstream.stats().idle, 1, "read to its end it gives the connection back");
    }
}

#[tokio::test]
async fn large_heads_and_large_content_come_through() {
    let content = "0123456789abcdef".repeat(1 << 16);
    let head = format!("x: {}\r\ncontent-length: {}", "v".repeat(60 << 10), content.len());
    let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{content}");
    let script = Script::new().await;
    let upstream = script.upstream();
    script.serve(answer.leak());
    for _ in 0..3 {
        let answer = ask(&upstream, get()).await.unwrap();
        assert_eq!(answer.response.headers()["x"].len(), 60 << 10);
        assert_eq!(drain(answer).await, content);
    }
    assert_eq!(upstream.stats().opened, 1);
}

#[tokio::test]
async fn an_upgrade_gives_the_bare_connection() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let heard = script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say("HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\nhello ")
            .await;
        wire.say("there").await;
        wire.rest().await
    });
    let mut request = get();
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "echo".parse().unwrap());
    let answer = ask(&upstream, request).await.unwrap();
    assert_eq!(answer.response.status(), 101);
    let mut tunnel = answer.into_tunnel().unwrap();
    let mut greeting = [0; 11];
    tunnel.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"hello there");
    tunnel.write_all(b"bye").await.unwrap();
    tunnel.shutdown().await.unwrap();
    assert_eq!(heard.await.unwrap(), b"bye");
    assert_eq!(upstream.stats().open, 1);
    drop(tunnel);
    assert_eq!(upstream.stats().open, 0);
}

#[tokio::test]
async fn a_connection_that_switched_is_not_used_again() {
    for held in [false, true] {
        let upstream = says("HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\n\r\n").await;
        let answer = ask(&upstream, get()).await.unwrap();
        if held {
            let collected = collect(answer.response.into_body(), 10).await.unwrap();
            assert!(collected.connection.is_none());
        } else {
            drop(answer);
        }
        assert_eq!((upstream.stats().idle, upstream.stats().open), (0, 0));
    }
}

#[tokio::test]
async fn another_answer_is_no_tunnel() {
    let upstream = says(OK).await;
    let mut pending = upstream.connect(Fresh::Any).await.unwrap().start(get()).unwrap();
    assert!(pending.head(LONG).await.unwrap().into_tunnel().is_none());
}
