//! What must be said of settings that are right: where the promise ends.

use super::values::{shown_duration, shown_size};
use ifmatch_core::Mode;
use ifmatch_gateway::Settings;
use ifmatch_gateway::settings::{DigestSource, Evaluate, Identity, RouteSettings, To, Writers};

/// What holds for the whole gateway, a sentence or two each.
pub fn remarks(settings: &Settings) -> Vec<String> {
    let late = shown_duration(settings.times.late_write_max);
    let mut all = vec![
        format!(
            "The promise holds if this is the only gateway of the upstream and all writers go through it. Writers \
             around it are noticed at the next check; what they overwrite between a check and a write is not prevented."
        ),
        format!(
            "It is taken for granted that reads show the upstream's acknowledged writes, that a 4xx other than 408 \
             means that nothing was changed, and that a write whose answer was lost lands within {late} or never."
        ),
    ];
    if settings.mode != Mode::Enforce {
        all.push(format!(
            "Paths that no route matches are in mode \"{}\": writes without a condition pass there.",
            settings.mode.name()
        ));
    }
    all
}

/// What holds for one route, a sentence or two each.
pub fn route_remarks(route: &RouteSettings, settings: &Settings) -> Vec<String> {
    if route.to == To::Store {
        return Vec::new();
    }
    let mode = route.mode.unwrap_or(settings.mode);
    let mut all = Vec::new();
    match (mode, route.evaluate) {
        (Mode::Off | Mode::Observe, _) => return all,
        (_, Evaluate::Upstream) => all.push(
            "The upstream must compare and set in one step; the gateway cannot see whether it does."
                .to_owned(),
        ),
        (_, Evaluate::Gateway) if route.writers == Writers::GatewayOnly => all.push(
            "Only a write of a path itself moves its tag: no listing or page that shows other resources belongs here."
                .to_owned(),
        ),
        (_, Evaluate::Gateway) => all.extend(digest_remark(route, settings)),
    }
    all.extend(identity_remark(route));
    if mode == Mode::Enforce {
        all.extend(unguarded(route));
    }
    all
}

fn digest_remark(route: &RouteSettings, settings: &Settings) -> Option<String> {
    let bytes = route.digest_bytes_max.unwrap_or(settings.bounds.digest_bytes_max);
    let digested = matches!(route.digest, DigestSource::Content | DigestSource::Json(_));
    digested.then(|| {
        let size = shown_size(u64::try_from(bytes).unwrap_or(u64::MAX));
        format!(
            "Representations over {size} get no tag and so cannot be written; for those set writers = \
             \"gateway-only\", or a digest of a field."
        )
    })
}

fn identity_remark(route: &RouteSettings) -> Option<String> {
    let by = &route.identity;
    let is_cookie = |identity: &Identity| matches!(identity, Identity::Cookie(_));
    let by_session = by.contains(&Identity::Principal) || by.iter().any(is_cookie);
    by_session.then(|| {
        let cookies = if by.iter().any(is_cookie) {
            ""
        } else {
            " Cookies do not count; where one says who somebody is, name it: \"cookie:NAME\"."
        };
        format!(
            "Every token or session is taken to have resources of its own here; two that reach the same one do not wait \
             for each other.{cookies}"
        )
    })
}

/// The usual writes that pass without a condition.
fn unguarded(route: &RouteSettings) -> Option<String> {
    let passes = |name: &&str| match &route.methods {
        None => *name == "POST",
        Some(listed) => !listed.iter().any(|method| method.as_str() == *name),
    };
    let names: Vec<&str> = ["PUT", "PATCH", "DELETE", "POST"].into_iter().filter(passes).collect();
    (!names.is_empty()).then(|| format!("Without a condition pass: {}.", names.join(", ")))
}
