//! Versions that were right once: whose write came between.

use super::{Cause, Confidence, Failed, request};
use crate::explain::evidence::Answer;
use crate::explain::said::Meaning;
use crate::explain::story::{Sent, Story, is_weak};

/// What was sent and where the server was, as a sentence.
fn where_it_was(failed: &Failed<'_>) -> String {
    let story = failed.story;
    let sent = match failed.sent {
        Sent::Tags(tags) => format!("You sent If-Match: {}", tags.join(", ")),
        Sent::Date(date) => format!("You sent If-Unmodified-Since: {date}"),
        Sent::Create => "You sent If-None-Match: *".to_owned(),
        Sent::Malformed(field, value) => format!("You sent {field}: {value}"),
        _ => match failed.exchange.got().and_then(|got| got.said.message.as_ref()) {
            Some(message) => return format!("The server says: {message}"),
            None => "The server was at another version than the request was made for".to_owned(),
        },
    };
    let now = match (failed.sent, story.version_then(failed.at)) {
        (Sent::Create, Some((now, _))) => format!("; something was there, at {now}."),
        (Sent::Create, None) => "; something was there.".to_owned(),
        (_, Some((now, None))) => format!("; the server was at {now}."),
        (_, Some((now, Some(entry)))) => format!("; {} then found {now}.", story.name(entry)),
        (_, None) => "; the server was at another version.".to_owned(),
    };
    sent + &now
}

/// Whether the rules for versions that were right once apply: a version was named, rightly written, and the server says
/// that it is not the current one.
fn applies(failed: &Failed<'_>) -> bool {
    let is_named = match failed.sent {
        Sent::Tags(tags) => !tags.iter().all(|tag| is_weak(tag)),
        Sent::Date(_) => true,
        // Versions may be in the content, as with Kubernetes.
        Sent::Unknown if failed.exchange.status() == Some(412) => true,
        Sent::Nothing | Sent::Unknown => matches!(failed.meaning, Some(Meaning::Stale | Meaning::Gone)),
        // As servers that hand out tags without quotes expect.
        Sent::Malformed(..) => {
            failed.story.before(failed.at).any(|index| failed.story.supplied(index, failed.at))
        }
        Sent::Create | Sent::Empty | Sent::Star | Sent::Unless(_) => false,
    };
    is_named && failed.is_stale() && !matches!(failed.meaning, Some(Meaning::Weak | Meaning::WrongResource))
}

/// An own write between the answer that supplied the version, or anything before, and the failure; or one that was under
/// way at the same time, with the same version.
fn own_write(failed: &Failed<'_>) -> Option<usize> {
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
    since.into_iter().find(|&index| is_one(index)).or_else(at_once)
}

/// X10, a dead tag replayed.
///
/// *Certain* if the same writer had sent the same tag to the same resource before, was refused for it with 412 or 409, and
/// has not received that tag again since. Not for another tag, another resource, or a refusal that was not about versions.
pub(super) fn x10(failed: &Failed<'_>) -> Option<Cause> {
    let story = failed.story;
    if !applies(failed) || !matches!(failed.sent, Sent::Tags(_) | Sent::Date(_)) {
        return None;
    }
    let first = story
        .before(failed.at)
        .filter(|&index| story.is_own(index, failed.at))
        .find(|&index| story.sent[index] == *failed.sent && Failed::new(story, index).is_stale())?;
    if story.between(first, failed.at).any(|index| story.supplied(index, failed.at)) {
        return None;
    }
    let why = format!(
        "{} The same condition had been refused in {}, and a version that is over never comes back.",
        where_it_was(failed),
        story.name(first)
    );
    Some(
        Cause::certain("X10", why)
            .instead("a fresh read, your change applied to what it shows, and the tag of that read")
            .shown_by(story, &[first, failed.at]),
    )
}

const NOT_YOU: &str = "Not you, as far as this recording goes.";

