//! What a route demands of a write, as data (RFC 6585, Section 3).

use http::Method;

/// The rules for the writes of one route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The route's name in messages, metrics and the audit.
    pub route: Box<str>,
    /// What happens to a write whose condition is missing.
    pub mode: Mode,
    /// What methods need that do not follow [`Requirement::of`]; looked up first.
    pub requirements: Vec<(Method, Requirement)>,
    /// What all other methods need; `None`: what follows from the method.
    pub others: Option<Requirement>,
    /// Whether `If-Match: *` may overwrite whatever is there.
    pub star: Star,
    /// Whether If-Unmodified-Since can protect.
    pub dates: Dates,
    /// The status of a refusal because of a stale If-Match or date.
    pub stale_status: StaleStatus,
    /// The place of its route in the table of whoever admitted the request; `usize::MAX`: there is no table.
    pub ordinal: usize,
}

impl Policy {
    /// The rules of the own store: everything enforced, dates count.
    pub fn store(route: &str) -> Self {
        Self {
            route: route.into(),
            mode: Mode::Enforce,
            requirements: Vec::new(),
            others: None,
            star: Star::Refused,
            dates: Dates::Evaluated,
            stale_status: StaleStatus::PreconditionFailed,
            ordinal: usize::MAX,
        }
    }

    /// What a method needs on this route.
    pub fn requirement(&self, method: &Method) -> Requirement {
        let listed = self.requirements.iter().find(|(m, _)| m == method);
        let listed = listed.map(|(_, requirement)| *requirement);
        listed.or(self.others).unwrap_or_else(|| Requirement::of(method))
    }
}

/// What happens to a write whose condition is missing. A mode waives the absence of a condition only, never the
/// result of one that is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// Conditions are not looked at here.
    Off,
    /// Conditions are not looked at here; what would have been refused is counted.
    Observe,
    /// A condition that is there is evaluated, one that is missing is reported.
    Warn,
    /// A missing condition is refused with 428.
    Enforce,
}

impl Mode {
    /// As in configuration and fields: `off`, `observe`, `warn`, `enforce`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }

    /// Whether conditions are evaluated by us at all.
    pub fn evaluates(self) -> bool {
        matches!(self, Self::Warn | Self::Enforce)
    }
}

/// The condition a method needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Requirement {
    /// None; what is sent is evaluated all the same.
    None,
    /// One that names the version to change: If-Match with entity-tags, or a date where dates count.
    Version,
    /// That, or `If-None-Match: *` to create.
    VersionOrCreation,
}

impl Requirement {
    /// What a method needs unless a policy says otherwise: unsafe methods need a version, PUT may create instead, and
    /// POST needs nothing, since an append overwrites nobody.
    pub fn of(method: &Method) -> Self {
        match *method {
            Method::POST => Self::None,
            Method::PUT => Self::VersionOrCreation,
            _ if MethodClass::of(method) == MethodClass::Write => Self::Version,
            _ => Self::None,
        }
    }
}

/// Whether `If-Match: *` counts: it says "whatever is there", which protects no version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Star {
    /// 428 `overwrite_not_allowed`.
    Refused,
    /// Allowed with a reason in `Precondition-Override`, which is audited.
    WithReason,
    /// Allowed.
    Allowed,
}

/// Whether If-Unmodified-Since is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dates {
    /// Yes: the holder of the state hands out dates that name one state each.
    Evaluated,
    /// No: no dates are handed out here, so none can have been seen. The field counts as absent.
    Ignored,
}

/// The status of a stale write, for APIs that have promised 409. If-None-Match is always 412.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StaleStatus {
    /// 412, the standard's.
    PreconditionFailed,
    /// 409.
    Conflict,
}

