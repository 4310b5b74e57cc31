//! Servers that people run: directly they lose updates, through the gateway they do not.

#![allow(clippy::print_stdout, reason = "figures for whoever asks for them with --nocapture")]

use super::Gateway;
use super::alone::loses_without;
use crate::races::Random;
use crate::support::{ask, assert_refused, connect, tag};
use ifmatch_testkit::history::counter::Counter;
use ifmatch_testkit::history::{Call, Outcome, Recorder, Version, check};
use ifmatch_testkit::raw::{Connection, Response};
use ifmatch_testkit::servers::{Kind, Place, Server};
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Clients that write at the same time.
pub(super) const WRITERS: u64 = 6;

/// Clients that want to create the same at the same time.
const CREATORS: usize = 6;

/// Increments of each through the gateway.
const INCREMENTS: u64 = 8;

/// After so many reads a client gives up.
const ATTEMPTS_MAX: usize = 10_000;

/// Rounds of clients that want the same and of whom one may have it.
const CONTESTS: usize = 4;

/// Writes in a row of a client that is alone.
const HONEST: u64 = 50;

/// Steps of each client that does this and that.
const STEPS: u64 = 25;

/// A server, and the gateway in front of it.
#[derive(Debug, Clone, Copy)]
struct Places {
    upstream: Place,
    gateway: SocketAddr,
}

/// What a client of the gateway does with one document.
struct Client {
    kind: Kind,
    name: String,
    connection: Connection,
}

impl Client {
    fn new(places: Places, name: &str) -> Self {
        let kind = places.upstream.kind;
        Self { kind, name: name.to_owned(), connection: connect(places.gateway) }
    }

    fn read(&mut self) -> Response {
        let target = self.kind.target(&self.name);
        ask(&mut self.connection, "GET", &target, self.kind.read_fields(), None).unwrap()
    }

    fn write(&mut self, method: &str, condition: Option<(&str, &str)>, number: u64) -> Response {
        let mut fields = self.kind.write_fields().to_vec();
        fields.extend(condition);
        let target = self.kind.target(&self.name);
        let content = self.kind.content(&self.name, number);
        let content = (method != "DELETE").then_some(content.as_slice());
        ask(&mut self.connection, method, &target, &fields, content).unwrap()
    }

    fn put(&mut self, tag: &str, number: u64) -> Response {
        self.write("PUT", Some(("If-Match", tag)), number)
    }

    fn delete(&mut self, tag: &str) -> Response {
        self.write("DELETE", Some(("If-Match", tag)), 0)
    }

    fn create(&mut self, number: u64) -> Response {
        self.write("PUT", Some(("If-None-Match", "*")), number)
    }

    /// The tag and the number of what is there.
    #[track_caller]
    fn seen(&mut self) -> (String, u64) {
        let response = self.read();
        assert_eq!(response.status, 200, "{}", response.text());
        let number = self.kind.number(&response.content);
        (tag(&response), number.unwrap_or_else(|| panic!("{:?}: {}", self.kind, response.text())))
    }
}

/// Whether a write was applied; refused can be only what came too late.
#[track_caller]
fn is_applied(response: &Response) -> bool {
    match response.status {
        200..300 => true,
        412 => {
            assert_refused(response, 412, "stale_version");
            false
        }
        other => panic!("{other}: {}", response.text()),
    }
}

/// Read, add one, write with the tag that was read; and from the start if that is refused.
fn counts_every_increment(places: Places) {
    places.upstream.create("n", 7).unwrap();
    let (acknowledged, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let mut client = Client::new(places, "n");
                let mut done = 0;
                for _ in 0..ATTEMPTS_MAX {
                    if done == INCREMENTS {
                        break;
                    }
                    let read = client.read();
                    if read.status == 502 {
                        // The server was short of what it had announced: it read while another wrote.
                        continue;
                    }
                    // What was read while it was written is nothing to build on: the tag says so.
                    let number = client.kind.number(&read.content);
                    let is_applied = is_applied(&client.put(&tag(&read), number.unwrap_or(0) + 1));
                    assert!(number.is_some() || !is_applied, "half a document was replaced: {read:?}");
                    done += u64::from(is_applied);
                    refused.fetch_add(u64::from(!is_applied), Ordering::SeqCst);
                }
                acknowledged.fetch_add(done, Ordering::SeqCst);
            });
        }
    });
    let (_, end) = Client::new(places, "n").seen();
    let counter = Counter { start: 7, acknowledged: acknowledged.into_inner(), unknown: 0, end };
    println!("{:?}, through the gateway: {counter:?}, refused: {refused:?}", places.upstream.kind);
    assert_eq!(counter, Counter { start: 7, acknowledged: WRITERS * INCREMENTS, unknown: 0, end: 55 });
    assert_eq!(counter.check(), Ok(()));
}

