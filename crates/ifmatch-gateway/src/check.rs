//! The check: what is there now, read with the caller's credentials and past every cache, and judged.

use crate::demand;
use crate::gateway::{Gateway, now};
use crate::head::{Look, Purpose};
use crate::read::{discard, is_aged, is_present};
use crate::refusals;
use crate::routes::Route;
use crate::state::Counter;
use crate::tag::{Digest, MintedTag, Variant};
use crate::upstream::{Sending, collect};
use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Response, StatusCode};
use ifmatch_core::{Code, CurrentState, EntityTag, Outcome, Reason, Refusal, Representation, TagCondition};
use ifmatch_guard::{Exchange, Field};
use std::time::{Duration, Instant};

/// Variants that one If-Match may name; tags beyond match nothing.
const VARIANTS_CHECKED_MAX: usize = 4;
/// How much of an answer that is handed on instead is kept, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// What a check read found.
pub(crate) enum Looked {
    /// A representation; its tag unless it cannot have one, and the upstream's own.
    Present(Option<MintedTag>, Option<HeaderValue>),
    /// Nothing.
    Absent,
    /// The upstream does not let this client look: its own answer.
    Answered(Response<Bytes>),
}

/// What a check leaves behind beside its outcome.
#[derive(Default)]
pub(crate) struct Checked {
    /// The tag of what was there.
    pub(crate) before: Option<HeaderValue>,
    /// The upstream's own tag of it, if that can be sent back.
    pub(crate) theirs: Option<HeaderValue>,
    /// What the digest of the target is, on a route where it is of nothing else.
    pub(crate) own: Option<Digest>,
    /// The upstream's own answer, to be given instead.
    pub(crate) answer: Option<Response<Bytes>>,
}

impl Gateway {
    /// Judges a conditional request against what is there now. For a write, inside its turn.
    ///
    /// # Errors
    /// The refusal, if what is there could not be found out.
    pub(crate) async fn judge_now(
        &self,
        x: &Exchange,
        route: &Route,
        counter: Counter,
    ) -> Result<(Outcome, Checked), Refusal> {
        let count = self.state.count(counter);
        let judge = x.judge(now());
        let conditions = judge.conditions();
        let sent: Vec<MintedTag> = match &conditions.if_match {
            TagCondition::Tags(tags) => tags.iter().filter_map(|tag| MintedTag::parse(&tag)).collect(),
            _ => Vec::new(),
        };
        let current = |tag: &&MintedTag| tag.epoch == self.state.epoch() && tag.count == count;
        let candidates: Vec<MintedTag> = sent.iter().filter(current).copied().collect();
        let only_match = matches!(conditions.if_match, TagCondition::Tags(_))
            && matches!(conditions.if_none_match, TagCondition::Absent);
        if route.is_exclusive() && only_match {
            // Whoever writes comes through here, so the count tells all there is to tell.
            let own = self.digest(x, route, &x.headers, &Bytes::new(), None);
            let held = candidates.iter().find(|tag| tag.digest == own).map(|tag| tag.to_value());
            let mut outcome = judge.on_state(&CurrentState::Present(present(held.as_ref())));
            let of_another = |tag: &MintedTag| tag.epoch == self.state.epoch() && tag.digest != own;
            if let Outcome::Refused(refusal) = &outcome
                && refusal.code() == Code::StaleVersion
                && sent.iter().any(of_another)
            {
                outcome = Outcome::Refused(refusal.clone().because(Reason::WrongResource));
            }
            return Ok((outcome, Checked { before: held, own, ..Checked::default() }));
        }
        let mut variants: Vec<Option<Variant>> = Vec::new();
        for tag in &candidates {
            if !variants.contains(&tag.variant) && variants.len() < VARIANTS_CHECKED_MAX {
                variants.push(tag.variant);
            }
        }
        let is_known = |variant: &Option<Variant>| {
            stored(*variant).is_none_or(|index| self.state.variants().fields(index).is_some())
        };
        if variants.is_empty() {
            // None of them can match. What is told of what is there is of the same variant, if that is still known.
            variants.push(sent.first().map(|tag| tag.variant).filter(is_known).flatten());
        }
        let mut checked = Checked::default();
        for variant in variants {
            if !is_known(&variant) {
                return Err(refusals::variant_unknown(&x.policy));
            }
            let tag = match self.look(x, route, count, variant).await? {
                Looked::Answered(response) => {
                    checked.answer = Some(response);
                    return Ok((Outcome::NotModified, checked));
                }
                Looked::Absent => return Ok((on(x, CurrentState::Absent), checked)),
                Looked::Present(tag, theirs) => {
                    checked.theirs = theirs;
                    tag
                }
            };
            let Some(tag) = tag else {
                let needs_version = !candidates.is_empty();
                if needs_version {
                    return Err(refusals::misconfigured(
                        "the representation has no digest (too large, or the route's digest source is not in it)",
                        "digest_bytes_max, another digest source, or writers = \"gateway-only\"",
                    ));
                }
                return Ok((on(x, CurrentState::Present(present(None))), checked));
            };
            // The count is the same and the content is not: somebody wrote around us.
            let mine: Vec<_> = candidates.iter().filter(|c| c.variant == variant).collect();
            let matching = mine.iter().find(|candidate| candidate.digest == tag.digest);
            if matching.is_none() && !mine.is_empty() {
                self.stats.around.add();
            }
            let value = matching.map_or(tag, |candidate| **candidate).to_value();
            checked.before = Some(value);
            if matching.is_some() {
                break;
            }
        }
        let shown = checked.before.clone();
        let mut outcome = on(x, CurrentState::Present(present(shown.as_ref())));
        if let (Outcome::Refused(refusal), Some(_)) = (&outcome, &route.settings.check_authorization) {
            // Read with credentials that are not the caller's: used to compare only.
            outcome = Outcome::Refused(refusal.clone().current_etag(None));
        }
        Ok((outcome, checked))
    }

