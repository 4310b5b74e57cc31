//! The report for people and build servers.

use super::report::{Case, Mood, Race};
use super::restore::Ending;
use super::verdict::Verdict;
use crate::junit::{self, End, Suite};
use crate::report::Report;
use crate::text::{self, BAD, BOLD, Cell, DIM, GOOD, PLAIN, WARN, cell, paint};
use anstyle::Style;
use core::fmt::Write as _;

impl Report for Race {
    const SCHEMA: &'static str = "race-1";

    fn text(&self, width: usize) -> String {
        let mut page = String::new();
        let is_raced = self.tests.iter().any(|test| test.mood != Mood::Skipped);
        if is_raced {
            page += &self.table(width);
            page.push('\n');
        }
        page += &format!("{}\n", paint(style(self.verdict), &self.headline));
        for sentence in self.findings.iter().chain(&self.reasons) {
            page += &format!("{}\n", text::wrap(&super::reasons::sentence(sentence), width, "  "));
        }
        for remark in &self.remarks {
            page += &format!("{}\n", hang(remark, width, "  note: "));
        }
        if let Some(reproduction) = &self.reproduction {
            page += &format!("\n{}\n", paint(BOLD, "Reproduce"));
            for line in &reproduction.lines {
                page += &format!("  {line}\n");
            }
            // Each line of it is a comment: people paste all of it.
            page += &format!("{}\n", text::wrap(&reproduction.expect, width, "  # "));
        }
        if let [serve, race] = &self.fix[..] {
            page += &format!("\n{}\n  {serve}\n  {race}\n", paint(BOLD, "Fix it without touching the API"));
            page += "  # expect PROTECTED\n";
        }
        let how = if self.restored.ending == Ending::NotRestored { WARN } else { PLAIN };
        let mut says = self.restored.says.clone();
        if let Some(kept) = &self.kept {
            let _ = write!(says, " It is kept in {}.", kept.display());
        }
        page += &format!("\n{}\n", paint(how, &text::wrap(&says, width, "")));
        page
    }

    fn markdown(&self) -> String {
        let mut page = format!("## {}\n\n`{} {}`, {}\n\n", self.headline, self.method, self.url, self.field);
        for sentence in self.findings.iter().chain(&self.reasons) {
            // Writing to a String cannot fail.
            let _ = writeln!(page, "{}\n", super::reasons::sentence(sentence));
        }
        page += "| | test | answers | result | rounds |\n|---|---|---|---|---|\n";
        for test in self.shown() {
            let Case { number, title, statuses, says, .. } = test;
            let _ = writeln!(
                page,
                "| {number} | {} | {statuses} | {says} | {} |",
                title.replace('*', "\\*"),
                rounds(test)
            );
        }
        page.push('\n');
        for remark in &self.remarks {
            let _ = writeln!(page, "- {remark}");
        }
        if let Some(reproduction) = &self.reproduction {
            let lines = reproduction.lines.join("\n");
            let _ = write!(page, "\n```sh\n{lines}   # {}\n```\n", reproduction.expect);
        }
        let _ = write!(page, "\n{}\n", self.restored.says);
        page
    }

    fn junit(&self) -> Suite {
        let case = |name: &str, end| junit::Case { name: name.to_owned(), class: self.url.clone(), end };
        let mut cases: Vec<_> = self.tests.iter().map(|test| case(test.id, end(test))).collect();
        let full = self.findings.iter().chain(&self.reasons).cloned().collect::<Vec<_>>().join("\n");
        let verdict = match self.verdict {
            Verdict::Protected => End::Passed,
            Verdict::Inconclusive => End::Error(self.headline.clone(), full),
            _ => End::Failed(self.headline.clone(), full),
        };
        cases.push(case("verdict", verdict));
        Suite { name: "ifmatch race".to_owned(), cases }
    }
}

impl Race {
    /// The tests that were tried.
    fn shown(&self) -> impl Iterator<Item = &Case> {
        self.tests.iter().filter(|test| test.mood != Mood::Skipped || test.number < 6)
    }

    fn table(&self, width: usize) -> String {
        let head: Vec<Cell> =
            ["", "test", "answers", "lost", "result"].map(|head| cell(DIM, head)).into_iter().collect();
        let mut rows = vec![head];
        for test in self.shown() {
            let style = match test.mood {
                Mood::Good => GOOD,
                Mood::Bad => BAD,
                Mood::Unclear => WARN,
                Mood::Skipped => DIM,
            };
            rows.push(vec![
                test.number.to_string().into(),
                test.title.into(),
                test.statuses.clone().into(),
                rounds(test).into(),
                cell(style, test.says.clone()),
            ]);
        }
        let mut table = text::columns(&rows, "", width);
        let untried: Vec<_> =
            self.tests.iter().filter(|test| test.number > 5 && test.mood == Mood::Skipped).collect();
        if untried.iter().any(|test| (6..=8).contains(&test.number)) {
            table += &format!(
                "{}\n",
                paint(DIM, "6-8 create and delete resources of their own: they need --create")
            );
        }
        table
    }
}

/// How many rounds lost something, of those that count.
fn rounds(test: &Case) -> String {
    if test.of == 0 { String::new() } else { format!("{}/{}", test.found, test.of) }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Ignores | Verdict::NotAtomic | Verdict::LosesUpdates => BAD,
        Verdict::OptIn | Verdict::Inconclusive => WARN,
        Verdict::Protected => GOOD.bold(),
    }
}

fn end(test: &Case) -> End {
    let answers = format!("{} {} {}", test.title, test.statuses, rounds(test));
    match test.mood {
        Mood::Good => End::Passed,
        Mood::Bad => End::Failed(test.says.clone(), answers),
        Mood::Unclear => End::Error(test.says.clone(), answers),
        Mood::Skipped => End::Skipped(test.says.clone()),
    }
}

/// A paragraph that begins with a word and goes on below what follows it.
fn hang(paragraph: &str, width: usize, word: &str) -> String {
    let below = " ".repeat(word.len());
    let text = text::wrap(paragraph, width, &below);
    format!("{word}{}", text.trim_start())
}
