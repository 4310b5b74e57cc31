//! What goes out.

use super::{Fed, LONG, OK, PATIENT, Script, ask, drain, get, in_time, put, request};
use http::{HeaderValue, Method, Request};
use ifmatch_gateway::upstream::{Fresh, Pending, SendError, SendErrorKind, Sending};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

#[tokio::test]
async fn fields_go_out_as_they_are_and_nothing_is_added() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let heads = script.run(async |script| {
        let mut wire = script.accept().await;
        let mut heads = Vec::new();
        for _ in 0..4 {
            heads.push(wire.head().await);
            wire.content(heads.last().unwrap().matches("content-length: 3").count() * 3).await;
            wire.say(OK).await;
        }
        heads
    });
    let conditional = |method, content| {
        let request = Request::builder().method(method).uri("/a%2fb?c=%20&d");
        let request = request.header("Host", "there:1").header("If-Match", "\"1\"").header("X-B", "2");
        request.header("Accept", "*/*").header("X-A", "1").header("X-B", "").body(content).unwrap()
    };
    for request in [
        conditional(Method::GET, Sending::empty()),
        conditional(Method::DELETE, Sending::empty()),
        conditional(Method::PUT, Sending::empty()),
        conditional(Method::PUT, Sending::whole("abc".into())),
    ] {
        let answer = ask(&upstream, request).await.unwrap();
        assert!(answer.all_content_sent());
        drain(answer).await;
    }
    let fields = " /a%2fb?c=%20&d HTTP/1.1\r\nhost: there:1\r\nif-match: \"1\"\r\nx-b: 2\r\nx-b: \r\naccept: */*\r\nx-a: 1\r\n";
    let expected = ["GET", "DELETE", "PUT"].map(|method| format!("{method}{fields}\r\n"));
    let heads = heads.await.unwrap();
    assert_eq!(heads[..3], expected);
    assert_eq!(heads[3], format!("PUT{fields}content-length: 3\r\n\r\n"));
}

#[tokio::test]
async fn a_target_begins_at_the_root() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let heads = script.run(async |script| {
        let mut wire = script.accept().await;
        let mut heads = Vec::new();
        for _ in 0..4 {
            heads.push(wire.head().await);
            wire.say(OK).await;
        }
        heads
    });
    for uri in ["http://there?a=/", "http://there", "*", "/a?"] {
        let request = Request::builder().uri(uri).body(Sending::empty()).unwrap();
        drain(ask(&upstream, request).await.unwrap()).await;
    }
    let expected = ["/?a=/", "/", "*", "/a?"].map(|target| format!("GET {target} HTTP/1.1\r\n\r\n"));
    assert_eq!(heads.await.unwrap(), expected);
}

#[tokio::test]
async fn the_first_read_has_the_whole_head_and_small_content() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let first = script.run(async |script| {
        let mut wire = script.accept().await;
        let mut first = vec![0; 1 << 20];
        let bytes = wire.stream.read(&mut first).await.unwrap();
        wire.say(OK).await;
        String::from_utf8(first[..bytes].to_vec()).unwrap()
    });
    let mut large = put("the content");
    large.headers_mut().insert("x-large", HeaderValue::from_str(&"v".repeat(15 << 10)).unwrap());
    ask(&upstream, large).await.unwrap();
    let first = first.await.unwrap();
    assert!(first.starts_with("PUT /doc HTTP/1.1\r\nhost: there\r\nx-large: vvv"));
    assert!(first.ends_with("vvv\r\ncontent-length: 11\r\n\r\nthe content"), "{}", first.len());
}

