//! Writes on routes where the gateway evaluates: the turn, the check, the forward, and what becomes of it.

use crate::body::GatewayBody;
use crate::demand::{Demanded, cannot_be_met, changed_meanwhile};
use crate::forwarding::Lost;
use crate::gateway::{Gateway, destination, has_destination};
use crate::head::{self, Look, Purpose};
use crate::names::Name;
use crate::refusals;
use crate::routes::Route;
use crate::state::{Awaited, Entry, InFlight, Kind, NotBegun};
use crate::tag::Digest;
use crate::upstream::{Answer, SendErrorKind, Sending, collect_within};
use crate::watch::Outcome as WriteOutcome;
use crate::watching::Written;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use ifmatch_core::{Code, Mode, Outcome, Protection, Reason, Refusal, Requirement, Target};
use ifmatch_guard::{Acted, Busy, Content, Exchange, Field, Turn};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An answer to a write up to this long is received completely before the client hears of it, in bytes.
pub(crate) const ANSWER_WHOLE_BYTES_MAX: usize = 1 << 20;

/// For so long after its head; what comes later is handed on as it comes. Never longer than `answer_max`.
const ANSWER_WHOLE_TIME_MAX: Duration = Duration::from_secs(10);

/// What [`Gateway::sent`] leaves behind.
const SENT: &str = "a write that was sent has its answer or an end";

pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
pub(crate) const REPORT_ONLY: &str = "precondition-policy-report-only";

/// The line or lines a write has its turn in, and what is counted there.
pub(crate) struct Place {
    name: Name,
    /// Boxed: of COPY and MOVE only.
    also: Option<Box<Name>>,
    pub(crate) kind: Kind,
}

/// A write that was judged, on its way.
pub(crate) struct Forward {
    /// From just before its first byte until its end is known, or known not to be. Dropped before the turns: whoever is next
    /// must find it in doubt.
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) x: Arc<Exchange>,
    pub(crate) route: Arc<Route>,
    pub(crate) place: Place,
    pub(crate) turns: (Turn, Option<Turn>),
    pub(crate) protection: Protection,
    pub(crate) before: Option<HeaderValue>,
    /// The upstream's own tag of what was judged, if it was read and can be sent back.
    pub(crate) theirs: Option<HeaderValue>,
    /// The tag that it is sent with, because the upstream asks for one.
    pub(crate) demand: Option<HeaderValue>,
    /// See [`Checked::own`](crate::check::Checked::own).
    pub(crate) own: Option<Digest>,
    /// The content, as far as it is in memory, and the hash of it.
    pub(crate) content: Option<Bytes>,
    sent: Option<u64>,
    /// When it was sent, for the last time.
    began: Instant,
    /// What came back, until somebody takes it. Here, since whatever a future hands on is copied on its way.
    answer: Option<Answer>,
}

/// What there is to say of a write that is not forwarded. Boxed: most are.
type Ended = Box<Acted<GatewayBody>>;

fn refused(refusal: Refusal) -> Ended {
    Box::new(Acted::Refused(refusal, None))
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
    /// One that has its turns. Of its content the hash is known, if it was taken.
    fn new(
        x: Arc<Exchange>,
        route: Arc<Route>,
        place: Place,
        turns: (Turn, Option<Turn>),
        protection: Protection,
        (content, sent): (&Content, Option<u64>),
    ) -> Self {
        Self {
            in_flight: None,
            began: x.began,
            x,
            route,
            place,
            turns,
            protection,
            before: None,
            theirs: None,
            demand: None,
            own: None,
            content: content.spooled().is_none().then(|| content.bytes().clone()),
            sent,
            answer: None,
        }
    }

    /// Whether it writes two resources.
    pub(crate) fn is_double(&self) -> bool {
        self.place.also.is_some()
    }

    /// The status of its answer.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.answer.as_ref().map(|answer| answer.response.status())
    }

    /// Its end is known. The count after it, if it was under way.
    pub(crate) fn ended(&mut self, advance: bool) -> u64 {
        self.in_flight.take().map_or(0, |in_flight| in_flight.end(advance))
    }
}

impl Gateway {
    /// One write, from its turn to its answer. Every future has room for all that comes after it, and all of that is copied
    /// when it begins; so this one has little around what it waits for.
    #[allow(clippy::manual_async_fn, reason = "an async fn has room for its arguments twice")]
    pub(crate) fn write(
        &self,
        x: Arc<Exchange>,
        route: Arc<Route>,
        content: Content,
    ) -> impl Future<Output = Acted<GatewayBody>> + Send {
        async move {
            let judged = match self.append(&x, &route, &content) {
                Some(forward) => Ok(forward),
                // Boxed: what only adds needs no room for all that it may wait for.
                None => Box::pin(self.judged(x, route, &content)).await,
            };
            match judged {
                Ok(forward) => self.forward(forward, &content).await,
                Err(ended) => *ended,
            }
        }
    }

