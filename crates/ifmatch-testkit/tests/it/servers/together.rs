//! Writers that have all read the same and write at the same time, each with the tag that it read: how many of them are
//! told that their write was applied. More than one is a lost update.

#![allow(clippy::print_stdout, reason = "figures for whoever asks for them with --nocapture")]

use super::settled;
use ifmatch_testkit::servers::{Kind, Place, Server};
use std::sync::Barrier;
use std::thread;

/// Writers at a time.
const WRITERS: usize = 6;

/// Rounds of a server of which it is known how each of them ends.
const ROUNDS: u64 = 30;

/// Rounds in which a server that is not atomic has to be caught at it once. The rarest, Django, is in every third.
const ROUNDS_MAX: u64 = 1000;

/// How many were told that they replaced it.
fn accepted(place: Place, name: &str, round: u64) -> usize {
    let read = settled(place, name);
    let tag = read.value("etag").unwrap_or("\"none\"");
    let barrier = Barrier::new(WRITERS);
    let write = |writer: u64| {
        barrier.wait();
        place.put(name, &[("If-Match", tag)], round * 10 + writer).expect("an answer") < 300
    };
    thread::scope(|scope| {
        let write = &write;
        let threads: Vec<_> = (1..).take(WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .filter(|is_applied| *is_applied)
            .count()
    })
}

fn start(kind: Kind) -> Server {
    let server = Server::start(kind).expect("a running server");
    server.place().create("contested", 1).expect("a document");
    server
}

fn one_wins(kind: Kind) {
    assert!(kind.is_atomic());
    let server = start(kind);
    for round in 1..=ROUNDS {
        assert_eq!(accepted(server.place(), "contested", round), 1, "round {round}");
    }
}

fn all_win(kind: Kind) {
    assert!(kind.ignores_conditions() && !kind.is_atomic());
    let server = start(kind);
    for round in 1..=ROUNDS {
        assert_eq!(accepted(server.place(), "contested", round), WRITERS, "round {round}");
    }
}

/// Some round has more than one winner.
fn sometimes_more_than_one_wins(kind: Kind) {
    assert!(!kind.ignores_conditions() && !kind.is_atomic());
    let server = start(kind);
    let caught = (1..=ROUNDS_MAX).find(|round| {
        let winners = accepted(server.place(), "contested", *round);
        assert!(winners > 0, "round {round}");
        winners > 1
    });
    println!("{}: more than one wins in round {caught:?}", kind.name());
    assert!(caught.is_some());
}

/// Its window is so small that no number of rounds is sure to hit it.
#[test]
fn kinto_has_a_winner() {
    let server = start(Kind::Kinto);
    let winners: Vec<_> = (1..=ROUNDS).map(|round| accepted(server.place(), "contested", round)).collect();
    println!("{}: {winners:?}", Kind::Kinto.name());
    assert!(winners.iter().all(|winners| *winners > 0), "{winners:?}");
}

macro_rules! kinds {
    ($($name:ident: $how:ident, $kind:expr;)*) => {$(
        #[test]
        fn $name() {
            $how($kind);
        }
    )*};
}

kinds! {
    lighttpd: one_wins, Kind::Lighttpd;
    radicale: one_wins, Kind::Radicale;
    apache_dav: sometimes_more_than_one_wins, Kind::ApacheDav;
    wsgidav: sometimes_more_than_one_wins, Kind::WsgiDav;
    django: sometimes_more_than_one_wins, Kind::Django;
    flask_smorest: sometimes_more_than_one_wins, Kind::FlaskSmorest;
    nginx_dav: all_win, Kind::NginxDav;
    flask: all_win, Kind::Flask;
    json_server: all_win, Kind::JsonServer;
    http_server: all_win, Kind::HttpServer;
}
