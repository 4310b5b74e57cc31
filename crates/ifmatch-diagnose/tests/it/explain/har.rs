//! Dialects of HAR files.

use super::{explain, told};

fn har(entries: &[String]) -> String {
    format!(r#"{{"log":{{"version":"1.2","entries":[{}]}}}}"#, entries.join(","))
}

fn entry(method: &str, fields: &str, status: &str, answered: &str) -> String {
    format!(
        r#"{{"request":{{"method":"{method}","url":"https://API.test:443/orders/42#top","headers":[{fields}]}},
        "response":{{"status":{status},"headers":[{answered}]}}}}"#
    )
}

#[test]
fn dialects_are_read() {
    let if_match = r#"{"name":"if-match","value":"\"7\""},{"name":":method","value":"PUT"}"#;
    let etag = r#"{"name":"ETAG","value":"\"8\""}"#;
    // Names in any case, pseudo-fields, a status as text, members of the wrong type, members that are not known.
    assert_eq!(told(&har(&[entry("PUT", if_match, "\"412\"", etag)])), ["X03 possible, X02 possible"]);
    assert_eq!(told(&har(&[entry("PUT", "1,{},null", "428", "")])), ["X01 certain"]);
    let odd = r#"{"_webSocketMessages":[],"startedDateTime":5,"time":"x","request":null,"response":[]}"#;
    assert!(told(&har(&[odd.to_owned()])).is_empty());
    // A byte order mark, other members before the entries, white space.
    let text =
        format!("\u{feff} {}", har(&[]).replace("\"entries\"", "\"pages\":[{\"entries\":1}],\n \"entries\""));
    assert!(explain(text.as_bytes()).cases.is_empty());
}

#[test]
fn lines_that_a_recorder_joined_are_several() {
    let fields = r#"{"name":"If-Match","value":"\"7\"\n\"6\""}"#;
    let told = explain(har(&[entry("PUT", fields, "412", "")]).as_bytes());
    assert!(told.cases[0].causes[0].why.contains("\"7\", \"6\""), "{:?}", told.cases);
}

#[test]
fn base64_is_decoded() {
    let entry = entry("PUT", r#"{"name":"if-match","value":"\"7\""}"#, "412", "").replace(
        "\"headers\":[]}",
        r#""headers":[],"content":{"encoding":"base64","text":"eyJtZXNzYWdlIjoiZXRhZyBtaXNtYXRjaCBvZiBvcmRlciA0MiJ9"}}"#,
    );
    let told = explain(har(&[entry]).as_bytes());
    assert_eq!(told.cases[0].message.as_deref(), Some("etag mismatch of order 42"));
}

#[test]
fn redirections_lead_to_the_same_resource() {
    let one = |url: &str, method: &str, fields: &str, status: u16, answered: &str| {
        format!(
            r#"{{"request":{{"method":"{method}","url":"http://h{url}","headers":[{fields}]}},
            "response":{{"status":{status},"headers":[{answered}]}}}}"#
        )
    };
    let (sent, tag7, tag8) = (
        r#"{"name":"if-match","value":"\"7\""}"#,
        r#"{"name":"etag","value":"\"7\""}"#,
        r#"{"name":"etag","value":"\"8\""}"#,
    );
    let to = r#"{"name":"location","value":"/a/"}"#;
    let told = told(&har(&[
        one("/a", "GET", "{}", 308, to),
        one("/a/", "GET", "{}", 200, tag7),
        one("/a", "PUT", sent, 308, to),
        one("/a/", "PUT", sent, 200, tag8),
        one("/a", "PUT", sent, 308, to),
        one("/a/", "PUT", sent, 412, tag8),
    ]));
    assert_eq!(told, ["X03 certain"]);
}

#[test]
fn entries_are_told_in_the_order_they_were_sent() {
    let at = |time: &str, entry: String| entry.replacen('{', &format!(r#"{{"startedDateTime":"{time}","#), 1);
    let sent = r#"{"name":"if-match","value":"\"7\""}"#;
    let tag = |tag: &str| format!(r#"{{"name":"etag","value":"\"{tag}\""}}"#);
    // Chrome writes them in the order they ended; offsets are those of each clock.
    let told = explain(
        har(&[
            at("2026-11-22T10:00:00.300Z", entry("PUT", sent, "412", &tag("8"))),
            at("2026-11-22T11:00:00.100+01:00", entry("GET", "{}", "200", &tag("7"))),
            at("2026-11-22T10:00:00.200Z", entry("PUT", sent, "200", &tag("8"))),
        ])
        .as_bytes(),
    );
    let [case] = told.cases.as_slice() else { panic!("{:?}", told.cases) };
    assert_eq!((case.causes[0].code, case.entry, case.causes[0].keep), ("X03", 1, Some(3)));
    let rows: Vec<_> = case.timeline.iter().map(|row| row.entry).collect();
    assert_eq!(rows, [2, 3, 1]);
}

#[test]
fn a_preflight_that_allows_is_not_the_cause() {
    let asked = r#"{"name":"access-control-request-headers","value":"if-match"}"#;
    let sent = r#"{"name":"if-match","value":"\"7\""}"#;
    for (allowed, cases) in [("content-type", 1), ("Content-Type, If-Match", 0), ("*", 0)] {
        let allows = format!(r#"{{"name":"access-control-allow-headers","value":"{allowed}"}}"#);
        let entries = [entry("OPTIONS", asked, "204", &allows), entry("PUT", sent, "0", "")];
        assert_eq!(told(&har(&entries)).len(), cases, "{allowed}");
    }
    // It was about something else, or the write was answered.
    let allows = r#"{"name":"access-control-allow-headers","value":"x"}"#;
    assert!(told(&har(&[entry("OPTIONS", "{}", "204", allows), entry("PUT", sent, "0", "")])).is_empty());
    assert!(told(&har(&[entry("OPTIONS", asked, "204", allows), entry("PUT", sent, "204", "")])).is_empty());
}
