//! Requests that are handed through unjudged: a transparent proxy that counts, and remembers what it saw.

use crate::body::{GatewayBody, Tap};
use crate::digest;
use crate::gateway::{ATTEMPTS_MAX, Gateway, Unsent};
use crate::head::{self, Purpose};
use crate::refusals;
use crate::routes::Route;
use crate::state::{Counter, State};
use crate::upstream::{Answer, Fresh, Message, SendErrorKind, Sending};
use crate::watch::Outcome;
use crate::watching::{Watching, Written};
use crate::write::{Said, outcome_of, said};
use bytes::Bytes;
use http::header::{CONNECTION, ETAG, HeaderValue, UPGRADE};
use http::{Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use ifmatch_core::{Code, MethodClass, Mode, Protection, Reason, Refusal};
use ifmatch_guard::{Acted, Exchange, Passed};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Advances the count when the exchange ends, however it ends: what is not known to have changed nothing may have.
struct Ends {
    state: Arc<State>,
    counter: Option<Counter>,
    /// Of a write without its last word: for so long it may still land. Nobody waits for it now, but a gateway that is
    /// started with other settings has to.
    unsure: Option<Duration>,
    /// Of a write that is watched and not answered yet.
    unanswered: Option<Unanswered>,
}

/// A write of which nobody can say what became, unless it is answered.
struct Unanswered {
    watching: Arc<Watching>,
    x: Arc<Exchange>,
    key: String,
    began: Instant,
    /// For so long it may still land.
    late: Duration,
}

impl Ends {
    /// All of its answer is there.
    fn concluded(&mut self, says: Said) {
        if says == Said::No {
            self.counter = None;
        }
        if says != Said::Nothing {
            self.unsure = None;
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(counter) = self.counter {
            self.state.advance(counter);
        }
        if let Some(late) = self.unsure {
            self.state.unsure(late);
        }
        if let Some(Unanswered { watching, x, key, began, late }) = self.unanswered.take() {
            let outcome = Outcome::Unknown { until: Instant::now() + late };
            let named = (&*key, watching.hash(&key));
            x.note(watching.wrote(&x, named, &Written { began, content: None, outcome, judged: false }));
        }
    }
}

/// Digests content as it goes by. Usually it is one piece, and needs no hasher that is kept.
#[derive(Default)]
struct Passing {
    first: Bytes,
    hasher: Option<Box<blake3::Hasher>>,
    complete: bool,
}

impl Passing {
    fn of_nothing() -> Self {
        Self { complete: true, ..Self::default() }
    }

    fn data(&mut self, piece: &Bytes) {
        if self.hasher.is_none() && self.first.is_empty() {
            self.first = piece.clone();
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.hasher.get_or_insert_default().update(&first).update(piece);
    }

    fn digest(&self) -> Option<u64> {
        let hash = || self.hasher.as_ref().map_or_else(|| blake3::hash(&self.first), |h| h.finalize());
        self.complete.then(|| digest::short(&hash()))
    }
}

impl Gateway {
    /// Sends a request on as it came, and its answer back as it comes.
    pub(crate) async fn hand_through<B>(
        &self,
        x: Arc<Exchange>,
        route: &Route,
        content: B,
    ) -> Result<Passed<GatewayBody>, Refusal>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mode = route.policy.mode;
        let mints = route.mints();
        let purpose = match mode {
            // What may go over to another protocol, or be answered as any read: whose tags it is about is known here only.
            _ if mints => Purpose::Judged(None),
            _ if mode.evaluates() => Purpose::Conditional,
            _ if self.routes.strict() => Purpose::Plain,
            _ => Purpose::Verbatim,
        };
        let writes = MethodClass::of(&x.method) == MethodClass::Write;
        let watched = mode == Mode::Observe;
        let key = if writes || watched { self.turn_key(&x, route).into_owned() } else { String::new() };
        let counted = writes && mode != Mode::Off;
        let began = Instant::now();
        let late = self.late_write_max(route);
        let mut ends = Ends {
            state: Arc::clone(&self.state),
            counter: counted.then(|| self.state.counter(&key)),
            unsure: writes.then_some(late),
            unanswered: (writes && watched).then(|| Unanswered {
                watching: Arc::clone(&self.watching),
                x: Arc::clone(&x),
                key: key.clone(),
                began,
                late,
            }),
        };
        let is_empty = content.is_end_stream();
        // What only adds is compared with nothing.
        let compared = writes && watched && x.method != Method::POST;
        let sent =
            compared.then(|| Arc::new(Mutex::new(Passing { complete: is_empty, ..Passing::default() })));
        let body = if is_empty {
            Sending::empty()
        } else {
            Sending::stream(Forwarded { body: content, sent: sent.clone() })
        };
        let mut request = self.outgoing(&x, &x.method, purpose, body);
        let upgrade = head::upgrade(&x.headers, x.version, &route.settings.upgrade).cloned();
        if let Some(protocol) = &upgrade {
            request.field(&CONNECTION, &[b"upgrade"]);
            request.field(&UPGRADE, &[protocol.as_bytes()]);
        }
        let repeatable = is_empty && !writes;
        let answer = match self.send_once(request, repeatable, &x, route, purpose).await {
            Ok(answer) => answer,
            Err(Unsent::Before(refusal)) => {
                (ends.counter, ends.unsure, ends.unanswered) = (None, None, None);
                return Err(refusal);
            }
            Err(Unsent::After(error)) if writes => {
                let is_ours = error.kind != SendErrorKind::Content;
                let status = if is_ours { StatusCode::BAD_GATEWAY } else { StatusCode::BAD_REQUEST };
                let detail =
                    format!("The write was sent to the upstream, and {error}. It may have been applied.");
                let refusal = Refusal::new(Code::OutcomeUnknown).detail(detail).status_code(status);
                return Ok(Passed::Acted(Acted::Unknown(refusal, None)));
            }
            Err(Unsent::After(error)) if error.kind == SendErrorKind::Content => {
                return Err(Refusal::new(Code::InvalidContent)
                    .because(Reason::Other("incomplete"))
                    .detail("The content ended before it was complete."));
            }
            Err(Unsent::After(error)) => return Err(refusals::unanswered(&error)),
        };
        self.stats.route(x.policy.ordinal).upstream_durations.add(began.elapsed());
        if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return match upgrade {
                Some(protocol) => tunnel(&x, answer, protocol).map(Passed::Read),
                None => Err(Refusal::new(Code::UpstreamUnreachable)
                    .detail("The upstream switches to another protocol, which it was not asked for.")),
            };
        }
        let (mut head, body) = answer.response.into_parts();
        head::clean_answer(&mut head);
        let status = head.status;
        if mode.evaluates() {
            self.advertise(route, &mut head.headers);
            self.learned.answered(&x.headers, &mut head.headers);
        }
        if mints {
            head::strip_validators(&mut head.headers);
        }
        if !writes {
            let tapped = watched && x.method == Method::GET && matches!(status.as_u16(), 200 | 304);
            let tag = head.headers.get(ETAG).cloned();
            let partly = status == StatusCode::PARTIAL_CONTENT && x.method == Method::GET;
            let otherwise = MethodClass::of(&x.method) == MethodClass::SafeOther && status.is_success();
            if watched && (partly || otherwise) {
                self.watching.read(&x, &key, None, tag.as_ref());
            }
            let is_empty = status == StatusCode::NOT_MODIFIED || body.is_end_stream();
            let body = if tapped && is_empty {
                let digest = (status == StatusCode::OK).then(|| Passing::of_nothing().digest()).flatten();
                self.watching.read(&x, &key, digest, tag.as_ref());
                GatewayBody::stream(body)
            } else if tapped {
                self.watching.tapped(&x, key, tag, body)
            } else {
                GatewayBody::stream(body)
            };
            return Ok(Passed::Read(Response::from_parts(head, body)));
        }
        let says = said(status);
        if says == Said::No && body.is_complete() {
            ends.counter = None;
        }
        if watched {
            ends.unanswered = None;
            let content = sent.and_then(|sent| sent.lock().digest());
            let outcome = outcome_of(says, late);
            let named = (&*key, self.watching.hash(&key));
            x.note(self.watching.wrote(&x, named, &Written { began, content, outcome, judged: false }));
        }
        if body.is_complete() {
            ends.concluded(says);
        }
        // The exchange ends with its answer.
        let body = GatewayBody::tapped(body, Box::new(Ending { ends: Some(ends), says }));
        let response = Response::from_parts(head, body);
        Ok(Passed::Acted(match says {
            Said::Yes => Acted::Applied(
                response,
                x.judge(crate::gateway::now()).protection().unwrap_or(Protection::None),
            ),
            Said::No => Acted::NotApplied(response),
            Said::Perhaps | Said::Nothing => {
                Acted::Unknown(Refusal::new(Code::OutcomeUnknown), Some(response))
            }
        }))
    }

    async fn send_once(
        &self,
        mut request: Message,
        repeatable: bool,
        x: &Exchange,
        route: &Route,
        purpose: Purpose<'_>,
    ) -> Result<Answer, Unsent> {
        let mut fresh = if repeatable { Fresh::Any } else { Fresh::Recent };
        let mut attempt = 1;
        loop {
            let connected = self.upstream.connect(fresh).await;
            let connection = connected.map_err(|error| Unsent::Before(refusals::unreachable(&error)))?;
            let sent = match connection.start(request) {
                Ok(mut pending) => pending.head(self.answer_max(route)).await,
                Err(error) => Err(error),
            };
            let mut error = match sent {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let unsent = error.kind == SendErrorKind::NotSent;
            let again =
                repeatable && error.reused && !error.answered && error.kind != SendErrorKind::TimedOut;
            request = match error.request.take() {
                // Not one byte has left.
                Some(request) if unsent && attempt < ATTEMPTS_MAX => *request,
                _ if again && attempt < ATTEMPTS_MAX => {
                    self.outgoing(x, &x.method, purpose, Sending::empty())
                }
                _ if unsent => return Err(Unsent::Before(refusals::unanswered(&error))),
                _ => return Err(Unsent::After(error)),
            };
            (fresh, attempt) = (Fresh::Recent, attempt + 1);
        }
    }
}

/// Both sides go over to another protocol; from here on bytes are handed through.
fn tunnel(x: &Exchange, answer: Answer, protocol: HeaderValue) -> Result<Response<GatewayBody>, Refusal> {
    let failed = |detail: &str| Refusal::new(Code::UpstreamUnreachable).detail(detail);
    let Some(client) = x.extensions.get::<OnUpgrade>().cloned() else {
        return Err(failed("The connection cannot be handed over."));
    };
    let mut headers = answer.response.headers().clone();
    head::clean_fields(&mut headers);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
    let mut upstream =
        answer.into_tunnel().ok_or_else(|| failed("The upstream's connection cannot be handed over."))?;
    // Ends when both sides have, or when the server stops.
    drop(tokio::spawn(async move {
        if let Ok(client) = client.await {
            let ended = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut upstream).await;
            if let Err(error) = ended {
                tracing::debug!(%error, "a tunnel ended with an error");
            }
        }
    }));
    let mut response = Response::new(GatewayBody::from(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Holds the end of an exchange until its answer has gone by.
struct Ending {
    ends: Option<Ends>,
    says: Said,
}

impl Tap for Ending {
    fn data(&mut self, _: &Bytes) {}

    fn complete(&mut self) {
        if let Some(mut ends) = self.ends.take() {
            ends.concluded(self.says);
        }
    }
}

/// Content of a request, with its error as the upstream side takes it; digested as it goes by, if it is watched.
struct Forwarded<B> {
    body: B,
    sent: Option<Arc<Mutex<Passing>>>,
}

impl<B> Body for Forwarded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(sent) = &self.sent {
            let mut sent = sent.lock();
            match &frame {
                None => sent.complete = true,
                Some(Ok(frame)) => {
                    if let Some(piece) = frame.data_ref() {
                        sent.data(piece);
                    }
                    sent.complete = self.body.is_end_stream();
                }
                Some(Err(_)) => {}
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a client reads, digested as it goes by.
pub(crate) struct ReadTap<F: FnOnce(Option<u64>) + Send> {
    passing: Passing,
    seen: Option<F>,
}

impl<F: FnOnce(Option<u64>) + Send> ReadTap<F> {
    pub(crate) fn new(seen: F) -> Self {
        Self { passing: Passing::default(), seen: Some(seen) }
    }
}

impl<F: FnOnce(Option<u64>) + Send> Tap for ReadTap<F> {
    fn data(&mut self, piece: &Bytes) {
        self.passing.data(piece);
    }

    fn complete(&mut self) {
        self.passing.complete = true;
        if let Some(seen) = self.seen.take() {
            seen(self.passing.digest());
        }
    }
}
