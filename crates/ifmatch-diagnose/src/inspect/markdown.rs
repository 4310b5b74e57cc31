//! A report as Markdown.

use super::report::{Inspection, Mark};
use core::fmt::Write as _;

/// The report.
pub(super) fn markdown(report: &Inspection) -> String {
    let mut text = format!("# ifmatch inspect\n\n`{}`\n\n", code(&report.url));
    let validators = &report.validators;
    let shown = |value: &Option<String>| {
        value.as_ref().map_or("none".to_owned(), |value| format!("`{}`", code(value)))
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "| | |\n|---|---|");
    let kind = validators.etag_is.as_deref().unwrap_or_default();
    let _ = writeln!(text, "| ETag | {} {kind} |", shown(&validators.etag));
    let _ = writeln!(text, "| Last-Modified | {} |\n", shown(&validators.last_modified));
    let _ = writeln!(text, "| | what | seen | code |\n|---|---|---|---|");
    for check in &report.checks {
        let code = check.code.unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {code} |",
            check.state.word(),
            plain(&check.what),
            plain(&check.seen)
        );
    }
    for finding in &report.findings {
        let _ = write!(
            text,
            "\n## {}: {}\n\n{}\n\n```text\n",
            finding.code,
            plain(&finding.title),
            plain(&finding.request)
        );
        for Mark { line, note, .. } in &finding.marks {
            let _ = writeln!(
                text,
                "{}{}{}",
                fenced(line),
                if note.is_empty() { "" } else { "   <- " },
                fenced(note)
            );
        }
        let _ = write!(
            text,
            "```\n\n**Cause.** {}\n\n**Fix.** {}\n\n```sh\n{}\n```\n",
            finding.cause,
            finding.fix,
            fenced(&finding.curl)
        );
    }
    let _ = writeln!(text, "\n{} {} requests were sent.", plain(&report.conclusion), report.requests);
    text
}

/// Text of a server in which nothing is markup.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' => plain.extend(['\\', c]),
            _ => plain.push(c),
        }
    }
    plain
}

/// Text between backticks, in a table.
fn code(text: &str) -> String {
    text.replace('`', "'").replace('|', "\\|")
}

/// Text in a fenced block.
fn fenced(text: &str) -> String {
    text.replace("```", "'''")
}
