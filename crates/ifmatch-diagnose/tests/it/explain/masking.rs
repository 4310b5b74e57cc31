//! Credentials never get into a report, whatever they came in.

use ifmatch_diagnose::explain::{Evidence, Options};
use ifmatch_diagnose::report::{Report, json};

const SECRETS: [&str; 7] = [
    "s3cretBearer",
    "s3cretCookie",
    "s3cretPassword",
    "s3cretToken",
    "s3cretApiKey",
    "s3cretSigned",
    "s3cretSet",
];

fn assert_no_secret(input: &str) {
    let evidence = Evidence::read(input.as_bytes(), None).unwrap();
    assert!(SECRETS.iter().any(|secret| input.contains(secret)), "the input has some");
    let told = evidence.explain(&Options { entry: None, all: true }).unwrap();
    assert!(!told.cases.is_empty(), "{input}");
    let forms =
        [told.text(80), told.text(500), json(&told).to_string(), told.markdown(), told.junit().to_string()];
    for form in forms {
        for secret in SECRETS {
            assert!(!form.contains(secret), "{secret} in {form}");
        }
    }
}

#[test]
fn of_recordings() {
    let entry = |method: &str, tag: &str, status: u16, body: &str| {
        format!(
            r#"{{"request":{{"method":"{method}","url":"http://u:s3cretPassword@h/a?access_token=s3cretToken","headers":[
            {{"name":"authorization","value":"Bearer s3cretBearer"}},{{"name":"Cookie","value":"sid=s3cretCookie; x=y"}},
            {{"name":"X-Api-Key","value":"s3cretApiKey"}},{{"name":"if-match","value":{tag}}}],
            "cookies":[{{"name":"sid","value":"s3cretCookie"}}],"postData":{{"text":"s3cretPassword"}}}},
            "response":{{"status":{status},"headers":[{{"name":"Set-Cookie","value":"sid=s3cretSet; Secure"}},
            {{"name":"ETag","value":"\"8\""}}],"content":{{"text":{body}}}}}}}"#
        )
    };
    let echo = r#""{\"message\":\"etag mismatch for s3cretBearer s3cretCookie s3cretSet s3cretToken\"}""#;
    let entries = [
        entry("GET", r#""\"7\"""#, 200, "\"s3cretPassword\""),
        entry("PUT", r#""\"7\"""#, 412, echo),
        entry("PUT", r#""s3cretBearer""#, 400, echo),
        entry("PUT", r#""\"s3cretToken\"""#, 412, echo),
    ];
    assert_no_secret(&format!(r#"{{"log":{{"entries":[{}]}}}}"#, entries.join(",")));
}

#[test]
fn of_commands_and_texts() {
    assert_no_secret(
        "curl -X PUT 'https://u:s3cretPassword@h/a?token=s3cretToken&sig=s3cretSigned' -u me:s3cretPassword -b sid=s3cretCookie \
         -H 'Authorization: Bearer s3cretBearer' -H 'x-api-key: s3cretApiKey' -H 'If-Match: s3cretBearer'",
    );
    assert_no_secret(
        "> PUT /a?api_key=s3cretApiKey HTTP/1.1\n> Host: h\n> Authorization: Basic s3cretBearer\n> Cookie: a=s3cretCookie\n> \n\
         < HTTP/1.1 428 x\n< Set-Cookie: b=s3cretSet\n< \nIf-Match is required, s3cretSet of s3cretBearer by s3cretCookie\n",
    );
    assert_no_secret(
        "HTTP/1.1 412 Precondition Failed\nSet-Cookie: sid=s3cretSet; HttpOnly\nETag: \"8\"\n\n{\"detail\":\"etag mismatch s3cretSet\"}",
    );
}

#[test]
fn of_text_that_no_field_announced() {
    for body in [
        "etag mismatch, token=s3cretToken",
        "etag mismatch for Bearer s3cretBearer",
        "etag mismatch eyJs3cretSigned.eyJ.x",
    ] {
        assert_no_secret(&format!("HTTP/1.1 412 x\n\n{{\"message\":\"{body}\"}}"));
        assert_no_secret(&format!("HTTP/1.1 412 x\n\n{body}"));
    }
    for url in [
        "https://h/a?sas=s3cretSigned",
        "https://h/a?authorization=s3cretBearer",
        "https://h/a;jsessionid=s3cretCookie",
        "https://h/a?redirect=https%3A%2F%2Fy%2F%3Ftoken%3Ds3cretToken",
        "https://h/eyJs3cretSigned.eyJ.x/a",
        "ht!tp://u:s3cretPassword@/x?token=s3cretToken",
    ] {
        assert_no_secret(&format!("curl -X PUT '{url}' -d x"));
    }
    assert_no_secret("curl -X PUT http://h/a -H 'If-Match: Bearer s3cretBearer'");
}

#[test]
fn of_bodies() {
    assert_no_secret(
        r#"{"code":"stale_version","type":"/.well-known/ifmatch/problems/stale-version","applied":false,"status":412,
        "method":"PUT","target":"/a?token=s3cretToken","your_etag":"\"7\"","current_etag":"\"8\""}"#,
    );
}
