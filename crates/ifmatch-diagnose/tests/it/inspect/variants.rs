//! What is told besides the code: members, numbers of requests, what is not tested and why.

use super::api::{CONTENT, PATH, Reply, codes, everything, has, run, serve, url};
use ifmatch_client::wire::Url;
use ifmatch_diagnose::inspect::{Inspection, Plan, REQUESTS_MAX, Severity, State};
use ifmatch_testkit::upstream::Scripted;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn check<'a>(inspection: &'a Inspection, what: &str) -> &'a ifmatch_diagnose::inspect::Check {
    let found = inspection.checks.iter().find(|check| check.what == what);
    found.unwrap_or_else(|| panic!("{what}: {:#?}", inspection.checks))
}

#[test]
fn members_that_differ_are_named() {
    let upstream = serve(|_, now, reply| {
        if reply.content != CONTENT {
            return reply;
        }
        let content =
            format!("{{\"name\":\"a\",\"meta\":{{\"at\":{}}},\"token\":\"s{}\"}}", now.number, now.number);
        reply.content(content.as_bytes()).tagged(&format!("\"{}\"", now.number))
    });
    let inspection = run(&Plan::new(url(&upstream))).unwrap();
    let finding = inspection.findings.iter().find(|finding| finding.code == "V012").unwrap();
    assert!(finding.marks[0].line.starts_with("/meta/at  0, 1, 2, …"), "{:?}", finding.marks);
    // What is called like a secret is not shown.
    assert_eq!(finding.marks[1].line, "/token  ***, ***, ***, …");
    // What cannot be compared is not called wrong.
    assert_eq!(check(&inspection, "HEAD shows what GET shows").state, State::Unknown);
    assert_eq!(codes(&inspection), [("V012", Severity::Bad)]);
}

#[test]
fn one_change_in_between_is_no_finding() {
    let upstream = serve(|_, now, reply| match now.number {
        0 | 1 => reply,
        _ if reply.content == CONTENT => reply.content(b"{\"name\":\"b\"}").tagged("\"8\""),
        _ => reply,
    });
    let inspection = run(&Plan::new(url(&upstream))).unwrap();
    let told = check(&inspection, "same tag for the same content");
    assert_eq!(told.state, State::Unknown);
    assert!(told.seen.contains("when nobody writes"), "{told:?}");
    assert!(
        !codes(&inspection).iter().any(|(_, severity)| *severity == Severity::Bad),
        "{:?}",
        codes(&inspection)
    );
}

#[test]
fn a_renamed_tag_whose_use_is_not_known_is_a_warning() {
    let upstream = serve(|request, _, reply| {
        // If-Match on reads is not looked at.
        let reply = if reply.status == 412 {
            Reply { status: 200, ..reply }.content(CONTENT).with("ETag", "\"7\"")
        } else {
            reply
        };
        let reply = reply.with("Vary", "Accept-Encoding").with("Cache-Control", "no-cache");
        if request.value("accept-encoding") == Some("gzip") { reply.coded("\"7-gzip\"") } else { reply }
    });
    let inspection = run(&Plan::new(url(&upstream))).unwrap();
    assert_eq!(codes(&inspection), [("V005", Severity::Warn)]);
}

#[test]
fn a_file_that_is_new_may_have_a_weak_tag_for_a_moment() {
    let upstream = serve(|_, now, reply| {
        let at = ifmatch_testkit::dates::imf_fixdate(super::api::now());
        let reply = if reply.status == 200 { reply.with("Last-Modified", &at) } else { reply };
        if now.number == 0 { reply.tagged("W/\"7\"") } else { reply }
    });
    let inspection = run(&Plan::new(url(&upstream))).unwrap();
    assert!(codes(&inspection).contains(&("V003", Severity::Warn)), "{:?}", codes(&inspection));
    assert_eq!(inspection.validators.etag_is.as_deref(), Some("strong"));
}

#[test]
fn a_cache_that_catches_up_in_time_is_fresh_enough() {
    let direct = serve(|_, _, reply| reply);
    let via = serve(|_, now, reply| match now.number {
        0 | 1 if reply.status == 200 => reply.content(b"{\"name\":\"old\"}").tagged("\"6\""),
        _ => reply,
    });
    let mut plan = Plan::new(url(&direct));
    plan.via = Some(Url::parse(&via.url()).unwrap());
    plan.max_age = Some(Duration::from_secs(1));
    let inspection = run(&plan).unwrap();
    assert_eq!(check(&inspection, "the proxy is not too far behind").state, State::Ok);
    assert_eq!(codes(&inspection), []);
}

#[test]
fn what_is_behind_the_proxy_has_a_path_of_its_own_or_the_same() {
    let direct = serve(|_, _, reply| reply);
    let via = serve(|_, _, reply| reply);
    let mut plan = Plan::new(url(&direct));
    plan.via = Some(Url::parse(&format!("{}{PATH}?x=1", via.url())).unwrap());
    run(&plan).unwrap();
    assert!(via.requests().iter().all(|request| request.target == format!("{PATH}?x=1")));
}

