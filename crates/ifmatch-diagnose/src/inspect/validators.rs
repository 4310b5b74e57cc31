//! The validators of the first answer: are they there, are they ones, how fine are they, what are they made of?

use super::facts::{self, line, span};
use super::found::Found;
use super::look::Look;
use core::time::Duration;
use http::header::{AGE, DATE, ETAG, LAST_MODIFIED};
use ifmatch_client::Tag;
use ifmatch_client::wire::Answer;
use ifmatch_core::HttpDate;

/// How long a file is new for servers that mark tags of new files weak, with something to spare.
const NEW: Duration = Duration::from_millis(2100);

/// How far clocks may be apart before it is worth a word.
const SKEW: Duration = Duration::from_secs(2);

/// How far Date may be behind: servers write it once and show it for a while.
const CACHED: Duration = Duration::from_secs(1);

pub(super) async fn check(look: &mut Look<'_>) {
    tag(look).await;
    made_of(look);
    clock(look);
}

async fn tag(look: &mut Look<'_>) {
    let lines: Vec<_> = look.base.headers.get_all(ETAG).iter().cloned().collect();
    match lines.as_slice() {
        [] => none(look),
        [one] => match Tag::of(one) {
            None => {
                let text = String::from_utf8_lossy(one.as_bytes()).into_owned();
                malformed(look, &text, wrong(&text));
            }
            Some(tag) if tag.is_weak() => weak(look, &tag).await,
            Some(tag) => look.ok("ETag is a strong entity-tag", tag.to_string()),
        },
        several => {
            let text = facts::all(&look.base.headers, ETAG).unwrap_or_default();
            malformed(look, &text, format!("{} ETag lines; which of them is meant?", several.len()));
        }
    }
}

fn none(look: &mut Look<'_>) {
    let request = look.get();
    let found =
        match look.base.last_modified() {
            Some(_) => {
                let line = line(&look.base.headers, &LAST_MODIFIED);
                Found::warn("V019", "Last-Modified is the only validator", "it counts in seconds", &request)
                    .mark(&line, "", "two writes within this second have the same date")
            }
            None => Found::bad("V001", "no validator", "no ETag, no Last-Modified", &request).mark(
                &format!("{:?} 200, no etag, no last-modified", look.base.version),
                "no etag, no last-modified",
                "a writer has nothing to put into If-Match",
            ),
        };
    look.find(found);
}

fn malformed(look: &mut Look<'_>, text: &str, note: String) {
    let request = look.get();
    let found = Found::bad("V002", "ETag is no entity-tag", text, &request).mark(
        &format!("etag: {text}"),
        text,
        note,
    );
    look.find(found);
}

/// What is wrong with text that is no entity-tag.
fn wrong(text: &str) -> String {
    let bare = text.trim_matches('"');
    if text.is_empty() {
        return "it is empty".to_owned();
    }
    if let Some(rest) = text.strip_prefix("w/") {
        return format!("the mark of a weak tag is W/, as W/{rest}");
    }
    if text.contains("\\\"") {
        return "its quotes are escaped".to_owned();
    }
    if text.contains("\", ") {
        return "several tags; ETag has one".to_owned();
    }
    if !text.starts_with('"') || !text.ends_with('"') || text.len() < 2 {
        return format!("it lacks its quotes: \"{bare}\"");
    }
    "between the quotes are characters that no tag may have, such as spaces".to_owned()
}

/// A weak tag; of a file that is new it may be weak for a moment only.
async fn weak(look: &mut Look<'_>, tag: &Tag) {
    let request = look.get();
    let shown = tag.to_string();
    let mark = |found: Found| {
        found.mark(&format!("etag: {shown}"), "W/", "weak; If-Match compares strongly, so this never matches")
    };
    if is_new(&look.base) {
        tokio::time::sleep(NEW).await;
        if let Ok(later) = look.read(&request).await
            && later.tag().is_some_and(|later| !later.is_weak())
        {
            let seen = "weak while new, strong seconds later";
            let found = mark(Found::warn("V003", "ETag is weak at first", seen, &request));
            let strong = line(&later.headers, &ETAG);
            look.find(found.mark(&strong, "", "the same, 2 s later"));
            look.base = later;
            return;
        }
    }
    look.find(mark(Found::bad("V003", "ETag is weak", &shown, &request)));
}

fn is_new(answer: &Answer) -> bool {
    let dates = answer.last_modified().zip(facts::date(answer, DATE));
    dates.and_then(|(modified, sent)| facts::between(modified, sent)).is_some_and(|age| age < NEW)
}

/// Whether a strong tag is made of the time and the size of a file.
fn made_of(look: &mut Look<'_>) {
    let Some((tag, modified)) = look.strong_tag().zip(look.base.last_modified()) else { return };
    let text = tag.to_string();
    let Some(parts) = time_and_size(text.trim_matches('"'), modified, look.base.content.len()) else {
        return;
    };
    let Parts { time, size, resolution } = parts;
    let request = look.get();
    let note = format!("{size} is the size, {time} the time in {resolution}");
    let found = Found::warn("V022", "ETag is made of time and size", &text, &request)
        .mark(&format!("etag: {text}"), &text, note)
        .mark(&line(&look.base.headers, &LAST_MODIFIED), "", "the same time");
    look.find(found);
}

