//! Metrics. Counters are registered before the first request, so that counting is one addition on a known cell.

use crate::audit::AuditCounters;
use http::Method;
use ifmatch_core::{Code, Mode, Protection, Reason, Refusal};
use ifmatch_guard::{Decision, DecisionResult, Observe};
use ifmatch_store::{Sqlite, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const METHODS: [&str; 5] = ["PUT", "PATCH", "DELETE", "POST", "other"];
const KINDS: [&str; 4] = ["conditional", "create", "overwrite", "unconditional"];
const REASONS: [&str; 7] = ["missing", "stale", "gone", "exists", "weak", "malformed", "wrong_resource"];
const OTHER_REASONS: [&str; 2] = ["star", "other"];

/// Counts decisions.
#[derive(Debug)]
pub(crate) struct Telemetry {
    reads: Counter,
    applied: Counter,
    unknown: Counter,
    routes: Vec<RouteCounters>,
}

/// The counters of one route.
#[derive(Debug)]
struct RouteCounters {
    writes: Vec<Counter>,
    rejections: Vec<Counter>,
    would_reject: Vec<Counter>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct WriteLabels {
    route: Arc<str>,
    method: &'static str,
    kind: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RejectionLabels {
    route: Arc<str>,
    method: &'static str,
    reason: &'static str,
}

impl Telemetry {
    /// Registers everything, for routes of these names in the order of their policies' ordinals.
    pub(crate) fn new(registry: &mut Registry, routes: &[String]) -> Self {
        let writes: Family<WriteLabels, Counter> = Family::default();
        let rejections: Family<RejectionLabels, Counter> = Family::default();
        let would_reject: Family<RejectionLabels, Counter> = Family::default();
        let (reads, applied, unknown) = (Counter::default(), Counter::default(), Counter::default());
        let registry = registry.sub_registry_with_prefix("ifmatch");
        registry.register(
            "writes",
            "Unsafe requests on a known route, counted before the decision",
            writes.clone(),
        );
        registry.register("rejections", "Requests that were refused, by why", rejections.clone());
        registry.register(
            "would_reject",
            "Requests that would have been refused if the route enforced",
            would_reject.clone(),
        );
        registry.register("reads", "Safe requests that were answered", reads.clone());
        registry.register("writes_applied", "Writes that were applied", applied.clone());
        registry.register("writes_unknown", "Writes whose outcome nobody knows", unknown.clone());
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
        let each = |kinds: &[&'static str]| {
            METHODS
                .into_iter()
                .flat_map(|m| kinds.iter().map(move |&k| (m, k)).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        let all_reasons = [&REASONS[..], &OTHER_REASONS[..]].concat();
        let refusals = |family: &Family<RejectionLabels, Counter>, route: &Arc<str>| {
            each(&all_reasons)
                .into_iter()
                .map(|(method, reason)| {
                    family.get_or_create_owned(&RejectionLabels { route: Arc::clone(route), method, reason })
                })
                .collect()
        };
        let routes = routes.iter().map(|name| {
            let route: Arc<str> = name.as_str().into();
            RouteCounters {
                writes: each(&KINDS)
                    .into_iter()
                    .map(|(method, kind)| {
                        writes.get_or_create_owned(&WriteLabels { route: Arc::clone(&route), method, kind })
                    })
                    .collect(),
                rejections: refusals(&rejections, &route),
                would_reject: refusals(&would_reject, &route),
            }
        });
        Self { reads, applied, unknown, routes: routes.collect() }
    }

    /// The counters of a route; of the last one for what came to none.
    fn route(&self, decision: &Decision<'_>) -> Option<&RouteCounters> {
        let ordinal = decision.policy.map_or(usize::MAX, |policy| policy.ordinal);
        self.routes.get(ordinal).or_else(|| self.routes.last())
    }
}

impl Observe for Telemetry {
    fn decided(&self, decision: &Decision<'_>) {
        let method = method_index(decision.method);
        let reasons = REASONS.len() + OTHER_REASONS.len();
        let Some(route) = self.route(decision) else { return };
        if let Some(protection) = decision.protection {
            route.writes[method * KINDS.len() + kind_index(protection)].inc();
            let waived = decision.policy.is_some_and(|policy| policy.mode != Mode::Enforce)
                && !matches!(decision.result, DecisionResult::Refused(_));
            if let (Err(code), true) = (protection, waived) {
                route.would_reject[method * reasons + reason_index(&Refusal::new(code))].inc();
            }
        }
        let _before = match decision.result {
            DecisionResult::Read => self.reads.inc(),
            DecisionResult::Applied => self.applied.inc(),
            DecisionResult::NotApplied => 0,
            DecisionResult::Refused(refusal) => {
                route.rejections[method * reasons + reason_index(refusal)].inc()
            }
            DecisionResult::Unknown => self.unknown.inc(),
        };
    }
}

fn method_index(method: &Method) -> usize {
    METHODS.iter().position(|m| *m == method.as_str()).unwrap_or(METHODS.len() - 1)
}

fn kind_index(protection: Result<Protection, Code>) -> usize {
    match protection {
        Ok(Protection::Version) => 0,
        Ok(Protection::Creation) => 1,
        Ok(Protection::Overwrite) => 2,
        Ok(Protection::None) | Err(_) => 3,
    }
}

/// Why a request was refused, in the word of the metrics.
pub(crate) fn reason_name(refusal: &Refusal) -> &'static str {
    match (refusal.code(), refusal.reason()) {
        (Code::PreconditionRequired | Code::NotAVersion, _) => "missing",
        (Code::OverwriteNotAllowed, _) => "star",
        (Code::StaleVersion, Some(Reason::Gone)) => "gone",
        (Code::StaleVersion, Some(Reason::WeakValidator)) => "weak",
        (Code::StaleVersion, Some(Reason::WrongResource)) => "wrong_resource",
        (Code::StaleVersion, _) => "stale",
        (Code::AlreadyExists, _) => "exists",
        (Code::MalformedValidator, _) => "malformed",
        _ => "other",
    }
}

fn reason_index(refusal: &Refusal) -> usize {
    let name = reason_name(refusal);
    let all = REASONS.iter().chain(&OTHER_REASONS);
    all.into_iter().position(|reason| *reason == name).unwrap_or(REASONS.len() + OTHER_REASONS.len() - 1)
}

/// Reads the store's own counters when metrics are asked for.
pub(crate) struct StoreMetrics(pub(crate) Arc<Sqlite>);

impl fmt::Debug for StoreMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreMetrics")
    }
}

impl Collector for StoreMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats: Stats = self.0.stats();
        for (name, help, value) in counters(&stats) {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        for (name, help, value) in gauges(&stats) {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

fn counters(stats: &Stats) -> [(&'static str, &'static str, u64); 9] {
    [
        ("ifmatch_store_commits", "Transactions that were applied", stats.commits),
        (
            "ifmatch_store_mismatches",
            "Transactions that were not, because somebody else was first",
            stats.mismatches,
        ),
        ("ifmatch_store_failures", "Transactions that failed", stats.failures),
        ("ifmatch_store_groups", "Groups of transactions made durable with one flush each", stats.groups),
        ("ifmatch_store_bytes", "Bytes of keys and content in applied transactions", stats.bytes),
        ("ifmatch_store_turned_away", "Transactions turned away because too many waited", stats.turned_away),
        ("ifmatch_store_checkpoints", "Checkpoints of the write-ahead log", stats.checkpoints),
        (
            "ifmatch_store_checkpoints_forced",
            "Checkpoints that writers had to wait for",
            stats.checkpoints_forced,
        ),
        ("ifmatch_store_readers", "Read connections opened", stats.readers),
    ]
}

fn gauges(stats: &Stats) -> [(&'static str, &'static str, u64); 4] {
    [
        ("ifmatch_store_waiting", "Transactions that wait to be written", stats.waiting),
        ("ifmatch_store_wal_bytes", "Bytes in the write-ahead log", stats.wal_bytes),
        (
            "ifmatch_store_clock_ahead_seconds",
            "How far the store's time is ahead of the system's",
            stats.ahead_seconds,
        ),
        (
            "ifmatch_store_poisoned",
            "Whether writes are refused until a restart (0 or 1)",
            u64::from(stats.poisoned),
        ),
    ]
}

/// Reads the audit's own counters.
#[derive(Debug)]
pub(crate) struct AuditMetrics(pub(crate) Arc<AuditCounters>);

impl Collector for AuditMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Records of the audit, by what became of them";
        let mut family =
            encoder.encode_descriptor("ifmatch_audit_records", help, None, MetricType::Counter)?;
        for (result, counter) in [("written", &self.0.written), ("dropped", &self.0.dropped)] {
            let value = ConstCounter::new(counter.load(Ordering::Relaxed));
            value.encode(family.encode_family(&[("result", result)])?)?;
        }
        let errors = ConstCounter::new(self.0.errors.load(Ordering::Relaxed));
        let help = "Attempts to write the audit that failed";
        errors.encode(encoder.encode_descriptor("ifmatch_audit_errors", help, None, MetricType::Counter)?)
    }
}
