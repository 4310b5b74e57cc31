//! For each cause what must be called by its name, and what is nearly that and must not be.
//!
//! A line is a request and its answer: `PUT /a im="7" c=x -> 412 e="8"`. `im`, `inm`: the condition; `ius`, `lm`: dates, as
//! seconds of one minute; `c`: content; `e`: the ETag of the answer; `b`: what its body says; `key`: an Idempotency-Key;
//! `lost` for an answer that never came.

use super::told;

fn date(second: &str) -> String {
    format!("Sun, 22 Nov 2026 07:00:{second:0>2} GMT")
}

pub(super) fn recording(lines: &[&str]) -> String {
    let pairs = |words: &str| -> Vec<String> {
        let fields = words.split(' ').filter_map(|word| word.split_once('='));
        let named = fields.filter_map(|(name, value)| {
            let (name, value) = match name {
                "im" => ("If-Match", value.replace('_', " ")),
                "inm" => ("If-None-Match", value.to_owned()),
                "ius" => ("If-Unmodified-Since", date(value)),
                "lm" => ("Last-Modified", date(value)),
                "e" => ("ETag", value.to_owned()),
                "key" => ("Idempotency-Key", value.to_owned()),
                "age" | "origin" | "location" | "destination" => (name, value.to_owned()),
                "credentials" => ("Access-Control-Allow-Credentials", value.to_owned()),
                "expose" => ("Access-Control-Expose-Headers", value.to_owned()),
                _ => return None,
            };
            Some(serde_json::json!({ "name": name, "value": value }).to_string())
        });
        named.chain([r#"{"name":"accept","value":"*/*"}"#.to_owned()]).collect()
    };
    let value = |words: &str, name: &str| {
        let found =
            words.split(' ').filter_map(|word| word.split_once('=')).find(|(known, _)| *known == name);
        serde_json::json!(found.map(|(_, value)| value.replace('_', " ")).unwrap_or_default())
    };
    let entries = lines.iter().map(|line| {
        let (request, answer) = line.split_once(" -> ").unwrap();
        let mut words = request.splitn(3, ' ');
        let (method, path, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or_default());
        let status = answer.split(' ').next().unwrap().parse().unwrap_or(0);
        format!(
            r#"{{"request":{{"method":"{method}","url":"http://h{path}","headers":[{}],"postData":{{"text":{}}}}},
            "response":{{"status":{status},"headers":[{}],"content":{{"text":{}}}}}}}"#,
            pairs(rest).join(","),
            value(rest, "c"),
            pairs(answer).join(","),
            value(answer, "b"),
        )
    });
    format!(r#"{{"log":{{"entries":[{}]}}}}"#, entries.collect::<Vec<_>>().join(","))
}

/// Each row: what happened, and what is told of each case.
pub(super) fn assert_told(rows: &[(&[&str], &[&str])]) {
    let wrong = rows.iter().filter_map(|(lines, expected)| {
        let told = told(&recording(lines));
        (told != *expected).then(|| format!("{lines:#?}\n  told     {told:?}\n  expected {expected:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(super) const READ: &str = r#"GET /a -> 200 e="7" b=old"#;

#[test]
fn x01_missing_and_x17_dropped() {
    assert_told(&[
        (&["PUT /a -> 428"], &["X01 certain"]),
        (&["PUT /a im=* -> 428"], &["X01 certain"]),
        (&["PUT /a im= -> 428"], &["X01 certain"]),
        (&[r#"PUT /a -> 400 b={"message":"The_If-Match_header_must_be_specified"}"#], &["X01 certain"]),
        // Another field is missing, or nothing is.
        (&[r#"PUT /a -> 400 b={"message":"name_is_required"}"#], &[]),
        (&["PUT /a -> 200"], &[]),
        // It was sent.
        (&[READ, r#"PUT /a im="7" -> 428"#], &["X17 likely"]),
        (&[READ, r#"PUT /a im="7" -> 428 b={"detail":"If-Match_is_required"}"#], &["X17 certain"]),
        (&[READ, r#"PUT /a inm="7" -> 428 b={"detail":"If-Match_is_required"}"#], &["X09 certain"]),
        // What is missing may be a member of the content.
        (&[READ, r#"PUT /a im="7" -> 400 b={"message":"etag_is_required"}"#], &["X17 likely"]),
        (&["PUT /a inm=* -> 428 b={\"detail\":\"If-Match_is_required\"}"], &["X09 likely"]),
        (&["PUT /a ius=1 -> 428"], &["X14 likely"]),
    ]);
}

#[test]
fn x17_for_what_went_through() {
    assert_told(&[
        (&[READ, r#"PUT /a im="7" -> 200 e="8""#, r#"PUT /a im="7" -> 200 e="9""#], &["X17 possible"]),
        // The same tag again from the server: contents came back to it.
        (&[READ, r#"PUT /a im="7" -> 200 e="8""#, READ, r#"PUT /a im="7" -> 200 e="9""#], &[]),
        // The first write may have changed nothing.
        (&[READ, r#"PUT /a im="7" -> 200 e="7""#, r#"PUT /a im="7" -> 200 e="8""#], &[]),
    ]);
}

#[test]
fn x02_another_writer_and_x03_oneself() {
    let stale = r#"PUT /a im="7" c=x -> 412 e="8""#;
    assert_told(&[
        (&[READ, stale], &["X02 likely"]),
        (&[READ, r#"PUT /a im="7" -> 412"#], &["X02 likely"]),
        // Nothing shows where the tag came from.
        (&[stale], &["X03 possible, X02 possible"]),
        // An own write between.
        (&[READ, r#"PUT /a im="7" -> 200 e="8""#, stale], &["X03 certain"]),
        (&[r#"PUT /a im="7" -> 200 e="8""#, stale], &["X03 certain"]),
        // Whose answer told no tag, or that named no version.
        (&[READ, r#"PUT /a im="7" -> 204"#, stale], &["X03 likely"]),
        (&[r#"POST /a -> 200 e="8""#, stale], &["X03 likely"]),
        // A POST may have left it as it was.
        (&[READ, "POST /a -> 200", stale], &["X03 possible, X02 possible"]),
        // Its own, and then somebody else's: the own tag would not do either.
        (&[READ, r#"PUT /a im="7" -> 200 e="8""#, r#"PUT /a im="7" -> 412 e="9""#], &["X03 certain"]),
        // It was refused, was for something else, came before the tag was read, or was a read.
        (&[READ, r#"PUT /a im="6" -> 403 e="8""#, stale], &["X02 likely"]),
        (&[READ, r#"PUT /b im="1" -> 200 e="8""#, stale], &["X02 likely"]),
        (&[r#"PUT /a im="6" -> 200 e="7""#, READ, stale], &["X02 likely"]),
        (&[READ, r#"GET /a -> 200 e="8""#, stale], &["X02 likely"]),
        // A write of its own whose answer was lost may have been it.
        (&[READ, r#"PUT /a im="7" c=y -> lost"#, stale], &["X13 possible, X02 possible"]),
        // Kubernetes: the version is in the content.
        (&["GET /a -> 200", "PUT /a -> 409 b=the_object_has_been_modified"], &["X02 likely"]),
        (
            &["GET /a -> 200", "PUT /a -> 200", "PUT /a -> 409 b=the_object_has_been_modified"],
            &["X03 likely"],
        ),
        // A conflict of another kind.
        (&["PUT /a -> 409 b=name_is_taken"], &[]),
    ]);
}

#[test]
fn x04_malformed_and_x08_nothing() {
    assert_told(&[
        (&[READ, "PUT /a im=7 -> 400"], &["X04 certain"]),
        (&["PUT /a im=7 -> 412"], &["X04 certain"]),
        (&[r#"PUT /a im=\"7\" -> 400"#], &["X04 certain"]),
        (&[r#"PUT /a im=w/"7" -> 400"#], &["X04 certain"]),
        (&["PUT /a im=undefined -> 400"], &["X08 certain"]),
        (&["PUT /a im=[object_Object] -> 412"], &["X08 certain"]),
        (&[r#"PUT /a im="undefined" -> 412 e="7""#], &["X08 likely"]),
        // The server hands out tags without quotes, or such a word, itself.
        (&["GET /a -> 200 e=7", "PUT /a im=7 -> 412 e=8"], &["X02 likely"]),
        (&[r#"GET /a -> 200 e="null""#, r#"PUT /a im="null" -> 412 e="8""#], &["X02 likely"]),
        // Another 400.
        (&[READ, r#"PUT /a im="7" -> 400 b={"message":"name_is_too_long"}"#], &[]),
    ]);
}

#[test]
fn x05_weak_and_suffixed() {
    assert_told(&[
        (&[r#"GET /a -> 200 e=W/"7""#, r#"PUT /a im=W/"7" -> 412"#], &["X05 certain"]),
        (&[READ, r#"PUT /a im="7" -> 412 e=W/"7""#], &["X05 certain"]),
        (&[r#"GET /a -> 200 e="7-gzip""#, r#"PUT /a im="7-gzip" -> 412 e="7""#], &["X05 certain"]),
        (&[READ, r#"PUT /a im="7" -> 412 e="7-gzip""#], &["X05 certain"]),
        (&[r#"PUT /a im="7-gzip" -> 412"#], &["X05 likely"]),
        // Moved on as well, in another way, or a strong one is among them.
        (&[r#"GET /a -> 200 e="7-gzip""#, r#"PUT /a im="7-gzip" -> 412 e="8""#], &["X02 likely"]),
        (&[READ, r#"PUT /a im="7",W/"7" -> 412 e="8""#], &["X02 likely"]),
        // Accepted.
        (&[r#"PUT /a im=W/"7" -> 200"#], &[]),
    ]);
}

#[test]
fn x06_other_resource() {
    let other = r#"GET /b -> 200 e="abcdef""#;
    assert_told(&[
        (&[other, r#"PUT /a im="abcdef" -> 412 e="7""#], &["X06 likely"]),
        // Short tags meet by chance; a query may or may not name another resource.
        (
            &[r#"GET /b -> 200 e="7""#, r#"PUT /a im="7" -> 412 e="8""#],
            &["X06 possible, X03 possible, X02 possible"],
        ),
        (
            &[r#"GET /a?x -> 200 e="abcdef""#, r#"PUT /a im="abcdef" -> 412"#],
            &["X06 possible, X03 possible, X02 possible"],
        ),
        // This one had it as well.
        (&[other, r#"GET /a -> 200 e="abcdef""#, r#"PUT /a im="abcdef" -> 412 e="8""#], &["X02 likely"]),
        (
            &[r#"PUT /a im="abcdef" -> 200 e="8""#, other, r#"PUT /a im="abcdef" -> 412 e="8""#],
            &["X03 certain"],
        ),
    ]);
}

#[test]
fn x07_unreadable() {
    assert_told(&[
        (&[r#"GET /a origin=http://app -> 200 e="7""#, "PUT /a origin=http://app -> 428"], &["X07 likely"]),
        (&[r#"GET /a origin=http://app -> 200 e="7" expose=Link,ETag"#, "PUT /a -> 428"], &["X01 certain"]),
        (&[r#"GET /a origin=http://app -> 200 e="7" expose=*"#, "PUT /a -> 428"], &["X01 certain"]),
        (&[r#"GET /a origin=http://h -> 200 e="7""#, "PUT /a -> 428"], &["X01 certain"]),
        (&["GET /a origin=http://app -> 200", "PUT /a -> 428"], &["X01 certain"]),
        (&[r#"GET /b origin=http://app -> 200 e="7""#, "PUT /a -> 428"], &["X01 certain"]),
        (
            &[r#"GET /a origin=http://app -> 200 e="7""#, "PUT /a im=null -> 400"],
            &["X08 certain, X07 likely"],
        ),
    ]);
}

#[test]
fn x09_wrong_field() {
    assert_told(&[
        (&[READ, r#"PUT /a inm="7" -> 412"#], &["X09 certain"]),
        (&[READ, "PUT /a inm=* -> 412"], &["X09 likely"]),
        // A creation that lost, an own one twice, one whose answer was lost.
        (&["PUT /a inm=* -> 412"], &["X02 possible"]),
        (&["PUT /a inm=* c=x -> 201", "PUT /a inm=* c=y -> 412"], &["X03 certain"]),
        (&["PUT /a inm=* c=x -> lost", "PUT /a inm=* c=x -> 412"], &["X13 likely"]),
        // Reads are what it is for.
        (&[READ, r#"GET /a inm="7" -> 304 e="7""#], &[]),
    ]);
}

#[test]
fn x10_dead_tag() {
    let stale = r#"PUT /a im="7" -> 412 e="8""#;
    assert_told(&[
        (&[READ, stale, stale], &["X02 likely", "X10 certain"]),
        // Another tag, another resource, received again, refused for something else.
        (&[READ, stale, r#"PUT /a im="8" -> 412 e="9""#], &["X02 likely", "X02 likely"]),
        (
            &[READ, stale, r#"GET /b -> 200 e="7""#, r#"PUT /b im="7" -> 412 e="8""#],
            &["X02 likely", "X02 likely"],
        ),
        (&[READ, r#"PUT /a im="7" -> 403"#, stale], &["X02 likely"]),
        (&[READ, stale, READ, stale], &["X02 likely", "X11 certain"]),
    ]);
}

#[test]
fn x11_lag() {
    let write = r#"PUT /a im="7" -> 200 e="8""#;
    let stale = r#"PUT /a im="7" -> 412 e="8""#;
    assert_told(&[
        (&[READ, write, READ, stale], &["X11 certain"]),
        (&[READ, r#"PUT /a im="7" -> 204"#, READ, stale], &["X11 likely"]),
        // The read came first, or got the new one, or something that nobody had seen.
        (&[READ, write, stale], &["X03 certain"]),
        (&[READ, write, r#"GET /a -> 200 e="8""#, r#"PUT /a im="8" -> 412 e="9""#], &["X02 likely"]),
        (&[READ, write, r#"GET /a -> 200 e="9""#, r#"PUT /a im="9" -> 412 e="10""#], &["X02 likely"]),
        // The write changed nothing.
        (&[READ, r#"PUT /a im="7" -> 200 e="7""#, READ, stale], &["X02 likely"]),
    ]);
}

#[test]
fn x12_deleted() {
    assert_told(&[
        (&[READ, "DELETE /a -> 204", r#"PUT /a im="7" -> 412"#], &["X12 certain"]),
        (&[READ, r#"PUT /a im="7" -> 410"#], &["X12 certain"]),
        (&[READ, r#"PUT /a im="7" -> 404"#], &["X12 likely"]),
        (&[READ, r#"PUT /a im="7" -> 412"#, "GET /a -> 404"], &["X12 likely"]),
        (&["PUT /a im=* -> 412"], &["X12 likely"]),
        // It is there, is something else, or was never seen.
        (&[READ, r#"PUT /a im="7" -> 412"#, r#"GET /a -> 200 e="8""#, "GET /a -> 404"], &["X02 likely"]),
        (&[READ, "DELETE /b -> 204", r#"PUT /a im="7" -> 412"#], &["X02 likely"]),
        (&[r#"PUT /a im="7" -> 404"#], &[]),
        (&[READ, "PUT /a -> 404"], &[]),
    ]);
}

#[test]
fn x13_applied_already() {
    let stale = r#"PUT /a im="7" c=new -> 412 e="8""#;
    assert_told(&[
        (&[READ, r#"PUT /a im="7" c=new -> lost"#, stale], &["X13 likely"]),
        (&[READ, r#"PUT /a im="7" c=new -> 504"#, stale], &["X13 likely"]),
        (&[READ, r#"PUT /a im="7" c=new -> lost"#, stale, r#"GET /a -> 200 e="8" b=new"#], &["X13 certain"]),
        // Other content, answered, or refused.
        (&[READ, r#"PUT /a im="7" c=new -> 500"#, stale], &["X13 possible, X02 possible"]),
        (&[READ, r#"PUT /a im="7" c=new -> 422"#, stale], &["X02 likely"]),
        (&[READ, r#"PUT /a im="6" c=new -> lost"#, stale], &["X02 likely"]),
    ]);
}

#[test]
fn x14_dates() {
    assert_told(&[
        (&["GET /a -> 200 lm=5", "PUT /a ius=5 -> 412 lm=5"], &["X14 likely"]),
        (&["GET /a -> 200 lm=5", "PUT /a ius=6 -> 412"], &["X14 likely"]),
        // It has changed since.
        (&["GET /a -> 200 lm=5", "PUT /a ius=5 -> 412 lm=9"], &["X02 likely"]),
        (&["GET /a -> 200 lm=5", "PUT /a ius=5 -> 200 lm=6", "PUT /a ius=5 -> 412 lm=6"], &["X03 certain"]),
        // Let through, though two states have that date.
        (
            &[r#"GET /a -> 200 lm=5 e="1""#, r#"PUT /a -> 200 lm=5 e="2""#, "PUT /a ius=5 -> 200"],
            &["X14 certain"],
        ),
        // These may be two representations of one state.
        (&["GET /a -> 200 lm=5 b=x", "GET /a -> 200 lm=5 b=y", "PUT /a ius=5 -> 200"], &["X14 likely"]),
        (&["GET /a -> 200 lm=5 b=x", "GET /a -> 200 lm=5 b=x", "PUT /a ius=5 -> 200"], &[]),
        (&["GET /a -> 200 lm=4 b=x", "GET /a -> 200 lm=5 b=y", "PUT /a ius=5 -> 200"], &[]),
    ]);
}

#[test]
fn x15_keys() {
    assert_told(&[
        (&["POST /p key=k c=1 -> 201", "POST /p key=k c=2 -> 422 b=bad_key"], &["X15 certain"]),
        (&["POST /p key=k c=1 -> 201", "POST /q key=k c=1 -> 409"], &["X15 possible"]),
        (&["POST /p key=k c=1 -> 201", "POST /p key=k c=1 -> 422"], &[]),
        (&["POST /p key=k c=1 -> 201", "POST /p key=l c=2 -> 422"], &[]),
        (&["POST /p c=1 -> 201", "POST /p c=2 -> 422"], &[]),
    ]);
}

#[test]
fn x16_blind_retry() {
    let refused = r#"PUT /a im="7" c=mine -> 412 e="8""#;
    let fresh = r#"GET /a -> 200 e="8" b=theirs"#;
    let again = r#"PUT /a im="8" c=mine -> 200 e="9""#;
    assert_told(&[
        (&[READ, refused, fresh, again], &["X02 likely", "X16 likely"]),
        (&[READ, refused, again], &["X02 likely", "X16 likely"]),
        // A merge; nothing was lost; its own version; another resource; refused again.
        (&[READ, refused, fresh, r#"PUT /a im="8" c=merged -> 200 e="9""#], &["X02 likely"]),
        (&[READ, refused, r#"GET /a -> 200 e="8" b=old"#, again], &["X02 likely"]),
        (&[READ, refused, r#"GET /a -> 200 e="8" b=mine"#, again], &["X02 likely"]),
        (&[READ, r#"PUT /a im="7" c=first -> 200 e="8""#, refused, again], &["X03 certain"]),
        (&[READ, refused, r#"PUT /b im="8" c=mine -> 200 e="9""#], &["X02 likely"]),
        // A patch is the change alone.
        (
            &[READ, r#"PATCH /a im="7" c=mine -> 412 e="8""#, fresh, r#"PATCH /a im="8" c=mine -> 200"#],
            &["X02 likely", "X16 possible"],
        ),
        (
            &[READ, r#"DELETE /a im="7" -> 412 e="8""#, r#"DELETE /a im="8" -> 204"#],
            &["X02 likely", "X16 likely"],
        ),
        (&[READ, r#"DELETE /a im="7" -> 412 e="8""#, fresh, r#"DELETE /a im="8" -> 204"#], &["X02 likely"]),
    ]);
}
