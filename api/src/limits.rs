//! How often somebody may call: what is asked of the limiter, and how answers tell it.

use domain::attempt::AttemptKind;
use domain::id::ProjectId;
use poem::http::{HeaderMap, HeaderValue};
use runtime::app::App;
use services::access::Principal;
use services::admin::AdminError;
use services::rates::{Rates, Standing};

use crate::context::RequestContext;
use crate::problem::{Code, Problem, seconds};
use crate::quota::{LIMIT, REMAINING, RESET};

/// Takes one request; the answer carries what is left.
///
/// # Errors
/// When there is nothing left.
pub fn take(
    rates: &Rates,
    principal: Option<&Principal>,
    context: &RequestContext,
) -> Result<(), Problem> {
    let Some(verdict) = rates.take_request(principal, context.address) else { return Ok(()) };
    context.note_verdict(verdict);
    if verdict.allowed {
        return Ok(());
    }
    let detail =
        format!("More than {} requests at once; send this again after Retry-After.", verdict.limit);
    Err(Problem::new(Code::RateLimited, detail).after(verdict.retry_after))
}

/// Refuses an attempt to come in that is one too many: the line with which such an operation begins.
///
/// # Errors
/// When there were too many from this address, or the store is away.
pub async fn attempt(
    app: &App,
    project: Option<ProjectId>,
    kind: AttemptKind,
    context: &RequestContext,
) -> Result<(), Problem> {
    let standing = app.login_throttle.take(project, kind, context.address).await;
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
pub fn dress(headers: &mut HeaderMap, verdict: &Standing) {
    if headers.contains_key(LIMIT) {
        return;
    }
    headers.insert(LIMIT, HeaderValue::from(verdict.limit));
    headers.insert(REMAINING, HeaderValue::from(verdict.remaining));
    let reset = if verdict.reset.is_zero() { 0 } else { seconds(verdict.reset) };
    headers.insert(RESET, HeaderValue::from(reset));
}
