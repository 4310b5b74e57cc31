//! The `ifmatch` binary: flags, glue, output.

mod args;
mod check;
mod doubt;
mod explain;
mod output;
mod serve;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;

/// What a run ends with, as documented in `--help`.
const USAGE_OR_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    output::set_color(cli.color);
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(output::level(cli.quiet, cli.verbose))
        .with_ansi(output::stderr_is_colored())
        .with_target(false)
        .init();
    let ended = match cli.command {
        Command::Serve(serve) => serve::run(&serve, cli.output),
        Command::Check { file } => check::run(&file, cli.output),
        Command::Doubt(doubt) => doubt::run(&doubt, cli.output),
        Command::Explain { code } => explain::run(code.as_deref(), cli.output),
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
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            output::error(&message);
            ExitCode::from(USAGE_OR_CONFIGURATION)
        }
    }
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
