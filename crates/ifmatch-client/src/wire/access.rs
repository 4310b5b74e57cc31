//! How an API is reached.

use super::Http;
use crate::secret;
use ::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::time::Duration;
use reqwest::{Certificate, Url, redirect, retry};

/// What a request is called that does not say who it is from.
const USER_AGENT: &str = concat!("ifmatch/", env!("CARGO_PKG_VERSION"));

/// What is longer is no name of a field, but may be a token.
const NAME_BYTES_MAX: usize = 40;

/// Which version of HTTP is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HttpVersion {
    /// What is agreed on in TLS; without TLS, HTTP/1.1.
    #[default]
    Negotiated,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS too (prior knowledge).
    Http2,
}

/// How much is waited for, and taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Until a connection stands, TLS included. 10 s.
    pub connect: Duration,
    /// From the first byte of a request to the last of its answer. 30 s.
    pub answer: Duration,
    /// Content of an answer, in bytes; a longer one is an error. 64 MiB.
    pub content_bytes_max: usize,
    /// Redirects that one request follows; the next is an error. 10.
    pub redirects_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            content_bytes_max: 64 << 20,
            redirects_max: 10,
        }
    }
}

/// How an API is reached: whom it is told that one is, whom one believes it to be, and how long one waits.
#[derive(Clone, Default)]
pub struct Access {
    /// Field lines for each request. Credentials among them go to the origin of the request only, not to where it is
    /// redirected.
    pub headers: HeaderMap,
    /// Certificates that are believed beside those that the system believes.
    pub roots: Vec<Certificate>,
    /// Believe any certificate.
    pub insecure: bool,
    /// Which version of HTTP.
    pub version: HttpVersion,
    /// A proxy for all requests. The environment's (`http_proxy`) is not looked at.
    pub proxy: Option<Url>,
    /// How much is waited for, and taken.
    pub limits: Limits,
}

/// Why an [`Access`] cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A field line that is none. It may be a secret, so only what it begins with is said, if that looks like a name.
    #[error("{0} is not a field; one looks like 'X-Client: web'. Nothing was sent.")]
    Field(String),
    /// A file without certificates.
    #[error(
        "no certificate was found in PEM form, which begins with -----BEGIN CERTIFICATE-----. Nothing was sent."
    )]
    Certificate,
    /// What the TLS library or the proxy's address is about.
    #[error("the client cannot be set up: {0}. Nothing was sent.")]
    Setup(#[source] reqwest::Error),
}

impl Access {
    /// Adds a field line as it would be typed, `Name: value`; `Name;` is one with an empty value.
    ///
    /// # Errors
    /// If it is no field line.
    pub fn field(&mut self, line: &str) -> Result<(), AccessError> {
        let malformed = || AccessError::Field(described(line));
        let empty = || line.strip_suffix(';').map(|name| (name, ""));
        let (name, value) = line.split_once(':').or_else(empty).ok_or_else(malformed)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| malformed())?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| malformed())?;
        value.set_sensitive(secret::is_secret_field(name.as_str()));
        self.headers.append(name, value);
        Ok(())
    }

    /// Basic credentials (RFC 7617), `user:password`.
    ///
    /// # Errors
    /// Never for text; the type is that of the other credentials.
    pub fn basic(&mut self, credentials: &str) -> Result<(), AccessError> {
        self.authorization(&format!("Basic {}", STANDARD.encode(credentials)))
    }

    /// A bearer token (RFC 6750).
    ///
    /// # Errors
    /// If the token has characters that no field may have.
    pub fn bearer(&mut self, token: &str) -> Result<(), AccessError> {
        self.authorization(&format!("Bearer {token}"))
    }

    fn authorization(&mut self, value: &str) -> Result<(), AccessError> {
        // What is wrong is not said, since it is a secret.
        let wrong = |_| AccessError::Field(format!("Authorization: {}", secret::MASK));
        let mut value = HeaderValue::from_str(value).map_err(wrong)?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// Believes the certificates of a PEM file too.
    ///
    /// # Errors
    /// If there is none in it.
    pub fn root(&mut self, pem: &[u8]) -> Result<(), AccessError> {
        let found = Certificate::from_pem_bundle(pem).map_err(|_| AccessError::Certificate)?;
        if found.is_empty() {
            return Err(AccessError::Certificate);
        }
        self.roots.extend(found);
        Ok(())
    }

    /// A client with connections of its own: whoever asks for two has two that share nothing.
    ///
    /// # Errors
    /// If the proxy's address is none, or TLS cannot be set up.
    pub fn connect(&self) -> Result<Http, AccessError> {
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .user_agent(USER_AGENT)
            .connect_timeout(self.limits.connect)
            .timeout(self.limits.answer)
            .tls_certs_merge(self.roots.iter().cloned())
            .tls_danger_accept_invalid_certs(self.insecure);
        builder = match self.version {
            HttpVersion::Negotiated => builder,
            HttpVersion::Http1 => builder.http1_only(),
            HttpVersion::Http2 => builder.http2_prior_knowledge(),
        };
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(AccessError::Setup)?);
        }
        let client = builder.build().map_err(AccessError::Setup)?;
        Ok(Http::new(client, self.headers.clone(), self.limits))
    }
}

