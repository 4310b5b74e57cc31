//! The table of problems: every way in which a request is refused, once.

use http::StatusCode;

/// Where ifmatch serves the explanation of a problem; also its RFC 9457 `type`.
pub const TYPE_PREFIX: &str = "/.well-known/ifmatch/problems/";

macro_rules! problems {
    ($( $variant:ident, $name:literal, $status:ident, $title:literal, $applied:expr, $same:expr, $action:literal,
        $means:literal, $todo:literal; )*) => {
        /// A stable code for one kind of refusal. Clients may switch on its name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code { $( #[doc = $means] $variant, )* }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            fn row(self) -> &'static Row {
                match self {
                    $( Self::$variant => &Row {
                        name: $name, status: StatusCode::$status, title: $title, applied: $applied, same_request: $same,
                        action: $action, means: $means, todo: $todo,
                    }, )*
                }
            }
        }
    };
}

struct Row {
    name: &'static str,
    status: StatusCode,
    title: &'static str,
    applied: Option<bool>,
    same_request: bool,
    action: &'static str,
    means: &'static str,
    todo: &'static str,
}

const NO: Option<bool> = Some(false);
const UNKNOWN: Option<bool> = None;

problems! {
    PreconditionRequired, "precondition_required", PRECONDITION_REQUIRED, "Precondition Required", NO, false, "read_apply_send",
        "The write carries no condition that says which version it was made from, so it could silently overwrite a change its author has not seen.",
        "Read the resource and keep its ETag field, quotes included. Re-apply your change to the content you just read; do not re-send an old copy. Send the write with If-Match set to that ETag. To create something that must not exist yet, send If-None-Match: * instead.";
    OverwriteNotAllowed, "overwrite_not_allowed", PRECONDITION_REQUIRED, "Precondition Required", NO, false, "read_apply_send",
        "If-Match: * means \"overwrite whatever is there\". It names no version, so it protects nobody's change.",
        "Read the resource, re-apply your change to what you read, and send the ETag you read in If-Match instead of the star.";
    NotAVersion, "not_a_version", PRECONDITION_REQUIRED, "Precondition Required", NO, false, "read_apply_send",
        "The date in If-Unmodified-Since names no state of the resource: it is no valid date, lies in the second that is not over yet or in the future, or nothing with a date is there.",
        "Use If-Match with the ETag of the content you read. With a date, send the Last-Modified field exactly as it was received.";
    MalformedValidator, "malformed_validator", BAD_REQUEST, "Bad Request", NO, false, "fix_request",
        "If-Match or If-None-Match is there but is not a list of entity-tags. It is never taken as \"no condition\".",
        "Send the ETag exactly as it was received: with its double quotes, without escaping, nothing added. See problem and did_you_mean in the answer.";
    BadRequest, "bad_request", BAD_REQUEST, "Bad Request", NO, false, "fix_request",
        "The request is not well-formed: its target, its framing or a field cannot be understood safely.",
        "Correct what the detail names. Sending the same request again will not help.";
    TargetTooLong, "target_too_long", URI_TOO_LONG, "URI Too Long", NO, false, "fix_request",
        "The path is longer than this server keeps.",
        "Use a shorter path.";
    StaleVersion, "stale_version", PRECONDITION_FAILED, "Precondition Failed", NO, false, "read_merge_send",
        "The resource is not in the version the request was made for. Somebody changed or deleted it meanwhile, or the tag was never its own.",
        "Read the resource again, merge your change into what it is now, and send that with the new ETag. Re-sending your old content with the new tag would erase the other change.";
    AlreadyExists, "already_exists", PRECONDITION_FAILED, "Precondition Failed", NO, false, "read",
        "If-None-Match was false: something is there already that the request wanted not to be there.",
        "Read what is there. To change it, send its ETag in If-Match.";
    Unauthenticated, "unauthenticated", UNAUTHORIZED, "Unauthorized", NO, false, "authenticate",
        "The request carries no credentials that are accepted here.",
        "Send credentials as the WWW-Authenticate field asks.";
    Forbidden, "forbidden", FORBIDDEN, "Forbidden", NO, false, "stop",
        "Whoever sends this may not do it: the credentials do not allow it, or a web page of an origin that is not listed sends it.",
        "Ask the operator for access; the detail says what is missing.";
    NotFound, "not_found", NOT_FOUND, "Not Found", NO, false, "stop",
        "Nothing is stored under this name.",
        "Check the path. To create it, PUT it with If-None-Match: *.";
    MethodNotAllowed, "method_not_allowed", METHOD_NOT_ALLOWED, "Method Not Allowed", NO, false, "fix_request",
        "This resource does not support the method.",
        "Use one of the methods in the Allow field.";
    NotImplemented, "not_implemented", NOT_IMPLEMENTED, "Not Implemented", NO, false, "fix_request",
        "The method, or a transfer coding of the content, is not known here. What it does cannot be told, so it cannot be guarded.",
        "Use a registered HTTP method; their names are case-sensitive. Send content as it is or chunked.";
    MergeConflict, "merge_conflict", CONFLICT, "Conflict", NO, false, "resolve",
        "Both sides changed the same place.",
        "Decide each conflict in the answer and send the result with the current ETag.";
    PatchConflict, "patch_conflict", CONFLICT, "Conflict", NO, false, "resolve",
        "The patch is well-formed but does not fit what is stored: a test operation failed, a location does not exist, or the content is not JSON.",
        "Read the resource and make the patch from what it is now.";
    IdempotencyKeyMissing, "idempotency_key_missing", BAD_REQUEST, "Bad Request", NO, false, "add_key",
        "This route runs a request only under an Idempotency-Key.",
        "Add an Idempotency-Key field with a new unique value, and send the same value when you repeat the same request.";
    RequestInProgress, "request_in_progress", CONFLICT, "Conflict", UNKNOWN, true, "wait_and_resend",
        "The first request with this Idempotency-Key is still running.",
        "Send the identical request again after the delay in Retry-After. It will not run twice.";
    IdempotencyKeyReused, "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Unprocessable Content", NO, false, "new_key",
        "This Idempotency-Key belongs to a different request.",
        "Use a new key for a new request.";
    IdempotencyKeyForeign, "idempotency_key_foreign", CONFLICT, "Conflict", NO, false, "new_key",
        "This Idempotency-Key was used by somebody else.",
        "Use a new key.";
    ContentTooLarge, "content_too_large", PAYLOAD_TOO_LARGE, "Content Too Large", NO, false, "fix_request",
        "The content is larger than this server accepts.",
        "Send less, or raise the limit the detail names.";
    HeaderTooLarge, "header_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large", NO, false, "fix_request",
        "The header section is larger than this server accepts. It is refused whole, never cut.",
        "Send fewer or shorter fields.";
    UnsupportedPatch, "unsupported_patch", UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type", NO, false, "fix_request",
        "PATCH content of this media type is not understood.",
        "Use one of the types in the Accept-Patch field.";
    RequestTimeout, "request_timeout", REQUEST_TIMEOUT, "Request Timeout", NO, true, "wait_and_resend",
        "The content did not arrive completely in time. An incomplete request is never applied.",
        "Send the whole request again, over a better connection or in smaller pieces.";
    InvalidContent, "invalid_content", BAD_REQUEST, "Bad Request", NO, false, "fix_request",
        "The content is not what the request says it is: broken JSON, a malformed patch, a digest that does not match, or less than was announced.",
        "Correct the content and send it again.";
    RangeNotSatisfiable, "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "Range Not Satisfiable", NO, false, "fix_request",
        "The range asked for lies outside the content.",
        "Ask for a range inside the length that Content-Range tells.";
    Busy, "busy", SERVICE_UNAVAILABLE, "Service Unavailable", NO, true, "wait_and_resend",
        "Too many requests are waiting already; the line is bounded so that it cannot grow for ever.",
        "Send the same request again after the delay in Retry-After.";
    OutcomePending, "outcome_pending", SERVICE_UNAVAILABLE, "Service Unavailable", NO, true, "wait_and_resend",
        "An earlier write to this resource has no known outcome yet and may still land. Until it cannot any more, others wait.",
        "Send the same request again after the delay in Retry-After.";
    ValidatorUnavailable, "validator_unavailable", SERVICE_UNAVAILABLE, "Service Unavailable", NO, true, "wait_and_resend",
        "The current version could not be read, so the condition could not be checked. The write was refused rather than risk an overwrite.",
        "Send the same request again after the delay in Retry-After.";
    UpstreamUnreachable, "upstream_unreachable", BAD_GATEWAY, "Bad Gateway", NO, true, "wait_and_resend",
        "The upstream could not be reached. Nothing was sent to it.",
        "Send the same request again later.";
    OutcomeUnknown, "outcome_unknown", GATEWAY_TIMEOUT, "Gateway Timeout", UNKNOWN, false, "read_and_compare",
        "The write was under way when its answer was lost. It may or may not have been applied.",
        "Read the resource and compare before you write again. With an Idempotency-Key the same request may be repeated.";
    StorageFull, "storage_full", INSUFFICIENT_STORAGE, "Insufficient Storage", NO, true, "wait_and_resend",
        "There is no space left to store the write durably. Reads go on.",
        "Send the same request again when the operator has made space.";
    StorageFailed, "storage_failed", SERVICE_UNAVAILABLE, "Service Unavailable", NO, true, "wait_and_resend",
        "The storage reported an error, and nothing is acknowledged on a disk that cannot be trusted. Reads go on.",
        "The operator has to look at the server; it takes writes again after a restart.";
}

