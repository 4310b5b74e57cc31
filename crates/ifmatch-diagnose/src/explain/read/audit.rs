//! Records of ifmatch's audit, one or many lines of them.

use super::super::evidence::{Answer, Audited, Content, Exchange, Got, UNKNOWN_METHOD, Writer};
use super::super::fields::{Fields, Secrets, key, shown_url};
use super::super::moment::Moment;
use super::super::said::{Meaning, Said};
use super::{ENTRIES_MAX, Unreadable};
use serde_json::Value;

/// Reads records, one JSON object in each line. Empty lines, and a last line that was cut off by a crash, are passed over.
pub(super) fn read(text: &str, _: &mut Secrets) -> Result<(Vec<Exchange>, Vec<String>), Unreadable> {
    let mut exchanges = Vec::new();
    let mut remarks = Vec::new();
    let lines: Vec<_> = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    if lines.len() > ENTRIES_MAX {
        return Err(Unreadable::new(format!(
            "more than {ENTRIES_MAX} records; pass those of one target: grep its path"
        )));
    }
    let last = lines.last().map(|(index, _)| *index);
    for (index, line) in lines {
        match serde_json::from_str::<Value>(line) {
            Ok(record) if record.get("event.action").is_some() => {
                exchanges.push(exchange(index + 1, &record));
            }
            Ok(_) => {
                return Err(Unreadable::new(format!(
                    "line {} is no record of the audit: it has no event.action",
                    index + 1
                )));
            }
            Err(error) if error.is_eof() && Some(index) == last && index > 0 => {
                remarks.push(format!("line {}, the last one, is cut off and was left out", index + 1));
            }
            Err(error) => {
                return Err(Unreadable::new(format!(
                    "line {}, column {}: {error}\n  an audit has one JSON object in each line",
                    index + 1,
                    error.column()
                )));
            }
        }
    }
    Ok((exchanges, remarks))
}

/// One record that stands alone, perhaps over several lines.
pub(super) fn single(record: &Value) -> Vec<Exchange> {
    vec![exchange(1, record)]
}

fn exchange(number: usize, record: &Value) -> Exchange {
    let text = |name: &str| record.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let is = |name: &str| record.get(name).and_then(Value::as_bool).unwrap_or(false);
    let mut exchange = Exchange::new(number);
    exchange.at = text("@timestamp").and_then(Moment::parse);
    exchange.method = text("http.request.method").unwrap_or(UNKNOWN_METHOD).chars().take(32).collect();
    let path = text("url.path").unwrap_or_default();
    (exchange.url, exchange.key) = (shown_url(path), key(path));
    let action = text("event.action").unwrap_or_default();
    let mut sent = Fields::default();
    if let Some(tag) = text("ifmatch.tag.sent") {
        // The audit has one member for both fields; only a refusal because of what exists was made with the other.
        let is_create = tag == "*" && text("event.reason") != Some("star");
        sent.set(if is_create { "if-none-match" } else { "if-match" }, tag);
    }
    exchange.sent = Some(sent);
    exchange.content = text("ifmatch.body.blake3").map(|digest| Content::of(digest.as_bytes()));
    exchange.writer = writer(record, "user.id", "client.name", text("client.address"));
    exchange.audited = Some(Audited {
        action: action.to_owned(),
        reason: text("event.reason").map(str::to_owned),
        blind_retry: is("ifmatch.blind_retry"),
        self_conflict: is("ifmatch.self_conflict"),
        previous: record.get("ifmatch.previous_write").and_then(|previous| {
            let at = previous.get("at").and_then(Value::as_str).and_then(Moment::parse);
            Some((writer(previous, "user.id", "client.name", None)?, at))
        }),
        last_read: record.pointer("/ifmatch.last_read/tag").and_then(Value::as_str).map(str::to_owned),
    });
    exchange.answer = answer(record, action);
    exchange
}

fn writer(record: &Value, user: &str, client: &str, address: Option<&str>) -> Option<Writer> {
    let text = |name: &str| record.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (user, client) = (text(user), text(client));
    let id = format!("{}\n{}", user.unwrap_or_default(), client.unwrap_or_default());
    let name = match (client, user) {
        (Some(client), Some(user)) => format!("{client} ({})", user.chars().take(12).collect::<String>()),
        (Some(client), None) => client.to_owned(),
        (None, Some(user)) => user.to_owned(),
        (None, None) => address?.to_owned(),
    };
    let id = match (id.as_str(), user, address) {
        ("\n", ..) => name.clone(),
        // Many use the same program.
        (_, None, Some(address)) => format!("{id}\n{address}"),
        _ => id,
    };
    Some(Writer { id, name, is_user: user.is_some() })
}

fn answer(record: &Value, action: &str) -> Answer {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    if action == "write.unknown" {
        return Answer::Lost("nobody knows whether it was applied".to_owned());
    }
    let status = record.get("http.response.status_code").and_then(Value::as_u64);
    let mut fields = Fields::default();
    let refused = action == "write.rejected";
    let now = text("ifmatch.tag.after").or_else(|| text("ifmatch.tag.before").filter(|_| refused));
    if let Some(tag) = now {
        fields.set("etag", tag);
    }
    let meaning = match text("event.reason").filter(|_| refused) {
        Some("missing") => Some(Meaning::Missing),
        Some("star") => Some(Meaning::Star),
        Some("gone") => Some(Meaning::Gone),
        Some("weak") => Some(Meaning::Weak),
        Some("wrong_resource") => Some(Meaning::WrongResource),
        Some("stale") => Some(Meaning::Stale),
        Some("exists") => Some(Meaning::Exists),
        Some("malformed") => Some(Meaning::Malformed),
        _ => None,
    };
    let said = Said { meaning, is_ours: true, ..Said::default() };
    let status = status.and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    Answer::Got(Box::new(Got { status, fields, said, ..Got::default() }))
}
