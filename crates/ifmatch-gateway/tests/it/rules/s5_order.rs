//! The order of one write, up to its turn.

use super::*;
use ifmatch_core::Star;
use ifmatch_testkit::upstream::{Course, Point};

#[test]
fn what_is_not_hygienic_is_400_before_anything() {
    let rig = enforced();
    for fields in [
        &[("Connection", "if-match"), ("If-Match", "\"x\"")][..],
        &[("Connection", "close, If-None-Match"), ("If-None-Match", "*")],
        &[("Connection", "content-length")],
        &[("Host", "a"), ("Host", "b")],
    ] {
        for method in ["PUT", "GET"] {
            refused(&rig.ask(method, "/a", fields, ""), 400, "bad_request");
        }
    }
    let smuggled = b"PUT /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    let mut client = rig.connect();
    client.send(smuggled).unwrap();
    assert_eq!(client.final_response("PUT").unwrap().status, 501);
    assert_eq!(rig.upstream.requests().len(), 0);
}

#[test]
fn a_missing_condition_is_told_before_any_exchange_and_says_nothing_about_existence() {
    let rig = enforced();
    rig.upstream.set("/aa", b"one");
    let told = |path: &str| {
        let answer = rig.ask("PUT", path, &[], "x");
        refused(&answer, 428, "precondition_required");
        assert_eq!(answer.values("etag").len(), 0);
        let mut body: serde_json::Value = serde_json::from_slice(&answer.content).unwrap();
        for own in ["instance", "request_id"] {
            body.as_object_mut().unwrap().remove(own);
        }
        body.to_string().replace(path, "")
    };
    assert_eq!(told("/aa"), told("/bb"));
    assert_eq!(rig.upstream.requests().len(), 0);
}

#[test]
fn a_date_on_a_write_counts_as_absent() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.get("/a");
    let date = ("If-Unmodified-Since", "Wed, 15 Nov 2023 00:00:00 GMT");
    refused(&rig.ask("PUT", "/a", &[date], "x"), 428, "precondition_required");
    // Beside a tag it changes nothing.
    let old = ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT");
    done(&rig.ask("PUT", "/a", &[("If-Match", &rig.tag("/a")), old], "x"));
    assert_eq!(rig.upstream.requests().pop().unwrap().values("if-unmodified-since").len(), 0);
}

#[test]
fn a_date_keeps_no_write_from_what_it_would_be_without_it() {
    let old = [("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")];
    for status in [405, 403, 500] {
        for rig in [enforced(), gateway_only(), in_mode(Mode::Warn)] {
            rig.upstream.always("GET", "/a", Course::status(status));
            done(&rig.ask("POST", "/a", &old, "x"));
            assert_eq!(rig.upstream.count("GET"), 0);
        }
        let rig = in_mode(Mode::Warn);
        rig.upstream.always("GET", "/a", Course::status(status));
        let answer = rig.ask("PUT", "/a", &old, "x");
        done(&answer);
        assert_eq!(answer.values("precondition-policy-report-only").len(), 1);
    }
    // What is not there is the upstream's to tell, as without a date, and what would be refused is reported.
    let rig = in_mode(Mode::Warn);
    for method in ["PATCH", "DELETE"] {
        for fields in [&[][..], &old] {
            let answer = rig.ask(method, "/b", fields, "{}");
            assert_eq!((answer.status, code(&answer).as_str()), (404, ""));
            assert_eq!(answer.values("precondition-policy-report-only").len(), 1);
        }
        // Here by the gateway itself, since there is something to evaluate.
        let answer = rig.ask(method, "/b", &[("If-None-Match", "\"x\"")], "{}");
        refused(&answer, 404, "not_found");
        assert_eq!(answer.values("precondition-policy-report-only").len(), 1);
    }
}