    /// A write that only adds, if it is of one resource and has its turn at once: there is nothing to judge, and nothing to
    /// wait for.
    fn append(&self, x: &Arc<Exchange>, route: &Arc<Route>, content: &Content) -> Option<Box<Forward>> {
        if !self.appends(x) || has_destination(&x.method) {
            return None;
        }
        let place = self.place(x, route, None, Kind::Shared);
        let turn = self.turn_at_once(&place)?;
        // Whoever had the turn before may have left a doubt behind.
        self.state.held(place.name.key, place.kind).is_none().then(|| {
            self.waited(x, Duration::ZERO);
            let sent = self.watching.sent(x, place.name.watched, content, false);
            // What is missing was waived on the head.
            let protection = x.protection().and_then(Result::ok).unwrap_or(Protection::None);
            let (x, route) = (Arc::clone(x), Arc::clone(route));
            Box::new(Forward::new(x, route, place, (turn, None), protection, (content, sent)))
        })
    }

    /// Whether it only adds: it names no version and needs none.
    fn appends(&self, x: &Exchange) -> bool {
        x.policy.requirement(&x.method) == Requirement::None && !x.fields.has(Field::TagCondition)
    }

    /// Counts a write that has its turn.
    fn waited(&self, x: &Exchange, time: Duration) {
        let counts = self.stats.route(x.policy.ordinal);
        counts.turn_waits.add(time);
        if x.method == Method::POST && self.appends(x) {
            counts.unguarded_posts.add();
        }
    }

    /// The write in its turn, judged, if it may be forwarded.
    async fn judged(
        &self,
        x: Arc<Exchange>,
        route: Arc<Route>,
        content: &Content,
    ) -> Result<Box<Forward>, Ended> {
        let to = destination(&x.method, &x.uri, &x.headers).map_err(refused)?;
        // No dates are handed out here, so If-Unmodified-Since counts as absent.
        let conditional = x.fields.has(Field::TagCondition);
        let kind = if self.appends(&x) && to.is_none() { Kind::Shared } else { Kind::Exclusive };
        let place = self.place(&x, &route, to.as_ref(), kind);
        let (turns, waited) = match self.turn_at_once(&place) {
            // Nobody had time to leave: nothing was waited for since the content was there.
            Some(turn) => ((turn, None), Duration::ZERO),
            None => {
                self.not_held(&place).map_err(refused)?;
                let waits = Instant::now();
                let turns = tokio::select! {
                    biased;
                    // Nothing has happened yet, so whoever leaves the line leaves nothing behind.
                    () = x.abandoned() => return Err(refused(refusals::left())),
                    turns = Box::pin(self.take_turns(&place)) => turns.map_err(|Busy| refused(refusals::busy()))?,
                };
                (turns, waits.elapsed())
            }
        };
        self.waited(&x, waited);
        // Only now: whoever had the turn before may have left a doubt behind.
        self.not_held(&place).map_err(refused)?;
        let (mut before, mut theirs, mut own) = (None, None, None);
        let protection = if conditional {
            let judged = Box::pin(self.judge_now(&x, &route, place.name.key.counter)).await;
            let (outcome, checked) = judged.map_err(|refusal| self.refused(&x, &place, refusal, content))?;
            if let Some(answer) = checked.answer {
                let refusal = Refusal::new(Code::Forbidden)
                    .because(Reason::Other("upstream"))
                    .status_code(answer.status());
                return Err(Box::new(Acted::Refused(refusal, Some(answer.map(GatewayBody::from)))));
            }
            (before, theirs, own) = (checked.before, checked.theirs, checked.own);
            match outcome {
                Outcome::Perform(guard) => guard.protection(),
                Outcome::Refused(refusal) => return Err(self.refused(&x, &place, refusal, content)),
                // Only reads end like this, and reads do not come here.
                Outcome::Send(_) | Outcome::NotModified => {
                    return Err(refused(Refusal::new(Code::MethodNotAllowed)));
                }
            }
        } else {
            // Nothing is to be evaluated, and what is missing was waived on the head.
            x.protection().and_then(Result::ok).unwrap_or(Protection::None)
        };
        if let Some(to) = &to {
            Box::pin(self.destination_free(&x, &route, to)).await.map_err(refused)?;
        }
        let sent = self.watching.sent(&x, place.name.watched, content, conditional);
        let mut forward = Box::new(Forward {
            before,
            theirs,
            own,
            ..Forward::new(x, route, place, turns, protection, (content, sent))
        });
        forward.demand = self.known_demand(&forward).await;
        Ok(forward)
    }

