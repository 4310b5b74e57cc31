//! The gateway as an authority behind the pipeline.

use crate::body::{Budget, GatewayBody};
use crate::cors::Learned;
use crate::digest;
use crate::head::{self, Heads, Purpose};
use crate::hops;
use crate::names::Names;
use crate::parameters;
use crate::refusals;
use crate::routes::naming::naming;
use crate::routes::{Route, RouteError, Routes};
use crate::settings::{Evaluate, Identity, Settings, To};
use crate::state::{self, State, StateError};
use crate::stats::Stats;
use crate::tag::Digest;
use crate::upstream::{Answer, Fresh, Message, SendError, SendErrorKind, Sending, Upstream};
use crate::watching::Watching;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body::Body;
use ifmatch_core::{Code, HttpDate, MethodClass, Refusal, Target};
use ifmatch_guard::{
    Acted, Admission, Authority, Content, Exchange, Field, Passed, Read, TurnLimits, Turns, behind_the_ready,
};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How many connections are tried for one request, where each was closed before anything was sent or answered.
pub(crate) const ATTEMPTS_MAX: usize = 3;

/// Most bytes of answers to writes that wait for slow clients, of all together. Past it answers are cut.
const ANSWERS_BYTES_MAX: usize = 256 << 20;

/// Longest form that is looked through for a method, in bytes. Longer ones are refused like those that name one.
const FORM_BYTES_MAX: u64 = 16 << 20;

