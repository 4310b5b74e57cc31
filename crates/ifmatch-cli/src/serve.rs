//! `ifmatch serve`.

use crate::args::{Admin, Output, Serve};
use crate::output::{self, bold, dim};
use ifmatch_guard::Limits;
use ifmatch_server::{Config, Origins, Running, start};
use serde_json::json;
use std::path::Path;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) fn run(args: &Serve, format: Output) -> Result<(), String> {
    let config = config(args)?;
    // Handlers first: a signal that comes while the store opens must not be lost.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start an event loop: {e}"))?;
    let _inside = runtime.enter();
    let handler = |kind| signal(kind).map_err(|e| format!("cannot handle signals: {e}"));
    let (mut terminate, mut interrupt) =
        (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);

    let running = start(&config).map_err(|error| error.to_string())?;
    announce(&running, &config, format)?;
    runtime.block_on(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    tracing::info!("stopping: requests that are under way are finished first");
    let stopping = std::thread::spawn(move || running.stop());
    // A second signal ends it at once; what was acknowledged is on disk anyway.
    let again = runtime.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    runtime.block_on(async {
        let stopped = tokio::task::spawn_blocking(move || stopping.join());
        tokio::select! {
            _ = stopped => {}
            _ = again => tracing::warn!("stopped without waiting"),
        }
    });
    runtime.shutdown_background();
    Ok(())
}

fn config(args: &Serve) -> Result<Config, String> {
    let mut config = Config::new(args.data.clone());
    config.listen = args.listen;
    config.admin = match args.admin {
        Admin::Off => None,
        Admin::At(address) => Some(address),
    };
    if let Some(workers) = args.workers {
        config.workers = usize::from(workers);
    }
    config.connections_max = usize::try_from(args.connections_max).unwrap_or(usize::MAX);
    let content_bytes_max = usize::try_from(args.content_bytes_max).unwrap_or(usize::MAX);
    let total = Limits::default().content_bytes_total_max.max(content_bytes_max);
    config.limits = Limits { content_bytes_max, content_bytes_total_max: total, ..Limits::default() };
    config.origins = Origins::listed(&args.cors_origin).map_err(|error| format!("--cors-origin: {error}"))?;
    config.restored = args.restored;
    config.insecure_public = args.insecure_public;
    Ok(config)
}

/// Says what is guarded, where the data is, and one line to try that really gets 428.
fn announce(running: &Running, config: &Config, format: Output) -> Result<(), String> {
    let listen = format!("http://{}/", running.listen());
    let admin = running.admin().map(|address| format!("http://{address}/"));
    let data = shown(&config.data);
    if format == Output::Json {
        let line =
            json!({ "listen": listen, "admin": admin, "data": data, "version": env!("CARGO_PKG_VERSION") });
        return output::print(&format!("{line}\n"));
    }
    let mut text = format!("{} {}\n\n", bold("ifmatch"), env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str, note: &str| {
        text.push_str(&format!("  {name:<8} {}  {}\n", bold(value), dim(note)));
    };
    line("serves", &listen, "every write needs a condition: 428 without one, 412 for a stale one");
    line("data", &data, "every acknowledged write is on disk");
    match &admin {
        Some(admin) => line("admin", admin, "livez, readyz, metrics"),
        None => line("admin", "off", ""),
    }
    if config.insecure_public && !config.listen.ip().is_loopback() {
        line(
            "access",
            "everybody",
            "--insecure-public: whoever reaches this address may read and write everything",
        );
    }
    text.push_str(&format!("\nTry a write that does not say what it was made from; it gets 428 and is told what to send:\n\n  curl -i -X PUT {listen}hello -d 'hello'\n\n"));
    output::print(&text)
}

fn shown(data: &Path) -> String {
    std::path::absolute(data).unwrap_or_else(|_| data.to_owned()).display().to_string()
}
