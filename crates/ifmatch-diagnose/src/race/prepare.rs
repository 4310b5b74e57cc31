//! Looking at the resource before anything is written.

use super::change::{Change, Patch};
use super::choose::{ChooseError, choose};
use super::journal::{Entry, Journal};
use super::mark::Marks;
use super::plan::{NARROW, NEW, Plan, PlanError};
use super::reasons::Halt;
use super::reply::{Condition, NEVER_ISSUED};
use super::restore::{Reference, Restored};
use super::session::{Session, State, is_coded, read_request};
use super::watch::Stop;
use crate::curl;
use http::header::{CONTENT_TYPE, HeaderValue, IF_MATCH, SERVER};
use http::{Method, StatusCode};
use ifmatch_client::secret;
use ifmatch_client::wire::{Access, AccessError, Answer, Request, SendError, Url};

/// The longest content that is raced, in bytes. It is sent hundreds of times, and kept in the journal.
pub(super) const CONTENT_BYTES_MAX: usize = 1 << 20;

/// Why there is nothing to race. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The plan.
    #[error("{0}. Nothing was sent.")]
    Plan(#[from] PlanError),
    /// How the API is reached.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It was not reached.
    #[error(transparent)]
    Send(#[from] SendError),
    /// What to change was named and cannot be.
    #[error("{url}: {cause}. Nothing was written.")]
    Field {
        /// The resource.
        url: String,
        /// Why not.
        cause: ChooseError,
    },
    /// It is redirected.
    #[error(
        "{url} redirects to {to}. Race that one: a write that is redirected is another request. Nothing was written."
    )]
    Redirected {
        /// The resource.
        url: String,
        /// Where to.
        to: String,
    },
    /// It cannot be read.
    #[error("GET {url} was answered {status}. {todo} Nothing was written.")]
    Status {
        /// The resource.
        url: String,
        /// The status.
        status: StatusCode,
        /// What to do.
        todo: &'static str,
    },
    /// It is read in a form that cannot be written.
    #[error(
        "{url} is compressed although nobody asked for it, so it cannot be written back as it was read. Nothing was written."
    )]
    Coded {
        /// The resource.
        url: String,
    },
    /// Marks of a race are in it.
    #[error(
        "{url} holds {mark}, the mark of a race: it is being raced already by another URL, or a race was killed and did not put the original back. `ifmatch race --restore` with the URL of that race puts it back. Nothing was written."
    )]
    Marked {
        /// The resource.
        url: String,
        /// The mark.
        mark: String,
    },
    /// Content that cannot be raced.
    #[error("{url}: {why}. Nothing was written.")]
    Content {
        /// The resource.
        url: String,
        /// Why not.
        why: String,
    },
    /// It is another one at each read.
    #[error("{0} Nothing was written.")]
    Unclear(String),
}

/// A resource that was looked at.
#[derive(Debug)]
pub struct Prepared {
    pub(super) plan: Plan,
    pub(super) access: Access,
    pub(super) original: State,
    pub(super) changes: Vec<Change>,
    pub(super) content_type: HeaderValue,
    pub(super) server: Option<String>,
    pub(super) http: String,
}

/// Reads the resource and chooses what to write.
///
/// # Errors
/// If it cannot be reached or read, or there is nothing in it that could be changed. Nothing was written then.
pub async fn prepare(access: &Access, plan: Plan) -> Result<Prepared, PrepareError> {
    plan.check()?;
    let answer = access.connect()?.send(&read_request(plan.url.clone())).await?;
    check(&plan, &answer)?;
    check_content(&plan, &answer.content)?;
    let read_type = answer.text(CONTENT_TYPE).unwrap_or_default().to_owned();
    let content_type = content_type(&plan, &answer);
    let patch = super::change::patch(&plan.method, &String::from_utf8_lossy(content_type.as_bytes()));
    let changes = choose(&answer.content, &read_type, plan.field.as_deref(), patch)
        .map_err(|cause| PrepareError::Field { url: secret::url(&plan.url), cause })?;
    Ok(Prepared {
        original: State {
            content: answer.content.clone(),
            tag: answer.tag(),
            modified: answer.text(http::header::LAST_MODIFIED).map(str::to_owned),
            marks: Vec::new(),
        },
        server: answer.text(SERVER).map(str::to_owned),
        http: format!("{:?}", answer.version),
        plan,
        access: access.clone(),
        changes,
        content_type,
    })
}

/// Whether the content can be changed and put back octet for octet.
fn check_content(plan: &Plan, content: &[u8]) -> Result<(), PrepareError> {
    let url = || secret::url(&plan.url);
    let wrong = |why: String| Err(PrepareError::Content { url: url(), why });
    if content.len() > CONTENT_BYTES_MAX {
        return wrong(format!(
            "it is {} bytes long, and at most {CONTENT_BYTES_MAX} are raced; race a smaller resource",
            content.len()
        ));
    }
    let Ok(text) = core::str::from_utf8(content) else {
        return wrong("it is neither JSON nor text in UTF-8, so it cannot be changed and put back; race a resource that is".to_owned());
    };
    match super::mark::any(text) {
        Some(mark) => Err(PrepareError::Marked { url: url(), mark: mark.to_owned() }),
        None => Ok(()),
    }
}

