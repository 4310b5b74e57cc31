//! `ifmatch patch`.

use super::args::Patch;
use super::body::{self, Body};
use super::end;
use super::items;
use super::meanwhile;
use super::session::Session;
use super::{Globals, note, tag};
use crate::exit::{Ended, Failure};
use http::Method;
use http::header::HeaderValue;
use ifmatch_client::{IfMatch, Outcome, TRIES_MAX, Write};

const MERGE_PATCH: HeaderValue = HeaderValue::from_static("application/merge-patch+json");
const JSON_PATCH: HeaderValue = HeaderValue::from_static("application/json-patch+json");

pub(crate) fn run(patch: &Patch, globals: Globals) -> Ended {
    let mut session = Session::open(&patch.url, &patch.access, globals)?;
    let (media_type, content) = change(patch)?;
    let wanted = patch.if_match.as_deref().map(tag).transpose()?;
    // A JSON Patch says itself what it expects.
    let merge_patch = ifmatch_core::json::parse(&content).ok().filter(|_| media_type == MERGE_PATCH);
    let changes = merge_patch.as_ref().map(meanwhile::of_merge_patch).unwrap_or_default();
    let mut tries = 0;
    loop {
        tries += 1;
        let version = match &wanted {
            Some(version) => version.clone(),
            None => match session.read() {
                Ok(reading) => {
                    if let Some(end) = meanwhile::refused(&session, "patch", &reading, &changes) {
                        return end.finish(&session);
                    }
                    match reading.version {
                        Ok(version) => version,
                        Err(why) => return end::no_version(&session, "patch", &why).finish(&session),
                    }
                }
                Err(error) => return end::failed(&session, "patch", &error)?.finish(&session),
            },
        };
        let condition = IfMatch::Unchanged(version.clone());
        let write = Write::new(Method::PATCH, session.url.clone(), condition);
        let write = write.map_err(|error| error.to_string())?.content(&media_type, content.clone());
        match session.write(&write) {
            Ok(Outcome::Applied(applied)) => {
                session.memory.close(&session.url);
                return end::saved(&session, "patch", Some(&version), &applied).finish(&session);
            }
            Ok(Outcome::Refused(refusal)) if refusal.is_stale() && wanted.is_none() && tries < TRIES_MAX => {
                note(&session, &format!("412: changed since {version} was read; reading again"));
                session.pause(tries);
            }
            Ok(other) => {
                let end = end::not_applied(&session, "patch", &other).expect("it is not applied");
                let is_stale = matches!(&other, Outcome::Refused(refusal) if refusal.is_stale());
                let end = if is_stale { end.next(session.command("get", &[])) } else { end };
                return end.finish(&session);
            }
            Err(error) => return end::unreachable(&session, "patch", &error).finish(&session),
        }
    }
}

/// The change and its type.
fn change(patch: &Patch) -> Result<(HeaderValue, Vec<u8>), Failure> {
    match body::body(&patch.content)? {
        Body::Items(items) => {
            let change = items::merge_patch(&items).map_err(|error| format!("{error}. Nothing was sent."))?;
            Ok((patch_type(patch)?.unwrap_or(MERGE_PATCH), change.to_string().into_bytes()))
        }
        Body::Whole(whole) => {
            let said = patch_type(patch)?;
            let media_type = match (said, ifmatch_core::json::parse(&whole.content)) {
                (Some(said), _) => said,
                (None, Ok(value)) => {
                    if value.is_array() {
                        JSON_PATCH
                    } else {
                        MERGE_PATCH
                    }
                }
                (None, Err(error)) => {
                    return Err(Failure::from(format!(
                        "the change is not JSON: {error}. Other kinds of change need --content-type. Nothing was sent."
                    )));
                }
            };
            Ok((media_type, whole.content))
        }
    }
}

fn patch_type(patch: &Patch) -> Result<Option<HeaderValue>, String> {
    let said = patch.content.content_type.as_deref().map(HeaderValue::from_str).transpose();
    said.map_err(|_| "--content-type is no media type. Nothing was sent.".to_owned())
}
