//! What administrators do with accounts: find them, name them, give them roles, suspend and delete them.

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;

use super::audit::note;
use super::callers::{given_by, judge_acting_on};
use super::email_changes::delete_email_change;
use super::engine::epoch::{bump_access, bump_epoch};
use super::engine::{Tx, rows_in, sql, verb};
use super::members::give_roles;
use super::one_time::delete_tokens_of;
use super::push::forget_tokens;
use super::recovery::delete_ways_in;
use super::session_ends::{Ended, Which, end};
use super::users::lock;
use super::users::touch;
use super::users::{Row, live_user, user, user_columns};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::{ProjectId, UserId};
use domain::permission::{ADMIN, SUPER_ADMIN};
use domain::precondition::Precondition;
use domain::role::tag_of_roles;
use domain::time::Time;
use domain::user::{User, UserStatus};

/// Which accounts a list shows.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Those in this state.
    pub status: Option<UserStatus>,
    /// Those whose address, name or username begins so; an address in lower case.
    pub search: Option<String>,
    /// This one alone.
    pub only: Option<UserId>,
}

impl Store {
    /// The account with that address, if there is one.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn user_by_email(&self, project: ProjectId, email: &str) -> Result<Option<User>> {
        let email = email.to_owned();
        let row = self
            .read(
                "user_by_email",
                verb!(|tx, email| {
                    sql!(
                        tx,
                        fetch_optional as Row,
                        concat!(
                            "SELECT ",
                            user_columns!(),
                            " FROM users WHERE project_id = $1 AND email = $2 AND live = $3"
                        ),
                        project,
                        email,
                        Uuid::nil()
                    )
                }),
            )
            .await?;
        row.map(user).transpose()
    }

    /// Accounts, newest first, from before `before`.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn list_users(
        &self,
        project: ProjectId,
        filter: UserFilter,
        before: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<User>> {
        let rows = self
            .read("list_users", verb!(|tx, filter| {
                let before = before.unwrap_or(UserId(Uuid::max()));
                let begins = filter.search.as_deref().map(begins_with).unwrap_or_default();
                let any = filter.search.is_none();
                sql!(
                    tx, fetch_all as Row,
                    concat!("SELECT ", user_columns!(), " FROM users WHERE project_id = $1 AND live = $2 AND id < $3 AND ($4 OR id = $5) AND ($6 OR status = $7)
                     AND ($8 OR email LIKE $9 ESCAPE '!' OR LOWER(full_name) LIKE $10 ESCAPE '!' OR username LIKE $11 ESCAPE '!')
                     ORDER BY id DESC LIMIT $12"),
                    project, Uuid::nil(), before, filter.only.is_none(),
                    filter.only.unwrap_or(UserId(Uuid::nil())), filter.status.is_none(),
                    filter.status.map_or(0, UserStatus::number), any, begins.clone(), begins.clone(), begins, limit
                )
            }))
            .await?;
        rows.into_iter().map(user).collect()
    }

    /// The names of the roles of some people, in order.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn roles_of(
        &self,
        project: ProjectId,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Vec<String>>> {
        let users = users.to_vec();
        let rows = self
            .read(
                "roles_of",
                verb!(|tx, users| {
                    Ok(rows_in!(
                        tx,
                        as (UserId, String),
                        "SELECT m.user_id, r.name FROM user_roles m
                         JOIN roles r ON r.project_id = m.project_id AND r.id = m.role_id
                         WHERE m.project_id = $1 AND m.user_id",
                        [project],
                        users,
                        lite "",
                        server ""
                    ))
                }),
            )
            .await?;
        let mut found: HashMap<UserId, Vec<String>> = HashMap::new();
        for (user, role) in rows {
            found.entry(user).or_default().push(role);
        }
        found.values_mut().for_each(|roles| roles.sort());
        Ok(found)
    }

    /// The names of all roles of a project, in order.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn role_names(&self, project: ProjectId) -> Result<Vec<String>> {
        let rows = self
            .read(
                "role_names",
                verb!(|tx| {
                    sql!(
                        tx,
                        fetch_all as (String,),
                        "SELECT name FROM roles WHERE project_id = $1 AND live = $2 ORDER BY name",
                        project,
                        Uuid::nil()
                    )
                }),
            )
            .await?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Gives a user exactly these roles, if theirs are still what `condition` demands; answers whether they are. Nobody
    /// gives what they don't have.
    ///
    /// # Errors
    /// When the user or a role is not there; a conflict when nobody would be left to give roles; when the caller may not.
    pub async fn set_user_roles(
        &self,
        project: ProjectId,
        id: UserId,
        roles: &[String],
        condition: &Precondition,
        entry: &Entry,
        now: Time,
    ) -> Result<bool> {
        let kept = (roles.to_vec(), condition.clone(), entry.clone());
        self.write("set_user_roles", move |tx| {
            let (roles, condition, mut entry) = kept.clone();
            Box::pin(async move {
                bump_epoch(tx, project).await?;
                let account = judge_acting_on(tx, project, id, false, &mut entry, now).await?;
                if !condition.holds(&tag_of_roles(&account.role_names)) {
                    return Ok(false);
                }
                account.caller.may_give(&account.grants, &given_by(&account.roles, &roles)?)?;
                let before = administrators(tx, project).await?;
                touch(tx, project, id, now).await?;
                give_roles(tx, project, id, &roles).await?;
                keep_one(tx, project, before).await?;
                entry.before = Some(json!({ "roles": account.role_names }));
                note(tx, project, &entry, now).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Changes whether an account works; nothing is done, and nothing written down, if that is so already. All its
    /// sessions end: one that is reactivated has to be logged in to again.
    ///
    /// # Errors
    /// When it is not there; a conflict when it waits for approval, or when nobody would be left to administer the
    /// project; when the caller may not.
    pub async fn set_user_status(
        &self,
        project: ProjectId,
        id: UserId,
        status: UserStatus,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let entry = entry.clone();
        self.write(
            "set_user_status",
            verb!(|tx, entry| {
                bump_epoch(tx, project).await?;
                judge_acting_on(tx, project, id, false, &mut entry, now).await?;
                let found =
                    live_user(tx, project, id).await?.ok_or(StoreError::NotFound("user"))?;
                if !found.status.may_become(status).map_err(StoreError::Conflict)? {
                    return Ok(());
                }
                let before = administrators(tx, project).await?;
                touch(tx, project, id, now).await?;
                sql!(
                    tx,
                    execute,
                    "UPDATE users SET status = $1 WHERE project_id = $2 AND id = $3",
                    status.number(),
                    project,
                    id
                )?;
                // On the way back as well: those that an older build left must not hold again.
                end(tx, project, id, Which::All, Ended::Suspended, now).await?;
                keep_one(tx, project, before).await?;
                if status == UserStatus::Suspended {
                    forget_tokens(tx, project, id).await?;
                    // What was mailed before must not work after it is reactivated.
                    delete_tokens_of(tx, project, id).await?;
                    delete_email_change(tx, project, id).await?;
                }
                bump_access(tx, project).await?;
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }

    /// Forgets the failures of an account and unlocks it; nothing is written down when there is nothing to forget.
    ///
    /// # Errors
    /// When it is not there; when the caller may not.
    pub async fn unlock_user(
        &self,
        project: ProjectId,
        id: UserId,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let entry = entry.clone();
        self.write("unlock_user", verb!(|tx, entry| {
            judge_acting_on(tx, project, id, false, &mut entry, now).await?;
            lock(tx, project, id).await?;
            let unlocked = sql!(
                tx,
                execute,
                "UPDATE users SET failed_logins = 0, locked_until = NULL, updated_at = $1
                 WHERE project_id = $2 AND id = $3 AND (failed_logins > 0 OR locked_until IS NOT NULL)",
                now,
                project,
                id
            )?;
            if unlocked > 0 {
                note(tx, project, &entry, now).await?;
            }
            Ok(())
        }))
        .await
    }

    /// Deletes an account; its history stays.
    ///
    /// # Errors
    /// When it is not there; a conflict when nobody would be left to administer the project; when the caller may not.
    pub async fn delete_user(
        &self,
        project: ProjectId,
        id: UserId,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let entry = entry.clone();
        self.write("delete_user", verb!(|tx, entry| {
            bump_epoch(tx, project).await?;
            judge_acting_on(tx, project, id, false, &mut entry, now).await?;
            let before = administrators(tx, project).await?;
            touch(tx, project, id, now).await?;
            delete_ways_in(tx, project, id).await?;
            sql!(
                tx, execute,
                "UPDATE users SET live = $1, deleted_at = $2, password_hash = NULL WHERE project_id = $3 AND id = $4",
                id.0, now, project, id
            )?;
            sql!(tx, execute, "DELETE FROM user_roles WHERE project_id = $1 AND user_id = $2", project, id)?;
            sql!(tx, execute, "DELETE FROM sessions WHERE project_id = $1 AND user_id = $2", project, id)?;
            forget_tokens(tx, project, id).await?;
            keep_one(tx, project, before).await?;
            bump_access(tx, project).await?;
            note(tx, project, &entry, now).await
        }))
        .await
    }
}

/// A pattern for texts that begin so, its own signs taken as they are.
fn begins_with(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// How many active people may administer the project, and can log in.
pub(super) async fn administrators(tx: &mut Tx, project: ProjectId) -> Result<i64> {
    let role = if project == ProjectId::PLATFORM { SUPER_ADMIN } else { ADMIN };
    let (count,) = sql!(
        tx,
        fetch_one as (i64,),
        "SELECT COUNT(*) FROM user_roles m
         JOIN roles r ON r.project_id = m.project_id AND r.id = m.role_id
         JOIN users u ON u.project_id = m.project_id AND u.id = m.user_id
         WHERE m.project_id = $1 AND r.name = $2 AND r.live = $3 AND u.live = $4 AND u.status = $5
           AND u.password_hash IS NOT NULL",
        project,
        role,
        Uuid::nil(),
        Uuid::nil(),
        UserStatus::Active.number()
    )?;
    Ok(count)
}

/// Refuses a change that leaves a project without an administrator that it had.
pub(super) async fn keep_one(tx: &mut Tx, project: ProjectId, before: i64) -> Result<()> {
    if before > 0 && administrators(tx, project).await? == 0 {
        return Err(StoreError::Conflict("nobody would be left to administer the project"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_search_takes_signs_as_they_are() {
        assert_eq!(super::begins_with("A_b%!"), "a!_b!%!!%");
    }
}
