//! Printing reports.

use crate::args::Output;
use crate::output;
use ifmatch_diagnose::report::{Report, json};
use ifmatch_diagnose::text::WIDTH;

/// The widest text, in columns: longer lines are hard to read.
const WIDTH_MAX: usize = 120;

/// Prints a report in the form that was asked for.
pub(crate) fn print<R: Report>(report: &R, format: Output) -> Result<(), String> {
    output::print(&match format {
        Output::Text => report.text(width()),
        Output::Json => format!("{:#}\n", json(report)),
        Output::Junit => report.junit().to_string(),
        Output::Markdown => report.markdown(),
    })
}

/// The columns of the terminal; of what is no terminal, 80, or what `COLUMNS` says.
pub(crate) fn width() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    said.or_else(terminal).unwrap_or(WIDTH).clamp(40, WIDTH_MAX)
}
