//! The forms of an explanation.

mod timeline;

use super::report::{Case, Explanation, Kind, Verdict};
use crate::junit::{self, End, Suite};
use crate::report::Report;
use crate::text::{BAD, BOLD, Cell, DIM, GOOD, PLAIN, WARN, cell, columns, indent, paint};
use core::fmt::Write as _;
use http::StatusCode;
use timeline::{answer, path, timeline};
use unicode_width::UnicodeWidthStr;

/// How wide labels are, with the space behind them.
const LABEL: usize = 8;

impl Report for Explanation {
    const SCHEMA: &'static str = "explain-1";

    fn text(&self, width: usize) -> String {
        let mut text = String::new();
        for (index, case) in self.cases.iter().enumerate() {
            let code = |case: &Case| case.causes.first().map(|cause| cause.code);
            let is_told =
                self.cases[..index].iter().any(|earlier| earlier.is_explained && code(earlier) == code(case));
            text += &case_text(case, is_told, self, width);
            text.push('\n');
        }
        text += &last_lines(self, width);
        text
    }

    fn markdown(&self) -> String {
        let mut page = "# Why requests failed\n".to_owned();
        for case in &self.cases {
            page += &case_markdown(case, self);
        }
        let _ = write!(page, "\n{}\n", self.sentence());
        for remark in &self.remarks {
            let _ = write!(page, "\n- {}", escaped(remark));
        }
        if !self.remarks.is_empty() {
            page.push('\n');
        }
        page
    }

    fn junit(&self) -> Suite {
        let cases = self.cases.iter().map(|case| {
            let text = body(case);
            let end = match (case.is_explained, case.causes.first()) {
                (true, Some(cause)) => End::Failed(format!("{} {}", cause.code, cause.name), text),
                _ => End::Error("the cause cannot be told".to_owned(), text),
            };
            junit::Case { name: head(case, self), class: case.url.clone(), end }
        });
        let mut cases: Vec<_> = cases.collect();
        if cases.is_empty() {
            let name = "no request failed for its condition".to_owned();
            cases.push(junit::Case { name, class: "ifmatch.explain".to_owned(), end: End::Passed });
        }
        Suite { name: "ifmatch explain".to_owned(), cases }
    }
}

impl Explanation {
    /// The verdict, as a sentence.
    fn sentence(&self) -> String {
        let unit = if self.entries == 1 { self.source.unit() } else { plural(self.source.unit()) };
        let (count, untold) = (self.cases.len(), self.cases.iter().filter(|case| !case.is_explained).count());
        let of = format!("{} {unit}", self.entries);
        match self.verdict {
            Verdict::NothingWrong => format!("No request failed for its condition ({of})."),
            Verdict::Explained => {
                format!("{count} {}, explained ({of}).", if count == 1 { "case" } else { "cases" })
            }
            Verdict::CannotBeTold if count == 1 => {
                format!("The cause cannot be told from what is here ({of}).")
            }
            Verdict::CannotBeTold => {
                format!("{untold} of {count} cases cannot be told from what is here ({of}).")
            }
        }
    }
}

/// A paragraph, wrapped at `width`, each line behind `indent`. Neither URLs nor tags are broken: they are copied.
fn wrap(paragraph: &str, width: usize, indent: &str) -> String {
    let options = textwrap::Options::new(width.max(20)).initial_indent(indent).subsequent_indent(indent);
    textwrap::fill(paragraph, options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation))
}

/// With its full stop.
fn sentence(text: &str) -> String {
    if text.ends_with(['.', '?', '!']) { text.to_owned() } else { format!("{text}.") }
}

fn plural(unit: &str) -> &'static str {
    match unit {
        "entry" => "entries",
        "record" => "records",
        _ => "requests",
    }
}

fn phrase(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("")
}

/// `entry 9 of 17   PATCH https://...   412 Precondition Failed`
fn head(case: &Case, of: &Explanation) -> String {
    let (request, answer) = heads(case, of);
    format!("{request}{answer}")
}

