use super::*;
use serde_json::Value;
use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}

const ID: Uuid = Uuid::from_u128(0x01930a53_01c7_7e07_8f0d_4f0a8d0e1b22);

fn record() -> Record<'static> {
    Record {
        at: at(1_791_021_761_702),
        event_id: ID,
        action: Action::Rejected,
        reason: Some("stale"),
        method: "PATCH",
        status: 412,
        path: "/v1/orders/42",
        user: Some(User::Hash(0x8812)),
        client_name: Some("web 5.1"),
        client_address: Some([203, 0, 113, 7].into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        route: "orders",
        mode: "enforce",
        tag_sent: Some(b"\"7\""),
        tag_before: Some(b"\"8\""),
        tag_after: None,
        last_read: Some(LastRead { tag: b"\"7\"", at: at(1_791_021_731_020) }),
        previous_write: Some(PreviousWrite {
            event_id: Uuid::from_u128(0x01930a52_ffd0_7aa1_9b0e_0c1d2e3f4a5b),
            user: Some(User::Name("u_17")),
            client_name: "ops-console",
            at: at(1_791_021_723_100),
        }),
        blind_retry: false,
        self_conflict: false,
        body_blake3: Some(Hex(&[0x9f, 0x2c])),
        override_reason: None,
        idempotency_key: None,
        config: Some(5),
    }
}

fn line(record: &Record<'_>) -> String {
    let mut line = Vec::new();
    record.write_line(&mut line);
    String::from_utf8(line).unwrap()
}

fn parsed(record: &Record<'_>) -> Value {
    serde_json::from_str(&line(record)).unwrap()
}

#[test]
fn a_record_is_as_it_is_documented() {
    let expected = r#"{"@timestamp":"2026-10-03T10:02:41.702Z","ecs.version":"8.11",
"event.id":"01930a53-01c7-7e07-8f0d-4f0a8d0e1b22","event.kind":"event","event.category":["web"],
"event.type":["denied"],"event.action":"write.rejected","event.outcome":"failure","event.reason":"stale",
"http.request.method":"PATCH","http.response.status_code":412,"url.path":"/v1/orders/42",
"user.id":"0000000000008812","client.name":"web 5.1","client.address":"203.0.113.7",
"trace.id":"4bf92f3577b34da6a3ce929d0e0e4736","ifmatch.version":1,"ifmatch.route":"orders",
"ifmatch.mode":"enforce","ifmatch.tag.sent":"\"7\"","ifmatch.tag.before":"\"8\"","ifmatch.tag.after":null,
"ifmatch.last_read":{"tag":"\"7\"","at":"2026-10-03T10:02:11.020Z"},
"ifmatch.previous_write":{"event.id":"01930a52-ffd0-7aa1-9b0e-0c1d2e3f4a5b","user.id":"u_17",
"client.name":"ops-console","at":"2026-10-03T10:02:03.100Z"},
"ifmatch.blind_retry":false,"ifmatch.self_conflict":false,"ifmatch.body.blake3":"9f2c",
"ifmatch.override_reason":null,"ifmatch.idempotency_key":null,"ifmatch.config":5}
"#;
    assert_eq!(line(&record()), expected.replace(",\n", ","));
}

#[test]
fn what_is_not_known_is_null_and_no_member_is_left_out() {
    let all = parsed(&record());
    let nothing = Record {
        tag_sent: None,
        tag_before: None,
        last_read: None,
        previous_write: None,
        config: None,
        ..record()
    };
    for known in 0..8 {
        let if_known = |bit: u8| (known & bit != 0).then_some(&b"\"9\""[..]);
        let tags = Record {
            tag_sent: if_known(1),
            tag_before: if_known(2),
            tag_after: if_known(4),
            override_reason: (known & 1 != 0).then_some("why"),
            idempotency_key: (known & 2 != 0).then_some(7),
            config: (known & 4 != 0).then_some(5),
            ..nothing
        };
        let json = parsed(&tags);
        assert!(json.as_object().unwrap().keys().eq(all.as_object().unwrap().keys()), "{json}");
        for (bit, tag, other) in
            [(1, "sent", "override_reason"), (2, "before", "idempotency_key"), (4, "after", "config")]
        {
            let nulls = [tag, other].map(|name| {
                let name =
                    if name == tag { format!("ifmatch.tag.{name}") } else { format!("ifmatch.{name}") };
                json[name].is_null()
            });
            assert_eq!(nulls, [known & bit == 0; 2], "{known} {tag} {other}");
        }
    }
}