/// All do the same at the same time; their answers.
fn together<const N: usize>(
    clients: [Client; N],
    act: impl Fn(usize, &mut Client) -> Response + Sync,
) -> [Response; N] {
    let barrier = Barrier::new(N);
    let mut number = 0;
    thread::scope(|scope| {
        let threads = clients.map(|mut client| {
            let (barrier, act, mine) = (&barrier, &act, number);
            number += 1;
            scope.spawn(move || {
                barrier.wait();
                act(mine, &mut client)
            })
        });
        threads.map(|thread| thread.join().unwrap())
    })
}

/// All create the same at the same time.
fn lets_one_creator_win(places: Places) {
    for round in 0..CONTESTS {
        let name = format!("created-{round}");
        let clients: [Client; CREATORS] = std::array::from_fn(|_| Client::new(places, &name));
        let answers = together(clients, |number, client| client.create(number as u64));
        let mut client = Client::new(places, &name);
        if !places.upstream.kind.creates() {
            // One that asks for conditions knows none for what is not there.
            let refuses = if places.upstream.kind.requires_conditions() { 428 } else { 404 };
            assert!(answers.iter().all(|answer| answer.status == refuses), "{answers:?}");
            assert_eq!(client.read().status, 404);
            continue;
        }
        let (won, lost): (Vec<_>, Vec<_>) = (0..).zip(&answers).partition(|(_, answer)| answer.status < 300);
        for (_, lost) in lost {
            assert_refused(lost, 412, "already_exists");
        }
        let won: Vec<u64> = won.into_iter().map(|(number, _)| number).collect();
        assert_eq!(won, [client.seen().1], "round {round}");
    }
}

fn deletes_what_was_seen(places: Places) {
    places.upstream.create("d", 1).unwrap();
    let mut client = Client::new(places, "d");
    let (first, _) = client.seen();
    assert_refused(&client.write("DELETE", None, 0), 428, "precondition_required");
    assert_refused(&client.write("PUT", None, 3), 428, "precondition_required");
    assert!(is_applied(&client.put(&first, 2)));
    assert_refused(&client.delete(&first), 412, "stale_version");
    let (second, number) = client.seen();
    assert_eq!(number, 2);
    assert!(is_applied(&client.delete(&second)));
    assert_eq!(client.read().status, 404);
    assert_refused(&client.put(&second, 3), 412, "stale_version");
    assert_eq!(client.read().status, 404);
}

/// Two clients that have read the same; one replaces it and one deletes it.
fn replaces_or_deletes(places: Places) {
    for round in 0..CONTESTS {
        let name = format!("contested-{round}");
        places.upstream.create(&name, 1).unwrap();
        let mut client = Client::new(places, &name);
        let (tag, _) = client.seen();
        let clients = [Client::new(places, &name), Client::new(places, &name)];
        let [put, delete] = together(clients, |number, client| match number {
            0 => client.put(&tag, 2),
            _ => client.delete(&tag),
        });
        let now = client.read();
        match (put.status, delete.status) {
            (200..300, 412) => assert_eq!(client.kind.number(&now.content), Some(2), "round {round}"),
            // Where nothing is, there is nothing to replace.
            (412, 200..300) => assert_eq!(now.status, 404, "round {round}"),
            other => panic!("round {round}: {other:?}: {} {}", put.text(), delete.text()),
        }
    }
}

/// A client that is alone is never refused.
fn leaves_the_honest_alone(places: Places) {
    places.upstream.create("honest", 0).unwrap();
    let mut client = Client::new(places, "honest");
    for round in 0..HONEST {
        let (tag, number) = client.seen();
        assert_eq!(number, round);
        let answer = client.put(&tag, number + 1);
        assert!(answer.status < 300, "round {round}: {} {}", answer.status, answer.text());
    }
    assert_eq!(client.seen().1, HONEST);
}

