//! `ifmatch explain`.

use crate::args::Output;
use crate::exit::{Ended, Exit};
use crate::output::{self, bold, dim};
use crate::report;
use clap::{ArgGroup, Args};
use ifmatch_core::{Code, explanation};
use ifmatch_diagnose::article::Article;
use ifmatch_diagnose::explain::{self, Evidence, INPUT_BYTES_MAX, Options, Source, Verdict};
use ifmatch_diagnose::inspect;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

/// Tell why a request was answered 428 or 412, or silently overwrote, and what to send instead
///
/// Reads what you have: a recording of a browser (HAR), a curl command, requests and answers as `curl -v` shows them, the
/// body of a refusal, or lines of ifmatch's audit. It names the cause, shows the answer whose ETag should have been sent,
/// tells your own earlier write from another's, and says how to mend it. Nothing is sent, and credentials are dropped on
/// reading. Given a code, it tells what the code means; given nothing, it lists all codes.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES, after_help = "More, with examples: ifmatch explain --help")]
#[command(group = ArgGroup::new("input").args(["what", "har", "curl", "raw", "problem", "audit", "command"]))]
pub(crate) struct Explain {
    /// A file, - for standard input, or a code: X03, V004, stale_version, 412
    #[arg(value_name = "FILE|CODE")]
    what: Option<String>,
    /// A curl command, behind `--`
    #[arg(last = true, value_name = "curl ...")]
    command: Vec<String>,
    /// A HAR file, whatever it looks like
    #[arg(long, value_name = "FILE", help_heading = "Instead of looking what FILE is")]
    har: Option<String>,
    /// A text with a curl command
    #[arg(long, value_name = "FILE", help_heading = "Instead of looking what FILE is")]
    curl: Option<String>,
    /// Requests and answers as text
    #[arg(long, value_name = "FILE", help_heading = "Instead of looking what FILE is")]
    raw: Option<String>,
    /// The body of a refusal
    #[arg(long, value_name = "FILE", help_heading = "Instead of looking what FILE is")]
    problem: Option<String>,
    /// Lines of ifmatch's audit
    #[arg(long, value_name = "FILE", help_heading = "Instead of looking what FILE is")]
    audit: Option<String>,
    /// Only this entry, by its number
    #[arg(short, long, value_name = "N")]
    entry: Option<usize>,
    /// Writes that went through without a condition as well
    #[arg(short, long)]
    all: bool,
}

const EXAMPLES: &str = "\
Examples:
  In the browser's developer tools: Network, \"Save all as HAR\". Then
    ifmatch explain save-failed.har
    ifmatch explain save-failed.har --entry 9

  A request that fails on the command line:
    curl -sv -X PUT http://localhost:3000/orders/42 -d @f 2>&1 | ifmatch explain -

  A request that was not sent yet, judged by itself:
    ifmatch explain -- curl -X PUT http://localhost:3000/orders/42 -d @f

  What a code means:
    ifmatch explain X03

Exit codes: 0 nothing is wrong; 1 a failure was found and explained; 2 the input or the command line cannot be read;
3 there is a failure whose cause cannot be told from the input.";

pub(crate) fn run(asked: &Explain, format: Output) -> Ended {
    let options = Options { entry: asked.entry, all: asked.all };
    let Some(evidence) = evidence(asked)? else {
        if asked.entry.is_some() || asked.all {
            return Err("--entry and --all go with an input: a file, - or a curl command behind --"
                .to_owned()
                .into());
        }
        pages(asked.what.as_deref(), format)?;
        return Ok(Exit::Fine);
    };
    let told = evidence.explain(&options).map_err(|error| error.to_string())?;
    report::print(&told, format)?;
    Ok(match told.verdict {
        Verdict::NothingWrong => Exit::Fine,
        Verdict::Explained => Exit::Finding,
        Verdict::CannotBeTold => Exit::Inconclusive,
    })
}

/// What was passed; `None` if a code was asked for, or nothing.
fn evidence(asked: &Explain) -> Result<Option<Evidence>, String> {
    if !asked.command.is_empty() {
        return Evidence::of_curl(&asked.command).map(Some).map_err(|error| error.to_string());
    }
    let flags = [
        (&asked.har, Source::Har),
        (&asked.curl, Source::Curl),
        (&asked.raw, Source::Raw),
        (&asked.problem, Source::Problem),
        (&asked.audit, Source::Audit),
    ];
    let named = flags.iter().find_map(|(file, source)| Some((file.as_deref()?, Some(*source))));
    let is_input = |what: &str| what == "-" || Path::new(what).exists() && !is_code(what);
    let found = asked.what.as_deref().filter(|what| is_input(what)).map(|file| (file, None));
    let Some((file, source)) = named.or(found) else { return Ok(None) };
    let input = read(file)?;
    let shown = if file == "-" { "standard input" } else { file };
    Evidence::read(&input, source).map(Some).map_err(|error| format!("{shown}: {error}"))
}

