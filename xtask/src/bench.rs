//! `cargo xtask bench`: all benchmarks there are.

use crate::Result;
use crate::run::{cargo, run};
use crate::workspace::Workspace;

/// The crate that measures whole processes, where there is one.
const WHOLE_PROCESS: &str = "ifmatch-bench";

/// Runs the benchmarks of every crate, then that of whole processes.
pub(crate) fn task(arguments: &[&str]) -> Result {
    let workspace = Workspace::read()?;
    for package in &workspace.packages {
        for bench in &package.benches {
            let mut command = cargo(["bench", "--package", &package.name, "--bench", bench]);
            run(command.arg("--").args(arguments))?;
        }
    }
    if workspace.package(WHOLE_PROCESS).is_some() {
        run(cargo(["build", "--release", "--package", "ifmatch-cli", "--bin", "ifmatch"]).arg("--quiet"))?;
        run(cargo(["run", "--release", "--package", WHOLE_PROCESS, "--"]).args(arguments))?;
    } else {
        println!("there is no {WHOLE_PROCESS}: whole processes are not measured");
    }
    Ok(())
}
