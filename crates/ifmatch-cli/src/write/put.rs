//! `ifmatch put`.

use super::args::Put;
use super::body::{self, Body, JSON, Whole};
use super::end::{self, End};
use super::items::{self, Item};
use super::meanwhile;
use super::memory::Seen;
use super::session::Session;
use super::three::{Three, three};
use super::unsaid;
use super::{Globals, confirm, note, show, tag};
use crate::exit::{Ended, Exit, Failure};
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use ifmatch_client::{Applied, Error, IfMatch, Outcome, Reading, Refusal, TRIES_MAX, Version, Write};
use ifmatch_core::merge::Merge;
use serde_json::{Map, Value};

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(crate) fn run(put: &Put, globals: Globals) -> Ended {
    let mut session = Session::open(&put.url, &put.access, globals)?;
    let end = match body::body(&put.content)? {
        Body::Items(items) => members(&mut session, put, &items)?,
        Body::Whole(whole) => self::whole(&mut session, put, &whole)?,
    };
    end.finish(&session)
}

/// Reads, changes members, writes; again if somebody else was faster.
fn members(session: &mut Session, put: &Put, items: &[Item]) -> Result<End, Failure> {
    if put.condition.overwrite.is_some() || put.base.is_some() || put.merge {
        return Err(Failure::from(
            "members are changed in what is there: --overwrite, --base and --merge are for a whole content (@FILE). \
             Nothing was sent."
                .to_owned(),
        ));
    }
    if put.create {
        let mut value = Value::Object(Map::new());
        items::apply(&mut value, items).map_err(|error| format!("{error}. Nothing was sent."))?;
        return send(session, IfMatch::Absent, &JSON, value.to_string().into_bytes(), None);
    }
    let wanted = put.condition.if_match.as_deref().map(tag).transpose()?;
    let changes = meanwhile::of_items(items);
    let mut tries = 0;
    loop {
        tries += 1;
        let reading = match session.read() {
            Ok(reading) => reading,
            Err(error) => return missing(session, &error),
        };
        let version = match &reading.version {
            Ok(version) => version.clone(),
            Err(why) => return Ok(end::no_version(session, "put", why)),
        };
        if let Some(wanted) = wanted.as_ref().filter(|wanted| **wanted != version) {
            return Ok(other_version(session, wanted, &version));
        }
        let before = object(session, &reading)?;
        let meanwhile = meanwhile::refused(session, "put", &reading, &changes).filter(|_| wanted.is_none());
        if let Some(end) = meanwhile {
            return Ok(end);
        }
        let mut after = before.clone();
        items::apply(&mut after, items).map_err(|error| format!("{error}. Nothing was sent."))?;
        if after == before {
            return Ok(unchanged(session, &version));
        }
        let content = show::Layout::of(&reading.answer.content).write(&after);
        let write = write(session, IfMatch::Unchanged(version.clone()), &media_type(&reading), content)?;
        match session.write(&write) {
            Ok(Outcome::Applied(applied)) => {
                session.memory.close(&session.url);
                return Ok(end::saved(session, "put", Some(&version), &applied));
            }
            Ok(Outcome::Refused(refusal)) if refusal.is_stale() && wanted.is_none() && tries < TRIES_MAX => {
                note(session, &format!("412: changed since {version} was read; reading again"));
                session.pause(tries);
            }
            Ok(other) => return Ok(end::not_applied(session, "put", &other).expect("it is not applied")),
            Err(error) => return Ok(end::unreachable(session, "put", &error)),
        }
    }
}

fn other_version(session: &Session, wanted: &Version, there: &Version) -> End {
    End::new(session, "put", "refused", Exit::Refused, Some(false))
        .with("current", there.to_string())
        .say(format!("it is {there}, not {wanted}. Nothing was sent."))
        .next(session.command("get", &[]))
}

fn unchanged(session: &Session, version: &Version) -> End {
    End::new(session, "put", "unchanged", Exit::Fine, Some(false))
        .with("before", version.to_string())
        .say(format!("that is there already, as {version}. Nothing was sent."))
}

fn missing(session: &Session, error: &Error) -> Result<End, Failure> {
    let end = end::failed(session, "put", error)?;
    Ok(match error {
        Error::Refused(refusal) if matches!(refusal.status().as_u16(), 404 | 410) => {
            end.line("There is nothing to change. To write something new, add --create.")
        }
        _ => end,
    })
}

fn object(session: &Session, reading: &Reading) -> Result<Value, Failure> {
    let content = &reading.answer.content;
    let value = ifmatch_core::json::parse(content);
    value.map_err(|error| {
        if content.starts_with(BYTE_ORDER_MARK) {
            return Failure::from(format!(
                "what is at {} begins with a byte order mark, which JSON must not (RFC 8259, Section 8.1), so its members \
                 are not changed. Nothing was sent.\n  Write it whole, without the mark:\n    {}",
                session.shown_url(),
                session.command("get", &["-o", "FILE"]),
            ));
        }
        Failure::from(format!(
            "what is at {} is not JSON, so it has no members: {error}. Nothing was sent.",
            session.shown_url()
        ))
    })
}

