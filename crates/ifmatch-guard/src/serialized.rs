//! An authority for state that somebody else holds: one writer per resource at a time, from the check to the answer.

use crate::authority::{Acted, Admission, Authority, Read};
use crate::content::Content;
use crate::exchange::Exchange;
use crate::turns::{Busy, TurnLimits, Turns};
use bytes::Bytes;
use http::header::{ETAG, HeaderValue, LAST_MODIFIED};
use http::request::Parts;
use http::{Response, StatusCode};
use ifmatch_core::{
    Code, CurrentState, EntityTag, Expected, Guard, HttpDate, MethodClass, Outcome, Protection, Refusal,
    Representation, Requirement, Target,
};
use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The state of a resource, owned: what [`Upstream::current`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OwnedState {
    /// Nothing is there.
    Absent,
    /// Something is there.
    Present {
        /// Its entity-tag as it stands in the field, quotes included. One that is not well-formed counts as none.
        etag: Option<HeaderValue>,
        /// Its modification date, if that is a strong validator.
        last_modified: Option<HttpDate>,
    },
}

impl OwnedState {
    /// As the engine takes it.
    pub fn as_current(&self) -> CurrentState<'_> {
        match self {
            Self::Absent => CurrentState::Absent,
            Self::Present { etag, last_modified } => CurrentState::Present(Representation {
                etag: etag.as_ref().and_then(|v| EntityTag::parse(v.as_bytes())),
                last_modified: *last_modified,
                content_bytes: None,
            }),
        }
    }

    fn etag(&self) -> Option<&HeaderValue> {
        match self {
            Self::Absent => None,
            Self::Present { etag, .. } => etag.as_ref(),
        }
    }
}

/// Somebody who holds state and neither judges nor serialises: a wrapped service, an origin over the network.
pub trait Upstream: Send + Sync + 'static {
    /// The response bodies it sends.
    type Body: From<Bytes> + Send + 'static;
    /// A failure that is not an answer, handed through untouched.
    type Error: Send + 'static;

    /// As [`Authority::admit`].
    fn admit(&self, head: &Parts, target: &Target) -> Admission<Self::Body>;

    /// As [`Authority::now`].
    fn now(&self) -> HttpDate;

    /// The name of the line a write waits in: the same for all names of one resource. Coarser costs waiting, finer
    /// loses updates.
    fn turn_key<'x>(&self, exchange: &'x Exchange) -> Cow<'x, str> {
        Cow::Borrowed(exchange.target.path())
    }

    /// The state now.
    fn current(&self, exchange: &Exchange) -> impl Future<Output = Result<OwnedState, Refusal>> + Send;

    /// Sends a safe request on.
    fn fetch(
        &self,
        exchange: &Exchange,
    ) -> impl Future<Output = Result<Response<Self::Body>, Self::Error>> + Send;

    /// Performs a write under the permit.
    fn perform(
        &self,
        exchange: Arc<Exchange>,
        content: Content,
        permit: Permit,
    ) -> impl Future<Output = Result<Acted<Self::Body>, Self::Error>> + Send;
}

/// A judged write on its way to whoever performs it: the proof, and the tag of the state it was judged against.
#[derive(Debug)]
pub struct Permit {
    guard: Guard,
    etag: Option<HeaderValue>,
    appends: bool,
}

impl Permit {
    /// What to commit with: exactly this entity-tag, or nothing there. An append that came without a condition runs
    /// beside others, so whatever is there is right for it.
    pub fn expected(&self) -> Expected<HeaderValue> {
        if self.appends { Expected::Any } else { self.guard.expected(self.etag.clone()) }
    }

    /// What protected the write.
    pub fn protection(&self) -> Protection {
        self.guard.protection()
    }
}

/// Gives an upstream what it lacks: a check and a write that belong together, because nobody else of us writes between.
#[derive(Debug)]
pub struct Serialized<U> {
    upstream: U,
    turns: Arc<Turns>,
}

impl<U> Serialized<U> {
    /// Serialises writes to `upstream`. One set of turns per upstream and process.
    pub fn new(upstream: U, limits: TurnLimits) -> Self {
        Self::with_turns(upstream, Turns::new(limits))
    }

    /// With turns that others use as well.
    pub fn with_turns(upstream: U, turns: Arc<Turns>) -> Self {
        Self { upstream, turns }
    }

    /// The lines writers wait in.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }
}

impl<U: Upstream> Authority for Serialized<U> {
    type Body = U::Body;
    type Error = U::Error;

