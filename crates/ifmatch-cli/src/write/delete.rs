//! `ifmatch delete`.

use super::args::Delete;
use super::end;
use super::session::Session;
use super::{Globals, confirm, is_asked, show, tag, unsaid};
use crate::exit::{Ended, Failure};
use anstream::eprintln;
use http::Method;
use ifmatch_client::{IfMatch, Outcome, Version, Write};

/// How much of what would be deleted is shown, in characters.
const SHOWN_CHARS_MAX: usize = 2000;

pub(crate) fn run(delete: &Delete, globals: Globals) -> Ended {
    let mut session = Session::open(&delete.url, &delete.access, globals)?;
    let seen = session.memory.seen(&session.asked);
    let remembered = seen.as_ref().and_then(|seen| seen.version.clone());
    let cannot = seen.filter(|seen| seen.leads_to.is_some() || seen.why.is_some());
    let condition = if let Some(text) = &delete.condition.if_match {
        IfMatch::Unchanged(tag(text)?)
    } else if let Some(reason) = &delete.condition.overwrite {
        confirm(delete.condition.yes, &format!("Delete whatever is at {}, unseen?", session.shown_url()))?;
        IfMatch::overwrite(reason)
    } else if let Some(version) = remembered {
        IfMatch::Unchanged(version)
    } else if let Some(seen) = cannot {
        return Err(Failure::from(unsaid::unwritable(&session, "delete", &[], &seen)));
    } else if is_asked() {
        match show_and_ask(&mut session)? {
            Ok(version) => IfMatch::Unchanged(version),
            Err(ended) => return ended,
        }
    } else {
        return Err(Failure::from(not_seen(&session)));
    };
    let before = match &condition {
        IfMatch::Unchanged(version) => Some(version.clone()),
        _ => None,
    };
    let write =
        Write::new(Method::DELETE, session.url.clone(), condition).map_err(|error| error.to_string())?;
    let outcome = match session.write(&write) {
        Ok(outcome) => outcome,
        Err(error) => return end::unreachable(&session, "delete", &error).finish(&session),
    };
    match outcome {
        Outcome::Applied(applied) => {
            session.memory.forget(&session.url);
            end::saved(&session, "delete", before.as_ref(), &applied).finish(&session)
        }
        Outcome::Refused(refusal) if refusal.is_stale() => {
            if let Some(version) = &before {
                // It was refused; if that cannot be noted, it is refused again.
                drop(session.memory.drop_version(&session.asked, None, version));
            }
            let end =
                end::refused(&session, "delete", &refusal).line("Look at what it is now, then delete that:");
            end.next(session.command("get", &[])).next(session.command("delete", &[])).finish(&session)
        }
        Outcome::Refused(refusal) => end::refused(&session, "delete", &refusal).finish(&session),
        Outcome::Unknown(doubt) => end::unknown(&session, "delete", &doubt).finish(&session),
    }
}

/// Shows what is there; the version, if it is to be deleted.
fn show_and_ask(session: &mut Session) -> Result<Result<Version, Ended>, Failure> {
    let reading = match session.read() {
        Ok(reading) => reading,
        Err(error) => return Ok(Err(end::failed(session, "delete", &error)?.finish(session))),
    };
    let version = match &reading.version {
        Ok(version) => version.clone(),
        Err(why) => return Ok(Err(end::no_version(session, "delete", why).finish(session))),
    };
    let content = String::from_utf8_lossy(&reading.answer.content);
    let shown: String = show::plain(&content).chars().take(SHOWN_CHARS_MAX).collect();
    eprintln!("{}\n{shown}", version.line());
    confirm(false, &format!("Delete this at {}?", session.shown_url()))?;
    Ok(Ok(version))
}

fn not_seen(session: &Session) -> String {
    format!(
        "nothing says what you saw there, and it was not read with ifmatch get. Nothing was sent.\n  Look at it first:\n    \
         {}\n    {}\n  You know its tag:\n    {}",
        session.command("get", &[]),
        session.command("delete", &[]),
        session.command("delete", &["--if-match", "\"TAG\""]),
    )
}
