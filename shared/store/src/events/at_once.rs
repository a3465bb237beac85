//! Accepting on PostgreSQL in one statement that is its own transaction: with a begin, a commit and a statement for each
//! table, a small batch would cost twice as much.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;

use super::{Incoming, Taken, accept};
use crate::engine::texts::rows_text;
use crate::engine::{Conn, Tx, add_column, verb};
use crate::idempotency::{IdempotencyKey, Operation};
use crate::{Result, Store, StoreError};
use domain::id::EventId;
use domain::time::Time;

impl Store {
    /// Keeps what has no key or is the first with its key; the few others are settled by the general way, which knows
    /// what a key led to. Should that fail, what was kept is kept and answered.
    pub(super) async fn accept_at_once(
        &self,
        incoming: &Arc<Vec<Incoming>>,
        now: Time,
    ) -> Result<Vec<Taken>> {
        let batch = Arc::clone(incoming);
        let kept =
            self.write_single("accept_events", verb!(|tx, batch| { insert(tx, &batch).await }));
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

const INSERT: &str = "WITH won AS (
         INSERT INTO idempotency_keys (project_id, operation, key_hash, result, body_hash, expires_at)
         SELECT u.project_id, $1, u.key_hash, u.result, u.body_hash, u.expires_at
         FROM unnest($2::uuid[], $3::bytea[], $4::uuid[], $5::bytea[], $6::timestamptz[])
           AS u(project_id, key_hash, result, body_hash, expires_at)
         WHERE u.key_hash IS NOT NULL
         ON CONFLICT DO NOTHING RETURNING result)
     INSERT INTO events (project_id, id, kind, source, subject, payload, occurred_at, received_at, idempotency_key, correlation_id, replay_of, key_id)
     SELECT u.project_id, u.id, u.kind, u.source, u.subject, u.payload, u.occurred_at, u.received_at, u.idempotency_key, u.correlation_id, u.replay_of, u.key_id
     FROM unnest($7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::bytea[], $13::timestamptz[],
                 $14::timestamptz[], $15::text[], $16::text[], $17::uuid[], $18::uuid[], $19::boolean[])
       AS u(project_id, id, kind, source, subject, payload, occurred_at, received_at, idempotency_key, correlation_id, replay_of, key_id, keyed)
     WHERE NOT u.keyed OR u.id = ANY (ARRAY(SELECT result FROM won))
     RETURNING id";

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
    let one = incoming.len() == 1;
    // An event that is alone and has no key has a row of nothing in place of none.
    let nothing = (one && keyed.is_empty()).then_some(None);
    let keys = || keyed.iter().copied().map(Some).chain(nothing);
    let text = |of: fn(&Incoming) -> Option<&str>| incoming.iter().map(of);
    let event = || incoming.iter().map(|one| &one.event);
    let mut arguments = PgArguments::default();
    let mut bind = || {
        let to = &mut arguments;
        to.add(Operation::AcceptEvent.number())?;
        add_column(to, one, keys().map(|one| Some(one?.0.project)))?;
        add_column(to, one, keys().map(|one| Some(one?.1.hash.as_slice())))?;
        add_column(to, one, keys().map(|one| Some(one?.0.event.id)))?;
        add_column(to, one, keys().map(|one| Some(one?.1.body.as_slice())))?;
        add_column(to, one, keys().map(|one| Some(one?.1.expires_at)))?;
        add_column(to, one, incoming.iter().map(|one| one.project))?;
        add_column(to, one, event().map(|one| one.id))?;
        add_column(to, one, text(|one| Some(&one.event.kind)))?;
        add_column(to, one, text(|one| Some(&one.event.source)))?;
        add_column(to, one, text(|one| one.event.subject.as_deref()))?;
        add_column(to, one, event().map(|one| one.payload.get().as_bytes()))?;
        add_column(to, one, event().map(|one| one.occurred_at))?;
        add_column(to, one, event().map(|one| one.received_at))?;
        add_column(to, one, text(|one| one.event.idempotency_key.as_deref()))?;
        add_column(to, one, text(|one| one.event.correlation_id.as_deref()))?;
        add_column(to, one, event().map(|one| one.replay_of))?;
        add_column(to, one, event().map(|one| one.key_id))?;
        add_column(to, one, incoming.iter().map(|one| one.key.is_some()))
    };
    bind().map_err(|error| StoreError::Refused(sqlx::Error::Encode(error)))?;
    let text = rows_text(INSERT.to_owned(), one);
    let query = sqlx::query_as_with(sqlx::AssertSqlSafe(text), arguments);
    let kept: Vec<(EventId,)> = query.fetch_all(c).await?;
    Ok(kept.into_iter().map(|(id,)| id).collect())
}
