//! Routes: which rules a target falls under, and the turn key its writers share.

mod identity;
pub(crate) mod naming;
mod needs;
mod template;

use crate::settings::{DigestSource, Evaluate, RouteSettings, Settings, Writers};
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HeaderValue};
use ifmatch_core::{Dates, Mode, Policy, Target, coarse};
use matchit::Router;
use needs::requirements;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use template::{Piece, coarse_template, pieces};

/// The name of the route for what no other matches.
pub const DEFAULT_ROUTE: &str = "default";

/// A route, ready to be used.
#[derive(Debug)]
pub struct Route {
    /// As set.
    pub settings: RouteSettings,
    /// What it demands. Its `ordinal` is the route's place in the table.
    pub policy: Arc<Policy>,
    /// `Precondition-Policy`, where the route asks for conditions.
    pub(crate) advertised: Option<HeaderValue>,
    /// `Precondition-Policy-Report-Only` for a write that lacks its condition.
    pub(crate) reported: HeaderValue,
    turn: Option<Vec<Piece>>,
    /// Whether the upstream was seen to refuse writes here that have no condition of its own.
    demands: AtomicBool,
}

impl Route {
    /// Whether the upstream asks for conditions itself.
    pub(crate) fn demands(&self) -> bool {
        self.demands.load(Relaxed)
    }

    /// It does.
    pub(crate) fn demanded(&self) {
        self.demands.store(true, Relaxed);
    }

    /// Whether the gateway mints tags and evaluates.
    pub fn mints(&self) -> bool {
        self.policy.mode.evaluates() && self.settings.evaluate == Evaluate::Gateway
    }

    /// What the digest in a tag is taken of.
    pub fn digest_source(&self) -> &DigestSource {
        if self.is_exclusive() { &DigestSource::None } else { &self.settings.digest }
    }

    /// Whether only clients of the gateway write.
    pub fn is_exclusive(&self) -> bool {
        self.settings.writers == Writers::GatewayOnly
    }
}

/// All routes of a gateway.
#[derive(Debug)]
pub struct Routes {
    /// As set, then the one for what no other matches; behind it the same once more for each stricter mode.
    table: Vec<Arc<Route>>,
    count: usize,
    by_path: Router<usize>,
    /// The turn templates, with the strictest mode of the routes that have them.
    by_turn: Option<Router<Mode>>,
    /// Whether some route judges; if none does, even paths that cannot be named safely pass.
    strict: bool,
    secret: [u8; 32],
}

/// Routes that cannot be told apart or used.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// A template that is none, or that another one already covers.
    #[error("route {name}: the template {template} cannot be used: {cause}")]
    Template {
        /// The route.
        name: String,
        /// Its template.
        template: String,
        /// Why.
        cause: String,
    },
    /// A turn template with a parameter that the path has not.
    #[error("route {name}: turn {turn} uses {{{parameter}}}, which {template} does not have")]
    Parameter {
        /// The route.
        name: String,
        /// Its turn template.
        turn: String,
        /// The parameter.
        parameter: String,
        /// Its template.
        template: String,
    },
}

impl Routes {
    /// Compiles the routes of `settings`; `secret` keys the hashes of principals.
    ///
    /// # Errors
    /// The first route that cannot be used.
    pub fn new(settings: &Settings, secret: &[u8; 32]) -> Result<Self, RouteError> {
        let mut all = settings.routes.clone();
        for route in &mut all {
            route.mode.get_or_insert(settings.mode);
        }
        let mut default = RouteSettings::new(DEFAULT_ROUTE, "/{*any}");
        default.mode = Some(settings.mode);
        all.push(default);
        let by_path = router(&all)?;
        let by_turn = turn_router(&all)?;
        let strict = all.iter().any(|r| mode(r).evaluates());
        let count = all.len();
        if by_turn.is_some() {
            for stricter in [Mode::Warn, Mode::Enforce] {
                let again: Vec<_> = all[..count]
                    .iter()
                    .map(|r| RouteSettings { mode: Some(stricter), ..r.clone() })
                    .collect();
                all.extend(again);
            }
        }
        let table = all
            .into_iter()
            .enumerate()
            .map(|(n, r)| compile(r, n).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self { table, count, by_path, by_turn, strict, secret: *secret })
    }

    /// Whether some route judges.
    pub fn strict(&self) -> bool {
        self.strict
    }

    /// All routes, then the one for what no other matches. Behind these, where turn keys are shared, the same again in
    /// stricter modes.
    pub fn table(&self) -> &[Arc<Route>] {
        &self.table
    }

    /// How many there are without those.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The route a policy belongs to.
    pub fn of(&self, policy: &Policy) -> &Arc<Route> {
        &self.table[policy.ordinal]
    }

