//! Which methods need a condition on a route.

use http::Method;
use ifmatch_core::{Requirement, is_registered};

/// What methods need that do not follow the rule of the method alone. Where a route lists its guarded methods, the
/// others need nothing; a POST that is listed needs a version, since its creations have no name to guard.
pub(super) fn requirements(guarded: Option<&[Method]>) -> Vec<(Method, Requirement)> {
    // They make something where nothing is and fail where something is.
    let makers = ["MKCOL", "MKCALENDAR", "LOCK"].map(|name| Method::from_bytes(name.as_bytes()));
    let makers = makers.into_iter().flatten();
    let Some(guarded) = guarded else {
        return makers.map(|method| (method, Requirement::VersionOrCreation)).collect();
    };
    let needed = |method: &Method| match method.as_str() {
        "PUT" | "MKCOL" | "MKCALENDAR" | "LOCK" => Requirement::VersionOrCreation,
        _ => Requirement::Version,
    };
    let listed = guarded.iter().map(|method| (method.clone(), needed(method)));
    let unlisted = REGISTERED_UNSAFE
        .iter()
        .filter_map(|name| Method::from_bytes(name.as_bytes()).ok())
        .filter(|method| is_registered(method) && !guarded.contains(method))
        .map(|method| (method, Requirement::None));
    listed.chain(unlisted).collect()
}

/// The unsafe methods of the IANA registry.
const REGISTERED_UNSAFE: [&str; 30] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "DELETE",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PROPPATCH",
    "PUT",
    "REBIND",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];
