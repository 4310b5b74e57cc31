//! What is to be raced, and how.

use core::time::Duration;
use http::{HeaderValue, Method};
use ifmatch_client::wire::Url;

/// Requests per second to a server that is not on this machine, if nobody says otherwise.
pub const RATE: f64 = 20.0;

/// Rounds of each test, if nobody says otherwise.
pub const ROUNDS: u32 = 10;

/// More rounds than this are not run.
pub const ROUNDS_MAX: u32 = 1000;

/// More writers than this are not sent together.
pub const WRITERS_MAX: usize = 32;

/// Rounds of the tests that look for a narrow window, for each round of the others: they end early if they find it.
pub(super) const NARROW: u32 = 10;

/// What stands for a new name in a [`Create`].
pub const NEW: &str = "{new}";

/// What is to be raced, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The resource. It has to be there.
    pub url: Url,
    /// PUT, PATCH or POST.
    pub method: Method,
    /// The member of a JSON document that is written, as a JSON Pointer; without, one is chosen.
    pub field: Option<String>,
    /// Content-Type of writes; without, that of what was read, or of a merge patch.
    pub content_type: Option<HeaderValue>,
    /// Rounds of each test; a test that looks for a narrow window runs up to ten times as many.
    pub rounds: u32,
    /// Writers that write together.
    pub writers: usize,
    /// Between the writes of a round without conditions; zero: together.
    pub gap: Duration,
    /// Requests per second, on average; without, [`RATE`], or no limit for a server on this machine.
    pub rate: Option<f64>,
    /// How resources are created, for the tests that need ones of their own.
    pub create: Option<Create>,
}

/// How a resource is created.
#[derive(Clone, Debug)]
pub struct Create {
    /// PUT, or POST to a collection.
    pub method: Method,
    /// Where; for PUT with [`NEW`] in it.
    pub url: String,
    /// Content, in which [`NEW`] is the new name too; without, what was read of the resource that is raced.
    pub content: Option<String>,
}

/// A plan that cannot be carried out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// A method that is none of ours.
    #[error("race writes with PUT, PATCH or POST, not with {0}")]
    Method(Method),
    /// Too many or too few.
    #[error("{what} has to be from {least} to {most}")]
    Range {
        /// The name of the flag.
        what: &'static str,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// A pointer that is none.
    #[error("{0:?} is not a JSON Pointer; one looks like /note or /items/0/name")]
    Pointer(String),
    /// A way to create that is none.
    #[error(
        "{0:?} does not say how to create; it looks like 'PUT /items/{{new}}', where {{new}} becomes a new name, or 'POST /items'"
    )]
    Create(String),
}

impl Plan {
    /// A plan with nothing said but the resource.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            method: Method::PUT,
            field: None,
            content_type: None,
            rounds: ROUNDS,
            writers: 2,
            gap: Duration::ZERO,
            rate: None,
            create: None,
        }
    }

    /// Whether it can be carried out, as far as can be told without asking the server.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> Result<(), PlanError> {
        if ![Method::PUT, Method::PATCH, Method::POST].contains(&self.method) {
            return Err(PlanError::Method(self.method.clone()));
        }
        if !(1..=ROUNDS_MAX).contains(&self.rounds) {
            return Err(PlanError::Range { what: "--rounds", least: 1, most: ROUNDS_MAX });
        }
        if !(2..=WRITERS_MAX).contains(&self.writers) {
            return Err(PlanError::Range { what: "--writers", least: 2, most: 32 });
        }
        match &self.field {
            Some(field) if !field.is_empty() && !field.starts_with('/') => {
                Err(PlanError::Pointer(field.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Requests per second; `None` is as fast as it goes.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate.or_else(|| (!is_loopback(&self.url)).then_some(RATE)).filter(|rate| *rate > 0.0)
    }
}

impl Create {
    /// Reads `PUT /items/{new}` or `POST /items`; without a method it is PUT if there is a new name, else POST.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let wrong = || PlanError::Create(text.to_owned());
        let has_new = text.contains(NEW);
        let (method, url) = match text.trim().split_once(' ') {
            Some(("PUT", url)) => (Method::PUT, url.trim()),
            Some(("POST", url)) => (Method::POST, url.trim()),
            Some(_) => return Err(wrong()),
            None if has_new => (Method::PUT, text.trim()),
            None => (Method::POST, text.trim()),
        };
        let is_named = method == Method::POST || has_new;
        let is_method = url.bytes().all(|byte| byte.is_ascii_uppercase());
        if is_method || url.contains(char::is_whitespace) || !is_named {
            return Err(wrong());
        }
        Ok(Self { method, url: url.to_owned(), content: None })
    }

    /// Where a resource of that name is created, told from the one that is raced.
    pub(super) fn url(&self, raced: &Url, name: &str) -> Option<Url> {
        raced.join(&self.url.replace(NEW, name)).ok().filter(|url| url.origin() == raced.origin())
    }
}

/// Whether a URL is of this machine, by its name or address.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address: Result<std::net::IpAddr, _> = host.parse();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_create() {
        let raced = Url::parse("http://a/items/1?x").unwrap();
        for (text, method, url) in [
            ("PUT /items/{new}", Method::PUT, "http://a/items/n"),
            ("/items/{new}", Method::PUT, "http://a/items/n"),
            ("{new}", Method::PUT, "http://a/items/n"),
            ("POST /items", Method::POST, "http://a/items"),
            ("POST http://a/items", Method::POST, "http://a/items"),
        ] {
            let create = Create::parse(text).unwrap();
            assert_eq!(create.method, method, "{text}");
            assert_eq!(create.url(&raced, "n").unwrap().as_str(), url, "{text}");
        }
        for text in ["", "PUT /items", "DELETE /items/{new}", "PUT ", "PUT /a b"] {
            assert!(Create::parse(text).is_err(), "{text}");
        }
        assert!(Create::parse("POST http://b/items").unwrap().url(&raced, "n").is_none());
    }

    #[test]
    fn only_this_machine_is_not_spared() {
        for (url, spared) in [
            ("http://localhost:3000/a", false),
            ("http://127.0.0.1/a", false),
            ("http://[::1]:80/a", false),
            ("http://example.com/a", true),
            ("http://10.0.0.1/a", true),
        ] {
            assert_eq!(Plan::new(Url::parse(url).unwrap()).rate().is_some(), spared, "{url}");
        }
    }
}
