//! The third outcome: what ends a turn, and what is told meanwhile.

use super::*;
use ifmatch_testkit::upstream::{After, Apply, Course, Point, Shows};

/// A gateway-only route with something at `/a`, and the tag of it.
fn with_tag(set: impl FnOnce(&mut Plan)) -> (Rig, String) {
    let rig = rigged(|plan| {
        plan.route(|route| route.writers = Writers::GatewayOnly);
        set(plan);
    });
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    (rig, tag)
}

#[track_caller]
fn pending(answer: &Response) {
    refused(answer, 503, "outcome_pending");
    let seconds: u64 = answer.value("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&seconds), "{seconds}");
}

#[test]
fn a_final_answer_ends_the_turn() {
    let (rig, _) = with_tag(|_| {});
    for status in [200, 201, 204, 205, 303, 307, 400, 401, 404, 409, 412, 422, 429, 500, 501, 503] {
        let tag = rig.tag("/a");
        rig.upstream.next("PUT", "/a", Course::status(status));
        assert_eq!(rig.put("/a", &tag, "two").status, status);
        assert!(!rig.is_held("/a"), "{status}");
        done(&rig.put("/a", &rig.tag("/a"), "three"));
    }
}

#[test]
fn an_answer_that_says_nothing_about_the_origin_goes_to_the_client_and_holds_the_line() {
    for status in [202, 408, 502, 504] {
        let (rig, tag) = with_tag(|_| {});
        rig.upstream.next("PUT", "/a", Course::status(status));
        let answer = rig.put("/a", &tag, "two");
        assert_eq!((answer.status, answer.text()), (status, format!("status {status}\n")));
        pending(&rig.put("/a", &rig.tag("/a"), "three"));
        rig.decided("PUT", "unknown", 1);
        assert_eq!(rig.state().doubts().len(), 1, "{status}");
    }
}

#[test]
fn what_was_accepted_may_land_late_so_others_wait_and_nothing_is_lost() {
    let (rig, tag) = with_tag(|plan| plan.settings.times.late_write_max = PATIENCE);
    let late = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::accepted(&late));
    assert_eq!(rig.put("/a", &tag, "accepted").status, 202);
    let read = rig.tag("/a");
    pending(&rig.put("/a", &read, "overwrites"));
    late.open();
    rig.upstream.wait_for_content("/a", Some(b"accepted")).unwrap();
    rig.settled();
    // What was read before it landed is not the version any more.
    stale(&rig.put("/a", &read, "overwrites"));
    done(&rig.put("/a", &rig.tag("/a"), "next"));
}

#[test]
fn an_upstream_that_writes_and_then_fails_ends_the_turn_and_the_old_version() {
    let (rig, tag) = with_tag(|_| {});
    rig.upstream.next("PUT", "/a", Course::applied_then(500));
    assert_eq!(rig.put("/a", &tag, "two").status, 500);
    assert!(!rig.is_held("/a"));
    stale(&rig.put("/a", &tag, "again"));
    assert_eq!(rig.upstream.text("/a").unwrap(), "two");
    done(&rig.put("/a", &rig.tag("/a"), "three"));
}

#[test]
fn an_early_4xx_ends_the_turn_changes_no_version_and_its_connection_is_closed() {
    let content = "x".repeat(24 << 20);
    for status in [401, 413] {
        let (rig, tag) = with_tag(|plan| {
            plan.limits.content_bytes_max = 64 << 20;
            plan.memory_bytes_max = 64 << 20;
        });
        // It does not read on, so that there is content left to be sent.
        let held = rig.upstream.gate();
        let course = Course::early(status).after(After::Keep).hold(Point::Answered, &held);
        rig.upstream.next("PUT", "/a", course);
        assert_eq!(rig.put("/a", &tag, &content).status, status);
        let sent = rig.upstream.requests_to("PUT", "/a").pop().unwrap();
        assert!(!rig.is_held("/a"));
        assert_eq!(rig.tag("/a"), tag);
        assert_ne!(rig.upstream.requests().pop().unwrap().connection, sent.connection);
        held.open();
        rig.upstream.wait_for_connections(|now| now.open <= 1).unwrap();
        done(&rig.put("/a", &tag, "two"));
    }
}

#[test]
fn any_other_answer_before_all_content_was_sent_leaves_the_outcome_open() {
    let content = "x".repeat(24 << 20);
    for status in [200, 500] {
        let (rig, tag) = with_tag(|plan| {
            plan.limits.content_bytes_max = 64 << 20;
            plan.memory_bytes_max = 64 << 20;
        });
        let held = rig.upstream.gate();
        rig.upstream.next("PUT", "/a", Course::early(status).hold(Point::Answered, &held));
        assert_eq!(rig.put("/a", &tag, &content).status, status);
        pending(&rig.put("/a", &rig.tag("/a"), "two"));
    }
}

