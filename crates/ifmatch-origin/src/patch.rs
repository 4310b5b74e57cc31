//! PATCH (RFC 5789) with merge patches (RFC 7396) and JSON Patch (RFC 6902): all or nothing, and bounded.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use ifmatch_core::{Code, Reason, Refusal, json};
use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, CopyOperation, MoveOperation, PatchOperation, RemoveOperation, ReplaceOperation,
    TestOperation,
};
use serde_json::Value;

/// The media types PATCH takes, as in the Accept-Patch field.
pub const ACCEPT_PATCH: &str = "application/merge-patch+json, application/json-patch+json";
/// Largest document that is patched, in bytes; past it: 413, replace it with PUT.
pub const PATCH_DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// Most operations of one JSON Patch; past it: 413.
pub const PATCH_OPERATIONS_MAX: usize = 1000;

/// Which kind of patch a request carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Merge,
    Json,
}

impl Kind {
    /// Reads it from the content type.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let media_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let essence = media_type.split(';').next().unwrap_or("").trim();
        if essence.eq_ignore_ascii_case("application/merge-patch+json") {
            Ok(Self::Merge)
        } else if essence.eq_ignore_ascii_case("application/json-patch+json") {
            Ok(Self::Json)
        } else {
            let sent = if essence.is_empty() {
                "no Content-Type".to_owned()
            } else {
                format!("Content-Type: {essence}")
            };
            Err(Refusal::new(Code::UnsupportedPatch)
                .detail(format!("PATCH came with {sent}; it takes {ACCEPT_PATCH}."))
                .field(HeaderName::from_static("accept-patch"), HeaderValue::from_static(ACCEPT_PATCH)))
        }
    }

    /// Applies a patch to a document and gives the new document, at most `bytes_max` long.
    pub(crate) fn apply(self, document: &Bytes, patch: &Bytes, bytes_max: usize) -> Result<Bytes, Refusal> {
        if document.len().max(patch.len()) > PATCH_DOCUMENT_BYTES_MAX {
            return Err(too_large(format!(
                "Only documents and patches up to {PATCH_DOCUMENT_BYTES_MAX} bytes are patched; use PUT."
            )));
        }
        let patch = json::parse(patch).map_err(|error| malformed(&format!("is not JSON: {error}")))?;
        let mut value = json::parse(document).map_err(|error| {
            Refusal::new(Code::PatchConflict).because(Reason::Other("not_json")).detail(format!(
                "What is stored cannot be patched as JSON without losing something: {error}."
            ))
        })?;
        match self {
            Self::Merge => json_patch::merge(&mut value, &patch),
            Self::Json => operations(&mut value, patch, bytes_max)?,
        }
        let bytes = serde_json::to_vec(&value).map_err(|error| malformed(&error.to_string()))?;
        if bytes.len() > bytes_max {
            return Err(too_large(format!(
                "The patched document would have {} bytes; at most {bytes_max} are stored.",
                bytes.len()
            )));
        }
        Ok(bytes.into())
    }
}

fn operations(value: &mut Value, patch: Value, bytes_max: usize) -> Result<(), Refusal> {
    let Value::Array(patch) = patch else { return Err(malformed("is no JSON Patch: it is not an array")) };
    if patch.len() > PATCH_OPERATIONS_MAX {
        return Err(too_large(format!(
            "The patch has {} operations; at most {PATCH_OPERATIONS_MAX} are taken.",
            patch.len()
        )));
    }
    // What copies add up to is bounded before it is made: thirty of them could double a document to a thousand million
    // times its size.
    let mut copied = 0usize;
    let read = |(index, value)| {
        operation(value).map_err(|why| malformed(&format!("is no JSON Patch: operation {index} {why}")))
    };
    let patch = patch.into_iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    for (index, operation) in patch.iter().enumerate() {
        match operation {
            PatchOperation::Test(test) => {
                let found = value.pointer(test.path.as_str());
                if !found.is_some_and(|found| json::equal(found, &test.value)) {
                    let what = if found.is_some() { "is something else" } else { "does not exist" };
                    return Err(conflict(index, "test", test.path.as_str(), what));
                }
                continue;
            }
            PatchOperation::Copy(copy) => {
                copied += value.pointer(copy.from.as_str()).map_or(0, |from| json::size(from, bytes_max));
                if copied > bytes_max {
                    return Err(too_large(format!(
                        "The copies of this patch add up to more than {bytes_max} bytes."
                    )));
                }
            }
            _ => {}
        }
        json_patch::patch(value, std::slice::from_ref(operation)).map_err(|error| {
            conflict(index, "operation", operation.path().as_str(), &error.kind.to_string())
        })?;
    }
    Ok(())
}

