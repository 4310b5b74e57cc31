//! Tags that cannot match: malformed, weak, of something else.

use super::{Cause, Failed};
use crate::explain::said::Meaning;
use crate::explain::story::{Sent, is_weak, opaque};
use ifmatch_core::TagProblem;

/// Whether a value is a program's word for nothing.
pub(super) fn is_nothing(value: &str) -> bool {
    const NOTHINGS: [&str; 7] = ["undefined", "null", "none", "nil", "nan", "false", "[object object]"];
    let bare = value.trim().trim_start_matches("W/").trim_matches(['"', '\'']);
    NOTHINGS.contains(&bare.to_ascii_lowercase().as_str())
}

/// X08, literal `undefined`.
///
/// *Certain* if the whole value of If-Match or If-None-Match is a program's word for nothing without quotes. *Likely* with
/// quotes (`"undefined"`), unless the server itself has handed out that very tag, or it was accepted.
pub(super) fn x08(failed: &Failed<'_>) -> Option<Cause> {
    let story = failed.story;
    match failed.sent {
        Sent::Malformed(field, value) if is_nothing(value) => Some(
            Cause::certain(
                "X08",
                format!(
                    "You sent {field}: {value}. That is a program's word for nothing: the client had no tag when it made \
                     the request."
                ),
            )
            .instead("nothing, until the client has a tag: read first, stop if the answer has no ETag")
            .shown_by(story, &[failed.at]),
        ),
        Sent::Tags(tags) if tags.len() == 1 && is_nothing(&tags[0]) => {
            let issued = story.before(failed.at).any(|index| story.supplied(index, failed.at));
            (!issued).then(|| {
                Cause::likely(
                    "X08",
                    format!("You sent If-Match: {}, a program's word for nothing with quotes around it.", tags[0]),
                )
                .instead("nothing, until the client has a tag: read first, stop if the answer has no ETag")
                .settle("whether the server ever handed out that tag")
                .shown_by(story, &[failed.at])
            })
        }
        _ => None,
    }
}

/// X04, unquoted or escaped.
///
/// *Certain* if the value is no list of entity-tags and no word for nothing (X08), and the request was refused or is judged
/// by itself. Not if the server itself hands out exactly that text as its ETag: then it is the server's tag that is
/// malformed, and such servers compare it as it is.
pub(super) fn x04(failed: &Failed<'_>) -> Option<Cause> {
    let story = failed.story;
    let meant_by_server = failed.exchange.got().and_then(|got| got.said.meant.clone());
    if let (Sent::Unknown, Some(Meaning::Malformed)) = (failed.sent, failed.meaning) {
        let cause = Cause::likely("X04", "The server could not read the condition as entity-tags.")
            .settle("the field as it was sent, with every character");
        return Some(match meant_by_server {
            Some(meant) => cause.instead(meant),
            None => cause,
        });
    }
    if is_servers_malformed(failed) {
        return Some(of_server(failed));
    }
    let Sent::Malformed(field, value) = failed.sent else { return None };
    if is_nothing(value) || story.before(failed.at).any(|index| story.supplied(index, failed.at)) {
        return None;
    }
    let (problem, meant) = TagProblem::of(value);
    let source = meant.as_ref().and_then(|meant| {
        story.before(failed.at).find(|&index| story.received(index, failed.at).as_ref() == Some(meant))
    });
    let (given, keep) = match (source, &meant) {
        (Some(index), Some(meant)) => {
            (format!(" {} had been answered with ETag {meant}.", story.name(index)), Some(index))
        }
        _ => (String::new(), None),
    };
    let why = format!("You sent {field}: {value}. It {}.{given}", problem.explanation());
    let mut cause = Cause::certain("X04", why).shown_by(story, &[failed.at]);
    cause.instead = meant_by_server.or_else(|| {
        let field = if problem == TagProblem::DateInEtag { "If-Unmodified-Since" } else { field };
        meant.map(|meant| format!("{field}: {meant}"))
    });
    if cause.instead.is_none() {
        cause.instead = Some(format!("{field} with the ETag exactly as it came, quotes included"));
    }
    Some(match keep {
        Some(index) => cause.keep(story, index),
        None => cause,
    })
}