#[test]
fn a_cut_at_any_point_before_the_answer_is_complete_is_504_and_holds_the_line() {
    let (rig, _) = with_tag(|_| {});
    let points = [Point::Head, Point::Content, Point::Applied, Point::AnswerHead, Point::AnswerContent];
    for (n, point) in points.into_iter().enumerate() {
        for reset in [false, true] {
            let path = format!("/{n}-{reset}");
            rig.upstream.set(&path, b"one");
            rig.upstream.habits(&path, Habits { shows: Shows::Representation, ..Habits::default() });
            let course = Course::cut_at(point);
            rig.upstream.next("PUT", &path, if reset { course.reset() } else { course });
            let answer = rig.put(&path, &rig.tag(&path), "two");
            refused(&answer, 504, "outcome_unknown");
            let told: serde_json::Value = serde_json::from_slice(&answer.content).unwrap();
            assert!(told["applied"].is_null(), "{point:?}");
            pending(&rig.put(&path, &rig.tag(&path), "three"));
        }
    }
    rig.upstream.next("PUT", "/a", Course::cut_at(Point::Answered));
    done(&rig.put("/a", &rig.tag("/a"), "two"));
    assert!(!rig.is_held("/a"));
}

#[test]
fn an_answer_that_is_not_http_is_504_and_holds_the_line() {
    let (rig, tag) = with_tag(|_| {});
    rig.upstream.next("PUT", "/a", Course::raw("nonsense\r\n\r\n"));
    refused(&rig.put("/a", &tag, "two"), 504, "outcome_unknown");
    pending(&rig.put("/a", &rig.tag("/a"), "three"));
}

#[test]
fn a_write_that_is_not_answered_in_time_is_504_and_holds_the_line_until_it_can_land_no_more() {
    let (rig, tag) = with_tag(|plan| {
        plan.settings.times.answer_max = PATIENCE;
        plan.settings.times.late_write_max = PATIENCE;
    });
    let never = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &never).apply(Apply::Never));
    refused(&rig.put("/a", &tag, "two"), 504, "outcome_unknown");
    pending(&rig.put("/a", &tag, "three"));
    rig.settled();
    // Its time is over, and the version it was made of with it.
    stale(&rig.put("/a", &tag, "three"));
    done(&rig.put("/a", &rig.tag("/a"), "three"));
}

#[test]
fn how_long_a_write_may_land_late_is_set_for_a_route() {
    let rig = rigged(|plan| plan.add("quick", "/quick", |route| route.late_write_max = Some(SHORT)));
    for path in ["/quick", "/slow"] {
        rig.lose("PUT", path, &[("If-None-Match", "*")], "x");
    }
    until("the quick one is over", || !rig.is_held("/quick"));
    done(&rig.put("/quick", &rig.tag("/quick"), "y"));
    pending(&rig.put("/slow", &rig.tag("/slow"), "y"));
}

#[test]
fn if_the_answer_comes_after_all_nobody_waits_any_longer() {
    for (course, keeps_version) in [(Course::usual(), false), (Course::status(409), true)] {
        let (rig, tag) = with_tag(|plan| plan.settings.times.answer_max = PATIENCE);
        let held = rig.upstream.gate();
        rig.upstream.next("PUT", "/a", course.hold(Point::Content, &held));
        refused(&rig.put("/a", &tag, "two"), 504, "outcome_unknown");
        pending(&rig.put("/a", &tag, "three"));
        held.open();
        // A minute before it would have been over by itself.
        rig.settled();
        assert_eq!(rig.upstream.text("/a").unwrap(), if keeps_version { "one" } else { "two" });
        stale(&rig.put("/a", &tag, "three"));
        done(&rig.put("/a", &rig.tag("/a"), "three"));
    }
}

#[test]
fn a_late_answer_that_says_nothing_releases_nobody() {
    let (rig, tag) = with_tag(|plan| plan.settings.times.answer_max = PATIENCE);
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::status(502).hold(Point::Content, &held));
    refused(&rig.put("/a", &tag, "two"), 504, "outcome_unknown");
    held.open();
    rig.upstream.wait_for("PUT", "/a", Point::Answered, 1).unwrap();
    rig.fence();
    pending(&rig.put("/a", &tag, "three"));
}

#[test]
fn a_late_4xx_that_is_cut_releases_nobody() {
    let (rig, tag) = with_tag(|plan| plan.settings.times.answer_max = PATIENCE);
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::status(404).hold(Point::Content, &held).cut(Point::AnswerContent));
    refused(&rig.put("/a", &tag, "two"), 504, "outcome_unknown");
    held.open();
    rig.upstream.wait_for_connections(|now| now.open <= 1).unwrap();
    rig.fence();
    pending(&rig.put("/a", &tag, "three"));
}