/// X12, deleted meanwhile.
///
/// *Certain* if the refusal says that nothing is there (`gone`), or an own DELETE succeeded since the tag was received, or
/// a write with a tag was answered 404 or 410 though a read had found it. *Likely* if the next read found nothing, or if
/// `If-Match: *` was false. Not if it was created anew between.
pub(super) fn x12(failed: &Failed<'_>) -> Option<Cause> {
    let Failed { story, exchange, sent, .. } = failed;
    let says_so = failed.meaning == Some(Meaning::Gone);
    let is_named = matches!(sent, Sent::Tags(_) | Sent::Date(_));
    let is_gone = |index: usize| matches!(story.exchanges[index].status(), Some(404 | 410));
    let fix = "ask whoever saves: create it anew with If-None-Match: *, or let it go";
    let was_there = story
        .before(failed.at)
        .find(|&index| story.exchanges[index].is_read() && story.exchanges[index].succeeded());
    let deleted = story.before(failed.at).find(|&index| {
        let x = &story.exchanges[index];
        x.is_write() && x.succeeded()
    });
    let deleted = deleted.filter(|&index| story.exchanges[index].method == "DELETE");
    if let Some(index) = deleted.filter(|_| says_so || is_named && (failed.is_stale() || is_gone(failed.at)))
    {
        let mine = story.is_own(index, failed.at);
        let who = if mine { "You.".to_owned() } else { writer(story, index) };
        let why = format!("It was deleted in {}; nothing has been there since.", story.name(index));
        return Some(Cause::certain("X12", why).who(who).instead(fix).shown_by(story, &[index, failed.at]));
    }
    if says_so {
        let why =
            format!("{} asked for a version of something that is not there any more.", request(exchange));
        let cause = Cause::certain("X12", why).instead(fix).shown_by(story, &[failed.at]);
        return Some(match was_there {
            Some(_) => cause.who(NOT_YOU),
            None => cause,
        });
    }
    if let Some(read) = was_there.filter(|_| is_named && is_gone(failed.at)) {
        let why = format!(
            "{} had read it; when the {} came, nothing was there any more.",
            story.name(read),
            exchange.method
        );
        let cause = Cause::certain("X12", why).who(NOT_YOU).instead(fix);
        return Some(cause.shown_by(story, &[read, failed.at]));
    }
    if !failed.is_stale() {
        return None;
    }
    if matches!(sent, Sent::Star) {
        let why = "If-Match: * is false only where nothing is there.";
        return Some(
            Cause::likely("X12", why)
                .instead(fix)
                .settle("a read of the resource")
                .shown_by(story, &[failed.at]),
        );
    }
    let next = story.after(failed.at).find(|&index| {
        let x = &story.exchanges[index];
        x.is_read() || x.succeeded() || is_gone(index)
    });
    let next = next.filter(|&index| is_named && is_gone(index))?;
    let why = format!("The next request for it, {}, found nothing there.", story.name(next));
    let cause = Cause::likely("X12", why).who(NOT_YOU).instead(fix);
    Some(
        cause
            .settle("whether it was deleted before the write or behind it")
            .shown_by(story, &[failed.at, next]),
    )
}

fn writer(story: &Story<'_>, index: usize) -> String {
    match &story.exchanges[index].writer {
        Some(writer) => format!("{}.", writer.name),
        None => "Another writer.".to_owned(),
    }
}