#[test]
fn nothing_is_written_unless_it_is_asked_for() {
    let (direct, via) = (serve(|_, _, reply| reply), serve(|_, _, reply| reply));
    let mut plan = everything(&direct, &via);
    plan.after_write = false;
    plan.reads = 10;
    let inspection = run(&plan).unwrap();
    for upstream in [&direct, &via] {
        let methods: Vec<_> = upstream.requests().into_iter().map(|request| request.method).collect();
        assert!(
            methods.iter().all(|method| ["GET", "HEAD", "OPTIONS"].contains(&method.as_str())),
            "{methods:?}"
        );
    }
    assert!(inspection.requests <= REQUESTS_MAX);
    assert_eq!(check(&inspection, "writes").state, State::Unknown);
}

#[test]
fn what_is_written_is_what_was_read_with_its_tag() {
    let (direct, via) = (serve(|_, _, reply| reply), serve(|_, _, reply| reply));
    run(&everything(&direct, &via)).unwrap();
    let puts = direct.requests_to("PUT", "*");
    assert_eq!(puts.len(), 1);
    assert_eq!((puts[0].text().as_bytes(), puts[0].value("if-match")), (CONTENT, Some("\"7\"")));
    assert_eq!(puts[0].value("content-type"), Some("application/json"));
    assert_eq!(via.count("PUT"), 0);
}

#[test]
fn without_a_strong_tag_nothing_is_written() {
    for tag in ["W/\"7\"", "7"] {
        let upstream = if tag == "7" {
            serve(|_, _, reply| reply.tagged("7"))
        } else {
            serve(|_, _, reply| reply.tagged("W/\"7\""))
        };
        let mut plan = Plan::new(url(&upstream));
        plan.after_write = true;
        let inspection = run(&plan).unwrap();
        assert_eq!(upstream.count("PUT"), 0, "{tag}");
        assert!(check(&inspection, "a write and the reads after it").seen.contains("nothing was written"));
    }
}

#[test]
fn a_refusal_to_take_the_content_is_no_finding() {
    let upstream = serve(|request, _, reply| match request.method.as_str() {
        "PUT" => Reply { status: 405, ..reply },
        _ => reply,
    });
    let mut plan = Plan::new(url(&upstream));
    plan.after_write = true;
    let inspection = run(&plan).unwrap();
    assert_eq!(codes(&inspection), []);
    assert!(check(&inspection, "a write and the reads after it").seen.contains("405"));
}

