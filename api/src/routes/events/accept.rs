//! Accepting events, alone and in batches.

use std::sync::Arc;

use domain::id::{KeyId, ProjectId, sha256};
use domain::once::Operation;
use poem_openapi::ApiResponse;
use runtime::app::App;
use services::accept::{Accepted, Refused};
use tracing::Instrument;

use super::bodies::{ManyEvents, OneEvent};
use super::judged::Judged;
use super::wire::{AcceptedEvent, BatchItem, BatchReport, ItemStatus, status_url};
use crate::problem::{FieldError, Problem};
use crate::repeats::{Repeatable, Start, begin};
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

/// What a batch is answered with.
pub type BatchAnswer = Repeatable<BatchReport, 202>;

/// Accepts one event.
pub async fn one(
    app: &App,
    project: ProjectId,
    caller: KeyId,
    key: Option<&str>,
    body: OneEvent,
) -> Result<AcceptAnswer, Problem> {
    let event = body.judge(key, app.config.accept.max_payload.as_usize())?;
    let results = app.events.accept(project, Some(caller), vec![event]).await;
    Ok(answer(first(results)?))
}

/// The answer to an event that is kept.
pub fn answer(accepted: Accepted) -> AcceptAnswer {
    let id = accepted.id.0;
    let received_at = Stamp(accepted.received_at);
    let warnings = accepted.warnings.iter().map(FieldError::from).collect();
    let answer = AcceptedEvent { id, status_url: status_url(id), received_at, warnings };
    let replay = accepted.replayed.then_some(true);
    AcceptAnswer::Accepted(Answer(answer), status_url(id), replay)
}

fn first(results: Vec<Result<Accepted, Refused>>) -> Result<Accepted, Problem> {
    let result = results.into_iter().next().ok_or_else(|| {
        tracing::error!("an event was given to be accepted, and no answer came");
        Problem::internal()
    })?;
    Ok(result?)
}

/// Accepts a batch. With an idempotency key for the whole of it, a repeat is given its answer.
pub async fn many(
    app: &Arc<App>,
    (project, caller): (ProjectId, KeyId),
    key: Option<&str>,
    body: ManyEvents,
) -> Result<BatchAnswer, Problem> {
    body.judge_size(app.config.accept.max_batch)?;
    let max_payload = app.config.accept.max_payload.as_usize();
    let Some(text) = key else {
        let judged = body.judge(max_payload, |_| None);
        let (report, _) = report(app, (project, caller), judged).await?;
        return BatchAnswer::fresh(&report);
    };
    let hash = sha256(body.bytes().trim_ascii());
    let working = match begin(app, (project, Operation::AcceptBatch, text), Some(hash)).await? {
        Start::Ours(working) => working,
        Start::Done(_, answer) => return Ok(BatchAnswer::replayed(answer)),
    };
    let app = Arc::clone(app);
    // A client that goes away comes back for the answer: what was begun is brought to an end without it.
    let done = async move {
        let judged = body.judge(max_payload, |place| working.of_event(place));
        match report(&app, (project, caller), judged).await {
            Ok((report, true)) => {
                let answer = BatchAnswer::fresh(&report)?;
                working.finish(hash, &answer.body).await;
                Ok(answer)
            }
            // What may work in a moment is no answer to keep.
            Ok((report, false)) => {
                working.give_up().await;
                BatchAnswer::fresh(&report)
            }
            Err(problem) => {
                working.give_up().await;
                Err(problem)
            }
        }
    };
    tokio::spawn(done.in_current_span()).await.map_err(|error| {
        tracing::error!(%error, "a request failed");
        Problem::internal()
    })?
}

