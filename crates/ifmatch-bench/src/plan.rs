//! What is measured, in which order.
//!
//! Only what ran in the same minutes can be compared: the servers of one row take turns, some seconds each, several
//! times over, and a ratio is the median of the ratios of single rounds.

use crate::contender::{Contender, What};
use crate::cpu::Cores;
use crate::load::{Keys, Kind, Sample};
use crate::report::{Line, Progress, Report, Spread};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long and how large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    rounds: u32,
    window: Duration,
    warm_up: Duration,
    many_keys: u64,
    fill_max: Duration,
}

impl Scale {
    /// A good five minutes.
    pub(crate) const FULL: Self = Self {
        rounds: 4,
        window: Duration::from_millis(1800),
        warm_up: Duration::from_millis(200),
        many_keys: 1_000_000,
        fill_max: Duration::from_secs(100),
    };
    /// Less than a minute.
    pub(crate) const QUICK: Self = Self {
        rounds: 3,
        window: Duration::from_millis(350),
        warm_up: Duration::from_millis(60),
        many_keys: 100_000,
        fill_max: Duration::from_secs(12),
    };
}

const FEW_KEYS: u64 = 1000;

struct Row {
    name: &'static str,
    kind: Kind,
    connections: u32,
    /// `None`: as many as there are.
    keys: Option<u64>,
    only_ifmatch: bool,
}

const fn row(name: &'static str, kind: Kind, connections: u32, keys: Option<u64>) -> Row {
    Row { name, kind, connections, keys, only_ifmatch: matches!(kind, Kind::IncrementShown) }
}

const ROWS: [Row; 9] = [
    row("increment, 1 connection", Kind::Increment, 1, None),
    row("increment, 16 connections", Kind::Increment, 16, None),
    row("increment, 64 connections", Kind::Increment, 64, None),
    row("increment, 16 on one key", Kind::Increment, 16, Some(1)),
    row("the same, refused ones shown", Kind::IncrementShown, 16, Some(1)),
    row("GET, 16 connections", Kind::Read, 16, None),
    row("GET, 64 connections", Kind::Read, 64, None),
    row("PUT, 16 connections", Kind::Write, 16, None),
    row("PUT, 64 connections", Kind::Write, 64, None),
];
const FLAT: Row = row("increment, 16 connections, by size", Kind::Increment, 16, None);

/// What to run.
pub(crate) struct Plan<'a> {
    pub(crate) scale: Scale,
    pub(crate) contenders: &'a [(String, What)],
    pub(crate) data: &'a Path,
    /// Only rows with this in their name.
    pub(crate) only: Option<&'a str>,
    pub(crate) cores: Option<Cores>,
}

impl Plan<'_> {
    pub(crate) fn run(&self, progress: &mut Progress) -> io::Result<Report> {
        let mut report = Report::default();
        let mut contenders = Vec::new();
        for (name, what) in self.contenders {
            let mut contender = Contender::start(name, what, self.data, self.cores)?;
            contender.fill(FEW_KEYS, self.scale.fill_max)?;
            contenders.push(contender);
        }
        let limit = self.contenders.iter().position(|(_, what)| *what == What::Limit);
        for row in ROWS.iter().filter(|row| self.wants(row)) {
            let mut these: Vec<&mut Contender> =
                contenders.iter_mut().filter(|c| c.is_ifmatch || !row.only_ifmatch).collect();
            let baseline = limit.filter(|_| !row.only_ifmatch);
            self.row(row, &mut these, baseline, &mut report, progress)?;
        }
        if self.wants(&FLAT) {
            self.flat(&mut contenders, &mut report, progress)?;
        }
        for contender in &mut contenders {
            progress.say(&format!("reading back from {}", contender.name));
            report.lost.push((contender.name.clone(), contender.lost()?));
        }
        Ok(report)
    }

    fn wants(&self, row: &Row) -> bool {
        self.only.is_none_or(|only| row.name.contains(only))
    }

    /// Whether cost grows with what is stored.
    fn flat(
        &self,
        contenders: &mut [Contender],
        report: &mut Report,
        progress: &mut Progress,
    ) -> io::Result<()> {
        let first = self.contenders.iter().find(|(_, what)| matches!(what, What::Ifmatch(_)));
        let Some((name, what)) = first else { return Ok(()) };
        progress.say(&format!("creating {} resources", self.scale.many_keys));
        let mut large = Contender::start(name, what, self.data, self.cores)?;
        let (mut sample, used) = large.fill(self.scale.many_keys, self.scale.fill_max)?;
        let cost = cpu_us(used, &sample);
        report.lines.push(line("create, 64 connections", &large.name, &mut sample, cost));
        large.name = format!("{name}, {} keys", large.keys);
        let Some(small) = contenders.iter_mut().find(|c| c.name == *name) else { return Ok(()) };
        small.name = format!("{name}, {} keys", small.keys);
        self.row(&FLAT, &mut [&mut *small, &mut large], Some(0), report, progress)?;
        small.name.clone_from(name);
        report.lost.push((large.name.clone(), large.lost()?));
        Ok(())
    }

    fn row(
        &self,
        row: &Row,
        contenders: &mut [&mut Contender],
        baseline: Option<usize>,
        report: &mut Report,
        progress: &mut Progress,
    ) -> io::Result<()> {
        let mut samples = vec![Sample::default(); contenders.len()];
        let mut costs = vec![Vec::new(); contenders.len()];
        for contender in contenders.iter_mut() {
            contender.connect(row.connections)?;
        }
        for round in 1..=self.scale.rounds {
            progress.say(&format!("{}, round {round} of {}", row.name, self.scale.rounds));
            for (index, contender) in contenders.iter_mut().enumerate() {
                let keys = || Keys::Random(row.keys.unwrap_or(contender.keys));
                let (warm, measured) = (keys(), keys());
                contender.measure(row.kind, warm, self.scale.warm_up)?;
                let (sample, used) = contender.measure(row.kind, measured, self.scale.window)?;
                costs[index].push(cpu_us(used, &sample));
                samples[index].add(sample);
            }
        }
        for (index, contender) in contenders.iter().enumerate() {
            let cost = Spread::of(&costs[index]).median;
            let mut line = line(row.name, &contender.name, &mut samples[index], cost);
            line.ratio = baseline.map(|baseline| {
                let pairs = costs[index].iter().zip(&costs[baseline]);
                Spread::of(&pairs.map(|(own, limit)| own / limit).collect::<Vec<_>>())
            });
            report.lines.push(line);
        }
        Ok(())
    }
}

fn line(row: &str, server: &str, sample: &mut Sample, cpu_us: f64) -> Line {
    Line {
        row: row.to_owned(),
        server: server.to_owned(),
        per_second: per(sample.done, sample.elapsed.as_secs_f64()),
        cpu_us,
        ratio: None,
        p50_ms: sample.percentile_ms(500),
        p99_ms: sample.percentile_ms(990),
        attempts: (sample.attempts > 0).then(|| per(sample.attempts, sample.done.max(1) as f64)),
    }
}

fn cpu_us(used: Duration, sample: &Sample) -> f64 {
    used.as_secs_f64() * 1e6 / sample.done.max(1) as f64
}

fn per(count: u64, of: f64) -> f64 {
    count as f64 / of
}
