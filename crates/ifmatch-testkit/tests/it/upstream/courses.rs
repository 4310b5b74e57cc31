//! How exchanges go: held, cut, late, early, slow, and framed in every way.

use super::{ask, connect, get, put, start, try_ask};
use ifmatch_testkit::raw::{Error, request};
use ifmatch_testkit::upstream::{After, Answer, Apply, Course, Framing, Point};
use std::thread;

#[test]
fn requests_are_recorded_as_they_came() {
    let upstream = start();
    let mut connection = connect(&upstream);
    let fields = [("IF-Match", "\"a\""), ("x-B", "  1\t"), ("Transfer-Encoding", "chunked")];
    let head = request("PUT", "/a?q=%2f", &fields, None);
    connection.send_bytewise(&head).expect("sent");
    connection.send(b"3;x=y\r\nabc\r\n0\r\nETag: \"t\"\r\n\r\n").expect("sent");
    assert_eq!(connection.final_response("PUT").expect("an answer").status, 201);
    connection.send(&request("GET", "/a", &[("Host", "h")], None)).expect("sent");
    connection.final_response("GET").expect("an answer");
    get(&upstream, "/", &[]);
    let [first, second, third] = upstream.requests().try_into().expect("three requests");
    assert!(first.head == head && first.head_reads > 1 && second.head_reads == 1);
    assert_eq!((first.method.as_str(), first.target.as_str(), first.path()), ("PUT", "/a?q=%2f", "/a"));
    assert_eq!(first.names(), ["host", "if-match", "x-b", "transfer-encoding"]);
    assert_eq!((first.value("X-B"), first.text().as_str()), (Some("1"), "abc"));
    assert_eq!(first.trailers, [("ETag".to_owned(), b"\"t\"".to_vec())]);
    assert!(first.is_applied && first.is_over && first.status == Some(201));
    assert_eq!((first.connection, second.connection, third.connection), (1, 1, 2));
    assert_eq!(upstream.connections().accepted, 2);
}

#[test]
fn courses_are_taken_in_order() {
    let upstream = start();
    upstream.set("/a", b"x");
    upstream.always("GET", "*", Course::status(503));
    upstream.always("GET", "/a", Course::status(405));
    upstream.next("*", "/a", Course::redirect(307, "/b"));
    upstream.next("PUT", "/a", Course::applied_then(500));
    upstream.script(|request| (request.target == "/s").then(|| Course::status(418)));
    let redirected = put(&upstream, "/a", b"never");
    assert_eq!((redirected.status, redirected.value("location")), (307, Some("/b")));
    assert_eq!(put(&upstream, "/a", b"y").status, 500);
    assert_eq!(upstream.text("/a").as_deref(), Some("y"));
    assert_eq!(put(&upstream, "/s", b"").status, 418);
    assert_eq!((get(&upstream, "/a", &[]).status, get(&upstream, "/b", &[]).status), (405, 503));
    upstream.behave();
    assert_eq!(get(&upstream, "/a", &[]).status, 200);
}

#[test]
fn an_exchange_is_held_where_it_is_told() {
    for (point, is_applied) in [(Point::Head, false), (Point::Content, false), (Point::Applied, true)] {
        let upstream = start();
        let gate = upstream.gate();
        upstream.next("PUT", "/a", Course::held(point, &gate));
        thread::scope(|scope| {
            let writer = scope.spawn(|| put(&upstream, "/a", b"x").status);
            gate.wait_for_arrivals(1).expect("it comes");
            assert_eq!(upstream.content("/a").is_some(), is_applied, "{point:?}");
            let held = upstream.wait_for("PUT", "/a", point, 1).expect("it comes");
            assert_eq!((held[0].reached, held[0].is_over), (point, false));
            gate.open();
            assert_eq!(writer.join().expect("no panic"), 201);
        });
        assert_eq!(upstream.text("/a").as_deref(), Some("x"));
    }
}

