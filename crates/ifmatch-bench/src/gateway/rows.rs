//! What is measured in front of an upstream, in which order, and what it is held against.
//!
//! Only what ran in the same minutes can be compared: the proxies of a row take turns, and a ratio is the median of the
//! ratios to nginx of single rounds.

use super::clients::{Tally, Work};
use super::fronts::{Front, Running, Setting, Start};
use super::report::{Beside, Line, Report, Target};
use crate::report::{Progress, Spread};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const WARM_UP: Duration = Duration::from_millis(200);

struct Row {
    name: &'static str,
    connections: u32,
    cells: &'static [Cell],
}

struct Cell {
    front: Front,
    work: Work,
    target: Option<Target>,
}

const fn cell(front: Front, work: Work, target: Option<Target>) -> Cell {
    Cell { front, work, target }
}

const fn cpu(most: f64) -> Target {
    Target::CpuAtMost(most)
}

const OFF: Front = Front::Gateway(Setting::Off);
const OBSERVE: Front = Front::Gateway(Setting::Observe);
const CONTENT: Front = Front::Gateway(Setting::Content);
const GATEWAY_ONLY: Front = Front::Gateway(Setting::GatewayOnly);
const UPSTREAM: Front = Front::Gateway(Setting::Upstream);

/// The gateway that enforces beside four transparent proxies.
const fn posts(work: Work) -> [Cell; 5] {
    [
        cell(Front::Nginx, work, None),
        cell(Front::Haproxy, work, None),
        cell(OFF, work, None),
        cell(OBSERVE, work, None),
        cell(CONTENT, work, Some(Target::ThroughputAtLeast(0.9))),
    ]
}

/// Everything is held against nginx, which is the first of each row.
const ROWS: [Row; 4] = [
    Row {
        name: "GET, 32 connections",
        connections: 32,
        cells: &[
            cell(Front::Nginx, Work::Get, None),
            cell(Front::Haproxy, Work::Get, None),
            cell(OBSERVE, Work::Get, None),
            cell(UPSTREAM, Work::Get, Some(cpu(1.1))),
            cell(GATEWAY_ONLY, Work::Get, Some(cpu(1.1))),
            cell(CONTENT, Work::Get, Some(cpu(1.3))),
        ],
    },
    Row {
        name: "PUT, 32 connections",
        connections: 32,
        cells: &[
            cell(Front::Nginx, Work::Put, None),
            cell(Front::Haproxy, Work::Put, None),
            cell(OBSERVE, Work::Put, None),
            cell(UPSTREAM, Work::PutMatching, Some(cpu(1.1))),
            cell(GATEWAY_ONLY, Work::PutFollowing, Some(cpu(1.2))),
            cell(CONTENT, Work::GetAndPut, Some(cpu(2.0))),
        ],
    },
    Row { name: "POST, 64 connections", connections: 64, cells: &posts(Work::Post) },
    // What the row before says of proxies that have all the work, this one says of an upstream that has most of it.
    Row { name: "POST 64, upstream 5 ms", connections: 64, cells: &posts(Work::PostSlow) },
];

/// What to run.
pub(super) struct Plan<'a> {
    pub(super) start: Start<'a>,
    pub(super) rounds: u32,
    pub(super) window: Duration,
    pub(super) servers: &'a [PathBuf],
    /// Only what has this in the name of its row or of itself.
    pub(super) only: Option<&'a str>,
}

/// One proxy in one row.
struct Entrant {
    cell: &'static Cell,
    /// Which of the running.
    runs: usize,
    tally: Tally,
    costs: Vec<f64>,
    rates: Vec<f64>,
}

impl Plan<'_> {
    pub(super) fn run(&self, progress: &mut Progress) -> io::Result<Report> {
        let mut report = Report { window: self.window, rounds: self.rounds, ..Report::default() };
        let mut running: Vec<Running> = Vec::new();
        for row in &ROWS {
            let mut entrants = self.entrants(row, &mut running)?;
            if entrants.len() > 1 {
                self.row(row, &mut entrants, &mut running, progress)?;
                report.lines.extend(lines(row, &entrants, &running));
            }
        }
        Ok(report)
    }

    /// Who is in a row; whoever does not run yet is started.
    fn entrants(&self, row: &Row, running: &mut Vec<Running>) -> io::Result<Vec<Entrant>> {
        let mut entrants = Vec::new();
        for cell in row.cells {
            let ours = matches!(cell.front, Front::Gateway(_));
            for (index, server) in self.servers.iter().enumerate().take(if ours { usize::MAX } else { 1 }) {
                let name = named(cell.front, index);
                let wanted = self.only.is_none_or(|only| format!("{} {name}", row.name).contains(only));
                if !wanted && cell.front != Front::Nginx {
                    continue;
                }
                let runs = match running.iter().position(|front| front.name == name) {
                    Some(runs) => runs,
                    None => {
                        running.push(self.started(&name, cell.front, server)?);
                        running.len() - 1
                    }
                };
                let tally = Tally::default();
                entrants.push(Entrant { cell, runs, tally, costs: Vec::new(), rates: Vec::new() });
            }
        }
        Ok(entrants)
    }

    fn started(&self, name: &str, front: Front, server: &Path) -> io::Result<Running> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{name}: {error}"));
        self.start.front(name, front, server).map_err(named)
    }

    fn row(
        &self,
        row: &Row,
        entrants: &mut [Entrant],
        running: &mut [Running],
        progress: &mut Progress,
    ) -> io::Result<()> {
        for round in 0..self.rounds {
            progress.say(&format!("{}, round {} of {}", row.name, round + 1, self.rounds));
            // Not always after the same one.
            for turn in 0..entrants.len() {
                let next = (turn + round as usize) % entrants.len();
                let entrant = &mut entrants[next];
                let front = &mut running[entrant.runs];
                // While the others had their turn, connections may have been idle for longer than a proxy keeps them.
                front.connect(row.connections)?;
                entrant.measure(front, self.window)?;
            }
        }
        Ok(())
    }
}

