//! The gateway is killed between forward and answer: what was acknowledged stays, tags that were handed out before still
//! tell the truth, and what is in doubt is held and released.

use crate::support::{NONE, TIMEOUT, ask, connect, ifmatch, listening, tag, until};
use ifmatch_testkit::process;
use ifmatch_testkit::raw::{Connection, Error, Response, request};
use ifmatch_testkit::upstream::{Course, Point, Scripted};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tempfile::TempDir;

const KILLS: usize = 100;
const WRITERS: usize = 4;
const KEYS: usize = 3;
/// How many acknowledged writes each life has at least.
const ACKNOWLEDGED_MIN: usize = 6;
/// In every so many rounds the resource in doubt is written again, which takes the time it is held for.
const HELD_EVERY: usize = 10;

/// How long a write may land after its answer was lost, in these tests.
const CONFIG: &str = "version = 1\n[times]\nlate_write_max = \"700ms\"\n";

struct Gateway {
    process: process::Server,
    address: SocketAddr,
}

struct Folder {
    _folder: TempDir,
    state: PathBuf,
    config: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (state, config) = (folder.path().join("state"), folder.path().join("ifmatch.toml"));
        std::fs::write(&config, CONFIG).unwrap();
        Self { _folder: folder, state, config }
    }

    fn start(&self, upstream: &Scripted) -> Gateway {
        self.start_with(upstream, &[])
    }

    fn start_with(&self, upstream: &Scripted, flags: &[&str]) -> Gateway {
        let mut command =
            ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--output", "json"]);
        command.args(["--mode", "enforce", "--upstream", &upstream.url()]);
        command.arg("--state").arg(&self.state).arg("-c").arg(&self.config).args(flags);
        let process = process::Server::spawn(&mut command).unwrap();
        let address = process.wait_for_line(TIMEOUT, listening).unwrap();
        Gateway { process, address }
    }
}

