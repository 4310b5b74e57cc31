//! Whom one believes.

use super::get;
use http::Version;
use ifmatch_client::wire::{Access, HttpVersion, SendError, Sent};
use ifmatch_testkit::tls::{Authority, Certificate, Front};
use ifmatch_testkit::upstream::Scripted;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

const HTTP1: &[&str] = &["http/1.1"];

/// A server with one resource, behind TLS.
fn start(authority: &Authority, certificate: Certificate) -> (Scripted, Front) {
    let upstream = Scripted::start().unwrap();
    upstream.set("/a", b"{}");
    let front = Front::start("127.0.0.1:0", authority, certificate, HTTP1, upstream.address()).unwrap();
    (upstream, front)
}

fn believing(authority: &Authority) -> Access {
    let mut access = Access::default();
    access.root(authority.pem().as_bytes()).unwrap();
    access
}

#[test]
fn a_private_authority_is_believed_if_it_is_named() {
    let authority = Authority::new();
    let (upstream, front) = start(&authority, Certificate::Sound);
    let answer = get(&believing(&authority), &front.url("/a")).unwrap();
    assert_eq!((answer.status.as_u16(), answer.version), (200, Version::HTTP_11));
    assert_eq!(upstream.requests().len(), 1);
    let by_name = format!("https://localhost:{}/a", front.address().port());
    assert_eq!(get(&believing(&authority), &by_name).unwrap().status, 200);
}

/// The error says what is wrong with the certificate, in words, and that nothing was sent.
#[track_caller]
fn assert_refused(access: &Access, certificate: Certificate, authority: &Authority, part: &str) {
    let (upstream, front) = start(authority, certificate);
    let error = get(access, &front.url("/a")).unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.sent(), Sent::No);
    let text = error.to_string();
    assert!(text.contains(part) && text.contains(&front.address().to_string()), "{text}");
    assert!(text.ends_with("Nothing was sent."), "{text}");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn and_not_otherwise() {
    let authority = Authority::new();
    assert_refused(&Access::default(), Certificate::Sound, &authority, "--cacert");
    // Nor if another one is named.
    assert_refused(&believing(&Authority::new()), Certificate::Sound, &authority, "--cacert");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    assert_refused(&believing(&authority), Certificate::OtherName, &authority, "elsewhere.example");
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let authority = Authority::new();
    assert_refused(&believing(&authority), Certificate::Expired, &authority, "expired");
    assert_refused(&believing(&authority), Certificate::NotYet, &authority, "not valid yet");
}

#[test]
fn whoever_wants_to_believes_any() {
    let authority = Authority::new();
    let access = Access { insecure: true, ..Access::default() };
    for certificate in [Certificate::Sound, Certificate::OtherName, Certificate::Expired] {
        let (_upstream, front) = start(&authority, certificate);
        assert_eq!(get(&access, &front.url("/a")).unwrap().status, 200);
    }
}

#[test]
fn plain_http_where_tls_is_spoken_and_the_other_way_round() {
    let authority = Authority::new();
    let (upstream, front) = start(&authority, Certificate::Sound);
    let error = get(&Access::default(), &format!("http://{}/a", front.address())).unwrap_err();
    assert!(error.to_string().contains("ask with https://"), "{error}");
    assert_eq!(upstream.requests().len(), 0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let plain = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the other side hangs up.
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let error = get(&believing(&authority), &format!("https://{address}/a")).unwrap_err();
    assert!(error.to_string().contains("ask with http://"), "{error}");
    assert_eq!(error.sent(), Sent::No);
    plain.join().unwrap();
}

#[test]
fn a_version_that_is_asked_for_is_spoken() {
    let authority = Authority::new();
    let (_upstream, front) = start(&authority, Certificate::Sound);
    let access = Access { version: HttpVersion::Http1, ..believing(&authority) };
    assert_eq!(get(&access, &front.url("/a")).unwrap().version, Version::HTTP_11);
}

#[test]
fn over_ipv6() {
    let authority = Authority::new();
    let upstream = Scripted::start().unwrap();
    upstream.set("/a", b"{}");
    // A machine without IPv6 has nothing to test.
    let Ok(front) = Front::start("[::1]:0", &authority, Certificate::Sound, HTTP1, upstream.address()) else {
        return;
    };
    let answer = get(&believing(&authority), &front.url("/a")).unwrap();
    assert!(answer.remote.unwrap().is_ipv6());
    let host = upstream.requests()[0].value("host").unwrap().to_owned();
    assert_eq!(host, front.address().to_string());
}
