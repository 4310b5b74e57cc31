//! Upstreams that ask for conditions themselves: they get their own tag, of what was judged.

use super::*;
use ifmatch_core::StaleStatus;
use ifmatch_testkit::upstream::{Course, Point, Request, Tags};

/// An origin that refuses writes without a condition, and looks at them.
fn demanding() -> Habits {
    Habits { evaluates: true, requires: true, tags: Tags::Revision, ..Habits::default() }
}

fn rig_of(rig: Rig, habits: Habits) -> Rig {
    rig.upstream.habits("/a", habits);
    rig.upstream.set("/a", b"one");
    rig
}

/// What came for `/a` by this method, with the If-Match it had.
fn conditions(rig: &Rig, method: &str) -> Vec<Option<String>> {
    let of = |request: Request| request.value("if-match").map(str::to_owned);
    rig.upstream.requests_to(method, "/a").into_iter().map(of).collect()
}

#[test]
fn an_upstream_that_asks_for_conditions_gets_its_own_tag() {
    for rig in [enforced(), gateway_only()] {
        let rig = rig_of(rig, demanding());
        for n in 0..3 {
            done(&rig.put("/a", &rig.tag("/a"), &n.to_string()));
            assert_eq!(rig.upstream.text("/a").unwrap(), n.to_string());
        }
        // It is asked without one only until it is known to refuse that.
        let sent = conditions(&rig, "PUT");
        assert_eq!(sent.iter().filter(|sent| sent.is_none()).count(), 1, "{sent:?}");
        assert_eq!(sent.len(), 4);
        done(&rig.ask("DELETE", "/a", &[("If-Match", &rig.tag("/a"))], ""));
        assert_eq!(rig.upstream.text("/a"), None);
    }
}

#[test]
fn its_tag_is_the_first_field_of_the_head() {
    let rig = rig_of(enforced(), demanding());
    done(&rig.ask("PUT", "/a", &[("X-Own", "1"), ("If-Match", &rig.tag("/a"))], "two"));
    let sent = rig.upstream.requests_to("PUT", "/a").pop().unwrap();
    assert_eq!(sent.names()[..2].join(" "), "host if-match");
}

#[test]
fn others_get_none() {
    let rig = rig_of(enforced(), Habits { requires: false, ..demanding() });
    done(&rig.put("/a", &rig.tag("/a"), "two"));
    assert_eq!(conditions(&rig, "PUT"), [None]);
}

#[test]
fn a_stale_write_is_refused_here_and_never_sent_with_a_current_tag() {
    let rig = rig_of(enforced(), demanding());
    let old = rig.tag("/a");
    done(&rig.put("/a", &old, "two"));
    let sent = rig.upstream.count("PUT");
    assert_eq!(rig.put("/a", &old, "three").status, 412);
    assert_eq!(rig.ask("PUT", "/a", &[], "three").status, 428);
    assert_eq!((rig.upstream.count("PUT"), rig.upstream.text("/a").unwrap().as_str()), (sent, "two"));
}

#[test]
fn a_writer_around_the_gateway_at_that_moment_overwrites_nothing() {
    let conflict = rigged(|plan| plan.route(|route| route.stale_status = StaleStatus::Conflict));
    let rig = rig_of(conflict, demanding());
    done(&rig.put("/a", &rig.tag("/a"), "two"));
    let tag = rig.tag("/a");
    let gate = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &gate));
    let refused = thread::scope(|scope| {
        let write = scope.spawn(|| rig.put("/a", &tag, "three"));
        rig.upstream.wait_for("PUT", "/a", Point::Content, 3).unwrap();
        rig.upstream.set("/a", b"from elsewhere");
        gate.open();
        write.join().unwrap()
    });
    // With the status that the route has for it.
    assert_eq!((refused.status, code(&refused).as_str()), (409, "stale_version"), "{}", refused.text());
    assert_eq!(rig.upstream.text("/a").unwrap(), "from elsewhere");
    // And nothing is held.
    done(&rig.put("/a", &rig.tag("/a"), "four"));
}

#[test]
fn a_demand_that_cannot_be_met_is_told_to_whoever_can_change_that() {
    for tags in [Tags::Weak, Tags::Absent] {
        let rig = rig_of(enforced(), Habits { tags, ..demanding() });
        let refused = rig.put("/a", &rig.tag("/a"), "two");
        assert_eq!((refused.status, code(&refused).as_str()), (503, "validator_unavailable"));
        assert!(refused.text().contains("evaluate = \\\"upstream\\\""), "{}", refused.text());
        assert_eq!((rig.upstream.count("PUT"), rig.upstream.text("/a").unwrap().as_str()), (1, "one"));
        // Nothing is held, and the tag is as good as before.
        assert_eq!(rig.put("/a", &rig.tag("/a"), "two").status, 503);
    }
}

#[test]
fn an_answer_lost_after_the_second_try_is_in_doubt_and_one_lost_before_it_too() {
    for first in [true, false] {
        let rig = rig_of(enforced(), demanding());
        if !first {
            rig.upstream.next("PUT", "/a", Course::usual());
        }
        rig.upstream.next("PUT", "/a", Course::cut_at(Point::Applied));
        let lost = rig.put("/a", &rig.tag("/a"), "two");
        assert_eq!((lost.status, code(&lost).as_str()), (504, "outcome_unknown"));
        let held = rig.put("/a", &rig.tag("/a"), "three");
        assert_eq!((held.status, code(&held).as_str()), (503, "outcome_pending"));
    }
}
