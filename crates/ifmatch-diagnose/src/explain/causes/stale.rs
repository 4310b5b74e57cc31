//! Versions that were right once: whose write came between.

use super::near::near_write;
use super::own::{is_doubtful, own_previous, own_write, x13};
use super::{Cause, Confidence, Failed, request};
use crate::explain::said::Meaning;
use crate::explain::story::{Sent, Story, is_weak};

/// What was sent and where the server was, as a sentence.
pub(super) fn where_it_was(failed: &Failed<'_>) -> String {
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
pub(super) fn applies(failed: &Failed<'_>) -> bool {
    if failed.is_own_tag_refused() || super::tags::is_servers_malformed(failed) {
        return false;
    }
    let is_named = match failed.sent {
        Sent::Tags(tags) => !tags.iter().all(|tag| is_weak(tag)) || failed.are_weak_tags_taken(),
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
        "{} The same condition had been refused in {}; repeating it does not make it true.",
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
/// *Certain* if the refusal says that nothing is there (`gone`), or a DELETE succeeded since the tag was received, or a
/// write with a tag was answered 410 though a read had found it. *Likely* if it was 404, if the next request found nothing, or
/// if `If-Match: *` was false. Not if it was created anew between.
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
        let cause = match exchange.status() {
            Some(410) => Cause::certain("X12", why),
            // Servers answer 404 for what may not be seen or does not take the method, too.
            _ => Cause::likely("X12", why).settle("a read of the resource: is it gone?"),
        };
        return Some(cause.who(NOT_YOU).instead(fix).shown_by(story, &[read, failed.at]));
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
    // What showed its tag was there.
    if story.received(failed.at, failed.at).is_some() {
        return None;
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
    // A read that was answered first could not have known.
    if story.answered_before(read, told) {
        return None;
    }
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
    let now = story.version_then(failed.at).map(|(now, _)| now);
    let is_newer_still = newer.is_some() && now.is_some() && newer != now;
    let cause = if is_newer_still {
        Cause::possible("X11", why)
            .settle("what moved it on: it may have been at the old tag again, for a time")
    } else if newer.is_some() {
        Cause::certain("X11", why)
    } else {
        Cause::likely("X11", why).settle("the ETag of the write's answer")
    };
    let cause = cause
        .who("Neither you nor another writer: the read was behind.")
        .shown_by(story, &[told, read, failed.at]);
    Some(match newer.filter(|_| wrote && !is_newer_still) {
        Some(newer) => cause
            .instead(format!("If-Match: {newer}, the tag of your own write; do not read again"))
            .keep(story, told),
        None => cause.instead("a read past caches (Cache-Control: no-cache) from where writes go"),
    })
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
    let is_sure = |cause: Cause| cause.confidence > Confidence::Possible;
    let is_other = [x10, x11, x12, super::tags::x05, super::other::x14]
        .iter()
        .any(|rule| rule(failed).is_some_and(is_sure));
    let near = near_write(failed);
    let own_lost = x13(failed);
    let is_own_lost = own_lost.as_ref().is_some_and(|cause| cause.confidence > Confidence::Possible);
    let is_change = is_create && super::missing::x09(failed).is_some();
    if !(applies(failed) || is_create)
        || own_write(failed).is_some_and(|write| !is_doubtful(failed, write))
        || is_other
        || is_own_lost
        || own_previous(failed).is_some()
        || near.is_some_and(|near| near.is_proven)
        || is_change
    {
        return None;
    }
    let why = where_it_was(failed);
    let fix = "a fresh read, your change applied to what it shows, and the tag of that read; not your old content with the new tag";
    let named = exchange.got().and_then(|got| got.said.by.clone());
    let audited = exchange.audited.as_ref().and_then(|audited| audited.previous.as_ref());
    let stranger = audited.filter(|(who, _)| {
        exchange.writer.as_ref().is_some_and(|me| (me.is_user || who.is_user) && me.id != who.id)
    });
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
        Some(_)
            if own_lost.is_some()
                || own_write(failed).is_some()
                || near.is_some()
                || matches!(failed.sent, Sent::Unknown) =>
        {
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
pub(super) const RECORD_MORE: &str =
    "a recording that begins before the read that supplied the tag: it shows whose write came between";
