//! What the body of a refusal says, ours or somebody else's.

use super::fields::{Secrets, shown_url};
use ifmatch_core::Code;
use serde_json::Value;

/// The longest body that is looked at, in bytes; a longer one says nothing.
pub(super) const BODY_BYTES_MAX: usize = 256 << 10;

/// How much of a message is repeated, in characters.
const MESSAGE_CHARS_MAX: usize = 240;

/// What a refusal means, as its body tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// No condition came.
    Missing,
    /// `If-Match: *` is not enough.
    Star,
    /// The date names no state.
    NotAVersion,
    /// The condition is not understood.
    Malformed,
    /// The version is not the current one.
    Stale,
    /// Nothing is there any more.
    Gone,
    /// The tag was weak.
    Weak,
    /// The tag is another resource's.
    WrongResource,
    /// Something is there already.
    Exists,
    /// An idempotency key came with another request.
    KeyReused,
    /// Nobody knows whether the write was applied.
    Unknown,
}

/// What a body says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Said {
    pub(super) meaning: Option<Meaning>,
    /// It is one of our own problems.
    pub(super) is_ours: bool,
    /// Its code or error name.
    pub(super) code: Option<String>,
    /// Its message, shortened.
    pub(super) message: Option<String>,
    /// The condition that the server saw: `None` not told, `Some(None)` none.
    pub(super) received: Option<Option<String>>,
    pub(super) your_tag: Option<String>,
    pub(super) current_tag: Option<String>,
    /// How the condition should have been written.
    pub(super) meant: Option<String>,
    /// The write that it lost to was the client's own.
    pub(super) self_conflict: Option<bool>,
    /// Whose change it lost to.
    pub(super) by: Option<String>,
    pub(super) method: Option<String>,
    pub(super) target: Option<String>,
    pub(super) status: Option<u16>,
}

impl Said {
    /// Reads a body, of whatever form. What cannot be read says nothing.
    pub(super) fn read(body: &[u8], secrets: &Secrets) -> Self {
        if body.is_empty() || body.len() > BODY_BYTES_MAX {
            return Self::default();
        }
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of_json(&value, secrets),
            Err(_) => Self::of_text(&String::from_utf8_lossy(body), secrets),
        }
    }

    /// Whether it says something, and that is not about versions.
    pub(super) fn is_about_something_else(&self) -> bool {
        const ABOUT_VERSIONS: [&str; 12] = [
            "version",
            "modified",
            "stale",
            "outdated",
            "changed",
            "concurren",
            "revision",
            "etag",
            "if-match",
            "lock",
            "precondition",
            "newer",
        ];
        let parts = [&self.message, &self.code];
        let words: Vec<_> = parts.into_iter().flatten().map(|text| text.to_ascii_lowercase()).collect();
        let is_phrase = |text: &String| {
            let plain: String = text.chars().filter(|c| c.is_alphabetic()).collect();
            plain.is_empty() || plain == "conflict"
        };
        self.meaning.is_none()
            && !words.iter().all(is_phrase)
            && !words.iter().any(|text| ABOUT_VERSIONS.iter().any(|word| text.contains(word)))
    }

    fn of_json(body: &Value, secrets: &Secrets) -> Self {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let ours = text("code").and_then(Code::from_name).filter(|code| {
            let path = code.type_path();
            text("type").is_some_and(|kind| kind.ends_with(&path)) || body.get("applied").is_some()
        });
        let mut said = match ours {
            Some(code) => Self::ours(code, body),
            None => Self::foreign(body),
        };
        let number = |name: &str| body.get(name).and_then(Value::as_u64).and_then(status);
        let inner = || body.pointer("/error/code").and_then(Value::as_u64).and_then(status);
        said.status =
            number("status").or_else(|| number("code")).or_else(|| number("statusCode")).or_else(inner);
        let masked = |value: &mut Option<String>| {
            if let Some(text) = value {
                *text = secrets.out_of(text);
            }
        };
        [
            &mut said.message,
            &mut said.code,
            &mut said.your_tag,
            &mut said.current_tag,
            &mut said.meant,
            &mut said.by,
        ]
        .into_iter()
        .for_each(masked);
        said.target = said.target.map(|target| secrets.out_of(&shown_url(&target)));
        said
    }

    fn ours(code: Code, body: &Value) -> Self {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let received = body.get("received").and_then(Value::as_object).map(|fields| {
            let sent = fields.iter().find_map(|(name, value)| Some(format!("{name}: {}", value.as_str()?)));
            sent.map(|sent| shortened(&sent))
        });
        let meant = body.get("did_you_mean").and_then(Value::as_object).and_then(|fields| {
            let (name, value) = fields.iter().next()?;
            Some(format!("{name}: {}", value.as_str()?))
        });
        let changed_by = body.pointer("/changed/by/0").and_then(Value::as_str).map(str::to_owned);
        Self {
            meaning: ours(code, text("reason").as_deref()),
            is_ours: true,
            code: Some(code.name().to_owned()),
            message: text("detail").map(|detail| shortened(&detail)),
            received,
            your_tag: text("your_etag"),
            current_tag: text("current_etag"),
            meant,
            self_conflict: body.get("self_conflict").and_then(Value::as_bool),
            by: changed_by,
            method: text("method"),
            target: text("target"),
            status: None,
        }
    }

    /// Problem details of others, OData and Graph, Kubernetes, and whatever has a message somewhere.
    fn foreign(body: &Value) -> Self {
        const MESSAGES: [&str; 8] = [
            "/error/message",
            "/error/message/value",
            "/odata.error/message/value",
            "/detail",
            "/message",
            "/error_description",
            "/reason",
            "/title",
        ];
        const CODES: [&str; 9] = [
            "/error/code",
            "/odata.error/code",
            "/error/errors/0/reason",
            "/error/status",
            "/error/type",
            "/code",
            "/reason",
            "/error",
            "/sys/id",
        ];
        let at = |path: &&str| body.pointer(path).and_then(Value::as_str);
        let message = MESSAGES.iter().find_map(at);
        let code = CODES.iter().find_map(at);
        let all = MESSAGES.iter().chain(&CODES).filter_map(at).collect::<Vec<_>>().join(" ");
        Self {
            meaning: meaning(&all),
            code: code.map(shortened),
            message: message.map(shortened),
            ..Self::default()
        }
    }

    fn of_text(text: &str, secrets: &Secrets) -> Self {
        // Pages of HTML say nothing that is not in the status, but around their title.
        let plain = without_markup(text);
        let message = shortened(&secrets.out_of(&plain));
        let has_message = !message.is_empty() && plain.len() < 2000;
        Self { meaning: meaning(&plain), message: has_message.then_some(message), ..Self::default() }
    }
}