#[test]
fn what_needs_a_version_is_not_told_to_create() {
    let rig = rigged(|plan| plan.route(|route| route.methods = Some(vec![method("PUT"), method("POST")])));
    for (method, creates) in [("PUT", true), ("POST", false), ("PROPPATCH", true)] {
        let answer = rig.ask(method, "/a", &[("If-Match", "\"x\"")], "x");
        assert_eq!((answer.status, reason(&answer).as_str()), (412, "gone"), "{method}");
        assert_eq!(answer.text().contains("to create it anew"), creates, "{method}: {}", answer.text());
        let told = rig.ask(method, "/a", &[("If-None-Match", "*")], "x");
        assert_eq!(told.status != 428, creates, "{method}: {}", told.text());
        rig.upstream.remove("/a");
    }
    let rig = enforced();
    for method in ["PROPPATCH", "QUERY"] {
        let answer = rig.ask(method, "/a", &[("If-Match", "\"x\"")], "x");
        assert_eq!((answer.status, reason(&answer).as_str()), (412, "gone"), "{method}");
        assert!(!answer.text().contains("to create it anew"), "{}", answer.text());
    }
}

#[test]
fn a_star_that_needs_a_reason_is_told_so() {
    let rig = rigged(|plan| plan.route(|route| route.star = Star::WithReason));
    rig.upstream.set("/a", b"one");
    let star = ("If-Match", "*");
    let refusal = rig.ask("PUT", "/a", &[star], "x");
    refused(&refusal, 428, "overwrite_not_allowed");
    assert!(refusal.text().contains("Precondition-Override"), "{}", refusal.text());
    done(&rig.ask("PUT", "/a", &[star, ("Precondition-Override", "a reason")], "x"));
    let refusal = enforced().ask("PUT", "/a", &[star], "x");
    refused(&refusal, 428, "overwrite_not_allowed");
    assert!(!refusal.text().contains("Precondition-Override"), "{}", refusal.text());
}

#[test]
fn what_was_probably_meant_is_a_tag_that_can_match() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let meant = |field: &str, value: &str| {
        let answer = rig.ask("PUT", "/a", &[(field, value)], "x");
        refused(&answer, 400, "malformed_validator");
        let body: serde_json::Value = serde_json::from_slice(&answer.content).unwrap();
        body.pointer(&format!("/did_you_mean/{field}")).map(|meant| meant.as_str().unwrap().to_owned())
    };
    let tag = rig.tag("/a");
    let bare = tag.trim_matches('"');
    for value in [
        bare.to_owned(),
        format!("%22{bare}%22"),
        format!("&quot;{bare}&quot;"),
        format!("\u{201c}{bare}\u{201d}"),
    ] {
        assert_eq!(meant("If-Match", &value).as_ref(), Some(&tag), "{value}");
    }
    done(&rig.put("/a", &tag, "one"));
    for value in [format!("W/{bare}"), format!("w/{tag}"), format!("%22{bare}")] {
        assert_eq!(meant("If-Match", &value), None, "{value}");
    }
    assert_eq!(meant("If-None-Match", "W/x").as_deref(), Some("W/\"x\""));
}

#[test]
fn a_condition_that_cannot_be_understood_is_400_and_never_none() {
    for rig in [enforced(), in_mode(Mode::Warn)] {
        for name in ["If-Match", "If-None-Match"] {
            for value in ["x", "W/\"a", "\"a\" \"b\"", "*, \"a\""] {
                let answer = rig.ask("PUT", "/a", &[(name, value)], "x");
                refused(&answer, 400, "malformed_validator");
            }
        }
        assert_eq!(rig.upstream.requests().len(), 0);
    }
}

