//! Dates, keys, and writes that went through and should not have.

use super::{Cause, Failed, request};
use crate::explain::said::Meaning;
use crate::explain::story::{Sent, Story, opaque};

/// X14, a date too coarse.
///
/// *Certain* if the refusal says that the date names no state (`not_a_version`). *Likely* if a 412 came to an
/// If-Unmodified-Since that equals the Last-Modified which the resource still had at or behind the refusal, or a 428 to a
/// write whose only condition is a date; or if the date is none that the last read had brought. Not if the resource has a later date: then it has changed (X02, X03).
pub(super) fn x14(failed: &Failed<'_>) -> Option<Cause> {
    let Failed { story, exchange, sent, .. } = failed;
    let fix = "If-Match with the ETag; a date is whole seconds, and two changes fit into one";
    if failed.meaning == Some(Meaning::NotAVersion) {
        let sent = match sent {
            Sent::Date(date) => format!("You sent If-Unmodified-Since: {date}. "),
            _ => String::new(),
        };
        let why = format!("{sent}The server says that the date names no state of the resource for certain.");
        return Some(Cause::certain("X14", why).instead(fix).shown_by(story, &[failed.at]));
    }
    let Sent::Date(date) = sent else { return None };
    if exchange.status() == Some(428) {
        let why = format!("You sent If-Unmodified-Since: {date}, and the server wants more than a date.");
        let settle = "whether the server takes dates at all, as its documentation says";
        return Some(Cause::likely("X14", why).instead(fix).settle(settle).shown_by(story, &[failed.at]));
    }
    if exchange.status() != Some(412) {
        return None;
    }
    let read = story
        .before(failed.at)
        .find(|&index| story.exchanges[index].is_read() && story.exchanges[index].succeeded());
    if let Some(read) = read.filter(|_| story.source_of(failed.at).is_none()) {
        let had = story.received(read, failed.at).map_or("none".to_owned(), |date| date);
        let why = format!(
            "You sent If-Unmodified-Since: {date}, a date that the server had not handed out: the Last-Modified of {} was \
             {had}.",
            story.name(read)
        );
        let settle = "where the client takes the date from: a clock of its own says nothing about a version";
        return Some(
            Cause::likely("X14", why).instead(fix).settle(settle).shown_by(story, &[read, failed.at]),
        );
    }
    let now = story.version_then(failed.at).filter(|(now, _)| now == date)?;
    let told = now.1.map_or("its answer".to_owned(), |entry| story.name(entry));
    let why = format!(
        "You sent If-Unmodified-Since: {date}, and that is still its Last-Modified ({told}). The server does not trust a \
         date that young, or changed it twice in that second."
    );
    Some(
        Cause::likely("X14", why)
            .instead(fix)
            .settle("the same write a minute later")
            .shown_by(story, &[failed.at]),
    )
}

/// X15, a key reused.
///
/// *Certain* if the refusal says so, or speaks of a key and an earlier request had carried the same Idempotency-Key with
/// another method, target or content. *Possible* if such a refusal says nothing at all, since ordinary validation has the
/// same statuses. Not for the same request again, and not without a key.
pub(in crate::explain) fn x15(failed: &Failed<'_>) -> Option<Cause> {
    let Failed { story, exchange, at, .. } = failed;
    let key = exchange.sent.as_ref().and_then(|sent| sent.text("idempotency-key"));
    let says_so = failed.meaning == Some(Meaning::KeyReused);
    let first = key.as_ref().and_then(|key| {
        story.all_before(*at).find(|&index| {
            let x = &story.exchanges[index];
            let has_key = x.sent.as_ref().and_then(|sent| sent.text("idempotency-key")).as_ref() == Some(key);
            let differs = x.method != exchange.method
                || !story.is_same_resource(index, *at)
                || x.content.zip(exchange.content).is_some_and(|(one, other)| !one.says_what(&other));
            has_key && differs
        })
    });
    let said = exchange.got().map(|got| &got.said);
    let has_word = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains("idempot")
            || text.split(|c: char| !c.is_alphanumeric()).any(|word| matches!(word, "key" | "keys"))
    };
    let speaks =
        said.is_some_and(|said| [&said.message, &said.code].into_iter().flatten().any(|text| has_word(text)));
    // Anything else that is wrong with a request is told by the same statuses.
    let is_else = !speaks && said.is_some_and(|said| said.message.is_some() || said.code.is_some());
    let refused = matches!(exchange.status(), Some(400 | 409 | 422)) && failed.meaning.is_none() && !is_else;
    if !(says_so || refused && first.is_some()) {
        return None;
    }
    let before = first.map(|index| {
        let x = &story.exchanges[index];
        let how = if x.method == exchange.method && story.is_same_resource(index, *at) {
            "with other content"
        } else {
            "for another request"
        };
        format!(" {} had used it {how}: {}.", story.name(index), request(x))
    });
    let why = format!("The Idempotency-Key belongs to another request.{}", before.unwrap_or_default());
    let shown: Vec<_> = first.into_iter().chain([*at]).collect();
    let cause = if says_so || speaks {
        Cause::certain("X15", why)
    } else {
        Cause::possible("X15", why).settle("the body of the answer: does it speak of the key?")
    };
    Some(
        cause
            .instead("a new key for each new request; the old one only for exact repeats")
            .shown_by(story, &shown),
    )
}

