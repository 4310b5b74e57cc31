//! `cargo xtask bench`: all benchmarks there are.

use crate::Result;
use crate::run::{cargo, run};
use crate::workspace::Workspace;

/// The crate that measures whole processes, where there is one.
const WHOLE_PROCESS: &str = "ifmatch-bench";

/// Runs the benchmarks of every crate, then that of whole processes; or that of the gateway alone.
pub(crate) fn task(arguments: &[&str]) -> Result {
    if arguments.first() == Some(&"gateway") {
        return whole_process(arguments);
    }
    let workspace = Workspace::read()?;
    for package in &workspace.packages {
        for bench in &package.benches {
            let mut command = cargo(["bench", "--package", &package.name, "--bench", bench]);
            run(command.arg("--").args(arguments))?;
        }
    }
    if workspace.package(WHOLE_PROCESS).is_some() {
        whole_process(arguments)?;
    } else {
        println!("there is no {WHOLE_PROCESS}: whole processes are not measured");
    }
    Ok(())
}

fn whole_process(arguments: &[&str]) -> Result {
    run(cargo(["build", "--release", "--package", "ifmatch-cli", "--bin", "ifmatch"]).arg("--quiet"))?;
    run(cargo(["run", "--release", "--package", WHOLE_PROCESS, "--"]).args(arguments))
}