/// The two parts of a heading.
fn heads(case: &Case, of: &Explanation) -> (String, String) {
    let place = match of.entries {
        1 => String::new(),
        entries => format!("{} {} of {entries}   ", of.source.unit(), case.entry),
    };
    let answer = match (case.status, case.kind) {
        (Some(status), _) => format!("   {status} {}", phrase(status)),
        (None, Kind::JudgedAlone) => "   (judged by itself)".to_owned(),
        (None, _) => "   no answer".to_owned(),
    };
    (format!("{place}{} {}", case.method, case.url).trim_end().to_owned(), answer.trim_end().to_owned())
}

/// `is_told`: how to mend it stands above already.
fn case_text(case: &Case, is_told: bool, of: &Explanation, width: usize) -> String {
    let mut text = String::new();
    let (request, answer) = heads(case, of);
    let gap = if request.width() + answer.width() > width { "\n" } else { "" };
    let _ = writeln!(text, "{}", wrap_styled(&format!("{request}{gap}{answer}"), width));
    text.push('\n');
    match case.kind {
        Kind::WentThrough => labelled(&mut text, "Note", "It was accepted, and should not have been.", width),
        Kind::WouldBeRefused => {
            labelled(
                &mut text,
                "Note",
                "It was accepted; a server that requires conditions refuses it.",
                width,
            );
        }
        Kind::Refused | Kind::JudgedAlone => {}
    }
    if let Some(cause) = case.causes.first() {
        labelled(&mut text, "Why", &cause.why, width);
        if let Some(who) = cause.who.as_ref().filter(|_| case.is_explained) {
            labelled(&mut text, "Who", who, width);
        }
    } else {
        labelled(&mut text, "Why", "Nothing in the input says.", width);
    }
    if let Some(message) = &case.message {
        labelled(&mut text, "Server", &format!("\"{message}\""), width);
    }
    if case.timeline.len() > 1 {
        text.push('\n');
        text += &timeline(case, width);
    }
    text.push('\n');
    if case.is_explained {
        explained(&mut text, case, is_told, width);
    } else {
        candidates(&mut text, case, width);
    }
    text
}

/// A heading that may be too long for one line.
fn wrap_styled(line: &str, width: usize) -> String {
    wrap(line, width, "").lines().map(|line| paint(BOLD, line)).collect::<Vec<_>>().join("\n")
}

fn explained(text: &mut String, case: &Case, is_told: bool, width: usize) {
    let Some(cause) = case.causes.first() else { return };
    if let Some(instead) = &cause.instead {
        labelled(text, "Instead", instead, width);
    }
    if is_told {
        labelled(text, "Fix", "as above", width);
    } else if let Some(fix) = &case.fix {
        labelled(text, "Fix", fix.text, width);
        if let Some(example) = fix.examples.iter().find(|example| example.tool == fix.tool) {
            let _ = writeln!(text, "\n{}", paint(BOLD, example.tool));
            let _ = writeln!(text, "{}\n", indent(example.code, "  "));
        }
    }
    for (index, cause) in case.causes.iter().enumerate() {
        let label = if index == 0 { "Rule" } else { "Also" };
        let sure = cause.confidence.name();
        let line = format!("{} {}, {sure}", cause.code, cause.name);
        let _ = writeln!(
            text,
            "{}{}   {}",
            paint(BOLD, &format!("{label:<LABEL$}")),
            paint(if index == 0 { BAD } else { PLAIN }, &line),
            paint(DIM, &format!("ifmatch explain {}", cause.code))
        );
        if index > 0 {
            let _ = writeln!(text, "{}", wrap(&cause.why, width, &" ".repeat(LABEL)));
        }
        if let Some(settle) = &cause.settle {
            let _ = writeln!(
                text,
                "{}",
                wrap(&sentence(&format!("Would settle it: {settle}")), width, &" ".repeat(LABEL))
            );
        }
    }
}

fn candidates(text: &mut String, case: &Case, width: usize) {
    if case.causes.is_empty() {
        labelled(
            text,
            "Ask",
            "Pass the request and its answer together: curl -sv URL ... 2>&1 | ifmatch explain -",
            width,
        );
        return;
    }
    let _ = writeln!(text, "{}", paint(BOLD, "Could be"));
    let rows = case.causes.iter().map(|cause| {
        let who = cause.who.as_ref().or(cause.instead.as_ref()).cloned().unwrap_or_default();
        vec![cell(WARN, cause.code), Cell::from(cause.name), Cell::from(who)]
    });
    *text += &columns(&rows.collect::<Vec<_>>(), "  ", width);
    let mut asked: Vec<&str> = Vec::new();
    for settle in case.causes.iter().filter_map(|cause| cause.settle.as_deref()) {
        if !asked.contains(&settle) {
            asked.push(settle);
        }
    }
    if !asked.is_empty() {
        text.push('\n');
    }
    for settle in asked {
        labelled(text, "Tells", &sentence(settle), width);
    }
}