#[test]
fn conditions_that_protect_nobody_are_428() {
    let rig = enforced();
    for fields in [
        &[("If-None-Match", "\"x\"")][..],
        &[("If-Match", "")],
        &[("If_Match", "\"x\"")],
        &[("If-Range", "\"x\"")],
        &[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")],
    ] {
        refused(&rig.ask("PUT", "/a", fields, "x"), 428, "precondition_required");
    }
    refused(&rig.ask("PUT", "/a", &[("If-Match", "*")], "x"), 428, "overwrite_not_allowed");
    refused(&rig.ask("DELETE", "/a", &[("If-None-Match", "*")], ""), 428, "precondition_required");
    let trailer = b"PUT /a HTTP/1.1\r\nHost: a\r\nTrailer: If-Match\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nIf-Match: \"x\"\r\n\r\n";
    let mut client = rig.connect();
    client.send(trailer).unwrap();
    refused(&client.final_response("PUT").unwrap(), 428, "precondition_required");
    assert_eq!(rig.upstream.requests().len(), 0);
}

#[test]
fn content_over_the_limit_is_413_and_nothing_is_forwarded() {
    let rig = rigged(|plan| {
        plan.limits.content_bytes_max = 10;
        plan.add("small", "/small", |route| route.content_bytes_max = Some(3));
    });
    for (path, fits, over) in [("/a", "0123456789", "0123456789a"), ("/small", "012", "0123")] {
        refused(&rig.create(path, over), 413, "content_too_large");
        let mut client = rig.connect();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{over}\r\n0\r\n\r\n",
            over.len()
        );
        client.send(head.as_bytes()).unwrap();
        refused(&client.final_response("PUT").unwrap(), 413, "content_too_large");
        assert_eq!(rig.upstream.requests_to("*", path).len(), 0);
        done(&rig.create(path, fits));
    }
}

#[test]
fn large_content_is_spooled_and_arrives_whole() {
    let rig = rigged(|plan| plan.memory_bytes_max = 1000);
    for bytes in [999, 1001, 300_000, 3 << 20] {
        let content: String = (0..bytes).map(|n| char::from(b'a' + u8::try_from(n % 23).unwrap())).collect();
        rig.upstream.remove("/a");
        done(&rig.create("/a", &content));
        assert!(rig.upstream.text("/a").unwrap() == content, "{bytes}");
        done(&rig.put("/a", &rig.tag("/a"), &content));
    }
}

#[test]
fn large_content_of_writes_that_wait_is_not_in_memory() {
    let rig = rigged(|plan| {
        plan.memory_bytes_max = 1000;
        plan.limits.content_bytes_total_max = 2 << 20;
    });
    let content = "x".repeat(1 << 20);
    // Eight at a time, in the room of two.
    let all = rig.upstream.gate();
    rig.upstream.always("PUT", "*", Course::held(Point::Content, &all));
    let mut writers = Vec::new();
    for n in 1..=8 {
        writers.push(rig.beside("PUT", &format!("/{n}"), &[("If-None-Match", "*")], &content));
        all.wait_for_arrivals(n).unwrap();
    }
    all.open();
    for writer in writers {
        done(&writer.join().unwrap());
    }
}

#[test]
fn content_that_ends_early_is_not_forwarded() {
    let rig = enforced();
    for framing in ["Content-Length: 10\r\n\r\n01234", "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"] {
        let mut client = rig.connect();
        let head = format!("PUT /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n{framing}");
        client.send(head.as_bytes()).unwrap();
        client.finish_sending().unwrap();
        drop(client.rest());
    }
    rig.decided("PUT", "invalid_content", 2);
    assert_eq!(rig.upstream.requests().len(), 0);
}

#[test]
fn nothing_is_forwarded_before_all_content_is_there() {
    let rig = enforced();
    let mut client = rig.connect();
    let request = raw::request("PUT", "/a", &[("If-None-Match", "*")], Some(b"0123456789"));
    let (first, rest) = request.split_at(request.len() - 5);
    client.send(first).unwrap();
    rig.fence();
    assert_eq!(rig.upstream.requests().len(), 0);
    client.send(rest).unwrap();
    done(&client.final_response("PUT").unwrap());
    let put = rig.upstream.requests_to("PUT", "/a").pop().unwrap();
    assert_eq!((put.text().as_str(), put.value("content-length")), ("0123456789", Some("10")));
}