/// A PUT whose content the upstream does not read, until it is told that nobody knows.
#[track_caller]
fn unread(bytes: usize) {
    let (rig, tag) = with_tag(|plan| {
        plan.limits.content_bytes_max = 64 << 20;
        plan.memory_bytes_max = 64 << 20;
        plan.settings.times.answer_max = PATIENCE;
    });
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Head, &held));
    refused(&rig.put("/a", &tag, &"x".repeat(bytes)), 504, "outcome_unknown");
    // It reads on, and does not get it all.
    held.open();
    let is_over = |request: &&ifmatch_testkit::upstream::Request| request.method == "PUT" && request.is_over;
    let sent = rig.upstream.wait_until(|all| all.iter().find(is_over).cloned()).unwrap();
    assert!(!sent.is_applied && rig.upstream.text("/a").unwrap() == "one");
    pending(&rig.put("/a", &tag, "three"));
}

#[test]
fn content_that_is_not_sent_when_the_time_is_over_never_arrives() {
    unread(24 << 20);
}

#[test]
fn nor_does_content_that_only_the_kernel_still_has() {
    unread(1 << 20);
}

#[test]
fn nobody_goes_on_before_the_connection_of_a_write_in_doubt_is_cut() {
    let (rig, tag) = with_tag(|plan| {
        plan.settings.times.answer_max = PATIENCE;
        plan.settings.times.late_write_max = PATIENCE;
    });
    let never = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &never).apply(Apply::Never));
    refused(&rig.put("/a", &tag, "two"), 504, "outcome_unknown");
    assert!(rig.gateway().upstream().stats().open > rig.gateway().upstream().stats().idle);
    rig.settled();
    let now = rig.gateway().upstream().stats();
    assert_eq!(now.open, now.idle);
}

#[test]
fn a_reread_never_decides_that_it_is_safe() {
    let (rig, tag) = with_tag(|plan| plan.settings.times.late_write_max = PATIENCE);
    let late = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::late(&late).cut(Point::Content));
    refused(&rig.put("/a", &tag, "late"), 504, "outcome_unknown");
    // It is read, nothing has changed, and still it may.
    assert_eq!(rig.get("/a").text(), "one");
    let read = rig.tag("/a");
    pending(&rig.put("/a", &read, "overwrites"));
    late.open();
    rig.upstream.wait_for_content("/a", Some(b"late")).unwrap();
    rig.settled();
    stale(&rig.put("/a", &read, "overwrites"));
    assert_eq!(rig.upstream.text("/a").unwrap(), "late");
}

#[test]
fn a_lost_append_holds_writers_and_no_other_append() {
    let (rig, tag) = with_tag(|_| {});
    rig.lose("POST", "/a", &[], "+");
    pending(&rig.put("/a", &tag, "two"));
    pending(&rig.ask("POST", "/a", &[("If-Match", &tag)], "+"));
    done(&rig.ask("POST", "/a", &[], "+"));
    assert_eq!(rig.upstream.text("/a").unwrap(), "one++");
    // A lost write holds appends as well.
    let (rig, tag) = with_tag(|_| {});
    rig.lose("PUT", "/a", &[("If-Match", &tag)], "two");
    pending(&rig.ask("POST", "/a", &[], "+"));
}

#[test]
fn a_doubt_can_be_settled_and_ends_the_version() {
    let (rig, tag) = with_tag(|_| {});
    rig.lose("PUT", "/a", &[("If-Match", &tag)], "two");
    let folder = &rig.plan.settings.state;
    let [doubt] = &ifmatch_gateway::state::list(folder).unwrap()[..] else { panic!("one doubt") };
    assert_eq!((doubt.method.as_str(), doubt.target.as_str()), ("PUT", "/a"));
    drop(ifmatch_gateway::state::settle(folder, doubt.id).unwrap());
    rig.settled();
    stale(&rig.put("/a", &tag, "three"));
    done(&rig.put("/a", &rig.tag("/a"), "three"));
}

#[test]
fn what_was_under_way_when_the_process_was_killed_is_held_by_the_next() {
    let (mut rig, tag) = with_tag(|_| {});
    let held = rig.upstream.gate();
    rig.upstream.next("PUT", "/a", Course::held(Point::Content, &held));
    let mut client = rig.connect();
    client.send(&raw::request("PUT", "/a", &[("If-Match", &tag)], Some(b"two"))).unwrap();
    held.wait_for_arrivals(1).unwrap();
    rig.kill();
    rig.start();
    pending(&rig.put("/a", &tag, "three"));
    pending(&rig.ask("POST", "/A", &[], "+"));
    done(&rig.create("/b", "x"));
    held.open();
    rig.upstream.wait_for_content("/a", Some(b"two")).unwrap();
    pending(&rig.put("/a", &rig.tag("/a"), "three"));
}

#[test]
fn as_many_writes_as_can_be_kept_track_of_and_no_more() {
    let rig = rigged(|plan| plan.settings.bounds.in_flight_max = 2);
    for path in ["/a", "/b"] {
        rig.lose("PUT", path, &[("If-None-Match", "*")], "x");
    }
    let answer = rig.create("/c", "x");
    refused(&answer, 503, "busy");
    assert!(answer.value("retry-after").is_some());
    assert_eq!(rig.upstream.requests_to("PUT", "/c").len(), 0);
}
