//! Many clients at once. Each race is run against the real server, which loses nothing, and in the same way against a
//! server that looks first and writes later, so that the test is known to notice.

use crate::support::{Fields, Gate, NONE, Server, Unprotected, ask, assert_refused, code, connect, tag};
use ifmatch_testkit::history::counter::{Counter, Miscount};
use ifmatch_testkit::history::{Call, Kind, Outcome, Recorder, Version, check};
use ifmatch_testkit::raw::{Connection, Response, request};
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// More than one, whatever the machine has.
const WORKERS: [&str; 2] = ["--workers", "2"];

fn number(response: &Response) -> u64 {
    response.text().parse().unwrap()
}

/// A write and how it ended.
fn write(
    connection: &mut Connection,
    method: &str,
    target: &str,
    fields: Fields<'_>,
    value: &str,
) -> Response {
    let content = (method != "DELETE").then_some(value.as_bytes());
    ask(connection, method, target, fields, content).unwrap()
}

fn outcome(response: &Response) -> Outcome {
    match response.status {
        201 | 204 => Outcome::Applied { tag: response.value("etag").map(str::to_owned) },
        412 | 404 => Outcome::Refused,
        other => panic!("{other}: {}", response.text()),
    }
}

/// What is there.
fn seen(connection: &mut Connection, target: &str) -> Option<Version> {
    let response = ask(connection, "GET", target, NONE, None).unwrap();
    match response.status {
        200 => Some(Version { tag: tag(&response), value: response.text() }),
        404 => None,
        other => panic!("{other}: {}", response.text()),
    }
}

/// So many clients increment one counter until it was done so many times: read, add one, write with the tag that was
/// read; and from the start if that is refused.
fn increments(address: SocketAddr, clients: usize, total: u64) -> Counter {
    let taken = AtomicU64::new(0);
    let acknowledged = AtomicU64::new(0);
    let start = number(&ask(&mut connect(address), "GET", "/n", NONE, None).unwrap());
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut connection = connect(address);
                while taken.fetch_add(1, Ordering::SeqCst) < total {
                    loop {
                        let read = ask(&mut connection, "GET", "/n", NONE, None).unwrap();
                        let next = (number(&read) + 1).to_string();
                        let fields = [("If-Match", &*tag(&read))];
                        let response = write(&mut connection, "PUT", "/n", &fields, &next);
                        if let Outcome::Applied { .. } = outcome(&response) {
                            acknowledged.fetch_add(1, Ordering::SeqCst);
                            break;
                        }
                    }
                }
            });
        }
    });
    let end = number(&ask(&mut connect(address), "GET", "/n", NONE, None).unwrap());
    Counter { start, acknowledged: acknowledged.into_inner(), unknown: 0, end }
}

#[test]
fn no_acknowledged_increment_is_lost() {
    let server = Server::start_with(&WORKERS);
    server.create("/n", b"7");
    let counter = increments(server.address(), 64, 1000);
    assert_eq!(counter, Counter { start: 7, acknowledged: 1000, unknown: 0, end: 1007 });
    assert_eq!(counter.check(), Ok(()));
}

#[test]
fn where_the_look_and_the_write_are_two_steps_an_increment_is_lost() {
    let server = Unprotected::start(Gate::Together(2));
    server.set("/n", b"7");
    let counter = increments(server.address(), 2, 2);
    assert_eq!(counter, Counter { start: 7, acknowledged: 2, unknown: 0, end: 8 });
    assert_eq!(counter.check(), Err(Miscount::Lost(1)));
}

