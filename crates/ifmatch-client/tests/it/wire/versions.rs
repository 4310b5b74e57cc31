//! HTTP/2: by agreement in TLS, or known beforehand.

use super::get;
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use ifmatch_client::wire::{Access, HttpVersion, SendError};
use ifmatch_testkit::tls::{Authority, Certificate, Front};
use ifmatch_testkit::upstream::Scripted;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A server of both versions, which says which one a request came in.
struct Both {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Both {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn(move || super::block_on(serve(listener, ended)));
        Self { address, end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        drop(self.end.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn serve(listener: std::net::TcpListener, mut ended: oneshot::Receiver<()>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = tokio::select! {
            _ = &mut ended => return,
            accepted = listener.accept() => accepted.unwrap(),
        };
        let service = service_fn(|request: Request<Incoming>| async move {
            let said = format!("{:?} {}", request.version(), request.uri().path());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(said))))
        });
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // Whoever hangs up does so on purpose.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

#[test]
fn agreed_on_in_tls() {
    let (authority, both) = (Authority::new(), Both::start());
    let mut access = Access::default();
    access.root(authority.pem().as_bytes()).unwrap();
    for (offered, version, said) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2, "HTTP/2.0 /a"),
        (&["http/1.1"], Version::HTTP_11, "HTTP/1.1 /a"),
    ] {
        let front =
            Front::start("127.0.0.1:0", &authority, Certificate::Sound, offered, both.address).unwrap();
        let answer = get(&access, &front.url("/a")).unwrap();
        assert_eq!((answer.version, &answer.content[..]), (version, said.as_bytes()));
    }
}

#[test]
fn known_beforehand() {
    let both = Both::start();
    let url = format!("http://{}/a", both.address);
    let access = Access { version: HttpVersion::Http2, ..Access::default() };
    assert_eq!(get(&access, &url).unwrap().content, "HTTP/2.0 /a");
    assert_eq!(get(&Access::default(), &url).unwrap().content, "HTTP/1.1 /a");
}

#[test]
fn not_known_there() {
    let upstream = Scripted::start().unwrap();
    let access = Access { version: HttpVersion::Http2, ..Access::default() };
    let error = get(&access, &upstream.url()).unwrap_err();
    assert!(matches!(error, SendError::Broken { .. }), "{error:?}");
}
