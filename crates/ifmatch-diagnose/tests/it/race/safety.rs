//! The original comes back, whatever happens, unless somebody else wrote.

use super::{DOCUMENT, Habits, api, plan, runtime};
use ifmatch_client::wire::{Access, Url};
use ifmatch_diagnose::race::{
    Ending, Journal, JournalError, Observer, Plan, Progress, Race, Stop, prepare, restore,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Does something before the rounds of a test.
struct During<F: Fn(u32) + Sync> {
    test: &'static str,
    then: F,
    steps: AtomicU32,
}

impl<F: Fn(u32) + Sync> During<F> {
    fn new(test: &'static str, then: F) -> Self {
        Self { test, then, steps: AtomicU32::new(0) }
    }
}

impl<F: Fn(u32) + Sync> Observer for During<F> {
    fn progress(&self, progress: Progress) {
        if progress.test == self.test {
            (self.then)(self.steps.fetch_add(1, Ordering::SeqCst));
        }
    }
}

fn run(plan: Plan, observer: &dyn Observer, stop: &Stop, journal: Option<Journal>) -> Race {
    runtime().block_on(async {
        let prepared = prepare(&Access::default(), plan).await.unwrap();
        prepared.run(observer, stop, journal).await.unwrap()
    })
}

#[test]
fn the_original_comes_back_octet_for_octet() {
    for habits in [Habits::default(), Habits { requires: false, evaluates: false, ..Habits::default() }] {
        let api = api(habits);
        let race = run(plan(&api), &(), &Stop::default(), None);
        assert_eq!(race.restored.ending, Ending::Identical, "{:?}", race.restored);
        assert_eq!(api.get("/orders/42"), DOCUMENT);
    }
}

/// Connections that the writers keep open must not keep the one from being served that puts the original back.
#[test]
fn a_server_that_serves_one_connection_at_a_time_gets_its_original_back() {
    let api = api(Habits { one_connection: true, requires: false, ..Habits::default() });
    let mut access = Access::default();
    access.limits.answer = Duration::from_millis(300);
    let race = runtime().block_on(async {
        let prepared = prepare(&access, plan(&api)).await.unwrap();
        prepared.run(&(), &Stop::default(), None).await.unwrap()
    });
    assert_eq!(race.headline, "INCONCLUSIVE", "{race:#?}");
    assert!(matches!(race.restored.ending, Ending::Identical | Ending::Untouched), "{:?}", race.restored);
    assert_eq!(api.get("/orders/42"), DOCUMENT);
}

#[test]
fn what_the_server_keeps_itself_may_differ() {
    let api = api(Habits { normalises: true, ..Habits::default() });
    let race = run(plan(&api), &(), &Stop::default(), None);
    assert_eq!(race.restored.ending, Ending::Equivalent, "{:?}", race.restored);
    assert!(race.restored.says.contains("/at"), "{:?}", race.restored);
    assert!(api.get("/orders/42").contains(r#""note":"hello""#));
}

/// The old content is refused there, so only the member is put back.
#[test]
fn a_revision_in_the_content_is_no_obstacle() {
    let api = api(Habits { rev_in_content: true, requires: false, ..Habits::default() });
    let race = run(plan(&api), &(), &Stop::default(), None);
    assert_eq!(race.restored.ending, Ending::Equivalent, "{:?}", race.restored);
    assert!(api.get("/orders/42").contains(r#""note":"hello""#));
}

#[test]
fn who_stops_it_gets_the_original_back() {
    let api = api(Habits::default());
    let stop = Stop::default();
    let stopping = During::new("the same tag, together", |step| {
        if step == 3 {
            stop.stop();
        }
    });
    let race = run(plan(&api), &stopping, &stop, None);
    assert!(race.stopped);
    assert_eq!(race.restored.ending, Ending::Identical);
    assert_eq!(api.get("/orders/42"), DOCUMENT);
    // What was not tried is not called safe.
    assert!(race.evidence.together.of <= 5, "{race:#?}");
    assert_eq!(race.headline, "INCONCLUSIVE");
    assert!(!race.conditions_protect);
}

/// Somebody else's write is the last thing that a proof of lost updates may erase.
#[test]
fn what_somebody_else_wrote_is_left_alone() {
    const OTHERS: &str = r#"{"id":42,"note":"from somebody else","total":12.50}"#;
    let folder = tempfile::tempdir().unwrap();
    for others in [OTHERS, r#"{"id":42,"note":"hello","total":99}"#] {
        let api = api(Habits::default());
        let stop = Stop::default();
        let writing = During::new("If-None-Match: *", |_| {
            api.set("/orders/42", others);
            stop.stop();
        });
        let plan = plan(&api);
        let journal = Journal::open(folder.path(), &plan.url).unwrap();
        let race = run(plan.clone(), &writing, &stop, Some(journal));
        assert_eq!(race.restored.ending, Ending::NotRestored);
        assert_eq!(api.get("/orders/42"), others);
        // The original is kept.
        let journal = Journal::open(folder.path(), &plan.url).unwrap();
        assert_eq!(journal.left().unwrap().content().unwrap(), DOCUMENT);
        assert_eq!(race.kept.as_deref(), Some(journal.path()));
        journal.close();
    }
}

/// As after `kill -9`: the journal is there, the last write is ours.
#[test]
fn what_a_killed_race_left_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let api = api(Habits::default());
    let url = Url::parse(&api.url("/orders/42")).unwrap();
    let left = Mutex::new((String::new(), None));
    let looking = During::new("an old tag", |step| {
        if step == 3 {
            // What is on disk and at the API at this moment is what a killed process leaves.
            let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
            *left.lock().unwrap() = (api.get("/orders/42"), Some(std::fs::read(path).unwrap()));
        }
    });
    let journal = Journal::open(folder.path(), &url).unwrap();
    let path = journal.path().to_owned();
    run(plan(&api), &looking, &Stop::default(), Some(journal));
    assert!(!path.exists());
    let (content, journal) = left.into_inner().unwrap();
    assert!(content.contains("race-"), "{content}");

    api.set("/orders/42", &content);
    std::fs::write(&path, journal.unwrap()).unwrap();
    let journal = Journal::open(folder.path(), &url).unwrap();
    let entry = journal.left().unwrap();
    let restored = runtime().block_on(restore(&Access::default(), &url, entry)).unwrap();
    assert_eq!(restored.ending, Ending::Identical, "{restored:?}");
    assert_eq!(api.get("/orders/42"), DOCUMENT);

    // A second time there is nothing of ours to be found.
    api.set("/orders/42", r#"{"id":42,"note":"new","total":1}"#);
    let restored = runtime().block_on(restore(&Access::default(), &url, entry)).unwrap();
    assert_eq!(restored.ending, Ending::NotRestored);
    assert!(api.get("/orders/42").contains("new"));
}

#[test]
fn there_is_one_race_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::parse("http://localhost/a").unwrap();
    let first = Journal::open(folder.path(), &url).unwrap();
    assert!(matches!(Journal::open(folder.path(), &url), Err(JournalError::Busy(_))));
    drop(first);
    assert!(Journal::open(folder.path(), &url).is_ok());
}

#[test]
fn the_rate_is_kept() {
    let api = api(Habits::default());
    let plan = Plan { rounds: 1, rate: Some(1000.0), ..plan(&api) };
    let race = run(plan, &(), &Stop::default(), None);
    assert!(race.seconds >= f64::from(race.requests - 12) / 1000.0, "{race:?}");
}

/// A write of somebody else before the first rounds is as little erased as a later one.
#[test]
fn what_somebody_else_wrote_while_it_looks_is_left_alone() {
    const THEIRS: [&str; 2] = [
        r#"{"id":42,"note":"hello","total":12.50,"theirs":"PRECIOUS"}"#,
        r#"{"id":42,"note":"hello","total":99}"#,
    ];
    for theirs in THEIRS {
        for turn in [3, 5, 6, 7, 9, 12, 15] {
            let api = api(Habits { interrupted: Some((turn, theirs)), ..Habits::default() });
            let race = run(plan(&api), &(), &Stop::default(), None);
            assert_eq!(race.restored.ending, Ending::NotRestored, "{turn} {theirs}: {race:#?}");
            let now: serde_json::Value = serde_json::from_str(&api.get("/orders/42")).unwrap();
            let theirs: serde_json::Value = serde_json::from_str(theirs).unwrap();
            assert_eq!((&now["theirs"], &now["total"]), (&theirs["theirs"], &theirs["total"]), "{turn}");
            assert_eq!(race.headline, "INCONCLUSIVE");
        }
    }
}

/// Three replicas, each further behind: what a read shows may be old.
#[test]
fn what_is_read_is_not_believed_where_reads_are_behind() {
    for requires in [true, false] {
        let replicas = [0, 600, 1200].map(Duration::from_millis);
        let api = api(Habits { replicas: replicas.to_vec(), requires, ..Habits::default() });
        let race = run(plan(&api), &(), &Stop::default(), None);
        assert!(!race.restored.says.contains("Somebody else"), "{race:#?}");
        if race.restored.ending == Ending::NotRestored {
            continue;
        }
        assert_eq!(api.get("/orders/42"), DOCUMENT, "{race:#?}");
    }
}

/// What holds a mark is not the original; what is no text cannot be put back; what is large is not sent hundreds of times.
#[test]
fn what_cannot_be_put_back_is_not_written() {
    let large = format!(r#"{{"note":"{}"}}"#, "x".repeat(1 << 20));
    let refusals: [(&[u8], &str); 3] = [
        (br#"{"id":42,"note":"race-12ab-0007"}"#, "race-12ab-0007"),
        (large.as_bytes(), "at most 1048576"),
        (b"\x89PNG\r\n\xff\xfe", "neither JSON nor text in UTF-8"),
    ];
    for (content, says) in refusals {
        let api = api(Habits::default());
        api.set("/orders/42", content);
        let refused = runtime().block_on(prepare(&Access::default(), plan(&api))).unwrap_err().to_string();
        assert!(refused.contains(says) && refused.contains("Nothing was written"), "{refused}");
        assert_eq!(api.writes(), 0);
    }
}
