//! Recording on PostgreSQL in one statement that is its own transaction, for what nearly all attempts are: the first at
//! their deliveries, after which nothing is to come.

use std::collections::HashSet;
use std::sync::Arc;

use super::record::{arrive_late, millis};
use super::{Settled, Worked};
use crate::engine::{Conn, Tx, verb};
use crate::{Result, Store, StoreError};
use domain::id::DeliveryId;
use domain::time::Time;

/// Whether it can be recorded at once.
pub(super) fn is_plain(work: &Worked) -> bool {
    let is_plain = |one: &Settled| one.number == 1 && one.next.is_over() && one.mail.is_none();
    work.snoozed.is_empty() && work.settled.iter().all(is_plain)
}

impl Store {
    /// Records what is plain. Should what came late not be recorded, all of it is recorded again, which changes nothing.
    pub(super) async fn record_at_once(&self, work: Arc<Worked>, now: Time) -> Result<()> {
        let plain = Arc::clone(&work);
        let written = self
            .write_single("record_attempts", verb!(|tx, plain| { record(tx, &plain, now).await }))
            .await?;
        let is_late = |one: &Settled| one.next.is_success() && !written.contains(&one.id);
        if !work.settled.iter().any(is_late) {
            return Ok(());
        }
        self.write(
            "record_late_attempts",
            verb!(|tx, work, written| {
                let is_late = |one: &&Settled| one.next.is_success() && !written.contains(&one.id);
                let late: Vec<&Settled> = work.settled.iter().filter(is_late).collect();
                arrive_late(tx, &late, now).await
            }),
        )
        .await
    }
}

/// Deletes the rows of claims that are over, then writes the states, as the due loop locks them; answers whose claim still
/// held.
async fn record(tx: &mut Tx, work: &Worked, now: Time) -> Result<HashSet<DeliveryId>> {
    let Conn::Postgres(c) = tx.conn() else {
        return Err(StoreError::Unavailable("only PostgreSQL records at once".into()));
    };
    let settled = &work.settled;
    let reason = |one: &Settled| one.next.reason().map(|reason| reason.as_str());
    let written: Vec<(DeliveryId,)> = sqlx::query_as(
        "WITH gone AS (
             DELETE FROM due d USING unnest($1::uuid[], $2::uuid[]) AS u(project_id, row_id)
             WHERE d.project_id = u.project_id AND d.kind = 1 AND d.row_id = u.row_id RETURNING 1)
         UPDATE deliveries d SET state = u.state, attempts = 1, claim_token = NULL, reason = u.reason, outcome = u.outcome,
             status_code = u.status_code, detail = u.detail, started_at = u.started_at, took_ms = u.took_ms, updated_at = $3
         FROM unnest($4::smallint[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::timestamptz[], $10::bigint[],
                     $11::uuid[], $12::uuid[], $13::uuid[])
           AS u(state, reason, outcome, status_code, detail, started_at, took_ms, project_id, id, token)
         WHERE (SELECT COUNT(*) FROM gone) >= 0
           AND d.project_id = u.project_id AND d.id = u.id AND d.claim_token = u.token AND d.state = 2
         RETURNING d.id",
    )
    .bind(work.closed.iter().map(|(project, _)| *project).collect::<Vec<_>>())
    .bind(work.closed.iter().map(|(_, token)| *token).collect::<Vec<_>>())
    .bind(now)
    .bind(settled.iter().map(|one| one.next.state().number()).collect::<Vec<_>>())
    .bind(settled.iter().map(reason).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.attempt.outcome.as_str()).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.attempt.status_code.map(i64::from)).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.attempt.detail.as_deref()).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.attempt.started_at).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| millis(one.attempt.took)).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.project).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.id).collect::<Vec<_>>())
    .bind(settled.iter().map(|one| one.token).collect::<Vec<_>>())
    .fetch_all(c)
    .await?;
    Ok(written.into_iter().map(|(id,)| id).collect())
}
