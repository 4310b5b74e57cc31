//! Observe: a transparent proxy. What goes through is compared with what would have gone without it.

use super::*;
use ifmatch_testkit::upstream::{Course, Framing, Point, Request, Shows};

/// One exchange with raw bytes; everything that came back, and what the upstream got.
fn exchange(at: SocketAddr, rig: &Rig, bytes: &[u8], method: &str) -> (Response, Request) {
    let mut client = Connection::open(at, LONG).unwrap();
    client.send(bytes).unwrap();
    let answer = client.final_response(method).unwrap();
    (answer, rig.upstream.requests().pop().unwrap())
}

/// What a proxy has to add or to settle for its own hop.
fn comparable(fields: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let own = ["via", "forwarded", "connection", "transfer-encoding", "content-length", "date", "host"];
    let named = fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let mut kept: Vec<_> = named.filter(|(name, _)| !own.contains(&name.as_str())).collect();
    // Lines of one field stay in order; those of different fields need not.
    kept.sort_by(|(a, _), (b, _)| a.cmp(b));
    kept
}

fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let request = |line: &str, fields: &str, content: &str| {
        format!("{line} HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n{content}").into_bytes()
    };
    let get = |fields: &str| ("GET", request("GET /a", fields, ""));
    let put = |fields: &str| {
        let fields = format!("Content-Length: 3\r\n{fields}");
        ("PUT", request("PUT /a", &fields, "two"))
    };
    vec![
        get(""),
        get("Accept-Encoding: gzip\r\nX-A: 1\r\nx-a: 2\r\nAccept: text/plain\r\n"),
        get("If-None-Match: \"x\", W/\"y\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        get("If-Match: not a tag\r\nIf-Range: \"x\"\r\nRange: bytes=0-1\r\nIf-Unmodified-Since: junk\r\n"),
        ("HEAD", request("HEAD /a", "", "")),
        ("GET", request("GET /%61/..//b%2f;x=1?q=%7e&&", "", "")),
        ("GET", request("GET /a%00\\b", "", "")),
        put(""),
        put("If-Match: \"0000000000000001-0\"\r\n"),
        put("If-Match: malformed\r\nIf-None-Match: *\r\nIf-Match: \"second\"\r\n"),
        put("X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /b\r\nIf_Match: \"x\"\r\n"),
        ("PUT", request("PUT /a", "Transfer-Encoding: chunked\r\n", "3\r\ntwo\r\n0\r\n\r\n")),
        ("POST", request("POST /a?_method=DELETE", "Content-Length: 1\r\n", "+")),
        ("PATCH", request("PATCH /a", "Content-Length: 2\r\n", "{}")),
        ("DELETE", request("DELETE /nothing", "", "")),
        ("PROPFIND", request("PROPFIND /a", "Depth: 0\r\nContent-Length: 2\r\n", "<>")),
        ("FROB", request("FROB /a", "Content-Length: 1\r\n", "x")),
        ("OPTIONS", request("OPTIONS /a", "", "")),
        ("MOVE", request("MOVE /a", "Destination: http://elsewhere.test/b\r\n", "")),
    ]
}

#[test]
fn observe_changes_no_byte_and_no_field_in_either_direction() {
    for mode in [Mode::Observe, Mode::Off] {
        let rig = in_mode(mode);
        for (method, bytes) in requests() {
            let habits = Habits { evaluates: true, shows: Shows::Representation, ..Habits::default() };
            let mut seen = Vec::new();
            for at in [rig.upstream.address(), rig.at] {
                rig.upstream.set("/a", b"{\"a\":1}");
                rig.upstream.habits("/a", habits.clone());
                // The dates of the double are those of its writes.
                let course = Course::usual().field("X-Reply", "1").field("X-Reply", "2");
                rig.upstream.next("*", "*", course);
                seen.push(exchange(at, &rig, &bytes, method));
                for path in ["/a", "/b", "/a%00\\b", "/%61/..//b%2f;x=1"] {
                    rig.upstream.remove(path);
                }
            }
            let [(direct, sent), (through, forwarded)] = &mut seen[..] else { panic!("two exchanges") };
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!((&sent.method, &sent.target), (&forwarded.method, &forwarded.target), "{text}");
            assert_eq!(comparable(&sent.fields), comparable(&forwarded.fields), "{text}");
            assert_eq!(forwarded.value("host"), Some("api.test"));
            assert_eq!((&sent.content, &sent.trailers), (&forwarded.content, &forwarded.trailers), "{text}");
            assert_eq!((direct.status, direct.text()), (through.status, through.text()), "{text}");
            for answer in [&mut *direct, through] {
                answer.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("last-modified"));
            }
            assert_eq!(comparable(&direct.fields), comparable(&through.fields), "{text}");
            assert_eq!(
                (direct.value("content-length"), &direct.reason),
                (through.value("content-length"), &through.reason)
            );
        }
    }
}

