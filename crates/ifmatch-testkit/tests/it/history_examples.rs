//! Histories written by hand, good and bad, for the checker.

use ifmatch_testkit::history::Outcome::{Refused, Unknown};
use ifmatch_testkit::history::{
    Call, Failure, History, Kind, Operation, Outcome, Recorder, Version, check, check_within,
};

fn version(tag: &str, value: &str) -> Version {
    Version { tag: tag.into(), value: value.into() }
}

fn applied(tag: &str) -> Outcome {
    Outcome::Applied { tag: Some(tag.into()) }
}

const APPLIED: Outcome = Outcome::Applied { tag: None };

fn read(tag: &str, value: &str) -> Call {
    Call::Read { saw: Some(version(tag, value)) }
}

const READ_NOTHING: Call = Call::Read { saw: None };

fn put(expected: &str, value: &str, outcome: Outcome) -> Call {
    Call::Put { expected: expected.into(), value: value.into(), outcome }
}

fn create(value: &str, outcome: Outcome) -> Call {
    Call::Create { value: value.into(), outcome }
}

fn delete(expected: &str, outcome: Outcome) -> Call {
    Call::Delete { expected: expected.into(), outcome }
}

/// Begins with `t1` holding `one`; each operation with its begin and end.
fn history(operations: &[(u64, u64, Call)]) -> History {
    from(Some(version("t1", "one")), operations)
}

fn from(initial: Option<Version>, operations: &[(u64, u64, Call)]) -> History {
    let operations = operations.iter().enumerate().map(|(index, (invoked, returned, call))| Operation {
        client: format!("client {index}"),
        invoked: *invoked,
        returned: *returned,
        call: call.clone(),
    });
    History { initial, operations: operations.collect() }
}

fn accepted(history: &History) -> Vec<usize> {
    check(history).map_err(|failure| failure.to_string()).expect("it is linearizable")
}

fn rejected(history: &History, kind: Kind, operations: &[usize]) -> String {
    let failure = check(history).expect_err("a violation");
    let violation = failure.violation().expect("a decision");
    assert_eq!((violation.kind, violation.operations.as_slice()), (kind, operations), "{violation}");
    for index in operations {
        assert!(violation.report.contains(&format!("#{index} ")), "{violation}");
    }
    violation.to_string()
}

#[test]
fn nothing_happened() {
    assert!(accepted(&History::default()).is_empty());
}

#[test]
fn one_after_the_other() {
    let history = from(
        None,
        &[
            (0, 1, READ_NOTHING),
            (2, 3, create("one", applied("t1"))),
            (4, 5, create("two", Refused)),
            (6, 7, put("t1", "two", applied("t2"))),
            (8, 9, put("t1", "three", Refused)),
            (10, 11, read("t2", "two")),
            (12, 13, delete("t2", APPLIED)),
            (14, 15, delete("t2", Refused)),
            (16, 17, READ_NOTHING),
            (18, 19, create("again", applied("t3"))),
        ],
    );
    assert_eq!(accepted(&history), (0..10).collect::<Vec<_>>());
}

#[test]
fn at_the_same_time() {
    // The refused write must come after the applied one; the reads show both versions.
    let history = history(&[
        (0, 9, put("t1", "two", Refused)),
        (0, 9, put("t1", "three", applied("t2"))),
        (0, 9, read("t2", "three")),
        (0, 9, read("t1", "one")),
    ]);
    let order = accepted(&history);
    let place = |index: usize| order.iter().position(|&at| at == index);
    assert!(place(3) < place(1) && place(1) < place(0) && place(1) < place(2), "{order:?}");
}

#[test]
fn a_lost_update() {
    let history =
        history(&[(0, 5, put("t1", "two", applied("t2"))), (1, 6, put("t1", "three", applied("t3")))]);
    let report = rejected(&history, Kind::LostUpdate, &[0, 1]);
    assert!(report.contains("two acknowledged writes replaced t1"), "{report}");
}

#[test]
fn a_lost_update_by_delete() {
    let history = history(&[(0, 5, put("t1", "two", applied("t2"))), (1, 6, delete("t1", APPLIED))]);
    rejected(&history, Kind::LostUpdate, &[0, 1]);
}

#[test]
fn a_lost_update_among_creators() {
    let history = from(None, &[(0, 5, create("a", applied("t1"))), (1, 6, create("b", applied("t2")))]);
    rejected(&history, Kind::NoOrder, &[1]);
}

