//! Versions that the client itself has left behind: by an earlier write, or by one whose answer was lost.

use super::near::{Near, near_write};
use super::stale::{RECORD_MORE, applies, where_it_was, x11};
use super::{Cause, Failed, request};
use crate::explain::evidence::Answer;
use crate::explain::said::Meaning;
use crate::explain::story::{Sent, opaque};

/// An own write between the answer that supplied the version, or anything before, and the failure; or one that was under
/// way at the same time, with the same version.
pub(super) fn own_write(failed: &Failed<'_>) -> Option<usize> {
    let story = failed.story;
    let is_one = |index: usize| {
        let x = &story.exchanges[index];
        x.is_write() && x.method != "DELETE" && x.succeeded() && story.is_own(index, failed.at)
    };
    let source = story.source_of(failed.at);
    let since = story.before(failed.at).take_while(|index| source.is_none_or(|source| *index > source));
    let at_once = || {
        story.after(failed.at).find(|&index| {
            is_one(index) && story.sent[index] == *failed.sent && story.overlap(failed.at, index)
        })
    };
    // The version may have been read while the write was under way.
    let around = || {
        let source = source.filter(|&source| story.exchanges[source].is_read())?;
        story.before(source).find(|&index| is_one(index) && story.answered_before(source, index))
    };
    since.into_iter().find(|&index| is_one(index)).or_else(around).or_else(at_once)
}

/// An own write since, or with, the version that was sent, whose answer was lost: it may have been applied.
fn lost_write(failed: &Failed<'_>) -> Option<usize> {
    let story = failed.story;
    let source = story.source_of(failed.at)?;
    story.before(failed.at).take_while(|index| *index > source).find(|&index| {
        let x = &story.exchanges[index];
        let may_hold = story.sent[index] == *failed.sent || story.sent[index] == Sent::Nothing;
        let is_open = is_lost(&x.answer) || x.status().is_some_and(|status| status == 499 || status >= 500);
        x.is_write() && is_open && may_hold && story.is_own(index, failed.at)
    })
}

/// Whether nobody knows what became of a request.
fn is_lost(answer: &Answer) -> bool {
    match answer {
        Answer::Lost(_) => true,
        Answer::Got(got) => {
            matches!(got.status, 408 | 502 | 504) || got.said.meaning == Some(Meaning::Unknown)
        }
        Answer::Unknown => false,
    }
}

/// X13, applied already, the answer lost.
///
/// *Likely* if the same request, with the same method, content and condition, had been sent before and got no answer, or
/// one that does not tell (502, 504, `outcome_unknown`). *Certain* if a read between or behind then shows exactly the
/// content that was sent. *Possible* if another write of one's own got no answer since the tag was received. Not if that one
/// was refused or answered.
pub(super) fn x13(failed: &Failed<'_>) -> Option<Cause> {
    let Failed { story, exchange, sent, .. } = failed;
    if !(applies(failed) || matches!(sent, Sent::Create) && failed.is_stale()) || !exchange.is_write() {
        return None;
    }
    let content = exchange.content?;
    let same = story.before(failed.at).find(|&index| {
        let x = &story.exchanges[index];
        let is_same = x.method == exchange.method && story.sent[index] == **sent;
        is_lost(&x.answer)
            && is_same
            && story.is_own(index, failed.at)
            && x.content.is_some_and(|c| c.says_what(&content))
    });
    // A read behind it that brought the old version shows that it had not been applied.
    let same = same.filter(|&first| {
        !story.between(first, failed.at).any(|i| story.exchanges[i].is_read() && story.supplied(i, failed.at))
    });
    let Some(first) = same else {
        return lost_write(failed).map(|lost| {
            let why = format!(
                "{} It may be your own {}, whose answer does not tell whether it was applied.",
                where_it_was(failed),
                story.name(lost)
            );
            Cause::possible("X13", why)
                .who(format!("Perhaps you: {}, which may have been applied.", story.name(lost)))
                .settle("a read of the resource: does it show that change?")
                .shown_by(story, &[lost, failed.at])
        });
    };
    let shows = story.after(first).find(|&index| {
        let x = &story.exchanges[index];
        x.is_read() && x.got().and_then(|got| got.content).is_some_and(|there| there.says_what(&content))
    });
    let shows_other = exchange.method == "PUT"
        && story.after(first).any(|index| {
            let x = &story.exchanges[index];
            let there = x.got().and_then(|got| got.content).filter(|there| there.bytes > 0);
            x.method == "GET" && x.succeeded() && there.is_some_and(|there| !there.says_what(&content))
        });
    let lost = match &story.exchanges[first].answer {
        Answer::Lost(why) => why.clone(),
        _ => format!("status {}", story.exchanges[first].status().unwrap_or(0)),
    };
    let head = format!(
        "The same {} had been sent in {}, whose answer never came ({lost}).",
        exchange.method,
        story.name(first)
    );
    let fix =
        "a read first: if it shows your change, you are done; an Idempotency-Key makes such repeats safe";
    Some(match shows {
        Some(read) => {
            Cause::certain("X13", format!("{head} It was applied: {} shows what it wrote.", story.name(read)))
                .who("You: it lost to itself.")
                .instead("nothing: the change is there; take the ETag of that read")
                .shown_by(story, &[first, failed.at, read])
                .keep(story, read)
        }
        None if shows_other => {
            Cause::possible("X13", format!("{head} A read behind it shows something else."))
                .settle("whether somebody changed it again before that read")
                .shown_by(story, &[first, failed.at])
        }
        None => Cause::likely("X13", format!("{head} It seems to have been applied all the same."))
            .who("You, most likely: it lost to itself.")
            .instead(fix)
            .settle("a read of the resource: does it show your change?")
            .shown_by(story, &[first, failed.at]),
    })
}