impl Gateway {
    fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)], content: Option<&[u8]>) -> Response {
        ask(&mut connect(self.address), method, target, fields, content).unwrap()
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        let log = self.process.stderr().text();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// One line more on a resource, made from what is there; `None`: somebody else was faster, or it is held.
fn append(connection: &mut Connection, target: &str, line: &str) -> Result<Option<Response>, Error> {
    let read = ask(connection, "GET", target, NONE, None)?;
    let (condition, mut content) = match read.status {
        200 => (("If-Match", tag(&read)), read.content),
        404 => (("If-None-Match", "*".to_owned()), Vec::new()),
        other => panic!("GET {target}: {other} {}", read.text()),
    };
    content.extend_from_slice(format!("{line}\n").as_bytes());
    let response = ask(connection, "PUT", target, &[(condition.0, &condition.1)], Some(&content))?;
    match response.status {
        201 | 204 => Ok(Some(response)),
        412 | 503 => Ok(None),
        other => panic!("PUT {target}: {other} {}", response.text()),
    }
}

fn lines(upstream: &Scripted, target: &str) -> Vec<String> {
    upstream.text(target).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn listed(state: &Path) -> Vec<Value> {
    let output = ifmatch(&["doubt", "list", "--output", "json", "--state"]).arg(state).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["doubts"].as_array().unwrap().clone()
}

/// Writes until there is no answer any more; every line that was acknowledged is noted.
fn work(address: SocketAddr, round: usize, writer: usize, acknowledged: &Mutex<Vec<(String, String)>>) {
    let Ok(mut connection) = Connection::open(address, TIMEOUT) else { return };
    for number in 0.. {
        let target = format!("/k/{round}/{}", (writer + number) % KEYS);
        let line = format!("{round}.{writer}.{number}");
        match append(&mut connection, &target, &line) {
            Ok(Some(_)) => acknowledged.lock().unwrap().push((target, line)),
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

#[test]
fn killed_a_hundred_times_between_forward_and_answer_it_loses_nothing() {
    let (upstream, folder) = (Scripted::start().unwrap(), Folder::new());
    upstream.set("/quiet", b"as it was");
    let mut gateway = folder.start(&upstream);
    let mut quiet = tag(&gateway.ask("GET", "/quiet", NONE, None));
    let all = Mutex::new(Vec::new());
    for round in 0..KILLS {
        let before = all.lock().unwrap().len();
        let gate = upstream.gate();
        let (address, all, armed) = (gateway.address, &all, AtomicUsize::new(0));
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                scope.spawn(move || work(address, round, writer, all));
            }
            until("writes are acknowledged", || {
                (all.lock().unwrap().len() >= before + ACKNOWLEDGED_MIN).then_some(())
            });
            // Half of them are held before they are applied, half after; none is answered.
            let point = if round % 2 == 0 { Point::Content } else { Point::Applied };
            upstream.always("PUT", "*", Course::held(point, &gate));
            armed.fetch_add(1, Ordering::SeqCst);
            gate.wait_for_arrivals(1).unwrap();
            gateway.kill();
        });
        upstream.behave();
        gateway = folder.start(&upstream);
        // A tag of a resource that nobody wrote is as good as before, and still good for one write only.
        let response =
            gateway.ask("PUT", "/quiet", &[("If-Match", &quiet)], Some(format!("{round}").as_bytes()));
        assert_eq!(response.status, 204, "round {round}: {}", response.text());
        assert_eq!(
            gateway.ask("PUT", "/quiet", &[("If-Match", &quiet)], Some(b"x")).status,
            412,
            "round {round}"
        );
        quiet = tag(&gateway.ask("GET", "/quiet", NONE, None));
        if round % HELD_EVERY == 0 {
            held_and_released(&upstream, &folder, &gateway, round, &gate);
        }
        gate.open();
        upstream.wait_for_connections(|c| c.open <= 64).unwrap();
        for (target, line) in &all.lock().unwrap()[before..] {
            assert!(lines(&upstream, target).contains(line), "round {round}: {line} of {target} is lost");
        }
    }
    // Also nothing of earlier rounds, whatever landed late.
    for (target, line) in all.lock().unwrap().iter() {
        assert!(lines(&upstream, target).contains(line), "{line} of {target} is lost");
    }
}

/// What was under way is in doubt: others have to wait, and what they had read before is of no use afterwards.
fn held_and_released(
    upstream: &Scripted,
    folder: &Folder,
    gateway: &Gateway,
    round: usize,
    gate: &ifmatch_testkit::upstream::Gate,
) {
    let doubts = listed(&folder.state);
    let held: Vec<&Value> = doubts.iter().filter(|d| d["phase"] == "in doubt").collect();
    assert!(!held.is_empty(), "round {round}: {doubts:?}");
    // The last that began: what is left from rounds before is held for as long as it was, and may be released any moment.
    let target = held[held.len() - 1]["target"].as_str().unwrap();
    let read = gateway.ask("GET", target, NONE, None);
    let (field, value) =
        if read.status == 200 { ("If-Match", tag(&read)) } else { ("If-None-Match", "*".to_owned()) };
    let response = gateway.ask("PUT", target, &[(field, &value)], Some(b"overwritten"));
    // On a machine that is slower than the hold the write in doubt may be released by now; it is never overwritten.
    assert!(matches!(response.status, 503 | 412), "round {round}: {} {}", response.status, response.text());
    if response.status == 503 {
        assert!(response.text().contains("outcome_pending"), "{}", response.text());
        assert!(response.value("retry-after").is_some());
    }
    // It lands late.
    gate.open();
    let mut connection = connect(gateway.address);
    let line = format!("{round}.after");
    until("the resource is released", || append(&mut connection, target, &line).unwrap());
    assert!(lines(upstream, target).contains(&line));
}

#[test]
fn a_write_in_doubt_can_be_settled_by_hand() {
    let (upstream, folder) = (Scripted::start().unwrap(), Folder::new());
    std::fs::write(&folder.config, "version = 1\n[times]\nlate_write_max = \"10m\"\n").unwrap();
    upstream.set("/a", b"one");
    let gateway = folder.start(&upstream);
    let first = tag(&gateway.ask("GET", "/a", NONE, None));
    upstream.next("PUT", "/a", Course::cut_at(Point::Applied));
    let response = gateway.ask("PUT", "/a", &[("If-Match", &first)], Some(b"two"));
    assert_eq!((response.status, crate::support::code(&response).as_deref()), (504, Some("outcome_unknown")));
    let held = gateway.ask("PUT", "/a", &[("If-Match", &first)], Some(b"three"));
    assert_eq!((held.status, crate::support::code(&held).as_deref()), (503, Some("outcome_pending")));
    let doubts = listed(&folder.state);
    assert_eq!(
        (doubts.len(), doubts[0]["target"].as_str(), doubts[0]["method"].as_str()),
        (1, Some("/a"), Some("PUT"))
    );
    let id = doubts[0]["id"].to_string();
    let settled = ifmatch(&["doubt", "settle", &id, "--state"]).arg(&folder.state).output().unwrap();
    assert!(settled.status.success(), "{settled:?}");
    until("it is released", || {
        let response = gateway.ask("PUT", "/a", &[("If-Match", &first)], Some(b"three"));
        // The write in doubt may have changed it, so what was read before it is stale.
        (response.status == 412).then_some(())
    });
    assert_eq!(upstream.text("/a").as_deref(), Some("two"));
    let unknown = ifmatch(&["doubt", "settle", "12345", "--state"]).arg(&folder.state).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn there_is_one_gateway_for_each_state_folder() {
    let (upstream, folder) = (Scripted::start().unwrap(), Folder::new());
    let gateway = folder.start(&upstream);
    let second =
        ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--upstream", &upstream.url()])
            .arg("--state")
            .arg(&folder.state)
            .output()
            .unwrap();
    assert_eq!(second.status.code(), Some(2));
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(told.contains(&gateway.process.id().to_string()), "{told}");
    // Nor can another upstream's gateway use it, later.
    gateway.kill();
    let other = Scripted::start().unwrap();
    let third = ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--upstream", &other.url()])
        .arg("--state")
        .arg(&folder.state)
        .output()
        .unwrap();
    assert_eq!(third.status.code(), Some(2), "{third:?}");
}

#[test]
fn a_client_that_leaves_while_it_waits_has_sent_nothing() {
    let (upstream, folder) = (Scripted::start().unwrap(), Folder::new());
    upstream.set("/a", b"one");
    // One worker, so that an answer to a later request says that the end of an earlier connection was seen.
    let gateway = folder.start_with(&upstream, &["--workers", "1"]);
    let first = tag(&gateway.ask("GET", "/a", NONE, None));
    let gate = upstream.gate();
    upstream.next("PUT", "/a", Course::held(Point::Content, &gate));
    thread::scope(|scope| {
        let (address, first) = (gateway.address, &first);
        let put = move || ask(&mut connect(address), "PUT", "/a", &[("If-Match", first)], Some(b"two"));
        let holder = scope.spawn(put);
        gate.wait_for_arrivals(1).unwrap();
        // An append waits for its turn, and its client goes.
        let mut waiting = connect(gateway.address);
        waiting.send(&request("POST", "/a", NONE, Some(b"left"))).unwrap();
        for _ in 0..3 {
            assert_eq!(gateway.ask("GET", "/b", NONE, None).status, 404);
        }
        drop(waiting);
        for _ in 0..3 {
            assert_eq!(gateway.ask("GET", "/b", NONE, None).status, 404);
        }
        gate.open();
        assert_eq!(holder.join().unwrap().unwrap().status, 204);
    });
    // The line is in order: had it still been there, it would have gone before this one.
    let second = tag(&gateway.ask("GET", "/a", NONE, None));
    assert_eq!(gateway.ask("PUT", "/a", &[("If-Match", &second)], Some(b"three")).status, 204);
    assert_eq!(upstream.count("POST"), 0);
}
