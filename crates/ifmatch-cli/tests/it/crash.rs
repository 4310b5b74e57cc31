//! Processes that are killed or told to stop while clients write: what was acknowledged is there, what is there is
//! whole, and no tag ever stands for two contents.

use crate::races::Random;
use crate::support::{NONE, Sealed, Server, TIMEOUT, ask, assert_refused, tag, until};
use ifmatch_testkit::history::{Call, Outcome, Recorder, Version, check};
use ifmatch_testkit::process::Signal;
use ifmatch_testkit::raw::{Connection, Error, request};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const KILLS: usize = 50;
const STOPS: usize = 5;
const WRITERS: u64 = 6;
const TARGETS: [&str; 5] = ["/k/0", "/k/1", "/k/2", "/k/3", "/deep/er/4"];

/// The most a start after a crash may take, on a machine that is busy with other things.
const RESTART_MAX: Duration = Duration::from_secs(5);

/// What every tag that was ever seen stands for: a resource, and a content if that was seen as well.
#[derive(Debug, Default)]
struct Tags(Mutex<HashMap<String, (String, Option<String>)>>);

impl Tags {
    fn note(&self, tag: &str, target: &str, value: Option<&str>) {
        let mut tags = self.0.lock().unwrap();
        let known = tags.entry(tag.to_owned()).or_insert_with(|| (target.to_owned(), None));
        assert_eq!(known.0, target, "{tag} is the tag of two resources");
        if let Some(value) = value {
            let content = known.1.get_or_insert_with(|| value.to_owned());
            assert_eq!(content, value, "{tag} is the tag of two contents of {target}");
        }
    }
}

/// One server's life.
struct Life {
    address: SocketAddr,
    recorders: [Recorder; TARGETS.len()],
    acknowledged: AtomicU64,
}

/// What a client knows of a resource.
fn seen(connection: &mut Connection, target: &str, tags: &Tags) -> Result<Option<Version>, Error> {
    let response = ask(connection, "GET", target, NONE, None)?;
    if response.status == 404 {
        return Ok(None);
    }
    assert_eq!(response.status, 200, "{}", response.text());
    let value = Sealed::read(&response.content)
        .unwrap_or_else(|| panic!("{target} is not whole: {} octets", response.content.len()));
    assert!(value.name.starts_with(target), "{target} holds {value:?}");
    let version = Version { tag: tag(&response), value: format!("{} {}", value.number, value.name) };
    tags.note(&version.tag, target, Some(&version.value));
    Ok(Some(version))
}

/// Whether the end of a connection leaves no part of an answer behind.
fn is_clean(error: &Error) -> bool {
    match error {
        Error::Closed(part) => part.is_empty(),
        Error::Io(_) => true,
        _ => false,
    }
}

