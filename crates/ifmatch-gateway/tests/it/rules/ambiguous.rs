//! What the gateway could read in one way and the upstream in another: refused, or sent on exactly as it was judged.

use super::answers::{done, reason, refused, stale, tag_of};
use super::{Field, Rig, enforced, in_mode, rigged};
use ifmatch_core::Mode;
use ifmatch_gateway::settings::{HostField, Identity, Writers};
use ifmatch_testkit::raw;

const FORM: Field<'static> = ("Content-Type", "application/x-www-form-urlencoded");

#[test]
fn whether_a_destination_may_be_overwritten_is_said_once_and_sent_on() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    rig.upstream.set("/b", b"theirs");
    let tag = rig.tag("/a");
    let with = |more: &[Field<'_>]| {
        let fields = [&[("If-Match", &*tag), ("Destination", "/b")], more].concat();
        rig.ask("COPY", "/a", &fields, "")
    };
    for named in ["overwrite", "Destination", "depth"] {
        let answer = with(&[("Overwrite", "F"), ("Connection", &format!("close, {named}"))]);
        refused(&answer, 400, "bad_request");
        assert_eq!(reason(&answer), "connection");
    }
    for twice in [["F", "T"], ["T", "F"], ["F", "F"]] {
        let answer = with(&[("Overwrite", twice[0]), ("Overwrite", twice[1])]);
        refused(&answer, 400, "bad_request");
        assert_eq!(reason(&answer), "destination");
    }
    // Not everybody knows it like this.
    refused(&with(&[("Overwrite", "f")]), 412, "already_exists");
    assert_eq!((rig.upstream.count("COPY"), rig.upstream.text("/b").unwrap().as_str()), (0, "theirs"));
}

#[test]
fn a_destination_is_sent_on_as_it_was_judged() {
    let rig = enforced();
    rig.upstream.set("/a", b"one");
    for to in ["/b#x", "http://localhost/b#x", "http://u@localhost/b"] {
        let answer = rig.ask("COPY", "/a", &[("If-Match", &rig.tag("/a")), ("Destination", to)], "");
        refused(&answer, 400, "bad_request");
        assert_eq!(reason(&answer), "destination", "{to}");
    }
    assert_eq!(rig.upstream.count("COPY"), 0);
    let sent = |rig: &Rig, to: &str| {
        rig.upstream.set("/a", b"one");
        rig.upstream.remove("/b");
        done(&rig.ask("COPY", "/a", &[("If-Match", &rig.tag("/a")), ("Destination", to)], ""));
        rig.upstream.requests().pop().unwrap().value("destination").unwrap().to_owned()
    };
    for (to, judged) in [
        ("/%62", "/b"),
        ("/x/../b", "/b"),
        ("/./b?as=%62", "/b?as=%62"),
        ("http://LOCALHOST:80/x/../%62", "http://LOCALHOST:80/b"),
    ] {
        assert_eq!(sent(&rig, to), judged, "{to}");
    }
    let rig = rigged(|plan| plan.settings.host = HostField::Upstream);
    let there = format!("http://{}/b", rig.upstream.address());
    assert_eq!(sent(&rig, "http://localhost/x/../%62"), there);
    assert_eq!(sent(&rig, "/%62"), "/b");
}

/// Only clients of the gateway write, so that nothing but the turn key is between them.
fn identified(by: Identity) -> Rig {
    let rig = rigged(|plan| {
        plan.add("me", "/me", |route| {
            route.identity = vec![by];
            route.writers = Writers::GatewayOnly;
        });
    });
    rig.upstream.set("/me", b"one");
    rig
}

type Asked<'a> = (&'a str, &'a [Field<'a>]);

/// Two ways to ask for one resource share a turn and a count: what was read the second way is stale after a write the first.
#[track_caller]
fn the_same(rig: &Rig, one: Asked<'_>, other: Asked<'_>) {
    let tags = [one, other].map(|(target, fields)| tag_of(&rig.ask("GET", target, fields, "")));
    let put = |(target, fields): Asked<'_>, tag: &str| {
        rig.ask("PUT", target, &[&[("If-Match", tag)], fields].concat(), "two")
    };
    done(&put(one, &tags[0]));
    stale(&put(other, &tags[1]));
}

