//! How a run ends, in words and as JSON.

use super::session::Session;
use super::show;
use crate::args::Output;
use crate::exit::{Ended, Exit, Failure};
use crate::output::{self, bold, dim};
use anstream::eprintln;
use ifmatch_client::wire::SendError;
use ifmatch_client::{Applied, Doubt, Error, NoVersion, Outcome, Refusal, Version};
use ifmatch_core::merge::{ALGORITHM, Conflict, Taken};
use ifmatch_diagnose::text;
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal};

/// The schema of the documents.
const SCHEMA: &str = "/.well-known/ifmatch/schema/write-1.json";

/// How wide the word is that a line begins with.
const LABEL_COLUMNS: usize = 10;

/// How a run ends.
#[must_use]
pub(crate) struct End {
    exit: Exit,
    outcome: &'static str,
    said: String,
    lines: Vec<String>,
    next: Vec<String>,
    document: Map<String, Value>,
}

impl End {
    /// `applied` is whether something was written; `None` if nobody can say.
    pub(crate) fn new(
        session: &Session,
        command: &str,
        outcome: &'static str,
        exit: Exit,
        applied: Option<bool>,
    ) -> Self {
        let mut document = Map::new();
        document.insert("schema".into(), SCHEMA.into());
        document.insert("command".into(), command.into());
        document.insert("url".into(), session.shown_url().into());
        document.insert("outcome".into(), outcome.into());
        document.insert("applied".into(), applied.into());
        Self { exit, outcome, said: String::new(), lines: Vec::new(), next: Vec::new(), document }
    }

    /// What happened, in a sentence.
    pub(crate) fn say(mut self, sentence: impl Into<String>) -> Self {
        self.said = sentence.into();
        self
    }

    /// One more line for people.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// A command to type next.
    pub(crate) fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    /// A member of the document.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.document.insert(name.into(), value.into());
        self
    }

    /// What was merged.
    pub(crate) fn merged(self, taken: &[Taken]) -> Self {
        if taken.is_empty() { self } else { self.with("merged", json!(taken)) }
    }

    /// What does not fit together.
    pub(crate) fn conflicts(self, conflicts: &[Conflict]) -> Self {
        self.with("algorithm", ALGORITHM).with("conflicts", json!(conflicts))
    }

    /// Tells it.
    pub(crate) fn finish(self, session: &Session) -> Ended {
        let Self { exit, outcome, said, lines, next, mut document } = self;
        if session.globals.format == Output::Json {
            let plain = |text: &String| anstream::adapter::strip_str(text).to_string();
            document.insert("detail".into(), plain(&said).into());
            if !lines.is_empty() {
                document.insert("notes".into(), lines.iter().map(plain).collect());
            }
            if !next.is_empty() {
                document.insert("next".into(), next.into());
            }
            output::print(&format!("{:#}\n", Value::Object(document)))?;
            return Ok(exit);
        }
        if !(session.globals.quiet && exit == Exit::Fine) {
            let label = |text: &str| format!("{text:<LABEL_COLUMNS$}");
            eprintln!("{}{}", bold(&label(outcome)), wrapped(&said, LABEL_COLUMNS).trim_start());
            lines.iter().for_each(|line| eprintln!("{line}"));
            for (at, command) in next.iter().enumerate() {
                eprintln!("{}{command}", dim(&label(if at == 0 { "next" } else { "" })));
            }
        }
        Ok(exit)
    }
}

/// A sentence, broken where the terminal ends; as it is where there is none.
fn wrapped(sentence: &str, indent: usize) -> String {
    if !io::stderr().is_terminal() {
        return sentence.to_owned();
    }
    text::wrap(sentence, crate::report::width(), &" ".repeat(indent))
}

/// What was written.
pub(crate) fn saved(session: &Session, command: &str, before: Option<&Version>, applied: &Applied) -> End {
    let verb = match (command, applied.answer.status.as_u16()) {
        ("delete", _) => "deleted",
        (_, 201) if before.is_none() => "created",
        _ => "saved",
    };
    let end = End::new(session, command, verb, Exit::Fine, Some(true))
        .with("status", applied.answer.status.as_u16())
        .with("before", before.map(ToString::to_string));
    let from = before.map(|version| format!("{version} ")).unwrap_or_default();
    match &applied.version {
        _ if command == "delete" => end.say(from),
        Ok(after) => end.with("after", after.to_string()).say(format!("{from}-> {after}")),
        Err(NoVersion::Weak(tag)) => end
            .with("after", Value::Null)
            .say(format!("{from}-> {tag} {}", dim("(weak: no write can be made from it)"))),
        Err(_) => {
            let note = "(the answer names no new version; read again before the next write)";
            end.with("after", Value::Null).say(format!("{from}-> ? {}", dim(note)))
        }
    }
}

