//! Requests without an answer.

use core::time::Duration;
use http::StatusCode;

/// Whether anything of a request may have reached the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// Nothing has: there was no connection.
    No,
    /// It may have, and a write may have been applied, or may be still.
    Perhaps,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// No connection: name, address, port, TLS or proxy.
    #[error("{host} cannot be reached: {cause}. Nothing was sent.")]
    Unreachable {
        /// With port.
        host: String,
        /// In words of the system.
        cause: String,
    },
    /// No connection in time.
    #[error("{host} did not accept a connection within {} s. Nothing was sent.", .after.as_secs_f32())]
    Silent {
        /// With port.
        host: String,
        /// How long was waited.
        after: Duration,
    },
    /// A connection, but no complete answer in time.
    #[error("{host} did not answer {method} within {} s{}", .after.as_secs_f32(), unknown(.method))]
    TimedOut {
        /// With port.
        host: String,
        /// The method of the request.
        method: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("{host} broke off its answer to {method}: {cause}{}", unknown(.method))]
    Broken {
        /// With port.
        host: String,
        /// The method of the request.
        method: String,
        /// In words of the library.
        cause: String,
    },
    /// Content longer than is taken.
    #[error("{host} answered {method} with more than {bytes_max} bytes of content, which is the limit{}", unknown(.method))]
    TooLong {
        /// With port.
        host: String,
        /// The method of the request.
        method: String,
        /// The limit.
        bytes_max: usize,
    },
    /// Too many redirects, or in a circle.
    #[error("{host} redirects more than {redirects_max} times. The last goes to {to}.")]
    RedirectedTooOften {
        /// With port.
        host: String,
        /// The limit.
        redirects_max: usize,
        /// Where the last one goes.
        to: String,
    },
    /// A redirect that leads nowhere.
    #[error("{host} answered {status} with a Location that is no http URL: {location:?}.")]
    RedirectedNowhere {
        /// With port.
        host: String,
        /// The status.
        status: StatusCode,
        /// What it says.
        location: String,
    },
}

impl SendError {
    /// Whether a write may have been applied.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } => Sent::No,
            _ => Sent::Perhaps,
        }
    }
}

/// How a sentence about a lost answer ends.
fn unknown(method: &str) -> &'static str {
    match method {
        "GET" | "HEAD" | "OPTIONS" => ".",
        _ => ". Nobody can say whether the write was applied: read again before you repeat it.",
    }
}

/// What the libraries say, and what it means for people.
const WORDS: [(&str, &str); 7] = [
    (
        "UnknownIssuer",
        "its certificate is of an authority that nobody here believes; if you do, name its certificate with --cacert FILE",
    ),
    (
        "BadSignature",
        "its certificate is not signed by the authority that is believed here; name the right one with --cacert FILE",
    ),
    ("certificate expired", "its certificate has expired"),
    ("certificate not valid yet", "its certificate is not valid yet, or the clock here is behind"),
    ("certificate not valid for name", "its certificate is not for this name"),
    ("InvalidContentType", "it does not speak TLS there; if it speaks plain HTTP, ask with http://"),
    ("invalid HTTP version parsed", "what came is not HTTP; if it speaks TLS, ask with https://"),
];

/// The innermost cause, which says what happened; what is around it says that something happened.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let said = innermost(error);
    let known = WORDS.iter().find(|(part, _)| said.contains(part));
    known.map_or(said.clone(), |(part, words)| match said.split_once("only valid for ") {
        Some((_, names)) if part.ends_with("for name") => format!("{words}, only for {names}"),
        _ => (*words).to_owned(),
    })
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn core::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_answer_to_a_write_is_told_as_one() {
        let lost = |method: &str| SendError::TimedOut {
            host: "a:80".to_owned(),
            method: method.to_owned(),
            after: Duration::from_secs(30),
        };
        assert_eq!(lost("GET").to_string(), "a:80 did not answer GET within 30 s.");
        assert!(lost("PUT").to_string().contains("Nobody can say"));
        assert_eq!(lost("PUT").sent(), Sent::Perhaps);
    }
}