/// The parts of a tag that are time and size.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    time: &'a str,
    size: &'a str,
    resolution: &'static str,
}

fn time_and_size(opaque: &str, modified: HttpDate, size: usize) -> Option<Parts<'_>> {
    let parts: Vec<&str> = opaque.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let seconds = u64::try_from(modified.unix()).ok()?;
    let size_number = u64::try_from(size).ok()?;
    let time_of =
        |part: &&str| numbers(part).into_iter().flatten().find_map(|number| resolution(number, seconds));
    let (at, resolution) = parts.iter().enumerate().find_map(|(at, part)| Some((at, time_of(part)?)))?;
    let is_size = |(other, part): &(usize, &&str)| {
        *other != at && numbers(part).into_iter().flatten().any(|number| number == size_number)
    };
    let (_, size) = parts.iter().enumerate().find(is_size)?;
    Some(Parts { time: parts.get(at)?, size, resolution })
}

/// What a part may be as a number: hexadecimal, decimal.
fn numbers(part: &str) -> [Option<u64>; 2] {
    [u64::from_str_radix(part, 16).ok(), part.parse().ok()]
}

/// In which unit a number is this time.
fn resolution(number: u64, seconds: u64) -> Option<&'static str> {
    let units =
        [(1, "seconds"), (1000, "milliseconds"), (1_000_000, "microseconds"), (1_000_000_000, "nanoseconds")];
    units.into_iter().find_map(|(per_second, name)| (number / per_second == seconds).then_some(name))
}

/// The dates against each other and against our clock.
fn clock(look: &mut Look<'_>) {
    let request = look.get();
    let Some(sent) = facts::date(&look.base, DATE) else {
        if look.base.last_modified().is_some() {
            look.unknown("the clock", "the answer has no Date");
        }
        return;
    };
    if look.base.headers.contains_key(AGE) {
        // Date is then the origin's, when it answered the cache.
        return;
    }
    if let Some(ahead) = look.base.last_modified().and_then(|modified| facts::between(sent, modified))
        && ahead > CACHED
    {
        let seen = format!("{} later than Date", span(ahead));
        let found = Found::warn("V021", "Last-Modified is in the future", &seen, &request)
            .mark(&line(&look.base.headers, &LAST_MODIFIED), "", &*seen)
            .mark(&line(&look.base.headers, &DATE), "", "when it was answered");
        look.find(found);
    }
    let skew = skew(&look.base, sent);
    if skew > SKEW {
        let is_date_only = look.tag().is_none();
        let seen = format!("{} apart from the clock here", span(skew));
        let here = String::from_utf8_lossy(&facts::now(&look.base).to_imf_fixdate()).into_owned();
        let found = Found::warn("V020", "the clock is off", &seen, &request).mark(
            &line(&look.base.headers, &DATE),
            "",
            format!(
                "here it was {here}{}",
                if is_date_only { "; dates are its only validators" } else { "" }
            ),
        );
        look.find(found);
    } else {
        look.ok("the clock is right", "within 2 s of the one here");
    }
}

/// How far Date is from our clock at least: it was written between the request and the head of its answer, and names a
/// second.
fn skew(answer: &Answer, date: HttpDate) -> Duration {
    let asked = facts::now(answer);
    let took = i64::try_from(answer.head_after.as_secs()).unwrap_or_default().saturating_add(1);
    let answered = asked.plus_seconds(took);
    let behind = facts::between(date.plus_seconds(1), asked).unwrap_or_default();
    let ahead = facts::between(answered, date).unwrap_or_default();
    behind.max(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_files() {
        let modified = HttpDate::from_unix(0x6745_0a2b);
        let found = |opaque| time_and_size(opaque, modified, 13).map(|parts| parts.resolution);
        assert_eq!(found("67450a2b-d"), Some("seconds")); // nginx
        let apache = format!("d-{:x}", 0x6745_0a2b_u64 * 1_000_000 + 5);
        assert_eq!(found(&apache), Some("microseconds"));
        let flask = format!("{}.5-13-99", 0x6745_0a2b);
        assert_eq!(found(&flask), Some("seconds"));
        for other in ["67450a2b", "67450a2b-e", "1-d", "6745-0a2b-d", ""] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_tag() {
        for (text, part) in [
            ("", "empty"),
            ("7", "\"7\""),
            ("w/\"7\"", "W/\"7\""),
            ("\\\"7\\\"", "escaped"),
            ("\"7\", \"8\"", "several"),
            ("\"7", "\"7\""),
            ("\"a b\"", "characters"),
        ] {
            assert!(wrong(text).contains(part), "{text}: {}", wrong(text));
        }
    }
}
