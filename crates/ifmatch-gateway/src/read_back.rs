//! What a write made of its resource, read inside its turn: so that its answer can tell the new tag.

use crate::gateway::Gateway;
use crate::head::{self, Look, Purpose};
use crate::read::{is_aged, is_present};
use crate::state::Kind;
use crate::tag::MintedTag;
use crate::upstream::{Sending, collect};
use crate::write::{Forward, PREFERENCE_APPLIED};
use bytes::Bytes;
use http::header::{
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE,
    HeaderName, HeaderValue, VARY,
};
use http::response::Parts;
use http::{Method, StatusCode};
use ifmatch_guard::Exchange;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What an answer says of the representation in it, and nothing else.
const OF_CONTENT: [HeaderName; 9] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_DISPOSITION,
    VARY,
    head::CONTENT_DIGEST,
    head::CONTENT_MD5,
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

impl Gateway {
    /// Whether the route or the client wants the answer to tell the new tag, and it is to be had.
    pub(crate) fn wants_read_back(forward: &Forward, head: &Parts) -> bool {
        let route = &forward.route;
        let readable = matches!(forward.x.method, Method::PUT | Method::PATCH) && head.status.is_success();
        let needed = || (route.settings.read_back && !route.is_exclusive()) || is_shown(forward, head);
        readable && forward.place.kind == Kind::Exclusive && needed()
    }

    /// Reads what the write made of the resource, inside its turn: so that the answer can tell its tag.
    pub(crate) async fn read_back(&self, forward: &Forward, head: &Parts) -> Option<ReadBack> {
        let (x, route) = (&forward.x, &forward.route);
        let shown = is_shown(forward, head);
        let purpose = Purpose::Check(Look::default());
        let request = || self.outgoing(x, &Method::GET, purpose, Sending::empty());
        let time = route.settings.check_max.unwrap_or(self.settings.times.check_max);
        let read = tokio::time::timeout(time, async {
            let answer = self.fetch(request, time).await.ok()?;
            let (mut head, body) = answer.response.into_parts();
            head::clean_answer(&mut head);
            let present = is_present(head.status) && !is_aged(&head.headers);
            let variant = self.variant(x, route, purpose, &head.headers);
            let content = collect(body, self.digest_bytes_max(route)).await.ok().filter(|_| present)?.bytes;
            let digest = Some(self.digest(x, route, &head.headers, &content, None)?);
            let variant = variant.ok()?;
            head::strip_validators(&mut head.headers);
            let tag = MintedTag { epoch: self.state.epoch(), count: 0, digest, variant };
            // Only what is stored octet for octet may be given a tag without being shown.
            let verified =
                x.method == Method::PATCH || forward.content.as_ref().is_some_and(|sent| *sent == content);
            Some(ReadBack { tag, head, content, shown, verified })
        });
        read.await.ok().flatten()
    }
}

/// Whether the client wants the new representation as the answer, and does not have it yet.
fn is_shown(forward: &Forward, head: &Parts) -> bool {
    // A 205 has no content (RFC 9110, Section 15.3.6).
    if head.status == StatusCode::RESET_CONTENT {
        return false;
    }
    let wanted = forward
        .x
        .headers
        .get_all(&PREFER)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .any(|v| v.split([',', ';']).any(|p| p.trim().eq_ignore_ascii_case("return=representation")));
    wanted && !head.headers.contains_key(&PREFERENCE_APPLIED)
}

/// What was read after a write.
pub(crate) struct ReadBack {
    pub(crate) tag: MintedTag,
    pub(crate) head: Parts,
    pub(crate) content: Bytes,
    /// Whether the client wants it as the answer.
    pub(crate) shown: bool,
    /// Whether it is what the client sent.
    pub(crate) verified: bool,
}

/// Makes an answer of the representation that was read back (RFC 7240, Section 4.2).
pub(crate) fn represent(x: &Exchange, head: &mut Parts, read: &Parts) {
    if head.status == StatusCode::NO_CONTENT {
        head.status = StatusCode::OK;
    }
    for name in OF_CONTENT {
        head.headers.remove(&name);
        for value in read.headers.get_all(&name) {
            head.headers.append(name.clone(), value.clone());
        }
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(PREFERENCE_APPLIED, HeaderValue::from_static("return=representation"));
    head.headers.remove(CONTENT_LOCATION);
    if let Ok(location) = HeaderValue::try_from(x.target.as_str()) {
        head.headers.insert(CONTENT_LOCATION, location);
    }
}
