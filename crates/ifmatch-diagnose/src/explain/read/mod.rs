//! Reading what somebody has: what kind it is is told by looking, and everything becomes [`Evidence`]. Nothing is opened
//! and nothing is sent.

mod audit;
mod command;
mod framing;
mod har;
mod raw;
mod words;

use super::evidence::{Answer, Evidence, Exchange, Got, Source, UNKNOWN_METHOD};
use super::fields::{Fields, Secrets};
use super::said::Said;
use serde_json::Value;

/// The largest input, in bytes. A larger one is refused.
pub const INPUT_BYTES_MAX: usize = 256 << 20;

/// How many entries, requests or records are read of one input. More are refused.
pub const ENTRIES_MAX: usize = 100_000;

/// Input that cannot be read: what is wrong with it and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl Unreadable {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl Evidence {
    /// Reads an input of that kind, or of whatever kind it looks like. Credentials do not get past here.
    ///
    /// # Errors
    /// If it is not of that kind, of none that is known, broken, or beyond [`INPUT_BYTES_MAX`] or [`ENTRIES_MAX`].
    pub fn read(input: &[u8], source: Option<Source>) -> Result<Self, Unreadable> {
        if input.len() > INPUT_BYTES_MAX {
            let (has, most) = (input.len() >> 20, INPUT_BYTES_MAX >> 20);
            return Err(Unreadable::new(format!(
                "the input has {has} MiB, and at most {most} MiB are read; record again and stop after the failure"
            )));
        }
        let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
        if input.starts_with(b"\xff\xfe") || input.starts_with(b"\xfe\xff") {
            return Err(Unreadable::new("the input is UTF-16 and not UTF-8 text; save it as UTF-8"));
        }
        let source = match source {
            Some(source) => source,
            None => recognised(input)?,
        };
        let mut secrets = Secrets::default();
        let text = || {
            core::str::from_utf8(input).map_err(|_| {
                Unreadable::new(
                    "the input is not UTF-8 text; save it as text, not as a screenshot or an archive",
                )
            })
        };
        let (exchanges, remarks) = match source {
            Source::Har => har::read(input, &mut secrets)?,
            Source::Audit => match serde_json::from_slice::<Value>(input) {
                Ok(record) if record.get("event.action").is_some() => (audit::single(&record), Vec::new()),
                _ => audit::read(text()?, &mut secrets)?,
            },
            Source::Problem => (problem(input, &secrets)?, Vec::new()),
            Source::Curl | Source::Raw => (raw::read(text()?, &mut secrets)?, Vec::new()),
        };
        if exchanges.is_empty() && source != Source::Har {
            return Err(Unreadable::new("there is no request and no answer in it"));
        }
        Ok(Self { source, exchanges, remarks, secrets })
    }

    /// Reads a curl command whose words a shell has already made.
    ///
    /// # Errors
    /// If it is no complete curl command.
    pub fn of_curl(words: &[String]) -> Result<Self, Unreadable> {
        let mut secrets = Secrets::default();
        let exchanges = command::of_arguments(words, &mut secrets)?;
        Ok(Self { source: Source::Curl, exchanges, remarks: Vec::new(), secrets })
    }

    /// How many requests it is about.
    pub fn entries(&self) -> usize {
        self.exchanges.len()
    }
}

/// What is wrong with JSON, behind its place.
fn placed(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let what = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    format!("line {line}, column {column}: {what}")
}

/// What an input looks like.
fn recognised(input: &[u8]) -> Result<Source, Unreadable> {
    let start = input.iter().find(|byte| !byte.is_ascii_whitespace());
    match start {
        None => Err(Unreadable::new("there is nothing in it")),
        Some(b'{') => Ok(json(input)),
        Some(_) => {
            let text = String::from_utf8_lossy(&input[..input.len().min(1 << 20)]);
            let text = text.trim_start();
            let mut command = text;
            while command.starts_with('#') && !command::is_command(command) {
                command = command.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
            }
            if command::is_command(command) {
                Ok(Source::Curl)
            } else if raw::is_raw(text) {
                Ok(Source::Raw)
            } else if super::said::meaning(text).is_some() {
                Ok(Source::Problem)
            } else if text.starts_with("fetch(") || text.contains("Invoke-WebRequest") {
                Err(Unreadable::new(
                    "it is a request for JavaScript or PowerShell; in the browser choose \"Copy as cURL (bash)\", or save a \
                     HAR file",
                ))
            } else {
                Err(Unreadable::new(
                    "it looks like none of what is understood: a HAR file, a curl command, requests and answers as \
                     `curl -v` or `curl -i` show them, the JSON body of a refusal, or lines of ifmatch's audit",
                ))
            }
        }
    }
}

