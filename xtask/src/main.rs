//! Everything a developer or CI runs that is not `cargo test`.
//!
//! One module per task. What a task checks it also says in words; what it lacks it installs or names.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

mod bench;
mod clients;
mod dist;
mod docs;
mod readme;
mod run;
mod server;
mod test;
mod tidy;
mod tools;
mod verdicts;
mod workspace;

use server::Profile;
use std::process::ExitCode;

/// What a task says when it fails: a message for a person.
type Result<T = ()> = std::result::Result<T, String>;

const HELP: &str = "\
Everything a developer or CI runs that is not `cargo test`.

Usage: cargo xtask <TASK> [OPTIONS]

Tasks:
  test [--quick]        All checks and tests: tidy, fmt, clippy, docs, tests, README, real clients. Installs what it
                        needs. Stops at the first failure. --quick leaves out the README and the clients.
  upstreams             The servers of others that tests are run against, as far as they are missing.
  tidy                  The rules of the house: crate arrows, walls, words, sizes, documents.
  docs                  Writes the pages of docs/ that are made from code.
  readme [--debug]      Runs the commands of the README against a real server and compares what they print.
  clients [--debug]     The whole cycle of a write with curl, Python requests, Node fetch and a page in Chromium.
  verdicts [--debug]    What servers that people run do with updates, directly and behind the gateway: docs/src/verdicts.md.
  bench [ARGS]...       All benchmarks. ARGS go to each of them.
  bench gateway [ARGS]  The gateway alone, beside nginx and HAProxy (which have to be installed).
  dist                  The release archive, with manual page, completions and checksum, in target/dist.

Options:
  --debug               Use the debug build of the server instead of the release build.
  -h, --help            This text.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] | ["-h" | "--help" | "help", ..] | [_, "-h" | "--help"] => {
            print!("{HELP}");
            Ok(())
        }
        ["test"] => test::all(),
        ["test", "--quick"] => test::quick(),
        ["upstreams"] => tools::upstreams(),
        ["tidy"] => tidy::task(),
        ["docs"] => docs::write(),
        ["readme"] => readme::task(Profile::Release),
        ["readme", "--debug"] => readme::task(Profile::Debug),
        ["clients"] => clients::task(Profile::Release),
        ["clients", "--debug"] => clients::task(Profile::Debug),
        ["verdicts"] => verdicts::task(Profile::Release),
        ["verdicts", "--debug"] => verdicts::task(Profile::Debug),
        ["bench", ref rest @ ..] => bench::task(rest),
        ["dist"] => dist::task(),
        _ => Err(format!("`{}` is not understood.\n\n{HELP}", arguments.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nFAILED: {error}");
            ExitCode::FAILURE
        }
    }
}
