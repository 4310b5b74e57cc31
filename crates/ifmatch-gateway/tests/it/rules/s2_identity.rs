//! Several resources of one path: who asks, or a field, says which.

use super::*;
use ifmatch_gateway::settings::{DigestSource, Identity};
use ifmatch_testkit::upstream::Course;

/// One route whose resources are told apart by that.
fn by(identity: Identity, set: impl FnOnce(&mut RouteSettings)) -> Rig {
    let rig = rigged(|plan| {
        plan.route(|route| {
            route.identity = vec![identity];
            set(route);
        });
    });
    // All of them were written as often, and look the same to the digest.
    rig.upstream.set("/me", br#"{"revision":1}"#);
    rig
}

fn identities() -> [(Identity, [Field<'static>; 2]); 4] {
    [
        (Identity::Principal, [("Authorization", "Bearer alice"), ("Authorization", "Bearer bob")]),
        (Identity::Cookie("user".into()), [("Cookie", "user=alice; a=b"), ("Cookie", "user=bob; a=b")]),
        (Identity::Header("x-tenant".parse().unwrap()), [("X-Tenant", "a"), ("X-Tenant", "b")]),
        (Identity::Header("x-tenant".parse().unwrap()), [("X-Tenant", "\u{e4}"), ("X-Tenant", "\u{f6}")]),
    ]
}

type Sources = [fn(&mut RouteSettings); 4];

const SOURCES: Sources = [
    |route| route.writers = Writers::GatewayOnly,
    |route| route.digest = DigestSource::Json("/revision".into()),
    |route| route.digest = DigestSource::None,
    |_| {},
];

#[test]
fn a_tag_of_one_identity_opens_nothing_of_another_and_says_nothing_of_it() {
    for set in SOURCES {
        for (identity, [alice, bob]) in identities() {
            let rig = by(identity, set);
            let tag = tag_of(&rig.ask("GET", "/me", &[alice], ""));
            let read = rig.ask("GET", "/me", &[bob, ("If-None-Match", &tag)], "");
            assert_eq!(read.status, 200, "{bob:?}");
            assert_ne!(tag_of(&read), tag);
            stale(&rig.ask("PUT", "/me", &[bob, ("If-Match", &tag)], "{}"));
            assert_eq!(rig.upstream.count("PUT"), 0);
            let read = rig.ask("GET", "/me", &[alice, ("If-None-Match", &tag)], "");
            assert_eq!(read.status, 304, "{alice:?}");
            done(&rig.ask("PUT", "/me", &[alice, ("If-Match", &tag)], r#"{"revision":2}"#));
        }
    }
}

#[test]
fn a_tag_of_one_host_opens_nothing_of_another() {
    for set in SOURCES {
        let rig = by(Identity::Host, set);
        let of_host = |host: &str, more: &[Field<'_>], method: &str, content: &str| {
            let target = format!("http://{host}/me");
            rig.ask(method, &target, more, content)
        };
        let tag = tag_of(&of_host("a.test", &[], "GET", ""));
        assert_eq!(of_host("b.test", &[("If-None-Match", &tag)], "GET", "").status, 200);
        stale(&of_host("b.test", &[("If-Match", &tag)], "PUT", "{}"));
        done(&of_host("a.test", &[("If-Match", &tag)], "PUT", "{}"));
    }
}

#[test]
fn the_new_tag_of_an_identity_is_the_one_a_read_gives() {
    for prefer in ["return=representation", "return=minimal"] {
        let rig = by(Identity::Principal, |route| route.writers = Writers::GatewayOnly);
        let alice = ("Authorization", "Bearer alice");
        let tag = tag_of(&rig.ask("GET", "/me", &[alice], ""));
        let fields = [alice, ("If-Match", &*tag), ("Prefer", prefer)];
        let answer = rig.ask("PUT", "/me", &fields, "{}");
        done(&answer);
        assert_eq!(tag_of(&answer), tag_of(&rig.ask("GET", "/me", &[alice], "")));
        // So does a creation, which is not judged by a tag.
        rig.upstream.remove("/me");
        let answer = rig.ask("PUT", "/me", &[alice, ("If-None-Match", "*")], "{}");
        assert_eq!(tag_of(&answer), tag_of(&rig.ask("GET", "/me", &[alice], "")));
    }
}

#[test]
fn a_field_that_tells_resources_apart_is_the_writers_own_in_the_check() {
    let rig = by(Identity::Header("x-tenant".parse().unwrap()), |_| {});
    rig.upstream.always("GET", "/me", Course::usual().field("Vary", "X-Tenant"));
    let tag = tag_of(&rig.ask("GET", "/me", &[("X-Tenant", "a")], ""));
    assert_eq!(parts(&tag).len(), 3);
    stale(&rig.ask("PUT", "/me", &[("X-Tenant", "b"), ("If-Match", &tag)], "{}"));
    assert_eq!(rig.upstream.requests().pop().unwrap().value("x-tenant"), Some("b"));
}
