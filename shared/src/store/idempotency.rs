//! Idempotency keys: the first one with a key does it, the others get its answer.

use super::engine::{Tx, insert, rows_in, sql};
use super::{Result, Store};
use crate::domain::names::words;
use crate::id::{EventId, ProjectId};
use crate::time::Time;

words! {
    /// What a key is for; the same key means different things for different operations.
    Operation {
        /// Sending an event.
        AcceptEvent = 1 "accept_event",
    }
}

/// A key that comes with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// SHA-256 of the body that came with it.
    pub body: [u8; 32],
    /// When it is forgotten.
    pub expires_at: Time,
}

/// What became of a claim to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is ours.
    Won,
    /// It was used before.
    Kept {
        /// What it led to.
        result: EventId,
        /// SHA-256 of the body that it came with.
        body: [u8; 32],
    },
}

pub(super) struct Claiming {
    pub(super) project: ProjectId,
    pub(super) key: IdempotencyKey,
    pub(super) result: EventId,
}

/// Claims keys, none twice within one call, in key order so that concurrent calls can't deadlock.
pub(super) async fn claim(
    tx: &mut Tx,
    mut claims: Vec<Claiming>,
    now: Time,
) -> Result<Vec<(EventId, Claim)>> {
    claims.sort_by_key(|one| (one.project, one.key.hash));
    let operation = Operation::AcceptEvent.number();
    let won = insert!(
        tx,
        "INSERT INTO idempotency_keys (project_id, operation, key_hash, result, body_hash, expires_at)",
        claims,
        "ON CONFLICT DO NOTHING RETURNING result",
        as (EventId,),
        {
            ProjectId = |one| one.project,
            i16 = |_one| operation,
            Vec<u8> = |one| one.key.hash.to_vec(),
            EventId = |one| one.result,
            Vec<u8> = |one| one.key.body.to_vec(),
            Time = |one| one.key.expires_at,
        }
    );
    let won: std::collections::HashSet<EventId> = won.into_iter().map(|(id,)| id).collect();
    let mut answers = Vec::with_capacity(claims.len());
    for one in &claims {
        let claim =
            if won.contains(&one.result) { Claim::Won } else { settle(tx, one, now).await? };
        answers.push((one.result, claim));
    }
    Ok(answers)
}

/// Reads back who was first; a key that expired but was not yet forgotten is taken over.
async fn settle(tx: &mut Tx, one: &Claiming, now: Time) -> Result<Claim> {
    let operation = Operation::AcceptEvent.number();
    let found = rows_in!(
        tx,
        as (EventId, Vec<u8>, Time),
        "SELECT result, body_hash, expires_at FROM idempotency_keys WHERE project_id = $1 AND operation = $2 AND key_hash",
        [one.project, operation],
        [one.key.hash.to_vec()],
        lite "",
        pg ""
    );
    let Some((result, body, expires_at)) = found.into_iter().next() else {
        // It was forgotten between the two statements: the caller tries again and wins.
        return Err(super::StoreError::Again("an idempotency key just expired".into()));
    };
    if expires_at > now {
        let body =
            body.try_into().map_err(|_| super::StoreError::Corrupt("body hash of a key".into()))?;
        return Ok(Claim::Kept { result, body });
    }
    let taken = sql!(
        tx,
        execute,
        "UPDATE idempotency_keys SET result = $1, body_hash = $2, expires_at = $3
         WHERE project_id = $4 AND operation = $5 AND key_hash = $6 AND expires_at = $7",
        one.result,
        one.key.body.to_vec(),
        one.key.expires_at,
        one.project,
        operation,
        one.key.hash.to_vec(),
        expires_at
    )?;
    if taken == 1 {
        Ok(Claim::Won)
    } else {
        Err(super::StoreError::Again("an idempotency key was just taken".into()))
    }
}

impl Store {
    /// Forgets up to `limit` keys that expired before `now`; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_idempotency_keys(&self, now: Time, limit: i64) -> Result<u64> {
        self.write("forget_idempotency_keys", move |tx| {
            Box::pin(async move {
                sql!(
                    tx, execute,
                    "DELETE FROM idempotency_keys WHERE (project_id, operation, key_hash) IN
                       (SELECT project_id, operation, key_hash FROM idempotency_keys WHERE expires_at < $1
                        ORDER BY expires_at LIMIT $2)",
                    now, limit
                )
            })
        })
        .await
    }
}
