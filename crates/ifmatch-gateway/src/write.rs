//! Writes on routes where the gateway evaluates: the turn, the check, the forward, and what becomes of it.

use crate::body::GatewayBody;
use crate::demand::{Demanded, cannot_be_met, changed_meanwhile};
use crate::digest;
use crate::forwarding::Lost;
use crate::gateway::{Gateway, destination, now};
use crate::head::{self, Look, Purpose};
use crate::pump;
use crate::read_back::{ReadBack, represent};
use crate::refusals;
use crate::routes::Route;
use crate::settings::DigestSource;
use crate::state::{Entry, InFlight, Key, Kind, NotBegun};
use crate::tag::{Digest, MintedTag};
use crate::upstream::{
    Answer, CollectError, Collected, ResponseBody, SendErrorKind, Sending, collect, collect_ready,
};
use crate::watch::Outcome as WriteOutcome;
use crate::watching::Written;
use bytes::Bytes;
use http::header::{ETAG, HeaderName, HeaderValue, TRAILER};
use http::response::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;
use ifmatch_core::{Code, Mode, Outcome, Protection, Reason, Refusal, Requirement, Target};
use ifmatch_guard::{Acted, Busy, Content, Exchange, Turn};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An answer to a write up to this long is received completely before the client hears of it, in bytes.
pub(crate) const ANSWER_WHOLE_BYTES_MAX: usize = 1 << 20;

pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
pub(crate) const REPORT_ONLY: &str = "precondition-policy-report-only";

/// The line or lines a write has its turn in, and what is counted there.
pub(crate) struct Place {
    key: String,
    named: Key,
    also: Option<(String, Key)>,
    pub(crate) kind: Kind,
}

/// A write that was judged, on its way.
pub(crate) struct Forward {
    pub(crate) x: Arc<Exchange>,
    pub(crate) route: Arc<Route>,
    pub(crate) place: Place,
    turns: (Turn, Option<Turn>),
    pub(crate) protection: Protection,
    before: Option<HeaderValue>,
    /// The upstream's own tag of what was judged, if it was read and can be sent back.
    pub(crate) theirs: Option<HeaderValue>,
    /// The tag that it is sent with, because the upstream asks for one.
    pub(crate) demand: Option<HeaderValue>,
    /// See [`Checked::own`](crate::check::Checked::own).
    own: Option<Digest>,
    /// The content, as far as it is in memory, and the hash of it.
    pub(crate) content: Option<Bytes>,
    sent: Option<u64>,
}

/// What a status says about the write, once its answer is complete and all content was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    /// Applied.
    Yes,
    /// Nothing changed.
    No,
    /// It may have changed something before it failed; it will not any more.
    Perhaps,
    /// Not the origin's last word.
    Nothing,
}

/// What is remembered of a write; one that may still land does so within `late`.
pub(crate) fn outcome_of(says: Said, late: Duration) -> WriteOutcome {
    let now = Instant::now;
    match says {
        Said::Yes => WriteOutcome::Applied,
        Said::No => WriteOutcome::NotApplied,
        // It will not land any more; whether it did is not known.
        Said::Perhaps => WriteOutcome::Unknown { until: now() },
        Said::Nothing => WriteOutcome::Unknown { until: now() + late },
    }
}

pub(crate) fn said(status: StatusCode) -> Said {
    match status.as_u16() {
        202 | 408 | 502 | 504 => Said::Nothing,
        200..=303 => Said::Yes,
        400..=499 => Said::No,
        _ => Said::Perhaps,
    }
}

impl Forward {
    /// Whether it writes two resources.
    pub(crate) fn is_double(&self) -> bool {
        self.place.also.is_some()
    }
}

