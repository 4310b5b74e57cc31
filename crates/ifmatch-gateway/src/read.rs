//! Reads on routes where the gateway mints: the tag is of the content that goes out, and the conditions are answered here.

use crate::body::{GatewayBody, Lease};
use crate::digest;
use crate::gateway::{Gateway, now};
use crate::head::{self, Purpose};
use crate::outgoing::Outgoing;
use crate::routes::Route;
use crate::settings::DigestSource;
use crate::tag::{MintedTag, Variant};
use crate::upstream::{Answer, CollectError, ResponseBody, Sending, collect};
use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_RANGE,
};
use http::response::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;
use ifmatch_core::{
    Code, CurrentState, EntityTag, MethodClass, Outcome, Refusal, Representation, Selection, TagCondition,
};
use ifmatch_guard::{Exchange, Read};
use std::time::Instant;

/// Content that is thrown away is read to its end if it is no longer than this, so that the connection can be kept.
const DISCARDED_BYTES_MAX: usize = 64 << 10;

const PRECONDITION_POLICY: HeaderName = HeaderName::from_static("precondition-policy");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");

/// Memory for content that does not say how long it is, at first, in bytes.
const UNANNOUNCED_BYTES: usize = 64 << 10;

/// The content of an answer, as far as it was read.
pub(crate) enum Taken {
    /// All of it, with its share of the memory for this.
    Whole(Bytes, Option<Lease>),
    /// It goes by: not needed, or too large.
    Passing(Bytes, ResponseBody),
}

/// A representation whose tag is known, or is known not to be there.
pub(crate) struct Minted {
    pub(crate) tag: Option<MintedTag>,
    pub(crate) content: Taken,
    /// The hash of the content, if it was taken.
    pub(crate) hash: Option<blake3::Hash>,
    /// Why there is no tag.
    pub(crate) untagged: Option<Untagged>,
}

/// Why a representation goes out without a tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Untagged {
    /// It varies on everything, or on fields that are too large for the table of variants.
    Variant,
    /// It varies on fields that could not be stored.
    State,
    /// It is too large for a digest.
    TooLarge,
    /// The route's digest source is not in it.
    DigestSource,
    /// As much memory is in use for digests as may be.
    Memory,
    /// It is out of a cache, and nothing but the count would tell of when.
    Aged,
}

impl Untagged {
    fn name(self) -> &'static str {
        match self {
            Self::Variant => "variant",
            Self::State => "state",
            Self::TooLarge => "too_large",
            Self::DigestSource => "digest_source",
            Self::Memory => "memory",
            Self::Aged => "aged",
        }
    }
}

impl Gateway {
    /// GET and HEAD.
    pub(crate) async fn representation(
        &self,
        x: &Exchange,
        route: &Route,
    ) -> Result<Read<GatewayBody>, Refusal> {
        let key = self.turn_key(x, route);
        let counter = self.state.counter(&key);
        // Before the request is forwarded: a tag is never newer than its content.
        let count = self.state.count(counter);
        let request = || self.outgoing(x, &Method::GET, Purpose::Whole, Sending::empty());
        let began = Instant::now();
        let answer = self.fetch(request, self.answer_max(route)).await?;
        self.stats.route(x.policy.ordinal).upstream_durations.add(began.elapsed());
        let (mut head, body) = answer.response.into_parts();
        head::clean_answer(&mut head);
        self.learned.answered(&x.headers, &mut head.headers);
        if !is_present(head.status) {
            head::strip_validators(&mut head.headers);
            return Ok(Read::Answered(send_whole(x, head, Taken::Passing(Bytes::new(), body)).await));
        }
        let variant = self.variant(x, route, Purpose::Whole, &head.headers);
        let parts_fit = digest::is_of_octets(route, &head.headers);
        let minted = self.mint(x, route, count, variant, &head, body).await?;
        head::strip_validators(&mut head.headers);
        self.advertise(route, &mut head.headers);
        if let (Some(why), Some(policy)) = (minted.untagged, &route.advertised) {
            // The client is told that there is nothing to keep.
            let told = [policy.as_bytes(), b", untagged=", why.name().as_bytes()].concat();
            if let Ok(value) = HeaderValue::from_maybe_shared(told) {
                head.headers.insert("precondition-policy", value);
            }
        }
        let digest = minted.hash.as_ref().map(digest::short);
        let read = self.conditioned(x, head, minted, parts_fit).await?;
        if let Read::Answered(response) = &read
            && x.method == Method::GET
        {
            self.watching.read(x, &key, digest, response.headers().get(ETAG));
        }
        Ok(read)
    }

