//! What of the settings decides how resources are named, and which of their writes are noted.
//!
//! Counts and doubts are kept under turn keys from run to run. A run that makes other keys would ask for the count of
//! another resource, and would not find what is in doubt; one in which a route does not count leaves counts behind that
//! old tags still fit. So the state remembers both, as hashes: another hash begins a new epoch.
//!
//! What plays no part: which methods need a condition, who writes, what the digest is of, the order of routes, their
//! names, all times and bounds. They change what is refused, never what is counted, or under which key.

use super::template::coarse_template;
use crate::settings::{Evaluate, Identity, RouteSettings, Settings, To};
use crate::state::Naming;
use ifmatch_core::Mode;

/// Of the rules by which keys are made of targets (`coarse`, `Routes::turn_key`, `Routes::find`). To be raised with every
/// change that gives any request another key: a new epoch then begins at the first start.
const KEYS_VERSION: u32 = 1;

/// How this gateway deals with the writes of a route.
fn class(route: &RouteSettings, mode: Mode) -> Class {
    match (route.to, mode, route.evaluate) {
        (To::Store, ..) => Class::Store,
        (_, Mode::Off, _) => Class::Off,
        (_, Mode::Observe, _) => Class::Observed,
        (_, Mode::Warn | Mode::Enforce, Evaluate::Upstream) => Class::Upstream,
        (_, Mode::Warn | Mode::Enforce, Evaluate::Gateway) => Class::Guarded,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// They do not reach the upstream.
    Store,
    /// They pass uncounted.
    Off,
    /// They are counted when they end.
    Observed,
    /// The same.
    Upstream,
    /// They are in a slot while they are under way.
    Guarded,
}

impl Class {
    fn counts(self) -> bool {
        !matches!(self, Self::Store | Self::Off)
    }

    fn is_noted(self) -> bool {
        matches!(self, Self::Store | Self::Guarded)
    }
}

/// How a gateway of these settings names resources.
pub(crate) fn naming(settings: &Settings) -> Naming {
    let default = RouteSettings::new(super::DEFAULT_ROUTE, "/{*any}");
    let classed = |route| (route, class(route, route.mode.unwrap_or(settings.mode)));
    let routes: Vec<_> = settings.routes.iter().chain([&default]).map(classed).collect();
    let some_turn = routes.iter().any(|(route, _)| route.turn.is_some());
    // Without any of these the key is the path, and each write of each route counts, however many routes there are.
    let is_plain = routes.iter().all(|(route, class)| route.identity.is_empty() && class.counts());
    let mut keys = Vec::new();
    if some_turn || !is_plain {
        let line = |(route, class): &(&RouteSettings, Class)| {
            // A route that shares its turn with a stricter one is as strict: then all of that matters.
            let counts = if some_turn { format!("{class:?}") } else { class.counts().to_string() };
            hash(&[template(route), turn(route), identities(route), counts])
        };
        keys.extend(routes.iter().map(line));
    }
    let mut unnoted = Vec::new();
    if !routes.iter().all(|(_, class)| class.is_noted()) {
        let first = routes[0].1;
        let is_one = !some_turn && routes.iter().all(|(_, class)| *class == first);
        let line = |(route, class): &(&RouteSettings, Class)| {
            let place = if is_one { String::new() } else { template(route) + &turn(route) };
            hash(&[place, format!("{class:?}")])
        };
        unnoted.extend(routes.iter().map(line));
    }
    Naming {
        keys: sum(keys, KEYS_VERSION),
        unnoted: if unnoted.is_empty() { [0; 16] } else { sum(unnoted, 1) },
    }
}

fn template(route: &RouteSettings) -> String {
    coarse_template(&route.template)
}

fn turn(route: &RouteSettings) -> String {
    route.turn.as_deref().map_or_else(String::new, |turn| format!("turn {}", coarse_template(turn)))
}

fn identities(route: &RouteSettings) -> String {
    let one = |identity: &Identity| match identity {
        Identity::Query(name) => format!("query {name}\n"),
        Identity::Host => "host\n".to_owned(),
        Identity::Principal => "principal\n".to_owned(),
        Identity::Header(name) => format!("header {name}\n"),
        Identity::Cookie(name) => format!("cookie {name}\n"),
    };
    route.identity.iter().map(one).collect()
}

fn hash(parts: &[String]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Of lines in any order; the same line twice is one.
fn sum(mut lines: Vec<[u8; 32]>, version: u32) -> [u8; 16] {
    lines.sort_unstable();
    lines.dedup();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&version.to_be_bytes());
    for line in lines {
        hasher.update(&line);
    }
    let mut sum = [0; 16];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    sum
}

#[cfg(test)]
mod tests {
    use super::super::Routes;
    use super::*;
    use crate::settings::{DigestSource, Origin, Writers};
    use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue};
    use ifmatch_core::Target;
    use std::time::Duration;

    fn settings(mode: Mode, routes: Vec<RouteSettings>) -> Settings {
        let mut settings = Settings::new(Origin { host: "h".into(), port: 1 }, "s".into());
        (settings.mode, settings.routes) = (mode, routes);
        settings
    }

    fn of(mode: Mode, routes: Vec<RouteSettings>) -> Naming {
        naming(&settings(mode, routes))
    }

    fn route(template: &str, set: impl FnOnce(&mut RouteSettings)) -> RouteSettings {
        let mut route = RouteSettings::new("name", template);
        set(&mut route);
        route
    }

    fn turn(template: &str, turn: &str) -> RouteSettings {
        route(template, |route| route.turn = Some(turn.into()))
    }

    #[test]
    fn settings_that_make_no_other_keys_do_not_matter() {
        let plain = of(Mode::Enforce, vec![]);
        assert_eq!(plain, of(Mode::Warn, vec![]));
        assert_eq!(plain.unnoted, [0; 16]);
        let other = |set: fn(&mut RouteSettings)| {
            assert_eq!(of(Mode::Enforce, vec![route("/orders/{id}", set)]), plain);
            let with = |set: fn(&mut RouteSettings)| {
                of(Mode::Enforce, vec![turn("/a/{b}/c", "/a/{b}"), route("/orders/{id}", set)])
            };
            assert_eq!(with(set), with(|_| {}));
        };
        other(|_| {});
        other(|route| route.mode = Some(Mode::Warn));
        other(|route| route.name = "another".into());
        other(|route| route.template = "/ORDERS/{id}/".into());
        other(|route| route.writers = Writers::GatewayOnly);
        other(|route| route.digest = DigestSource::Etag);
        other(|route| route.methods = Some(vec![http::Method::PUT]));
        other(|route| route.late_write_max = Some(Duration::from_secs(1)));
        let (one, two) = (turn("/a/{b}/c", "/a/{b}"), turn("/b/{c}/d", "/b/{c}/"));
        assert_eq!(
            of(Mode::Enforce, vec![one.clone(), two.clone()]),
            of(Mode::Enforce, vec![two, one]),
            "the order of routes"
        );
        let mut times = settings(Mode::Enforce, vec![]);
        times.times.late_write_max = Duration::from_secs(1);
        times.bounds.in_flight_max = 7;
        assert_eq!(naming(&times), plain);
    }

    #[test]
    fn settings_that_make_other_keys_or_count_otherwise_do() {
        let all = [
            of(Mode::Enforce, vec![]),
            of(Mode::Off, vec![]),
            of(Mode::Enforce, vec![turn("/orders/{id}", "/orders")]),
            of(Mode::Enforce, vec![turn("/orders/{id}", "/others")]),
            of(Mode::Enforce, vec![turn("/orders/{key}/x", "/orders/{key}")]),
            of(Mode::Enforce, vec![route("/orders/{id}", |route| route.identity = vec![Identity::Host])]),
            of(
                Mode::Enforce,
                vec![route("/orders/{id}", |route| route.identity = vec![Identity::Principal])],
            ),
            of(Mode::Enforce, vec![route("/orders/{id}", |route| route.mode = Some(Mode::Off))]),
            of(Mode::Enforce, vec![route("/orders/{id}", |route| route.to = To::Store)]),
            // As strict as the one that it shares its turn with, or not counted at all.
            of(Mode::Enforce, vec![route("/a/{b}", |_| {}), turn("/x/{b}", "/a/{b}")]),
            of(Mode::Observe, vec![route("/a/{b}", |_| {}), turn("/x/{b}", "/a/{b}")]),
        ];
        for (n, one) in all.iter().enumerate() {
            for (m, other) in all.iter().enumerate() {
                // Off and the own store are the same here: their writes do not count.
                let is_same = n == m || [n.min(m), n.max(m)] == [7, 8];
                assert_eq!(one.keys == other.keys, is_same, "{n} {m}");
            }
        }
    }

    #[test]
    fn what_is_not_noted_is_told_from_what_is() {
        let upstream = |route: &mut RouteSettings| route.evaluate = Evaluate::Upstream;
        let guarded = of(Mode::Enforce, vec![]);
        let all = [
            guarded,
            of(Mode::Observe, vec![]),
            of(Mode::Off, vec![]),
            of(Mode::Enforce, vec![route("/a", upstream)]),
            of(Mode::Enforce, vec![route("/b", upstream)]),
            of(Mode::Observe, vec![route("/a", |route| route.mode = Some(Mode::Enforce))]),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(all[..n].iter().all(|other| other.unnoted != one.unnoted), "{n}");
        }
        assert_eq!(all[1].keys, guarded.keys, "what is observed counts");
        assert_eq!(all[3].keys, guarded.keys, "and so does what the upstream evaluates");
        assert_eq!(of(Mode::Observe, vec![route("/a", |_| {})]), all[1]);
    }

    /// If this fails, targets have got other keys than they had: raise [`KEYS_VERSION`], and then mend this.
    #[test]
    fn keys_are_made_as_they_were_in_this_version() {
        let mut me = route("/Me/{id}", |_| {});
        me.identity =
            vec![Identity::Query("id".into()), Identity::Host, Identity::Header(http::header::ACCEPT)];
        let settings = settings(Mode::Enforce, vec![me, turn("/orders/{id}/{*rest}", "/Orders/{id}")]);
        let routes = Routes::new(&settings, &[7; 32]).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("x"));
        headers.insert(HOST, HeaderValue::from_static("API"));
        for (target, key) in [
            ("/", "/"),
            ("/A%2Fb//C;d=1/?q", "/a/b/c"),
            ("/%41%257e/%C3%84", "/a~/ä"),
            ("/orders/42/Items/7/", "/orders/42"),
            ("/me/1?x&id=%41", "/me/1\u{1f}a\u{1f}api\u{1f}"),
        ] {
            let (path, query) =
                target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            let target = Target::parse_forwarded(path, query).unwrap();
            let made = routes.turn_key(routes.find(&target), &target, &headers, None).into_owned();
            assert_eq!((made.as_str(), KEYS_VERSION), (key, 1), "{path}");
        }
        let made = of(Mode::Enforce, vec![turn("/orders/{id}/x", "/orders/{id}")]).keys;
        assert_eq!(
            u128::from_be_bytes(made) >> 96,
            1_525_629_844,
            "the same settings are the same to every version"
        );
    }
}
