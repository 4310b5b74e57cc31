//! Each code: an API that provokes it. A sound API provokes none.

use super::api::{CONTENT, Change, ORIGIN, Reply, TAG, codes, everything, has, now, run, serve};
use ifmatch_diagnose::inspect::{ARTICLES, Plan, Severity, State};
use ifmatch_testkit::dates::imf_fixdate;
use ifmatch_testkit::upstream::Request;
use std::collections::BTreeSet;
use std::time::Duration;

/// One thing that is wrong, and what is said about it.
struct Case {
    code: &'static str,
    severity: Severity,
    /// With the server itself.
    direct: Change,
    /// With the proxy.
    via: Change,
    plan: fn(&mut Plan),
}

const fn case(code: &'static str, severity: Severity, direct: Change) -> Case {
    Case { code, severity, direct, via: direct, plan: |_| {} }
}

const BAD: Severity = Severity::Bad;
const WARN: Severity = Severity::Warn;
const SOUND: Change = |_, _, reply| reply;

fn is_get(request: &Request) -> bool {
    request.method == "GET" && request.path() == super::api::PATH
}

fn takes_gzip(request: &Request) -> bool {
    is_get(request) && request.value("accept-encoding") == Some("gzip")
}

fn asked(request: &Request, name: &str, value: &str) -> bool {
    request.value(name) == Some(value)
}

