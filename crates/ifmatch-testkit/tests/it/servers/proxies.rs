//! Proxies that change what a server says.

use ifmatch_testkit::raw::{Response, exchange};
use ifmatch_testkit::servers::{Kind, Place, Proxy, ProxyKind, Server, WAIT_MAX};

const GZIP: (&str, &str) = ("Accept-Encoding", "gzip");

/// A server with one document, and a proxy in front of it.
fn start(proxy: ProxyKind) -> (Server, Proxy) {
    let server = Server::start(Kind::Django).expect("a running server");
    server.place().create("note", 1).expect("a document");
    let proxy = Proxy::start(proxy, server.address()).expect("a running proxy");
    (server, proxy)
}

fn get(proxy: &Proxy, place: Place, fields: &[(&str, &str)]) -> Response {
    let target = place.kind.target("note");
    assert_eq!(proxy.url(&target), format!("http://{}{target}", proxy.address()));
    exchange(proxy.address(), WAIT_MAX, ("GET", &target), fields, None).expect("an answer")
}

fn tag(response: &Response) -> String {
    assert_eq!(response.status, 200);
    response.value("etag").expect("a tag").to_owned()
}

/// The tag of the server, and the one that who accepts gzip is shown.
fn tags(proxy: ProxyKind) -> (String, String) {
    let (server, proxy) = start(proxy);
    // Long enough for everybody to find it worth compressing.
    let content = format!("{{\"number\":1,\"text\":\"{}\"}}", "a".repeat(1000));
    let target = server.kind().target("note");
    let status = server.place().write("PUT", &target, &[], content.as_bytes());
    assert_eq!(status.expect("an answer"), 204);
    let own = tag(&server.place().read("note").expect("an answer"));
    let plain = get(&proxy, server.place(), &[]);
    assert_eq!((tag(&plain), plain.value("content-encoding")), (own.clone(), None));
    let compressed = get(&proxy, server.place(), &[GZIP]);
    assert_eq!(compressed.value("content-encoding"), Some("gzip"));
    (own, tag(&compressed))
}

#[test]
fn nginx_with_gzip_weakens() {
    let (own, shown) = tags(ProxyKind::NginxGzip);
    assert_eq!(shown, format!("W/{own}"));
}

#[test]
fn apache_with_deflate_adds_to_the_tag() {
    let (own, shown) = tags(ProxyKind::ApacheDeflate);
    assert_eq!(shown, format!("{}-gzip\"", own.trim_end_matches('"')));
}

#[test]
fn nginx_with_a_cache_shows_the_tag_of_what_was_replaced() {
    let (server, proxy) = start(ProxyKind::NginxCache);
    let place = server.place();
    let first = tag(&get(&proxy, place, &[]));
    let target = place.kind.target("note");
    let put = |tag: &str, number| {
        let fields = [place.kind.write_fields(), &[("If-Match", tag)]].concat();
        let content = place.kind.content("note", number);
        let answer = exchange(proxy.address(), WAIT_MAX, ("PUT", &target), &fields, Some(&content));
        answer.expect("an answer").status
    };
    assert_eq!(put(&first, 2), 204);
    let kept = get(&proxy, place, &[]);
    assert_eq!((tag(&kept), kept.value("x-cache")), (first.clone(), Some("HIT")));
    assert_eq!(put(&first, 3), 412);
    let now = place.read("note").expect("an answer");
    assert_eq!(place.kind.number(&now.content), Some(2));
    assert_ne!(tag(&now), first);
}
