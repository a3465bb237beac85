//! How often somebody may call: what is asked of the limiter, and how answers tell it.

use poem::http::header::HeaderName;
use poem::http::{HeaderMap, HeaderValue};
use shared::access::Principal;
use shared::admin::AdminError;
use shared::domain::attempt::AttemptKind;
use shared::id::ProjectId;

use crate::door::{Desk, Limiter, Verdict};

use crate::context::RequestContext;
use crate::problem::{Code, Problem, seconds};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

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
    let detail =
        format!("More than {} requests at once; send this again after Retry-After.", verdict.limit);
    Err(Problem::new(Code::RateLimited, detail).after(verdict.retry_after))
}

/// Tells that nothing is left of a limit.
pub fn exhausted(headers: &mut HeaderMap, limit: u32, reset: u32) {
    headers.insert(LIMIT, HeaderValue::from(limit));
    headers.insert(REMAINING, HeaderValue::from(0));
    headers.insert(RESET, HeaderValue::from(reset));
}

/// Refuses an attempt to come in that is one too many: the line with which such an operation begins.
///
/// # Errors
/// When there were too many from this address, or the store is away.
pub async fn attempt(
    desk: &Desk,
    project: Option<ProjectId>,
    kind: AttemptKind,
    context: &RequestContext,
) -> Result<(), Problem> {
    let standing = desk.attempts.take(project, kind, context.address).await;
    let standing = standing.map_err(|error| Problem::from(AdminError::from(error)))?;
    let Some(over) = standing.filter(|standing| standing.is_over) else { return Ok(()) };
    let detail = format!(
        "More than {} of these requests a minute from one address; send this again after Retry-After.",
        over.most
    );
    let problem = Problem::new(Code::RateLimited, detail).after(over.reset);
    Err(problem.of_limit(over.most, over.reset))
}

/// Tells what is left, unless the answer tells of another limit.
pub fn dress(headers: &mut HeaderMap, verdict: &Verdict) {
    if headers.contains_key(LIMIT) {
        return;
    }
    headers.insert(LIMIT, HeaderValue::from(verdict.limit));
    headers.insert(REMAINING, HeaderValue::from(verdict.remaining));
    let reset = if verdict.reset.is_zero() { 0 } else { seconds(verdict.reset) };
    headers.insert(RESET, HeaderValue::from(reset));
}
