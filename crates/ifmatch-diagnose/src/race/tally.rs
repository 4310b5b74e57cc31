//! What came of the rounds of a test.

use super::confidence::{at_least, at_most};
use super::reply::Reply;
use schemars::JsonSchema;
use serde::Serialize;

/// What came of one round.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Round {
    /// The status of each write, in the order in which the writers are counted; null for one without an answer.
    pub statuses: Vec<Option<u16>>,
    /// Acknowledged writes that are gone although nobody who wrote later had read them; null if this round decides
    /// nothing.
    pub lost: Option<u32>,
}

/// The rounds of a test.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct Tally {
    /// Rounds in which an acknowledged write was lost.
    pub found: u32,
    /// Rounds that decide something.
    pub of: u32,
    /// Rounds that decide nothing: answers that are neither yes nor no, or a write that could not be seen.
    pub undecided: u32,
    /// Writes that were acknowledged in rounds that decide something.
    pub acknowledged: u32,
    /// Those of them that are gone.
    pub lost: u32,
    /// The share of such rounds that lose something is at least this, with 95 % confidence; 0 to 1.
    pub at_least: f64,
    /// And at most this, with 95 % confidence.
    pub at_most: f64,
    /// Each round, in order; of those of writers who write on and on only those that lost something.
    pub rounds: Vec<Round>,
}

impl Tally {
    pub(super) fn add(&mut self, replies: &[&Reply], lost: Option<u32>) {
        let accepted = replies.iter().filter(|reply| reply.is_accepted()).count();
        match lost {
            None => self.undecided += 1,
            Some(lost) => {
                self.of += 1;
                self.found += u32::from(lost > 0);
                self.lost += lost;
                self.acknowledged += u32::try_from(accepted).unwrap_or_default();
            }
        }
        self.at_least = at_least(self.found, self.of);
        self.at_most = at_most(self.found, self.of);
        self.rounds.push(Round { statuses: replies.iter().map(|reply| reply.status()).collect(), lost });
    }

    /// A round that decides something and is not told one by one: so many writes of whom at most one should have been
    /// accepted.
    pub(super) fn count(&mut self, accepted: u32) {
        let lost = accepted.saturating_sub(1);
        self.of += 1;
        self.found += u32::from(lost > 0);
        self.lost += lost;
        self.acknowledged += accepted;
        self.at_least = at_least(self.found, self.of);
        self.at_most = at_most(self.found, self.of);
    }

    /// The round that shows best what was found: one that lost, else one that decides something, else any.
    pub fn typical(&self) -> Option<&Round> {
        let by = |is: fn(&&Round) -> bool| self.rounds.iter().find(is);
        by(|round| round.lost.is_some_and(|lost| lost > 0))
            .or_else(|| by(|round| round.lost.is_some()))
            .or_else(|| self.rounds.first())
    }
}
