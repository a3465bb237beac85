//! People: accounts, their roles, and what logging in asks of them.

use sqlx::types::Json;
use uuid::Uuid;

use super::audit::note;
use super::callers::{caller, judge_giving};
use super::engine::epoch::{bump_access, bump_epoch};
use super::engine::{Tx, insert, rows_in, sql, verb};
use super::one_time::delete_registrations_of;
use super::settings::within_plan;
use super::users::{Row, Standings, live_user, role_rows, standings, user, user_columns};
use super::{Result, Store, StoreError};
use domain::audit::Entry;
use domain::id::{ProjectId, RoleId, UserId};
use domain::permission::BuiltIn;
use domain::plan::PlanLimit;
use domain::time::Time;
use domain::user::{User, UserStatus};

/// An account that is to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// Its address, in its normal form.
    pub email: String,
    /// What its holder is called.
    pub full_name: String,
    /// Whether it works from the beginning.
    pub status: UserStatus,
    /// The hash of its password; without one nobody can log in.
    pub password: Option<String>,
    /// The names of its roles.
    pub roles: Vec<String>,
}

/// What an attempt to log in found.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// There is an account, and it may be tried; the attempt is counted as a failure until it succeeds.
    Try {
        /// The account.
        user: Box<User>,
        /// The hash of its password.
        password: Option<String>,
        /// Whether this was the last attempt before it is locked.
        last: bool,
    },
    /// It was tried too often.
    Locked(UserId),
    /// There is no such account.
    Unknown,
}

/// When an account is locked, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Lockout {
    /// So many failures lock it.
    pub failures: i64,
    /// Until then.
    pub until: Time,
}

impl Store {
    /// Makes an account with its roles.
    ///
    /// # Errors
    /// A conflict when the address is taken; not found when a role is not there; when the caller may not, or may not give
    /// these roles.
    pub async fn add_user(
        &self,
        project: ProjectId,
        new: &NewUser,
        entry: &Entry,
        now: Time,
    ) -> Result<()> {
        let (new, entry) = (new.clone(), entry.clone());
        self.write(
            "add_user",
            verb!(|tx, new, entry| {
                bump_epoch(tx, project).await?;
                let caller = caller(tx, &mut entry, now).await?;
                judge_giving(tx, project, &caller, &new.roles).await?;
                insert_user(tx, project, &new, now).await?;
                note(tx, project, &entry, now).await
            }),
        )
        .await
    }