/// One read and one write made of it. An error means that there was no answer.
fn step(
    life: &Life,
    connection: &mut Connection,
    random: &mut Random,
    client: &str,
    tags: &Tags,
) -> Result<(), Error> {
    let at = usize::try_from(random.below(TARGETS.len() as u64)).unwrap();
    let (target, recorder) = (TARGETS[at], &life.recorders[at]);
    let invoked = recorder.invoked();
    let saw = seen(connection, target, tags)?;
    recorder.answered(client, invoked, Call::Read { saw: saw.clone() });

    let invoked = recorder.invoked();
    let number = saw.as_ref().map_or(0, |version| version.value.split(' ').next().unwrap().parse().unwrap());
    let sealed = Sealed { number: number + 1, name: format!("{target}:{client}:{invoked}") };
    let value = format!("{} {}", sealed.number, sealed.name);
    let is_deletion = saw.is_some() && at >= 3 && random.below(3) == 0;
    let (field, method) = match &saw {
        Some(version) => (("If-Match", version.tag.as_str()), if is_deletion { "DELETE" } else { "PUT" }),
        None => (("If-None-Match", "*"), "PUT"),
    };
    let octets = sealed.octets();
    let answer = ask(connection, method, target, &[field], (!is_deletion).then_some(octets.as_slice()));
    let outcome = match &answer {
        Ok(response) => match response.status {
            201 | 204 => Outcome::Applied { tag: response.value("etag").map(str::to_owned) },
            412 | 404 => {
                if let Some(current) = response.value("etag") {
                    tags.note(current, target, None);
                }
                Outcome::Refused
            }
            // Not applied, because the server is on its way down; nothing to be explained.
            503 => return Ok(()),
            other => panic!("{method} {target}: {other} {}", response.text()),
        },
        Err(error) => {
            assert!(is_clean(error), "{error}");
            Outcome::Unknown
        }
    };
    if let Outcome::Applied { tag } = &outcome {
        if let Some(tag) = tag {
            tags.note(tag, target, Some(&value));
        }
        life.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    recorder.answered(
        client,
        invoked,
        match (saw, is_deletion) {
            (Some(version), true) => Call::Delete { expected: version.tag, outcome },
            (Some(version), false) => Call::Put { expected: version.tag, value, outcome },
            (None, _) => Call::Create { value, outcome },
        },
    );
    answer.map(drop)
}

/// Writes until there is no answer any more.
fn work(life: &Life, client: u64, round: usize, tags: &Tags) {
    let mut random = Random::new(client + 1 + 1000 * round as u64);
    let name = format!("{round}.{client}");
    let Ok(mut connection) = Connection::open(life.address, TIMEOUT) else { return };
    while step(life, &mut connection, &mut random, &name, tags).is_ok() {}
}

/// Runs a server under load until so many writes are acknowledged, ends it, starts another one on its data, and holds
/// what that one has against everything that was answered. Returns what is there.
fn round(
    server: Server,
    index: usize,
    before: &[Option<Version>],
    tags: &Tags,
    end: impl FnOnce(&mut Server),
) -> (Server, Vec<Option<Version>>) {
    let mut server = server;
    let life = Life {
        address: server.address(),
        recorders: TARGETS.map(|_| Recorder::new()),
        acknowledged: AtomicU64::new(0),
    };
    let enough = 1 + Random::new(index as u64 + 7).below(120);
    thread::scope(|scope| {
        for client in 0..WRITERS {
            let life = &life;
            scope.spawn(move || work(life, client, index, tags));
        }
        until("acknowledgements", || (life.acknowledged.load(Ordering::SeqCst) >= enough).then_some(()));
        end(&mut server);
    });
    let data = server.data().to_owned();
    drop(server);

    let started = Instant::now();
    let server = Server::start_on(&data, &[]);
    assert!(started.elapsed() < RESTART_MAX, "{:?}", started.elapsed());
    let mut connection = server.connect();
    let mut after = Vec::new();
    for ((target, recorder), before) in TARGETS.into_iter().zip(&life.recorders).zip(before) {
        let invoked = recorder.invoked();
        let saw = seen(&mut connection, target, tags).unwrap();
        recorder.answered("the next process", invoked, Call::Read { saw: saw.clone() });
        check(&recorder.history(before.clone()))
            .unwrap_or_else(|failure| panic!("round {index}, {target}: {failure}"));
        after.push(saw);
    }
    (server, after)
}

/// Rounds on one data folder; how many tags were seen.
fn rounds(count: usize, end: impl Fn(&mut Server)) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let tags = Tags::default();
    let mut server = Server::start_on(&folder.path().join("data"), &[]);
    let mut there = vec![None; TARGETS.len()];
    for index in 0..count {
        (server, there) = round(server, index, &there, &tags, &end);
    }
    tags.0.into_inner().unwrap().len()
}

#[test]
fn killed_under_load() {
    let tags = rounds(KILLS, |server| {
        let status = server.process().kill().unwrap();
        assert!(!status.success());
    });
    assert!(tags > KILLS * 10, "{tags} tags: they did write");
}

#[test]
fn told_to_stop_under_load() {
    rounds(STOPS, |server| {
        let status = server.process().terminate(TIMEOUT).unwrap();
        assert_eq!(status.code(), Some(0), "{}", server.process().stderr().text());
        drop(TcpListener::bind(server.address()).expect("the port is free"));
    });
}

/// The checks above do notice: a store that forgets what it acknowledged, and one that uses a tag again.
#[test]
fn what_is_forgotten_is_noticed() {
    let version = |tag: &str, value: &str| Version { tag: tag.to_owned(), value: value.to_owned() };
    let recorder = Recorder::new();
    let invoked = recorder.invoked();
    let outcome = Outcome::Applied { tag: Some("\"2\"".into()) };
    recorder.answered("a", invoked, Call::Put { expected: "\"1\"".into(), value: "new".into(), outcome });
    let invoked = recorder.invoked();
    let read = Call::Read { saw: Some(version("\"1\"", "old")) };
    recorder.answered("the next process", invoked, read);
    assert!(check(&recorder.history(Some(version("\"1\"", "old")))).unwrap_err().violation().is_some());

    let tags = Tags::default();
    tags.note("\"2\"", "/a", Some("one"));
    tags.note("\"2\"", "/a", None);
    let other = thread::scope(|scope| scope.spawn(|| tags.note("\"2\"", "/a", Some("two"))).join());
    assert!(other.is_err(), "one tag, two contents");
}

