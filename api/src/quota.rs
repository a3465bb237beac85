//! The headers that tell what is left of a limit.

use poem::http::header::HeaderName;
use poem::http::{HeaderMap, HeaderValue};

/// How many requests a limit allows at once.
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// How many of them are left.
pub const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// In how many seconds all of them are back.
pub const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Tells that nothing is left of a limit.
pub fn exhausted(headers: &mut HeaderMap, limit: u32, reset: u32) {
    headers.insert(LIMIT, HeaderValue::from(limit));
    headers.insert(REMAINING, HeaderValue::from(0));
    headers.insert(RESET, HeaderValue::from(reset));
}
