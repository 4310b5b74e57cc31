//! A server that looks first and writes later, as so many do. The tests of races must notice that it loses updates.

use super::TIMEOUT;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// When it goes on from the look to the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// When so many writes have had their look. Those that the look refused do not count.
    Together(usize),
    /// As soon as the content is complete; the look is taken before it.
    Content,
}

/// Runs until its last connection is closed; nothing waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Unprotected {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    gate: Gate,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    resources: HashMap<String, (u64, Vec<u8>)>,
    revision: u64,
    looked: usize,
}

impl Unprotected {
    pub(crate) fn start(gate: Gate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { gate, state: Mutex::default(), changed: Condvar::new() });
        let server = Self { address, shared };
        let accepting = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = accepting.clone();
                thread::spawn(move || server.connection(stream));
            }
        });
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until so many writes have had their look.
    pub(crate) fn wait_for_looks(&self, count: usize) {
        self.wait(|state| state.looked >= count);
    }

    /// Puts something there without a race.
    pub(crate) fn set(&self, target: &str, content: &[u8]) {
        let mut state = self.shared.state.lock().unwrap();
        state.write(target, Some(content.to_vec()));
    }

    fn wait(&self, done: impl Fn(&State) -> bool) {
        let state = self.shared.state.lock().unwrap();
        let (_state, waited) =
            self.shared.changed.wait_timeout_while(state, TIMEOUT, |state| !done(state)).unwrap();
        assert!(!waited.timed_out(), "the others did not come");
    }

    fn connection(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(head) = Head::read(&mut reader) {
            let answer = self.answer(&head, &mut reader);
            if answer.is_none_or(|answer| reader.get_mut().write_all(&answer).is_err()) {
                return;
            }
        }
    }

    fn answer(&self, head: &Head, reader: &mut impl Read) -> Option<Vec<u8>> {
        let early = self.shared.gate == Gate::Content && head.method != "GET";
        let allowed = early.then(|| self.look(head));
        let mut content = vec![0; head.length];
        reader.read_exact(&mut content).ok()?;
        if head.method == "GET" {
            let state = self.shared.state.lock().unwrap();
            return Some(state.resources.get(&head.target).map_or_else(
                || response("404 Not Found", None, b""),
                |(revision, content)| response("200 OK", Some(*revision), content),
            ));
        }
        let is_allowed = allowed.unwrap_or_else(|| self.look(head));
        if !is_allowed {
            return Some(response("412 Precondition Failed", None, b""));
        }
        if let Gate::Together(count) = self.shared.gate {
            self.wait(|state| state.looked >= count);
        }
        let mut state = self.shared.state.lock().unwrap();
        let existed = state.resources.contains_key(&head.target);
        let content = (head.method != "DELETE").then_some(content);
        let status = if existed || content.is_none() { "204 No Content" } else { "201 Created" };
        let revision = state.write(&head.target, content);
        Some(response(status, revision, b""))
    }

    /// Whether the condition holds now, which says nothing about later.
    fn look(&self, head: &Head) -> bool {
        let mut state = self.shared.state.lock().unwrap();
        let current = state.resources.get(&head.target).map(|(revision, _)| quoted(*revision));
        let allowed = match (&head.if_match, head.creates) {
            (Some(tag), _) => current.as_ref() == Some(tag),
            (None, creates) => !creates || current.is_none(),
        };
        state.looked += usize::from(allowed);
        drop(state);
        self.shared.changed.notify_all();
        allowed
    }
}

impl State {
    fn write(&mut self, target: &str, content: Option<Vec<u8>>) -> Option<u64> {
        self.revision += 1;
        let Some(content) = content else {
            self.resources.remove(target);
            return None;
        };
        self.resources.insert(target.to_owned(), (self.revision, content));
        Some(self.revision)
    }
}

/// As much of a head as the tests send.
#[derive(Debug, Default)]
struct Head {
    method: String,
    target: String,
    if_match: Option<String>,
    creates: bool,
    length: usize,
}

impl Head {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut lines = reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let first = lines.next()?;
        let mut words = first.split(' ');
        let mut head =
            Self { method: words.next()?.to_owned(), target: words.next()?.to_owned(), ..Self::default() };
        for line in lines {
            let (name, value) = line.split_once(": ")?;
            match name.to_ascii_lowercase().as_str() {
                "if-match" => head.if_match = Some(value.to_owned()),
                "if-none-match" => head.creates = true,
                "content-length" => head.length = value.parse().ok()?,
                _ => {}
            }
        }
        Some(head)
    }
}

fn quoted(revision: u64) -> String {
    format!("\"u-{revision}\"")
}

fn response(status: &str, revision: Option<u64>, content: &[u8]) -> Vec<u8> {
    let etag = revision.map(|revision| format!("ETag: {}\r\n", quoted(revision))).unwrap_or_default();
    let length = if status.starts_with("204") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", content.len())
    };
    [format!("HTTP/1.1 {status}\r\n{etag}{length}\r\n").as_bytes(), content].concat()
}