/// The parameter by which some frameworks take a POST for another method.
const METHOD: &str = "_method";

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The state folder cannot be used.
    #[error("{0}")]
    State(#[from] StateError),
    /// The routes cannot be used.
    #[error("{0}")]
    Routes(#[from] RouteError),
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// Not one byte of it has left.
    Before(Refusal),
    /// Something may have.
    After(SendError),
}

/// Guards an upstream. One per upstream and process: turns, counters and slots are shared by all cores.
pub struct Gateway {
    pub(crate) settings: Settings,
    pub(crate) routes: Routes,
    pub(crate) state: Arc<State>,
    pub(crate) upstream: Upstream,
    pub(crate) turns: Arc<Turns>,
    pub(crate) heads: Heads,
    pub(crate) learned: Learned,
    pub(crate) digests: Arc<Budget>,
    pub(crate) answers: Arc<Budget>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) watching: Arc<Watching>,
    pub(crate) names: Names,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The longest time that any write may still land after its answer was lost.
fn longest_hold(settings: &Settings) -> Duration {
    let routes = settings.routes.iter().filter_map(|route| route.late_write_max);
    routes.fold(settings.times.late_write_max, Duration::max)
}

impl Gateway {
    /// Opens the state folder and gets ready. Nothing is sent to the upstream.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let authority = format!("{}:{}", settings.upstream.host, settings.upstream.port);
        let options = state::Options {
            counters: settings.counters,
            in_flight_max: settings.bounds.in_flight_max,
            variants_max: settings.bounds.variants_max,
            late_write_max: longest_hold(&settings),
            naming: naming(&settings),
        };
        // Before the folder is touched: routes that cannot be used change nothing.
        drop(Routes::new(&settings, &[0; 32])?);
        let state = State::open(&settings.state, &authority, &options)?;
        let routes = Routes::new(&settings, state.secret())?;
        let stats = Arc::new(Stats::new(routes.table().len()));
        Ok(Self {
            watching: Arc::new(Watching::new(Arc::clone(&stats), *state.secret())),
            routes,
            upstream: Upstream::new(
                settings.upstream.clone(),
                settings.times,
                settings.bounds.connections_max,
            ),
            turns: Turns::new(TurnLimits::default()),
            heads: Heads::new(&settings.upstream, settings.host),
            learned: Learned::default(),
            digests: Budget::new(settings.bounds.digest_bytes_total_max),
            answers: Budget::new(ANSWERS_BYTES_MAX),
            names: Names::new(),
            stats,
            state,
            settings,
        })
    }

    /// As it was set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its routes.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Its durable state.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// What it has counted.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Connections to the upstream.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Lets the page that asked read a refusal of ours, if the upstream was seen to let it read answers.
    pub fn let_read(&self, origin: &HeaderValue, refusal: &mut HeaderMap) {
        self.learned.refused(origin, refusal);
    }

    /// The key of the line a request's writers wait in.
    pub(crate) fn turn_key<'x>(&self, x: &'x Exchange, route: &Route) -> std::borrow::Cow<'x, str> {
        self.routes.turn_key(route, &x.target, &x.headers, x.uri.authority().map(|a| a.as_str()))
    }

    /// Whether it can be told which resource is meant, where somebody judges by it.
    fn is_identified(&self, head: &Parts, route: &Route, target: &Target) -> Result<(), Refusal> {
        if route.settings.identity.is_empty() || !route.mints() {
            return Ok(());
        }
        let host = head.uri.authority().map(|a| a.as_str());
        self.routes.is_identified(route, target, &head.headers, (host, head.version))
    }

    /// The digest of a representation of a request's resource, as far as the route's source of it is there.
    pub(crate) fn digest(
        &self,
        x: &Exchange,
        route: &Route,
        head: &HeaderMap,
        content: &Bytes,
        hash: Option<blake3::Hash>,
    ) -> Option<Digest> {
        let host = x.uri.authority().map(|a| a.as_str());
        // What cannot be told was refused.
        let identity = (!route.settings.identity.is_empty())
            .then(|| self.routes.identity(route, &x.target, &x.headers, host).unwrap_or_default());
        // Hashed with our key: tags are seen by many.
        let identity = identity.map(|text| blake3::keyed_hash(self.state.secret(), text.as_bytes()));
        digest::of(route.digest_source(), (&x.target, identity), head, content, hash)
    }

    pub(crate) fn answer_max(&self, route: &Route) -> Duration {
        route.settings.answer_max.unwrap_or(self.settings.times.answer_max)
    }

    pub(crate) fn late_write_max(&self, route: &Route) -> Duration {
        route.settings.late_write_max.unwrap_or(self.settings.times.late_write_max)
    }

    pub(crate) fn digest_bytes_max(&self, route: &Route) -> usize {
        route.settings.digest_bytes_max.unwrap_or(self.settings.bounds.digest_bytes_max)
    }

    /// A request to the upstream, ready to be sent.
    pub(crate) fn outgoing(
        &self,
        x: &Exchange,
        method: &Method,
        purpose: Purpose<'_>,
        content: Sending,
    ) -> Message {
        self.heads.request(x, (method, &head::target(x, purpose)), purpose, content)
    }

    /// Sends a safe request, once more if the connection had been closed while it was idle.
    pub(crate) async fn fetch(
        &self,
        request: impl Fn() -> Message + Send,
        answer_max: Duration,
    ) -> Result<Answer, Refusal> {
        let mut fresh = Fresh::Any;
        for attempt in 1.. {
            let connection =
                self.upstream.connect(fresh).await.map_err(|error| refusals::unreachable(&error))?;
            let sent = match connection.start(request()) {
                Ok(mut pending) => pending.head(answer_max).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(answer) if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    let detail = "The upstream switches to another protocol, which it was not asked for.";
                    return Err(Refusal::new(Code::UpstreamUnreachable).detail(detail));
                }
                Ok(answer) => return Ok(answer),
                // A read can be repeated, on a connection that is looked at more closely.
                Err(error)
                    if error.reused
                        && !error.answered
                        && error.kind != SendErrorKind::TimedOut
                        && attempt < ATTEMPTS_MAX =>
                {
                    fresh = Fresh::Recent;
                }
                Err(error) => return Err(refusals::unanswered(&error)),
            }
        }
        Err(Refusal::new(Code::UpstreamUnreachable))
    }
}

/// The current second of the system's clock.
pub(crate) fn now() -> HttpDate {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    HttpDate::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Methods that also write what `Destination` names.
pub(crate) fn has_destination(method: &Method) -> bool {
    matches!(method.as_str(), "COPY" | "MOVE")
}

/// The other resource that COPY and MOVE write (RFC 4918, Section 10.3).
///
/// # Errors
/// 400 if it is missing, of another authority, or cannot be named safely; or if the request says twice whether it may be
/// overwritten.
pub(crate) fn destination(
    method: &Method,
    uri: &http::Uri,
    headers: &HeaderMap,
) -> Result<Option<Target>, Refusal> {
    if !has_destination(method) {
        return Ok(None);
    }
    let bad = |detail: &str| Err(Refusal::bad_request("destination", detail));
    let mut named = headers.get_all("destination").iter();
    let (Some(value), None) = (named.next(), named.next()) else {
        return bad("The request needs one Destination field.");
    };
    if headers.get_all("overwrite").iter().nth(1).is_some() {
        return bad("The request has more than one Overwrite field.");
    }
    // A fragment names no resource; to some servers it is a part of the name all the same.
    let named = value.to_str().ok().map(str::trim).filter(|text| !text.contains('#'));
    // A path that begins with two slashes is an authority to those that resolve it (RFC 3986, Section 4.2).
    let is_path = |text: &str| text.starts_with('/') && !text.starts_with("//");
    let is_absolute = |text: &str| {
        ["http://", "https://"]
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
    };
    let named = named.filter(|text| is_path(text) || is_absolute(text));
    let Some(to) = named.and_then(|text| text.parse::<http::Uri>().ok()) else {
        return bad("Destination is neither an absolute URI nor an absolute path, without a fragment.");
    };
    if to.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return bad("Destination names a user before its host.");
    }
    let host = uri.authority().map(|a| a.as_str()).or_else(|| headers.get(http::header::HOST)?.to_str().ok());
    if let (Some(there), Some(here)) = (to.authority(), host)
        && !without_default_port(there.as_str()).eq_ignore_ascii_case(without_default_port(here))
    {
        return bad("Destination names another server.");
    }
    Target::parse_forwarded(to.path(), to.query()).map(Some)
}

