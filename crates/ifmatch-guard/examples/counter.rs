//! A counter that loses updates, and the same counter behind one line that stops it.
//!
//! ```text
//! $ cargo run -p ifmatch-guard --example counter
//! variant            writers  acknowledged  visible  lost  refused as stale
//! without the layer       16           320       31   289                 0
//! with the layer          16           320      320     0              2856
//! ```
//!
//! Sixteen clients do what clients do: read the number, add one, write the result back. Without a condition every write
//! is answered with 204 and most of them erase somebody else's. Behind [`IfMatchLayer`] the number is read together
//! with its `ETag`, a write has to say with `If-Match` which version it was made from, and one made from a version that
//! is gone is refused with 412, so that the client reads again and adds one to what is really there.
//!
//! What a service has to bring is [`Validators`]: the entity-tag a resource has now. The rest is one line,
//! `.layer(IfMatchLayer::new(counter))`. A handler finds a [`Grant`] in the request: what to compare with when it
//! commits, so that even a writer that goes around the layer is noticed.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{ETAG, HOST, HeaderValue, IF_MATCH};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use ifmatch_core::{Expected, Refusal, Target};
use ifmatch_guard::OwnedState;
use ifmatch_guard::layer::{Grant, IfMatchLayer, Validators};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};

type Failed = Box<dyn Error + Send + Sync>;

const WRITERS: usize = 16;
const INCREMENTS: usize = 20;
const CONTENT_BYTES_MAX: usize = 32;

/// A number and its version.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<Mutex<(u64, u64)>>);

impl Counter {
    fn load(&self) -> (u64, u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes if what was expected is still there; `None` expects nothing, as handlers do that know no better.
    fn store(&self, value: u64, expected: Option<&Expected<HeaderValue>>) -> bool {
        let mut cell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = expected.is_none_or(|expected| expected.holds(Some(&tag(cell.1))));
        if holds {
            *cell = (value, cell.1 + 1);
        }
        holds
    }
}

fn tag(version: u64) -> HeaderValue {
    // Digits in quotes are a field value.
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// All that the layer asks of a service.
impl Validators for Counter {
    async fn current(&self, _: &Target) -> Result<OwnedState, Refusal> {
        Ok(OwnedState::Present { etag: Some(tag(self.load().1)), last_modified: None })
    }
}

async fn read(State(counter): State<Counter>) -> String {
    counter.load().0.to_string()
}

async fn write(State(counter): State<Counter>, request: Request) -> Response {
    let grant = request.extensions().get::<Grant>().cloned();
    let content = to_bytes(request.into_body(), CONTENT_BYTES_MAX).await.unwrap_or_default();
    let Some(value) = std::str::from_utf8(&content).ok().and_then(|text| text.parse().ok()) else {
        return (StatusCode::BAD_REQUEST, "a number, please\n").into_response();
    };
    // A database, another service: whatever a handler waits for.
    yield_now().await;
    let written = counter.store(value, grant.as_ref().map(Grant::expected));
    if written { StatusCode::NO_CONTENT } else { StatusCode::CONFLICT }.into_response()
}

/// The service, with the layer or without.
fn service(counter: &Counter, layered: bool) -> Router {
    let router = Router::new().route("/counter", get(read).put(write)).with_state(counter.clone());
    if layered { router.layer(IfMatchLayer::new(counter.clone())) } else { router }
}

/// What the writers were told, and what is there in the end.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    pub(crate) stale: u64,
    pub(crate) visible: u64,
}

/// Serves a counter on a free port of the loopback interface and lets writers race for it over real connections.
pub(crate) async fn race(layered: bool, writers: usize, increments: usize) -> Result<Tally, Failed> {
    let counter = Counter::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(axum::serve(listener, service(&counter, layered)).into_future());
    // All have read before the first one writes, as people do who open a form.
    let all_have_read = Arc::new(Barrier::new(writers));
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        tasks.spawn(writer(address, increments, Arc::clone(&all_have_read)));
    }
    let mut tally = Tally::default();
    while let Some(told) = tasks.join_next().await {
        let (acknowledged, stale) = told??;
        tally.acknowledged += acknowledged;
        tally.stale += stale;
    }
    server.abort();
    tally.visible = counter.load().0;
    Ok(tally)
}

/// One client: read, add one, write back; when told that it is stale, read again. Sends `If-Match` if it was given a tag.
async fn writer(
    address: SocketAddr,
    increments: usize,
    all_have_read: Arc<Barrier>,
) -> Result<(u64, u64), Failed> {
    let (mut client, connection) = handshake(TokioIo::new(TcpStream::connect(address).await?)).await?;
    let connection = tokio::spawn(connection);
    let (mut acknowledged, mut stale, mut first) = (0, 0, true);
    for _ in 0..increments {
        loop {
            let (_, tag, value) = send(&mut client, Method::GET, None, String::new()).await?;
            if std::mem::take(&mut first) {
                all_have_read.wait().await;
            }
            let next = value.parse::<u64>()? + 1;
            match send(&mut client, Method::PUT, tag, next.to_string()).await? {
                (StatusCode::NO_CONTENT, ..) => break acknowledged += 1,
                (StatusCode::PRECONDITION_FAILED, ..) => stale += 1,
                (status, _, text) => return Err(format!("{status}: {text}").into()),
            }
        }
    }
    drop(client);
    connection.await??;
    Ok((acknowledged, stale))
}

async fn send(
    client: &mut SendRequest<String>,
    method: Method,
    tag: Option<HeaderValue>,
    content: String,
) -> Result<(StatusCode, Option<HeaderValue>, String), Failed> {
    let mut request = http::Request::builder().method(method).uri("/counter").header(HOST, "counter");
    if let Some(tag) = tag {
        request = request.header(IF_MATCH, tag);
    }
    client.ready().await?;
    let (head, body) = client.send_request(request.body(content)?).await?.into_parts();
    let content = to_bytes(axum::body::Body::new(body), 8 << 10).await?;
    Ok((head.status, head.headers.get(ETAG).cloned(), String::from_utf8(content.to_vec())?))
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    println!("variant            writers  acknowledged  visible  lost  refused as stale");
    for (name, layered) in [("without the layer", false), ("with the layer", true)] {
        let Tally { acknowledged, visible, stale } = race(layered, WRITERS, INCREMENTS).await?;
        let lost = acknowledged - visible;
        println!("{name:<17}  {WRITERS:>7}  {acknowledged:>12}  {visible:>7}  {lost:>4}  {stale:>16}");
    }
    Ok(())
}
