//! Reading and writing the one resource that is raced, politely.

use super::change::{Change, Patch};
use super::mark::{MARKS_MAX, Mark, Marks};
use super::reasons::Halt;
use super::reply::{Condition, Reply, wait};
use super::validators::Validators;
use super::watch::{Progress, Stop};
use super::whose::Whose;
use super::{Observer, Plan};
use bytes::Bytes;
use core::time::Duration;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LAST_MODIFIED,
};
use http::{Method, StatusCode};
use ifmatch_client::Tag;
use ifmatch_client::wire::{Access, AccessError, Answer, Http, Request, SendError, Url};
use std::collections::BTreeMap;
use std::time::Instant;
use tokio::time::sleep;

/// How often a server can ask for a wait before the run ends.
const BUSY_MAX: u32 = 4;

/// How long is waited for a weak tag to become strong.
const RIPE_MAX: Duration = Duration::from_millis(2500);

/// Between two looks at it.
const RIPE_LOOK: Duration = Duration::from_millis(100);

/// Rounds of each test if each has to wait for that.
const ROUNDS_OF_RIPENING: u32 = 3;

/// Waits between reads until a write can be seen: a server may be behind itself.
const LOOKS_MS: [u64; 6] = [0, 20, 50, 100, 300, 700];

/// The resource as it was read.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) content: Bytes,
    pub(super) tag: Option<Tag>,
    pub(super) modified: Option<String>,
    /// Our marks in it.
    pub(super) marks: Vec<Mark>,
}

impl State {
    pub(super) fn shows(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }
}

/// Whether a weak tag becomes strong after a while. Some servers call tags made of a time weak until that time is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ripens {
    /// Not tried.
    Unknown,
    /// Not within [`RIPE_MAX`].
    Never,
    /// After this.
    After(Duration),
}

/// The connections of a run, and what it keeps in mind.
pub(super) struct Session<'a> {
    pub(super) plan: &'a Plan,
    pub(super) access: &'a Access,
    pub(super) reader: Http,
    pub(super) writers: Vec<Http>,
    pub(super) change: Change,
    pub(super) marks: Marks,
    pub(super) validators: Validators,
    pub(super) content_type: HeaderValue,
    pub(super) patch: Option<Patch>,
    pub(super) stop: Stop,
    /// Whose what is read is.
    pub(super) whose: Whose,
    /// The longest that a read was behind a write, as far as it was seen.
    pub(super) behind: Option<Duration>,
    /// Whether a write of ours may stand there: one was answered with success, or not at all.
    pub(super) is_dirty: bool,
    /// The last write that was answered with success.
    pub(super) acknowledged: Option<Mark>,
    /// The tag of its answer.
    pub(super) answered: Option<String>,
    /// Whether a tag that was read is taken: then the original is put back with it and never without.
    pub(super) takes_tags: bool,
    /// What was shown last (0 is the original), and since when each that was shown before is known to be old.
    shown: (u32, BTreeMap<u32, Instant>),
    /// Whether weak tags become strong after a while.
    pub(super) ripens: Ripens,
    /// Writes without an answer.
    pub(super) unanswered: u32,
    pub(super) requests: u32,
    pace: Pace,
    observer: &'a dyn Observer,
}

impl<'a> Session<'a> {
    /// Nothing is sent.
    pub(super) fn new(
        plan: &'a Plan,
        access: &'a Access,
        change: Change,
        content_type: HeaderValue,
        observer: &'a dyn Observer,
        stop: Stop,
    ) -> Result<Self, AccessError> {
        let writers = (0..plan.writers).map(|_| access.connect()).collect::<Result<_, _>>()?;
        let patch = super::change::patch(&plan.method, &String::from_utf8_lossy(content_type.as_bytes()));
        Ok(Self {
            plan,
            access,
            reader: access.connect()?,
            writers,
            change,
            marks: Marks::new(),
            validators: Validators::default(),
            content_type,
            patch,
            stop,
            whose: Whose::default(),
            behind: None,
            is_dirty: false,
            acknowledged: None,
            answered: None,
            takes_tags: false,
            shown: (0, BTreeMap::new()),
            ripens: Ripens::Unknown,
            unanswered: 0,
            requests: 0,
            pace: Pace::new(plan.rate()),
            observer,
        })
    }

    /// Ends the run if that was asked for; else tells how far it is.
    pub(super) fn step(&self, test: &'static str, round: u32, rounds: u32) -> Result<(), Halt> {
        if self.stop.is_asked() || self.marks.count() >= MARKS_MAX {
            return Err(Halt::Stopped);
        }
        self.observer.progress(Progress { test, round, rounds });
        Ok(())
    }

