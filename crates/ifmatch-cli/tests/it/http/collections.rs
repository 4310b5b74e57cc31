//! Collections: listings and POST.

use crate::support::{NONE, Server, assert_refused, tag};
use serde_json::Value;

fn listed(server: &Server, target: &str) -> Vec<Value> {
    let response = server.get(target);
    assert_eq!((response.status, response.value("content-type")), (200, Some("application/json")));
    serde_json::from_slice(&response.content).unwrap()
}

fn hrefs(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["href"].as_str().unwrap()).collect()
}

#[test]
fn post_makes_a_member() {
    let server = Server::start();
    let fields = [("Content-Type", "text/plain")];
    let created = server.request("POST", "/notes/", &fields, Some(b"first"));
    assert_eq!((created.status, created.content.len()), (201, 0));
    let location = created.value("location").unwrap();
    assert!(location.starts_with("/notes/") && location.len() > "/notes/".len(), "{location}");
    server.assert_is(location, &tag(&created), b"first");
    assert_eq!(server.get(location).value("content-type"), Some("text/plain"));
    let other = server.request("POST", "/notes/", &fields, Some(b"first"));
    assert_ne!(other.value("location"), created.value("location"));
    // A member is written like everything else.
    assert_refused(&server.request("PUT", location, NONE, Some(b"x")), 428, "precondition_required");
    let next = server.replace(location, &tag(&created), b"second");
    server.assert_is(location, &next, b"second");

    let shown = server.request("POST", "/notes/", &[("Prefer", "return=representation")], Some(b"third"));
    assert_eq!((shown.status, shown.text().as_str()), (201, "third"));
    assert_eq!(shown.value("content-location"), shown.value("location"));
    assert_refused(&server.request("POST", "/notes", NONE, Some(b"x")), 405, "method_not_allowed");
    assert_eq!(listed(&server, "/notes/").len(), 3);
}

#[test]
fn post_holds_to_a_condition_on_the_collection() {
    let server = Server::start();
    let empty = tag(&server.get("/c/"));
    let post = |value: &str| server.request("POST", "/c/", &[("If-Match", value)], Some(b"x"));
    assert_eq!(post(&empty).status, 201);
    assert_refused(&post(&empty), 412, "stale_version");
    assert_refused(&post("x"), 400, "malformed_validator");
    assert_eq!(listed(&server, "/c/").len(), 1);
    assert_eq!(post(&tag(&server.get("/c/"))).status, 201);
    assert_eq!(listed(&server, "/c/").len(), 2);
}

#[test]
fn a_listing_shows_one_level_and_tags_to_write_with() {
    let server = Server::start();
    assert_eq!(server.get("/").text(), "[]\n");
    assert_eq!(server.get("/no/such/").text(), "[]\n");
    let tags: Vec<_> = ["/a", "/b/1", "/b/2", "/b/2/deep", "/c"]
        .into_iter()
        .map(|target| (target, server.create(target, target.as_bytes())))
        .collect();
    assert_eq!(hrefs(&listed(&server, "/")), ["/a", "/c"]);
    assert_eq!(hrefs(&listed(&server, "/b/")), ["/b/1", "/b/2"]);
    assert_eq!(hrefs(&listed(&server, "/b/2/")), ["/b/2/deep"]);
    for item in listed(&server, "/b/") {
        let (href, etag) = (item["href"].as_str().unwrap(), item["etag"].as_str().unwrap());
        assert!(tags.iter().any(|(target, tag)| *target == href && tag == etag), "{item}");
        assert_eq!(item["content_length"], href.len());
        // Whoever has only seen the listing can write with it.
        let next = server.replace(href, etag, b"from the listing");
        server.assert_is(href, &next, b"from the listing");
    }
    let deleted = server.request("DELETE", "/a", &[("If-Match", &tags[0].1)], None);
    assert_eq!(deleted.status, 204);
    assert_eq!(hrefs(&listed(&server, "/")), ["/c"]);
}

#[test]
fn a_listing_has_a_tag_that_changes_with_it() {
    let server = Server::start();
    let mut seen = vec![tag(&server.get("/c/"))];
    let mut is_new = |what: &str| {
        let tag = tag(&server.get("/c/"));
        assert!(!seen.contains(&tag), "{what}: {tag} again");
        let response = server.request("GET", "/c/", &[("If-None-Match", &tag)], None);
        assert_eq!((response.status, response.content.len()), (304, 0));
        seen.push(tag);
    };
    let one = server.create("/c/a", b"1");
    is_new("created");
    let two = server.replace("/c/a", &one, b"2");
    is_new("replaced");
    assert_eq!(server.request("DELETE", "/c/a", &[("If-Match", &two)], None).status, 204);
    is_new("deleted");
    // Not with what lies elsewhere.
    server.create("/d", b"1");
    server.create("/c/e/f", b"1");
    assert_eq!(server.request("GET", "/c/", &[("If-None-Match", seen.last().unwrap())], None).status, 304);
}

#[test]
fn pages_are_linked() {
    let server = Server::start();
    let names: Vec<String> = (0..7)
        .map(|index| {
            format!("/p/{index} ä&=?").replace(' ', "%20").replace('ä', "%C3%A4").replace('?', "%3F")
        })
        .collect();
    for name in &names {
        server.create(name, b"x");
    }
    let (mut next, mut found, mut pages) = (Some("/p/?limit=3".to_owned()), Vec::new(), 0);
    while let Some(target) = next {
        let response = server.get(&target);
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        let items: Vec<Value> = serde_json::from_slice(&response.content).unwrap();
        assert!(items.len() <= 3);
        found.extend(hrefs(&items).into_iter().map(str::to_owned));
        next = response.value("link").map(|link| {
            let target = link.strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")).unwrap();
            assert!(target.starts_with("/p/?"), "{link}");
            target.to_owned()
        });
        pages += 1;
    }
    assert_eq!((found, pages), (names, 3));
    for bad in ["/p/?limit=0", "/p/?limit=1001", "/p/?limit=x", "/p/?frob=1", "/p/?after=%ff"] {
        let body = assert_refused(&server.get(bad), 400, "bad_request");
        assert_eq!(body["reason"], "query", "{bad}");
    }
}

#[test]
fn a_collection_is_not_written_as_a_whole() {
    let server = Server::start();
    let member = server.create("/c/a", b"1");
    let tag = tag(&server.get("/c/"));
    for method in ["PUT", "PATCH", "DELETE"] {
        let response = server.request(method, "/c/", &[("If-Match", &tag)], Some(b"[]"));
        assert_refused(&response, 405, "method_not_allowed");
        assert_eq!(response.value("allow"), Some("GET, HEAD, POST, OPTIONS"), "{method}");
    }
    server.assert_is("/c/a", &member, b"1");
}
