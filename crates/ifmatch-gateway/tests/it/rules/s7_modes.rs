//! Modes: they waive that a condition is missing, never what it says.

use super::*;
use ifmatch_core::Star;
use ifmatch_testkit::upstream::{Course, Point};

#[test]
fn enforce_wants_a_condition_and_warn_lets_a_write_without_pass_and_tells() {
    let rig = enforced();
    refused(&rig.ask("PUT", "/a", &[], "x"), 428, "precondition_required");
    assert_eq!(rig.upstream.requests().len(), 0);

    for evaluate in [Evaluate::Gateway, Evaluate::Upstream] {
        let rig = rigged(|plan| {
            plan.settings.mode = Mode::Warn;
            plan.route(|route| route.evaluate = evaluate);
        });
        for (method, content) in [("PUT", "one"), ("PATCH", "{}"), ("DELETE", "")] {
            rig.upstream.set("/a", b"{}");
            let answer = rig.ask(method, "/a", &[], content);
            done(&answer);
            let told = answer.value("precondition-policy-report-only").unwrap();
            assert_eq!(told, "violation=missing, would=428, route=\"all\"");
        }
        rig.upstream.set("/a", b"one");
        let answer = rig.put("/a", &rig.tag("/a"), "two");
        done(&answer);
        assert_eq!(answer.values("precondition-policy-report-only").len(), 0);
        // A POST lacks nothing.
        assert_eq!(rig.ask("POST", "/a", &[], "x").values("precondition-policy-report-only").len(), 0);
    }
}

#[test]
fn a_condition_that_is_there_is_judged_in_warn_too() {
    let rig = in_mode(Mode::Warn);
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    done(&rig.put("/a", &tag, "two"));
    stale(&rig.put("/a", &tag, "three"));
    refused(&rig.create("/a", "three"), 412, "already_exists");
    refused(&rig.ask("PUT", "/a", &[("If-Match", "x")], "three"), 400, "malformed_validator");
    stale(&rig.put("/b", &tag, "three"));
    assert_eq!((rig.upstream.count("PUT"), rig.upstream.text("/a").unwrap().as_str()), (1, "two"));
}

#[test]
fn a_star_over_what_its_client_has_not_seen_is_a_lost_update() {
    let warn = || in_mode(Mode::Warn);
    let allowed = || rigged(|plan| plan.route(|route| route.star = Star::Allowed));
    let (one, two) = (("Authorization", "Basic b25l"), ("Authorization", "Basic dHdv"));
    for rig in [warn(), allowed()] {
        rig.upstream.set("/a", b"v");
        let read = |who| tag_of(&rig.ask("GET", "/a", &[who], ""));
        let star = |who, content: &str| done(&rig.ask("PUT", "/a", &[who, ("If-Match", "*")], content));
        let lost = || rig.stats().route(0).lost_updates.value();
        read(one);
        let tag = read(two);
        done(&rig.ask("PUT", "/a", &[two, ("If-Match", &tag)], "of two"));
        star(one, "of one");
        assert_eq!(lost(), 1);
        // What was seen is not lost, and what names its version replaces nothing else.
        read(two);
        star(two, "of two again");
        let tag = read(one);
        done(&rig.ask("PUT", "/a", &[one, ("If-Match", &tag)], "of one again"));
        assert_eq!(lost(), 1);
    }
}

#[test]
fn warn_takes_turns_and_moves_versions_for_writes_without_a_condition() {
    let rig = in_mode(Mode::Warn);
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    done(&rig.ask("PUT", "/a", &[], "one"));
    stale(&rig.put("/a", &tag, "two"));
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &held));
    let first = rig.beside("PUT", "/a", &[], "first");
    held.wait_for_arrivals(1).unwrap();
    let second = rig.beside("PUT", "/a", &[], "second");
    rig.fence();
    assert_eq!(rig.upstream.count("PUT"), 2);
    held.open();
    done(&first.join().unwrap());
    done(&second.join().unwrap());
    rig.lose("PUT", "/a", &[], "lost");
    refused(&rig.ask("PUT", "/a", &[], "x"), 503, "outcome_pending");
}

#[test]
fn warn_mints_and_keeps_the_upstreams_validators_to_itself() {
    let rig = in_mode(Mode::Warn);
    rig.upstream.set("/a", b"one");
    let read = rig.get("/a");
    assert_eq!((parts(&tag_of(&read)).len(), read.values("last-modified").len()), (3, 0));
}

#[test]
fn a_star_is_judged_where_it_is_allowed() {
    use ifmatch_core::Star;
    let rig = rigged(|plan| plan.route(|route| route.star = Star::Allowed));
    stale(&rig.put("/a", "*", "x"));
    rig.upstream.set("/a", b"one");
    done(&rig.put("/a", "*", "x"));
    let rig = rigged(|plan| plan.route(|route| route.star = Star::WithReason));
    rig.upstream.set("/a", b"one");
    refused(&rig.put("/a", "*", "x"), 428, "overwrite_not_allowed");
    done(&rig.ask("PUT", "/a", &[("If-Match", "*"), ("Precondition-Override", "repair")], "x"));
}

#[test]
fn a_stale_write_is_409_where_the_route_promised_that() {
    let rig = rigged(|plan| plan.route(|route| route.stale_status = ifmatch_core::StaleStatus::Conflict));
    rig.upstream.set("/a", b"one");
    refused(&rig.put("/a", "\"x\"", "two"), 409, "stale_version");
    refused(&rig.create("/a", "two"), 412, "already_exists");
}

#[test]
fn a_route_that_shares_the_line_of_a_stricter_one_is_as_strict() {
    let rig = rigged(|plan| {
        plan.settings.mode = Mode::Observe;
        plan.add("order", "/orders/{id}", |route| route.mode = Some(Mode::Enforce));
        plan.add("part", "/orders/{id}/{part}", |route| {
            (route.mode, route.turn) = (Some(Mode::Observe), Some("/orders/{id}".into()));
        });
    });
    refused(&rig.ask("PUT", "/orders/1/cancel", &[], "x"), 428, "precondition_required");
    done(&rig.ask("PUT", "/other/1/cancel", &[], "x"));
}
