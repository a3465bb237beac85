//! Accepting on PostgreSQL in one statement that is its own transaction: with a begin, a commit and a statement for each
//! table, a small batch would cost twice as much.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Incoming, Taken, accept};
use crate::id::EventId;
use crate::store::engine::{Conn, Tx};
use crate::store::idempotency::{IdempotencyKey, Operation};
use crate::store::{Result, Store, StoreError};
use crate::time::Time;

impl Store {
    /// Keeps what has no key or is the first with its key; the few others are settled by the general way, which knows
    /// what a key led to. Should that fail, what was kept is kept and answered.
    pub(super) async fn accept_at_once(
        &self,
        incoming: &Arc<Vec<Incoming>>,
        now: Time,
    ) -> Result<Vec<Taken>> {
        let batch = Arc::clone(incoming);
        let kept = self.write_single("accept_events", move |tx| {
            let batch = Arc::clone(&batch);
            Box::pin(async move { insert(tx, &batch).await })
        });
        let kept: HashSet<EventId> = kept.await?.into_iter().collect();
        if kept.len() == incoming.len() {
            return Ok(vec![Taken::New; incoming.len()]);
        }
        let lost: Vec<Incoming> =
            incoming.iter().filter(|one| !kept.contains(&one.event.id)).cloned().collect();
        let lost = Arc::new(lost);
        let again = Arc::clone(&lost);
        let settled = self
            .write("settle_keys", move |tx| {
                let lost = Arc::clone(&again);
                Box::pin(async move { accept(tx, &lost, None, now).await })
            })
            .await;
        let settled = settled.unwrap_or_else(|error| {
            tracing::warn!(%error, events = lost.len(), "what keys led to was not found out");
            vec![Taken::Unanswered; lost.len()]
        });
        let fates: HashMap<EventId, Taken> =
            lost.iter().map(|one| one.event.id).zip(settled).collect();
        let fate = |one: &Incoming| fates.get(&one.event.id).copied().unwrap_or(Taken::New);
        Ok(incoming.iter().map(fate).collect())
    }
}

/// Claims the keys, in key order so that concurrent calls can't deadlock, and inserts the events that may go in.
async fn insert(tx: &mut Tx, incoming: &[Incoming]) -> Result<Vec<EventId>> {
    let Conn::Postgres(c) = tx.conn() else {
        return Err(StoreError::Unavailable("only PostgreSQL accepts at once".into()));
    };
    let mut seen = HashSet::new();
    let mut keyed: Vec<(&Incoming, &IdempotencyKey)> = incoming
        .iter()
        .filter_map(|one| Some((one, one.key.as_ref()?)))
        .filter(|(one, key)| seen.insert((one.project, key.hash)))
        .collect();
    keyed.sort_by_key(|(one, key)| (one.project, key.hash));
    let column = |of: fn(&Incoming) -> Option<&str>| incoming.iter().map(of).collect::<Vec<_>>();
    let kept: Vec<(EventId,)> = sqlx::query_as(
        "WITH won AS (
             INSERT INTO idempotency_keys (project_id, operation, key_hash, result, body_hash, expires_at)
             SELECT u.project_id, $1, u.key_hash, u.result, u.body_hash, u.expires_at
             FROM unnest($2::uuid[], $3::bytea[], $4::uuid[], $5::bytea[], $6::timestamptz[])
               AS u(project_id, key_hash, result, body_hash, expires_at)
             ON CONFLICT DO NOTHING RETURNING result)
         INSERT INTO events (project_id, id, kind, source, payload, occurred_at, received_at, idempotency_key, correlation_id, replay_of, key_id)
         SELECT u.project_id, u.id, u.kind, u.source, u.payload, u.occurred_at, u.received_at, u.idempotency_key, u.correlation_id, u.replay_of, u.key_id
         FROM unnest($7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::bytea[], $12::timestamptz[], $13::timestamptz[],
                     $14::text[], $15::text[], $16::uuid[], $17::uuid[], $18::boolean[])
           AS u(project_id, id, kind, source, payload, occurred_at, received_at, idempotency_key, correlation_id, replay_of, key_id, keyed)
         WHERE NOT u.keyed OR u.id = ANY (ARRAY(SELECT result FROM won))
         RETURNING id",
    )
    .bind(Operation::AcceptEvent.number())
    .bind(keyed.iter().map(|(one, _)| one.project).collect::<Vec<_>>())
    .bind(keyed.iter().map(|(_, key)| key.hash.as_slice()).collect::<Vec<_>>())
    .bind(keyed.iter().map(|(one, _)| one.event.id).collect::<Vec<_>>())
    .bind(keyed.iter().map(|(_, key)| key.body.as_slice()).collect::<Vec<_>>())
    .bind(keyed.iter().map(|(_, key)| key.expires_at).collect::<Vec<_>>())
    .bind(incoming.iter().map(|one| one.project).collect::<Vec<_>>())
    .bind(incoming.iter().map(|one| one.event.id).collect::<Vec<_>>())
    .bind(column(|one| Some(&one.event.kind)))
    .bind(column(|one| Some(&one.event.source)))
    .bind(incoming.iter().map(|one| one.event.payload.get().as_bytes()).collect::<Vec<_>>())
    .bind(incoming.iter().map(|one| one.event.occurred_at).collect::<Vec<_>>())
    .bind(incoming.iter().map(|one| one.event.received_at).collect::<Vec<_>>())
    .bind(column(|one| one.event.idempotency_key.as_deref()))
    .bind(column(|one| one.event.correlation_id.as_deref()))
    .bind(incoming.iter().map(|one| one.event.replay_of).collect::<Vec<_>>())
    .bind(incoming.iter().map(|one| one.event.key_id).collect::<Vec<_>>())
    .bind(incoming.iter().map(|one| one.key.is_some()).collect::<Vec<_>>())
    .fetch_all(c)
    .await?;
    Ok(kept.into_iter().map(|(id,)| id).collect())
}
