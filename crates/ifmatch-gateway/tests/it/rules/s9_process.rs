//! One process for an upstream.

use super::*;
use ifmatch_gateway::OpenError;
use ifmatch_gateway::state::StateError;

#[test]
fn a_second_gateway_on_the_same_state_is_refused_and_told_who_has_it() {
    let mut rig = enforced();
    let error = Gateway::open(rig.plan.settings.clone()).unwrap_err();
    let OpenError::State(StateError::InUse { holder, .. }) = &error else { panic!("{error}") };
    assert_eq!(holder.pid, Some(std::process::id()));
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
    // Nothing of the first is disturbed, and after its end the next may begin.
    done(&rig.create("/a", "x"));
    rig.kill();
    rig.start();
}

#[test]
fn the_state_of_another_upstream_is_refused() {
    let mut rig = enforced();
    rig.kill();
    let mut settings = rig.plan.settings.clone();
    settings.upstream.port = 1;
    let error = Gateway::open(settings).unwrap_err();
    assert!(matches!(error, OpenError::State(StateError::OtherUpstream { .. })), "{error}");
}

#[test]
fn routes_that_cannot_be_used_leave_the_folder_as_it_was() {
    let mut rig = enforced();
    rig.kill();
    let mut settings = rig.plan.settings.clone();
    settings.state = rig.folder.path().join("other");
    settings.routes = vec![RouteSettings::new("bad", "no slash")];
    assert!(matches!(Gateway::open(settings), Err(OpenError::Routes(_))));
    assert!(!rig.folder.path().join("other").exists());
}

#[test]
fn turns_counts_and_doubts_are_of_the_process_and_not_of_a_core() {
    let rig = rigged(|plan| {
        plan.cores = 4;
        plan.route(|route| route.writers = Writers::GatewayOnly);
    });
    rig.upstream.set("/a", b"one");
    rig.lose("PUT", "/a", &[("If-Match", &rig.tag("/a"))], "lost");
    // Whichever core a connection comes to.
    let waiting: Vec<_> = (0..32).map(|_| rig.beside("POST", "/a", &[], "+")).collect();
    for answer in waiting {
        refused(&answer.join().unwrap(), 503, "outcome_pending");
    }
    let tag = rig.tag("/b/../a");
    let reads: Vec<_> = (0..32).map(|_| rig.beside("GET", "/a", &[], "")).collect();
    assert!(reads.into_iter().all(|read| tag_of(&read.join().unwrap()) == tag));
}

#[test]
fn after_stop_and_start_tags_stay_good() {
    let mut rig = enforced();
    rig.upstream.set("/a", b"one");
    let tag = rig.tag("/a");
    rig.stop();
    rig.start();
    done(&rig.put("/a", &tag, "two"));
}
