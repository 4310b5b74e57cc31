//! The tests that need resources of their own: who creates, and who deletes. All that is made here is deleted again.

use super::contests::{accepted, is_turned_away};
use super::control::Basis;
use super::evidence::{Evidence, Serial};
use super::plan::{Create, NEW};
use super::reasons::{Halt, refusal};
use super::reply::{Condition, Meaning, Reply};
use super::session::{Session, State};
use super::tally::Tally;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode};
use ifmatch_client::wire::{Request, Url};

/// How often a resource that was made is deleted until it is gone.
const DELETES_MAX: u32 = 3;

/// What was made and deleted again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Made {
    /// How many were made.
    pub(super) made: u32,
    /// Those that are still there.
    pub(super) left: Vec<Url>,
    /// Why tests were left out.
    pub(super) reasons: Vec<String>,
}

/// One resource of our own.
struct Child {
    url: Url,
    state: State,
}

impl Session<'_> {
    /// All tests on resources of our own.
    pub(super) async fn created(
        &mut self,
        create: &Create,
        basis: &Basis,
        original: &State,
        seen: &mut Evidence,
        made: &mut Made,
    ) -> Result<(), Halt> {
        if create.method == Method::PUT {
            let tally = seen.creators.insert(Tally::default());
            let ended = self.creators(create, original, tally, made).await;
            self.sweep(made).await;
            ended?;
        } else {
            let reason =
                "Creators with If-None-Match: * need a URL that is known before: --create 'PUT ...{new}'.";
            made.reasons.push(reason.to_owned());
        }
        if basis.right != Serial::Accepted {
            made.reasons.push("Deletions are tried with tags, and there are none that are taken.".to_owned());
            return Ok(());
        }
        let ended = self.deletions(create, basis, original, seen, made).await;
        self.sweep(made).await;
        ended
    }

    /// Several who create the same, each if it is not there: one may win.
    async fn creators(
        &mut self,
        create: &Create,
        original: &State,
        tally: &mut Tally,
        made: &mut Made,
    ) -> Result<(), Halt> {
        let rounds = self.plan.rounds * 2;
        for round in 0..rounds {
            self.step("creators together", round, rounds)?;
            if tally.found > 0 && round >= self.plan.rounds {
                break;
            }
            let name = self.marks.name();
            let url = self.child_url(create, &name)?;
            let mut requests = Vec::new();
            let mut marks = Vec::new();
            for _ in 0..self.plan.writers.max(2) * if round.is_multiple_of(2) { 1 } else { 2 } {
                let (content, mark) = self.child_content(create, original, &name);
                requests.push(Condition::Absent.apply(self.child_write(Method::PUT, &url, content)));
                marks.push(mark);
            }
            made.left.push(url);
            let replies = self.volley(requests, round).await?;
            let accepted = accepted(&replies, &marks);
            made.made += u32::from(!accepted.is_empty());
            let lost = match accepted.len() {
                0 => None,
                1 => replies.iter().any(is_turned_away).then_some(0),
                several => u32::try_from(several - 1).ok(),
            };
            tally.add(&replies.iter().collect::<Vec<_>>(), lost);
            self.sweep(made).await;
            if accepted.is_empty() && tally.of == 0 && round >= 1 {
                let reply = replies.first().map(|reply| refusal("PUT", reply)).unwrap_or_default();
                made.reasons.push(format!("Nothing was created: {reply}"));
                break;
            }
        }
        Ok(())
    }

    async fn deletions(
        &mut self,
        create: &Create,
        basis: &Basis,
        original: &State,
        seen: &mut Evidence,
        made: &mut Made,
    ) -> Result<(), Halt> {
        let rounds = self.plan.rounds;
        for round in 0..rounds {
            self.step("an old tag, DELETE", round, rounds)?;
            let Some(child) = self.child(create, original, made).await? else { return Ok(()) };
            let tally = seen.stale_delete.get_or_insert_default();
            let old = Condition::of(&child.state);
            let (content, _) = self.child_update(&child)?;
            let update = old.apply(self.child_write(self.plan.method.clone(), &child.url, content));
            let updated = self.send(0, &update).await?;
            let now = self.child_state(&child.url).await?;
            let moved = now.as_ref().is_some_and(|now| now.tag != child.state.tag);
            let old = if moved && round.is_multiple_of(2) { old } else { Condition::never() };
            let reply = self.send(1, &old.apply(Request::new(Method::DELETE, child.url.clone()))).await?;
            let is_there = self.child_state(&child.url).await?.is_some();
            let lost = match (updated.is_accepted(), reply.meaning(), is_there) {
                (false, ..) => None,
                (_, Meaning::Accepted, false) => Some(1),
                (_, _, true) if is_turned_away(&reply) => Some(0),
                _ => None,
            };
            tally.add(&[&reply], lost);
            self.sweep(made).await;
        }
        for round in 0..rounds * 2 {
            self.step("DELETE and update together", round, rounds * 2)?;
            let Some(child) = self.child(create, original, made).await? else { return Ok(()) };
            let condition = basis.condition(&child.state);
            let (content, _) = self.child_update(&child)?;
            let update = self.child_write(self.plan.method.clone(), &child.url, content);
            let delete = Request::new(Method::DELETE, child.url.clone());
            let requests = vec![condition.apply(delete), condition.apply(update)];
            let replies = self.volley(requests, round).await?;
            // In either order the second one has not seen the first: an update of what is gone, or the deletion of an
            // update.
            let done = replies.iter().filter(|reply| reply.is_accepted()).count();
            let is_turned = |reply: &Reply| {
                is_turned_away(reply) || reply.status() == Some(404) || reply.status() == Some(410)
            };
            let lost = match done {
                2.. => Some(1),
                1 => replies.iter().any(is_turned).then_some(0),
                _ => None,
            };
            let tally = seen.delete_update.get_or_insert_default();
            tally.add(&replies.iter().collect::<Vec<_>>(), lost);
            let is_found = tally.found > 0 && round >= rounds;
            self.sweep(made).await;
            if is_found {
                break;
            }
        }
        Ok(())
    }

    /// A new resource, read; nothing if it cannot be made, with the reason noted.
    async fn child(
        &mut self,
        create: &Create,
        original: &State,
        made: &mut Made,
    ) -> Result<Option<Child>, Halt> {
        let name = self.marks.name();
        let url = self.child_url(create, &name)?;
        let (content, _) = self.child_content(create, original, &name);
        let mut request = self.child_write(create.method.clone(), &url, content);
        if create.method == Method::PUT {
            made.left.push(url.clone());
            request = Condition::Absent.apply(request);
        }
        let mut reply = self.send(0, &request).await?;
        if create.method == Method::PUT && !reply.is_accepted() && is_turned_away(&reply) {
            // Not everybody knows the condition.
            request.headers.remove(http::header::IF_NONE_MATCH);
            reply = self.send(0, &request).await?;
        }
        if !reply.is_accepted() {
            made.reasons.push(format!("Nothing was created: {}", refusal(create.method.as_str(), &reply)));
            return Ok(None);
        }
        made.made += 1;
        let at = match &reply {
            _ if create.method == Method::PUT => Some(url),
            Reply::Status { location: Some(location), .. } => url.join(location).ok(),
            _ => None,
        };
        let Some(url) = at.filter(|at| at.origin() == self.plan.url.origin()) else {
            made.reasons.push(format!(
                "What {} made cannot be found, and so not be deleted: the answer has no {LOCATION}.",
                create.method
            ));
            return Ok(None);
        };
        if !made.left.contains(&url) {
            made.left.push(url.clone());
        }
        let Some(state) = self.child_state(&url).await? else {
            made.reasons.push("What was created cannot be read.".to_owned());
            return Ok(None);
        };
        if state.tag.is_none() {
            made.reasons.push("What was created has no ETag.".to_owned());
            return Ok(None);
        }
        Ok(Some(Child { url, state }))
    }

    fn child_url(&self, create: &Create, name: &str) -> Result<Url, Halt> {
        create.url(&self.plan.url, name).ok_or_else(|| {
            Halt::Unclear(format!("{:?} of --create is no URL of the same server", create.url))
        })
    }

    /// What a creator sends.
    fn child_content(&mut self, create: &Create, original: &State, name: &str) -> (Bytes, super::mark::Mark) {
        let content: Bytes = match &create.content {
            Some(content) => content.replace(NEW, name).into(),
            None => original.content.clone(),
        };
        let mark = self.marks.next();
        // Content that has no place for a mark is sent as it is.
        let marked = self.change.content(&content, &self.marks, mark, None);
        (marked.unwrap_or(content), mark)
    }

    fn child_update(&mut self, child: &Child) -> Result<(Bytes, super::mark::Mark), Halt> {
        let mark = self.marks.next();
        let content = self.change.content(&child.state.content, &self.marks, mark, self.patch);
        let missing = || Halt::Unclear(format!("{} is not in what was created", self.change.name()));
        Ok((content.ok_or_else(missing)?, mark))
    }

    fn child_write(&self, method: Method, url: &Url, content: Bytes) -> Request {
        let content_type = if method == self.plan.method || self.patch.is_none() {
            self.content_type.clone()
        } else {
            http::HeaderValue::from_static("application/json")
        };
        Request::new(method, url.clone()).with(CONTENT_TYPE, content_type).content(content)
    }

    /// Nothing if it is not there.
    async fn child_state(&mut self, url: &Url) -> Result<Option<State>, Halt> {
        let http = self.reader.clone();
        let answer = self.fetch(&http, url).await?;
        Ok((answer.status == StatusCode::OK).then(|| self.state(&answer)))
    }

    /// Deletes what was made. What cannot be deleted stays in the list.
    async fn sweep(&mut self, made: &mut Made) {
        let mut left = Vec::new();
        for url in core::mem::take(&mut made.left) {
            if !self.delete(&url).await.unwrap_or(false) {
                left.push(url);
            }
        }
        made.left = left;
    }

    /// Whether it is gone. It is deleted as it was read, if the tag says so.
    async fn delete(&mut self, url: &Url) -> Result<bool, Halt> {
        for attempt in 0..DELETES_MAX {
            let Some(state) = self.child_state(url).await? else { return Ok(true) };
            let delete = Request::new(Method::DELETE, url.clone());
            // The last attempt is for those who take no tag; what is there is ours anyhow.
            let is_last = attempt + 1 == DELETES_MAX;
            let delete = if is_last { delete } else { Condition::of(&state).apply(delete) };
            let http = self.reader.clone();
            self.pace(1).await;
            drop(http.send(&delete).await);
        }
        Ok(self.child_state(url).await?.is_none())
    }
}
