//! Records of the audit, and what tells one writer from another.

use super::told;
use serde_json::{Value, json};

fn record(client: &str, action: &str, reason: Option<&str>, status: u16, more: &Value) -> String {
    let mut record = json!({
        "@timestamp": "2026-11-22T07:00:00.000Z", "event.action": action, "event.reason": reason,
        "http.request.method": "PUT", "http.response.status_code": status, "url.path": "/a", "user.id": client,
        "client.name": client, "ifmatch.tag.sent": "\"7\"", "ifmatch.tag.before": null, "ifmatch.tag.after": null,
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record.to_string()
}

fn previous(client: &str) -> Value {
    json!({ "event.id": "x", "user.id": client, "client.name": client, "at": "2026-11-22T06:59:00.000Z" })
}

#[test]
fn writers_are_told_apart() {
    let accepted =
        |client| record(client, "write.accepted", None, 204, &json!({ "ifmatch.tag.after": "\"8\"" }));
    let refused =
        record("web", "write.rejected", Some("stale"), 412, &json!({ "ifmatch.tag.before": "\"8\"" }));
    assert_eq!(told(&format!("{}\n{refused}\n", accepted("erp"))), ["X02 certain"]);
    assert_eq!(told(&format!("{}\n{refused}\n", accepted("web"))), ["X03 certain"]);
    // The record names who wrote before.
    for (client, expected) in [("erp", "X02 certain"), ("web", "X03 likely")] {
        let more = json!({ "ifmatch.tag.before": "\"8\"", "ifmatch.previous_write": previous(client) });
        assert_eq!(told(&record("web", "write.rejected", Some("stale"), 412, &more)), [expected], "{client}");
    }
    let more = json!({ "ifmatch.self_conflict": true, "ifmatch.previous_write": previous("web") });
    assert_eq!(told(&record("web", "write.rejected", Some("stale"), 412, &more)), ["X03 certain"]);
}

#[test]
fn a_blind_retry_costs_others_only() {
    for (client, expected) in [("erp", &["X16 certain"][..]), ("web", &[])] {
        let more = json!({ "ifmatch.blind_retry": true, "ifmatch.previous_write": previous(client) });
        assert_eq!(told(&record("web", "write.accepted", None, 204, &more)), expected, "{client}");
    }
}

#[test]
fn refusals_and_losses_have_their_reasons() {
    for (reason, status, sent, expected) in [
        ("missing", 428, None, "X01 certain"),
        ("star", 428, Some("*"), "X01 certain"),
        ("weak", 412, Some("W/\"7\""), "X05 certain"),
        ("gone", 412, Some("\"7\""), "X12 certain"),
        ("wrong_resource", 412, Some("\"7\""), "X06 certain"),
        ("malformed", 400, Some("7"), "X04 certain"),
        ("exists", 412, Some("*"), "X02 possible"),
    ] {
        let one = record("web", "write.rejected", Some(reason), status, &json!({ "ifmatch.tag.sent": sent }));
        assert_eq!(told(&one), [expected], "{reason}");
    }
    let lost = json!({ "ifmatch.tag.sent": null, "ifmatch.previous_write": previous("erp") });
    assert_eq!(told(&record("web", "write.lost_update", Some("missing"), 204, &lost)), ["X01 certain"]);
    assert!(
        told(&record("web", "write.would_reject", Some("missing"), 204, &lost)).is_empty(),
        "only if asked"
    );
}
