//! What must not be shown: credentials in fields, in URLs and in text.

use http::{HeaderName, HeaderValue};
use reqwest::Url;

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// Fields that carry credentials, whatever they are called elsewhere.
const FIELDS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Parts of names, of fields and of query parameters, that mean a credential.
const PARTS: [&str; 10] =
    ["token", "secret", "passw", "api-key", "api_key", "apikey", "credential", "session", "signature", "jwt"];

/// Whole names of query parameters that mean a credential.
const PARAMETERS: [&str; 11] =
    ["key", "sig", "sas", "auth", "authorization", "code", "access", "pwd", "pass", "sid", "otp"];

/// Of these, those that are words of ordinary text as well.
const WORDS: [&str; 4] = ["key", "code", "access", "pass"];

/// Schemes of Authorization, and what may stand behind them in a sentence without being a credential.
const SCHEMES: [&str; 2] = ["bearer", "basic"];
const NO_CREDENTIALS: [&str; 8] =
    ["token", "tokens", "auth", "authentication", "authorization", "realm", "scheme", "credentials"];

/// A value behind a word of ordinary text has to be that long, and to have a digit, in bytes.
const TELLING_BYTES_MIN: usize = 8;

/// How often text may be percent-encoded in itself.
const ENCODED_MAX: usize = 3;

/// Whether the value of a field is a secret. `name` may be in any case.
pub fn is_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // What CORS says about credentials is none.
    if name.starts_with("access-control-") {
        return false;
    }
    FIELDS.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part)) || name.ends_with("-auth")
}

/// Whether the value of a query parameter is a secret.
pub fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PARAMETERS.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part))
}

/// The value of a field as it may be shown. The scheme of Authorization stays, since it helps and tells nothing.
pub fn field(name: &HeaderName, value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    field_text(name.as_str(), &text)
}

/// [`field`], of text that was not sent by us.
pub fn field_text(name: &str, value: &str) -> String {
    if !is_secret_field(name) {
        return value.to_owned();
    }
    let is_authorization = name.to_ascii_lowercase().ends_with("authorization");
    match value.split_once(' ') {
        Some((scheme, _)) if is_authorization => format!("{scheme} {MASK}"),
        _ => MASK.to_owned(),
    }
}

/// A URL as it may be shown: without a password, and without the values of secret parameters.
pub fn url(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Both fail for URLs that cannot have credentials, which then have none to hide.
        let _ = shown.set_password(Some(MASK));
    }
    let path = text(url.path());
    if path != url.path() {
        shown.set_path(&path);
    }
    if let Some(fragment) = url.fragment() {
        shown.set_fragment(Some(&text(fragment)));
    }
    if let Some(query) = url.query() {
        let masked = shown_query(query);
        if masked != query {
            shown.set_query(Some(&masked));
        }
    }
    shown.to_string()
}

fn shown_query(query: &str) -> String {
    query.split('&').map(parameter).collect::<Vec<_>>().join("&")
}

/// [`text`] that may repeat the URL it is about, as refusals do: of its query nothing is shown that [`url`] does not show.
pub fn text_about(asked: &Url, said: &str) -> String {
    match asked.query().filter(|query| !query.is_empty()) {
        Some(query) => text(&said.replace(query, &shown_query(query))),
        None => text(said),
    }
}

/// One parameter of a query. What carries another URL with a secret in it is masked whole.
fn parameter(part: &str) -> String {
    match part.split_once('=') {
        Some((name, _)) if is_secret_parameter(&decoded(name)) => format!("{name}={MASK}"),
        Some((name, value)) if text(value) != value => format!("{name}={MASK}"),
        _ => part.to_owned(),
    }
}

/// What a word has to be to be masked, as what stands before it tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Anything,
    /// A credential for sure.
    Secret,
    /// A credential if it looks like one.
    PerhapsSecret,
    /// What stands behind `Bearer`.
    Credentials,
}

/// Text as it may be shown: values behind names that mean a credential, what stands behind `Bearer` and `Basic`, and JSON
/// Web Tokens are masked.
pub fn text(text: &str) -> String {
    masked_text(text, ENCODED_MAX)
}

fn masked_text(text: &str, encoded_max: usize) -> String {
    let is_part = |c: char| c.is_alphanumeric() || "_-.~+/%".contains(c);
    let (mut shown, mut rest, mut expected) = (String::with_capacity(text.len()), text, Expected::Anything);
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        let (between, next) = behind.split_at(behind.find(is_part).unwrap_or(behind.len()));
        shown.push_str(&masked_word(word, expected, encoded_max));
        // Between the name and the password of a URL there is but a colon.
        let is_password = shown_password(word, between, next);
        expected = if is_password { Expected::Secret } else { announced(word, between) };
        shown.push_str(between);
        rest = next;
    }
    shown
}

/// Whether what comes next is the password of a URL: `name:password@`.
fn shown_password(name: &str, between: &str, next: &str) -> bool {
    let word = next.split([':', '@', '/', ' ', '?', '#', '"']).next().unwrap_or_default();
    between == ":" && !name.is_empty() && !word.is_empty() && next[word.len()..].starts_with('@')
}