#[track_caller]
fn not_told_apart(rig: &Rig, (target, fields): Asked<'_>) {
    let sent = rig.upstream.requests().len();
    for method in ["GET", "PUT", "POST"] {
        let fields = [&[("If-Match", "\"x\"")], fields].concat();
        let answer = rig.ask(method, target, &fields, "");
        refused(&answer, 400, "bad_request");
        assert_eq!(reason(&answer), "identity", "{target} {fields:?}");
    }
    assert_eq!(rig.upstream.requests().len(), sent);
}

#[test]
fn a_query_parameter_that_tells_apart_is_there_once_and_in_one_spelling() {
    let rig = identified(Identity::Query("id".into()));
    the_same(&rig, ("/me?id=1", &[]), ("/me?x=2&i%64=%31", &[]));
    the_same(&rig, ("/me?id=a", &[]), ("/me?id=A", &[]));
    for query in ["id=1&id=1", "id=1;x=2", "x=1;id=2", "ID=1", "id[]=1", "id%00=1", "+id=1"] {
        not_told_apart(&rig, (&format!("/me?{query}"), &[]));
    }
    // What is judged elsewhere may be asked for as ever.
    done(&rig.create("/other?id=1&id=1", "x"));
}

#[test]
fn a_field_that_tells_apart_is_there_once_and_reaches_the_upstream() {
    let rig = identified(Identity::Header("x-tenant".parse().unwrap()));
    the_same(&rig, ("/me", &[("X-Tenant", "t")]), ("/me", &[("x-tenant", " T ")]));
    let once = ("X-Tenant", "t");
    for fields in [
        &[once, once][..],
        &[once, ("X_Tenant", "u")],
        &[("X_Tenant", "u")],
        &[once, ("Connection", "close, x-tenant")],
    ] {
        not_told_apart(&rig, ("/me", fields));
    }
    let tag = tag_of(&rig.ask("GET", "/me", &[once], ""));
    for trailer in ["X-Tenant", "x_tenant"] {
        let mut client = rig.connect();
        let fields = [("If-Match", &*tag), once, ("Transfer-Encoding", "chunked"), ("Trailer", trailer)];
        let content = format!("1\r\nx\r\n0\r\n{trailer}: u\r\n\r\n");
        client.send(&raw::request("PUT", "/me", &fields, Some(content.as_bytes()))).unwrap();
        let answer = client.final_response("PUT").unwrap();
        refused(&answer, 400, "bad_request");
        assert_eq!(reason(&answer), "identity");
    }
    assert_eq!(rig.upstream.count("PUT"), 1);
}

#[test]
fn a_host_that_tells_apart_is_the_same_with_a_port_and_a_dot_and_in_capitals() {
    let rig = identified(Identity::Host);
    for other in ["A.EXAMPLE", "a.example:80", "a.example.", "a.example.:443"] {
        the_same(&rig, ("/me", &[("Host", "a.example")]), ("/me", &[("Host", other)]));
    }
    the_same(&rig, ("/me", &[("Host", "a.example")]), ("http://a.example:80/me", &[("Host", "b")]));
    not_told_apart(&rig, ("/me", &[("Host", "")]));
}

#[test]
fn a_principal_is_who_authorization_names_whatever_cookies_there_are() {
    let rig = identified(Identity::Principal);
    let one = ("Authorization", "Bearer x");
    the_same(&rig, ("/me", &[one]), ("/me", &[("Authorization", "bearer  x"), ("Cookie", "theme=dark")]));
    the_same(&rig, ("/me", &[("Cookie", "sid=1")]), ("/me", &[("Cookie", "sid=1; theme=dark")]));
    not_told_apart(&rig, ("/me", &[one, one]));
}

