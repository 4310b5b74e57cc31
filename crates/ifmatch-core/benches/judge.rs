//! What judging costs: reading the conditions, the head alone, and the state.
//!
//! `cargo bench -p ifmatch-core`; add `-- --quick` for a rough figure.
#![allow(missing_docs, reason = "the macros make functions without any")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to report to")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, HeaderValue, Method};
use ifmatch_core::{
    About, CurrentState, EntityTag, HttpDate, Judge, Policy, Representation, Target, problem_body,
};
use std::hint::black_box;
use std::time::Duration;

const NOW: HttpDate = HttpDate::from_unix(1_795_000_000);
const CHANGED: HttpDate = HttpDate::from_unix(1_794_990_000);

fn headers(fields: &[(HeaderName, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // What a request carries anyway.
    headers.insert("host", HeaderValue::from_static("localhost:4428"));
    headers.insert("user-agent", HeaderValue::from_static("bench/1"));
    headers.insert("accept", HeaderValue::from_static("*/*"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("content-length", HeaderValue::from_static("200"));
    for (name, value) in fields {
        headers.append(name, value.parse().unwrap());
    }
    headers
}

fn state() -> CurrentState<'static> {
    CurrentState::Present(Representation {
        etag: EntityTag::parse(br#""k3v9x1-1042""#),
        last_modified: Some(CHANGED),
        content_bytes: Some(4096),
    })
}

/// So many tags, of which the last is the current one.
fn tags(count: usize) -> String {
    let others = (1..count).map(|n| format!(r#""k3v9x1-{n}", "#)).collect::<String>();
    format!(r#"{others}"k3v9x1-1042""#)
}

fn judging(c: &mut Criterion) {
    let policy = Policy::store("store");
    let one = |name: HeaderName, value: &str| headers(&[(name, value.to_owned())]);
    let date = CHANGED.to_string();
    let cases = [
        ("no condition, GET", Method::GET, headers(&[])),
        ("no condition, PUT (428)", Method::PUT, headers(&[])),
        ("one tag, current", Method::PUT, one(IF_MATCH, &tags(1))),
        ("one tag, stale (412)", Method::PUT, one(IF_MATCH, r#""k3v9x1-7""#)),
        ("10 tags", Method::PUT, one(IF_MATCH, &tags(10))),
        ("10 000 tags", Method::PUT, one(IF_MATCH, &tags(10_000))),
        ("star on an existing one (428)", Method::PUT, one(IF_MATCH, "*")),
        ("creation of an existing one (412)", Method::PUT, one(IF_NONE_MATCH, "*")),
        ("date, IMF-fixdate", Method::PUT, one(IF_UNMODIFIED_SINCE, &date)),
        ("date, RFC 850", Method::PUT, one(IF_UNMODIFIED_SINCE, &CHANGED.to_rfc850())),
        ("date, asctime", Method::PUT, one(IF_UNMODIFIED_SINCE, &CHANGED.to_asctime())),
        ("not modified, by tag (304)", Method::GET, one(IF_NONE_MATCH, &tags(1))),
        ("not modified, by date (304)", Method::GET, one(IF_MODIFIED_SINCE, &date)),
        (
            "range under If-Range (206)",
            Method::GET,
            headers(&[(RANGE, "bytes=100-199".to_owned()), (IF_RANGE, tags(1))]),
        ),
    ];
    let mut group = c.benchmark_group("judge");
    for (name, method, headers) in cases {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let judge = Judge::new(black_box(&method), black_box(&headers), &policy, NOW);
                match judge.on_head() {
                    Ok(()) => black_box(judge.on_state(&state())),
                    Err(refusal) => ifmatch_core::Outcome::Refused(refusal),
                }
            });
        });
    }
    group.finish();
}

fn targets(c: &mut Criterion) {
    let mut group = c.benchmark_group("target");
    for (name, path) in [
        ("canonical", "/v1/orders/9e3779b97f4a7c15/lines/42"),
        ("to be normalised", "/v1/./orders/%39e3779b97f4a7c15/../%7Eme/caf%c3%a9"),
        ("refused (//)", "/v1//orders"),
    ] {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| Target::parse(black_box(path), None));
        });
    }
    group.finish();
}

fn problems(c: &mut Criterion) {
    let policy = Policy::store("store");
    let mut group = c.benchmark_group("problem");
    let malformed = headers(&[(IF_MATCH, "k3v9x1-7".to_owned())]);
    let stale = headers(&[(IF_MATCH, r#""k3v9x1-7""#.to_owned())]);
    for (name, headers) in
        [("428", &headers(&[])), ("400, malformed tag", &malformed), ("412, stale", &stale)]
    {
        let judge = Judge::new(&Method::PUT, headers, &policy, NOW);
        let ifmatch_core::Outcome::Refused(refusal) = judge.on_state(&state()) else { continue };
        let about = About {
            method: &Method::PUT,
            target: "/v1/orders/42",
            headers,
            policy: Some(&policy),
            request_id: "01930a52-6c1e-7b60-9d53-2f0a3c5e7a11",
        };
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| problem_body(black_box(&refusal), black_box(&about)));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(40)
        .without_plots();
    targets = judging, targets, problems
}
criterion_main!(benches);