    /// The route of a target. All spellings of a name fall under one route. A route that shares a turn key with a
    /// stricter one is as strict: what it let by would be lost to the other.
    pub fn find(&self, target: &Target) -> &Arc<Route> {
        let name = coarse(target.path());
        let ordinal = self.ordinal(&name);
        let route = &self.table[ordinal];
        let Some(by_turn) = &self.by_turn else { return route };
        let key = match &route.turn {
            Some(pieces) => Cow::Owned(self.substituted(pieces, &name)),
            None => name,
        };
        let of_key = self.table[self.ordinal(&key)].policy.mode;
        let of_turn = by_turn.at(&key).map_or(Mode::Off, |found| *found.value);
        let strictest = stricter(of_key, of_turn);
        if strictness(strictest) <= strictness(route.policy.mode) {
            return route;
        }
        let behind = match strictest {
            Mode::Off | Mode::Observe => 0,
            Mode::Warn => self.count,
            Mode::Enforce => 2 * self.count,
        };
        &self.table[behind + ordinal]
    }

    /// The route that the paths of a template fall under.
    pub fn find_template(&self, template: &str) -> &Arc<Route> {
        let path: String = pieces(template)
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                // Some name that no route has literally.
                Piece::Parameter(_) => "~".to_owned(),
            })
            .collect();
        self.find(&Target::verbatim(&path, None))
    }

    fn ordinal(&self, name: &str) -> usize {
        self.by_path.at(name).map_or(self.count - 1, |found| *found.value)
    }

    /// The turn key of a target: the same for all names of one resource.
    pub fn turn_key<'t>(
        &self,
        route: &Route,
        target: &'t Target,
        headers: &HeaderMap,
        host: Option<&str>,
    ) -> Cow<'t, str> {
        let name = coarse(target.path());
        let mut key = match &route.turn {
            None => name,
            Some(pieces) => Cow::Owned(self.substituted(pieces, &name)),
        };
        if !route.settings.identity.is_empty() {
            // What is not judged may say it in more ways than one.
            let identity = self.identity(route, target, headers, host).unwrap_or_default();
            // Not all upstreams tell case apart, so nor does a turn.
            key.to_mut().push_str(&identity.to_lowercase());
        }
        key
    }

    fn substituted(&self, pieces: &[Piece], name: &str) -> String {
        let Ok(found) = self.by_path.at(name) else { return name.to_owned() };
        let text: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Parameter(parameter) => found.params.get(parameter).unwrap_or(""),
            })
            .collect();
        coarse(&text).into_owned()
    }
}

/// Whoever the credentials of a request belong to, as a keyed hash: a name that says nothing.
pub fn credentials_hash(secret: &[u8; 32], headers: &HeaderMap) -> Option<u64> {
    // Most often there are none: to go by the few names that are there costs less than to look two up.
    if !headers.keys().any(|name| [AUTHORIZATION, COOKIE].contains(name)) {
        return None;
    }
    let mut hasher = blake3::Hasher::new_keyed(secret);
    for value in headers.get_all(AUTHORIZATION) {
        hasher.update(value.as_bytes()).update(&[0]);
    }
    // In HTTP/2 the same cookies may come in parts (RFC 9113, Section 8.2.3).
    for (index, part) in headers.get_all(COOKIE).iter().enumerate() {
        hasher.update(if index == 0 { &b""[..] } else { b"; " }).update(part.as_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    Some(u64::from_be_bytes(first))
}

fn mode(route: &RouteSettings) -> Mode {
    route.mode.unwrap_or(Mode::Observe)
}

fn strictness(mode: Mode) -> u8 {
    match mode {
        Mode::Off => 0,
        Mode::Observe => 1,
        Mode::Warn => 2,
        Mode::Enforce => 3,
    }
}

fn stricter(one: Mode, other: Mode) -> Mode {
    if strictness(one) >= strictness(other) { one } else { other }
}

fn turn_router(all: &[RouteSettings]) -> Result<Option<Router<Mode>>, RouteError> {
    let mut modes: Vec<(String, Mode, &RouteSettings)> = Vec::new();
    for route in all {
        let Some(turn) = &route.turn else { continue };
        // What a parameter is called does not matter.
        let mut number = 0;
        let template: String = pieces(&coarse_template(turn))
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Parameter(name) => {
                    number += 1;
                    if name.starts_with('*') { "{*rest}".to_owned() } else { format!("{{p{number}}}") }
                }
            })
            .collect();
        match modes.iter_mut().find(|(known, ..)| *known == template) {
            Some(known) => known.1 = stricter(known.1, mode(route)),
            None => modes.push((template, mode(route), route)),
        }
    }
    if modes.is_empty() {
        return Ok(None);
    }
    let mut by_turn = Router::new();
    for (template, mode, route) in modes {
        by_turn.insert(template, mode).map_err(|error| RouteError::Template {
            name: route.name.clone(),
            template: route.turn.clone().unwrap_or_default(),
            cause: error.to_string(),
        })?;
    }
    Ok(Some(by_turn))
}