/// X16 for a refusal: the audit says that the same content came again under another tag.
pub(super) fn x16(failed: &Failed<'_>) -> Option<Cause> {
    let is_blind = failed.exchange.audited.as_ref().is_some_and(|audited| audited.blind_retry);
    is_blind.then(|| {
        Cause::certain(
            "X16",
            "The write had been refused and came again with the same content under another tag, without a read between.",
        )
        .instead("your change applied to what a fresh read shows")
        .shown_by(failed.story, &[failed.at])
    })
}

/// X16, a blind retry that went through: an update was lost.
///
/// *Certain* if the audit says so. *Likely* if a PUT with a tag was refused with 412 or 409, the same content was then sent
/// by the same writer with another tag and accepted, and nothing shows that there was nothing to lose: it is *not* named if
/// the version that was overwritten is the writer's own, if two reads around show the same content or what was sent, or if the retry has
/// other content (a merge). Without a condition, or with a star, it is the same: then it was forced. For PATCH, whose content is the change alone, it is *possible*. For DELETE it is *likely* only
/// if no read came between.
pub(in crate::explain) fn blind_retry(story: &Story<'_>, at: usize) -> Option<Cause> {
    let exchange = &story.exchanges[at];
    if !exchange.succeeded() || !exchange.is_write() {
        return None;
    }
    let fix = "your change applied to what a fresh read shows, then that content with the tag of that read";
    if exchange.audited.as_ref().is_some_and(|audited| audited.blind_retry) {
        return audited_retry(story, at, fix);
    }
    let tags: &[String] = match &story.sent[at] {
        Sent::Tags(tags) => tags,
        // Forced through.
        Sent::Nothing | Sent::Star => &[],
        _ => return None,
    };
    let content = exchange.content?;
    let refused = story.before(at).find(|&index| {
        let x = &story.exchanges[index];
        x.method == exchange.method
            && matches!(x.status(), Some(409 | 412))
            && story.is_own(index, at)
            && x.content.is_some_and(|other| other.says_what(&content))
            && matches!(&story.sent[index], Sent::Tags(old) if old != tags && is_another_version(old, tags))
            && Failed::new(story, index).is_stale()
    })?;
    let forced = tags.is_empty();
    let now = story.version_then(refused).map(|(now, _)| now);
    if now.as_ref().is_some_and(|now| story.named(refused).iter().any(|tag| opaque(tag) == opaque(now))) {
        return None;
    }
    // The version that was overwritten, if it was our own, was nobody else's loss.
    let is_own = story.before(at).any(|index| {
        let x = &story.exchanges[index];
        let is_it =
            story.supplied(index, at) || forced && now.is_some() && story.received(index, refused) == now;
        x.is_write() && x.succeeded() && story.is_own(index, at) && is_it
    });
    let seen = || {
        let last =
            story.between(refused, at).filter(|&index| story.exchanges[index].method == "GET").last()?;
        story.exchanges[last].got()?.content
    };
    let read = |of: usize, before: usize| {
        let found =
            story.before(before).find(|&index| story.exchanges[index].is_read() && story.supplied(index, of));
        found.and_then(|index| story.exchanges[index].got()?.content)
    };
    let nothing_lost = read(refused, refused)
        .zip(read(at, at).or_else(seen))
        .is_some_and(|(base, now)| base.says_what(&now));
    let was_there = read(at, at).or_else(seen).is_some_and(|now| now.says_what(&content));
    if is_own || nothing_lost || was_there {
        return None;
    }
    let looked = story.between(refused, at).any(|index| story.exchanges[index].is_read());
    let (with, end) = match &story.sent[at] {
        Sent::Star => ("If-Match: *".to_owned(), "for nothing was asked that could be false"),
        Sent::Nothing => ("no condition".to_owned(), "for nothing was asked that could be false"),
        _ => (tags.join(", "), "though every condition was true"),
    };
    let why = format!(
        "{} was refused with If-Match: {}. {} sends the same content again with {with} and goes through: whatever had been \
         written between is overwritten, {end}.",
        story.name(refused),
        story.named(refused).join(", "),
        story.name(at),
    );
    let cause = match exchange.method.as_str() {
        "PUT" => {
            Cause::likely("X16", why).settle("the content between: did it hold a change that is gone now?")
        }
        "DELETE" if !looked => {
            Cause::likely("X16", why).settle("whether somebody saw the newer version before deleting it")
        }
        "PATCH" => Cause::possible("X16", why)
            .settle("whether the other write changed the same members as this patch"),
        _ => return None,
    };
    let who = "You, over another writer's version.";
    Some(cause.who(who).instead(fix).shown_by(story, &[refused, at]))
}