    fn place(&self, x: &Exchange, route: &Route, to: Option<&Target>, kind: Kind) -> Place {
        let host = x.uri.authority().map(|a| a.as_str());
        let key = self.turn_key(x, route);
        let name = match kind {
            Kind::Shared => self.name_of_collection(&key),
            Kind::Exclusive => self.name(&key),
        };
        let also = to.map(|to| {
            let there = self.routes.find(to);
            self.name(&self.routes.turn_key(there, to, &x.headers, host))
        });
        let also = also.filter(|other| other.text() != name.text()).map(Box::new);
        Place { name, also, kind }
    }

    /// Another write of this resource may still land.
    fn not_held(&self, place: &Place) -> Result<(), Refusal> {
        let also = place.also.as_ref().map(|name| name.key);
        match Some(place.name.key).into_iter().chain(also).find_map(|key| self.state.held(key, place.kind)) {
            None => Ok(()),
            Some(held) => {
                self.stats.held.add();
                Err(refusals::pending(held.remaining))
            }
        }
    }

    /// The turn, if nobody is before us.
    fn turn_at_once(&self, place: &Place) -> Option<Turn> {
        let line = place.name.line.clone();
        match place.kind {
            _ if place.also.is_some() => None,
            Kind::Exclusive => self.turns.exclusive_at_once(line),
            Kind::Shared => self.turns.shared_at_once(line),
        }
    }

    /// The turn; of two resources in the order of their keys, so that two writes cannot wait for each other.
    async fn take_turns(&self, place: &Place) -> Result<(Turn, Option<Turn>), Busy> {
        let line = place.name.line.clone();
        let Some(other) = &place.also else {
            let turn = match place.kind {
                Kind::Exclusive => self.turns.exclusive(line).await?,
                Kind::Shared => self.turns.shared(line).await?,
            };
            return Ok((turn, None));
        };
        let other = other.line.clone();
        let (first, second) = if line.text() < other.text() { (line, other) } else { (other, line) };
        Ok((self.turns.exclusive(first).await?, Some(self.turns.exclusive(second).await?)))
    }

    /// COPY and MOVE write a second resource, of which the request names no version: it must not be there.
    async fn destination_free(&self, x: &Exchange, route: &Route, to: &Target) -> Result<(), Refusal> {
        let there = Arc::clone(self.routes.find(to));
        // Two of them were refused, and not all that look for it know it in another case.
        let keeps = x.headers.get("overwrite").is_some_and(|value| value == "F");
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
        let time = self.answer_whole_max(route);
        drop(collect_within(answer.response.into_body(), ANSWER_WHOLE_BYTES_MAX, time).await);
        match status.as_u16() {
            _ if is_aged => Err(refusals::unavailable("a cache answered for the Destination")),
            404 | 410 => Ok(()),
            200..=299 => Err(Refusal::new(Code::AlreadyExists).because(Reason::Other("destination")).detail(format!(
                "Something is at the Destination {} already, and the request does not say which version of it it has seen. \
                 Delete it first, with its ETag in If-Match.",
                to.as_str()
            ))),
            _ => Err(refusals::unavailable(format_args!("the upstream answers GET of the Destination with {status}"))),
        }
    }

    fn refused(&self, x: &Exchange, place: &Place, refusal: Refusal, content: &Content) -> Ended {
        self.watching.refused(x, place.name.watched, &refusal, content);
        let waived = x.policy.mode == Mode::Warn && x.protection().is_some_and(|p| p.is_err());
        let refusal = if waived {
            let reported = self.routes.of(&x.policy).reported.clone();
            refusal.field(HeaderName::from_static(REPORT_ONLY), reported)
        } else {
            refusal
        };
        refused(refusal)
    }

    /// The write is in its slot.
    fn begin(&self, forward: &mut Forward) -> Result<(), Refusal> {
        let Place { name, also, kind } = &forward.place;
        let entry = Entry {
            key: name.key,
            kind: *kind,
            method: forward.x.method.as_str(),
            target: forward.x.target.path(),
            also: also.as_ref().map(|name| name.key),
            late_write_max: self.late_write_max(&forward.route),
        };
        let in_flight = self.state.begin(&entry).map_err(|error| match error {
            NotBegun::Full => refusals::slots_full(),
            NotBegun::Failed(why) => refusals::state_failed(&why),
        })?;
        forward.in_flight = Some(in_flight);
        Ok(())
    }

