//! `ifmatch serve`.

use crate::args::{Admin, Output, Serve};
use crate::output::{self, bold, dim};
use ifmatch_core::Mode;
use ifmatch_gateway::Settings;
use ifmatch_gateway::settings::RouteSettings;
use ifmatch_server::file::{self, AdminSetting};
use ifmatch_server::{Config, File, Origins, Running, start};
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

/// Flags go before the file, and the file before the defaults.
fn config(args: &Serve) -> Result<Config, String> {
    let mut file = match &args.config {
        Some(path) => file::read(path).map_err(|found| {
            let told = if output::stderr_is_colored() { found.colored() } else { found.plain() };
            format!("{} cannot be used; nothing was started.\n\n{told}", path.display())
        })?,
        None => File::default(),
    };
    for warning in file.warnings.iter() {
        tracing::warn!("{}", warning.message);
    }
    let gateway = file.gateway.get_or_insert_default();
    if let Some(upstream) = &args.upstream {
        gateway.upstream = Some(upstream.clone());
    }
    gateway.mode = args.mode.map(Into::into).or(gateway.mode);
    gateway.state = args.state.clone().or_else(|| gateway.state.clone());
    let settings = file.settings();
    if settings.is_none() && (args.mode.is_some() || args.state.is_some()) {
        return Err(
            "--mode and --state are for a gateway: name the API to protect with --upstream URL".to_owned()
        );
    }
    let data = args.data.clone().or_else(|| file.data.clone());
    let mut config = match settings {
        Some(settings) => Config { data, ..Config::gateway(settings) },
        None => Config::new(data.unwrap_or_else(|| "ifmatch-data".into())),
    };
    config.listen = args.listen.or(file.listen).unwrap_or(config.listen);
    config.admin = match (args.admin, file.admin) {
        (Some(Admin::Off), _) | (None, Some(AdminSetting::Off)) => None,
        (Some(Admin::At(address)), _) | (None, Some(AdminSetting::At(address))) => Some(address),
        (None, None) => config.admin,
    };
    config.workers = args.workers.map(usize::from).or(file.workers).unwrap_or(config.workers);
    let connections_max = args.connections_max.and_then(|n| usize::try_from(n).ok()).or(file.connections_max);
    config.connections_max = connections_max.unwrap_or(config.connections_max);
    let content_bytes_max =
        args.content_bytes_max.or(file.content_bytes_max).and_then(|n| usize::try_from(n).ok());
    let limits = &mut config.limits;
    limits.content_bytes_max = content_bytes_max.unwrap_or(limits.content_bytes_max);
    if let Some(total) = file.content_bytes_total_max.and_then(|n| usize::try_from(n).ok()) {
        limits.content_bytes_total_max = total;
    }
    if config.gateway.is_none() {
        limits.content_bytes_total_max = limits.content_bytes_total_max.max(limits.content_bytes_max);
    }
    limits.content_idle_max = file.content_idle_max.unwrap_or(limits.content_idle_max);
    limits.content_time_max = file.content_time_max.unwrap_or(limits.content_time_max);
    let origins = if args.cors_origin.is_empty() {
        file.cors_origins.clone().unwrap_or_default()
    } else {
        args.cors_origin.clone()
    };
    config.origins = Origins::listed(&origins).map_err(|error| format!("--cors-origin: {error}"))?;
    config.audit = file.audit.clone();
    config.restored = args.restored;
    config.insecure_public = args.insecure_public || file.insecure_public.unwrap_or(false);
    Ok(config)
}

/// Says what is guarded, where the data is, and one line to try that really gets 428.
fn announce(running: &Running, config: &Config, format: Output) -> Result<(), String> {
    let listen = format!("http://{}/", running.listen());
    let admin = running.admin().map(|address| format!("http://{address}/"));
    let data = config.data.as_deref().map(shown);
    if format == Output::Json {
        let gateway = config.gateway.as_ref().map(|settings| {
            json!({
                "upstream": upstream(settings),
                "mode": settings.mode.name(),
                "state": shown(&settings.state),
                "routes": settings.routes.len(),
            })
        });
        let mut line =
            json!({ "listen": listen, "admin": admin, "data": data, "version": env!("CARGO_PKG_VERSION") });
        if let (Some(gateway), Some(members)) = (gateway, line.as_object_mut()) {
            members.insert("gateway".to_owned(), gateway);
        }
        return output::print(&format!("{line}\n"));
    }
    let mut text = format!("{} {}\n\n", bold("ifmatch"), env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str, note: &str| {
        text.push_str(&format!("  {name:<8} {}  {}\n", bold(value), dim(note)));
    };
    match &config.gateway {
        None => {
            line("serves", &listen, "every write needs a condition: 428 without one, 412 for a stale one");
        }
        Some(settings) => {
            line("serves", &listen, &format!("in front of {}", upstream(settings)));
            line("mode", settings.mode.name(), meaning(settings.mode));
            line("state", &shown(&settings.state), "counts, writes under way; one process per upstream");
        }
    }
    if let Some(data) = &data {
        line("data", data, "every acknowledged write is on disk");
    }
    match &admin {
        Some(admin) => line("admin", admin, "livez, readyz, metrics"),
        None => line("admin", "off", ""),
    }
    if config.insecure_public && !config.listen.ip().is_loopback() {
        line(
            "access",
            "everybody",
            "--insecure-public: whoever reaches this address may do what the upstream or the store lets them",
        );
    }
    match &config.gateway {
        None => text.push_str(&format!("\nTry a write that does not say what it was made from; it gets 428 and is told what to send:\n\n  curl -i -X PUT {listen}hello -d 'hello'\n\n")),
        Some(settings) => {
            text.push('\n');
            for remark in file::remarks(settings) {
                text.push_str(&format!("  - {remark}\n"));
            }
            let others = RouteSettings { mode: Some(settings.mode), ..RouteSettings::new("default", "all other paths") };
            for route in settings.routes.iter().chain([&others]) {
                for remark in file::route_remarks(route, settings) {
                    text.push_str(&format!("  - {} ({}): {remark}\n", route.name, route.template));
                }
            }
            text.push('\n');
        }
    }
    output::print(&text)
}

fn upstream(settings: &Settings) -> String {
    let host = &settings.upstream.host;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    format!("http://{host}:{}/", settings.upstream.port)
}

fn meaning(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "nothing is looked at",
        Mode::Observe => "nothing is changed; what would be refused and what is lost is counted",
        Mode::Warn => "conditions are evaluated; missing ones are reported to the client",
        Mode::Enforce => "428 without a condition, 412 for a stale one",
    }
}

fn shown(data: &Path) -> String {
    std::path::absolute(data).unwrap_or_else(|_| data.to_owned()).display().to_string()
}