    /// Reads what is there, within the time for checks.
    pub(crate) async fn look(
        &self,
        x: &Exchange,
        route: &Route,
        count: u64,
        variant: Option<Variant>,
    ) -> Result<Looked, Refusal> {
        self.stats.checks.add();
        let began = Instant::now();
        let time = route.settings.check_max.unwrap_or(self.settings.times.check_max);
        let looked =
            match tokio::time::timeout(time, Box::pin(self.look_now(x, route, count, variant, time))).await {
                Ok(looked) => looked,
                Err(_) => Err(refusals::unavailable(format!(
                    "the upstream did not answer GET within {} s",
                    time.as_secs_f64()
                ))),
            };
        self.stats.check_durations.add(began.elapsed());
        looked.inspect_err(|_| self.stats.checks_failed.add())
    }

    async fn look_now(
        &self,
        x: &Exchange,
        route: &Route,
        count: u64,
        variant: Option<Variant>,
        time: Duration,
    ) -> Result<Looked, Refusal> {
        let index = stored(variant);
        let fields = index.and_then(|index| self.state.variants().fields(index));
        if index.is_some() && fields.is_none() {
            // It made room for another one meanwhile.
            return Err(refusals::variant_unknown(&x.policy));
        }
        let credentials = route.settings.check_authorization.as_ref();
        let purpose = Purpose::Check(Look { selected_by: fields.as_deref(), credentials });
        let request = || self.outgoing(x, &Method::GET, purpose, Sending::empty());
        let answer = self.fetch(request, time).await.map_err(|refusal| {
            refusals::unavailable(
                refusal.own_detail().unwrap_or("the upstream cannot be reached").trim_end_matches('.'),
            )
        })?;
        let (head, body) = answer.response.into_parts();
        let status = head.status;
        if is_aged(&head.headers) && (is_present(status) || is_gone(status)) {
            return Err(refusals::unavailable(
                "a cache in front of the upstream answered, although it was told not to",
            ));
        }
        if is_present(status) {
            let variant =
                if index.is_some() { Ok(variant) } else { self.variant(x, route, purpose, &head.headers) };
            // An answer that is cut says nothing about what is there.
            let minted = self.mint(x, route, count, variant, &head, body).await.map_err(|refusal| {
                refusals::unavailable(refusal.own_detail().unwrap_or_default().trim_end_matches('.'))
            })?;
            discard(minted.content).await;
            return Ok(Looked::Present(minted.tag, demand::strong_tag(&head.headers)));
        }
        let own_credentials = credentials.is_some();
        match status.as_u16() {
            404 | 410 => {
                // The connection can be used again when nothing more comes.
                drop(collect(body, ANSWER_BYTES_MAX).await);
                Ok(Looked::Absent)
            }
            405 | 501 => Err(refusals::misconfigured(
                format_args!("the upstream answers GET with {status}"),
                if route.is_exclusive() {
                    "a condition other than If-Match needs a read, so it needs an upstream that answers GET here, or \
                     evaluate = \"upstream\" on this route, which leaves conditions to the upstream"
                } else {
                    "writers = \"gateway-only\" on this route needs no check read"
                },
            )),
            300..=399 | 401 | 403 | 407 if own_credentials => Err(refusals::misconfigured(
                format_args!("the upstream answers GET with {status} to the route's own credentials"),
                "check_authorization on this route",
            )),
            // What was asked for in somebody else's name is not the caller's to see.
            300..=499
                if !own_credentials
                    && status != StatusCode::NOT_MODIFIED
                    && status != StatusCode::REQUEST_TIMEOUT =>
            {
                let mut head = head;
                crate::head::clean_answer(&mut head);
                crate::head::strip_validators(&mut head.headers);
                self.learned.answered(&x.headers, &mut head.headers);
                let content = collect(body, ANSWER_BYTES_MAX)
                    .await
                    .map_err(|_| refusals::unavailable("the answer is cut or too large"))?;
                head.headers.remove(http::header::TRAILER);
                head.headers.remove(http::header::CONTENT_LENGTH);
                Ok(Looked::Answered(Response::from_parts(head, content.bytes)))
            }
            _ => Err(refusals::unavailable(format_args!("the upstream answers GET with {status}"))),
        }
    }

    /// What a stale condition would be told, for a client that waits before it sends its content.
    pub(crate) async fn foresee(&self, x: &Exchange, route: &Route) -> Option<Refusal> {
        if !route.mints() || !x.fields.has(Field::TagCondition) {
            return None;
        }
        let key = self.turn_key(x, route);
        match self.judge_now(x, route, self.state.counter(&key)).await {
            Ok((Outcome::Refused(refusal), _)) => Some(refusal),
            // Only what is certain; whatever else there is to say is said inside the turn.
            _ => None,
        }
    }
}

/// The number of a variant in the table.
fn stored(variant: Option<Variant>) -> Option<u32> {
    match variant? {
        Variant::Stored(number) => Some(number),
        Variant::Apart(_) => None,
    }
}

fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

fn present(tag: Option<&HeaderValue>) -> Representation<'_> {
    let etag = tag.and_then(|tag| EntityTag::parse(tag.as_bytes()));
    Representation { etag, last_modified: None, content_bytes: None }
}

fn on(x: &Exchange, state: CurrentState<'_>) -> Outcome {
    x.judge(now()).on_state(&state)
}
