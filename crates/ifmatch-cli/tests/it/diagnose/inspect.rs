//! `ifmatch inspect`: each of the usual faults, made by a server or proxy that has it; and those that have none.

use crate::support::{NONE, Server, TIMEOUT, ifmatch, listening, until};
use ifmatch_testkit::process;
use ifmatch_testkit::raw::exchange;
use ifmatch_testkit::servers::{Files, FilesKind, Kind, Place, Proxy, ProxyKind, Server as Real};
use ifmatch_testkit::tls::{Authority, Certificate, Front};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

/// The page that uses the API.
const ORIGIN: &str = "https://app.example";

/// What a run said.
struct Run {
    status: i32,
    out: String,
    err: String,
}

impl Run {
    fn of(arguments: &[&str]) -> Self {
        let output = ifmatch(&[&["inspect"], arguments].concat()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let status = output.status.code().unwrap();
        Self { status, out: text(output.stdout), err: text(output.stderr) }
    }

    fn report(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// The report on a URL, and what the run ended with.
fn inspected(url: &str, arguments: &[&str]) -> (i32, Value) {
    let run = Run::of(&[&[url, "--output", "json"], arguments].concat());
    (run.status, run.report())
}

/// The codes of a weight.
fn codes<'a>(report: &'a Value, severity: &str) -> Vec<&'a str> {
    let findings = report["findings"].as_array().unwrap();
    let of = findings.iter().filter(|finding| finding["severity"] == severity);
    of.map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// The finding with a code.
#[track_caller]
fn finding<'a>(report: &'a Value, code: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("no {code}: {report:#}"))
}

/// A server that holds one document which is long enough to be worth compressing.
fn holding(kind: Kind) -> Real {
    let server = Real::start(kind).unwrap();
    server.place().create("note", 1).unwrap();
    let content = format!("{{\"number\":1,\"text\":\"{}\"}}", "a".repeat(2000));
    let target = kind.target("note");
    let status = server.place().write("PUT", &target, &[], content.as_bytes()).unwrap();
    assert!(status < 300, "{status}");
    server
}

fn url(address: SocketAddr, target: &str) -> String {
    format!("http://{address}{target}")
}