fn labelled(text: &mut String, label: &str, paragraph: &str, width: usize) {
    let lines = wrap(paragraph, width, &" ".repeat(LABEL));
    let rest = lines.get(LABEL..).unwrap_or_default();
    let label = format!("{label:<LABEL$}");
    let _ = writeln!(text, "{}{rest}", paint(BOLD, label.trim_end_matches(|_| rest.is_empty())));
}

fn last_lines(report: &Explanation, width: usize) -> String {
    let mut text = String::new();
    for remark in &report.remarks {
        let _ = writeln!(text, "{}", wrap(remark, width, ""));
    }
    if report.more_cases > 0 {
        let _ = writeln!(text, "{} more cases are not shown; --entry N shows one.", report.more_cases);
    }
    let style = match report.verdict {
        Verdict::NothingWrong => GOOD,
        Verdict::Explained => PLAIN,
        Verdict::CannotBeTold => WARN,
    };
    let _ = writeln!(text, "{}", paint(style, &report.sentence()));
    text
}

/// The sentences of a case, for forms without columns.
fn body(case: &Case) -> String {
    let mut text = String::new();
    for cause in &case.causes {
        let _ = writeln!(text, "{} {} ({}): {}", cause.code, cause.name, cause.confidence.name(), cause.why);
        for (label, line) in
            [("Who", &cause.who), ("Instead", &cause.instead), ("Would settle it", &cause.settle)]
        {
            if let Some(line) = line {
                let _ = writeln!(text, "  {label}: {line}");
            }
        }
    }
    if let Some(fix) = case.fix.as_ref().filter(|_| case.is_explained) {
        let _ = writeln!(text, "Fix: {}", fix.text);
    }
    text
}

fn case_markdown(case: &Case, of: &Explanation) -> String {
    let mut page =
        format!("\n## {}\n", escaped(&head(case, of).split_whitespace().collect::<Vec<_>>().join(" ")));
    for (index, cause) in case.causes.iter().enumerate() {
        let label = match (case.is_explained, index) {
            (true, 0) => "Cause",
            (true, _) => "Also",
            (false, _) => "Could be",
        };
        let _ = write!(
            page,
            "\n**{label}: {} {}** ({}). {}\n",
            cause.code,
            cause.name,
            cause.confidence.name(),
            escaped(&cause.why)
        );
        for (label, line) in
            [("Who", &cause.who), ("Instead", &cause.instead), ("Would settle it", &cause.settle)]
        {
            if let Some(line) = line {
                let _ = write!(page, "\n{label}: {}\n", escaped(line));
            }
        }
    }
    if let Some(message) = &case.message {
        let _ = write!(page, "\nThe server says: {}\n", escaped(message));
    }
    if case.timeline.len() > 1 {
        page +=
            "\n| # | time | request | tag sent | answer | tag received | |\n|---|---|---|---|---|---|---|\n";
        for row in &case.timeline {
            let (time, answer) = (row.time.as_deref().unwrap_or_default(), answer(row));
            let (method, path, sent) = (&row.method, escaped(path(&row.url)), escaped(&row.sent));
            let received = escaped(row.received.as_deref().unwrap_or("-"));
            let keep = if row.keep { "keep this one" } else { "" };
            let _ = writeln!(
                page,
                "| {} | {time} | {method} {path} | {sent} | {answer} | {received} | {keep} |",
                row.entry
            );
        }
    }
    if let Some(fix) = case.fix.as_ref().filter(|_| case.is_explained) {
        let _ = write!(page, "\n**Fix.** {}\n", fix.text);
        if let Some(example) = fix.examples.iter().find(|example| example.tool == fix.tool) {
            let _ = write!(page, "\n{}:\n\n```text\n{}\n```\n", example.tool, example.code);
        }
    }
    page
}

/// Text in which nothing is markup.
fn escaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#') {
            plain.push('\\');
        }
        plain.push(if character.is_control() { ' ' } else { character });
    }
    plain
}
