//! What the answer to a write says became of it, and what the client is told.

use crate::body::GatewayBody;
use crate::gateway::{Gateway, now};
use crate::head;
use crate::pump;
use crate::read_back::{ReadBack, represent};
use crate::refusals;
use crate::state::Kind;
use crate::tag::MintedTag;
use crate::upstream::{Answer, CollectError, Collected, ResponseBody, collect_ready, collect_within};
use crate::write::{
    ANSWER_WHOLE_BYTES_MAX, Forward, PREFERENCE_APPLIED, REPORT_ONLY, Said, outcome_of, said,
};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, ETAG, TRAILER, VARY};
use http::response::Parts;
use http::{HeaderMap, Method, Response};
use http_body::Body;
use ifmatch_core::{Code, Mode, Refusal};
use ifmatch_guard::{Acted, Field};
use std::future::Future;
use std::sync::Arc;

impl Gateway {
    /// The head of an answer is there. What is done with it at once is done outside of the future, which has no room for it.
    pub(crate) fn answered(
        &self,
        mut forward: Box<Forward>,
        answer: Answer,
    ) -> impl Future<Output = Acted<GatewayBody>> + Send {
        let early = !answer.all_content_sent();
        let (mut head, body) = answer.response.into_parts();
        head::clean_answer(&mut head);
        if forward.x.fields.has(Field::Origin) {
            self.learned.answered(&forward.x.headers, &mut head.headers);
        }
        head::strip_validators(&mut head.headers);
        self.report(&forward, &mut head.headers);
        async move {
            let says = said(head.status);
            // An answer to an append may be without an end. Nobody waits for it, but what is there may be all.
            let streams = forward.place.kind == Kind::Shared && body.size_hint().exact().is_none();
            let collected = if streams && says == Said::Yes && !early {
                collect_ready(body, ANSWER_WHOLE_BYTES_MAX).await
            } else {
                let time = self.answer_whole_max(&forward.route);
                collect_within(body, ANSWER_WHOLE_BYTES_MAX, time).await
            };
            match collected {
                Ok(collected)
                    if says == Said::No
                        || (says != Said::Nothing && collected.all_content_sent && !early) =>
                {
                    let Collected { bytes, mut trailers, .. } = collected;
                    match &mut trailers {
                        // An entity-tag may come as late as here (RFC 9110, Section 8.8.3).
                        Some(trailers) => head::strip_validators(trailers),
                        // An answer has few fields: to go by them costs less than to look one up.
                        None if head.headers.keys().any(|name| *name == TRAILER) => {
                            drop(head.headers.remove(TRAILER));
                        }
                        None => {}
                    }
                    let read_back = if says == Said::Yes && Self::wants_read_back(&forward, &head) {
                        Box::pin(self.read_back(&forward, &head)).await
                    } else {
                        None
                    };
                    self.concluded(forward, head, (bytes, trailers), read_back)
                }
                // The whole answer, and yet not the last word.
                Ok(collected) => {
                    head.headers.remove(TRAILER);
                    let cause = format!("its answer, {}, does not say what became of it", head.status);
                    let refusal = refusals::unknown(&cause, self.late_write_max(&forward.route));
                    drop(self.in_doubt(&mut forward));
                    Acted::Unknown(
                        refusal,
                        Some(Response::from_parts(head, GatewayBody::from(collected.bytes))),
                    )
                }
                Err(CollectError::More { so_far, rest }) if !early && says != Said::Nothing => {
                    self.pump(forward, head, so_far, *rest)
                }
                Err(error) => {
                    let cause = match &error {
                        CollectError::Idle => "its answer stopped in the middle",
                        CollectError::Cut(_) => "its answer was cut",
                        CollectError::More { .. } => "its answer was not there as a whole in time",
                    };
                    // With the connection, if there still is one: the time of doubt counts from its end.
                    drop(error);
                    *self.unknown(&mut forward, cause)
                }
            }
        }
    }

    /// The complete answer is there, and it is the last word.
    fn concluded(
        &self,
        mut forward: Box<Forward>,
        mut head: Parts,
        (mut content, mut trailers): (Bytes, Option<HeaderMap>),
        read_back: Option<ReadBack>,
    ) -> Acted<GatewayBody> {
        let says = said(head.status);
        let applied = says == Said::Yes;
        let count = forward.ended(says != Said::No);
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

    /// A long answer goes to the client as it comes, and as long as it comes. The turn waits for its end, but not for ever.
    fn pump(
        &self,
        mut forward: Box<Forward>,
        head: Parts,
        so_far: Bytes,
        rest: ResponseBody,
    ) -> Acted<GatewayBody> {
        let says = said(head.status);
        self.note(&forward, outcome_of(says, self.late_write_max(&forward.route)), None);
        let late = self.late_write_max(&forward.route);
        let open = pump::Open {
            in_flight: forward.in_flight.take(),
            turns: Some(forward.turns),
            changes: says != Said::No,
            late,
            state: Arc::clone(&self.state),
            overdue: None,
        };
        let bounds = pump::Bounds {
            bytes_max: self.settings.bounds.answer_bytes_max,
            time_max: self.answer_max(&forward.route),
        };
        let protection = forward.protection;
        let body = pump::drained(so_far, rest, bounds, &self.answers, open);
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
        if x.method == Method::DELETE || forward.is_double() || !head.status.is_success() {
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
            let digest = forward.own.or_else(|| self.digest(x, &forward.route, &head.headers, content, None));
            return Some(MintedTag { digest, ..tag });
        }
        // The upstream has sent the new representation itself.
        let applied = head
            .headers
            .get_all(PREFERENCE_APPLIED)
            .iter()
            .any(|v| v.as_bytes().starts_with(b"return=representation"));
        // What it varies on was not asked of it as a check would, and a check asks for no coding.
        if !applied || [VARY, CONTENT_ENCODING].iter().any(|name| head.headers.contains_key(name)) {
            return None;
        }
        let digest = self.digest(x, &forward.route, &head.headers, content, None);
        digest.map(|digest| MintedTag { digest: Some(digest), ..tag })
    }
}
