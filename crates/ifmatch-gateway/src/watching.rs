//! What the watch is told of requests, and what it makes of them.

use crate::body::GatewayBody;
use crate::digest;
use crate::facts::Facts;
use crate::pass::ReadTap;
use crate::routes::credentials_hash;
use crate::stats::Stats;
use crate::upstream::ResponseBody;
use crate::watch::{self, ClientId, Credentials, Kind, Outcome, Watch};
use http::Method;
use http::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, USER_AGENT};
use ifmatch_core::{Code, Mode, Protection, Refusal, Requirement};
use ifmatch_guard::{Content, Exchange, Field};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

const X_CLIENT: HeaderName = HeaderName::from_static("x-client");

/// What a request was answered with, as far as that matters here.
pub(crate) struct Written {
    pub(crate) began: Instant,
    pub(crate) content: Option<u64>,
    pub(crate) outcome: Outcome,
    /// Whether somebody evaluated its condition.
    pub(crate) judged: bool,
}

/// Remembers what clients read and wrote, and counts what came of it.
#[derive(Debug)]
pub(crate) struct Watching {
    watch: Watch,
    hashes: RandomState,
    /// Keys the hashes that stand for credentials.
    secret: [u8; 32],
    stats: Arc<Stats>,
}

impl Watching {
    pub(crate) fn new(stats: Arc<Stats>, secret: [u8; 32]) -> Self {
        let watch = Watch::new(watch::Limits::default(), Instant::now());
        Self { watch, hashes: RandomState::new(), secret, stats }
    }

    /// A turn key as it is watched.
    pub(crate) fn hash(&self, key: &str) -> u64 {
        self.hashes.hash_one(key)
    }

    /// A complete answer to GET was made ready.
    pub(crate) fn read(&self, x: &Exchange, key: &str, digest: Option<u64>, tag: Option<&HeaderValue>) {
        let hash = self.hash(key);
        let read = watch::Read {
            client: self.client(x, agent(x)),
            target: self.target_hash(x, key, hash),
            began: x.began,
            ended: Instant::now(),
            digest,
            tag,
        };
        self.watch.read(hash, &read);
    }

    /// The exchange of a write has ended. With its turn key, and the hash of that.
    pub(crate) fn wrote(&self, x: &Exchange, (key, hash): (&str, u64), written: &Written) -> Facts {
        let event_id = x.request_id().as_u128();
        let (tag, agent) = (tag(x), agent(x));
        let seen = self.watch.wrote(
            hash,
            &watch::Write {
                client: self.client(x, agent),
                name: client_name(x_client(x).and_then(text), agent.and_then(text)).unwrap_or_default(),
                target: self.target_hash(x, key, hash),
                began: written.began,
                ended: Instant::now(),
                outcome: written.outcome,
                kind: kind(&x.method),
                conditional: written.judged && is_protected(x),
                tag,
                content: written.content,
                event_id,
            },
        );
        let ordinal = x.policy.ordinal;
        if seen.lost.is_some() {
            self.stats.route(ordinal).lost_updates.add();
        }
        if seen.blind_retry {
            self.stats.route(ordinal).blind_retries.add();
        }
        Facts { content: written.content, seen: Some(seen), ..Facts::default() }
    }

    /// The digest of the content of a write that is about to be forwarded, where something will be compared with it. That
    /// is most of the work of a small write, so it is left out for what can overwrite nobody unseen: what only adds, and
    /// what a version protects, unless a refusal before it may make it a blind retry.
    pub(crate) fn sent(&self, x: &Exchange, key: u64, content: &Content, conditional: bool) -> Option<u64> {
        let adds = !conditional && kind(&x.method) == Kind::Append;
        let protected = is_protected(x)
            && x.policy.mode == Mode::Enforce
            && x.policy.requirement(&x.method) != Requirement::None
            && !self.watch.has_refused(key);
        if adds || protected { None } else { digest_of(content) }
    }

    /// A write was refused for its condition.
    pub(crate) fn refused(&self, x: &Exchange, key: u64, refusal: &Refusal, content: &Content) {
        if !matches!(refusal.code(), Code::StaleVersion | Code::AlreadyExists) {
            return;
        }
        let content = digest_of(content);
        let refused =
            watch::Refusal { client: self.client(x, agent(x)), at: Instant::now(), tag: tag(x), content };
        let met = self.watch.refused(key, &refused);
        let route = self.stats.route(x.policy.ordinal);
        if met.self_conflict {
            route.self_conflicts.add();
        } else if refusal.code() == Code::StaleVersion {
            route.prevented.add();
        }
        x.note(Facts { content, met: Some(met), ..Facts::default() });
    }

