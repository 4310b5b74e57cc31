//! Servers that are odd on purpose: what is said of them is what was seen.

use super::api::{CONTENT, ORIGIN, PATH, Reply, TAG, codes, has, run, serve, url};
use ifmatch_client::wire::Url;
use ifmatch_diagnose::inspect::{Check, Inspection, Plan, Severity, State};

fn check<'a>(inspection: &'a Inspection, what: &str) -> &'a Check {
    let found = inspection.checks.iter().find(|check| check.what == what);
    found.unwrap_or_else(|| panic!("{what}: {:#?}", inspection.checks))
}

fn has_check(inspection: &Inspection, what: &str) -> bool {
    inspection.checks.iter().any(|check| check.what == what)
}

/// Says nowhere that the tag does not stay.
#[track_caller]
fn assert_tag_is_said_to_stay(inspection: &Inspection) {
    let is_said = |check: &&Check| {
        check.seen.contains("the tag does not stay") || check.seen.contains("show different things")
    };
    assert_eq!(inspection.checks.iter().find(is_said), None);
}

/// A gateway: tags of its own, with which it evaluates conditions.
#[test]
fn a_proxy_that_makes_its_own_tags_is_no_finding() {
    const OWN: &str = "\"gw-1\"";
    let direct = serve(|_, _, reply| reply);
    let through = |is_evaluating: bool| {
        let change: super::api::Change = match is_evaluating {
            true => |request, _, reply| match (request.value("if-match"), request.value("if-none-match")) {
                (Some(OWN), _) => Reply { status: 200, ..reply }.with("ETag", OWN).content(CONTENT),
                (_, Some(OWN)) => Reply { status: 304, ..reply }.tagged(OWN).content(b""),
                // The server's is not known here.
                (_, Some(_)) => Reply { status: 200, ..reply }.with("ETag", OWN).content(CONTENT),
                _ => reply.tagged(OWN),
            },
            false => |request, _, reply| match request.value("if-none-match") {
                Some(OWN) => Reply { status: 304, ..reply }.tagged(OWN).content(b""),
                _ => Reply { status: 200, ..reply }.with("ETag", OWN).content(CONTENT),
            },
        };
        let via = serve(change);
        let mut plan = Plan::new(url(&direct));
        plan.via = Some(Url::parse(&via.url()).unwrap());
        run(&plan).unwrap()
    };
    for (is_evaluating, state) in [(true, State::Ok), (false, State::Unknown)] {
        let inspection = through(is_evaluating);
        assert_eq!(codes(&inspection), [], "{:#?}", inspection.findings);
        let told = check(&inspection, "the proxy makes its own tags");
        assert_eq!(told.state, state, "{told:?}");
        assert!(told.seen.starts_with(OWN), "{told:?}");
        assert_eq!(check(&inspection, "the proxy heeds If-None-Match").state, State::Ok);
    }
}

#[test]
fn a_proxy_that_does_not_show_it_was_not_tested() {
    for status in [302, 401, 403, 404] {
        let direct = serve(|_, _, reply| reply);
        let via = ifmatch_testkit::upstream::Scripted::start().unwrap();
        via.always("*", "*", ifmatch_testkit::upstream::Course::status(status));
        let mut plan = Plan::new(url(&direct));
        plan.via = Some(Url::parse(&via.url()).unwrap());
        let inspection = run(&plan).unwrap();
        assert_eq!(codes(&inspection), []);
        assert!(inspection.is_incomplete(), "{status}");
        let part = format!("The proxy was not tested: a GET through it: answered {status}.");
        assert!(inspection.conclusion.contains(&part), "{}", inspection.conclusion);
    }
}

#[test]
fn reads_that_were_refused_are_told_as_that() {
    for status in [401_u16, 429, 503] {
        let inspection = match status {
            401 => run_refusing(|_, now, reply| refused(401, now.number, reply)),
            429 => run_refusing(|_, now, reply| refused(429, now.number, reply)),
            _ => run_refusing(|_, now, reply| refused(503, now.number, reply)),
        };
        assert_eq!(codes(&inspection), [], "{status}");
        assert!(inspection.is_incomplete(), "{status}");
        assert!(inspection.conclusion.contains("no answer that tells"), "{}", inspection.conclusion);
        assert_tag_is_said_to_stay(&inspection);
        let head = check(&inspection, "HEAD shows what GET shows");
        assert!(head.seen.contains(&format!("answered {status}")), "{head:?}");
    }
}

fn refused(status: u16, number: usize, reply: Reply) -> Reply {
    if number % 2 == 1 { Reply { status, ..reply } } else { reply }
}

