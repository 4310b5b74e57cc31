//! One connection after the other on one worker: HTTP/1.1 and HTTP/2 with prior knowledge on the same port.

use crate::config::WRITE_STALL_MAX;
use crate::cors::{self, Origins};
use crate::driven::{Content, Error, Link, drive, server};
use crate::socket::{Client, Socket, socket};
use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderValue, ORIGIN};
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ifmatch_core::Refusal;
use ifmatch_guard::{Authority, Observe, Peer, Pipeline, Problem, all_carried, behind_the_ready};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

/// Pause after the system could not give a connection (no file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Numbers of connections, for telling them apart.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// What all workers share.
pub(crate) struct Shared<A, O> {
    pub(crate) pipeline: Pipeline<A, O>,
    pub(crate) pages: Pages<A>,
    pub(crate) connections: Arc<Semaphore>,
}

/// Who decides what web pages of other origins may do.
pub(crate) enum Pages<A> {
    /// We do.
    Own(Origins),
    /// The upstream; a refusal of ours is made readable for those that it lets in.
    Upstream(fn(&A, &HeaderValue, &mut HeaderMap)),
}

impl<A> Pages<A> {
    /// Lets the page that asked read the answer, as far as that is decided here.
    fn let_read<B>(&self, origin: Option<&HeaderValue>, response: &mut Response<B>, authority: &A) {
        match (self, origin) {
            (Self::Own(origins), origin) => cors::expose(origins, origin, response.headers_mut()),
            (Self::Upstream(let_read), Some(origin)) if response.extensions().get::<Problem>().is_some() => {
                let_read(authority, origin, response.headers_mut());
            }
            (Self::Upstream(_), _) => {}
        }
    }
}

/// What the requests of one connection share.
struct Served<A, O> {
    shared: Arc<Shared<A, O>>,
    peer: Peer,
    link: Link,
}

/// Accepts and serves until `stop` is ready, then finishes what is under way, whether or not its client is there.
pub(crate) async fn serve<A, O>(
    listener: TcpListener,
    shared: Arc<Shared<A, O>>,
    stop: impl Future<Output = ()>,
    drain_max: Duration,
) where
    A: Authority<Error = Infallible>,
    A::Body: Body<Data = Bytes> + Unpin,
    <A::Body as Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    O: Observe,
{
    // Behind a gateway a client that has sent its end has left: its write must not go out when its turn comes at last.
    let until_answered = matches!(shared.pages, Pages::Upstream(_));
    let places = Arc::clone(&shared.connections);
    let begin = |accepted: Accepted, ending| {
        let Accepted { socket, client, address } = accepted;
        let peer = Peer { address, connection: CONNECTIONS.fetch_add(1, Ordering::Relaxed) };
        let link = Link::new(Some(client).filter(|_| until_answered));
        let served = Arc::new(Served { shared: Arc::clone(&shared), peer, link: link.clone() });
        let service = service_fn(move |request| answer(Arc::clone(&served), request));
        let connection = server(&link)
            .serve_connection_with_upgrades(TokioIo::new(Box::pin(bounded(socket))), service)
            .into_owned();
        drive(Box::pin(connection), link, ending)
    };
    serve_each(listener, places, stop, drain_max, begin).await;
}

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) socket: Socket,
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
}

/// Accepts until `stop` is ready, as many connections at a time as there are `places`, and lets each be what `begin` makes of
/// it, which is to end soon when the receiver tells.
pub(crate) async fn serve_each<C>(
    listener: TcpListener,
    places: Arc<Semaphore>,
    stop: impl Future<Output = ()>,
    drain_max: Duration,
    begin: impl Fn(Accepted, watch::Receiver<()>) -> C,
) where
    C: Future<Output = Result<(), Error>> + Send + 'static,
{
    let ending = watch::Sender::new(());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = begin(accepted, ending.subscribe());
        drop(tokio::spawn(async move {
            // A client that breaks its connection is its own business; what it had sent completely goes on.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended with an error");
            }
        }));
    }
    drop(listener);
    ending.send_replace(());
    let finished = async {
        // Every connection has a receiver until it has ended.
        ending.closed().await;
        // Requests of a connection that broke hear of it now.
        behind_the_ready().await;
        all_carried().await;
    };
    if tokio::time::timeout(drain_max, finished).await.is_err() {
        tracing::warn!("requests were still under way after {drain_max:?} and end now");
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let (socket, client) = socket(stream, place);
    Ok(Accepted { socket, client, address })
}

/// A client that takes nothing of its answer for a while does not keep the connection.
pub(crate) fn bounded(socket: Socket) -> TimeoutStream<Socket> {
    let mut stream = TimeoutStream::new(socket);
    stream.set_write_timeout(Some(WRITE_STALL_MAX));
    stream
}

/// The answer to one request. One future, with as little around the pipeline's as can be: it is copied to where it stays.
#[allow(clippy::manual_async_fn, reason = "an async fn has room for its arguments twice")]
fn answer<A, O>(
    served: Arc<Served<A, O>>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<A::Body>, Infallible>>
where
    A: Authority<Error = Infallible>,
    O: Observe,
{
    async move {
        let request = served.link.arrived(request);
        if request.body().is_end_stream() {
            poll_fn(|cx| served.link.poll_whole(cx)).await;
        }
        // Its end is told by itself, and has room for trailers.
        let ends_by_itself =
            request.version() < Version::HTTP_2 && request.body().size_hint().exact().is_none();
        let Served { shared, peer, .. } = &*served;
        // Most requests come from no page: to go by the few fields there are costs less than to look the name up.
        let origin =
            request.headers().iter().find(|(name, _)| **name == ORIGIN).map(|(_, value)| value.clone());
        // Changed where it is: an answer is large, and is moved often enough.
        let mut answered = match of_a_page(&shared.pages, &request) {
            None => shared.pipeline.handle_from(Some(*peer), request).await,
            Some(Ok(response)) => Ok(response),
            Some(Err(refusal)) => Ok(shared.pipeline.turn_away(request, &refusal)),
        };
        let is_last = ends_by_itself && served.link.is_last();
        if served.link.answered() {
            // The transport sees meanwhile that content was left unread, and says so with the answer if the connection ends for it.
            behind_the_ready().await;
        }
        if let Ok(response) = &mut answered {
            if is_last {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            shared.pages.let_read(origin.as_ref(), response, shared.pipeline.authority());
        }
        answered
    }
}

/// What is answered or refused for the sake of web pages of other origins, where that is decided here.
fn of_a_page<A, B: From<Bytes>>(
    pages: &Pages<A>,
    request: &Request<Content>,
) -> Option<Result<Response<B>, Refusal>> {
    let Pages::Own(origins) = pages else { return None };
    if let Some(response) = cors::preflight(origins, request) {
        return Some(Ok(response));
    }
    cors::is_foreign_write(origins, request).then(|| Err(cors::foreign(request)))
}