/// An own write since, or with, the version that was sent, whose answer was lost: it may have been applied.
fn lost_write(failed: &Failed<'_>) -> Option<usize> {
    let story = failed.story;
    let source = story.source_of(failed.at)?;
    story.before(failed.at).take_while(|index| *index > source).find(|&index| {
        let x = &story.exchanges[index];
        let may_hold = story.sent[index] == *failed.sent || story.sent[index] == Sent::Nothing;
        x.is_write() && is_lost(&x.answer) && may_hold && story.is_own(index, failed.at)
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
    let Some(first) = same else {
        return lost_write(failed).map(|lost| {
            let why = format!(
                "{} It may be your own {}, whose answer was lost.",
                where_it_was(failed),
                story.name(lost)
            );
            Cause::possible("X13", why)
                .who(format!("Perhaps you: {}, whose answer was lost.", story.name(lost)))
                .settle("a read of the resource: does it show that change?")
                .shown_by(story, &[lost, failed.at])
        });
    };
    let shows = story.after(first).find(|&index| {
        let x = &story.exchanges[index];
        x.is_read() && x.got().and_then(|got| got.content).is_some_and(|there| there.says_what(&content))
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
        None => Cause::likely("X13", format!("{head} It seems to have been applied all the same."))
            .who("You, most likely: it lost to itself.")
            .instead(fix)
            .settle("a read of the resource: does it show your change?")
            .shown_by(story, &[first, failed.at]),
    })
}

/// X11, read-after-write lag.
///
/// *Certain* if an own write had replaced the tag (it was sent with it, or the tag was received before) and was answered
/// with another one, and a read behind it still got the old tag, which was then sent; or if a refusal had told a newer
/// version, a later read brought an older one, and the next refusal tells that newer version again. *Likely* if the write's
/// answer told no tag. Not if the old tag was read before the write (X03).
pub(super) fn x11(failed: &Failed<'_>) -> Option<Cause> {
    let story = failed.story;
    if !applies(failed) {
        return None;
    }
    let read = story.source_of(failed.at).filter(|&index| story.exchanges[index].is_read())?;
    let tag = story.received(read, failed.at)?;
    let is_older = |index: usize| {
        let supplied_before = story.before(index).any(|earlier| story.supplied(earlier, failed.at));
        story.named(index).contains(&tag) || supplied_before
    };
    let told = story.before(read).find(|&index| {
        let x = &story.exchanges[index];
        let is_write = x.is_write() && x.succeeded() && is_older(index) && x.method != "DELETE";
        is_write || x.status() == Some(412) && story.named(index).contains(&tag)
    })?;
    if story.received(told, failed.at).as_ref() == Some(&tag) {
        return None;
    }
    let wrote = story.exchanges[told].succeeded();
    let newer = story.received(told, failed.at);
    let got = story.exchanges[read].got();
    let aged = got.and_then(|got| got.fields.text("age")).filter(|age| age != "0");
    let how = match (&story.exchanges[read].from_cache, aged) {
        (true, _) => " It came out of the browser's cache.".to_owned(),
        (_, Some(age)) => format!(" It came out of a cache, {age} s old."),
        _ => " It came from a copy that was behind.".to_owned(),
    };
    let to = newer.as_ref().map(|newer| format!(" to {newer}")).unwrap_or_default();
    let moved = if wrote { "had moved it" } else { "had shown it moved" };
    let why = format!(
        "{} {} {moved}{to}, and yet {}, later, still got {tag}.{how}",
        where_it_was(failed),
        story.name(told),
        story.name(read)
    );
    let cause = if newer.is_some() {
        Cause::certain("X11", why)
    } else {
        Cause::likely("X11", why).settle("the ETag of the write's answer")
    };
    let cause = cause
        .who("Neither you nor another writer: the read was behind.")
        .shown_by(story, &[told, read, failed.at]);
    Some(match newer.filter(|_| wrote) {
        Some(newer) => cause
            .instead(format!("If-Match: {newer}, the tag of your own write; do not read again"))
            .keep(story, told),
        None => cause.instead("a read past caches (Cache-Control: no-cache) from where writes go"),
    })
}

/// X03, self-conflict.
///
/// *Certain* if the same writer changed the same resource with success since it received the tag (or with the very same
/// tag), and the answer carried another tag. *Likely* if that answer carried none, or if nothing in the evidence shows
/// where the tag came from. *Possible* if there is no history. Not if the tag was received again behind that write (X11),
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
        let unknown = story.source_of(failed.at).is_none() && !is_create;
        return unknown.then(|| {
            Cause::possible("X03", why).who("Perhaps you: an earlier write of your own.").settle(RECORD_MORE)
        });
    };
    let source = story.source_of(failed.at);
    let newer = story.received(write, failed.at).filter(|newer| !story.named(failed.at).contains(newer));
    let at_once = story.overlap(write, failed.at);
    let name = story.name(write);
    let x = &story.exchanges[write];
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
    let both = if at_once { " Both were under way at once." } else { "" };
    let knows = story.named(write).iter().any(|tag| story.named(failed.at).contains(tag));
    let is_sure = newer.is_some() && (source.is_some() || knows) || told || is_create;
    let cause = if is_sure {
        Cause::certain("X03", where_it_was(failed))
    } else {
        Cause::likely("X03", where_it_was(failed))
    };
    let cause = cause.who(format!("You. {carried}{stale}{both}"));
    let cause = match &newer {
        _ if is_create => cause.instead("nothing: it is there, and it is yours"),
        Some(newer) if at_once => {
            cause.instead(format!("one write at a time: wait for {name}, then If-Match: {newer}"))
        }
        Some(newer) => cause.instead(format!("If-Match: {newer}, which {name} was answered with")),
        None => cause
            .instead(format!("a read behind {name}, whose answer told no ETag, and the tag of that read")),
    };
    let shown: Vec<_> = source.into_iter().chain([write, failed.at]).collect();
    let cause = cause.shown_by(story, &shown);
    let cause =
        if is_sure { cause } else { cause.settle("a read between the two writes: does the tag move?") };
    Some(if newer.is_some() { cause.keep(story, write) } else { cause })
}

