//! Stopped, and started with other settings: no tag and no doubt is taken for another resource's.

use super::*;
use ifmatch_gateway::settings::{Identity, To};
use ifmatch_testkit::upstream::{Course, Point};

/// What is set otherwise.
type Change = fn(&mut Settings);

const OTHER_NAMES: [Change; 3] = [
    |settings| settings.routes[0].turn = Some("/orders".into()),
    |settings| settings.routes[0].identity = vec![Identity::Host],
    |settings| settings.routes[0].identity = vec![Identity::Principal, Identity::Query("id".into())],
];

fn orders(set: impl FnOnce(&mut RouteSettings)) -> Rig {
    let rig = rigged(|plan| plan.add("orders", "/orders/{id}", set));
    rig.upstream.set("/orders/1", b"one");
    rig
}

impl Rig {
    /// Stops in good order, and starts again with other settings.
    fn restart(&mut self, change: Change) {
        self.stop();
        change(&mut self.plan.settings);
        self.start();
    }
}

#[test]
fn when_names_change_tags_from_before_are_stale() {
    for change in OTHER_NAMES {
        for writers in [Writers::GatewayOnly, Writers::Any] {
            let mut rig = orders(|route| route.writers = writers);
            let alice = rig.tag("/orders/1");
            // To something else and back: the digest says nothing.
            done(&rig.put("/orders/1", &alice, "bob"));
            done(&rig.put("/orders/1", &rig.tag("/orders/1"), "one"));
            rig.restart(change);
            stale(&rig.put("/orders/1", &alice, "alice"));
            assert_eq!(rig.upstream.text("/orders/1").unwrap(), "one");
            done(&rig.put("/orders/1", &rig.tag("/orders/1"), "alice"));
        }
    }
}

#[test]
fn when_names_change_what_is_in_doubt_is_held_under_every_name() {
    for change in OTHER_NAMES {
        let mut rig = orders(|_| {});
        rig.lose("PUT", "/orders/1", &[("If-Match", &rig.tag("/orders/1"))], "bob");
        rig.restart(change);
        refused(&rig.put("/orders/1", &rig.tag("/orders/1"), "carol"), 503, "outcome_pending");
        // Both are to be seen, and to be settled.
        for doubt in rig.state().doubts() {
            drop(ifmatch_gateway::state::settle(&rig.plan.settings.state, doubt.id).unwrap());
        }
        until("everything goes on", || rig.state().doubts().is_empty());
        done(&rig.put("/orders/1", &rig.tag("/orders/1"), "carol"));
    }
}

#[test]
fn settings_that_name_nothing_keep_tags() {
    let changes: [Change; 4] = [
        |settings| settings.times.late_write_max = SHORT,
        |settings| settings.mode = Mode::Warn,
        |settings| settings.routes[0].name = "renamed".into(),
        |settings| settings.routes.insert(0, RouteSettings::new("more", "/more/{id}")),
    ];
    let mut rig = orders(|_| {});
    for change in changes {
        let tag = rig.tag("/orders/1");
        rig.restart(change);
        done(&rig.put("/orders/1", &tag, "two"));
    }
}

#[test]
fn a_run_in_between_that_does_not_guard_lets_no_old_tag_pass() {
    let between: [Change; 4] = [
        |settings| settings.routes[0].mode = Some(Mode::Off),
        |settings| settings.routes[0].mode = Some(Mode::Observe),
        |settings| settings.routes[0].evaluate = Evaluate::Upstream,
        |settings| {
            settings.mode = Mode::Off;
            settings.routes.clear();
        },
    ];
    for change in between {
        let mut rig = orders(|route| route.writers = Writers::GatewayOnly);
        rig.upstream.habits("/orders/1", Habits { evaluates: true, ..Habits::default() });
        let (alice, before) = (rig.tag("/orders/1"), rig.plan.settings.clone());
        rig.restart(change);
        let theirs = rig.get("/orders/1").value("etag").unwrap_or("*").to_owned();
        done(&rig.put("/orders/1", &theirs, "bob"));
        rig.stop();
        rig.plan.settings = before;
        rig.start();
        stale(&rig.put("/orders/1", &alice, "alice"));
        assert_eq!(rig.upstream.text("/orders/1").unwrap(), "bob");
    }
    // What the own store serves does not come by here at all.
    let mut rig = orders(|route| route.writers = Writers::GatewayOnly);
    let epoch = rig.state().epoch();
    rig.restart(|settings| settings.routes[0].to = To::Store);
    rig.restart(|settings| settings.routes[0].to = To::Upstream);
    assert_ne!(rig.state().epoch(), epoch);
}

#[test]
fn an_answer_that_was_lost_unguarded_holds_when_the_route_is_guarded() {
    for change in [
        (|settings| settings.routes[0].mode = Some(Mode::Off)) as Change,
        |settings| settings.routes[0].mode = Some(Mode::Observe),
        |settings| settings.routes[0].evaluate = Evaluate::Upstream,
    ] {
        let mut rig = orders(|_| {});
        rig.restart(change);
        rig.upstream.habits("/orders/1", Habits { evaluates: true, ..Habits::default() });
        let theirs = rig.get("/orders/1").value("etag").unwrap().to_owned();
        let gate = rig.upstream.gate();
        rig.upstream.next("PUT", "*", Course::late(&gate).cut(Point::Content));
        assert!(rig.put("/orders/1", &theirs, "bob").status >= 500);
        rig.restart(|settings| {
            (settings.routes[0].mode, settings.routes[0].evaluate) = (None, Evaluate::Gateway);
        });
        refused(&rig.put("/orders/1", &rig.tag("/orders/1"), "carol"), 503, "outcome_pending");
        gate.open();
    }
}

#[test]
fn what_was_answered_unguarded_makes_nobody_wait() {
    for content in ["", "x"] {
        let mut rig = orders(|route| route.mode = Some(Mode::Observe));
        rig.upstream.next("PUT", "*", Course::usual());
        done(&rig.ask("PUT", "/orders/1", &[], "two"));
        done(&rig.ask("DELETE", "/orders/1", &[], content));
        done(&rig.ask("PUT", "/orders/1", &[], "three"));
        rig.restart(|settings| settings.routes[0].mode = None);
        done(&rig.put("/orders/1", &rig.tag("/orders/1"), "four"));
    }
}
