//! Results: a table for people, JSON for machines.

use crate::report::Spread;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Share of its core that nginx has to use for throughput to say anything: below, something else had the core or the load
/// could not keep up.
const NGINX_BUSY_MIN: f64 = 0.85;

/// What a proxy is held against.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Target {
    /// CPU time for each request, as a multiple of nginx's.
    CpuAtMost(f64),
    /// Requests in a second, as a multiple of nginx's, and of what the same program does when it judges nothing.
    ThroughputAtLeast(f64),
}

impl Target {
    fn text(self) -> String {
        match self {
            Self::CpuAtMost(most) => format!("<= {most:.1}"),
            Self::ThroughputAtLeast(least) => format!(">= {least:.1}"),
        }
    }

    fn met(self, line: &Line) -> bool {
        match self {
            Self::CpuAtMost(most) => line.to_nginx.median <= most,
            Self::ThroughputAtLeast(least) => {
                let own = line.beside.iter().filter(|(which, _)| *which != Beside::Haproxy);
                line.to_nginx.median >= least && own.into_iter().all(|(_, ratio)| ratio.median >= least)
            }
        }
    }
}

/// Whom a gateway stands beside, nginx apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beside {
    Haproxy,
    /// The same program that judges nothing and watches nothing.
    Off,
    /// The same program that judges nothing.
    Observe,
}

impl Beside {
    fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Off => "off",
            Self::Observe => "observe",
        }
    }
}

/// One proxy in one row.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) row: &'static str,
    pub(super) name: String,
    /// User and system time of the proxy for each request that was answered with 2xx.
    pub(super) cpu_us: Spread,
    pub(super) per_second: Spread,
    /// Ratios are of throughput, not of CPU time.
    pub(super) by_throughput: bool,
    pub(super) to_nginx: Spread,
    /// The share of its core that nginx used in this row.
    pub(super) nginx_busy: f64,
    /// The upstream takes its time, so that nobody needs all of a core.
    pub(super) waits_for_upstream: bool,
    /// The ratios to others of its row.
    pub(super) beside: Vec<(Beside, Spread)>,
    pub(super) target: Option<Target>,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) failed: BTreeMap<String, u64>,
}

impl Line {
    /// Ratios mean nothing where requests failed.
    fn verdict(&self) -> Option<&'static str> {
        if !self.failed.is_empty() {
            return Some("FAILED");
        }
        if self.by_throughput && !self.waits_for_upstream && self.nginx_busy < NGINX_BUSY_MIN {
            return self.target.map(|_| "unsure");
        }
        self.target.map(|target| if target.met(self) { "met" } else { "missed" })
    }
}

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) lines: Vec<Line>,
    pub(super) versions: Vec<String>,
    pub(super) pinned: bool,
    pub(super) window: Duration,
    pub(super) rounds: u32,
}

impl Report {
    pub(super) fn failures(&self) -> u64 {
        self.lines.iter().flat_map(|line| line.failed.values()).sum()
    }

    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ok = writeln!(
            text,
            "{:<23}{:<29}{:>7}{:>8}{:>17}  {:<20}{:<7}{:<8}{:>7}{:>8}",
            "", "", "per s", "CPU us", "(low - high)", "ratio to nginx", "target", "", "p50 ms", "p99 ms"
        );
        let mut before = "";
        for line in &self.lines {
            let row = if line.row == before { "" } else { line.row };
            before = line.row;
            let _ok = writeln!(
                text,
                "{row:<23}{:<29}{:>7.0}{:>8.1}{:>17}  {:<20}{:<7}{:<8}{:>7.2}{:>8.2}{}",
                line.name,
                line.per_second.median,
                line.cpu_us.median,
                format!("({:.1} - {:.1})", line.cpu_us.low, line.cpu_us.high),
                ratio(line.to_nginx),
                line.target.map(Target::text).unwrap_or_default(),
                line.verdict().unwrap_or_default(),
                line.p50_ms,
                line.p99_ms,
                line.note(),
            );
        }
        text.push_str(
            "\nRatios are of CPU time for each request, lower is better; for POST of requests in a second, higher is better. \
             Medians over rounds, lowest and highest.\nA PUT with a content digest follows a GET, whose cost is measured in \
             the same round and taken off.\n",
        );
        if self.lines.iter().any(|line| line.verdict() == Some("unsure")) {
            text.push_str("Unsure: nginx could not use its core, so throughput says nothing. Other programs were at work.\n");
        }
        if !self.pinned {
            text.push_str("There is one core only: the load took time from the proxies.\n");
        }
        let _ok = writeln!(text, "{} rounds of {:?}; {}", self.rounds, self.window, self.versions.join("; "));
        text
    }

    pub(super) fn json(&self) -> Value {
        let spread = |s: Spread| json!({ "median": s.median, "low": s.low, "high": s.high });
        let line = |line: &Line| {
            json!({
                "row": line.row,
                "server": line.name,
                "cpu_us": spread(line.cpu_us),
                "per_second": spread(line.per_second),
                "ratio_of": if line.by_throughput { "throughput" } else { "cpu" },
                "to_nginx": spread(line.to_nginx),
                "nginx_busy": line.nginx_busy,
                "beside": line.beside.iter().map(|(which, ratio)| (which.name(), spread(*ratio))).collect::<BTreeMap<_, _>>(),
                "target": line.target.map(Target::text),
                "verdict": line.verdict(),
                "p50_ms": line.p50_ms,
                "p99_ms": line.p99_ms,
                "failed": line.failed,
            })
        };
        json!({
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "versions": self.versions,
            "pinned": self.pinned,
            "rounds": self.rounds,
            "seconds": self.window.as_secs_f64(),
        })
    }
}

