//! The oldest work of some shards of a project, for a queue that names shards and not rows. No column keeps a row's
//! shard: it is the last four bits of the id, which every engine can compute, so that nothing is written for queues that
//! do not need it.

use super::engine::{sql, verb};
use super::events::{Row, event};
use super::{Result, Store};
use domain::event::Event;
use domain::id::{DeliveryId, EventId, ProjectId};
use domain::shard::Shards;

impl Store {
    /// Events of these shards that nobody evaluated, at most `limit` with ids greater than `after`, oldest first.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn events_of_shards(
        &self,
        project: ProjectId,
        shards: Shards,
        after: EventId,
        limit: i64,
    ) -> Result<Vec<Event>> {
        let rows = self
            .read("events_of_shards", verb!(|tx| {
                // A subquery for each row rather than NOT EXISTS, as in `unevaluated`.
                sql!(
                    tx, fetch_all as Row,
                    lite "SELECT e.id, e.kind, e.source, e.subject, e.payload, e.occurred_at, e.received_at, e.idempotency_key, e.correlation_id, e.replay_of, e.key_id
                          FROM events e WHERE e.project_id = $1 AND e.id > $2
                            AND (($3 >> (instr('0123456789ABCDEF', substr(hex(e.id), 32)) - 1)) & 1) = 1
                            AND (SELECT 1 FROM evaluations v WHERE v.project_id = e.project_id AND v.id = e.id) IS NULL
                          ORDER BY e.id LIMIT $4",
                    pg "SELECT e.id, e.kind, e.source, e.subject, e.payload, e.occurred_at, e.received_at, e.idempotency_key, e.correlation_id, e.replay_of, e.key_id
                        FROM events e WHERE e.project_id = $1 AND e.id > $2
                          AND (($3::bigint >> (get_byte(uuid_send(e.id), 15) & 15)) & 1) = 1
                          AND (SELECT 1 FROM evaluations v WHERE v.project_id = e.project_id AND v.id = e.id) IS NULL
                        ORDER BY e.id LIMIT $4",
                    my "SELECT e.id, e.kind, e.source, e.subject, e.payload, e.occurred_at, e.received_at, e.idempotency_key, e.correlation_id, e.replay_of, e.key_id
                        FROM events e WHERE e.project_id = $1 AND e.id > $2
                          AND (($3 >> (ASCII(SUBSTR(e.id, 16, 1)) & 15)) & 1) = 1
                          AND (SELECT 1 FROM evaluations v WHERE v.project_id = e.project_id AND v.id = e.id) IS NULL
                        ORDER BY e.id LIMIT $4",
                    project, after, shards.bits(), limit
                )
            }))
            .await?;
        rows.into_iter().map(event).collect()
    }

    /// Deliveries of these shards that nobody took yet, at most `limit`, oldest first.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn planned_of_shards(
        &self,
        project: ProjectId,
        shards: Shards,
        limit: i64,
    ) -> Result<Vec<DeliveryId>> {
        let rows = self
            .read("planned_of_shards", verb!(|tx| {
                // What waits to be taken has a due row, which goes with the claim.
                sql!(
                    tx, fetch_all as (DeliveryId,),
                    lite "SELECT row_id FROM due WHERE project_id = $1 AND kind = $2
                            AND (($3 >> (instr('0123456789ABCDEF', substr(hex(row_id), 32)) - 1)) & 1) = 1
                          ORDER BY row_id LIMIT $4",
                    pg "SELECT row_id FROM due WHERE project_id = $1 AND kind = $2
                          AND (($3::bigint >> (get_byte(uuid_send(row_id), 15) & 15)) & 1) = 1
                        ORDER BY row_id LIMIT $4",
                    my "SELECT row_id FROM due WHERE project_id = $1 AND kind = $2
                          AND (($3 >> (ASCII(SUBSTR(row_id, 16, 1)) & 15)) & 1) = 1
                        ORDER BY row_id LIMIT $4",
                    project, super::due::DueKind::Planned.number(), shards.bits(), limit
                )
            }))
            .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}