/// Reads one operation; members it does not know are passed over (RFC 6902, Section 4). By hand, because the derived
/// reader takes the long way through a format that rounds numbers.
fn operation(mut value: Value) -> Result<PatchOperation, String> {
    let text = |name: &str| match value.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(format!("has no text in {name:?}")),
    };
    let pointer =
        |name: &str| PointerBuf::parse(text(name)?).map_err(|_| format!("has no JSON Pointer in {name:?}"));
    let (op, path) = (text("op")?, pointer("path")?);
    let from = if matches!(op.as_str(), "move" | "copy") { pointer("from")? } else { PointerBuf::new() };
    let operand = value.get_mut("value").map(Value::take);
    let operand = || operand.ok_or_else(|| "has no \"value\"".to_owned());
    Ok(match op.as_str() {
        "add" => PatchOperation::Add(AddOperation { path, value: operand()? }),
        "remove" => PatchOperation::Remove(RemoveOperation { path }),
        "replace" => PatchOperation::Replace(ReplaceOperation { path, value: operand()? }),
        "move" => PatchOperation::Move(MoveOperation { from, path }),
        "copy" => PatchOperation::Copy(CopyOperation { from, path }),
        "test" => PatchOperation::Test(TestOperation { path, value: operand()? }),
        _ => return Err(format!("is of an unknown kind, {:?}", op.chars().take(40).collect::<String>())),
    })
}

fn conflict(index: usize, what: &str, path: &str, why: &str) -> Refusal {
    let path: String = path.chars().take(200).collect();
    Refusal::new(Code::PatchConflict)
        .because(Reason::Other(if what == "test" { "test_failed" } else { "location" }))
        .detail(format!("Operation {index} of the patch does not fit: {what} at {path:?}: {why}."))
}

fn malformed(what: &str) -> Refusal {
    Refusal::new(Code::InvalidContent)
        .because(Reason::Other("malformed_patch"))
        .detail(format!("The patch {what}."))
}

