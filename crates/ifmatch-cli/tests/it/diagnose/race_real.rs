//! The verdict on servers that nobody here wrote: the true one directly, and PROTECTED behind the gateway.

use crate::support::{TIMEOUT, ifmatch, listening};
use ifmatch_testkit::process;
use ifmatch_testkit::servers::{Kind, Place, Server};
use serde_json::Value;
use std::net::SocketAddr;
use tempfile::TempDir;

const LOST: &str = "LOSES UPDATES";

/// What is true of each.
fn verdicts(kind: Kind) -> &'static [&'static [&'static str]] {
    match kind {
        Kind::NginxDav | Kind::JsonServer | Kind::Flask | Kind::HttpServer => &[&["IGNORES", LOST]],
        Kind::ApacheDav | Kind::WsgiDav | Kind::Django => &[&["NOT ATOMIC", LOST]],
        Kind::FlaskSmorest => &[&["NOT ATOMIC"]],
        Kind::Lighttpd | Kind::Radicale => &[&["OPT-IN"]],
        // Its window is a few instructions of an interpreter that runs one thread at a time: it can be missed, never made up.
        Kind::Kinto => &[&["NOT ATOMIC", LOST], &["OPT-IN"]],
    }
}

/// The report of a race of a document there.
fn race(url: &str, kind: Kind, flags: &[&str]) -> (Value, Option<i32>) {
    let state = tempfile::tempdir().unwrap();
    let mut command = ifmatch(&["race", url, "--yes", "--output", "json"]);
    for (name, value) in kind.read_fields() {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let content_type = kind.write_fields()[0].1;
    command.args(["--content-type", content_type]).args(flags).env("XDG_STATE_HOME", state.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (report, output.status.code())
}

fn names(report: &Value) -> Vec<&str> {
    report["verdicts"].as_array().unwrap().iter().map(|verdict| verdict.as_str().unwrap()).collect()
}

/// What a person wants to know if it is another.
fn told(report: &Value) -> String {
    let tests: Vec<_> = report["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|test| {
            format!(
                "{} {} {} {}/{}",
                test["number"], test["statuses"], test["says"], test["found"], test["of"]
            )
        })
        .collect();
    format!(
        "{:#} {:#} {:#} {:#}\n{}",
        report["headline"],
        report["findings"],
        report["reasons"],
        report["remarks"],
        tests.join("\n")
    )
}

struct Gateway {
    _process: process::Server,
    address: SocketAddr,
    _folder: TempDir,
}

impl Gateway {
    fn start(upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "off"]);
        command.args(["--output", "json", "--mode", "enforce", "--upstream"]);
        command.arg(format!("http://{upstream}")).arg("--state").arg(folder.path().join("state"));
        let process = process::Server::spawn(&mut command).unwrap();
        let address = process.wait_for_line(TIMEOUT, listening).unwrap();
        Self { _process: process, address, _folder: folder }
    }
}

fn is_true_of(kind: Kind) {
    let server = Server::start(kind).unwrap();
    server.place().create("raced", 7).unwrap();
    let (report, code) = race(&server.place().url("raced"), kind, &[]);
    let expected = verdicts(kind);
    assert!(
        expected.iter().any(|expected| names(&report) == *expected),
        "{}: {}",
        kind.name(),
        told(&report)
    );
    assert_eq!(code, Some(1), "{}", kind.name());
    assert_ne!(report["restored"]["ending"], "not_restored", "{}: {:#}", kind.name(), report["restored"]);

    let gateway = Gateway::start(server.address());
    let behind = Place { kind, address: gateway.address };
    let (report, code) = race(&behind.url("raced"), kind, &[]);
    assert_eq!(names(&report), ["PROTECTED"], "{} behind the gateway: {}", kind.name(), told(&report));
    assert_eq!(code, Some(0), "{}", kind.name());
    assert_ne!(report["restored"]["ending"], "not_restored", "{}: {:#}", kind.name(), report["restored"]);
}

macro_rules! kinds {
    ($($name:ident: $kind:ident,)*) => {
        $(#[test]
        fn $name() {
            is_true_of(Kind::$kind);
        })*

        #[test]
        fn none_is_left_out() {
            assert_eq!([$(Kind::$kind),*], Kind::ALL);
        }
    };
}

kinds! {
    nginx_dav: NginxDav,
    apache_dav: ApacheDav,
    lighttpd: Lighttpd,
    wsgidav: WsgiDav,
    radicale: Radicale,
    kinto: Kinto,
    django: Django,
    flask_smorest: FlaskSmorest,
    flask: Flask,
    json_server: JsonServer,
    http_server: HttpServer,
}

/// With everything there is to try: creators, deletions, deletions against updates.
#[test]
fn the_own_store() {
    use crate::support::Server as Own;
    use ifmatch_testkit::raw::exchange;
    let server = Own::start();
    let created: &[(&str, &str)] = &[("If-None-Match", "*"), ("Content-Type", "application/json")];
    let content: &[u8] = b"{\"number\":7}";
    exchange(server.address(), TIMEOUT, ("PUT", "/documents/raced"), created, Some(content)).unwrap();
    let url = format!("http://{}/documents/raced", server.address());
    let (report, code) = race(&url, Kind::Django, &["--create", "PUT /documents/{new}"]);
    assert_eq!(names(&report), ["PROTECTED"], "{}", told(&report));
    assert_eq!(code, Some(0));
    assert!(report["evidence"]["delete_update"]["of"].as_u64() >= Some(10), "{}", told(&report));
    assert_eq!(report["restored"]["ending"], "identical");
}
