//! `ifmatch race`.

use crate::access::{AccessFlags, url};
use crate::args::Output;
use crate::exit::{Ended, Exit, Failure};
use crate::output;
use crate::report;
use clap::{Args, ValueEnum};
use http::{HeaderValue, Method};
use ifmatch_client::secret;
use ifmatch_client::wire::{Access, Url};
use ifmatch_diagnose::race::{
    self, Create, Ending, Journal, JournalError, Observer, Plan, PrepareError, Prepared, Progress, ROUNDS,
    Race, Stop, Verdict,
};
use ifmatch_diagnose::text;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::fs;
use std::io::{BufRead, IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The longest content that a new resource is created with, in bytes.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// Prove whether an API loses updates: several writers really race on one resource.
///
/// It reads the resource, lets writers write into it, with and without conditions, alone and at the same instant, looks what
/// is there afterwards, and puts the original back. It says what it will do and asks first.
///
/// The verdict, worst first: IGNORES (a write with a false condition is done), NOT ATOMIC (two writers with the same tag are
/// both done), LOSES UPDATES (writers erase each other and nothing protects), OPT-IN (conditions protect whoever sends them,
/// others are erased), PROTECTED, INCONCLUSIVE.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RaceFlags {
    /// The resource, as http://localhost:3000/orders/42 or :3000/orders/42; it has to be there
    #[arg(value_parser = url)]
    url: Url,
    /// The member of a JSON document that is written, as /note; without, one is chosen, and told
    #[arg(long, value_name = "POINTER")]
    field: Option<String>,
    /// How it is written: PUT, PATCH or POST
    #[arg(long, value_name = "METHOD", default_value = "PUT", value_parser = method)]
    method: Method,
    /// Content-Type of writes [default: as it is read; for PATCH application/merge-patch+json]
    #[arg(long, value_name = "TYPE")]
    content_type: Option<HeaderValue>,
    /// Rounds of each test; the tests that look for a narrow window run up to ten times as many
    #[arg(long, value_name = "N", default_value_t = ROUNDS)]
    rounds: u32,
    /// Writers that write together; up to four times as many with the same tag
    #[arg(long, value_name = "N", default_value_t = 2)]
    writers: usize,
    /// Time between the writes of a round without conditions, as 250ms or 2s; 0 sends some together
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = gap)]
    gap: Duration,
    /// Try creators and deletions too, on new resources: 'PUT /orders/{new}', where {new} becomes a new name, or
    /// 'POST /orders'. They are deleted again
    #[arg(long, value_name = "HOW", value_parser = Create::parse)]
    create: Option<Create>,
    /// What a new resource is created with, or @FILE; {new} in it is the new name [default: what URL has]
    #[arg(long, value_name = "CONTENT", requires = "create")]
    body: Option<String>,
    /// Requests per second on average [default: 20; no limit on this machine]
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Only tell what would be sent; reads URL once and writes nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Put back what an earlier race left that was killed, and end
    #[arg(long, conflicts_with_all = ["forget", "dry_run"])]
    restore: bool,
    /// Forget what an earlier race left, since what is there now is as it should be
    #[arg(long, conflicts_with = "dry_run")]
    forget: bool,
    /// A verdict that is no finding, for exit code 0
    #[arg(long, value_enum, value_name = "VERDICT")]
    allow: Option<Allowed>,
    #[command(flatten)]
    access: AccessFlags,
}

const EXAMPLES: &str = "\
Examples:
  ifmatch race http://localhost:3000/orders/42
  ifmatch race :3000/orders/42 --field /note --yes
  ifmatch race https://api.example/v1/orders/42 --bearer TOKEN --method PATCH

  What would be sent, and nothing else:
    ifmatch race :3000/orders/42 --dry-run
  Creators and deletions too:
    ifmatch race :3000/orders/42 --create 'PUT /orders/{new}'
  In CI:
    ifmatch race :3000/orders/42 --yes --output junit > race.xml

The original is put back at the end, also on Ctrl-C; if the race is killed,
--restore puts it back. Until then it is kept in ~/.local/state/ifmatch/race
($XDG_STATE_HOME/ifmatch/race), which only you can read.

Exit codes: 0 PROTECTED, or OPT-IN with --allow opt-in; 1 updates are lost;
2 usage; 3 INCONCLUSIVE, the API was not reached, or the original is not back.";

/// A verdict that may be no finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Allowed {
    /// Conditions protect whoever sends them.
    OptIn,
}

pub(crate) fn run(flags: &RaceFlags, format: Output, is_quiet: bool) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}. Nothing was sent."))?;
    runtime.block_on(command(flags, format, is_quiet))
}

