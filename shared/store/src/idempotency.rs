//! Idempotency keys: the first one with a key does it, the others get its answer.

use std::collections::{HashMap, HashSet};

use super::engine::{Tx, insert, rows_in, sql, verb};
use super::{Result, Store};
use domain::id::{EventId, ProjectId};
use domain::time::Time;

pub use domain::once::{IdempotencyKey, Operation};

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
    // Where an insert can't tell what went in, what was there before it is not ours, whatever it says.
    let before = if tx.returns() { HashSet::new() } else { kept(tx, &claims).await? };
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
        },
        my kept(tx, &claims).await?.difference(&before).map(|(_, result)| (*result,))
    );
    let won: HashSet<EventId> = won.into_iter().map(|(id,)| id).collect();
    let (won, lost): (Vec<Claiming>, Vec<Claiming>) =
        claims.into_iter().partition(|one| won.contains(&one.result));
    let mut answers: Vec<(EventId, Claim)> =
        won.iter().map(|one| (one.result, Claim::Won)).collect();
    for of_project in lost.chunk_by(|one, next| one.project == next.project) {
        let first = first_claims(tx, of_project[0].project, of_project).await?;
        for one in of_project {
            // If it was forgotten between the two statements, the caller tries again and wins.
            let forgotten = || super::StoreError::Again("an idempotency key just expired".into());
            let first = first.get(one.key.hash.as_slice()).ok_or_else(forgotten)?;
            answers.push((one.result, settle(tx, one, first, now).await?));
        }
    }
    Ok(answers)
}

/// The keys of these claims that are there, with what they led to.
async fn kept(tx: &mut Tx, claims: &[Claiming]) -> Result<HashSet<(Vec<u8>, EventId)>> {
    let mut found = HashSet::new();
    for of_project in claims.chunk_by(|one, next| one.project == next.project) {
        let there = first_claims(tx, of_project[0].project, of_project).await?;
        found.extend(there.into_iter().map(|(hash, (result, _, _))| (hash, result)));
    }
    Ok(found)
}

/// What a key led to, the hash of its body, and when it expires.
type First = (EventId, Vec<u8>, Time);

/// Reads back who was first, by the keys' hashes.
async fn first_claims(
    tx: &mut Tx,
    project: ProjectId,
    lost: &[Claiming],
) -> Result<HashMap<Vec<u8>, First>> {
    let operation = Operation::AcceptEvent.number();
    let hashes: Vec<Vec<u8>> = lost.iter().map(|one| one.key.hash.to_vec()).collect();
    let rows = rows_in!(
        tx,
        as (Vec<u8>, EventId, Vec<u8>, Time),
        "SELECT key_hash, result, body_hash, expires_at FROM idempotency_keys
         WHERE project_id = $1 AND operation = $2 AND key_hash",
        [project, operation],
        hashes,
        lite "",
        server ""
    );
    Ok(rows
        .into_iter()
        .map(|(hash, result, body, expires_at)| (hash, (result, body, expires_at)))
        .collect())
}

/// Answers for a key that is there already; one that expired but was not yet forgotten is taken over.
async fn settle(
    tx: &mut Tx,
    one: &Claiming,
    (result, body, expires_at): &First,
    now: Time,
) -> Result<Claim> {
    if *expires_at > now {
        let body = body
            .as_slice()
            .try_into()
            .map_err(|_| super::StoreError::Corrupt("body hash of a key".into()))?;
        return Ok(Claim::Kept { result: *result, body });
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
        Operation::AcceptEvent.number(),
        one.key.hash.to_vec(),
        *expires_at
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
        self.write("forget_idempotency_keys", verb!(|tx| {
            sql!(
                tx, execute,
                any "DELETE FROM idempotency_keys WHERE (project_id, operation, key_hash) IN
                       (SELECT project_id, operation, key_hash FROM idempotency_keys WHERE expires_at < $1
                        ORDER BY expires_at LIMIT $2)",
                my "DELETE FROM idempotency_keys WHERE expires_at < $1 ORDER BY expires_at LIMIT $2",
                now, limit
            )
        }))
        .await
    }
}
