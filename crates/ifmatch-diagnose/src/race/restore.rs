//! Putting the original back.

use super::change::Change;
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

/// How often it is tried.
const TRIES_MAX: u32 = 8;

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(250);

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

impl Session<'_> {
    /// What the resource looks like after a write of ours.
    pub(super) fn reference(&self, original: &State, now: &State) -> Reference {
        let volatile = self.change.volatile(&original.content, &now.content);
        Reference { rest: Some(self.change.rest(&now.content, &self.marks, &volatile)), volatile }
    }

    /// Puts the original back if the last write was ours, and looks whether it is there.
    pub(super) async fn restore(&mut self, original: &State, reference: &Reference) -> Restored {
        let mut reason = String::new();
        for attempt in 0..TRIES_MAX {
            if attempt > 0 {
                self.pause(AGAIN).await;
            }
            match self.restore_once(original, reference, attempt).await {
                Ok(Step::Over(restored)) => return restored,
                Ok(Step::Again(why)) => reason = why,
                Err(halt) => reason = halt.reason(),
            }
        }
        restored(Ending::NotRestored, original, None, format!("The original was not put back. {reason}"))
    }

    async fn restore_once(
        &mut self,
        original: &State,
        reference: &Reference,
        attempt: u32,
    ) -> Result<Step, Halt> {
        let now = self.read().await?;
        if now.content == original.content {
            let says = format!("Original restored ({}body identical).", tags(original, &now));
            let is_untouched = now.tag == original.tag && self.marks.count() == 0;
            let ending = if is_untouched { Ending::Untouched } else { Ending::Identical };
            return Ok(Step::Over(restored(ending, original, Some(&now), says)));
        }
        let rest = self.change.rest(&now.content, &self.marks, &reference.volatile);
        let expected = match &reference.rest {
            Some(rest) => rest.clone(),
            None => self.change.rest(&original.content, &self.marks, &reference.volatile),
        };
        if now.marks.is_empty() && rest == expected && self.is_back(&now, original) {
            let says = format!("Original restored ({}{}).", tags(original, &now), but(&reference.volatile));
            return Ok(Step::Over(restored(Ending::Equivalent, original, Some(&now), says)));
        }
        if now.marks.is_empty() || rest != expected {
            let says = "Somebody else wrote meanwhile: what is there now is neither the original nor ours, so it was left as it is.";
            return Ok(Step::Over(restored(Ending::NotRestored, original, Some(&now), says.to_owned())));
        }
        // The octets first; if they are not taken, what is there with the member put back.
        let whole = original.content.clone();
        let member = || self.change.back(&now.content, &original.content, self.patch);
        let is_whole = self.patch.is_none() && attempt % 4 < 2;
        let content = if is_whole { Some(whole) } else { member() };
        let Some(content) = content else {
            return Ok(Step::Again("It has no place for it any more.".to_owned()));
        };
        // Once with the tag and once without, for those who take no tag.
        let condition = if attempt.is_multiple_of(2) { Condition::of(&now) } else { Condition::None };
        let request = condition.apply(self.back(content));
        let reply = self.send(0, &request).await?;
        Ok(Step::Again(super::reasons::refusal(self.plan.method.as_str(), &reply)))
    }

    fn back(&self, content: Bytes) -> Request {
        let method: Method = self.plan.method.clone();
        Request::new(method, self.plan.url.clone())
            .with(CONTENT_TYPE, self.content_type.clone())
            .content(content)
    }

    /// Whether what we change is as it was.
    fn is_back(&self, now: &State, original: &State) -> bool {
        let Change::Member { pointer, .. } = &self.change else { return true };
        let value = |state: &State| {
            let document: serde_json::Value = serde_json::from_slice(&state.content).ok()?;
            document.pointer(pointer).filter(|value| !value.is_null()).cloned()
        };
        value(now) == value(original)
    }

    /// Best effort after a write that was answered with success and is not recognised.
    pub(super) async fn undo(&mut self, original: &State) {
        let Ok(now) = self.read().await else { return };
        if now.content != original.content && self.patch.is_none() {
            for condition in [Condition::of(&now), Condition::None] {
                let request = condition.apply(self.back(original.content.clone()));
                if self.send(0, &request).await.is_ok_and(|reply| reply.is_accepted()) {
                    break;
                }
            }
        }
    }
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
