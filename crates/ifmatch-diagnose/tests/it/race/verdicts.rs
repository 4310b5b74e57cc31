//! The verdict on each kind of API is the true one.

use super::{Api, DOCUMENT, Habits, Tags, api, plan, race, race_of};
use ifmatch_client::wire::Url;
use ifmatch_diagnose::race::Verdict::{Ignores, Inconclusive, LosesUpdates, NotAtomic, OptIn, Protected};
use ifmatch_diagnose::race::{Create, Plan, Race, Verdict};
use std::time::Duration;

/// A window that everything falls into.
const WINDOW: Option<Duration> = Some(Duration::from_millis(2));

fn assert_verdicts(race: &Race, expected: &[Verdict]) {
    let said = (&race.headline, &race.findings, &race.reasons, &race.remarks);
    assert_eq!(race.verdicts, expected, "{said:#?}");
}

fn open() -> Habits {
    Habits { requires: false, ..Habits::default() }
}

#[test]
fn who_does_everything_right_is_protected() {
    let race = race_of(Habits::default());
    assert_verdicts(&race, &[Protected]);
    assert!(race.evidence.together.of > 100, "{}", race.evidence.together.of);
    assert!(
        race.findings[0].contains("none lost in ") && race.findings[0].contains(" (at most "),
        "{:?}",
        race.findings
    );
    let other_status = race_of(Habits { required_status: 403, ..Habits::default() });
    assert_verdicts(&other_status, &[Protected]);
    assert!(other_status.remarks.iter().any(|remark| remark.contains("403; 428 would say")));
}

#[test]
fn who_ignores_conditions_is_told_so() {
    let race = race_of(Habits { evaluates: false, requires: false, ..Habits::default() });
    assert_verdicts(&race, &[Ignores, LosesUpdates]);
    assert_eq!(race.headline, "IGNORES IF-MATCH AND IF-NONE-MATCH, LOSES UPDATES");
    assert_eq!((race.evidence.unconditional.found, race.evidence.unconditional.of), (10, 10));
    assert_eq!((race.evidence.stale.found, race.evidence.stale.of), (10, 10));
    // To insist on a condition that is not looked at helps nobody.
    let insisting = race_of(Habits { evaluates: false, ..Habits::default() });
    assert_verdicts(&insisting, &[Ignores]);
    let without_tags =
        race_of(Habits { evaluates: false, requires: false, tags: Tags::Absent, ..Habits::default() });
    assert_verdicts(&without_tags, &[Ignores, LosesUpdates]);
}

#[test]
fn who_looks_first_and_writes_later_is_not_atomic() {
    let race = race_of(Habits { window: WINDOW, ..Habits::default() });
    assert_verdicts(&race, &[NotAtomic]);
    assert_verdicts(&race_of(Habits { window: WINDOW, ..open() }), &[NotAtomic, LosesUpdates]);
    let reproduction = race.reproduction.unwrap();
    assert!(reproduction.lines[1].contains("-H \"If-Match: $TAG\""), "{:?}", reproduction.lines);
}

#[test]
fn who_leaves_it_to_clients_is_opt_in() {
    let race = race_of(open());
    assert_verdicts(&race, &[OptIn]);
    assert!(race.conditions_protect);
    assert!(race.findings[0].contains("in 10 of 10 rounds an acknowledged write vanished (at least 74 %"));
}

#[test]
fn weak_tags_protect_nobody() {
    let race = race_of(Habits { tags: Tags::Weak, ..open() });
    assert_verdicts(&race, &[LosesUpdates]);
    assert!(
        race.remarks.iter().any(|remark| remark.contains("never matches a weak tag")),
        "{:?}",
        race.remarks
    );
}

#[test]
fn a_tag_that_is_weak_for_a_while_is_waited_for() {
    let ripens = Some(Duration::from_millis(20));
    let right = race_of(Habits { ripens, ..Habits::default() });
    assert_verdicts(&right, &[Protected]);
    assert!(right.remarks.iter().any(|remark| remark.contains("weak for up to")), "{:?}", right.remarks);
    assert_verdicts(&race_of(Habits { ripens, window: WINDOW, ..open() }), &[NotAtomic, LosesUpdates]);
}

#[test]
fn a_tag_that_two_contents_share_is_found() {
    let race = race_of(Habits { tags: Tags::Length, ..Habits::default() });
    assert_eq!(race.verdict, NotAtomic);
    assert!(race.evidence.repeated_tag.is_some());
}

#[test]
fn who_refuses_everything_is_inconclusive() {
    let refused = race_of(Habits { refuses_conditions: true, ..Habits::default() });
    assert_verdicts(&refused, &[Inconclusive]);
    assert!(refused.reasons[0].contains("protects nobody"), "{:?}", refused.reasons);
    let without_tags = race_of(Habits { tags: Tags::Absent, ..Habits::default() });
    assert_verdicts(&without_tags, &[Inconclusive]);
    assert!(without_tags.reasons[0].contains("no ETag"), "{:?}", without_tags.reasons);
    // Where writes without a condition are done, nobody can guard against them.
    assert_verdicts(&race_of(Habits { refuses_conditions: true, ..open() }), &[LosesUpdates]);
}

#[test]
fn each_status_has_its_reason() {
    for (status, word) in [
        (401, "--bearer"),
        (403, "credentials"),
        (404, "trailing slash"),
        (405, "--method"),
        (415, "--content-type"),
        (422, "--field"),
        (202, "accepted for later"),
        (301, "redirected"),
        (429, "--rate"),
        (500, "log"),
        (503, "too busy"),
    ] {
        let race = race_of(Habits { always: Some(status), ..Habits::default() });
        assert_verdicts(&race, &[Inconclusive]);
        let reasons = race.reasons.join(" ");
        assert!(reasons.contains(&status.to_string()) && reasons.contains(word), "{status}: {reasons}");
    }
}

