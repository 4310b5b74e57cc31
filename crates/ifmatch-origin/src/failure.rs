//! What the store could not do, as an answer.

use ifmatch_core::{Code, Reason, Refusal};
use ifmatch_guard::Acted;
use ifmatch_store::StoreError;
use std::time::Duration;

/// The refusal for a store error. The text for clients names no folder; the log has the whole error.
pub(crate) fn refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::InvalidKey { problem, .. } => {
            Refusal::bad_request("path", format!("This path cannot be a resource: {problem}."))
        }
        StoreError::ContentTooLarge { bytes, bytes_max, .. } => Refusal::new(Code::ContentTooLarge)
            .detail(format!("The content would have {bytes} bytes; at most {bytes_max} are stored.")),
        StoreError::MediaTooLarge { .. } => Refusal::new(Code::HeaderTooLarge)
            .detail("Content-Type, Content-Encoding or Content-Language is too long to be stored."),
        StoreError::Busy { waiting } => Refusal::new(Code::Busy)
            .detail(format!("{waiting} writes are waiting to be stored already."))
            .retry_after(Duration::from_secs(1)),
        StoreError::Full { .. } => Refusal::new(Code::StorageFull).retry_after(Duration::from_secs(30)),
        StoreError::Unknown { .. } => Refusal::new(Code::OutcomeUnknown),
        StoreError::Closed => Refusal::new(Code::StorageFailed)
            .because(Reason::Other("closing"))
            .detail("The server is shutting down.")
            .retry_after(Duration::from_secs(5)),
        _ => Refusal::new(Code::StorageFailed).retry_after(Duration::from_secs(30)),
    }
}

/// The same as the end of a write: it was not applied, or nobody knows.
pub(crate) fn acted<B>(error: &StoreError) -> Acted<B> {
    match error.applied() {
        Some(_) => Acted::Refused(refusal(error), None),
        None => Acted::Unknown(refusal(error), None),
    }
}
