//! Flags of the commands that talk to an API.

use clap::{ArgGroup, Args};
use ifmatch_client::secret;
use ifmatch_client::wire::{Access, HttpVersion, Url};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// How the API is reached.
#[derive(Args, Debug)]
#[command(next_help_heading = "How the API is reached")]
#[command(group = ArgGroup::new("http-version").args(["http1", "http2"]))]
#[command(group = ArgGroup::new("credentials").args(["user", "bearer"]))]
pub(crate) struct AccessFlags {
    /// A field for each request, as 'X-Client: web'; @FILE reads lines of them
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// Basic credentials
    #[arg(short = 'u', long, value_name = "USER:PASSWORD")]
    user: Option<String>,
    /// A bearer token
    #[arg(long, env = "IFMATCH_BEARER", value_name = "TOKEN", hide_env_values = true)]
    bearer: Option<String>,
    /// Believe the certificates in this PEM file too
    #[arg(long, env = "IFMATCH_CACERT", value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Believe any certificate
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Speak HTTP/1.1
    #[arg(long = "http1.1", id = "http1")]
    http1: bool,
    /// Speak HTTP/2, without TLS too
    #[arg(long)]
    http2: bool,
    /// Send everything through this proxy; the environment's is not looked at
    #[arg(short = 'x', long, value_name = "URL", value_parser = url)]
    proxy: Option<Url>,
    /// How long to wait for a connection, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    connect_timeout: Duration,
    /// How long to wait for each answer, in seconds
    #[arg(short = 'm', long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    max_time: Duration,
    /// Show credentials where they would be masked
    #[arg(long)]
    pub(crate) show_secrets: bool,
}

impl AccessFlags {
    /// What they say.
    pub(crate) fn access(&self) -> Result<Access, String> {
        let mut access = Access { insecure: self.insecure, proxy: self.proxy.clone(), ..Access::default() };
        access.limits.connect = self.connect_timeout;
        access.limits.answer = self.max_time;
        access.version = match (self.http1, self.http2) {
            (true, _) => HttpVersion::Http1,
            (_, true) => HttpVersion::Http2,
            _ => HttpVersion::Negotiated,
        };
        for header in &self.headers {
            match header.strip_prefix('@') {
                None => access.field(header).map_err(|error| error.to_string())?,
                Some(file) => {
                    let lines = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
                    let lines = lines.lines().filter(|line| !line.trim().is_empty());
                    for line in lines {
                        access.field(line).map_err(|error| format!("{file}: {error}"))?;
                    }
                }
            }
        }
        if let Some(user) = &self.user {
            access.basic(user).map_err(|error| error.to_string())?;
        }
        if let Some(token) = &self.bearer {
            access.bearer(token).map_err(|error| error.to_string())?;
        }
        if let Some(file) = &self.cacert {
            let pem = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            access.root(&pem).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(access)
    }
}

impl AccessFlags {
    /// The flags again, for a command to type next; secrets are masked unless they are to be shown.
    pub(crate) fn typed(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut flag = |name: &str, value: Option<String>| {
            words.push(name.to_owned());
            words.extend(value);
        };
        for header in &self.headers {
            let shown = match header.split_once(':') {
                Some((name, value)) if !self.show_secrets && !header.starts_with('@') => {
                    format!("{name}: {}", secret::field_text(name.trim(), value.trim()))
                }
                _ => header.clone(),
            };
            flag("-H", Some(shown));
        }
        if let Some(user) = &self.user {
            let name = user.split(':').next().unwrap_or_default();
            let masked = || format!("{name}:{}", secret::MASK);
            flag("-u", Some(if self.show_secrets { user.clone() } else { masked() }));
        }
        if let Some(token) = &self.bearer {
            flag("--bearer", Some(if self.show_secrets { token.clone() } else { secret::MASK.to_owned() }));
        }
        if let Some(file) = &self.cacert {
            flag("--cacert", Some(file.display().to_string()));
        }
        if let Some(proxy) = &self.proxy {
            flag("-x", Some(secret::url(proxy)));
        }
        for (name, is_given) in [("-k", self.insecure), ("--http1.1", self.http1), ("--http2", self.http2)] {
            if is_given {
                flag(name, None);
            }
        }
        words
    }
}

/// A URL as people type it: `:3000/path` is on this machine, `localhost:3000/path` is http.
pub(crate) fn url(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("{why}; a URL looks like http://localhost:3000/items/1 or :3000/items/1");
    let whole = if text.contains("://") {
        text.to_owned()
    } else if let Some(rest) = text.strip_prefix(':') {
        let is_port = rest.starts_with(|c: char| c.is_ascii_digit());
        format!("http://localhost{}{rest}", if is_port { ":" } else { "" })
    } else {
        format!("http://{text}")
    };
    let url = Url::parse(&whole).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(&format!("{}:// is not spoken here", url.scheme())));
    }
    Ok(url)
}

/// Seconds, with a fraction if need be; more than zero, at most a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "expected seconds, more than 0 and at most 86400".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if !(seconds > 0.0 && seconds <= 86_400.0) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_as_people_type_them() {
        for (typed, meant) in [
            (":3000/a", "http://localhost:3000/a"),
            (":/a", "http://localhost/a"),
            ("localhost:3000", "http://localhost:3000/"),
            ("api.example/v1", "http://api.example/v1"),
            ("https://[::1]:8443/a?b", "https://[::1]:8443/a?b"),
            ("[::1]:80/a", "http://[::1]/a"),
        ] {
            assert_eq!(url(typed).unwrap().as_str(), meant);
        }
        for wrong in ["", "ftp://a/", "http://", "http://a:99999/", "file:///etc/passwd"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_have_bounds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(["0", "-1", "NaN", "inf", "86401", "", "1s"].iter().all(|text| seconds(text).is_err()));
    }
}