/// X03, self-conflict.
///
/// *Certain* if the same writer changed the same resource with success since it received the tag (or with the very same
/// tag), and the answer carried another tag. *Likely* if that answer carried none, or if nothing in the evidence shows
/// where the tag came from. *Possible* if there is no history, or if that write is a POST whose answer carried none. Not if the tag was received again behind that write (X11),
/// or the write was somebody else's.
pub(super) fn x03(failed: &Failed<'_>) -> Option<Cause> {
    let Failed { story, sent, .. } = failed;
    let is_create = matches!(sent, Sent::Create) && failed.is_stale();
    if !(applies(failed) || is_create) || x11(failed).is_some() {
        return None;
    }
    let audited = failed.exchange.audited.as_ref().is_some_and(|audited| audited.self_conflict);
    let told = audited || failed.exchange.got().and_then(|got| got.said.self_conflict) == Some(true);
    let Some(write) = own_write(failed) else {
        let why = format!(
            "{} {}",
            where_it_was(failed),
            if told { "The server says that it lost to your own earlier write." } else { "" }
        );
        let why = why.trim_end().to_owned();
        if told {
            return Some(
                Cause::certain("X03", why)
                    .who("You.")
                    .instead("the ETag of the answer to your own last write"),
            );
        }
        if let Some(at) = own_previous(failed) {
            let who = format!("You: the write before it{at} was your own.");
            let fix = "the ETag of the answer to your own last write, or a read behind it";
            let cause = Cause::likely("X03", why).who(who).instead(fix).settle("the record of that write");
            return Some(cause.shown_by(story, &[failed.at]));
        }
        if let Some(near) = near_write(failed) {
            return Some(lost_to_near(failed, near));
        }
        let unknown = story.source_of(failed.at).is_none() && !is_create;
        return unknown.then(|| {
            Cause::possible("X03", why).who("Perhaps you: an earlier write of your own.").settle(RECORD_MORE)
        });
    };
    Some(lost_to_own(failed, write, told || is_create))
}

/// X03, with a write to another name, or to something below.
fn lost_to_near(failed: &Failed<'_>, near: Near) -> Cause {
    let story = failed.story;
    let (name, x) = (story.name(near.write), &story.exchanges[near.write]);
    let why = where_it_was(failed);
    let shown: Vec<_> = story.source_of(failed.at).into_iter().chain([near.write, failed.at]).collect();
    let cause = if near.is_proven {
        let who =
            format!("You: the answer to {} ({name}) carried the tag that the server has now.", request(x));
        Cause::likely("X03", why)
            .who(who)
            .settle(format!("whether {} and {} are one resource", x.url, failed.exchange.url))
            .instead(format!("the tag that {name} was answered with"))
            .keep(story, near.write)
    } else {
        let who = format!("Perhaps you: {} ({name}) may have changed it as well.", request(x));
        Cause::possible("X03", why).who(who).settle(format!("a read behind {name}: does the tag move?"))
    };
    cause.shown_by(story, &shown)
}