    /// The tag of an answer, as far as the route's digest lets it be told.
    ///
    /// # Errors
    /// If the content was cut, or all memory for digests is in use.
    pub(crate) async fn mint(
        &self,
        x: &Exchange,
        route: &Route,
        count: u64,
        variant: Result<Option<Variant>, Untagged>,
        head: &Parts,
        body: ResponseBody,
    ) -> Result<Minted, Refusal> {
        let passing = |body| Taken::Passing(Bytes::new(), body);
        let variant = match variant {
            Ok(variant) => variant,
            Err(why) => return Ok(self.untagged(route, why, passing(body), None)),
        };
        if *route.digest_source() == DigestSource::None && is_aged(&head.headers) {
            // It may be of before the last write, and the count would say that it is not.
            return Ok(self.untagged(route, Untagged::Aged, passing(body), None));
        }
        let tag = MintedTag { epoch: self.state.epoch(), count, digest: None, variant };
        let source = route.digest_source();
        let (content, busy) = if digest::needs_content(source) {
            Box::pin(self.take(body, self.digest_bytes_max(route))).await?
        } else {
            (passing(body), false)
        };
        let bytes = match &content {
            Taken::Whole(bytes, _) => bytes.clone(),
            Taken::Passing(..) if digest::needs_content(source) => {
                let why = if busy { Untagged::Memory } else { Untagged::TooLarge };
                return Ok(self.untagged(route, why, content, None));
            }
            Taken::Passing(..) => Bytes::new(),
        };
        let hash = digest::needs_content(source).then(|| blake3::hash(&bytes));
        let digest = self.digest(x, route, &head.headers, &bytes, hash);
        if digest.is_none() {
            return Ok(self.untagged(route, Untagged::DigestSource, content, hash));
        }
        self.stats.minted.add();
        Ok(Minted { tag: Some(MintedTag { digest, ..tag }), content, hash, untagged: None })
    }

    /// A representation without a tag: counted, and said once in the log, because its clients cannot write it back.
    fn untagged(&self, route: &Route, why: Untagged, content: Taken, hash: Option<blake3::Hash>) -> Minted {
        let count = match why {
            Untagged::Variant => &self.stats.untagged_variant,
            Untagged::State => &self.stats.untagged_state,
            Untagged::TooLarge => &self.stats.untagged_large,
            Untagged::DigestSource => &self.stats.untagged_source,
            Untagged::Memory => &self.stats.untagged_busy,
            Untagged::Aged => &self.stats.untagged_aged,
        };
        if count.value() == 0 {
            tracing::warn!(
                route = route.settings.name,
                why = why.name(),
                "a representation went out without a tag, so its clients cannot write it back; more are only counted"
            );
        }
        count.add();
        Minted { tag: None, content, hash, untagged: Some(why) }
    }

    /// Reads content completely, if it is small enough to have a digest; and whether only memory was lacking.
    async fn take(&self, body: ResponseBody, bytes_max: usize) -> Result<(Taken, bool), Refusal> {
        let announced = body.size_hint().exact().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        if announced.is_some_and(|bytes| bytes > bytes_max) {
            return Ok((Taken::Passing(Bytes::new(), body), false));
        }
        // What does not say how long it is gets a little at first, and then the most it may become.
        let little = announced.unwrap_or(UNANNOUNCED_BYTES).min(bytes_max);
        let Some(mut lease) = self.digests.lease(little) else {
            return Ok((Taken::Passing(Bytes::new(), body), true));
        };
        let (first, rest) = match collect(body, little).await {
            Ok(collected) => {
                lease.shrink(collected.bytes.len());
                return Ok((Taken::Whole(collected.bytes, Some(lease)), false));
            }
            Err(CollectError::More { so_far, rest }) => (so_far, rest),
            Err(error) => return Err(cut(&error)),
        };
        if first.len() > bytes_max {
            return Ok((Taken::Passing(first, *rest), false));
        }
        let Some(mut lease) = self.digests.lease(bytes_max) else {
            return Ok((Taken::Passing(first, *rest), true));
        };
        let (more, rest) = match collect(*rest, bytes_max - first.len()).await {
            Ok(collected) => (collected.bytes, None),
            Err(CollectError::More { so_far, rest }) => (so_far, Some(rest)),
            Err(error) => return Err(cut(&error)),
        };
        let mut all = BytesMut::with_capacity(first.len() + more.len());
        all.extend_from_slice(&first);
        all.extend_from_slice(&more);
        lease.shrink(all.len());
        let taken = match rest {
            None => Taken::Whole(all.freeze(), Some(lease)),
            Some(rest) => Taken::Passing(all.freeze(), *rest),
        };
        Ok((taken, false))
    }

