//! Which connection is taken, and how many there are.

use super::{LONG, OK, PATIENT, SHORT, Script, ask, drain, get, in_time, put, until, warm};
use ifmatch_gateway::settings::{Origin, Times};
use ifmatch_gateway::upstream::{ConnectError, Fresh, Stats, Upstream, collect};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Runs something on a runtime of its own, which counts as another core.
fn on_another_core<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Within time, as the end of the test waits for this thread.
        runtime.block_on(in_time(future))
    })
}

/// Lets the event loop, and every task, hear of what is in the sockets.
async fn turn_the_event_loop() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_are_used_again_newest_first() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let mut served = script.serve(OK);
    let mut first = upstream.connect(Fresh::Any).await.unwrap().start(get()).unwrap();
    let mut second = upstream.connect(Fresh::Any).await.unwrap().start(get()).unwrap();
    let (first, second) = (first.head(LONG).await.unwrap(), second.head(LONG).await.unwrap());
    let ports = [served.recv().await.unwrap(), served.recv().await.unwrap()];
    assert_ne!(ports[0], ports[1]);
    drain(second).await;
    drain(first).await;
    let newest = ask(&upstream, get()).await.unwrap();
    assert!(newest.is_reused());
    let port = served.recv().await.unwrap();
    drain(newest).await;
    warm(&upstream).await;
    assert_eq!(served.recv().await, Some(port));
    assert_eq!(upstream.stats(), Stats { opened: 2, reused: 2, idle: 2, open: 2, waiting: 0 });
}

#[tokio::test]
async fn the_connection_of_a_check_carries_the_write() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let mut served = script.serve(OK);
    let check = ask(&upstream, get()).await.unwrap();
    let connection = collect(check.response.into_body(), 10).await.unwrap().connection.unwrap();
    assert_eq!(upstream.stats().idle, 0, "it is not offered to others meanwhile");
    let answer = connection.start(super::request(http::Method::DELETE, super::Sending::empty()));
    drain(answer.unwrap().head(LONG).await.unwrap()).await;
    assert_eq!(served.recv().await, served.recv().await);
}

#[tokio::test]
async fn what_cannot_be_used_again_is_closed() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more",
    ] {
        let script = Script::new().await;
        let upstream = script.upstream();
        let ended = script.run(async move |script| {
            let mut wire = script.accept().await;
            wire.head().await;
            wire.say(answer).await;
            wire.rest().await
        });
        let answer = ask(&upstream, get()).await.unwrap();
        let collected = collect(answer.response.into_body(), 10).await.unwrap();
        assert_eq!(&collected.bytes[..], b"ok");
        assert!(collected.connection.is_none());
        assert!(ended.await.unwrap().is_empty());
        assert_eq!(upstream.stats().open, 0);
    }
}

/// Whoever finds such a byte must leave it for the others to find.
#[tokio::test]
async fn one_byte_behind_an_answer_closes_its_connection() {
    let script = Script::new().await;
    let upstream = script.upstream_with(PATIENT, 4);
    let (go, wait) = oneshot::channel::<()>();
    let (told, said) = oneshot::channel();
    script.run(async move |script| {
        let mut wires = [script.accept().await, script.accept().await];
        for wire in &mut wires {
            wire.head().await;
            wire.say(OK).await;
        }
        wait.await.unwrap();
        wires[1].say("x").await;
        told.send(()).unwrap();
        wires[0].rest().await;
    });
    let connections =
        [upstream.connect(Fresh::Any).await.unwrap(), upstream.connect(Fresh::Any).await.unwrap()];
    let [first, second] = connections.map(|connection| connection.start(get()).unwrap());
    let [mut first, mut second] = [first, second];
    let answer = first.head(LONG).await.unwrap();
    drain(answer).await;
    let answer = second.head(LONG).await.unwrap();
    let second = collect(answer.response.into_body(), 10).await.unwrap().connection.unwrap();
    go.send(()).unwrap();
    said.await.unwrap();
    turn_the_event_loop().await;
    drop(second);
    let found = upstream.connect(Fresh::Any).await.unwrap();
    assert!(found.is_reused());
    assert_eq!((upstream.stats().idle, upstream.stats().open), (0, 1), "the other one was closed");
}

#[tokio::test]
async fn an_answer_that_is_not_read_closes_its_connection() {
    let script = Script::new().await;
    let upstream = script.upstream();
    let ended = script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await;
        wire.rest().await
    });
    drop(ask(&upstream, get()).await.unwrap());
    ended.await.unwrap();
    assert_eq!(upstream.stats(), Stats { opened: 1, ..Stats::default() });
}

#[tokio::test]
async fn what_the_upstream_closes_and_what_is_idle_for_too_long_goes_without_traffic() {
    for hangs_up in [true, false] {
        let script = Script::new().await;
        let keep_idle_max = if hangs_up { PATIENT.keep_idle_max } else { SHORT };
        let upstream = script.upstream_with(Times { keep_idle_max, ..PATIENT }, 4);
        let (go, wait) = oneshot::channel::<()>();
        let ended = script.run(async move |script| {
            let mut wire = script.accept().await;
            wire.head().await;
            wire.say(OK).await;
            if hangs_up {
                wait.await.unwrap();
            } else {
                wire.rest().await;
            }
        });
        warm(&upstream).await;
        assert_eq!(upstream.stats().idle, 1);
        go.send(()).ok();
        in_time(ended).await.unwrap();
        until(|| upstream.stats().open == 0).await;
        assert_eq!(upstream.stats().idle, 0);
    }
}