#[test]
fn a_client_that_waits_for_100_hears_of_a_refusal_instead() {
    let rig = rigged(|plan| plan.limits.content_bytes_max = 10);
    rig.upstream.set("/a", b"one");
    let expect = |fields: &[Field<'_>], bytes: &str| {
        let mut client = rig.connect();
        let fields = [fields, &[("Expect", "100-continue"), ("Content-Length", bytes)]].concat();
        client.send(&raw::request("PUT", "/a", &fields, None)).unwrap();
        let first = client.response("PUT").unwrap();
        (client, first)
    };
    let tag = rig.tag("/a");
    refused(&expect(&[], "3").1, 428, "precondition_required");
    refused(&expect(&[("If-Match", "\"x\"")], "3").1, 412, "stale_version");
    refused(&expect(&[("If-None-Match", "*")], "3").1, 412, "already_exists");
    refused(&expect(&[("If-Match", &tag)], "11").1, 413, "content_too_large");
    assert_eq!(rig.upstream.count("PUT"), 0);
    let (mut client, first) = expect(&[("If-Match", &tag)], "3");
    assert_eq!(first.status, 100);
    client.send(b"two").unwrap();
    done(&client.response("PUT").unwrap());
    assert_eq!(rig.upstream.requests().pop().unwrap().values("expect").len(), 0);
}

#[test]
fn of_writers_with_the_same_version_one_is_first_and_the_others_are_refused() {
    let rig = rigged(|plan| plan.cores = 2);
    rig.upstream.set("/a", b"0");
    for round in 1..=5 {
        let tag = rig.tag("/a");
        let content = |n: usize| format!("{round} {n}");
        let writers: Vec<_> =
            (0..8).map(|n| rig.beside("PUT", "/a", &[("If-Match", &tag)], &content(n))).collect();
        let statuses: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap().status).collect();
        let winner = statuses.iter().position(|status| *status == 204).unwrap();
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
        assert_eq!(rig.upstream.text("/a").unwrap(), content(winner));
    }
    assert_eq!(rig.upstream.count("PUT"), 5);
}

#[test]
fn a_conditional_write_waits_for_the_one_before_it_and_so_does_an_append() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &held));
    let first = rig.beside("PUT", "/a", &[("If-Match", &tag)], "two");
    held.wait_for_arrivals(1).unwrap();
    let before = rig.upstream.requests().len();
    let second = rig.beside("PUT", "/a", &[("If-Match", &tag)], "three");
    let append = rig.beside("POST", "/A/", &[], "+");
    rig.fence();
    assert_eq!(rig.upstream.requests().len(), before, "neither a check nor a write");
    held.open();
    done(&first.join().unwrap());
    stale(&second.join().unwrap());
    done(&append.join().unwrap());
}

#[test]
fn the_line_is_bounded_and_who_is_turned_away_is_told_when_to_come_back() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &held));
    let first = rig.beside("PUT", "/a", &[("If-Match", &tag)], "two");
    held.wait_for_arrivals(1).unwrap();
    let waiting: Vec<_> = (0..140)
        .map(|_| {
            let mut client = rig.connect();
            client.send(&raw::request("PUT", "/a", &[("If-Match", &tag)], Some(b"x"))).unwrap();
            client
        })
        .collect();
    // One holds the turn, 127 wait, and the others are told so.
    rig.decided("PUT", "busy", 13);
    held.open();
    done(&first.join().unwrap());
    let mut counts = (0, 0);
    for mut client in waiting {
        let answer = client.final_response("PUT").unwrap();
        match answer.status {
            412 => counts.0 += 1,
            _ => {
                refused(&answer, 503, "busy");
                assert!(answer.value("retry-after").is_some());
                counts.1 += 1;
            }
        }
    }
    assert_eq!(counts, (127, 13));
}
