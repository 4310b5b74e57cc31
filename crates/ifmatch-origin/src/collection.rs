//! Collections: implicit, one level. A path ending in `/` lists what lies directly below it and takes new members.

use crate::digest;
use crate::documents::{Documents, not_a_write, received};
use crate::prefer::{self, Return};
use crate::respond::{self, Body, Validators};
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LINK, LOCATION};
use http::{Method, Response, StatusCode};
use ifmatch_core::{Code, CurrentState, Expected, Outcome, Refusal, Representation, Revision};
use ifmatch_guard::{Acted, Exchange, Read};
use ifmatch_store::{Committed, Listing, Media, Store, StoreError, Transaction};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;
use std::time::Duration;

/// Members on a page unless `limit` says otherwise.
const PAGE_ITEMS_DEFAULT: usize = 100;
/// Most members on a page.
const PAGE_ITEMS_MAX: usize = 1000;
/// How often an append is tried anew: for a condition whose collection changed meanwhile, or a name that was taken.
const ATTEMPTS_MAX: usize = 16;

/// One member in a listing. No date: it would change without the collection's tag changing.
#[derive(Serialize)]
struct Member<'a> {
    href: &'a str,
    etag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    content_length: u64,
}

/// Which page of a listing is asked for.
struct Page {
    after: Option<String>,
    limit: usize,
}

impl<S: Store> Documents<S> {
    /// GET and HEAD of a collection.
    pub(crate) fn list(&self, x: &Exchange) -> Result<Read<Body>, StoreError> {
        let page = match page(x.target.query()) {
            Ok(page) => page,
            Err(refusal) => return Ok(Read::Refused(refusal)),
        };
        let listing = self.store.list(x.target.path(), page.after.as_deref(), page.limit)?;
        let tag = self.tag(listing.revision);
        let validators = Validators { tag, last_modified: None };
        Ok(match x.judge(self.store.now()).on_state(&collection_state(&tag)) {
            Outcome::Refused(refusal) => Read::Refused(refusal),
            Outcome::NotModified => Read::Answered(respond::not_modified(&validators)),
            Outcome::Send(_) | Outcome::Perform(_) => match self.sending.counted(self.text(&listing)) {
                Ok(content) => Read::Answered(listed(&listing, &validators, &page, x, content)),
                Err(refusal) => Read::Refused(refusal),
            },
        })
    }

    /// The listing as JSON, a member a line.
    fn text(&self, listing: &Listing) -> Bytes {
        let mut text = String::from("[");
        for (index, item) in listing.items.iter().enumerate() {
            let tag = self.tag(item.revision);
            let member = Member {
                href: &item.key,
                etag: tag.as_str(),
                content_type: item.content_type.as_deref(),
                content_length: item.content_bytes,
            };
            text.push_str(if index == 0 { "\n  " } else { ",\n  " });
            // Strings and numbers always serialise.
            text.push_str(&serde_json::to_string(&member).unwrap_or_default());
        }
        text.push_str(if listing.items.is_empty() { "]\n" } else { "\n]\n" });
        text.into()
    }

