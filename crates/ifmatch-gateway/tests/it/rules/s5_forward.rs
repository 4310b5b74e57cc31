//! What is forwarded: which fields, in which order, on which connection, how often.

use super::*;
use ifmatch_testkit::upstream::{After, Course, Framing, Point, Request};

#[track_caller]
fn last(rig: &Rig, method: &str) -> Request {
    rig.upstream.requests_to(method, "*").pop().unwrap()
}

#[test]
fn a_minted_if_match_is_never_forwarded_and_the_star_always_is() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    done(&rig.put("/a", &rig.tag("/a"), "two"));
    let sent = last(&rig, "PUT");
    assert!(sent.names().iter().all(|name| !name.starts_with("if-")), "{:?}", sent.fields);
    // First of all fields, so that no cut of the head makes an unconditional write of it.
    for fields in [[("X-Own", "1"), ("If-None-Match", "*")], [("If-None-Match", " * "), ("X-Own", "1")]] {
        done(&rig.ask("PUT", "/b", &fields, "x"));
        let sent = last(&rig, "PUT");
        assert_eq!(
            (sent.names()[..2].join(" ").as_str(), sent.value("if-none-match")),
            ("host if-none-match", Some("*"))
        );
        rig.upstream.remove("/b");
    }
}

#[test]
fn the_whole_head_goes_out_in_one_write() {
    let rig = enforced();
    let long = "x".repeat(8000);
    for bytes in [0, 10, 100_000] {
        rig.upstream.remove("/a");
        let content = "y".repeat(bytes);
        done(&rig.ask("PUT", "/a", &[("If-None-Match", "*"), ("X-Long", &long)], &content));
        assert_eq!(last(&rig, "PUT").head_reads, 1);
    }
}

#[test]
fn a_write_goes_out_on_the_connection_that_carried_its_check() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    for _ in 0..5 {
        let tag = rig.tag("/a");
        done(&rig.put("/a", &tag, "two"));
        let [.., check, put] = &rig.upstream.requests()[..] else { panic!("a check and a write") };
        assert_eq!((check.method.as_str(), check.connection), ("GET", put.connection));
    }
}

#[test]
fn connections_that_the_upstream_closes_when_idle_fail_no_write() {
    for rig in [enforced(), gateway_only(), in_mode(Mode::Observe), upstream_evaluates()] {
        rig.upstream.habits("/a", Habits { evaluates: false, ..Habits::default() });
        for n in 0..20 {
            rig.upstream.set("/a", b"one");
            done(&rig.ask("POST", "/a", &[], "+"));
            let tag = rig.ask("GET", "/a", &[], "").value("etag").unwrap().to_owned();
            rig.upstream.close_idle();
            done(&rig.put("/a", &tag, &n.to_string()));
        }
        assert_eq!((rig.upstream.count("PUT"), rig.upstream.count("POST")), (20, 20));
    }
}

#[test]
fn an_upstream_that_closes_after_every_answer_fails_no_write() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.always("*", "*", Course::usual().after(After::SaidClose));
    for n in 0..20 {
        done(&rig.put("/a", &rig.tag("/a"), &n.to_string()));
    }
    // And one that does not say so, as soon as it has.
    let rig = gateway_only();
    rig.upstream.set("/a", b"one");
    rig.upstream.always("*", "*", Course::usual().after(After::SilentClose));
    for n in 0..20 {
        let tag = rig.tag("/a");
        until("the end of the connection has come", || rig.gateway().upstream().stats().idle == 0);
        done(&rig.put("/a", &tag, &n.to_string()));
    }
    assert_eq!(rig.upstream.count("PUT"), 20);
}

#[test]
fn no_write_is_sent_twice_wherever_it_was_cut() {
    for reset in [false, true] {
        for point in [Point::Head, Point::Content, Point::Applied, Point::AnswerHead] {
            let rig = gateway_only();
            rig.upstream.set("/a", b"one");
            // On a connection that was used before, which is what tempts to repeat.
            let tag = rig.tag("/a");
            let course = Course::cut_at(point);
            rig.upstream.next("PUT", "/a", if reset { course.reset() } else { course });
            refused(&rig.put("/a", &tag, "two"), 504, "outcome_unknown");
            assert_eq!(rig.upstream.count("PUT"), 1, "{point:?}");
        }
    }
}

#[test]
fn nothing_was_sent_is_502_and_holds_nobody() {
    let rig = gateway_only();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    rig.upstream.close_idle();
    rig.upstream.wait_for_connections(|now| now.open == 0).unwrap();
    rig.upstream.refuse_connections(100);
    let answer = rig.put("/a", &tag, "two");
    // A connection that was accepted and closed at once may have been written to.
    let held = match answer.status {
        502 => false,
        504 => true,
        other => panic!("{other} {}", answer.text()),
    };
    assert_eq!(rig.is_held("/a"), held);
    assert_eq!(rig.upstream.count("PUT"), 0);

    // Nobody listens at all on a port that is taken.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let rig = rigged(|plan| {
        plan.settings.upstream.port = taken.local_addr().unwrap().port();
        plan.route(|route| route.writers = Writers::GatewayOnly);
    });
    let count = rig.count("/a");
    let answer = rig.ask("POST", "/a", &[], "two");
    refused(&answer, 502, "upstream_unreachable");
    assert!(!rig.is_held("/a") && answer.value("retry-after").is_some());
    assert_eq!(rig.count("/a"), count);
}

