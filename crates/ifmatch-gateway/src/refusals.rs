//! What the gateway itself says no to, in words.

use crate::upstream::{ConnectError, SendError, SendErrorKind};
use http::StatusCode;
use ifmatch_core::{Code, Policy, Reason, Refusal};
use std::time::Duration;

/// After how long to try again where nobody knows better.
const SOON: Duration = Duration::from_secs(1);

pub(crate) fn unreachable(error: &ConnectError) -> Refusal {
    match error {
        ConnectError::Busy => Refusal::new(Code::Busy).detail(format!("{}.", capital(&error.to_string()))),
        ConnectError::Unreachable { .. } | ConnectError::TimedOut | ConnectError::Resolve { .. } => {
            Refusal::new(Code::UpstreamUnreachable)
                .detail(format!("{}. Nothing was sent to it.", capital(&error.to_string())))
        }
    }
    .retry_after(SOON)
}

/// A safe request that was not answered.
pub(crate) fn unanswered(error: &SendError) -> Refusal {
    let refusal = Refusal::new(Code::UpstreamUnreachable)
        .detail(format!("The upstream gave no answer: {error}."))
        .retry_after(SOON);
    if error.kind == SendErrorKind::TimedOut {
        refusal.status_code(StatusCode::GATEWAY_TIMEOUT)
    } else {
        refusal
    }
}

/// A write of which nobody can say what became.
pub(crate) fn unknown(cause: &str, late_write_max: Duration) -> Refusal {
    let seconds = late_write_max.as_secs_f64();
    Refusal::new(Code::OutcomeUnknown).detail(format!(
        "The write was sent to the upstream, and {cause}. It may have been applied, or may still be within {seconds} seconds; \
         until then other writes to this resource wait."
    ))
}

pub(crate) fn pending(remaining: Duration) -> Refusal {
    Refusal::new(Code::OutcomePending).retry_after(remaining)
}

pub(crate) fn busy() -> Refusal {
    Refusal::new(Code::Busy)
        .detail("Too many writers are waiting for this resource, or the wait was too long.")
        .retry_after(SOON)
}

pub(crate) fn slots_full() -> Refusal {
    Refusal::new(Code::Busy)
        .detail("As many writes are under way or without a known outcome as the gateway keeps track of.")
        .retry_after(SOON)
}

pub(crate) fn state_failed(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, "the state folder cannot be written; guarded writes are refused");
    Refusal::new(Code::StorageFailed).detail(
        "The gateway cannot note down in its state folder what is under way, and forwards no write that it could lose track of.",
    )
}

/// Told to the observer; the client is not there to hear it.
pub(crate) fn left() -> Refusal {
    Refusal::new(Code::Busy).detail("The client left while it waited for its turn.")
}

/// The check could not be made now; later it may.
pub(crate) fn unavailable(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::ValidatorUnavailable)
        .detail(format!("The current version could not be read: {why}. The write was not forwarded, rather than risk an overwrite."))
        .retry_after(SOON)
}

/// The check cannot be made on this route as it is set.
pub(crate) fn misconfigured(why: impl std::fmt::Display, setting: &str) -> Refusal {
    Refusal::new(Code::ValidatorUnavailable).because(Reason::Other("configuration")).detail(format!(
        "The current version cannot be read: {why}. Whoever runs the gateway can change that: {setting}."
    ))
}

pub(crate) fn variant_unknown(policy: &Policy) -> Refusal {
    Refusal::stale(policy, Reason::VariantUnknown)
        .about(http::header::IF_MATCH)
        .detail("The entity-tag names a variant of the content that the gateway does not know any more. Read it again.")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
