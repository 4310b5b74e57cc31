//! Which methods need a condition, which pass, which are refused.

use super::*;
use ifmatch_testkit::upstream::{Course, Point};

/// The unsafe methods of the IANA registry without POST.
const UNSAFE: [&str; 29] = [
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

#[test]
fn a_malformed_if_none_match_of_a_read_is_not_for_the_upstream() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    for fields in [
        &[("If-None-Match", "\"a\""), ("If-None-Match", "*")][..],
        &[("If-None-Match", "*"), ("If-None-Match", "*")],
        &[("If-None-Match", "*, \"a\"")],
    ] {
        rig.ask("QUERY", "/a", fields, "x");
        let sent = rig.upstream.requests_to("QUERY", "/a").pop().unwrap();
        assert_eq!(sent.values("if-none-match").len(), 0, "{fields:?}");
    }
    rig.upstream.remove("/a");
    rig.ask("QUERY", "/a", &[("If-None-Match", "*")], "x");
    let sent = rig.upstream.requests_to("QUERY", "/a").pop().unwrap();
    assert_eq!(sent.value("if-none-match"), Some("*"));
}

#[test]
fn every_registered_unsafe_method_but_post_needs_a_condition() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    for method in UNSAFE {
        let answer = rig.ask(method, "/a", &[("Destination", "/b")], "");
        refused(&answer, 428, "precondition_required");
    }
    assert_eq!(rig.upstream.requests().len(), 0);
    for method in UNSAFE {
        let tag = rig.tag("/a");
        rig.ask(method, "/a", &[("If-Match", &tag), ("Destination", "/b")], "");
        assert_eq!(rig.upstream.count(method), 1, "{method}");
        rig.upstream.set("/a", b"one");
        rig.upstream.remove("/b");
    }
}

#[test]
fn post_passes_without_a_condition_moves_the_version_and_is_counted() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let answer = rig.ask("POST", "/a", &[], "+");
    assert_eq!((answer.status, answer.values("precondition-policy-report-only").len()), (204, 0));
    assert_eq!(rig.stats().route(0).unguarded_posts.value(), 1);
    assert_eq!(rig.upstream.text("/a").unwrap(), "one+");
    // Even if it is undone at once.
    rig.upstream.set("/a", b"one");
    stale(&rig.put("/a", &tag, "two"));
}

#[test]
fn a_post_that_carries_a_condition_is_judged() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    done(&rig.ask("POST", "/a", &[("If-Match", &tag)], "+"));
    stale(&rig.ask("POST", "/a", &[("If-Match", &tag)], "+"));
    refused(&rig.ask("POST", "/a", &[("If-None-Match", "*")], "+"), 412, "already_exists");
    refused(&rig.ask("POST", "/a", &[("If-Match", "x")], "+"), 400, "malformed_validator");
    assert_eq!((rig.upstream.count("POST"), rig.stats().route(0).unguarded_posts.value()), (1, 0));
}

#[test]
fn a_route_that_lists_post_wants_if_match_and_nothing_else_of_it() {
    let rig = rigged(|plan| plan.route(|route| route.methods = Some(vec![method("POST"), method("PUT")])));
    rig.upstream.set("/a", b"one");
    refused(&rig.ask("POST", "/a", &[], "+"), 428, "precondition_required");
    refused(&rig.ask("POST", "/b", &[("If-None-Match", "*")], "+"), 428, "precondition_required");
    assert_eq!(rig.upstream.count("POST"), 0);
    done(&rig.ask("POST", "/a", &[("If-Match", &rig.tag("/a"))], "+"));
    refused(&rig.ask("PUT", "/a", &[], "x"), 428, "precondition_required");
    // What it does not list needs nothing, and is judged all the same if there is something to judge.
    stale(&rig.ask("DELETE", "/a", &[("If-Match", "\"x\"")], ""));
    done(&rig.ask("DELETE", "/a", &[], ""));
}

#[test]
fn safe_methods_of_the_registry_pass_as_reads_with_their_content() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    for method in ["PROPFIND", "REPORT", "SEARCH", "QUERY"] {
        let answer = rig.ask(method, "/a", &[("Depth", "0")], "<what/>");
        assert_eq!((answer.status, answer.value("content-type")), (207, Some("application/xml")));
        let [sent] = &rig.upstream.requests_to(method, "/a")[..] else { panic!("{method}") };
        assert_eq!((sent.text().as_str(), sent.value("depth")), ("<what/>", Some("0")));
        stale(&rig.ask(method, "/a", &[("If-Match", "\"x\"")], ""));
        assert_eq!(rig.ask(method, "/a", &[("If-Match", &tag)], "").status, 207);
    }
    assert_eq!(rig.ask("OPTIONS", "/a", &[], "").value("allow"), Some("GET, HEAD, PUT, PATCH, POST, DELETE"));
    done(&rig.put("/a", &tag, "two"));
}