fn router(all: &[RouteSettings]) -> Result<Router<usize>, RouteError> {
    let mut by_path = Router::new();
    // The last is the one for what no other matches.
    for (index, route) in all.iter().enumerate().take(all.len() - 1) {
        let unusable = |cause: String| RouteError::Template {
            name: route.name.clone(),
            template: route.template.clone(),
            cause,
        };
        if !route.template.starts_with('/') {
            return Err(unusable("it does not begin with a slash".to_owned()));
        }
        by_path
            .insert(coarse_template(&route.template), index)
            .map_err(|error| unusable(error.to_string()))?;
    }
    Ok(by_path)
}

fn compile(settings: RouteSettings, ordinal: usize) -> Result<Route, RouteError> {
    let turn = settings.turn.as_deref().map(|turn| {
        let mut used = pieces(turn);
        for piece in &mut used {
            if let Piece::Parameter(name) = piece {
                *name = name.trim_start_matches('*').to_owned();
                if !settings.template.contains(&format!("{{{name}}}"))
                    && !settings.template.contains(&format!("{{*{name}}}"))
                {
                    return Err(RouteError::Parameter {
                        name: settings.name.clone(),
                        turn: turn.to_owned(),
                        parameter: name.clone(),
                        template: settings.template.clone(),
                    });
                }
            }
        }
        Ok(used)
    });
    let (requirements, others) = requirements(settings.methods.as_deref());
    let policy = Policy {
        mode: mode(&settings),
        requirements,
        others,
        star: settings.star,
        dates: if settings.evaluate == Evaluate::Upstream { Dates::Evaluated } else { Dates::Ignored },
        stale_status: settings.stale_status,
        ordinal,
        ..Policy::store(&settings.name)
    };
    let route = quoted(&settings.name);
    let advertised = policy.mode.evaluates().then(|| {
        let text =
            format!("mode={}, require=(\"if-match\" \"if-none-match\"), route={route}", policy.mode.name());
        HeaderValue::try_from(text).ok()
    });
    let reported = format!("violation=missing, would=428, route={route}");
    Ok(Route {
        demands: AtomicBool::new(false),
        turn: turn.transpose()?,
        advertised: advertised.flatten(),
        reported: HeaderValue::try_from(reported)
            .unwrap_or(HeaderValue::from_static("violation=missing, would=428")),
        policy: Arc::new(policy),
        settings,
    })
}