/// Begins a write, and returns when the server waits for its content.
fn begin(server: &Server, target: &str) -> Connection {
    let mut connection = server.connect();
    let fields = [("If-None-Match", "*"), ("Expect", "100-continue"), ("Content-Length", "5")];
    connection.send(&request("PUT", target, &fields, None)).unwrap();
    assert_eq!(connection.response("PUT").unwrap().status, 100);
    connection.send(b"wh").unwrap();
    connection
}

fn until_it_takes_no_more(address: SocketAddr) {
    until("no more connections", || TcpStream::connect(address).is_err().then_some(()));
}

#[test]
fn what_is_under_way_is_finished_before_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_on(&folder.path().join("data"), &[]);
    let mut idle = server.connect();
    assert_eq!(ask(&mut idle, "GET", "/", NONE, None).unwrap().status, 200);
    let mut upload = begin(&server, "/a");
    server.process().signal(Signal::TERM).unwrap();
    until_it_takes_no_more(server.address());
    assert_eq!(idle.rest().unwrap(), b"", "an idle connection is closed");
    upload.send(b"ole").unwrap();
    let created = upload.final_response("PUT").unwrap();
    assert_eq!(created.status, 201);
    assert_eq!(upload.rest().unwrap(), b"");
    assert_eq!(server.process().wait(TIMEOUT).unwrap().code(), Some(0));
    drop(TcpListener::bind(server.address()).expect("the port is free"));
    let server = Server::start_on(&folder.path().join("data"), &[]);
    server.assert_is("/a", &tag(&created), b"whole");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_on(&folder.path().join("data"), &[]);
    let current = server.create("/b", b"before");
    let upload = begin(&server, "/a");
    server.process().signal(Signal::TERM).unwrap();
    until_it_takes_no_more(server.address());
    server.process().signal(Signal::INT).unwrap();
    assert_eq!(server.process().wait(TIMEOUT / 4).unwrap().code(), Some(0));
    drop(upload);
    let server = Server::start_on(&folder.path().join("data"), &[]);
    server.assert_absent("/a");
    server.assert_is("/b", &current, b"before");
}

/// Content is complete when its last octet is, and not before, whatever becomes of the process.
#[test]
fn an_upload_that_a_crash_cuts_is_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_on(&folder.path().join("data"), &[]);
    let current = server.create("/b", b"before");
    let uploads: Vec<_> = (0..5).map(|index| begin(&server, &format!("/a/{index}"))).collect();
    server.process().kill().unwrap();
    drop(uploads);
    let server = Server::start_on(&folder.path().join("data"), &[]);
    assert_eq!(server.get("/a/").text(), "[]\n");
    server.assert_is("/b", &current, b"before");
    // The tags go on from where they may have been.
    let next = server.replace("/b", &current, b"after");
    assert_refused(&server.put("/b", &current, b"x"), 412, "stale_version");
    assert_ne!(next, current);
}

/// A copy of the folder goes back in time, and revisions that were handed out are handed out again. Told so, the server
/// draws a new incarnation; without being told, a client that saw what is gone would overwrite what it has not seen.
#[test]
fn a_restored_copy_does_not_know_tags_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let stop = |mut server: Server| {
        assert!(server.process().terminate(TIMEOUT).unwrap().success());
    };
    let server = Server::start_on(&data, &[]);
    let old = server.create("/a", b"1");
    stop(server);
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(data.join("ifmatch.db"), copy.join("ifmatch.db")).unwrap();
    let server = Server::start_on(&data, &[]);
    let gone = server.replace("/a", &old, b"2");
    stop(server);

    let untold = folder.path().join("untold");
    std::fs::create_dir(&untold).unwrap();
    std::fs::copy(copy.join("ifmatch.db"), untold.join("ifmatch.db")).unwrap();
    let server = Server::start_on(&untold, &[]);
    server.replace("/a", &old, b"3, of somebody else");
    assert_eq!(server.put("/a", &gone, b"4, unseen").status, 204, "this is what the flag is for");
    drop(server);

    let server = Server::start_on(&copy, &["--restored"]);
    let current = tag(&server.get("/a"));
    for stale in [&old, &gone] {
        assert_refused(&server.put("/a", stale, b"x"), 412, "stale_version");
    }
    let current = server.replace("/a", &current, b"3");
    assert_refused(&server.put("/a", &gone, b"x"), 412, "stale_version");
    server.assert_is("/a", &current, b"3");
}