/// Whether two lists of tags name different versions, and not one in two spellings.
fn is_another_version(old: &[String], new: &[String]) -> bool {
    !old.iter().any(|old| new.iter().any(|new| opaque(old) == opaque(new)))
}

/// What the audit says of a write that overwrote what its writer had not seen: *certain* X01 if it had no condition, else
/// *possible* X17, since then the condition was not looked at.
pub(in crate::explain) fn of_loss(story: &Story<'_>, at: usize) -> Vec<Cause> {
    let exchange = &story.exchanges[at];
    let audited = exchange.audited.as_ref();
    let victim = audited.and_then(|audited| audited.previous.as_ref()).map(|(who, when)| {
        let when = when.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        format!("It overwrote what {} had written{when}.", who.name)
    });
    let read = audited.and_then(|audited| audited.last_read.as_ref());
    let read = read.map(|tag| format!(" Its writer had last read {tag}.")).unwrap_or_default();
    let victim = victim.unwrap_or_default();
    let cause = if matches!(story.sent[at], Sent::Nothing | Sent::Empty | Sent::Star) {
        let why = format!("The {} named no version and was let through.{read} {victim}", exchange.method);
        Cause::certain("X01", why.trim_end())
            .instead("If-Match with the tag of the content that was changed; mode = \"enforce\" asks for it")
    } else {
        let why = format!("It was let through although it was made from another version.{read} {victim}");
        Cause::possible("X17", why.trim_end()).settle("the mode and `evaluate` of the route")
    };
    vec![cause.shown_by(story, &[at])]
}

/// X16, as the audit tells it. Not if the version that was overwritten is the writer's own.
fn audited_retry(story: &Story<'_>, at: usize, fix: &str) -> Option<Cause> {
    let exchange = &story.exchanges[at];
    let previous = exchange.audited.as_ref().and_then(|audited| audited.previous.as_ref());
    let is_own = previous.zip(exchange.writer.as_ref()).is_some_and(|((who, _), me)| who.id == me.id);
    let refused = story.before(at).find(|&index| {
        let x = &story.exchanges[index];
        story.is_own(index, at)
            && matches!(x.status(), Some(409 | 412))
            && x.content.zip(exchange.content).is_some_and(|(one, other)| one.says_what(&other))
    });
    let first = refused.map_or("It had been refused".to_owned(), |index| {
        format!("It had been refused in {}", story.name(index))
    });
    let gone = previous.map_or("What others had written is gone.".to_owned(), |(who, when)| {
        let when = when.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        format!("What {} had written{when} is gone.", who.name)
    });
    let why = format!(
        "{first}, and came again with the same content under another tag, without a read between. {gone}"
    );
    let shown: Vec<_> = refused.into_iter().chain([at]).collect();
    let who = exchange.writer.as_ref().map_or("The client.".to_owned(), |writer| format!("{}.", writer.name));
    (!is_own).then(|| Cause::certain("X16", why).who(who).instead(fix).shown_by(story, &shown))
}