    /// Answers the conditions of a read.
    async fn conditioned(
        &self,
        x: &Exchange,
        mut head: Parts,
        minted: Minted,
        parts_fit: bool,
    ) -> Result<Read<GatewayBody>, Refusal> {
        let Minted { tag, content, .. } = minted;
        if !self.routes.of(&x.policy).settings.keep_cache {
            revalidated(&mut head.headers);
        }
        let Some(tag) = tag else {
            // What has no tag has no ranges, and matches none; a star it matches.
            head.headers.remove(ACCEPT_RANGES);
            let state = Representation { etag: None, last_modified: None, content_bytes: None };
            return Ok(Read::Answered(match x.judge(now()).on_state(&CurrentState::Present(state)) {
                Outcome::Refused(refusal) => {
                    discard(content).await;
                    return Err(refusal);
                }
                Outcome::NotModified => not_modified(head, content).await,
                Outcome::Send(_) | Outcome::Perform(_) => send_whole(x, head, content).await,
            }));
        };
        let length = match &content {
            // 204 has no content that a range could be of (RFC 9110, Section 14.2).
            _ if head.status == StatusCode::NO_CONTENT => None,
            Taken::Whole(bytes, _) => Some(bytes.len() as u64),
            Taken::Passing(so_far, rest) => rest.size_hint().exact().map(|left| left + so_far.len() as u64),
        };
        let value = tag.to_value();
        let outcome = {
            let etag = EntityTag::parse(value.as_bytes());
            // Whoever has a part of it would put octets of another time beside these.
            let whole = !parts_fit && x.headers.contains_key(IF_RANGE);
            let content_bytes = length.filter(|_| !whole);
            let state = Representation { etag, last_modified: None, content_bytes };
            x.judge(now()).on_state(&CurrentState::Present(state))
        };
        head.headers.insert(ETAG, value);
        if length.is_some() {
            head.headers.entry(ACCEPT_RANGES).or_insert(BYTES);
        } else {
            head.headers.remove(ACCEPT_RANGES);
        }
        Ok(Read::Answered(match outcome {
            Outcome::Refused(refusal) => {
                discard(content).await;
                return Err(refusal);
            }
            Outcome::NotModified => not_modified(head, content).await,
            Outcome::Send(Selection::Part(range)) => {
                let (first, last) = (range.first, range.last);
                let complete = length.unwrap_or_default();
                head.status = StatusCode::PARTIAL_CONTENT;
                let told = format!("bytes {first}-{last}/{complete}");
                if let Ok(value) = HeaderValue::try_from(told) {
                    head.headers.insert(CONTENT_RANGE, value);
                }
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(last - first + 1));
                head::strip_content_digests(&mut head.headers);
                Response::from_parts(head, part(content, first, last - first + 1))
            }
            Outcome::Send(Selection::Whole) | Outcome::Perform(_) => send_whole(x, head, content).await,
        }))
    }

    /// Other safe methods: forwarded, with their conditions answered against the representation.
    pub(crate) async fn safe(&self, x: &Exchange, route: &Route) -> Result<Read<GatewayBody>, Refusal> {
        let judge = x.judge(now());
        let class = MethodClass::of(&x.method);
        let conditions = judge.conditions();
        let conditional = !matches!(conditions.if_match, TagCondition::Absent)
            || !matches!(conditions.if_none_match, TagCondition::Absent);
        // A GET that comes with content is none of the representation, and yet its condition is judged.
        if matches!(class, MethodClass::SafeOther | MethodClass::Read) && conditional {
            let key = self.turn_key(x, route);
            let (outcome, _) = self.judge_now(x, route, self.state.counter(&key)).await?;
            if let Outcome::Refused(refusal) = outcome {
                return Ok(Read::Refused(refusal));
            }
        }
        let content = x.content();
        let request = || self.outgoing(x, &x.method, Purpose::Judged(None), Sending::whole(content.clone()));
        let Answer { response, .. } = self.fetch(request, self.answer_max(route)).await?;
        let (mut head, body) = response.into_parts();
        head::clean_answer(&mut head);
        self.learned.answered(&x.headers, &mut head.headers);
        head::strip_validators(&mut head.headers);
        self.advertise(route, &mut head.headers);
        Ok(Read::Answered(Response::from_parts(head, GatewayBody::stream(body))))
    }

    /// Tells before anything fails what the route asks of writes.
    pub(crate) fn advertise(&self, route: &Route, headers: &mut HeaderMap) {
        if let Some(policy) = &route.advertised {
            headers.insert(PRECONDITION_POLICY, policy.clone());
        }
    }
}