#[test]
fn a_connection_is_cut_where_it_is_told() {
    let points = [Point::Head, Point::Content, Point::Applied, Point::AnswerHead, Point::AnswerContent];
    for point in points {
        let upstream = start();
        let answer = Answer::Status(200, Vec::new(), b"four".to_vec());
        let course = Course::cut_at(point).answer(answer);
        for course in [course.clone(), course.reset()] {
            upstream.remove("/a");
            upstream.next("PUT", "/a", course);
            let error = try_ask(&upstream, "PUT", "/a", &[], b"x").expect_err("cut");
            let seen = match (&error, point) {
                (Error::Io(_), _) => "",
                (Error::Closed(bytes), _) if bytes.is_empty() => "",
                (Error::Closed(bytes), Point::AnswerHead) if bytes.starts_with(b"HTTP/1.1 200") => "half",
                (Error::Closed(bytes), Point::AnswerContent) if bytes == b"fo" => "half",
                _ => panic!("{point:?}: {error}"),
            };
            assert!(seen.is_empty() || point >= Point::AnswerHead);
            upstream.wait_for_connections(|now| now.open == 0).expect("it is gone");
            assert_eq!(upstream.content("/a").is_some(), point >= Point::Applied, "{point:?}");
            let last = upstream.requests().pop().expect("a request");
            assert!(last.is_over && last.reached == point && last.is_applied == (point >= Point::Applied));
        }
    }
}

#[test]
fn a_write_lands_late() {
    let upstream = start();
    let gate = upstream.gate();
    upstream.set("/a", b"old");
    upstream.next("PUT", "/a", Course::late(&gate).cut(Point::Content));
    upstream.next("PUT", "/a", Course::accepted(&gate));
    try_ask(&upstream, "PUT", "/a", &[], b"first").expect_err("cut");
    assert_eq!(put(&upstream, "/a", b"second").status, 202);
    gate.wait_for_arrivals(2).expect("they come");
    assert_eq!(upstream.text("/a").as_deref(), Some("old"));
    put(&upstream, "/a", b"between");
    gate.open();
    upstream.wait_until(|requests| requests.iter().all(|r| r.is_applied).then_some(())).expect("they land");
    assert_ne!(upstream.text("/a").as_deref(), Some("between"));
    upstream.next("DELETE", "/a", Course::late(&gate));
    assert_eq!(ask(&upstream, "DELETE", "/a", &[], b"").status, 202);
    upstream.wait_for_content("/a", None).expect("it goes");
}

#[test]
fn an_early_answer_does_not_wait_for_the_content() {
    let upstream = start();
    upstream.always("PUT", "/a", Course::early(401));
    let mut connection = connect(&upstream);
    let fields = [("Content-Length", "4")];
    connection.send(&request("PUT", "/a", &fields, None)).expect("sent");
    let answer = connection.final_response("PUT").expect("an answer");
    assert_eq!((answer.status, answer.value("connection")), (401, Some("close")));
    assert_eq!(connection.rest().expect("the end"), b"");
    let [seen] = upstream.requests().try_into().expect("one request");
    assert!(seen.content.is_empty() && !seen.is_applied);

    upstream.always("PUT", "/a", Course::early(413).after(After::Keep));
    let mut connection = connect(&upstream);
    connection.send(&request("PUT", "/a", &fields, None)).expect("sent");
    assert_eq!(connection.final_response("PUT").expect("an answer").status, 413);
    connection.send(b"four").expect("sent");
    connection.send(&request("GET", "/a", &[("X", "y")], None)).expect("sent");
    assert_eq!(connection.final_response("GET").expect("an answer").status, 404);
}

#[test]
fn a_client_is_told_to_continue() {
    let upstream = start();
    let mut connection = connect(&upstream);
    let fields = [("Expect", "100-continue"), ("Content-Length", "1")];
    connection.send(&request("PUT", "/a", &fields, None)).expect("sent");
    assert_eq!(connection.response("PUT").expect("an answer").status, 100);
    connection.send(b"x").expect("sent");
    assert_eq!(connection.response("PUT").expect("an answer").status, 201);
}