async fn command(flags: &RaceFlags, format: Output, is_quiet: bool) -> Ended {
    let access = flags.access.access()?;
    let plan = plan(flags)?;
    plan.check().map_err(|error| format!("{error}. Nothing was sent."))?;
    if flags.dry_run {
        let prepared = prepare(&access, plan).await?;
        return dry_run(&prepared, flags, format);
    }
    let mut journal = Journal::open(&folder()?, &flags.url).map_err(|error| match error {
        JournalError::Busy(_) => Failure::from(format!("{}: {error}", secret::url(&flags.url))),
        error => Failure::from(error.to_string()),
    })?;
    if flags.restore {
        return restore(journal, &access, flags).await;
    }
    if journal.left().is_some() && flags.forget {
        journal.close();
        journal = Journal::open(&folder()?, &flags.url).map_err(|error| error.to_string())?;
    }
    if let Some(left) = journal.left() {
        return Err(Failure::from(format!(
            "a race of {} was killed {} and did not put the original back. Nothing was sent now.\n  ifmatch race {} \
             --restore   puts it back if nobody wrote meanwhile\n  --forget instead            leaves the resource as it is \
             and forgets the original\n  The original is kept in {}",
            left.url,
            left.age(),
            ifmatch_diagnose::curl::quote(&[secret::url(&flags.url)]),
            journal.path().display()
        )));
    }
    let agreed = match prepare(&access, plan).await {
        Ok(prepared) if flags.yes => Ok(Some(prepared)),
        Ok(prepared) => agreed(&prepared, flags).map(|agreed| agreed.then_some(prepared)),
        Err(failure) => Err(failure),
    };
    let Ok(Some(prepared)) = agreed else {
        // Nothing was written, so there is nothing to keep.
        journal.close();
        agreed?;
        output::note("Nothing was written.");
        return Ok(Exit::Fine);
    };
    let stop = Stop::default();
    on_signals(&stop, &journal)?;
    let bar = Bar::new(is_quiet);
    let race = prepared.run(&bar, &stop, Some(journal)).await.map_err(|error| error.to_string())?;
    bar.finish();
    report::print(&race, format)?;
    Ok(exit(&race, flags))
}

fn exit(race: &Race, flags: &RaceFlags) -> Exit {
    match race.verdict {
        _ if race.restored.ending == Ending::NotRestored => Exit::Inconclusive,
        Verdict::Inconclusive => Exit::Inconclusive,
        // Not if nobody knows whether conditions protect.
        Verdict::OptIn if flags.allow == Some(Allowed::OptIn) && race.conditions_protect => Exit::Fine,
        verdict if verdict.is_finding() => Exit::Finding,
        _ => Exit::Fine,
    }
}

async fn prepare(access: &Access, plan: Plan) -> Result<Prepared, Failure> {
    race::prepare(access, plan).await.map_err(|error| match &error {
        PrepareError::Plan(_)
        | PrepareError::Access(_)
        | PrepareError::Field { .. }
        | PrepareError::Marked { .. }
        | PrepareError::Content { .. } => Failure::from(error.to_string()),
        _ => Failure::unreachable(&error),
    })
}

fn plan(flags: &RaceFlags) -> Result<Plan, String> {
    let mut plan = Plan::new(flags.url.clone());
    plan.method = flags.method.clone();
    plan.field = flags.field.clone();
    plan.content_type = flags.content_type.clone();
    (plan.rounds, plan.writers, plan.gap, plan.rate) = (flags.rounds, flags.writers, flags.gap, flags.rate);
    plan.create = flags.create.clone();
    if let Some(create) = &mut plan.create {
        create.content = flags.body.as_deref().map(body).transpose()?;
    }
    Ok(plan)
}

/// What is to be sent: as it is given, or from a file.
fn body(text: &str) -> Result<String, String> {
    let Some(file) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let mut content = String::new();
    let open = fs::File::open(file).map_err(|error| format!("{file}: {error}"))?;
    open.take(BODY_BYTES_MAX).read_to_string(&mut content).map_err(|error| format!("{file}: {error}"))?;
    Ok(content)
}

