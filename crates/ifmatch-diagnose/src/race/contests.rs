//! The tests on the resource itself.

use super::control::Basis;
use super::evidence::{Evidence, Serial};
use super::plan::NARROW;
use super::reasons::Halt;
use super::reply::{Condition, Reply};
use super::session::{Session, State};
use super::tally::Tally;
use super::verdict::is_own_dialect;

/// Rounds of a test whose answer does not depend on time.
const PLAIN: u32 = 3;

/// How many times the writers that were asked for are sent, by round: few find what is narrow but long, many what is rare.
const CROWDS: [usize; 3] = [1, 2, 4];

/// Whether a write was turned away. Only where the same write with a right condition is done: so the condition is why,
/// whatever the status.
pub(super) fn is_turned_away(reply: &Reply) -> bool {
    matches!(reply.status(), Some(400..=407 | 409..=428 | 430..=499))
}

impl Session<'_> {
    /// Writers who read the same write without a condition, each its own.
    pub(super) async fn unconditional(&mut self, tally: &mut Tally) -> Result<(), Halt> {
        let rounds = self.plan.rounds;
        for round in 0..rounds {
            self.step("writes without a condition", round, rounds)?;
            let mut writes = Vec::new();
            for writer in 0..self.plan.writers {
                let state = self.read_as(writer).await?;
                writes.push(self.write(&state, &Condition::None)?);
            }
            let (requests, marks): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
            // One after the other at times: who only minds that two come at once guards nothing.
            let replies = if self.plan.gap.is_zero() && round % 2 == 1 {
                self.volley(requests, 0).await?
            } else {
                let mut replies = Vec::new();
                for (writer, request) in requests.iter().enumerate() {
                    if writer > 0 {
                        self.pause(self.plan.gap).await;
                    }
                    replies.push(self.send(writer, request).await?);
                }
                replies
            };
            let accepted: Vec<_> = accepted(&replies, &marks);
            let is_clear = replies.iter().all(|reply| reply.is_accepted() || is_turned_away(reply));
            let lost = self.lost(&accepted, is_clear).await?;
            tally.add(&replies.iter().collect::<Vec<_>>(), lost);
        }
        Ok(())
    }

    /// How many of these writes are gone, all of which are of writers who saw none of the others; nothing if none of
    /// them can be seen, or if there is nothing to lose and an answer was unclear.
    async fn lost(&mut self, accepted: &[super::mark::Mark], is_clear: bool) -> Result<Option<u32>, Halt> {
        if accepted.is_empty() {
            return Ok(is_clear.then_some(0));
        }
        let after = self.read_until(accepted).await?;
        let visible = accepted.iter().filter(|mark| after.shows(**mark)).count();
        let lost = u32::try_from(accepted.len() - visible).unwrap_or(u32::MAX);
        Ok(match visible {
            0 => None,
            _ if lost == 0 && !is_clear => None,
            _ => Some(lost),
        })
    }

    /// One reads, another writes, the first one writes with what it knows.
    pub(super) async fn stale(&mut self, basis: &Basis, seen: &mut Evidence) -> Result<(), Halt> {
        let rounds = self.rounds();
        for round in 0..rounds {
            self.step("an old tag", round, rounds)?;
            let old = self.read_ripe(1).await?;
            let (reply, mark) = self.put(0, &old, &basis.condition(&old)).await?;
            let now = self.read_until(&[mark]).await?;
            if !reply.is_accepted() || !now.shows(mark) {
                seen.stale.add(&[&reply], None);
                continue;
            }
            let condition = stale(&old, &now, round);
            let (reply, mark) = self.put(1, &old, &condition).await?;
            let after =
                if reply.is_accepted() { self.read_until(&[mark]).await? } else { self.read().await? };
            let lost = match (reply.is_accepted(), after.shows(mark)) {
                (true, true) => Some(1),
                (true, false) => {
                    seen.acknowledged_and_not_done += 1;
                    None
                }
                (false, true) => {
                    seen.refused_and_done += 1;
                    Some(1)
                }
                (false, false) if is_turned_away(&reply) => Some(0),
                (false, false) => None,
            };
            // The same writer with what it has now read: if that is refused too, the refusal proves nothing.
            let after = if basis.right == Serial::Accepted { self.read_ripe(1).await? } else { after };
            let (control, _) = self.put(1, &after, &basis.condition(&after)).await?;
            let is_proof = lost == Some(1) || control.is_accepted();
            seen.stale.add(&[&reply], lost.filter(|_| is_proof));
        }
        Ok(())
    }

    /// Writers with the same valid tag at the same instant. More than one of them done is one too many.
    pub(super) async fn together(&mut self, basis: &Basis, seen: &mut Evidence) -> Result<(), Halt> {
        if basis.right != Serial::Accepted && !is_own_dialect(seen) {
            return Ok(());
        }
        let rounds = self.rounds() * NARROW;
        for round in 0..rounds {
            self.step("the same tag, together", round, rounds)?;
            let tally = &seen.together;
            let is_found = tally.found > 0 && round >= self.rounds();
            let is_vain = tally.of == 0 && round >= 2 * self.rounds();
            if is_found || is_vain {
                break;
            }
            let state = self.read_ripe(0).await?;
            let crowd = CROWDS.get(round as usize % CROWDS.len()).copied().unwrap_or(1);
            let count = (self.plan.writers * crowd).min(super::plan::WRITERS_MAX);
            let condition = basis.condition(&state);
            let mut writes = Vec::new();
            for _ in 0..count {
                writes.push(self.write(&state, &condition)?);
            }
            let (requests, marks): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
            let replies = self.volley(requests, round).await?;
            let accepted = accepted(&replies, &marks);
            let lost = match accepted.len() {
                0 => None,
                1 => replies.iter().any(is_turned_away).then_some(0),
                _ => self.lost(&accepted, false).await?,
            };
            seen.together.add(&replies.iter().collect::<Vec<_>>(), lost);
        }
        Ok(())
    }

    /// `If-None-Match: *` on what is there, by someone who has not seen what is there now.
    pub(super) async fn existing(&mut self, basis: &Basis, seen: &mut Evidence) -> Result<(), Halt> {
        for round in 0..PLAIN.min(self.plan.rounds) {
            self.step("If-None-Match: *", round, PLAIN)?;
            let old = self.read_ripe(1).await?;
            let (reply, mark) = self.put(0, &old, &basis.condition(&old)).await?;
            if !reply.is_accepted() || !self.read_until(&[mark]).await?.shows(mark) {
                seen.existing.add(&[&reply], None);
                continue;
            }
            let (reply, mark) = self.put(1, &old, &Condition::Absent).await?;
            let after =
                if reply.is_accepted() { self.read_until(&[mark]).await? } else { self.read().await? };
            let lost = match (reply.is_accepted(), after.shows(mark)) {
                (true, true) => Some(1),
                (false, true) => {
                    seen.refused_and_done += 1;
                    Some(1)
                }
                (false, false) if is_turned_away(&reply) => Some(0),
                _ => None,
            };
            seen.existing.add(&[&reply], lost);
        }
        Ok(())
    }
}

/// A condition that is false now for whoever read `old`: its tag, or, every other time or if it is the same again, one
/// that was never issued.
fn stale(old: &State, now: &State, round: u32) -> Condition {
    let moved = old.tag.is_some() && old.tag != now.tag;
    if moved && round.is_multiple_of(2) { Condition::of(old) } else { Condition::never() }
}

pub(super) fn accepted(replies: &[Reply], marks: &[super::mark::Mark]) -> Vec<super::mark::Mark> {
    let accepted = replies.iter().zip(marks).filter(|(reply, _)| reply.is_accepted());
    accepted.map(|(_, mark)| *mark).collect()
}
