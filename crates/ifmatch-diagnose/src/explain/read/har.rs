//! HTTP archives (HAR 1.2), as Chrome, Firefox, Safari, proxies and test tools save them. Their dialects differ; only
//! `log.entries` has to be there.

use super::super::evidence::{Answer, Content, Exchange, Got, tags_in};
use super::super::fields::{Fields, Secrets, key, shown_url};
use super::super::moment::Moment;
use super::super::said::Said;
use super::{ENTRIES_MAX, Unreadable, agent};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use ifmatch_client::wire::Url;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;

/// Reads an archive. Entries become exchanges one by one, so that their bodies are not all held at once.
pub(super) fn read(text: &[u8], secrets: &mut Secrets) -> Result<(Vec<Exchange>, Vec<String>), Unreadable> {
    let mut exchanges = Vec::new();
    let mut document = serde_json::Deserializer::from_slice(text);
    let seen = Level::Top.read(&mut document, &mut exchanges, secrets);
    let has_entries = seen.and_then(|has| document.end().map(|()| has)).map_err(|error| broken(&error))?;
    if !has_entries {
        return Err(Unreadable::new(
            "this JSON has no log.entries, so it is no HAR file; export one with \"Save all as HAR\" in the network \
             panel of a browser's developer tools",
        ));
    }
    // Chrome writes entries in the order they ended; what counts is the order in which they were sent.
    if exchanges.iter().all(|exchange| exchange.at.is_some()) {
        exchanges.sort_by_key(|exchange| exchange.at.as_ref().map(|at| at.unix_ms));
    }
    let mut remarks = Vec::new();
    let nameless = exchanges.iter().filter(|x| x.is_write() && x.sent.is_none()).count();
    if nameless > 0 {
        remarks.push(format!(
            "{nameless} of the writes came without request fields, so nobody can tell which condition they had; export \
             with fields (Chrome: \"Save all as HAR (with sensitive data)\" is not needed, cookies are)"
        ));
    }
    Ok((exchanges, remarks))
}

fn broken(error: &serde_json::Error) -> Unreadable {
    let advice = if error.is_eof() {
        "the file ends too early: it was cut while it was saved or sent; save it again"
    } else {
        "it is no valid JSON; save the HAR again, and do not edit it by hand"
    };
    Unreadable::new(format!("{}\n  {advice}", super::placed(error)))
}

/// The objects on the way to the entries.
#[derive(Clone, Copy)]
enum Level {
    Top,
    Log,
}

impl Level {
    /// Whether there were entries.
    fn read<'de, D: Deserializer<'de>>(
        self,
        from: D,
        into: &mut Vec<Exchange>,
        secrets: &mut Secrets,
    ) -> Result<bool, D::Error> {
        from.deserialize_map(Members { level: self, into, secrets })
    }
}

struct Members<'a> {
    level: Level,
    into: &'a mut Vec<Exchange>,
    secrets: &'a mut Secrets,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut has_entries = false;
        while let Some(name) = map.next_key::<String>()? {
            match (self.level, name.as_str()) {
                (Level::Top, "log") => {
                    let inner = Members { level: Level::Log, into: self.into, secrets: self.secrets };
                    has_entries |= map.next_value_seed(inner)?;
                }
                (Level::Log, "entries") => {
                    map.next_value_seed(Entries { into: self.into, secrets: self.secrets })?;
                    has_entries = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(has_entries)
    }
}

struct Entries<'a> {
    into: &'a mut Vec<Exchange>,
    secrets: &'a mut Secrets,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element::<Entry>()? {
            if self.into.len() >= ENTRIES_MAX {
                return Err(A::Error::custom(format!("more than {ENTRIES_MAX} entries; export fewer")));
            }
            let number = self.into.len() + 1;
            self.into.push(entry.exchange(number, self.secrets));
        }
        Ok(())
    }
}

