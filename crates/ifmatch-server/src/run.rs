//! Starting and stopping.

use crate::admin::{self, Admin, Ready};
use crate::audit::{Audit, AuditSettings};
use crate::config::{Config, DRAIN_MAX, SPOOL_BYTES_MAX, SPOOLED_FROM_BYTES};
use crate::connection::{self, Pages, Shared};
use crate::descriptors;
use crate::error::ServeError;
use crate::gateway_metrics::GatewayMetrics;
use crate::listen;
use crate::recorder::Recorder;
use crate::routed::Routed;
use crate::telemetry::{AuditMetrics, StoreMetrics, Telemetry};
use ifmatch_gateway::settings::To;
use ifmatch_gateway::{Gateway, Settings};
use ifmatch_guard::{Authority, Observe, Pipeline, Spool};
use ifmatch_origin::Documents;
use ifmatch_store::{Options, Sqlite};
use prometheus_client::registry::Registry;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

/// A server that runs until it is stopped.
pub struct Running {
    listen: SocketAddr,
    admin: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    draining: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    ended: Option<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("listen", &self.listen)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
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

    /// Accepts no more connections, finishes the requests that are under way, also those whose client has left (at most
    /// 30 s), and closes the store.
    pub fn stop(mut self) {
        self.draining.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
        if let Some(ended) = self.ended.take() {
            ended();
        }
    }
}

/// Starts a server: checks the addresses, binds them, opens the folders, and serves.
///
/// # Errors
/// Why it does not start; nothing is left running.
pub fn start(config: &Config) -> Result<Running, ServeError> {
    check_exposure(config)?;
    // First of all the address, alone: two gateways of one upstream must not both believe that they are the only one.
    let sockets = bound(config)?;
    let store = config.data.as_deref().map(|data| open_store(config, data)).transpose()?.map(Arc::new);
    match &config.gateway {
        None => serve_store(config, sockets, store.ok_or(ServeError::NoStore)?),
        Some(settings) => serve_gateway(config, sockets, settings, store),
    }
}

/// The sockets of both listeners.
struct Sockets {
    listen: SocketAddr,
    listeners: Vec<TcpListener>,
    admin: Option<(SocketAddr, Vec<TcpListener>)>,
}

fn bound(config: &Config) -> Result<Sockets, ServeError> {
    let (listen, listeners) = bind(config.listen, "--listen", config.workers.max(1))?;
    let admin = config.admin.map(|address| bind(address, "--admin", 1)).transpose()?;
    Ok(Sockets { listen, listeners, admin })
}

fn open_store(config: &Config, data: &Path) -> Result<Sqlite, ServeError> {
    let mut options = Options::default();
    options.content_bytes_max = Some(match config.gateway {
        None => config.limits.content_bytes_max,
        Some(_) => SPOOLED_FROM_BYTES,
    });
    options.restored = config.restored;
    Ok(Sqlite::open(data, options)?)
}

fn connections(config: &Config) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(descriptors::admit(config.connections_max)))
}

fn serve_store(config: &Config, sockets: Sockets, store: Arc<Sqlite>) -> Result<Running, ServeError> {
    let mut registry = Registry::default();
    let telemetry = Telemetry::new(&mut registry, &["store".to_owned()]);
    registry.register_collector(Box::new(StoreMetrics(Arc::clone(&store))));
    let documents = Documents::new(Arc::clone(&store), config.limits.content_bytes_max);
    let audit = audit(config, None, &mut registry)?;
    let recorder = Recorder::new(telemetry, audit, own_secret()?);
    let shared = Arc::new(Shared {
        pipeline: Pipeline::new(documents, recorder, config.limits),
        pages: Pages::Own(config.origins.clone()),
        connections: connections(config),
    });
    let ready = move || store_ready(&store);
    run(sockets, &shared, Arc::new(registry), Box::new(ready), Box::new(|| {}))
}