/// Whether the server handed out as its ETag what is none, refused exactly that, and does not show that it compares such
/// tags with each other.
pub(super) fn is_servers_malformed(failed: &Failed<'_>) -> bool {
    let Sent::Malformed(_, value) = failed.sent else { return false };
    let story = failed.story;
    let now = story.version_then(failed.at).map(|(now, _)| now);
    let is_other = now.is_some_and(|now| now != *value);
    story.before(failed.at).any(|index| story.supplied(index, failed.at))
        && (!is_other || failed.meaning == Some(Meaning::Malformed))
}

fn of_server(failed: &Failed<'_>) -> Cause {
    let story = failed.story;
    let value = story.named(failed.at).join(", ");
    let source = story.source_of(failed.at);
    let why = format!(
        "The server handed out ETag: {value}, which is no entity-tag, since it has no quotes; what it compares with it cannot \
         be told."
    );
    let shown: Vec<_> = source.into_iter().chain([failed.at]).collect();
    Cause::likely("X04", why)
        .who("The server: its tag is malformed.")
        .instead(format!("nothing that is sure to work, until the server writes ETag: \"{value}\""))
        .settle(format!("the same request with If-Match: \"{value}\""))
        .shown_by(story, &shown)
}

/// What proxies put behind a tag when they compress.
const SUFFIXES: [&str; 8] = ["--gzip", "-gzip", ";gzip", "-br", ";br", "-df", "-zstd", ":gzip"];

/// A tag's opaque part without a coding's suffix, if it has one.
fn without_suffix(opaque: &str) -> Option<&str> {
    SUFFIXES.iter().find_map(|suffix| opaque.strip_suffix(suffix))
}

/// X05, a weak tag, or one with a coding's suffix.
///
/// *Certain* if all tags in If-Match are weak and the request was refused as stale, or is judged by itself; if the
/// server's current tag is the weak form of the one that was sent; or if the two differ by a coding's suffix (`-gzip`)
/// only. *Likely* if a tag with such a suffix was sent and the current tag is not known. Not if a strong tag is among
/// them that differs from the current one in any other way.
pub(super) fn x05(failed: &Failed<'_>) -> Option<Cause> {
    let story = failed.story;
    if failed.meaning == Some(Meaning::Weak) && !matches!(failed.sent, Sent::Tags(_)) {
        return Some(Cause::certain(
            "X05",
            "The server says that the tag was weak; If-Match never matches weak tags.",
        ));
    }
    let Sent::Tags(tags) = failed.sent else { return None };
    if !(failed.is_stale() || failed.is_judged_alone()) {
        return None;
    }
    let source = story.source_of(failed.at);
    let coding = source.and_then(|index| story.exchanges[index].got()?.fields.text("content-encoding"));
    let from = source.map(|index| {
        let coding = coding.as_ref().map(|coding| format!(", compressed with {coding}")).unwrap_or_default();
        format!(" It came with {}{coding}.", story.name(index))
    });
    let from = from.unwrap_or_default();
    let shown: Vec<_> = source.into_iter().chain([failed.at]).collect();
    let fix = "a read without Accept-Encoding, until the server or proxy leaves the tag strong";
    if failed.is_own_tag_refused() {
        let why = format!(
            "You sent If-Match: {}, and as far as the recording shows the server was at exactly that: it refuses its own \
             current tag. A weak tag, one per coding or language, or a proxy that rewrites tags would do that.{from}",
            tags.join(", ")
        );
        return Some(
            Cause::possible("X05", why)
                .settle("`ifmatch inspect URL`, and the same request straight to the server")
                .shown_by(story, &shown),
        );
    }
    if tags.iter().all(|tag| is_weak(tag)) {
        if failed.are_weak_tags_taken() && failed.meaning != Some(Meaning::Weak) {
            return None;
        }
        let why = format!(
            "You sent If-Match: {}. W/ marks a weak tag, and If-Match compares strongly: a weak tag never matches, not \
             even itself.{from}",
            tags.join(", ")
        );
        return Some(Cause::certain("X05", why).instead(fix).shown_by(story, &shown));
    }
    let (now, _) = match story.version_then(failed.at) {
        Some((now, entry)) => (Some(now), entry),
        None => (None, None),
    };
    let tag = tags.first()?;
    if let Some(now) = &now {
        if is_weak(now) && opaque(now) == opaque(tag) {
            let why = format!(
                "You sent If-Match: {tag}; the server's own tag is {now}, which is weak. No If-Match can match it.{from}"
            );
            return Some(
                Cause::certain("X05", why)
                    .instead("nothing that works, until the server's tag is strong")
                    .shown_by(story, &shown),
            );
        }
        let same = without_suffix(opaque(tag)) == Some(opaque(now))
            || without_suffix(opaque(now)) == Some(opaque(tag));
        if same {
            let why = format!(
                "You sent If-Match: {tag}; the server's tag is {now}. They differ by what compression added.{from}"
            );
            return Some(Cause::certain("X05", why).instead(fix).shown_by(story, &shown));
        }
        return None;
    }
    let as_weak = story.before(failed.at).find(|&index| {
        let received = story.received(index, failed.at);
        received.is_some_and(|there| is_weak(&there) && opaque(&there) == opaque(tag))
    });
    if let Some(index) = as_weak.filter(|_| source.is_none() && !is_weak(tag) && !failed.is_judged_alone()) {
        let why = format!(
            "You sent If-Match: {tag}; {} had been answered with W/{tag}, which is weak. Without its mark it is another \
             tag, and with it no If-Match can match it.",
            story.name(index)
        );
        return Some(
            Cause::likely("X05", why)
                .instead("nothing that works, until the server's tag is strong")
                .settle("the ETag of a fresh read")
                .shown_by(story, &[index, failed.at]),
        );
    }
    let bare = without_suffix(opaque(tag)).filter(|_| tags.len() == 1 && !failed.is_judged_alone())?;
    let why = format!(
        "You sent If-Match: {tag}. Its end looks like what a proxy adds when it compresses \"{bare}\".{from}"
    );
    Some(
        Cause::likely("X05", why)
            .instead(fix)
            .settle("the tag of the same read without Accept-Encoding")
            .shown_by(story, &shown),
    )
}