#[test]
fn a_lost_update_through_an_unknown_write() {
    // The unknown write is seen to have replaced t1, so the acknowledged one cannot have.
    let history = history(&[
        (0, 0, put("t1", "two", Unknown)),
        (1, 2, read("t2", "two")),
        (3, 4, put("t1", "three", applied("t3"))),
    ]);
    rejected(&history, Kind::NoOrder, &[2]);
}

#[test]
fn a_stale_read() {
    let operations = [(0, 1, put("t1", "two", applied("t2"))), (2, 3, read("t1", "one"))];
    let report = rejected(&history(&operations), Kind::NoOrder, &[1]);
    assert!(report.contains("the register holds t2"), "{report}");
    // The same read is fine while the write is under way.
    let operations = [(0, 3, put("t1", "two", applied("t2"))), (2, 3, read("t1", "one"))];
    accepted(&history(&operations));
}

#[test]
fn reads_that_go_back() {
    let history = history(&[
        (0, 9, put("t1", "two", applied("t2"))),
        (1, 2, read("t2", "two")),
        (3, 4, read("t1", "one")),
    ]);
    rejected(&history, Kind::NoOrder, &[2]);
}

#[test]
fn a_resurrected_delete() {
    let operations = [(0, 1, delete("t1", APPLIED)), (2, 3, read("t1", "one"))];
    let report = rejected(&history(&operations), Kind::NoOrder, &[1]);
    assert!(report.contains("the register holds nothing"), "{report}");
    // By a write that was based on the deleted version.
    let operations = [(0, 1, delete("t1", APPLIED)), (2, 3, put("t1", "two", applied("t2")))];
    rejected(&history(&operations), Kind::LostUpdate, &[0, 1]);
}

#[test]
fn a_reused_tag() {
    let again =
        history(&[(0, 1, put("t1", "two", applied("t2"))), (2, 3, put("t2", "three", applied("t1")))]);
    rejected(&again, Kind::ReusedTag, &[1]);
    let reborn = from(
        None,
        &[
            (0, 1, create("a", applied("t1"))),
            (2, 3, delete("t1", APPLIED)),
            (4, 5, create("b", applied("t1"))),
        ],
    );
    rejected(&reborn, Kind::ReusedTag, &[0, 2]);
    let other_value = history(&[(0, 1, read("t1", "one")), (2, 3, read("t1", "else"))]);
    rejected(&other_value, Kind::ReusedTag, &[1]);
}

#[test]
fn a_reused_tag_of_an_unknown_write() {
    // Same content, but t1 had been replaced: the tag came back (A-B-A). Nobody was told so, but it was read.
    let history = history(&[
        (0, 1, put("t1", "two", applied("t2"))),
        (2, 2, put("t2", "one", Unknown)),
        (3, 4, read("t1", "one")),
    ]);
    rejected(&history, Kind::NoOrder, &[2]);
}

#[test]
fn a_version_nobody_wrote() {
    rejected(&history(&[(0, 1, read("t9", "nine"))]), Kind::Invented, &[0]);
    rejected(&history(&[(0, 1, put("t9", "nine", applied("t2")))]), Kind::Invented, &[0]);
    let refused = [(0, 1, put("t9", "nine", Refused)), (2, 3, read("t2", "nine"))];
    rejected(&history(&refused), Kind::Invented, &[1]);
}

#[test]
fn a_refusal_without_reason() {
    rejected(&history(&[(0, 1, put("t1", "two", Refused))]), Kind::NoOrder, &[0]);
    rejected(&history(&[(0, 1, delete("t1", Refused))]), Kind::NoOrder, &[0]);
    rejected(&from(None, &[(0, 1, create("a", Refused))]), Kind::NoOrder, &[0]);
}

#[test]
fn an_unknown_write_that_happened() {
    let history = history(&[
        (0, 0, put("t1", "two", Unknown)),
        (1, 2, read("t1", "one")), // not yet
        (3, 4, read("t2", "two")), // long after the client gave up
        (5, 6, put("t2", "three", applied("t3"))),
    ]);
    assert_eq!(accepted(&history), [1, 0, 2, 3]);
}

#[test]
fn an_unknown_write_that_did_not_happen() {
    let operations = [(0, 0, put("t1", "two", Unknown)), (1, 2, put("t1", "three", applied("t2")))];
    assert_eq!(accepted(&history(&operations)), [1]);
}

