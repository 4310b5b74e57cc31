//! The same read again and again, on one connection and over new ones: does the tag move when the content does, and only
//! then?

use super::found::Found;
use super::look::{CHANGED, Look};
use super::members;
use bytes::Bytes;
use http::header::ETAG;

const WHAT: &str = "same tag for the same content";

/// How many reads a finding shows.
const SHOWN_MAX: usize = 5;

struct Read {
    /// As it was sent, or nothing.
    tag: String,
    is_strong: bool,
    content: Bytes,
    /// Over a connection of its own.
    is_anew: bool,
}

impl Read {
    fn line(&self, number: usize) -> String {
        let tag = if self.tag.is_empty() { "no etag" } else { &self.tag };
        format!("{tag}   read {number}{}", if self.is_anew { ", new connection" } else { "" })
    }
}

pub(super) async fn check(look: &mut Look<'_>) {
    let reads = match gather(look).await {
        Ok(reads) => reads,
        Err(why) => {
            look.unsteady = Some(format!("not every read of it got an answer: {why}"));
            look.unknown(WHAT, why);
            return;
        }
    };
    let has_tag = reads.iter().any(|read| !read.tag.is_empty());
    let tag_is_one = reads.windows(2).all(|pair| matches!(pair, [a, b] if a.tag == b.tag));
    let contents = distinct(&reads, |read| read.content.as_ref());
    look.unsteady = match (has_tag && tag_is_one, contents) {
        (true, 1) => None,
        (false, 1) if !has_tag => None,
        (false, 1) => Some("the tag does not stay".to_owned()),
        (true, _) => Some("the content does not stay, although the tag does".to_owned()),
        (false, _) if has_tag => Some("neither the content nor the tag stays".to_owned()),
        (false, _) => Some("the content does not stay".to_owned()),
    };
    match (has_tag, contents) {
        (true, 1) if tag_is_one => {
            let kept = reads.iter().filter(|read| !read.is_anew).count();
            let anew = reads.len() - kept;
            look.ok(WHAT, format!("{kept} reads, {anew} over new connections"));
        }
        (true, 1) => moves(look, &reads),
        (false, 1) => {}
        (false, _) => volatile_without_tag(look, &reads),
        (true, _) => contents_differ(look, &reads),
    }
}

async fn gather(look: &mut Look<'_>) -> Result<Vec<Read>, String> {
    let mut reads = Vec::new();
    let request = look.get();
    for number in 0..look.plan.reads * 2 - 1 {
        let is_anew = number >= look.plan.reads;
        let answer = match number {
            0 => look.base.clone(),
            _ if is_anew => look.ask_anew(&request).await?,
            _ => look.read(&request).await?,
        };
        if answer.status != http::StatusCode::OK {
            return Err(format!("one of the reads was answered {}", answer.status.as_u16()));
        }
        // Equal contents are kept once.
        let is_same = answer.content == look.base.content;
        let content = if is_same { look.base.content.clone() } else { answer.content.clone() };
        let tag = super::facts::all(&answer.headers, ETAG).unwrap_or_default();
        let is_strong = answer.tag().is_some_and(|tag| !tag.is_weak());
        reads.push(Read { tag, is_strong, content, is_anew });
    }
    Ok(reads)
}

/// How many different ones there are.
fn distinct<'a, T: PartialEq + ?Sized + 'a>(reads: &'a [Read], of: impl Fn(&'a Read) -> &'a T) -> usize {
    let is_first =
        |(index, read): &(usize, &'a Read)| !reads.iter().take(*index).any(|earlier| of(earlier) == of(read));
    reads.iter().enumerate().filter(is_first).count()
}

/// One content, several tags.
fn moves(look: &mut Look<'_>, reads: &[Read]) {
    let request = look.get();
    let mut kept = reads.iter().filter(|read| !read.is_anew);
    let first = kept.next().map(|read| &read.tag);
    let is_by_connection = kept.all(|read| Some(&read.tag) == first);
    let tags = distinct(reads, |read| &read.tag);
    let seen = format!("{tags} tags in {} reads", reads.len());
    let found = if is_by_connection {
        Found::bad("V013", "another tag over another connection", &seen, &request)
    } else {
        Found::bad("V009", "the tag changes, the content does not", &seen, &request)
    };
    look.find(lines(found, reads, "the content was the same each time"));
}