fn check(plan: &Plan, answer: &Answer) -> Result<(), PrepareError> {
    let url = secret::url(&plan.url);
    let to = answer.text(http::header::LOCATION).and_then(|to| answer.url.join(to).ok());
    match (answer.status.as_u16(), to) {
        (200, _) if is_coded(answer) => Err(PrepareError::Coded { url }),
        (200, _) => Ok(()),
        (301 | 302 | 303 | 307 | 308, Some(to)) => {
            Err(PrepareError::Redirected { url, to: secret::url(&to) })
        }
        (status, _) => {
            let todo = match status {
                401 => "Say who you are with -u, --bearer or -H 'Authorization: ...'.",
                403 => "Whoever this is may not read it; use credentials that may.",
                404 | 410 => "Name a resource that is there: race changes it and puts it back.",
                406 => "Add -H 'Accept: ...' with a type that the API has.",
                429 => "The API wants fewer requests; wait a while.",
                500.. => "The API fails or is down; its log says why.",
                _ => "Only a resource that is answered with 200 can be raced.",
            };
            Err(PrepareError::Status { url, status: answer.status, todo })
        }
    }
}

/// The Content-Type of writes.
fn content_type(plan: &Plan, answer: &Answer) -> HeaderValue {
    if let Some(content_type) = &plan.content_type {
        return content_type.clone();
    }
    let read = answer.headers.get(CONTENT_TYPE).cloned();
    if plan.method == Method::PATCH {
        return HeaderValue::from_static("application/merge-patch+json");
    }
    read.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"))
}

impl Prepared {
    /// What is changed first: a JSON Pointer, or "a line".
    pub fn field(&self) -> String {
        self.changes.first().map(Change::name).unwrap_or_default()
    }

    /// Whether the API is expected to take the field that is named, or others are tried if it does not.
    pub fn is_chosen(&self) -> bool {
        self.plan.field.is_none() && self.changes.len() > 1
    }

    /// About how many writes there will be, at most.
    pub fn writes(&self) -> u32 {
        let Plan { rounds, .. } = self.plan;
        let writers = u32::try_from(self.plan.writers).unwrap_or(2);
        let has_tag = u32::from(self.original.tag.is_some());
        let creates = u32::from(self.plan.create.is_some());
        let is_fast = u32::from(self.plan.rate().is_none());
        let rush = is_fast * rounds * super::rush::WRITES;
        // Control, test 1, test 2, test 3 with crowds of one, two and four times the writers, test 5, and those that create.
        let crowds = (writers + (2 * writers).min(32) + (4 * writers).min(32)) * rounds * NARROW / 3;
        5 + rounds * writers
            + rounds * 3
            + has_tag * (crowds + rush)
            + 6
            + creates * rounds * (3 * writers + 12)
    }

    /// About how long it takes if the rate decides, in seconds; nothing if it does not.
    pub fn seconds(&self) -> Option<f64> {
        let reads = f64::from(self.plan.rounds) * 18.0;
        self.plan.rate().map(|rate| (f64::from(self.writes()) + reads) / rate)
    }

    /// Each kind of request that would be sent, as curl commands, with what it is for.
    pub fn requests(&self, show_secrets: bool) -> Vec<(&'static str, String)> {
        let mut marks = Marks::new();
        let mark = marks.next();
        let patch: Option<Patch> =
            super::change::patch(&self.plan.method, &String::from_utf8_lossy(self.content_type.as_bytes()));
        let content = self
            .changes
            .first()
            .and_then(|change| change.content(&self.original.content, &marks, mark, patch));
        let write = |condition: &Condition| {
            let request = Request::new(self.plan.method.clone(), self.plan.url.clone());
            let request = condition.apply(request).with(CONTENT_TYPE, self.content_type.clone());
            request.content(content.clone().unwrap_or_default())
        };
        let command = |request: &Request| curl::command(request, &self.access.headers, show_secrets);
        let mut all = vec![
            ("before each round, and to see what is there", command(&read_request(self.plan.url.clone()))),
            ("tests 1 and 4: without a condition", command(&write(&Condition::None))),
        ];
        let tag = self.original.tag.as_ref().map(|tag| tag.value().clone());
        if let Some(tag) = tag {
            all.push((
                "control and tests 2 and 3: with a tag that was read",
                command(&write(&Condition::Match(tag))),
            ));
        }
        all.push(("test 2: with a tag that was never issued", command(&write(&Condition::never()))));
        all.push(("test 5: only if it is not there", command(&write(&Condition::Absent))));
        if let Some(create) = &self.plan.create
            && let Some(url) = create.url(&self.plan.url, NEW)
        {
            let content = create.content.clone().map_or(self.original.content.clone(), Into::into);
            let made = Request::new(create.method.clone(), url.clone()).content(content);
            let made = made.with(CONTENT_TYPE, self.content_type.clone());
            all.push(("tests 6 to 8: something new", command(&made)));
            let delete = Request::new(Method::DELETE, url);
            let delete = delete.with(IF_MATCH, HeaderValue::from_static(NEVER_ISSUED));
            all.push(("tests 7 and 8, and to take it away again", command(&delete)));
        }
        let original = Request::new(self.plan.method.clone(), self.plan.url.clone());
        let original = Condition::of(&self.original).apply(original);
        let original =
            original.with(CONTENT_TYPE, self.content_type.clone()).content(self.original.content.clone());
        all.push(("at the end: the original, with the tag that is there then", command(&original)));
        all
    }