fn serve_gateway(
    config: &Config,
    sockets: Sockets,
    settings: &Settings,
    store: Option<Arc<Sqlite>>,
) -> Result<Running, ServeError> {
    let is_itself = settings.upstream.port == sockets.listen.port()
        && (settings.upstream.host == "localhost"
            || settings.upstream.host.parse().is_ok_and(|ip: IpAddr| ip == sockets.listen.ip()));
    if is_itself {
        return Err(ServeError::Loop { address: sockets.listen });
    }
    let needs_store = settings.routes.iter().any(|route| route.to == To::Store);
    if needs_store && store.is_none() {
        return Err(ServeError::NoStore);
    }
    let gateway = Arc::new(Gateway::open(settings.clone())?);
    let spool = settings.state.join("spool");
    std::fs::create_dir_all(&spool).map_err(|source| ServeError::Beside {
        what: "the spool folder",
        path: spool.clone(),
        source,
    })?;
    let mut registry = Registry::default();
    let names: Vec<String> = gateway.routes().table().iter().map(|r| r.settings.name.clone()).collect();
    let telemetry = Telemetry::new(&mut registry, &names);
    let documents = store.as_ref().map(|store| {
        registry.register_collector(Box::new(StoreMetrics(Arc::clone(store))));
        Documents::new(Arc::clone(store), SPOOLED_FROM_BYTES)
    });
    registry.register_collector(Box::new(GatewayMetrics(Arc::clone(&gateway))));
    let state = Arc::clone(gateway.state());
    let audit = audit(config, Some(settings.state.join("audit.jsonl")), &mut registry)?;
    let recorder = Recorder::new(telemetry, audit, *state.secret());
    let spool = Spool::new(spool, SPOOLED_FROM_BYTES, SPOOL_BYTES_MAX);
    let shared = Arc::new(Shared {
        pipeline: Pipeline::spooling(Routed { gateway, store: documents }, recorder, config.limits, spool),
        pages: Pages::Upstream(|routed: &Routed, origin, refusal| routed.gateway.let_read(origin, refusal)),
        connections: connections(config),
    });
    let watched = Arc::clone(&state);
    let ready = move || {
        let state_ready =
            watched.failure().map_or(Ok(()), |why| Err(format!("the state folder failed: {why}")));
        state_ready.and_then(|()| store.as_ref().map_or(Ok(()), |store| store_ready(store)))
    };
    run(sockets, &shared, Arc::new(registry), Box::new(ready), Box::new(move || state.close()))
}

/// The audit: where the configuration says, or beside what the gateway must not forget.
fn audit(
    config: &Config,
    usual: Option<PathBuf>,
    registry: &mut Registry,
) -> Result<Option<Audit>, ServeError> {
    let Some(path) = config.audit.path.clone().or(usual).filter(|_| config.audit.enabled != Some(false))
    else {
        return Ok(None);
    };
    let mut settings = AuditSettings::new(&path);
    settings.file_bytes_max = config.audit.file_bytes_max.unwrap_or(settings.file_bytes_max);
    let files_max = config.audit.files_max.and_then(|files| usize::try_from(files).ok());
    settings.files_max = files_max.unwrap_or(settings.files_max);
    let audit =
        Audit::open(settings).map_err(|source| ServeError::Beside { what: "the audit", path, source })?;
    registry.register_collector(Box::new(AuditMetrics(Arc::clone(audit.counters()))));
    Ok(Some(audit))
}

/// Keys the hashes of credentials where nothing has to find them again.
fn own_secret() -> Result<[u8; 32], ServeError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| ServeError::Runtime(std::io::Error::other(error)))?;
    Ok(secret)
}

fn store_ready(store: &Sqlite) -> Result<(), String> {
    let stats = store.stats();
    if !stats.poisoned {
        return Ok(());
    }
    let cause = stats.last_error.unwrap_or_default();
    Err(format!("the storage failed, writes are refused until a restart: {cause}"))
}

/// Serves until it is stopped; `ended` runs when nothing is under way any more.
fn run<A, O>(
    sockets: Sockets,
    shared: &Arc<Shared<A, O>>,
    registry: Arc<Registry>,
    ready: Ready,
    ended: Box<dyn FnOnce() + Send>,
) -> Result<Running, ServeError>
where
    A: Authority<Error = Infallible>,
    A::Body: http_body::Body<Data = bytes::Bytes> + Unpin,
    <A::Body as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    O: Observe,
{
    let (stop, stopped) = watch::channel(false);
    let mut running = Running {
        listen: sockets.listen,
        admin: sockets.admin.as_ref().map(|(address, _)| *address),
        stop,
        draining: Arc::new(AtomicBool::new(false)),
        threads: Vec::new(),
        ended: Some(ended),
    };
    let started = start_threads(&mut running, sockets.listeners, shared, &stopped).and_then(|()| {
        let Some((_, sockets)) = sockets.admin else { return Ok(()) };
        let state = Admin { registry, ready: Arc::from(ready), draining: Arc::clone(&running.draining) };
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

fn start_threads<A, O>(
    running: &mut Running,
    listeners: Vec<TcpListener>,
    shared: &Arc<Shared<A, O>>,
    stopped: &watch::Receiver<bool>,
) -> Result<(), ServeError>
where
    A: Authority<Error = Infallible>,
    A::Body: http_body::Body<Data = bytes::Bytes> + Unpin,
    <A::Body as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    O: Observe,
{
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
        admin::serve(listener, admin, stopping(stopped)).await;
        Ok(())
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
        // What the event loop has handed to other threads comes to its end.
        runtime.shutdown_timeout(DRAIN_MAX);
    };
    let thread = std::thread::Builder::new().name(name).spawn(body).map_err(ServeError::Runtime)?;
    running.threads.push(thread);
    Ok(())
}