impl Entrant {
    fn measure(&mut self, front: &mut Running, window: Duration) -> io::Result<()> {
        let work = self.cell.work;
        let (warm, _) = front.measure(work, WARM_UP)?;
        self.tally.failed_too(&warm);
        // What a GET costs there and then, to be taken off the pairs of GET and PUT.
        let read_us = if work == Work::GetAndPut {
            let (reads, used) = front.measure(Work::Get, window)?;
            self.tally.failed_too(&reads);
            each(used, reads.reads)
        } else {
            0.0
        };
        let (tally, used) = front.measure(work, window)?;
        let done = if work == Work::Get { tally.reads } else { tally.writes };
        let paid =
            if work == Work::GetAndPut { tally.reads as f64 * read_us / done.max(1) as f64 } else { 0.0 };
        self.costs.push(each(used, done) - paid);
        self.rates.push(done as f64 / tally.elapsed.as_secs_f64());
        self.tally.add(tally);
        Ok(())
    }
}

/// Microseconds for each.
fn each(used: Duration, done: u64) -> f64 {
    used.as_secs_f64() * 1e6 / done.max(1) as f64
}

/// How `own` compares, round by round.
fn ratios(own: &[f64], other: &[f64]) -> Spread {
    Spread::of(&own.iter().zip(other).map(|(own, other)| own / other).collect::<Vec<_>>())
}

fn lines(row: &Row, entrants: &[Entrant], running: &[Running]) -> Vec<Line> {
    let nginx = &entrants[0];
    let nginx_busy = Spread::of(&nginx.costs).median * Spread::of(&nginx.rates).median / 1e6;
    let line = |entrant: &Entrant| {
        let name = running[entrant.runs].name.clone();
        let by_throughput = row.name.starts_with("POST");
        let figures =
            |entrant: &Entrant| if by_throughput { entrant.rates.clone() } else { entrant.costs.clone() };
        // Beside the other proxy, and what the same program does without judging anything.
        let beside = name.rsplit_once(',').map_or_else(Vec::new, |(program, _)| {
            let other = |wanted: &str| entrants.iter().find(|other| running[other.runs].name == wanted);
            let others = [
                (Beside::Haproxy, "haproxy".to_owned()),
                (Beside::Off, format!("{program}, off")),
                (Beside::Observe, format!("{program}, observe")),
            ];
            let others = others.into_iter().filter(|(_, wanted)| *wanted != name);
            others
                .filter_map(|(which, wanted)| {
                    Some((which, ratios(&figures(entrant), &figures(other(&wanted)?))))
                })
                .collect()
        });
        Line {
            row: row.name,
            cpu_us: Spread::of(&entrant.costs),
            per_second: Spread::of(&entrant.rates),
            by_throughput,
            nginx_busy,
            waits_for_upstream: entrant.cell.work == Work::PostSlow,
            to_nginx: ratios(&figures(entrant), &figures(nginx)),
            beside,
            target: entrant.cell.target,
            p50_ms: percentile_ms(&entrant.tally, 500),
            p99_ms: percentile_ms(&entrant.tally, 990),
            failed: entrant.tally.failed.clone(),
            name,
        }
    };
    entrants.iter().map(line).collect()
}

/// So many thousandths were answered within this many milliseconds.
fn percentile_ms(tally: &Tally, thousandths: usize) -> f64 {
    let mut sorted = tally.latencies.clone();
    if sorted.is_empty() {
        return f64::NAN;
    }
    let at = (sorted.len() - 1) * thousandths / 1000;
    f64::from(*sorted.select_nth_unstable(at).1) / 1e6
}

fn named(front: Front, index: usize) -> String {
    match front {
        Front::Gateway(_) if index > 0 => {
            front.name().replacen("ifmatch", &format!("ifmatch {}", index + 1), 1)
        }
        _ => front.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_is_the_first_of_every_row() {
        assert!(ROWS.iter().all(|row| row.cells[0].front == Front::Nginx));
    }

    #[test]
    fn ratios_are_of_single_rounds() {
        let spread = ratios(&[2.0, 30.0, 4.0], &[1.0, 10.0, 4.0]);
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.0, 3.0));
        assert_eq!(each(Duration::from_millis(3), 1000), 3.0);
        assert_eq!(named(OBSERVE, 1), "ifmatch 2, observe");
    }
}
