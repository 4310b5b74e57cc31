//! Writes on routes where the upstream evaluates: the condition is demanded here, and judged there.

use crate::body::GatewayBody;
use crate::gateway::{Gateway, Unsent, now};
use crate::head::{self, Purpose};
use crate::read::sending;
use crate::routes::Route;
use crate::upstream::{CollectError, collect_within};
use crate::write::{ANSWER_WHOLE_BYTES_MAX, REPORT_ONLY, Said, said};
use http::Response;
use ifmatch_core::{Code, Mode, Protection, Refusal};
use ifmatch_guard::{Acted, Content, Exchange};
use std::sync::Arc;

impl Gateway {
    /// A write that the upstream judges: its condition is there, the rest is the upstream's business.
    pub(crate) async fn forward_conditional(
        &self,
        x: Arc<Exchange>,
        route: &Route,
        content: &Content,
    ) -> Result<Acted<GatewayBody>, Refusal> {
        let counter = self.state.counter(&self.turn_key(&x, route));
        let protection = x.judge(now()).protection();
        let request = || self.outgoing(&x, &x.method, Purpose::Conditional, sending(content));
        let sent = match self.start(request).await {
            Ok(mut pending) => {
                self.stats.forwarded.add();
                pending.head(self.answer_max(route)).await
            }
            Err(Unsent::Before(refusal)) => return Err(refusal),
            Err(Unsent::After(error)) => Err(error),
        };
        let collected = match sent {
            Ok(answer) => {
                let (mut head, body) = answer.response.into_parts();
                head::clean_answer(&mut head);
                self.learned.answered(&x.headers, &mut head.headers);
                if protection.is_err() && route.policy.mode == Mode::Warn {
                    head.headers.insert(REPORT_ONLY, route.reported.clone());
                }
                let says = said(head.status);
                if says != Said::No {
                    self.state.advance(counter);
                }
                let time = self.answer_whole_max(route);
                let mut is_complete = false;
                let response = match collect_within(body, ANSWER_WHOLE_BYTES_MAX, time).await {
                    Ok(collected) => {
                        is_complete = true;
                        Some(Response::from_parts(head, GatewayBody::from(collected.bytes)))
                    }
                    Err(CollectError::More { so_far, rest }) => {
                        Some(Response::from_parts(head, GatewayBody::chained(so_far, *rest)))
                    }
                    Err(CollectError::Cut(_) | CollectError::Idle) => None,
                };
                if says == Said::No && !is_complete {
                    // Only a complete one says that nothing changed.
                    self.state.advance(counter);
                }
                response.map(|response| (says, response)).ok_or("its answer was cut".to_owned())
            }
            Err(error) => {
                self.state.advance(counter);
                Err(error.to_string())
            }
        };
        Ok(match collected {
            Ok((Said::Yes, response)) => Acted::Applied(response, protection.unwrap_or(Protection::None)),
            Ok((Said::No, response)) => Acted::NotApplied(response),
            Ok((says @ (Said::Perhaps | Said::Nothing), response)) => {
                if says == Said::Nothing {
                    self.state.unsure(self.late_write_max(route));
                }
                Acted::Unknown(Refusal::new(Code::OutcomeUnknown), Some(response))
            }
            Err(cause) => {
                self.stats.unknown.add();
                self.state.unsure(self.late_write_max(route));
                let detail =
                    format!("The write was sent to the upstream, and {cause}. It may have been applied.");
                Acted::Unknown(Refusal::new(Code::OutcomeUnknown).detail(detail), None)
            }
        })
    }
}
