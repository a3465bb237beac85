//! Push tokens: each belongs to one account of a project at a time.

use uuid::Uuid;

use super::engine::{Tx, sql, verb};
use super::{Result, Store, StoreError};
use domain::id::{ProjectId, UserId};
use domain::push::{MAX_TOKENS, Platform, PushToken};
use domain::time::Time;
use domain::user::UserStatus;

/// A token that is to be kept.
#[derive(Clone, Debug)]
pub struct NewPushToken {
    /// Its id, if it is new.
    pub id: Uuid,
    /// For whose service.
    pub platform: Platform,
    /// What tells it again.
    pub hash: [u8; 32],
    /// The token, sealed with its holder's key.
    pub token: Vec<u8>,
    /// What its holder calls the device, sealed likewise.
    pub device: Option<Vec<u8>>,
}

/// A token as it is kept.
#[derive(Clone, Debug)]
pub struct KeptPushToken {
    /// What may be told of it; without the device, which is sealed.
    pub token: PushToken,
    /// What its holder calls the device, sealed.
    pub device: Option<Vec<u8>>,
}

type Row = (Uuid, i16, Vec<u8>, Option<Vec<u8>>, Time, Time);

fn kept(row: Row) -> Result<KeptPushToken> {
    let (id, platform, hash, device, created_at, last_seen_at) = row;
    let corrupt = || StoreError::Corrupt(format!("push token {id}"));
    let platform = Platform::from_number(platform).ok_or_else(corrupt)?;
    let hash = hash.try_into().map_err(|_| corrupt())?;
    let token = PushToken { id, platform, hash, device: None, created_at, last_seen_at };
    Ok(KeptPushToken { token, device })
}

impl Store {
    /// Keeps a token as somebody's: one that was another's moves, and one that is known is seen again. Of more than there
    /// may be, the ones that were not seen for longest go. Answers its id.
    ///
    /// # Errors
    /// When the account is not there or does not work.
    pub async fn put_push_token(
        &self,
        project: ProjectId,
        user: UserId,
        new: &NewPushToken,
        now: Time,
    ) -> Result<Uuid> {
        let new = new.clone();
        self.write("put_push_token", verb!(|tx, new| {
            // Whoever suspends or erases the account waits for this, or this for them: no token comes afterwards.
            let works = sql!(
                tx, fetch_optional as (i16,),
                lite "SELECT status FROM users WHERE project_id = $1 AND id = $2 AND live = $3",
                server "SELECT status FROM users WHERE project_id = $1 AND id = $2 AND live = $3 FOR UPDATE",
                project, user, Uuid::nil()
            )?;
            if works.is_none_or(|(status,)| status != UserStatus::Active.number()) {
                return Err(StoreError::NotFound("user"));
            }
            let id = keep(tx, project, user, &new, now).await?;
            let all = sql!(
                tx,
                fetch_all as (Uuid,),
                "SELECT id FROM push_tokens WHERE project_id = $1 AND user_id = $2
                 ORDER BY last_seen_at DESC, id DESC",
                project,
                user
            )?;
            let others = all.into_iter().filter(|(one,)| *one != id);
            for (old,) in others.skip(MAX_TOKENS - 1) {
                sql!(
                    tx,
                    execute,
                    "DELETE FROM push_tokens WHERE project_id = $1 AND id = $2",
                    project,
                    old
                )?;
            }
            Ok(id)
        }))
        .await
    }

    /// Somebody's tokens, the one that was seen last first.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn push_tokens(
        &self,
        project: ProjectId,
        user: UserId,
    ) -> Result<Vec<KeptPushToken>> {
        let rows = self
            .read("push_tokens", verb!(|tx| {
                sql!(
                    tx, fetch_all as Row,
                    "SELECT id, platform, token_hash, device, created_at, last_seen_at FROM push_tokens
                     WHERE project_id = $1 AND user_id = $2 ORDER BY last_seen_at DESC, id DESC",
                    project, user
                )
            }))
            .await?;
        rows.into_iter().map(kept).collect()
    }

    /// Takes one of somebody's tokens away.
    ///
    /// # Errors
    /// When it is not there, or not theirs.
    pub async fn delete_push_token(
        &self,
        project: ProjectId,
        user: UserId,
        id: Uuid,
    ) -> Result<()> {
        let gone = self
            .write("delete_push_token", verb!(|tx| {
                sql!(
                    tx, execute,
                    "DELETE FROM push_tokens WHERE project_id = $1 AND id = $2 AND user_id = $3",
                    project, id, user
                )
            }))
            .await?;
        if gone == 0 { Err(StoreError::NotFound("push token")) } else { Ok(()) }
    }
}

async fn keep(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    new: &NewPushToken,
    now: Time,
) -> Result<Uuid> {
    let known = sql!(
        tx,
        fetch_optional as (Uuid, UserId, Time),
        "SELECT id, user_id, created_at FROM push_tokens WHERE project_id = $1 AND token_hash = $2",
        project,
        new.hash.to_vec()
    )?;
    let Some((id, holder, created_at)) = known else {
        sql!(
            tx, execute,
            "INSERT INTO push_tokens (project_id, id, user_id, platform, token_hash, token, device, created_at, last_seen_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            project, new.id, user, new.platform.number(), new.hash.to_vec(), new.token.clone(), new.device.clone(),
            now, now
        )
        // Another request brought it meanwhile: it is found there when this is tried again.
        .map_err(StoreError::again_on_conflict)?;
        return Ok(new.id);
    };
    // One that moves to another account is new there: nothing of its former holder's stays in it.
    let (next, created_at) = if holder == user { (id, created_at) } else { (new.id, now) };
    sql!(
        tx, execute,
        "UPDATE push_tokens SET id = $1, user_id = $2, token = $3, device = $4, created_at = $5, last_seen_at = $6
         WHERE project_id = $7 AND id = $8",
        next, user, new.token.clone(), new.device.clone(), created_at, now, project, id
    )?;
    Ok(next)
}

/// Forgets all of somebody's tokens.
pub(super) async fn forget_tokens(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM push_tokens WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )
    .map(|_| ())
}