    /// An answer whose content is digested as it goes by.
    pub(crate) fn tapped(
        self: &Arc<Self>,
        x: &Arc<Exchange>,
        key: String,
        tag: Option<HeaderValue>,
        body: ResponseBody,
    ) -> GatewayBody {
        let (watching, x) = (Arc::clone(self), Arc::clone(x));
        let tap = ReadTap::new(move |digest| watching.read(&x, &key, digest, tag.as_ref()));
        GatewayBody::tapped(body, Box::new(tap))
    }

    fn client(&self, x: &Exchange, agent: Option<&HeaderValue>) -> ClientId {
        let hash = x.fields.has(Field::Credentials).then(|| credentials_hash(&self.secret, &x.headers));
        let credentials =
            hash.flatten().map(|hash| match (x.headers.get(AUTHORIZATION), x.headers.contains_key(COOKIE)) {
                (Some(authorization), false) => Credentials::of_authorization(authorization, hash),
                _ => Credentials { hash, lasting: false },
            });
        let place = self.place_hash(x.peer.map(|peer| peer.address.ip()), agent, x_client(x));
        ClientId { credentials, place, connection: x.peer.map(|peer| peer.connection) }
    }

    fn place_hash(
        &self,
        address: Option<IpAddr>,
        agent: Option<&HeaderValue>,
        x_client: Option<&HeaderValue>,
    ) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        match address {
            Some(IpAddr::V4(address)) => hasher.write(&address.to_ipv6_mapped().octets()),
            Some(IpAddr::V6(address)) => hasher.write(&address.octets()),
            None => {}
        }
        if let Some(agent) = agent {
            hasher.write(agent.as_bytes());
        }
        if let Some(x_client) = x_client {
            // No value of a field has this octet.
            hasher.write_u8(0);
            hasher.write(x_client.as_bytes());
        }
        hasher.finish()
    }

    /// A hash of the target, compared with those of others of the same key only: nearly every target is named as its key.
    fn target_hash(&self, x: &Exchange, key: &str, hash: u64) -> u64 {
        match x.target.query() {
            None if x.target.path() == key => hash,
            query => self.hashes.hash_one((x.target.path(), query)),
        }
    }
}

/// How a client is named: what it says of itself in `X-Client`, or the products of its `User-Agent` before the first
/// comment; of a browser, which all begin alike, those after the last comment.
pub fn client_name<'a>(x_client: Option<&'a str>, user_agent: Option<&'a str>) -> Option<&'a str> {
    let named = |text: &'a str| Some(text.trim()).filter(|text| !text.is_empty());
    let from_agent = |agent: &'a str| {
        let product = agent.split('(').next().and_then(named)?;
        let browser = product.starts_with("Mozilla/").then(|| agent.rsplit(')').next().and_then(named));
        Some(browser.flatten().unwrap_or(product))
    };
    x_client.and_then(named).or_else(|| user_agent.and_then(from_agent))
}

/// The digest of content that was received completely, unless it is in a file.
fn digest_of(content: &Content) -> Option<u64> {
    content.spooled().is_none().then(|| digest::short(&blake3::hash(content.bytes())))
}

/// Whether its condition names the version that it replaces, or none; `If-Match: *` names whatever is there.
fn is_protected(x: &Exchange) -> bool {
    matches!(x.protection(), Some(Ok(Protection::Version | Protection::Creation)))
}

/// The condition that it came with.
fn tag(x: &Exchange) -> Option<&HeaderValue> {
    let tag = || x.headers.get(IF_MATCH).or_else(|| x.headers.get(IF_NONE_MATCH));
    x.fields.has(Field::TagCondition).then(tag).flatten()
}

fn agent(x: &Exchange) -> Option<&HeaderValue> {
    x.fields.has(Field::UserAgent).then(|| x.headers.get(USER_AGENT)).flatten()
}

fn x_client(x: &Exchange) -> Option<&HeaderValue> {
    x.fields.has(Field::XClient).then(|| x.headers.get(X_CLIENT)).flatten()
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

fn kind(method: &Method) -> Kind {
    match *method {
        Method::PUT => Kind::Replace,
        Method::DELETE => Kind::Delete,
        Method::PATCH => Kind::Modify,
        _ => Kind::Append,
    }
}
