//! Tokens that are good for one use: the hash that proves one, until when, and when it was used.

use uuid::Uuid;

use super::engine::{Tx, sql, verb};
use super::{Result, Store, StoreError};
use domain::id::{ProjectId, UserId};
use domain::one_time::{Purpose, TokenKey};
use domain::time::Time;

/// A token that is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewToken {
    /// Its row and hash.
    pub key: TokenKey,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is.
    pub user: UserId,
    /// Until when it is good.
    pub expires_at: Time,
}

pub(super) async fn insert_token(
    tx: &mut Tx,
    project: ProjectId,
    new: &NewToken,
    now: Time,
) -> Result<()> {
    sql!(
        tx, execute,
        "INSERT INTO one_time_tokens (project_id, id, user_id, purpose, token_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        project, new.key.id, new.user, new.purpose.number(), new.key.hash.to_vec(), now, new.expires_at
    )
    .map(|_| ())
}

/// Uses a token up; not found when it is not good, or no longer.
pub(super) async fn use_token(
    tx: &mut Tx,
    project: ProjectId,
    key: TokenKey,
    purpose: Purpose,
    now: Time,
) -> Result<()> {
    let used = sql!(
        tx, execute,
        "UPDATE one_time_tokens SET used_at = $1
         WHERE project_id = $2 AND id = $3 AND token_hash = $4 AND purpose = $5 AND used_at IS NULL AND expires_at > $6",
        now, project, key.id, key.hash.to_vec(), purpose.number(), now
    )?;
    if used == 0 { Err(StoreError::NotFound("token")) } else { Ok(()) }
}

/// Makes somebody's tokens of a purpose good for nothing: whoever changes an address or a password does so.
pub(super) async fn void_tokens(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    purpose: Purpose,
    now: Time,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE one_time_tokens SET used_at = $1
         WHERE project_id = $2 AND user_id = $3 AND purpose = $4 AND used_at IS NULL",
        now,
        project,
        user,
        purpose.number()
    )
    .map(|_| ())
}

/// Deletes all tokens of somebody.
pub(super) async fn delete_tokens_of(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM one_time_tokens WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )
    .map(|_| ())
}

impl Store {
    /// Whose token this is, as long as it is good and its account is there.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn token_user(
        &self,
        project: ProjectId,
        key: TokenKey,
        purpose: Purpose,
        now: Time,
    ) -> Result<Option<UserId>> {
        let row = self
            .read("token_user", verb!(|tx| {
                sql!(
                    tx, fetch_optional as (UserId,),
                    "SELECT u.id FROM one_time_tokens t JOIN users u ON u.project_id = t.project_id AND u.id = t.user_id
                     WHERE t.project_id = $1 AND t.id = $2 AND t.token_hash = $3 AND t.purpose = $4
                       AND t.used_at IS NULL AND t.expires_at > $5 AND u.live = $6",
                    project, key.id, key.hash.to_vec(), purpose.number(), now, Uuid::nil()
                )
            }))
            .await?;
        Ok(row.map(|(id,)| id))
    }

    /// Forgets up to `limit` tokens that ended before `before`, used or not; answers how many.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_tokens(&self, before: Time, limit: i64) -> Result<u64> {
        self.write(
            "forget_tokens",
            verb!(|tx| {
                let old = sql!(
                    tx,
                    fetch_all as (ProjectId, Uuid),
                    "SELECT project_id, id FROM one_time_tokens WHERE expires_at < $1 LIMIT $2",
                    before,
                    limit
                )?;
                for (project, id) in &old {
                    sql!(
                        tx,
                        execute,
                        "DELETE FROM one_time_tokens WHERE project_id = $1 AND id = $2",
                        *project,
                        *id
                    )?;
                }
                Ok(old.len() as u64)
            }),
        )
        .await
    }
}

/// Deletes what was registered for an address: it has an account now, or a newer registration.
pub(super) async fn delete_registrations_of(
    tx: &mut Tx,
    project: ProjectId,
    email: &str,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM registrations WHERE project_id = $1 AND email = $2",
        project,
        email
    )
    .map(|_| ())
}

/// Notes of an account that was made just now that its address is proved.
pub(super) async fn mark_proved(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    now: Time,
) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE users SET email_verified_at = $1 WHERE project_id = $2 AND id = $3",
        now,
        project,
        user
    )
    .map(|_| ())
}
