//! How people want to be told: one row for each, replaced as a whole.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::engine::{rows_in, sql, verb};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::{ProjectId, RuleId, UserId};
use domain::preferences::Preferences;
use domain::time::Time;

impl Store {
    /// Somebody's preferences and their version; the ordinary ones, of version 0, as long as they set none.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn preferences(
        &self,
        project: ProjectId,
        user: UserId,
    ) -> Result<(Preferences, i64)> {
        let row = self
            .read("preferences", verb!(|tx| {
                sql!(
                    tx,
                    fetch_optional as (Json<Value>, i64),
                    "SELECT body, version FROM preferences WHERE project_id = $1 AND user_id = $2",
                    project,
                    user
                )
            }))
            .await?;
        let Some((Json(body), version)) = row else { return Ok((Preferences::default(), 0)) };
        let read = serde_json::from_value(body);
        let read = read.map_err(|error| StoreError::Corrupt(format!("preferences: {error}")))?;
        Ok((read, version))
    }

    /// Sets somebody's preferences, if their version is still `seen`. Answers the new version.
    ///
    /// # Errors
    /// When they are not there; a conflict when another change came in between.
    pub async fn set_preferences(
        &self,
        project: ProjectId,
        user: UserId,
        body: Value,
        seen: Option<i64>,
        entry: &Entry,
        now: Time,
    ) -> Result<i64> {
        let entry = entry.clone();
        self.write("set_preferences", verb!(|tx, body, entry| {
            // The account's row is the lock: whoever erases it comes before or after.
            let there = sql!(
                tx, fetch_optional as (UserId,),
                lite "SELECT id FROM users WHERE project_id = $1 AND id = $2 AND live = $3",
                server "SELECT id FROM users WHERE project_id = $1 AND id = $2 AND live = $3 FOR UPDATE",
                project, user, Uuid::nil()
            )?;
            there.ok_or(StoreError::NotFound("user"))?;
            let known = sql!(
                tx,
                fetch_optional as (i64,),
                "SELECT version FROM preferences WHERE project_id = $1 AND user_id = $2",
                project,
                user
            )?;
            let version = known.map_or(0, |(version,)| version);
            if seen.is_some_and(|seen| seen != version) {
                return Err(StoreError::Conflict("version: the preferences were changed since; read them again"));
            }
            let next = version + 1;
            if known.is_some() {
                sql!(
                    tx, execute,
                    "UPDATE preferences SET version = $1, body = $2, updated_at = $3 WHERE project_id = $4 AND user_id = $5",
                    next, Json(body), now, project, user
                )?;
            } else {
                sql!(
                    tx, execute,
                    "INSERT INTO preferences (project_id, user_id, version, body, updated_at) VALUES ($1, $2, $3, $4, $5)",
                    project, user, next, Json(body), now
                )?;
            }
            note(tx, project, &entry, now).await?;
            Ok(next)
        }))
        .await
    }

    /// Those of `rules` that are there.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn known_rules(&self, project: ProjectId, rules: Vec<RuleId>) -> Result<Vec<RuleId>> {
        let rows = self
            .read(
                "known_rules",
                verb!(|tx, rules| {
                    let nil = Uuid::nil();
                    Ok(rows_in!(
                        tx,
                        as (RuleId,),
                        "SELECT id FROM rules WHERE project_id = $1 AND live = $2 AND id",
                        [project, nil],
                        rules,
                        lite "",
                        server ""
                    ))
                }),
            )
            .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}
