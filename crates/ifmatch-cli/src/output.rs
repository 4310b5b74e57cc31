//! Colors and messages.

use crate::args::Color;
use anstream::{AutoStream, ColorChoice, eprintln};
use anstyle::{AnsiColor, Style};
use clap::error::{ContextKind, ContextValue};
use ifmatch_client::secret::MASK;
use tracing::level_filters::LevelFilter;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Sets for the whole process whether output is colored.
pub(crate) fn set_color(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => ColorChoice::Always.write_global(),
        Color::Never => ColorChoice::Never.write_global(),
    }
}

/// Whether standard error takes colors.
pub(crate) fn stderr_is_colored() -> bool {
    AutoStream::choice(&std::io::stderr()) != ColorChoice::Never
}

/// What goes to the log.
pub(crate) fn level(quiet: bool, verbose: u8) -> LevelFilter {
    match (quiet, verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// An error about what was typed, without the credentials of URLs in it.
pub(crate) fn masked(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg] {
        if let Some(ContextValue::String(typed)) = error.get(kind) {
            let shown = url_typed(typed);
            error.insert(kind, ContextValue::String(shown));
        }
    }
    error
}

/// Text that may be meant as a URL and is none, without what may be credentials: all before an `@`, and the query.
fn url_typed(typed: &str) -> String {
    let (scheme, rest) = typed.find("://").map_or(("", typed), |at| typed.split_at(at + 3));
    // A password that should have been encoded may have any of the marks in it.
    let (user, rest) = match rest.rsplit_once('@').filter(|(before, _)| !before.is_empty()) {
        Some((_, after)) => (format!("{MASK}@"), after),
        None => (String::new(), rest),
    };
    let (place, query) = rest.find(['?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    let query = query.chars().next().map_or_else(String::new, |mark| format!("{mark}{MASK}"));
    format!("{scheme}{user}{place}{query}")
}

/// An error on standard error.
pub(crate) fn error(message: &str) {
    eprintln!("{RED}error{RED:#}: {message}");
}

/// A remark on standard error, which a reader of the result does not get.
pub(crate) fn note(message: &str) {
    eprintln!("{message}");
}

/// A question on standard error; the answer is typed behind it.
pub(crate) fn ask(question: &str) {
    anstream::eprint!("{question}");
}

/// Emphasised text.
pub(crate) fn bold(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}

/// Text in the background.
pub(crate) fn dim(text: &str) -> String {
    format!("{DIM}{text}{DIM:#}")
}

/// Writes text that may have colors to standard output.
pub(crate) fn print(text: &str) -> Result<(), String> {
    use std::io::Write;
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("standard output could not be written: {error}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_shown_without_credentials() {
        for (typed, shown) in [
            ("http://u:p@h:99999/x?token=t", "http://***@h:99999/x?***"),
            ("http://u:p/w@h:99999/", "http://***@h:99999/"),
            ("http://u:p?w@h:99999/", "http://***@h:99999/"),
            ("u:p@h:99999", "***@h:99999"),
            ("http://h:99999/a", "http://h:99999/a"),
            ("99", "99"),
            ("@file", "@file"),
        ] {
            assert_eq!(url_typed(typed), shown);
        }
    }
}
