//! How resources are kept and shown.

use super::{ask, get, put, start};
use ifmatch_testkit::upstream::{Cache, Coding, Habits, Negotiation, Shows, Stores, Tags};

fn tag(response: &ifmatch_testkit::raw::Response) -> Option<&str> {
    response.value("etag")
}

#[test]
fn resources_come_change_and_go() {
    let upstream = start();
    assert_eq!(get(&upstream, "/a", &[]).status, 404);
    assert_eq!(put(&upstream, "/a", b"{\"n\":1}").status, 201);
    let first = get(&upstream, "/a", &[]);
    assert_eq!((first.status, first.text().as_str()), (200, "{\"n\":1}"));
    assert_eq!(put(&upstream, "/a?x=1", b"{\"n\":2,\"m\":3}").status, 204);
    assert_eq!(ask(&upstream, "PATCH", "/a", &[], b"{\"m\":null}").status, 204);
    let second = get(&upstream, "/a", &[]);
    assert_eq!(second.text(), "{\"n\":2}");
    assert!(tag(&first) != tag(&second) && first.value("last-modified") != second.value("last-modified"));
    assert_eq!(ask(&upstream, "POST", "/a", &[], b"+").status, 204);
    assert_eq!(upstream.text("/a").as_deref(), Some("{\"n\":2}+"));
    let head = ask(&upstream, "HEAD", "/a", &[], b"");
    assert_eq!((head.value("content-length"), head.content.len()), (Some("8"), 0));
    assert_eq!(ask(&upstream, "MOVE", "/a", &[("Destination", "http://x/b")], b"").status, 201);
    assert_eq!(ask(&upstream, "DELETE", "/a", &[], b"").status, 404);
    assert_eq!(ask(&upstream, "DELETE", "/b", &[], b"").status, 204);
    assert_eq!(upstream.content("/b"), None);
    assert_eq!((upstream.writes(), upstream.count("DELETE")), (5, 2));
}

#[test]
fn what_is_stored_is_not_what_was_sent() {
    let upstream = start();
    upstream.habits("/n", Habits { stores: Stores::WithNewline, ..Habits::default() });
    put(&upstream, "/n", b"x");
    assert_eq!(get(&upstream, "/n", &[]).text(), "x\n");
    let hidden = vec!["password".to_owned()];
    upstream.habits("/j", Habits { stores: Stores::SortedJson, hidden, ..Habits::default() });
    put(&upstream, "/j", b"{\"password\": \"p\", \"b\": 1, \"a\": [2, 1]}");
    assert_eq!(upstream.text("/j").as_deref(), Some("{\"a\":[2, 1],\"b\":1,\"password\":\"p\"}"));
    let before = get(&upstream, "/j", &[]);
    assert_eq!(before.text(), "{\"a\":[2, 1],\"b\":1}");
    put(&upstream, "/j", b"{\"password\": \"q\", \"b\": 1, \"a\": [2, 1]}");
    assert_eq!(tag(&get(&upstream, "/j", &[])), tag(&before), "nothing to be seen");
}

#[test]
fn tags_of_all_kinds() {
    let upstream = start();
    let tags = |tags| Habits { tags, ..Habits::default() };
    upstream.set("/a", b"x");
    let seen = |habits| {
        upstream.habits("/a", habits);
        get(&upstream, "/a", &[]).value("etag").map(str::to_owned)
    };
    let strong = seen(tags(Tags::Content)).expect("a tag");
    assert_eq!(seen(tags(Tags::Weak)), Some(format!("W/{strong}")));
    assert_eq!(seen(tags(Tags::Revision)).as_deref(), Some("\"r1\""));
    assert_eq!(seen(tags(Tags::Absent)), None);
    assert_eq!(seen(tags(Tags::Fixed("\"same\"".into()))).as_deref(), Some("\"same\""));
    upstream.set("/a", b"y");
    assert_eq!(tag(&get(&upstream, "/a", &[])), Some("\"same\""));
}