    pub(super) fn session<'a>(
        &'a self,
        observer: &'a dyn super::Observer,
        stop: Stop,
    ) -> Result<Session<'a>, AccessError> {
        let change = self.changes.first().cloned().unwrap_or(Change::Line(super::change::Line {
            before: "\n",
            after: "\n",
            above: None,
        }));
        Session::new(&self.plan, &self.access, change, self.content_type.clone(), observer, stop)
    }
}

/// Puts back what an earlier run left, if what is there is still what that run wrote.
///
/// # Errors
/// If the API cannot be reached or the journal is of no use. The journal is kept then.
pub async fn restore(access: &Access, url: &Url, entry: &Entry) -> Result<Restored, PrepareError> {
    let broken = || PrepareError::Unclear("The journal of the earlier run cannot be read.".to_owned());
    let mut plan = Plan::new(url.clone());
    plan.method = Method::from_bytes(entry.method.as_bytes()).map_err(|_| broken())?;
    let content_type = HeaderValue::from_str(&entry.content_type).map_err(|_| broken())?;
    plan.content_type = Some(content_type.clone());
    let original = entry.content().ok_or_else(broken)?;
    let patch = super::change::patch(&plan.method, &entry.content_type);
    let read_type = if entry.member.is_some() { "application/json" } else { "text/plain" };
    let mut changes = choose(&original, read_type, entry.member.as_deref(), patch)
        .map_err(|cause| PrepareError::Field { url: secret::url(url), cause })?;
    if entry.member.is_none() {
        changes = choose(&original, &entry.content_type, None, None).unwrap_or(changes);
    }
    let original = State {
        content: original,
        tag: entry.tag.as_deref().and_then(|tag| ifmatch_client::Tag::parse(tag).ok()),
        modified: None,
        marks: Vec::new(),
    };
    let prepared = Prepared {
        plan,
        access: access.clone(),
        original,
        changes,
        content_type,
        server: None,
        http: String::new(),
    };
    let mut session = prepared.session(&(), Stop::default())?;
    session.marks = Marks::earlier(entry.mark.clone(), entry.number);
    (session.is_dirty, session.takes_tags) = (true, entry.takes_tags);
    // Reachable at all?
    session.read().await.map_err(|halt| match halt {
        Halt::Lost(error) => PrepareError::Send(error),
        other => PrepareError::Unclear(other.reason()),
    })?;
    let reference =
        Reference { rest: entry.rest.as_deref().and_then(Entry::decode), volatile: entry.volatile.clone() };
    Ok(session.restore(&prepared.original, &reference).await)
}

impl Prepared {
    /// What is kept of it in a journal.
    pub(super) fn entry(&self, session: &Session<'_>, reference: Option<&Reference>) -> Entry {
        let (mark, number) = session.marks.run();
        Entry {
            url: super::journal::shown(&self.plan.url),
            started: super::journal::now(),
            pid: std::process::id(),
            method: self.plan.method.to_string(),
            content_type: String::from_utf8_lossy(self.content_type.as_bytes()).into_owned(),
            member: match &session.change {
                Change::Member { pointer, .. } => Some(pointer.clone()),
                Change::Line(_) => None,
            },
            mark: mark.to_owned(),
            number,
            tag: self.original.tag.as_ref().map(ToString::to_string),
            original: Entry::encode(&self.original.content),
            takes_tags: session.takes_tags,
            rest: reference.and_then(|reference| reference.rest.as_deref()).map(Entry::encode),
            volatile: reference.map(|reference| reference.volatile.clone()).unwrap_or_default(),
        }
    }

    /// The journal, written before the first write.
    pub(super) fn note(
        &self,
        journal: &mut Journal,
        session: &Session<'_>,
        reference: Option<&Reference>,
    ) -> Result<(), Halt> {
        journal.write(self.entry(session, reference)).map_err(|error| Halt::Unclear(error.to_string()))
    }
}