/// How RFC 9110 treats a method where conditions are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MethodClass {
    /// GET and HEAD: false If-None-Match and If-Modified-Since give 304.
    Read,
    /// Other safe methods that select a representation (PROPFIND, REPORT, SEARCH, QUERY): evaluated, never required.
    SafeOther,
    /// OPTIONS, TRACE, CONNECT: all conditions are ignored (RFC 9110, Section 13.2.1).
    Ignores,
    /// Everything else, unknown methods included: unsafe until shown otherwise.
    Write,
}

impl MethodClass {
    /// The class of a method. Method names are case-sensitive.
    pub fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Read,
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE => Self::Write,
            Method::OPTIONS | Method::TRACE | Method::CONNECT => Self::Ignores,
            _ if matches!(method.as_str(), "PROPFIND" | "REPORT" | "SEARCH" | "QUERY") => Self::SafeOther,
            _ => Self::Write,
        }
    }

    /// Whether a method finds 404 on a name where nothing is: its plain answer, which RFC 9110, Section 13.2.1 puts
    /// before all conditions.
    pub fn needs_target(method: &Method) -> bool {
        matches!(method.as_str(), "GET" | "HEAD" | "DELETE" | "PATCH")
    }
}

/// Whether a method stands in the IANA registry of HTTP methods. Others are refused with 501: what they do is
/// unknown, so they cannot be guarded.
pub fn is_registered(method: &Method) -> bool {
    const REGISTERED: [&str; 40] = [
        "ACL",
        "BASELINE-CONTROL",
        "BIND",
        "CHECKIN",
        "CHECKOUT",
        "CONNECT",
        "COPY",
        "DELETE",
        "GET",
        "HEAD",
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
        "OPTIONS",
        "ORDERPATCH",
        "PATCH",
        "POST",
        "PRI",
        "PROPFIND",
        "PROPPATCH",
        "PUT",
        "QUERY",
        "REBIND",
        "REPORT",
        "SEARCH",
        "TRACE",
        "UNBIND",
        "UNCHECKOUT",
        "UNLINK",
        "UNLOCK",
        "UPDATE",
        "UPDATEREDIRECTREF",
        "VERSION-CONTROL",
    ];
    // Nearly every request there is.
    if matches!(*method, Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::DELETE) {
        return true;
    }
    // PRI is registered so that nobody uses it.
    method != "PRI" && REGISTERED.binary_search(&method.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_by_method_and_by_route() {
        let m = |name: &str| Method::from_bytes(name.as_bytes()).unwrap();
        for (method, requirement) in [
            ("GET", Requirement::None),
            ("QUERY", Requirement::None),
            ("OPTIONS", Requirement::None),
            ("POST", Requirement::None),
            ("PUT", Requirement::VersionOrCreation),
            ("PATCH", Requirement::Version),
            ("DELETE", Requirement::Version),
            ("MOVE", Requirement::Version),
            ("put", Requirement::Version),
            ("FROB", Requirement::Version),
        ] {
            assert_eq!(Policy::store("r").requirement(&m(method)), requirement, "{method}");
        }
        let listed =
            Policy { requirements: vec![(Method::POST, Requirement::Version)], ..Policy::store("r") };
        assert_eq!(listed.requirement(&Method::POST), Requirement::Version);
        assert_eq!(listed.requirement(&Method::PUT), Requirement::VersionOrCreation);
        let only = Policy { others: Some(Requirement::None), ..listed };
        assert_eq!(only.requirement(&Method::POST), Requirement::Version);
        assert_eq!(only.requirement(&Method::PUT), Requirement::None);
    }

    #[test]
    fn the_registry_is_case_sensitive_and_complete_where_it_matters() {
        let m = |name: &str| is_registered(&Method::from_bytes(name.as_bytes()).unwrap());
        assert!(["ACL", "GET", "PUT", "QUERY", "VERSION-CONTROL", "UPDATEREDIRECTREF"].into_iter().all(m));
        assert!(!["PRI", "get", "FROB", "PURGE", ""].into_iter().filter(|n| !n.is_empty()).any(m));
    }
}