#[test]
fn every_action_has_a_name_and_an_outcome() {
    for (action, name, kind, outcome) in [
        (Action::Accepted, "write.accepted", "change", "success"),
        (Action::Rejected, "write.rejected", "denied", "failure"),
        (Action::WouldReject, "write.would_reject", "allowed", "success"),
        (Action::LostUpdate, "write.lost_update", "change", "success"),
        (Action::Overwritten, "write.overwritten", "change", "success"),
        (Action::Replayed, "write.replayed", "info", "success"),
        (Action::NotApplied, "write.not_applied", "info", "failure"),
        (Action::Unknown, "write.unknown", "change", "unknown"),
    ] {
        let json = parsed(&Record { action, ..record() });
        assert_eq!(
            (json["event.action"].as_str(), json["event.outcome"].as_str()),
            (Some(name), Some(outcome))
        );
        assert_eq!(json["event.type"][0], kind);
    }
}

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    let evil = "/a\r\n{\"event.action\":\"write.accepted\"}\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\u{1f600}";
    let record = Record {
        path: evil,
        tag_sent: Some(b"\"\r\n\x1b\xff\""),
        client_name: Some("a\nb"),
        override_reason: Some("\u{2028}"),
        ..record()
    };
    let text = line(&record);
    assert_eq!(text.matches('\n').count(), 1, "one line");
    assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..0x7f).contains(&byte)), "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["url.path"], evil);
    assert_eq!(json["ifmatch.tag.sent"], "\"\r\n\u{1b}\u{fffd}\"");
    assert_eq!(json["client.name"], "a\nb");
    assert_eq!(json["ifmatch.override_reason"], "\u{2028}");
}

#[test]
fn a_query_is_left_out_and_long_texts_are_cut() {
    for (target, path) in [("/a?token=secret", "/a"), ("/a#b", "/a"), ("?x", ""), ("/a", "/a")] {
        assert_eq!(parsed(&Record { path: target, ..record() })["url.path"], path);
    }
    let long = "/\u{e4}".repeat(10_000);
    let name = "x".repeat(1000);
    let all = Record {
        path: &long,
        client_name: Some(&name),
        tag_sent: Some(long.as_bytes()),
        override_reason: Some(&long),
        ..record()
    };
    let json = parsed(&all);
    assert!(json["url.path"].as_str().unwrap().ends_with("..."));
    assert_eq!(json["client.name"].as_str().unwrap().len(), 83);
    assert!(line(&all).len() < 16_000);
}

#[test]
fn timestamps_are_civil() {
    for (ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_799_999, "2000-02-29T23:59:59.999Z"),
        (1_798_761_599_001, "2026-12-31T23:59:59.001Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (u64::MAX / 2, "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(parsed(&Record { at: at(ms), ..record() })["@timestamp"], text);
    }
    let before = UNIX_EPOCH - Duration::from_secs(5);
    assert_eq!(parsed(&Record { at: before, ..record() })["@timestamp"], "1970-01-01T00:00:00.000Z");
}

#[test]
fn addresses_are_as_they_are_written() {
    for address in ["0.0.0.0", "1.20.255.100", "255.255.255.255", "10.9.99.109", "::1", "2001:db8::7"] {
        let record = Record { client_address: Some(address.parse().unwrap()), ..record() };
        assert_eq!(parsed(&record)["client.address"], address);
    }
}

