//! What the durable engine costs: CPU microseconds per operation, which hold when throughput does not, and latencies.
//!
//! `cargo bench -p ifmatch-store --bench cost [-- KEYS...]`; `TMPDIR` says on which device, `CACHE_BYTES=0`
//! that every read goes to the database.
#![allow(clippy::print_stdout, reason = "figures are its output")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to report to")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ifmatch_core::Expected;
use ifmatch_store::{Committed, Document, Options, Snapshot, Sqlite, Store, Transaction};

const CONTENT_BYTES: usize = 200;
const RUN: Duration = Duration::from_secs(4);

fn main() {
    let sizes: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    for keys in if sizes.is_empty() { vec![1_000, 1_000_000] } else { sizes } {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.cache_bytes = std::env::var("CACHE_BYTES").ok().map(|bytes| bytes.parse().unwrap());
        let store = Arc::new(Sqlite::open(folder.path(), options).unwrap());
        fill(&store, keys);
        println!("{keys} keys, {CONTENT_BYTES} bytes each");
        reads(&store, keys);
        for writers in [1, 16, 64] {
            increments(&store, keys, writers, false);
        }
        increments(&store, keys, 64, true);
        creations(&store);
        println!("  {:?}", store.stats());
    }
}

fn key(index: u64) -> String {
    // Scattered over the index of names, as random identifiers would be.
    format!("/items/{:016x}", index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn fill(store: &Sqlite, keys: u64) {
    let started = Instant::now();
    let indexes: Vec<u64> = (0..keys).collect();
    for part in indexes.chunks(1000) {
        let transaction =
            part.iter().fold(Transaction::new(), |t, index| t.put(key(*index), Expected::Absent, document()));
        ifmatch_store::conformance::block_on(store.commit(transaction)).unwrap();
    }
    println!("filled in {:?}", started.elapsed());
}

fn document() -> Document {
    Document::new(vec![b'x'; CONTENT_BYTES]).with_content_type("application/json")
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn reads(store: &Sqlite, keys: u64) {
    let mut random = Random(42);
    let (cpu, started, mut count) = (cpu(), Instant::now(), 0u64);
    while started.elapsed() < RUN / 2 {
        for _ in 0..1000 {
            assert!(matches!(store.read(&key(random.next() % keys)), Ok(Snapshot::Present { .. })));
        }
        count += 1000;
    }
    println!("  read:        {:6.2} us CPU", (self::cpu() - cpu) / count as f64);
}

/// Read-modify-write with a condition; without the read's cost if `blind`.
fn increments(store: &Arc<Sqlite>, keys: u64, writers: u64, blind: bool) {
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (cpu, started, before) = (cpu(), Instant::now(), store.stats());
    let mut latencies: Vec<Duration> = rt.block_on(async {
        let tasks: Vec<_> = (1..=writers)
            .map(|writer| {
                let store = Arc::clone(store);
                // Spawned on the one thread: tasks alternate only where they wait.
                tokio::spawn(async move {
                    let mut random = Random(writer * 7919);
                    let mut latencies = Vec::new();
                    while started.elapsed() < RUN {
                        let key = key(random.next() % keys);
                        let seen = if blind {
                            Expected::Any
                        } else {
                            Expected::Exactly(store.read(&key).unwrap().current().unwrap().revision)
                        };
                        let at = Instant::now();
                        let put = Transaction::new().put(key, seen, document());
                        if let Committed::Done(_) = store.commit(put).await.unwrap() {
                            latencies.push(at.elapsed());
                        }
                    }
                    latencies
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    });
    let (count, after) = (latencies.len() as f64, store.stats());
    latencies.sort();
    let at = |thousandths: usize| latencies[(latencies.len() - 1) * thousandths / 1000];
    println!(
        "  {} x {writers:2}: {:6.2} us CPU, {:7.0}/s, group {:4.1}, p50 {:?} p99 {:?} p99.9 {:?} max {:?}, checkpoints {} forced {}",
        if blind { "write    " } else { "increment" },
        (self::cpu() - cpu) / count,
        count / RUN.as_secs_f64(),
        count / (after.groups - before.groups) as f64,
        at(500),
        at(990),
        at(999),
        at(1000),
        after.checkpoints - before.checkpoints,
        after.checkpoints_forced - before.checkpoints_forced,
    );
}

fn creations(store: &Sqlite) {
    let (cpu, groups) = (cpu(), 200);
    for group in 0..groups {
        let transaction = (0..64).fold(Transaction::new(), |t, at| {
            t.put(key(1 << 40 | group << 10 | at), Expected::Absent, document())
        });
        ifmatch_store::conformance::block_on(store.commit(transaction)).unwrap();
    }
    println!(
        "  create x 64 in one transaction: {:6.2} us CPU each",
        (self::cpu() - cpu) / (groups * 64) as f64
    );
}

/// User and system time of this process, in microseconds, to a hundredth of a second.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
    ticks * 10_000.0
}
