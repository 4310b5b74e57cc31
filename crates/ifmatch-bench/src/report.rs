//! Results: a table for people, JSON for machines.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

/// The middle of several figures, and their ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let (last, middle) = (sorted.len().saturating_sub(1), sorted.len() / 2);
        let median = if sorted.len().is_multiple_of(2) {
            (at(middle.wrapping_sub(1)) + at(middle)) / 2.0
        } else {
            at(middle)
        };
        Self { median, low: at(0), high: at(last) }
    }
}

/// One server in one row.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) row: String,
    pub(crate) server: String,
    pub(crate) per_second: f64,
    /// User and system time of the server for each operation that succeeded.
    pub(crate) cpu_us: f64,
    /// That, against the baseline of the row.
    pub(crate) ratio: Option<Spread>,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Writes sent for each that succeeded.
    pub(crate) attempts: Option<f64>,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) lines: Vec<Line>,
    /// By server: acknowledged increments that were not there at the end.
    pub(crate) lost: Vec<(String, u64)>,
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<36}{:<26}{:>9}{:>9}{:>9}{:>16}{:>9}{:>9}{:>10}\n",
            "", "", "per s", "CPU us", "ratio", "(low - high)", "p50 ms", "p99 ms", "attempts"
        );
        let mut before = "";
        for line in &self.lines {
            let row = if line.row == before { "" } else { &line.row };
            before = &line.row;
            let (ratio, ends) = line.ratio.map_or_else(Default::default, |ratio| {
                (format!("{:.2}", ratio.median), format!("({:.2} - {:.2})", ratio.low, ratio.high))
            });
            let attempts = line.attempts.map_or_else(String::new, |attempts| format!("{attempts:.2}"));
            // Writing to a string does not fail.
            let _ok = writeln!(
                text,
                "{row:<36}{:<26}{:>9.0}{:>9.1}{ratio:>9}{ends:>16}{:>9.2}{:>9.2}{attempts:>10}",
                line.server, line.per_second, line.cpu_us, line.p50_ms, line.p99_ms
            );
        }
        text.push_str("\nlost updates:");
        for (server, lost) in &self.lost {
            let _ok = write!(text, " {server}: {lost};");
        }
        text.push('\n');
        text
    }

    pub(crate) fn json(&self) -> Value {
        let ratio = |ratio: Spread| json!({ "median": ratio.median, "low": ratio.low, "high": ratio.high });
        let line = |line: &Line| {
            json!({
                "row": line.row,
                "server": line.server,
                "per_second": line.per_second,
                "cpu_us": line.cpu_us,
                "ratio": line.ratio.map(ratio),
                "p50_ms": line.p50_ms,
                "p99_ms": line.p99_ms,
                "attempts": line.attempts,
            })
        };
        let lost = |(server, lost): &(String, u64)| json!({ "server": server, "lost": lost });
        json!({
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "lost": self.lost.iter().map(lost).collect::<Vec<_>>(),
        })
    }
}

/// What is going on, in one line of a terminal; nothing where there is none.
pub(crate) struct Progress {
    shows: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shows: std::io::stderr().is_terminal() }
    }

    pub(crate) fn say(&mut self, what: &str) {
        if self.shows {
            // Who closes standard error does not want to know.
            drop(write!(std::io::stderr(), "\r\x1b[2K{what}"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.say("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of(&[1.0, 2.0, 4.0, 3.0]).median, 2.5);
        assert!(Spread::of(&[]).median.is_nan());
    }
}
