//! PATCH.

use crate::support::{Server, assert_refused, tag};
use ifmatch_testkit::raw::Response;

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json-patch+json";
const ACCEPTED: &str = "application/merge-patch+json, application/json-patch+json";

const STORED: &[u8] = br#"{"n":12345678901234567890.10,"list":[1,2],"a":"b"}"#;

struct Patched {
    server: Server,
    tag: String,
}

impl Patched {
    fn new() -> Self {
        let server = Server::start();
        let fields = [("If-None-Match", "*"), ("Content-Type", "application/json")];
        let created = server.request("PUT", "/a", &fields, Some(STORED));
        assert_eq!(created.status, 201);
        Self { tag: tag(&created), server }
    }

    fn patch(&self, media_type: &str, patch: &str) -> Response {
        let fields = [("If-Match", self.tag.as_str()), ("Content-Type", media_type)];
        self.server.request("PATCH", "/a", &fields, Some(patch.as_bytes()))
    }

    #[track_caller]
    fn refused(&self, media_type: &str, patch: &str, status: u16, code: &str) -> serde_json::Value {
        let response = self.patch(media_type, patch);
        let body = assert_refused(&response, status, code);
        self.server.assert_is("/a", &self.tag, STORED);
        body
    }

    #[track_caller]
    fn makes(&self, media_type: &str, patch: &str, content: &str) {
        let response = self.patch(media_type, patch);
        assert_eq!(response.status, 204, "{}", response.text());
        self.server.assert_is("/a", &tag(&response), content.as_bytes());
        assert_eq!(self.server.get("/a").value("content-type"), Some("application/json"), "not the patch's");
    }
}

#[test]
fn a_merge_patch() {
    Patched::new().makes(
        MERGE,
        r#"{"a":null,"list":[3],"new":{"x":1}}"#,
        r#"{"n":12345678901234567890.10,"list":[3],"new":{"x":1}}"#,
    );
}

#[test]
fn a_json_patch() {
    Patched::new().makes(
        "Application/JSON-Patch+JSON; charset=utf-8",
        r#"[{"op":"test","path":"/a","value":"b"},{"op":"add","path":"/list/-","value":3},{"op":"remove","path":"/a"}]"#,
        r#"{"n":12345678901234567890.10,"list":[1,2,3]}"#,
    );
}

#[test]
fn a_patch_applies_whole_or_not_at_all() {
    let patched = Patched::new();
    let body = patched.refused(
        JSON,
        r#"[{"op":"replace","path":"/a","value":"c"},{"op":"test","path":"/a","value":"b"}]"#,
        409,
        "patch_conflict",
    );
    assert_eq!(body["reason"], "test_failed");
    let body = patched.refused(
        JSON,
        r#"[{"op":"remove","path":"/a"},{"op":"remove","path":"/none"}]"#,
        409,
        "patch_conflict",
    );
    assert_eq!(body["reason"], "location");
    patched.refused(JSON, r#"{"op":"remove","path":"/a"}"#, 400, "invalid_content");
    patched.refused(JSON, r#"[{"op":"frob","path":"/a"}]"#, 400, "invalid_content");
    patched.refused(MERGE, r#"{"a":"#, 400, "invalid_content");
    // And one that is too large to be made is not begun.
    let copies: Vec<_> = (0..60).map(|i| format!(r#"{{"op":"copy","from":"","path":"/{i}"}}"#)).collect();
    patched.refused(JSON, &format!("[{}]", copies.join(",")), 413, "content_too_large");
}

#[test]
fn other_kinds_of_patches_are_not_understood() {
    let patched = Patched::new();
    for other in ["application/json", "text/plain", "application/merge-patch+jsonx"] {
        let response = patched.patch(other, "{}");
        assert_refused(&response, 415, "unsupported_patch");
        assert_eq!(response.value("accept-patch"), Some(ACCEPTED));
        patched.server.assert_is("/a", &patched.tag, STORED);
    }
    let response = patched.server.request("PATCH", "/a", &[("If-Match", &patched.tag)], Some(b"{}"));
    assert_refused(&response, 415, "unsupported_patch");
    // Before the condition is looked at (RFC 9110, Section 13.2.1).
    let response = patched.server.request("PATCH", "/a", &[("Content-Type", "a/b")], Some(b"{}"));
    assert_refused(&response, 415, "unsupported_patch");
}

#[test]
fn a_patch_needs_a_version_and_something_to_patch() {
    let patched = Patched::new();
    let patch = |target: &str, fields: &[(&str, &str)]| {
        let fields: Vec<_> = fields.iter().copied().chain([("Content-Type", MERGE)]).collect();
        patched.server.request("PATCH", target, &fields, Some(br#"{"a":1}"#))
    };
    assert_refused(&patch("/a", &[]), 428, "precondition_required");
    assert_refused(&patch("/a", &[("If-None-Match", "*")]), 428, "precondition_required");
    assert_refused(&patch("/a", &[("If-Match", "*")]), 428, "overwrite_not_allowed");
    assert_refused(&patch("/a", &[("If-Match", "\"x\"")]), 412, "stale_version");
    assert_refused(&patch("/none", &[("If-Match", "\"x\"")]), 404, "not_found");
    patched.server.assert_is("/a", &patched.tag, STORED);
    patched.server.assert_absent("/none");
    // What is no JSON cannot be patched as such.
    let tag = patched.server.create("/text", b"not JSON");
    let body = assert_refused(&patch("/text", &[("If-Match", &tag)]), 409, "patch_conflict");
    assert_eq!(body["reason"], "not_json");
    patched.server.assert_is("/text", &tag, b"not JSON");
}

#[test]
fn a_patch_can_show_its_result() {
    let patched = Patched::new();
    let fields =
        [("If-Match", patched.tag.as_str()), ("Content-Type", MERGE), ("Prefer", "return=representation")];
    let response = patched.server.request("PATCH", "/a", &fields, Some(br#"{"n":null,"list":null}"#));
    assert_eq!((response.status, response.text().as_str()), (200, r#"{"a":"b"}"#));
    assert_eq!(response.value("content-location"), Some("/a"));
    patched.server.assert_is("/a", &tag(&response), br#"{"a":"b"}"#);
}