/// A line that is no field: the word that looks like a name, and how long it is.
fn described(line: &str) -> String {
    let count = line.chars().count();
    let is_name = |word: &&str| {
        !word.is_empty()
            && word.len() <= NAME_BYTES_MAX
            && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    };
    match line.split([' ', '\t', ':', '=']).next().filter(is_name) {
        Some(word) if word.len() < line.len() => {
            format!("a line of {count} characters that begins with {word:?}")
        }
        _ => format!("a line of {count} characters"),
    }
}

/// Without credentials.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.headers.iter().map(|(name, value)| (name, secret::field(name, value)));
        f.debug_struct("Access")
            .field("headers", &fields.collect::<Vec<_>>())
            .field("insecure", &self.insecure)
            .field("version", &self.version)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_lines() {
        let mut access = Access::default();
        for line in ["X-Client: web", "x-client:cli", "X-Empty;", "Authorization: Bearer abc"] {
            access.field(line).unwrap();
        }
        assert_eq!(access.headers.get_all("x-client").iter().count(), 2);
        assert_eq!(access.headers["x-empty"], "");
        assert!(access.headers[AUTHORIZATION].is_sensitive());
        assert!(!format!("{access:?}").contains("abc"));
        for line in ["", "X-Client", "X Client: a", ": a", "X: a\nb"] {
            assert!(access.field(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_no_field_is_not_repeated() {
        let mut access = Access::default();
        for (line, said) in [
            ("X-Token S3CR", "a line of 12 characters that begins with \"X-Token\" is not a field;"),
            ("S3CR", "a line of 4 characters is not a field;"),
            ("Authorization: S3CR\n", "begins with \"Authorization\""),
            ("X Y: S3CR", "begins with \"X\""),
        ] {
            let error = access.field(line).map(|()| String::new()).unwrap_or_else(|error| error.to_string());
            assert!(error.is_empty() || (error.contains(said) && !error.contains("S3CR")), "{line}: {error}");
        }
        assert!(access.field("X-Token S3CR").is_err());
    }

    #[test]
    fn credentials() {
        let mut access = Access::default();
        access.basic("Aladdin:open sesame").unwrap();
        assert_eq!(access.headers[AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        access.bearer("t").unwrap();
        assert_eq!(access.headers[AUTHORIZATION], "Bearer t");
        let error = access.bearer("t\n").unwrap_err().to_string();
        assert!(!error.contains('t') || error.contains("***"), "{error}");
    }

    #[test]
    fn certificates() {
        let mut access = Access::default();
        assert!(access.root(b"nothing").is_err());
        assert!(access.root(b"").is_err());
    }
}
