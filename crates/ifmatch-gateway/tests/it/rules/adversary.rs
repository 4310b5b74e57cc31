//! Ways around the rules that were found by attacking the gateway.

use super::answers::{code, done, refused, stale, tag_of};
use super::{Rig, enforced, gateway_only, rigged};
use ifmatch_core::Mode;
use ifmatch_gateway::settings::{Evaluate, Writers};
use ifmatch_testkit::raw;
use ifmatch_testkit::upstream::{After, Course};

/// Everything is observed but `/orders/{id}`.
fn mixed() -> Rig {
    rigged(|plan| {
        plan.settings.mode = Mode::Observe;
        plan.settings.routes.clear();
        plan.add("orders", "/orders/{id}", |route| route.mode = Some(Mode::Enforce));
    })
}

#[test]
fn a_destination_that_is_an_authority_to_others_is_refused() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.set("/b", b"two");
    for to in ["//localhost/b", "//b", "b", "ftp://localhost/b", "http://elsewhere/b", ""] {
        let fields = [("If-Match", &*rig.tag("/a")), ("Destination", to)];
        refused(&rig.ask("MOVE", "/a", &fields, ""), 400, "bad_request");
    }
    assert_eq!(rig.upstream.count("MOVE"), 0);
}

#[test]
fn what_is_guarded_here_is_not_moved_over_from_where_the_upstream_judges() {
    let rig = rigged(|plan| {
        plan.settings.routes.clear();
        plan.add("cal", "/cal/{id}", |route| route.evaluate = Evaluate::Upstream);
        plan.add("orders", "/orders/{id}", |route| route.writers = Writers::GatewayOnly);
    });
    rig.upstream.set("/cal/1", b"one");
    rig.upstream.set("/orders/1", b"two");
    let tag = rig.tag("/orders/1");
    let fields = [("If-Match", "\"any\""), ("Destination", "/orders/1"), ("Overwrite", "T")];
    refused(&rig.ask("MOVE", "/cal/1", &fields, ""), 400, "bad_request");
    assert_eq!(rig.upstream.count("MOVE"), 0);
    done(&rig.put("/orders/1", &tag, "three"));
}

#[test]
fn an_observed_path_is_no_way_to_a_guarded_one() {
    let rig = mixed();
    rig.upstream.set("/orders/1", b"one");
    let disguises = [
        ("X-Original-URL", "/orders/1"),
        ("X-Rewrite-URL", "/orders/1"),
        ("X-HTTP-Method-Override", "PUT"),
        ("X_Original_Url", "/orders/1"),
        ("X-Own", "kept"),
    ];
    done(&rig.ask("POST", "/free", &disguises, "x"));
    let sent = rig.upstream.requests_to("POST", "/free");
    let names = sent[0].names();
    assert!(names.iter().any(|name| name == "x-own"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("url") || name.contains("override")), "{names:?}");
    refused(&rig.ask("PUT", "/orders/1", &[], "x"), 428, "precondition_required");
}

#[test]
fn a_form_is_a_form_however_its_type_is_written_and_wherever_it_says_so() {
    let rig = enforced();
    for (fields, form) in [
        (&[("Content-Type", "Application/X-WWW-Form-Urlencoded")][..], "_method=DELETE"),
        (
            &[("Content-Type", "text/plain"), ("Content-Type", "application/x-www-form-urlencoded")],
            "_method=PUT",
        ),
        (&[("Content-Type", "application/x-www-form-urlencoded")], "a=b&_METHOD=put"),
        (&[("Content-Type", "application/x-www-form-urlencoded")], "a=b&+%5fmethod=put"),
    ] {
        refused(&rig.ask("POST", "/a", fields, form), 400, "bad_request");
    }
    done(&rig.ask("POST", "/a", &[("Content-Type", "application/x-www-form-urlencoded")], "my_method=put"));
}

