//! Writers who read and write with the tag they read, on and on, all at once: what is too rare for volleys shows here.
//!
//! Each accepted write says which state it replaced. Two accepted writes that replaced the same one are one too many.

use super::change::{Change, Patch};
use super::control::Basis;
use super::evidence::{Evidence, Serial};
use super::mark::{Mark, Marks};
use super::reasons::Halt;
use super::reply::{Condition, Reply};
use super::session::{Ripens, Session, read_request};
use super::tally::Round;
use core::time::Duration;
use http::header::{CONTENT_TYPE, HeaderValue};
use ifmatch_client::wire::{Http, Request};
use ifmatch_client::{Tag, wire::Url};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

/// The longest that it takes.
const TIME_MAX: Duration = Duration::from_secs(4);

/// Writers for each that was asked for.
const CROWD: usize = 4;

/// Writes for each round that was asked for; then it ends.
pub(super) const WRITES: u32 = 100;

/// The tag of a state that a write was told to have replaced, and with which status.
type Replaced = (String, Option<u16>);

/// What its writers have in common.
struct Common {
    url: Url,
    method: http::Method,
    content_type: HeaderValue,
    change: Change,
    patch: Option<Patch>,
    marks: Marks,
    next: AtomicU32,
    last: u32,
    requests: AtomicU32,
    unanswered: AtomicU32,
    stop: super::Stop,
    end: Instant,
}

impl Session<'_> {
    /// Looks for what volleys did not find. Only where nobody wants fewer requests per second.
    pub(super) async fn rush(&mut self, basis: &Basis, seen: &mut Evidence) -> Result<(), Halt> {
        let is_open = seen.together.found == 0 && seen.together.of > 0 && basis.right == Serial::Accepted;
        if !is_open || self.plan.rate().is_some() || matches!(self.ripens, Ripens::After(_)) {
            return Ok(());
        }
        self.step("the same tag, on and on", 0, 1)?;
        let writers = (self.plan.writers * CROWD).min(super::plan::WRITERS_MAX);
        self.writers(writers)?;
        let common = Arc::new(Common {
            url: self.plan.url.clone(),
            method: self.plan.method.clone(),
            content_type: self.content_type.clone(),
            change: self.change.clone(),
            patch: self.patch,
            marks: self.marks.clone(),
            next: AtomicU32::new(self.marks.count()),
            last: self.marks.count() + self.plan.rounds * WRITES,
            requests: AtomicU32::new(0),
            unanswered: AtomicU32::new(0),
            stop: self.stop.clone(),
            end: Instant::now() + TIME_MAX,
        });
        self.is_dirty = true;
        let mut running = JoinSet::new();
        for http in self.writers.iter().take(writers) {
            let (http, common) = (http.clone(), Arc::clone(&common));
            running.spawn(async move { common.write(&http).await });
        }
        let mut replaced: BTreeMap<String, Vec<Option<u16>>> = BTreeMap::new();
        while let Some(done) = running.join_next().await {
            for (tag, status) in done.unwrap_or_default() {
                replaced.entry(tag).or_default().push(status);
            }
        }
        self.marks.used(common.next.load(Ordering::Relaxed));
        self.requests += common.requests.load(Ordering::Relaxed);
        self.unanswered += common.unanswered.load(Ordering::Relaxed);
        for statuses in replaced.into_values() {
            let accepted = u32::try_from(statuses.len()).unwrap_or(u32::MAX);
            seen.together.count(accepted);
            if accepted > 1 {
                seen.together.rounds.push(Round { statuses, lost: Some(accepted - 1) });
            }
        }
        Ok(())
    }
}

impl Common {
    /// One writer; the tags of the states that it was told to have replaced.
    async fn write(&self, http: &Http) -> Vec<Replaced> {
        let mut replaced = Vec::new();
        while self.goes_on() {
            let Some(done) = self.once(http).await else { break };
            if let Some(tag) = done {
                replaced.push(tag);
            }
        }
        replaced
    }

    fn goes_on(&self) -> bool {
        let is_enough = self.next.load(Ordering::Relaxed) >= self.last;
        !is_enough && !self.stop.is_asked() && Instant::now() < self.end
    }

    /// One read and one write; nothing if that cannot go on, else the tag if the write was accepted.
    async fn once(&self, http: &Http) -> Option<Option<Replaced>> {
        self.requests.fetch_add(2, Ordering::Relaxed);
        let read = http.send(&read_request(self.url.clone())).await.ok()?;
        let tag: Tag = read.tag().filter(|tag| !tag.is_weak() && read.status == http::StatusCode::OK)?;
        let mark = Mark(self.next.fetch_add(1, Ordering::Relaxed) + 1);
        let content = self.change.content(&read.content, &self.marks, mark, self.patch)?;
        let request = Request::new(self.method.clone(), self.url.clone());
        let request = Condition::Match(tag.value().clone()).apply(request);
        let request = request.with(CONTENT_TYPE, self.content_type.clone()).content(content);
        let reply = Reply::of(http.send(&request).await);
        match &reply {
            Reply::None(_) => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                None
            }
            Reply::Status { wait: Some(_), .. } => None,
            reply => Some(reply.is_accepted().then(|| (tag.to_string(), reply.status()))),
        }
    }
}
