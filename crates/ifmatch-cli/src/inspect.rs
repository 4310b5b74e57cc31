//! `ifmatch inspect`.

use crate::access::{AccessFlags, url};
use crate::args::Output;
use crate::exit::{Ended, Exit, Failure};
use crate::report;
use clap::Args;
use ifmatch_client::wire::Url;
use ifmatch_diagnose::inspect::{self, Plan, Trouble};
use ifmatch_diagnose::text;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Are this API's validators fit for conditional writes?
///
/// Reads the resource again and again: the same tag for the same content, over several connections, with HEAD, with
/// compression, as a web page sees it, through caches and proxies; and says what is wrong, why, and what to do. Some 20 to
/// 30 requests are sent, one after the other. Nothing is written unless --after-write says so.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Inspect {
    /// A resource that a GET answers with 200, as :3000/items/1
    #[arg(value_name = "URL", value_parser = url)]
    url: Url,
    /// How often it is read on one connection; over new ones once less
    #[arg(long, value_name = "N", default_value_t = inspect::READS, value_parser = reads)]
    reads: usize,
    /// A web origin whose pages are to use the API, as https://app.example
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    origin: Option<String>,
    /// The collection that lists the resource [default: the path above it]
    #[arg(long, value_name = "URL", value_parser = url)]
    list: Option<Url>,
    /// The same resource through a proxy or cache, while URL reaches it directly; without a path, URL's. It gets the
    /// same fields, credentials included
    #[arg(long, value_name = "URL", value_parser = url)]
    via: Option<Url>,
    /// How old a tag may be that a cache hands out, as 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = span)]
    max_age: Option<Duration>,
    /// Write back what was read, with If-Match, and look at the tags of that write; asks first. A server that ignores
    /// If-Match loses what somebody else writes in that moment
    #[arg(long)]
    after_write: bool,
    /// Do not ask before writing
    #[arg(short, long, requires = "after_write")]
    yes: bool,
    /// Exit with 1 for warnings too
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    access: AccessFlags,
}

const EXAMPLES: &str = "\
Examples:
  ifmatch inspect :3000/items/1
  ifmatch inspect https://api.example/orders/42 --origin https://app.example
  ifmatch inspect http://10.0.0.7:3000/orders/42 --via https://api.example
  ifmatch inspect https://api.example/orders/42 --max-age 30s --bearer TOKEN
  ifmatch inspect :3000/items/1 --after-write --yes
  ifmatch inspect :3000/items/1 --output junit > inspect.xml

Exit codes: 0 nothing is wrong (there may be warnings, but not with --strict);
1 something is; 2 usage; 3 the API was not reached, or did not answer well
enough to tell.";

pub(crate) fn run(flags: &Inspect, format: Output) -> Ended {
    let access = flags.access.access()?;
    let mut plan = Plan::new(flags.url.clone());
    plan.reads = flags.reads;
    plan.origin.clone_from(&flags.origin);
    plan.list.clone_from(&flags.list);
    plan.via.clone_from(&flags.via);
    plan.max_age = flags.max_age;
    plan.after_write = flags.after_write;
    plan.show_secrets = flags.access.show_secrets;
    if flags.after_write && !flags.yes {
        ask(&flags.url, flags.access.show_secrets)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the program cannot start: {error}. Nothing was sent."))?;
    let is_watched = std::io::stderr().is_terminal();
    let watch = |sent: usize| {
        if is_watched {
            progress(&format!("request {sent} ..."));
        }
    };
    let inspection = runtime.block_on(inspect::inspect_watched(&plan, &access, &watch));
    if is_watched {
        progress("");
    }
    let inspection = inspection.map_err(failure)?;
    report::print(&inspection, format)?;
    Ok(if !inspection.is_sound(flags.strict) {
        Exit::Finding
    } else if inspection.is_incomplete() {
        Exit::Inconclusive
    } else {
        Exit::Fine
    })
}

/// One line on standard error that is written over by the next.
fn progress(text: &str) {
    let mut err = std::io::stderr().lock();
    // Nobody needs it.
    drop(write!(err, "\r\x1b[K{text}").and_then(|()| err.flush()));
}

fn failure(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Access(error) => Failure::from(error.to_string()),
        Trouble::Silent(_) | Trouble::Status { .. } => Failure::unreachable(&trouble),
    }
}

/// Asks whether it may write.
fn ask(url: &Url, show_secrets: bool) -> Result<(), String> {
    const YES: &str = "say --yes to write without being asked. Nothing was sent.";
    if !std::io::stdin().is_terminal() {
        return Err(format!("--after-write writes, and nobody can be asked here: {YES}"));
    }
    let shown = if show_secrets { url.to_string() } else { ifmatch_client::secret::url(url) };
    let question = format!(
        "Will send one PUT to {shown} with what was read there and its tag in If-Match, so that nothing \
         changes. A server that ignores If-Match may lose what somebody else writes in that moment. Continue? [y/N]"
    );
    let question = format!("{} ", text::wrap(&question, report::width(), ""));
    let mut err = std::io::stderr().lock();
    let asked = err.write_all(question.as_bytes()).and_then(|()| err.flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| std::io::stdin().read_line(&mut answer));
    match read {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        Ok(_) => Err("you did not say yes. Nothing was sent.".to_owned()),
        Err(error) => Err(format!("no answer could be read: {error}; {YES}")),
    }
}

fn reads(text: &str) -> Result<usize, String> {
    let (min, max) = (inspect::READS_MIN, inspect::READS_MAX);
    let reads = text.parse().ok().filter(|reads| (min..=max).contains(reads));
    reads.ok_or_else(|| format!("expected a number from {min} to {max}"))
}

/// Scheme and host, as browsers send them.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || "an origin is scheme and host, as https://app.example, without a path".to_owned();
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_bare || !url.username().is_empty() {
        return Err(wrong());
    }
    Ok(url.origin().ascii_serialization())
}

/// Seconds, or a number with its unit; at most a year.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time, as 30s, 5m, 2h or 1d".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits) {
        Some("" | "s") => 1,
        Some("m" | "min") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| *seconds <= 31_536_000).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [("0", 0), ("30", 30), ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400)]
        {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "s", "-1", "1.5s", "5w", "99999999d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn origins() {
        assert_eq!(origin("https://App.example/"), Ok("https://app.example".to_owned()));
        assert_eq!(origin("http://localhost:5173"), Ok("http://localhost:5173".to_owned()));
        for wrong in ["app.example", "https://a/b", "ftp://a", "https://u@a", "*"] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reads_have_bounds() {
        assert_eq!(reads("2"), Ok(2));
        assert!(["1", "11", "-1", "x"].iter().all(|text| reads(text).is_err()));
    }
}
