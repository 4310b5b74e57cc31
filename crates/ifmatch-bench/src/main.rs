//! Measures `ifmatch serve` as a whole process, beside the least that a durable server can cost on the same machine:
//! CPU time of the server per operation, throughput, latencies, and whether anything that was acknowledged is lost.
//!
//! `ifmatch-bench gateway` measures `ifmatch serve --upstream` beside nginx and HAProxy.
//!
//! `cargo xtask bench` runs it. Only ratios within one run mean anything on another machine.
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod contender;
mod cpu;
mod gateway;
mod limit;
mod load;
mod plan;
mod report;

use contender::What;
use cpu::Cores;
use plan::{Plan, Scale};
use report::Progress;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Measures ifmatch as a whole process.

Usage: ifmatch-bench [--quick] [--json] [--server PROGRAM]... [--only TEXT] [--data FOLDER]

  --quick           Less than a minute instead of five; coarser
  --json            One JSON document instead of the table
  --server PROGRAM  The ifmatch to measure; several are measured side by side [default: the one beside this program]
  --only TEXT       Only rows with this in their name
  --data FOLDER     Where the servers keep their data, on the device that is to be measured [default: beside this program]

  gateway [--seconds N] [--rounds N] [--output text|json]
                    The gateway beside nginx and HAProxy, in front of an upstream of its own; also takes --server, --only,
                    --data and --quick  [default: 5 rounds of 2 seconds]

  limit [--data FOLDER] [--workers N]
                    Serves the physical limit that the others are held against
";

#[derive(Default)]
struct Arguments {
    limit: bool,
    gateway: bool,
    seconds: Option<f64>,
    rounds: Option<u32>,
    quick: bool,
    json: bool,
    help: bool,
    servers: Vec<PathBuf>,
    only: Option<String>,
    data: Option<PathBuf>,
    workers: usize,
}

fn main() -> ExitCode {
    match arguments(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // There is nobody else to tell.
            drop(writeln!(io::stderr(), "ifmatch-bench: {message}"));
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "limit" => arguments.limit = true,
            "gateway" => arguments.gateway = true,
            "--seconds" => arguments.seconds = Some(seconds(&value()?)?),
            "--rounds" => arguments.rounds = Some(rounds(&value()?)?),
            "--output" => arguments.json = is_json(&value()?)?,
            "--quick" => arguments.quick = true,
            "--json" => arguments.json = true,
            "--help" | "-h" => arguments.help = true,
            "--server" => arguments.servers.push(value()?.into()),
            "--only" => arguments.only = Some(value()?),
            "--data" => arguments.data = Some(value()?.into()),
            "--workers" => arguments.workers = value()?.parse().map_err(|_| "--workers needs a number")?,
            _ => return Err(format!("{argument} is not known\n\n{HELP}")),
        }
    }
    Ok(arguments)
}

fn run(arguments: &Arguments) -> Result<(), String> {
    if arguments.help {
        return print(HELP);
    }
    if arguments.limit {
        let served = limit::serve(arguments.workers, arguments.data.as_deref());
        return served.map_err(|error| error.to_string());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = own.with_file_name("");
    let servers = match arguments.servers.as_slice() {
        [] => vec![own.with_file_name(format!("ifmatch{}", std::env::consts::EXE_SUFFIX))],
        given => given.to_vec(),
    };
    if let Some(missing) = servers.iter().find(|program| !program.is_file()) {
        let how = "build it with `cargo build --release -p ifmatch-cli`, or name it with --server";
        return Err(format!("there is no {}: {how}", missing.display()));
    }
    let data = arguments.data.as_deref().unwrap_or(&beside);
    if arguments.gateway {
        return gateway(arguments, &servers, data);
    }
    let mut contenders =
        vec![("limit (durable)".to_owned(), What::Limit), ("limit (memory)".to_owned(), What::LimitMemory)];
    for (index, program) in servers.into_iter().enumerate() {
        let name = if index == 0 { "ifmatch".to_owned() } else { format!("ifmatch {}", index + 1) };
        contenders.push((name, What::Ifmatch(program)));
    }
    let plan = Plan {
        scale: if arguments.quick { Scale::QUICK } else { Scale::FULL },
        contenders: &contenders,
        data,
        only: arguments.only.as_deref(),
        cores: Cores::choose(),
    };
    let mut progress = Progress::new();
    let report = plan.run(&mut progress).map_err(|error| error.to_string())?;
    drop(progress);
    let lost: u64 = report.lost.iter().map(|(_, lost)| lost).sum();
    print(&if arguments.json { format!("{:#}\n", report.json()) } else { report.table() })?;
    if lost > 0 { Err(format!("{lost} acknowledged updates were lost")) } else { Ok(()) }
}

fn gateway(arguments: &Arguments, servers: &[PathBuf], data: &Path) -> Result<(), String> {
    let (seconds, rounds) = if arguments.quick { (0.5, 3) } else { (2.0, 5) };
    let (text, ended) = gateway::run(&gateway::Options {
        seconds: arguments.seconds.unwrap_or(seconds),
        rounds: arguments.rounds.unwrap_or(rounds),
        servers,
        only: arguments.only.as_deref(),
        data,
        json: arguments.json,
    })?;
    print(&text)?;
    ended
}

fn seconds(given: &str) -> Result<f64, String> {
    let seconds = given.parse().ok().filter(|seconds| (0.1..=600.0).contains(seconds));
    seconds.ok_or_else(|| "--seconds needs a number from 0.1 to 600".to_owned())
}

fn rounds(given: &str) -> Result<u32, String> {
    let rounds = given.parse().ok().filter(|rounds| (1..=1000).contains(rounds));
    rounds.ok_or_else(|| "--rounds needs a number from 1 to 1000".to_owned())
}

fn is_json(given: &str) -> Result<bool, String> {
    match given {
        "json" => Ok(true),
        "text" => Ok(false),
        _ => Err("--output is text or json".to_owned()),
    }
}

fn print(text: &str) -> Result<(), String> {
    io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
}