/// A structured-field string (RFC 9651, Section 3.3.3).
fn quoted(text: &str) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Identity, Origin};
    use http::Method;
    use http::header::HOST;
    use ifmatch_core::Requirement;

    fn routes(mode: Mode, all: Vec<RouteSettings>) -> Routes {
        let upstream = Origin { host: "127.0.0.1".into(), port: 1 };
        let mut settings = Settings::new(upstream, "state".into());
        settings.mode = mode;
        settings.routes = all;
        Routes::new(&settings, &[7; 32]).unwrap()
    }

    fn route(name: &str, template: &str, mode: Mode) -> RouteSettings {
        RouteSettings { mode: Some(mode), ..RouteSettings::new(name, template) }
    }

    fn found(routes: &Routes, path: &str) -> (String, Mode) {
        let route = routes.find(&Target::parse_forwarded(path, None).unwrap());
        (route.settings.name.clone(), route.policy.mode)
    }

    #[test]
    fn all_spellings_of_a_path_fall_under_one_route() {
        let routes = routes(
            Mode::Observe,
            vec![route("orders", "/v1/Orders/{id}/", Mode::Enforce), route("root", "/", Mode::Warn)],
        );
        for path in
            ["/v1/orders/42", "/V1/ORDERS/42", "/v1//orders/42/", "/v1/orders%2F42", "/v1/orders;x/42;y"]
        {
            assert_eq!(found(&routes, path), ("orders".into(), Mode::Enforce), "{path}");
        }
        assert_eq!(found(&routes, "/v1/orders"), ("default".into(), Mode::Observe));
        assert_eq!(found(&routes, "/"), ("root".into(), Mode::Warn));
    }

    #[test]
    fn a_route_that_shares_a_turn_key_is_as_strict_as_the_strictest() {
        let cancel = |mode| RouteSettings {
            turn: Some("/orders/{id}".into()),
            ..route("cancel", "/orders/{id}/cancel", mode)
        };
        let one = routes(
            Mode::Observe,
            vec![route("orders", "/orders/{id}", Mode::Enforce), cancel(Mode::Observe)],
        );
        assert_eq!(found(&one, "/orders/1/cancel"), ("cancel".into(), Mode::Enforce));
        let other = routes(
            Mode::Observe,
            vec![route("orders", "/orders/{id}", Mode::Observe), cancel(Mode::Enforce)],
        );
        assert_eq!(found(&other, "/orders/1"), ("orders".into(), Mode::Enforce));
        let alone = routes(Mode::Observe, vec![cancel(Mode::Enforce)]);
        assert_eq!(found(&alone, "/orders/1").1, Mode::Enforce);
        assert_eq!(found(&alone, "/other/1").1, Mode::Observe);
        // Also where a more specific route takes a part of what the turn covers.
        let export = route("export", "/orders/export", Mode::Off);
        let covered = routes(Mode::Observe, vec![cancel(Mode::Warn), export]);
        assert_eq!(found(&covered, "/orders/export"), ("export".into(), Mode::Warn));
        assert_eq!(found(&covered, "/orders/1"), ("default".into(), Mode::Warn));
        assert_eq!(found(&covered, "/orders/1/2").1, Mode::Observe);
    }

    #[test]
    fn turn_keys_are_coarsened_by_turn_and_refined_by_identity() {
        let mut me = route("me", "/me", Mode::Enforce);
        me.identity = vec![Identity::Query("id".into()), Identity::Host, Identity::Principal];
        let cancel = RouteSettings {
            turn: Some("/orders/{id}".into()),
            ..route("cancel", "/orders/{id}/cancel", Mode::Enforce)
        };
        let routes = routes(Mode::Enforce, vec![me, cancel]);
        let key = |path: &str, query: Option<&str>, who: &'static str| {
            let target = Target::parse_forwarded(path, query).unwrap();
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(who));
            headers.insert(HOST, HeaderValue::from_static("api"));
            routes.turn_key(routes.find(&target), &target, &headers, None).into_owned()
        };
        assert_eq!(key("/orders/A%2F/cancel", None, "a"), "/orders/a");
        assert_eq!(key("/Orders/42/cancel/", None, "a"), key("/orders/42", None, "b"));
        assert_eq!(key("/me", Some("id=1"), "a"), key("/ME/", Some("x=2&i%64=%31"), "a"));
        assert_ne!(key("/me", Some("id=1"), "a"), key("/me", Some("id=2"), "a"));
        assert_ne!(key("/me", Some("id=1"), "a"), key("/me", Some("id=1"), "b"));
    }

    #[test]
    fn credentials_are_the_same_however_they_are_put_into_fields() {
        let of = |fields: &[(http::HeaderName, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            credentials_hash(&[7; 32], &fields.collect())
        };
        let whole = of(&[(COOKIE, "sid=1; theme=dark")]);
        assert_eq!(whole, of(&[(COOKIE, "sid=1"), (COOKIE, "theme=dark")]));
        assert_ne!(whole, of(&[(COOKIE, "sid=1")]));
        assert_ne!(of(&[(AUTHORIZATION, "x")]), of(&[(COOKIE, "x")]));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn what_a_route_lists_is_what_needs_a_condition() {
        let mut listed = route("listed", "/a", Mode::Enforce);
        listed.methods = Some(vec![Method::POST, Method::PUT]);
        let routes = routes(Mode::Enforce, vec![listed]);
        let a = &routes.find(&Target::parse_forwarded("/a", None).unwrap()).policy;
        assert_eq!(a.requirement(&Method::POST), Requirement::Version);
        assert_eq!(a.requirement(&Method::PUT), Requirement::VersionOrCreation);
        assert_eq!(a.requirement(&Method::DELETE), Requirement::None);
        let other = &routes.find(&Target::parse_forwarded("/b", None).unwrap()).policy;
        assert_eq!(other.requirement(&Method::DELETE), Requirement::Version);
        assert_eq!(other.requirement(&Method::POST), Requirement::None);
        assert_eq!(other.requirement(&Method::from_bytes(b"MKCOL").unwrap()), Requirement::VersionOrCreation);
    }

    #[test]
    fn templates_that_cannot_be_told_apart_are_refused() {
        let upstream = Origin { host: "h".into(), port: 1 };
        for (one, other) in [("/a/{x}", "/A/{y}"), ("/a", "/a/"), ("/a", "b")] {
            let mut settings = Settings::new(upstream.clone(), "s".into());
            settings.routes = vec![RouteSettings::new("one", one), RouteSettings::new("other", other)];
            assert!(Routes::new(&settings, &[0; 32]).is_err(), "{one} {other}");
        }
        let mut settings = Settings::new(upstream, "s".into());
        let turn = Some("/a/{y}".to_owned());
        settings.routes = vec![RouteSettings { turn, ..RouteSettings::new("one", "/a/{x}") }];
        assert!(matches!(Routes::new(&settings, &[0; 32]), Err(RouteError::Parameter { .. })));
    }
}
