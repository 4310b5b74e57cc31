//! Which methods need a condition on a route.

use http::Method;
use ifmatch_core::Requirement;

/// What methods need that do not follow the rule of the method alone, and what all others need. Where a route lists its
/// guarded methods, the others need nothing; a POST that is listed needs a version, since its creations have no name to
/// guard.
pub(super) fn requirements(guarded: Option<&[Method]>) -> (Vec<(Method, Requirement)>, Option<Requirement>) {
    let Some(guarded) = guarded else {
        // They make something where nothing is and fail where something is.
        let makers = ["MKCOL", "MKCALENDAR", "LOCK"].map(|name| Method::from_bytes(name.as_bytes()));
        let creations = makers.into_iter().flatten().map(|method| (method, Requirement::VersionOrCreation));
        return (creations.collect(), None);
    };
    let needed = |method: &Method| match method.as_str() {
        "PUT" | "MKCOL" | "MKCALENDAR" | "LOCK" => Requirement::VersionOrCreation,
        _ => Requirement::Version,
    };
    let listed = guarded.iter().map(|method| (method.clone(), needed(method)));
    (listed.collect(), Some(Requirement::None))
}