impl Code {
    /// The code of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.replace('-', "_");
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// Its stable name, as in the `code` member: `stale_version`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The status it is usually answered with.
    pub fn status(self) -> StatusCode {
        self.row().status
    }

    /// The standard phrase of its status.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// What happened to the data: `Some(false)` not applied, `None` unknown.
    pub fn applied(self) -> Option<bool> {
        self.row().applied
    }

    /// Whether the same request may succeed if it is simply sent again.
    pub fn same_request(self) -> bool {
        self.row().same_request
    }

    /// What a client should do, as a word for machines.
    pub fn action(self) -> &'static str {
        self.row().action
    }

    /// What it means, for people.
    pub fn means(self) -> &'static str {
        self.row().means
    }

    /// What to do about it, for people.
    pub fn todo(self) -> &'static str {
        self.row().todo
    }

    /// The last segment of its `type`: the name with hyphens.
    pub fn slug(self) -> String {
        self.name().replace('_', "-")
    }

    /// Its RFC 9457 `type`, a path that ifmatch serves itself.
    pub fn type_path(self) -> String {
        format!("{TYPE_PREFIX}{}", self.slug())
    }
}

/// The text behind a code, for people: what `ifmatch explain CODE` prints and the problem's `type` serves.
pub fn explanation(code: Code) -> String {
    let applied = match code.applied() {
        Some(_) => "Nothing was changed.",
        None => "Whether the data was changed is not known.",
    };
    let again = if code.same_request() {
        "The same request may succeed later, as it is."
    } else {
        "Sending the same request again will not help."
    };
    format!(
        "{} - {} {}\n\nWhat it means\n  {}\n\nWhat happened to the data\n  {applied}\n\nWhat to do\n  {}\n  {again}\n",
        code.name(),
        code.status().as_u16(),
        code.title(),
        code.means(),
        code.todo(),
    )
}

/// Why exactly, where a code has several causes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// Somebody changed it meanwhile.
    Changed,
    /// Nothing is there (any more).
    Gone,
    /// A weak entity-tag cannot match in If-Match.
    WeakValidator,
    /// The tag belongs to another resource.
    WrongResource,
    /// The tag names a variant that is no longer known.
    VariantUnknown,
    /// Any other cause, as a stable word.
    Other(&'static str),
}

impl Reason {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::WeakValidator => "weak_validator",
            Self::WrongResource => "wrong_resource",
            Self::VariantUnknown => "variant_unknown",
            Self::Other(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_by_name_and_by_slug() {
        for &code in Code::ALL {
            assert_eq!(Code::from_name(code.name()), Some(code));
            assert_eq!(Code::from_name(&code.slug()), Some(code));
            assert!(code.means().ends_with('.') && code.todo().ends_with('.'), "{code:?}");
        }
        assert_eq!(Code::from_name("nope"), None);
    }
}