    /// POST: a new member under a name of our choice. Needs no condition; one about the collection is held to.
    pub(crate) async fn append(&self, x: &Exchange, content: Bytes) -> Result<Acted<Body>, StoreError> {
        // As for documents: the condition is judged first.
        let intact = digest::check(&x.headers, &content);
        let collection = x.target.path();
        for _ in 0..ATTEMPTS_MAX {
            let revision = self.store.collection(collection)?;
            let tag = self.tag(revision);
            let judge = x.judge(self.store.now());
            let guard = match judge.on_state(&collection_state(&tag)) {
                Outcome::Perform(guard) => guard,
                Outcome::Refused(refusal) => return Ok(Acted::Refused(refusal, None)),
                Outcome::Send(_) | Outcome::NotModified => return Ok(not_a_write()),
            };
            if let Err(refusal) = intact {
                return Ok(Acted::Refused(refusal, None));
            }
            let key = format!("{collection}{}", uuid::Uuid::now_v7());
            let mut transaction = Transaction::new();
            if judge.conditions().bind_writes() {
                transaction = transaction.check(collection, Expected::Exactly(revision));
            }
            let document = received(x, content.clone());
            let transaction = transaction.put(key.as_str(), Expected::Absent, document);
            match self.store.commit(transaction).await? {
                Committed::Done(stamps) => {
                    let made = stamps.first().map_or(Revision(0), |stamp| stamp.revision);
                    return Ok(Acted::Applied(self.created(x, &key, made, content), guard.protection()));
                }
                Committed::Mismatch(_) => {}
            }
        }
        let refusal = Refusal::new(Code::Busy)
            .detail(format!("{collection} changed {ATTEMPTS_MAX} times while this request was being judged."))
            .retry_after(Duration::from_secs(1));
        Ok(Acted::Refused(refusal, None))
    }

    fn created(&self, x: &Exchange, key: &str, revision: Revision, content: Bytes) -> Response<Body> {
        let tag = self.tag(revision);
        let asked = prefer::read(&x.headers) == Return::Representation;
        let shown = asked.then(|| self.sending.counted(content).ok()).flatten();
        let mut response = match shown {
            Some(content) => {
                let validators = Validators { tag, last_modified: None };
                let media = received(x, Bytes::new()).media;
                let mut response = respond::document(&validators, &media, content, None);
                respond::as_preferred(&mut response, key);
                response
            }
            None => respond::written(StatusCode::CREATED, Some(&tag)),
        };
        *response.status_mut() = StatusCode::CREATED;
        response.headers_mut().insert(LOCATION, respond::text(key.to_owned()));
        response
    }
}

fn listed(
    listing: &Listing,
    validators: &Validators,
    page: &Page,
    x: &Exchange,
    content: Bytes,
) -> Response<Body> {
    let content_bytes = content.len();
    // To HEAD the length alone; a transport of HTTP/2 would send the content.
    let content = if x.method == Method::HEAD { Bytes::new() } else { content };
    let mut response = respond::document(validators, &Media::default(), content, None);
    let fields = response.headers_mut();
    fields.insert(CONTENT_LENGTH, HeaderValue::from(content_bytes));
    fields.remove(ACCEPT_RANGES);
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(next) = &listing.next {
        let after = utf8_percent_encode(next, NON_ALPHANUMERIC);
        let link = format!("<{}?after={after}&limit={}>; rel=\"next\"", x.target.path(), page.limit);
        fields.insert(LINK, respond::text(link));
    }
    response
}

/// A collection always exists. Its tag is its revision; it has no date, because many changes may fall into one second.
fn collection_state(tag: &crate::tag::Tag) -> CurrentState<'_> {
    CurrentState::Present(Representation { etag: tag.entity_tag(), last_modified: None, content_bytes: None })
}

/// Reads `after` and `limit`. Anything else is refused rather than ignored.
fn page(query: Option<&str>) -> Result<Page, Refusal> {
    let mut page = Page { after: None, limit: PAGE_ITEMS_DEFAULT };
    let bad = |detail: String| Refusal::bad_request("query", detail);
    for pair in query.unwrap_or("").split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value =
            percent_decode_str(value).decode_utf8().map_err(|_| bad(format!("{name} is not UTF-8.")))?;
        match name {
            "after" => page.after = Some(value.into_owned()),
            "limit" => {
                page.limit = value
                    .parse()
                    .ok()
                    .filter(|n| (1..=PAGE_ITEMS_MAX).contains(n))
                    .ok_or_else(|| bad(format!("limit must be a number from 1 to {PAGE_ITEMS_MAX}.")))?;
            }
            _ => {
                return Err(bad(format!(
                    "A collection takes the query parameters after and limit, not {:?}.",
                    shown(name)
                )));
            }
        }
    }
    Ok(page)
}

fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}