#[test]
fn answers_are_framed_in_every_way() {
    let upstream = start();
    upstream.set("/a", b"content");
    let trailers = vec![("ETag".to_owned(), "\"late\"".to_owned())];
    let chunked = Framing::Chunked(trailers);
    for framing in [Framing::Length, chunked.clone(), Framing::UntilClose] {
        upstream.next("GET", "/a", Course::usual().framed(framing.clone()).field("X-Y", "z"));
        let answer = get(&upstream, "/a", &[]);
        assert_eq!((answer.text().as_str(), answer.value("x-y")), ("content", Some("z")), "{framing:?}");
        assert_eq!(answer.trailers.is_empty(), framing != chunked);
        assert_eq!(answer.value("content-length").is_some(), framing == Framing::Length);
    }
    for framing in [Framing::Length, Framing::Chunked(Vec::new()), Framing::UntilClose] {
        let gate = upstream.gate();
        gate.admit(1);
        let course = Course::filler(300_000).framed(framing).hold(Point::AnswerContent, &gate);
        upstream.next("GET", "/big", course);
        assert_eq!(get(&upstream, "/big", &[]).content.len(), 300_000);
        assert_eq!(gate.arrived(), 1);
    }
    let sent = upstream.requests_to("GET", "/big").iter().map(|request| request.sent_bytes).sum::<u64>();
    assert_eq!(sent, 900_000);
}

#[test]
fn answers_are_slow_interim_or_raw() {
    let upstream = start();
    upstream.set("/a", b"content");
    let course = Course::usual().bytewise().interim(103, &[("Link", "x")]).interim(102, &[]);
    upstream.next("GET", "/a", course);
    let mut connection = connect(&upstream);
    connection.send(&request("GET", "/a", &[("X", "y")], None)).expect("sent");
    let answers = [103, 102, 200].map(|_| connection.response("GET").expect("an answer"));
    assert_eq!((answers[0].value("link"), answers[2].text().as_str()), (Some("x"), "content"));
    assert_eq!(answers.map(|answer| answer.status), [103, 102, 200]);
    upstream.next("GET", "/a", Course::raw("HTTP/1.1 299 Odd\r\nContent-Length: 9\r\n\r\nabc"));
    let error = try_ask(&upstream, "GET", "/a", &[], b"").expect_err("too short");
    assert!(matches!(&error, Error::Closed(bytes) if bytes == b"abc"), "{error}");
}

#[test]
fn connections_end_said_and_unsaid() {
    let upstream = start();
    upstream.always("GET", "/said", Course::usual().after(After::SaidClose));
    upstream.always("GET", "/silent", Course::usual().after(After::SilentClose));
    for (path, said) in [("/said", Some("close")), ("/silent", None)] {
        let mut connection = connect(&upstream);
        connection.send(&request("GET", path, &[("X", "y")], None)).expect("sent");
        assert_eq!(connection.final_response("GET").expect("an answer").value("connection"), said);
        assert_eq!(connection.rest().expect("the end"), b"");
    }
    let mut idle = connect(&upstream);
    idle.send(&request("GET", "/", &[("X", "y")], None)).expect("sent");
    idle.final_response("GET").expect("an answer");
    upstream.wait_for_connections(|now| now.open == 1).expect("one is left");
    // It has answered, and may not yet wait for the next request.
    while upstream.close_idle() == 0 {
        thread::yield_now();
    }
    assert_eq!(idle.rest().expect("the end"), b"");
    upstream.refuse_connections(1);
    assert!(try_ask(&upstream, "GET", "/", &[], b"").is_err());
    assert_eq!(get(&upstream, "/", &[]).status, 404);
}

#[test]
fn what_is_held_ends_with_the_server() {
    let upstream = start();
    let gate = upstream.gate();
    upstream.next("PUT", "/a", Course::held(Point::Content, &gate));
    upstream.next("PUT", "/a", Course::status(202).apply(Apply::Late(gate)));
    let mut held = connect(&upstream);
    held.send(&request("PUT", "/a", &[("X", "y")], Some(b"x"))).expect("sent");
    upstream.wait_for("PUT", "/a", Point::Content, 1).expect("it comes");
    assert_eq!(put(&upstream, "/a", b"y").status, 202);
    let _idle = connect(&upstream);
    drop(upstream);
    assert!(held.final_response("PUT").is_err());
}

#[test]
fn nonsense_is_refused() {
    let upstream = start();
    for bytes in [&b"nonsense\r\n\r\n"[..], b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET /\r\n\r\n"] {
        let mut connection = connect(&upstream);
        connection.send(bytes).expect("sent");
        assert_eq!(connection.final_response("GET").expect("an answer").status, 400);
    }
    assert_eq!(ask(&upstream, "BREW", "/", &[], b"").status, 501);
}