#[test]
fn trace_and_connect_are_405_and_options_of_everything_is_answered_here() {
    for rig in [enforced(), in_mode(Mode::Warn)] {
        let answer = rig.ask("TRACE", "/a", &[], "");
        refused(&answer, 405, "method_not_allowed");
        assert!(answer.value("allow").unwrap().contains("PUT"));
        let mut client = rig.connect();
        client.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").unwrap();
        assert!([400, 405].contains(&client.final_response("GET").unwrap().status));
        assert_eq!(rig.ask("OPTIONS", "*", &[], "").status, 204);
        assert_eq!(rig.upstream.requests().len(), 0);
    }
}

#[test]
fn what_is_not_registered_is_501() {
    for rig in [enforced(), in_mode(Mode::Warn), upstream_evaluates()] {
        rig.upstream.set("/a", b"one");
        for method in ["FROB", "put", "PURGE", "delete"] {
            let answer = rig.ask(method, "/a", &[("If-Match", "\"x\"")], "");
            refused(&answer, 501, "not_implemented");
        }
        assert_eq!(rig.upstream.requests().len(), 0);
    }
}

#[test]
fn upgrade_is_removed_unless_the_route_allows_that_protocol() {
    let rig = rigged(|plan| plan.add("chat", "/chat", |route| route.upgrade = vec!["websocket".into()]));
    let upgrade = |protocol| {
        [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", protocol), ("HTTP2-Settings", "AAMAAABk")]
    };
    for (path, protocol) in [("/a", "websocket"), ("/a", "h2c"), ("/chat", "h2c")] {
        rig.ask("GET", path, &upgrade(protocol), "");
        rig.ask("POST", path, &upgrade(protocol), "x");
        for sent in rig.upstream.requests().iter().rev().take(2) {
            for name in ["upgrade", "http2-settings", "connection"] {
                assert_eq!(sent.values(name).len(), 0, "{name}");
            }
        }
    }
    // A write under it stays a write.
    refused(&rig.ask("PUT", "/chat", &upgrade("websocket"), "x"), 428, "precondition_required");
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello";
    rig.upstream.next("GET", "/chat", Course::raw(switch));
    let mut client = rig.connect();
    client.send(&raw::request("GET", "/chat", &upgrade("WebSocket")[..2], None)).unwrap();
    let answer = client.final_response("GET").unwrap();
    assert_eq!((answer.status, answer.value("upgrade")), (101, Some("WebSocket")));
    client.finish_sending().unwrap();
    assert_eq!(client.rest().unwrap(), b"hello");
}

const DISGUISES: [&str; 6] = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X_HTTP_Method_Override",
    "X-Original-URL",
    "X-Rewrite-URL",
];

#[test]
fn fields_that_make_another_request_of_it_are_removed() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    for name in DISGUISES {
        done(&rig.ask("POST", "/a", &[(name, "DELETE")], "+"));
        rig.ask("GET", "/a", &[(name, "DELETE")], "");
        for sent in rig.upstream.requests().iter().rev().take(2) {
            assert_eq!(sent.values(name).len(), 0, "{name}");
        }
    }
}

#[test]
fn where_a_route_lets_the_override_count_the_named_method_is_judged_and_sent() {
    let rig = rigged(|plan| plan.route(|route| route.method_override = true));
    rig.upstream.set("/a", b"one");
    let with = ("X-HTTP-Method-Override", "delete");
    refused(&rig.ask("POST", "/a", &[with], ""), 428, "precondition_required");
    stale(&rig.ask("POST", "/a", &[with, ("If-Match", "\"x\"")], ""));
    refused(&rig.ask("POST", "/a", &[("X-HTTP-Method-Override", "GET")], ""), 400, "bad_request");
    assert_eq!((rig.upstream.count("POST"), rig.upstream.count("DELETE")), (0, 0));
    let tag = rig.tag("/a");
    done(&rig.ask("POST", "/a", &[with, ("If-Match", &tag)], ""));
    assert_eq!(rig.upstream.content("/a"), None);
    assert_eq!(rig.upstream.requests().pop().unwrap().values("x-http-method-override").len(), 0);
}