#[tokio::test]
async fn content_of_unknown_length_is_chunked_also_of_a_get() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let heard = script.run(async |script| {
        let mut wire = script.accept().await;
        let head = wire.head().await;
        let content = wire.content("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n".len()).await;
        wire.say(OK).await;
        (head, String::from_utf8(content).unwrap())
    });
    let (feed, fed) = mpsc::unbounded_channel();
    let connection = upstream.connect(Fresh::Any).await.unwrap();
    let mut pending = connection.start(request(Method::GET, Sending::stream(Fed(fed)))).unwrap();
    assert!(!pending.all_content_sent());
    feed.send(Ok("a")).unwrap();
    feed.send(Ok("bc")).unwrap();
    drop(feed);
    let answer = pending.head(LONG).await.unwrap();
    assert!(answer.all_content_sent());
    let (head, content) = heard.await.unwrap();
    assert_eq!(head, "GET /doc HTTP/1.1\r\nhost: there\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(content, "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n");
}

#[tokio::test]
async fn content_that_breaks_off_cuts_the_request() {
    for announced in [None, Some("5")] {
        let script = Script::new().await;
        let upstream = script.upstream();
        let heard = script.run(async |script| {
            let mut wire = script.accept().await;
            wire.rest().await
        });
        let (feed, fed) = mpsc::unbounded_channel();
        let mut request = request(Method::PUT, Sending::stream(Fed(fed)));
        if let Some(length) = announced {
            request.headers_mut().insert("content-length", HeaderValue::from_static(length));
        }
        let pending = upstream.connect(Fresh::Any).await.unwrap().start(request).unwrap();
        feed.send(Ok("abc")).unwrap();
        if announced.is_none() {
            feed.send(Err("the client left".into())).unwrap();
        }
        drop(feed);
        is_cut(pending, heard).await;
        assert_eq!(upstream.stats().open, 0);
    }
}

/// Why the request was cut, which the upstream must be able to see.
async fn is_cut(mut pending: Pending, heard: JoinHandle<Vec<u8>>) -> SendError {
    let error = in_time(pending.head(PATIENT.answer_max)).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Content, "{error:?}");
    let heard = String::from_utf8(heard.await.unwrap()).unwrap();
    assert!(!heard.contains("0\r\n\r\n"), "not ended as if it were complete: {heard}");
    error
}

/// Behind its error a stream looks as if it had ended: asked once more it would let a part pass for the whole.
#[tokio::test]
async fn content_that_breaks_off_at_once_cuts_the_request_as_well() {
    for before in [None, Some("abc")] {
        let script = Script::new().await;
        let upstream = script.upstream();
        let heard = script.run(async |script| {
            let mut wire = script.accept().await;
            wire.rest().await
        });
        let (feed, fed) = mpsc::unbounded_channel();
        for piece in before.map(Ok).into_iter().chain([Err("the client left".into())]) {
            feed.send(piece).unwrap();
        }
        drop(feed);
        let started = upstream.connect(Fresh::Any).await.unwrap();
        let pending = started.start(request(Method::PUT, Sending::stream(Fed(fed)))).unwrap();
        assert!(!pending.all_content_sent());
        assert_eq!(is_cut(pending, heard).await.source.unwrap().to_string(), "the client left");
        assert_eq!(upstream.stats().open, 0);
    }
}

#[tokio::test]
async fn nothing_but_interim_answers_is_no_answer() {
    let script = Script::new().await;
    let upstream = script.upstream();
    script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        let many = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
        while wire.stream.write_all(many.as_bytes()).await.is_ok() {}
    });
    let error = in_time(ask(&upstream, get())).await.unwrap_err();
    assert_eq!((error.kind, error.answered), (SendErrorKind::Malformed, true));
    assert_eq!(upstream.stats().open, 0);
}

#[tokio::test]
async fn interim_answers_are_skipped() {
    let script = Script::new().await;
    let upstream = script.upstream();
    script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n").await;
        wire.say(OK).await;
        wire.rest().await;
    });
    let answer = ask(&upstream, get()).await.unwrap();
    assert_eq!(answer.response.status(), 200);
    assert!(answer.response.headers().get("link").is_none());
}
