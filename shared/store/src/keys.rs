//! API keys.

use super::audit::note;
use super::callers::caller;
use super::engine::epoch::bump_epoch;
use super::engine::{Tx, sql, verb};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::authority::{Authority, Target};
use domain::facts::key_facts;
use domain::id::{KeyId, ProjectId};
use domain::key::{ApiKey, Scope};
use domain::project::ProjectStatus;
use domain::time::Time;

type Row =
    (KeyId, ProjectId, String, String, Vec<u8>, String, Option<Time>, Option<Time>, i16, i64);

type Listed = (KeyId, String, String, String, Option<Time>, Option<Time>, Option<Time>, Time);

impl Store {
    /// Keeps a new key.
    ///
    /// # Errors
    /// When its project is not there; when the caller may not, or its scopes let it do more than they may.
    pub async fn create_key(
        &self,
        project: ProjectId,
        key: &ApiKey,
        entry: Option<&Entry>,
        now: Time,
    ) -> Result<()> {
        let (key, entry) = (key.clone(), entry.cloned());
        self.write(
            "create_key",
            verb!(|tx, key, entry| {
                if let Some(entry) = &mut entry {
                    let caller = caller(tx, entry, now).await?;
                    caller.may(Target::Nothing)?;
                    caller.may_give_scopes(&key.scopes)?;
                }
                insert_key(tx, &ApiKey { project, ..key }, now).await?;
                if let Some(entry) = &entry {
                    note(tx, project, entry, now).await?;
                }
                Ok(())
            }),
        )
        .await
    }

    /// A project's keys, newest first, from before `before`; revoked ones too.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn list_keys(
        &self,
        project: ProjectId,
        before: Option<KeyId>,
        limit: i64,
    ) -> Result<Vec<ListedKey>> {
        let rows = self
            .read("list_keys", verb!(|tx| {
                sql!(
                    tx, fetch_all as Listed,
                    "SELECT id, name, prefix, scopes, expires_at, revoked_at, last_used_at, created_at FROM api_keys
                     WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                    project, before.unwrap_or(KeyId(uuid::Uuid::max())), limit
                )
            }))
            .await?;
        let listed = |row: Listed| {
            let (id, name, prefix, scopes, expires_at, revoked_at, last_used_at, created_at) = row;
            let scopes = scopes.split(' ').filter_map(Scope::parse).collect();
            ListedKey { id, name, prefix, scopes, expires_at, revoked_at, last_used_at, created_at }
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// One key that was not taken back.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn key(&self, project: ProjectId, id: KeyId) -> Result<ListedKey> {
        // The keys before the next id are this one and older ones.
        let above = KeyId(uuid::Uuid::from_u128(id.0.as_u128().saturating_add(1)));
        let found = self.list_keys(project, Some(above), 1).await?;
        let found = found.into_iter().find(|key| key.id == id && key.revoked_at.is_none());
        found.ok_or(StoreError::NotFound("key"))
    }

    /// Notes when keys were last used; a time never goes back.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn touch_keys(&self, used: Vec<(ProjectId, KeyId, Time)>) -> Result<()> {
        self.write("touch_keys", verb!(|tx, used| {
            for (project, id, at) in used {
                sql!(
                    tx, execute,
                    "UPDATE api_keys SET last_used_at = $1
                     WHERE project_id = $2 AND id = $3 AND (last_used_at IS NULL OR last_used_at < $4)",
                    at, project, id, at
                )?;
            }
            Ok(())
        }))
        .await
    }

    /// Takes a key back and puts another in its place: name, scopes and end stay.
    ///
    /// # Errors
    /// When it is not there or was taken back before; when the caller may not, or its scopes let it do more than they may.
    pub async fn replace_key(
        &self,
        project: ProjectId,
        id: KeyId,
        next: &ApiKey,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (next, entry) = (next.clone(), entry.clone());
        self.write(
            "replace_key",
            verb!(|tx, next, entry| {
                let caller = revoke(tx, project, id, Some(&mut entry), now).await?;
                caller.may_give_scopes(&next.scopes)?;
                insert_key(tx, &ApiKey { project, ..next }, now).await?;
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }

    /// The key that a prefix names, whether its project works, and the epoch of both: the one question that comes before
    /// the project is known.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn find_key(&self, prefix: &str) -> Result<Option<(ApiKey, ProjectStatus, i64)>> {
        let prefix = prefix.to_owned();
        let row = self
            .read("find_key", verb!(|tx, prefix| {
                sql!(
                    tx, fetch_optional as Row,
                    "SELECT k.id, k.project_id, k.name, k.prefix, k.secret_hash, k.scopes, k.expires_at, k.revoked_at,
                            p.status, p.epoch
                     FROM api_keys k JOIN projects p ON p.id = k.project_id WHERE k.prefix = $1",
                    prefix
                )
            }))
            .await?;
        row.map(read).transpose()
    }

    /// Takes a key back.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn revoke_key(
        &self,
        project: ProjectId,
        id: KeyId,
        entry: Option<&Entry>,
        now: Time,
    ) -> Result<()> {
        let entry = entry.cloned();
        self.write(
            "revoke_key",
            verb!(|tx, entry| {
                revoke(tx, project, id, entry.as_mut(), now).await?;
                if let Some(entry) = &entry {
                    note(tx, project, entry, now).await?;
                }
                Ok(())
            }),
        )
        .await
    }
}