    /// Waits its turn for so many requests.
    pub(super) async fn pace(&mut self, requests: u32) {
        self.requests += requests;
        let wait = self.pace.take(requests);
        self.pause(wait).await;
    }

    /// Waits, unless the run is to end.
    pub(super) async fn pause(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        tokio::select! {
            () = sleep(time) => {}
            () = self.stop.asked() => {}
        }
    }

    /// As many writers as asked for, each with connections of its own.
    pub(super) fn writers(&mut self, count: usize) -> Result<(), Halt> {
        while self.writers.len() < count {
            self.writers.push(self.access.connect().map_err(|error| Halt::Unclear(error.to_string()))?);
        }
        Ok(())
    }

    /// Gives up all connections for one new one: a server that serves one at a time is busy with those that are kept open.
    pub(super) fn reconnect(&mut self) {
        self.writers.clear();
        if let Ok(http) = self.access.connect() {
            self.reader = http;
        }
    }

    /// Reads the resource.
    pub(super) async fn read(&mut self) -> Result<State, Halt> {
        let http = self.reader.clone();
        self.read_by(&http).await
    }

    /// Reads the resource as that writer.
    pub(super) async fn read_as(&mut self, writer: usize) -> Result<State, Halt> {
        let http = self.writers.get(writer).unwrap_or(&self.reader).clone();
        self.read_by(&http).await
    }

    /// Reads the resource as that writer, with a strong tag if that is only a matter of time.
    pub(super) async fn read_ripe(&mut self, writer: usize) -> Result<State, Halt> {
        let state = self.read_as(writer).await?;
        let is_weak = state.tag.as_ref().is_some_and(Tag::is_weak);
        if !is_weak || self.ripens == Ripens::Never {
            return Ok(state);
        }
        let started = Instant::now();
        while started.elapsed() < RIPE_MAX && !self.stop.is_asked() {
            self.pause(RIPE_LOOK).await;
            let state = self.read_as(writer).await?;
            if state.tag.as_ref().is_some_and(|tag| !tag.is_weak()) {
                let took = started.elapsed();
                self.ripens = match self.ripens {
                    Ripens::After(longest) => Ripens::After(longest.max(took)),
                    _ => Ripens::After(took),
                };
                return Ok(state);
            }
        }
        if self.ripens == Ripens::Unknown {
            self.ripens = Ripens::Never;
        }
        Ok(state)
    }

    /// Rounds of a test in each of which a tag is needed.
    pub(super) fn rounds(&self) -> u32 {
        match self.ripens {
            Ripens::After(_) => self.plan.rounds.min(ROUNDS_OF_RIPENING),
            _ => self.plan.rounds,
        }
    }

    async fn read_by(&mut self, http: &Http) -> Result<State, Halt> {
        let url = self.plan.url.clone();
        let answer = self.fetch(http, &url).await?;
        if answer.status != StatusCode::OK {
            return Err(Halt::Unclear(format!(
                "it was read with {} until now, and now with {}",
                200, answer.status
            )));
        }
        let state = self.state(&answer);
        self.whose.check(&self.change, &self.marks, &state)?;
        self.note_lag(&state);
        self.validators.note(&state);
        Ok(state)
    }

    /// Who shows what is known to be old is behind.
    fn note_lag(&mut self, state: &State) {
        let (shown, old) = &mut self.shown;
        let now = state.marks.last().map_or(0, |mark| mark.0);
        if let Some(since) = old.get(&now) {
            self.behind = self.behind.max(Some(since.elapsed()));
        } else if now != *shown {
            old.insert(*shown, Instant::now());
            *shown = now;
        }
    }

    /// The original is there again: what was read before tells nothing about lag.
    pub(super) fn forget_shown(&mut self) {
        self.shown = (0, BTreeMap::new());
    }

    /// Keeps in mind whether a write may stand there.
    pub(super) fn note_write(&mut self, reply: &Reply) {
        self.is_dirty |= reply.status().is_none_or(|status| !(300..500).contains(&status));
    }

