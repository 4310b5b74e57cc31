//! The report.

use super::evidence::{Evidence, Serial};
use super::findings;
use super::prepare::Prepared;
use super::restore::Restored;
use super::run::Course;
use super::session::Session;
use super::tally::Tally;
use super::verdict::{Verdict, statuses, verdicts};
use core::time::Duration;
use ifmatch_client::secret;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;

/// What a race came to.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Race {
    /// The worst verdict that applies.
    pub verdict: Verdict,
    /// All that apply, worst first.
    pub verdicts: Vec<Verdict>,
    /// The same for people: `IGNORES IF-MATCH, LOSES UPDATES`.
    pub headline: String,
    /// Whether writers that send a condition were shown to be safe: their rounds were decided, and none lost.
    pub conditions_protect: bool,
    /// What was found, a sentence for each verdict.
    pub findings: Vec<String>,
    /// Why it cannot be told, if it cannot; or why not all of it.
    pub reasons: Vec<String>,
    /// What else is worth knowing.
    pub remarks: Vec<String>,
    /// The resource, without secrets.
    pub url: String,
    /// How it was written.
    pub method: String,
    /// What was written: a JSON Pointer, or "a line".
    pub field: String,
    /// Rounds that were asked for.
    pub rounds: u32,
    /// Writers that were asked for.
    pub writers: u32,
    /// Between the writes of a round without conditions, in milliseconds.
    pub gap_ms: f64,
    /// What the server says that it is.
    pub server: Option<String>,
    /// The version of HTTP.
    pub http: String,
    /// The tests.
    pub tests: Vec<Case>,
    /// How to see the worst of it again.
    pub reproduction: Option<Reproduction>,
    /// How to be safe without a change to the API.
    pub fix: Vec<String>,
    /// How the resource was left.
    pub restored: Restored,
    /// Where the original is kept, if it was not put back.
    pub kept: Option<PathBuf>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// Requests that were sent.
    pub requests: u32,
    /// How long it took.
    pub seconds: f64,
    /// What was seen, in full.
    pub evidence: Evidence,
}

/// One test.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Case {
    /// As it is numbered in reports.
    pub number: u8,
    /// Stable, as `stale-if-match`.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// The statuses of a round that shows it best.
    pub statuses: String,
    /// What they mean.
    pub says: String,
    /// How that is.
    pub mood: Mood,
    /// In so many rounds something was lost.
    pub found: u32,
    /// Of so many that decide something.
    pub of: u32,
}

/// How the result of a test is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// As it should be.
    Good,
    /// Something is lost, or would be.
    Bad,
    /// It is not known.
    Unclear,
    /// It was not tried.
    Skipped,
}

/// How to see something again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Reproduction {
    /// Lines for a POSIX shell.
    pub lines: Vec<String>,
    /// What is seen then, and what should be.
    pub expect: String,
}

impl Race {
    pub(super) fn new(
        prepared: &Prepared,
        session: &Session<'_>,
        course: Course,
        restored: Restored,
        kept: Option<PathBuf>,
        took: Duration,
    ) -> Self {
        let mut verdicts = verdicts(&course.seen);
        if course.halt.is_some() && verdicts == [Verdict::Protected] {
            // What was not tried any more might have shown something.
            verdicts = vec![Verdict::Inconclusive];
        }
        let verdict = verdicts.first().copied().unwrap_or(Verdict::Inconclusive);
        let plan = &prepared.plan;
        Self {
            verdict,
            headline: findings::headline(&verdicts, &course.seen),
            findings: findings::findings(&verdicts, &course.seen, &plan.method),
            reasons: findings::reasons(verdict, &course),
            remarks: findings::remarks(session, &course),
            url: secret::url(&plan.url),
            method: plan.method.to_string(),
            field: session.change.name(),
            rounds: plan.rounds,
            writers: u32::try_from(plan.writers).unwrap_or(u32::MAX),
            gap_ms: plan.gap.as_secs_f64() * 1000.0,
            server: prepared.server.clone(),
            http: prepared.http.clone(),
            tests: cases(&course.seen),
            reproduction: findings::reproduction(verdict, prepared, session, &course.seen),
            fix: findings::fix(verdict, &plan.url),
            restored,
            kept,
            conditions_protect: course.halt.is_none() && super::verdict::protects(&course.seen),
            stopped: matches!(course.halt, Some(super::reasons::Halt::Stopped)),
            requests: session.requests,
            seconds: took.as_secs_f64(),
            evidence: course.seen,
            verdicts,
        }
    }
}