#[test]
fn clients_and_traces_are_named() {
    let chrome = "Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36";
    for (x_client, agent, name) in [
        (Some("erp-sync"), Some("curl/8"), Some("erp-sync")),
        (Some(" "), Some("curl/8.9"), Some("curl/8.9")),
        (None, Some("app/1 (linux)"), Some("app/1")),
        (None, Some(chrome), Some("Chrome/140 Safari/537.36")),
        (None, Some("Mozilla/4.0 (compatible)"), Some("Mozilla/4.0")),
        (None, Some(""), None),
        (None, None, None),
    ] {
        assert_eq!(client_name(x_client, agent), name);
    }
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (field, trace) in [
        (format!("00-{id}-00f067aa0ba902b7-01"), Some(id)),
        (format!("cc-{id}-00f067aa0ba902b7-01-more"), Some(id)),
        (format!("ff-{id}-00f067aa0ba902b7-01"), None),
        (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
        (format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()), None),
        ("nonsense".to_owned(), None),
    ] {
        assert_eq!(trace_id(&field), trace, "{field}");
    }
}

/// The numbers that records carry as their status, from the oldest file to the newest.
fn numbers(path: &Path, files: usize) -> Vec<u64> {
    let older = (1..files).rev().map(|number| path.with_extension(format!("jsonl.{number}")));
    let all = older.chain([path.to_owned()]).filter_map(|file| fs::read_to_string(file).ok());
    let mut numbers = Vec::new();
    for text in all {
        assert!(text.is_empty() || text.ends_with('\n'));
        let number =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["http.response.status_code"].as_u64();
        numbers.extend(text.lines().map(|line| number(line).unwrap()));
    }
    numbers
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/audit.jsonl");
    let one = line(&record()).len() as u64;
    let settings =
        AuditSettings { file_bytes_max: 10 * one + one / 2, files_max: 3, ..AuditSettings::new(&path) };
    for run in 0..5u16 {
        let audit = Audit::open(settings.clone()).unwrap();
        for number in 0..7 {
            audit.record(&Record { status: 100 + run * 7 + number, ..record() });
        }
        drop(audit);
    }
    assert_eq!(numbers(&path, 3), (110..135).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 3);
    for file in fs::read_dir(folder.path().join("new")).unwrap() {
        assert!(file.unwrap().metadata().unwrap().len() <= settings.file_bytes_max);
    }

    // One file only, and a record that is longer than a file may be.
    let path = folder.path().join("audit.jsonl");
    let settings = AuditSettings { file_bytes_max: 10, files_max: 1, ..AuditSettings::new(&path) };
    let audit = Audit::open(settings).unwrap();
    (100..105).for_each(|status| audit.record(&Record { status, ..record() }));
    drop(audit);
    assert_eq!(numbers(&path, 1), [104]);
}

#[test]
fn an_audit_goes_on_behind_a_torn_line_and_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    fs::write(&path, "{\"torn").unwrap();
    let audit = Audit::open(AuditSettings::new(&path)).unwrap();
    let second = Audit::open(AuditSettings::new(&path)).unwrap_err();
    assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
    audit.record(&record());
    audit.close();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{{\"torn\n{}", line(&record())));
    audit.record(&record());
    assert_eq!(audit.counters().dropped.load(Ordering::Relaxed), 1, "after the end");
}

#[test]
fn a_file_that_cannot_be_rotated_grows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    // Renaming a file over a folder fails, for root too.
    fs::create_dir_all(path.with_extension("jsonl.1").join("full")).unwrap();
    let settings = AuditSettings { file_bytes_max: 10, files_max: 2, ..AuditSettings::new(&path) };
    let audit = Audit::open(settings).unwrap();
    (100..105).for_each(|status| audit.record(&Record { status, ..record() }));
    audit.close();
    assert_eq!(numbers(&path, 1), (100..105).collect::<Vec<_>>());
    assert!(audit.counters().errors.load(Ordering::Relaxed) > 0);
    assert_eq!(audit.counters().dropped.load(Ordering::Relaxed), 0);
}

