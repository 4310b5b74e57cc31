//! `Max-Forwards`: how far an OPTIONS may still go (RFC 9110, Section 7.6.2).

use crate::body::GatewayBody;
use bytes::Bytes;
use http::header::{ALLOW, HeaderMap, HeaderValue, MAX_FORWARDS};
use http::{Response, StatusCode};

/// Whether an OPTIONS is for the next server it meets, which we are.
pub(crate) fn is_last_hop(headers: &HeaderMap) -> bool {
    headers.get_all(MAX_FORWARDS).iter().any(|value| forwards(value) == Some(0))
}

/// What is answered to that: the methods of the gateway itself.
pub(crate) fn options() -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allow = HeaderValue::from_static("GET, HEAD, PUT, PATCH, DELETE, POST, OPTIONS");
    response.headers_mut().insert(ALLOW, allow);
    response
}

fn forwards(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

/// One hop less, if it is a number.
pub(crate) fn fewer(value: &HeaderValue) -> HeaderValue {
    forwards(value).map_or_else(|| value.clone(), |left| HeaderValue::from(left.saturating_sub(1)))
}