impl Gateway {
    /// One write, from its turn to its answer.
    pub(crate) async fn write(
        &self,
        x: Arc<Exchange>,
        route: Arc<Route>,
        content: Content,
    ) -> Result<Acted<GatewayBody>, Refusal> {
        let to = destination(&x.method, &x.uri, &x.headers)?;
        let judge = x.judge(now());
        let conditional = judge.conditions().bind_writes();
        let appends = x.policy.requirement(&x.method) == Requirement::None && !conditional;
        let protection = judge.protection();
        drop(judge);
        let kind = if appends && to.is_none() { Kind::Shared } else { Kind::Exclusive };
        let place = self.place(&x, &route, to.as_ref(), kind);
        if appends && x.method == Method::POST {
            self.stats.route(x.policy.ordinal).unguarded_posts.add();
        }
        self.not_held(&place)?;
        let (turns, waited) = match self.turn_at_once(&place) {
            // Nobody had time to leave: nothing was waited for since the content was there.
            Some(turn) => ((turn, None), Duration::ZERO),
            None => {
                let waits = Instant::now();
                let turns = tokio::select! {
                    biased;
                    // Nothing has happened yet, so whoever leaves the line leaves nothing behind.
                    () = x.abandoned() => return Ok(Acted::Refused(refusals::left(), None)),
                    turns = Box::pin(self.take_turns(&place)) => turns.map_err(|Busy| refusals::busy())?,
                };
                (turns, waits.elapsed())
            }
        };
        self.stats.route(x.policy.ordinal).turn_waits.add(waited);
        self.not_held(&place)?;
        let (mut before, mut theirs, mut own) = (None, None, None);
        let protection = if conditional {
            let (outcome, checked) = match self.judge_now(&x, &route, place.named.counter).await {
                Ok(judged) => judged,
                Err(refusal) => return Ok(self.refused(&x, &place, refusal, &content)),
            };
            if let Some(answer) = checked.answer {
                let refusal = Refusal::new(Code::Forbidden)
                    .because(Reason::Other("upstream"))
                    .status_code(answer.status());
                return Ok(Acted::Refused(refusal, Some(answer.map(GatewayBody::from))));
            }
            (before, theirs, own) = (checked.before, checked.theirs, checked.own);
            match outcome {
                Outcome::Perform(guard) => guard.protection(),
                Outcome::Refused(refusal) => return Ok(self.refused(&x, &place, refusal, &content)),
                // Only reads end like this, and reads do not come here.
                Outcome::Send(_) | Outcome::NotModified => return Err(Refusal::new(Code::MethodNotAllowed)),
            }
        } else {
            // Nothing is to be evaluated, and what is missing was waived on the head.
            protection.unwrap_or(Protection::None)
        };
        if let Some(to) = &to {
            Box::pin(self.destination_free(&x, &route, to)).await?;
        }
        let sent = self.watching.sent(&x, &place.key, &content, conditional);
        let bytes = content.spooled().is_none().then(|| content.bytes().clone());
        let mut forward = Box::new(Forward {
            x,
            route,
            place,
            turns,
            protection,
            before,
            theirs,
            own,
            demand: None,
            content: bytes,
            sent,
        });
        forward.demand = self.known_demand(&forward).await;
        Box::pin(self.forward(forward, &content)).await
    }

    fn place(&self, x: &Exchange, route: &Route, to: Option<&Target>, kind: Kind) -> Place {
        let host = x.uri.authority().map(|a| a.as_str());
        let key = self.turn_key(x, route).into_owned();
        let also = to.map(|to| {
            let there = self.routes.find(to);
            let key = self.routes.turn_key(there, to, &x.headers, host).into_owned();
            let named = self.state.key(&key);
            (key, named)
        });
        let named = self.state.key(&key);
        Place { also: also.filter(|(other, _)| *other != key), key, named, kind }
    }

    /// Another write of this resource may still land.
    fn not_held(&self, place: &Place) -> Result<(), Refusal> {
        let also = place.also.as_ref().map(|(_, key)| *key);
        match Some(place.named).into_iter().chain(also).find_map(|key| self.state.held(key, place.kind)) {
            None => Ok(()),
            Some(held) => {
                self.stats.held.add();
                Err(refusals::pending(held.remaining))
            }
        }
    }

    /// The turn, if nobody is before us.
    fn turn_at_once(&self, place: &Place) -> Option<Turn> {
        match place.kind {
            _ if place.also.is_some() => None,
            Kind::Exclusive => self.turns.exclusive_at_once(&place.key),
            Kind::Shared => self.turns.shared_at_once(&place.key),
        }
    }

    /// The turn; of two resources in the order of their keys, so that two writes cannot wait for each other.
    async fn take_turns(&self, place: &Place) -> Result<(Turn, Option<Turn>), Busy> {
        let Some((other, _)) = &place.also else {
            let turn = match place.kind {
                Kind::Exclusive => self.turns.exclusive(&place.key).await?,
                Kind::Shared => self.turns.shared(&place.key).await?,
            };
            return Ok((turn, None));
        };
        let (first, second) = if place.key < *other { (&place.key, other) } else { (other, &place.key) };
        Ok((self.turns.exclusive(first).await?, Some(self.turns.exclusive(second).await?)))
    }

