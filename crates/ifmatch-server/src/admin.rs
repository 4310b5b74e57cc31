//! The admin listener: health and metrics, read-only, on loopback, with few connections at a time.

use crate::config::{ADMIN_CONNECTIONS_MAX, DRAIN_MAX, HEADER_READ_MAX};
use crate::connection::{bounded, serve_each};
use crate::driven::{Link, drive};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Most of a head that is read, in bytes. Past it: 431.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Says why writes cannot be taken.
pub(crate) type Ready = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the admin pages look at.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) registry: Arc<Registry>,
    pub(crate) ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    pub(crate) draining: Arc<AtomicBool>,
}

/// Serves the admin pages until `stop` is ready.
pub(crate) async fn serve(listener: TcpListener, admin: Admin, stop: impl Future<Output = ()>) {
    let (places, pages) = (Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX)), router(admin));
    serve_each(listener, places, stop, DRAIN_MAX, |accepted, ending| {
        // A page takes no time: what a client has for a head it has for all of a request.
        let link = Link::new(None);
        let connection = http1::Builder::new()
            .timer(link.clone())
            .header_read_timeout(HEADER_READ_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(
                TokioIo::new(Box::pin(bounded(accepted.socket))),
                TowerToHyperService::new(pages.clone()),
            );
        drive(Box::pin(connection), link, ending)
    })
    .await;
}

/// The admin service.
fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(async || (StatusCode::NOT_FOUND, "The admin listener has /livez, /readyz and /metrics.\n"))
        .with_state(admin)
}

/// Ready to take writes: not on the way down, and the storage is trusted.
async fn ready(State(admin): State<Admin>) -> (StatusCode, String) {
    if admin.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    match (admin.ready)() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &admin.registry) {
        Ok(()) => ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("metrics could not be written: {error}\n"))
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::Instant;

    const ASKED: &[u8] = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";

    fn admin() -> Admin {
        Admin { registry: Arc::default(), ready: Arc::new(|| Ok(())), draining: Arc::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_few_and_none_is_kept_for_nothing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, admin(), pending()));
        let began = Instant::now();
        let mut idle = Vec::new();
        for number in 0..ADMIN_CONNECTIONS_MAX {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(&ASKED[..number % 2]).await.unwrap();
            idle.push(client);
        }
        let mut late = TcpStream::connect(address).await.unwrap();
        late.write_all(ASKED).await.unwrap();
        let mut answer = Vec::new();
        late.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok\n"), "{answer}");
        // It waited for a place, was answered, and was idle itself.
        assert!(began.elapsed() > HEADER_READ_MAX * 3 / 2, "{:?}", began.elapsed());
        for mut client in idle {
            assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
        }
        serving.abort();
    }
}
