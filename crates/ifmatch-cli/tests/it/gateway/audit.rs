//! What is recorded of writes, and what is counted.

use crate::support::{NONE, TIMEOUT, ask, connect, ifmatch, listening, tag, until};
use ifmatch_testkit::process;
use ifmatch_testkit::raw::{Response, exchange};
use ifmatch_testkit::upstream::Scripted;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;

struct Gateway {
    process: process::Server,
    address: SocketAddr,
    admin: SocketAddr,
    audit: PathBuf,
    _folder: TempDir,
}

impl Gateway {
    fn start(upstream: &Scripted, mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let mut command =
            ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--output", "json"]);
        command.args(["--mode", mode, "--upstream", &upstream.url(), "--state"]).arg(&state);
        let process = process::Server::spawn(&mut command).unwrap();
        let address = process.wait_for_line(TIMEOUT, listening).unwrap();
        let admin = process.wait_for_line(TIMEOUT, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["admin"].as_str()?.strip_prefix("http://")?.strip_suffix('/')?.parse().ok()
        });
        let (admin, audit) = (admin.unwrap(), state.join("audit.jsonl"));
        Self { process, address, admin, audit, _folder: folder }
    }

    fn ask(&self, client: &str, method: &str, fields: &[(&str, &str)], content: Option<&[u8]>) -> Response {
        let fields: Vec<_> = fields.iter().copied().chain([("X-Client", client)]).collect();
        ask(&mut connect(self.address), method, "/a?token=hidden", &fields, content).unwrap()
    }

    fn records(&self, count: usize) -> Vec<Value> {
        until("the records are written", || {
            let text = std::fs::read_to_string(&self.audit).unwrap_or_default();
            assert!(!text.contains("hidden"), "a query value is in the audit: {text}");
            let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (records.len() >= count).then_some(records)
        })
    }

    fn metric(&self, name: &str) -> f64 {
        let text = exchange(self.admin, TIMEOUT, ("GET", "/metrics"), NONE, None).unwrap().text();
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

fn actions(records: &[Value]) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    records.iter().map(|r| (text(&r["event.action"]).unwrap(), text(&r["event.reason"]))).collect()
}

fn said(action: &str, reason: Option<&str>) -> (String, Option<String>) {
    (action.to_owned(), reason.map(str::to_owned))
}

#[test]
fn decisions_on_writes_are_recorded_one_by_one() {
    let upstream = Scripted::start().unwrap();
    upstream.set("/a?token=hidden", b"one");
    upstream.set("/a", b"one");
    let gateway = Gateway::start(&upstream, "enforce");
    let read = gateway.ask("ann", "GET", NONE, None);
    let first = tag(&read);
    let problem = gateway.ask("ann", "PUT", NONE, Some(b"x"));
    assert_eq!(problem.status, 428);
    assert_eq!(gateway.ask("bob", "PUT", &[("If-Match", &first)], Some(b"two")).status, 204);
    assert_eq!(gateway.ask("ann", "PUT", &[("If-Match", &first)], Some(b"three")).status, 412);
    let records = gateway.records(3);
    assert_eq!(
        actions(&records),
        [
            said("write.rejected", Some("missing")),
            said("write.accepted", None),
            said("write.rejected", Some("stale"))
        ]
    );
    let body: Value = serde_json::from_slice(&problem.content).unwrap();
    assert_eq!(records[0]["event.id"], body["request_id"]);
    assert_eq!(records[1]["client.name"], "bob");
    assert_eq!(records[1]["ifmatch.tag.before"], first.as_str());
    let last = &records[2];
    assert_eq!(
        (&last["url.path"], &last["ifmatch.tag.sent"]),
        (&Value::from("/a"), &Value::from(first.as_str()))
    );
    assert_eq!(last["ifmatch.previous_write"]["event.id"], records[1]["event.id"]);
    assert_eq!(last["ifmatch.last_read"]["tag"], first.as_str());
    assert_eq!(gateway.metric("ifmatch_lost_updates_prevented_total"), 1.0);
    assert_eq!(gateway.metric("ifmatch_lost_updates_total"), 0.0);
    assert_eq!(gateway.metric("ifmatch_rejections_total"), 2.0);
    assert!(gateway.process.stderr().text().is_empty(), "{}", gateway.process.stderr().text());
}

#[test]
fn what_is_lost_is_measured_where_nothing_is_enforced() {
    let upstream = Scripted::start().unwrap();
    upstream.set("/a?token=hidden", b"one");
    upstream.set("/a", b"one");
    let gateway = Gateway::start(&upstream, "observe");
    gateway.ask("ann", "GET", NONE, None);
    gateway.ask("bob", "GET", NONE, None);
    assert!(gateway.ask("bob", "PUT", NONE, Some(b"two")).status < 300);
    assert!(gateway.ask("ann", "PUT", NONE, Some(b"three")).status < 300);
    // Ann has seen her own.
    assert!(gateway.ask("ann", "PUT", NONE, Some(b"four")).status < 300);
    let records = gateway.records(3);
    assert_eq!(
        actions(&records),
        [
            said("write.would_reject", Some("missing")),
            said("write.lost_update", Some("missing")),
            said("write.would_reject", Some("missing"))
        ]
    );
    assert_eq!(records[1]["ifmatch.previous_write"]["event.id"], records[0]["event.id"]);
    assert_eq!(gateway.metric("ifmatch_lost_updates_total"), 1.0);
    assert_eq!(gateway.metric("ifmatch_would_reject_total"), 3.0);
    assert_eq!(gateway.metric("ifmatch_rejections_total"), 0.0);
}

#[test]
fn what_passes_without_a_condition_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--mode", "enforce"]);
    command.args(["--upstream", "http://127.0.0.1:9", "--state"]).arg(folder.path().join("state"));
    let process = process::Server::spawn(&mut command).unwrap();
    let said = |wanted: &'static str| {
        process.wait_for_line(TIMEOUT, |line| line.contains(wanted).then_some(())).unwrap();
    };
    said("default (all other paths): Without a condition pass: POST.");
    said("Representations over 16 MiB get no tag");
    said("The promise holds if this is the only gateway of the upstream");
}
