//! API keys.

use super::engine::sql;
use super::{Result, Store, StoreError};
use crate::domain::key::{ApiKey, Scope};
use crate::domain::project::ProjectStatus;
use crate::id::{KeyId, ProjectId};
use crate::time::Time;

type Row =
    (KeyId, ProjectId, String, String, Vec<u8>, String, Option<Time>, Option<Time>, i16, i64);

impl Store {
    /// Keeps a new key.
    ///
    /// # Errors
    /// When its project is not there.
    pub async fn create_key(&self, project: ProjectId, key: &ApiKey, now: Time) -> Result<()> {
        let key = key.clone();
        self.write("create_key", move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
                sql!(
                    tx, execute,
                    "INSERT INTO api_keys (project_id, id, name, prefix, secret_hash, scopes, expires_at, revoked_at, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    project, key.id, key.name, key.prefix, key.secret_hash.to_vec(), scopes.join(" "),
                    key.expires_at, key.revoked_at, now
                )
                .map(|_| ())
            })
        })
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
            .read("find_key", move |tx| {
                let prefix = prefix.clone();
                Box::pin(async move {
                    sql!(
                        tx, fetch_optional as Row,
                        "SELECT k.id, k.project_id, k.name, k.prefix, k.secret_hash, k.scopes, k.expires_at, k.revoked_at,
                                p.status, p.epoch
                         FROM api_keys k JOIN projects p ON p.id = k.project_id WHERE k.prefix = $1",
                        prefix
                    )
                })
            })
            .await?;
        row.map(read).transpose()
    }

    /// Takes a key back.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn revoke_key(&self, project: ProjectId, id: KeyId, now: Time) -> Result<()> {
        self.write("revoke_key", move |tx| {
            Box::pin(async move {
                super::projects::bump_epoch(tx, project).await?;
                let touched = sql!(
                    tx, execute,
                    "UPDATE api_keys SET revoked_at = $1 WHERE project_id = $2 AND id = $3 AND revoked_at IS NULL",
                    now, project, id
                )?;
                if touched == 0 { Err(StoreError::NotFound("key")) } else { Ok(()) }
            })
        })
        .await
    }
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