fn without_default_port(authority: &str) -> &str {
    authority.strip_suffix(":80").unwrap_or(authority)
}

impl Authority for Gateway {
    type Body = GatewayBody;
    type Error = Infallible;

    fn target(&self, path: &str, query: Option<&str>) -> Result<Target, Refusal> {
        match Target::parse_forwarded(path, query) {
            // Nothing is judged, so nothing is refused; but what is no path has no form to be sent on in (RFC 9112, Section
            // 3.2).
            Err(_) if !self.routes.strict() && path.starts_with('/') => Ok(Target::verbatim(path, query)),
            parsed => parsed,
        }
    }

    fn effective_method(&self, head: &Parts, target: &Target) -> Result<Option<Method>, Refusal> {
        if head.method != Method::POST {
            return Ok(None);
        }
        let in_query = target.query().is_some_and(|query| parameters::has(query.as_bytes(), METHOD));
        let named = head::method_override(&head.headers);
        if named.is_none() && !in_query {
            return Ok(None);
        }
        let route = self.routes.find(target);
        if !route.policy.mode.evaluates() {
            return Ok(None);
        }
        match (named, route.settings.method_override) {
            (Some(named), true) => {
                match Method::from_bytes(named.as_bytes().to_ascii_uppercase().trim_ascii()) {
                    Ok(method) if MethodClass::of(&method) == MethodClass::Write => Ok(Some(method)),
                    _ => Err(Refusal::bad_request(
                        "method_override",
                        "The method that overrides POST is not a write.",
                    )),
                }
            }
            _ if in_query => Err(overridden()),
            _ => Ok(None),
        }
    }

    fn admit(&self, head: &Parts, target: &Target) -> Admission<GatewayBody> {
        if matches!(head.method, Method::TRACE | Method::CONNECT) {
            let allow = HeaderValue::from_static("GET, HEAD, PUT, PATCH, DELETE, POST, OPTIONS");
            return Admission::Refused(Refusal::new(Code::MethodNotAllowed).field(ALLOW, allow));
        }
        if head.method == Method::OPTIONS && hops::is_last_hop(&head.headers) {
            return Admission::Answered(hops::options());
        }
        let mut route = self.routes.find(target);
        if has_destination(&head.method) && self.routes.strict() {
            match destination(&head.method, &head.uri, &head.headers) {
                Ok(Some(to)) => {
                    let there = self.routes.find(&to);
                    if let Err(refusal) = self.is_identified(head, there, &to) {
                        return Admission::Refused(refusal);
                    }
                    if there.mints() && route.policy.mode.evaluates() && !route.mints() {
                        let detail = "The Destination is guarded here and the source is not, so that nobody can keep both as they \
                                      are. Read the source, and write the Destination with a condition.";
                        return Admission::Refused(Refusal::bad_request("destination", detail));
                    }
                    if there.policy.mode.evaluates() && !route.policy.mode.evaluates() {
                        route = there;
                    }
                }
                Ok(None) => {}
                Err(refusal) => return Admission::Refused(refusal),
            }
        }
        if let Err(refusal) = self.is_identified(head, route, target) {
            return Admission::Refused(refusal);
        }
        let policy = Arc::clone(&route.policy);
        let settings = &route.settings;
        if head.method == Method::GET
            && head::upgrade(&head.headers, head.version, &settings.upgrade).is_some()
        {
            return Admission::Passed(policy);
        }
        let judged = policy.mode.evaluates() && route.settings.to == To::Upstream;
        let is_write = MethodClass::of(&head.method) == MethodClass::Write;
        match route.settings.evaluate {
            Evaluate::Gateway if judged => Admission::Guarded(policy),
            Evaluate::Upstream if judged && is_write => Admission::Guarded(policy),
            Evaluate::Gateway | Evaluate::Upstream => Admission::Passed(policy),
        }
    }

