//! Keys of requests that are done once: claimed by the transaction of the request, and kept with its answer.

use uuid::Uuid;

use super::engine::{Tx, sql, verb};
use super::{Result, Store, StoreError};
use domain::id::{ProjectId, UserId};
use domain::once::{Kept, Once, Operation};
use domain::time::Time;

/// Claims a key for the request of this transaction. If it is there already, the request was done or is being done, and is not
/// done again.
pub(super) async fn claim(tx: &mut Tx, once: &Once, result: Uuid) -> Result<()> {
    let done = sql!(
        tx,
        execute,
        "INSERT INTO idempotency_keys (project_id, operation, key_hash, result, body_hash, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        once.project,
        once.operation.number(),
        once.key.hash.to_vec(),
        result,
        once.key.body.to_vec(),
        once.key.expires_at
    );
    match done {
        Err(StoreError::Conflict(_)) => Err(StoreError::Repeated),
        done => done.map(|_| ()),
    }
}

/// Takes away what answers say of somebody who is erased. The keys stay: a repeat must not make the account again. Whose
/// address an invitation had can't be told from its key, so that the answers to all invitations of the project go.
pub(super) async fn forget_answers(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE idempotency_keys SET answer = NULL
         WHERE project_id = $1 AND operation = $2 AND result = $3 AND answer IS NOT NULL",
        project,
        Operation::CreateUser.number(),
        user.0
    )?;
    sql!(
        tx,
        execute,
        "UPDATE idempotency_keys SET answer = NULL
         WHERE project_id = $1 AND operation = $2 AND answer IS NOT NULL",
        project,
        Operation::Invite.number()
    )
    .map(|_| ())
}

/// Names the answer under a key within its project: in the order of the table's own key.
pub fn answer_name(operation: i16, hash: &[u8]) -> String {
    format!("{operation:05}:{}", hex::encode(hash))
}

impl Store {
    /// What a key led to, if it was used and is remembered. One that has expired is forgotten on the way, so that it can
    /// be claimed again.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn kept_once(&self, once: &Once, now: Time) -> Result<Option<Kept>> {
        let (project, operation) = (once.project, once.operation.number());
        let hash = once.key.hash.to_vec();
        let key = hash.clone();
        let found = self
            .read("kept_once", move |tx| {
                let hash = key.clone();
                Box::pin(async move {
                    sql!(
                        tx,
                        fetch_optional as (Uuid, Vec<u8>, Time, Option<Vec<u8>>),
                        "SELECT result, body_hash, expires_at, answer FROM idempotency_keys
                         WHERE project_id = $1 AND operation = $2 AND key_hash = $3",
                        project,
                        operation,
                        hash
                    )
                })
            })
            .await?;
        let Some((result, body, expires_at, answer)) = found else { return Ok(None) };
        if expires_at > now {
            let body = body.try_into();
            let body = body.map_err(|_| StoreError::Corrupt("body hash of a key".into()))?;
            return Ok(Some(Kept { result, body, answer }));
        }
        self.write(
            "forget_once",
            verb!(|tx, hash| {
                sql!(
                    tx,
                    execute,
                    "DELETE FROM idempotency_keys
                 WHERE project_id = $1 AND operation = $2 AND key_hash = $3 AND expires_at = $4",
                    project,
                    operation,
                    hash,
                    expires_at
                )
            }),
        )
        .await?;
        Ok(None)
    }

    /// Keeps the sealed answer to the request that claimed a key.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn keep_answer(&self, once: &Once, answer: Vec<u8>) -> Result<()> {
        let once = once.clone();
        self.write(
            "keep_answer",
            verb!(|tx, once, answer| {
                sql!(
                    tx,
                    execute,
                    "UPDATE idempotency_keys SET answer = $1
                     WHERE project_id = $2 AND operation = $3 AND key_hash = $4 AND body_hash = $5",
                    answer,
                    once.project,
                    once.operation.number(),
                    once.key.hash.to_vec(),
                    once.key.body.to_vec()
                )
                .map(|_| ())
            }),
        )
        .await
    }
}