#[test]
fn preflights_carry_no_credentials() {
    let upstream = serve(|request, _, reply| match request.method.as_str() {
        "OPTIONS" if has(request, "authorization") && has(request, "origin") => {
            Reply { status: 400, ..reply }
        }
        _ => reply,
    });
    let mut access = ifmatch_client::wire::Access::default();
    access.bearer("secret").unwrap();
    let mut plan = Plan::new(url(&upstream));
    plan.origin = Some(super::api::ORIGIN.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let inspection = runtime.block_on(ifmatch_diagnose::inspect::inspect(&plan, &access)).unwrap();
    assert_eq!(codes(&inspection), []);
    assert!(upstream.requests_to("GET", PATH).iter().all(|request| has(request, "authorization")));
}

/// The new version from some request on. For those who accept gzip there is a variant with a tag of its own.
fn changed_from(moment: usize) -> (Scripted, Plan) {
    static MOMENT: AtomicUsize = AtomicUsize::new(0);
    MOMENT.store(moment, Ordering::Relaxed);
    let upstream = serve(|request, now, reply| {
        if request.path() != PATH || request.method == "OPTIONS" {
            return reply;
        }
        let is_new = now.number >= MOMENT.load(Ordering::Relaxed);
        let is_coded = request.value("accept-encoding") == Some("gzip");
        let (plain, coded) = if is_new { ("\"8\"", "\"8-gzip\"") } else { ("\"7\"", "\"7-gzip\"") };
        let tag = if is_coded { coded } else { plain };
        let names = |name: &str, tag: &str| request.value(name).is_some_and(|value| value.ends_with(tag));
        let shown = Reply { status: 200, ..reply.clone() }
            .with("Content-Type", "application/json")
            .with("Cache-Control", "no-cache")
            .with("Vary", "Accept-Encoding")
            .with("ETag", tag)
            .content(if is_new { b"{\"name\":\"b\"}" } else { CONTENT });
        match request.method.as_str() {
            "PUT" if names("if-match", plain) => Reply { status: 204, ..reply }.with("ETag", plain),
            "PUT" => Reply { status: 412, ..reply },
            _ if has(request, "if-match") && !names("if-match", tag) => Reply { status: 412, ..reply },
            _ if names("if-none-match", tag) => Reply { status: 304, ..shown }.content(b""),
            _ if is_coded => shown.coded(coded),
            _ => shown,
        }
    });
    let mut plan = Plan::new(url(&upstream));
    plan.after_write = true;
    (upstream, plan)
}

/// Whatever a write of somebody else would explain as well is not called wrong.
#[test]
fn a_write_at_any_moment_is_no_finding() {
    let at = |moment| {
        let (_upstream, plan) = changed_from(moment);
        run(&plan).unwrap()
    };
    let never = at(usize::MAX);
    assert_eq!(codes(&never), [], "{:#?}", never.findings);
    assert!(check(&never, "gzip has a tag of its own").seen.contains("If-Match takes it"));
    for moment in 1..=never.requests {
        let inspection = at(moment);
        assert_eq!(codes(&inspection), [], "at {moment}: {:#?}", inspection.checks);
    }
}

#[test]
fn nor_is_one_after_the_proxy_was_asked() {
    static IS_ASKED: AtomicBool = AtomicBool::new(false);
    let via = serve(|_, _, reply| {
        IS_ASKED.store(true, Ordering::Relaxed);
        reply
    });
    let direct = serve(|request, _, reply| match IS_ASKED.load(Ordering::Relaxed) {
        true if request.path() == PATH && reply.status == 200 => {
            reply.content(b"{\"name\":\"b\"}").tagged("\"8\"")
        }
        _ => reply,
    });
    let mut plan = Plan::new(url(&direct));
    plan.via = Some(Url::parse(&via.url()).unwrap());
    let inspection = run(&plan).unwrap();
    assert_eq!(codes(&inspection), []);
    assert_eq!(check(&inspection, "the proxy shows the same tag").state, State::Unknown);
}

#[test]
fn what_does_not_stay_is_not_written_back() {
    let upstream = serve(|_, now, reply| reply.tagged(&format!("\"{}\"", now.number)));
    let mut plan = Plan::new(url(&upstream));
    plan.after_write = true;
    let inspection = run(&plan).unwrap();
    assert_eq!(upstream.count("PUT"), 0);
    assert!(check(&inspection, "a write and the reads after it").seen.contains("nothing was written"));
}

#[test]
fn a_list_that_does_not_have_it_is_not_its_list() {
    let upstream = serve(|request, _, reply| match request.path() {
        "/items/" => reply.content(b"{\"links\":[{\"rel\":\"self\",\"href\":\"/items/\"}]}"),
        _ => reply,
    });
    let inspection = run(&Plan::new(url(&upstream))).unwrap();
    assert_eq!(codes(&inspection), []);
    assert_eq!(check(&inspection, "list items carry tags").state, State::Unknown);
    // Unless one is told that it is.
    let mut plan = Plan::new(url(&upstream));
    plan.list = Some(Url::parse(&format!("{}/items/", upstream.url())).unwrap());
    assert_eq!(codes(&run(&plan).unwrap()), [("V011", Severity::Warn)]);
}

#[test]
fn what_is_neither_sent_nor_told_may_be_of_somebody_else() {
    let upstream = serve(|request, now, reply| match (request.method.as_str(), now.is_written) {
        ("PUT", _) => reply.tagged("\"8\""),
        (_, true) if request.path() == PATH => reply.content(b"{\"name\":\"c\"}").tagged("\"9\""),
        _ => reply,
    });
    let mut plan = Plan::new(url(&upstream));
    plan.after_write = true;
    let inspection = run(&plan).unwrap();
    assert_eq!(codes(&inspection), []);
    assert_eq!(check(&inspection, "a write and the reads after it").state, State::Unknown);
}

#[test]
fn a_version_by_any_name_is_one() {
    let upstream = serve(|request, _, reply| match request.path() {
        "/items/" => reply.content(b"{\"data\":[{\"id\":\"1\",\"changed\":7},{\"id\":\"2\",\"changed\":9}]}"),
        _ => reply,
    });
    let inspection = run(&Plan::new(url(&upstream))).unwrap();
    assert_eq!(check(&inspection, "list items carry tags").seen, "\"changed\" in each of 2; not compared");
}

#[test]
fn a_date_that_servers_show_for_a_second_is_not_behind() {
    let upstream = serve(|_, _, reply| {
        static START: LazyLock<i64> = LazyLock::new(super::api::now);
        let date = |at| ifmatch_testkit::dates::imf_fixdate(at);
        reply.with("Date", &date(*START - 1)).with("Last-Modified", &date(*START))
    });
    assert_eq!(codes(&run(&Plan::new(url(&upstream))).unwrap()), []);
}

/// A server may hold a date back until it names one state.
#[test]
fn a_date_that_appears_is_no_difference_of_head() {
    let upstream = serve(|_, now, reply| match now.number {
        0..5 => reply,
        _ => reply.with("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    });
    assert_eq!(codes(&run(&Plan::new(url(&upstream))).unwrap()), []);
}