    fn now(&self) -> HttpDate {
        now()
    }

    async fn read(&self, x: &Exchange) -> Result<Read<GatewayBody>, Infallible> {
        let route = Arc::clone(self.routes.of(&x.policy));
        behind_the_ready().await;
        Ok(match MethodClass::of(&x.method) {
            // What is asked for with content is not the representation that a tag names.
            MethodClass::Read if x.content().is_empty() => Box::pin(self.representation(x, &route)).await,
            _ => Box::pin(self.safe(x, &route)).await,
        }
        .unwrap_or_else(Read::Refused))
    }

    async fn pass<B>(&self, x: Arc<Exchange>, content: B) -> Result<Passed<GatewayBody>, Infallible>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let route = Arc::clone(self.routes.of(&x.policy));
        behind_the_ready().await;
        // Boxed, as is what else is large: futures are copied when they begin, with room for all that they may become.
        Ok(Box::pin(self.hand_through(x, &route, content)).await.unwrap_or_else(Passed::Refused))
    }

    fn content_bytes_max(&self, x: &Exchange) -> Option<u64> {
        self.routes.of(&x.policy).settings.content_bytes_max
    }

    async fn preview(&self, x: &Exchange) -> Option<Refusal> {
        let route = Arc::clone(self.routes.of(&x.policy));
        self.foresee(x, &route).await
    }

    #[allow(clippy::manual_async_fn, reason = "an async fn has room for its arguments twice")]
    fn act(
        &self,
        x: Arc<Exchange>,
        content: Content,
    ) -> impl Future<Output = Result<Acted<GatewayBody>, Infallible>> + Send {
        async move {
            let route = Arc::clone(self.routes.of(&x.policy));
            if content.trailers().is_some_and(|trailers| identifies(&route, trailers)) {
                let detail =
                    "What tells resources apart here comes behind the content, where it does not count.";
                return Ok(Acted::Refused(Refusal::bad_request("identity", detail), None));
            }
            if may_be_form(&x) && form_names_method(&x, &content) {
                return Ok(Acted::Refused(overridden(), None));
            }
            // Now, and not when it has its turn: nobody is to wait for that longer than must be.
            behind_the_ready().await;
            Ok(match route.settings.evaluate {
                Evaluate::Upstream => Box::pin(self.forward_conditional(x, &route, &content))
                    .await
                    .unwrap_or_else(|refusal| Acted::Refused(refusal, None)),
                // Boxed: what is large is copied by whoever it is a part of.
                Evaluate::Gateway => Box::pin(self.write(x, route, content)).await,
            })
        }
    }
}

/// Whether some upstream could take one of these for a field that tells the route's resources apart.
fn identifies(route: &Route, trailers: &HeaderMap) -> bool {
    route.settings.identity.iter().any(|by| match by {
        Identity::Header(name) => {
            trailers.keys().any(|other| other.as_str().replace('_', "-") == name.as_str())
        }
        _ => false,
    })
}

/// Whether a request's content may be a form to the upstream. Some take content of no type for one.
fn may_be_form(x: &Exchange) -> bool {
    x.method == Method::POST && (x.fields.has(Field::Form) || !x.fields.has(Field::ContentType))
}

/// Whether a form names a method, wherever it is held. One that cannot be read is taken as one that does.
fn form_names_method(x: &Exchange, content: &Content) -> bool {
    let is_coded = |headers: &HeaderMap| {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        codings.any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
    };
    match content.spooled() {
        _ if content.is_empty() => false,
        _ if x.fields.has(Field::Form) && is_coded(&x.headers) => true,
        None => parameters::has(content.bytes(), METHOD),
        Some(spooled) if spooled.len() > FORM_BYTES_MAX => true,
        Some(spooled) => spooled.read_at(0, usize::MAX).map_or(true, |all| parameters::has(&all, METHOD)),
    }
}

fn overridden() -> Refusal {
    let detail = "The POST asks with _method to be taken as another method, which was not judged, or its form cannot be looked \
                  through for that. Send that method itself; a form is sent without Content-Encoding, and what is none with its \
                  Content-Type.";
    Refusal::bad_request("method_override", detail)
}
