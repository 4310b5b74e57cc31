//! What must not be shown: credentials in fields and in URLs.

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
const PARAMETERS: [&str; 8] = ["key", "sig", "auth", "code", "access", "pwd", "pass", "sid"];

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
    let has_secret = url.query_pairs().any(|(name, _)| is_secret_parameter(&name));
    if has_secret {
        let query = url.query().unwrap_or_default();
        let parts = query.split('&').map(|part| match part.split_once('=') {
            Some((name, _)) if is_secret_parameter(name) => format!("{name}={MASK}"),
            _ => part.to_owned(),
        });
        let masked = parts.collect::<Vec<_>>().join("&");
        shown.set_query(Some(&masked));
    }
    shown.to_string()
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
        ] {
            assert_eq!(url(&Url::parse(given).unwrap()), shown);
        }
    }
}
