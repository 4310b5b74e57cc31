//! The client side against upstreams that follow a script, over real sockets.

mod answers;
mod pool;
mod sending;
mod unsure;

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Body, Frame};
use ifmatch_gateway::settings::{Origin, Times};
use ifmatch_gateway::upstream::{Answer, ContentError, Fresh, SendError, Sending, Upstream};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// More than all buffers of a connection together.
const HUGE: usize = 20 << 20;
/// Nothing that goes well takes so long.
const LONG: Duration = Duration::from_secs(30);
/// Nothing that is waited for in vain needs longer.
const SHORT: Duration = Duration::from_millis(30);
/// Nothing ends because it takes too long.
const PATIENT: Times = Times {
    connect_max: Duration::from_secs(3600),
    check_max: Duration::from_secs(3600),
    answer_max: Duration::from_secs(3600),
    idle_max: Duration::from_secs(3600),
    late_write_max: Duration::from_secs(3600),
    keep_idle_max: Duration::from_secs(3600),
};
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An upstream whose answers a test writes byte by byte.
struct Script {
    listener: TcpListener,
}

impl Script {
    async fn new() -> Self {
        Self { listener: TcpListener::bind(("127.0.0.1", 0)).await.unwrap() }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    fn upstream(&self) -> Upstream {
        self.upstream_with(Times::default(), 16)
    }

    fn upstream_with(&self, times: Times, connections_max: usize) -> Upstream {
        Upstream::new(Origin { host: "127.0.0.1".into(), port: self.port() }, times, connections_max)
    }

    async fn accept(&self) -> Wire {
        let (stream, peer) = self.listener.accept().await.unwrap();
        Wire { stream, peer: peer.port(), read: Vec::new() }
    }

    /// Runs the script beside the test.
    fn run<F, R>(self, script: impl FnOnce(Self) -> F) -> JoinHandle<R>
    where
        F: Future<Output = R> + Send + 'static,
        R: Send + 'static,
    {
        tokio::spawn(script(self))
    }

    /// Answers every request of every connection; `served` of the handle tells from which port each came.
    fn serve(self, answer: &'static str) -> mpsc::UnboundedReceiver<u16> {
        let (sender, served) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut wire, sender) = (self.accept().await, sender.clone());
                tokio::spawn(async move {
                    while wire.try_head().await.is_some() {
                        sender.send(wire.peer).ok();
                        wire.say(answer).await;
                    }
                });
            }
        });
        served
    }
}

/// One connection as the upstream sees it.
struct Wire {
    stream: TcpStream,
    peer: u16,
    read: Vec<u8>,
}

impl Wire {
    /// The next head, or `None` at the end of the connection.
    async fn try_head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let rest = self.read.split_off(at + 4);
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).ok();
            }
            if self.stream.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn head(&mut self) -> String {
        self.try_head().await.expect("a request")
    }

    async fn content(&mut self, bytes: usize) -> Vec<u8> {
        while self.read.len() < bytes {
            assert_ne!(self.stream.read_buf(&mut self.read).await.unwrap(), 0, "cut");
        }
        let rest = self.read.split_off(bytes);
        std::mem::replace(&mut self.read, rest)
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything up to the end of the connection, however it ends.
    async fn rest(&mut self) -> Vec<u8> {
        while self.stream.read_buf(&mut self.read).await.is_ok_and(|bytes| bytes > 0) {}
        std::mem::take(&mut self.read)
    }
}

/// A body that a test feeds.
struct Fed(mpsc::UnboundedReceiver<Result<&'static str, ContentError>>);

impl Body for Fed {
    type Data = Bytes;
    type Error = ContentError;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
        let piece = self.0.poll_recv(cx);
        piece.map(|piece| {
            piece.map(|piece| piece.map(|text| Frame::data(Bytes::from_static(text.as_bytes()))))
        })
    }
}

fn get() -> Request<Sending> {
    request(Method::GET, Sending::empty())
}

fn put(content: &'static str) -> Request<Sending> {
    request(Method::PUT, Sending::whole(content.into()))
}

fn huge() -> Request<Sending> {
    request(Method::PUT, Sending::whole(vec![b'x'; HUGE].into()))
}

fn request(method: Method, content: Sending) -> Request<Sending> {
    Request::builder().method(method).uri("/doc").header("host", "there").body(content).unwrap()
}

/// One exchange, up to the head of the answer.
async fn ask(upstream: &Upstream, request: Request<Sending>) -> Result<Answer, SendError> {
    let connection = upstream.connect(Fresh::Any).await.unwrap();
    connection.start(request)?.head(LONG).await
}

/// One exchange with nothing but a GET, to its end.
async fn warm(upstream: &Upstream) {
    let answer = ask(upstream, get()).await.unwrap();
    let body = answer.response.into_body();
    assert!(ifmatch_gateway::upstream::collect(body, 1 << 20).await.unwrap().connection.is_some());
}

/// What comes of something that would be waited for in vain if it did not work.
async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LONG, future).await.expect("within time")
}

/// Waits until something is so.
async fn until(so: impl Fn() -> bool) {
    in_time(async {
        while !so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Waits until the kernel has got the end of the stream from the peer at this port, without a turn of the event loop.
fn block_until_closed_by_peer(port: u16) {
    const CLOSE_WAIT: &str = "08";
    while !states_of_connections_to(port).iter().any(|state| state == CLOSE_WAIT) {
        std::thread::yield_now();
    }
}

/// Waits until the kernel has got a reset from the peer at this port, without a turn of the event loop.
fn block_until_reset_by_peer(port: u16) {
    while !states_of_connections_to(port).is_empty() {
        std::thread::yield_now();
    }
}

/// As the kernel writes them: `01` is established.
fn states_of_connections_to(port: u16) -> Vec<String> {
    let remote = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let columns = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = columns.filter(|columns| columns.get(2) == Some(&remote.as_str()));
    ours.filter_map(|columns| columns.get(3).map(ToString::to_string)).collect()
}

fn is_send<T: Send>(_: &T) {}

#[tokio::test]
async fn everything_can_be_sent_to_another_thread() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let connect = upstream.connect(Fresh::Any);
    is_send(&connect);
    let connection = connect.await.unwrap();
    is_send(&connection);
    let mut pending = connection.start(get()).unwrap();
    is_send(&pending);
    is_send(&pending.head(LONG));
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&upstream);
    fn boxed(error: SendError) -> Box<dyn std::error::Error + Send + Sync> {
        error.into()
    }
    let _: fn(SendError) -> _ = boxed;
    fn collected(body: ifmatch_gateway::upstream::ResponseBody) {
        is_send(&body);
        is_send(&ifmatch_gateway::upstream::collect(body, 1));
    }
    let _: fn(ifmatch_gateway::upstream::ResponseBody) = collected;
}

/// Reads an answer to its end, so that its connection goes back.
async fn drain(answer: Answer) -> String {
    let collected = ifmatch_gateway::upstream::collect(answer.response.into_body(), HUGE).await.unwrap();
    String::from_utf8(collected.bytes.to_vec()).unwrap()
}
