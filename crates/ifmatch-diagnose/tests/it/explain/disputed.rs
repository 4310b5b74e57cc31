//! What the evidence contradicts, or does not settle: the wrong one must not be blamed for sure. The lines are those of
//! `near_misses`.

use super::near_misses::{READ, assert_told};
use super::told;

/// Requests with times in milliseconds: when it began, how long it took, and the line.
fn timed(lines: &[(i64, i64, &str)]) -> String {
    let plain: Vec<&str> = lines.iter().map(|(.., line)| *line).collect();
    let mut archive: serde_json::Value =
        serde_json::from_str(&super::near_misses::recording(&plain)).unwrap();
    for (entry, (begun, took, _)) in archive["log"]["entries"].as_array_mut().unwrap().iter_mut().zip(lines) {
        entry["startedDateTime"] =
            format!("2026-03-01T10:00:{:02}.{:03}Z", begun / 1000, begun % 1000).into();
        entry["time"] = (*took).into();
    }
    archive.to_string()
}

#[test]
fn a_read_beside_a_write_is_no_lag() {
    let recording = |took| {
        timed(&[
            (0, 50, r#"GET /a -> 200 e="1" b=old"#),
            (1000, took, r#"PUT /a im="1" c=x -> 200 e="2""#),
            (1500, 50, r#"GET /a -> 200 e="1" b=old"#),
            (4000, 50, r#"PUT /a im="1" c=y -> 412 e="2""#),
        ])
    };
    assert_eq!(told(&recording(2000)), ["X03 certain"]);
    assert_eq!(told(&recording(50)), ["X11 certain"]);
}

#[test]
fn x11_is_not_certain_where_the_refusal_tells_another_version() {
    let wrote = r#"PUT /a im="7" c=x -> 200 e="8""#;
    assert_told(&[(&[READ, wrote, READ, r#"PUT /a im="7" c=y -> 412 e="9""#], &["X02 likely"])]);
}

#[test]
fn x13_is_contradicted_by_reads() {
    let lost = r#"PUT /a im="7" c=x -> lost"#;
    let again = r#"PUT /a im="7" c=x -> 412 e="8""#;
    assert_told(&[
        (&[READ, lost, again], &["X13 likely"]),
        (&[READ, lost, READ, again], &["X02 likely"]),
        (&[READ, lost, again, r#"GET /a -> 200 e="8" b=other"#], &["X13 possible, X02 possible"]),
        (&[READ, lost, again, r#"GET /a -> 200 e="8" b=x"#], &["X13 certain"]),
    ]);
}

#[test]
fn not_you_is_not_said_where_it_may_have_been() {
    let refused = r#"PUT /a im="7" c=y -> 412 e="8abcd""#;
    for status in ["500", "503", "499", "520"] {
        let own = format!(r#"PUT /a im="7" c=x -> {status}"#);
        assert_told(&[(&[READ, &own, refused], &["X13 possible, X02 possible"])]);
    }
    assert_told(&[
        (&[READ, r#"PUT /a?n=1 im="7" c=x -> 200 e="8abcd""#, refused], &["X03 likely"]),
        (&[READ, r#"PUT /a/ im="7" c=x -> 200 e="8abcd""#, refused], &["X03 likely"]),
        (&[READ, r#"PUT /%61 im="7" c=x -> 200 e="8abcd""#, refused], &["X03 likely"]),
        (&[READ, r#"POST /batch -> 200 b={"etag":"\"8abcd\""}"#, refused], &["X03 likely"]),
        (&[READ, "PUT /a/ c=x -> 200", refused], &["X03 possible, X02 possible"]),
        (&[READ, "POST /a/approve -> 204", refused], &["X03 possible, X02 possible"]),
        (&[READ, "MOVE /b destination=http://h/a -> 204", refused], &["X03 possible, X02 possible"]),
        // Something else altogether.
        (&[READ, "POST /b -> 204", refused], &["X02 likely"]),
        (&[READ, "PUT /ab -> 204", refused], &["X02 likely"]),
    ]);
}

#[test]
fn a_conflict_about_something_else_is_no_refused_condition() {
    assert_told(&[
        (&[READ, r#"PUT /a im="7" -> 409 b={"error":"name_already_taken"}"#], &[]),
        (&[READ, r#"PUT /a im="7" -> 409 b={"error":"version_conflict"}"#], &["X02 likely"]),
    ]);
}

#[test]
fn weak_tags_and_tags_that_are_current() {
    let weak = r#"GET /a -> 200 e=W/"7""#;
    assert_told(&[
        (&[weak, r#"PUT /a im=W/"7" c=x -> 412"#], &["X05 certain"]),
        (
            &[weak, r#"PUT /a im=W/"7" c=x -> 200 e=W/"8""#, weak, r#"PUT /a im=W/"7" c=y -> 412 e=W/"9""#],
            &["X02 likely"],
        ),
        (&[weak, r#"PUT /a im="7" c=x -> 412"#], &["X05 likely"]),
        (&[READ, r#"PUT /a im="7" c=x -> 412 e="7""#], &["X05 possible"]),
        // The server's tag is none.
        (&["GET /a -> 200 e=abc", "PUT /a im=abc c=x -> 412 e=abc"], &["X04 likely"]),
        (&["GET /a -> 200 e=abc", "PUT /a im=abc c=x -> 412 e=def"], &["X02 likely"]),
    ]);
}

#[test]
fn x16_needs_something_to_be_lost() {
    let refused = r#"PUT /a im="7" c=x -> 412 e="8""#;
    let forced = "X16 likely";
    assert_told(&[
        (&[READ, refused, r#"PUT /a c=x -> 200 e="9""#], &["X02 likely", forced]),
        (&[READ, refused, r#"PUT /a im=* c=x -> 200 e="9""#], &["X02 likely", forced]),
        (&[READ, refused, r#"PUT /a c=merged -> 200 e="9""#], &["X02 likely"]),
        (&[READ, r#"PUT /a c=x -> 200 e="9""#], &[]),
        (&[READ, refused, r#"GET /a -> 200 e="8" b=old"#, r#"PUT /a im="8" c=x -> 200"#], &["X02 likely"]),
        (
            &[
                r#"GET /a -> 200 e=W/"7""#,
                r#"PUT /a im=W/"7" c=x -> 412 e="7""#,
                r#"PUT /a im="7" c=x -> 200"#,
            ],
            &["X05 certain"],
        ),
    ]);
}

#[test]
fn x15_is_not_ordinary_validation() {
    let first = "POST /a key=k c=x -> 201";
    assert_told(&[
        (&[first, r#"POST /a key=k c=y -> 422 b={"message":"name_is_required"}"#], &[]),
        (&[first, "POST /a key=k c=y -> 422"], &["X15 possible"]),
    ]);
}

#[test]
fn x06_by_two_reads_and_x12_not_after_a_tag() {
    assert_told(&[
        (
            &[r#"GET /a -> 200 e="1""#, r#"GET /b -> 200 e="99""#, r#"PUT /a im="99" -> 412 e="1""#],
            &["X06 certain"],
        ),
        (&[r#"POST /a -> 201 e="1" location=/a/2"#, r#"PUT /a/2 im="1" -> 412 e="2""#], &["X02 likely"]),
        (&[READ, r#"PUT /a im="7" -> 412 e="8""#, "GET /a -> 404"], &["X02 likely"]),
    ]);
}

#[test]
fn requests_whose_fields_are_unknown_blame_nobody() {
    let recording = super::near_misses::recording(&[READ, "PUT /a c=x -> 412"]);
    let fields = r#""headers":[{"name":"accept","value":"*/*"}],"postData":{"text":"x"}"#;
    assert!(recording.contains(fields));
    let told = told(&recording.replace(fields, r#""headers":[],"postData":{"text":"x"}"#));
    assert!(told.iter().all(|causes| !causes.contains("certain") && !causes.contains("likely")), "{told:?}");
}

#[test]
fn a_star_exposes_nothing_to_requests_with_credentials() {
    let read = |more: &str| format!(r#"GET /a origin=http://app -> 200 e="7" expose=* {more}"#);
    assert_told(&[
        (&[&read(""), "PUT /a -> 428"], &["X01 certain"]),
        (&[&read("credentials=true"), "PUT /a -> 428"], &["X07 likely"]),
    ]);
}

#[test]
fn programs_are_not_writers() {
    let record = |address: &str, more: &str| {
        format!(
            r#"{{"event.action":"write.rejected","event.reason":"stale","http.request.method":"PUT","url.path":"/a",
            "http.response.status_code":412,"user.id":null,"client.name":"curl","client.address":"{address}",
            "ifmatch.tag.sent":"\"7\"","ifmatch.tag.before":"\"8\"",{more}
            "ifmatch.previous_write":{{"user.id":null,"client.name":"curl"}}}}"#
        )
        .replace('\n', " ")
    };
    let told = told(&record("10.0.0.1", r#""ifmatch.self_conflict":false,"#));
    assert!(!told[0].contains("X03 likely") && !told[0].contains("certain"), "{told:?}");
}

#[test]
fn other_words_for_nothing_and_other_suffixes() {
    assert_told(&[
        (&[READ, "PUT /a im=false c=x -> 400"], &["X08 certain"]),
        (&[READ, r#"PUT /a im="7--gzip" c=x -> 412 e="7""#], &["X05 certain"]),
    ]);
}

#[test]
fn text_cannot_turn_what_is_shown() {
    let body = "HTTP/1.1 412 x\n\n{\"message\":\"etag mismatch \\u202egnp.exe\\u0007\"}";
    let told = format!("{:?}", super::explain(body.as_bytes()).cases);
    assert!(told.contains("gnp.exe") && !told.contains("202e") && !told.contains('\u{202e}'), "{told}");
}
