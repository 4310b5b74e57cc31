//! Starting servers and talking to them.

mod content;
mod h2;
mod unprotected;

pub(crate) use self::content::Sealed;
pub(crate) use self::h2::{Http2, lines};
pub(crate) use self::unprotected::{Gate, Unprotected};

use ifmatch_testkit::dates;
use ifmatch_testkit::process;
use ifmatch_testkit::raw::{self, Connection, Response};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// The bound on everything that is awaited. Far more than anything takes, even on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Between two looks at something that cannot be waited for otherwise.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The largest problem body that is promised.
const PROBLEM_BYTES_MAX: usize = 8 << 10;

/// What is put behind a detail about a write that was not applied.
const NOTHING_CHANGED: &str = "Nothing was changed.";

/// Methods that change nothing anyhow.
const SAFE: [&str; 9] =
    ["GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "REPORT", "SEARCH", "QUERY"];

/// Field lines of a request.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

/// No field lines.
pub(crate) const NONE: Fields<'static> = &[];

/// The binary, without settings from the environment of whoever runs the tests.
pub(crate) fn ifmatch<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ifmatch"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("IFMATCH_") {
            command.env_remove(name);
        }
    }
    command.args(args);
    command
}

/// A running server. Dropping it kills it, and fails the test if it ever panicked.
pub(crate) struct Server {
    process: process::Server,
    address: SocketAddr,
    data: PathBuf,
    /// After the process, so that the folder outlives it.
    _folder: Option<TempDir>,
}

impl Server {
    /// With an empty data folder.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With an empty data folder and more flags.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self::start_on(&folder.path().join("data"), flags);
        server._folder = Some(folder);
        server
    }

    /// On a data folder that outlives it.
    pub(crate) fn start_on(data: &Path, flags: &[&str]) -> Self {
        let mut command =
            ifmatch(&["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--output", "json"]);
        command.arg("--data").arg(data).args(flags);
        let process = process::Server::spawn(&mut command).unwrap();
        let address = process.wait_for_line(TIMEOUT, listening).unwrap();
        Self { process, address, data: data.to_owned(), _folder: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn process(&mut self) -> &mut process::Server {
        &mut self.process
    }

    pub(crate) fn connect(&self) -> Connection {
        connect(self.address)
    }

    /// One request on a connection of its own.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        fields: Fields<'_>,
        content: Option<&[u8]>,
    ) -> Response {
        let mut connection = self.connect();
        // A server that refuses a large content may close before it is sent; what counts is the answer.
        let sent = connection.send(&raw::request(method, target, fields, content));
        connection
            .final_response(method)
            .unwrap_or_else(|error| panic!("{method} {target}: {error} (sent: {sent:?})"))
    }

    /// These bytes on a connection of their own, and the response to them.
    pub(crate) fn send(&self, method: &str, bytes: &[u8]) -> Response {
        let mut connection = self.connect();
        connection.send(bytes).unwrap();
        connection.final_response(method).unwrap()
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.request("GET", target, NONE, None)
    }

    /// Creates a resource; its tag.
    pub(crate) fn create(&self, target: &str, content: &[u8]) -> String {
        let response = self.request("PUT", target, &[("If-None-Match", "*")], Some(content));
        assert_eq!(response.status, 201, "{}", response.text());
        tag(&response)
    }

    pub(crate) fn put(&self, target: &str, tag: &str, content: &[u8]) -> Response {
        self.request("PUT", target, &[("If-Match", tag)], Some(content))
    }

    /// Replaces what is there in the version of `tag`; the new tag.
    pub(crate) fn replace(&self, target: &str, tag: &str, content: &[u8]) -> String {
        let response = self.put(target, tag, content);
        assert_eq!(response.status, 204, "{}", response.text());
        self::tag(&response)
    }

    /// The resource is in this version and has this content.
    #[track_caller]
    pub(crate) fn assert_is(&self, target: &str, tag: &str, content: &[u8]) {
        let response = self.get(target);
        assert_eq!((response.status, response.value("etag")), (200, Some(tag)), "{target}");
        assert!(response.content == content, "{target}: {:?}", response.text());
    }

    #[track_caller]
    pub(crate) fn assert_absent(&self, target: &str) {
        assert_refused(&self.get(target), 404, "not_found");
    }

    /// It answers, and never panicked.
    #[track_caller]
    pub(crate) fn assert_well(&self) {
        assert_eq!(self.get("/").status, 200);
        self.assert_no_panic();
    }

    #[track_caller]
    fn assert_no_panic(&self) {
        let log = self.process.stderr().text();
        assert!(!log.contains("panicked"), "{log}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.assert_no_panic();
        }
    }
}

