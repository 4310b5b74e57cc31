//! Variants: by which fields of a request a representation was selected, as the upstream saw them.

use crate::gateway::Gateway;
use crate::head::{self, Purpose};
use crate::read::Untagged;
use crate::routes::Route;
use crate::settings::{DigestSource, Identity};
use crate::state::NoNumber;
use crate::tag::Variant;
use http::HeaderMap;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST,
    HeaderName, HeaderValue, ORIGIN, PRAGMA, PROXY_AUTHORIZATION, TRAILER, VIA,
};
use ifmatch_guard::Exchange;

/// The fields a representation was selected by, with the values of the request.
type Selecting = Vec<(HeaderName, Option<HeaderValue>)>;

/// Whether a field may be a part of a variant, and so be sent in a check in place of the writer's own: not if it is never
/// sent on, if it is settled here, or if it says who asks.
pub(crate) fn selects(name: &HeaderName) -> bool {
    !is_settled(name) && !is_of_the_asker(name)
}

/// What a read is sent with does not depend on what the client says in this field.
fn is_settled(name: &HeaderName) -> bool {
    [ACCEPT_ENCODING, CACHE_CONTROL, PRAGMA, HOST, EXPECT, CONTENT_LENGTH, TRAILER].contains(name)
        || head::is_condition(name)
        || head::is_hop_by_hop(name)
        || head::is_disguise(name)
}

/// It says who asks and from where: each is asked in the name of whoever asks now, and none of it is kept.
fn is_of_the_asker(name: &HeaderName) -> bool {
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, ORIGIN, FORWARDED, VIA].contains(name)
        || name.as_str().starts_with("access-control-request-")
        || name.as_str().starts_with("x-forwarded-")
        || matches!(name.as_str(), "x-real-ip" | "x-api-key" | "x-auth-token")
}

impl Gateway {
    /// Which variant an answer is: the fields it says it was selected by, as they were sent to the upstream.
    ///
    /// # Errors
    /// It cannot be told: it varies on everything, or on fields that are too large or cannot be stored.
    pub(crate) fn variant(
        &self,
        x: &Exchange,
        route: &Route,
        purpose: Purpose<'_>,
        answer: &HeaderMap,
    ) -> Result<Option<Variant>, Untagged> {
        if !answer.contains_key(http::header::VARY) {
            return Ok(None);
        }
        let mut selecting: Selecting = Vec::new();
        let mut asker: Selecting = Vec::new();
        for line in answer.get_all(http::header::VARY) {
            for name in
                line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|n| !n.is_empty())
            {
                if name == b"*" {
                    return Err(Untagged::Variant);
                }
                let Ok(name) = HeaderName::from_bytes(name) else { continue };
                let among = if is_settled(&name) || tells_resources_apart(route, &name) {
                    continue;
                } else if is_of_the_asker(&name) {
                    &mut asker
                } else {
                    &mut selecting
                };
                if !among.iter().any(|(n, _)| *n == name) {
                    let value = head::sent(x, &name, purpose);
                    among.push((name, value));
                }
            }
        }
        // Where a check compares what it reads, it reads in the writer's name. Where nothing is compared, the tags of what two
        // askers are shown have nothing else that would tell them apart (RFC 9110, Section 8.8.3).
        if *route.digest_source() == DigestSource::None && asker.iter().any(|(_, value)| value.is_some()) {
            selecting.append(&mut asker);
            sort(&mut selecting);
            return Ok(Some(Variant::apart(self.hashed(&selecting))));
        }
        if selecting.is_empty() {
            return Ok(None);
        }
        sort(&mut selecting);
        let number = self.state.variants().intern(&selecting).map_err(|why| match why {
            NoNumber::TooLarge => Untagged::Variant,
            NoNumber::NotStored => Untagged::State,
        })?;
        Ok(Some(Variant::Stored(number)))
    }

    /// Keyed: there are credentials in it, and tags are seen by many.
    fn hashed(&self, selecting: &Selecting) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(self.state.secret());
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        for (name, value) in selecting {
            part(name.as_str().as_bytes());
            part(if value.is_some() { b"1" } else { b"" });
            part(value.as_ref().map_or(b"", HeaderValue::as_bytes));
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_be_bytes(first)
    }
}

/// By this field the route names another resource, which the digest says: whoever asks now says which.
fn tells_resources_apart(route: &Route, name: &HeaderName) -> bool {
    route.settings.identity.iter().any(|by| matches!(by, Identity::Header(header) if header == name))
}

fn sort(fields: &mut Selecting) {
    fields.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_may_say_in_place_of_the_writer() {
        for (name, may) in [
            ("accept", true),
            ("accept-language", true),
            ("prefer", true),
            ("user-agent", true),
            ("x-own", true),
            ("content-type", true),
            ("accept-encoding", false),
            ("cache-control", false),
            ("host", false),
            ("range", false),
            ("if-none-match", false),
            ("if_none_match", false),
            ("content-length", false),
            ("content_length", false),
            ("transfer-encoding", false),
            ("connection", false),
            ("keep-alive", false),
            ("te", false),
            ("upgrade", false),
            ("http2-settings", false),
            ("expect", false),
            ("x-http-method-override", false),
            ("x-original-url", false),
            ("x_rewrite_url", false),
            ("authorization", false),
            ("proxy-authorization", false),
            ("cookie", false),
            ("origin", false),
            ("x-forwarded-for", false),
        ] {
            assert_eq!(selects(&HeaderName::from_static(name)), may, "{name}");
        }
    }
}