/// Says what will be written, and asks.
fn agreed(prepared: &Prepared, flags: &RaceFlags) -> Result<bool, Failure> {
    let intent = intent(prepared, flags);
    if !std::io::stdin().is_terminal() {
        return Err(Failure::from(format!(
            "race writes: {intent}\n  Nobody can be asked here, so nothing was written. --yes says that it may, --dry-run tells what would be sent."
        )));
    }
    let question = text::wrap(&format!("{intent} Continue? [y/N]"), report::width(), "");
    output::ask(&format!("{question} "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| format!("standard input: {error}"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What will be written, in a sentence.
fn intent(prepared: &Prepared, flags: &RaceFlags) -> String {
    let (field, url, writes) = (prepared.field(), secret::url(&flags.url), prepared.writes());
    let chosen = if prepared.is_chosen() { " (--field takes another)" } else { "" };
    let time = match prepared.seconds() {
        Some(seconds) => format!(", in about {seconds:.0} s"),
        None => String::new(),
    };
    let create = if flags.create.is_some() { " Creates some resources and deletes them again." } else { "" };
    format!(
        "Will write {field} of {url}{chosen} at most {writes} times{time} and put the original back.{create}"
    )
}

fn dry_run(prepared: &Prepared, flags: &RaceFlags, format: Output) -> Ended {
    let requests = prepared.requests(flags.access.show_secrets);
    let intent = intent(prepared, flags);
    match format {
        Output::Json => {
            let requests: Vec<_> =
                requests.iter().map(|(what, curl)| json!({ "for": what, "curl": curl })).collect();
            let plan =
                json!({ "field": prepared.field(), "writes_max": prepared.writes(), "requests": requests });
            output::print(&format!("{plan:#}\n"))?;
        }
        _ => {
            let mut text = format!("{intent}\n\n");
            for (what, curl) in requests {
                text += &format!("{}\n  {curl}\n", output::dim(&format!("# {what}")));
            }
            text += "\nThe URL was read once just now; nothing was written.\n";
            output::print(&text)?;
        }
    }
    Ok(Exit::Fine)
}

/// Puts back what an earlier run left.
async fn restore(journal: Journal, access: &Access, flags: &RaceFlags) -> Ended {
    let Some(entry) = journal.left().cloned() else {
        journal.close();
        output::print("No race of this URL left anything behind. Nothing was sent.\n")?;
        return Ok(Exit::Fine);
    };
    let restored = race::restore(access, &flags.url, &entry).await.map_err(|error| {
        Failure::unreachable(&format!("{error} The original is kept in {}", journal.path().display()))
    })?;
    if restored.ending == Ending::NotRestored {
        output::print(&format!("{} The original is kept in {}\n", restored.says, journal.path().display()))?;
        return Ok(Exit::Inconclusive);
    }
    journal.close();
    output::print(&format!("{}\n", restored.says))?;
    Ok(Exit::Fine)
}

/// The first signal ends the race in good order, the second one at once.
fn on_signals(stop: &Stop, journal: &Journal) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("signals: {error}. Nothing was written.");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let (stop, path) = (stop.clone(), journal.path().to_owned());
    tokio::spawn(async move {
        for count in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if count > 0 {
                output::note(&format!("The original was not put back. It is kept in {}", path.display()));
                end();
            }
            stop.stop();
            output::note("Stopping: the original is being put back. Once more ends at once.");
        }
    });
    Ok(())
}

#[allow(clippy::exit, reason = "whoever asks twice wants the process to end, whatever it does")]
fn end() -> ! {
    // As shells say it for SIGINT.
    std::process::exit(130)
}

/// Where journals are.
fn folder() -> Result<PathBuf, String> {
    let named = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = named.or_else(home).ok_or(
        "neither XDG_STATE_HOME nor HOME is set, so there is no place to keep the original. Nothing was sent.",
    )?;
    Ok(state.join("ifmatch/race"))
}

/// Progress on a terminal; taken away at the end.
struct Bar(Mutex<ProgressBar>);

impl Bar {
    fn new(is_quiet: bool) -> Self {
        let target = match is_quiet || !std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        // The template is a constant; if it were wrong, the default one would do.
        if let Ok(style) = ProgressStyle::with_template("  {msg:30} {bar:24} {pos}/{len}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(Mutex::new(bar))
    }

    fn finish(&self) {
        if let Ok(bar) = self.0.lock() {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Bar {
    fn progress(&self, Progress { test, round, rounds }: Progress) {
        if let Ok(bar) = self.0.lock() {
            bar.set_message(test);
            bar.set_length(u64::from(rounds));
            bar.set_position(u64::from(round));
        }
    }
}

fn method(text: &str) -> Result<Method, String> {
    match text.to_ascii_uppercase().as_str() {
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "POST" => Ok(Method::POST),
        _ => Err("expected PUT, PATCH or POST".to_owned()),
    }
}

/// A time from 0 to one minute: `250ms`, `2s`, `0`.
fn gap(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time from 0 to 60s, as 250ms or 2s".to_owned();
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) if text == "0" => (text, 1.0),
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = number * unit;
    if !(0.0..=60.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok().filter(|rate| (0.01..=100_000.0).contains(rate));
    rate.ok_or_else(|| "expected requests per second, from 0.01 to 100000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_bounds() {
        assert_eq!(gap("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(gap("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(gap("0"), Ok(Duration::ZERO));
        assert!(["", "1", "-1s", "61s", "NaNs", "ms"].iter().all(|text| gap(text).is_err()));
        assert_eq!(rate("0.5"), Ok(0.5));
        assert!(["0", "-1", "NaN", "inf", ""].iter().all(|text| rate(text).is_err()));
    }
}
