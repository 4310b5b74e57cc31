//! The physical limit: the least that a server with conditional writes can cost over HTTP. hyper, a map, and a log that
//! is flushed for many writes at once before any of them is acknowledged.
//!
//! Not a product: it looks at the path, at one tag and at nothing else, keeps everything in memory, never reads its log
//! again, and shows a write to readers before it is durable.

mod log;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use log::{Inbox, Log};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Builder;

const BACKLOG: i32 = 1024;
/// Quotes and the digits of a `u64`.
const TAG_BYTES_MAX: usize = 22;

/// What the workers share.
struct State {
    documents: Mutex<Documents>,
    /// `None`: the variant that forgets everything with its process.
    log: Option<Log>,
}

#[derive(Default)]
struct Documents {
    sequence: u64,
    all: HashMap<Box<str>, Document>,
}

struct Document {
    revision: u64,
    content: Bytes,
}

/// Serves until it is killed.
pub(crate) fn serve(workers: usize, data: Option<&Path>) -> io::Result<()> {
    let (address, listeners) = bind(workers.max(1))?;
    let (tellers, inboxes): (Vec<_>, Vec<_>) =
        listeners.iter().map(|_| tokio::sync::mpsc::unbounded_channel()).unzip();
    let log = data.map(|folder| Log::start(&folder.join("log"), tellers)).transpose()?;
    let state = Arc::new(State { documents: Mutex::default(), log });
    let threads: Vec<_> = listeners
        .into_iter()
        .zip(inboxes)
        .enumerate()
        .map(|(worker, (listener, inbox))| {
            let state = Arc::clone(&state);
            std::thread::spawn(move || work(worker, listener, inbox, &state))
        })
        .collect();
    writeln!(io::stdout(), "{{\"listen\":\"http://{address}/\"}}")?;
    for thread in threads {
        thread.join().map_err(|_| io::Error::other("a worker panicked"))??;
    }
    Ok(())
}

fn bind(workers: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut listeners = Vec::new();
    for _ in 0..workers {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        address = socket.local_addr()?.as_socket().unwrap_or(address);
        listeners.push(socket.into());
    }
    Ok((address, listeners))
}

fn work(worker: usize, listener: TcpListener, inbox: Inbox, state: &Arc<State>) -> io::Result<()> {
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        drop(tokio::spawn(log::deliver(inbox)));
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let state = Arc::clone(state);
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(answer(worker, &state, request).await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            drop(tokio::spawn(connection));
        }
    })
}

async fn answer(worker: usize, state: &State, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if head.method == Method::GET {
        let found = state.documents.lock().all.get(path).map(|found| (found.revision, found.content.clone()));
        let Some((revision, content)) = found else { return empty(StatusCode::NOT_FOUND) };
        let mut response = Response::new(Full::new(content));
        let fields = response.headers_mut();
        fields.insert(ETAG, tag(revision));
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return response;
    }
    let Ok(content) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let expected = match (head.headers.get(IF_MATCH), head.headers.get(IF_NONE_MATCH)) {
        (Some(value), _) => Some(revision(value)),
        (None, Some(_)) => None,
        (None, None) => return empty(StatusCode::PRECONDITION_REQUIRED),
    };
    let (revision, flushed) = {
        let mut documents = state.documents.lock();
        if documents.all.get(path).map(|found| found.revision) != expected {
            return empty(StatusCode::PRECONDITION_FAILED);
        }
        documents.sequence += 1;
        let revision = documents.sequence;
        // In the order of revisions, hence inside the lock.
        let flushed = state.log.as_ref().map(|log| log.append(worker, path, revision, &content));
        match documents.all.get_mut(path) {
            Some(found) => *found = Document { revision, content },
            None => drop(documents.all.insert(path.into(), Document { revision, content })),
        }
        (revision, flushed)
    };
    if let Some(flushed) = flushed
        && flushed.await.is_err()
    {
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    }
    let created = expected.is_none();
    let mut response = empty(if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT });
    response.headers_mut().insert(ETAG, tag(revision));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn tag(revision: u64) -> HeaderValue {
    let mut text = [0; TAG_BYTES_MAX];
    let mut rest = &mut text[..];
    let written = write!(rest, "\"{revision}\"").map(|()| TAG_BYTES_MAX - rest.len()).unwrap_or(0);
    HeaderValue::from_bytes(&text[..written]).unwrap_or(HeaderValue::from_static("\"\""))
}

/// A tag that is none of ours names a revision that never was.
fn revision(value: &HeaderValue) -> u64 {
    value.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok()).unwrap_or(0)
}