/// What names the content in a minted tag. Two tags with it may differ in their count and still name one state, so it
/// is what the checker of histories is given.
fn digest(tag: &str) -> String {
    let digest = tag.trim_matches('"').split('-').nth(2);
    digest.unwrap_or_else(|| panic!("{tag} has no digest")).to_owned()
}

fn version(kind: Kind, response: &Response) -> Option<Version> {
    let number = kind.number(&response.content)?;
    Some(Version { tag: digest(&tag(response)), value: number.to_string() })
}

/// Clients that read, replace, delete and create: there is one order of everything that was acknowledged. What was
/// refused is left out; a gateway may refuse more than it must.
fn has_one_order(places: Places) {
    places.upstream.create("mixed", 0).unwrap();
    let initial = version(places.upstream.kind, &Client::new(places, "mixed").read());
    let recorder = Recorder::new();
    thread::scope(|scope| {
        for writer in 1..=WRITERS {
            let recorder = &recorder;
            scope.spawn(move || steps(&mut Client::new(places, "mixed"), writer, recorder));
        }
    });
    let history = recorder.history(initial);
    let writes = history.operations.iter().filter(|operation| operation.call.outcome().is_some()).count();
    println!("{:?}: {writes} writes of {} operations", places.upstream.kind, history.operations.len());
    assert!(writes > 0);
    check(&history).unwrap();
}

fn steps(client: &mut Client, writer: u64, recorder: &Recorder) {
    let mut random = Random::new(writer);
    let mut known: Option<String> = None;
    for step in 0..STEPS {
        let number = writer * 1000 + step;
        let outcome = Outcome::Applied { tag: None };
        let value = number.to_string();
        let invoked = recorder.invoked();
        let choice = random.below(10);
        let call = match known.take() {
            Some(tag) if choice < 6 => is_applied(&client.put(&tag, number)).then(|| Call::Put {
                expected: digest(&tag),
                value,
                outcome,
            }),
            Some(tag) if choice == 6 => {
                let response = client.delete(&tag);
                (response.status != 404 && is_applied(&response))
                    .then(|| Call::Delete { expected: digest(&tag), outcome })
            }
            None if choice < 3 => {
                let response = client.create(number);
                (response.status < 300).then_some(Call::Create { value, outcome })
            }
            _ => {
                let response = client.read();
                match response.status {
                    404 => Some(Call::Read { saw: None }),
                    // Without a number it was read while it was being written.
                    200 => version(client.kind, &response).map(|seen| {
                        known = Some(tag(&response));
                        Call::Read { saw: Some(seen) }
                    }),
                    _ => None,
                }
            }
        };
        if let Some(call) = call {
            recorder.answered(format!("client {writer}"), invoked, call);
        }
    }
}

fn safe_with(kind: Kind) {
    let server = Server::start(kind).unwrap();
    let gateway = Gateway::start(server.address());
    let places = Places { upstream: server.place(), gateway: gateway.address };
    leaves_the_honest_alone(places);
    deletes_what_was_seen(places);
    replaces_or_deletes(places);
    lets_one_creator_win(places);
    counts_every_increment(places);
    if kind.creates() {
        has_one_order(places);
    }
}

/// For each server: what it does alone, and what it does behind the gateway.
macro_rules! servers {
    ($($name:ident: $kind:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn alone_loses_updates() {
                loses_without($kind);
            }

            #[test]
            fn behind_the_gateway_loses_none() {
                safe_with($kind);
            }
        }
    )*};
}

servers! {
    nginx_dav: Kind::NginxDav;
    apache_dav: Kind::ApacheDav;
    json_server: Kind::JsonServer;
    flask: Kind::Flask;
    wsgidav: Kind::WsgiDav;
    http_server: Kind::HttpServer;
    lighttpd: Kind::Lighttpd;
    radicale: Kind::Radicale;
    kinto: Kind::Kinto;
    django: Kind::Django;
    flask_smorest: Kind::FlaskSmorest;
}
