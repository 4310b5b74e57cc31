//! `ifmatch get`.

use super::args::Get;
use super::session::{self, Session};
use super::{Globals, end, note, show};
use crate::args::Output;
use crate::exit::{Ended, Exit};
use crate::output::{self, bold, dim};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use ifmatch_client::wire::Answer;
use ifmatch_client::{Error, Reading, Version};
use ifmatch_core::json;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::{fs, io};

pub(crate) fn run(get: &Get, globals: Globals) -> Ended {
    let mut session = Session::open(&get.url, &get.access, globals)?;
    let reading = match session.read() {
        Ok(reading) => reading,
        // Reading from elsewhere is fine, as long as nothing is to be written there.
        Err(Error::Url { .. } | Error::Content { .. }) => read_elsewhere(&session)?,
        Err(error) => return end::failed(&session, "get", &error)?.finish(&session),
    };
    let coding = session::coding(&reading.answer);
    if let Some(coding) = &coding {
        note(
            &session,
            &format!("it is compressed ({coding}): what is printed is, and cannot be written back"),
        );
    }
    if !get.no_remember {
        let file = get.out.clone().or_else(stdout_file);
        let file = file.and_then(|file| std::path::absolute(file).ok());
        let why =
            coding.map(|coding| format!("it came compressed ({coding}), although that was asked not to be"));
        let url = &reading.answer.url;
        let kept = session.memory.remember(url, file.as_deref(), &reading, why);
        let is_elsewhere = *url != session.asked;
        let kept = kept.and_then(|()| {
            if is_elsewhere { session.memory.remember_redirect(&session.asked, url) } else { Ok(()) }
        });
        // What cannot be remembered was read all the same.
        if let Err(error) = kept {
            note(&session, &format!("the version is not remembered: {error}"));
        }
    }
    if globals.format == Output::Json && get.out.is_none() {
        output::print(&format!("{:#}\n", document(&session, &reading)))?;
        return Ok(Exit::Fine);
    }
    let content = &reading.answer.content;
    match &get.out {
        Some(file) => {
            fs::write(file, content).map_err(|error| format!("{}: {error}", file.display()))?;
            if globals.format == Output::Json {
                let mut document = document(&session, &reading);
                document["content"] = Value::Null;
                document["file"] = file.display().to_string().into();
                output::print(&format!("{document:#}\n"))?;
            } else {
                tell(&session, &reading);
                note(&session, &format!("{} bytes in {}", content.len(), file.display()));
            }
        }
        None => print(&session, &reading, get.include)?,
    }
    Ok(Exit::Fine)
}

fn read_elsewhere(session: &Session) -> Result<Reading, crate::exit::Failure> {
    let answer = session.follow().map_err(|error| crate::exit::Failure::unreachable(&error))?;
    if answer.url != session.url {
        note(session, &format!("read from {}: a write goes there", session.shown(&answer.url)));
    }
    Reading::of(answer).map_err(|error| error.to_string().into())
}

/// The file that standard output goes to, if it is one: `ifmatch get URL > FILE`.
fn stdout_file() -> Option<PathBuf> {
    let path = fs::read_link("/proc/self/fd/1").ok()?;
    fs::metadata(&path).ok()?.is_file().then_some(path)
}

fn print(session: &Session, reading: &Reading, include: bool) -> Result<(), String> {
    let Answer { content, .. } = &reading.answer;
    if !stdout().is_terminal() {
        let mut text = Vec::new();
        if include {
            text.extend_from_slice(heading(reading).as_bytes());
        }
        text.extend_from_slice(content);
        return raw(&text);
    }
    if include {
        output::print(&heading(reading))?;
    } else {
        tell(session, reading);
    }
    match (json::parse(content), core::str::from_utf8(content)) {
        (Ok(value), _) => output::print(&show::colored(&value)),
        (Err(_), Ok(text)) => {
            let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            output::print(&format!("{}{end}", show::plain(text)))
        }
        _ => Err(format!("{} bytes that are no text; write them to a file with -o FILE", content.len())),
    }
}

/// Status and fields, with secrets masked, and an empty line.
fn heading(reading: &Reading) -> String {
    let answer = &reading.answer;
    let mut text = format!("{:?} {}\n", answer.version, answer.status);
    session::head(&answer.headers, false).iter().for_each(|line| text.push_str(&format!("{line}\n")));
    text.push('\n');
    text
}

/// Status and version in a line.
fn tell(session: &Session, reading: &Reading) {
    let kind = reading.answer.text(CONTENT_TYPE).unwrap_or("no type");
    let status = reading.answer.status.as_u16();
    match &reading.version {
        Ok(version) => note(session, &format!("{status}  {}  {}", bold(&version.line()), dim(kind))),
        Err(why) => {
            note(session, &format!("{status}  {}", dim(kind)));
            note(session, &format!("{} {why}.", bold("cannot be written back:")));
        }
    }
}

fn document(session: &Session, reading: &Reading) -> Value {
    let content = &reading.answer.content;
    let mut document = json!({
        "schema": "/.well-known/ifmatch/schema/get-1.json",
        "command": "get",
        "url": session.shown_url(),
        "status": reading.answer.status.as_u16(),
        "version": reading.version.as_ref().ok().map(Version::to_string),
        "writable": reading.version.is_ok(),
        "media_type": reading.answer.text(CONTENT_TYPE),
    });
    if let Err(why) = &reading.version {
        document["why_not"] = why.to_string().into();
    }
    match (json::parse(content), core::str::from_utf8(content)) {
        (Ok(value), _) => document["content"] = value,
        (_, Ok(text)) => document["text"] = text.into(),
        _ => document["base64"] = STANDARD.encode(content).into(),
    }
    document
}

/// Bytes as they are. A reader that has gone is no failure.
fn raw(bytes: &[u8]) -> Result<(), String> {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output could not be written: {error}"))
        }
        _ => Ok(()),
    }
}