    /// From here on the write may have an effect.
    #[allow(clippy::manual_async_fn, reason = "an async fn has room for its arguments twice")]
    fn forward(
        &self,
        mut forward: Box<Forward>,
        content: &Content,
    ) -> impl Future<Output = Acted<GatewayBody>> + Send {
        async move {
            if let Err(refusal) = self.begin(&mut forward) {
                return Acted::Refused(refusal, None);
            }
            if let Err(ended) = self.sent(&mut forward, content).await {
                return *ended;
            }
            // Moved as a whole: of what is taken apart the future keeps the rest.
            let answer = forward.answer.take().expect(SENT);
            self.answered(forward, answer).await
        }
    }

    /// Sends the write, with a condition of the upstream's own if that asks for one. The head of its answer is there.
    async fn sent(&self, forward: &mut Forward, content: &Content) -> Result<(), Ended> {
        self.send(forward, content).await?;
        match self.demanded(forward).await {
            Demanded::Nothing => {}
            demanded => {
                Box::pin(self.refused_completely(forward)).await?;
                let Demanded::Tag(theirs) = demanded else {
                    forward.ended(false);
                    return Err(refused(cannot_be_met()));
                };
                forward.route.demanded();
                forward.demand = Some(theirs);
                self.send(forward, content).await?;
            }
        }
        match forward.status() {
            // Not HTTP any more, and not asked for.
            Some(StatusCode::SWITCHING_PROTOCOLS) => {
                let cause = "the upstream switched to another protocol, which it was not asked for";
                Err(self.unknown(forward, cause))
            }
            Some(StatusCode::PRECONDITION_FAILED) if forward.demand.is_some() => {
                Box::pin(self.refused_completely(forward)).await?;
                forward.ended(false);
                self.stats.around.add();
                let refusal = changed_meanwhile(&forward.x.policy);
                Err(self.refused(&forward.x, &forward.place, refusal, content))
            }
            _ => Ok(()),
        }
    }

    async fn send(&self, forward: &mut Forward, content: &Content) -> Result<(), Ended> {
        forward.began = Instant::now();
        match self.exchange(forward, content, forward.began).await {
            Ok(answer) => {
                forward.answer = Some(answer);
                Ok(())
            }
            Err(Lost::Before(refusal)) => {
                forward.ended(false);
                Err(refused(refusal))
            }
            Err(Lost::After(error, pending)) => {
                // What has not left by now never will: the connection is cut before the time of doubt begins.
                let answerable = error.kind == SendErrorKind::TimedOut;
                let pending = pending.filter(|pending| answerable && pending.has_left());
                let late = self.late_write_max(&forward.route);
                let refusal = refusals::unknown(&error.to_string(), late);
                if let (Some(awaited), Some(pending)) = (self.in_doubt(forward), pending) {
                    Self::wait_on(awaited, pending, late);
                }
                Err(Box::new(Acted::Unknown(refusal, None)))
            }
        }
    }

    /// Takes the rest of an answer by which the upstream refuses the write.
    async fn refused_completely(&self, forward: &mut Forward) -> Result<(), Ended> {
        let Some(answer) = forward.answer.take() else { return Ok(()) };
        let time = self.answer_whole_max(&forward.route);
        match collect_within(answer.response.into_body(), ANSWER_WHOLE_BYTES_MAX, time).await {
            Ok(_) => Ok(()),
            Err(_) => Err(self.unknown(forward, "its answer was cut")),
        }
    }

    /// The client is told that nobody knows, and the others wait.
    pub(crate) fn unknown(&self, forward: &mut Forward, cause: &str) -> Ended {
        let refusal = refusals::unknown(cause, self.late_write_max(&forward.route));
        drop(self.in_doubt(forward));
        Box::new(Acted::Unknown(refusal, None))
    }

    /// The result is for whoever goes on waiting for the answer.
    pub(crate) fn in_doubt(&self, forward: &mut Forward) -> Option<Awaited> {
        self.stats.unknown.add();
        let late = self.late_write_max(&forward.route);
        let awaited = forward.in_flight.take().map(|in_flight| in_flight.doubt_awaited(late));
        self.note(forward, WriteOutcome::Unknown { until: Instant::now() + late }, None);
        awaited
    }

    /// How long the whole answer to a write is waited for.
    pub(crate) fn answer_whole_max(&self, route: &Route) -> Duration {
        self.answer_max(route).min(ANSWER_WHOLE_TIME_MAX)
    }

    /// Leaves what is known of the write for whoever records it.
    pub(crate) fn note(&self, forward: &Forward, outcome: WriteOutcome, after: Option<HeaderValue>) {
        let written = Written { began: forward.began, content: forward.sent, outcome, judged: true };
        let name = &forward.place.name;
        let mut facts = self.watching.wrote(&forward.x, (name.text(), name.watched), &written);
        (facts.before, facts.after) = (forward.before.clone(), after);
        forward.x.note(facts);
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
