//! One run against one URL.

use super::Globals;
use super::memory::Memory;
use crate::access::AccessFlags;
use crate::exit::Failure;
use crate::output::dim;
use anstream::eprintln;
use http::header::{ACCEPT, CONTENT_ENCODING, HeaderMap};
use ifmatch_client::wire::{Access, Answer, SendError, Url};
use ifmatch_client::{Client, Error, Event, Outcome, Reading, Refusal, Write, secret};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// What a command talks with.
pub(crate) struct Session {
    /// As it was typed: what is remembered is remembered of this.
    pub(crate) asked: Url,
    /// Where it is, after redirects.
    pub(crate) url: Url,
    pub(crate) globals: Globals,
    pub(crate) memory: Memory,
    access: Access,
    /// How the API is reached, as it was typed.
    flags: Vec<String>,
    shows_secrets: bool,
    runtime: Runtime,
    client: Client,
}

impl Session {
    pub(crate) fn open(url: &Url, flags: &AccessFlags, globals: Globals) -> Result<Self, Failure> {
        let access = flags.access()?;
        let mut url = url.clone();
        url.set_fragment(None);
        let accept = access.headers.get(ACCEPT).map(|accept| accept.as_bytes()).unwrap_or_default();
        let memory = Memory::open(accept)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("the run could not be set up: {error}"))?;
        let client = client(&url, &access, globals, flags.show_secrets)?;
        Ok(Self {
            asked: url.clone(),
            url,
            globals,
            memory,
            access,
            flags: flags.typed(),
            shows_secrets: flags.show_secrets,
            runtime,
            client,
        })
    }

    /// The URL as it may be shown.
    pub(crate) fn shown_url(&self) -> String {
        self.shown(&self.url)
    }

    pub(crate) fn shown(&self, url: &Url) -> String {
        if self.shows_secrets { url.to_string() } else { secret::url(url) }
    }

    /// What a refusal says, where it says it in JSON. It may repeat the URL.
    pub(crate) fn told(&self, refusal: &Refusal) -> Option<Value> {
        let mut told = refusal.problem.json().cloned();
        if !self.shows_secrets {
            told.iter_mut().for_each(|told| mask(told, &refusal.answer.url));
        }
        told
    }

    /// A command of ours for the same URL, to be pasted.
    pub(crate) fn command(&self, name: &str, rest: &[&str]) -> String {
        let url = self.shown_url();
        let mut words = vec!["ifmatch", name, url.as_str()];
        words.extend(rest);
        words.extend(self.flags.iter().map(String::as_str));
        ifmatch_diagnose::curl::quote(&words)
    }

    /// What is there, and which version it is. Later reads and writes go where redirects led.
    pub(crate) fn read(&mut self) -> Result<Reading, Error> {
        let answer = self.follow()?;
        if !answer.hops.is_empty() && answer.status.is_success() {
            let is_other = answer.hops.iter().any(|hop| hop.status == 303);
            if is_other || answer.url.origin() != self.url.origin() {
                return Err(Error::Url { url: self.shown(&answer.url), base: self.shown_url() });
            }
            if self.url != answer.url {
                super::note(self, &format!("read from {}: a write goes there", self.shown(&answer.url)));
            }
            self.url = answer.url.clone();
        }
        if let Some(coding) = coding(&answer) {
            let why = format!("it is compressed ({coding}), although that was asked not to be");
            return Err(Error::Content { url: self.shown_url(), why });
        }
        Reading::of(answer)
    }

    /// What is there, unless redirects lead elsewhere.
    pub(crate) fn read_here(&self) -> Result<Reading, Error> {
        let answer = self.follow()?;
        if answer.url != self.url {
            return Err(Error::Url { url: self.shown(&answer.url), base: self.shown_url() });
        }
        Reading::of(answer)
    }

    /// The answer to GET, whatever it is.
    pub(crate) fn follow(&self) -> Result<Answer, SendError> {
        self.runtime.block_on(self.client.follow(&self.client.reading(&self.url)))
    }

    pub(crate) fn write(&self, write: &Write) -> Result<Outcome, SendError> {
        self.runtime.block_on(self.client.write(write))
    }

    pub(crate) fn pause(&self, tries: u32) {
        self.runtime.block_on(async { tokio::time::sleep(ifmatch_client::pause(tries)).await });
    }

    /// New connections: those that stood while somebody thought may be dead, and a write must not find that out.
    pub(crate) fn reconnect(&mut self) -> Result<(), Failure> {
        self.client = client(&self.url, &self.access, self.globals, self.shows_secrets)?;
        Ok(())
    }
}

fn client(url: &Url, access: &Access, globals: Globals, shows_secrets: bool) -> Result<Client, Failure> {
    let client = Client::with(url.as_str(), access).map_err(|error| error.to_string())?;
    if globals.verbose == 0 {
        return Ok(client);
    }
    Ok(client.watched(move |event| tell(event, shows_secrets)))
}

/// The content coding, if there is one.
pub(crate) fn coding(answer: &Answer) -> Option<String> {
    let coding = answer.text(CONTENT_ENCODING).filter(|coding| !coding.eq_ignore_ascii_case("identity"))?;
    answer.status.is_success().then(|| super::show::plain(coding))
}

fn tell(event: Event<'_>, shows_secrets: bool) {
    match event {
        Event::Sending(request, others) => {
            let path = if shows_secrets { request.url.to_string() } else { secret::url(&request.url) };
            eprintln!("{}", dim(&format!("> {} {path}", request.method)));
            let others = others.iter().filter(|(name, _)| !request.headers.contains_key(*name));
            others.chain(&request.headers).for_each(|(name, value)| {
                eprintln!("{}", dim(&format!("> {}", line(name, value, shows_secrets))));
            });
            if let Some(content) = &request.content {
                eprintln!("{}", dim(&format!("> ({} bytes of content)", content.len())));
            }
        }
        Event::Answered(answer) => {
            for hop in &answer.hops {
                eprintln!("{}", dim(&format!("< {} from {}", hop.status, secret::url(&hop.from))));
            }
            eprintln!("{}", dim(&format!("< {:?} {}", answer.version, answer.status)));
            for line in head(&answer.headers, shows_secrets) {
                eprintln!("{}", dim(&format!("< {line}")));
            }
            eprintln!("{}", dim(&format!("< ({} bytes of content)", answer.content.len())));
        }
        Event::Failed(error) => eprintln!("{}", dim(&format!("! {error}"))),
    }
}

/// Masks what text in a document repeats of the secrets in a URL.
fn mask(told: &mut Value, url: &Url) {
    match told {
        Value::String(text) => *text = secret::text_about(url, text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, url)),
        Value::Object(members) => members.values_mut().for_each(|member| mask(member, url)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Field lines as they may be shown.
pub(crate) fn head(headers: &HeaderMap, shows_secrets: bool) -> Vec<String> {
    headers.iter().map(|(name, value)| line(name, value, shows_secrets)).collect()
}

fn line(name: &http::HeaderName, value: &http::HeaderValue, shows_secrets: bool) -> String {
    let shown = if shows_secrets {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    } else {
        secret::field(name, value)
    };
    format!("{name}: {}", super::show::plain(&shown))
}
