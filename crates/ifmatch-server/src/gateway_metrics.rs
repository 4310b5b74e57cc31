//! What the gateway counts by itself, read when metrics are asked for.

use ifmatch_gateway::state::Phase;
use ifmatch_gateway::{Count, Durations, Gateway, RouteStats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The counters of one gateway.
pub(crate) struct GatewayMetrics(pub(crate) Arc<Gateway>);

impl fmt::Debug for GatewayMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayMetrics")
    }
}

type OfRoute = fn(&RouteStats) -> &Count;

const BY_ROUTE: [(&str, &str, OfRoute); 5] = [
    (
        "ifmatch_lost_updates",
        "Applied writes that named no version and replaced one that their client had not seen; measured",
        |r| &r.lost_updates,
    ),
    ("ifmatch_lost_updates_prevented", "Stale writes that were refused", |r| &r.prevented),
    ("ifmatch_self_conflicts", "Writers refused because of a write of their own", |r| &r.self_conflicts),
    ("ifmatch_blind_retries", "Refused, then the same content under a new tag without a read", |r| {
        &r.blind_retries
    }),
    ("ifmatch_unguarded_posts", "POST requests that ran without a condition", |r| &r.unguarded_posts),
];

/// A sum in seconds, and counts by bound.
type Values = (f64, Vec<(f64, u64)>);

type DurationsOfRoute = fn(&RouteStats) -> &Durations;

const DURATIONS: [(&str, &str, DurationsOfRoute); 2] = [
    ("ifmatch_lock_wait_duration", "How long writers waited for their turn", |r| &r.turn_waits),
    (
        "ifmatch_upstream_request_duration",
        "From the first byte of a request to the upstream to the head of its answer",
        |r| &r.upstream_durations,
    ),
];

fn histogram(encoder: &mut MetricEncoder<'_>, sum: f64, buckets: &[(f64, u64)]) -> Result<(), fmt::Error> {
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
}

impl Collector for GatewayMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, of) in BY_ROUTE {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (route, value) in self.by_route(of) {
                let labels = [("route", route)];
                let counter = ConstCounter::new(value);
                counter.encode(family.encode_family(&labels)?)?;
            }
        }
        self.durations(&mut encoder)?;
        for (name, help, value) in self.counters() {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let mut untagged = encoder.encode_descriptor(
            "ifmatch_untagged",
            "Representations that went out without a tag, by why",
            None,
            MetricType::Counter,
        )?;
        let stats = self.0.stats();
        for (reason, count) in [
            ("too_large", &stats.untagged_large),
            ("variant", &stats.untagged_variant),
            ("state", &stats.untagged_state),
            ("digest_source", &stats.untagged_source),
            ("memory", &stats.untagged_busy),
            ("aged", &stats.untagged_aged),
        ] {
            let labels = [("reason", reason)];
            ConstCounter::new(count.value()).encode(untagged.encode_family(&labels)?)?;
        }
        for (name, help, value) in self.gauges() {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

impl GatewayMetrics {
    /// Routes of one name, which stand in the table once for each mode, are one.
    fn by_route(&self, of: OfRoute) -> BTreeMap<&str, u64> {
        let mut sums = BTreeMap::new();
        for route in self.0.routes().table() {
            let value = of(self.0.stats().route(route.policy.ordinal)).value();
            *sums.entry(route.settings.name.as_str()).or_default() += value;
        }
        sums
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, of) in DURATIONS {
            let mut family =
                encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
            let mut sums: BTreeMap<&str, Values> = BTreeMap::new();
            for route in self.0.routes().table() {
                let (sum, buckets) = of(self.0.stats().route(route.policy.ordinal)).values();
                let all = sums.entry(route.settings.name.as_str()).or_insert_with(|| (0.0, Vec::new()));
                all.0 += sum;
                if all.1.is_empty() {
                    all.1 = buckets;
                } else {
                    all.1.iter_mut().zip(buckets).for_each(|(have, more)| have.1 += more.1);
                }
            }
            for (route, (sum, buckets)) in sums {
                let labels = [("route", route)];
                histogram(&mut family.encode_family(&labels)?, sum, &buckets)?;
            }
        }
        let name = "ifmatch_validator_lookup_duration";
        let mut family =
            encoder.encode_descriptor(name, "Check reads", Some(&Unit::Seconds), MetricType::Histogram)?;
        let (sum, buckets) = self.0.stats().check_durations.values();
        histogram(&mut family.encode_family(&[("source", "upstream")])?, sum, &buckets)
    }

    fn counters(&self) -> [(&'static str, &'static str, u64); 11] {
        let (stats, upstream) = (self.0.stats(), self.0.upstream().stats());
        [
            (
                "ifmatch_tags_minted",
                "Representations that went out with a tag, and check reads",
                stats.minted.value(),
            ),
            ("ifmatch_checks", "Check reads", stats.checks.value()),
            (
                "ifmatch_validator_errors",
                "Check reads that gave nothing to go by",
                stats.checks_failed.value(),
            ),
            ("ifmatch_writes_forwarded", "Guarded writes that were forwarded", stats.forwarded.value()),
            ("ifmatch_writes_doubted", "Writes whose outcome was unknown", stats.unknown.value()),
            (
                "ifmatch_writes_held_back",
                "Writes refused because the outcome of another one is unknown",
                stats.held.value(),
            ),
            (
                "ifmatch_writes_around",
                "Writers around the gateway that a check noticed",
                stats.around.value(),
            ),
            (
                "ifmatch_variants_refused",
                "Variants that had no place in the table",
                self.0.state().variants().refused(),
            ),
            (
                "ifmatch_variants_evicted",
                "Variants that made room for others",
                self.0.state().variants().evicted(),
            ),
            ("ifmatch_upstream_connections_opened", "Connections made to the upstream", upstream.opened),
            ("ifmatch_upstream_connections_reused", "Requests on a kept connection", upstream.reused),
        ]
    }

    fn gauges(&self) -> [(&'static str, &'static str, u64); 5] {
        let state = self.0.state();
        let upstream = self.0.upstream().stats();
        let in_doubt = state.doubts().iter().filter(|doubt| doubt.phase == Phase::InDoubt).count();
        [
            ("ifmatch_writes_in_doubt", "Writes without a known outcome now", in_doubt as u64),
            ("ifmatch_slots_in_use", "Writes under way or in doubt now", state.in_use() as u64),
            ("ifmatch_variants", "Variants known", state.variants().len() as u64),
            ("ifmatch_upstream_connections_open", "Connections to the upstream now", upstream.open as u64),
            ("ifmatch_upstream_connections_idle", "Those of them that nobody uses", upstream.idle as u64),
        ]
    }
}
