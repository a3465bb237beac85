//! What an evaluation begins with on PostgreSQL, in one statement instead of three: on the way of an event, a round trip
//! and a plan cost as much as the rows.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnection;
use sqlx::types::Json;

use super::{Begun, Evaluating, Recorded, group_id, obstacle, others, wanted};
use crate::{Result, StoreError};
use domain::evaluation::{EvaluationStatus, Looked};
use domain::group::GroupState;
use domain::id::{EventId, GroupId, ProjectId};
use domain::project::ProjectStatus;
use domain::time::Time;

/// Epoch, status, whether attempts are counted, the fresh events, and the locked groups: their hashes and states.
type Head = (i64, i16, bool, Vec<EventId>, Vec<Vec<u8>>, Vec<Json<GroupState>>);

/// Reads the head of the project, inserts the evaluations if it allows that, and locks the groups that are there, in key
/// order. The epoch is held since before this statement began, so that what it sees of it stays true.
pub(super) async fn begin(
    c: &mut PgConnection,
    project: ProjectId,
    batch: &Evaluating,
    rows: &[&Looked],
    now: Time,
) -> Result<std::result::Result<Begun, Recorded>> {
    let wanted = wanted(batch, rows.iter().copied());
    let all: BTreeSet<GroupId> = wanted.into_keys().chain(others(rows.iter().copied())).collect();
    let hashes: Vec<Vec<u8>> = all.into_iter().map(|id| id.0.to_vec()).collect();
    let head: Option<Head> = sqlx::query_as(
        "WITH head AS MATERIALIZED (
             SELECT epoch, status, EXISTS (SELECT 1 FROM evaluation_attempts WHERE project_id = $1) AS attempted
             FROM projects WHERE id = $1),
         fresh AS (
             INSERT INTO evaluations (project_id, id, run, status, ruleset, looked, matched, evaluated_at)
             SELECT $1, u.id, $2, $3, $4, u.looked, u.matched, $5
             FROM unnest($6::uuid[], $7::bigint[], $8::bigint[]) AS u(id, looked, matched)
             WHERE (SELECT epoch = $4 AND status = $9 FROM head)
             ON CONFLICT DO NOTHING RETURNING id),
         held AS MATERIALIZED (
             SELECT group_hash, state FROM rule_groups WHERE project_id = $1 AND group_hash = ANY ($10)
             ORDER BY group_hash FOR UPDATE)
         SELECT epoch, status, attempted, ARRAY(SELECT id FROM fresh), ARRAY(SELECT group_hash FROM held),
                ARRAY(SELECT state FROM held)
         FROM head",
    )
    .bind(project)
    .bind(batch.claim.token)
    .bind(EvaluationStatus::Processed.number())
    .bind(batch.set.epoch)
    .bind(now)
    .bind(rows.iter().map(|one| one.event).collect::<Vec<_>>())
    .bind(rows.iter().map(|one| one.looked).collect::<Vec<_>>())
    .bind(rows.iter().map(|one| one.matches.len() as i64).collect::<Vec<_>>())
    .bind(ProjectStatus::Active.number())
    .bind(hashes)
    .fetch_optional(c)
    .await?;
    let (epoch, status, attempted, fresh, hashes, states) =
        head.ok_or(StoreError::NotFound("project"))?;
    if let Some(other) = obstacle(batch, epoch, status) {
        return Ok(Err(other));
    }
    let groups: Result<BTreeMap<_, _>> = hashes
        .into_iter()
        .zip(states)
        .map(|(hash, Json(state))| Ok((group_id(hash)?, state)))
        .collect();
    Ok(Ok(Begun { fresh, attempted, groups: Some(groups?) }))
}
