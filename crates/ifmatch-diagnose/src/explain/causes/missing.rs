//! Conditions that are not there: never sent, not readable, the wrong one, or lost on the way.

use super::super::evidence::UNKNOWN_METHOD;
use super::{Cause, Failed, request};
use crate::explain::evidence::{Answer, Exchange};
use crate::explain::fields::origin;
use crate::explain::said::Meaning;
use crate::explain::story::{Sent, Story};

/// X01, missing.
///
/// *Certain* if it is known what was sent, that holds no condition that names a version, and the answer is 428, or says
/// in words that a condition is missing; also if the body alone says that the server saw none and nothing shows what was
/// sent. For `If-Match: *` if the answer is 428. A request that was not sent yet is judged by itself. *Possible* if the
/// answer is 412 all the same. Not if a well-formed condition was sent (X17), if it is If-None-Match with tags (X09), or
/// if the tag could not be read (X07).
pub(super) fn x01(failed: &Failed<'_>) -> Option<Cause> {
    let Failed { exchange, sent, meaning, .. } = failed;
    if x07(failed).is_some() {
        return None;
    }
    let needs = exchange.status() == Some(428) || matches!(meaning, Some(Meaning::Missing | Meaning::Star));
    let method = &exchange.method;
    match sent {
        Sent::Star if needs || failed.is_judged_alone() => Some(
            Cause::certain(
                "X01",
                "You sent If-Match: *, which says \"overwrite whatever is there\". It names no version, so it protects \
                 nobody's change.",
            )
            .instead(instead(failed)),
        ),
        Sent::Empty if needs || failed.is_judged_alone() => Some(
            Cause::certain(
                "X01",
                "If-Match is there but empty: whatever was to fill it in had no tag. An empty field counts as none.",
            )
            .instead(instead(failed)),
        ),
        Sent::Nothing if failed.is_judged_alone() && exchange.is_write() && method != "POST" => Some(
            Cause::certain(
                "X01",
                format!(
                    "The {method} has no If-Match. A server that requires one answers 428; any other overwrites \
                     whatever is there, seen or not."
                ),
            )
            .instead(instead(failed)),
        ),
        Sent::Nothing if needs => {
            let source = last_read(failed);
            let (read, entries) = match source {
                Some((index, Some(ref tag))) => {
                    (format!(" {} had answered with ETag {tag}.", failed.story.name(index)), vec![index, failed.at])
                }
                Some((index, None)) => (
                    format!(
                        " The answer of {} had no ETag, so there was nothing to send: the server, or a proxy before \
                         it, hands out none there.",
                        failed.story.name(index)
                    ),
                    vec![index, failed.at],
                ),
                None => (String::new(), vec![failed.at]),
            };
            let why = format!("The {method} says nothing about the version it was made from.{read}");
            let cause = Cause::certain("X01", why).instead(instead(failed)).shown_by(failed.story, &entries);
            Some(match source {
                Some((index, Some(_))) => cause.keep(failed.story, index),
                _ => cause,
            })
        }
        Sent::Unknown if needs => Some(
            Cause::certain(
                "X01",
                "The server saw no condition that says which version the write was made from.",
            )
            .instead(instead(failed))
            .settle("whether it was sent and lost on the way (X17): look at the request itself"),
        ),
        Sent::Nothing if exchange.status() == Some(412) => Some(
            Cause::possible(
                "X01",
                format!("The {method} carries no condition, and yet a condition was false."),
            )
            .settle("the body of the answer, or what stands between the client and the server"),
        ),
        _ => None,
    }
}

/// X01 for a write that went through: *certain*, since it is only said that it has no condition.
pub(in crate::explain) fn open_write(story: &Story<'_>, at: usize) -> Cause {
    let failed = Failed::new(story, at);
    let what = match failed.sent {
        Sent::Star => "has If-Match: *, which names no version",
        _ => "says nothing about the version it was made from",
    };
    let risk = match failed.exchange.status() {
        Some(201) => "Nothing was there this time; the next time it overwrites what is, seen or not.",
        _ => "Whatever was there is overwritten, seen or not.",
    };
    let why = format!("The {} {what}, and went through. {risk}", failed.exchange.method);
    Cause::certain("X01", why).instead(instead(&failed)).shown_by(story, &[at])
}

fn instead(failed: &Failed<'_>) -> String {
    let url = &failed.exchange.url;
    let method = match failed.exchange.method.as_str() {
        UNKNOWN_METHOD => "write",
        method => method,
    };
    match last_read(failed) {
        Some((_, Some(tag))) => format!("{method} with If-Match: {tag}, the tag of the content you changed"),
        _ if url.is_empty() => {
            format!("GET it, keep its ETag, apply your change to what you read, {method} with If-Match")
        }
        _ => format!(
            "GET {url}, keep its ETag, apply your change to what you read, then {method} with If-Match: that tag"
        ),
    }
}

