//! What an account tells of its holder, as the store keeps it: names as they are, the rest sealed.

use uuid::Uuid;

use super::audit::note;
use super::callers::judge_acting_on;
use super::engine::{Tx, sql, verb};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::{ProjectId, UserId};
use domain::time::Time;

/// An account as it is to be kept.
#[derive(Clone, Debug)]
pub struct KeptAccount {
    /// What the holder is called.
    pub full_name: String,
    /// The short name.
    pub username: Option<String>,
    /// What tells the holder's number again, without telling it.
    pub phone_hash: Option<[u8; 32]>,
    /// The sealed profile as it was read, on which the change is founded.
    pub founded_on: Option<Vec<u8>>,
    /// The sealed profile as it is to be.
    pub profile: Vec<u8>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountVerdict {
    /// It is kept.
    Done,
    /// Somebody else has the username.
    UsernameTaken,
    /// Somebody else has the number.
    PhoneTaken,
    /// Another change came first: this one must be founded on it.
    Overtaken,
}

impl Store {
    /// Keeps an account as it was changed, unless another change came in between.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn keep_account(
        &self,
        project: ProjectId,
        id: UserId,
        kept: &KeptAccount,
        entry: &Entry,
        now: Time,
    ) -> Result<AccountVerdict> {
        let (kept, entry) = (kept.clone(), entry.clone());
        self.write("keep_account", verb!(|tx, kept, entry| {
            if entry.requester.is_some() {
                judge_acting_on(tx, project, id, true, &mut entry, now).await?;
            }
            let nil = Uuid::nil();
            let there = sql!(
                tx,
                fetch_optional as (UserId,),
                "SELECT id FROM users WHERE project_id = $1 AND id = $2 AND live = $3",
                project,
                id,
                nil
            )?;
            there.ok_or(StoreError::NotFound("user"))?;
            if username_taken(tx, project, id, kept.username.as_deref()).await? {
                return Ok(AccountVerdict::UsernameTaken);
            }
            if phone_taken(tx, project, id, kept.phone_hash).await? {
                return Ok(AccountVerdict::PhoneTaken);
            }
            let hash = kept.phone_hash.map(|hash| hash.to_vec());
            // Each sealing differs from every other, so that equal bytes say that nothing came in between.
            let touched = sql!(
                tx, execute,
                lite "UPDATE users SET full_name = $1, username = $2, phone_hash = $3, profile = $4, updated_at = $5
                      WHERE project_id = $6 AND id = $7 AND live = $8 AND profile IS $9",
                pg "UPDATE users SET full_name = $1, username = $2, phone_hash = $3, profile = $4, updated_at = $5
                    WHERE project_id = $6 AND id = $7 AND live = $8 AND profile IS NOT DISTINCT FROM $9",
                my "UPDATE users SET full_name = $1, username = $2, phone_hash = $3, profile = $4, updated_at = $5
                    WHERE project_id = $6 AND id = $7 AND live = $8 AND profile <=> $9",
                kept.full_name, kept.username, hash, kept.profile, now, project, id, nil, kept.founded_on
            )
            // Somebody took the name or number since we looked: the next try finds it taken.
            .map_err(StoreError::again_on_conflict)?;
            if touched == 0 {
                return Ok(AccountVerdict::Overtaken);
            }
            note(tx, project, &entry, now).await?;
            Ok(AccountVerdict::Done)
        }))
        .await
    }

    /// Says which file is somebody's picture, or that none is.
    ///
    /// # Errors
    /// When they are not there.
    pub async fn set_avatar(
        &self,
        project: ProjectId,
        id: UserId,
        avatar: Option<&str>,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (avatar, entry) = (avatar.map(str::to_owned), entry.clone());
        self.write("set_avatar", verb!(|tx, avatar, entry| {
            let touched = sql!(
                tx, execute,
                "UPDATE users SET avatar = $1, updated_at = $2 WHERE project_id = $3 AND id = $4 AND live = $5",
                avatar, now, project, id, Uuid::nil()
            )?;
            if touched == 0 {
                return Err(StoreError::NotFound("user"));
            }
            note(tx, project, &entry, now).await
        }))
        .await
    }
}

async fn username_taken(
    tx: &mut Tx,
    project: ProjectId,
    id: UserId,
    username: Option<&str>,
) -> Result<bool> {
    let Some(username) = username else { return Ok(false) };
    let other = sql!(
        tx,
        fetch_optional as (UserId,),
        "SELECT id FROM users WHERE project_id = $1 AND username = $2 AND live = $3 AND id <> $4",
        project,
        username,
        Uuid::nil(),
        id
    )?;
    Ok(other.is_some())
}

async fn phone_taken(
    tx: &mut Tx,
    project: ProjectId,
    id: UserId,
    hash: Option<[u8; 32]>,
) -> Result<bool> {
    let Some(hash) = hash else { return Ok(false) };
    let other = sql!(
        tx,
        fetch_optional as (UserId,),
        "SELECT id FROM users WHERE project_id = $1 AND phone_hash = $2 AND live = $3 AND id <> $4",
        project,
        hash.to_vec(),
        Uuid::nil(),
        id
    )?;
    Ok(other.is_some())
}