/// Compressed as it should be: a tag of its own that If-Match takes.
fn compressed(request: &Request, reply: Reply) -> Reply {
    let reply = reply.with("Vary", "Origin, Accept-Encoding");
    if !takes_gzip(request) {
        return reply;
    }
    match request.value("if-match") {
        Some("\"7-gzip\"") => Reply { status: 200, ..reply }.content(CONTENT).coded("\"7-gzip\""),
        _ => reply.coded("\"7-gzip\""),
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("V001", BAD, |_, _, reply| reply.without("ETag")),
    case("V002", BAD, |_, _, reply| reply.tagged("7")),
    case("V003", BAD, |_, _, reply| reply.tagged("W/\"7\"")),
    case("V004", BAD, |request, _, reply| {
        let reply = reply.with("Vary", "Accept-Encoding");
        if takes_gzip(request) { reply.coded("W/\"7\"") } else { reply }
    }),
    // If-Match with "7-gzip" is refused by what is behind.
    case("V005", BAD, |request, _, reply| {
        let reply = reply.with("Vary", "Accept-Encoding");
        if takes_gzip(request) { reply.coded("\"7-gzip\"") } else { reply }
    }),
    case("V006", WARN, |request, _, reply| {
        let reply = reply.with("Vary", "Accept-Encoding");
        if takes_gzip(request) { reply.coded(TAG) } else { reply }
    }),
    case("V007", BAD, |_, _, reply| reply.without("Access-Control-Expose-Headers")),
    case("V007", BAD, |_, _, reply| reply.without("Access-Control-Allow-Origin")),
    case("V008", WARN, |request, _, reply| compressed(request, reply).with("Vary", "Origin")),
    case("V008", WARN, |request, _, reply| match request.value("accept") {
        Some("*/*") | None => reply,
        _ if is_get(request) => reply.with("Content-Type", "text/plain").content(b"a: 2").tagged("\"7-text\""),
        _ => reply,
    }),
    case("V008", WARN, |_, _, reply| reply.without("Vary")),
    case("V009", BAD, |_, now, reply| reply.tagged(&format!("\"{}\"", now.number))),
    // Only when it is compressed.
    case("V009", BAD, |request, now, reply| {
        let reply = reply.with("Vary", "Origin, Accept-Encoding");
        if takes_gzip(request) { reply.coded(&format!("\"{}\"", now.number)) } else { reply }
    }),
    case("V010", BAD, |request, now, reply| match now.number % 3 {
        2 if is_get(request) => reply.content(b"{\"name\":\"a\",\"stock\":1}"),
        _ => reply,
    }),
    case("V011", WARN, |request, _, reply| match request.path() {
        "/items/" => reply.content(b"{\"items\":[{\"id\":1,\"name\":\"a\"}],\"total\":1}"),
        _ => reply,
    }),
    case("V012", BAD, |request, now, reply| {
        if !is_get(request) { return reply; }
        let content = format!("{{\"name\":\"a\",\"served_at\":{}}}", now.number);
        reply.content(content.as_bytes()).tagged(&format!("\"{}\"", now.number))
    }),
    case("V012", WARN, |request, now, reply| {
        if !is_get(request) { return reply; }
        reply.content(format!("{{\"name\":\"a\",\"served_at\":{}}}", now.number).as_bytes())
    }),
    case("V013", BAD, |request, _, reply| reply.tagged(&format!("\"7-{}\"", request.connection % 2))),
    // Old and new in turns.
    case("V013", BAD, |request, now, reply| match now.number % 2 {
        1 if is_get(request) => reply.content(b"{\"name\":\"a\",\"stock\":1}").tagged("\"6\""),
        _ => reply,
    }),
    case("V014", BAD, |request, _, reply| match request.method.as_str() {
        "HEAD" => reply.tagged("\"head\""),
        _ => reply,
    }),
    case("V014", WARN, |request, _, reply| match request.method.as_str() {
        "HEAD" => Reply { status: 405, ..reply },
        _ => reply,
    }),
    case("V014", WARN, |request, _, reply| match request.method.as_str() {
        "HEAD" => reply.with("Content-Type", "text/html"),
        _ => reply,
    }),
    case("V015", WARN, |request, _, reply| match request.value("if-none-match") {
        Some(TAG) => Reply { status: 200, ..reply }.content(CONTENT),
        _ => reply,
    }),
    // Only the weak form is not known.
    case("V015", WARN, |request, _, reply| match request.value("if-none-match") {
        Some("W/\"7\"") => Reply { status: 200, ..reply }.content(CONTENT),
        _ => reply,
    }),
    case("V016", BAD, |request, _, reply| match has(request, "if-none-match") {
        true => Reply { status: 304, ..reply }.content(b""),
        false => reply,
    }),
    case("V017", WARN, |_, _, reply| if reply.status == 304 { reply.without("ETag") } else { reply }),
    case("V018", WARN, |request, _, reply| match request.value("accept") {
        Some("*/*") | None => reply,
        _ if is_get(request) => reply.with("Content-Type", "text/plain").with("Vary", "accept").content(b"a: 2"),
        _ => reply,
    }),
    case("V019", WARN, |_, _, reply| {
        reply.without("ETag").with("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
    }),
    case("V020", WARN, |_, _, reply| reply.with("Date", &imf_fixdate(now() - 3600))),
    case("V020", WARN, |_, _, reply| reply.with("Date", &imf_fixdate(now() + 3600))),
    case("V021", WARN, |_, _, reply| reply.with("Last-Modified", &imf_fixdate(now() + 3600))),
    case("V022", WARN, |_, _, reply| {
        let tag = format!("\"{:x}-{:x}\"", 784_111_777, CONTENT.len());
        reply.tagged(&tag).with("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
    }),
    case("V023", BAD, |request, _, reply| match has(request, "if-match") && is_get(request) {
        true => Reply { status: 412, ..reply },
        false => reply,
    }),
    case("V024", BAD, |_, _, reply| reply.with("Access-Control-Allow-Headers", "Content-Type")),
    case("V024", BAD, |_, _, reply| reply.with("Access-Control-Allow-Methods", "GET, POST")),
    // With credentials * is a name like any other.
    case("V024", WARN, |_, _, reply| reply.with("Access-Control-Allow-Headers", "*")),
    case("V024", WARN, |_, _, reply| reply.with("Access-Control-Allow-Methods", "*")),
    // Names of methods are compared as they are written.
    case("V024", BAD, |_, _, reply| reply.with("Access-Control-Allow-Methods", "put, patch")),
    // JSON needs its type.
    case("V024", BAD, |_, _, reply| reply.with("Access-Control-Allow-Headers", "if-match")),
    case("V024", BAD, |request, _, reply| match request.method.as_str() {
        "OPTIONS" => Reply { status: 401, ..reply },
        _ => reply,
    }),
    case("V025", WARN, |_, _, reply| reply.with("Access-Control-Expose-Headers", "*")),
    case("V026", WARN, |request, _, reply| match request.method.as_str() {
        "PUT" => reply.without("ETag"),
        _ => reply,
    }),
    case("V027", BAD, |request, now, reply| match (request.method.as_str(), now.is_written) {
        ("PUT", _) => reply.tagged("\"9\""),
        (_, true) => reply.tagged("\"8\""),
        _ => reply,
    }),
    case("V028", BAD, |request, _, reply| match request.method.as_str() {
        "PUT" => reply.tagged("\"8\""),
        _ => reply,
    }),
    case("V029", WARN, |request, now, reply| match (request.method.as_str(), now.is_written) {
        ("PUT", _) => reply.tagged("\"8\""),
        (_, true) if is_get(request) => reply.content(b"{\"name\":\"a\",\"stock\":2,\"changed\":1}").tagged("\"8\""),
        _ => reply,
    }),
    case("V030", BAD, |request, _, reply| match request.method.as_str() {
        "PUT" => Reply { status: 412, ..reply },
        _ => reply,
    }),
    Case { via: |_, _, reply| reply.without("ETag"), ..case("V031", BAD, SOUND) },
    Case { via: |_, _, reply| reply.tagged("W/\"7\""), ..case("V031", BAD, SOUND) },
    Case { via: |_, _, reply| reply.tagged("\"proxy\""), ..case("V031", BAD, SOUND) },
    // It knows its own tag in reads of a cache, and what is behind it does not.
    Case {
        via: |request, _, reply| match asked(request, "if-none-match", "\"proxy\"") {
            true => Reply { status: 304, ..reply }.content(b"").tagged("\"proxy\""),
            false => reply.tagged("\"proxy\""),
        },
        ..case("V031", BAD, SOUND)
    },
    Case {
        via: |_, _, reply| reply.content(b"{\"name\":\"old\"}").tagged("\"6\"").with("X-Cache", "HIT"),
        ..case("V032", BAD, SOUND)
    },
    // Not within what is allowed either.
    Case {
        via: |_, _, reply| reply.content(b"{\"name\":\"old\"}").tagged("\"6\""),
        plan: |plan| plan.max_age = Some(Duration::from_millis(20)),
        ..case("V032", BAD, SOUND)
    },
    Case {
        via: |request, _, reply| match has(request, "if-none-match") {
            true => Reply { status: 200, ..reply }.content(CONTENT),
            false => reply,
        },
        ..case("V033", WARN, SOUND)
    },
    case("V034", BAD, |_, _, reply| reply.with("Cache-Control", "max-age=600")),
    Case { plan: |plan| plan.max_age = None, ..case("V034", WARN, |_, _, reply| reply.with("Cache-Control", "max-age=600")) },
    case("V034", BAD, |_, _, reply| reply.with("Age", "45")),
    case("V034", WARN, |_, _, reply| {
        reply.without("Cache-Control").with("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
    }),
    case("V034", BAD, |_, _, reply| reply.with("Cache-Control", "max-age=0, stale-while-revalidate=60")),
    // Only the proxy lets it be kept.
    Case { via: |_, _, reply| reply.with("Cache-Control", "max-age=600"), ..case("V034", BAD, SOUND) },
    case("V035", WARN, |_, _, reply| reply.with("X-Cache", "HIT")),
    case("V036", WARN, |_, _, reply| match reply.status {
        304 => reply.without("Access-Control-Allow-Origin"),
        _ => reply,
    }),
    case("V037", WARN, |request, _, reply| match request.path() {
        "/items/" => reply.content(b"[{\"id\":1,\"etag\":\"\\\"OLD\\\"\"}]"),
        _ => reply,
    }),
    // Without its quotes.
    case("V037", WARN, |request, _, reply| match request.path() {
        "/items/" => reply.content(b"[{\"href\":\"/items/1\",\"etag\":\"7\"},{\"href\":\"/items/2\",\"etag\":\"1\"}]"),
        _ => reply,
    }),
    case("V037", WARN, |request, _, reply| match request.path() {
        "/items/" => reply.content(b"{\"value\":[{\"id\":1,\"@odata.etag\":\"W/\\\"7\\\"\"}]}"),
        _ => reply,
    }),
];

#[test]
fn each_is_found_where_it_is() {
    for (index, Case { code, severity, direct, via, plan: set }) in CASES.iter().enumerate() {
        let (direct, via) = (serve(*direct), serve(*via));
        let mut plan = everything(&direct, &via);
        set(&mut plan);
        let inspection = run(&plan).unwrap();
        let found = codes(&inspection);
        assert!(
            found.contains(&(*code, *severity)),
            "{code}, case {index}: {found:?}\n{:#?}",
            inspection.checks
        );
        // What is marked is in what was seen, and each finding has its line in the table.
        for finding in &inspection.findings {
            assert!(!finding.marks.is_empty(), "{code}: {finding:?}");
            let is_listed = inspection.checks.iter().any(|check| check.code == Some(finding.code));
            assert!(is_listed, "{code}: {finding:?}");
        }
        assert_eq!(inspection.is_sound(false), !found.iter().any(|(_, severity)| *severity == BAD));
        assert!(!inspection.is_sound(true));
    }
}

#[test]
fn there_is_a_case_for_each_article_and_an_article_for_each_code() {
    let cases: BTreeSet<_> = CASES.iter().map(|case| case.code).collect();
    let articles: BTreeSet<_> = ARTICLES.iter().map(|article| article.code).collect();
    assert_eq!(cases, articles);
    assert_eq!(articles.len(), ARTICLES.len());
}

/// Nothing is found, and nothing that could be tested is left out.
#[track_caller]
fn assert_sound(direct: Change, unknown: &[&str]) {
    let (direct, via) = (serve(direct), serve(direct));
    let inspection = run(&everything(&direct, &via)).unwrap();
    assert_eq!(codes(&inspection), [], "{:#?}", inspection.findings);
    let not: Vec<_> = inspection.checks.iter().filter(|check| check.state == State::Unknown).collect();
    assert!(not.iter().all(|check| unknown.contains(&check.what.as_str())), "{not:#?}");
    assert_eq!(not.len(), unknown.len(), "{not:#?}");
    let sent = direct.requests().len() + via.requests().len();
    assert_eq!(inspection.requests, sent);
    assert!(inspection.conclusion.starts_with("Nothing wrong was seen. One PUT was sent with If-Match"));
}

#[test]
fn a_sound_api_has_no_finding() {
    assert_sound(SOUND, &["the requirement is announced"]);
}

#[test]
fn nor_one_that_announces_what_it_requires() {
    assert_sound(|_, _, reply| reply.with("Precondition-Policy", "mode=enforce"), &[]);
}

#[test]
fn nor_one_with_another_tag_for_each_coding() {
    assert_sound(|request, _, reply| compressed(request, reply), &["the requirement is announced"]);
}

#[test]
fn nor_one_with_another_tag_for_each_media_type() {
    assert_sound(
        |request, _, reply| {
            let reply = reply.with("Vary", "Accept, Origin");
            match request.value("accept") {
                Some("*/*") | None => reply,
                _ if is_get(request) => {
                    reply.with("Content-Type", "text/plain").content(b"a: 2").tagged("\"7-text\"")
                }
                _ => reply,
            }
        },
        &["the requirement is announced"],
    );
}

#[test]
fn nor_one_that_has_a_date_and_an_expired_lifetime() {
    assert_sound(
        |_, _, reply| {
            reply
                .with("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
                .with("Cache-Control", "max-age=0, private")
        },
        &["the requirement is announced"],
    );
}

#[test]
fn nor_one_that_says_nothing_of_conditions_on_reads() {
    // If-Match on a GET is not looked at: that says nothing about writes.
    assert_sound(
        |request, _, reply| match reply.status {
            412 if is_get(request) => Reply { status: 200, ..reply }
                .with("Content-Type", "application/json")
                .with("ETag", TAG)
                .with("Cache-Control", "no-cache")
                .content(CONTENT),
            _ => reply,
        },
        &["If-Match takes the tag", "the requirement is announced"],
    );
}

#[test]
fn nor_one_that_lets_every_page_read() {
    assert_sound(
        |request, _, reply| match asked(request, "origin", ORIGIN) {
            true => reply
                .without("Access-Control-Allow-Credentials")
                .with("Access-Control-Allow-Origin", "*")
                .with("Access-Control-Expose-Headers", "*")
                .with("Access-Control-Allow-Headers", "*")
                .with("Access-Control-Allow-Methods", "*"),
            false => reply,
        },
        &["the requirement is announced"],
    );
}
