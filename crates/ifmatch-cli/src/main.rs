//! The `ifmatch` binary: flags, glue, output.

mod access;
mod args;
mod check;
mod doubt;
mod exit;
mod explain;
mod inspect;
mod output;
mod race;
mod report;
mod schema;
mod serve;
mod write;

use args::{Cli, Command, Output};
use clap::{CommandFactory, Parser};
use exit::{Ended, Exit, Failure};
use std::io::Write;
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// A request takes some twenty pieces of memory, of which a few are larger than what glibc keeps at hand for a thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| output::masked(error).exit());
    output::set_color(cli.color);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(output::stderr_is_colored())
        .with_target(false);
    let level = output::level(cli.quiet, cli.verbose);
    // What libraries log of requests may have credentials in it.
    let others = if is_client(&cli.command) { LevelFilter::OFF } else { level };
    let targets = Targets::new().with_target("ifmatch", level).with_default(others);
    tracing_subscriber::registry().with(layer).with(targets).init();
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::error(&failure.message);
            failure.code()
        }
    }
}

/// Whether it sends requests to an API.
fn is_client(command: &Command) -> bool {
    matches!(
        command,
        Command::Race(_)
            | Command::Inspect(_)
            | Command::Get(_)
            | Command::Put(_)
            | Command::Patch(_)
            | Command::Delete(_)
            | Command::Edit(_)
    )
}

fn run(cli: Cli) -> Ended {
    let format = cli.output;
    if !(cli.command.reports() || matches!(format, Output::Text | Output::Json)) {
        return Err(Failure::from(format!(
            "this command has no {} output; text and json are there",
            format.name()
        )));
    }
    let globals = write::Globals { format, quiet: cli.quiet, verbose: cli.verbose };
    let ended = match cli.command {
        Command::Race(race) => return race::run(&race, format, cli.quiet),
        Command::Inspect(inspect) => return inspect::run(&inspect, format),
        Command::Get(get) => return write::get::run(&get, globals),
        Command::Put(put) => return write::put::run(&put, globals),
        Command::Patch(patch) => return write::patch::run(&patch, globals),
        Command::Delete(delete) => return write::delete::run(&delete, globals),
        Command::Edit(edit) => return write::edit::run(&edit, globals),
        Command::Serve(serve) => serve::run(&serve, format),
        Command::Check { file } => check::run(&file, format),
        Command::Doubt(doubt) => doubt::run(&doubt, format),
        Command::Explain(asked) => return explain::run(&asked, format),
        Command::Schema { name } => schema::run(name.as_deref(), format),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ifmatch", &mut script);
            print(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(|error| format!("the man page could not be written: {error}"))
                .and_then(|()| print(&page))
        }
    };
    ended.map(|()| Exit::Fine).map_err(Failure::from)
}

/// Writes to standard output. A reader that has gone (`| head`) is no failure.
fn print(bytes: &[u8]) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("standard output could not be written: {error}"))
        }
        _ => Ok(()),
    }
}