/// X03, with the write that it lost to. `told`: something other than this write's answer says that it was it.
fn lost_to_own(failed: &Failed<'_>, write: usize, told: bool) -> Cause {
    let story = failed.story;
    let is_create = matches!(failed.sent, Sent::Create);
    let source = story.source_of(failed.at);
    let newer = newer_tag(failed, write);
    let now = story.version_then(failed.at).map(|(now, _)| now);
    let moved_on = newer.as_ref().zip(now.as_ref()).is_some_and(|(newer, now)| opaque(newer) != opaque(now));
    let at_once = story.overlap(write, failed.at);
    let (name, x) = (story.name(write), &story.exchanges[write]);
    let carried = match &newer {
        Some(newer) => format!("Version {newer} is your own {} ({name})", x.method),
        None => format!("You had changed it yourself, with the {} of {name}", x.method),
    };
    let stale = match source {
        _ if is_create => "; you created it yourself.".to_owned(),
        Some(source) => {
            format!("; {} still used the tag from {}.", story.name(failed.at), story.name(source))
        }
        None => format!("; {} still used the tag from before.", story.name(failed.at)),
    };
    let more = match (at_once, moved_on) {
        (true, _) => " Both were under way at once.",
        (_, true) => " Since then it has been changed once more, and not in this recording.",
        _ => "",
    };
    let knows = story.named(write).iter().any(|tag| story.named(failed.at).contains(tag));
    let why = where_it_was(failed);
    let is_unknown = matches!(failed.sent, Sent::Unknown) && !told;
    let cause = if is_unknown {
        Cause::possible("X03", why).settle("the fields of the request, which are not in the recording")
    } else if newer.is_some() && (source.is_some() || knows) || told {
        Cause::certain("X03", why)
    } else if is_doubtful(failed, write) {
        Cause::possible("X03", why).settle(format!("a read behind {name}: does the tag move?"))
    } else {
        Cause::likely("X03", why).settle("a read between the two writes: does the tag move?")
    };
    let shown: Vec<_> = source.into_iter().chain([write, failed.at]).collect();
    let cause = cause.who(format!("You. {carried}{stale}{more}")).shown_by(story, &shown);
    match newer {
        _ if is_create => cause.instead("nothing: it is there, and it is yours"),
        Some(_) if moved_on => cause.instead(
            "a fresh read, your change applied to what it shows, and the tag of that read; from then on the tag of each of \
             your own writes",
        ),
        Some(newer) if at_once => {
            cause.instead(format!("one write at a time: wait for {name}, then If-Match: {newer}")).keep(story, write)
        }
        Some(newer) => cause.instead(format!("If-Match: {newer}, which {name} was answered with")).keep(story, write),
        None => {
            cause.instead(format!("a read behind {name}, whose answer told no ETag, and the tag of that read"))
        }
    }
}

/// When the write before was, if the audit says that the same writer made it.
pub(super) fn own_previous(failed: &Failed<'_>) -> Option<String> {
    let (who, at) = failed.exchange.audited.as_ref()?.previous.as_ref()?;
    let is_own = failed.exchange.writer.as_ref().is_some_and(|me| me.is_user && me.id == who.id);
    is_own.then(|| at.as_ref().map(|at| format!(", at {at},")).unwrap_or_default())
}

/// The tag that a write was answered with, if it is not one that was sent later.
fn newer_tag(failed: &Failed<'_>, write: usize) -> Option<String> {
    failed.story.received(write, failed.at).filter(|newer| !failed.story.named(failed.at).contains(newer))
}

/// Whether a write may have left the resource as it was: a POST whose answer shows no new tag.
pub(super) fn is_doubtful(failed: &Failed<'_>, write: usize) -> bool {
    failed.story.exchanges[write].method == "POST" && newer_tag(failed, write).is_none()
}
