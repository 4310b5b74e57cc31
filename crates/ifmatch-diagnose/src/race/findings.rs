//! What is said about what was seen.

use super::evidence::{Evidence, Serial};
use super::prepare::Prepared;
use super::reasons::Halt;
use super::reply::{Condition, NEVER_ISSUED};
use super::report::Reproduction;
use super::run::Course;
use super::session::{Ripens, Session, State};
use super::tally::Tally;
use super::verdict::{Verdict, doubts, ignored, is_own_dialect, protects};
use crate::curl;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use ifmatch_client::secret;
use ifmatch_client::wire::{Request, Url};

/// All verdicts in a line.
pub(super) fn headline(verdicts: &[Verdict], seen: &Evidence) -> String {
    let names = verdicts.iter().map(|verdict| match verdict {
        Verdict::Ignores => format!("IGNORES {}", ignored(seen).join(" AND ").to_uppercase()),
        other => other.name().to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// A sentence for each verdict.
pub(super) fn findings(verdicts: &[Verdict], seen: &Evidence, method: &Method) -> Vec<String> {
    verdicts.iter().flat_map(|verdict| of(*verdict, seen, method)).collect()
}

/// The ways to write that were not tried.
fn untried(method: &Method, seen: &Evidence) -> String {
    let mut names: Vec<_> = ["PUT", "PATCH"].into_iter().filter(|name| *name != method.as_str()).collect();
    names.extend(seen.stale_delete.is_none().then_some("DELETE"));
    let verb = if names.len() == 1 { "was" } else { "were" };
    format!("{} {verb} not tried", names.join(" and "))
}

fn of(verdict: Verdict, seen: &Evidence, method: &Method) -> Vec<String> {
    match verdict {
        Verdict::Ignores => ignoring(seen),
        Verdict::NotAtomic => racing(seen),
        Verdict::LosesUpdates => vec![format!(
            "Without a condition: {}",
            share(&seen.unconditional, "an acknowledged write vanished")
        )],
        Verdict::OptIn => vec![
            format!(
                "Writers that send no condition erase each other: {}",
                share(&seen.unconditional, "an acknowledged write vanished")
            ),
            if protects(seen) {
                format!("Writers that send If-Match are safe, as far as was seen: {}", none(&seen.together))
            } else {
                "Whether writers that send If-Match are safe was not found out.".to_owned()
            },
        ],
        Verdict::Protected => vec![format!(
            "Nobody could erase by {method} what it had not seen; {}. Of writers with the same tag only one was done: {}",
            untried(method, seen),
            none(&seen.together)
        )],
        Verdict::Inconclusive => Vec::new(),
    }
}

fn ignoring(seen: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |tally: Option<&Tally>, what| {
        found.extend(tally.filter(|tally| tally.found > 0).map(|tally| share(tally, what)));
    };
    add(Some(&seen.stale), "a write with an outdated tag was done over one that it had not seen");
    add(Some(&seen.existing), "a write that was to create only (If-None-Match: *) overwrote what was there");
    add(seen.stale_delete.as_ref(), "a DELETE with an outdated tag deleted what it had not seen");
    found
}

fn racing(seen: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |tally: Option<&Tally>, what| {
        found.extend(tally.filter(|tally| tally.found > 0).map(|tally| share(tally, what)));
    };
    add(
        Some(&seen.together),
        "several writers with the same tag were told that their write was done, and one of them was",
    );
    add(seen.creators.as_ref(), "several creators of the same resource were told that they created it");
    add(seen.delete_update.as_ref(), "an update and a deletion with the same tag were both done");
    if let Some(tag) = &seen.repeated_tag {
        found.push(format!(
            "The tag {tag} stood for two different contents, so it cannot tell them apart: whoever holds it overwrites what it has not seen."
        ));
    }
    found
}

/// How often, and what that proves.
fn share(tally: &Tally, what: &str) -> String {
    let Tally { found, of, at_least, .. } = tally;
    format!(
        "in {found} of {of} rounds {what} (at least {} of such rounds, with 95 % confidence).",
        percent(*at_least, f64::floor)
    )
}

fn none(tally: &Tally) -> String {
    format!(
        "none lost in {} rounds (at most {} of such rounds lose one, with 95 % confidence).",
        tally.of,
        percent(tally.at_most, f64::ceil)
    )
}

/// A share in percent, rounded so that it does not say more than is known.
fn percent(share: f64, round: fn(f64) -> f64) -> String {
    if share * 100.0 >= 1.0 {
        format!("{} %", round(share * 100.0))
    } else {
        format!("{} %", round(share * 10_000.0) / 100.0)
    }
}

/// Why it cannot be told, or not all of it.
pub(super) fn reasons(verdict: Verdict, course: &Course) -> Vec<String> {
    let mut reasons: Vec<_> = course.halt.iter().map(Halt::reason).collect();
    if verdict == Verdict::Inconclusive || !reasons.is_empty() {
        reasons.extend(doubts(&course.seen));
    }
    if verdict == Verdict::Inconclusive && reasons.is_empty() {
        reasons.push(unexplained(&course.seen));
    }
    reasons
}

/// Nothing went wrong, and still nothing follows.
fn unexplained(seen: &Evidence) -> String {
    match (&seen.right, &seen.bare) {
        (_, Serial::Accepted) => {
            "Writes without a condition are done, and still none was lost, for a reason that was not found. Try more --rounds and --writers.".to_owned()
        }
        (Serial::Untried, _) => "There is no ETag that a writer could send.".to_owned(),
        _ => "What was answered decides nothing.".to_owned(),
    }
}

/// What else is worth knowing.
pub(super) fn remarks(session: &Session<'_>, course: &Course) -> Vec<String> {
    let seen = &course.seen;
    let mut remarks = Vec::new();
    let mut say = |applies: bool, remark: String| remarks.extend(applies.then_some(remark));
    if let (Serial::Refused(status), Serial::Accepted) = (&seen.right, &seen.bare) {
        let why = if seen.has_weak_tag { ": it is weak, and If-Match never matches a weak tag" } else { "" };
        say(
            true,
            format!(
                "The tag that was read just before is refused ({status}){why}. So nobody can send a condition that is taken."
            ),
        );
    }
    if let (Serial::Accepted, Serial::Refused(status)) = (&seen.right, &seen.bare)
        && *status != 428
    {
        say(
            true,
            format!(
                "A write without a condition is refused with {status}; 428 would say what is missing (RFC 6585, Section 3)."
            ),
        );
    }
    let date = if session.validators.is_dated {
        " If-Unmodified-Since, with its Last-Modified, was not tried."
    } else {
        ""
    };
    say(
        session.validators.reads > 0 && !session.validators.is_tagged,
        format!("It shows no ETag, so no writer can say what it has read.{date}"),
    );
    if let Some(date) = &seen.repeated_date {
        say(
            true,
            format!(
                "Last-Modified {date:?} stood for two contents: a date cannot guard what is written twice in a second."
            ),
        );
    }
    say(
        is_own_dialect(seen),
        "Its guard is something in the content: If-Match plays no part in it.".to_owned(),
    );
    say(
        seen.repeated_tag.is_some() && seen.stale.found > 0,
        "One tag also stood for two contents: it would not guard if it were looked at.".to_owned(),
    );
    say(
        seen.refused_and_done > 0,
        "A write was refused and done all the same: the condition is looked at after the write.".to_owned(),
    );
    say(
        seen.acknowledged_and_not_done > 0,
        "A stale write was answered with success and not done. Nothing is lost by that, but its writer is told a lie.".to_owned(),
    );
    if let Ripens::After(longest) = session.ripens {
        say(
            true,
            format!(
                "Tags are weak for up to {:.1} s after a write: until then no condition is taken.",
                longest.as_secs_f64()
            ),
        );
    }
    if let Some(behind) = session.behind {
        say(true, format!("Reads were up to {} ms behind writes.", behind.as_millis()));
    }
    say(
        session.unanswered > 0,
        format!("{} writes had no answer; nobody can say whether they were done.", session.unanswered),
    );
    if course.made.made > 0 {
        let deleted = if course.made.left.is_empty() { "all were deleted again" } else { "these are left" };
        let left: Vec<_> = course.made.left.iter().map(secret::url).collect();
        say(
            true,
            format!("{} resources were created; {deleted}. {}", course.made.made, left.join(" "))
                .trim_end()
                .to_owned(),
        );
    }
    remarks.extend(course.made.reasons.iter().cloned());
    remarks
}

/// How to see the worst of it again.
pub(super) fn reproduction(
    verdict: Verdict,
    prepared: &Prepared,
    session: &Session<'_>,
    seen: &Evidence,
) -> Option<Reproduction> {
    let command = |condition: &Condition| {
        let request = write(prepared, session, &prepared.original);
        curl::command(&condition.apply(request), &prepared.access.headers, false)
    };
    match verdict {
        Verdict::Ignores if seen.stale.found > 0 => Some(Reproduction {
            lines: vec![command(&Condition::never())],
            expect: format!("{}, should be 412", answered(&seen.stale)),
        }),
        Verdict::Ignores if seen.existing.found > 0 => Some(Reproduction {
            lines: vec![command(&Condition::Absent)],
            expect: format!("{}, should be 412", answered(&seen.existing)),
        }),
        Verdict::NotAtomic if seen.together.found > 0 || seen.repeated_tag.is_some() => {
            Some(race(prepared, &command(&Condition::Match(HeaderValue::from_static(NEVER_ISSUED)))))
        }
        Verdict::LosesUpdates | Verdict::OptIn => Some(Reproduction {
            lines: vec![command(&Condition::None)],
            expect: format!("{}, should be 428", answered(&seen.unconditional)),
        }),
        _ => None,
    }
}

/// Two writes in a shell, with the tag that is read before.
fn race(prepared: &Prepared, never: &str) -> Reproduction {
    let read = curl::command(&Request::get(prepared.plan.url.clone()), &prepared.access.headers, false);
    let read = read.replacen("curl -i", "curl -s -D - -o /dev/null", 1);
    let quoted = format!("'if-match: {NEVER_ISSUED}'");
    let write = never.replacen("curl -i", "curl -s -o /dev/null -w '%{http_code}\\n'", 1).replacen(
        &quoted,
        "\"If-Match: $TAG\"",
        1,
    );
    Reproduction {
        lines: vec![
            format!("TAG=$({read} | sed -n 's/^[Ee][Tt][Aa][Gg]: *//p' | tr -d '\\r')"),
            format!("for writer in 1 2 3 4 5 6 7 8; do {write} & done; wait"),
        ],
        expect: "more than one 2xx (it may take some tries), should be one, and 412 for the others"
            .to_owned(),
    }
}

fn write(prepared: &Prepared, session: &Session<'_>, original: &State) -> Request {
    let mark = super::mark::Mark(1);
    let content = session.change.content(&original.content, &session.marks, mark, session.patch);
    Request::new(prepared.plan.method.clone(), prepared.plan.url.clone())
        .with(CONTENT_TYPE, prepared.content_type.clone())
        .content(content.unwrap_or_default())
}

/// The status with which writes were done.
pub(super) fn answered(tally: &Tally) -> String {
    let done =
        tally.typical().and_then(|round| round.statuses.iter().flatten().find(|status| **status < 300));
    done.map_or_else(|| "2xx".to_owned(), ToString::to_string)
}

/// How to be safe without a change to the API.
pub(super) fn fix(verdict: Verdict, url: &Url) -> Vec<String> {
    if !verdict.is_finding() {
        return Vec::new();
    }
    let origin = url.origin().ascii_serialization();
    let mut through = url.clone();
    // The gateway's own address; it cannot fail for URLs with a host.
    let _ = through.set_scheme("http");
    let _ = through.set_host(Some("127.0.0.1"));
    let _ = through.set_port(Some(4428));
    vec![
        format!("ifmatch serve --upstream {origin} --mode enforce"),
        format!("ifmatch race {}", curl::quote(&[secret::url(&through)])),
    ]
}
