//! Putting the original back.

use super::reasons::Halt;
use super::reply::Condition;
use super::session::{Session, State};
use bytes::Bytes;
use core::time::Duration;
use http::Method;
use http::header::CONTENT_TYPE;
use ifmatch_client::wire::Request;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Instant;

/// How often it is written.
const WRITES_MAX: u32 = 32;

/// How long it is tried, and the time that reads have to agree.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(250);

/// Between two looks at it once it is there.
const LOOK: Duration = Duration::from_millis(20);

/// Reads that have to agree that it is there.
const READS_MIN: u32 = 5;

/// The shortest time for which they have to.
const WINDOW_MIN: Duration = Duration::from_millis(100);

/// The longest.
const WINDOW_MAX: Duration = Duration::from_secs(15);

/// What is read for so long after the original was put back may be old; after it, it is what is there.
const LAG_MAX: Duration = Duration::from_secs(5);

/// What is there in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The original, octet for octet.
    Identical,
    /// The original but for members that the server keeps itself, or written in another way.
    Equivalent,
    /// The original: nothing was written.
    Untouched,
    /// Something else.
    NotRestored,
}

/// How the resource was left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Restored {
    /// What is there.
    pub ending: Ending,
    /// The tag before the run.
    pub tag_before: Option<String>,
    /// The tag after it.
    pub tag_after: Option<String>,
    /// In a sentence.
    pub says: String,
}

/// What is known of the state that the run leaves behind, besides marks.
#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    /// What is there but for what we change.
    pub(super) rest: Option<Vec<u8>>,
    /// Members that move on their own.
    pub(super) volatile: Vec<String>,
}

/// What one look and write came to.
enum Step {
    Over(Restored),
    Again(String),
}

/// What was done to put the original back.
#[derive(Debug, Default)]
struct Back {
    /// Writes of it.
    writes: u32,
    /// When one was answered with success.
    done: Option<Instant>,
    /// Since when every read shows it, and how many did.
    shown: Option<(Instant, u32)>,
}