#[test]
fn fields_of_the_hop_stay_on_the_hop_in_both_directions() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let course = Course::usual()
        .field("Connection", "x-hop")
        .field("X-Hop", "1")
        .field("Keep-Alive", "timeout=5")
        .field("Proxy-Connection", "close")
        .field("X-End", "1");
    rig.upstream.always("*", "/a", course);
    let tag = rig.tag("/a");
    let fields = [
        ("If-Match", tag.as_str()),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "gzip"),
        ("X-End", "1"),
    ];
    let answer = rig.ask("PUT", "/a", &fields, "two");
    done(&answer);
    for request in rig.upstream.requests() {
        for name in ["connection", "x-hop", "keep-alive", "proxy-connection", "te"] {
            assert_eq!(request.values(name).len(), 0, "{name} {}", request.method);
        }
    }
    assert_eq!(last(&rig, "PUT").value("x-end"), Some("1"));
    for name in ["x-hop", "keep-alive", "proxy-connection"] {
        assert_eq!(answer.values(name).len(), 0, "{name}");
    }
    assert_eq!(answer.value("x-end"), Some("1"));
}

#[test]
fn via_and_forwarded_are_added_and_host_is_what_the_client_said() {
    let rig = enforced();
    let fields = [("Host", "api.test:8080"), ("Via", "1.0 first"), ("Forwarded", "for=192.0.2.1")];
    rig.ask("POST", "/a", &fields, "x");
    let sent = last(&rig, "POST");
    assert_eq!(sent.values("via"), [&b"1.0 first"[..], b"1.1 ifmatch"]);
    let forwarded = "for=127.0.0.1;host=\"api.test:8080\";proto=http";
    assert_eq!(sent.values("forwarded"), [b"for=192.0.2.1", forwarded.as_bytes()]);
    assert_eq!(sent.value("host"), Some("api.test:8080"));

    let rig = rigged(|plan| plan.settings.host = ifmatch_gateway::settings::HostField::Upstream);
    rig.ask("POST", "/a", &[("Host", "api.test:8080")], "x");
    assert_eq!(last(&rig, "POST").value("host"), Some(&*rig.upstream.address().to_string()));
}

#[test]
fn trailers_go_through_in_both_directions() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    for memory_bytes_max in [1 << 20, 1] {
        let rig = rigged(|plan| plan.memory_bytes_max = memory_bytes_max);
        let mut client = rig.connect();
        client
            .send(b"PUT /a HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        client.send(b"3\r\none\r\n0\r\nX-Sum: 1\r\n\r\n").unwrap();
        done(&client.final_response("PUT").unwrap());
        let sent = last(&rig, "PUT");
        assert_eq!(
            (sent.text().as_str(), &sent.trailers[..]),
            ("one", &[("x-sum".to_owned(), b"1".to_vec())][..])
        );
    }
    // Content whose digest is not waited for goes by with its trailers.
    let rig = gateway_only();
    rig.upstream.set("/a", b"one");
    let framing = Framing::Chunked(vec![("X-Sum".into(), "1".into())]);
    rig.upstream.next("GET", "/a", Course::usual().framed(framing).field("Trailer", "X-Sum"));
    let read = rig.ask("GET", "/a", &[("TE", "trailers"), ("Connection", "TE")], "");
    let trailers = &[("x-sum".to_owned(), b"1".to_vec())][..];
    assert_eq!((read.text().as_str(), &read.trailers[..]), ("one", trailers));
    // And so do answers to writes, but for the upstream's own tag.
    for (method, path, condition) in [("POST", "/list", None), ("PUT", "/new", Some(("If-None-Match", "*")))]
    {
        let framing =
            Framing::Chunked(vec![("X-Sum".into(), "1".into()), ("ETag".into(), "\"theirs\"".into())]);
        let course = Course::usual().framed(framing).field("Trailer", "X-Sum, ETag");
        rig.upstream.next(method, path, course);
        let fields: Vec<_> =
            [("TE", "trailers"), ("Connection", "TE")].into_iter().chain(condition).collect();
        let answer = rig.ask(method, path, &fields, "x");
        assert_eq!(&answer.trailers[..], trailers, "{method}");
    }
}

#[test]
fn interim_answers_of_the_upstream_are_not_the_answer() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let course = Course::usual().interim(103, &[("Link", "</x>")]).interim(102, &[]);
    rig.upstream.always("*", "/a", course);
    done(&rig.put("/a", &rig.tag("/a"), "two"));
    assert_eq!(rig.upstream.text("/a").unwrap(), "two");
}

#[test]
fn field_names_that_some_servers_take_for_conditions_do_not_go_through() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    let fields = [("If_Match", "\"x\""), ("If_None_Match", "*"), ("Content_Length", "1"), ("X_Own", "1")];
    done(&rig.ask("POST", "/a", &fields, "+"));
    let sent = last(&rig, "POST");
    for name in ["if_match", "if_none_match", "content_length"] {
        assert_eq!(sent.values(name).len(), 0, "{name}");
    }
    assert_eq!(sent.value("x_own"), Some("1"));
}
