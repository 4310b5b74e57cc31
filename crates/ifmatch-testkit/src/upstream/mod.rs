//! An origin that does what it is told, wrong or right: an HTTP/1.1 server in the process of the test.
//!
//! It keeps resources in memory. [`Habits`] say how a resource is kept and shown; a [`Course`] says how one exchange
//! goes: where it is held ([`Gate`]), where the connection is cut, when the write takes effect, what is answered. Every
//! request is recorded as it came ([`Request`]), and everything can be waited for.
//!
//! ```
//! use ifmatch_testkit::upstream::{Course, Point, Scripted};
//!
//! let upstream = Scripted::start()?;
//! upstream.set("/a", b"one");
//! // The next PUT is applied, and its answer never comes.
//! upstream.next("PUT", "/a", Course::cut_at(Point::Applied));
//! // What comes before the content is held back, and the rest is as usual.
//! let gate = upstream.gate();
//! upstream.always("DELETE", "*", Course::held(Point::Content, &gate));
//! # Ok::<(), std::io::Error>(())
//! ```

mod answer;
mod course;
mod gate;
mod gzip;
mod habits;
mod json;
mod request;
mod resources;
mod serve;
mod shared;

pub use course::{After, Answer, Apply, Course, Framing, Point};
pub use gate::{Gate, HOLD_MAX};
pub use habits::{Cache, Coding, Habits, Negotiation, Shows, Stores, Tags};
pub use request::{CONTENT_BYTES_MAX, HEAD_BYTES_MAX, Request};

use shared::{Rule, Shared, State};
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The bound on everything that is waited for. Far more than anything takes, even on a busy machine.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Connections at a time; what comes past it is closed at once.
pub const CONNECTIONS_MAX: usize = 1024;

/// Requests that are recorded; what comes past it is served and not recorded.
pub const REQUESTS_MAX: usize = 100_000;

/// Bytes of content that are recorded in all. Past it requests are recorded without content.
pub const RECORDED_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Courses for later that are kept; what is set past it is not.
pub const COURSES_MAX: usize = 10_000;

/// How many requests an error shows.
const SHOWN_MAX: usize = 20;

/// What was awaited did not happen; with what did.
#[derive(Clone)]
pub struct Error {
    what: String,
}

impl Error {
    fn new(what: String) -> Self {
        Self { what }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}

/// How many connections there are and were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Since the start.
    pub accepted: u64,
    /// Now.
    pub open: usize,
}

/// A scripted origin on a free port of loopback. Dropping it ends it, and whatever is held in it.
pub struct Scripted {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Scripted {
    /// Starts one that behaves well and has nothing yet.
    ///
    /// # Errors
    /// As `TcpListener` has them.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Habits::default())
    }