fn status(number: u64) -> Option<u16> {
    u16::try_from(number).ok().filter(|status| (100..600).contains(status))
}

fn ours(code: Code, reason: Option<&str>) -> Option<Meaning> {
    match (code, reason) {
        (Code::PreconditionRequired, _) => Some(Meaning::Missing),
        (Code::OverwriteNotAllowed, _) => Some(Meaning::Star),
        (Code::NotAVersion, _) => Some(Meaning::NotAVersion),
        (Code::MalformedValidator, _) => Some(Meaning::Malformed),
        (Code::StaleVersion, Some("gone")) => Some(Meaning::Gone),
        (Code::StaleVersion, Some("weak_validator")) => Some(Meaning::Weak),
        (Code::StaleVersion, Some("wrong_resource")) => Some(Meaning::WrongResource),
        (Code::StaleVersion, _) => Some(Meaning::Stale),
        (Code::AlreadyExists, _) => Some(Meaning::Exists),
        (Code::IdempotencyKeyReused | Code::IdempotencyKeyForeign, _) => Some(Meaning::KeyReused),
        (Code::OutcomeUnknown, _) => Some(Meaning::Unknown),
        _ => None,
    }
}

/// What others mean, read out of their words. Only what leaves no doubt counts.
pub(super) fn meaning(words: &str) -> Option<Meaning> {
    let words = words.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let of_condition =
        has(&["if-match", "if_match", "ifmatch", "etag", "e-tag", "precondition", "conditional header"]);
    if has(&["idempotency", "idempotent"])
        && has(&["different", "reused", "already used", "same parameters", "mismatch", "another request"])
    {
        return Some(Meaning::KeyReused);
    }
    if of_condition
        && has(&[
            "must be specified",
            "required",
            "missing",
            "must be present",
            "not provided",
            "must include",
        ])
    {
        return Some(Meaning::Missing);
    }
    if of_condition
        && has(&[
            "invalid value",
            "not valid",
            "malformed",
            "invalid etag",
            "could not be parsed",
            "bad format",
        ])
    {
        return Some(Meaning::Malformed);
    }
    const STALE: [&str; 18] = [
        // Dataverse's ConcurrencyVersionMismatch.
        "0x80060882",
        "object has been modified",
        "conditionnotmet",
        "preconditionfailed",
        "precondition failed",
        "failed precondition",
        "updateconditionnotsatisfied",
        "etag mismatch",
        "etagmismatch",
        "etag does not match",
        "etag value does not match",
        "resource has changed",
        "versionmismatch",
        "version_conflict",
        "version conflict",
        "document update conflict",
        "concurrent modification",
        "has been modified since",
    ];
    has(&STALE).then_some(Meaning::Stale)
}