/// One entry. Everything may be missing, and what has the wrong type counts as missing.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    #[serde(rename = "startedDateTime", deserialize_with = "text")]
    started: Option<String>,
    #[serde(deserialize_with = "number")]
    time: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    request: Option<Request>,
    #[serde(deserialize_with = "lenient")]
    response: Option<Response>,
    #[serde(rename = "_fromCache", deserialize_with = "text")]
    from_cache: Option<String>,
    #[serde(rename = "_error", deserialize_with = "text")]
    error: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Request {
    #[serde(deserialize_with = "text")]
    method: Option<String>,
    #[serde(deserialize_with = "text")]
    url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    headers: Option<Vec<Pair>>,
    #[serde(deserialize_with = "lenient")]
    cookies: Option<Vec<Pair>>,
    #[serde(rename = "postData", deserialize_with = "lenient")]
    content: Option<Body>,
    #[serde(rename = "bodySize", deserialize_with = "number")]
    body_bytes: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Response {
    #[serde(deserialize_with = "number")]
    status: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    headers: Option<Vec<Pair>>,
    #[serde(deserialize_with = "lenient")]
    cookies: Option<Vec<Pair>>,
    #[serde(deserialize_with = "lenient")]
    content: Option<Body>,
    #[serde(rename = "_error", alias = "_failureText", deserialize_with = "text")]
    error: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Pair {
    #[serde(deserialize_with = "text")]
    name: Option<String>,
    #[serde(deserialize_with = "text")]
    value: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    #[serde(deserialize_with = "text")]
    text: Option<String>,
    #[serde(deserialize_with = "text")]
    encoding: Option<String>,
}

/// A member that is what it should be, or is missing.
fn lenient<'de, D: Deserializer<'de>, T: de::DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).ok())
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// The longest duration that is believed.
const TOOK_MS_MAX: f64 = 86_400_000.0;

impl Entry {
    fn exchange(self, number: usize, secrets: &mut Secrets) -> Exchange {
        let request = self.request.unwrap_or_default();
        let mut exchange = Exchange::new(number);
        exchange.at = self.started.as_deref().and_then(Moment::parse);
        #[allow(clippy::cast_possible_truncation, reason = "it is held within bounds that fit")]
        let took = self.time.map(|ms| ms.clamp(0.0, TOOK_MS_MAX).round() as i64);
        exchange.took_ms = took;
        if let Some(method) = request.method.filter(|method| !method.is_empty()) {
            exchange.method = shown_method(&method);
        }
        let url = request.url.unwrap_or_default();
        if let Ok(url) = Url::parse(&url) {
            secrets.url(&url);
        }
        (exchange.url, exchange.key) = (shown_url(&url), key(&url));
        cookies(request.cookies, secrets);
        let lines = request.headers.filter(|lines| !lines.is_empty());
        exchange.sent = lines.map(|lines| fields(lines, secrets));
        exchange.agent =
            exchange.sent.as_ref().and_then(|sent| agent(&sent.text("user-agent")?)).or(Some("fetch"));
        exchange.content = request
            .content
            .and_then(Body::bytes)
            .map(|bytes| Content::of(&bytes))
            .or_else(|| (request.body_bytes == Some(0.0)).then(|| Content::of(b"")));
        exchange.from_cache = self.from_cache.is_some();
        exchange.answer = answer(self.response.unwrap_or_default(), self.error, secrets);
        exchange
    }
}

fn answer(response: Response, error: Option<String>, secrets: &mut Secrets) -> Answer {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is held within bounds that fit"
    )]
    let status = response.status.map_or(0, |status| status.clamp(0.0, 999.0) as u16);
    if status < 100 {
        let why = response.error.or(error).filter(|why| !why.is_empty());
        return Answer::Lost(
            why.map_or_else(|| "no answer".to_owned(), |why| why.chars().take(80).collect()),
        );
    }
    cookies(response.cookies, secrets);
    let fields = fields(response.headers.unwrap_or_default(), secrets);
    let bytes = response.content.and_then(Body::bytes);
    let said = match &bytes {
        Some(bytes) if status >= 300 => Said::read(bytes, secrets),
        _ => Said::default(),
    };
    let tags = bytes.as_deref().filter(|_| (200..300).contains(&status)).map(tags_in).unwrap_or_default();
    let content = bytes.filter(|_| status == 200).map(|bytes| Content::of(&bytes));
    Answer::Got(Box::new(Got { status, fields, content, said, tags }))
}

fn fields(lines: Vec<Pair>, secrets: &mut Secrets) -> Fields {
    let mut fields = Fields::default();
    for Pair { name, value } in lines {
        if let (Some(name), Some(value)) = (name, value) {
            fields.line(&name, &value, secrets);
        }
    }
    fields
}

fn cookies(cookies: Option<Vec<Pair>>, secrets: &mut Secrets) {
    cookies.into_iter().flatten().filter_map(|cookie| cookie.value).for_each(|value| secrets.add(&value));
}

/// A method as it may be shown.
fn shown_method(method: &str) -> String {
    method.chars().filter(char::is_ascii_graphic).take(32).collect()
}

impl Body {
    fn bytes(self) -> Option<Vec<u8>> {
        let text = self.text?;
        match self.encoding.as_deref() {
            Some("base64") => STANDARD.decode(text.trim()).ok(),
            _ => Some(text.into_bytes()),
        }
    }
}
