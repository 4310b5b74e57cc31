//! What the connections of a scripted origin and its test share.

use super::course::Course;
use super::gate::Gate;
use super::habits::Habits;
use super::request::Request;
use super::resources::{Reply, Resource};
use super::{CONNECTIONS_MAX, RECORDED_BYTES_MAX, REQUESTS_MAX};
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

type Script = Arc<dyn Fn(&Request) -> Option<Course> + Send + Sync>;
type Names = Arc<dyn Fn(&Request) -> String + Send + Sync>;

/// A course for some requests; `*` stands for any method or path.
pub(super) struct Rule {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) course: Course,
    pub(super) is_once: bool,
}

/// Everything that changes.
#[derive(Default)]
pub(super) struct State {
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) revision: u64,
    pub(super) cached: BTreeMap<String, Reply>,
    pub(super) habits: BTreeMap<String, Habits>,
    pub(super) usual: Habits,
    pub(super) rules: Vec<Rule>,
    pub(super) script: Option<Script>,
    pub(super) names: Option<Names>,
    pub(super) requests: Vec<Request>,
    pub(super) recorded_bytes: usize,
    /// A copy of each connection's socket, to end it with, and whether nothing is under way on it.
    pub(super) sockets: BTreeMap<u64, (TcpStream, bool)>,
    pub(super) accepted: u64,
    pub(super) refusing: usize,
    pub(super) gates: Vec<Gate>,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) is_ended: bool,
}

/// What all connections share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self) {
        self.changed.notify_all();
    }

    /// Which resource a request is about.
    pub(super) fn name(&self, request: &Request) -> String {
        let names = self.state().names.clone();
        names.map_or_else(|| request.path().to_owned(), |names| names(request))
    }

    pub(super) fn course(&self, request: &Request) -> Course {
        let fits = |rule: &Rule| {
            (rule.method == "*" || rule.method == request.method)
                && (rule.path == "*" || rule.path == request.path())
        };
        let script = {
            let mut state = self.state();
            if let Some(at) = state.rules.iter().position(|rule| rule.is_once && fits(rule)) {
                return state.rules.remove(at).course;
            }
            if let Some(rule) = state.rules.iter().rfind(|rule| fits(rule)) {
                return rule.course.clone();
            }
            state.script.clone()
        };
        // Called without the state, so that it may ask for it.
        script.and_then(|script| script(request)).unwrap_or_default()
    }

    pub(super) fn record(&self, request: &Request) -> Option<usize> {
        let mut state = self.state();
        if state.requests.len() >= REQUESTS_MAX {
            return None;
        }
        state.requests.push(request.clone());
        let entry = state.requests.len() - 1;
        drop(state);
        self.tell();
        Some(entry)
    }

    pub(super) fn update(&self, entry: Option<usize>, change: impl FnOnce(&mut Request)) {
        let mut state = self.state();
        let Some(request) = entry.and_then(|entry| state.requests.get_mut(entry)) else { return };
        let before = request.content.len();
        change(request);
        let added = request.content.len() - before.min(request.content.len());
        if added > 0 {
            let is_over = state.recorded_bytes + added > RECORDED_BYTES_MAX;
            if is_over && let Some(request) = entry.and_then(|entry| state.requests.get_mut(entry)) {
                request.content.clear();
            } else {
                state.recorded_bytes += added;
            }
        }
        drop(state);
        self.tell();
    }

    pub(super) fn idle(&self, id: u64, is_idle: bool) {
        if let Some(socket) = self.state().sockets.get_mut(&id) {
            socket.1 = is_idle;
        }
        self.tell();
    }

    pub(super) fn forget(&self, id: u64) {
        self.state().sockets.remove(&id);
        self.tell();
    }

    pub(super) fn keep(&self, thread: JoinHandle<()>) {
        let mut state = self.state();
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.push(thread);
    }

    /// Takes a connection in; the id it is served under, or nothing if it is to be closed.
    pub(super) fn admit(&self, stream: &TcpStream) -> Option<u64> {
        let mut state = self.state();
        state.accepted += 1;
        let id = state.accepted;
        let is_refused = state.refusing > 0;
        state.refusing = state.refusing.saturating_sub(1);
        let admitted = if is_refused || state.is_ended || state.sockets.len() >= CONNECTIONS_MAX {
            None
        } else {
            stream.try_clone().ok().map(|copy| {
                state.sockets.insert(id, (copy, false));
                id
            })
        };
        drop(state);
        self.tell();
        admitted
    }
    pub(super) fn next_thread(&self) -> Option<JoinHandle<()>> {
        self.state().threads.pop()
    }
}
