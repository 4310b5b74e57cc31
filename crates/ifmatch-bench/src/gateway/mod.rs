//! Measures `ifmatch serve --upstream` beside nginx and HAProxy, all in front of the same upstream.
//!
//! Each proxy has one worker and the servers' core; the load and the upstream have another. What counts is the CPU time of
//! the proxy for each request.

mod clients;
mod fronts;
mod report;
mod rows;
mod upstream;

use crate::cpu::Cores;
use crate::report::Progress;
use fronts::{Programs, Start, version};
use rows::Plan;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long and what.
pub(crate) struct Options<'a> {
    /// Of each run, of which there is one for each proxy, row and round.
    pub(crate) seconds: f64,
    pub(crate) rounds: u32,
    pub(crate) servers: &'a [PathBuf],
    /// Only what has this in the name of its row or of itself.
    pub(crate) only: Option<&'a str>,
    pub(crate) data: &'a Path,
    pub(crate) json: bool,
}

/// The table or document, and whether every request was answered with 2xx.
///
/// # Errors
/// What is missing, or went wrong.
pub(crate) fn run(options: &Options<'_>) -> Result<(String, Result<(), String>), String> {
    let programs = Programs::find()?;
    let cores = Cores::choose();
    let failed = |error: std::io::Error| error.to_string();
    if let Some(cores) = cores {
        // The upstream begins on the cores of this thread.
        cores.for_load().map_err(failed)?;
    }
    let upstream = upstream::start().map_err(failed)?;
    let plan = Plan {
        start: Start { programs: &programs, upstream, data: options.data, cores },
        rounds: options.rounds,
        window: Duration::from_secs_f64(options.seconds),
        servers: options.servers,
        only: options.only,
    };
    let mut progress = Progress::new();
    let mut report = plan.run(&mut progress).map_err(failed)?;
    drop(progress);
    report.pinned = cores.is_some();
    report.versions = programs.versions();
    report.versions.extend(options.servers.iter().map(|server| version(server)));
    let text = if options.json { format!("{:#}\n", report.json()) } else { report.table() };
    let ended = match report.failures() {
        0 if report.lines.is_empty() => Err("no row has that in its name".to_owned()),
        0 => Ok(()),
        count => Err(format!("{count} requests failed; the rows they failed in mean nothing")),
    };
    Ok((text, ended))
}

/// What is sent and what is answered with: JSON, so that routes may look into it.
fn content(to: &mut Vec<u8>) {
    const OPENS: &[u8] = br#"{"version":1,"text":""#;
    const CLOSES: &[u8] = br#""}"#;
    to.extend_from_slice(OPENS);
    to.resize(to.len() + upstream::CONTENT_BYTES - OPENS.len() - CLOSES.len(), b'.');
    to.extend_from_slice(CLOSES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_as_long_as_it_says() {
        let mut octets = Vec::new();
        content(&mut octets);
        assert_eq!(octets.len(), upstream::CONTENT_BYTES);
        assert!(serde_json::from_slice::<serde_json::Value>(&octets).is_ok());
    }
}