/// What a word, and what stands behind it, say about the next one.
fn announced(word: &str, between: &str) -> Expected {
    let name = word.rsplit(['/', '.']).next().unwrap_or_default().to_ascii_lowercase();
    let sign = between.replace(['"', '\'', ' ', '\\'], "");
    let is_part = PARTS.iter().any(|part| name.contains(part));
    match sign.as_str() {
        "=" if WORDS.contains(&name.as_str()) => Expected::PerhapsSecret,
        "=" if is_secret_parameter(&name) => Expected::Secret,
        ":" if is_part => Expected::PerhapsSecret,
        "" if SCHEMES.contains(&name.as_str()) && between.contains(' ') => Expected::Credentials,
        _ => Expected::Anything,
    }
}

fn masked_word(word: &str, expected: Expected, encoded_max: usize) -> String {
    let is_telling = word.len() >= TELLING_BYTES_MIN && word.bytes().any(|byte| byte.is_ascii_digit());
    let is_secret = match expected {
        Expected::Secret => true,
        Expected::PerhapsSecret => is_telling,
        Expected::Credentials => !NO_CREDENTIALS.contains(&word.to_ascii_lowercase().as_str()),
        Expected::Anything => false,
    };
    if is_secret && !word.is_empty() {
        return MASK.to_owned();
    }
    if word.contains('%') && encoded_max > 0 {
        let plain = decoded(word);
        if plain != word && masked_text(&plain, encoded_max - 1) != plain {
            return MASK.to_owned();
        }
    }
    if word.contains("eyJ") {
        let parts = word.split('/').map(|part| if is_web_token(part) { MASK } else { part });
        return parts.collect::<Vec<_>>().join("/");
    }
    word.to_owned()
}

/// A JSON Web Token begins with an object in Base64.
fn is_web_token(word: &str) -> bool {
    word.starts_with("eyJ") && word.contains('.') && word.len() > TELLING_BYTES_MIN
}

/// Without percent-encoding; octets that are no UTF-8 are replaced.
fn decoded(text: &str) -> String {
    let (mut plain, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        let octet = behind
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|digits| u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok());
        plain.push(octet.unwrap_or(byte));
        rest = if octet.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        for (name, value, shown) in [
            ("Authorization", "Bearer abc", "Bearer ***"),
            ("authorization", "abc", "***"),
            ("Proxy-Authorization", "Basic abc", "Basic ***"),
            ("Cookie", "a=b", "***"),
            ("Set-Cookie", "a=b; Path=/", "***"),
            ("X-Api-Key", "abc", "***"),
            ("X-CSRF-Token", "abc", "***"),
            ("X-Session-Id", "abc", "***"),
            ("ETag", "\"7\"", "\"7\""),
            ("If-Match", "\"7\"", "\"7\""),
            ("Access-Control-Allow-Credentials", "true", "true"),
        ] {
            assert_eq!(field_text(name, value), shown, "{name}");
        }
    }

    #[test]
    fn credentials_in_urls_are_not_shown() {
        for (given, shown) in [
            ("http://a/b?x=1&access_token=s&y", "http://a/b?x=1&access_token=***&y"),
            ("http://u:p@a/", "http://u:***@a/"),
            ("https://a/b?key=1", "https://a/b?key=***"),
            ("http://a/b?page=%20", "http://a/b?page=%20"),
            ("http://a/b?sas=1&Authorization=x", "http://a/b?sas=***&Authorization=***"),
            ("http://a/b?%74oken=s", "http://a/b?%74oken=***"),
            ("http://a/b;jsessionid=0A1?x=1", "http://a/b;jsessionid=***?x=1"),
            ("http://a/?redirect=https%3A%2F%2Fy%2F%3Ftoken%3Ds", "http://a/?redirect=***"),
            (
                "http://a/?redirect=https%3A%2F%2Fy%2F%3Fpage%3D2",
                "http://a/?redirect=https%3A%2F%2Fy%2F%3Fpage%3D2",
            ),
            ("http://a/v/eyJhbGciOi.eyJzdWIi.c2ln/x", "http://a/v/***/x"),
            ("http://a/%7Eme/a%20b", "http://a/%7Eme/a%20b"),
        ] {
            assert_eq!(url(&Url::parse(given).unwrap()), shown);
        }
    }

    #[test]
    fn what_repeats_a_url_shows_no_more_than_the_url_does() {
        let asked = Url::parse("http://a/b?id=1&key=s!cret&sig=x").unwrap();
        let said = "PUT /b?id=1&key=s!cret&sig=x needs one";
        assert_eq!(text_about(&asked, said), "PUT /b?id=1&key=***&sig=*** needs one");
        assert_eq!(text_about(&Url::parse("http://a/b?").unwrap(), said), text(said));
    }

    #[test]
    fn credentials_in_text_are_not_shown() {
        for (given, shown) in [
            ("no access for token=abc, sorry", "no access for token=***, sorry"),
            ("Bearer S3CR is stale", "Bearer *** is stale"),
            ("Bearer token required", "Bearer token required"),
            ("{\"api_key\": \"abcdefg1\"}", "{\"api_key\": \"***\"}"),
            ("got eyJhbGciOi.eyJzdWIi.c2ln", "got ***"),
            ("ht!tp://u:S3CR@/x?token=1", "ht!tp://u:***@/x?token=***"),
            ("If-Match: \"7\"; code=409, key=name", "If-Match: \"7\"; code=409, key=name"),
            ("token=*** and Bearer ***", "token=*** and Bearer ***"),
        ] {
            assert_eq!(text(given), shown);
        }
    }
}