/// Whether an answer says that a representation is there.
pub(crate) fn is_present(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION | StatusCode::NO_CONTENT)
}

/// Whether an answer came out of a cache.
pub(crate) fn is_aged(headers: &HeaderMap) -> bool {
    headers.get_all(AGE).iter().any(|age| age.as_bytes().trim_ascii() != b"0")
}

/// Caches in front have to ask before they use it: what they hand out otherwise may be of yesterday.
fn revalidated(headers: &mut HeaderMap) {
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, NO_CACHE);
        return;
    }
    let says = |directive: &str| {
        headers
            .get_all(CACHE_CONTROL)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .any(|v| v.split(',').any(|d| d.trim().eq_ignore_ascii_case(directive)))
    };
    if !says("no-cache") && !says("no-store") {
        headers.append(CACHE_CONTROL, NO_CACHE);
    }
}

fn cut(error: &CollectError) -> Refusal {
    let how = match error {
        CollectError::Idle => "it stopped in the middle",
        CollectError::Cut(_) | CollectError::More { .. } => "the connection was cut in the middle of it",
    };
    Refusal::new(Code::UpstreamUnreachable).detail(format!("The upstream's answer is not complete: {how}."))
}

async fn not_modified(mut head: Parts, content: Taken) -> Response<GatewayBody> {
    discard(content).await;
    head.status = StatusCode::NOT_MODIFIED;
    head::strip_content_digests(&mut head.headers);
    for name in [CONTENT_LENGTH, CONTENT_TYPE] {
        head.headers.remove(name);
    }
    Response::from_parts(head, GatewayBody::from(Bytes::new()))
}

async fn send_whole(x: &Exchange, mut head: Parts, content: Taken) -> Response<GatewayBody> {
    if x.method == Method::HEAD {
        head::strip_content_digests(&mut head.headers);
        let length = match &content {
            Taken::Whole(bytes, _) => Some(bytes.len() as u64),
            Taken::Passing(so_far, rest) => rest.size_hint().exact().map(|left| left + so_far.len() as u64),
        };
        if let Some(length) = length.filter(|_| head.status != StatusCode::NO_CONTENT) {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        discard(content).await;
        return Response::from_parts(head, GatewayBody::from(Bytes::new()));
    }
    let body = match content {
        Taken::Whole(bytes, lease) => {
            head.headers.remove(http::header::TRAILER);
            GatewayBody::held(bytes, lease)
        }
        Taken::Passing(so_far, rest) if so_far.is_empty() => GatewayBody::stream(rest),
        Taken::Passing(so_far, rest) => GatewayBody::chained(so_far, rest),
    };
    Response::from_parts(head, body)
}

fn part(content: Taken, first: u64, length: u64) -> GatewayBody {
    match content {
        Taken::Whole(bytes, lease) => {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
            GatewayBody::held(bytes.slice(at(first)..at(first + length)), lease)
        }
        // Only content that was not read at all has a length and still goes by.
        Taken::Passing(_, rest) => GatewayBody::part(rest, first, length),
    }
}

/// Content nobody wants: read, if that is quick, so that the connection can be used again.
pub(crate) async fn discard(content: Taken) {
    if let Taken::Passing(_, rest) = content
        && rest.size_hint().upper().is_some_and(|bytes| bytes <= DISCARDED_BYTES_MAX as u64)
    {
        drop(Box::pin(collect(rest, DISCARDED_BYTES_MAX)).await);
    }
}

/// Content of a safe request or a write, on its way.
pub(crate) fn sending(content: &ifmatch_guard::Content) -> Sending {
    if content.spooled().is_none() && content.trailers().is_none() {
        return Sending::whole(content.bytes().clone());
    }
    Sending::stream(Outgoing::of(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_told_to_ask() {
        for (before, after) in [
            (None, "no-cache"),
            (Some("max-age=60"), "max-age=60, no-cache"),
            (Some("No-Cache"), "No-Cache"),
            (Some("private, no-store"), "private, no-store"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(before) = before {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static(before));
            }
            revalidated(&mut headers);
            let all: Vec<_> = headers.get_all(CACHE_CONTROL).iter().map(|v| v.to_str().unwrap()).collect();
            assert_eq!(all.join(", "), after);
        }
    }
}