#[test]
fn a_post_that_names_another_method_in_its_query_or_form_is_refused() {
    let rig = enforced();
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (target, fields, content) in [
        ("/a?_method=DELETE", &[][..], "x"),
        ("/a?x=1;%5Fmethod=put", &[], ""),
        ("/a", &[form], "a=b&_method=PUT"),
    ] {
        let answer = rig.ask("POST", target, fields, content);
        refused(&answer, 400, "bad_request");
        assert_eq!(reason(&answer), "method_override");
    }
    assert_eq!(rig.upstream.requests().len(), 0);
    done(&rig.ask("POST", "/a?method=x", &[form], "a=_method&b=c"));
}

#[test]
fn copy_and_move_wait_for_both_targets_and_move_the_version_of_both() {
    let rig = enforced();
    for method in ["COPY", "MOVE"] {
        rig.upstream.set("/a", b"one");
        rig.upstream.remove("/b");
        let tags = (rig.tag("/a"), rig.count("/b"));
        done(&rig.ask(method, "/a", &[("If-Match", &tags.0), ("Destination", "http://localhost/b")], ""));
        rig.upstream.set("/a", b"one");
        stale(&rig.put("/a", &tags.0, "two"));
        assert!(rig.count("/b") > tags.1);
    }
    rig.upstream.remove("/b");
    rig.lose("PUT", "/b", &[("If-None-Match", "*")], "x");
    let fields = [("If-Match", &*rig.tag("/a")), ("Destination", "/B/"), ("Overwrite", "F")];
    refused(&rig.ask("COPY", "/a", &fields, ""), 503, "outcome_pending");
    // And the other way round: a lost COPY holds its destination.
    rig.lose("COPY", "/a", &[("If-Match", &rig.tag("/a")), ("Destination", "/c")], "");
    refused(&rig.create("/C", "x"), 503, "outcome_pending");
}

#[test]
fn copy_and_move_overwrite_nothing_unseen() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.set("/b", b"theirs");
    for method in ["COPY", "MOVE"] {
        let fields = [("If-Match", &*rig.tag("/a")), ("Destination", "/b")];
        refused(&rig.ask(method, "/a", &fields, ""), 412, "already_exists");
        assert_eq!(rig.upstream.count(method), 0);
        // The upstream itself is asked to keep what is there.
        let fields = [("If-Match", &*rig.tag("/a")), ("Destination", "/b"), ("Overwrite", "F")];
        rig.upstream.next(method, "/a", Course::status(412));
        assert_eq!(rig.ask(method, "/a", &fields, "").status, 412);
        assert_eq!(rig.upstream.requests().pop().unwrap().value("overwrite"), Some("F"));
    }
    assert_eq!(rig.upstream.text("/b").unwrap(), "theirs");
    // Nor what a cache does not know yet, or what cannot be looked at.
    for course in [Course::status(404).field("Age", "7"), Course::status(500), Course::status(403)] {
        rig.upstream.next("GET", "/c", course);
        let fields = [("If-Match", &*rig.tag("/a")), ("Destination", "/c")];
        refused(&rig.ask("MOVE", "/a", &fields, ""), 503, "validator_unavailable");
    }
    assert_eq!(rig.upstream.count("MOVE"), 1);
}

#[test]
fn a_destination_that_cannot_be_guarded_is_refused() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    for to in ["http://elsewhere.test/b", "/b%00", "/a/%2e%2e/b", "::"] {
        let answer = rig.ask("MOVE", "/a", &[("If-Match", &tag), ("Destination", to)], "");
        refused(&answer, 400, "bad_request");
    }
    refused(&rig.ask("MOVE", "/a", &[("If-Match", &tag)], ""), 400, "bad_request");
    assert_eq!(rig.upstream.count("MOVE"), 0);
}

#[test]
fn two_moves_in_opposite_directions_do_not_wait_for_each_other() {
    let rig = rigged(|plan| plan.cores = 2);
    for _ in 0..10 {
        rig.upstream.set("/a", b"one");
        rig.upstream.set("/b", b"two");
        let moves = [("/a", "/b"), ("/b", "/a")].map(|(from, to)| {
            let tag = rig.tag(from);
            rig.beside("MOVE", from, &[("If-Match", &tag), ("Destination", to), ("Overwrite", "F")], "")
        });
        for moved in moves {
            assert!([201, 204, 404, 412].contains(&moved.join().unwrap().status));
        }
    }
}

#[test]
fn posts_run_side_by_side() {
    let rig = enforced();
    rig.upstream.set("/a", b"-");
    // Opens when all are there, which they are not if one waits for the other.
    let all = rig.upstream.gate_for(3);
    rig.upstream.always("POST", "/a", Course::held(Point::Content, &all));
    let posts = ["1", "2", "3"].map(|content| rig.beside("POST", "/a", &[], content));
    for post in posts {
        done(&post.join().unwrap());
    }
    assert_eq!(rig.upstream.text("/a").unwrap().len(), 4);
}