    /// COPY and MOVE write a second resource, of which the request names no version: it must not be there.
    async fn destination_free(&self, x: &Exchange, route: &Route, to: &Target) -> Result<(), Refusal> {
        let there = Arc::clone(self.routes.find(to));
        let keeps =
            x.headers.get("overwrite").is_some_and(|v| v.as_bytes().trim_ascii().eq_ignore_ascii_case(b"f"));
        let enforced = [route.policy.mode, there.policy.mode].contains(&Mode::Enforce);
        if keeps || !enforced {
            return Ok(());
        }
        let Some(spelled) = head::canonical(to) else {
            return Err(Refusal::bad_request(
                "destination",
                "Destination cannot be asked for as it is spelled.",
            ));
        };
        let request = || {
            self.heads.request(x, (&Method::GET, &spelled), Purpose::Check(Look::default()), Sending::empty())
        };
        let answer = self.fetch(request, self.answer_max(route)).await.map_err(|refusal| {
            refusals::unavailable(refusal.own_detail().unwrap_or_default().trim_end_matches('.'))
        })?;
        let status = answer.response.status();
        let is_aged = crate::read::is_aged(answer.response.headers());
        drop(collect(answer.response.into_body(), ANSWER_WHOLE_BYTES_MAX).await);
        match status.as_u16() {
            _ if is_aged => Err(refusals::unavailable("a cache answered for the Destination")),
            404 | 410 => Ok(()),
            200..=299 => Err(Refusal::new(Code::AlreadyExists).because(Reason::Other("destination")).detail(format!(
                "Something is at the Destination {} already, and the request does not say which version of it it has seen. \
                 Delete it first, with its ETag in If-Match.",
                to.path()
            ))),
            _ => Err(refusals::unavailable(format_args!("the upstream answers GET of the Destination with {status}"))),
        }
    }

    fn refused(
        &self,
        x: &Exchange,
        place: &Place,
        refusal: Refusal,
        content: &Content,
    ) -> Acted<GatewayBody> {
        self.watching.refused(x, &place.key, &refusal, content);
        Acted::Refused(refusal, None)
    }

