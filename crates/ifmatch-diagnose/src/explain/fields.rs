//! Fields that a diagnosis needs. All others are dropped on reading, credentials above all.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use ifmatch_client::secret;
use ifmatch_client::wire::Url;

/// The names that are kept. Nothing that carries a credential may be here.
const KEPT: [&str; 33] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-request-headers",
    "access-control-request-method",
    "age",
    "cache-control",
    "cf-cache-status",
    "content-encoding",
    "content-location",
    "content-type",
    "date",
    "destination",
    "etag",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "last-modified",
    "location",
    "origin",
    "referer",
    "retry-after",
    "sec-fetch-mode",
    "sec-fetch-site",
    "server",
    "user-agent",
    "vary",
    "via",
    "x-cache",
];

/// The longest value that is kept, in bytes. Of a longer one the beginning is kept; no entity-tag is that long.
const VALUE_BYTES_MAX: usize = 4096;

/// How many lines are kept of one header section.
const LINES_MAX: usize = 64;

/// Some fields of a header section.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Fields(HeaderMap);

impl Fields {
    /// Keeps a line if a diagnosis needs it; what is a secret goes into `secrets`, so that it is found elsewhere too.
    /// Pseudo-fields of HTTP/2 and lines that are no field are passed over.
    pub(super) fn line(&mut self, name: &str, value: &str, secrets: &mut Secrets) {
        let name = name.trim().to_ascii_lowercase();
        secrets.field(&name, value);
        if !KEPT.contains(&name.as_str()) || self.0.len() >= LINES_MAX {
            return;
        }
        // Recorders join the lines of a field by line feeds.
        for line in value.split('\n').take(LINES_MAX) {
            let line = line.trim_matches([' ', '\t', '\r']);
            let cut = line.floor_char_boundary(VALUE_BYTES_MAX.min(line.len()));
            let line = match name.as_str() {
                // A page's address may hold anything.
                "referer" => origin(line).unwrap_or_default(),
                "location" | "content-location" | "destination" => shown_url(line),
                _ => line[..cut].to_owned(),
            };
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .ok()
                .zip(HeaderValue::from_bytes(line.as_bytes()).ok());
            if let Some((name, value)) = parsed {
                self.0.append(name, value);
            }
        }
    }

    /// As text, lines joined by a comma.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let mut lines =
            self.0.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let first = lines.next()?.into_owned();
        Some(lines.fold(first, |all, line| format!("{all}, {line}")))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn map(&self) -> &HeaderMap {
        &self.0
    }

    /// Puts a field in place of what was there.
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.0.insert(HeaderName::from_static(name), value);
        }
    }

    /// Whether a list of tokens names one, or all by a star.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        let list = self.text(name).unwrap_or_default();
        list.split(',').map(str::trim).any(|member| member.eq_ignore_ascii_case(token))
    }
}

/// Credentials that were met while reading, so that they are masked wherever else they appear.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Secrets(Vec<String>);

/// Does not tell them.
impl core::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// How many are remembered; beyond that the oldest are kept, since they come again.
const SECRETS_MAX: usize = 512;

/// Shorter ones are not looked for: they are part of everything.
const SECRET_BYTES_MIN: usize = 6;

impl Secrets {
    /// Remembers the value of a field if it is a credential.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        if !secret::is_secret_field(name) {
            return;
        }
        let is_authorization = name.ends_with("authorization");
        let value = match value.trim().split_once(' ') {
            Some((_, credentials)) if is_authorization => credentials,
            _ => value.trim(),
        };
        self.add(value);
        if name.ends_with("cookie") {
            let pairs = value.split([';', '\n']);
            pairs.filter_map(|pair| pair.split_once('=')).for_each(|(_, value)| self.add(value));
        }
    }

    /// Remembers what is secret in a URL.
    pub(super) fn url(&mut self, url: &Url) {
        self.add(url.password().unwrap_or_default());
        for (name, value) in url.query_pairs() {
            if secret::is_secret_parameter(&name) {
                self.add(&value);
            }
        }
        let raw = url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        raw.filter(|(name, _)| secret::is_secret_parameter(name)).for_each(|(_, value)| self.add(value));
    }

    pub(super) fn add(&mut self, value: &str) {
        let value = value.trim().trim_matches('"');
        let is_new = value.len() >= SECRET_BYTES_MIN && !self.0.iter().any(|known| known == value);
        if is_new && self.0.len() < SECRETS_MAX {
            self.0.push(value.to_owned());
        }
    }

    /// A text without them.
    pub(super) fn out_of(&self, text: &str) -> String {
        let hit = self.0.iter().any(|secret| text.contains(secret.as_str()));
        if !hit {
            return text.to_owned();
        }
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), secret::MASK))
    }
}

/// Scheme, host and port.
pub(super) fn origin(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let origin = url.origin().ascii_serialization();
    (origin != "null").then_some(origin)
}

/// A URL or a path as it may be shown.
pub(super) fn shown_url(text: &str) -> String {
    let base = || Url::parse("http://relative.invalid/").ok();
    match Url::parse(text) {
        Ok(mut url) => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_fragment(None);
            secret::url(&url)
        }
        Err(_) => match base().and_then(|base| base.join(text).ok()) {
            Some(mut url) => {
                url.set_fragment(None);
                let shown = secret::url(&url);
                let shown = shown.strip_prefix("http://relative.invalid").unwrap_or(&shown);
                // What is no URL may hold a password all the same.
                secret::text(shown)
            }
            None => String::new(),
        },
    }
}

/// What names a resource: scheme, host and port as they are compared, path and query as they are, no fragment, no
/// credentials. The order of the query stays, since it may matter.
pub(super) fn key(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_fragment(None);
            url.to_string()
        }
        Err(_) => text.split('#').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_that_is_kept_carries_a_credential() {
        for name in KEPT {
            assert!(!secret::is_secret_field(name) || name == "idempotency-key", "{name}");
        }
    }

    #[test]
    fn credentials_are_dropped_and_found_elsewhere() {
        let (mut fields, mut secrets) = (Fields::default(), Secrets::default());
        fields.line("Authorization", "Bearer abcdefgh", &mut secrets);
        fields.line("cookie", "sid=0123456789; theme=dark-blue", &mut secrets);
        fields.line(":authority", "a", &mut secrets);
        fields.line("IF-MATCH", "\"7\"", &mut secrets);
        fields.line("referer", "https://u:pw@app.test/reset/abc?token=def", &mut secrets);
        assert_eq!(fields.text("if-match").unwrap(), "\"7\"");
        assert_eq!(fields.text("referer").unwrap(), "https://app.test");
        assert_eq!(fields.0.len(), 2);
        secrets.url(&Url::parse("http://u:hunter22@h/?access_token=x%20yzzzz").unwrap());
        let masked = secrets.out_of("abcdefgh 0123456789 x%20yzzzz hunter22 dark-blue sid");
        assert_eq!(masked, "*** *** *** *** *** sid");
    }

    #[test]
    fn resources_are_named_without_what_does_not_matter() {
        assert_eq!(key("HTTPS://u:p@Api.Test:443/a/../b?y=1&x=2#f"), "https://api.test/b?y=1&x=2");
        assert_eq!(key("/a?b#c"), "/a?b");
        assert_eq!(shown_url("https://u:p@api.test/a?token=s#f"), "https://api.test/a?token=***");
        assert_eq!(shown_url("/a?token=s"), "/a?token=***");
    }
}
