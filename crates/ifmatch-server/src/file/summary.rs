//! What a file comes to: its routes as they will be used.

use super::remarks::route_remarks;
use super::{File, GatewayFile};
use ifmatch_core::Mode;
use ifmatch_gateway::settings::{DigestSource, Identity, Origin, RouteSettings};
use ifmatch_gateway::{DEFAULT_ROUTE, RouteError, Routes, Settings};

/// A route as it will be used.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Its settings. The mode is set, and it and who evaluates may be those of a route that shares its turn key.
    pub settings: RouteSettings,
    /// The mode that the file gives it, if it is used in another.
    pub asked: Option<Mode>,
    /// What must be said of it, a sentence or two each.
    pub remarks: Vec<String>,
}

/// The routes of a file as they will be used: its own in their order, then those that are made of turn keys, and last
/// the one for all other paths. None if the file says nothing of a gateway.
///
/// # Errors
/// The first route that cannot be used; never one of a file that was read without errors.
pub fn summaries(file: &File) -> Result<Vec<Summary>, RouteError> {
    if file.gateway.is_none() {
        return Ok(Vec::new());
    }
    let settings = file.settings().unwrap_or_else(|| somewhere(file));
    // The key matters for hashes of requests only.
    let routes = Routes::new(&settings, &[0; 32])?;
    let own = &routes.table()[..routes.count()];
    let mut made: Vec<RouteSettings> = Vec::new();
    for route in own {
        let Some(turn) = &route.settings.turn else { continue };
        let there = routes.find_template(turn);
        let is_new = !made.iter().any(|other| other.template == *turn);
        if there.settings.name == DEFAULT_ROUTE && there.policy.mode != settings.mode && is_new {
            let name = format!("{DEFAULT_ROUTE} ({turn})");
            made.push(RouteSettings { name, template: turn.clone(), ..there.settings.clone() });
        }
    }
    let mut all: Vec<Summary> = own
        .iter()
        .enumerate()
        .map(|(index, route)| {
            let is_default = index + 1 == own.len();
            let used = if is_default { route } else { routes.find_template(&route.settings.template) };
            let used = used.settings.clone();
            let asked = settings.routes.get(index).map(|asked| asked.mode.unwrap_or(settings.mode));
            let asked = asked.filter(|&mode| Some(mode) != used.mode);
            Summary { remarks: route_remarks(&used, &settings), asked, settings: used }
        })
        .collect();
    let last = all.len() - 1;
    let summary = |made: RouteSettings| Summary {
        remarks: route_remarks(&made, &settings),
        asked: None,
        settings: made,
    };
    all.splice(last..last, made.into_iter().map(summary));
    Ok(all)
}

/// Settings of a file that names no upstream: flags may.
fn somewhere(file: &File) -> Settings {
    let mut file = file.clone();
    let upstream = Origin { host: "localhost".to_owned(), port: 80 };
    let gateway = file.gateway.take().unwrap_or_default();
    file.gateway = Some(GatewayFile { upstream: Some(upstream.clone()), ..gateway });
    file.settings().unwrap_or_else(|| Settings::new(upstream, "ifmatch-state".into()))
}

/// As in the file: `content`, `json:/version`, ...
pub fn digest_word(digest: &DigestSource) -> String {
    match digest {
        DigestSource::Content => "content".to_owned(),
        DigestSource::Json(pointer) => format!("json:{pointer}"),
        DigestSource::Etag => "etag".to_owned(),
        DigestSource::LastModified => "last-modified".to_owned(),
        DigestSource::None => "none".to_owned(),
    }
}

/// As in the file: `host`, `query:id`, ...
pub fn identity_word(identity: &Identity) -> String {
    match identity {
        Identity::Query(name) => format!("query:{name}"),
        Identity::Host => "host".to_owned(),
        Identity::Principal => "principal".to_owned(),
        Identity::Header(name) => format!("header:{name}"),
        Identity::Cookie(name) => format!("cookie:{name}"),
    }
}