#[test]
fn a_cookie_that_tells_apart_is_the_same_beside_any_others() {
    let rig = identified(Identity::Cookie("sid".into()));
    the_same(&rig, ("/me", &[("Cookie", "sid=1")]), ("/me", &[("Cookie", "theme=dark; sid=\"1\"")]));
    for fields in [&[("Cookie", "sid=1; sid=1")][..], &[("Cookie", "sid=1"), ("Cookie", "theme=dark")]] {
        not_told_apart(&rig, ("/me", fields));
    }
    // Another session is another resource.
    let tag = tag_of(&rig.ask("GET", "/me", &[("Cookie", "sid=2")], ""));
    let first = tag_of(&rig.ask("GET", "/me", &[("Cookie", "sid=1")], ""));
    done(&rig.ask("PUT", "/me", &[("If-Match", &first), ("Cookie", "sid=1")], "x"));
    done(&rig.ask("PUT", "/me", &[("If-Match", &tag), ("Cookie", "sid=2")], "y"));
}

#[test]
fn a_user_before_the_host_is_refused_in_every_mode() {
    for mode in [Mode::Off, Mode::Observe, Mode::Warn, Mode::Enforce] {
        let rig = in_mode(mode);
        let answer = rig.ask("GET", "http://u@localhost/a", &[], "");
        refused(&answer, 400, "bad_request");
        assert_eq!(rig.upstream.requests().len(), 0);
    }
}

#[test]
fn a_target_that_is_no_path_is_refused_in_every_mode() {
    for mode in [Mode::Off, Mode::Observe, Mode::Warn, Mode::Enforce] {
        let rig = in_mode(mode);
        for (method, target) in [("DELETE", "x"), ("PUT", "orders:80"), ("GET", "*"), ("GET", "x")] {
            refused(&rig.ask(method, target, &[], ""), 400, "bad_request");
        }
        assert_eq!(rig.upstream.requests().len(), 0);
        assert_eq!(rig.ask("OPTIONS", "*", &[], "").status, 204);
        rig.ask("GET", "http://localhost", &[], "");
        assert_eq!(rig.upstream.requests().pop().unwrap().target, "/");
    }
}

#[test]
fn a_method_is_found_under_every_name_that_php_takes_for_its() {
    let rig = enforced();
    let named = |target: &str, fields: &[Field<'_>], content: &str| {
        let answer = rig.ask("POST", target, fields, content);
        refused(&answer, 400, "bad_request");
        assert_eq!(reason(&answer), "method_override", "{target} {content}");
    };
    for name in [".method", "%2Emethod", "_method%00x", "_method[]", "_method%5B%5D", "+_method"] {
        named(&format!("/a?{name}=DELETE"), &[], "");
        named("/a", &[FORM], &format!("a=1&{name}=DELETE"));
    }
    assert_eq!(rig.upstream.requests().len(), 0);
    done(&rig.ask("POST", "/a?_methods=x&a_method=y", &[FORM], "a.method=x"));
}

#[test]
fn a_form_is_one_whatever_else_its_type_or_coding_is() {
    let rig = enforced();
    for fields in [
        &[("Content-Type", "text/plain, application/x-www-form-urlencoded")][..],
        &[FORM, ("Content-Type", "text/plain")],
        // Rack takes content without a type for a form.
        &[],
        &[FORM, ("Content-Encoding", "identity")],
    ] {
        refused(&rig.ask("POST", "/a", fields, "_method=DELETE"), 400, "bad_request");
        done(&rig.ask("POST", "/a", fields, "method=DELETE"));
    }
    // What is in there cannot be seen.
    let coded = [FORM, ("Content-Encoding", "gzip")];
    refused(&rig.ask("POST", "/a", &coded, "\u{1f}"), 400, "bad_request");
    done(&rig.ask("POST", "/a", &coded, ""));
    done(&rig.ask("POST", "/a", &[("Content-Type", "application/json")], "\"&_method=DELETE\""));
}