/// How much of a JSON text is looked at to tell what it is.
const LOOKED_AT_BYTES: usize = 64 << 10;

fn json(input: &[u8]) -> Source {
    let head = String::from_utf8_lossy(&input[..input.len().min(LOOKED_AT_BYTES)]);
    let first = head.trim_start().trim_start_matches('{').trim_start();
    if first.starts_with("\"log\"") || head.contains("\"entries\"") && head.contains("\"log\"") {
        Source::Har
    } else if head.contains("\"event.action\"") {
        Source::Audit
    } else {
        Source::Problem
    }
}

/// A body alone: the request is what the body says of it.
fn problem(input: &[u8], secrets: &Secrets) -> Result<Vec<Exchange>, Unreadable> {
    if input.trim_ascii_start().starts_with(b"{")
        && let Err(error) = serde_json::from_slice::<Value>(input)
    {
        return Err(Unreadable::new(format!(
            "{}\n  pass the whole body, or answer and body as `curl -i` shows them",
            placed(&error)
        )));
    }
    let said = Said::read(input, secrets);
    let mut exchange = Exchange::new(1);
    told_of(&mut exchange, &said);
    let mut fields = Fields::default();
    if let Some(tag) = &said.current_tag {
        fields.set("etag", tag);
    }
    let status = said.status.or_else(|| said.meaning.map(usual_status)).unwrap_or(0);
    if said.meaning.is_none() && !matches!(status, 412 | 428) {
        return Err(Unreadable::new(
            "this body says nothing about a condition, so it cannot be told whether one was refused\n  pass answer and body, \
             as `curl -i` shows them, or the request as well, as `curl -v` does",
        ));
    }
    exchange.answer = Answer::Got(Box::new(Got { status, fields, said, ..Got::default() }));
    Ok(vec![exchange])
}

/// What the body of an answer tells of a request of which nothing else is known.
fn told_of(exchange: &mut Exchange, said: &Said) {
    exchange.method = said.method.clone().unwrap_or_else(|| UNKNOWN_METHOD.to_owned());
    exchange.url = said.target.clone().unwrap_or_default();
    exchange.key.clone_from(&exchange.url);
    if let Some(received) = &said.received {
        let mut sent = Fields::default();
        let (name, value) = received.as_deref().and_then(|line| line.split_once(": ")).unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "if-match" => sent.set("if-match", value),
            "if-none-match" => sent.set("if-none-match", value),
            "if-unmodified-since" => sent.set("if-unmodified-since", value),
            _ => {}
        }
        // That the server saw none does not say that none was sent.
        exchange.sent = received.is_some().then_some(sent);
    } else if let Some(tag) = &said.your_tag {
        let mut sent = Fields::default();
        sent.set("if-match", tag);
        exchange.sent = Some(sent);
    }
}

/// The status of a refusal whose body does not tell.
fn usual_status(meaning: super::said::Meaning) -> u16 {
    use super::said::Meaning;
    match meaning {
        Meaning::Missing | Meaning::Star | Meaning::NotAVersion => 428,
        Meaning::Malformed => 400,
        Meaning::KeyReused => 422,
        Meaning::Unknown => 504,
        Meaning::Stale | Meaning::Gone | Meaning::Weak | Meaning::WrongResource | Meaning::Exists => 412,
    }
}

/// What sent a request, as its User-Agent says, by the name that examples have.
fn agent(user_agent: &str) -> Option<&'static str> {
    let user_agent = user_agent.to_ascii_lowercase();
    let known = [
        ("python-requests", "requests"),
        ("reqwest", "reqwest"),
        ("axios", "axios"),
        ("curl", "curl"),
        ("mozilla", "fetch"),
        ("node", "fetch"),
    ];
    known.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name)
}