/// The last read of the resource that succeeded, and its tag.
fn last_read(failed: &Failed<'_>) -> Option<(usize, Option<String>)> {
    let story = failed.story;
    let is_one = |index: &usize| {
        let exchange = &story.exchanges[*index];
        exchange.is_read() && (exchange.succeeded() || exchange.status() == Some(304))
    };
    let index = story.before(failed.at).find(is_one)?;
    Some((index, story.exchanges[index].got().and_then(|got| got.fields.text("etag"))))
}

/// X07, tag unreadable.
///
/// *Likely* if no tag was sent, or a program's word for nothing (`null`), and the last answer for the resource that had an
/// ETag went to a page of another origin without `Access-Control-Expose-Headers: ETag` (`*` counts unless credentials
/// were asked for, which a recording does not always tell). Not if the answer exposed it, went to a page of the same
/// origin, or had no ETag; and not if the refusal does not say that the condition is missing or malformed.
pub(super) fn x07(failed: &Failed<'_>) -> Option<Cause> {
    let missing = match failed.sent {
        Sent::Nothing | Sent::Empty => {
            failed.exchange.status() == Some(428) || failed.meaning == Some(Meaning::Missing)
        }
        Sent::Malformed("If-Match", value) => super::tags::is_nothing(value),
        _ => false,
    };
    if !missing {
        return None;
    }
    let story = failed.story;
    let has_tag = |index: &usize| {
        story.exchanges[*index].got().is_some_and(|got| got.fields.has("etag") && got.status < 400)
    };
    let read = story.before(failed.at).find(has_tag)?;
    let page = foreign_page(&story.exchanges[read])?;
    let got = story.exchanges[read].got()?;
    // With credentials the star is a name and not all names.
    let with_credentials = got.fields.lists("access-control-allow-credentials", "true");
    let exposes = got.fields.lists("access-control-expose-headers", "etag")
        || got.fields.lists("access-control-expose-headers", "*") && !with_credentials;
    if exposes {
        return None;
    }
    let tag = got.fields.text("etag").unwrap_or_default();
    let name = story.name(read);
    Some(
        Cause::likely(
            "X07",
            format!(
                "{name} was answered with ETag {tag}, but the page on {page} is of another origin and the answer does not \
                 expose the field: a script there reads null."
            ),
        )
        .instead("Access-Control-Expose-Headers: ETag in the server's answers to that page")
        .settle("the page's code: does it read the ETag of the answer?")
        .shown_by(story, &[read, failed.at])
        .keep(story, read),
    )
}

/// The origin of the page that sent a request, if it is another one than the server's.
fn foreign_page(exchange: &Exchange) -> Option<String> {
    let sent = exchange.sent.as_ref()?;
    let server = origin(&exchange.key);
    let said = sent.text("origin").filter(|page| page != "null").or_else(|| sent.text("referer"));
    let page = said.and_then(|page| origin(&page));
    let is_cors = sent.lists("sec-fetch-mode", "cors");
    let is_foreign = sent.lists("sec-fetch-site", "cross-site") || sent.lists("sec-fetch-site", "same-site");
    match page {
        Some(page) if Some(&page) != server.as_ref() => Some(page),
        Some(_) => None,
        None => (is_cors && is_foreign).then(|| "another origin".to_owned()),
    }
}

/// X07 for a page that may not even send the tag: *certain* if the write was never answered, and an OPTIONS request for the
/// same resource right before asked to send If-Match and was not allowed to.
pub(in crate::explain) fn preflight_refused(story: &Story<'_>, at: usize) -> Option<Cause> {
    let exchange = &story.exchanges[at];
    if !matches!(exchange.answer, Answer::Lost(_)) || !exchange.is_write() {
        return None;
    }
    let near =
        story.before(at).chain(story.after(at)).find(|&index| story.exchanges[index].method == "OPTIONS")?;
    let preflight = &story.exchanges[near];
    let asked = preflight.sent.as_ref()?.lists("access-control-request-headers", "if-match");
    let got = preflight.got()?;
    let allows = got.fields.lists("access-control-allow-headers", "if-match")
        || got.fields.lists("access-control-allow-headers", "*");
    (asked && !allows).then(|| {
        Cause::certain(
            "X07",
            format!(
                "The browser asked in {} whether the page may send If-Match, and the server did not allow it, so the {} \
                 was never sent.",
                story.name(near),
                exchange.method
            ),
        )
        .instead("Access-Control-Allow-Headers: If-Match in the server's answer to OPTIONS")
        .shown_by(story, &[near, at])
    })
}