fn too_large(detail: String) -> Refusal {
    Refusal::new(Code::ContentTooLarge).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(kind: Kind, document: &str, patch: &str) -> Result<String, Code> {
        let bytes = |text: &str| Bytes::from(text.to_owned());
        kind.apply(&bytes(document), &bytes(patch), 1 << 20)
            .map(|b| String::from_utf8(b.to_vec()).unwrap())
            .map_err(|refusal| refusal.code())
    }

    #[test]
    fn merge_patch_examples_of_the_rfc() {
        // RFC 7396, Appendix A.
        for (document, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(apply(Kind::Merge, document, patch).as_deref(), Ok(result), "{document} + {patch}");
        }
    }

    #[test]
    fn json_patch_by_the_rfc() {
        let ok = |document: &str, patch: &str, result: &str| {
            assert_eq!(apply(Kind::Json, document, patch).as_deref(), Ok(result), "{patch}");
        };
        let no = |document: &str, patch: &str, code: Code| {
            assert_eq!(apply(Kind::Json, document, patch), Err(code), "{patch}");
        };
        ok(
            r#"{"a":1}"#,
            r#"[{"op":"add","path":"/b","value":12345678901234567890123}]"#,
            r#"{"a":1,"b":12345678901234567890123}"#,
        );
        ok(r#"{"a":1}"#, r#"[{"op":"add","path":"/a","value":2}]"#, r#"{"a":2}"#);
        ok(
            r#"{"a":[1,2]}"#,
            r#"[{"op":"add","path":"/a/-","value":3},{"op":"add","path":"/a/0","value":0}]"#,
            r#"{"a":[0,1,2,3]}"#,
        );
        ok(
            r#"{"a/b":1,"m~n":2}"#,
            r#"[{"op":"remove","path":"/a~1b"},{"op":"replace","path":"/m~0n","value":3}]"#,
            r#"{"m~n":3}"#,
        );
        ok(
            r#"{"a":{"b":1},"c":2}"#,
            r#"[{"op":"move","from":"/a/b","path":"/d"},{"op":"copy","from":"/c","path":"/e"}]"#,
            r#"{"a":{},"c":2,"d":1,"e":2}"#,
        );
        ok(
            r#"{"a":1.0}"#,
            r#"[{"op":"test","path":"/a","value":1},{"op":"test","path":"","value":{"a":1e0}}]"#,
            r#"{"a":1.0}"#,
        );
        ok(r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":[1],"xyz":5}]"#, "[1]");
        ok(r#"{"a":1}"#, "[]", r#"{"a":1}"#);
        no(
            r#"{"a":1}"#,
            r#"[{"op":"replace","path":"/a","value":2},{"op":"test","path":"/a","value":1}]"#,
            Code::PatchConflict,
        );
        no(r#"{"a":"1"}"#, r#"[{"op":"test","path":"/a","value":1}]"#, Code::PatchConflict);
        no(r#"{"a":1}"#, r#"[{"op":"remove","path":"/b"}]"#, Code::PatchConflict);
        no(r#"{"a":1}"#, r#"[{"op":"replace","path":"/b","value":1}]"#, Code::PatchConflict);
        no(r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/2","value":1}]"#, Code::PatchConflict);
        no(r#"{"a":[1,2]}"#, r#"[{"op":"remove","path":"/a/01"}]"#, Code::PatchConflict);
        no(r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a","path":"/a/b"}]"#, Code::PatchConflict);
        no("not json", r#"[]"#, Code::PatchConflict);
        no(r#"{"a":1}"#, r#"{"op":"add"}"#, Code::InvalidContent);
        no(r#"{"a":1}"#, r#"[{"op":"frob","path":"/a"}]"#, Code::InvalidContent);
        no(r#"{"a":1}"#, r#"[{"op":"add","path":"/a"}]"#, Code::InvalidContent);
        no(r#"{"a":1}"#, r#"[{"op":"add","path":"a","value":1}]"#, Code::InvalidContent);
        no(r#"{"a":1}"#, "[", Code::InvalidContent);
    }

    #[test]
    fn patches_cannot_blow_a_document_up() {
        let bomb: Vec<_> = (0..60).map(|i| format!(r#"{{"op":"copy","from":"","path":"/{i}"}}"#)).collect();
        assert_eq!(
            apply(Kind::Json, r#"{"a":"aaaaaaaaaa"}"#, &format!("[{}]", bomb.join(","))),
            Err(Code::ContentTooLarge)
        );
        let many = vec![r#"{"op":"test","path":"","value":0}"#; PATCH_OPERATIONS_MAX + 1].join(",");
        assert_eq!(apply(Kind::Json, "0", &format!("[{many}]")), Err(Code::ContentTooLarge));
    }

    #[test]
    fn kinds_are_told_by_media_type() {
        let kind = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            Kind::of(&headers).map_err(|r| r.status().as_u16())
        };
        assert_eq!(kind("Application/Merge-Patch+JSON; charset=utf-8"), Ok(Kind::Merge));
        assert_eq!(kind("application/json-patch+json"), Ok(Kind::Json));
        assert_eq!(kind("application/json"), Err(415));
        assert_eq!(Kind::of(&HeaderMap::new()).map_err(|r| r.status().as_u16()), Err(415));
    }
}