#[test]
fn an_unknown_write_that_cannot_have_happened_yet() {
    let history = history(&[(0, 1, read("t2", "two")), (2, 2, put("t1", "two", Unknown))]);
    rejected(&history, Kind::NoOrder, &[0]);
}

#[test]
fn an_unknown_write_happens_once() {
    // Applied, replaced, and applied again by a retry inside the server.
    let history = history(&[
        (0, 0, create("again", Unknown)),
        (0, 1, delete("t1", APPLIED)),
        (2, 3, read("t2", "again")),
        (4, 5, delete("t2", APPLIED)),
        (6, 7, read("t3", "again")),
    ]);
    rejected(&history, Kind::NoOrder, &[4]);
}

#[test]
fn an_unknown_delete() {
    let gone = [(0, 0, delete("t1", Unknown)), (1, 2, read("t1", "one")), (3, 4, READ_NOTHING)];
    assert_eq!(accepted(&history(&gone)), [1, 0, 2]);
    let back = [(0, 0, delete("t1", Unknown)), (1, 2, READ_NOTHING), (3, 4, read("t1", "one"))];
    rejected(&history(&back), Kind::NoOrder, &[2]);
}

#[test]
fn an_acknowledged_write_that_a_crash_lost() {
    let history = history(&[
        (0, 1, put("t1", "two", applied("t2"))),
        (2, 2, put("t2", "three", Unknown)), // the connection broke: kill -9
        (3, 4, read("t1", "one")),           // and after the restart the old version is back
    ]);
    rejected(&history, Kind::NoOrder, &[2]);
}

#[test]
fn an_acknowledged_write_whose_tag_was_not_told() {
    let operations = [(0, 1, put("t1", "two", APPLIED)), (2, 3, read("t2", "two"))];
    accepted(&history(&operations));
    let operations = [(0, 1, put("t1", "two", APPLIED)), (2, 3, read("t1", "one"))];
    rejected(&history(&operations), Kind::NoOrder, &[1]);
    let operations = [(0, 1, put("t1", "two", APPLIED)), (2, 3, READ_NOTHING)];
    rejected(&history(&operations), Kind::NoOrder, &[1]);
}

#[test]
fn an_operation_that_ends_before_it_begins() {
    let history = history(&[(0, 1, read("t1", "one")), (5, 4, read("t1", "one"))]);
    assert_eq!(check(&history), Err(Failure::Malformed { operation: 1 }));
}

#[test]
fn the_search_is_bounded() {
    // Twenty unknown creators of the same content, and as many deletions: any of them may have made what was seen.
    let mut operations = vec![(0, 1, delete("t1", APPLIED))];
    for round in 0..20 {
        operations.push((0, 0, create("same", Unknown)));
        let tag = format!("s{round}");
        operations.push((2, 900, read(&tag, "same")));
        operations.push((2, 900, delete(&tag, Outcome::Applied { tag: None })));
    }
    operations.push((901, 902, read("t1", "one"))); // impossible, so that everything would be tried
    let failure = check_within(&history(&operations), 1000).expect_err("no answer");
    assert_eq!(failure, Failure::Undecided { configurations: 1000 });
}

#[test]
fn a_long_history_is_quick() {
    let mut operations = Vec::new();
    for round in 0..5000_u64 {
        let (old, new, begin) = (format!("t{}", round + 1), format!("t{}", round + 2), round * 10);
        let (old_value, value) =
            (if round == 0 { "one".into() } else { round.to_string() }, (round + 1).to_string());
        operations.push((begin, begin + 9, put(&old, &value, applied(&new))));
        operations.push((begin, begin + 9, put(&old, "loser", Refused)));
        operations.push((begin, begin, put(&old, "never", Unknown)));
        operations.push((begin, begin + 9, read(&old, &old_value)));
    }
    assert_eq!(accepted(&history(&operations)).len(), 15_000);
}

#[test]
fn recorded_by_threads() {
    let recorder = Recorder::new();
    std::thread::scope(|scope| {
        for client in ["a", "b"] {
            let recorder = &recorder;
            scope.spawn(move || {
                for _ in 0..100 {
                    let invoked = recorder.invoked();
                    recorder.answered(client, invoked, read("t1", "one"));
                }
            });
        }
    });
    let history = recorder.history(Some(version("t1", "one")));
    assert_eq!(history.operations.len(), 200);
    assert_eq!(accepted(&history).len(), 200);
}
