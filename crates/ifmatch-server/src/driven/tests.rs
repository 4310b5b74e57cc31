use super::*;
use crate::connection::server;
use crate::socket::socket;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::pending;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection to a server that answers every request after that time.
fn connect(answered_after: Duration) -> (DuplexStream, watch::Sender<()>, JoinHandle<Result<(), Error>>) {
    let (client, stream) = tokio::io::duplex(64 << 10);
    let (link, ending) = (Link::new(None), watch::Sender::new(()));
    let arrived = link.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let arrived = arrived.clone();
        async move {
            let request = arrived.arrived(request);
            drop(request.into_body().collect().await.unwrap());
            sleep(answered_after).await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
        }
    });
    let connection =
        timed(&server(), &link).serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let driven = tokio::spawn(drive(Box::pin(connection), link, ending.subscribe()));
    (client, ending, driven)
}

async fn ask(client: &mut DuplexStream) {
    client.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"done") {
        assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "an answer");
    }
}

/// How long the server keeps the connection from now on.
async fn kept(client: &mut DuplexStream) -> Duration {
    let began = Instant::now();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    began.elapsed()
}

fn is_about(time: Duration, expected: Duration) -> bool {
    time.abs_diff(expected) < Duration::from_secs(1)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_does_not_keep_the_connection() {
    let (mut client, _ending, driven) = connect(Duration::ZERO);
    assert!(is_about(kept(&mut client).await, HEADER_READ_MAX));
    assert!(driven.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_has_no_more_time_than_another_one() {
    let (mut client, _ending, driven) = connect(Duration::ZERO);
    ask(&mut client).await;
    let began = Instant::now();
    while client.write_all(b"G").await.is_ok() {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(is_about(began.elapsed(), HEADER_READ_MAX + Duration::from_secs(1)), "{:?}", began.elapsed());
    assert!(driven.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_time_for_a_head_begins_with_each_answer() {
    let (mut client, _ending, _driven) = connect(Duration::ZERO);
    for _ in 0..5 {
        ask(&mut client).await;
        sleep(HEADER_READ_MAX * 2 / 3).await;
    }
    ask(&mut client).await;
    assert!(is_about(kept(&mut client).await, HEADER_READ_MAX));
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_its_time() {
    let (mut client, _ending, _driven) = connect(HEADER_READ_MAX * 3);
    ask(&mut client).await;
    ask(&mut client).await;
    assert!(is_about(kept(&mut client).await, HEADER_READ_MAX));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_is_under_way_is_finished() {
    let (mut idle, ending, driven) = connect(Duration::ZERO);
    ask(&mut idle).await;
    ending.send_replace(());
    assert_eq!(kept(&mut idle).await, Duration::ZERO);
    driven.await.unwrap().unwrap();

    let (mut busy, ending, driven) = connect(HEADER_READ_MAX);
    busy.write_all(REQUEST).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    ending.send_replace(());
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"done"));
    driven.await.unwrap().unwrap();
    ending.closed().await;
}

#[tokio::test(start_paused = true)]
async fn http_2_is_kept_by_its_pings() {
    let (mut client, _ending, driven) = connect(Duration::ZERO);
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // A ping is sent, and there is as much time again for its answer, which does not come.
    let kept = kept(&mut client).await;
    assert!(is_about(kept, 2 * HEADER_READ_MAX), "{kept:?}");
    drop(driven.await.unwrap());

    // What is not HTTP/2 yet is not.
    let (mut client, _ending, _driven) = connect(Duration::ZERO);
    client.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    assert!(is_about(self::kept(&mut client).await, HEADER_READ_MAX));
}

/// A connection over TCP whose requests are never answered; what they hold of the sender is dropped with them.
async fn connect_tcp(
    sent: &[u8],
    ends: bool,
) -> (TcpStream, mpsc::Receiver<()>, JoinHandle<Result<(), Error>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(sent).await.unwrap();
    if ends {
        client.shutdown().await.unwrap();
    }
    let (stream, _) = listener.accept().await.unwrap();
    while ends && !stream.ready(Interest::READABLE).await.unwrap().is_read_closed() {
        yield_now().await;
    }
    let (socket, other_end) = socket(stream);
    let (began, begun) = mpsc::channel(1);
    let link = Link::new(Some(other_end));
    let arrived = link.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (arrived, began) = (arrived.clone(), began.clone());
        async move {
            let mut content = arrived.arrived(request).into_body();
            if content.is_end_stream() {
                poll_fn(|cx| arrived.poll_whole(cx)).await;
            }
            while let Some(Ok(_)) = content.frame().await {}
            began.send(()).await.unwrap();
            pending::<Result<Response<Full<Bytes>>, Infallible>>().await
        }
    });
    let connection =
        timed(&server(), &link).serve_connection_with_upgrades(TokioIo::new(socket), service).into_owned();
    let ending = watch::Sender::new(());
    let driven = drive(Box::pin(connection), link, ending.subscribe());
    let driven = tokio::spawn(async move {
        let _ending = ending;
        driven.await
    });
    (client, begun, driven)
}

#[tokio::test]
async fn a_request_ends_when_its_client_leaves() {
    let content = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for sent in [REQUEST, content] {
        let (client, mut begun, driven) = connect_tcp(sent, false).await;
        assert_eq!(begun.recv().await, Some(()));
        drop(client);
        assert!(driven.await.unwrap().is_err());
        assert_eq!(begun.recv().await, None, "the request is dropped");
    }
}

#[tokio::test]
async fn a_request_whose_client_has_left_does_not_begin() {
    let (_client, mut begun, driven) = connect_tcp(REQUEST, true).await;
    assert!(driven.await.unwrap().is_err());
    assert_eq!(begun.recv().await, None);
}

#[tokio::test]
async fn a_request_that_breaks_off_is_answered_for_what_it_lacks() {
    let content = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc";
    let (_client, mut begun, driven) = connect_tcp(content, true).await;
    assert_eq!(begun.recv().await, Some(()), "it is told of the content, not of the client");
    assert!(!driven.is_finished());
    driven.abort();
}
