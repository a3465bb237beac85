//! Erasing people: the account is marked and emptied first, and what is left of them goes in steps that can be
//! interrupted and done again.

use super::accounts::{administrators, keep_one};
use super::audit::note;
use super::callers::judge_acting_on;
use super::engine::epoch::{bump_access, bump_epoch};
use super::engine::{Tx, sql, verb};
use super::once::forget_answers;
use super::push::forget_tokens;
use super::recovery::delete_ways_in;
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::{ProjectId, UserId};
use domain::time::Time;
use uuid::Uuid;

/// What an account that was erased is called where history names it.
pub const ERASED: &str = "(erased)";

/// Somebody who is being erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// In which project.
    pub project: ProjectId,
    /// Who.
    pub user: UserId,
    /// Since when.
    pub started_at: Time,
}

impl Store {
    /// Marks an account as erased and empties it, whether it lives or was deleted before. From here on it is done again
    /// and again until nothing is left.
    ///
    /// # Errors
    /// When it is not there or was erased before; a conflict when nobody would be left to administer the project.
    pub async fn begin_erasure(
        &self,
        project: ProjectId,
        user: UserId,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let entry = entry.clone();
        self.write("begin_erasure", verb!(|tx, entry| {
            bump_epoch(tx, project).await?;
            judge_acting_on(tx, project, user, false, &mut entry, now).await?;
            let before = administrators(tx, project).await?;
            // Open invitations are found by the address, which goes next.
            delete_ways_in(tx, project, user).await?;
            let touched = sql!(
                tx, execute,
                "UPDATE users SET live = $1, deleted_at = COALESCE(deleted_at, $2), erased_at = $3, updated_at = $4,
                   email = '', full_name = $5, username = NULL, phone_hash = NULL, profile = NULL, avatar = NULL,
                   password_hash = NULL, failed_logins = 0, locked_until = NULL, email_verified_at = NULL,
                   last_login_at = NULL
                 WHERE project_id = $6 AND id = $7 AND erased_at IS NULL",
                user.0, now, now, now, ERASED, project, user
            )?;
            if touched == 0 {
                return Err(StoreError::NotFound("user"));
            }
            wipe(tx, project, user).await?;
            keep_one(tx, project, before).await?;
            sql!(
                tx,
                execute,
                "INSERT INTO erasures (project_id, user_id, started_at) VALUES ($1, $2, $3)",
                project,
                user,
                now
            )?;
            bump_access(tx, project).await?;
            note(tx, project, &entry, now).await
        }))
        .await
    }

    /// Takes away again what the store holds of somebody, for what was under way when they were erased.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn wipe_again(&self, project: ProjectId, user: UserId) -> Result<()> {
        self.write("wipe_again", verb!(|tx| { wipe(tx, project, user).await })).await
    }

    /// Up to `limit` people who are being erased, those who wait longest first.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn erasures(&self, limit: i64) -> Result<Vec<Erasure>> {
        let rows = self
            .read("erasures", verb!(|tx| {
                sql!(
                    tx,
                    fetch_all as (ProjectId, UserId, Time),
                    "SELECT project_id, user_id, started_at FROM erasures ORDER BY started_at, user_id LIMIT $1",
                    limit
                )
            }))
            .await?;
        let erasure = |(project, user, started_at)| Erasure { project, user, started_at };
        Ok(rows.into_iter().map(erasure).collect())
    }

    /// Ends an erasure: nothing is left.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn end_erasure(&self, project: ProjectId, user: UserId) -> Result<()> {
        self.write(
            "end_erasure",
            verb!(|tx| {
                sql!(
                    tx,
                    execute,
                    "DELETE FROM erasures WHERE project_id = $1 AND user_id = $2",
                    project,
                    user
                )
                .map(|_| ())
            }),
        )
        .await
    }

    /// Forgets somebody's key in the log of one project. Answers how many there were.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forget_subject_in(&self, project: ProjectId, user: UserId) -> Result<u64> {
        self.write("forget_subject_in", verb!(|tx| {
            sql!(
                tx, execute,
                "DELETE FROM subject_keys WHERE project_id = $1 AND subject_id = $2 AND subject_id <> $3",
                project, user, Uuid::nil()
            )
        }))
        .await
    }
}

/// Takes away what stands of somebody in other rows than their account's. A table that holds something of people, as
/// `domain/personal.rs` says, has its statement here; it is run more than once.
async fn wipe(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    forget_tokens(tx, project, user).await?;
    delete_ways_in(tx, project, user).await?;
    forget_answers(tx, project, user).await?;
    sql!(
        tx,
        execute,
        "DELETE FROM preferences WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )?;
    sql!(
        tx,
        execute,
        "DELETE FROM user_roles WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )?;
    // Refresh tokens go with their sessions.
    sql!(tx, execute, "DELETE FROM sessions WHERE project_id = $1 AND user_id = $2", project, user)
        .map(|_| ())
}
