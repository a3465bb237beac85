//! Headers that stand on every answer.

use poem::Response;
use poem::http::HeaderValue;
use poem::http::header::{self, HeaderName};

use crate::context::RequestContext;
use crate::limits;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const FIXED: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// The challenge that some senders wait for before they say who they are. Elsewhere it is not given: browsers would ask
/// for a password.
pub const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"bellbuoy\"");

/// A header value of bytes that are known to be visible ASCII.
pub fn value(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Puts them on.
pub fn dress(response: &mut Response, context: &RequestContext, hsts: bool) {
    let headers = response.headers_mut();
    // All that a usual answer has, so that they are hashed into place once.
    headers.reserve(20);
    headers.insert(REQUEST_ID, context.request_id.clone());
    headers.insert(TRACEPARENT, context.traceparent.clone());
    for (name, value) in FIXED {
        headers.insert(name, value);
    }
    // A page may say otherwise of itself: the documentation runs a script and may be kept.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    if hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if let Some(verdict) = context.verdict() {
        limits::dress(headers, verdict);
    }
}
