//! The cycle in a browser: a page of another origin, with `fetch`, in headless Chromium.

use crate::Result;
use crate::server::Serving;
use ifmatch_testkit::process::Server;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const PAGE: &str = include_str!("../../clients/page.html");
/// A name that Chromium is told to find on loopback: not a loopback origin to the server.
const FOREIGN: &str = "app.example";
const RESULT_MAX: Duration = Duration::from_secs(120);
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// Longest head or content of a request to the page's own server, in bytes.
const REQUEST_BYTES_MAX: u64 = 1 << 20;

/// From a loopback origin; from a foreign one, which is kept out; and from a foreign one that was let in.
pub(super) fn cycles(chromium: &str, binary: &Path, server: &Serving) -> Result {
    let pages = Pages::serve()?;
    let document = |server: &Serving, name: &str| format!("{}/clients/{name}", server.url());
    println!("\n-- Chromium, page of another loopback origin");
    pages.visit(chromium, "127.0.0.1", &document(server, "browser"), "cycle")?;
    println!("\n-- Chromium, page of a foreign origin");
    pages.visit(chromium, FOREIGN, &document(server, "foreign"), "refused")?;
    println!("\n-- Chromium, page of a foreign origin that was let in");
    let origin = format!("http://{FOREIGN}:{}", pages.port);
    let open = Serving::start(binary, &["--cors-origin", &origin])?;
    pages.visit(chromium, FOREIGN, &document(&open, "invited"), "cycle")?;
    open.stop()
}

/// The little server that the page comes from and that it posts its result to.
struct Pages {
    port: u16,
    results: Receiver<String>,
}

impl Pages {
    fn serve() -> Result<Self> {
        let failed = |error: std::io::Error| format!("the page cannot be served: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let (tell, results) = channel();
        // Ends with the process.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let tell = tell.clone();
                // Browsers open connections in advance and say nothing on them.
                // A connection that fails is one that the browser gave up.
                thread::spawn(move || drop(exchange(&connection, &tell)));
            }
        });
        Ok(Self { port, results })
    }

    /// Opens the page under a host name and waits for what it has to say.
    fn visit(&self, chromium: &str, host: &str, document: &str, wanted: &str) -> Result {
        let profile = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        let mut command = Command::new(chromium);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // Keeps it running until it is told to end.
            "--remote-debugging-port=0",
        ]);
        command.arg(format!("--host-resolver-rules=MAP {FOREIGN} 127.0.0.1"));
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg(format!("http://{host}:{}/?document={document}&wanted={wanted}", self.port));
        let mut browser = Server::spawn(&mut command).map_err(|error| error.to_string())?;
        let result = self.results.recv_timeout(RESULT_MAX);
        let errors = browser.stderr().text();
        // It has nothing to save; its helpers end with it.
        drop(browser.terminate(Duration::from_secs(10)).or_else(|_| browser.kill()));
        let result = result.map_err(|_| format!("the page said nothing for {RESULT_MAX:?}\n{errors}"))?;
        let result: Value = serde_json::from_str(&result).map_err(|error| format!("{result}: {error}"))?;
        for line in result["lines"].as_array().into_iter().flatten() {
            println!("{}", line.as_str().unwrap_or_default());
        }
        match result["failure"].as_str() {
            None => Ok(()),
            Some(failure) => Err(format!("Chromium: {failure}")),
        }
    }
}

/// One request: the page for a GET, the result from a POST.
fn exchange(mut connection: &TcpStream, tell: &Sender<String>) -> std::io::Result<()> {
    connection.set_read_timeout(Some(REQUEST_MAX))?;
    let mut reader = BufReader::new(connection).take(REQUEST_BYTES_MAX);
    let (mut request, mut content_bytes) = (String::new(), 0);
    reader.read_line(&mut request)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            content_bytes = value.trim().parse().unwrap_or(0);
        }
    }
    let mut content = Vec::new();
    reader.take(content_bytes).read_to_end(&mut content)?;
    let (status, page) = match request.split(' ').collect::<Vec<_>>()[..] {
        ["GET", target, _] if target.starts_with("/?") => ("200 OK", PAGE),
        ["POST", "/result", _] => {
            // Whoever waited may have given up.
            drop(tell.send(String::from_utf8_lossy(&content).into_owned()));
            ("200 OK", "")
        }
        _ => ("404 Not Found", ""),
    };
    let length = page.len();
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{page}"
    )
}