/// A key as its project sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// What it begins with, after `bb_`.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
}

pub(super) async fn insert_key(tx: &mut Tx, key: &ApiKey, now: Time) -> Result<()> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    sql!(
        tx, execute,
        "INSERT INTO api_keys (project_id, id, name, prefix, secret_hash, scopes, expires_at, revoked_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        key.project, key.id, key.name.clone(), key.prefix.clone(), key.secret_hash.to_vec(), scopes.join(" "),
        key.expires_at, key.revoked_at, now
    )
    .map(|_| ())
}

/// Revokes a key, if the caller may do that with this one; answers what they may do.
async fn revoke(
    tx: &mut Tx,
    project: ProjectId,
    id: KeyId,
    entry: Option<&mut Entry>,
    now: Time,
) -> Result<Authority> {
    bump_epoch(tx, project).await?;
    let caller = match entry {
        Some(entry) => caller(tx, entry, now).await?,
        None => Authority::operator(),
    };
    let row = sql!(
        tx,
        fetch_optional as (String, String),
        "SELECT name, scopes FROM api_keys WHERE project_id = $1 AND id = $2 AND revoked_at IS NULL",
        project,
        id
    )?;
    let (name, scopes) = row.ok_or(StoreError::NotFound("key"))?;
    let scopes: Vec<Scope> = scopes.split(' ').filter_map(Scope::parse).collect();
    caller.may(Target::Thing(&key_facts(id, &name, &scopes)))?;
    sql!(
        tx,
        execute,
        "UPDATE api_keys SET revoked_at = $1 WHERE project_id = $2 AND id = $3 AND revoked_at IS NULL",
        now,
        project,
        id
    )?;
    Ok(caller)
}

fn read(
    (id, project, name, prefix, hash, scopes, expires_at, revoked_at, status, epoch): Row,
) -> Result<(ApiKey, ProjectStatus, i64)> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("{what} of key {id}"));
    let secret_hash = hash.try_into().map_err(|_| corrupt("hash"))?;
    let status = ProjectStatus::from_number(status).ok_or_else(|| corrupt("project status"))?;
    // A scope that only a newer build knows is one that this build can't use.
    let scopes = scopes.split(' ').filter_map(Scope::parse).collect();
    Ok((
        ApiKey { id, project, name, prefix, secret_hash, scopes, expires_at, revoked_at },
        status,
        epoch,
    ))
}