/// At most so much that a reader sees that it is too much.
fn read(file: &str) -> Result<Vec<u8>, String> {
    let mut input = Vec::new();
    let most = INPUT_BYTES_MAX as u64 + 1;
    let read = match file {
        "-" => stdin().lock().take(most).read_to_end(&mut input),
        _ => File::open(file).and_then(|file| file.take(most).read_to_end(&mut input)),
    };
    let shown = if file == "-" { "standard input" } else { file };
    read.map_err(|error| format!("{shown} could not be read: {error}"))?;
    Ok(input)
}

/// The page of a cause, or of what inspect finds.
fn article(code: &str) -> Option<&'static Article> {
    explain::article(code).or_else(|| inspect::article(code))
}

fn is_code(name: &str) -> bool {
    Code::from_name(name).is_some() || article(name).is_some()
}

/// What a code means, or all codes.
fn pages(name: Option<&str>, format: Output) -> Result<(), String> {
    if format == Output::Junit {
        return Err("what a code means has no junit output; text, json and markdown are there".to_owned());
    }
    let Some(name) = name else { return output::print(&all(format)) };
    let last = name.rsplit('/').next().unwrap_or(name);
    if let Some(code) = Code::from_name(last) {
        return output::print(&match format {
            Output::Json => pretty(&as_json(code)),
            _ => explanation(code),
        });
    }
    if let Some(article) = article(last) {
        return output::print(&match format {
            Output::Json => pretty(&json!(article)),
            Output::Markdown => article.markdown(),
            _ => article.text(report::width()),
        });
    }
    match last.parse() {
        Ok(status) if (400..600).contains(&status) => output::print(&of_status(status, format)?),
        _ => Err(unknown(name, last)),
    }
}

fn unknown(name: &str, last: &str) -> String {
    let looks_like_file = name.contains(['/', '.', '\\']);
    if looks_like_file {
        return format!("there is no file {name:?}, and no such code.\n  ifmatch explain lists all codes.");
    }
    let lower = last.to_ascii_lowercase();
    let pages = explain::ARTICLES.iter().copied().chain(inspect::ARTICLES);
    let names = Code::ALL.iter().map(|code| code.name()).chain(pages.map(|article| article.name));
    let near = names.filter(|known| known.contains(&lower) || lower.contains(known));
    let hint = near.map(|known| format!("\n  Did you mean {known}?")).next().unwrap_or_default();
    format!("there is no code and no file {last:?}.{hint}\n  ifmatch explain lists all codes.")
}

/// The causes that a status has most often, where it is one of the two.
fn causes_of(status: u16) -> &'static [&'static str] {
    match status {
        428 => &["X01", "X07", "X09", "X14", "X17"],
        412 => &["X02", "X03", "X04", "X05", "X06", "X08", "X09", "X10", "X11", "X12", "X13", "X14"],
        400 => &["X04", "X08"],
        409 | 422 => &["X02", "X03", "X15"],
        _ => &[],
    }
}

fn of_status(status: u16, format: Output) -> Result<String, String> {
    let codes: Vec<_> = Code::ALL.iter().copied().filter(|code| code.status().as_u16() == status).collect();
    let causes: Vec<_> = causes_of(status).iter().filter_map(|code| article(code)).collect();
    if codes.is_empty() && causes.is_empty() {
        return Err(format!(
            "status {status} has nothing to do with conditions.\n  ifmatch explain lists all codes."
        ));
    }
    Ok(listing(&codes, &causes, &[], format))
}

fn all(format: Output) -> String {
    listing(Code::ALL, &explain::ARTICLES, inspect::ARTICLES, format)
}

fn listing(codes: &[Code], causes: &[&Article], findings: &[Article], format: Output) -> String {
    if format == Output::Json {
        let problems: Vec<_> = codes.iter().map(|&code| as_json(code)).collect();
        return pretty(&json!({ "problems": problems, "causes": causes, "findings": findings }));
    }
    let mut text = String::new();
    if !codes.is_empty() {
        text.push_str(&format!("{}\n", bold("What a refusal of ifmatch says: the `code` of its body")));
    }
    for code in codes {
        let name = bold(&format!("{:<26}", code.name()));
        text.push_str(&format!("{name} {} {}\n", code.status().as_u16(), dim(code.title())));
    }
    text.push_str(&section("Why a request was refused, or overwrote", causes));
    let findings: Vec<_> = findings.iter().collect();
    text.push_str(&section("What ifmatch inspect finds", &findings));
    text.push_str(
        "\nifmatch explain CODE tells what one means and what to do about it.\n\
         ifmatch explain FILE, or - for what is piped in, tells why a request was refused.\n",
    );
    text
}

fn section(head: &str, articles: &[&Article]) -> String {
    if articles.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", bold(head));
    for Article { code, name, title, .. } in articles {
        text.push_str(&format!("{} {name:<22} {}\n", bold(code), dim(title)));
    }
    text
}

fn as_json(code: Code) -> Value {
    json!({
        "code": code.name(),
        "type": code.type_path(),
        "status": code.status().as_u16(),
        "title": code.title(),
        "applied": code.applied(),
        "retry": { "same_request": code.same_request(), "action": code.action() },
        "means": code.means(),
        "todo": code.todo(),
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
