use super::*;
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
use tokio::sync::{Semaphore, mpsc};
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
    let connection = server(&link).serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
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

/// The preface of HTTP/2, with settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A request over HTTP/2, GET of /, on the stream of that number.
fn stream_of(number: u8) -> [u8; 15] {
    [0, 0, 6, 1, 5, 0, 0, 0, number, 0x82, 0x86, 0x84, 0x41, 1, b'a']
}

/// Acknowledges what has to be, until the connection ends. When there were answers, when it was said that it will end, and
/// when it did, after the first byte.
async fn attend(client: &mut DuplexStream) -> (Vec<Duration>, Option<Duration>, Duration) {
    let (began, mut answers, mut goodbye) = (Instant::now(), Vec::new(), None);
    let mut head = [0; 9];
    while client.read_exact(&mut head).await.is_ok() {
        let mut content = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        client.read_exact(&mut content).await.unwrap();
        match (head[3], head[4]) {
            (0, 1) => answers.push(began.elapsed()),
            (4 | 6, 0) => {
                head[4] = 1;
                let answer = if head[3] == 4 {
                    [0, 0, 0, 4, 1, 0, 0, 0, 0].to_vec()
                } else {
                    [&head[..], &content].concat()
                };
                // It may have ended meanwhile.
                drop(client.write_all(&answer).await);
            }
            (7, _) => goodbye = goodbye.or(Some(began.elapsed())),
            _ => {}
        }
    }
    (answers, goodbye, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn http_2_without_a_stream_is_idle_whatever_its_pings_say() {
    let (mut unused, _ending, driven) = connect(Duration::ZERO);
    unused.write_all(PREFACE).await.unwrap();
    let (_, goodbye, end) = attend(&mut unused).await;
    assert!(
        is_about(goodbye.unwrap(), HEADER_READ_MAX) && is_about(end, HEADER_READ_MAX),
        "{goodbye:?}, {end:?}"
    );
    driven.await.unwrap().unwrap();

    // What is open is not idle, for however long, and the time begins anew with its end.
    let (mut client, _ending, driven) = connect(HEADER_READ_MAX * 3);
    client.write_all(&[PREFACE, &stream_of(1), &stream_of(3)].concat()).await.unwrap();
    let (answers, goodbye, end) = attend(&mut client).await;
    assert!(answers.len() == 2 && answers.iter().all(|at| is_about(*at, HEADER_READ_MAX * 3)), "{answers:?}");
    assert!(
        is_about(goodbye.unwrap(), HEADER_READ_MAX * 4) && is_about(end, HEADER_READ_MAX * 4),
        "{goodbye:?}, {end:?}"
    );
    driven.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn http_2_that_answers_no_ping_is_closed() {
    let (mut client, _ending, driven) = connect(HEADER_READ_MAX * 10);
    client.write_all(&[PREFACE, &stream_of(1)].concat()).await.unwrap();
    // A ping is sent, and there is as much time again for its answer, which does not come.
    let kept = kept(&mut client).await;
    assert!(is_about(kept, 2 * HEADER_READ_MAX), "{kept:?}");
    drop(driven.await.unwrap());
    // Nor does it stay when it is idle.
    let (mut client, _ending, _driven) = connect(Duration::ZERO);
    client.write_all(PREFACE).await.unwrap();
    let kept = self::kept(&mut client).await;
    assert!(is_about(kept, 2 * HEADER_READ_MAX), "{kept:?}");

    // What is not HTTP/2 yet is not.
    let (mut client, _ending, _driven) = connect(Duration::ZERO);
    client.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    assert!(is_about(self::kept(&mut client).await, HEADER_READ_MAX));
}

/// An answer without end.
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const PIECE: &[u8] = &[0; 16 << 10];
        self.0.fetch_add(PIECE.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PIECE)))))
    }
}

#[tokio::test(start_paused = true)]
async fn little_is_held_of_answers_that_nobody_takes() {
    const BETWEEN: usize = 8 << 10;
    let (mut client, stream) = tokio::io::duplex(BETWEEN);
    let (link, ending, taken) = (Link::new(None), watch::Sender::new(()), Arc::new(AtomicUsize::new(0)));
    let counts = Arc::clone(&taken);
    let service = service_fn(move |_| {
        let answer = Response::new(Endless(Arc::clone(&counts)));
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = server(&link).serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let driven = tokio::spawn(drive(Box::pin(connection), link, ending.subscribe()));
    // The client would take 2 GiB at once, of each answer and of all together.
    let windows = b"\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff\0\0\x04\x08\0\0\0\0\0\x7f\0\0\0";
    client.write_all(&[PREFACE, windows, &stream_of(1), &stream_of(3)].concat()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken > BETWEEN && taken <= BETWEEN + 2 * 2 * STREAM_SEND_BYTES_MAX, "{taken}");
    driven.abort();
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
    let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let (socket, other_end) = socket(stream, place);
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
            // Past an error as well, as somebody may who throws it away.
            while content.frame().await.is_some() {}
            began.send(()).await.unwrap();
            pending::<Result<Response<Full<Bytes>>, Infallible>>().await
        }
    });
    let connection = server(&link).serve_connection_with_upgrades(TokioIo::new(socket), service).into_owned();
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

/// A connection over TCP whose requests are answered at once; their content is handed to the test.
async fn connect_answering() -> (TcpStream, mpsc::Receiver<Content>, JoinHandle<Result<(), Error>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    let (socket, other_end) = socket(listener.accept().await.unwrap().0, place);
    let (hand_over, contents) = mpsc::channel(1);
    let link = Link::new(Some(other_end));
    let arrived = link.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (arrived, hand_over) = (arrived.clone(), hand_over.clone());
        async move {
            hand_over.send(arrived.arrived(request).into_body()).await.unwrap();
            arrived.answered();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
        }
    });
    let connection = server(&link).serve_connection_with_upgrades(TokioIo::new(socket), service).into_owned();
    let ending = watch::Sender::new(());
    let driven = drive(Box::pin(connection), link, ending.subscribe());
    let driven = tokio::spawn(async move {
        let _ending = ending;
        driven.await
    });
    (client, contents, driven)
}

/// Whoever throws content away comes to its end, even if the client is gone: or he would wait for nothing.
#[tokio::test]
async fn content_that_nobody_waits_for_ends_with_its_client() {
    const HEAD: &[u8] = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc";
    // All of it comes, and the end of the connection with it.
    let (mut client, mut contents, driven) = connect_answering().await;
    client.write_all(HEAD).await.unwrap();
    let mut content = contents.recv().await.unwrap();
    client.write_all(b"de").await.unwrap();
    client.shutdown().await.unwrap();
    let (mut answer, mut read) = (Vec::new(), 0);
    client.readable().await.unwrap();
    while let Some(Ok(frame)) = content.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(read, 5);
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"done"));
    driven.await.unwrap().unwrap();

    // It breaks off.
    let (mut client, mut contents, driven) = connect_answering().await;
    client.write_all(HEAD).await.unwrap();
    let mut content = contents.recv().await.unwrap();
    drop(client);
    while let Some(Ok(_)) = content.frame().await {}
    assert!(content.frame().await.is_none());
    drop(driven.await.unwrap());
}