#[test]
fn records_for_a_full_device_wait_up_to_a_bound_and_are_counted() {
    let audit = Audit::open(AuditSettings::new("/dev/full")).unwrap();
    let one = line(&record()).len();
    let count = 2 * WAITING_BYTES_MAX / one;
    for _ in 0..count {
        audit.record(&record());
        assert!(audit.waiting_bytes() <= WAITING_BYTES_MAX);
    }
    audit.close();
    let counters = audit.counters();
    assert_eq!(counters.written.load(Ordering::Relaxed), 0);
    assert_eq!(counters.dropped.load(Ordering::Relaxed), count as u64);
    assert!(counters.errors.load(Ordering::Relaxed) > 0);
}

/// Takes what it is told to, then everything.
struct Moody {
    /// How many bytes it takes, or `None` for an error.
    moods: VecDeque<Option<usize>>,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Sink for Moody {
    fn append(&mut self, lines: &[u8]) -> io::Result<usize> {
        let Some(bytes) = self.moods.pop_front().unwrap_or(Some(usize::MAX)) else {
            return Err(io::ErrorKind::StorageFull.into());
        };
        let bytes = bytes.min(lines.len());
        self.taken.lock().extend_from_slice(&lines[..bytes]);
        Ok(bytes)
    }
}

#[test]
fn what_was_written_in_part_is_finished_when_there_is_room_again() {
    let taken = Arc::<Mutex<Vec<u8>>>::default();
    let moods = [Some(700), None, Some(1), Some(0), None, Some(2500)].into();
    let audit =
        Audit::with(Moody { moods, taken: Arc::clone(&taken) }, Arc::default(), WAITING_BYTES_MAX).unwrap();
    let expected: String = (100..200).map(|status| line(&Record { status, ..record() })).collect();
    (100..200).for_each(|status| audit.record(&Record { status, ..record() }));
    while audit.waiting_bytes() > 0 {
        std::thread::yield_now();
    }
    audit.close();
    assert_eq!(String::from_utf8(taken.lock().clone()).unwrap(), expected);
    assert_eq!(audit.counters().written.load(Ordering::Relaxed), 100);
    assert_eq!(audit.counters().errors.load(Ordering::Relaxed), 3);
    assert_eq!(audit.counters().dropped.load(Ordering::Relaxed), 0);
}

#[test]
fn a_record_is_written_before_the_end_without_more_of_them() {
    let taken = Arc::<Mutex<Vec<u8>>>::default();
    let sink = Moody { moods: VecDeque::new(), taken: Arc::clone(&taken) };
    let audit = Audit::with(sink, Arc::default(), WAITING_BYTES_MAX).unwrap();
    audit.record(&record());
    while taken.lock().is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn lines_of_many_threads_are_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let settings = AuditSettings { file_bytes_max: 20 << 20, files_max: 10, ..AuditSettings::new(&path) };
    let audit = Audit::open(settings).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let audit = &audit;
            scope.spawn(move || {
                for number in 0..10_000 {
                    let config = Some(thread * 10_000 + number);
                    audit.record(&Record { config, ..record() });
                    // What is dropped when nobody waits for the file is not what is tested here.
                    while audit.waiting_bytes() > WAITING_BYTES_MAX / 2 {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    audit.close();
    assert_eq!(audit.counters().written.load(Ordering::Relaxed), 80_000);
    let mut next = [0; 8];
    for number in (0..10).rev() {
        let file = if number == 0 { path.clone() } else { path.with_extension(format!("jsonl.{number}")) };
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            let json: Value = serde_json::from_str(line).unwrap();
            let number = json["ifmatch.config"].as_u64().unwrap();
            let thread = usize::try_from(number / 10_000).unwrap();
            assert_eq!(number % 10_000, next[thread], "in order for each thread");
            next[thread] += 1;
        }
    }
    assert_eq!(next, [10_000; 8]);
}