#[test]
fn content_is_compressed_when_asked_or_always() {
    let upstream = start();
    upstream.set("/a", b"hello");
    upstream.habits("/a", Habits { coding: Coding::Negotiated, ..Habits::default() });
    let plain = get(&upstream, "/a", &[("Accept-Encoding", "identity")]);
    let coded = get(&upstream, "/a", &[("Accept-Encoding", "br, gzip")]);
    assert_eq!((plain.value("content-encoding"), plain.text().as_str()), (None, "hello"));
    assert_eq!((coded.value("content-encoding"), &coded.content[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
    assert!(tag(&plain) != tag(&coded) && coded.value("vary") == Some("Accept-Encoding"));
    upstream.habits("/a", Habits { coding: Coding::Always, ..Habits::default() });
    let forced = get(&upstream, "/a", &[("Accept-Encoding", "identity")]);
    assert_eq!((forced.value("content-encoding"), forced.value("vary")), (Some("gzip"), None));
}

#[test]
fn a_cache_answers_with_what_was() {
    let upstream = start();
    upstream.set("/a", b"old");
    for (cache, refreshed) in [(Cache::Honest(30), "new"), (Cache::Stubborn(30), "old")] {
        upstream.set("/a", b"old");
        upstream.habits("/a", Habits { cache, ..Habits::default() });
        get(&upstream, "/a", &[("Cache-Control", "no-cache")]);
        put(&upstream, "/a", b"new");
        let cached = get(&upstream, "/a", &[]);
        assert_eq!((cached.value("age"), cached.text().as_str()), (Some("30"), "old"));
        assert_eq!(get(&upstream, "/a", &[("Cache-Control", "no-cache")]).text(), refreshed);
        assert_eq!(upstream.text("/a").as_deref(), Some("new"));
    }
}

#[test]
fn representations_are_negotiated() {
    let upstream = start();
    upstream.set("/a", b"{}");
    for (negotiation, vary) in
        [(Negotiation::Told, Some("Accept, Accept-Language")), (Negotiation::Untold, None)]
    {
        upstream.habits("/a", Habits { accept: negotiation, language: negotiation, ..Habits::default() });
        let json = get(&upstream, "/a", &[("Accept", "application/json")]);
        let text = get(&upstream, "/a", &[("Accept", "text/plain"), ("Accept-Language", "de-CH, en")]);
        assert_eq!((json.value("content-type"), json.text().as_str()), (Some("application/json"), "{}"));
        assert_eq!(
            (text.value("content-type"), text.text().as_str()),
            (Some("text/plain"), "de: as text: {}")
        );
        assert!(tag(&json) != tag(&text) && json.value("vary") == vary && text.value("vary") == vary);
    }
}

#[test]
fn answers_to_writes_show_as_much_as_wanted() {
    let upstream = start();
    upstream.habits("/t", Habits { shows: Shows::Tag, ..Habits::default() });
    let created = put(&upstream, "/t", b"x");
    assert_eq!((created.status, tag(&created)), (201, tag(&get(&upstream, "/t", &[]))));
    upstream.habits("/t", Habits { shows: Shows::Representation, ..Habits::default() });
    let changed = put(&upstream, "/t", b"y");
    assert_eq!((changed.status, changed.text().as_str()), (200, "y"));
    assert_eq!(tag(&changed), tag(&get(&upstream, "/t", &[])));
    upstream.habits("/t", Habits::default());
    assert_eq!(tag(&put(&upstream, "/t", b"z")), None);
}

#[test]
fn conditions_are_evaluated_only_where_they_are() {
    let upstream = start();
    upstream.set("/a", b"x");
    let conditional = |fields: &[(&str, &str)]| ask(&upstream, "PUT", "/a", fields, b"y").status;
    assert_eq!(conditional(&[("If-None-Match", "*")]), 204, "ignored");
    upstream.habits("/a", Habits { evaluates: true, tags: Tags::Revision, ..Habits::default() });
    assert_eq!(conditional(&[("If-None-Match", "*")]), 412);
    assert_eq!(conditional(&[("If-Match", "\"r1\", \"r0\"")]), 412);
    assert_eq!(conditional(&[("If-Match", "\"r2\"")]), 204);
    assert_eq!(conditional(&[("If-Match", "*")]), 204);
    assert_eq!(get(&upstream, "/a", &[("If-None-Match", "\"r4\"")]).status, 304);
    upstream.habits("/b", Habits { evaluates: true, ..Habits::default() });
    assert_eq!(ask(&upstream, "PUT", "/b", &[("If-Match", "*")], b"").status, 412);
    assert_eq!(ask(&upstream, "PUT", "/b", &[("If-None-Match", "*")], b"").status, 201);
}

/// The same two writers, with one step and with two.
#[test]
fn between_the_look_and_the_write_an_update_is_lost() {
    let upstream = start();
    upstream.set("/a", b"x");
    let evaluates = Habits { evaluates: true, tags: Tags::Revision, ..Habits::default() };
    let race = || {
        let tag = get(&upstream, "/a", &[]).value("etag").expect("a tag").to_owned();
        let write = || ask(&upstream, "PUT", "/a", &[("If-Match", &tag)], b"y").status;
        let mut statuses = std::thread::scope(|scope| {
            [scope.spawn(write), scope.spawn(write)].map(|thread| thread.join().expect("no panic"))
        });
        statuses.sort_unstable();
        statuses
    };
    upstream.habits("/a", evaluates.clone());
    assert_eq!(race(), [204, 412]);
    upstream.habits("/a", Habits { window: Some(upstream.gate_for(2)), ..evaluates });
    assert_eq!(race(), [204, 204]);
}

#[test]
fn a_resource_may_depend_on_more_than_its_path() {
    let upstream = start();
    upstream.names(|request| {
        format!("{} of {}", request.path(), request.value("authorization").unwrap_or("nobody"))
    });
    ask(&upstream, "PUT", "/me", &[("Authorization", "ada")], b"ada's");
    assert_eq!(get(&upstream, "/me", &[]).status, 404);
    assert_eq!(get(&upstream, "/me", &[("Authorization", "ada")]).text(), "ada's");
    assert_eq!(upstream.text("/me of ada").as_deref(), Some("ada's"));
}
