//! `cargo xtask test`: everything, in the order in which mistakes are cheapest to find.

use crate::run::{cargo, run, run_watched};
use crate::server::Profile;
use crate::{Result, clients, readme, tidy, tools};
use std::time::{Duration, Instant};

type Step = (&'static str, fn() -> Result);

const QUICK: [Step; 6] = [
    ("tidy", tidy::task),
    ("format", format),
    ("clippy", clippy),
    ("docs", rustdoc),
    ("upstreams", tools::upstreams),
    ("tests", tests),
];
const REAL: [Step; 2] =
    [("readme", || readme::task(Profile::Release)), ("clients", || clients::task(Profile::Release))];

/// All of it.
pub(crate) fn all() -> Result {
    steps(&[&QUICK[..], &REAL[..]].concat())
}

/// Without the README and the real clients.
pub(crate) fn quick() -> Result {
    steps(&QUICK)
}

fn steps(steps: &[Step]) -> Result {
    let mut done: Vec<(&str, Duration)> = Vec::new();
    for (index, (name, step)) in steps.iter().enumerate() {
        println!("\n== {}/{} {name}", index + 1, steps.len());
        let started = Instant::now();
        let result = step();
        done.push((name, started.elapsed()));
        if let Err(error) = result {
            summary(&done, false);
            return Err(format!("{name}: {error}"));
        }
    }
    summary(&done, true);
    Ok(())
}

fn summary(done: &[(&str, Duration)], passed: bool) {
    println!("\n== summary");
    for (index, (name, took)) in done.iter().enumerate() {
        let verdict = if passed || index + 1 < done.len() { "ok" } else { "FAILED" };
        println!("{name:<10} {verdict:<8} {:>7.1} s", took.as_secs_f64());
    }
    let total: Duration = done.iter().map(|(_, took)| *took).sum();
    println!("{:<10} {:<8} {:>7.1} s", "all", if passed { "ok" } else { "FAILED" }, total.as_secs_f64());
}

fn format() -> Result {
    tools::rust_component("rustfmt", "fmt")?;
    run(&mut cargo(["fmt", "--all", "--check"]))
}

fn clippy() -> Result {
    tools::rust_component("clippy", "clippy")?;
    run(&mut cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
}

/// The documentation builds, and its links lead somewhere. Help texts are documentation comments too, and URLs in them
/// stand as they are.
fn rustdoc() -> Result {
    let mut command = cargo(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    run(command.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::bare_urls"))
}

/// Unit tests, integration tests, doc examples; examples are built.
fn tests() -> Result {
    let mut count = Count::default();
    run_watched(&mut cargo(["test", "--workspace"]), |line| count.add(line))?;
    println!("\n{} tests passed in {} programs", count.passed, count.programs);
    if count.ignored + count.filtered > 0 {
        return Err(format!("{} tests were left out; none may be", count.ignored + count.filtered));
    }
    if count.passed == 0 { Err("no test was run".to_owned()) } else { Ok(()) }
}

/// Sums the result lines of test programs.
#[derive(Default, PartialEq, Eq, Debug)]
struct Count {
    programs: u32,
    passed: u32,
    ignored: u32,
    filtered: u32,
}

impl Count {
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ok. ") else { return };
        self.programs += 1;
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let number = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += number,
                Some("ignored") => self.ignored += number,
                Some("filtered") => self.filtered += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed() {
        let mut count = Count::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.0s",
        ] {
            count.add(line);
        }
        assert_eq!(count, Count { programs: 2, passed: 3, ignored: 1, filtered: 2 });
    }
}
