//! Accepting events, alone and in batches.

use crate::door::Api;
use poem_openapi::ApiResponse;
use serde_json::value::RawValue;
use shared::accept::{Accepted, Refused};
use shared::domain::fault::{Fault, FaultCode};
use shared::domain::intake::{self, Envelope};
use shared::id::{KeyId, ProjectId};

use super::wire::{AcceptedEvent, Batch, BatchItem, BatchReport, ItemStatus, NewEvent, status_url};
use crate::body::{Body, parse_text};
use crate::problem::{FieldError, Problem};
use crate::wire::{Answer, Stamp};

/// The answer to an event.
#[derive(ApiResponse)]
pub enum AcceptAnswer {
    /// The event is kept.
    #[oai(status = 202)]
    Accepted(
        Answer<AcceptedEvent>,
        /// Where to ask what became of it.
        #[oai(header = "Location")]
        String,
        /// `true` when this is the answer to the first request with this key.
        #[oai(header = "Idempotency-Replay")]
        Option<bool>,
    ),
}

/// The answer to a batch.
#[derive(ApiResponse)]
pub enum BatchAnswer {
    /// Each event has its own result.
    #[oai(status = 202)]
    Accepted(Answer<BatchReport>),
}

/// Accepts one event.
pub async fn one(
    app: &Api,
    project: ProjectId,
    caller: KeyId,
    key: Option<&str>,
    body: Body<NewEvent>,
) -> Result<AcceptAnswer, Problem> {
    let max_payload = app.accept.max_payload;
    let envelope = Envelope { key, text: &body.bytes, max_payload };
    let event = intake::validate(body.value.into(), envelope).map_err(Problem::invalid)?;
    let results = app.events.accept(project, caller, vec![event]).await;
    let accepted = first(results)?;
    let id = accepted.id.0;
    let received_at = Stamp(accepted.received_at);
    let answer = AcceptedEvent { id, status_url: status_url(id), received_at };
    let replay = accepted.replayed.then_some(true);
    Ok(AcceptAnswer::Accepted(Answer(answer), status_url(id), replay))
}

fn first(results: Vec<Result<Accepted, Refused>>) -> Result<Accepted, Problem> {
    let result = results.into_iter().next().ok_or_else(|| {
        tracing::error!("an event was given to be accepted, and no answer came");
        Problem::internal()
    })?;
    Ok(result?)
}

/// Accepts a batch.
pub async fn many(
    app: &Api,
    project: ProjectId,
    caller: KeyId,
    batch: Batch,
) -> Result<BatchAnswer, Problem> {
    let max = app.accept.max_batch;
    if batch.events.is_empty() || batch.events.len() > max {
        let code = if batch.events.is_empty() { FaultCode::Empty } else { FaultCode::TooLong };
        let message = format!("it must have 1 to {max} events, and has {}", batch.events.len());
        return Err(Problem::invalid(vec![Fault::new("events", code, message)]));
    }
    let judged: Vec<_> =
        batch.events.iter().map(|raw| read(&raw.0, app.accept.max_payload)).collect();
    let mut good = Vec::with_capacity(judged.len());
    let judged: Vec<Option<Problem>> =
        judged.into_iter().map(|one| one.map(|event| good.push(event)).err()).collect();
    let sent = good.len();
    let results =
        if sent == 0 { Vec::new() } else { app.events.accept(project, caller, good).await };
    if let Some(problem) = all_turned_away(&results) {
        return Err(problem);
    }
    let mut results = results.into_iter();
    let items = judged.into_iter().map(|problem| match problem {
        Some(problem) => rejected(problem),
        None => match results.next() {
            Some(Ok(accepted)) => kept(accepted),
            Some(Err(refused)) => rejected(refused.into()),
            None => rejected(Problem::internal()),
        },
    });
    Ok(BatchAnswer::Accepted(Answer(BatchReport { items: items.collect() })))
}

/// Reads one event from its own text, and judges it.
pub fn read(text: &RawValue, max_payload: usize) -> Result<intake::NewEvent, Problem> {
    let text = text.get();
    let raw: NewEvent = parse_text(text)?;
    let envelope = Envelope { key: None, text: text.as_bytes(), max_payload };
    intake::validate(raw.into(), envelope).map_err(Problem::invalid)
}

/// When the store is away or a limit is reached for all, that is the answer to the whole: clients know how to come back
/// from it, and nothing was kept.
pub fn all_turned_away(results: &[Result<Accepted, Refused>]) -> Option<Problem> {
    let passing = |one: &Result<Accepted, Refused>| {
        matches!(
            one,
            Err(Refused::Unavailable { .. }
                | Refused::TooManyRequests { .. }
                | Refused::OverPlan { .. })
        )
    };
    let first = results.first().filter(|_| results.iter().all(passing))?;
    first.as_ref().err().cloned().map(Problem::from)
}

fn kept(accepted: Accepted) -> BatchItem {
    BatchItem {
        status: if accepted.replayed { ItemStatus::Replayed } else { ItemStatus::Accepted },
        id: Some(accepted.id.0),
        received_at: Some(Stamp(accepted.received_at)),
        code: None,
        detail: None,
        errors: Vec::new(),
    }
}

fn rejected(problem: Problem) -> BatchItem {
    BatchItem {
        status: ItemStatus::Rejected,
        id: None,
        received_at: None,
        code: Some(problem.code),
        detail: (!problem.detail.is_empty()).then(|| problem.detail.to_string()),
        errors: problem.faults.iter().map(FieldError::from).collect(),
    }
}