#[test]
fn an_upstream_that_hangs_up_behind_its_answers_makes_no_write_unknown() {
    let rig = enforced();
    rig.upstream.always("*", "*", Course::usual().after(After::SilentClose));
    for number in 0..60 {
        let target = format!("/a/{number}");
        let created = rig.create(&target, "one");
        assert_eq!(created.status, 201, "{number}: {}", created.text());
        let tag = rig.tag(&target);
        done(&rig.put(&target, &tag, "two"));
        done(&rig.ask("POST", &target, &[], "three"));
    }
}

#[test]
fn a_protocol_that_nobody_asked_for_is_no_answer() {
    let rig = gateway_only();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let switch =
        || Course::raw(&b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"[..]);
    rig.upstream.next("GET", "/a", switch());
    refused(&rig.ask("GET", "/a", &[], ""), 502, "upstream_unreachable");
    rig.upstream.next("PUT", "/a", switch());
    let answer = rig.put("/a", &tag, "two");
    assert_eq!((answer.status, code(&answer).as_str()), (504, "outcome_unknown"));
    assert!(rig.is_held("/a"));
}

#[test]
fn an_answer_without_content_has_no_ranges() {
    let rig = enforced();
    rig.upstream.always("GET", "/a", Course::raw(&b"HTTP/1.1 204 No Content\r\n\r\n"[..]));
    let read = rig.ask("GET", "/a", &[("Range", "bytes=0-4")], "");
    assert_eq!(read.status, 204);
    assert!(tag_of(&read).len() > 2);
    assert_eq!(rig.ask("HEAD", "/a", &[], "").value("content-length"), None);
}

#[test]
fn a_star_matches_what_has_no_tag() {
    let rig = rigged(|plan| plan.settings.bounds.digest_bytes_max = 1);
    rig.upstream.set("/a", b"large");
    let asked = |fields: &[(&str, &str)]| rig.ask("GET", "/a", fields, "");
    assert_eq!(asked(&[("If-None-Match", "*")]).status, 304);
    assert_eq!(asked(&[("If-None-Match", "\"x\"")]).status, 200);
    assert_eq!(asked(&[("If-Match", "*")]).status, 200);
    stale(&asked(&[("If-Match", "\"x\"")]));
}

#[test]
fn content_under_a_coding_that_nobody_undoes_is_no_answer() {
    let rig = enforced();
    let coded = |coding: &str| {
        Course::raw(
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
                .into_bytes(),
        )
    };
    for coding in ["gzip, chunked", "chunked, gzip", "chunked;q=1", "identity", "chunked, chunked"] {
        rig.upstream.next("GET", "/a", coded(coding));
        refused(&rig.ask("GET", "/a", &[], ""), 502, "upstream_unreachable");
    }
    for coding in ["Chunked", ", chunked", "chunked,"] {
        rig.upstream.next("GET", "/a", coded(coding));
        assert_eq!(rig.ask("GET", "/a", &[], "").text(), "hi", "{coding}");
    }
}

#[test]
fn a_length_goes_out_once_or_not_at_all() {
    for mode in [Mode::Observe, Mode::Enforce] {
        let rig = rigged(|plan| plan.settings.mode = mode);
        let asked = |method: &str, length: &str, content: &str| {
            rig.upstream.next(
                "*",
                "/a",
                Course::raw(format!("HTTP/1.1 200 OK\r\n{length}\r\n{content}").into_bytes()),
            );
            rig.ask(method, "/a", &[], "")
        };
        for twice in ["Content-Length: 2, 2\r\n", "Content-Length: 2\r\nContent-Length: 2\r\n"] {
            assert_eq!(asked("GET", twice, "hi").values("content-length"), [b"2"]);
            let content = if mode == Mode::Observe { "" } else { "hi" };
            assert_eq!(asked("HEAD", twice, content).values("content-length"), [b"2"]);
        }
        for bad in ["2\r\nContent-Length: 3", "-1", "abc"] {
            for method in ["GET", "HEAD"] {
                let answer = asked(method, &format!("Content-Length: {bad}\r\n"), "");
                assert_eq!(answer.status, 502, "{mode:?} {method} {bad}");
            }
        }
        rig.upstream.next("*", "/a", Course::raw(&b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n"[..]));
        let none = rig.ask("HEAD", "/a", &[], "");
        assert_eq!((none.status, none.value("content-length")), (204, None));
    }
}

#[test]
fn an_answer_instead_of_another_protocol_is_no_way_to_the_upstreams_tags() {
    let rig = rigged(|plan| plan.add("chat", "/chat", |route| route.upgrade = vec!["websocket".into()]));
    let theirs = Course::status(200)
        .field("ETag", "\"theirs\"")
        .field("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    rig.upstream.next("GET", "/chat", theirs);
    let upgrade = [("Connection", "upgrade"), ("Upgrade", "websocket")];
    let conditions = [
        ("If-None-Match", "\"theirs\""),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Range", "bytes=0-0"),
    ];
    let answer = rig.ask("GET", "/chat", &[&upgrade[..], &conditions].concat(), "");
    assert_eq!((answer.status, answer.value("etag"), answer.value("last-modified")), (200, None, None));
    let sent = rig.upstream.requests().pop().unwrap();
    assert_eq!(sent.value("upgrade"), Some("websocket"));
    for (name, _) in conditions {
        assert_eq!(sent.value(&name.to_ascii_lowercase()), None);
    }
}

#[test]
fn content_that_breaks_off_on_its_way_is_the_clients_fault() {
    let rig = rigged(|plan| plan.settings.mode = Mode::Observe);
    for (method, code) in [("POST", "outcome_unknown"), ("QUERY", "invalid_content")] {
        let mut client = rig.connect();
        let chunked = [("Transfer-Encoding", "chunked")];
        client.send(&raw::request(method, "/a", &chunked, Some(b"1\r\nx\r\nzz\r\n"))).unwrap();
        refused(&client.final_response(method).unwrap(), 400, code);
    }
}

#[test]
fn options_that_may_go_no_further_are_answered_here() {
    for mode in [Mode::Observe, Mode::Enforce] {
        let rig = rigged(|plan| plan.settings.mode = mode);
        let asked = |left: &str| rig.ask("OPTIONS", "/a", &[("Max-Forwards", left)], "");
        let here = asked("0");
        assert!(here.status == 204 && here.value("allow").unwrap().contains("PATCH"));
        assert_eq!(rig.upstream.requests().len(), 0);
        for (left, then) in [("1", "0"), ("10", "9"), ("x", "x")] {
            asked(left);
            assert_eq!(rig.upstream.requests().pop().unwrap().value("max-forwards"), Some(then));
        }
        // It says nothing about other methods.
        rig.ask("GET", "/a", &[("Max-Forwards", "0")], "");
        assert_eq!(rig.upstream.requests().pop().unwrap().value("max-forwards"), Some("0"));
    }
}

#[test]
fn an_answer_is_of_our_version_and_its_connection_stays() {
    for mode in [Mode::Off, Mode::Observe, Mode::Enforce] {
        let rig = rigged(|plan| plan.settings.mode = mode);
        let mut client = rig.connect();
        for (method, content) in [("GET", None), ("POST", Some(&b"x"[..])), ("GET", None)] {
            // Its end is that of its connection.
            rig.upstream.next(method, "/a", Course::raw("HTTP/1.0 200 OK\r\n\r\nhi"));
            client.send(&raw::request(method, "/a", &[] as &[(&str, &str)], content)).unwrap();
            let answer = client.response(method).unwrap();
            assert_eq!(
                (&*answer.version, answer.status, &*answer.text()),
                ("HTTP/1.1", 200, "hi"),
                "{mode:?} {method}"
            );
        }
    }
}