fn media_type(reading: &Reading) -> HeaderValue {
    reading.answer.headers.get(CONTENT_TYPE).cloned().unwrap_or(JSON)
}

fn whole(session: &mut Session, put: &Put, whole: &Whole) -> Result<End, Failure> {
    if let Some(base) = &put.base {
        return merging(session, &body::base(base)?, whole);
    }
    let of_file = session.memory.seen_in(&session.asked, whole.file.as_deref());
    let of_url = session.memory.seen(&session.asked);
    let is_said = put.condition.if_match.is_some() || put.condition.overwrite.is_some() || put.create;
    let from = if is_said { None } else { Some(made_from(session, whole, of_file.clone(), of_url.clone())?) };
    let seen = of_file.or(of_url);
    let there = seen.as_ref().map(|seen| seen.media_type.as_str());
    let condition = if let Some(text) = &put.condition.if_match {
        IfMatch::Unchanged(tag(text)?)
    } else if let Some(reason) = &put.condition.overwrite {
        confirm(put.condition.yes, &format!("Overwrite whatever is at {}, unseen?", session.shown_url()))?;
        IfMatch::overwrite(reason)
    } else if let Some(seen) = from {
        if put.merge {
            let Some(base) = seen.content else {
                return Err(Failure::from(unsaid::whole(
                    session,
                    &typed(whole),
                    "its content is not remembered",
                )));
            };
            return merging(session, &base, whole);
        }
        match seen.version {
            Some(version) => IfMatch::Unchanged(version),
            None => {
                return Err(Failure::from(unsaid::whole(
                    session,
                    &typed(whole),
                    "no current version of it is remembered",
                )));
            }
        }
    } else {
        IfMatch::Absent
    };
    send(session, condition, &whole.media_type(there), whole.content.clone(), Some(whole))
}

/// What a content was made from, as far as it is known: the file says it if `get` wrote that very file, and the URL if only
/// one version of it was read.
fn made_from(
    session: &Session,
    whole: &Whole,
    of_file: Option<Seen>,
    of_url: Option<Seen>,
) -> Result<Seen, Failure> {
    let is_of_file = of_file.is_some();
    let Some(seen) = of_file.or(of_url) else {
        return Err(Failure::from(unsaid::whole(session, &typed(whole), "it was not read with ifmatch get")));
    };
    if seen.leads_to.is_some() || seen.why.is_some() {
        return Err(Failure::from(unsaid::unwritable(session, "put", &typed(whole), &seen)));
    }
    if is_of_file {
        return Ok(seen);
    }
    if seen.read.len() > 1 {
        return Err(Failure::from(unsaid::ambiguous(session, &typed(whole), &seen.read)));
    }
    if let Some(version) = &seen.version {
        let how = if seen.is_written { "written" } else { "read" };
        note(session, &format!("made from {version}, {how} {}", seen.age()));
    }
    Ok(seen)
}

fn typed(whole: &Whole) -> Vec<&str> {
    whole.typed.iter().map(String::as_str).collect()
}

/// Sends a whole content once.
fn send(
    session: &mut Session,
    condition: IfMatch,
    media_type: &HeaderValue,
    content: Vec<u8>,
    whole: Option<&Whole>,
) -> Result<End, Failure> {
    let content = Bytes::from(content);
    let before = match &condition {
        IfMatch::Unchanged(version) => Some(version.clone()),
        _ => None,
    };
    let is_create = condition == IfMatch::Absent;
    let write = write(session, condition, media_type, content.clone())?;
    let mut outcome = match session.write(&write) {
        Ok(outcome) => outcome,
        Err(error) => return Ok(end::unreachable(session, "put", &error)),
    };
    match &mut outcome {
        Outcome::Applied(applied) => {
            let is_read_back = read_back(session, applied, &content);
            remember(session, applied, media_type, &content, whole);
            let end = end::saved(session, "put", before.as_ref(), applied);
            Ok(if is_read_back { end.with("read_back", true) } else { end })
        }
        Outcome::Refused(refusal) => Ok(told(session, refusal, before.as_ref(), is_create, whole)),
        Outcome::Unknown(doubt) => Ok(end::unknown(session, "put", doubt)),
    }
}

/// Where the answer named no version: what is there now, if it is what was written, byte for byte. Whoever wrote it, it has
/// been seen, so a write may be made from it.
fn read_back(session: &mut Session, applied: &mut Applied, content: &Bytes) -> bool {
    if applied.version.is_ok() {
        return false;
    }
    // What another URL shows is something else.
    let Ok(reading) = session.read_here() else { return false };
    if reading.answer.content != content || reading.version.is_err() {
        return false;
    }
    applied.version = reading.version;
    true
}

