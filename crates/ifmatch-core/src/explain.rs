//! One evaluation, step by step, for people.

use crate::date::HttpDate;
use crate::judge::{Judge, Outcome, Selection};
use crate::policy::Policy;
use crate::state::CurrentState;
use core::fmt;
use http::{HeaderMap, Method};

/// Receives the steps of an evaluation. The engine is compiled once with [`NoTrace`], where it costs nothing.
pub(crate) trait Trace {
    fn step(&mut self, section: &'static str, text: impl FnOnce() -> String);
}

pub(crate) struct NoTrace;

impl Trace for NoTrace {
    #[inline(always)]
    fn step(&mut self, _: &'static str, _: impl FnOnce() -> String) {}
}

impl Trace for Vec<Step> {
    fn step(&mut self, section: &'static str, text: impl FnOnce() -> String) {
        self.push(Step { section, text: text() });
    }
}

/// One step of an evaluation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The rule that was applied.
    pub section: &'static str,
    /// What it said.
    pub text: String,
}

/// How a request was judged: the steps the engine took, in its order, and where they led.
#[derive(Debug)]
pub struct Explanation {
    /// The steps.
    pub steps: Vec<Step>,
    /// The result; the same as [`Judge::on_state`] gives, because it is made by the same code.
    pub outcome: Outcome,
}

/// Judges a request and tells how.
pub fn explain(
    method: &Method,
    headers: &HeaderMap,
    policy: &Policy,
    state: &CurrentState<'_>,
    now: HttpDate,
) -> Explanation {
    let mut steps = Vec::new();
    let outcome = Judge::new(method, headers, policy, now).state(state, &mut steps);
    Explanation { steps, outcome }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{:<33} {}", step.section, step.text)?;
        }
        let verdict = match &self.outcome {
            Outcome::Perform(_) => "performed".to_owned(),
            Outcome::Send(Selection::Whole) => "200, the whole content".to_owned(),
            Outcome::Send(Selection::Part(part)) => format!("206, octets {} to {}", part.first, part.last),
            Outcome::NotModified => "304 Not Modified".to_owned(),
            Outcome::Refused(refusal) => {
                let reason = refusal.reason().map(|r| format!(" ({})", r.name())).unwrap_or_default();
                format!("{} {}{reason}", refusal.status().as_u16(), refusal.code().name())
            }
        };
        write!(f, "{:<33} {verdict}", "result")
    }
}