    /// One account.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn user(&self, project: ProjectId, id: UserId) -> Result<User> {
        let found = self.read("user", verb!(|tx| { live_user(tx, project, id).await })).await?;
        found.ok_or(StoreError::NotFound("user"))
    }

    /// Whether anybody of a project may log in with a role of that name.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn has_member(&self, project: ProjectId, role: &str) -> Result<bool> {
        let role = role.to_owned();
        let row = self
            .read("has_member", verb!(|tx, role| {
                sql!(
                    tx, fetch_optional as (UserId,),
                    "SELECT m.user_id FROM user_roles m
                     JOIN roles r ON r.project_id = m.project_id AND r.id = m.role_id
                     JOIN users u ON u.project_id = m.project_id AND u.id = m.user_id
                     WHERE m.project_id = $1 AND r.name = $2 AND r.live = $3 AND u.live = $4 LIMIT 1",
                    project, role, Uuid::nil(), Uuid::nil()
                )
            }))
            .await?;
        Ok(row.is_some())
    }

    /// Forgets the failures of somebody who has proved who they are.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn forgive(&self, project: ProjectId, id: UserId) -> Result<()> {
        self.write("forgive", verb!(|tx| {
            sql!(
                tx, execute,
                "UPDATE users SET failed_logins = 0, locked_until = NULL WHERE project_id = $1 AND id = $2",
                project, id
            )
            .map(|_| ())
        }))
        .await
    }

    /// Takes an attempt back that was counted and was no failure after all, like a right password without its second
    /// factor. Other failures stay counted; the lock goes if it was the `last` one that set it.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn take_back_attempt(
        &self,
        project: ProjectId,
        id: UserId,
        last: bool,
    ) -> Result<()> {
        self.write("take_back_attempt", verb!(|tx| {
            sql!(
                tx, execute,
                "UPDATE users SET failed_logins = failed_logins - 1, locked_until = CASE WHEN $1 THEN NULL ELSE locked_until END
                 WHERE project_id = $2 AND id = $3 AND failed_logins > 0",
                last, project, id
            )
            .map(|_| ())
        }))
        .await
    }

    /// Counts an attempt to log in before the password is looked at, so that however many come at once, no more are
    /// tried than may be.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn begin_login(
        &self,
        project: ProjectId,
        email: &str,
        lockout: Lockout,
        now: Time,
    ) -> Result<Attempt> {
        let email = email.to_owned();
        self.write("begin_login", verb!(|tx, email| {
            let found = sql!(
                tx, fetch_optional as (UserId,),
                "SELECT id FROM users WHERE project_id = $1 AND email = $2 AND live = $3",
                project, email, Uuid::nil()
            )?;
            let Some((id,)) = found else { return Ok(Attempt::Unknown) };
            // The lock that has ended is forgotten with its failures; one that holds keeps the count as it is.
            sql!(
                tx, execute,
                "UPDATE users SET failed_logins = 0, locked_until = NULL
                 WHERE project_id = $1 AND id = $2 AND locked_until <= $3",
                project, id, now
            )?;
            let counted = sql!(
                tx, execute,
                "UPDATE users SET failed_logins = failed_logins + 1
                 WHERE project_id = $1 AND id = $2 AND locked_until IS NULL",
                project, id
            )?;
            if counted == 0 {
                return Ok(Attempt::Locked(id));
            }
            let last = sql!(
                tx, execute,
                "UPDATE users SET locked_until = $1 WHERE project_id = $2 AND id = $3 AND failed_logins >= $4",
                lockout.until, project, id, lockout.failures
            )? == 1;
            let row = sql!(
                tx, fetch_one as Row,
                concat!("SELECT ", user_columns!(), " FROM users WHERE project_id = $1 AND id = $2"),
                project, id
            )?;
            let (password,) = sql!(
                tx, fetch_one as (Option<String>,),
                "SELECT password_hash FROM users WHERE project_id = $1 AND id = $2",
                project, id
            )?;
            Ok(Attempt::Try { user: Box::new(user(row)?), password, last })
        }))
        .await
    }

    /// The hash of somebody's password.
    ///
    /// # Errors
    /// When there is no such account.
    pub async fn password(&self, project: ProjectId, id: UserId) -> Result<Option<String>> {
        let row = self
            .read("password", verb!(|tx| {
                sql!(
                    tx, fetch_optional as (Option<String>,),
                    "SELECT password_hash FROM users WHERE project_id = $1 AND id = $2 AND live = $3",
                    project, id, Uuid::nil()
                )
            }))
            .await?;
        row.map(|(hash,)| hash).ok_or(StoreError::NotFound("user"))
    }

    /// The roles of one person and those that these inherit from, as far as permissions go.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn grants(&self, project: ProjectId, id: UserId) -> Result<Standings> {
        self.read(
            "grants",
            verb!(|tx| {
                let roles = role_rows(tx, project).await?;
                standings(tx, project, &roles, id).await
            }),
        )
        .await
    }
}

pub(super) async fn insert_user(
    tx: &mut Tx,
    project: ProjectId,
    new: &NewUser,
    now: Time,
) -> Result<()> {
    within_plan(tx, project, PlanLimit::Users).await?;
    insert_account(tx, project, new, now).await?;
    give_roles(tx, project, new.id, &new.roles).await
}

/// An account without its roles. What was registered for its address is gone then.
pub(super) async fn insert_account(
    tx: &mut Tx,
    project: ProjectId,
    new: &NewUser,
    now: Time,
) -> Result<()> {
    sql!(
        tx, execute,
        "INSERT INTO users (project_id, id, email, full_name, status, password_hash, failed_logins, live, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9)",
        project, new.id, new.email.clone(), new.full_name.clone(), new.status.number(), new.password.clone(),
        Uuid::nil(), now, now
    )?;
    delete_registrations_of(tx, project, &new.email).await
}

/// Gives somebody exactly these roles.
pub(super) async fn give_roles(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    names: &[String],
) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM user_roles WHERE project_id = $1 AND user_id = $2",
        project,
        user
    )?;
    let nil = Uuid::nil();
    let roles = rows_in!(
        tx,
        as (RoleId, String),
        "SELECT id, name FROM roles WHERE project_id = $1 AND live = $2 AND name",
        [project, nil],
        names,
        lite "",
        server ""
    );
    if names.iter().any(|name| !roles.iter().any(|(_, known)| known == name)) {
        return Err(StoreError::NotFound("role"));
    }
    insert!(tx, "INSERT INTO user_roles (project_id, user_id, role_id)", roles, "", {
        ProjectId = |_role| project,
        UserId = |_role| user,
        RoleId = |role| role.0,
    });
    bump_access(tx, project).await
}

/// The roles that a project has from its beginning.
pub(super) async fn insert_built_in(
    tx: &mut Tx,
    project: ProjectId,
    roles: &[BuiltIn],
    now: Time,
) -> Result<()> {
    for role in roles {
        let permissions: Vec<String> = role.permissions.iter().map(ToString::to_string).collect();
        sql!(
            tx, execute,
            "INSERT INTO roles (project_id, id, name, description, permissions, built_in, live, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8)",
            project, RoleId::fresh(now), role.name, role.description, Json(permissions), Uuid::nil(), now, now
        )?;
    }
    Ok(())
}