/// X14 for a write that went through: *likely* if it was accepted for a date, and before it, with the same Last-Modified,
/// answers for that resource show two different tags or contents, so that the date did not tell which was meant. *Certain* if
/// a write lies between these, since then they are two states and not two representations of one.
pub(in crate::explain) fn coarse_date(story: &Story<'_>, at: usize) -> Option<Cause> {
    let exchange = &story.exchanges[at];
    let Sent::Date(date) = &story.sent[at] else { return None };
    if !exchange.succeeded() || !exchange.is_write() {
        return None;
    }
    let states = story.before(at).filter(|&index| story.supplied(index, at));
    let mut states = states.filter_map(|index| {
        let got = story.exchanges[index].got()?;
        let content =
            got.content.filter(|_| story.exchanges[index].method == "GET").map(|content| content.meaning);
        Some((index, got.fields.text("etag"), content))
    });
    let (last, tag, content) = states.next()?;
    let other = states.find(|(_, tag_there, content_there)| {
        let tags_differ = tag.is_some() && tag_there.is_some() && tag != *tag_there;
        tags_differ || content.is_some() && content_there.is_some() && content != *content_there
    });
    let (other, ..) = other?;
    let why = format!(
        "It went through with If-Unmodified-Since: {date}. {} and {} show two different states with that same \
         Last-Modified, so the date does not say which one was changed.",
        story.name(other),
        story.name(last)
    );
    let fix = "If-Match with the ETag; a date is whole seconds, and two changes fit into one";
    let wrote = story.between(other, last).chain([last]).any(|index| {
        let x = &story.exchanges[index];
        x.is_write() && x.succeeded()
    });
    let cause = if wrote {
        Cause::certain("X14", why)
    } else {
        Cause::likely("X14", why)
            .settle("whether both reads asked for the same representation (language, coding)")
    };
    Some(cause.instead(fix).shown_by(story, &[other, last, at]))
}

/// X17 for a write that went through: *possible* if it was accepted with a tag that an own write had replaced before, by
/// its answer with another tag; the field was dropped on the way, or the server does not look at it.
pub(in crate::explain) fn ignored_condition(story: &Story<'_>, at: usize) -> Option<Cause> {
    let exchange = &story.exchanges[at];
    let Sent::Tags(tags) = &story.sent[at] else { return None };
    if !exchange.succeeded() || !exchange.is_write() || tags.len() != 1 {
        return None;
    }
    let write = story.before(at).find(|&index| {
        let x = &story.exchanges[index];
        x.is_write() && x.succeeded()
    })?;
    let newer = story.received(write, at).filter(|newer| !tags.contains(newer))?;
    let used_before =
        story.sent[write] == story.sent[at] || story.before(write).any(|index| story.supplied(index, at));
    let received_again = story.between(write, at).any(|index| story.supplied(index, at));
    let known_done = story.ended_before(write, at) != Some(false);
    if !used_before || received_again || !known_done {
        return None;
    }
    let why = format!(
        "It went through with If-Match: {}, though {} had moved the resource to {newer}. Unless somebody moved it back, \
         nobody looked at the condition.",
        tags.join(", "),
        story.name(write)
    );
    Some(
        Cause::possible("X17", why)
            .who("A proxy that drops If-Match, or a server that ignores it.")
            .instead(
                "nothing that helps, until the server looks at If-Match; `ifmatch serve --upstream` does",
            )
            .settle("`ifmatch race URL`, once straight to the server and once through the proxy")
            .shown_by(story, &[write, at]),
    )
}
