//! An API as people write them, right or wrong in one respect at a time.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Which tag a resource has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Tags {
    /// The number of the write.
    #[default]
    Revision,
    /// The same, weak.
    Weak,
    /// The length of the content: contents that differ have the same.
    Length,
    /// None.
    Absent,
}

/// What it does.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) tags: Tags,
    /// Looks at If-Match and If-None-Match.
    pub(crate) evaluates: bool,
    /// Answers 428 without a condition.
    pub(crate) requires: bool,
    /// Another status for that.
    pub(crate) required_status: u16,
    /// Between looking at a condition and writing. Without: one step.
    pub(crate) window: Option<Duration>,
    /// Wants the member `rev` of the content to be the current one, and sets it: 409.
    pub(crate) rev_in_content: bool,
    /// Answers 409 to a write that comes while another is under way, and looks at nothing else.
    pub(crate) one_at_a_time: bool,
    /// Serves one connection until its client closes it, then the next.
    pub(crate) one_connection: bool,
    /// Keeps these members as they were, whatever is sent.
    pub(crate) read_only: Vec<&'static str>,
    /// Answers this to every write, and does nothing.
    pub(crate) always: Option<u16>,
    /// Refuses conditional writes with 412, whatever the condition.
    pub(crate) refuses_conditions: bool,
    /// Writes first and looks at the condition then.
    pub(crate) late: bool,
    /// Answers stale writes with 200 and does not do them.
    pub(crate) lies: bool,
    /// Reads see a write only after so many more reads.
    pub(crate) behind: u32,
    /// Answers so many writes with 429 and Retry-After: 0 first.
    pub(crate) busy: u32,
    /// For so long after a write the tag is weak.
    pub(crate) ripens: Option<Duration>,
    /// DELETE looks at no condition.
    pub(crate) deletes_anything: bool,
    /// Sets the member `at` to something new at each write, and sorts members.
    pub(crate) normalises: bool,
    /// Before this request somebody else writes this, with the member `note` as it is, around everybody.
    pub(crate) interrupted: Option<(u32, &'static str)>,
    /// Reads are answered by one of these in turn, each so far behind.
    pub(crate) replicas: Vec<Duration>,
}

impl Default for Habits {
    /// Does everything right.
    fn default() -> Self {
        Self {
            tags: Tags::Revision,
            evaluates: true,
            requires: true,
            required_status: 428,
            window: None,
            rev_in_content: false,
            one_connection: false,
            one_at_a_time: false,
            read_only: Vec::new(),
            always: None,
            refuses_conditions: false,
            late: false,
            lies: false,
            behind: 0,
            busy: 0,
            ripens: None,
            deletes_anything: false,
            normalises: false,
            interrupted: None,
            replicas: Vec::new(),
        }
    }
}

/// A resource.
#[derive(Clone, Debug)]
struct Kept {
    content: Vec<u8>,
    revision: u32,
    written: Instant,
    /// What was there, and until when.
    past: Vec<(Vec<u8>, u32, Instant)>,
    /// What reads still see, and how often.
    before: Option<(Vec<u8>, u32, u32)>,
}

/// A running API. Dropping it ends it.
pub(crate) struct Api {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    habits: Habits,
    kept: Mutex<BTreeMap<String, Kept>>,
    revision: AtomicU32,
    busy: AtomicU32,
    writing: AtomicU32,
    writes: AtomicU32,
    requests: AtomicU32,
    reads: AtomicU32,
    over: AtomicBool,
}

struct Request {
    method: String,
    path: String,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
}

impl Api {
    pub(crate) fn start(habits: Habits) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            busy: AtomicU32::new(habits.busy),
            habits,
            kept: Mutex::default(),
            revision: AtomicU32::new(0),
            writing: AtomicU32::new(0),
            writes: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            reads: AtomicU32::new(0),
            over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.over.load(Ordering::SeqCst) {
                    break;
                }
                let state = Arc::clone(&shared);
                let serving = thread::spawn(move || drop(state.serve(&stream)));
                if shared.habits.one_connection {
                    serving.join().unwrap();
                }
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Writes around everybody.
    pub(crate) fn set(&self, path: &str, content: impl AsRef<[u8]>) {
        self.state.put(path, content.as_ref());
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let kept = self.state.kept();
        String::from_utf8(kept.get(path).map(|kept| kept.content.clone()).unwrap_or_default()).unwrap()
    }