/// What is answered with success and not kept is no lost update: nobody raced.
#[test]
fn a_member_that_is_not_kept_is_no_lost_update() {
    let api = api(Habits { read_only: vec!["note"], ..open() });
    let mut plan = plan(&api);
    plan.field = Some("/note".to_owned());
    let race = race(plan.clone());
    assert_verdicts(&race, &[Inconclusive]);
    assert!(race.reasons[0].contains("cannot be seen"), "{:?}", race.reasons);
    // If none was named, another one is found.
    plan.field = None;
    let race = super::race(plan);
    assert_verdicts(&race, &[OptIn]);
    assert_eq!(race.field, "/total");
}

#[test]
fn reads_that_are_behind_are_no_lost_updates() {
    let race = race_of(Habits { behind: 1, ..Habits::default() });
    assert_verdicts(&race, &[Protected]);
    assert!(race.remarks.iter().any(|remark| remark.contains("behind writes")), "{:?}", race.remarks);
    let api = api(Habits { behind: 1000, ..open() });
    let race = super::race(Plan { field: Some("/note".to_owned()), ..plan(&api) });
    assert_verdicts(&race, &[Inconclusive]);
}

#[test]
fn a_guard_in_the_content_is_one() {
    let guarded = Habits {
        rev_in_content: true,
        evaluates: false,
        requires: false,
        tags: Tags::Absent,
        ..Habits::default()
    };
    let race = race_of(guarded.clone());
    assert_verdicts(&race, &[Protected]);
    assert!(race.remarks.iter().any(|remark| remark.contains("something in the content")));
    // It looks first and writes later.
    assert_verdicts(&race_of(Habits { window: WINDOW, ..guarded }), &[LosesUpdates]);
}

/// Two that come at once are not the only two who erase each other.
#[test]
fn who_only_minds_that_two_come_at_once_guards_nothing() {
    let race = race_of(Habits { one_at_a_time: true, window: WINDOW, ..open() });
    assert_verdicts(&race, &[OptIn]);
    let race = race_of(Habits { one_at_a_time: true, evaluates: false, window: WINDOW, ..open() });
    assert_verdicts(&race, &[Ignores, LosesUpdates]);
}

#[test]
fn a_refusal_after_the_write_is_none() {
    let race = race_of(Habits { late: true, ..Habits::default() });
    assert_ne!(race.verdict, Protected);
}

#[test]
fn success_without_a_write_is_not_called_ignoring() {
    let api = api(Habits { lies: true, ..open() });
    let race = race(Plan { rounds: 2, ..plan(&api) });
    assert!(!race.verdicts.contains(&Ignores), "{race:#?}");
    assert!(race.remarks.iter().any(|remark| remark.contains("told a lie")), "{:?}", race.remarks);
}

#[test]
fn who_is_busy_is_asked_again() {
    assert_verdicts(&race_of(Habits { busy: 3, ..Habits::default() }), &[Protected]);
}

#[test]
fn text_is_raced_too() {
    for content in ["plain", "", "BEGIN:VCARD\r\nEND:VCARD\r\n"] {
        let api = Api::start(open());
        api.set("/orders/42", content);
        let race = race(plan(&api));
        assert_verdicts(&race, &[OptIn]);
        assert_eq!(api.get("/orders/42"), content);
    }
}

fn with_create(api: &Api) -> Plan {
    Plan { create: Some(Create::parse("PUT /orders/{new}").unwrap()), ..plan(api) }
}

#[test]
fn creators_and_deletions() {
    let right = api(Habits::default());
    let race = race(with_create(&right));
    assert_verdicts(&race, &[Protected]);
    for tally in [&race.evidence.creators, &race.evidence.stale_delete, &race.evidence.delete_update] {
        let tally = tally.as_ref().unwrap();
        assert!(tally.of >= 10 && tally.found == 0, "{tally:?}");
    }
    assert_eq!(right.paths(), ["/orders/42"]);

    let racy = api(Habits { window: WINDOW, ..Habits::default() });
    let race = super::race(with_create(&racy));
    assert_verdicts(&race, &[NotAtomic]);
    assert!(race.evidence.creators.as_ref().unwrap().found > 0);
    assert!(race.evidence.delete_update.as_ref().unwrap().found > 0);
    assert_eq!(racy.paths(), ["/orders/42"]);

    let deletes = api(Habits { deletes_anything: true, ..Habits::default() });
    let race = super::race(with_create(&deletes));
    assert_verdicts(&race, &[Ignores, NotAtomic]);
    assert_eq!(race.headline, "IGNORES IF-MATCH OF DELETE, NOT ATOMIC");
}

#[test]
fn a_gap_between_writes_changes_nothing() {
    let api = api(open());
    let race = race(Plan { gap: Duration::from_millis(1), rounds: 3, writers: 4, ..plan(&api) });
    assert_verdicts(&race, &[OptIn]);
    // Three of four are gone in each round.
    assert_eq!((race.evidence.unconditional.lost, race.evidence.unconditional.acknowledged), (9, 12));
    assert_eq!(api.get("/orders/42"), DOCUMENT);
}

#[test]
fn what_cannot_be_read_is_told_before_anything_is_written() {
    let api = api(Habits::default());
    let nowhere = Plan::new(Url::parse(&api.url("/nothing")).unwrap());
    let error = super::try_race(nowhere, None).unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("Nothing was written"), "{error}");
    let mut wrong = plan(&api);
    wrong.field = Some("/no/where".to_owned());
    let error = super::try_race(wrong, None).unwrap_err().to_string();
    assert!(error.contains("/no/where is not there"), "{error}");
    assert_eq!(api.writes(), 0);
}
