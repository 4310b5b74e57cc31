//! Upstreams that ask for conditions themselves: they answer 428 (RFC 6585, Section 3) to a write that was judged here and
//! carries a tag that only the gateway knows. They get their own tag, of the representation that was judged.
//!
//! A complete 428 says that nothing was changed, so the write is sent a second time, inside its turn: once, with the
//! condition. From then on the route's writes carry it at once. Other upstreams are sent none: most that have tags do not
//! keep them the same (weak within the second of a write, other ones under a coding), and would refuse what is current.

use crate::check::Looked;
use crate::gateway::Gateway;
use crate::refusals;
use crate::write::Forward;
use http::header::{ETAG, HeaderValue};
use http::{HeaderMap, StatusCode};
use ifmatch_core::{EntityTag, Policy, Protection, Reason, Refusal};

/// The one strong entity-tag of a representation; If-Match has no use for others.
pub(crate) fn strong_tag(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(ETAG).iter();
    let only = lines.next().filter(|_| lines.next().is_none())?;
    EntityTag::parse(only.as_bytes()).filter(|tag| !tag.is_weak())?;
    Some(only.clone())
}

/// The upstream's tag is not what it was at the check, inside the turn: whoever changed it did not come through here, or
/// the tag changes by itself.
pub(crate) fn changed_meanwhile(policy: &Policy) -> Refusal {
    Refusal::stale(policy, Reason::Changed).about(http::header::IF_MATCH).detail(
        "Your ETag was current when it was looked at, but then the upstream refused its own: it was changed at that moment \
         by a writer that does not come through this gateway, or the upstream's ETag does not stay the same.",
    )
}

/// It asks for a condition and shows nothing that would be one.
pub(crate) fn cannot_be_met() -> Refusal {
    refusals::misconfigured(
        "the upstream itself asks for a condition (428), and its answer to GET has no strong ETag to send it",
        "evaluate = \"upstream\" on this route leaves conditions to the upstream",
    )
}

/// What an answer asks for.
pub(crate) enum Demanded {
    /// No condition.
    Nothing,
    /// This one.
    Tag(HeaderValue),
    /// One that there is not.
    Unmet,
}

/// Only who named a version, of one resource, can have the upstream's tag of it sent.
fn names_version(forward: &Forward) -> bool {
    matches!(forward.protection, Protection::Version | Protection::Overwrite) && !forward.is_double()
}

impl Gateway {
    /// The condition that a write carries because its route's upstream is known to ask for one.
    pub(crate) async fn known_demand(&self, forward: &Forward) -> Option<HeaderValue> {
        if forward.route.demands() && names_version(forward) {
            Box::pin(self.theirs(forward)).await
        } else {
            None
        }
    }

    /// Whether the answer asks for a condition although the write was judged here, and the one to send it with again.
    pub(crate) async fn demanded(&self, forward: &Forward) -> Demanded {
        let asks = forward.status() == Some(StatusCode::PRECONDITION_REQUIRED);
        if !asks || forward.demand.is_some() || !names_version(forward) {
            return Demanded::Nothing;
        }
        Box::pin(self.theirs(forward)).await.map_or(Demanded::Unmet, Demanded::Tag)
    }

    /// The upstream's tag of what was judged; where nothing was read for that, of what is there now.
    async fn theirs(&self, forward: &Forward) -> Option<HeaderValue> {
        if let Some(theirs) = &forward.theirs {
            return Some(theirs.clone());
        }
        match self.look(&forward.x, &forward.route, 0, None).await {
            Ok(Looked::Present(_, theirs)) => theirs,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_strong_tag_can_be_sent_back() {
        let of = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ETAG, HeaderValue::from_static(line));
            }
            strong_tag(&headers)
        };
        assert_eq!(of(&["\"7\""]).unwrap(), "\"7\"");
        for lines in [&[][..], &["W/\"7\""], &["7"], &["\"7\"", "\"7\""], &["\"7\", \"8\""]] {
            assert_eq!(of(lines), None, "{lines:?}");
        }
    }
}