#[tokio::test]
async fn a_write_takes_no_connection_that_was_idle_for_long() {
    let script = Script::new().await;
    let upstream = script.upstream();
    script.serve(OK);
    warm(&upstream).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(900)).await;
    assert!(upstream.connect(Fresh::Recent).await.unwrap().is_reused());
    tokio::time::advance(Duration::from_millis(1100)).await;
    tokio::time::resume();
    let fresh = upstream.connect(Fresh::Recent).await.unwrap();
    assert!(!fresh.is_reused());
    assert!(upstream.connect(Fresh::Any).await.unwrap().is_reused());
}

#[tokio::test]
async fn there_are_no_more_connections_than_allowed() {
    let script = Script::new().await;
    let upstream = script.upstream_with(Times { connect_max: SHORT, ..Times::default() }, 1);
    script.serve(OK);
    let first = ask(&upstream, get()).await.unwrap();
    let busy = upstream.connect(Fresh::Any).await.unwrap_err();
    assert!(matches!(busy, ConnectError::Busy), "{busy}");
    drain(first).await;
    assert!(upstream.connect(Fresh::Any).await.is_ok());
}

#[tokio::test]
async fn those_who_wait_get_the_very_connection() {
    let script = Script::new().await;
    let upstream = Arc::new(script.upstream_with(PATIENT, 1));
    script.serve(OK);
    let first = ask(&upstream, get()).await.unwrap();
    let waiting = tokio::spawn({
        let upstream = Arc::clone(&upstream);
        async move { upstream.connect(Fresh::Any).await.unwrap().is_reused() }
    });
    until(|| upstream.stats().waiting == 1).await;
    drain(first).await;
    assert!(in_time(waiting).await.unwrap());
    assert_eq!((upstream.stats().opened, upstream.stats().waiting), (1, 0));
}

#[tokio::test]
async fn an_idle_connection_makes_room_for_one_that_is_needed() {
    let script = Script::new().await;
    let upstream = Arc::new(script.upstream_with(Times::default(), 1));
    script.serve(OK);
    warm(&upstream).await;
    assert_eq!(upstream.stats().idle, 1);
    // Another core does not take it, but its place.
    let other = on_another_core({
        let upstream = Arc::clone(&upstream);
        async move {
            let answer = ask(&upstream, get()).await.unwrap();
            let reused = answer.is_reused();
            drain(answer).await;
            reused
        }
    });
    assert!(!other.await.unwrap());
    let stats = upstream.stats();
    assert_eq!((stats.opened, stats.reused, stats.open), (2, 0, 1));
}

/// Where each connection is closed to make room for the next, none would get old enough to show that it is kept.
#[tokio::test]
async fn writes_alone_find_out_that_connections_are_kept() {
    let script = Script::new().await;
    let upstream = script.upstream_with(Times::default(), 2);
    script.serve(OK);
    let write = async || {
        let connection = upstream.connect(Fresh::Recent).await.unwrap();
        let answer = connection.start(put("x")).unwrap().head(LONG).await.unwrap();
        let reused = answer.is_reused();
        drain(answer).await;
        reused
    };
    for _ in 0..3 {
        assert!(!write().await, "nothing is known of it yet");
    }
    in_time(async { while !write().await {} }).await;
    let opened = upstream.stats().opened;
    assert!(write().await);
    assert_eq!(upstream.stats().opened, opened);
}

#[tokio::test]
async fn those_who_wait_on_another_core_get_the_place_of_a_connection() {
    let script = Script::new().await;
    let upstream = Arc::new(script.upstream_with(PATIENT, 1));
    script.serve(OK);
    let first = ask(&upstream, get()).await.unwrap();
    let other = on_another_core({
        let upstream = Arc::clone(&upstream);
        async move { ask(&upstream, get()).await.unwrap().is_reused() }
    });
    until(|| upstream.stats().waiting == 1).await;
    drain(first).await;
    assert!(!other.await.unwrap());
}

#[tokio::test]
async fn a_connection_that_ends_up_on_another_core_is_not_kept() {
    let script = Script::new().await;
    let upstream = Arc::new(script.upstream());
    script.serve(OK);
    let answer = ask(&upstream, get()).await.unwrap();
    on_another_core(drain(answer)).await.unwrap();
    assert_eq!((upstream.stats().idle, upstream.stats().open), (0, 0));
}

#[tokio::test]
async fn nobody_there_is_told_apart() {
    let script = Script::new().await;
    let port = script.port();
    drop(script);
    let at = |host: &str| Upstream::new(Origin { host: host.into(), port }, Times::default(), 4);
    for host in ["127.0.0.1", "localhost"] {
        let error = at(host).connect(Fresh::Any).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
        assert_eq!(at(host).stats().open, 0);
    }
    let error = at("no host has such a name").connect(Fresh::Any).await.unwrap_err();
    assert!(matches!(error, ConnectError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn all_addresses_of_a_name_are_tried() {
    let script = Script::new().await;
    let origin = Origin { host: "localhost".into(), port: script.port() };
    let upstream = Upstream::new(origin, Times::default(), 4);
    script.serve(OK);
    warm(&upstream).await;
}

#[tokio::test]
async fn an_upstream_that_is_dropped_closes_what_is_idle() {
    let script = Script::new().await;
    let upstream = script.upstream_with(PATIENT, 4);
    let ended = script.run(async |script| {
        let mut wire = script.accept().await;
        wire.head().await;
        wire.say(OK).await;
        wire.rest().await
    });
    warm(&upstream).await;
    drop(upstream);
    in_time(ended).await.unwrap();
}
