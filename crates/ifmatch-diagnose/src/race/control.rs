//! Before anything is raced: can it be written at all, with what, and can a write be seen?

use super::change::Change;
use super::contests::is_turned_away;
use super::evidence::Serial;
use super::reasons::{Halt, refusal};
use super::reply::{Condition, Reply};
use super::session::{Session, State};
use super::whose::Whose;

/// Writes one after the other.
const SERIAL: u32 = 3;

/// Why nothing can be told if what is read is not what is there.
const BEHIND: &str = "Reads are behind writes: what is read is older than a write that was answered with success, and its tag is refused. Race it where nothing is cached and nothing is replicated later.";

/// What is known after it.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) right: Serial,
    pub(super) bare: Serial,
    pub(super) serial: u32,
}

/// What came of one write.
enum Tried {
    /// This.
    Done(Serial),
    /// It was answered with success and cannot be seen, or its content was refused: another member may do.
    Another(String),
}

impl Basis {
    /// The condition of a write that should be done.
    pub(super) fn condition(&self, state: &State) -> Condition {
        if self.right == Serial::Accepted { Condition::of(state) } else { Condition::None }
    }

    /// Whether anything can be written.
    fn is_writable(&self) -> bool {
        self.right == Serial::Accepted || self.bare == Serial::Accepted
    }
}

impl Session<'_> {
    /// Finds out with the first of these changes that can be made.
    pub(super) async fn control(&mut self, changes: &[Change], original: &State) -> Result<Basis, Halt> {
        let mut reasons = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            self.change = change.clone();
            // Nothing is learned of a member that could not be written; it may have kept what the server made of it.
            let tried = changes.iter().take(index).filter_map(Change::pointer).map(str::to_owned).collect();
            self.whose = Whose::of(original.content.clone(), tried);
            self.step("control", 0, SERIAL)?;
            match self.try_change().await? {
                Ok(mut basis) if basis.is_writable() => {
                    basis.serial = self.serially(&basis).await?;
                    return Ok(basis);
                }
                Ok(basis) => return Err(Halt::Unclear(why(&basis, reasons))),
                Err(reason) => {
                    // What was answered with success may have changed something that is not recognised.
                    self.undo(original).await;
                    reasons.push(format!("{}: {reason}", self.change.name()));
                }
            }
        }
        Err(Halt::Unclear(reasons.join(" ")))
    }

    async fn try_change(&mut self) -> Result<Result<Basis, String>, Halt> {
        let state = self.read_ripe(0).await?;
        let right = match state.tag {
            None => Tried::Done(Serial::Untried),
            Some(_) => self.try_write(&state, &Condition::of(&state), false).await?,
        };
        let right = match right {
            Tried::Another(reason) => return Ok(Err(reason)),
            Tried::Done(right) => right,
        };
        self.takes_tags = right == Serial::Accepted;
        let state = self.read().await?;
        let bare = match self.try_write(&state, &Condition::None, right == Serial::Accepted).await? {
            Tried::Done(bare) => bare,
            Tried::Another(reason) => return Ok(Err(reason)),
        };
        Ok(Ok(Basis { right, bare, serial: 0 }))
    }

    /// `is_fine` is whether the same was done with another condition: then that is why it is turned away, if it is.
    async fn try_write(
        &mut self,
        state: &State,
        condition: &Condition,
        is_fine: bool,
    ) -> Result<Tried, Halt> {
        let method = self.plan.method.to_string();
        let newest = self.acknowledged;
        let (reply, mark) = self.put(0, state, condition).await?;
        let is_old = newest.is_some_and(|newest| !state.shows(newest));
        if is_old && reply.is_refused() && *condition != Condition::None {
            return Err(Halt::Unclear(BEHIND.to_owned()));
        }
        if reply.is_accepted() {
            let after = self.read_until(&[mark]).await?;
            return Ok(if after.shows(mark) {
                Tried::Done(Serial::Accepted)
            } else {
                let status = reply.status().unwrap_or_default();
                Tried::Another(format!(
                    "{method} was answered {status}, and the write cannot be seen: it may be no member that is stored as it is sent."
                ))
            });
        }
        Ok(match reply.status() {
            _ if reply.is_refused() || (is_fine && is_turned_away(&reply)) => {
                Tried::Done(Serial::Refused(reply.status().unwrap_or_default()))
            }
            Some(400 | 422) => Tried::Another(refusal(&method, &reply)),
            _ => Tried::Done(Serial::Unclear(refusal(&method, &reply))),
        })
    }

    /// Writers one after the other, each of whom sees what it wrote: whoever loses nothing here and something in a race
    /// loses it because of the race.
    async fn serially(&mut self, basis: &Basis) -> Result<u32, Halt> {
        for round in 0..SERIAL {
            self.step("one after the other", round, SERIAL)?;
            let writer = round as usize % self.plan.writers;
            let state = match basis.bare {
                Serial::Accepted => self.read_as(writer).await?,
                _ => self.read_ripe(writer).await?,
            };
            let condition =
                if basis.bare == Serial::Accepted { Condition::None } else { basis.condition(&state) };
            let (reply, mark) = self.put(writer, &state, &condition).await?;
            let is_seen = reply.is_accepted() && self.read_until(&[mark]).await?.shows(mark);
            if !is_seen {
                return Err(Halt::Unclear(serial_reason(&self.plan.method, &reply)));
            }
        }
        Ok(SERIAL)
    }
}

fn serial_reason(method: &http::Method, reply: &Reply) -> String {
    if reply.is_accepted() {
        "Writes one after the other, without any race, do not stay either: something else writes there, or reads are far behind writes. So nothing can be told about races.".to_owned()
    } else {
        format!("A write that was possible before is not any more: {}", refusal(method.as_str(), reply))
    }
}

/// Why nothing can be written, in one sentence.
fn why(basis: &Basis, mut reasons: Vec<String>) -> String {
    match (&basis.right, &basis.bare) {
        (Serial::Unclear(right), _) => reasons.push(right.clone()),
        (_, Serial::Unclear(bare)) => reasons.push(bare.clone()),
        (Serial::Refused(right), Serial::Refused(bare)) => reasons.push(format!(
            "It refuses every write: with the tag that was read just before ({right}) and without a condition ({bare}). Who refuses everybody protects nobody."
        )),
        (_, Serial::Refused(428)) => reasons.push(
            "It wants a condition (428), and shows no ETag that could be sent back: nobody can write here.".to_owned(),
        ),
        (_, Serial::Refused(bare)) => reasons.push(format!("It refuses the write ({bare}), and shows no ETag that could be sent back.")),
        _ => {}
    }
    reasons.join(" ")
}