/// A server of ours that is careless.
fn careless() -> (process::Server, SocketAddr) {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/diagnose/apps/careless.py");
    let mut command = Command::new("python3");
    command.arg("-B").arg(app);
    let process = process::Server::spawn(&mut command).unwrap();
    let port =
        process.wait_for_line(TIMEOUT, |line| line.strip_prefix("listening on ")?.parse().ok()).unwrap();
    (process, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn our_own_store_is_sound() {
    let server = Server::start_with(&["--cors-origin", ORIGIN]);
    let content = b"{\"name\":\"a lamp\"}";
    let fields = [("If-None-Match", "*"), ("Content-Type", "application/json")];
    assert_eq!(server.request("PUT", "/lamps/1", &fields, Some(content)).status, 201);
    let url = url(server.address(), "/lamps/1");
    let (status, report) =
        inspected(&url, &["--origin", ORIGIN, "--after-write", "--yes", "--strict", "--max-age", "0s"]);
    assert_eq!((status, &report["findings"]), (0, &Value::Array(Vec::new())), "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["state"] == "ok"), "{report:#}");
    assert!(server.get("/lamps/1").content == content);
}

#[test]
fn a_gateway_makes_sound_what_is_behind_it() {
    for kind in [Kind::Flask, Kind::JsonServer] {
        let server = holding(kind);
        let folder = tempfile::tempdir().unwrap();
        let mut command =
            ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--output", "json"]);
        command.args(["--mode", "enforce", "--upstream", &format!("http://{}", server.address())]);
        command.arg("--state").arg(folder.path().join("state"));
        let gateway = process::Server::spawn(&mut command).unwrap();
        let address = gateway.wait_for_line(TIMEOUT, listening).unwrap();
        let (status, report) = inspected(&url(address, &kind.target("note")), &["--max-age", "0s"]);
        assert_eq!((status, codes(&report, "bad")), (0, Vec::new()), "{}: {report:#}", kind.name());
    }
}

/// A gateway's tags are not those of what is behind it, and need not be.
#[test]
fn a_gateway_beside_what_is_behind_it_makes_its_own_tags() {
    let server = holding(Kind::Django);
    let folder = tempfile::tempdir().unwrap();
    let mut command = ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--output", "json"]);
    command.args(["--mode", "enforce", "--upstream", &format!("http://{}", server.address())]);
    command.arg("--state").arg(folder.path().join("state"));
    let gateway = process::Server::spawn(&mut command).unwrap();
    let address = gateway.wait_for_line(TIMEOUT, listening).unwrap();
    let direct = url(server.address(), &server.kind().target("note"));
    let (status, report) = inspected(&direct, &["--via", &url(address, "/")]);
    assert_eq!((status, codes(&report, "bad")), (0, Vec::new()), "{report:#}");
    assert!(!codes(&report, "warn").contains(&"V033"), "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    let is_told = |check: &&Value| check["what"] == "the proxy makes its own tags" && check["state"] == "ok";
    assert!(checks.iter().any(|check| is_told(&check)), "{report:#}");
    // A path that it does not have: it was not tested.
    let (status, report) = inspected(&direct, &["--via", &url(address, "/nothing/here")]);
    assert_eq!(status, 3, "{report:#}");
    assert!(report["conclusion"].as_str().unwrap().contains("The proxy was not tested"), "{report:#}");
}

/// What is found of each server that nobody here wrote: no more and no less than there is.
#[rustfmt::skip]
const FOUND: [(Kind, &[&str], &[&str]); 11] = [
    //                    wrong      that may be
    (Kind::NginxDav,     &[],       &["V022", "V026"]),
    (Kind::ApacheDav,    &[],       &["V022", "V026"]),
    (Kind::Lighttpd,     &[],       &[]),
    (Kind::WsgiDav,      &[],       &["V017", "V022"]),
    (Kind::Radicale,     &[],       &["V006", "V008", "V015"]),
    (Kind::Kinto,        &[],       &["V015", "V029"]),
    (Kind::Django,       &[],       &["V026"]),
    (Kind::FlaskSmorest, &[],       &["V015", "V017"]),
    (Kind::Flask,        &["V001"], &[]),
    (Kind::JsonServer,   &["V003"], &["V011"]),
    (Kind::HttpServer,   &["V001"], &[]),
];

#[test]
fn each_server_has_the_faults_that_it_has() {
    assert_eq!(FOUND.map(|(kind, ..)| kind), Kind::ALL);
    for (kind, bad, warn) in FOUND {
        let server = Real::start(kind).unwrap();
        server.place().create("note", 1).unwrap();
        let fields =
            kind.read_fields().iter().flat_map(|(name, value)| ["-H".to_owned(), format!("{name}: {value}")]);
        let fields: Vec<_> = fields.collect();
        let arguments: Vec<_> = fields.iter().map(String::as_str).chain(["--after-write", "--yes"]).collect();
        let (status, report) = inspected(&url(server.address(), &kind.target("note")), &arguments);
        let mut found = (codes(&report, "bad"), codes(&report, "warn"));
        found.1.sort_unstable();
        // Apache's tag is weak for a second, which may be over.
        found.1.retain(|code| kind != Kind::ApacheDav || *code != "V003");
        assert_eq!(found, (bad.to_vec(), warn.to_vec()), "{}: {report:#}", kind.name());
        assert_eq!(status, i32::from(!bad.is_empty()), "{}", kind.name());
        // It is as it was.
        let after = server.place().read("note").unwrap();
        assert_eq!(kind.number(&after.content), Some(1), "{}", kind.name());
    }
}

#[test]
fn nginx_that_compresses_makes_the_tag_weak() {
    let server = holding(Kind::Django);
    let proxy = Proxy::start(ProxyKind::NginxGzip, server.address()).unwrap();
    let target = server.kind().target("note");
    let (status, report) = inspected(&proxy.url(&target), &[]);
    assert_eq!((status, codes(&report, "bad")), (1, vec!["V004"]), "{report:#}");
    let shown = finding(&report, "V004")["marks"][1]["line"].as_str().unwrap();
    assert!(shown.starts_with("etag: W/\""), "{shown}");
    // And it says that it is the proxy who does it.
    let (status, report) = inspected(&url(server.address(), &target), &["--via", &proxy.url("/")]);
    assert_eq!((status, codes(&report, "bad")), (1, vec!["V004"]), "{report:#}");
    let request = finding(&report, "V004")["request"].as_str().unwrap();
    assert!(request.contains(&proxy.address().to_string()), "{request}");
    // Without it there is none of that.
    let (_, report) = inspected(&url(server.address(), &target), &[]);
    assert!(!codes(&report, "bad").contains(&"V004"), "{report:#}");
}

#[test]
fn apache_that_compresses_renames_the_tag() {
    let server = holding(Kind::Django);
    let proxy = Proxy::start(ProxyKind::ApacheDeflate, server.address()).unwrap();
    let (status, report) = inspected(&proxy.url(&server.kind().target("note")), &[]);
    assert_eq!((status, codes(&report, "bad")), (1, vec!["V005"]), "{report:#}");
    let mark = &finding(&report, "V005")["marks"][1];
    let (line, from) = (mark["line"].as_str().unwrap(), mark["from"].as_u64().unwrap());
    assert!(line[usize::try_from(from).unwrap()..].starts_with("-gzip"), "{mark}");
}

#[test]
fn tags_of_files_are_made_of_time_and_size() {
    for (kind, unit) in [(FilesKind::Nginx, "seconds"), (FilesKind::Apache, "microseconds")] {
        let files = Files::start(kind).unwrap();
        files.put("a.json", b"{\"stock\":2}").unwrap();
        let (status, report) = inspected(&files.url("a.json"), &[]);
        assert_eq!((status, codes(&report, "bad")), (0, Vec::new()), "{}: {report:#}", kind.name());
        let note = finding(&report, "V022")["marks"][0]["note"].as_str().unwrap();
        assert!(note.ends_with(unit), "{}: {note}", kind.name());
        assert_eq!(inspected(&files.url("a.json"), &["--strict"]).0, 1);
    }
}

/// What the warning is about, seen: two contents with one tag.
#[test]
fn nginx_shows_one_tag_for_two_contents() {
    let files = Files::start(FilesKind::Nginx).unwrap();
    let read = |content: &[u8]| {
        files.put("a", content).unwrap();
        let answer = exchange(files.address(), TIMEOUT, ("GET", "/a"), NONE, None).unwrap();
        (answer.value("etag").unwrap().to_owned(), answer.content)
    };
    // Within a second, unless the clock has just moved on.
    until("two writes within a second", || {
        let ((first, one), (second, other)) = (read(b"on"), read(b"no"));
        assert_ne!(one, other);
        (first == second).then_some(())
    });
}

#[test]
fn head_with_code_of_its_own_shows_another_tag() {
    let (_process, address) = careless();
    let (status, report) = inspected(&url(address, "/head/1"), &[]);
    assert_eq!((status, codes(&report, "bad")), (1, vec!["V014"]), "{report:#}");
    let (status, report) = inspected(&url(address, "/exposed/1"), &[]);
    assert_eq!((status, codes(&report, "bad")), (0, Vec::new()), "{report:#}");
}

#[test]
fn members_that_are_never_the_same_are_named() {
    let (_process, address) = careless();
    for (target, weight, status) in [("/volatile/1", "bad", 1), ("/stamped/1", "warn", 0)] {
        let (ended, report) = inspected(&url(address, target), &[]);
        assert_eq!((ended, codes(&report, weight)), (status, vec!["V012"]), "{report:#}");
        let line = finding(&report, "V012")["marks"][0]["line"].as_str().unwrap();
        assert!(line.starts_with("/served/request  "), "{line}");
    }
}

#[test]
fn json_server_hides_its_weak_tags_from_browsers() {
    let server = holding(Kind::JsonServer);
    let target = server.kind().target("note");
    let (status, report) = inspected(&url(server.address(), &target), &["--origin", ORIGIN]);
    assert_eq!(status, 1);
    let bad = codes(&report, "bad");
    assert!(bad.contains(&"V007") && bad.contains(&"V003"), "{report:#}");
    assert!(codes(&report, "warn").contains(&"V011"), "{report:#}");
    let shown = finding(&report, "V007")["marks"][0]["line"].as_str().unwrap();
    assert_eq!(shown, "no access-control-expose-headers");
}

#[test]
fn a_cache_that_keeps_what_was_replaced_is_behind() {
    let server = holding(Kind::Django);
    let (place, target): (Place, _) = (server.place(), server.kind().target("note"));
    let proxy = Proxy::start(ProxyKind::NginxCache, server.address()).unwrap();
    let direct = url(server.address(), &target);
    let (status, report) = inspected(&direct, &["--via", &proxy.url("/")]);
    assert_eq!((status, codes(&report, "bad")), (0, Vec::new()), "{report:#}");
    // Around the proxy.
    let tag = place.read("note").unwrap().value("etag").unwrap().to_owned();
    assert!(place.put("note", &[("If-Match", &tag)], 2).unwrap() < 300);
    let (status, report) = inspected(&direct, &["--via", &proxy.url("/")]);
    assert_eq!((status, codes(&report, "bad")), (1, vec!["V032"]), "{report:#}");
    assert_eq!(finding(&report, "V032")["marks"][1]["line"], "x-cache: HIT");
    // Measured against what is allowed.
    let (status, report) = inspected(&direct, &["--via", &proxy.url("/"), "--max-age", "1s"]);
    assert_eq!((status, codes(&report, "bad")), (1, vec!["V032"]), "{report:#}");
    // A reader cannot help itself either.
    let (_, report) = inspected(&proxy.url(&target), &[]);
    assert!(codes(&report, "warn").contains(&"V035"), "{report:#}");
}

#[test]
fn apache_s_weak_tag_of_a_new_file_is_no_fault_for_long() {
    let server = Real::start(Kind::ApacheDav).unwrap();
    server.place().create("note", 1).unwrap();
    let (status, report) = inspected(&url(server.address(), &server.kind().target("note")), &[]);
    assert_eq!((status, codes(&report, "bad")), (0, Vec::new()), "{report:#}");
    assert_eq!(report["validators"]["etag_is"], "strong");
}

/// HTTPS with an authority of one's own, HTTP/2 by agreement, and credentials.
#[test]
fn over_tls_with_a_private_authority() {
    let server = Server::start();
    server.create("/notes/a", b"1");
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let file = file.display().to_string();
    let front = |certificate, protocols: &[&str]| {
        Front::start("127.0.0.1:0", &authority, certificate, protocols, server.address()).unwrap()
    };
    let (http1, http2) = (front(Certificate::Sound, &["http/1.1"]), front(Certificate::Sound, &["h2"]));
    for (front, version) in [(&http1, "HTTP/1.1"), (&http2, "HTTP/2.0")] {
        let (status, report) =
            inspected(&front.url("/notes/a"), &["--cacert", &file, "--strict", "--bearer", "s3cret"]);
        assert_eq!((status, report["first"]["version"].as_str()), (0, Some(version)), "{report:#}");
        assert!(!report.to_string().contains("s3cret"));
    }
    let (status, report) = inspected(&http1.url("/notes/a"), &["--cacert", &file, "--via", &http2.url("/")]);
    assert_eq!((status, codes(&report, "bad")), (0, Vec::new()), "{report:#}");
    for (front, arguments, part) in [
        (&http1, &[][..], "--cacert"),
        (&front(Certificate::Expired, &["h2"]), &["--cacert", file.as_str()], "has expired"),
        (&front(Certificate::OtherName, &["h2"]), &["--cacert", file.as_str()], "not for this name"),
    ] {
        let run = Run::of(&[&[front.url("/notes/a").as_str()], arguments].concat());
        assert_eq!((run.status, run.out.as_str()), (3, ""));
        assert!(run.err.contains(part) && run.err.contains("Nothing was sent."), "{}", run.err);
    }
    assert_eq!(inspected(&http1.url("/notes/a"), &["-k"]).0, 0);
    // Without TLS HTTP/2 has to be said.
    let (_, report) = inspected(&url(server.address(), "/notes/a"), &["--http2"]);
    assert_eq!(report["first"]["version"], "HTTP/2.0");
}

#[test]
fn what_cannot_be_told_is_no_finding() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = Run::of(&[&url(dead, "/a")]);
    assert_eq!((run.status, run.out.as_str()), (3, ""));
    assert!(run.err.contains("cannot be reached") && run.err.contains("Nothing was sent."), "{}", run.err);
    let server = Server::start();
    let run = Run::of(&[&url(server.address(), "/a?token=s3cret")]);
    assert_eq!((run.status, run.out.as_str()), (3, ""));
    assert!(run.err.contains("token=***") && !run.err.contains("s3cret"), "{}", run.err);
}

#[test]
fn credentials_are_masked_unless_they_are_to_be_shown() {
    let (_process, address) = careless();
    let url = url(address, "/head/1?access_token=s3cret");
    let arguments = [&url, "-u", "user:s3cret", "-H", "X-Api-Key: s3cret"];
    for form in ["text", "json", "junit", "markdown"] {
        let run = Run::of(&[&arguments[..], &["--output", form]].concat());
        assert!(run.out.contains("V014") && run.out.contains("***"), "{form}: {}", run.out);
        assert!(!run.out.contains("s3cret") && !run.out.contains("dXNlcjpzM2NyZXQ="), "{form}: {}", run.out);
    }
    let run = Run::of(&[&arguments[..], &["--show-secrets"]].concat());
    assert!(run.out.contains("x-api-key: s3cret") && run.out.contains("dXNlcjpzM2NyZXQ="), "{}", run.out);
}

#[test]
fn credentials_are_in_no_log_and_in_no_error() {
    let server = Server::start();
    server.create("/notes/a", b"1");
    let with_password = format!("http://u:S3CRpw@{}/notes/a", server.address());
    for verbosity in ["-v", "-vv", "-vvv"] {
        let run = Run::of(&[&with_password, verbosity]);
        assert_eq!(run.status, 0, "{}", run.err);
        assert!(!run.err.contains("S3CR") && !run.out.contains("S3CR"), "{}{}", run.out, run.err);
    }
    let url = url(server.address(), "/notes/a");
    for arguments in [
        &["http://u:S3CRpw@127.0.0.1:99999/x?token=S3CRt"][..],
        &["u:S3CRpw@127.0.0.1:99999/x"],
        &[&url, "--via", "ftp://u:S3CRpw@h/"],
        &[&url, "--origin", "https://u:S3CRpw@app.example"],
        &[&url, "http://u:S3CRpw@h/?key=S3CRk"],
        &[&url, "-H", "X-Token S3CR"],
    ] {
        let run = Run::of(arguments);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{arguments:?}: {}", run.err);
        assert!(!run.err.contains("S3CR") && !run.err.is_empty(), "{}", run.err);
    }
}

#[test]
fn each_code_has_a_page() {
    for article in ifmatch_diagnose::inspect::ARTICLES {
        let output = ifmatch(&["explain", article.code]).output().unwrap();
        let page = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && page.contains(article.title), "{}: {page}", article.code);
    }
}

#[test]
fn usage() {
    let server = Server::start();
    server.create("/a", b"1");
    let url = url(server.address(), "/a");
    for arguments in [
        &["--reads", "1"][..],
        &["--reads", "99"],
        &["--origin", "app.example"],
        &["--max-age", "soon"],
        &["--via", "ftp://a/"],
        &["--yes"],
        &["-H", "no field"],
        &["--cacert", "/nothing/here.pem"],
        // Nobody can be asked.
        &["--after-write"],
    ] {
        let run = Run::of(&[&[url.as_str()], arguments].concat());
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn every_form_and_no_color_in_a_pipe() {
    let server = Server::start();
    server.create("/notes/a", b"1");
    let url = url(server.address(), "/notes/a");
    for (form, part) in [
        ("text", "Nothing wrong was seen."),
        ("json", "\"schema\": \"/.well-known/ifmatch/schema/inspect-1.json\""),
        ("junit", "<testsuite name=\"ifmatch inspect\""),
        ("markdown", "# ifmatch inspect"),
    ] {
        let run = Run::of(&[&url, "--output", form]);
        assert_eq!(run.status, 0, "{}", run.err);
        assert!(run.out.contains(part) && !run.out.contains('\u{1b}'), "{form}: {}", run.out);
        assert_eq!(run.err, "");
    }
    assert!(Run::of(&[&url, "--color", "always"]).out.contains("\u{1b}[32mok"));
}
