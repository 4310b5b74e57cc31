//! Starting and stopping.

use crate::admin::{self, Admin};
use crate::config::{Config, DRAIN_MAX};
use crate::connection::{self, Shared};
use crate::descriptors;
use crate::error::ServeError;
use crate::listen;
use crate::telemetry::{StoreMetrics, Telemetry};
use ifmatch_guard::Pipeline;
use ifmatch_origin::Documents;
use ifmatch_store::{Options, Sqlite};
use prometheus_client::registry::Registry;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

/// A server that runs until it is stopped.
#[derive(Debug)]
pub struct Running {
    listen: SocketAddr,
    admin: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    draining: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Where resources are served.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where health and metrics are served.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Accepts no more connections, finishes the requests that are under way (at most 30 s) and closes the store.
    pub fn stop(self) {
        self.draining.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}

type Service = Shared<Documents<Sqlite>, Telemetry>;

/// Starts a resource server: checks the addresses, binds them, opens the data folder, and serves.
///
/// # Errors
/// Why it does not start; nothing is left running.
pub fn start(config: &Config) -> Result<Running, ServeError> {
    check_exposure(config)?;
    let workers = config.workers.max(1);
    let (listen, listeners) = bind(config.listen, "--listen", workers)?;
    let admin = config.admin.map(|address| bind(address, "--admin", 1)).transpose()?;
    let content_bytes_max = config.limits.content_bytes_max;
    let mut options = Options::default();
    options.content_bytes_max = Some(content_bytes_max);
    options.restored = config.restored;
    let store = Arc::new(Sqlite::open(&config.data, options)?);

    let mut registry = Registry::default();
    let telemetry = Telemetry::new(&mut registry);
    registry.register_collector(Box::new(StoreMetrics(Arc::clone(&store))));
    let documents = Documents::new(Arc::clone(&store), content_bytes_max);
    let shared = Arc::new(Shared {
        pipeline: Pipeline::new(documents, telemetry, config.limits),
        origins: config.origins.clone(),
        connections: Arc::new(Semaphore::new(descriptors::admit(config.connections_max))),
    });

    let (stop, stopped) = watch::channel(false);
    let draining = Arc::new(AtomicBool::new(false));
    let mut running = Running {
        listen,
        admin: admin.as_ref().map(|(address, _)| *address),
        stop,
        draining,
        threads: Vec::new(),
    };
    let started = start_threads(&mut running, listeners, &shared, &stopped).and_then(|()| {
        let Some((_, sockets)) = admin else { return Ok(()) };
        let state = Admin { registry: Arc::new(registry), store, draining: Arc::clone(&running.draining) };
        start_admin(&mut running, sockets, state, stopped)
    });
    match started {
        Ok(()) => Ok(running),
        Err(error) => {
            running.stop();
            Err(error)
        }
    }
}

fn check_exposure(config: &Config) -> Result<(), ServeError> {
    if !config.listen.ip().is_loopback() && !config.insecure_public {
        return Err(ServeError::Exposed { address: config.listen });
    }
    match config.admin {
        Some(address) if !address.ip().is_loopback() => Err(ServeError::AdminExposed { address }),
        _ => Ok(()),
    }
}

fn bind(
    address: SocketAddr,
    flag: &'static str,
    sockets: usize,
) -> Result<(SocketAddr, Vec<TcpListener>), ServeError> {
    listen::bind(address, sockets).map_err(|source| ServeError::Listen { address, flag, source })
}

fn start_threads(
    running: &mut Running,
    listeners: Vec<TcpListener>,
    shared: &Arc<Service>,
    stopped: &watch::Receiver<bool>,
) -> Result<(), ServeError> {
    for (index, listener) in listeners.into_iter().enumerate() {
        let (shared, stop) = (Arc::clone(shared), stopping(stopped.clone()));
        spawn(running, format!("ifmatch-{index}"), async move |runtime| {
            let listener = runtime(listener)?;
            connection::serve(listener, shared, stop, DRAIN_MAX).await;
            Ok(())
        })?;
    }
    Ok(())
}

fn start_admin(
    running: &mut Running,
    sockets: Vec<TcpListener>,
    admin: Admin,
    stopped: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let Some(socket) = sockets.into_iter().next() else { return Ok(()) };
    spawn(running, "ifmatch-admin".to_owned(), async move |runtime| {
        let listener = runtime(socket)?;
        axum::serve(listener, admin::router(admin)).with_graceful_shutdown(stopping(stopped)).await
    })
}

async fn stopping(mut stopped: watch::Receiver<bool>) {
    // If the sender is gone nobody could stop us any more, so that is a stop as well.
    drop(stopped.wait_for(|stop| *stop).await);
}

/// A socket, once there is an event loop to register it with.
type Register = fn(TcpListener) -> std::io::Result<tokio::net::TcpListener>;

/// Runs `work` in a thread with an event loop of its own.
fn spawn<F>(
    running: &mut Running,
    name: String,
    work: impl FnOnce(Register) -> F + Send + 'static,
) -> Result<(), ServeError>
where
    F: Future<Output = std::io::Result<()>>,
{
    let runtime: Runtime = Builder::new_current_thread().enable_all().build().map_err(ServeError::Runtime)?;
    let body = move || {
        let ended = runtime.block_on(async { work(tokio::net::TcpListener::from_std).await });
        if let Err(error) = ended {
            tracing::error!(%error, "a listener failed");
        }
        // Writes that are under way run to their end; their connections are gone.
        runtime.shutdown_timeout(DRAIN_MAX);
    };
    let thread = std::thread::Builder::new().name(name).spawn(body).map_err(ServeError::Runtime)?;
    running.threads.push(thread);
    Ok(())
}
