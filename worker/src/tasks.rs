//! What the scheduler's ticks are for.

use std::sync::Arc;
use std::time::Duration;

use domain::schedule::Task;
use domain::time::Time;
use files::FileError;
use store::{Store, StoreError};

use crate::Worker;

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("erasures were not finished: {0}")]
    Erasures(#[from] services::admin::AdminError),
    #[error("files were not swept: {0}")]
    Files(#[from] FileError),
    #[error("the heartbeat was not sent: {0}")]
    Heartbeat(String),
}

/// How many rows one statement forgets: a few milliseconds' worth.
const STEP: i64 = 2000;

/// How many sessions one transaction forgets: each goes with its tokens, which may be hundreds.
const SESSIONS: i64 = 20;

/// How many rows one transaction forgets one by one.
const ROWS: i64 = 200;

/// How long finished ticks and sessions are kept.
const HISTORY: Duration = Duration::from_secs(7 * 86_400);

/// How long counts of attempts to come in are kept: well beyond their windows of a minute, whatever clocks say.
const ATTEMPTS: Duration = Duration::from_secs(600);

/// What is late by this much should have been taken by somebody.
const LATE: Duration = Duration::from_secs(60);

/// Does it; answers what it did, for the history.
pub(crate) async fn run(worker: &Arc<Worker>, task: Task) -> Result<String, TaskError> {
    let (store, now) = (&worker.app.store, worker.app.clock.now());
    match task {
        Task::ForgetIdempotencyKeys => {
            let gone = all(STEP, |limit| store.forget_idempotency_keys(now, limit)).await?;
            Ok(format!("forgot {gone} keys"))
        }
        Task::ForgetHistory => Ok(forget_history(store, now).await?),
        Task::MakePartitions => {
            Ok(format!("made {} partitions", store.make_partitions(now).await?))
        }
        Task::Audit => audit(worker).await.map(|broken| format!("{broken} broken promises")),
        Task::Heartbeat => heartbeat(worker).await,
        Task::SweepFiles => {
            Ok(format!("swept {} files that were left behind", worker.app.files.sweep(now).await?))
        }
        Task::FinishErasures => {
            Ok(format!("finished {} erasures", worker.app.accounts.finish_erasures().await?))
        }
        Task::SealAudit => Ok(format!("sealed {} audit rows", worker.app.audit.seal_all().await?)),
        Task::TellAuditHeads => Ok(format!("told {} heads", worker.app.audit.tell_heads().await?)),
        Task::ForgetAudit => {
            let before = now.minus(worker.app.config.audit.retention);
            let done = worker.app.audit.forget_before(before).await?;
            Ok(format!("forgot {} audit rows; {} logs are broken", done.rows, done.broken.len()))
        }
        Task::SumUpDeliveries => {
            Ok(format!("summed up {} hours", worker.app.audit.sum_up_deliveries().await?))
        }
    }
}

/// Forgets in steps until there is no more; answers how many that were.
async fn forget_history(store: &Store, now: Time) -> Result<String, StoreError> {
    let before = now.minus(HISTORY);
    let ticks = store.forget_ticks(before).await?;
    let runs = store.forget_runs(before).await?;
    let sessions = all(SESSIONS, |limit| store.forget_sessions(before, limit)).await?;
    let attempts = all(STEP, |limit| store.forget_attempts(now.minus(ATTEMPTS), limit)).await?;
    let rejected = all(ROWS, |limit| store.forget_rejected_entries(before, limit)).await?;
    let mails = all(ROWS, |limit| store.forget_mails(before, limit)).await?;
    let tokens = all(ROWS, |limit| store.forget_tokens(before, limit)).await?;
    let invitations = all(ROWS, |limit| store.forget_invitations(before, limit)).await?;
    let registrations = all(ROWS, |limit| store.forget_registrations(now, limit)).await?;
    let addresses = all(ROWS, |limit| store.forget_email_changes(now, limit)).await?;
    Ok(format!(
        "forgot {ticks} ticks, {runs} runs, {sessions} sessions, {attempts} counts of attempts, {rejected} rejected entries, \
         {mails} mails, {tokens} tokens, {invitations} invitations, {registrations} registrations and {addresses} addresses"
    ))
}

/// Forgets in steps of `limit` until a step finds less.
async fn all<F: Future<Output = Result<u64, StoreError>>>(
    limit: i64,
    forget: impl Fn(i64) -> F,
) -> Result<u64, StoreError> {
    let mut all = 0;
    loop {
        let gone = forget(limit).await?;
        all += gone;
        if gone < limit.unsigned_abs() {
            return Ok(all);
        }
    }
}

async fn audit(worker: &Worker) -> Result<i64, TaskError> {
    let found = worker.app.store.audit(worker.app.clock.now().minus(LATE)).await?;
    metrics::gauge!("bellbuoy_auditor_stale_claims").set(found.stale_claims as f64);
    metrics::gauge!("bellbuoy_auditor_stale_due").set(found.stale_due as f64);
    if found.total() > 0 {
        tracing::error!(?found, "promises look broken: the due loop is woken to make them good");
        worker.app.due.notify_one();
    }
    Ok(found.total())
}

/// Says outside that all is well; whoever listens rings when this stops.
async fn heartbeat(worker: &Worker) -> Result<String, TaskError> {
    let broken = audit(worker).await?;
    let Some(url) = &worker.app.config.auditor.heartbeat_url else {
        return Ok("none is configured".to_owned());
    };
    if broken > 0 {
        return Ok(format!("withheld: {broken} broken promises"));
    }
    let sent = worker.outbox.get(url.expose().expose().as_str()).await;
    sent.map(|()| "sent".to_owned()).map_err(TaskError::Heartbeat)
}