    /// All there is.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.state.kept().keys().cloned().collect()
    }

    /// Writes that were done over HTTP.
    pub(crate) fn writes(&self) -> u32 {
        self.state.writes.load(Ordering::SeqCst)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl State {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, path: &str, content: &[u8]) {
        let mut kept = self.kept();
        self.put_in(&mut kept, path, content);
    }

    fn put_in(&self, kept: &mut BTreeMap<String, Kept>, path: &str, content: &[u8]) {
        let revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        let before = kept.get(path).map(|kept| (kept.content.clone(), kept.revision, self.habits.behind));
        let before = before.filter(|(_, _, reads)| *reads > 0);
        let content = self.stored(kept.get(path), content, revision);
        let mut past = kept.get(path).map(|kept| kept.past.clone()).unwrap_or_default();
        if let Some(old) = kept.get(path).filter(|_| !self.habits.replicas.is_empty()) {
            past.push((old.content.clone(), old.revision, Instant::now()));
        }
        kept.insert(path.to_owned(), Kept { content, revision, written: Instant::now(), past, before });
    }

    /// What is kept of what was sent.
    fn stored(&self, old: Option<&Kept>, content: &[u8], revision: u32) -> Vec<u8> {
        let habits = &self.habits;
        if habits.read_only.is_empty() && !habits.rev_in_content && !habits.normalises {
            return content.to_vec();
        }
        let mut document: serde_json::Value = serde_json::from_slice(content).unwrap_or_default();
        let old: serde_json::Value =
            old.and_then(|old| serde_json::from_slice(&old.content).ok()).unwrap_or_default();
        if let Some(members) = document.as_object_mut() {
            for name in &habits.read_only {
                if let Some(value) = old.get(name) {
                    members.insert((*name).to_owned(), value.clone());
                }
            }
            if habits.rev_in_content {
                members.insert("rev".to_owned(), revision.into());
            }
            if habits.normalises {
                members.insert("at".to_owned(), revision.into());
                members.sort_keys();
            }
        }
        serde_json::to_vec(&document).unwrap()
    }

    fn tag(&self, kept: &Kept) -> Option<String> {
        let is_young = self.habits.ripens.is_some_and(|time| kept.written.elapsed() < time);
        let tag = self.tag_of(&kept.content, kept.revision)?;
        Some(if is_young { format!("W/{tag}") } else { tag })
    }

    fn tag_of(&self, content: &[u8], revision: u32) -> Option<String> {
        match self.habits.tags {
            Tags::Revision => Some(format!("\"{revision}\"")),
            Tags::Weak => Some(format!("W/\"{revision}\"")),
            Tags::Length => Some(format!("\"{}\"", content.len())),
            Tags::Absent => None,
        }
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let Some(request) = read(&mut reader)? else { return Ok(()) };
            self.interrupt(&request.path);
            let (status, fields, content) = self.answer(&request);
            let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n");
            for (name, value) in fields {
                head += &format!("{name}: {value}\r\n");
            }
            if status != 204 {
                head += &format!("Content-Length: {}\r\n", content.len());
            }
            let mut bytes = (head + "\r\n").into_bytes();
            bytes.extend(content);
            (&mut &*stream).write_all(&bytes)?;
        }
    }

    fn interrupt(&self, path: &str) {
        let turn = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let Some((_, theirs)) = self.habits.interrupted.filter(|(at, _)| *at == turn) else { return };
        let mut kept = self.kept();
        let parse = |content: &[u8]| serde_json::from_slice::<serde_json::Value>(content).unwrap();
        let mut theirs = parse(theirs.as_bytes());
        if let Some(now) = kept.get(path) {
            theirs["note"] = parse(&now.content)["note"].clone();
        }
        self.put_in(&mut kept, path, &serde_json::to_vec(&theirs).unwrap());
    }

    fn answer(&self, request: &Request) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        match request.method.as_str() {
            "GET" => self.show(&request.path),
            _ => {
                if self
                    .busy
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                    .is_ok()
                {
                    return (429, vec![("Retry-After", "0".to_owned())], Vec::new());
                }
                let others = self.writing.fetch_add(1, Ordering::SeqCst);
                let status = if self.habits.one_at_a_time && others > 0 { 409 } else { self.write(request) };
                self.writing.fetch_sub(1, Ordering::SeqCst);
                (status, vec![("Retry-After", "0".to_owned())], Vec::new())
            }
        }
    }

    fn show(&self, path: &str) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        let mut kept = self.kept();
        let Some(found) = kept.get_mut(path) else { return (404, Vec::new(), Vec::new()) };
        let (mut content, mut revision) = (found.content.clone(), found.revision);
        if let Some((old, old_revision, reads)) = &mut found.before {
            (content, revision) = (old.clone(), *old_revision);
            *reads -= 1;
            if *reads == 0 {
                found.before = None;
            }
        }
        if !self.habits.replicas.is_empty() {
            let turn = self.reads.fetch_add(1, Ordering::SeqCst) as usize;
            let behind = self.habits.replicas[turn % self.habits.replicas.len()];
            if let Some((old, old_revision, _)) =
                found.past.iter().find(|(_, _, until)| until.elapsed() < behind)
            {
                (content, revision) = (old.clone(), *old_revision);
            }
        }
        let is_now = found.revision == revision;
        let tag = if is_now { self.tag(found) } else { self.tag_of(&content, revision) };
        (200, tag.into_iter().map(|tag| ("ETag", tag)).collect(), content)
    }

    /// The status of a write.
    fn write(&self, request: &Request) -> u16 {
        let habits = &self.habits;
        if let Some(status) = habits.always {
            return status;
        }
        let mut kept = self.kept();
        if habits.late {
            self.apply(&mut kept, request);
            // What the condition is compared with is what was there.
            return 412;
        }
        if let Some(refused) = self.judge(&kept, request) {
            return if habits.lies && refused == 412 { 200 } else { refused };
        }
        if let Some(window) = habits.window {
            drop(kept);
            wait(window);
            kept = self.kept();
        }
        self.apply(&mut kept, request);
        self.writes.fetch_add(1, Ordering::SeqCst);
        204
    }

    fn apply(&self, kept: &mut BTreeMap<String, Kept>, request: &Request) {
        if request.method == "DELETE" {
            kept.remove(&request.path);
        } else {
            self.put_in(kept, &request.path, &request.content);
        }
    }

    /// Why it is refused.
    fn judge(&self, kept: &BTreeMap<String, Kept>, request: &Request) -> Option<u16> {
        let habits = &self.habits;
        let current = kept.get(&request.path);
        let (wants, absent) = (request.field("if-match"), request.field("if-none-match"));
        let is_condition = wants.is_some() || absent.is_some();
        if request.method == "DELETE" && habits.deletes_anything {
            return None;
        }
        if habits.refuses_conditions && is_condition {
            return Some(412);
        }
        if habits.requires && !is_condition {
            return Some(habits.required_status);
        }
        if habits.rev_in_content {
            let rev = |content: &[u8]| {
                let document: serde_json::Value = serde_json::from_slice(content).unwrap_or_default();
                document.get("rev").cloned()
            };
            let is_current = current.is_none_or(|current| rev(&current.content) == rev(&request.content));
            if !is_current {
                return Some(409);
            }
        }
        if !habits.evaluates {
            return None;
        }
        if let Some(tag) = wants {
            // Weak tags never match (RFC 9110, Section 13.1.1).
            let now = current.and_then(|current| self.tag(current)).filter(|tag| !tag.starts_with("W/"));
            return (now.as_deref() != Some(tag)).then_some(412);
        }
        (absent == Some("*") && current.is_some()).then_some(412)
    }
}

/// Takes time as work between look and write does: sleeping is far coarser than a millisecond on a busy machine.
fn wait(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        thread::yield_now();
    }
}

impl Request {
    fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(field, _)| field == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => fields.push((name.to_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut request = Request { method, path, fields, content: Vec::new() };
    let length = request.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.content = vec![0; length];
    reader.read_exact(&mut request.content)?;
    Ok(Some(request))
}
