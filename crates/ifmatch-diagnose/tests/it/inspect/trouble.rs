//! Servers that do not answer are no finding.

use super::api::{PATH, Reply, codes, run, serve, url};
use ifmatch_client::wire::{Access, Url};
use ifmatch_diagnose::inspect::{Plan, State, Trouble, inspect};
use ifmatch_testkit::upstream::{Course, Point, Scripted};
use std::net::TcpListener;

#[test]
fn a_dead_host() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let trouble = run(&Plan::new(Url::parse(&format!("http://{address}/")).unwrap())).unwrap_err();
    assert!(matches!(trouble, Trouble::Silent(_)));
    let text = trouble.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("Nothing is known"), "{text}");
}

#[test]
fn answers_that_are_no_representation() {
    for (status, advice) in [
        (401, "--bearer"),
        (403, "credentials"),
        (404, "exists"),
        (429, "wait"),
        (204, "200"),
        (500, "trouble"),
        (503, "trouble"),
    ] {
        let upstream = Scripted::start().unwrap();
        upstream.always("*", "*", Course::status(status));
        let text = run(&Plan::new(url(&upstream))).unwrap_err().to_string();
        assert!(text.contains(&status.to_string()) && text.contains(advice), "{text}");
        assert_eq!(upstream.requests().len(), 1);
    }
}

#[test]
fn a_server_that_dies_on_the_way() {
    let upstream = serve(|_, now, reply| if now.number > 3 { Reply { status: 503, ..reply } } else { reply });
    let inspection = run(&Plan::new(url(&upstream))).unwrap();
    assert_eq!(codes(&inspection), []);
    assert!(inspection.is_incomplete());
    let read = inspection.checks.iter().find(|check| check.what == "same tag for the same content").unwrap();
    assert_eq!((read.state, read.seen.as_str()), (State::Unknown, "answered 503"));
    assert!(inspection.conclusion.contains("no answer that tells"), "{}", inspection.conclusion);
}

#[test]
fn an_answer_that_breaks_off() {
    let upstream = Scripted::start().unwrap();
    upstream.set(PATH, b"{}");
    upstream.always("GET", "*", Course::cut_at(Point::AnswerContent));
    assert!(matches!(run(&Plan::new(url(&upstream))), Err(Trouble::Silent(_))));
}

#[test]
fn content_that_is_too_long() {
    let upstream = Scripted::start().unwrap();
    upstream.always("GET", "*", Course::filler(9 << 20));
    let text = run(&Plan::new(url(&upstream))).unwrap_err().to_string();
    assert!(text.contains("more than 8388608 bytes"), "{text}");
}

#[test]
fn redirects_are_followed_and_credentials_stay_behind() {
    let there = serve(|_, _, reply| reply);
    let here = Scripted::start().unwrap();
    here.always("GET", "*", Course::redirect(307, &format!("{}{PATH}", there.url())));
    let mut access = Access::default();
    access.bearer("secret").unwrap();
    access.field("X-Client: test").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let plan = Plan::new(url(&here));
    let inspection = runtime.block_on(inspect(&plan, &access)).unwrap();
    assert_eq!(codes(&inspection), []);
    assert_eq!(inspection.url, url(&there).to_string());
    assert_eq!(inspection.redirected_from.as_deref(), Some(url(&here).as_str()));
    let requests = there.requests();
    assert!(requests.len() > 10);
    assert!(requests.iter().all(|request| request.value("authorization").is_none()));
    assert!(requests.iter().all(|request| request.value("x-client") == Some("test")));
}