    fn admit(&self, head: &Parts, target: &Target) -> Admission<U::Body> {
        self.upstream.admit(head, target)
    }

    fn now(&self) -> HttpDate {
        self.upstream.now()
    }

    async fn read(&self, x: &Exchange) -> Result<Read<U::Body>, U::Error> {
        if MethodClass::of(&x.method) == MethodClass::Ignores || !x.policy.mode.evaluates() {
            return Ok(Read::Answered(self.upstream.fetch(x).await?));
        }
        // Before the content is fetched: a tag may be older than its content, never newer.
        let state = match self.upstream.current(x).await {
            Ok(state) => state,
            Err(refusal) => return Ok(Read::Refused(refusal)),
        };
        // Where nothing is, the upstream has its own words for it.
        if state != OwnedState::Absent {
            match x.judge(self.now()).on_state(&state.as_current()) {
                Outcome::NotModified => return Ok(Read::Answered(not_modified(&state))),
                Outcome::Refused(refusal) => return Ok(Read::Refused(refusal)),
                Outcome::Send(_) | Outcome::Perform(_) => {}
            }
        }
        let mut response = self.upstream.fetch(x).await?;
        // What a QUERY or a PROPFIND answers with is not the representation that the tag names.
        if let Some(etag) = state.etag()
            && response.status().is_success()
            && MethodClass::of(&x.method) == MethodClass::Read
        {
            response.headers_mut().entry(ETAG).or_insert_with(|| etag.clone());
        }
        Ok(Read::Answered(response))
    }

    async fn preview(&self, x: &Exchange) -> Option<Refusal> {
        if !x.policy.mode.evaluates() {
            return None;
        }
        let state = self.upstream.current(x).await.ok()?;
        match x.judge(self.now()).on_state(&state.as_current()) {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    async fn act(&self, x: Arc<Exchange>, content: Content) -> Result<Acted<U::Body>, U::Error> {
        // Where conditions are not looked at, nobody is made to wait and the state is not asked for.
        if !x.policy.mode.evaluates()
            && let Outcome::Perform(guard) = x.judge(self.now()).on_state(&CurrentState::Absent)
        {
            return self.upstream.perform(x, content, Permit { guard, etag: None, appends: false }).await;
        }
        let key = self.turns.key(&self.upstream.turn_key(&x));
        // What needs no condition and has none overwrites nobody. With a condition its check and its act belong together.
        let judge = x.judge(self.now());
        let appends =
            x.policy.requirement(&x.method) == Requirement::None && !judge.conditions().bind_writes();
        let taken =
            async { if appends { self.turns.shared(key).await } else { self.turns.exclusive(key).await } };
        let turn = tokio::select! {
            biased;
            // Nothing has happened yet, so whoever leaves the line leaves nothing behind.
            () = x.abandoned() => return Ok(Acted::Refused(left(), None)),
            taken = taken => match taken {
                Ok(turn) => turn,
                Err(Busy) => return Ok(Acted::Refused(busy(), None)),
            },
        };
        let state = match self.upstream.current(&x).await {
            Ok(state) => state,
            Err(refusal) => return Ok(Acted::Refused(refusal, None)),
        };
        let acted = match x.judge(self.now()).on_state(&state.as_current()) {
            Outcome::Perform(guard) => {
                let permit = Permit { guard, etag: state.etag().cloned(), appends };
                self.upstream.perform(x, content, permit).await
            }
            Outcome::Refused(refusal) => Ok(Acted::Refused(refusal, None)),
            // Only reads end like this, and reads do not come here.
            Outcome::Send(_) | Outcome::NotModified => {
                Ok(Acted::Refused(Refusal::new(Code::MethodNotAllowed), None))
            }
        };
        drop(turn);
        acted
    }
}

/// Told to the observer; the client is not there to hear it.
fn left() -> Refusal {
    Refusal::new(Code::Busy).detail("The client left while it waited for its turn.")
}

fn busy() -> Refusal {
    Refusal::new(Code::Busy)
        .detail("Too many writers are waiting for this resource, or the wait was too long.")
        .retry_after(Duration::from_secs(1))
}

fn not_modified<B: From<Bytes>>(state: &OwnedState) -> Response<B> {
    let mut response = Response::new(B::from(Bytes::new()));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    if let Some(etag) = state.etag() {
        response.headers_mut().insert(ETAG, etag.clone());
    } else if let OwnedState::Present { last_modified: Some(date), .. } = state
        && let Ok(value) = HeaderValue::try_from(date.to_string())
    {
        response.headers_mut().insert(LAST_MODIFIED, value);
    }
    response
}