impl Session<'_> {
    /// Puts the original back if the last write was ours, and looks whether it is there. After a write of ours that may
    /// have been done, a read that shows the original proves nothing: it may be an old one. A write of the original that
    /// is answered with success does, if no read shows anything else for longer than reads are behind.
    pub(super) async fn restore(&mut self, original: &State, reference: &Reference) -> Restored {
        let mut back = Back::default();
        let mut reason = String::new();
        let started = Instant::now();
        while started.elapsed() < TIME_MAX + self.window() && back.writes < WRITES_MAX {
            match self.restore_once(original, reference, &mut back).await {
                Ok(Step::Over(restored)) => return restored,
                Ok(Step::Again(why)) => reason = why,
                Err(halt) => reason = halt.reason(),
            }
            let wait = if back.shown.is_some() { LOOK } else { AGAIN };
            self.pause(wait.max(self.window() / 20)).await;
        }
        let says = match back.done {
            None => format!("The original was not put back. {reason}"),
            Some(_) => {
                format!(
                    "The original was put back, and reads do not show it for good: nobody can say whether it stays. {reason}"
                )
            }
        };
        restored(Ending::NotRestored, original, None, says)
    }

    /// For how long reads have to agree.
    fn window(&self) -> Duration {
        self.behind.map_or(WINDOW_MIN, |behind| (WINDOW_MIN + behind * 2).min(WINDOW_MAX))
    }

    async fn restore_once(
        &mut self,
        original: &State,
        reference: &Reference,
        back: &mut Back,
    ) -> Result<Step, Halt> {
        let now = self.read().await?;
        let is_identical = now.content == original.content;
        let is_ours = reference.is_ours(&self.change, &self.marks, &original.content, &now.content);
        let is_original = is_identical
            || (now.marks.is_empty() && is_ours && self.change.is_back(&now.content, &original.content));
        if !is_original && (now.marks.is_empty() || !is_ours) {
            let says = "Somebody else wrote meanwhile: what is there now is neither the original nor ours, so it was left as it is.";
            return Ok(Step::Over(restored(Ending::NotRestored, original, Some(&now), says.to_owned())));
        }
        if is_original && (!self.is_dirty || back.done.is_some()) {
            let (since, reads) = back.shown.unwrap_or((Instant::now(), 0));
            back.shown = Some((since, reads + 1));
            if self.is_dirty && (reads + 1 < READS_MIN || since.elapsed() < self.window()) {
                return Ok(Step::Again(String::new()));
            }
            return Ok(Step::Over(over(original, &now, is_identical, reference)));
        }
        back.shown = None;
        if let Some(done) = back.done {
            let lag = done.elapsed();
            if lag < LAG_MAX {
                self.behind = self.behind.max(Some(lag));
                return Ok(Step::Again("What is read is older than that.".to_owned()));
            }
        }
        self.write_back(original, &now, back).await
    }

    async fn write_back(&mut self, original: &State, now: &State, back: &mut Back) -> Result<Step, Halt> {
        // The octets first; if they are not taken, what is there with the member put back.
        let is_whole = self.patch.is_none() && back.writes % 4 < 2;
        let content = if is_whole {
            Some(original.content.clone())
        } else {
            self.change.back(&now.content, &original.content, self.patch)
        };
        let Some(content) = content else {
            return Ok(Step::Again("It has no place for it any more.".to_owned()));
        };
        // With the tag; once with it and once without for those who take none.
        let with_tag = self.takes_tags || back.writes.is_multiple_of(2);
        let condition = if with_tag { Condition::of(now) } else { Condition::None };
        let request = condition.apply(self.back(content));
        back.writes += 1;
        let reply = self.send(0, &request).await?;
        if reply.is_accepted() {
            back.done = Some(Instant::now());
            // From here on the original is no old state.
            self.forget_shown();
        }
        Ok(Step::Again(match reply.status() {
            Some(412) => {
                "The tag that is read is refused: it is older than what is there, or somebody else writes."
                    .to_owned()
            }
            _ => super::reasons::refusal(self.plan.method.as_str(), &reply),
        }))
    }

    fn back(&self, content: Bytes) -> Request {
        let method: Method = self.plan.method.clone();
        Request::new(method, self.plan.url.clone())
            .with(CONTENT_TYPE, self.content_type.clone())
            .content(content)
    }

    /// Best effort after a write that was answered with success and is not recognised: only if what is there is shown to
    /// be that write, by the tag of its answer.
    pub(super) async fn undo(&mut self, original: &State) {
        let Ok(now) = self.read().await else { return };
        let is_ours =
            now.tag.as_ref().is_some_and(|tag| self.answered.as_deref() == tag.value().to_str().ok());
        if now.content != original.content && self.patch.is_none() && is_ours {
            for condition in [Condition::of(&now), Condition::None] {
                let request = condition.apply(self.back(original.content.clone()));
                if self.send(0, &request).await.is_ok_and(|reply| reply.is_accepted()) {
                    self.forget_shown();
                    break;
                }
                if self.takes_tags {
                    break;
                }
            }
        }
    }
}

fn over(original: &State, now: &State, is_identical: bool, reference: &Reference) -> Restored {
    let (ending, how) = match is_identical {
        true => (Ending::Identical, "body identical".to_owned()),
        false => (Ending::Equivalent, but(&reference.volatile)),
    };
    let says = format!("Original restored ({}{how}).", tags(original, now));
    restored(ending, original, Some(now), says)
}

fn restored(ending: Ending, original: &State, now: Option<&State>, says: String) -> Restored {
    let tag = |state: &State| state.tag.as_ref().map(ToString::to_string);
    Restored { ending, tag_before: tag(original), tag_after: now.and_then(tag), says }
}

fn tags(original: &State, now: &State) -> String {
    match (&original.tag, &now.tag) {
        (Some(before), Some(now)) => format!("ETag {before} -> {now}, "),
        _ => String::new(),
    }
}

fn but(volatile: &[String]) -> String {
    match volatile {
        [] => "same content, written in another way".to_owned(),
        some => format!("same content but for what the server keeps: {}", some.join(" ")),
    }
}
