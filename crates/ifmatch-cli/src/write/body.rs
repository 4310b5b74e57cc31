//! What is written: members to change, or a whole content.

use super::args::Content;
use super::items::{self, Item};
use http::header::HeaderValue;
use ifmatch_core::json;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest content that is sent, in bytes; as large as the largest that is read.
const CONTENT_BYTES_MAX: u64 = 64 << 20;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What is written.
#[derive(Debug)]
pub(crate) enum Body {
    /// Members of what is there.
    Items(Vec<Item>),
    /// A whole content.
    Whole(Whole),
}

/// A whole content.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) content: Vec<u8>,
    /// As it was said or follows from the file's name.
    media_type: Option<HeaderValue>,
    /// The file that it was in.
    pub(crate) file: Option<PathBuf>,
    /// As it was typed, to be repeated in a command.
    pub(crate) typed: Vec<String>,
}

impl Whole {
    /// What was said, else what is there is of, else what it looks like.
    pub(crate) fn media_type(&self, there: Option<&str>) -> HeaderValue {
        let there = || HeaderValue::from_str(there.filter(|there| !there.is_empty())?).ok();
        self.media_type.clone().or_else(there).unwrap_or_else(|| looks_like(&self.content))
    }
}

/// The media type of content that nobody named.
pub(crate) fn looks_like(content: &[u8]) -> HeaderValue {
    match (json::parse(content), core::str::from_utf8(content)) {
        (Ok(_), _) => JSON,
        (_, Ok(_)) => TEXT,
        _ => BYTES,
    }
}

/// Reads what was typed.
pub(crate) fn body(typed: &Content) -> Result<Body, String> {
    let said = typed.content_type.as_deref().map(HeaderValue::from_str).transpose();
    let said = said.map_err(|_| "--content-type is no media type. Nothing was sent.".to_owned())?;
    let whole = match (&typed.data, &typed.json, typed.items.as_slice()) {
        (Some(data), _, []) => source(data, vec!["-d".to_owned(), data.clone()])?,
        (_, Some(data), []) => {
            let whole = source(data, vec!["--json".to_owned(), data.clone()])?;
            if let Err(error) = json::parse(&whole.content) {
                return Err(format!("what --json names is not JSON: {error}. Nothing was sent."));
            }
            Whole { media_type: Some(JSON), ..whole }
        }
        (None, None, [one]) if one.starts_with('@') || one == "-" => source(one, vec![one.clone()])?,
        (None, None, []) => {
            return Err(
                "there is nothing to write. Name members as name=text, or a content as @FILE; - is standard \
                        input. Nothing was sent."
                    .to_owned(),
            );
        }
        (None, None, all) => {
            return Ok(Body::Items(all.iter().map(|item| items::parse(item)).collect::<Result<_, _>>()?));
        }
        _ => return Err("a whole content and members at once are too much. Nothing was sent.".to_owned()),
    };
    Ok(Body::Whole(Whole { media_type: said.or(whole.media_type), ..whole }))
}

/// Text, `@FILE`, or `@-` and `-` for standard input.
fn source(text: &str, typed: Vec<String>) -> Result<Whole, String> {
    let (content, media_type, file) = match text.strip_prefix('@').or_else(|| (text == "-").then_some("-")) {
        None => (text.as_bytes().to_vec(), None, None),
        Some("-") => (bounded(io::stdin().lock(), "standard input")?, None, None),
        Some(file) => {
            let failed = |error| format!("{file}: {error}. Nothing was sent.");
            let content = bounded(File::open(file).map_err(failed)?, file)?;
            (content, by_name(Path::new(file)), std::path::absolute(file).ok())
        }
    };
    Ok(Whole { content, media_type, file, typed })
}

fn bounded(from: impl Read, name: &str) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let read = from.take(CONTENT_BYTES_MAX + 1).read_to_end(&mut content);
    let bytes = read.map_err(|error| format!("{name}: {error}. Nothing was sent."))?;
    if bytes as u64 > CONTENT_BYTES_MAX {
        return Err(format!(
            "{name} has more than {CONTENT_BYTES_MAX} bytes, which is the limit. Nothing was sent. Larger contents are sent \
             by another client: curl -T FILE with If-Match and the tag of what it was made from."
        ));
    }
    Ok(content)
}

/// Only where the name leaves no doubt, since the type of what is there goes before a guess.
fn by_name(file: &Path) -> Option<HeaderValue> {
    match file.extension()?.to_str()? {
        "json" => Some(JSON),
        _ => None,
    }
}

/// The content of a file that a merge is made from.
pub(crate) fn base(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: {error}. Nothing was sent.", file.display()))
}