/// What the server says no to. What to type next is the caller's to add.
pub(crate) fn refused(session: &Session, command: &str, refusal: &Refusal) -> End {
    let status = refusal.status().as_u16();
    let (outcome, exit) = match status {
        _ if refusal.is_for_others() || refusal.is_stale() => ("refused", Exit::Refused),
        300..=399 => ("redirected", Exit::Inconclusive),
        500.. => ("failed", Exit::Inconclusive),
        _ => ("failed", Exit::Finding),
    };
    let mut end = End::new(session, command, outcome, exit, Some(false))
        .with("status", status)
        .with("problem", session.told(refusal));
    let is_write = command != "get";
    let mut line = show::plain(&refusal.to_string());
    if is_write && !line.contains("othing was") {
        line.push_str(if line.ends_with('.') { " Nothing was changed." } else { ". Nothing was changed." });
    }
    end = end.say(line);
    if let Some(to) = refusal.location() {
        let why = "Writes are not redirected: what is there may be something else than what was read.";
        return end.line(why).next(session.command(command, &[]).replacen(&session.shown_url(), &to, 1));
    }
    if let Some(after) = refusal.retry_after() {
        end = end.line(format!("The server asks to come again after: {}", show::plain(after)));
    }
    match status {
        401 => end.line("Say who you are: -u USER:PASSWORD or --bearer TOKEN."),
        _ => end,
    }
}

/// What nobody can say.
pub(crate) fn unknown(session: &Session, command: &str, doubt: &Doubt) -> End {
    let end = End::new(session, command, "unknown", Exit::Inconclusive, None);
    let end = match doubt {
        Doubt::Lost(_) => end,
        Doubt::Vague(refusal) => {
            end.with("status", refusal.status().as_u16()).with("problem", session.told(refusal))
        }
    };
    let how = "Find out by reading it again, more than once: what is not there yet may still come.";
    end.say(show::plain(&doubt.to_string())).line(how).next(session.command("get", &[]))
}

/// What was not sent, or not read.
pub(crate) fn unreachable(session: &Session, command: &str, error: &SendError) -> End {
    let end = End::new(session, command, "error", Exit::Inconclusive, Some(false));
    let end = end.say(show::plain(&error.to_string()));
    match error {
        SendError::TooLong { .. } => {
            end.line("Larger contents are read by another client: curl -D HEAD -o FILE; the tag is in HEAD.")
        }
        _ => end,
    }
}

/// What cannot be written back.
pub(crate) fn no_version(session: &Session, command: &str, why: &NoVersion) -> End {
    End::new(session, command, "unsafe", Exit::Finding, Some(false))
        .say(format!("{}. Nothing was sent.", show::plain(&why.to_string())))
}

/// A read or a write that ended otherwise than by being applied.
pub(crate) fn failed(session: &Session, command: &str, error: &Error) -> Result<End, Failure> {
    Ok(match error {
        Error::Refused(refusal) => refused(session, command, refusal),
        Error::Unknown(doubt) => unknown(session, command, doubt),
        Error::Send(error) => unreachable(session, command, error),
        Error::NoVersion(why) => no_version(session, command, why),
        Error::Url { url, .. } => End::new(session, command, "redirected", Exit::Inconclusive, Some(false))
            .say(format!("Reading leads to {url}, which is something else. Nothing was written."))
            .next(session.command(command, &[]).replacen(&session.shown_url(), url, 1)),
        other => return Err(Failure::from(other.to_string())),
    })
}

/// What became of a write that was not applied.
pub(crate) fn not_applied(session: &Session, command: &str, outcome: &Outcome) -> Option<End> {
    match outcome {
        Outcome::Applied(_) => None,
        Outcome::Refused(refusal) => Some(refused(session, command, refusal)),
        Outcome::Unknown(doubt) => Some(unknown(session, command, doubt)),
    }
}
