//! Text as `curl -i`, `curl -v` and recorders of the wire leave it: many exchanges, and bodies that end anywhere.

use super::{explain, told};
use ifmatch_diagnose::explain::Evidence;

/// How many exchanges are in it, and the numbers and statuses of the refused ones.
fn refused(text: &str) -> (usize, Vec<(usize, Option<u16>)>) {
    let told = explain(text.as_bytes());
    (told.entries, told.cases.iter().map(|case| (case.entry, case.status)).collect())
}

fn verbose(method: &str, path: &str, status: u16) -> String {
    format!(
        "*   Trying 127.0.0.1:80...\n> {method} {path} HTTP/1.1\r\n> Host: x\r\n> If-Match: \"1\"\r\n> \r\n< HTTP/1.1 {status} S\r\n\
         < Content-Length: 2\r\n< \r\n{{}}* Connection #0 to host x left intact\n"
    )
}

#[test]
fn every_exchange_is_kept() {
    let raw = "PUT /a HTTP/1.1\nHost: x\nIf-Match: \"1\"\n\nHTTP/1.1 412 P\n\nPUT /b HTTP/1.1\nHost: x\nIf-Match: \"1\"\n\n\
               HTTP/1.1 200 OK\n\n";
    assert_eq!(refused(raw), (2, vec![(1, Some(412))]));
    let three = verbose("PUT", "/a", 412) + &verbose("PUT", "/b", 200) + &verbose("PUT", "/c", 412);
    assert_eq!(refused(&three), (3, vec![(1, Some(412)), (3, Some(412))]));
    let session = format!("$ curl -v http://x/a http://x/b -X PUT -H 'If-Match: \"1\"'\n{three}");
    assert_eq!(refused(&session), (3, vec![(1, Some(412)), (3, Some(412))]), "asked for, and shown");
    let pipelined = "PUT /a HTTP/1.1\nHost: x\n\nPUT /b HTTP/1.1\nHost: x\n\nHTTP/1.1 428 P\n\n";
    assert_eq!(explain(pipelined.as_bytes()).entries, 2);
    let interim =
        "PUT /a HTTP/1.1\nHost: x\nIf-Match: \"1\"\n\nHTTP/1.1 100 Continue\n\n{}HTTP/1.1 412 P\n\n";
    assert_eq!(refused(interim), (1, vec![(1, Some(412))]));
    let twice = "> PUT /a HTTP/1.1\n> Host: x\n> If-Match: \"1\"\n> \n< HTTP/1.1 412 P\n< ETag: \"2\"\n< \n\
                 HTTP/1.1 412 P\nETag: \"2\"\n\n{}\n";
    assert_eq!(refused(twice), (1, vec![(1, Some(412))]), "curl -iv");
    let proxied = "> CONNECT x:443 HTTP/1.1\n> \n< HTTP/1.1 200 Connection established\n< \n> PUT /a HTTP/1.1\n> Host: x\n> \n\
                   < HTTP/1.1 428 P\n< \n";
    assert_eq!(refused(proxied), (1, vec![(1, Some(428))]));
}

#[test]
fn comments_before_a_command_are_passed_over() {
    assert_eq!(told("# saves it\n\n# twice\nX=1 curl -X PUT http://h/a\n"), ["X01 certain"]);
    assert_eq!(explain(b"curl http://h/a; curl -X PUT http://h/a").entries, 2);
}

#[test]
fn answers_behind_a_body_are_found() {
    for text in [
        "HTTP/1.1 200 OK\nETag: \"1\"\nContent-Length: 2\n\n{}HTTP/1.1 412 P\n\n",
        "HTTP/1.1 200 OK\r\nETag: \"1\"\r\n\r\n{}HTTP/1.1 412 P\r\nETag: \"2\"\r\n\r\n",
        "HTTP/2 200 \nETag: \"1\"\n\n{}HTTP/2 412 \n\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHTTP/1.1 412 P\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}HTTP/1.1 412 P\r\n\r\n",
    ] {
        assert_eq!(refused(text), (2, vec![(2, Some(412))]), "{text}");
    }
    let request = "PUT /a HTTP/1.1\nHost: x\nIf-Match: \"1\"\nContent-Length: 2\n\n{}HTTP/1.1 412 P\n\n";
    assert_eq!(refused(request), (1, vec![(1, Some(412))]));
}

#[test]
fn text_inside_content_is_no_request() {
    let content = "PUT /evil HTTP/1.1\r\nHost: y\r\nIf-Match: bad\r\n\r\n..";
    let text = format!(
        "PUT /a HTTP/1.1\r\nHost: x\r\nIf-Match: \"1\"\r\nContent-Length: {}\r\n\r\n{content}HTTP/1.1 200 OK\r\n\r\n",
        content.len()
    );
    assert_eq!(refused(&text), (1, Vec::new()));
    assert_eq!(refused(&text.replace("\r\n", "\n")), (1, Vec::new()), "line ends made shorter");
    let shown = "> PUT /a HTTP/1.1\n> Host: x\n> If-Match: \"1\"\n> \n< HTTP/1.1 200 OK\n< \nPUT /evil HTTP/1.1\nIf-Match: bad\n\n";
    assert_eq!(refused(shown), (1, Vec::new()));
}

#[test]
fn answers_without_requests_blame_nobody() {
    let text = "HTTP/1.1 200 OK\nETag: \"2\"\n\n{\"a\":1}\nHTTP/1.1 412 Precondition Failed\n\n";
    assert_eq!(told(text), ["X03 possible, X02 possible"]);
}

#[test]
fn bodies_of_others_are_told_from_bodies_about_something_else() {
    for body in [
        r#"{"error":{"code":412,"message":"x","errors":[{"reason":"conditionNotMet"}]}}"#,
        r#"{"sys":{"type":"Error","id":"VersionMismatch"}}"#,
        r#"{"error":{"code":"0x80060882","message":"x"}}"#,
        r#"{"status":412}"#,
    ] {
        assert_eq!(explain(body.as_bytes()).cases.len(), 1, "{body}");
    }
    for body in ["{}", r#"{"error":"Name already taken"}"#, r#"{"error":{"code":404}}"#] {
        let error = Evidence::read(body.as_bytes(), None).unwrap_err().to_string();
        assert!(error.contains("says nothing about a condition"), "{error}");
    }
}
