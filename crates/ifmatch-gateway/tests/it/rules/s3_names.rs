//! Names: the target that is forwarded, and the line that all spellings of it share.

use super::*;
use ifmatch_gateway::settings::Identity;

#[test]
fn the_target_is_forwarded_with_nothing_normalised_but_unreserved_characters_hex_case_and_dots() {
    let rig = enforced();
    for (asked, sent) in [
        ("/a", "/a"),
        ("/%61/%7e%2Db", "/a/~-b"),
        ("/a%2fb", "/a%2Fb"),
        ("/a/./b/../c", "/a/c"),
        ("/a//b/", "/a//b/"),
        ("/A;v=1/b", "/A;v=1/b"),
        ("/a?x=%61&y=%2f;z=/../b", "/a?x=%61&y=%2f;z=/../b"),
        ("/a?", "/a?"),
    ] {
        rig.ask("GET", asked, &[], "");
        rig.ask("POST", asked, &[], "x");
        let targets: Vec<_> =
            rig.upstream.requests().iter().rev().take(2).map(|r| r.target.clone()).collect();
        assert_eq!(targets, [sent, sent], "{asked}");
    }
}

#[test]
fn what_names_nothing_safely_is_400_and_not_forwarded() {
    let rig = enforced();
    for bad in [
        "/a%00",
        "/a\\b",
        "/a%5Cb",
        "/a%",
        "/a%4g",
        "/%2e%2e/a",
        "/a/.%2e/b",
        "/a%2F..%2Fb",
        "/a/..;x=1/b",
        "/a/%252e%252e/b",
        "/a//../b",
        // An authority to those that resolve it.
        "//a/b",
    ] {
        for method in ["GET", "PUT", "POST"] {
            refused(&rig.ask(method, bad, &[], ""), 400, "bad_request");
        }
    }
    assert_eq!(rig.upstream.requests().len(), 0);
}

/// Spellings of `/orders/42` that some upstream takes for it.
const SPELLINGS: [&str; 13] = [
    "/orders/42",
    "/Orders/42",
    "/orders//42",
    "/orders/42/",
    "/orders%2F42",
    "/orders%2f42",
    "/orders/42;v=1",
    "/orders;a/42;b=c",
    "/%6Frders/%34%32",
    "/orders/42?as=x",
    "/./orders/x/../42",
    "/orders%252F42",
    "/orders/42.",
];

#[test]
fn all_spellings_of_a_name_are_one_line() {
    let rig = enforced();
    // A lost answer of one of them holds all of them, and nobody else.
    rig.lose("PUT", "/orders/42", &[("If-None-Match", "*")], "x");
    for spelling in SPELLINGS {
        refused(&rig.create(spelling, "y"), 503, "outcome_pending");
    }
    done(&rig.create("/orders/43", "y"));
    assert_eq!(rig.upstream.count("PUT"), 2);
}

#[test]
fn a_write_under_one_spelling_makes_the_tags_of_all_others_stale() {
    let rig = enforced();
    let canonical = |_: &ifmatch_testkit::upstream::Request| "/orders/42".to_owned();
    rig.upstream.names(canonical);
    rig.upstream.set("/orders/42", b"one");
    for spelling in &SPELLINGS[1..] {
        let tags = (rig.tag("/orders/42"), rig.tag(spelling));
        done(&rig.put(spelling, &tags.1, "same"));
        stale(&rig.put("/orders/42", &tags.0, "lost"));
        stale(&rig.put(spelling, &tags.1, "lost"));
    }
    assert_eq!(rig.upstream.text("/orders/42").unwrap(), "same");
}

/// Where a refusal tells its client to read.
fn to_be_read(refusal: &Response) -> String {
    let body: serde_json::Value = serde_json::from_slice(&refusal.content).unwrap();
    let hrefs = [body.pointer("/required/one_of/0/value_from/href"), body.pointer("/retry/href")];
    let href = hrefs.into_iter().flatten().next().unwrap().as_str().unwrap();
    let step = body["steps"][0].as_str().unwrap();
    assert!(step.starts_with(&format!("GET {href} with")), "{step}");
    assert_eq!(body["target"], href);
    href.to_owned()
}

#[test]
fn what_a_refusal_tells_to_read_has_its_query_and_its_tag_opens_the_write() {
    let rig = rigged(|plan| {
        plan.add("by_id", "/by-id", |route| route.identity = vec![Identity::Query("id".into())]);
        plan.add("only", "/only", |route| route.writers = Writers::GatewayOnly);
    });
    for path in ["/by-id", "/only", "/plain"] {
        let target = format!("{path}?id=1&q=%22%3c");
        // Two resources: with the query and without it.
        rig.upstream.names(|request| request.target.clone());
        rig.upstream.set(&target, b"one");
        rig.upstream.set(path, b"all");
        for fields in [&[][..], &[("If-Match", "\"x\"")]] {
            let refused = rig.ask("PUT", &target, fields, "two");
            assert!(matches!(refused.status, 428 | 412), "{}", refused.text());
            let href = to_be_read(&refused);
            assert_eq!(href, target);
            done(&rig.put(&target, &rig.tag(&href), "two"));
        }
        let fields = [("If-Match", &*rig.tag(&target)), ("Prefer", "return=representation")];
        let shown = rig.ask("PUT", &target, &fields, "three");
        assert_eq!(shown.value("content-location"), Some(&*target), "{}", shown.text());
        assert_eq!(rig.upstream.text(path).unwrap(), "all");
    }
}

#[test]
fn a_route_coarsens_its_line_with_turn() {
    let rig = rigged(|plan| {
        plan.add("order", "/orders/{id}", |_| {});
        plan.add("part", "/orders/{id}/{part}", |route| route.turn = Some("/orders/{id}".into()));
    });
    rig.lose("PUT", "/orders/42/cancel", &[("If-None-Match", "*")], "x");
    for path in ["/orders/42", "/orders/42/address", "/Orders/42/cancel/", "/orders/42%2Fcancel"] {
        refused(&rig.create(path, "y"), 503, "outcome_pending");
    }
    done(&rig.create("/orders/43", "y"));
    done(&rig.create("/orders/43/cancel", "y"));
}

#[test]
fn a_route_refines_its_line_with_identity_on_purpose() {
    let rig = rigged(|plan| {
        plan.add("me", "/me", |route| {
            route.identity = vec![
                Identity::Query("id".into()),
                Identity::Host,
                Identity::Principal,
                Identity::Header("x-tenant".parse().unwrap()),
            ];
        });
    });
    let one = [("If-None-Match", "*"), ("Authorization", "one"), ("Host", "a.test"), ("X-Tenant", "t")];
    rig.lose("PUT", "/me?id=1", &one, "x");
    // The same, however it is written.
    let mut same = one;
    same[2].1 = "A.test";
    for target in ["/me?id=1", "/ME/?i%64=%31", "/me?other=2&id=1"] {
        refused(&rig.ask("PUT", target, &same, "y"), 503, "outcome_pending");
    }
    // Another in any of the four.
    rig.upstream.remove("/me");
    done(&rig.ask("PUT", "/me?id=2", &one, "y"));
    for other in 1..4 {
        let mut fields = one;
        fields[other].1 = "other";
        rig.upstream.remove("/me");
        done(&rig.ask("PUT", "/me?id=1", &fields, "y"));
    }
}