fn run_refusing(change: super::api::Change) -> Inspection {
    run(&Plan::new(url(&serve(change)))).unwrap()
}

#[test]
fn where_only_the_content_moves_the_tag_is_not_said_to_move() {
    let always = run_refusing(|request, now, reply| match (request.method.as_str(), reply.status) {
        ("GET", 200) => reply.content(format!("{{\"now\":{}}}", now.number).as_bytes()),
        _ => reply,
    });
    assert_tag_is_said_to_stay(&always);
    assert_eq!(codes(&always), [("V012", Severity::Warn)]);
    let once = run_refusing(|request, now, reply| match (request.method.as_str(), reply.status) {
        ("GET", 200) if request.path() == PATH && now.number > 1 => reply.content(b"{\"name\":\"b\"}"),
        _ => reply,
    });
    assert_tag_is_said_to_stay(&once);
    assert!(codes(&once).contains(&("V010", Severity::Bad)), "{:?}", codes(&once));
    let head = check(&once, "HEAD shows what GET shows");
    assert!(head.seen.contains("the content does not stay"), "{head:?}");
}

#[test]
fn a_coding_that_got_no_answer_is_not_called_uncompressed() {
    let some = run_refusing(|request, _, reply| match request.value("accept-encoding") {
        Some("br") => Reply { status: 429, ..reply },
        _ => reply,
    });
    assert_eq!(check(&some, "compression").seen, "br: answered 429");
    assert_eq!(check(&some, "no compression").seen, "asked for gzip, zstd, deflate");
    let none = run_refusing(|request, _, reply| match request.value("accept-encoding") {
        Some("gzip" | "br" | "zstd" | "deflate") => Reply { status: 429, ..reply },
        _ => reply,
    });
    assert!(!has_check(&none, "no compression"), "{:#?}", none.checks);
}

#[test]
fn if_match_that_is_always_refused_was_looked_at() {
    let inspection = run_refusing(|request, _, reply| match has(request, "if-match") {
        true => Reply { status: 400, ..reply },
        false => reply,
    });
    let told = check(&inspection, "If-Match takes the tag");
    assert_eq!(
        (told.state, &*told.seen),
        (State::Unknown, "a GET with it is answered 400, whatever the tag")
    );
    assert_eq!(codes(&inspection), []);
}

#[test]
fn a_wildcard_in_a_preflight_keeps_out_only_requests_with_credentials() {
    let upstream = serve(|_, _, reply| reply.with("Access-Control-Allow-Headers", "*"));
    let mut plan = Plan::new(url(&upstream));
    plan.origin = Some(ORIGIN.to_owned());
    let inspection = run(&plan).unwrap();
    assert_eq!(codes(&inspection), [("V024", Severity::Warn)]);
    assert!(has_check(&inspection, "a browser with cookies cannot send If-Match"));
    assert_eq!(inspection.validators.etag.as_deref(), Some(TAG));
}

#[test]
fn the_report_says_what_a_write_may_have_done() {
    let upstream = serve(|_, _, reply| reply);
    let mut plan = Plan::new(url(&upstream));
    plan.after_write = true;
    let written = run(&plan).unwrap();
    assert!(
        written.conclusion.contains("was not tested: one that ignores it loses"),
        "{}",
        written.conclusion
    );
    assert!(!written.is_incomplete());
    plan.after_write = false;
    assert!(!run(&plan).unwrap().conclusion.contains("PUT"));
}

/// A field that is the same for every page does not depend on Origin.
#[test]
fn an_origin_that_is_always_allowed_needs_no_vary() {
    let upstream = serve(|_, _, reply| {
        reply
            .with("Access-Control-Allow-Origin", ORIGIN)
            .with("Access-Control-Expose-Headers", "ETag")
            .without("Vary")
    });
    let mut plan = Plan::new(url(&upstream));
    plan.origin = Some(ORIGIN.to_owned());
    assert_eq!(codes(&run(&plan).unwrap()), []);
}

#[test]
fn only_the_tag_of_the_same_resource_is_compared() {
    let sound = run_refusing(|_, _, reply| reply);
    assert_eq!(check(&sound, "list items carry tags").seen, "\"etag\" in each of 2; this one's is right");
    let others = run_refusing(|request, _, reply| match request.path() {
        // Its number is another's stock.
        "/items/" => reply.content(b"[{\"id\":2,\"stock\":1,\"etag\":\"9\"}]"),
        _ => reply,
    });
    assert_eq!(codes(&others), []);
    assert!(check(&others, "list items carry tags").seen.ends_with("; not compared"));
}