/// X02, another writer.
///
/// *Certain* if the audit or the refusal names another writer. *Likely* if the tag was received from this resource, no own
/// write of it succeeded or was lost since, and the server is at another version. *Possible* if nothing in the evidence
/// shows where the tag came from. Not if an own write came between (X03), if the tag cannot match at all (X04, X05), if it
/// is another resource's (X06), or if the read was behind (X11).
pub(super) fn x02(failed: &Failed<'_>) -> Option<Cause> {
    let Failed { story, exchange, sent, .. } = failed;
    let is_create = matches!(sent, Sent::Create) && failed.is_stale();
    let is_other =
        [x10, x11, x12, super::tags::x05, super::other::x14].iter().any(|rule| rule(failed).is_some());
    let own_lost = x13(failed);
    let is_own_lost = own_lost.as_ref().is_some_and(|cause| cause.confidence > Confidence::Possible);
    let is_change = is_create && super::missing::x09(failed).is_some();
    if !(applies(failed) || is_create) || own_write(failed).is_some() || is_other || is_own_lost || is_change
    {
        return None;
    }
    let why = where_it_was(failed);
    let fix = "a fresh read, your change applied to what it shows, and the tag of that read; not your old content with the new tag";
    let named = exchange.got().and_then(|got| got.said.by.clone());
    let audited = exchange.audited.as_ref().and_then(|audited| audited.previous.as_ref());
    let stranger = audited.filter(|(who, _)| exchange.writer.as_ref().is_some_and(|me| me.id != who.id));
    let written = story.before(failed.at).find(|&index| {
        let x = &story.exchanges[index];
        x.is_write() && x.succeeded() && !story.is_own(index, failed.at)
    });
    let (who, shown) = match (stranger, written, named) {
        (_, Some(index), _) => {
            let at = story.exchanges[index].at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
            (
                Some(format!("{} ({}){at}.", writer(story, index).trim_end_matches('.'), story.name(index))),
                vec![index, failed.at],
            )
        }
        (Some((who, at)), ..) => {
            let at = at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
            (Some(format!("{}{at}.", who.name)), vec![failed.at])
        }
        (.., Some(by)) => (Some(format!("{by}, as the server says.")), vec![failed.at]),
        _ => (None, vec![failed.at]),
    };
    if let Some(who) = who {
        return Some(Cause::certain("X02", why).who(who).instead(fix).shown_by(story, &shown));
    }
    let source = story.source_of(failed.at);
    match source {
        Some(_) if own_lost.is_some() => {
            Some(Cause::possible("X02", why).who("Perhaps another writer.").instead(fix))
        }
        Some(source) => {
            let who = format!(
                "Not you: nothing in this recording wrote it between {} and {}.",
                story.name(source),
                story.name(failed.at)
            );
            let settle = "the server's own log or audit; a server whose tags change by themselves looks the same (ifmatch \
                          inspect)";
            Some(
                Cause::likely("X02", why)
                    .who(who)
                    .instead(fix)
                    .settle(settle)
                    .shown_by(story, &[source, failed.at]),
            )
        }
        None => {
            let who = if is_create { "Whoever created it." } else { "Perhaps another writer." };
            Some(Cause::possible("X02", why).who(who).instead(fix).settle(RECORD_MORE))
        }
    }
}

/// What is needed to tell one's own writes from others'.
const RECORD_MORE: &str =
    "a recording that begins before the read that supplied the tag: it shows whose write came between";
