//! Attempts at an event that fails: counted by themselves, for an event fails because of what it is, never because of its
//! neighbours.

use uuid::Uuid;

use crate::engine::{Tx, sql, verb};
use crate::{Result, Store, StoreError};
use domain::evaluation::EvaluationStatus;
use domain::id::{EventId, ProjectId};
use domain::time::Time;

impl Store {
    /// Counts an attempt at an event before it is made, so that one that takes the process with it is counted too;
    /// answers how many there were, this one included, or none when the event is evaluated already.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn begin_event_attempt(
        &self,
        project: ProjectId,
        event: EventId,
        error: &str,
        now: Time,
    ) -> Result<Option<i64>> {
        let error = error.to_owned();
        self.write("begin_event_attempt", verb!(|tx, error| {
            if !tx.returns() {
                return begin_attempt(tx, project, event, error, now).await;
            }
            let row = sql!(
                tx, fetch_optional as (i64,),
                "INSERT INTO evaluation_attempts (project_id, event_id, attempts, error, updated_at)
                 SELECT $1, $2, 1, $3, $4
                 WHERE NOT EXISTS (SELECT 1 FROM evaluations WHERE project_id = $5 AND id = $6)
                 ON CONFLICT (project_id, event_id) DO UPDATE
                 SET attempts = evaluation_attempts.attempts + 1, error = excluded.error, updated_at = excluded.updated_at
                 RETURNING attempts",
                project, event, error, now, project, event
            )?;
            Ok(row.map(|(attempts,)| attempts))
        }))
        .await
    }

    /// Gives an event up: it failed too often. Answers whether it was not evaluated meanwhile.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn fail_event(
        &self,
        project: ProjectId,
        event: EventId,
        error: &str,
        now: Time,
    ) -> Result<bool> {
        let error: String = error.chars().take(500).collect();
        self.write("fail_event", verb!(|tx, error| {
            let failed = sql!(
                tx, execute,
                any "INSERT INTO evaluations (project_id, id, run, status, ruleset, looked, matched, evaluated_at, error)
                     VALUES ($1, $2, $3, $4, 0, 0, 0, $5, $6) ON CONFLICT DO NOTHING",
                my "INSERT INTO evaluations (project_id, id, run, status, ruleset, looked, matched, evaluated_at, error)
                    VALUES ($1, $2, $3, $4, 0, 0, 0, $5, $6)",
                project, event, Uuid::nil(), EvaluationStatus::Failed.number(), now, error
            );
            let failed = match failed {
                // On MySQL and MariaDB a statement that fails leaves the transaction as it was before it.
                Err(StoreError::Conflict(_)) if !tx.returns() => 0,
                other => other?,
            };
            forget_attempts(tx, project, &[event]).await?;
            Ok(failed == 1)
        }))
        .await
    }
}

/// Counts an attempt where a statement that counts can't say how many there were.
async fn begin_attempt(
    tx: &mut Tx,
    project: ProjectId,
    event: EventId,
    error: String,
    now: Time,
) -> Result<Option<i64>> {
    let evaluated = sql!(
        tx,
        fetch_optional as (EventId,),
        "SELECT id FROM evaluations WHERE project_id = $1 AND id = $2",
        project,
        event
    )?;
    if evaluated.is_some() {
        return Ok(None);
    }
    sql!(
        tx, execute,
        "INSERT INTO evaluation_attempts (project_id, event_id, attempts, error, updated_at) VALUES ($1, $2, 1, $3, $4)
         ON DUPLICATE KEY UPDATE attempts = attempts + 1, error = VALUES(error), updated_at = VALUES(updated_at)",
        project, event, error, now
    )?;
    let row = sql!(
        tx,
        fetch_optional as (i64,),
        "SELECT attempts FROM evaluation_attempts WHERE project_id = $1 AND event_id = $2",
        project,
        event
    )?;
    Ok(row.map(|(attempts,)| attempts))
}

pub(super) async fn forget_attempts(
    tx: &mut Tx,
    project: ProjectId,
    events: &[EventId],
) -> Result<()> {
    for event in events {
        sql!(
            tx,
            execute,
            "DELETE FROM evaluation_attempts WHERE project_id = $1 AND event_id = $2",
            project,
            *event
        )?;
    }
    Ok(())
}