fn shortened(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain: String = one_line.chars().filter(|c| !c.is_control()).collect();
    match plain.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((cut, _)) => format!("{}...", &plain[..cut]),
        None => plain,
    }
}

fn without_markup(text: &str) -> String {
    let mut plain = String::new();
    let mut is_tag = false;
    for character in text.chars() {
        match character {
            '<' => is_tag = true,
            '>' if is_tag => {
                is_tag = false;
                plain.push(' ');
            }
            _ if !is_tag => plain.push(character),
            _ => {}
        }
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Said {
        Said::read(body.as_bytes(), &Secrets::default())
    }

    #[test]
    fn bodies_of_others_are_understood() {
        use Meaning::*;
        for (body, meaning) in [
            (
                r#"{"error":{"code":"","message":"The If-Match header must be specified for this type of request."}}"#,
                Some(Missing),
            ),
            (
                r#"{"error":{"code":"badRequest","message":"The If-Match header contains an invalid value."}}"#,
                Some(Malformed),
            ),
            (
                r#"{"kind":"Status","status":"Failure","message":"Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply your changes to the latest version and try again","reason":"Conflict","code":409}"#,
                Some(Stale),
            ),
            (
                r#"{"odata.error":{"code":"UpdateConditionNotSatisfied","message":{"lang":"en-US","value":"The update condition specified in the request was not satisfied."}}}"#,
                Some(Stale),
            ),
            (r#"{"sys":{"type":"Error","id":"VersionMismatch"},"message":"","details":{}}"#, Some(Stale)),
            (r#"{"error":{"code":412,"errors":[{"reason":"conditionNotMet"}]}}"#, Some(Stale)),
            (r#"{"error":{"code":"0x80060882","message":"The version of the record differs"}}"#, Some(Stale)),
            (r#"{"error":"Name already taken"}"#, None),
            (
                r#"{"error":{"type":"idempotency_error","message":"Keys for idempotent requests can only be used with the same parameters they were first used with."}}"#,
                Some(KeyReused),
            ),
            (r#"{"type":"about:blank","title":"Precondition Failed","status":412}"#, Some(Stale)),
            ("<html><head><title>412 Precondition Failed</title></head></html>", Some(Stale)),
            (r#"{"message":"name is required"}"#, None),
            ("{", None),
            ("", None),
        ] {
            assert_eq!(read(body).meaning, meaning, "{body}");
        }
        assert_eq!(read(r#"{"kind":"Status","code":409}"#).status, Some(409));
    }

    #[test]
    fn our_bodies_are_read_whole() {
        let said = read(
            r#"{"type":"/.well-known/ifmatch/problems/malformed-validator","status":400,"code":"malformed_validator",
            "detail":"d","applied":false,"method":"PUT","target":"/a?token=s","received":{"If-Match":"7"},
            "did_you_mean":{"If-Match":"\"7\""}}"#,
        );
        assert_eq!(said.meaning, Some(Meaning::Malformed));
        assert_eq!(said.received, Some(Some("If-Match: 7".to_owned())));
        assert_eq!(said.meant.as_deref(), Some("If-Match: \"7\""));
        assert_eq!(said.target.as_deref(), Some("/a?token=***"));
        let said = read(
            r#"{"code":"stale_version","reason":"gone","applied":false,"your_etag":"\"7\"","received":null}"#,
        );
        assert_eq!((said.meaning, said.received), (Some(Meaning::Gone), None));
    }
}
