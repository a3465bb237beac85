//! How often somebody may call: what is asked of the limiter, and how answers tell it.

use poem::http::{HeaderMap, HeaderValue};
use shared::access::Principal;

use crate::door::{Limiter, Verdict};

use crate::context::RequestContext;
use crate::problem::{Code, Problem, seconds};

/// Takes one request; the answer carries what is left.
///
/// # Errors
/// When there is nothing left.
pub fn take(
    limiter: &dyn Limiter,
    principal: Option<&Principal>,
    context: &RequestContext,
) -> Result<(), Problem> {
    let Some(verdict) = limiter.check(principal, context.address) else { return Ok(()) };
    context.note_verdict(verdict);
    if verdict.allowed {
        return Ok(());
    }
    let detail = format!("At most {} requests at once; wait a little.", verdict.limit);
    Err(Problem::new(Code::RateLimited, detail).after(verdict.retry_after))
}

/// Tells what is left.
pub fn dress(headers: &mut HeaderMap, verdict: &Verdict) {
    headers.insert("ratelimit-limit", HeaderValue::from(verdict.limit));
    headers.insert("ratelimit-remaining", HeaderValue::from(verdict.remaining));
    let reset = if verdict.reset.is_zero() { 0 } else { seconds(verdict.reset) };
    headers.insert("ratelimit-reset", HeaderValue::from(reset));
}