/// Accepts the events of a batch, and tells of each what became of it, and whether all of that is final.
///
/// # Errors
/// When all of them have to come again.
pub async fn report(
    app: &App,
    (project, caller): (ProjectId, KeyId),
    batch: Vec<Judged>,
) -> Result<(BatchReport, bool), Problem> {
    let mut good = Vec::with_capacity(batch.len());
    let mut judged = Vec::with_capacity(batch.len());
    for Judged { event, derived } in batch {
        judged.push(event.map(|event| {
            good.push(event);
            derived
        }));
    }
    let results = if good.is_empty() {
        Vec::new()
    } else {
        app.events.accept(project, Some(caller), good).await
    };
    if let Some(problem) = all_turned_away(&results) {
        return Err(problem);
    }
    Ok(merge(judged, results))
}

/// What became of each event of a batch, in order, and whether all of that is final: of those that could be read and were
/// accepted or not (and whether their keys are derived), and of those that could not.
fn merge(
    judged: Vec<Result<bool, Problem>>,
    results: Vec<Result<Accepted, Refused>>,
) -> (BatchReport, bool) {
    let is_final = !results.iter().any(is_passing);
    let mut results = results.into_iter();
    let items = judged.into_iter().map(|one| match one {
        Err(problem) => rejected(problem),
        Ok(derived) => match results.next() {
            // What an earlier attempt at the same request kept is kept by this request.
            Some(Ok(accepted)) if derived => kept(Accepted { replayed: false, ..accepted }),
            Some(Ok(accepted)) => kept(accepted),
            Some(Err(refused)) => rejected(refused.into()),
            None => rejected(Problem::internal()),
        },
    });
    (BatchReport { items: items.collect() }, is_final)
}

/// Whether it may work in a moment.
pub const fn is_passing(one: &Result<Accepted, Refused>) -> bool {
    matches!(
        one,
        Err(Refused::Unavailable { .. }
            | Refused::TooManyRequests { .. }
            | Refused::OverPlan { .. })
    )
}

/// When the store is away or a limit is reached for all, that is the answer to the whole: clients know how to come back
/// from it, and nothing was kept.
pub fn all_turned_away(results: &[Result<Accepted, Refused>]) -> Option<Problem> {
    let first = results.first().filter(|_| results.iter().all(is_passing))?;
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
        warnings: accepted.warnings.iter().map(FieldError::from).collect(),
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
        warnings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::fault::{Fault, FaultCode};
    use domain::id::EventId;
    use domain::time::Time;

    use super::*;

    #[test]
    fn each_event_keeps_its_place_among_those_that_were_not_kept() {
        let kept = |replayed| {
            Ok(Accepted {
                id: EventId::fresh(Time::default()),
                received_at: Time::default(),
                replayed,
                warnings: Vec::new(),
            })
        };
        let wrong = Fault::new("payload.a", FaultCode::Required, "a must be there");
        let judged = vec![
            Ok(false),
            Err(Problem::invalid(vec![wrong.clone()])),
            Ok(false),
            // Its key follows from that of the batch: what an earlier attempt kept is no replay.
            Ok(true),
            Ok(false),
            Ok(false),
        ];
        let refused = Refused::Invalid(vec![wrong]);
        let away = Refused::Unavailable { retry_after: Duration::from_secs(1) };
        let results = vec![kept(false), kept(true), kept(true), Err(refused), Err(away)];
        let (report, is_final) = merge(judged.clone(), results);
        let told = |report: &BatchReport| -> Vec<String> {
            let told = |item: &BatchItem| {
                let item = serde_json::to_value(item).expect("JSON");
                let word = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
                let field = word(&item["errors"][0]["field"]);
                format!("{} {} {field}", word(&item["status"]), word(&item["code"]))
            };
            report.items.iter().map(told).collect()
        };
        let mut wanted = [
            "accepted - -",
            "rejected invalid_request payload.a",
            "replayed - -",
            "accepted - -",
            "rejected invalid_request payload.a",
            "rejected unavailable -",
        ];
        assert_eq!(told(&report), wanted);
        assert!(!is_final, "the last one may work in a moment");
        let results = vec![kept(false), kept(true), kept(true), kept(false)];
        let (report, is_final) = merge(judged, results);
        wanted[4] = "accepted - -";
        wanted[5] = "rejected internal -";
        assert_eq!(told(&report), wanted);
        assert!(is_final);
    }
}