/// The server cannot help a client that sends what it made of an old version with the tag of a new one. This is what
/// the explanation of `stale_version` warns of, and why 428 does not tell the tag.
#[test]
fn clients_that_retry_blindly_lose_increments() {
    let server = Server::start();
    server.create("/n", b"7");
    let (one, other) = (server.get("/n"), server.get("/n"));
    let next = |read: &Response| (number(read) + 1).to_string();
    server.replace("/n", &tag(&one), next(&one).as_bytes());
    let refused = server.put("/n", &tag(&other), next(&other).as_bytes());
    assert_refused(&refused, 412, "stale_version");
    server.replace("/n", &tag(&refused), next(&other).as_bytes());
    let counter = Counter { start: 7, acknowledged: 2, unknown: 0, end: number(&server.get("/n")) };
    assert_eq!(counter.check(), Err(Miscount::Lost(1)));
}

/// All create the same at the same time; the answers, each with what its sender had sent.
fn creators(address: SocketAddr, clients: usize, target: &str) -> Vec<(Response, String)> {
    let barrier = Barrier::new(clients);
    thread::scope(|scope| {
        let threads = (0..clients).map(|index| {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut connection = connect(address);
                let value = format!("made by {index}");
                barrier.wait();
                (write(&mut connection, "PUT", target, &[("If-None-Match", "*")], &value), value)
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_many_creators_one_wins() {
    let server = Server::start_with(&WORKERS);
    for round in 0..12 {
        let target = format!("/c/{round}");
        let (won, lost): (Vec<_>, Vec<_>) =
            creators(server.address(), 16, &target).into_iter().partition(|(r, _)| r.status == 201);
        assert_eq!((won.len(), lost.len()), (1, 15), "round {round}");
        for (response, _) in &lost {
            assert_refused(response, 412, "already_exists");
        }
        server.assert_is(&target, &tag(&won[0].0), won[0].1.as_bytes());
    }
}

#[test]
fn where_the_look_and_the_write_are_two_steps_all_creators_win() {
    let server = Unprotected::start(Gate::Together(16));
    let won = creators(server.address(), 16, "/c").into_iter().filter(|(r, _)| r.status < 300).count();
    assert_eq!(won, 16);
}

/// Two clients that have read the same version; one replaces it and one deletes it, at the same time. What they and a
/// third, who looks before and after, saw.
fn delete_against_put(address: SocketAddr, target: &str, recorder: &Recorder) -> (Option<Version>, [u16; 2]) {
    let mut connection = connect(address);
    let before = seen(&mut connection, target);
    let expected = before.clone().unwrap().tag;
    let barrier = Barrier::new(2);
    let race = |method: &'static str| {
        let mut connection = connect(address);
        barrier.wait();
        let invoked = recorder.invoked();
        let response = write(&mut connection, method, target, &[("If-Match", &expected)], "new");
        let (expected, outcome) = (expected.clone(), outcome(&response));
        let call = match method {
            "DELETE" => Call::Delete { expected, outcome },
            _ => Call::Put { expected, value: "new".into(), outcome },
        };
        recorder.answered(method, invoked, call);
        response.status
    };
    let statuses = thread::scope(|scope| {
        let threads = ["PUT", "DELETE"].map(|method| scope.spawn(move || race(method)));
        threads.map(|thread| thread.join().unwrap())
    });
    let invoked = recorder.invoked();
    recorder.answered("reader", invoked, Call::Read { saw: seen(&mut connection, target) });
    (before, statuses)
}

#[test]
fn of_a_replacement_and_a_deletion_one_happens() {
    let server = Server::start_with(&WORKERS);
    for round in 0..30 {
        let target = format!("/d/{round}");
        server.create(&target, b"old");
        let recorder = Recorder::new();
        let (before, statuses) = delete_against_put(server.address(), &target, &recorder);
        let now = server.get(&target);
        match statuses {
            [204, 412] => assert_eq!((now.status, now.text().as_str()), (200, "new"), "round {round}"),
            [412, 204] => assert_eq!(now.status, 404, "round {round}"),
            other => panic!("round {round}: {other:?}"),
        }
        check(&recorder.history(before)).unwrap();
    }
}

#[test]
fn where_the_look_and_the_write_are_two_steps_both_happen() {
    let server = Unprotected::start(Gate::Together(2));
    server.set("/d", b"old");
    let recorder = Recorder::new();
    let (before, statuses) = delete_against_put(server.address(), "/d", &recorder);
    assert!(statuses.iter().all(|status| *status < 300), "{statuses:?}");
    let failure = check(&recorder.history(before)).unwrap_err();
    assert_eq!(failure.violation().map(|violation| violation.kind), Some(Kind::LostUpdate), "{failure}");
}

/// A client that stops in the middle of its content, one that does not, and what becomes of both. `stalled` returns
/// when the server is known to wait for the rest.
fn slow_against_fast(
    address: SocketAddr,
    fields: Fields<'_>,
    stalled: impl FnOnce(&mut Connection),
) -> (Response, Response, Recorder, Option<Version>) {
    let recorder = Recorder::new();
    let (mut slow, mut fast) = (connect(address), connect(address));
    let before = seen(&mut fast, "/s");
    let expected = before.clone().unwrap().tag;
    let all: Vec<_> =
        fields.iter().copied().chain([("If-Match", expected.as_str()), ("Content-Length", "4")]).collect();
    let slow_invoked = recorder.invoked();
    slow.send(&request("PUT", "/s", &all, None)).unwrap();
    stalled(&mut slow);
    slow.send(b"sl").unwrap();

    let invoked = recorder.invoked();
    let first = write(&mut fast, "PUT", "/s", &[("If-Match", &expected)], "fast");
    let put = |value: &str, response: &Response| Call::Put {
        expected: expected.clone(),
        value: value.into(),
        outcome: outcome(response),
    };
    recorder.answered("fast", invoked, put("fast", &first));

    slow.send(b"ow").unwrap();
    let second = slow.final_response("PUT").unwrap();
    recorder.answered("slow", slow_invoked, put("slow", &second));
    let invoked = recorder.invoked();
    recorder.answered("reader", invoked, Call::Read { saw: seen(&mut fast, "/s") });
    (first, second, recorder, before)
}

#[test]
fn a_slow_upload_stops_nobody_and_overwrites_nothing() {
    let server = Server::start_with(&WORKERS);
    let mut current = server.create("/s", b"old");
    // Known to be waited for because it was asked to continue, and one that was not.
    for (fields, is_awaited) in [(&[("Expect", "100-continue")][..], true), (&[], false)] {
        let (fast, slow, recorder, before) = slow_against_fast(server.address(), fields, |slow| {
            if is_awaited {
                assert_eq!(slow.response("PUT").unwrap().status, 100);
            }
        });
        assert_eq!(fast.status, 204);
        let body = assert_refused(&slow, 412, "stale_version");
        assert_eq!(body["current_etag"], tag(&fast).as_str());
        server.assert_is("/s", &tag(&fast), b"fast");
        check(&recorder.history(before)).unwrap();
        current = tag(&fast);
    }
    server.assert_is("/s", &current, b"fast");
}

#[test]
fn where_the_look_comes_before_the_content_a_slow_upload_overwrites() {
    let server = Unprotected::start(Gate::Content);
    server.set("/s", b"old");
    let (fast, slow, recorder, before) =
        slow_against_fast(server.address(), NONE, |_| server.wait_for_looks(1));
    assert_eq!((fast.status, slow.status), (204, 204));
    let failure = check(&recorder.history(before)).unwrap_err();
    assert_eq!(failure.violation().map(|violation| violation.kind), Some(Kind::LostUpdate), "{failure}");
}

/// Many slow ones hold nothing that others need.
#[test]
fn stalled_uploads_do_not_hold_the_resource() {
    let server = Server::start_with(&WORKERS);
    let mut current = server.create("/s", b"old");
    let stalled: Vec<_> = (0..40)
        .map(|_| {
            let mut connection = server.connect();
            let fields =
                [("If-Match", current.as_str()), ("Content-Length", "4"), ("Expect", "100-continue")];
            connection.send(&request("PUT", "/s", &fields, None)).unwrap();
            assert_eq!(connection.response("PUT").unwrap().status, 100);
            connection.send(b"sl").unwrap();
            connection
        })
        .collect();
    for round in 0..20 {
        current = server.replace("/s", &current, format!("{round}").as_bytes());
    }
    for mut connection in stalled {
        connection.send(b"ow").unwrap();
        assert_refused(&connection.final_response("PUT").unwrap(), 412, "stale_version");
    }
    server.assert_is("/s", &current, b"19");
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn mixed_operations_have_one_order() {
    const CLIENTS: u64 = 8;
    const EACH: usize = 80;
    let server = Server::start_with(&WORKERS);
    let address = server.address();
    let targets = ["/m/0", "/m/1", "/m/2"];
    let recorders = targets.map(|_| Recorder::new());
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let recorders = &recorders;
            scope.spawn(move || {
                let mut connection = connect(address);
                let mut random = Random::new(client + 1);
                let mut known: [Option<String>; 3] = [const { None }; 3];
                for step in 0..EACH {
                    let at = usize::try_from(random.below(3)).unwrap();
                    let (target, recorder) = (targets[at], &recorders[at]);
                    let name = format!("client {client}");
                    let value = format!("{client}.{step}");
                    let invoked = recorder.invoked();
                    let call = match (random.below(10), known[at].clone()) {
                        (0..5, Some(expected)) => {
                            let fields = [("If-Match", expected.as_str())];
                            let response = write(&mut connection, "PUT", target, &fields, &value);
                            Call::Put { expected, value, outcome: outcome(&response) }
                        }
                        (5, Some(expected)) => {
                            let fields = [("If-Match", expected.as_str())];
                            let response = write(&mut connection, "DELETE", target, &fields, "");
                            Call::Delete { expected, outcome: outcome(&response) }
                        }
                        (0..7, _) => {
                            let fields = [("If-None-Match", "*")];
                            let response = write(&mut connection, "PUT", target, &fields, &value);
                            Call::Create { value, outcome: outcome(&response) }
                        }
                        _ => Call::Read { saw: seen(&mut connection, target) },
                    };
                    // Old tags are kept and used now and then; a tag seen or made replaces them.
                    match &call {
                        Call::Read { saw } => known[at] = saw.clone().map(|version| version.tag),
                        Call::Put { outcome: Outcome::Applied { tag }, .. }
                        | Call::Create { outcome: Outcome::Applied { tag }, .. } => known[at].clone_from(tag),
                        _ => {}
                    }
                    recorder.answered(name, invoked, call);
                }
            });
        }
    });
    let mut applied = 0;
    for (target, recorder) in targets.into_iter().zip(&recorders) {
        let invoked = recorder.invoked();
        recorder.answered("reader", invoked, Call::Read { saw: seen(&mut server.connect(), target) });
        let history = recorder.history(None);
        check(&history).unwrap_or_else(|failure| panic!("{target}: {failure}"));
        applied += history
            .operations
            .iter()
            .filter(|operation| matches!(operation.call.outcome(), Some(Outcome::Applied { .. })))
            .count();
    }
    assert!(applied > 50, "{applied} writes were applied");
}

/// Names of our choice are never chosen twice.
#[test]
fn appends_never_collide() {
    let server = Server::start_with(&WORKERS);
    let address = server.address();
    let mut made: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|client| {
                scope.spawn(move || {
                    let mut connection = connect(address);
                    (0..25)
                        .map(|step| {
                            let value = format!("{client}.{step}");
                            let response = write(&mut connection, "POST", "/p/", NONE, &value);
                            assert_eq!((response.status, code(&response)), (201, None));
                            response.value("location").unwrap().to_owned()
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 200);
    let listed: serde_json::Value = serde_json::from_slice(&server.get("/p/?limit=1000").content).unwrap();
    let listed: Vec<_> =
        listed.as_array().unwrap().iter().map(|item| item["href"].as_str().unwrap()).collect();
    assert_eq!(listed, made);
}