    /// From here on the write may have an effect.
    async fn forward(
        &self,
        mut forward: Box<Forward>,
        content: &Content,
    ) -> Result<Acted<GatewayBody>, Refusal> {
        let Place { named, also, kind, .. } = &forward.place;
        let entry = Entry {
            key: *named,
            kind: *kind,
            method: forward.x.method.as_str(),
            target: forward.x.target.path(),
            also: also.as_ref().map(|(_, key)| *key),
        };
        let in_flight = self.state.begin(&entry).map_err(|error| match error {
            NotBegun::Full => refusals::slots_full(),
            NotBegun::Failed(why) => refusals::state_failed(&why),
        })?;
        let mut began = Instant::now();
        let mut answer = self.exchange(&forward, content, began).await;
        if let Ok(first) = answer {
            let demanded = self.demanded(&forward, &first).await;
            if matches!(demanded, Demanded::Nothing) {
                answer = Ok(first);
            } else if !self.refused_completely(first).await {
                return Ok(self.unknown(&forward, in_flight, began, "its answer was cut"));
            } else if let Demanded::Tag(theirs) = demanded {
                forward.route.demanded();
                forward.demand = Some(theirs);
                began = Instant::now();
                answer = self.exchange(&forward, content, began).await;
            } else {
                in_flight.end(false);
                return Err(cannot_be_met());
            }
        }
        match answer {
            // Not HTTP any more, and not asked for.
            Ok(answer) if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let cause = "the upstream switched to another protocol, which it was not asked for";
                Ok(self.unknown(&forward, in_flight, began, cause))
            }
            Ok(answer)
                if answer.response.status() == StatusCode::PRECONDITION_FAILED
                    && forward.demand.is_some() =>
            {
                if !self.refused_completely(answer).await {
                    return Ok(self.unknown(&forward, in_flight, began, "its answer was cut"));
                }
                in_flight.end(false);
                self.stats.around.add();
                Ok(self.refused(&forward.x, &forward.place, changed_meanwhile(), content))
            }
            Ok(answer) => Ok(self.answered(forward, in_flight, answer, began).await),
            Err(Lost::Before(refusal)) => {
                in_flight.end(false);
                Err(refusal)
            }
            Err(Lost::After(error, pending)) => {
                let (id, late) = (in_flight.id(), self.late_write_max(&forward.route));
                let unknown = self.unknown(&forward, in_flight, began, &error.to_string());
                if let Some(pending) = pending.filter(|_| error.kind == SendErrorKind::TimedOut) {
                    self.wait_on(id, *pending, late);
                }
                Ok(unknown)
            }
        }
    }

    /// The client is told that nobody knows, and the others wait.
    fn unknown(
        &self,
        forward: &Forward,
        in_flight: InFlight,
        began: Instant,
        cause: &str,
    ) -> Acted<GatewayBody> {
        let refusal = refusals::unknown(cause, self.late_write_max(&forward.route));
        self.in_doubt(forward, in_flight, began);
        Acted::Unknown(refusal, None)
    }

    fn in_doubt(&self, forward: &Forward, in_flight: InFlight, began: Instant) {
        self.stats.unknown.add();
        in_flight.doubt(self.late_write_max(&forward.route));
        let until = Instant::now() + self.late_write_max(&forward.route);
        self.note(forward, began, WriteOutcome::Unknown { until }, None);
    }

    /// Leaves what is known of the write for whoever records it.
    fn note(&self, forward: &Forward, began: Instant, outcome: WriteOutcome, after: Option<HeaderValue>) {
        let content = forward.sent;
        let written = Written { began, content, outcome, judged: true };
        let mut facts = self.watching.wrote(&forward.x, &forward.place.key, &written);
        (facts.before, facts.after) = (forward.before.clone(), after);
        forward.x.note(facts);
    }

    /// The head of an answer is there.
    async fn answered(
        &self,
        forward: Box<Forward>,
        in_flight: InFlight,
        answer: Answer,
        began: Instant,
    ) -> Acted<GatewayBody> {
        let early = !answer.all_content_sent();
        let (mut head, body) = answer.response.into_parts();
        head::clean_answer(&mut head.headers);
        self.learned.answered(&forward.x.headers, &mut head.headers);
        head::strip_validators(&mut head.headers);
        self.report(&forward, &mut head.headers);
        let says = said(head.status);
        // An answer to an append may be without an end. Nobody waits for it, but what is there may be all.
        let streams = forward.place.kind == Kind::Shared && body.size_hint().exact().is_none();
        let collected = if streams && says == Said::Yes && !early {
            collect_ready(body, ANSWER_WHOLE_BYTES_MAX).await
        } else {
            collect(body, ANSWER_WHOLE_BYTES_MAX).await
        };
        match collected {
            Ok(collected)
                if says == Said::No || (says != Said::Nothing && collected.all_content_sent && !early) =>
            {
                let Collected { bytes, mut trailers, .. } = collected;
                match &mut trailers {
                    // An entity-tag may come as late as here (RFC 9110, Section 8.8.3).
                    Some(trailers) => head::strip_validators(trailers),
                    None => drop(head.headers.remove(TRAILER)),
                }
                let read_back = if says == Said::Yes && Self::wants_read_back(&forward, &head) {
                    Box::pin(self.read_back(&forward, &head)).await
                } else {
                    None
                };
                self.concluded(forward, in_flight, head, (bytes, trailers), read_back, began)
            }
            // The whole answer, and yet not the last word.
            Ok(collected) => {
                head.headers.remove(TRAILER);
                let cause = format!("its answer, {}, does not say what became of it", head.status);
                let refusal = refusals::unknown(&cause, self.late_write_max(&forward.route));
                self.in_doubt(&forward, in_flight, began);
                Acted::Unknown(refusal, Some(Response::from_parts(head, GatewayBody::from(collected.bytes))))
            }
            Err(CollectError::More { so_far, rest }) if !early && says != Said::Nothing => {
                self.pump(forward, in_flight, head, so_far, *rest, began)
            }
            Err(error) => {
                let cause = match error {
                    CollectError::Idle => "its answer stopped in the middle",
                    CollectError::Cut(_) | CollectError::More { .. } => "its answer was cut",
                };
                self.unknown(&forward, in_flight, began, cause)
            }
        }
    }

    /// The complete answer is there, and it is the last word.
    fn concluded(
        &self,
        forward: Box<Forward>,
        in_flight: InFlight,
        mut head: Parts,
        (mut content, mut trailers): (Bytes, Option<HeaderMap>),
        read_back: Option<ReadBack>,
        began: Instant,
    ) -> Acted<GatewayBody> {
        let says = said(head.status);
        let applied = says == Said::Yes;
        let count = in_flight.end(says != Said::No);
        let tag = (applied && forward.place.kind == Kind::Exclusive)
            .then(|| self.new_tag(&forward, &head, &content, read_back.as_ref(), count))
            .flatten();
        if let Some(tag) = &tag {
            head.headers.insert(ETAG, tag.to_value());
        }
        if let Some(read) = read_back.filter(|read| read.shown) {
            represent(&forward.x, &mut head, &read.head);
            (content, trailers) = (read.content, None);
            head.headers.remove(TRAILER);
        }
        self.note(
            &forward,
            began,
            outcome_of(says, self.late_write_max(&forward.route)),
            tag.map(MintedTag::to_value),
        );
        drop(forward.turns);
        let response = Response::from_parts(head, GatewayBody::whole(content, trailers));
        match says {
            Said::Yes => Acted::Applied(response, forward.protection),
            Said::No => Acted::NotApplied(response),
            Said::Perhaps | Said::Nothing => {
                Acted::Unknown(Refusal::new(Code::OutcomeUnknown), Some(response))
            }
        }
    }

    /// A long answer goes to the client as it comes.
    fn pump(
        &self,
        forward: Box<Forward>,
        in_flight: InFlight,
        head: Parts,
        so_far: Bytes,
        rest: ResponseBody,
        began: Instant,
    ) -> Acted<GatewayBody> {
        let says = said(head.status);
        self.note(&forward, began, outcome_of(says, self.late_write_max(&forward.route)), None);
        let (turns, protection) = (forward.turns, forward.protection);
        let late = self.late_write_max(&forward.route);
        let body = pump::drained(
            so_far,
            rest,
            self.settings.bounds.answer_bytes_max,
            &self.answers,
            move |complete| {
                if complete {
                    in_flight.end(says != Said::No);
                } else {
                    in_flight.doubt(late);
                }
                drop(turns);
            },
        );
        let response = Response::from_parts(head, body);
        if says == Said::Yes {
            Acted::Applied(response, protection)
        } else {
            Acted::Unknown(Refusal::new(Code::OutcomeUnknown), Some(response))
        }
    }

    /// In warn mode: what would have been refused.
    fn report(&self, forward: &Forward, headers: &mut HeaderMap) {
        if forward.route.policy.mode == Mode::Warn && forward.x.judge(now()).protection().is_err() {
            headers.insert(REPORT_ONLY, forward.route.reported.clone());
        }
    }

    /// The tag of the state that this write made, where the answer may carry one (RFC 9110, Section 9.3.4).
    fn new_tag(
        &self,
        forward: &Forward,
        head: &Parts,
        content: &Bytes,
        read_back: Option<&ReadBack>,
        count: u64,
    ) -> Option<MintedTag> {
        let x = &forward.x;
        if x.method == Method::DELETE || forward.place.also.is_some() || !head.status.is_success() {
            return None;
        }
        let tag = MintedTag { epoch: self.state.epoch(), count, digest: None, variant: None };
        if let Some(read) = read_back {
            return (read.shown || read.verified).then_some(MintedTag { count, ..read.tag });
        }
        if !matches!(x.method, Method::PUT | Method::PATCH) {
            return None;
        }
        if forward.route.is_exclusive() {
            let digest = forward
                .own
                .or_else(|| digest::of(&DigestSource::None, &x.target, &head.headers, content, None));
            return Some(MintedTag { digest, ..tag });
        }
        // The upstream has sent the new representation itself.
        let applied = head
            .headers
            .get_all(PREFERENCE_APPLIED)
            .iter()
            .any(|v| v.as_bytes().starts_with(b"return=representation"));
        if !applied || head.headers.contains_key(http::header::VARY) {
            return None;
        }
        let digest = digest::of(forward.route.digest_source(), &x.target, &head.headers, content, None);
        digest.map(|digest| MintedTag { digest: Some(digest), ..tag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_says_of_a_write() {
        for (status, says) in [
            (200, Said::Yes),
            (204, Said::Yes),
            (303, Said::Yes),
            (202, Said::Nothing),
            (307, Said::Perhaps),
            (400, Said::No),
            (408, Said::Nothing),
            (409, Said::No),
            (500, Said::Perhaps),
            (502, Said::Nothing),
            (503, Said::Perhaps),
            (504, Said::Nothing),
        ] {
            assert_eq!(said(StatusCode::from_u16(status).unwrap()), says, "{status}");
        }
    }
}