/// X06, the tag of another resource.
///
/// *Certain* if the refusal says so (`wrong_resource`). *Likely* if the tag was received from another resource and never
/// from this one, and is long enough not to be met by chance. *Possible* if it is short, or if the other differs in its
/// query only. Not if this resource has handed out the same tag, or if a write of ours made it.
pub(super) fn x06(failed: &Failed<'_>) -> Option<Cause> {
    let story = failed.story;
    let says_so = failed.meaning == Some(Meaning::WrongResource);
    let Sent::Tags(tags) = failed.sent else {
        return says_so
            .then(|| Cause::certain("X06", "The server says that it issued the tag for another resource."));
    };
    if !(says_so || failed.is_stale()) {
        return None;
    }
    let tag = tags.first()?;
    let own =
        story.before(failed.at).chain(story.after(failed.at)).any(|index| story.supplied(index, failed.at));
    let is_taken = story.before(failed.at).any(|index| {
        let x = &story.exchanges[index];
        x.is_write() && x.succeeded() && story.sent[index] == *failed.sent
    });
    let other = story.all_before(failed.at).find(|&index| {
        let tag_there = story.exchanges[index].got().and_then(|got| got.fields.text("etag"));
        !story.is_same_resource(index, failed.at)
            && tag_there.as_ref().is_some_and(|there| tags.contains(there))
    });
    if own || is_taken || other.is_none() && !says_so {
        return None;
    }
    let url = &failed.exchange.url;
    let fix = format!(
        "the tag of {} itself: GET it and keep that ETag",
        if url.is_empty() { "the resource" } else { url }
    );
    let Some(other) = other else {
        let why = format!(
            "You sent If-Match: {tag}. The server says that it issued this tag for another resource."
        );
        return Some(Cause::certain("X06", why).instead(fix).shown_by(story, &[failed.at]));
    };
    let there = &story.exchanges[other].url;
    let also = if says_so { ", as the server says too" } else { "" };
    let name = story.name(other);
    let why = format!(
        "You sent If-Match: {tag}. That is the tag of {there} ({name}); this one never had it{also}."
    );
    let path = |url: &str| url.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
    let is_read_here = story
        .before(failed.at)
        .any(|index| story.exchanges[index].is_read() && story.received(index, failed.at).is_some());
    let cause = if says_so || is_read_here && path(there) != path(url) {
        Cause::certain("X06", why)
    } else if opaque(tag).len() >= TAG_BYTES_TELLING && path(there) != path(url) {
        Cause::likely("X06", why).settle("a GET of the resource itself: does it carry another tag?")
    } else {
        Cause::possible("X06", why).settle("a GET of the resource itself before the write")
    };
    Some(cause.instead(fix).shown_by(story, &[other, failed.at]))
}

/// A shorter tag may be the same in two resources by chance: `"7"`.
const TAG_BYTES_TELLING: usize = 5;