/// The address in the line that a server prints when it serves.
pub(crate) fn listening(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["listen"].as_str()?.strip_prefix("http://")?.strip_suffix('/')?.parse().ok()
}

pub(crate) fn connect(address: SocketAddr) -> Connection {
    Connection::open(address, TIMEOUT).unwrap()
}

/// Sends a request on a connection, and waits for the final response.
pub(crate) fn ask(
    connection: &mut Connection,
    method: &str,
    target: &str,
    fields: Fields<'_>,
    content: Option<&[u8]>,
) -> Result<Response, raw::Error> {
    connection.send(&raw::request(method, target, fields, content))?;
    connection.final_response(method)
}

/// The entity-tag of a response.
#[track_caller]
pub(crate) fn tag(response: &Response) -> String {
    response.value("etag").unwrap_or_else(|| panic!("no ETag: {response:?}")).to_owned()
}

/// The stable code of a problem: from its body, or, where a response has none, from the link to its explanation.
pub(crate) fn code(response: &Response) -> Option<String> {
    if response.status < 400 {
        return None;
    }
    let body: Option<Value> = serde_json::from_slice(&response.content).ok();
    let link = response.values("link").first().map(|link| String::from_utf8_lossy(link).into_owned());
    let named = link.and_then(|l| Some(l.split_once('>')?.0.rsplit_once('/')?.1.replace('-', "_")));
    body.and_then(|body| body["code"].as_str().map(str::to_owned)).or(named)
}

/// The response refuses a request as promised: this status, this code, and a body with everything that every body has.
#[track_caller]
pub(crate) fn assert_refused(response: &Response, status: u16, code: &str) -> Value {
    let shown = response.text();
    assert_eq!(response.status, status, "{shown}");
    assert_eq!(response.value("content-type"), Some("application/problem+json"), "{shown}");
    assert_eq!(response.value("cache-control"), Some("no-store"), "{shown}");
    assert!(response.content.len() <= PROBLEM_BYTES_MAX, "{} octets", response.content.len());
    let body: Value = serde_json::from_slice(&response.content).expect("a problem body is JSON");
    assert_eq!(body["code"], code, "{shown}");
    assert_eq!(body["status"], status, "{shown}");
    let path = format!("/.well-known/ifmatch/problems/{}", code.replace('_', "-"));
    assert_eq!(body["type"], path.as_str(), "{shown}");
    assert_eq!(response.value("link"), Some(format!("<{path}>; rel=\"describedby\"").as_str()));
    for member in ["title", "detail", "instance", "method", "target", "request_id"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {shown}");
    }
    assert_eq!(body["applied"], false, "{shown}");
    assert!(body["retry"]["same_request"].is_boolean() && body["retry"]["action"].is_string(), "{shown}");
    let is_safe = body["method"].as_str().is_some_and(|method| SAFE.contains(&method));
    if !is_safe {
        assert!(body["detail"].as_str().is_some_and(|text| text.ends_with(NOTHING_CHANGED)), "{shown}");
    }
    body
}

/// Looks again and again until there is what is awaited.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {TIMEOUT:?}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// The system's clock, in Unix seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// An HTTP date of a response, in Unix seconds.
pub(crate) fn date(response: &Response, name: &str) -> Option<i64> {
    dates::parse(response.value(name)?.as_bytes(), now())
}