/// Why it was refused, and what to do.
fn told(
    session: &Session,
    refusal: &Refusal,
    before: Option<&Version>,
    is_create: bool,
    whole: Option<&Whole>,
) -> End {
    let end = end::refused(session, "put", refusal);
    if !refusal.is_stale() {
        return end;
    }
    if is_create {
        return end.next(session.command("get", &[]));
    }
    let file = whole.and_then(|whole| whole.file.as_deref());
    let mut can_merge = false;
    if let Some(version) = before {
        // The content is the base of a merge; what cannot be kept is said when it is asked for.
        drop(session.memory.drop_version(&session.asked, file, version));
        let of_file = session.memory.seen_in(&session.asked, file);
        let seen = of_file.or_else(|| session.memory.seen(&session.asked).filter(|seen| seen.read.len() < 2));
        can_merge = seen.is_some_and(|seen| seen.content.is_some() && seen.version.is_none());
    }
    let typed: Vec<_> = whole.iter().flat_map(|whole| whole.typed.iter().map(String::as_str)).collect();
    match can_merge {
        true => end
            .line("Your change can be merged with what others wrote meanwhile, if it fits together:")
            .next(session.command("put", &[&["--merge"], typed.as_slice()].concat())),
        false => end
            .line("Read what is there now, and put your change into that:")
            .next(session.command("get", &["-o", "FILE"])),
    }
}

/// What was written whole is what was seen.
fn remember(
    session: &Session,
    applied: &Applied,
    media_type: &HeaderValue,
    content: &Bytes,
    whole: Option<&Whole>,
) {
    let media_type = media_type.to_str().unwrap_or_default().to_owned();
    let seen = Seen::written(applied.version.clone().ok(), content.clone(), media_type);
    let file = whole.and_then(|whole| whole.file.as_deref());
    let kept = session.memory.keep(&session.asked, None, &seen);
    let kept = kept
        .and_then(|()| file.map_or(Ok(()), |file| session.memory.keep(&session.asked, Some(file), &seen)));
    if let Err(error) = kept {
        note(session, &format!("the new version is not remembered: {error}"));
    }
}

/// Merges a content with what is there, and writes that; again if somebody else was faster.
fn merging(session: &mut Session, base: &[u8], whole: &Whole) -> Result<End, Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let reading = match session.read() {
            Ok(reading) => reading,
            Err(error) => return missing(session, &error),
        };
        let version = match &reading.version {
            Ok(version) => version.clone(),
            Err(why) => return Ok(end::no_version(session, "put", why)),
        };
        let theirs = &reading.answer.content;
        let (content, taken) = match three(base, theirs, &whole.content) {
            Three::Clean(content, taken) => (content, taken),
            open => return Ok(does_not_fit(session, &open, &reading)),
        };
        if content == theirs.as_ref() {
            return Ok(unchanged(session, &version).merged(&taken));
        }
        let there = reading.answer.text(CONTENT_TYPE);
        let write = write(session, IfMatch::Unchanged(version.clone()), &whole.media_type(there), content)?;
        match session.write(&write) {
            Ok(Outcome::Applied(applied)) => {
                session.memory.close(&session.url);
                super::merged_lines(&taken).iter().for_each(|line| note(session, line));
                return Ok(end::saved(session, "put", Some(&version), &applied).merged(&taken));
            }
            Ok(Outcome::Refused(refusal)) if refusal.is_stale() && tries < TRIES_MAX => session.pause(tries),
            Ok(other) => return Ok(end::not_applied(session, "put", &other).expect("it is not applied")),
            Err(error) => return Ok(end::unreachable(session, "put", &error)),
        }
    }
}

fn does_not_fit(session: &Session, open: &Three, reading: &Reading) -> End {
    let version = reading.version.as_ref().map(ToString::to_string).unwrap_or_default();
    let count = match open {
        Three::Members(merge, _) => merge.conflicts().len(),
        Three::Lines(lines) => lines.open(),
        _ => 1,
    };
    let places = if count == 1 { "one place".to_owned() } else { format!("{count} places") };
    let mut end = End::new(session, "put", "conflict", Exit::Finding, Some(false))
        .with("current", version.clone())
        .say(format!("{version} and yours differ in {places} that both changed. Nothing was written."));
    if let Three::Members(merge, _) = open {
        end = conflicts(end.conflicts(merge.conflicts()), merge);
    }
    end.line("Read what is there now, and put your change into that:")
        .next(session.command("get", &["-o", "FILE"]))
}

/// The three sides of each, in lines.
fn conflicts(mut end: End, merge: &Merge) -> End {
    for conflict in merge.conflicts() {
        for line in super::sides(conflict) {
            end = end.line(line);
        }
    }
    end
}

fn write(
    session: &Session,
    condition: IfMatch,
    media_type: &HeaderValue,
    content: impl Into<Bytes>,
) -> Result<Write, Failure> {
    let write = Write::new(Method::PUT, session.url.clone(), condition).map_err(|error| error.to_string())?;
    Ok(write.content(media_type, content))
}
