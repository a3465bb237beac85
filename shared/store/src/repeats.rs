//! Keys of requests that send many events. Each event is kept in a transaction of its own kind, so that the request's key
//! is held by a lease while it is worked on: if the lease is not renewed, whoever sends the request again goes on with it.

use uuid::Uuid;

use super::engine::{sql, verb};
use super::{Result, Store, StoreError};
use domain::id::time_of;
use domain::once::RequestKey;
use domain::time::Time;

/// A request that begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Its key.
    pub key: RequestKey,
    /// SHA-256 of its body, if that is known already.
    pub body: Option<[u8; 32]>,
    /// Its lease: an id that carries when it was taken.
    pub lease: Uuid,
    /// When the key is forgotten.
    pub expires_at: Time,
    /// Leases that were taken before have ended.
    pub dead_before: Time,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is ours to do, for the first time or where another one broke off.
    Ours,
    /// It was done.
    Done {
        /// SHA-256 of the body that it came with.
        body: [u8; 32],
        /// What was answered, sealed.
        answer: Vec<u8>,
    },
    /// The key came with another body.
    OtherBody,
    /// It is being done.
    UnderWay,
}

/// What stands for the hash of a body that is not known yet.
const UNKNOWN: [u8; 32] = [0; 32];

type Row = (Uuid, Vec<u8>, Time, Option<Vec<u8>>);

impl Store {
    /// Begins a request, or tells what came of an earlier one with its key.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn begin_request(&self, one: &Beginning, now: Time) -> Result<Begun> {
        let one = one.clone();
        self.write("begin_request", verb!(|tx, one| {
            let (project, operation) = (one.key.project, one.key.operation.number());
            let hash = one.key.hash.to_vec();
            let body = one.body.unwrap_or(UNKNOWN).to_vec();
            let found = sql!(
                tx,
                fetch_optional as Row,
                "SELECT result, body_hash, expires_at, answer FROM idempotency_keys
                 WHERE project_id = $1 AND operation = $2 AND key_hash = $3",
                project,
                operation,
                hash.clone()
            )?;
            let Some((lease, kept, expires_at, answer)) = found else {
                let done = sql!(
                    tx,
                    execute,
                    "INSERT INTO idempotency_keys (project_id, operation, key_hash, result, body_hash, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6)",
                    project,
                    operation,
                    hash,
                    one.lease,
                    body,
                    one.expires_at
                );
                return match done {
                    Ok(_) => Ok(Begun::Ours),
                    Err(StoreError::Conflict(_)) => Err(taken()),
                    Err(error) => Err(error),
                };
            };
            if expires_at > now
                && let Some(standing) = standing(&one, lease, &kept, answer)?
            {
                return Ok(standing);
            }
            let ours = sql!(
                tx,
                execute,
                "UPDATE idempotency_keys SET result = $1, body_hash = $2, expires_at = $3, answer = NULL
                 WHERE project_id = $4 AND operation = $5 AND key_hash = $6 AND result = $7",
                one.lease,
                body,
                one.expires_at,
                project,
                operation,
                hash,
                lease
            )?;
            if ours == 1 { Ok(Begun::Ours) } else { Err(taken()) }
        }))
        .await
    }

    /// Renews a lease; false when another one has taken the request over.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn hold_request(&self, key: &RequestKey, lease: Uuid, next: Uuid) -> Result<bool> {
        let key = key.clone();
        self.write(
            "hold_request",
            verb!(|tx, key| {
                let held = sql!(
                    tx,
                    execute,
                    "UPDATE idempotency_keys SET result = $1
                     WHERE project_id = $2 AND operation = $3 AND key_hash = $4 AND result = $5",
                    next,
                    key.project,
                    key.operation.number(),
                    key.hash.to_vec(),
                    lease
                )?;
                Ok(held == 1)
            }),
        )
        .await
    }

    /// Keeps the sealed answer to a request; false when another one has taken it over.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn finish_request(
        &self,
        key: &RequestKey,
        lease: Uuid,
        body: [u8; 32],
        answer: Vec<u8>,
    ) -> Result<bool> {
        let key = key.clone();
        self.write(
            "finish_request",
            verb!(|tx, key, answer| {
                let kept = sql!(
                    tx,
                    execute,
                    "UPDATE idempotency_keys SET answer = $1, body_hash = $2
                     WHERE project_id = $3 AND operation = $4 AND key_hash = $5 AND result = $6",
                    answer,
                    body.to_vec(),
                    key.project,
                    key.operation.number(),
                    key.hash.to_vec(),
                    lease
                )?;
                Ok(kept == 1)
            }),
        )
        .await
    }

    /// Gives a request back that was not brought to its end, so that it may be begun again at once.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn give_up_request(&self, key: &RequestKey, lease: Uuid) -> Result<()> {
        let key = key.clone();
        self.write("give_up_request", verb!(|tx, key| {
            sql!(
                tx,
                execute,
                "DELETE FROM idempotency_keys
                 WHERE project_id = $1 AND operation = $2 AND key_hash = $3 AND result = $4 AND answer IS NULL",
                key.project,
                key.operation.number(),
                key.hash.to_vec(),
                lease
            )
            .map(|_| ())
        }))
        .await
    }
}

fn taken() -> StoreError {
    StoreError::Again("an idempotency key was just taken".into())
}

/// What came of an earlier request whose key still holds; nothing when it broke off.
fn standing(
    one: &Beginning,
    lease: Uuid,
    kept: &[u8],
    answer: Option<Vec<u8>>,
) -> Result<Option<Begun>> {
    let kept: [u8; 32] =
        kept.try_into().map_err(|_| StoreError::Corrupt("body hash of a key".into()))?;
    if one.body.is_some_and(|body| kept != UNKNOWN && kept != body) {
        return Ok(Some(Begun::OtherBody));
    }
    Ok(match answer {
        Some(answer) => Some(Begun::Done { body: kept, answer }),
        None => (time_of(lease) >= one.dead_before).then_some(Begun::UnderWay),
    })
}