/// A test in a few words: number, id, title, and what is said if something was found, and if not.
type Words = (u8, &'static str, &'static str, &'static str, &'static str);

/// The tests, as they are told.
fn cases(seen: &Evidence) -> Vec<Case> {
    let mut cases = vec![
        tallied(
            (1, "unconditional", "all read, all write, no condition", "a write is gone", ""),
            &seen.unconditional,
        ),
        tallied((2, "stale-if-match", "stale If-Match", "done all the same", "refused"), &seen.stale),
        tallied(
            (3, "same-if-match", "same valid If-Match, sent together", "more than one done", "one done"),
            &seen.together,
        ),
        bare(&seen.bare, &seen.unconditional),
        tallied(
            (5, "if-none-match", "If-None-Match: * on what is there", "overwrote", "refused"),
            &seen.existing,
        ),
    ];
    if seen.right == Serial::Untried && cases.iter().any(|case| case.mood != Mood::Skipped) {
        let untried = cases.iter_mut().filter(|case| case.number == 3 && case.mood == Mood::Skipped);
        untried.for_each(|case| case.says = "no tag to send".to_owned());
    }
    let none = Tally::default();
    for (words, tally) in [
        (
            (6, "creators", "creators together, If-None-Match: *", "more than one won", "one won"),
            &seen.creators,
        ),
        ((7, "stale-delete", "stale DELETE", "deleted", "refused"), &seen.stale_delete),
        ((8, "delete-update", "DELETE and update, same tag", "both done", "one done"), &seen.delete_update),
    ] {
        cases.push(tallied(words, tally.as_ref().unwrap_or(&none)));
    }
    cases.push(tags(seen));
    cases
}

fn tallied((number, id, title, bad, good): Words, tally: &Tally) -> Case {
    let typical = tally.typical();
    let accepted = typical.is_some_and(|round| round.statuses.iter().flatten().any(|status| *status < 300));
    let (mood, says) = match (tally.found, tally.of, tally.undecided) {
        (0, 0, 0) => (Mood::Skipped, "not tried".to_owned()),
        (0, 0, _) => (Mood::Unclear, "decides nothing".to_owned()),
        (0, ..) if good.is_empty() && accepted => (Mood::Good, "one done, nothing lost".to_owned()),
        (0, ..) if good.is_empty() => (Mood::Good, "refused".to_owned()),
        (0, ..) => (Mood::Good, good.to_owned()),
        _ => (Mood::Bad, bad.to_owned()),
    };
    let statuses = typical.map(statuses).unwrap_or_default();
    Case { number, id, title, statuses, says, mood, found: tally.found, of: tally.of }
}

fn bare(bare: &Serial, tally: &Tally) -> Case {
    let (statuses, says, mood) = match bare {
        Serial::Accepted => (findings::answered(tally), "done", Mood::Bad),
        Serial::Refused(status) => (status.to_string(), "refused", Mood::Good),
        Serial::Untried => (String::new(), "not tried", Mood::Skipped),
        Serial::Unclear(_) => (String::new(), "decides nothing", Mood::Unclear),
    };
    let title = "write without If-Match";
    Case { number: 4, id: "no-if-match", title, statuses, says: says.to_owned(), mood, found: 0, of: 0 }
}

fn tags(seen: &Evidence) -> Case {
    let (says, mood) = match (&seen.repeated_tag, &seen.repeated_date) {
        (Some(tag), _) => (format!("{tag} for two"), Mood::Bad),
        (None, Some(_)) => ("same Last-Modified for two".to_owned(), Mood::Bad),
        (None, None) if seen.compared > 1 => ("each its own tag".to_owned(), Mood::Good),
        (None, None) if seen.has_weak_tag => ("tags are weak".to_owned(), Mood::Unclear),
        (None, None) => ("no tags".to_owned(), Mood::Skipped),
    };
    let title = "different contents within a second";
    Case { number: 9, id: "tags", title, statuses: String::new(), says, mood, found: 0, of: 0 }
}
