//! One API and its versions.

use crate::outcome::{Outcome, Refusal};
use crate::wire::{Access, Answer, Http, Request, SendError, Sent, Url};
use crate::{Error, IfMatch, NoVersion, Tag, Version};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many versions a client keeps that it wrote itself, to tell own conflicts from others'. The oldest is forgotten.
const OWN_MAX: usize = 256;

/// Fields that no request gets but from its own condition.
const CONDITIONS: [&str; 6] = [
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    "precondition-override",
];

/// One API, and what was seen of it. A clone shares connections and memory.
///
/// Reads keep the version; writes need one. See the [crate] for the everyday calls. What is here is below them: content as
/// bytes, and outcomes as they are.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: Http,
    base: Url,
    own: Mutex<VecDeque<(Url, Tag)>>,
    watch: Option<Watch>,
}

/// Sees all that goes out and comes in.
type Watch = Box<dyn Fn(Event<'_>) + Send + Sync>;

/// What a watcher is told.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// This goes out, with these field lines beside its own.
    Sending(&'a Request, &'a HeaderMap),
    /// This came back.
    Answered(&'a Answer),
    /// Nothing complete came back.
    Failed(&'a SendError),
}

/// Content with its version.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The answer, with the content.
    pub answer: Answer,
    /// Which version it is.
    pub version: Result<Version, NoVersion>,
}

impl Reading {
    /// What an answer to GET shows.
    ///
    /// # Errors
    /// If its status is not 200: then its content is not what could be changed.
    pub fn of(answer: Answer) -> Result<Self, Error> {
        if answer.status != StatusCode::OK {
            return Err(Error::Refused(Box::new(Refusal::new(answer))));
        }
        let version = Version::of(&answer);
        Ok(Self { answer, version })
    }
}

/// A write, with its condition.
#[derive(Clone, Debug)]
pub struct Write {
    request: Request,
    condition: IfMatch,
}

impl Write {
    /// A write without content.
    ///
    /// # Errors
    /// If the condition has a reason that is none.
    pub fn new(method: Method, url: Url, condition: IfMatch) -> Result<Self, Error> {
        let mut request = Request::new(method, url);
        condition.put(&mut request.headers)?;
        Ok(Self { request, condition })
    }

    /// With content of this media type.
    #[must_use]
    pub fn content(mut self, media_type: &HeaderValue, content: impl Into<Bytes>) -> Self {
        self.request.headers.insert(CONTENT_TYPE, media_type.clone());
        self.request = self.request.content(content);
        self
    }

    /// What will be sent, but for the fields that all requests get.
    pub fn request(&self) -> &Request {
        &self.request
    }
}

impl Client {
    /// A client of the API at this URL, without credentials and with the usual limits.
    ///
    /// # Errors
    /// If it is no http URL, or TLS cannot be set up.
    pub fn new(base: &str) -> Result<Self, Error> {
        Self::with(base, &Access::default())
    }

    /// A client of the API at this URL.
    ///
    /// # Errors
    /// If it is no http URL, or the access cannot be used: among its fields may be no condition, since conditions belong
    /// to one write each.
    pub fn with(base: &str, access: &Access) -> Result<Self, Error> {
        let url = Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let wrong = || Error::Url { url: base.to_owned(), base: "http:// or https://".to_owned() };
        let conditions = access.headers.keys().find(|name| CONDITIONS.contains(&name.as_str()));
        if let Some(name) = conditions {
            return Err(Error::Condition { name: name.to_string() });
        }
        let http = access.connect()?;
        let inner = Inner { http, base: url.ok_or_else(wrong)?, own: Mutex::default(), watch: None };
        Ok(Self(Arc::new(inner)))
    }

    /// One that tells all that goes out and comes in, credentials included.
    #[must_use]
    pub fn watched(self, watch: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        let Inner { http, base, .. } = &*self.0;
        let (http, base) = (http.clone(), base.clone());
        Self(Arc::new(Inner { http, base, own: Mutex::default(), watch: Some(Box::new(watch)) }))
    }

    /// The URL of something in this API: a path, or a whole URL of the same origin.
    ///
    /// # Errors
    /// If it is neither.
    pub fn url(&self, at: &str) -> Result<Url, Error> {
        let base = &self.0.base;
        let mut url = base.join(at).ok().filter(|url| url.origin() == base.origin());
        if let Some(url) = &mut url {
            url.set_fragment(None);
        }
        url.ok_or_else(|| Error::Url { url: at.to_owned(), base: crate::secret::url(base) })
    }

    /// Reads content and its version, past caches. Redirects within the origin are followed.
    ///
    /// # Errors
    /// If there is no answer, or one without content that can be changed: anything but 200.
    pub async fn read(&self, url: &Url) -> Result<Reading, Error> {
        let request = self.reading(url);
        Reading::of(self.follow(&request).await?)
    }

    /// Sends a GET, or whatever reads, and follows redirects.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn follow(&self, request: &Request) -> Result<Answer, SendError> {
        self.tell(Event::Sending(request, self.0.http.headers()));
        self.told(self.0.http.follow(request).await)
    }

    /// The request that [`read`](Self::read) sends.
    pub fn reading(&self, url: &Url) -> Request {
        let own = self.0.http.headers();
        let mut request = Request::get(url.clone());
        for (name, value) in [(ACCEPT_ENCODING, "identity"), (CACHE_CONTROL, "no-cache")] {
            if !own.contains_key(&name) {
                request = request.with(name, HeaderValue::from_static(value));
            }
        }
        request
    }

    /// Sends a write once. It is not redirected and never repeated.
    ///
    /// # Errors
    /// If nothing was sent. All else is an outcome.
    pub async fn write(&self, write: &Write) -> Result<Outcome, SendError> {
        self.tell(Event::Sending(&write.request, self.0.http.headers()));
        let answer = match self.told(self.0.http.send(&write.request).await) {
            Ok(answer) => answer,
            Err(error) if error.sent() == Sent::No => return Err(error),
            Err(error) => return Ok(Outcome::lost(error)),
        };
        let seen = match &write.condition {
            IfMatch::Unchanged(version) => Some(version),
            _ => None,
        };
        let outcome = Outcome::of(answer, seen);
        if let Outcome::Applied(applied) = &outcome
            && let Ok(version) = &applied.version
        {
            self.remember(&write.request.url, version);
        }
        Ok(outcome)
    }

    /// Whether this client wrote that version itself, as far as it remembers.
    pub fn is_own(&self, url: &Url, version: &Version) -> bool {
        let own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner);
        version.as_tag().is_some_and(|tag| own.iter().any(|(at, own)| at == url && own == tag))
    }

    fn remember(&self, url: &Url, version: &Version) {
        let Some(tag) = version.as_tag() else { return };
        let mut own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.len() >= OWN_MAX {
            own.pop_front();
        }
        own.push_back((url.clone(), tag.clone()));
    }

    /// Whether every request gets a field of this name.
    pub(crate) fn has_field(&self, name: &HeaderName) -> bool {
        self.0.http.headers().contains_key(name)
    }

    pub(crate) fn origin_holds(&self, url: &Url) -> bool {
        url.origin() == self.0.base.origin()
    }

    fn tell(&self, event: Event<'_>) {
        if let Some(watch) = &self.0.watch {
            watch(event);
        }
    }

    fn told(&self, answer: Result<Answer, SendError>) -> Result<Answer, SendError> {
        self.tell(match &answer {
            Ok(answer) => Event::Answered(answer),
            Err(error) => Event::Failed(error),
        });
        answer
    }
}