#[test]
fn observe_mints_nothing_and_leaves_the_upstreams_validators() {
    let rig = in_mode(Mode::Observe);
    rig.upstream.set("/a", b"one");
    let direct =
        raw::exchange(rig.upstream.address(), LONG, ("GET", "/a"), &[] as &[Field<'_>], None).unwrap();
    let through = rig.get("/a");
    for name in ["etag", "last-modified", "cache-control", "precondition-policy", "accept-ranges"] {
        assert_eq!(direct.values(name), through.values(name), "{name}");
    }
}

#[test]
fn observe_streams_a_request_before_its_content_is_complete() {
    let rig = in_mode(Mode::Observe);
    let mut client = rig.connect();
    let request = raw::request("PUT", "/a", &[] as &[Field<'_>], Some(b"0123456789"));
    let (first, rest) = request.split_at(request.len() - 5);
    client.send(first).unwrap();
    rig.upstream.wait_for("PUT", "/a", Point::Head, 1).unwrap();
    client.send(rest).unwrap();
    assert_eq!(client.final_response("PUT").unwrap().status, 201);
    assert_eq!(rig.upstream.text("/a").unwrap(), "0123456789");
}

#[test]
fn observe_streams_an_answer_before_it_is_complete() {
    let rig = in_mode(Mode::Observe);
    rig.upstream.set("/a", b"0123456789");
    let held = rig.upstream.gate();
    rig.upstream.next("GET", "/a", Course::held(Point::AnswerContent, &held));
    let mut client = Connection::open(rig.at, PATIENCE).unwrap();
    client.send(&raw::request("GET", "/a", &[] as &[Field<'_>], None)).unwrap();
    // The second half does not come, and the first is here.
    let Err(raw::Error::Timeout(bytes)) = client.response("GET") else { panic!("half an answer") };
    assert_eq!(bytes, b"01234");
    held.open();
}

#[test]
fn observe_never_queues() {
    let rig = in_mode(Mode::Observe);
    let both = rig.upstream.gate_for(2);
    rig.upstream.always("PUT", "/a", Course::held(Point::Content, &both));
    let writers = ["one", "two"].map(|content| rig.beside("PUT", "/a", &[("If-Match", "\"x\"")], content));
    for writer in writers {
        done(&writer.join().unwrap());
    }
}

#[test]
fn observe_holds_nothing_after_a_lost_answer_and_a_slow_one_costs_only_its_own_client() {
    let rig = rigged(|plan| {
        plan.settings.mode = Mode::Observe;
        plan.settings.times.answer_max = PATIENCE;
    });
    let never = rig.upstream.gate();
    for course in [
        Course::cut_at(Point::Head),
        Course::cut_at(Point::Applied),
        Course::status(202),
        Course::held(Point::Applied, &never),
    ] {
        rig.upstream.next("PUT", "/a", course.clone());
        let answer = rig.ask("PUT", "/a", &[], "one");
        assert!([202, 502, 504].contains(&answer.status), "{course:?} {}", answer.status);
        done(&rig.ask("PUT", "/a", &[], "two"));
        assert!(rig.state().doubts().is_empty() && !rig.is_held("/a"));
    }
}

#[test]
fn observe_counts_a_write_when_its_exchange_ends_however_it_ends() {
    let rig = in_mode(Mode::Observe);
    for (course, moves) in [
        (Course::usual(), true),
        (Course::status(409), false),
        (Course::status(408), true),
        (Course::status(500), true),
        (Course::cut_at(Point::Applied), true),
        (Course::usual().framed(Framing::Chunked(Vec::new())), true),
    ] {
        let before = rig.count("/a");
        rig.upstream.next("PUT", "/a", course.clone());
        rig.ask("PUT", "/a", &[], "one");
        if moves {
            until("the count moves", || rig.count("/a") > before);
        } else {
            rig.fence();
            assert_eq!(rig.count("/a"), before, "{course:?}");
        }
    }
}

#[test]
fn observe_records_an_outcome_as_unknown_where_the_answer_does_not_tell_it() {
    let rig = in_mode(Mode::Observe);
    for (n, status) in [202, 408, 500, 502, 504].into_iter().enumerate() {
        rig.upstream.next("PUT", "/a", Course::status(status));
        assert_eq!(rig.ask("PUT", "/a", &[], "one").status, status);
        rig.decided("PUT", "unknown", n + 1);
    }
    for (status, result) in [(201, "applied"), (409, "not applied")] {
        rig.upstream.next("PUT", "/a", Course::status(status));
        rig.ask("PUT", "/a", &[], "one");
        rig.decided("PUT", result, 1);
    }
}

#[test]
fn observe_adds_via_and_forwarded() {
    let rig = in_mode(Mode::Observe);
    rig.ask("GET", "/a", &[], "");
    let sent = rig.upstream.requests().pop().unwrap();
    assert_eq!(sent.value("via"), Some("1.1 ifmatch"));
    assert!(sent.value("forwarded").unwrap().starts_with("for=127.0.0.1"));
}