    /// Starts one with the habits of every resource that is given none of its own.
    ///
    /// # Errors
    /// As `TcpListener` has them.
    pub fn start_with(usual: Habits) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        shared.state().usual = usual;
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&shared, &listener)
        });
        Ok(Self { shared, address, accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts JSON, or anything, there: a write around everybody.
    pub fn set(&self, path: &str, content: &[u8]) {
        self.set_typed(path, "application/json", content);
    }

    /// Puts content of a type there.
    pub fn set_typed(&self, path: &str, content_type: &str, content: &[u8]) {
        self.shared.state().write(path, content.to_vec(), content_type);
        self.shared.tell();
    }

    /// Takes away what is there.
    pub fn remove(&self, path: &str) {
        self.shared.state().resources.remove(path);
        self.shared.tell();
    }

    /// What is there: what was stored, not what is shown.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        self.shared.state().resources.get(path).map(|resource| resource.content.clone())
    }

    /// The same as text.
    pub fn text(&self, path: &str) -> Option<String> {
        self.content(path).map(|content| String::from_utf8_lossy(&content).into_owned())
    }

    /// How many writes there were in all, to whatever resource; those of the test included.
    pub fn writes(&self) -> u64 {
        self.shared.state().revision
    }

    /// How a path's resource is kept and shown from now on; what a cache had of it is gone.
    pub fn habits(&self, path: &str, habits: Habits) {
        let mut state = self.shared.state();
        state.cached.remove(path);
        state.habits.insert(path.to_owned(), habits);
    }

    /// Which resource a request is about, where the path alone does not say it.
    pub fn names(&self, names: impl Fn(&Request) -> String + Send + Sync + 'static) {
        self.shared.state().names = Some(Arc::new(names));
    }

    /// How the next such exchange goes; `*` stands for any method or path. Set several times: in that order.
    pub fn next(&self, method: &str, path: &str, course: Course) {
        self.rule(method, path, course, true);
    }

    /// How every such exchange goes that [`Scripted::next`] has nothing for. The latest that fits counts.
    pub fn always(&self, method: &str, path: &str, course: Course) {
        self.rule(method, path, course, false);
    }

    /// Asked about every exchange that neither of the others has something for; `None`: as usual.
    pub fn script(&self, script: impl Fn(&Request) -> Option<Course> + Send + Sync + 'static) {
        self.shared.state().script = Some(Arc::new(script));
    }

    /// From now on everything goes as usual. Habits stay.
    pub fn behave(&self) {
        let mut state = self.shared.state();
        state.rules.clear();
        state.script = None;
        state.refusing = 0;
    }

    fn rule(&self, method: &str, path: &str, course: Course, is_once: bool) {
        let mut state = self.shared.state();
        if state.rules.len() < COURSES_MAX {
            state.rules.push(Rule { method: method.to_owned(), path: path.to_owned(), course, is_once });
        }
    }

    /// A gate for courses and habits of this server; shut.
    pub fn gate(&self) -> Gate {
        self.adopt(Gate::shut())
    }

    /// One that opens by itself when so many have come to it.
    pub fn gate_for(&self, arrivals: usize) -> Gate {
        self.adopt(Gate::opening_at(arrivals))
    }

    fn adopt(&self, gate: Gate) -> Gate {
        self.shared.state().gates.push(gate.clone());
        gate
    }

    /// The next connections are closed as soon as they are made, before anything is read.
    pub fn refuse_connections(&self, count: usize) {
        self.shared.state().refusing = count;
    }

    /// Closes all connections on which nothing is under way; how many.
    pub fn close_idle(&self) -> usize {
        let state = self.shared.state();
        let idle = state.sockets.values().filter(|(_, is_idle)| *is_idle);
        idle.filter(|(socket, _)| socket.shutdown(Shutdown::Both).is_ok()).count()
    }

    /// How many connections there are and were.
    pub fn connections(&self) -> Connections {
        let state = self.shared.state();
        Connections { accepted: state.accepted, open: state.sockets.len() }
    }

    /// Every request so far, in the order in which their heads were complete.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// Those of a method and path; `*` stands for any.
    pub fn requests_to(&self, method: &str, path: &str) -> Vec<Request> {
        select(&self.shared.state().requests, method, path)
    }

    /// How many requests of a method there were.
    pub fn count(&self, method: &str) -> usize {
        self.shared.state().requests.iter().filter(|request| request.method == method).count()
    }

    /// Waits until `done` finds what it wants among the requests.
    ///
    /// # Errors
    /// [`Error`] after [`WAIT_MAX`], with the requests there were.
    pub fn wait_until<T>(&self, mut done: impl FnMut(&[Request]) -> Option<T>) -> Result<T, Error> {
        self.wait(|state| done(&state.requests))
    }

    /// Waits until so many such exchanges have come so far; those. `*` stands for any method or path.
    ///
    /// # Errors
    /// [`Error`] after [`WAIT_MAX`], with the requests there were.
    pub fn wait_for(
        &self,
        method: &str,
        path: &str,
        point: Point,
        count: usize,
    ) -> Result<Vec<Request>, Error> {
        self.wait_until(|requests| {
            let mut found = select(requests, method, path);
            found.retain(|request| request.reached >= point);
            (found.len() >= count).then_some(found)
        })
    }

    /// Waits until this is there; `None`: nothing.
    ///
    /// # Errors
    /// [`Error`] after [`WAIT_MAX`], with the requests there were.
    pub fn wait_for_content(&self, path: &str, content: Option<&[u8]>) -> Result<(), Error> {
        self.wait(|state| {
            let now = state.resources.get(path).map(|resource| resource.content.as_slice());
            (now == content).then_some(())
        })
    }

    /// Waits until the connections are as wanted.
    ///
    /// # Errors
    /// [`Error`] after [`WAIT_MAX`], with the requests there were.
    pub fn wait_for_connections(&self, wanted: impl Fn(Connections) -> bool) -> Result<Connections, Error> {
        self.wait(|state| {
            let now = Connections { accepted: state.accepted, open: state.sockets.len() };
            wanted(now).then_some(now)
        })
    }

    fn wait<T>(&self, mut done: impl FnMut(&State) -> Option<T>) -> Result<T, Error> {
        let state = self.shared.state();
        let mut found = None;
        let waited = self.shared.changed.wait_timeout_while(state, WAIT_MAX, |state| {
            found = done(state);
            found.is_none()
        });
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        found.ok_or_else(|| {
            let latest = state.requests.iter().rev().take(SHOWN_MAX).rev().map(|request| {
                let Request { method, target, reached, status, connection, .. } = request;
                format!("{method} {target} on {connection}: {reached:?}, {status:?}\n")
            });
            Error::new(format!(
                "what was awaited did not happen; the latest requests:\n{}",
                latest.collect::<String>()
            ))
        })
    }
}

fn select(requests: &[Request], method: &str, path: &str) -> Vec<Request> {
    let fits = |request: &&Request| {
        (method == "*" || request.method == method) && (path == "*" || request.path() == path)
    };
    requests.iter().filter(fits).cloned().collect()
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.state().is_ended {
            return;
        }
        let Some(id) = shared.admit(&stream) else { continue };
        let serving = Arc::clone(shared);
        shared.keep(thread::spawn(move || serve::serve(&serving, stream, id)));
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let gates = {
            let mut state = self.shared.state();
            state.is_ended = true;
            for (socket, _) in state.sockets.values() {
                // What is closed already is as it should be.
                drop(socket.shutdown(Shutdown::Both));
            }
            state.gates.clone()
        };
        gates.iter().for_each(Gate::end);
        // It sees the end when it is woken by a connection.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(5)));
        drop(self.accepting.take().map(JoinHandle::join));
        // Those that end may have begun others.
        while let Some(thread) = self.shared.next_thread() {
            drop(thread.join());
        }
    }
}