/// X09, If-None-Match where If-Match was meant.
///
/// *Certain* if a write that is not a POST carries If-None-Match with tags and no If-Match, and was refused, or is judged
/// by itself: the condition is false exactly when the tag is the current one. *Likely* for `If-None-Match: *` that was
/// refused if the resource had been read before with success, so that it was known to exist. Not for a first creation.
pub(super) fn x09(failed: &Failed<'_>) -> Option<Cause> {
    let Failed { story, exchange, sent, .. } = failed;
    if !exchange.is_write() {
        return None;
    }
    match sent {
        Sent::Unless(tags) => {
            let tag = tags.join(", ");
            Some(
                Cause::certain(
                    "X09",
                    format!(
                        "You sent If-None-Match: {tag}, which means \"only if it is not at that version\". For a change \
                         it has to be If-Match."
                    ),
                )
                .instead(format!("If-Match: {tag}"))
                .shown_by(story, &[failed.at]),
            )
        }
        Sent::Create if failed.meaning == Some(Meaning::Missing) => {
            let is_ours = exchange.got().is_some_and(|got| got.said.is_ours);
            let why = "You sent If-None-Match: *, which means \"only if nothing is there\"; the server wants If-Match.";
            let cause = Cause::likely("X09", why)
                .settle("whether the write was meant to create something, or to change it")
                .instead("If-Match with the tag of a read, to change something")
                .shown_by(story, &[failed.at]);
            (!is_ours).then_some(cause)
        }
        Sent::Create if failed.is_stale() || exchange.status() == Some(412) => {
            let read = story.before(failed.at).find(|&index| {
                let x = &story.exchanges[index];
                x.is_read() && x.succeeded()
            })?;
            let gone = story.between(read, failed.at).any(|index| story.exchanges[index].method == "DELETE");
            (!gone).then(|| {
                let tag = story.received(read, failed.at);
                let cause = Cause::likely(
                    "X09",
                    format!(
                        "You sent If-None-Match: *, which means \"only if nothing is there\"; {} had read it, so it was \
                         there. For a change it has to be If-Match.",
                        story.name(read)
                    ),
                )
                .settle("whether the write was meant to create something, or to change it")
                .shown_by(story, &[read, failed.at])
                .keep(story, read);
                match tag {
                    Some(tag) => cause.instead(format!("If-Match: {tag}")),
                    None => cause,
                }
            })
        }
        _ => None,
    }
}

/// X17, a proxy dropped the header.
///
/// *Certain* if the evidence shows that a well-formed condition with a version was sent, and the refusal says that none
/// came (our code `precondition_required`, or words that name the field). *Likely* if it is a 428 whose body says nothing,
/// or words that do not name it, since a server may want something else besides. Not for `If-Match: *`, an empty or malformed field, a date (X14), or
/// If-None-Match with tags (X09).
pub(super) fn x17(failed: &Failed<'_>) -> Option<Cause> {
    let (field, value) = match failed.sent {
        Sent::Tags(tags) => ("If-Match", tags.join(", ")),
        // "If-Match is required" is said where creating was the wrong thing to ask for (X09).
        Sent::Create if failed.exchange.got().is_some_and(|got| got.said.is_ours) => {
            ("If-None-Match", "*".to_owned())
        }
        _ => return None,
    };
    let said = failed.exchange.got().map(|got| &got.said);
    let says_missing = failed.meaning == Some(Meaning::Missing);
    // A member of the content may be called etag as well.
    let names_field = said.is_some_and(|said| {
        let message = said.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        said.is_ours || message.contains(&field.to_ascii_lowercase())
    });
    let is_ours = said.is_some_and(|said| said.is_ours);
    let silent = failed.meaning.is_none() && failed.exchange.status() == Some(428) && !is_ours;
    if !(says_missing || silent) {
        return None;
    }
    let via =
        failed.exchange.got().and_then(|got| got.fields.text("via").or_else(|| got.fields.text("server")));
    let via = via.map(|via| format!(" The answer came by way of {via}.")).unwrap_or_default();
    let why = format!(
        "{} was sent with {field}: {value}, and the server answers {}. Something between dropped it.{via}",
        request(failed.exchange),
        if says_missing { "that it saw none" } else { "as if it had seen none" }
    );
    let is_sure = says_missing && names_field;
    let cause = if is_sure { Cause::certain("X17", why) } else { Cause::likely("X17", why) };
    let cause = cause
        .who("Not the client: a proxy, a gateway or a framework before the server.")
        .instead("the same request straight to the server; then let the proxy pass the field on")
        .shown_by(failed.story, &[failed.at]);
    Some(if is_sure { cause } else { cause.settle("the same request sent straight to the server") })
}
