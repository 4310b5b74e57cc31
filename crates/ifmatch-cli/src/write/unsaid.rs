//! Writes that say not what they were made from: why nothing is sent, and the ways to go on.

use super::memory::{ReadVersion, Seen};
use super::session::Session;

/// Nothing says what a whole content was made from.
pub(crate) fn whole(session: &Session, typed: &[&str], why: &str) -> String {
    let put = |flags: &[&str]| session.command("put", &[flags, typed].concat());
    let ways = [
        ("Read it, then put your change into what you read:", session.command("get", &["-o", "FILE"])),
        (
            "You have what yours was made from in a file (others' changes are merged):",
            put(&["--base", "FILE"]),
        ),
        ("You know its tag:", put(&["--if-match", "\"TAG\""])),
        ("There is nothing yet:", put(&["--create"])),
        ("It may be overwritten, whatever it is:", put(&["--overwrite", "WHY"])),
    ];
    format!("nothing says what this content was made from, and {why}. Nothing was sent.{}", shown(&ways))
}

/// More than one version was read, and nobody can know which one a content was made from.
pub(crate) fn ambiguous(session: &Session, typed: &[&str], read: &[ReadVersion]) -> String {
    let put = |flags: &[&str]| session.command("put", &[flags, typed].concat());
    let ways = [
        (
            "You have what yours was made from in a file (others' changes are merged):",
            put(&["--base", "FILE"]),
        ),
        ("You know which one:", put(&["--if-match", "\"TAG\""])),
        ("Or read it again into a file, put your change into that, and write it:", {
            session.command("get", &["-o", "FILE"])
        }),
    ];
    let read: Vec<_> = read.iter().map(ReadVersion::told).collect();
    format!(
        "several versions of it were read since the last write from here, and nothing says which one this content was \
         made from: {}. Nothing was sent.{}",
        read.join(", "),
        shown(&ways)
    )
}

/// It was read, and what was read cannot be written back.
pub(crate) fn unwritable(session: &Session, command: &str, typed: &[&str], seen: &Seen) -> String {
    if let Some(to) = &seen.leads_to {
        let there = session.command(command, typed).replacen(&session.shown_url(), to, 1);
        return format!(
            "reading {} led to {to}: that is what was seen. Nothing was sent.{}",
            session.shown_url(),
            shown(&[("To write there:", there)])
        );
    }
    let why = seen.why.as_deref().unwrap_or("nothing says which version it was");
    let ways = [
        (
            "A gateway in front of the API gives it tags that can be sent back:",
            "ifmatch serve --upstream URL --mode enforce".to_owned(),
        ),
        (
            "It may be written, whatever it is:",
            session.command(command, &[&["--overwrite", "WHY"], typed].concat()),
        ),
    ];
    let why = why.trim_end_matches('.');
    format!("it was read, and cannot be written back: {why}. Nothing was sent.{}", shown(&ways))
}

fn shown(ways: &[(&str, String)]) -> String {
    ways.iter().map(|(when, command)| format!("\n  {when}\n    {command}")).collect()
}