impl Line {
    fn note(&self) -> String {
        let mut text = String::new();
        for (which, ratio) in self.beside.iter().filter(|_| self.by_throughput) {
            let _ok = write!(text, "  {:.2} of {}", ratio.median, which.name());
        }
        for (what, count) in &self.failed {
            let _ok = write!(text, "  {count} x {what}");
        }
        text
    }
}

fn ratio(spread: Spread) -> String {
    format!("{:.2} ({:.2} - {:.2})", spread.median, spread.low, spread.high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(to_nginx: f64, to_observe: Option<f64>, target: Target) -> Line {
        let same = |figure: f64| Spread { median: figure, low: figure, high: figure };
        Line {
            row: "GET",
            name: "ifmatch".to_owned(),
            cpu_us: same(10.0),
            per_second: same(1e5),
            by_throughput: false,
            to_nginx: same(to_nginx),
            nginx_busy: 1.0,
            waits_for_upstream: false,
            beside: to_observe.into_iter().map(|ratio| (Beside::Observe, same(ratio))).collect(),
            target: Some(target),
            p50_ms: 1.0,
            p99_ms: 2.0,
            failed: BTreeMap::new(),
        }
    }

    #[test]
    fn targets_are_met_or_missed_and_failures_are_told_first() {
        let verdict = |to_nginx, to_observe, target| line(to_nginx, to_observe, target).verdict();
        assert_eq!(verdict(1.1, None, Target::CpuAtMost(1.1)), Some("met"));
        assert_eq!(verdict(1.2, None, Target::CpuAtMost(1.1)), Some("missed"));
        assert_eq!(verdict(0.95, Some(0.95), Target::ThroughputAtLeast(0.9)), Some("met"));
        assert_eq!(verdict(0.95, Some(0.8), Target::ThroughputAtLeast(0.9)), Some("missed"));
        let mut slower = line(0.95, Some(0.95), Target::ThroughputAtLeast(0.9));
        slower.beside.push((Beside::Haproxy, line(0.5, None, Target::CpuAtMost(1.0)).to_nginx));
        assert_eq!(slower.verdict(), Some("met"), "HAProxy is shown only");
        slower.beside.push((Beside::Off, line(0.8, None, Target::CpuAtMost(1.0)).to_nginx));
        assert_eq!(slower.verdict(), Some("missed"));
        let mut unsure = line(2.0, None, Target::ThroughputAtLeast(0.9));
        (unsure.by_throughput, unsure.nginx_busy) = (true, 0.5);
        assert_eq!(unsure.verdict(), Some("unsure"));
        unsure.waits_for_upstream = true;
        assert_eq!(unsure.verdict(), Some("met"));
        let mut failed = line(1.0, None, Target::CpuAtMost(1.1));
        failed.failed.insert("GET 503".to_owned(), 2);
        assert_eq!(failed.verdict(), Some("FAILED"));
        let report = Report { lines: vec![failed], ..Report::default() };
        assert_eq!(report.failures(), 2);
        assert!(report.table().contains("2 x GET 503"));
        assert_eq!(report.json()["lines"][0]["failed"]["GET 503"], 2);
    }
}