/// The reads, with a note below the last.
fn lines(mut found: Found, reads: &[Read], note: &str) -> Found {
    let last = reads.len().min(SHOWN_MAX);
    for (index, read) in reads.iter().take(last).enumerate() {
        let note = if index + 1 == last { note } else { "" };
        found = found.mark(&format!("etag: {}", read.line(index + 1)), &read.tag, note);
    }
    found
}

fn volatile_without_tag(look: &mut Look<'_>, reads: &[Read]) {
    if distinct(reads, |read| read.content.as_ref()) < reads.len() {
        look.unknown("same content each time", CHANGED);
        return;
    }
    let request = look.get();
    let found = Found::warn("V012", "the content is never the same twice", "each read differs", &request);
    look.find(differences(found, reads));
}

fn contents_differ(look: &mut Look<'_>, reads: &[Read]) {
    let request = look.get();
    let contents = distinct(reads, |read| read.content.as_ref());
    let is_never_same = contents == reads.len();
    let pair = |is: fn(&Read, &Read) -> bool| {
        reads.iter().enumerate().any(|(index, a)| reads.iter().skip(index + 1).any(|b| is(a, b)))
    };
    let stays = pair(|a, b| a.is_strong && a.tag == b.tag && a.content != b.content);
    let moves_alone = pair(|a, b| a.tag != b.tag && a.content == b.content);
    let seen = format!("{contents} contents in {} reads", reads.len());
    if stays && is_never_same {
        let found = Found::warn("V012", "the content is never the same twice", &seen, &request);
        look.find(differences(found, reads));
    } else if stays {
        let found = Found::bad("V010", "the content changes, the tag does not", &seen, &request);
        look.find(differences(lines(found, reads, "one tag, several contents"), reads));
    } else if is_never_same && !reads.iter().any(|a| is_shared(a, reads)) {
        let found = Found::bad("V012", "content and tag are never the same twice", &seen, &request);
        look.find(differences(found, reads));
    } else if returns(reads) {
        let found = Found::bad("V013", "old and new versions take turns", &seen, &request);
        look.find(lines(found, reads, "what was gone came back"));
    } else if moves_alone {
        moves(look, reads);
    } else {
        look.unknown(WHAT, CHANGED);
    }
}

/// Whether another read has this tag.
fn is_shared(read: &Read, reads: &[Read]) -> bool {
    reads.iter().filter(|other| other.tag == read.tag).count() > 1
}

/// Whether a version was followed by another and came back.
fn returns(reads: &[Read]) -> bool {
    reads.iter().enumerate().any(|(index, read)| {
        let is_same = |other: &&Read| other.content == read.content && other.tag == read.tag;
        let mut later = reads.iter().skip(index + 1).skip_while(is_same);
        later.any(|other| is_same(&other))
    })
}

/// In what the contents differ.
fn differences(mut found: Found, reads: &[Read]) -> Found {
    let contents: Vec<_> = reads.iter().map(|read| read.content.as_ref()).collect();
    let Some(members) = members::differing(&contents).filter(|members| !members.is_empty()) else {
        let at = contents.iter().skip(1).filter_map(|other| {
            let first = contents.first()?;
            first.iter().zip(other.iter()).position(|(a, b)| a != b)
        });
        let at = at.min().map_or_else(|| "in length".to_owned(), |at| format!("from byte {at} on"));
        return found.mark(&format!("content of {} reads", contents.len()), "", format!("differs {at}"));
    };
    for member in members {
        let values: Vec<_> = member.values.iter().take(3).cloned().collect();
        let pointer = if member.pointer.is_empty() { "(the whole document)" } else { &member.pointer };
        let more = if member.values.len() > 3 { ", …" } else { "" };
        found = found.mark(&format!("{pointer}  {}{more}", values.join(", ")), pointer, "");
    }
    found
}