    /// A GET whose answer comes from the origin, sent again while the server is too busy.
    pub(super) async fn fetch(&mut self, http: &Http, url: &Url) -> Result<Answer, Halt> {
        let request = read_request(url.clone());
        for _ in 0..BUSY_MAX {
            self.pace(1).await;
            let answer = http.send(&request).await.map_err(Halt::Lost)?;
            match wait(&answer) {
                None => return Ok(answer),
                Some(time) => self.pause(time).await,
            }
            if self.stop.is_asked() {
                return Err(Halt::Stopped);
            }
        }
        Err(Halt::Unclear(
            "the server is too busy (429 or 503, again and again); try a lower --rate".to_owned(),
        ))
    }

    pub(super) fn state(&self, answer: &Answer) -> State {
        State {
            content: answer.content.clone(),
            tag: answer.tag(),
            modified: answer.text(LAST_MODIFIED).map(str::to_owned),
            marks: self.change.seen(&answer.content, &self.marks),
        }
    }

    /// Reads until one of these marks can be seen; the last state that was read otherwise.
    pub(super) async fn read_until(&mut self, marks: &[Mark]) -> Result<State, Halt> {
        let started = Instant::now();
        for wait in LOOKS_MS {
            self.pause(Duration::from_millis(wait)).await;
            let state = self.read().await?;
            if state.marks.iter().any(|mark| marks.contains(mark)) {
                if wait > 0 {
                    self.behind = self.behind.max(Some(started.elapsed()));
                }
                return Ok(state);
            }
        }
        self.read().await
    }

    /// A write of someone who read `state`, with a new mark.
    pub(super) fn write(&mut self, state: &State, condition: &Condition) -> Result<(Request, Mark), Halt> {
        let mark = self.marks.next();
        let content = self.change.content(&state.content, &self.marks, mark, self.patch);
        let content = content.ok_or_else(|| {
            Halt::Unclear(format!("{} is not in what was read any more", self.change.name()))
        })?;
        let request = Request::new(self.plan.method.clone(), self.plan.url.clone());
        let request = condition.apply(request).with(CONTENT_TYPE, self.content_type.clone()).content(content);
        Ok((request, mark))
    }

    /// Sends a write as that writer, again while the server is too busy.
    pub(super) async fn send(&mut self, writer: usize, request: &Request) -> Result<Reply, Halt> {
        let http = self.writers.get(writer).unwrap_or(&self.reader).clone();
        let mut reply = self.send_once(&http, request).await;
        for _ in 1..BUSY_MAX {
            let Reply::Status { wait: Some(time), .. } = reply else { break };
            self.pause(time).await;
            if self.stop.is_asked() {
                return Err(Halt::Stopped);
            }
            reply = self.send_once(&http, request).await;
        }
        match reply {
            // Nobody is there any more.
            Reply::None(error @ (SendError::Unreachable { .. } | SendError::Silent { .. })) => {
                Err(Halt::Lost(error))
            }
            reply => Ok(reply),
        }
    }

    async fn send_once(&mut self, http: &Http, request: &Request) -> Reply {
        self.pace(1).await;
        let reply = Reply::of(http.send(request).await);
        self.unanswered += u32::from(matches!(reply, Reply::None(_)));
        self.note_write(&reply);
        reply
    }

    /// A write by someone who read `state`, and what came of it.
    pub(super) async fn put(
        &mut self,
        writer: usize,
        state: &State,
        condition: &Condition,
    ) -> Result<(Reply, Mark), Halt> {
        let (request, mark) = self.write(state, condition)?;
        let reply = self.send(writer, &request).await?;
        if reply.is_accepted() {
            self.acknowledged = Some(mark);
            self.answered = match &reply {
                Reply::Status { tag, .. } => tag.clone(),
                Reply::None(_) => None,
            };
        }
        Ok((reply, mark))
    }
}

/// A GET that no cache answers, of content that nobody compresses.
pub(super) fn read_request(url: Url) -> Request {
    Request::new(Method::GET, url)
        .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
        .with(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
}

/// Whether the content is compressed although nobody asked for it.
pub(super) fn is_coded(answer: &Answer) -> bool {
    answer.headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity" && !coding.is_empty())
}

/// Requests, not faster than agreed on. What is sent together is paid for before the next.
#[derive(Debug)]
struct Pace {
    between: Option<Duration>,
    next: Option<Instant>,
}

impl Pace {
    fn new(rate: Option<f64>) -> Self {
        Self { between: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)), next: None }
    }

    /// How long to wait before so many requests.
    fn take(&mut self, requests: u32) -> Duration {
        let Some(between) = self.between else { return Duration::ZERO };
        let now = Instant::now();
        let start = self.next.unwrap_or(now).max(now);
        self.next = Some(start + between * requests);
        start - now
    }
}
